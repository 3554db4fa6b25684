//! The layers of ARCHITECTURE.md, checked against the sources: which folder may name which, that
//! import circles stay small and inside one folder, and which crates are named in one place only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn only_the_reactor_names_mio() {
    assert_only_in("reactor", "mio");
}

#[test]
fn only_the_script_host_names_mlua() {
    assert_only_in("script", "mlua");
}

#[test]
fn each_folder_names_only_folders_of_lower_rows() {
    let rank = rows();
    let mut problems = Vec::new();
    for (file, source) in Sources::read().files {
        let Some(own) = rank.get(top(&file)) else {
            problems.push(format!("{file}: {} is in no row of the picture", top(&file)));
            continue;
        };
        for path in
            source.imports.into_iter().chain(source.exports.into_iter().map(|(_, path)| path))
        {
            let named = path.first().map(String::as_str).unwrap_or_default();
            match rank.get(named) {
                Some(other) if named == top(&file) || other > own => {}
                Some(_) => problems
                    .push(format!("{file} names {}, which is not below it", path.join("::"))),
                None => problems.push(format!(
                    "{file} names {}, which is in no row of the picture",
                    path.join("::")
                )),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn import_circles_stay_in_one_folder_and_have_three_files_at_most() {
    let sources = Sources::read();
    let mut problems = Vec::new();
    for circle in sources.circles() {
        let folders: BTreeSet<_> = circle.iter().map(|file| folder(file)).collect();
        if circle.len() > CIRCLE_MAX || folders.len() > 1 {
            problems.push(circle.join(", "));
        }
    }
    assert!(problems.is_empty(), "circles:\n{}", problems.join("\n"));
}

/// Files that import each other in a circle.
const CIRCLE_MAX: usize = 3;

/// The picture of ARCHITECTURE.md, section "Layers": the row of each folder or file of `src`,
/// counted from the top.
fn rows() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("\n## Layers").nth(1).unwrap_or_default();
    let picture = section.split("```").nth(1).unwrap_or_default().trim_start_matches("text");
    assert!(
        picture.contains("worker"),
        "ARCHITECTURE.md has no picture of the layers in its section Layers"
    );
    let mut rows = BTreeMap::from([("main".to_owned(), 0), ("lib".to_owned(), 0)]);
    for (row, line) in picture.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        // The first column holds the layer's name, on its first row only.
        for name in line.get(LAYER_COLUMN..).unwrap_or_default().split('·') {
            rows.insert(name.trim().to_owned(), row + 1);
        }
    }
    rows
}

/// Bytes of the picture's first column.
const LAYER_COLUMN: usize = 11;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `auth` for `auth/run.rs`, `value` for `value.rs`.
fn top(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What the sources import, tests left out.
struct Sources {
    files: BTreeMap<String, Source>,
    /// Of modules, without `crate`: `auth::run` → `auth/run.rs`.
    modules: BTreeMap<Vec<String>, String>,
}

struct Source {
    /// Paths that the file imports or names, without `crate`. A re-export is not an import: the
    /// file itself has no use for it.
    imports: Vec<Vec<String>>,
    /// What it exports under names of its own: the last part of a `pub use` and the whole path.
    exports: Vec<(String, Vec<String>)>,
}

impl Sources {
    fn read() -> Sources {
        let src = root().join("src");
        let mut texts = BTreeMap::new();
        for path in rust_files(&src) {
            let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
            if !is_test(&name) {
                texts.insert(name, code(&std::fs::read_to_string(&path).unwrap()));
            }
        }
        assert!(texts.len() > 100, "does this test still find the sources?");
        let modules: BTreeMap<_, _> =
            texts.keys().map(|name| (module_of(name), name.clone())).collect();
        let files = texts
            .iter()
            .map(|(name, text)| (name.clone(), Source::of(&module_of(name), text, &modules)))
            .collect();
        Sources { files, modules }
    }

    /// The file that defines what a path names: the longest module in it, re-exports followed.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&str> {
        let (length, file) = (1..=path.len())
            .rev()
            .find_map(|length| Some((length, self.modules.get(&path[..length])?)))?;
        let exported = path.get(length).and_then(|name| {
            let exports = &self.files.get(file)?.exports;
            exports.iter().find(|(known, _)| known == name).map(|(_, target)| target)
        });
        match exported {
            Some(target) if depth < REEXPORTS_MAX => self.file_of(target, depth + 1).or(Some(file)),
            _ => Some(file),
        }
    }

    fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges = BTreeMap::new();
        for (file, source) in &self.files {
            let to = source
                .imports
                .iter()
                .filter_map(|path| self.file_of(path, 0))
                .filter(|to| to != file)
                .collect();
            edges.insert(file.as_str(), to);
        }
        edges
    }

    /// Sets of files of which each reaches each.
    fn circles(&self) -> Vec<Vec<&str>> {
        let edges = self.edges();
        let reach: BTreeMap<_, _> =
            edges.keys().map(|file| (*file, reachable(file, &edges))).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for (file, reached) in &reach {
            if !reached.contains(file) || !seen.insert(*file) {
                continue;
            }
            let circle: Vec<_> =
                reached.iter().copied().filter(|other| reach[other].contains(file)).collect();
            seen.extend(&circle);
            circles.push(circle);
        }
        circles
    }
}

/// `pub use` of a `pub use` of …
const REEXPORTS_MAX: usize = 8;

fn reachable<'a>(from: &str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = edges[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(edges.get(file).into_iter().flatten());
        }
    }
    reached
}

impl Source {
    fn of(module: &[String], text: &str, modules: &BTreeMap<Vec<String>, String>) -> Source {
        let mut source = Source { imports: Vec::new(), exports: Vec::new() };
        let mut outside = String::new();
        let mut left = text;
        while let Some((is_public, before, body, after)) = next_use(left) {
            outside.push_str(before);
            let mut paths = Vec::new();
            expand(body, &[], &mut paths);
            for path in paths {
                let (path, alias) = split_alias(path);
                let Some(path) = absolute(module, &path, modules) else { continue };
                if is_public {
                    let name = alias.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
                    source.exports.push((name, path));
                } else {
                    source.imports.push(path);
                }
            }
            left = after;
        }
        outside.push_str(left);
        source.imports.extend(
            named(&outside).into_iter().filter_map(|path| absolute(module, &path, modules)),
        );
        source
    }
}

/// The next `use …;`: whether it is public, what is before it, its tree, what is after it.
fn next_use(text: &str) -> Option<(bool, &str, &str, &str)> {
    let at = text.match_indices("use ").map(|(at, _)| at).find(|at| {
        text[..*at]
            .rsplit('\n')
            .next()
            .is_some_and(|line| matches!(line.trim(), "" | "pub" | "pub(super)" | "pub(crate)"))
    })?;
    let end = at + text[at..].find(';')?;
    let is_public = text[..at].trim_end().ends_with("pub") || text[..at].trim_end().ends_with(')');
    Some((is_public, &text[..at], &text[at + 4..end], &text[end + 1..]))
}

/// `a::{b, c::{d, self}}` → `a::b`, `a::c::d`, `a::c`.
fn expand(tree: &str, prefix: &[String], out: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let mut path = prefix.to_vec();
        path.extend(
            tree.split("::")
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty() && part != "self"),
        );
        // `self` at the start is the module itself.
        if tree == "self::*" || tree.starts_with("self::") {
            path.insert(0, "self".to_owned());
        }
        return out.push(path);
    };
    let mut inner = prefix.to_vec();
    inner.extend(
        head.trim_end_matches("::")
            .split("::")
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty()),
    );
    let group = group.trim_end().trim_end_matches('}');
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&group[start..at], &inner, out);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&group[start..], &inner, out);
    }
}

fn split_alias(mut path: Vec<String>) -> (Vec<String>, Option<String>) {
    let alias = path.last_mut().and_then(|last| {
        let (name, alias) = last
            .split_once(" as ")
            .map(|(name, alias)| (name.trim().to_owned(), alias.trim().to_owned()))?;
        *last = name;
        Some(alias)
    });
    (path, alias)
}

/// Paths that code names in full: `crate::…` and `super::…`.
fn named(text: &str) -> Vec<Vec<String>> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = Vec::new();
    for word in text.split(|c: char| !is_path(c)) {
        if word.starts_with("crate::") || word.starts_with("super::") {
            paths.push(
                word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            );
        }
    }
    paths
}

/// A path as seen from `module`, without `crate`; `None` if it leads into another crate.
fn absolute(
    module: &[String],
    path: &[String],
    modules: &BTreeMap<Vec<String>, String>,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let parent = module.get(..module.len().checked_sub(1)?)?;
            match rest.first().map(String::as_str) {
                Some("super") => absolute(parent, rest, modules),
                _ => Some([parent, rest].concat()),
            }
        }
        _ => {
            let child = [module, std::slice::from_ref(first)].concat();
            modules.contains_key(&child).then(|| [module, path].concat())
        }
    }
}

/// `auth::run` for `auth/run.rs`, `auth` for `auth/mod.rs`.
fn module_of(file: &str) -> Vec<String> {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    name.split('/').filter(|part| !matches!(*part, "main" | "lib")).map(str::to_owned).collect()
}

/// Files that are compiled for tests only.
fn is_test(file: &str) -> bool {
    let stem = file.rsplit('/').next().unwrap_or_default();
    stem.ends_with("tests.rs")
        || file.contains("/tests/")
        || matches!(stem, "testing.rs" | "golden.rs" | "canned.rs" | "differential.rs")
}

/// The code of a file: no comments, and no tests, which stand last.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let without_test_modules =
        text.replace("#[cfg(test)]\npub mod ", "// ").replace("#[cfg(test)]\nmod ", "// ");
    without_test_modules
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every Rust file under `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Whether code names the crate.
fn names(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|code| code.match_indices(name).map(move |(at, _)| (code, at)))
        .any(|(code, at)| {
            !code[..at].ends_with(is_word) && !code[at + name.len()..].starts_with(is_word)
        })
}

fn assert_only_in(folder: &str, name: &str) {
    let src = root().join("src");
    let files: Vec<_> = rust_files(&src)
        .into_iter()
        .filter(|path| names(&std::fs::read_to_string(path).unwrap(), name))
        .map(|path| path.strip_prefix(&src).unwrap().to_path_buf())
        .collect();
    assert!(!files.is_empty(), "nothing names {name}: does this test still read the sources?");
    let strangers: Vec<_> = files.iter().filter(|file| !file.starts_with(folder)).collect();
    assert!(strangers.is_empty(), "{name} outside of src/{folder}: {strangers:?}");
}
