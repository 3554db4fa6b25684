//! The layers of ARCHITECTURE.md, read from the sources: only `src/reactor` names mio, only `src/script` names mlua.

use std::path::{Path, PathBuf};

/// Every Rust file under `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Whether a line of code (not of comment) names the crate.
fn names(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|code| code.match_indices(name).map(move |(at, _)| (code, at)))
        .any(|(code, at)| !code[..at].ends_with(is_word) && !code[at + name.len()..].starts_with(is_word))
}

/// The files that name `name`, relative to `src`.
fn naming(name: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&src)
        .into_iter()
        .filter(|path| names(&std::fs::read_to_string(path).unwrap(), name))
        .map(|path| path.strip_prefix(&src).unwrap().to_path_buf())
        .collect()
}

fn assert_only_in(folder: &str, name: &str) {
    let files = naming(name);
    assert!(!files.is_empty(), "nothing names {name}: does this test still read the sources?");
    let strangers: Vec<_> = files.iter().filter(|file| !file.starts_with(folder)).collect();
    assert!(strangers.is_empty(), "{name} outside of src/{folder}: {strangers:?}");
}

#[test]
fn only_the_reactor_names_mio() {
    assert_only_in("reactor", "mio");
}

#[test]
fn only_the_script_host_names_mlua() {
    assert_only_in("script", "mlua");
}
