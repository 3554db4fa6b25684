//! nginx's mail proxy before Dovecot, asking us who may log in: IMAP.

use crate::password_bytes::{backend, users};
use crate::support::chain::Chain;
use crate::support::mail::Mail;

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
fn logins_over_tcp_and_over_a_unix_socket() {
    Chain::over_each(&backend(), logs_in);
}

#[test]
fn refusals_say_what_they_are() {
    let chain = Chain::over_tcp(&backend());
    let login = |user: &[u8]| Mail::connect(chain.nginx.imap).imap_login(user, b"any");
    assert_eq!(login(b"nobody"), "NO Invalid login or password");
    assert_eq!(login(b"tempfail"), "NO Temporary server problem, try again later");
}

#[test]
fn a_refused_client_is_hung_up_on() {
    let chain = Chain::over_tcp(&backend());
    let mut mail = Mail::connect(chain.nginx.imap);
    mail.imap_login(b"nobody", b"any");
    assert_eq!(mail.line(), "");
}
