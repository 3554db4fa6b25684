//! The effective configuration as YAML or JSON, which the loader reads again. Secrets are stars.
//! Called by `loligo config` and `config/load`.

use crate::config::node::{Kind, Node};

/// Block style; ends with a line break.
pub(super) fn yaml(tree: &Node) -> String {
    let mut out = String::new();
    if let Kind::Map(entries) = &tree.kind {
        map(entries, 0, &mut out);
    }
    out
}

/// Numbers and truth values as such, all other scalars as strings.
pub(super) fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar(text) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            digits => digits
                .parse::<i64>()
                .ok()
                .filter(|n| n.to_string() == digits)
                .map_or_else(|| Value::from(digits), Value::from),
        },
        Kind::List(elements) => elements.iter().map(json).collect(),
        Kind::Map(entries) => {
            Value::Object(entries.iter().map(|(key, node)| (key.clone(), json(node))).collect())
        }
    }
}

fn map(entries: &[(String, Node)], indent: usize, out: &mut String) {
    for (key, node) in entries {
        out.push_str(&" ".repeat(indent));
        out.push_str(&quoted(key));
        out.push(':');
        value(node, indent, out);
    }
}

/// What follows a key or a dash.
fn value(node: &Node, indent: usize, out: &mut String) {
    match &node.kind {
        Kind::Null => out.push_str(" null\n"),
        Kind::Scalar(text) => {
            out.push(' ');
            out.push_str(&quoted(text));
            out.push('\n');
        }
        Kind::List(elements) if elements.is_empty() => out.push_str(" []\n"),
        Kind::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Kind::List(elements) => {
            out.push('\n');
            for element in elements {
                out.push_str(&" ".repeat(indent + 2));
                out.push('-');
                match &element.kind {
                    Kind::Map(entries) if !entries.is_empty() => {
                        let mut block = String::new();
                        map(entries, indent + 4, &mut block);
                        // The first key stands beside the dash.
                        out.push(' ');
                        out.push_str(block.trim_start_matches(' '));
                    }
                    _ => value(element, indent + 2, out),
                }
            }
        }
        Kind::Map(entries) => {
            out.push('\n');
            map(entries, indent + 2, out);
        }
    }
}

/// A plain scalar where that is beyond doubt, else a double-quoted one, which in YAML is a JSON
/// string.
fn quoted(text: &str) -> String {
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'/')
        && !text.eq_ignore_ascii_case("null");
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::format::{Format, parse};

    proptest::proptest! {
        #[test]
        fn any_text_survives(key in ".{0,20}", text in ".{0,40}") {
            let scalar = Node::scalar(text, crate::config::node::Mark::nowhere());
            let list = Node::new(Kind::List(vec![scalar.clone(), Node::new(Kind::Map(vec![(key.clone(), scalar)]), crate::config::node::Mark::nowhere())]), crate::config::node::Mark::nowhere());
            let tree = Node::new(Kind::Map(vec![(key, list)]), crate::config::node::Mark::nowhere());
            let written = yaml(&tree);
            let read = parse(Format::Yaml, &written, &"x".into());
            proptest::prop_assert!(read.as_ref().is_ok_and(|read| read.same(&tree)), "{written:?} {read:?}");
        }
    }
}
