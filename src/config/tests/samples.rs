//! The files in `config/`: they load, and say the truth about defaults.

use super::*;

const SAMPLE: &str = include_str!("../../../config/loligo.yml");
const QUICKSTART: &str = include_str!("../../../config/quickstart.yml");
const PASSWD: &str = include_str!("../../../config/quickstart.passwd");

/// Loads a file of `config/` with its backend script replaced by one that exists wherever the tests
/// run.
fn loaded(text: &str) -> Loaded {
    let script = "lua/examples/backends/password_file.lua";
    assert!(text.contains(script));
    try_text("c.yml", &text.replace(script, "'{dir}/a.lua'"), &[]).unwrap()
}

/// The sample with every default in it switched on.
fn uncommented() -> String {
    let line = |line: &str| {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        match trimmed.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => {
                format!("{indent}{key}\n")
            }
            _ => format!("{line}\n"),
        }
    };
    SAMPLE.lines().map(line).collect()
}

#[test]
fn the_sample_loads_without_a_warning() {
    assert_eq!(loaded(SAMPLE).warnings, []);
}

#[test]
fn the_defaults_in_the_sample_are_the_defaults() {
    let mut config = loaded(&uncommented()).config;
    config.server.backends.clear();
    config.lua.config.backend_script_path = None;
    config.lua.search.clear();
    // Sections without defaults: there are examples.
    config.server.redis.sentinels = None;
    config.server.redis.cluster = None;
    assert_eq!(config.effective(), Config::default().effective());
}

#[test]
fn the_sample_shows_every_active_key() {
    let tree = format::parse(Format::Yaml, &uncommented(), &"sample".into()).unwrap();
    let refused = || inactive::PROTECTING.iter().map(|(path, _)| *path);
    let is_inactive = |path: &str| {
        inactive::INACTIVE
            .iter()
            .copied()
            .chain(refused())
            .any(|section| path == section || path.starts_with(&format!("{section}.")))
    };
    // A directory has no default: the sample shows one in a comment.
    let is_example = |path: &str| {
        path.starts_with("ldap")
            && SAMPLE.contains(&format!("{}:", path.rsplit('.').next().unwrap()))
    };
    let is_shown = |path: &str| is_inactive(path) || tree.at(path).is_some() || is_example(path);
    let missing: Vec<_> = keys::list::<Config>()
        .into_iter()
        .map(|known| known.path)
        .filter(|path| !is_shown(path))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_sample_names_every_inactive_key() {
    let (_, list) = SAMPLE.split_once("# Not implemented, and refused,").unwrap();
    for path in inactive::INACTIVE.iter().chain(inactive::PROTECTING.iter().map(|(path, _)| path)) {
        let word = path.rsplit('.').next().unwrap();
        assert!(list.contains(word), "{path}");
    }
}

#[test]
fn the_quickstart_loads_and_needs_no_redis() {
    let loaded = loaded(QUICKSTART);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.server.backends, [Backend::Lua(None)]);
    assert!(!loaded.config.server.redis.is_configured());
    for protocol in
        ["default", "imap", "pop3", "smtp", "submission", "sieve", "http", "account-provider"]
    {
        assert!(loaded.config.lua.search_for(None, protocol).is_some(), "{protocol}");
    }
}

#[test]
fn the_users_of_the_quickstart_have_the_passwords_that_it_says() {
    use base64::Engine;
    use sha2::Digest;
    for (line, (user, password)) in PASSWD.lines().zip([("alice", "secret"), ("bob", "hunter2")]) {
        let fields: Vec<&str> = line.split(':').collect();
        let hash = base64::engine::general_purpose::STANDARD
            .decode(fields[1].strip_prefix("{SSHA256}").unwrap())
            .unwrap();
        let (digest, salt) = hash.split_at(32);
        assert_eq!(fields[0], user);
        assert_eq!(sha2::Sha256::digest([password.as_bytes(), salt].concat()).as_slice(), digest);
    }
    assert_eq!(PASSWD.lines().count(), 2);
}
