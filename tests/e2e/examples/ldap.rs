//! `backends/ldap.lua`

use super::{accounts, example, is_temporary, login, look_up};
use crate::support::slapd::Slapd;
use crate::support::{Request, Server, Site, until};
use serde_json::json;

fn site(slapd: &Slapd, bind_dn: &str) -> Site {
    let pool = json!({ "server_uri": [format!("ldap://127.0.0.1:{}", slapd.ldap)], "lookup_pool_only": true, "lookup_pool_size": 2, "retry_max": 0,
        "bind_dn": bind_dn, "bind_pw": if bind_dn.is_empty() { "" } else { "right" } });
    let site = Site::new()
        .backend(&example("backends/ldap.lua"))
        .set(json!({ "ldap": { "config": pool } }));
    site.env("LDAP_BASE_DN", "ou=people,dc=example,dc=org")
}

fn start(slapd: &Slapd) -> Server {
    site(slapd, "cn=admin,dc=example,dc=org").start()
}

#[test]
fn users_are_let_in_by_name_or_address() {
    let slapd = Slapd::start();
    let server = start(&slapd);
    for user in ["ada", "ada@example.org", "ada@example.net"] {
        let answer = server.ask(&Request::uncached_login(user, "secret"));
        assert_eq!(
            (answer.status, answer.header("auth-user")),
            (200, Some("ada@example.org")),
            "{user}"
        );
        assert_eq!(answer.header("x-nauthilus-userpassword"), None);
    }
    for (user, password) in
        [("ada", "Secret"), ("ada", ""), ("nobody", "secret"), ("a*", "secret"), ("*", "secret")]
    {
        assert_eq!(
            login(&server, user, password),
            (403, "Invalid login or password".into()),
            "{user}"
        );
    }
    assert_eq!((look_up(&server, "bob"), look_up(&server, "nobody")), (200, 403));
    assert_eq!(accounts(&server), (200, json!(["ada@example.org", "bob@example.org"])));
}

#[test]
fn without_a_usable_entry_nobody_is_judged() {
    let mut slapd = Slapd::start();
    let mut server = start(&slapd);
    assert!(is_temporary(&login(&server, "bob", "secret")));
    server.wait_for_log("the entry has no userPassword");
    let everybody = site(&slapd, "cn=admin,dc=example,dc=org")
        .env("LDAP_USER_FILTER", "(objectClass=inetOrgPerson)")
        .start();
    assert!(is_temporary(&login(&everybody, "ada", "secret")));

    slapd.stop();
    for (user, password) in [("ada", "secret"), ("ada", "wrong"), ("nobody", "secret")] {
        assert!(is_temporary(&login(&server, user, password)), "{user}");
    }
    assert_eq!(accounts(&server), (200, json!([])), "they are missing, and the log says why");
    slapd.restart();
    until("logins to work", || (login(&server, "ada", "secret").0 == 200).then_some(()));
}
