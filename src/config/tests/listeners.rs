//! Where to listen, and whose word on a client's address counts there.

use super::*;
use crate::config::section::listeners::TrustedProxies;

/// Every listener: by which key, and its address.
fn addresses(text: &str) -> Vec<(String, String)> {
    use crate::config::value::Word;
    let all = yaml(text).server.every_listener();
    all.into_iter().map(|(key, listener)| (key, listener.address.text())).collect()
}

fn listed(listeners: &str) -> String {
    format!(
        "server:\n  backends: [lua]\n  listeners:\n{listeners}\nlua: {{config: {{backend_script_path: '{{dir}}/a.lua'}}, search: [{{protocol: imap}}]}}\n"
    )
}

#[test]
fn older_keys_and_the_list_come_to_one_list() {
    let of = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|(key, address)| ((*key).to_owned(), (*address).to_owned())).collect()
    };
    for (text, all) in [
        ("server: {workers: 1}", &[("server.address", "127.0.0.1:9080")][..]),
        ("server: {listeners: []}", &[("server.address", "127.0.0.1:9080")]),
        (
            "server: {address: '127.0.0.1:1', listeners: [{address: '[::]:2'}], listen_unix: [/run/a, /run/b]}",
            &[
                ("server.address", "127.0.0.1:1"),
                ("server.listeners[0]", "[::]:2"),
                ("server.listen_unix[0]", "unix:/run/a"),
                ("server.listen_unix[1]", "unix:/run/b"),
            ],
        ),
        // No port that nobody asked for.
        (
            "server: {listeners: [{address: 'unix:/run/a'}]}",
            &[("server.listeners[0]", "unix:/run/a")],
        ),
    ] {
        assert_eq!(addresses(text), of(all), "{text}");
        let effective = yaml(text).effective();
        assert_eq!(addresses(&effective), of(all), "{effective}");
    }
}

#[test]
fn a_listener_says_what_holds_there() {
    let config = yaml(
        "server:\n  address: 127.0.0.1:1\n  haproxy_v2: true\n  unix_socket_mode: 0600\n  listen_unix: [/run/c]\n  listeners:\n    - {address: 'unix:/run/a', mode: 0666, group: 7, caller_auth: false, max_connections: 5, protocol: http}\n    - {address: 'unix:/run/b', proxy_protocol: true}\n",
    );
    let all: Vec<_> = config.server.every_listener().into_iter().map(|(_, own)| own).collect();
    let modes: Vec<_> = all.iter().map(|own| own.mode.map(|mode| mode.bits())).collect();
    assert_eq!(modes, [None, Some(0o666), Some(0o600), Some(0o600)]);
    let proxied: Vec<_> = all.iter().map(|own| own.proxy_protocol).collect();
    assert_eq!(proxied, [true, false, true, false]);
    assert_eq!(all[1].group.as_ref().map(|group| group.id()), Some(7));
    let (callers, max): (Vec<_>, Vec<_>) =
        all.iter().map(|own| (own.caller_auth, own.max_connections)).unzip();
    assert_eq!((callers, max), (vec![true, false, true, true], vec![0, 5, 0, 0]));
    assert_eq!(Config::default().server.unix_socket_mode.bits(), 0o660);
}

#[test]
fn what_cannot_work_is_refused_with_its_line() {
    for (listeners, problem) in [
        ("    - {proxy_protocol: true}", "4: server.listeners[0].address: is missing"),
        (
            "    - {address: 'unix:/a', mode: 0999}",
            "4: server.listeners[0].mode: \"0999\" is no mode: it is written in octal digits (allowed: 0600, 0660, 0666)",
        ),
        (
            "    - {address: 'unix:/a', mode: 01777}",
            "4: server.listeners[0].mode: \"01777\" is no mode of a socket (allowed: 0600, 0660, 0666)",
        ),
        (
            "    - {address: 'unix:/a', mode: 0460}",
            "4: server.listeners[0].mode: \"0460\" lets not even its owner connect (allowed: 0600, 0660, 0666)",
        ),
        (
            "    - {address: 'unix:/a', group: no-such-group}",
            "4: server.listeners[0].group: there is no group \"no-such-group\"",
        ),
        (
            "    - {address: 'unix:/a', group: 4294967295}",
            "4: server.listeners[0].group: there is no group \"4294967295\"",
        ),
        (
            "    - {address: '127.0.0.1:1', mode: 0600}",
            "4: server.listeners[0].mode: only a unix socket has one, and \"address\" is TCP: remove it",
        ),
        (
            "    - address: 127.0.0.1:1\n      group: 0",
            "5: server.listeners[0].group: only a unix socket has one, and \"address\" is TCP: remove it",
        ),
        (
            "    - {address: '127.0.0.1:1', protocol: lmtp}",
            "4: server.listeners[0].protocol: unknown word \"lmtp\" (allowed: http)",
        ),
        (
            "    - {address: '127.0.0.1:1', max_connections: -1}",
            "4: server.listeners[0].max_connections: must be",
        ),
        (
            "    - {address: '127.0.0.1:1', proxy: true}",
            "4: server.listeners[0].proxy: unknown key",
        ),
        (
            "    - {address: '127.0.0.1:1', proxy_protocol: perhaps}",
            "4: server.listeners[0].proxy_protocol: ",
        ),
        (
            "    - {address: '127.0.0.1:1', caller_auth: perhaps}",
            "4: server.listeners[0].caller_auth: ",
        ),
    ] {
        let all = problems(&listed(listeners));
        assert!(all.len() == 1 && all[0].starts_with(problem), "{listeners}: {all:?}");
    }
    assert!(
        problems("server: {unix_socket_mode: 0888}")[0].starts_with("1: server.unix_socket_mode: ")
    );
}

#[test]
fn proxy_headers_are_demanded_where_there_is_a_port_or_the_start_is_refused() {
    for text in [
        "server:\n  haproxy_v2: true\n  address: unix:/run/a",
        "server:\n  haproxy_v2: true\n  listeners: [{address: '127.0.0.1:1'}]",
    ] {
        let all = problems(text);
        let expected =
            "2: server.haproxy_v2: is about server.address, which is no TCP address here";
        assert!(all.len() == 1 && all[0].starts_with(expected), "{text}: {all:?}");
    }
}

#[test]
fn an_address_that_is_used_twice_is_refused_with_both_lines() {
    for (first, second, twice) in [
        ("127.0.0.1:1", "127.0.0.1:1", true),
        ("0.0.0.0:1", "127.0.0.1:1", true),
        ("127.0.0.1:1", "'[::]:1'", true),
        ("'[::ffff:127.0.0.1]:1'", "127.0.0.1:1", true),
        ("unix:/run/a", "unix:/run/a", true),
        ("127.0.0.1:1", "127.0.0.1:2", false),
        ("127.0.0.1:1", "127.0.0.2:1", false),
        ("0.0.0.0:1", "'[::1]:1'", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
        ("unix:/run/a", "unix:/run/b", false),
    ] {
        let text = listed(&format!(
            "    - address: {first}\n    - proxy_protocol: true\n      address: {second}"
        ));
        if !twice {
            yaml(&text);
            continue;
        }
        let all = problems(&text);
        let expected =
            "6: server.listeners[1].address: is listened on already: server.listeners[0].address (";
        assert!(all.len() == 1 && all[0].starts_with(expected), "{text}: {all:?}");
        assert!(all[0].ends_with("c.yml:4)"), "{all:?}");
    }
    let older = "server:\n  address: unix:/run/a\n  listen_unix: [/run/b, /run/a]";
    assert!(
        problems(older)[0]
            .starts_with("3: server.listen_unix[1]: is listened on already: server.address (")
    );
}

#[test]
fn callers_whom_nobody_asks_are_told_of_where_anybody_may_call() {
    for (listener, told) in [
        ("{address: 'unix:/run/a', caller_auth: false}", false),
        ("{address: 'unix:/run/a', mode: 0666, caller_auth: false}", true),
        ("{address: '127.0.0.1:1', caller_auth: false}", false),
        ("{address: '0.0.0.0:1', caller_auth: false}", true),
        ("{address: '0.0.0.0:1'}", false),
    ] {
        let all = warnings(&listed(&format!("    - {listener}")));
        let expected = "4: server.listeners[0].caller_auth: whoever reaches this address may ask";
        assert_eq!(all.iter().any(|line| line.starts_with(expected)), told, "{listener}: {all:?}");
    }
}

#[test]
fn trusted_proxies_are_this_host_or_exactly_those_that_are_named() {
    let of = |text: &str| yaml(&format!("server: {{workers: 1, {text}}}")).server.trusted_proxies;
    assert_eq!(of("dns: {timeout: 1}"), TrustedProxies::Auto);
    assert_eq!(of("trusted_proxies: auto"), TrustedProxies::Auto);
    for text in ["[127.0.0.1, '::1']", "[192.0.2.0/24]", "192.0.2.1", "''", "[]"] {
        let trusted = of(&format!("trusted_proxies: {text}"));
        assert!(matches!(trusted, TrustedProxies::These(_)), "{text}");
        let loopback = text.contains("127");
        assert_eq!(trusted.networks().contains("127.0.0.1".parse().unwrap()), loopback, "{text}");
    }
    // IPv4 addresses in IPv6 form are IPv4 addresses.
    let mapped = of("trusted_proxies: ['::ffff:192.0.2.0/120', '::ffff:198.51.100.7']").networks();
    for (address, trusted) in [
        ("192.0.2.9", true),
        ("::ffff:192.0.2.9", true),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
    ] {
        assert_eq!(mapped.contains(address.parse().unwrap()), trusted, "{address}");
    }
}
