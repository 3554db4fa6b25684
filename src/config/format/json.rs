//! JSON, by serde_json: raw values are slices of the text, so their place in it is known; a key
//! given twice is an error.

use super::{Budget, Lines, SyntaxError};
use crate::config::node::{Kind, Node};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::sync::Arc;

pub(super) fn parse(text: &str, origin: &Arc<str>) -> Result<Node, SyntaxError> {
    let source = Source { text, origin, lines: Lines::of(text) };
    if text.trim().is_empty() {
        return Ok(Node::new(Kind::Null, source.lines.mark(origin, 0)));
    }
    let root: &RawValue = source.within(text)?;
    source.node(root.get(), 0, &mut Budget::new())
}

struct Source<'a> {
    text: &'a str,
    origin: &'a Arc<str>,
    lines: Lines,
}

impl<'a> Source<'a> {
    /// One level of the value `raw`, which is a part of the text.
    fn within<T: Deserialize<'a>>(&self, raw: &'a str) -> Result<T, SyntaxError> {
        let line_before = self.lines.line(self.offset(raw)).unwrap_or(1) - 1;
        serde_json::from_str(raw).map_err(|e| {
            (u32::try_from(e.line()).ok().map(|line| line + line_before), e.to_string())
        })
    }

    fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn node(&self, raw: &'a str, depth: usize, budget: &mut Budget) -> Result<Node, SyntaxError> {
        let mark = self.lines.mark(self.origin, self.offset(raw));
        budget.spend(1, depth, mark.line)?;
        let kind = match raw.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = self.within(raw)?;
                let mut nodes = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    nodes.push((key, self.node(value.get(), depth + 1, budget)?));
                }
                Kind::Map(nodes)
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = self.within(raw)?;
                Kind::List(
                    elements
                        .iter()
                        .map(|element| self.node(element.get(), depth + 1, budget))
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Kind::Scalar(self.within(raw)?),
            Some(b'n') => Kind::Null,
            _ => Kind::Scalar(raw.to_owned()),
        };
        Ok(Node::new(kind, mark))
    }
}

/// The entries of an object, in its order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'de>, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries: Vec<(String, &RawValue)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(A::Error::custom(format!("key {key:?} is given twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::flat;
    use super::*;

    #[test]
    fn values_of_every_type() {
        let text = "{\"a\": \"x\\n\\ud83d\\ude00\",\n \"b\": -1.5e3, \"c\": true,\n\"d\": null, \"e\": [1,\n2]}";
        let node = parse(text, &"x".into()).unwrap();
        assert_eq!(
            flat(&node),
            [".a=x\n😀@1", ".b=-1.5e3@2", ".c=true@2", ".d=null@3", ".e[0]=1@3", ".e[1]=2@4"]
        );
    }

    #[test]
    fn syntax_errors_say_where() {
        for (text, line) in [
            ("{\"a\": 1,\n\"a\": 2}", 2),
            ("{\n\"a\": {\n\"b\": 1,\n\"b\": 1}}", 4),
            ("{\n\"a\" 1}", 2),
            ("{}\nx", 2),
            ("{", 1),
        ] {
            let (at, why) = parse(text, &"x".into()).unwrap_err();
            assert!(at == Some(line) && !why.is_empty(), "{text:?}: {at:?} {why}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(
            parse(&format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)), &"x".into())
                .is_err()
        );
        assert!(
            parse(&format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100)), &"x".into())
                .is_err()
        );
    }
}
