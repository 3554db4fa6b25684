//! TOML, by the toml crate, which knows where each value stands and refuses what is given twice.

use super::{Budget, Lines, SyntaxError};
use crate::config::node::{Kind, Node};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) fn parse(text: &str, origin: &Arc<str>) -> Result<Node, SyntaxError> {
    let source = Source { origin, lines: Lines::of(text) };
    let table = DeTable::parse(text).map_err(|e| {
        (e.span().and_then(|span| source.lines.line(span.start)), e.message().to_owned())
    })?;
    let mark = source.lines.mark(origin, 0);
    Ok(Node::new(source.map(table.get_ref(), 0, &mut Budget::new())?, mark))
}

struct Source<'a> {
    origin: &'a Arc<str>,
    lines: Lines,
}

impl Source<'_> {
    fn map(
        &self,
        table: &DeTable<'_>,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Kind, SyntaxError> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let mut node = self.node(value, depth + 1, budget)?;
            node.mark = self.lines.mark(self.origin, key.span().start);
            entries.push((key.get_ref().to_string(), node));
        }
        Ok(Kind::Map(entries))
    }

    fn node(
        &self,
        value: &Spanned<DeValue<'_>>,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Node, SyntaxError> {
        let mark = self.lines.mark(self.origin, value.span().start);
        budget.spend(1, depth, mark.line)?;
        let kind = match value.get_ref() {
            DeValue::Table(table) => self.map(table, depth, budget)?,
            DeValue::Array(elements) => Kind::List(
                elements
                    .iter()
                    .map(|element| self.node(element, depth + 1, budget))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::String(text) => Kind::Scalar(text.to_string()),
            DeValue::Integer(number) => {
                let prefix = match number.radix() {
                    16 => "0x",
                    8 => "0o",
                    2 => "0b",
                    _ => "",
                };
                Kind::Scalar(format!("{prefix}{}", number.as_str()))
            }
            DeValue::Float(number) => Kind::Scalar(number.as_str().to_owned()),
            DeValue::Boolean(value) => Kind::Scalar(value.to_string()),
            DeValue::Datetime(moment) => Kind::Scalar(moment.to_string()),
        };
        Ok(Node::new(kind, mark))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::flat;
    use super::*;

    #[test]
    fn values_of_every_type() {
        let text = "a = 'x'\nb = 0x1F\nc = 1.5\nd = true\ne = [1,\n2]\n[t]\nu.v = 2020-01-02\n[[l]]\nm = 1\n";
        let mut all = flat(&parse(text, &"x".into()).unwrap());
        all.sort();
        assert_eq!(
            all,
            [
                ".a=x@1",
                ".b=0x1F@2",
                ".c=1.5@3",
                ".d=true@4",
                ".e[0]=1@5",
                ".e[1]=2@6",
                ".l[0].m=1@10",
                ".t.u.v=2020-01-02@8"
            ]
        );
    }

    #[test]
    fn syntax_errors_say_where() {
        for (text, line) in
            [("a = 1\na = 2\n", 2), ("a = \n", 1), ("\n\n[a\n", 3), ("x = 'secret", 1)]
        {
            let (at, why) = parse(text, &"x".into()).unwrap_err();
            assert!(
                at == Some(line) && !why.is_empty() && !why.contains("secret"),
                "{text:?}: {at:?} {why}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(
            parse(&format!("a = {}{}", "[".repeat(100), "]".repeat(100)), &"x".into()).is_err()
        );
        assert!(parse(&format!("a = {}", "[".repeat(100_000)), &"x".into()).is_err());
    }
}
