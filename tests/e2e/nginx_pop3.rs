//! nginx's mail proxy before Dovecot, asking us who may log in: POP3.

use crate::password_bytes::{backend, users};
use crate::support::chain::Chain;
use crate::support::mail::{Mail, plain};

fn login(chain: &Chain, user: &str, password: &[u8]) -> (Mail, String) {
    let mut mail = Mail::connect(chain.nginx.pop3);
    assert!(mail.ask(format!("USER {user}")).starts_with("+OK"));
    let reply = mail.ask([b"PASS ", password].concat());
    (mail, reply)
}

#[test]
fn logins_over_tcp() {
    let chain = Chain::over_tcp(&backend());
    for (user, password) in users() {
        let shown = String::from_utf8_lossy(password);
        let (mut mail, reply) = login(&chain, &user, password);
        assert!(reply.starts_with("+OK"), "{shown}: {reply}");
        assert_eq!(mail.ask("STAT"), "+OK 0 0", "{shown}");

        let wrong = [password, b"!"].concat();
        assert_eq!(login(&chain, &user, &wrong).1, "-ERR Invalid login or password", "{shown}!");
    }
}

#[test]
fn logins_over_a_unix_socket() {
    let chain = Chain::over_unix(&backend());
    for (user, password) in users() {
        let mut mail = Mail::connect(chain.nginx.pop3);
        let reply = mail.ask(format!("AUTH PLAIN {}", plain(user.as_bytes(), password)));
        assert!(reply.starts_with("+OK"), "{}: {reply}", String::from_utf8_lossy(password));
        assert_eq!(mail.ask("STAT"), "+OK 0 0");
    }
}

#[test]
fn refusals_say_what_they_are() {
    let chain = Chain::over_tcp(&backend());
    assert_eq!(login(&chain, "nobody", b"any").1, "-ERR Invalid login or password");
    assert_eq!(
        login(&chain, "tempfail", b"any").1,
        "-ERR Temporary server problem, try again later"
    );
}
