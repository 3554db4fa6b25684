//! Manual pages and completions: `loligo generate`, judged by mandoc, man and the shells.

use crate::support::site::loligo;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What `loligo generate` makes, and the files' names.
fn generated(what: &str) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let output = loligo().args(["generate", what]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    (folder, files)
}

fn run(program: &str, arguments: &[&str], file: &Path) -> Output {
    let output = Command::new(program).args(arguments).arg(file).output();
    output.unwrap_or_else(|error| {
        panic!("cannot start {program}: {error}; tests/run installs what the tests need")
    })
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), b"\n", &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The names of all commands, as the help texts list them.
fn commands(path: &[String], found: &mut Vec<String>) {
    let help = text(&loligo().args(path).arg("--help").output().unwrap());
    assert!(help.contains("Usage: loligo"), "{path:?}: {help}");
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    for line in list.lines().take_while(|line| !line.trim().is_empty()) {
        let name = line.trim_start_matches("  ");
        // A longer text goes on below, further to the right.
        let Some(name) = name.split(' ').next().filter(|name| !name.is_empty()) else { continue };
        if name != "help" {
            let path = [path, &[name.to_owned()]].concat();
            found.push(path.join("-"));
            commands(&path, found);
        }
    }
}

#[test]
fn every_command_has_a_page_without_faults() {
    let (_folder, files) = generated("man");
    let mut names = Vec::new();
    commands(&[], &mut names);
    assert!(names.iter().any(|name| name == "bruteforce-block"), "{names:?}");
    let mut expected: Vec<String> = names.iter().map(|name| format!("loligo-{name}.1")).collect();
    expected.extend(["loligo.1".to_owned(), "loligo.yml.5".to_owned()]);
    expected.sort();
    let is: Vec<_> =
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(is, expected);
    for file in &files {
        let lint = run("mandoc", &["-T", "lint", "-W", "warning"], file);
        assert_eq!(text(&lint).trim(), "");
        let shown = run("man", &["--warnings", "-l", "-P", "cat"], file);
        assert!(shown.status.success() && shown.stderr.is_empty(), "{}", text(&shown));
    }
    let page = text(&run("mandoc", &["-T", "ascii"], files.last().unwrap()));
    assert!(page.contains("unix_socket_mode"), "{page}");
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let (_folder, files) = generated("completions");
    let names: Vec<_> =
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["_loligo", "loligo.bash", "loligo.fish"]);
    for (shell, file) in ["zsh", "bash", "fish"].into_iter().zip(&files) {
        let checked = run(shell, &["-n"], file);
        assert!(checked.status.success(), "{shell}: {}", text(&checked));
        assert!(std::fs::read_to_string(file).unwrap().contains("bruteforce"), "{shell}");
    }
    // Sourced, it completes.
    let script = format!(
        "source '{}'; COMP_WORDS=(loligo brut); COMP_CWORD=1; _loligo loligo brut loligo; echo \"${{COMPREPLY[@]}}\"",
        files[1].display()
    );
    let completed = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "bruteforce");
}
