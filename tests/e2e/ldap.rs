//! `nauthilus_ldap` against OpenLDAP: searches, modifications, encryption, and a directory that
//! goes and comes back.

use crate::support::slapd::Slapd;
use crate::support::{Request, Server, Site, until};
use serde_json::{Value, json};

/// Searches as the header says: `pool|filter`, and shows what came of it.
const SEARCH: &str = r#"
local ldap, http = require("nauthilus_ldap"), require("nauthilus_http_request")
function nauthilus_run_hook(request)
    local pool, filter = string.match(http.get_http_request_header("X-Search")[1], "^(.-)|(.*)$")
    local found, err = ldap.ldap_search({
        pool_name = pool, session = request.session, basedn = "ou=people,dc=example,dc=org", filter = filter, scope = "sub",
        attributes = { "uid", "cn", "mail" },
    })
    if err then return { err = err } end
    if next(found) == nil then return { none = true } end
    return found
end
"#;

/// Changes the name of Bob as the header says: `operation|value`.
const MODIFY: &str = r#"
local ldap, http = require("nauthilus_ldap"), require("nauthilus_http_request")
function nauthilus_run_hook(request)
    local operation, value = string.match(http.get_http_request_header("X-Modify")[1], "^(.-)|(.*)$")
    local ok, err = ldap.ldap_modify({
        pool_name = "default", session = request.session, operation = operation, dn = "uid=bob,ou=people,dc=example,dc=org",
        attributes = { description = value },
    })
    return { ok = ok, err = err }
end
"#;

fn pool(uri: &str, more: Value) -> Value {
    let mut pool = json!({ "server_uri": [uri], "lookup_pool_only": true, "lookup_pool_size": 2, "retry_max": 0,
        "bind_dn": "cn=admin,dc=example,dc=org", "bind_pw": "right" });
    for (key, value) in more.as_object().unwrap() {
        pool[key] = value.clone();
    }
    pool
}

fn start(ldap: Value) -> Server {
    let hook = |name: &str| json!({ "http_location": name, "http_method": "GET", "script_path": format!("{name}.lua") });
    let settings =
        json!({ "ldap": ldap, "lua": { "custom_hooks": [hook("search"), hook("modify")] } });
    Site::new().set(settings).file("search.lua", SEARCH).file("modify.lua", MODIFY).start()
}

fn search(server: &Server, pool: &str, filter: &str) -> Value {
    let request =
        Request::get("/api/v1/custom/search").header("X-Search", format!("{pool}|{filter}"));
    serde_json::from_slice(&server.ask(&request).body).unwrap()
}

fn modify(server: &Server, operation: &str, value: &str) -> Value {
    let request =
        Request::get("/api/v1/custom/modify").header("X-Modify", format!("{operation}|{value}"));
    serde_json::from_slice(&server.ask(&request).body).unwrap()
}

#[test]
fn searches_and_modifications() {
    let slapd = Slapd::start();
    let server =
        start(json!({ "config": pool(&format!("ldap://127.0.0.1:{}", slapd.ldap), json!({})) }));
    let ada = json!({ "dn": ["uid=ada,ou=people,dc=example,dc=org"], "uid": ["ada"], "cn": ["Ada (the first) *"],
        "mail": ["ada@example.org", "ada@example.net"] });
    for filter in [
        "(uid=ada)",
        "(cn=Ada \\28the first\\29 \\2a)",
        "(&(mail=*@example.net)(!(uid=bob)))",
        "(|(uid=a*a)(uid=nobody))",
        "(&(uid=ada)(createTimestamp>=19700101000000Z)(createTimestamp<=29990101000000Z))",
        "(cn:caseExactMatch:=Ada \\28the first\\29 \\2a)",
    ] {
        assert_eq!(search(&server, "default", filter), ada, "{filter}");
    }
    assert_eq!(search(&server, "default", "(uid=nobody)"), json!({ "none": true }));
    let both = search(&server, "default", "(objectClass=inetOrgPerson)");
    assert_eq!(
        (&both["uid"], both["mail"].as_array().map(Vec::len)),
        (&json!(["ada", "bob"]), Some(3))
    );

    assert_eq!(modify(&server, "add", "builds"), json!({ "ok": "OK" }));
    assert_eq!(search(&server, "default", "(description=builds)")["uid"], json!(["bob"]));
    let again = modify(&server, "add", "builds");
    assert!(again["err"].as_str().unwrap().starts_with("LDAP Result Code 20: "), "{again}");
    assert_eq!(modify(&server, "replace", "rests"), json!({ "ok": "OK" }));
    assert_eq!(modify(&server, "delete", "rests"), json!({ "ok": "OK" }));
    assert_eq!(search(&server, "default", "(description=*)"), json!({ "none": true }));
}

#[test]
fn encrypted_by_a_socket_or_not_at_all() {
    let slapd = Slapd::start();
    let (ldap, ldaps) =
        (format!("ldap://127.0.0.1:{}", slapd.ldap), format!("ldaps://127.0.0.1:{}", slapd.ldaps));
    let trusted = json!({ "tls_ca_cert": slapd.certificate() });
    let server = start(json!({
        "config": pool(&ldap, json!({ "bind_pw": "wrong" })),
        "optional_ldap_pools": {
            "anonymous": pool(&ldap, json!({ "bind_dn": "", "bind_pw": "" })),
            "ldaps": pool(&ldaps, trusted.clone()),
            "starttls": pool(&ldap, json!({ "starttls": true, "tls_ca_cert": slapd.certificate() })),
            "unchecked": pool(&ldaps, json!({ "tls_skip_verify": true })),
            "untrusted": pool(&ldaps, json!({})),
            "other_name": pool(&ldaps.replace("127.0.0.1", "localhost"), trusted),
            "socket": pool(&slapd.socket_uri(), json!({})),
            "external": pool(&slapd.socket_uri(), json!({ "sasl_external": true })),
        },
    }));
    for pool in ["anonymous", "ldaps", "starttls", "unchecked", "socket", "external"] {
        assert_eq!(
            search(&server, pool, "(uid=bob)")["mail"],
            json!(["bob@example.org"]),
            "{pool}"
        );
    }
    for (pool, expected) in [
        ("default", "LDAP Result Code 49: "),
        ("untrusted", "tls: "),
        ("other_name", "tls: "),
        ("none", "ldap pool config not found: none"),
    ] {
        let answer = search(&server, pool, "(uid=bob)");
        assert!(
            answer["err"].as_str().unwrap_or_default().starts_with(expected),
            "{pool}: {answer}"
        );
    }
}

#[test]
fn a_directory_that_comes_back_is_found_again() {
    let mut slapd = Slapd::start();
    let server =
        start(json!({ "config": pool(&format!("ldap://127.0.0.1:{}", slapd.ldap), json!({})) }));
    let bob = |server: &Server| search(server, "default", "(uid=bob)");
    assert_eq!(bob(&server)["uid"], json!(["bob"]));
    slapd.stop();
    until("an error", || {
        bob(&server)["err"].as_str().map(|error| assert!(error.contains("connection"), "{error}"))
    });
    slapd.restart();
    assert_eq!(bob(&server)["uid"], json!(["bob"]));
}
