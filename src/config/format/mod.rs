//! The file formats: text in, a tree of nodes with line numbers out.
//!
//! A syntax error is the only problem of its file. Bounds: `node::NODES_MAX`, `node::DEPTH_MAX`.
//! Called by `include`.

mod json;
mod toml;
mod yaml;

use crate::config::node::{DEPTH_MAX, Kind, Mark, NODES_MAX, Node};
use crate::config::problem::Problem;
use std::path::Path;
use std::sync::Arc;

/// How a file is written. Chosen on the command line, else by the file's extension, else YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
    Toml,
}

impl Format {
    /// The format of this name, as `--config-format` takes it.
    pub fn named(name: &str) -> Option<Format> {
        match name {
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            _ => None,
        }
    }

    pub fn of_file(path: &Path) -> Format {
        path.extension()
            .and_then(|extension| Format::named(&extension.to_string_lossy().to_ascii_lowercase()))
            .unwrap_or(Format::Yaml)
    }
}

/// Parses a whole file. An empty one is null.
pub(super) fn parse(format: Format, text: &str, origin: &Arc<str>) -> Result<Node, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = match format {
        Format::Yaml => yaml::parse(text, origin),
        Format::Json => json::parse(text, origin),
        Format::Toml => toml::parse(text, origin),
    };
    let tree =
        tree.map_err(|(line, wrong)| Problem { line, ..Problem::of_file(origin.clone(), wrong) })?;
    match tree.kind {
        Kind::Map(_) | Kind::Null => Ok(tree),
        _ => Err(Problem::of_file(origin.clone(), "must be a map of sections")),
    }
}

/// Where the syntax is broken, and how.
type SyntaxError = (Option<u32>, String);

/// Counts what a parser makes, so that no file can make too much of it.
struct Budget {
    nodes: usize,
}

impl Budget {
    fn new() -> Budget {
        Budget { nodes: 0 }
    }

    fn spend(&mut self, nodes: usize, depth: usize, line: Option<u32>) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err((line, format!("more than {NODES_MAX} values")));
        }
        if depth > DEPTH_MAX {
            return Err((line, format!("nested more than {DEPTH_MAX} deep")));
        }
        Ok(())
    }
}

/// Byte offsets to line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    fn mark(&self, origin: &Arc<str>, offset: usize) -> Mark {
        Mark { origin: origin.clone(), line: self.line(offset) }
    }

    fn line(&self, offset: usize) -> Option<u32> {
        u32::try_from(self.0.partition_point(|end| *end < offset) + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path=text@line` of every scalar.
    pub(super) fn flat(node: &Node) -> Vec<String> {
        fn walk(node: &Node, path: &str, out: &mut Vec<String>) {
            let line = node.mark.line.unwrap_or(0);
            match &node.kind {
                Kind::Null => out.push(format!("{path}=null@{line}")),
                Kind::Scalar(text) => out.push(format!("{path}={text}@{line}")),
                Kind::List(elements) => elements
                    .iter()
                    .enumerate()
                    .for_each(|(i, node)| walk(node, &format!("{path}[{i}]"), out)),
                Kind::Map(entries) => {
                    entries.iter().for_each(|(key, node)| walk(node, &format!("{path}.{key}"), out))
                }
            }
        }
        let mut out = Vec::new();
        walk(node, "", &mut out);
        out
    }

    #[test]
    fn the_extension_names_the_format() {
        for (file, format) in [
            ("a.yml", Format::Yaml),
            ("a.JSON", Format::Json),
            ("a.toml", Format::Toml),
            ("a.conf", Format::Yaml),
            ("a", Format::Yaml),
        ] {
            assert_eq!(Format::of_file(Path::new(file)), format);
        }
        assert_eq!(Format::named("ini"), None);
    }

    #[test]
    fn the_three_formats_make_the_same_tree() {
        let yaml = "server:\n  workers: 2\n  backends: [lua]\n  log: {json: true}\n";
        let json = "{\"server\": {\n\"workers\": 2,\n\"backends\": [\"lua\"],\n\"log\": {\"json\": true}}}";
        let toml = "[server]\nworkers = 2\nbackends = [\"lua\"]\nlog.json = true\n";
        let parsed = |format, text| parse(format, text, &"x".into()).unwrap();
        let expected =
            [".server.workers=2@2", ".server.backends[0]=lua@3", ".server.log.json=true@4"];
        for (format, text) in [(Format::Yaml, yaml), (Format::Json, json)] {
            assert_eq!(flat(&parsed(format, text)), expected, "{format:?}");
        }
        assert!(parsed(Format::Toml, toml).same(&parsed(Format::Yaml, yaml)));
    }

    #[test]
    fn a_file_that_is_no_map_is_refused() {
        for (format, text) in [
            (Format::Yaml, "- a"),
            (Format::Yaml, "word"),
            (Format::Json, "[]"),
            (Format::Json, "3"),
        ] {
            assert!(parse(format, text, &"x".into()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_file_is_null() {
        for (format, text) in [
            (Format::Yaml, ""),
            (Format::Yaml, "# nothing\n"),
            (Format::Yaml, "---\n"),
            (Format::Json, "null"),
            (Format::Json, " "),
        ] {
            assert!(parse(format, text, &"x".into()).unwrap().is_absent(), "{text}");
        }
        assert!(parse(Format::Toml, "", &"x".into()).unwrap().is_absent());
    }
}
