//! Formats, includes and patches, through the loader.

use super::*;

fn problem_of(dir: &TestDir, file: &str) -> String {
    let source = Source { file: Some(dir.path(file)), ..Source::default() };
    load(&source).unwrap_err().to_string().replace(&format!("{}/", dir.0.display()), "")
}

fn config_of(dir: &TestDir, file: &str, environment: &[(&str, &str)]) -> Loaded {
    let environment =
        environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    load(&Source { file: Some(dir.path(file)), format: None, environment }).unwrap()
}

#[test]
fn the_three_formats_mean_the_same() {
    let yaml = "server:\n  instance_name: x\n  backends: [cache]\n  timeouts: {request: 5}\n";
    let json = "{\"server\": {\"instance_name\": \"x\", \"backends\": [\"cache\"], \"timeouts\": {\"request\": 5}}}";
    let toml = "[server]\ninstance_name = 'x'\nbackends = ['cache']\ntimeouts.request = 5\n";
    let of = |name, text| try_text(name, text, &[]).unwrap().config.effective();
    assert_eq!(of("c.json", json), of("c.yml", yaml));
    assert_eq!(of("c.toml", toml), of("c.yml", yaml));
}

#[test]
fn a_named_format_wins_over_the_extension() {
    let dir = TestDir::new();
    let file = dir.write("c.yml", "[server]\nworkers = 2\n");
    let source = Source { file: Some(file), format: Some(Format::Toml), environment: Vec::new() };
    assert_eq!(load(&source).unwrap().config.server.workers, 2);
}

#[test]
fn the_name_of_the_original_is_found_in_the_home_directory() {
    let dir = TestDir::new();
    let file = dir.write(".nauthilus/nauthilus.yml", "server: {workers: 2}");
    let environment = vec![("HOME".to_owned(), dir.0.display().to_string())];
    let loaded = load(&Source { file: None, format: None, environment }).unwrap();
    assert_eq!((loaded.files, loaded.config.server.workers), (vec![file], 2));
}

/// Whatever reads one waits for who writes it: perhaps for ever.
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let dir = TestDir::new();
    let fifo = dir.0.join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert_eq!(
        problem_of(&dir, "fifo"),
        "fifo: the file is a FIFO; only regular files can be used here"
    );
    dir.write("c.yml", "server: {workers: 2}\nincludes: {required: [fifo]}");
    assert!(
        problem_of(&dir, "c.yml")
            .ends_with("fifo: the file is a FIFO; only regular files can be used here")
    );
    for (path, what) in
        [(fifo.as_path(), "a FIFO"), (std::path::Path::new("/dev/zero"), "a device")]
    {
        dir.write(
            "c.yml",
            format!("lua: {{features: [{{name: x, script_path: {}}}]}}", path.display()),
        );
        let problem = problem_of(&dir, "c.yml");
        assert!(
            problem.contains("c.yml:1")
                && problem.contains(&format!("is {what}; only regular files")),
            "{problem}"
        );
    }
}

#[test]
fn a_missing_file_and_one_that_is_not_text() {
    let dir = TestDir::new();
    assert_eq!(problem_of(&dir, "c.yml"), "c.yml: the file does not exist");
    dir.write("c.yml", b"server: \xff");
    assert_eq!(problem_of(&dir, "c.yml"), "c.yml: the file is not UTF-8 from byte 8");
}

#[test]
fn a_syntax_error_is_alone_and_has_its_line() {
    for (name, text, line) in [
        ("c.yml", "server:\n  bogus: 1\n  backends: [lua\n", 4),
        ("c.json", "{\"server\": {\n\"x\" 1}}", 2),
        ("c.toml", "[server]\nx =\n", 2),
    ] {
        let problem = try_text(name, text, &[]).unwrap_err();
        assert!(
            problem.lines().count() == 1 && problem.starts_with(&format!("{name}:{line}: ")),
            "{problem}"
        );
    }
}

#[test]
fn includes_lie_below_the_including_file() {
    let dir = TestDir::new();
    dir.write("c.yml", "includes: {required: [sub/base.yml], optional: [local.yml, none.yml]}\nserver: {instance_name: top}\n");
    dir.write("sub/base.yml", "includes: {required: deep.yml}\nserver: {instance_name: base, workers: 1, backends: [cache]}\n");
    dir.write("sub/deep.yml", "server: {workers: 9, max_concurrent_requests: 7}\n");
    dir.write("local.yml", "server: {workers: 2, backends: []}\n");
    let loaded = config_of(&dir, "c.yml", &[]);
    let server = loaded.config.server;
    assert_eq!(
        (server.instance_name.as_str(), server.workers, server.max_concurrent_requests),
        ("top", 2, 7)
    );
    assert!(server.backends.is_empty());
    assert_eq!(
        loaded.files,
        ["c.yml", "sub/base.yml", "sub/deep.yml", "local.yml"].map(|name| dir.path(name))
    );
}

#[test]
fn an_environment_selects_more_includes() {
    let dir = TestDir::new();
    dir.write(
        "c.yml",
        "env: prod\nserver: {}\nincludes: {required: [base.yml], env: {prod: {required: [prod.yml]}, test: {optional: [test.yml]}}}\n",
    );
    dir.write("base.yml", "server: {workers: 1}");
    dir.write("prod.yml", "server: {workers: 2}");
    dir.write("test.yml", "server: {workers: 3}");
    assert_eq!(config_of(&dir, "c.yml", &[]).config.server.workers, 2);
    assert_eq!(config_of(&dir, "c.yml", &[("NAUTHILUS_ENV", "test")]).config.server.workers, 3);
    assert_eq!(
        config_of(&dir, "c.yml", &[("NAUTHILUS_ENV", "test"), ("LOLIGO_ENV", "other")])
            .config
            .server
            .workers,
        1
    );
}

#[test]
fn problems_in_includes_name_their_file() {
    let dir = TestDir::new();
    dir.write("c.yml", "server: {}\nincludes:\n  required: [none.yml]\n");
    assert_eq!(problem_of(&dir, "c.yml"), "c.yml:3: includes: none.yml: the file does not exist");
    dir.write("c.yml", "includes: {required: [base.yml]}\nserver: {workers: x}\n");
    dir.write("base.yml", "server:\n  bogus: 1\n");
    let problem = problem_of(&dir, "c.yml");
    assert!(
        problem.contains("base.yml:2: server.bogus: unknown key")
            && problem.contains("c.yml:2: server.workers: \"x\""),
        "{problem}"
    );
}

#[test]
fn an_include_cycle_is_an_error() {
    let dir = TestDir::new();
    dir.write("c.yml", "includes: {required: [b.yml]}");
    dir.write("b.yml", "includes: {optional: [./c.yml]}");
    assert!(problem_of(&dir, "c.yml").contains("include cycle"), "{}", problem_of(&dir, "c.yml"));
}

#[test]
fn patches_change_lists_and_sections() {
    let config = yaml(concat!(
        "server: {features: [lua, rbl], log: {level: debug, json: true}, instance_name: x}\n",
        "brute_force: {buckets: [], soft_whitelist: {Ann: [192.0.2.1]}}\n",
        "patch:\n",
        "  - {op: add, path: server.features, value: brute_force}\n",
        "  - {op: add, path: Server.Log, value: {level: warn}}\n",
        "  - {op: remove, path: server.features, value: rbl}\n",
        "  - {op: remove, path: server.log, value: json}\n",
        "  - {op: replace, path: server.instance_name, value: y}\n",
        "  - {op: add, path: server.brute_force_protocols, value: imap}\n",
        "  - {op: add, path: brute_force.soft_whitelist.Ann, value: [192.0.2.2]}\n",
    ));
    let features: Vec<_> = config.server.features.iter().map(|enabled| enabled.name).collect();
    assert_eq!(features, [Feature::Lua, Feature::BruteForce]);
    assert_eq!((config.server.log.level, config.server.log.json), (LogLevel::Warn, false));
    assert_eq!(config.server.instance_name, "y");
    assert_eq!(config.server.brute_force_protocols, ["imap"]);
    assert!(config.brute_force.soft_whitelist.exempts("Ann", "192.0.2.2".parse().unwrap()));
}

#[test]
fn broken_patches_are_problems() {
    for (patch, problem) in [
        ("{op: move, path: server.log, value: 1}", "unknown op"),
        ("{op: add, path: '', value: 1}", "needs \"path\""),
        ("{op: add, path: server..log, value: 1}", "empty key"),
        ("{op: add, path: server.log}", "needs \"value\""),
        ("{op: add, path: server.workers, value: 1}", "neither a list nor a section"),
        ("{op: remove, path: server.none, value: 1}", "does not exist"),
        ("{op: add, path: server.workers.x, value: 1}", "is in no section"),
        ("{op: add, path: server.features, value: lua, more: 1}", "unknown key"),
        ("word", "must be a section"),
    ] {
        let all = problems(&format!("server: {{workers: 1}}\npatch:\n  - {patch}\n"));
        assert!(all[0].starts_with("3: patch") && all[0].contains(problem), "{patch}: {all:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let dir = TestDir::new();
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            let file = dir.write("c", &bytes);
            let _ = load(&Source { file: Some(file), format: Some(format), environment: Vec::new() });
        }
    }

    #[test]
    fn arbitrary_yaml_never_panics(text in "([a-z]{1,3}|server|lua|config|includes|patch|: |:\n|- |\n|  |\t|\\{|\\}|\\[|\\]|,|&a |\\*a|<<|\"|'|#|\\||>|---\n|!x |\\?|%|é|-1|\r){0,60}") {
        let dir = TestDir::new();
        let file = dir.write("c", &text);
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            let _ = load(&Source { file: Some(file.clone()), format: Some(format), environment: Vec::new() });
        }
    }
}
