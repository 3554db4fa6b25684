//! Keys: which are known, what their values may be, what is said about the others.

use super::*;

#[test]
fn an_empty_server_section_is_refused() {
    for text in ["", "server:\n", "server: {}\n", "cleartext_networks: []\n"] {
        assert!(problems(text)[0].contains("server: is missing"), "{text}");
    }
}

#[test]
fn defaults_are_the_corrected_ones() {
    let config = Config::default();
    assert_eq!(config.server.address, Some(ListenAddress::Tcp("127.0.0.1:9080".parse().unwrap())));
    assert_eq!(config.server.max_concurrent_requests, 3000);
    assert_eq!(config.server.log.level, LogLevel::Info);
    assert_eq!(config.server.dns.timeout.as_secs(), 5);
    assert_eq!(config.server.local_cache_auth_ttl.as_secs(), 30);
    assert_eq!(config.server.timeouts.lua_script.as_secs(), 10);
    assert_eq!(config.realtime_blackhole_lists.threshold, 0);
    assert_eq!(config.lua.config.memory_limit, 64 << 20);
}

#[test]
fn all_problems_are_told_at_once_with_their_lines() {
    let text = concat!(
        "server:\n",
        "  address: nowhere\n",
        "  bogus: 1\n",
        "  redis:\n",
        "    database_number: 16\n",
        "    password_nonce: hunter2\n",
        "  log: {level: loud}\n",
        "  features:\n",
        "    - lua\n",
        "    - geoip\n",
        "lua:\n",
        "  filters:\n",
        "    - name: f\n",
        "    - {name: g, script_path: nowhere.lua, reuze: true}\n",
        "brute_forze: {}\n",
    );
    assert_eq!(
        problems(text),
        [
            "2: server.address: \"nowhere\" is not a listen address (allowed: IP:PORT, [IPv6]:PORT, HOST:PORT, unix:/PATH)",
            "7: server.log.level: unknown word \"loud\" (allowed: none, error, warn, info, debug)",
            "10: server.features[1]: unknown word \"geoip\" (allowed: tls_encryption, rbl, relay_domains, lua, backend_server_monitoring, brute_force)",
            "5: server.redis.database_number: must be between 0 and 15",
            "6: server.redis.password_nonce: must have at least 16 characters",
            "3: server.bogus: unknown key",
            "13: lua.filters[0].script_path: is missing",
            "14: lua.filters[1].script_path: \"nowhere.lua\" does not exist",
            "14: lua.filters[1].reuze: unknown key (did you mean \"reuse\"?)",
            "15: brute_forze: unknown key (did you mean \"brute_force\"?)",
        ]
    );
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for (text, path) in [
        ("bogus: 1\nserver: {workers: 1}", "1: bogus"),
        ("server: {bogus: 1}", "1: server.bogus"),
        ("server: {redis: {master: {adress: 1}}}", "1: server.redis.master.adress"),
        (
            "server: {workers: 1}\nlua: {search: [{protocol: imap, bogus: 1}]}",
            "2: lua.search[0].bogus",
        ),
        (
            "server: {workers: 1}\nlua: {optional_lua_backends: {B1: {script_path: '{dir}/a.lua', package_path: x}}}",
            "2: lua.optional_lua_backends.B1.package_path",
        ),
        ("server: {features: [{name: rbl, bogus: 1}]}", "1: server.features[0].bogus"),
        (
            "server: {workers: 1}\nlua: {features: [{name: f, script_path: '{dir}/a.lua', override_rejection: true}]}",
            "2: lua.features[0].override_rejection",
        ),
    ] {
        let all = problems(text);
        assert!(all.len() == 1 && all[0].starts_with(&format!("{path}: unknown key")), "{all:?}");
    }
}

#[test]
fn keys_may_be_in_any_case_but_not_twice() {
    assert_eq!(yaml("SERVER: {Max_Concurrent_Requests: 7}").server.max_concurrent_requests, 7);
    assert_eq!(
        problems("server: {workers: 1}\nSERVER: {workers: 2}\n"),
        ["2: server: is given twice, in different case"]
    );
}

#[test]
fn left_out_keys_are_accepted_with_a_warning_each() {
    let text = concat!(
        "server:\n  http3: false\n  backends: [test]\n  frontend: {enabled: false, csrf_secret: x}\n",
        "  redis: {batching: {enabled: false}}\n  insights: {enable_pprof: true}\n  dedup: {}\n",
        "idp: {oidc: {}}\noauth2: {clients: [{name: x}]}\nlogin_page: /login\n",
    );
    let all = warnings(text);
    let told: Vec<&str> = all
        .iter()
        .filter(|line| line.contains("is ignored"))
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    let expected = [
        "server.insights.enable_pprof",
        "server.redis.batching",
        "server.http3",
        "server.frontend",
        "server.dedup",
        "oauth2",
        "idp",
        "login_page",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_not_yet_active_warns_once_per_section_and_only_if_it_differs() {
    let text = concat!(
        "server:\n  backends: [test]\n  haproxy_v2: false\n  keep_alive: {enabled: true}\n  features: [backend_server_monitoring]\n",
        "brute_force:\n  rwp_window: 5m\n  scale_factor: 1\n  buckets: []\n",
    );
    let all: Vec<String> =
        warnings(text).into_iter().filter(|line| line.contains("not yet active")).collect();
    assert_eq!(
        all,
        [
            "2: server.backends: \"test\" is not yet active: it is passed over",
            "7: brute_force.rwp_window: is not yet active: it has no effect",
            "4: server.keep_alive: is not yet active: it has no effect",
        ]
    );
}

#[test]
fn other_spellings_are_understood() {
    let config = yaml(concat!(
        "nginx_wait_delay: 3\n",
        "server:\n  backends: ['lua(B)', lua]\n  lua_script_timeout: 20\n  redis: {replica: {address: 'a:1', addresses: ['b:2', 'c:3']}}\n",
        "  http_client: {tls: {http_client_skip_verify: true}}\n",
        "lua:\n  config: {script_path: '{dir}/a.lua', number_of_workers: 3, init_script_path: '{dir}/b.lua'}\n",
        "  optional_lua_backends: {b: {script_path: '{dir}/b.lua', number_of_workers: 4}}\n",
        "  custom_hooks: [{http_location: //h/x, http_method: HEAD, script_path: '{dir}/a.lua', scopes: [], content_type: text/csv}]\n",
        "  search: [{protocol: 'imap, pop3'}, {protocol: imap, backend_name: b}]\n",
        "realtime_blackhole_lists: {lists: [{name: n, rbl: z.example., return_code: 127.0.0.2}]}\n",
        "ldap: {config: {pool_only: true, lookup_pool_size: 1, server_uri: 'ldap://a,ldaps://b'}}\n",
    ));
    assert_eq!(config.server.nginx_wait_delay, 3);
    assert_eq!(config.server.timeouts.lua_script.as_secs(), 20);
    let replicas: Vec<String> =
        config.server.redis.replica.addresses.iter().map(|address| address.to_string()).collect();
    assert_eq!(replicas, ["a:1", "b:2", "c:3"]);
    assert!(config.server.http_client.tls.skip_verify);
    assert!(config.lua.config.backend_script_path.as_ref().unwrap().ends_with("a.lua"));
    assert!(config.lua.config.init_script_paths[0].ends_with("b.lua"));
    assert_eq!(config.lua.config.backend_number_of_workers, 3);
    assert_eq!(config.lua.optional_backend("B").unwrap().backend_number_of_workers, 4);
    let hook = &config.lua.custom_hooks[0];
    assert_eq!(
        (hook.http_location.as_str(), hook.content_type.as_deref()),
        ("h/x", Some("text/csv"))
    );
    assert_eq!(config.lua.search[0].protocol, ["imap", "pop3"]);
    assert_eq!(config.realtime_blackhole_lists.lists[0].return_codes.len(), 1);
    let ldap = config.ldap.unwrap().config;
    assert!(ldap.lookup_pool_only && ldap.server_uri.len() == 2);
}

#[test]
fn two_spellings_of_one_key_at_once_are_refused() {
    let text =
        BASE.replace("{backend_script_path", "{script_path: '{dir}/b.lua', backend_script_path");
    assert_eq!(
        problems(&text),
        [
            "2: lua.config.script_path: is another name of \"backend_script_path\", which is also set"
        ]
    );
    let text = "nginx_wait_delay: 3\nserver: {nginx_wait_delay: 4}\n";
    assert_eq!(
        problems(text),
        ["1: nginx_wait_delay: is another name of \"server.nginx_wait_delay\", which is also set"]
    );
}

#[test]
fn bare_numbers_in_durations_are_seconds_everywhere() {
    let config = yaml(concat!(
        "server: {dns: {timeout: 5}, redis: {positive_cache_ttl: '120', negative_cache_ttl: 0, dial_timeout: 2}, jwt_auth: {token_expiry: 3600}}\n",
        "brute_force: {buckets: [{name: b, period: 60, cidr: 24, ipv4: true, failed_requests: 3}]}\n",
    ));
    assert_eq!(config.server.dns.timeout.as_secs(), 5);
    assert_eq!(config.server.redis.positive_cache_ttl.as_secs(), 120);
    assert_eq!(config.server.redis.negative_cache_ttl.as_secs(), 3600);
    assert_eq!(config.server.redis.dial_timeout.as_secs(), 2);
    assert_eq!(config.server.jwt_auth.token_expiry.as_secs(), 3600);
    assert_eq!(config.brute_force.buckets[0].period.as_secs(), 60);
    assert_eq!(config.brute_force.buckets[0].ban_time.as_secs(), 8 * 3600);
}

#[test]
fn names_of_the_operator_keep_their_case_and_their_dots() {
    let config = yaml(
        "server: {workers: 1}\nbrute_force: {buckets: [], soft_whitelist: {Ann.Lee@Example.net: '192.0.2.0/24, 198.51.100.1'}}\n",
    );
    let list = config.brute_force.soft_whitelist;
    assert!(list.exempts("Ann.Lee@Example.net", "198.51.100.1".parse().unwrap()));
    assert!(!list.exempts("ann.lee@example.net", "198.51.100.1".parse().unwrap()));
}

#[test]
fn when_a_script_runs() {
    let config = yaml(concat!(
        "server: {workers: 1}\nlua:\n  features:\n    - {name: a, script_path: '{dir}/a.lua'}\n",
        "    - {name: b, script_path: '{dir}/a.lua', when_no_auth: true, reuse: true}\n",
    ));
    let of = |index: usize| config.lua.features[index].when;
    assert_eq!(
        (of(0).when_authenticated, of(0).when_unauthenticated, of(0).when_no_auth),
        (true, true, false)
    );
    assert_eq!(
        (of(1).when_authenticated, of(1).when_unauthenticated, of(1).when_no_auth),
        (false, false, true)
    );
    assert!(config.lua.features[1].reuse);
}

#[test]
fn rules_between_keys() {
    for (text, problem) in [
        (
            "server: {basic_auth: {enabled: true}}",
            "1: server.basic_auth.username: is missing, but basic_auth is enabled",
        ),
        (
            "server: {jwt_auth: {enabled: true}}",
            "1: server.jwt_auth.secret_key: is missing, but jwt_auth is enabled",
        ),
        ("server: {tls: {enabled: true}}", "1: server.tls.enabled: needs \"cert\" and \"key\""),
        (
            "server: {backends: [lua]}",
            "1: lua.config.backend_script_path: is missing, but server.backends has \"lua\"",
        ),
        (
            "server: {backends: ['lua(x)']}",
            "1: server.backends: \"lua(x)\" is not among lua.optional_lua_backends",
        ),
        (
            "server: {backends: ['lua(x)']}\nlua: {optional_lua_backends: {x: {number_of_workers: 5}}}",
            "2: lua.optional_lua_backends.x.backend_script_path: is missing, but server.backends has \"lua(x)\"",
        ),
        (
            "server: {backends: [ldap]}",
            "1: server.backends: \"ldap\" has no section below \"ldap\"",
        ),
        (
            "server: {backends: [ldap]}\nldap: {config: {lookup_pool_size: 1, auth_pool_size: 1, server_uri: 'ldap://x'}}",
            "2: ldap.search: is missing, but server.backends has \"ldap\"",
        ),
        (
            "server: {redis: {sentinels: {addresses: ['a:1']}}}",
            "1: server.redis.sentinels.master: is missing",
        ),
        (
            "server: {workers: 1}\nrelay_domains: {soft_whitelist: {a: []}}",
            "2: relay_domains.static: is missing",
        ),
        ("server: {workers: 1}\nldap: {search: []}", "2: ldap.config: is missing"),
        (
            "server: {workers: 1}\nbrute_force: {buckets: [{name: b, period: 1h, cidr: 33, ipv4: true, failed_requests: 1}]}",
            "2: brute_force.buckets[0].cidr: must be between 1 and 32 for IPv4",
        ),
        (
            "server: {workers: 1}\nbrute_force: {buckets: [{name: b, period: 1h, cidr: 3, failed_requests: 1}]}",
            "2: brute_force.buckets[0].ipv4: exactly one of \"ipv4\" and \"ipv6\" must be true",
        ),
    ] {
        assert_eq!(problems(text)[0], problem);
    }
}

/// Each sets a key that protects something and is not built: where that is blamed.
const PROTECTING: [(&str, &str); 7] = [
    ("server: {redis: {tls: {cipher_suites: [x]}}}", "1: server.redis.tls.cipher_suites"),
    ("server: {http_client: {tls: {cipher_suites: x}}}", "1: server.http_client.tls.cipher_suites"),
    (
        "server: {insights: {tracing: {tls: {cipher_suites: x}}}}",
        "1: server.insights.tracing.tls.cipher_suites",
    ),
    (
        "server: {workers: 1}\nldap: {config: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x', auth_rate_limit_per_second: 1}}",
        "2: ldap.config.auth_rate_limit_per_second",
    ),
    (
        "server: {workers: 1}\nldap: {config: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x', auth_rate_limit_burst: 1}}",
        "2: ldap.config.auth_rate_limit_burst",
    ),
    (
        "server: {workers: 1}\nldap:\n  config: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x'}\n  optional_ldap_pools:\n    p: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x', auth_rate_limit_burst: 1}",
        "5: ldap.optional_ldap_pools.p.auth_rate_limit_burst",
    ),
    (
        "server: {workers: 1}\nldap:\n  config: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x'}\n  optional_ldap_pools:\n    p: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x', auth_rate_limit_per_second: 1}",
        "5: ldap.optional_ldap_pools.p.auth_rate_limit_per_second",
    ),
];

#[test]
fn tls_that_cannot_protect_is_refused() {
    for (text, problem) in [
        (
            "server:\n  tls:\n    enabled: true\n    cert: '{dir}/a.lua'\n    key: '{dir}/a.lua'",
            "4: server.tls.cert: ",
        ),
        (
            "server:\n  tls:\n    enabled: true\n    certificates:\n      - {cert: '{dir}/a.lua', key: '{dir}/a.lua'}",
            "5: server.tls.certificates[0].cert: ",
        ),
        ("server: {tls: {cert: '{dir}/a.lua'}}", "1: server.tls.cert: needs both"),
        (
            "server: {tls: {enabled: true, cert: '{dir}/a.lua', key: '{dir}/a.lua', client_auth: required}}",
            "1: server.tls.client_ca_file: is missing",
        ),
        (
            "server: {tls: {enabled: true, cert: '{dir}/a.lua', key: '{dir}/a.lua', crl_file: '{dir}/a.lua'}}",
            "1: server.tls.crl_file: protects nothing",
        ),
        (
            "server: {tls: {enabled: true, cert: '{dir}/a.lua', key: '{dir}/a.lua', client_callers: [{name: x}]}}",
            "1: server.tls.client_callers: protects nothing",
        ),
        (
            "server: {tls: {cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}",
            "1: server.tls.cipher_suites: \"TLS_RSA_WITH_RC4_128_SHA\" is no cipher suite that is known to be sound (allowed: TLS_AES_256_GCM_SHA384, ",
        ),
    ] {
        let all = problems(text);
        assert!(all[0].starts_with(problem), "{text}: {all:?}");
    }
}

#[test]
fn protection_that_is_not_built_is_refused() {
    for (text, place) in PROTECTING {
        let all = problems(text);
        let expected =
            format!("{place}: is not implemented, so it would not protect anything: remove it");
        assert!(all.len() == 1 && all[0].starts_with(&expected), "{text}: {all:?}");
    }
    // Every line of the table is tried.
    for (path, _) in inactive::PROTECTING {
        let key = path.replace("[]", "[1]").replace('*', "p");
        assert!(PROTECTING.iter().any(|(_, place)| place.ends_with(&format!(" {key}"))), "{path}");
    }
}

#[test]
fn limits_and_privileges_that_make_no_sense_are_refused() {
    for (text, expected) in [
        (
            "{rate_limit_per_second: -1}",
            "rate_limit_per_second: must be between 0.001 and 1000000.0",
        ),
        ("{rate_limit_per_second: 1e-9}", "rate_limit_per_second: must be between"),
        ("{rate_limit_per_second: .nan}", "rate_limit_per_second: "),
        ("{rate_limit_per_second: .inf}", "rate_limit_per_second: "),
        (
            "{rate_limit_per_second: 1, rate_limit_burst: 1000001}",
            "rate_limit_burst: must be at most 1000000",
        ),
        (
            "{rate_limit_burst: 10}",
            "rate_limit_burst: limits nothing without rate_limit_per_second: set that, or remove it",
        ),
        ("{chroot: run}", "chroot: must be an absolute path"),
        ("{landlock: {read: [etc]}}", "landlock.read: must be an absolute path"),
        ("{landlock: {write: [/tmp, etc]}}", "landlock.write: must be an absolute path"),
    ] {
        let all = problems(&format!("server: {text}"));
        let expected = format!("1: server.{expected}");
        assert!(all.len() == 1 && all[0].starts_with(&expected), "{text}: {all:?}");
    }
    let server = yaml("server: {rate_limit_per_second: 0.5, rate_limit_burst: 3, run_as_user: mail, run_as_group: mail, chroot: /srv, landlock: {read: [/etc]}}").server;
    assert_eq!((server.rate_limit_per_second, server.rate_limit_burst), (0.5, 3));
    assert_eq!(server.chroot, Some("/srv".into()));
    assert!(server.landlock.is_on());
}

#[test]
fn roles_that_no_caller_can_have_are_refused() {
    for key in ["roles", "scopes"] {
        let hook = format!(
            "lua:\n  custom_hooks:\n    - {{http_location: h, http_method: GET, script_path: '{{dir}}/a.lua', {key}: [r]}}"
        );
        let all = problems(&format!("server: {{workers: 1}}\n{hook}"));
        let expected =
            "3: lua.custom_hooks: the roles of hook \"h\" protect nothing: enable server.jwt_auth";
        assert!(all.len() == 1 && all[0].contains(expected), "{key}: {all:?}");
        let with_callers =
            "server: {basic_auth: {enabled: true, username: proxy, password: a-long-password-1}}";
        assert_eq!(yaml(&format!("{with_callers}\n{hook}")).lua.custom_hooks[0].roles, ["r"]);
    }
}

#[test]
fn protection_that_is_switched_off_may_be_given() {
    let text = "server: {haproxy_v2: false, tls: {enabled: false}, jwt_auth: {enabled: false}, oidc_auth: {enabled: false}, run_as_user: '', chroot: '', rate_limit_per_second: 0, rate_limit_burst: 0}";
    assert_eq!(
        warnings(text).iter().filter(|line| !line.contains("is empty: every login fails")).count(),
        0
    );
    assert!(
        try_text("c.yml", BASE, &[("LOLIGO_SERVER_REDIS_TLS_CIPHER_SUITES", "x")]).unwrap_err().starts_with(
            "environment variable LOLIGO_SERVER_REDIS_TLS_CIPHER_SUITES: server.redis.tls.cipher_suites: is not implemented"
        )
    );
}

#[test]
fn keys_without_effect_warn() {
    for (text, path) in [
        ("server: {log: {color: true}}", "server.log.color"),
        ("server: {log: {add_source: true}}", "server.log.add_source"),
        ("server: {log: {debug_modules: [auth]}}", "server.log.debug_modules"),
        ("server: {middlewares: {rate: false}}", "server.middlewares"),
        ("server: {prometheus_timer: {labels: [auth]}}", "server.prometheus_timer.labels"),
        ("server: {redis: {pool_size: 5}}", "server.redis.pool_size"),
        ("server: {workers: 1}\nlua: {config: {queue_length: 5}}", "lua.config.queue_length"),
        (
            "server: {workers: 1}\nlua: {optional_lua_backends: {s: {queue_length: 5}}}",
            "lua.optional_lua_backends.s.queue_length",
        ),
        (
            "server: {workers: 1}\nbrute_force: {buckets: [], custom_tolerations: [{ip_address: '::1', tolerate_percent: 5, tolerate_ttl: 1h, scale_factor: 2}]}",
            "brute_force.custom_tolerations[0].scale_factor",
        ),
        (
            "server: {workers: 1}\nldap: {config: {lookup_pool_size: 1, lookup_pool_only: true, server_uri: 'ldap://x', cb_cooldown: 1}}",
            "ldap.config.cb_cooldown",
        ),
    ] {
        let all = warnings(text);
        assert!(
            all.iter()
                .any(|line| line.contains(&format!(": {path}: ")) && line.contains("no effect")),
            "{text}: {all:?}"
        );
    }
    assert!(
        !warnings("server: {prometheus_timer: {enabled: true}}")
            .iter()
            .any(|line| line.contains("prometheus_timer"))
    );
}

#[test]
fn logins_that_nobody_counts_are_told_of() {
    let text = |protocols: &str, buckets: &str| {
        format!(
            "server:\n  backends: [lua]\n  features: [brute_force]\n  brute_force_protocols: [{protocols}]\nlua:\n  config: {{script_path: '{{dir}}/a.lua'}}\n  search: [{{protocol: [imap, pop3, account-provider]}}]\nbrute_force:\n  buckets: [{buckets}]\n"
        )
    };
    let bucket =
        |more: &str| format!("{{name: b, period: 1h, cidr: 24, failed_requests: 3, {more}}}");
    let (four, six) = (bucket("ipv4: true"), bucket("ipv6: true"));
    assert_eq!(warnings(&text("imap, pop3", &format!("{four}, {six}"))), [""; 0]);
    for (protocols, buckets, told) in [
        ("imap, pop3", four.clone(), "9: brute_force.buckets: no bucket counts IPv6 clients"),
        ("imap, pop3", six.clone(), "9: brute_force.buckets: no bucket counts IPv4 clients"),
        (
            "imap",
            format!("{four}, {six}"),
            "4: server.brute_force_protocols: lacks protocols that backends answer: pop3 may",
        ),
        (
            "imap, pop3",
            format!(
                "{}, {}",
                bucket("ipv4: true, filter_by_protocol: imap"),
                bucket("ipv6: true, filter_by_protocol: imap")
            ),
            "9: brute_force.buckets: no bucket counts pop3",
        ),
    ] {
        let all = warnings(&text(protocols, &buckets));
        assert!(all.len() == 1 && all[0].starts_with(told), "{all:?}");
    }
    let all = warnings(
        &format!("{BASE}  features: [{{name: a, script_path: '{{dir}}/a.lua'}}]\n").replace(
            "lua: {config: {backend_script_path: '{dir}/a.lua'}, search: [{protocol: imap}]}\n",
            "lua:\n  config: {backend_script_path: '{dir}/a.lua'}\n  search: [{protocol: imap}]\n",
        ),
    );
    assert_eq!(all, ["5: lua.features: never run: server.features has no \"lua\""]);
}

#[test]
fn a_cache_behind_a_backend_is_accepted_with_one_warning() {
    let text = BASE.replace("[lua]", "[lua, cache]");
    let all = warnings(&text);
    assert!(
        all.len() == 1 && all[0].contains("server.backends: \"cache\" should be first"),
        "{all:?}"
    );
    assert_eq!(warnings(&BASE.replace("[lua]", "[cache, lua]")), [""; 0]);
}

#[test]
fn inert_settings_warn() {
    let all = warnings("server: {backends: [], features: [lua], local_cache_auth_ttl: 1s}\n");
    for text in [
        "server.backends: is empty",
        "server.features: \"lua\" has no effect: lua.features is empty",
        "is raised to 5s",
    ] {
        assert!(all.iter().any(|line| line.contains(text)), "{all:?}");
    }
    let all = warnings(&BASE.replace("{protocol: imap}", "{protocol: imap, backend_name: x}"));
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].contains("it answers no protocol") && all[1].contains("backend_name \"x\""));
}

#[test]
fn protection_that_another_setting_takes_away_is_warned_of() {
    const BUCKET: &str = "{name: a, period: 1m, cidr: 32, ipv4: true, failed_requests: 5}";
    let list = |rest: &str| {
        format!(
            "realtime_blackhole_lists: {{threshold: 20, lists: [{{name: a, rbl: a.example, {rest}}}]}}"
        )
    };
    let (none, rbl) = ("backends: [lua]", "backends: [lua], features: [rbl]");
    let whole = "ipv4: true, return_codes: [127.0.0.2], weight: 20";
    for (server, section, told) in [
        (
            none,
            format!("brute_force: {{buckets: [{BUCKET}]}}"),
            "3: brute_force.buckets: never used: server.features has no \"brute_force\"",
        ),
        (
            none,
            list(whole),
            "realtime_blackhole_lists.lists: never used: server.features has no \"rbl\"",
        ),
        (none, "relay_domains: {static: [a.example]}".into(), "relay_domains.static: never used"),
        (none, "cleartext_networks: [192.0.2.0/24]".into(), "cleartext_networks: never used"),
        (rbl, list(&whole.replace("ipv4: true, ", "")), "\"a\" is never asked"),
        (rbl, list(&whole.replace("127.0.0.2", "")), "\"a\" never matches"),
        (rbl, list(&whole.replace("20", "19")), "threshold: is never reached by IPv4 clients"),
        (
            "backends: [lua], features: [tls_encryption]",
            "cleartext_networks: ['0.0.0.0/0']".into(),
            "exempts all clients",
        ),
        (
            "backends: [lua], basic_auth: {username: a, password: 0123456789abcdef}",
            String::new(),
            "server.basic_auth: is off",
        ),
        (
            "backends: [lua], jwt_auth: {secret_key: 0123456789abcdef0123456789abcdef}",
            String::new(),
            "server.jwt_auth: is off",
        ),
        (
            "backends: [lua], redis: {replica: {addresses: ['127.0.0.1:1']}}",
            String::new(),
            "server.redis: is not used",
        ),
        (
            "backends: [lua], redis: {master: {password: a}}",
            String::new(),
            "server.redis: is not used",
        ),
        (none, format!("brute_force: {{buckets: [{BUCKET}, {BUCKET}]}}"), "two are called \"a\""),
    ] {
        let all = warnings(&format!("{}{section}\n", BASE.replace(none, server)));
        assert!(all.iter().any(|line| line.contains(told)), "{told}: {all:?}");
    }
    for (server, section) in [
        (none, String::new()),
        (rbl, list(whole)),
        (
            "backends: [lua], basic_auth: {enabled: false, username: a, password: 0123456789abcdef}",
            String::new(),
        ),
    ] {
        let all = warnings(&format!("{}{section}\n", BASE.replace(none, server)));
        assert_eq!(all, [""; 0], "{server} {section}");
    }
}

#[test]
fn times_too_short_to_protect_are_refused() {
    for (key, given) in [("period", "1ms"), ("ban_time", "1ns"), ("ban_time", "999ms")] {
        let bucket = "{name: a, period: 1m, cidr: 32, ipv4: true, failed_requests: 5, ban_time: 0}";
        let usual = if key == "period" { "period: 1m" } else { "ban_time: 0" };
        let text = format!(
            "{BASE}brute_force: {{buckets: [{}]}}\n",
            bucket.replace(usual, &format!("{key}: {given}"))
        );
        assert!(problems(&text)[0].contains("must be between 1s and"), "{text}");
    }
}

#[test]
fn values_that_would_wrap_are_errors() {
    for key in [
        "max_concurrent_requests: 99999999999",
        "nginx_wait_delay: 300",
        "max_login_attempts: -1",
        "imap_backend_port: 70000",
    ] {
        assert_eq!(problems(&format!("server: {{{key}}}")).len(), 1, "{key}");
    }
}

#[test]
fn no_problem_and_no_dump_shows_a_secret() {
    let secret = "hunter2hunter2hunter2 hunter2";
    let text = format!(
        "server:\n  basic_auth: {{username: u, password: {secret:?}}}\n  redis: {{master: {{password: [{secret:?}]}}}}\n  http_client: {{proxy: {secret:?}}}\n"
    );
    assert!(!problems(&text).join("\n").contains("hunter2"));
    let config = yaml(
        "server: {basic_auth: {password: hunter2hunter2hunter2}, http_client: {proxy: 'http://u:hunter2@p'}}",
    );
    assert!(!config.effective().contains("hunter2") && !format!("{config:?}").contains("hunter2"));
    let config = yaml(
        "server: {insights: {tracing: {endpoint: 'https://u:hunter2@c:4318'}}, oidc_auth: {jwks_url: 'https://u:hunter2@k/'}}",
    );
    assert!(!config.effective().contains("hunter2") && !format!("{config:?}").contains("hunter2"));
    assert!(config.effective().contains("https://***@c:4318"), "{}", config.effective());
}

#[test]
fn the_effective_configuration_loads_again() {
    let text = concat!(
        "server:\n  address: 'unix:/run/x.sock'\n  backends: [cache, lua, 'lua(Staff)']\n  features: [lua, {name: rbl, when_no_auth: true}]\n",
        "  basic_auth: {enabled: true, username: mail, password: 0123456789abcdef}\n",
        "  redis: {master: {address: '[::1]:6379', password: p}, sentinels: {master: m, addresses: ['s:1']}, cluster: {addresses: ['c:1']}}\n",
        "lua:\n  config: {script_path: '{dir}/a.lua'}\n  optional_lua_backends: {Staff: {script_path: '{dir}/b.lua'}}\n",
        "  filters: [{name: 'with: colon', script_path: '{dir}/a.lua', override_rejection: true, when_authenticated: true}]\n",
        "  actions: [{type: post, name: a, script_path: '{dir}/a.lua'}]\n",
        "  custom_hooks: [{http_location: h, http_method: GET, script_path: '{dir}/a.lua'}]\n",
        "  search: [{protocol: imap}, {protocol: imap, backend_name: Staff}]\n",
        "brute_force:\n  soft_whitelist: {a.b@c: [192.0.2.0/24]}\n  custom_tolerations: [{ip_address: '::1', tolerate_percent: 5, tolerate_ttl: 1h}]\n",
        "  buckets: [{name: b, period: 1h, cidr: 24, ipv4: true, failed_requests: 3, ban_time: 0}]\n",
        "realtime_blackhole_lists: {threshold: 5, lists: [{name: n, rbl: z.example, return_codes: [127.0.0.2], weight: -5}]}\n",
        "backend_server_monitoring: {backend_servers: [{protocol: imap, host: h, port: 1, test_password: p}]}\n",
        "relay_domains: {static: [example.net]}\ncleartext_networks: ['::1', 10.0.0.0/8]\n",
        "ldap:\n  config: {lookup_pool_size: 1, auth_pool_size: 1, server_uri: 'ldap://x'}\n",
        "  search: [{protocol: imap, cache_name: c, base_dn: x, filter: {user: u}, mapping: {account_field: a}, attribute: a}]\n",
    );
    let dir = TestDir::new();
    dir.write("a.lua", "");
    dir.write("b.lua", "");
    let reload = |text: &str| {
        load(&Source { file: Some(dir.write("c.yml", text)), ..Source::default() })
            .unwrap()
            .config
            .effective()
    };
    let first = reload(&text.replace("{dir}", &dir.0.display().to_string()));
    assert_eq!(reload(&first), first);
    assert!(
        first
            .contains("  basic_auth:\n    enabled: true\n    username: mail\n    password: \"****"),
        "{first}"
    );
}
