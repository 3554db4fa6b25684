//! YAML, by the events of saphyr-parser: anchors, aliases, merge keys; a key given twice is an
//! error; only the first document.
//!
//! Rules: YAML 1.2, the merge key of YAML 1.1. No recursion: a hostile file nests as it likes.

use super::{Budget, SyntaxError};
use crate::config::node::{Kind, Mark, Node};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn parse(text: &str, origin: &Arc<str>) -> Result<Node, SyntaxError> {
    let mut builder = Builder {
        origin,
        budget: Budget::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|e| (u32::try_from(e.marker().line()).ok(), e.info().to_owned()))?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event, span)?;
    }
    Ok(builder
        .root
        .unwrap_or(Node::new(Kind::Null, Mark { origin: origin.clone(), line: Some(1) })))
}

struct Builder<'a> {
    origin: &'a Arc<str>,
    budget: Budget,
    /// Lists and maps that are not at their end yet, outermost first.
    open: Vec<Open>,
    /// By the parser's number: the value and how many nodes it has.
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
}

struct Open {
    mark: Mark,
    anchor: usize,
    nodes_before: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map {
        entries: Vec<(String, Node)>,
        /// Values of `<<`, to be merged once the map's own keys are known.
        merges: Vec<Node>,
        /// The key whose value comes next.
        key: Option<(String, Mark)>,
    },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let mark =
            Mark { origin: self.origin.clone(), line: u32::try_from(span.start.line()).ok() };
        let nodes_before = self.budget.nodes;
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.budget.spend(1, self.open.len(), mark.line)?;
                let is_null = style == ScalarStyle::Plain
                    && ["", "~", "null", "Null", "NULL"].contains(&text.as_ref());
                let is_key = matches!(
                    self.open.last(),
                    Some(Open { kind: OpenKind::Map { key: None, .. }, .. })
                );
                let kind =
                    if is_null && !is_key { Kind::Null } else { Kind::Scalar(text.into_owned()) };
                self.put(Node::new(kind, mark), anchor, 1)
            }
            Event::Alias(anchor) => {
                let (node, nodes) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or((mark.line, "alias of what is not complete yet".to_owned()))?;
                self.budget.spend(nodes, self.open.len(), mark.line)?;
                self.put(node, 0, nodes)
            }
            Event::SequenceStart(anchor, _) => {
                self.start(mark, anchor, nodes_before, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(anchor, _) => self.start(
                mark,
                anchor,
                nodes_before,
                OpenKind::Map { entries: Vec::new(), merges: Vec::new(), key: None },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        mark: Mark,
        anchor: usize,
        nodes_before: usize,
        kind: OpenKind,
    ) -> Result<(), SyntaxError> {
        self.budget.spend(1, self.open.len(), mark.line)?;
        if let Some(Open { kind: OpenKind::Map { key: None, .. }, .. }) = self.open.last() {
            return Err((mark.line, "a key must be a single word".to_owned()));
        }
        self.open.push(Open { mark, anchor, nodes_before, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.kind {
            OpenKind::List(elements) => Kind::List(elements),
            OpenKind::Map { mut entries, merges, .. } => {
                for merged in merges {
                    merge(&mut entries, merged)?;
                }
                Kind::Map(entries)
            }
        };
        let nodes = self.budget.nodes - open.nodes_before;
        self.put(Node::new(kind, open.mark), open.anchor, nodes)
    }

    /// Adds a finished node to the innermost open collection.
    fn put(&mut self, mut node: Node, anchor: usize, nodes: usize) -> Result<(), SyntaxError> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::List(elements)) => elements.push(node),
            Some(OpenKind::Map { entries, merges, key }) => match key.take() {
                None => {
                    let Kind::Scalar(name) = node.kind else {
                        return Err((node.mark.line, "a key must be a single word".to_owned()));
                    };
                    if entries.iter().any(|(other, _)| *other == name) {
                        return Err((node.mark.line, format!("key {name:?} is given twice")));
                    }
                    *key = Some((name, node.mark));
                }
                Some((name, _)) if name == "<<" => merges.push(node),
                Some((name, mark)) => {
                    node.mark = mark;
                    entries.push((name, node));
                }
            },
        }
        Ok(())
    }
}

/// Adds the entries of a merge key's value (a map, or a list of maps, earlier ones winning) that
/// are not there yet.
fn merge(entries: &mut Vec<(String, Node)>, merged: Node) -> Result<(), SyntaxError> {
    match merged.kind {
        Kind::Map(more) => {
            for (key, node) in more {
                if !entries.iter().any(|(other, _)| *other == key) {
                    entries.push((key, node));
                }
            }
            Ok(())
        }
        Kind::List(maps) if maps.iter().all(|map| matches!(map.kind, Kind::Map(_))) => {
            maps.into_iter().try_for_each(|map| merge(entries, map))
        }
        _ => Err((merged.mark.line, "\"<<\" must be a map or a list of maps".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::flat;
    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>, SyntaxError> {
        parse(text, &"x".into()).map(|node| flat(&node))
    }

    #[test]
    fn values_carry_the_line_of_their_key() {
        assert_eq!(
            parsed("a: 1\nb:\n  c:\n    - x\n    - y\n  d:\n    7").unwrap(),
            [".a=1@1", ".b.c[0]=x@4", ".b.c[1]=y@5", ".b.d=7@6"]
        );
    }

    #[test]
    fn anchors_and_merge_keys() {
        let text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na:\n  <<: *b\n  x: 9\nc:\n  <<: [*m, *b]\nd: *b\n";
        let all = parsed(text)
            .unwrap()
            .iter()
            .map(|line| line.split('@').next().unwrap().to_owned())
            .collect::<Vec<_>>();
        assert_eq!(
            all[4..],
            [".a.x=9", ".a.y=2", ".c.y=3", ".c.z=4", ".c.x=1", ".d.x=1", ".d.y=2"]
        );
    }

    #[test]
    fn plain_null_is_null_and_a_quoted_one_is_text() {
        assert_eq!(
            parsed("a:\nb: ~\nc: null\nd: 'null'\ne: \"\"\n").unwrap(),
            [".a=null@1", ".b=null@2", ".c=null@3", ".d=null@4", ".e=@5"]
        );
        assert!(matches!(
            parse("d: 'null'", &"x".into()).unwrap().at("d").unwrap().kind,
            Kind::Scalar(_)
        ));
    }

    #[test]
    fn only_the_first_document_counts() {
        assert_eq!(parsed("---\na: 1\n---\na: 2\n").unwrap(), [".a=1@2"]);
        assert_eq!(parsed("a: 1\n...\n}}}\n").unwrap(), [".a=1@1"]);
    }

    #[test]
    fn syntax_errors_say_where() {
        for (text, line) in [
            ("a: 1\na: 2\n", 2),
            ("a:\n\tb: 1\n", 2),
            ("server:\n  backends: [lua\n", 3),
            ("a: *nowhere\n", 1),
            ("a: {[x]: 1}\n", 1),
            ("a: 1\n<<: word\n", 2),
            ("a: &x [*x]\n", 1),
        ] {
            let (at, why) = parsed(text).unwrap_err();
            assert!(at == Some(line) && !why.is_empty(), "{text:?}: {at:?} {why}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, before) in
            ["b", "c", "d", "e", "f", "g"].iter().zip(["a", "b", "c", "d", "e", "f"])
        {
            laughs += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(","));
        }
        assert!(parsed(&laughs).unwrap_err().1.contains("values"));
        assert!(parsed(&format!("a: {}", "[".repeat(10_000))).is_err());
        assert!(parsed(&"- ".repeat(10_000)).is_err());
    }
}
