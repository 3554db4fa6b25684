//! What the environment says, and how it wins.

use super::*;

#[test]
fn the_environment_wins_over_the_file() {
    let config = with_environment(
        BASE,
        &[
            ("NAUTHILUS_SERVER_WORKERS", "3"),
            ("NAUTHILUS_SERVER_REDIS_MASTER_ADDRESS", "redis.example.net:6379"),
        ],
    );
    assert_eq!(config.server.workers, 3);
    assert_eq!(
        config.server.redis.master.address,
        Some(ServerAddress::Tcp(HostPort { host: "redis.example.net".into(), port: 6379 }))
    );
}

#[test]
fn of_both_prefixes_ours_wins() {
    let config = with_environment(
        BASE,
        &[("LOLIGO_SERVER_WORKERS", "4"), ("NAUTHILUS_SERVER_WORKERS", "3")],
    );
    assert_eq!(config.server.workers, 4);
}

#[test]
fn an_empty_variable_makes_the_key_empty() {
    let text = "server: {backends: [lua], redis: {prefix: x, password_nonce: 0123456789abcdef}, workers: 5}";
    let config = with_environment(
        text,
        &[
            ("LOLIGO_SERVER_BACKENDS", ""),
            ("LOLIGO_SERVER_REDIS_PREFIX", ""),
            ("LOLIGO_SERVER_REDIS_PASSWORD_NONCE", ""),
            ("LOLIGO_SERVER_WORKERS", ""),
        ],
    );
    assert!(
        config.server.backends.is_empty()
            && config.server.redis.prefix.is_empty()
            && config.server.redis.password_nonce.is_empty()
    );
    assert!(config.server.workers == 0);
}

#[test]
fn lists_have_commas() {
    let config = with_environment(
        BASE,
        &[
            ("NAUTHILUS_SERVER_FEATURES", "lua,rbl"),
            ("NAUTHILUS_CLEARTEXT_NETWORKS", "10.0.0.0/8,::1"),
        ],
    );
    assert!(config.server.has_feature(Feature::Lua) && config.server.has_feature(Feature::Rbl));
    assert_eq!(config.cleartext_networks.iter().count(), 2);
}

#[test]
fn names_outside_the_tree_reach_their_keys() {
    let config = with_environment(
        BASE,
        &[
            ("NAUTHILUS_TRUSTED_PROXIES", "192.0.2.1 198.51.100.0/24"),
            ("NAUTHILUS_NGINX_WAIT_DELAY", "7"),
            ("NAUTHILUS_LUA_SCRIPT_TIMEOUT", "120"),
            ("NAUTHILUS_LOCAL_CACHE_AUTH_TTL", "6"),
            ("NAUTHILUS_IMAP_BACKEND_PORT", "143"),
            ("NAUTHILUS_MAX_ACTION_WORKERS", "20"),
        ],
    );
    assert!(config.server.trusted_proxies.networks().contains("198.51.100.7".parse().unwrap()));
    assert_eq!((config.server.nginx_wait_delay, config.server.imap_backend_port), (7, 143));
    assert_eq!(config.server.timeouts.lua_script.as_secs(), 120);
    assert_eq!(config.server.local_cache_auth_ttl.as_secs(), 6);
    assert_eq!(config.lua.config.action_number_of_workers, 20);
}

#[test]
fn a_keys_own_name_wins_over_the_one_outside_the_tree() {
    let config = with_environment(
        BASE,
        &[("NAUTHILUS_SERVER_NGINX_WAIT_DELAY", "8"), ("NAUTHILUS_NGINX_WAIT_DELAY", "7")],
    );
    assert_eq!(config.server.nginx_wait_delay, 8);
}

#[test]
fn another_spelling_in_the_environment_replaces_what_the_file_says() {
    let dir = TestDir::new();
    let script = dir.write("other.lua", "").display().to_string();
    let config = with_environment(BASE, &[("LOLIGO_LUA_CONFIG_SCRIPT_PATH", &script)]);
    assert_eq!(config.lua.config.backend_script_path, Some(script.clone().into()));
    let text = BASE.replace("backend_script_path", "script_path");
    let config = with_environment(&text, &[("LOLIGO_LUA_CONFIG_BACKEND_SCRIPT_PATH", &script)]);
    assert_eq!(config.lua.config.backend_script_path, Some(script.into()));
}

#[test]
fn a_section_may_exist_in_the_environment_only() {
    let config = with_environment("server:\n", &[("LOLIGO_SERVER_BASIC_AUTH_USERNAME", "mail")]);
    assert_eq!(config.server.basic_auth.username, "mail");
    let problems =
        try_text("c.yml", BASE, &[("LOLIGO_BRUTE_FORCE_TOLERATE_PERCENT", "5")]).unwrap_err();
    assert_eq!(
        problems,
        "environment variable LOLIGO_BRUTE_FORCE_TOLERATE_PERCENT: brute_force.buckets: is missing"
    );
}

#[test]
fn lists_of_sections_can_only_be_emptied() {
    let text = format!(
        "{BASE}\nbrute_force: {{buckets: [{{name: b, period: 1h, cidr: 32, ipv4: true, failed_requests: 3}}]}}"
    );
    assert!(
        with_environment(&text, &[("LOLIGO_BRUTE_FORCE_BUCKETS", "")])
            .brute_force
            .buckets
            .is_empty()
    );
    let problem = try_text("c.yml", &text, &[("LOLIGO_BRUTE_FORCE_BUCKETS", "x")]).unwrap_err();
    assert!(
        problem.starts_with(
            "environment variable LOLIGO_BRUTE_FORCE_BUCKETS: brute_force.buckets: cannot be given"
        ),
        "{problem}"
    );
}

#[test]
fn other_names_are_ignored() {
    let config = with_environment(
        BASE,
        &[
            ("NAUTHILUS_NO_SUCH_THING", "x"),
            ("nauthilus_server_workers", "3"),
            ("SERVER_WORKERS", "3"),
            ("NAUTHILUS_LUA_OPTIONAL_LUA_BACKENDS_B_BACKEND_SCRIPT_PATH", "/nowhere"),
            ("NAUTHILUS_LUA_FEATURES_0_NAME", "x"),
        ],
    );
    // The folder of a test is a new one each time.
    let script_of = |config: &Config| {
        config.lua.config.backend_script_path.as_ref().unwrap().display().to_string()
    };
    let untouched = yaml(BASE);
    assert_eq!(
        config.effective(),
        untouched.effective().replace(&script_of(&untouched), &script_of(&config))
    );
}

#[test]
fn a_misspelt_variable_is_told_of_with_the_nearest_name() {
    let warnings = |name: &str| -> Vec<String> {
        let loaded = try_text("c.yml", BASE, &[(name, "x")]).unwrap();
        loaded.warnings.iter().map(ToString::to_string).collect()
    };
    for (name, meant) in [
        ("LOLIGO_SERVER_LOGLEVEL", " (did you mean LOLIGO_SERVER_LOG_LEVEL?)"),
        (
            "LOLIGO_SERVER_REDIS_MASTER_ADRESS",
            " (did you mean LOLIGO_SERVER_REDIS_MASTER_ADDRESS?)",
        ),
        ("LOLIGO_TRUSTED_PROXYS", " (did you mean LOLIGO_TRUSTED_PROXIES?)"),
        ("NAUTHILUS_SERVER_LOGLEVEL", " (did you mean NAUTHILUS_SERVER_LOG_LEVEL?)"),
        ("LOLIGO_X", ""),
    ] {
        assert_eq!(
            warnings(name),
            [format!("environment variable {name}: is not a known key and has no effect{meant}")]
        );
    }
    for name in [
        "LOLIGO_ENV",
        "NAUTHILUS_MY_SCRIPTS_OWN",
        "LOLIGO",
        "SERVER_LOGLEVEL",
        "LOLIGO_SERVER_INSTANCE_NAME",
    ] {
        assert!(!warnings(name).iter().any(|line| line.contains("no key")), "{name}");
    }
}

#[test]
fn a_wrong_value_names_its_variable() {
    let problem = try_text("c.yml", BASE, &[("NAUTHILUS_SERVER_MAX_CONCURRENT_REQUESTS", "many")])
        .unwrap_err();
    let expected = "environment variable NAUTHILUS_SERVER_MAX_CONCURRENT_REQUESTS: server.max_concurrent_requests: \"many\" is not a whole number";
    assert_eq!(problem, expected);
}

#[test]
fn no_two_keys_share_a_variable() {
    let mut names: Vec<String> = keys::list::<Config>()
        .into_iter()
        .map(|known| known.path.to_ascii_uppercase().replace('.', "_"))
        .collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count > 200, "{count}");
}
