use crate::script::testing::eval;
use crate::value::Value;
use std::os::unix::fs::symlink;

fn run(source: &str) -> Value {
    eval(&format!("local f = require('filepath') return {source}"))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn list(members: &[&str]) -> Value {
    Value::List(members.iter().map(|member| Value::string(*member)).collect())
}

#[test]
fn paths_are_texts() {
    for (source, text) in [
        ("f.basename('/a/b.txt')", "b.txt"),
        ("f.basename('')", "."),
        ("f.dir('')", "."),
        ("f.dir('/a/b')", "/a"),
        ("f.ext('.bashrc')", ".bashrc"),
        ("f.clean('/a/./b/../c//d')", "/a/c/d"),
        ("f.join('a', 5, '', nil, 'b')", "a/5/nil/b"),
        ("f.join('a', '..', 'b', true)", "b/true"),
        ("f.join()", ""),
        ("f.join('', '')", ""),
        ("table.concat({ f.split('/a/b.txt') }, '|')", "/a/|b.txt"),
        ("f.separator() .. f.list_separator()", "/:"),
        ("f.from_slash('a/b') .. f.to_slash('c/d') .. f.volume_name('/x')", "a/bc/d"),
        ("f.abs('/a/../b')", "/b"),
        ("f.rel('/a/b', '/a/c')", "../c"),
        ("tostring(f.is_abs('/a')) .. tostring(f.is_abs('a'))", "truefalse"),
    ] {
        assert_eq!(run(source), Value::string(text), "{source}");
    }
    assert_eq!(run("f.split_list('/a:/b::c')"), list(&["/a", "/b", "", "c"]));
    assert_eq!(run("f.split_list('')"), list(&[]));
    assert_eq!(run("{ f.rel('/a', 'b') }"), list(&["", "Rel: can't make b relative to /a"]));
    assert_eq!(
        run("f.abs('x')"),
        Value::string(std::env::current_dir().unwrap().join("x").to_str().unwrap())
    );
}

#[test]
fn match_reports_faulty_patterns() {
    assert_eq!(
        run("{ f.match('*.txt', 'a.txt'), f.match('[^a]?c', 'axc') }"),
        Value::List(vec![Value::Bool(true), Value::Bool(false)])
    );
    let faulty = Value::List(vec![Value::Bool(false), Value::string("syntax error in pattern")]);
    assert_eq!(run("{ f.match('[', 'x') }"), faulty);
}

#[test]
fn arguments_must_be_texts() {
    for call in [
        "basename()",
        "match('a')",
        "rel('a', {})",
        "glob(nil)",
        "eval_symlinks(true)",
        "volume_name()",
        "split_list({})",
    ] {
        let error = eval(&format!("require('filepath').{call}")).unwrap_err();
        assert!(error.contains("string expected"), "{call}: {error}");
    }
}

#[test]
fn glob_lists_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.lua", "a.lua", "c.txt", "[x].lua"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    std::fs::create_dir(folder.path().join("d")).unwrap();
    std::fs::write(folder.path().join("d/e.lua"), "").unwrap();
    let at = folder.path().to_str().unwrap();
    for (pattern, names) in [
        ("*.lua", &["[x].lua", "a.lua", "b.lua"][..]),
        ("*/*.lua", &["d/e.lua"]),
        ("c.txt", &["c.txt"]),
        (r"\\[x\\].lua", &["[x].lua"]),
        ("none", &[]),
        ("c.txt/*", &[]),
    ] {
        let full: Vec<String> = names.iter().map(|name| format!("{at}/{name}")).collect();
        let full: Vec<&str> = full.iter().map(String::as_str).collect();
        assert_eq!(run(&format!("f.glob('{at}/{pattern}')")), list(&full), "{pattern}");
    }
    assert_eq!(run("select(2, f.glob('[/x'))"), Value::string("syntax error in pattern"));
}

#[test]
fn eval_symlinks_follows_links() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("real")).unwrap();
    std::fs::write(root.join("real/file"), "").unwrap();
    symlink("real", root.join("relative")).unwrap();
    symlink(root.join("relative/file"), root.join("absolute")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let at = root.to_str().unwrap();
    let file = Value::string(format!("{at}/real/file"));
    for path in ["absolute", "relative/file", "relative/../real/./file"] {
        assert_eq!(run(&format!("f.eval_symlinks('{at}/{path}')")), file, "{path}");
    }
    for (path, error) in [
        ("loop", "EvalSymlinks: too many links".to_owned()),
        ("none", format!("lstat {at}/none: no such file or directory")),
        ("real/file/x", format!("lstat {at}/real/file: not a directory")),
    ] {
        assert_eq!(
            run(&format!("{{ f.eval_symlinks('{at}/{path}') }}")),
            list(&["", &error]),
            "{path}"
        );
    }
    assert_eq!(run("f.eval_symlinks('.') .. f.eval_symlinks('')"), Value::string("."));
}
