//! nginx's mail proxy before Dovecot, asking us who may log in: SMTP submission.

use crate::password_bytes::{backend, users};
use crate::support::chain::Chain;
use crate::support::mail::{Mail, plain};

fn login(chain: &Chain, user: &str, password: &[u8]) -> String {
    let mut mail = Mail::connect(chain.nginx.smtp);
    assert!(mail.smtp("EHLO client.example.test").starts_with("250 "));
    mail.smtp(format!("AUTH PLAIN {}", plain(user.as_bytes(), password)))
}

fn logs_in(chain: &Chain) {
    for (user, password) in users() {
        let shown = String::from_utf8_lossy(password);
        let reply = login(chain, &user, password);
        assert!(reply.starts_with("235 "), "{shown}: {reply}");
        let wrong = [password, b"!"].concat();
        assert_eq!(login(chain, &user, &wrong), "535 5.7.0 Invalid login or password", "{shown}!");
    }
}

#[test]
fn logins_over_tcp_and_over_a_unix_socket() {
    Chain::over_each(&backend(), logs_in);
}

#[test]
fn a_temporary_failure_has_the_code_that_makes_clients_try_again() {
    let chain = Chain::over_tcp(&backend());
    assert_eq!(login(&chain, "nobody", b"any"), "535 5.7.0 Invalid login or password");
    assert_eq!(
        login(&chain, "tempfail", b"any"),
        "451 4.3.0 Temporary server problem, try again later"
    );
}
