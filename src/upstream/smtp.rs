//! A client of SMTP and LMTP servers: opens a session, hands a message in.
//!
//! Sequential code over a [`UpstreamConnection`], to be run as a subtask; the codec is `proto::smtp`. Used by
//! `nauthilus_mail` ([`deliver`]) and by the probes of mail servers ([`Session`]). Rules: RFC 5321,
//! 2033, 3207, 4954. Every step has the caller's limit; the whole has the subtask's deadline.
//! Passwords leave encrypted connections only, or go to this very host.

use crate::op::{Failure, Ops};
use crate::proto::smtp::{
    LINE_BYTES_MAX, LINES_MAX, Malformed, Reply, compose_data, parse_reply, sasl_plain,
};
use crate::secret::Secret;
use crate::tls::ClientTls;
use crate::upstream::connection::UpstreamConnection;
use std::net::IpAddr;
use std::time::Duration;

/// A message on its way, and where to.
#[derive(Debug)]
pub struct Delivery {
    pub host: String,
    pub port: u16,
    pub dialect: Dialect,
    pub encryption: Encryption,
    /// What we call ourselves.
    pub helo: String,
    pub login: Option<Login>,
    /// Addresses without angle brackets, checked by the caller: they hold no control characters.
    /// One that is not ASCII goes only to servers with SMTPUTF8.
    pub from: String,
    pub to: Vec<String>,
    pub message: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Smtp,
    /// LHLO, and a reply for each recipient after the message (RFC 2033).
    Lmtp,
}

#[derive(Debug)]
pub enum Encryption {
    None,
    /// From the first byte on.
    Implicit(ClientTls),
    /// By STARTTLS, which the server must offer.
    Upgrade(ClientTls),
}

#[derive(Debug)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection failed or broke.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The server said no; its reply.
    #[error("{0}")]
    Refused(String),
    /// What the server sends is not SMTP.
    #[error("SMTP: {0}")]
    Malformed(#[from] Malformed),
    #[error("the server does not support {0}")]
    Unsupported(&'static str),
    /// A password would have gone over an unencrypted connection.
    #[error("unencrypted connection")]
    Unencrypted,
}

/// Hands a message to a server, each step within `limit`.
///
/// # Errors
/// [`Error`]; unless the server took it for all recipients, it counts as not delivered.
pub async fn deliver(ops: &Ops, delivery: &Delivery, limit: Duration) -> Result<(), Error> {
    let mut connection =
        UpstreamConnection::connect(ops, &delivery.host, delivery.port, limit).await?;
    if let Encryption::Implicit(tls) = &delivery.encryption {
        connection.start_tls(ops, tls, &delivery.host, limit).await?;
    }
    let mut session = Session::open(ops, connection, limit).await?;
    let mut greeting = session.hello(delivery.dialect, &delivery.helo).await?;
    if let Encryption::Upgrade(tls) = &delivery.encryption {
        if greeting.extension("STARTTLS").is_none() {
            return Err(Error::Unsupported("STARTTLS"));
        }
        session.start_tls(tls, &delivery.host).await?;
        // What the server said before may have been anybody's words (RFC 3207, 4.2).
        greeting = session.hello(delivery.dialect, &delivery.helo).await?;
    }
    if let Some(login) = &delivery.login {
        if matches!(delivery.encryption, Encryption::None) && !is_this_host(&delivery.host) {
            return Err(Error::Unencrypted);
        }
        let mechanisms = greeting.extension("AUTH").ok_or(Error::Unsupported("AUTH"))?;
        if !mechanisms.split(|byte| *byte == b' ').any(|name| name.eq_ignore_ascii_case(b"PLAIN")) {
            return Err(Error::Unsupported("AUTH PLAIN"));
        }
        session.log_in(login).await?;
    }
    let is_utf8 =
        !delivery.from.is_ascii() || !delivery.to.iter().all(|address| address.is_ascii());
    if is_utf8 && greeting.extension("SMTPUTF8").is_none() {
        session.quit().await;
        return Err(Error::Unsupported("SMTPUTF8, which the addresses need"));
    }
    session.mail(delivery, is_utf8).await?;
    session.quit().await;
    Ok(())
}

/// A session with a server that has greeted us.
pub struct Session<'a> {
    ops: &'a Ops,
    connection: UpstreamConnection,
    limit: Duration,
}

impl<'a> Session<'a> {
    /// Waits for the greeting.
    ///
    /// # Errors
    /// It is not 2xx, or there is none.
    pub async fn open(
        ops: &'a Ops,
        connection: UpstreamConnection,
        limit: Duration,
    ) -> Result<Session<'a>, Error> {
        let mut session = Session { ops, connection, limit };
        done(session.reply().await?)?;
        Ok(session)
    }

    /// EHLO (HELO for servers that know no better) or LHLO: the reply.
    ///
    /// # Errors
    /// The server refuses us.
    pub async fn hello(&mut self, dialect: Dialect, name: &str) -> Result<Reply, Error> {
        if dialect == Dialect::Lmtp {
            return done(self.command(&format!("LHLO {name}")).await?);
        }
        let reply = self.command(&format!("EHLO {name}")).await?;
        match reply.code {
            // Not known, not implemented (RFC 5321, 3.2).
            500 | 502 | 504 | 550 => done(self.command(&format!("HELO {name}")).await?),
            _ => done(reply),
        }
    }

    /// Ends the session politely; the reply does not matter any more.
    pub async fn quit(mut self) {
        // A server that is gone already has ended the session itself.
        let _ = self.connection.send(self.ops, *b"QUIT\r\n", self.limit).await;
    }

    async fn start_tls(&mut self, tls: &ClientTls, host: &str) -> Result<(), Error> {
        done(self.command("STARTTLS").await?)?;
        Ok(self.connection.start_tls(self.ops, tls, host, self.limit).await?)
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Error> {
        let plain = sasl_plain(login.username.as_bytes(), login.password.expose());
        let reply = self.command(&format!("AUTH PLAIN {plain}")).await?;
        // A reply may quote the command; its code says enough.
        if reply.is_done() {
            Ok(())
        } else {
            Err(Error::Refused(format!("{} authentication failed", reply.code)))
        }
    }

    /// Envelope and message.
    async fn mail(&mut self, delivery: &Delivery, is_utf8: bool) -> Result<(), Error> {
        // RFC 6531, 3.4.
        let parameter = if is_utf8 { " SMTPUTF8" } else { "" };
        done(self.command(&format!("MAIL FROM:<{}>{parameter}", delivery.from)).await?)?;
        for address in &delivery.to {
            done(self.command(&format!("RCPT TO:<{address}>")).await?)?;
        }
        let reply = self.command("DATA").await?;
        if reply.code != 354 {
            return Err(Error::Refused(reply.text()));
        }
        self.connection.send(self.ops, compose_data(&delivery.message), self.limit).await?;
        let replies = if delivery.dialect == Dialect::Lmtp { delivery.to.len() } else { 1 };
        for _ in 0..replies {
            done(self.reply().await?)?;
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> Result<Reply, Error> {
        debug_assert!(!line.contains(['\r', '\n']), "one command");
        self.connection.send(self.ops, format!("{line}\r\n"), self.limit).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, Error> {
        let until = self.ops.now().checked_add(self.limit);
        loop {
            if let Some((reply, taken)) = parse_reply(self.connection.input())? {
                self.connection.consume(taken);
                return Ok(reply);
            }
            debug_assert!(self.connection.input().len() <= (LINE_BYTES_MAX + 1) * (LINES_MAX + 1));
            let left =
                until.map_or(self.limit, |until| until.saturating_duration_since(self.ops.now()));
            self.connection.more(self.ops, left).await?;
        }
    }
}

fn done(reply: Reply) -> Result<Reply, Error> {
    if reply.is_done() { Ok(reply) } else { Err(Error::Refused(reply.text())) }
}

/// Whether what goes to this host stays within the machine.
fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ClientTlsSettings;
    use crate::upstream::canned::Canned;

    fn delivery(dialect: Dialect, encryption: Encryption) -> Delivery {
        Delivery {
            host: "127.0.0.1".into(),
            port: 25,
            dialect,
            encryption,
            helo: "kit.example".into(),
            login: None,
            from: "kit@example.org".into(),
            to: vec!["ada@example.org".into(), "bob@example.org".into()],
            message: b"Subject: hello\r\n\r\n.text\r\n".to_vec(),
        }
    }

    fn tls() -> ClientTls {
        ClientTls::new(&ClientTlsSettings { skip_verify: true, ..ClientTlsSettings::default() })
            .unwrap()
    }

    fn run(delivery: Delivery, pieces: &[&str]) -> (Result<(), Error>, String) {
        let mut server = Canned::new(pieces);
        let outcome = server.run(|ops| async move { deliver(&ops, &delivery, LIMIT).await });
        (outcome, server.transcript)
    }

    const LIMIT: Duration = Duration::from_secs(5);
    const TAKEN: [&str; 5] =
        ["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go on\r\n", "250 stored\r\n"];

    #[test]
    fn smtp_step_by_step() {
        let pieces = [&["220 sink\r\n", "250-sink\r\n250 8BITMIME\r\n"][..], &TAKEN].concat();
        let (outcome, said) = run(delivery(Dialect::Smtp, Encryption::None), &pieces);
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            said,
            "<open 127.0.0.1:25>EHLO kit.example\r\nMAIL FROM:<kit@example.org>\r\nRCPT TO:<ada@example.org>\r\n\
             RCPT TO:<bob@example.org>\r\nDATA\r\nSubject: hello\r\n\r\n..text\r\n.\r\nQUIT\r\n"
        );
    }

    #[test]
    fn servers_that_know_no_ehlo_get_helo() {
        let pieces = [&["220 old\r\n", "502 what?\r\n", "250 old\r\n"][..], &TAKEN].concat();
        let (outcome, said) = run(delivery(Dialect::Smtp, Encryption::None), &pieces);
        assert_eq!(outcome, Ok(()));
        assert!(said.contains("EHLO kit.example\r\nHELO kit.example\r\nMAIL"), "{said}");
    }

    #[test]
    fn lmtp_replies_for_each_recipient() {
        let start = [
            "220 sink LMTP\r\n",
            "250 sink\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go on\r\n",
        ];
        for (last, expected) in [
            (&["250 stored\r\n250 stored\r\n"][..], Ok(())),
            (&["250 stored\r\n", "552 full\r\n"], Err(Error::Refused("552 full".into()))),
            (&["250 stored\r\n"], Err(Error::Failure(Failure::Closed("127.0.0.1:25".into())))),
        ] {
            let (outcome, said) =
                run(delivery(Dialect::Lmtp, Encryption::None), &[&start, last].concat());
            assert_eq!(outcome, expected);
            assert!(said.contains("LHLO kit.example\r\n"), "{said}");
        }
    }

    #[test]
    fn tls_from_the_start_or_by_starttls() {
        let pieces = [&["220 sink\r\n", "250 sink\r\n"][..], &TAKEN].concat();
        let (outcome, said) = run(delivery(Dialect::Smtp, Encryption::Implicit(tls())), &pieces);
        assert_eq!(outcome, Ok(()));
        assert!(said.starts_with("<open 127.0.0.1:25><tls 127.0.0.1>EHLO"), "{said}");

        let start = ["220 sink\r\n", "250-sink\r\n250 STARTTLS\r\n", "220 go\r\n", "250 sink\r\n"];
        let (outcome, said) = run(
            delivery(Dialect::Smtp, Encryption::Upgrade(tls())),
            &[&start[..], &TAKEN].concat(),
        );
        assert_eq!(outcome, Ok(()));
        assert!(said.contains("STARTTLS\r\n<tls 127.0.0.1>EHLO kit.example\r\nMAIL"), "{said}");
    }

    #[test]
    fn without_starttls_nothing_is_sent() {
        let (outcome, said) = run(
            delivery(Dialect::Smtp, Encryption::Upgrade(tls())),
            &["220 sink\r\n", "250 sink\r\n"],
        );
        assert_eq!((outcome, said.contains("MAIL")), (Err(Error::Unsupported("STARTTLS")), false));
        // Replies in front of the handshake may be anybody's.
        let pieces = ["220 sink\r\n", "250-sink\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"];
        let (outcome, _) = run(delivery(Dialect::Smtp, Encryption::Upgrade(tls())), &pieces);
        assert!(matches!(outcome, Err(Error::Failure(Failure::Protocol(_)))), "{outcome:?}");
    }

    #[test]
    fn passwords_go_over_tls_or_to_this_host() {
        let login =
            || Some(Login { username: "tim".into(), password: Secret::from("tanstaaftanstaaf") });
        let pieces = [
            &["220 sink\r\n", "250-sink\r\n250 AUTH LOGIN PLAIN\r\n", "235 welcome\r\n"][..],
            &TAKEN,
        ]
        .concat();
        let (outcome, said) =
            run(Delivery { login: login(), ..delivery(Dialect::Smtp, Encryption::None) }, &pieces);
        assert_eq!(outcome, Ok(()));
        assert!(said.contains("AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\nMAIL"), "{said}");

        let far = Delivery {
            login: login(),
            host: "192.0.2.1".into(),
            ..delivery(Dialect::Smtp, Encryption::None)
        };
        let (outcome, said) = run(far, &pieces);
        assert_eq!((outcome, said.contains("AUTH")), (Err(Error::Unencrypted), false));

        let refused = [
            "220 sink\r\n",
            "250-sink\r\n250 AUTH PLAIN\r\n",
            "535 no AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n",
        ];
        let (outcome, _) =
            run(Delivery { login: login(), ..delivery(Dialect::Smtp, Encryption::None) }, &refused);
        assert_eq!(outcome, Err(Error::Refused("535 authentication failed".into())));
    }

    #[test]
    fn refusals_end_it() {
        let (ehlo, ok) = ("250 sink\r\n", "250 ok\r\n");
        for pieces in [
            &["554 busy\r\n"][..],
            &["220 sink\r\n", "554 busy\r\n"],
            &["220 sink\r\n", ehlo, "554 busy\r\n"],
            &["220 sink\r\n", ehlo, ok, "554 busy\r\n"],
            &["220 sink\r\n", ehlo, ok, ok, ok, "554 busy\r\n"],
            &["220 sink\r\n", ehlo, ok, ok, ok, "354 go\r\n", "554 busy\r\n"],
        ] {
            assert_eq!(
                run(delivery(Dialect::Smtp, Encryption::None), pieces).0,
                Err(Error::Refused("554 busy".into())),
                "{pieces:?}"
            );
        }
        let (outcome, _) = run(delivery(Dialect::Smtp, Encryption::None), &["SSH-2.0-OpenSSH\r\n"]);
        assert_eq!(outcome, Err(Error::Malformed(Malformed::Code)));
    }
}
