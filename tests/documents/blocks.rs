//! What the documents show: fenced blocks, and functions that stand in the text as they are.

use std::path::Path;

pub struct Block {
    /// File, line and language, for people.
    pub name: String,
    pub kind: Kind,
    pub text: String,
}

pub enum Kind {
    /// A whole script with this entry function.
    Script(Entry),
    /// An entry function that only shows what it is called with and what it returns.
    Signature(Entry),
    /// Statements without a function, which end by returning what an entry function does.
    Body,
    Configuration,
    /// Neither, and why.
    Other(&'static str),
}

/// Where a script is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Feature,
    Backend,
    Filter,
    Action,
    Hook,
}

/// All blocks of all documents, by the documents' names.
pub fn read(folder: &Path) -> Vec<Block> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths
        .iter()
        .flat_map(|path| {
            of_document(
                &path.file_name().unwrap().to_string_lossy(),
                &std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect()
}

fn of_document(document: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let number = number + 1;
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let text = collect(
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```"),
            );
            blocks.push(Block {
                name: format!("{document}, line {number} ({language})"),
                kind: kind(language, &text),
                text,
            });
        } else if is_lua(line) {
            // A document that has lost its fences. A function ends where its `end` stands at the
            // margin, all else at an empty line.
            let is_function = line.starts_with("function ");
            let mut text = vec![line];
            for (_, line) in lines.by_ref() {
                if !is_function && line.is_empty() {
                    break;
                }
                text.push(line);
                if is_function && line == "end" {
                    break;
                }
            }
            let text = collect(text.into_iter());
            blocks.push(Block {
                name: format!("{document}, line {number} (lua without fences)"),
                kind: kind("lua", &text),
                text,
            });
        }
    }
    blocks
}

fn is_lua(line: &str) -> bool {
    line.starts_with("local ") && line.contains(" = ")
        || line.starts_with("function ") && line.ends_with(')')
}

fn collect<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("{line}\n")).collect()
}

fn kind(language: &str, text: &str) -> Kind {
    match language {
        "yaml" | "yml" => Kind::Configuration,
        "lua" => match entry(text) {
            Some(entry) if is_signature(text) => Kind::Signature(entry),
            Some(entry) => Kind::Script(entry),
            None if text.lines().any(|line| line.starts_with("return ")) => Kind::Body,
            None => Kind::Other("it has no entry function and returns nothing"),
        },
        _ => Kind::Other("it is neither a script nor a configuration"),
    }
}

fn entry(text: &str) -> Option<Entry> {
    let entries = [
        ("function nauthilus_call_feature(", Entry::Feature),
        ("function nauthilus_backend_", Entry::Backend),
        ("function nauthilus_call_filter(", Entry::Filter),
        ("function nauthilus_call_action(", Entry::Action),
        ("function nauthilus_run_hook(", Entry::Hook),
    ];
    entries
        .into_iter()
        .find(|(beginning, _)| text.lines().any(|line| line.starts_with(beginning)))
        .map(|(_, entry)| entry)
}

/// Whether nothing but comments stands before the `return`.
fn is_signature(text: &str) -> bool {
    let code: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .collect();
    matches!(code.as_slice(), [function, returned, "end"] if function.starts_with("function ") && returned.starts_with("return "))
}
