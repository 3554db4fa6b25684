//! `loligo integrate`: what it prints makes the real programs work, and what would not work is
//! refused. Logins over nginx, Dovecot and `auth_request` with the printed files are also those of
//! `nginx_*.rs` and `dovecot_passdb.rs`.

use crate::support::dovecot::Dovecot;
use crate::support::haproxy::Front;
use crate::support::mail::Mail;
use crate::support::nginx::{AuthRequest, Nginx};
use crate::support::site::{backend_that_finds_everybody, loligo};
use crate::support::web::{Certificate, write_certificate};
use crate::support::{Client, Request, Site, until};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Callers must say who they are.
fn callers() -> Value {
    json!({ "server": { "basic_auth": {
        "enabled": true, "username": "mail_proxy", "password": "a-long;password$1{x}",
    } } })
}

fn site() -> Site {
    Site::new().set(json!({ "lua": { "search": [{
        "protocol": ["default", "imap", "pop3", "smtp", "http", "doveadm", "account-provider"],
        "cache_name": "",
    }] } }))
}

/// A certificate, and the settings of a listener with it.
fn certificate() -> (TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(&folder, Certificate::Good);
    let file = |name: &str| folder.path().join(name);
    let tls = json!({ "enabled": true, "cert": file("cert.pem"), "key": file("key.pem") });
    (folder, tls)
}

/// What the command prints, and what it complains of.
fn integrate(config: &PathBuf, arguments: &[&str]) -> (Option<i32>, String, String) {
    // The scripts are named relative to it.
    let mut command = loligo();
    command.current_dir(config.parent().unwrap()).args(["integrate", "-c"]).arg(config);
    let output = command.args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn nginx_authenticates_as_a_caller() {
    let dovecot = Dovecot::behind_proxy();
    let server = site()
        .set(callers())
        .set(json!({ "server": { "imap_backend_port": dovecot.imap } }))
        .start();
    let nginx = Nginx::mail_proxy(server.integrate(server.address_setting(), &["nginx"]));
    let login = |password: &[u8]| Mail::connect(nginx.imap).imap_login(b"ada", password);
    assert!(login(b"right").starts_with("OK"));
    assert_eq!(login(b"wrong"), "NO Invalid login or password");
}

#[test]
fn nginx_authenticates_with_a_token() {
    let dovecot = Dovecot::behind_proxy();
    let jwt = json!({ "enabled": true, "secret_key": "0123456789abcdef0123456789abcdef" });
    let server = site()
        .set(json!({ "server": { "jwt_auth": jwt, "imap_backend_port": dovecot.imap } }))
        .start();
    let config = server.config_with(server.address_setting());
    let (status, _, message) = integrate(&config, &["nginx"]);
    assert_eq!(status, Some(1));
    assert!(message.contains("loligo token NAME --role authenticate"), "{message}");

    let token = loligo()
        .current_dir(server.path(""))
        .args(["token", "nginx", "--role", "authenticate", "-c"])
        .arg(&config)
        .output()
        .unwrap();
    std::fs::write(server.path("token"), token.stdout).unwrap();
    let file = server.path("token");
    let arguments = ["nginx", "--token-file", file.to_str().unwrap()];
    let nginx = Nginx::mail_proxy(server.integrate(server.address_setting(), &arguments));
    assert!(Mail::connect(nginx.imap).imap_login(b"ada", b"right").starts_with("OK"));
}

#[test]
fn dovecot_authenticates_as_a_caller() {
    let server = site().set(callers()).start();
    let printed = server.integrate(server.address_setting(), &["dovecot"]);
    // As its head says: it holds the password, so others may not read it.
    let script = printed.path().join("loligo.lua");
    assert_eq!(std::fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(Command::new("chgrp").arg("dovecot").arg(&script).status().unwrap().success());
    let dovecot = Dovecot::asking(printed);
    let login = |password: &[u8]| Mail::connect(dovecot.imap).imap_login(b"ada", password);
    assert!(login(b"right").starts_with("OK"));
    assert!(login(b"wrong").starts_with("NO [AUTHENTICATIONFAILED]"));
    assert!(dovecot.doveadm(&["user", "ada"]).status.success());
}

#[test]
fn auth_request_over_tls() {
    let (files, tls) = certificate();
    let accepts = r#"request.password == "right" and request.client_ip == "127.0.0.7""#;
    let server = site()
        .backend(&backend_that_finds_everybody("", accepts))
        .set(json!({ "server": {
            "client_address": { "header": "X-Client" },
            "listeners": [{ "address": "127.0.0.1:0", "tls": tls }],
        } }))
        .start();
    let https = json!({ "server": {
        "listeners": [{ "address": server.last_address().to_string(), "tls": tls }],
    } });
    let listener = server.last_address().to_string();
    let ca = files.path().join("ca.pem");
    let arguments =
        ["nginx-auth-request", "--listener", &listener, "--ca-file", ca.to_str().unwrap()];
    let nginx = AuthRequest::start(server.integrate(https, &arguments));
    let ask = |from: &str, password: &str| {
        let credentials = BASE64_STANDARD.encode(format!("ada:{password}"));
        let page =
            Request::get("/private/page").header("Authorization", format!("Basic {credentials}"));
        Client::tcp_from(from.parse().unwrap(), nginx.address()).ask(&page).status
    };
    assert_eq!(ask("127.0.0.7", "right"), 200);
    assert!(matches!(ask("127.0.0.7", "wrong"), 401 | 403));
    assert!(matches!(ask("127.0.0.8", "right"), 401 | 403));
}

#[test]
fn haproxy_tells_who_connects() {
    let (files, tls) = certificate();
    let backend = backend_that_finds_everybody("", "true")
        .replace("account = request.username", "account = request.client_ip");
    let socket = files.path().join("proxied.sock");
    let unix = json!({ "address": format!("unix:{}", socket.display()), "proxy_protocol": true });
    for (listener, ca) in [
        (json!({ "address": "127.0.0.1:0", "proxy_protocol": true }), None),
        (json!({ "address": "127.0.0.1:0", "proxy_protocol": true, "tls": tls }), Some("ca.pem")),
        (unix, None),
    ] {
        let server = site()
            .backend(&backend)
            .set(json!({ "server": { "listeners": [listener.clone()] } }))
            .start();
        let mut known = listener.clone();
        if listener["address"] == "127.0.0.1:0" {
            known["address"] = server.last_address().to_string().into();
        }
        let ca = ca.map(|name| files.path().join(name));
        let mut arguments = vec!["haproxy"];
        if let Some(path) = &ca {
            arguments.extend(["--ca-file", path.to_str().unwrap()]);
        }
        let settings = json!({ "server": { "listeners": [known] } });
        let front = Front::printed(server.integrate(settings, &arguments));
        let login = Request::get("/api/v1/auth/header?in-memory=0")
            .header("Auth-User", "ada")
            .header("Auth-Pass", "right");
        // The check of the server's health comes first.
        until("HAProxy to find the server up", || {
            let mut client = Client::tcp_from("127.0.0.7".parse().unwrap(), front.address);
            client.try_ask(&login).filter(|answer| answer.status == 200).map(|answer| {
                assert_eq!(answer.header("auth-user"), Some("127.0.0.7"), "{listener}");
            })
        });
    }
}

#[test]
fn what_would_not_work_is_refused_with_a_remedy() {
    let (_files, tls) = certificate();
    let proxied = json!({ "address": "127.0.0.1:9", "proxy_protocol": true });
    for (settings, arguments, message) in [
        (json!({ "address": "127.0.0.1:9", "tls": tls }), vec!["nginx"], "plain HTTP without TLS"),
        (json!({ "address": "127.0.0.1:9", "tls": tls }), vec!["dovecot"], "127.0.0.1:9, TLS"),
        (
            json!({ "listeners": [proxied], "address": "127.0.0.1:8" }),
            vec!["nginx", "--listener", "127.0.0.1:9"],
            "PROXY",
        ),
        (json!({ "address": "127.0.0.1:9" }), vec!["haproxy"], "proxy_protocol: true"),
        (json!({ "address": "unix:/run/x.sock" }), vec!["dovecot"], "over TCP"),
        (json!({ "address": "127.0.0.1:9" }), vec!["nginx-auth-request"], "{header: X-Real-IP}"),
        (
            json!({ "address": "127.0.0.1:9", "disabled_endpoints": { "auth_nginx": true } }),
            vec!["nginx"],
            "server.disabled_endpoints.auth_nginx",
        ),
        (
            json!({ "address": "127.0.0.1:9" }),
            vec!["nginx", "--listener", "127.0.0.1:1"],
            "there is no listener 127.0.0.1:1, but: 127.0.0.1:9",
        ),
    ] {
        let site = Site::new().set(json!({ "server": settings }));
        let (status, out, err) = integrate(&site.write_config(), &arguments);
        assert_eq!((status, out.as_str()), (Some(1), ""), "{arguments:?} {settings}");
        assert!(err.contains(message), "{arguments:?} {settings}: {err}");
    }
    let site = Site::new().set(json!({ "server": { "address": "0.0.0.0:9080" } }));
    let config = site.write_config();
    assert_eq!(integrate(&config, &["sendmail"]).0, Some(2));
    // A listener on all addresses is reached on this host.
    let (status, out, _) = integrate(&config, &["nginx"]);
    assert!(
        status == Some(0) && out.contains("auth_http 127.0.0.1:9080/api/v1/auth/nginx;"),
        "{out}"
    );
    // Several files are told apart.
    let (_, out, _) = integrate(&config, &["dovecot"]);
    assert!(out.contains("# ======== /etc/dovecot/loligo.lua ========"), "{out}");
    assert!(out.contains("file=/etc/dovecot/loligo.lua"), "{out}");
}

#[test]
fn files_are_not_replaced() {
    let server = site().start();
    let folder = server.integrate(server.address_setting(), &["nginx"]);
    let config = server.config_with(server.address_setting());
    let into = ["nginx", "--into", folder.path().to_str().unwrap()];
    let (status, _, message) = integrate(&config, &into);
    assert_eq!(status, Some(1));
    assert!(message.contains("nginx.conf: File exists"), "{message}");
}
