//! nginx's mail proxy before Dovecot, asking us who may log in: IMAP.

use crate::password_bytes::{backend, users};
use crate::support::dovecot::Dovecot;
use crate::support::mail::Mail;
use crate::support::nginx::Nginx;
use crate::support::{Server, Site};
use serde_json::json;

/// Dovecot, our server that names it to the proxy, and the proxy that asks it: over TCP or over a unix socket.
pub struct Chain {
    pub nginx: Nginx,
    pub dovecot: Dovecot,
    _server: Server,
}

impl Chain {
    pub fn over_tcp() -> Chain {
        Chain::new(|server, _| format!("{}/api/v1/auth/nginx", server.address))
    }

    pub fn over_unix() -> Chain {
        Chain::new(|_, socket| format!("unix:{socket}:/api/v1/auth/nginx"))
    }

    fn new(auth_http: impl Fn(&Server, &str) -> String) -> Chain {
        let dovecot = Dovecot::behind_proxy();
        let site = Site::new();
        let socket = site.path("auth.sock");
        let settings = json!({ "server": {
            "listen_unix": [socket],
            "imap_backend_port": dovecot.imap,
            "pop3_backend_port": dovecot.pop3,
            "smtp_backend_port": dovecot.submission,
        } });
        let server = site.backend(&backend()).set(settings).start();
        let nginx = Nginx::mail_proxy(&auth_http(&server, socket.to_str().unwrap()));
        Chain { nginx, dovecot, _server: server }
    }
}

fn logs_in(chain: &Chain) {
    for (user, password) in users() {
        let shown = String::from_utf8_lossy(password);
        for login in [Mail::imap_login, Mail::imap_authenticate] {
            let mut mail = Mail::connect(chain.nginx.imap);
            let reply = login(&mut mail, user.as_bytes(), password);
            assert!(reply.starts_with("OK"), "{shown}: {reply}");
            // It is Dovecot that opens the mailbox, of the account that our server named.
            assert!(mail.imap("SELECT INBOX").starts_with("OK"), "{shown}");
            assert!(chain.dovecot.mailbox(&format!("{user}@example.test")).exists(), "{shown}");
        }
        let wrong = [password, b"!"].concat();
        let reply = Mail::connect(chain.nginx.imap).imap_login(user.as_bytes(), &wrong);
        assert_eq!(reply, "NO Invalid login or password", "{shown}!");
    }
}

#[test]
fn logins_over_tcp() {
    logs_in(&Chain::over_tcp());
}

#[test]
fn logins_over_a_unix_socket() {
    logs_in(&Chain::over_unix());
}

#[test]
fn refusals_say_what_they_are() {
    let chain = Chain::over_tcp();
    let login = |user: &[u8]| Mail::connect(chain.nginx.imap).imap_login(user, b"any");
    assert_eq!(login(b"nobody"), "NO Invalid login or password");
    assert_eq!(login(b"tempfail"), "NO Temporary server problem, try again later");
}

#[test]
fn a_refused_client_is_hung_up_on() {
    let chain = Chain::over_tcp();
    let mut mail = Mail::connect(chain.nginx.imap);
    mail.imap_login(b"nobody", b"any");
    assert_eq!(mail.line(), "");
}
