//! Dovecot's own passdb and userdb, in Lua, asking us over JSON.

use crate::support::dovecot::Dovecot;
use crate::support::mail::Mail;
use crate::support::{Server, Site};
use serde_json::json;

const BACKEND: &str = r#"
local users = {
    ["alice@example.test"] = { password = "wonderland", quota = "104857600", home = "/srv/mail/alice" },
    ["bob@example.test"] = { password = "builder pw+ü&=%41", quota = "52428800", home = "/srv/mail/bob" },
}

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    if request.username == "tempfail" then return nauthilus_builtin.BACKEND_RESULT_FAIL, result end
    local account = users[request.username] and request.username or request.username .. "@example.test"
    local user = users[account]
    if not user then return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND, result end
    result:user_found(true)
    result:account_field("account")
    result:attributes({ account = account, quota = user.quota, home = user.home })
    if not request.no_auth then result:authenticated(request.password == user.password) end
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end

function nauthilus_backend_list_accounts()
    local accounts = {}
    for name in pairs(users) do accounts[#accounts + 1] = name end
    return nauthilus_builtin.BACKEND_RESULT_OK, accounts
end
"#;

fn chain() -> (Dovecot, Server) {
    let protocols = ["default", "imap", "pop3", "smtp", "doveadm", "account-provider"];
    let settings = json!({ "lua": { "search": [{ "protocol": protocols, "cache_name": "" }] } });
    let server = Site::new().backend(BACKEND).set(settings).start();
    (Dovecot::asking(server.integrate(server.address_setting(), &["dovecot"])), server)
}

#[test]
fn imap_logins() {
    let (dovecot, _server) = chain();
    for (user, account, password) in [
        ("alice", "alice@example.test", "wonderland"),
        ("bob@example.test", "bob@example.test", "builder pw+ü&=%41"),
    ] {
        let mut mail = Mail::connect(dovecot.imap);
        let reply = mail.imap_login(user.as_bytes(), password.as_bytes());
        assert!(reply.starts_with("OK"), "{user}: {reply}");
        assert!(mail.imap("SELECT INBOX").starts_with("OK"), "{user}");
        assert!(dovecot.mailbox(account).exists(), "{user}");
        assert!(
            Mail::connect(dovecot.imap)
                .imap_login(user.as_bytes(), b"wrong")
                .starts_with("NO [AUTHENTICATIONFAILED]"),
            "{user}"
        );
    }
    assert!(
        Mail::connect(dovecot.imap)
            .imap_login(b"nobody", b"any")
            .starts_with("NO [AUTHENTICATIONFAILED]")
    );
}

#[test]
fn a_temporary_failure_is_unavailable() {
    let (dovecot, _server) = chain();
    let reply = Mail::connect(dovecot.imap).imap_login(b"tempfail", b"any");
    assert!(reply.starts_with("NO [UNAVAILABLE]"), "{reply}");
}

#[test]
fn lookups_and_the_list_of_accounts() {
    let (dovecot, _server) = chain();
    let user = |name: &str| {
        let output = dovecot.doveadm(&["user", name]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (found, fields) = user("alice");
    assert!(
        found && fields.contains("/srv/mail/alice") && fields.contains("*:bytes=104857600"),
        "{fields}"
    );
    assert!(!user("nobody").0);
    assert_eq!(user("*"), (true, "alice@example.test\nbob@example.test\n".to_owned()));

    let test = |name: &str, password: &str| {
        dovecot.doveadm(&["auth", "test", name, password]).status.success()
    };
    assert!(test("alice", "wonderland"));
    assert!(!test("alice", "Wonderland"));
}
