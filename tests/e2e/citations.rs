//! Pages that comments cite: a reader must be able to open them, so they are in this repository.

use std::path::{Path, PathBuf};

#[test]
fn comments_cite_pages_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let src = root.join("src");
    let mut problems = Vec::new();
    let mut files = 0;
    for path in rust_files(&src) {
        files += 1;
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for page in cited(&text).filter(|page| !root.join(page).exists()) {
            problems.push(format!("src/{name} cites {page}"));
        }
    }
    assert!(files > 100, "does this test still find the sources?");
    assert!(problems.is_empty(), "no such page:\n{}", problems.join("\n"));
}

#[test]
fn a_citation_is_a_word_of_a_comment_that_ends_in_md() {
    let text = "//! Rules: `lua/README.md` 3, (pipeline.md), RFC 9110.\nlet x = \"a.md\"; // `b.md`.\n/// c.mdx d.md5 .md";
    assert_eq!(cited(text).collect::<Vec<_>>(), ["lua/README.md", "pipeline.md", "b.md"]);
}

/// The Markdown pages that the comments of a file name.
fn cited(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_' | '-');
    text.lines()
        .filter_map(|line| line.split_once("//").map(|(_, comment)| comment))
        .flat_map(move |comment| comment.split(move |c| !is_path(c)))
        .map(|word| word.trim_matches(['.', '/']))
        .filter(|word| word.strip_suffix(".md").is_some_and(|stem| !stem.is_empty()))
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
