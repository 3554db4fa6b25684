//! Some words with a mail server: enough to see that its protocol is alive, and a login where there
//! is a test user.

use super::{Fault, Protocol, STEP_MAX, Target};
use crate::op::Ops;
use crate::proto::smtp::sasl_plain;
use crate::tls::ClientTls;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::smtp::{Dialect, Session};

/// Name and password.
type Credentials<'a> = (&'a [u8], &'a [u8]);

/// One conversation.
pub struct Talk<'a> {
    ops: &'a Ops,
    connection: UpstreamConnection,
    target: &'a Target,
}

impl<'a> Talk<'a> {
    pub fn new(ops: &'a Ops, connection: UpstreamConnection, target: &'a Target) -> Talk<'a> {
        Talk { ops, connection, target }
    }

    /// Speaks the server's protocol, if the target says so.
    pub async fn deep_check(mut self) -> Result<(), Fault> {
        if !self.target.deep_check {
            return Ok(());
        }
        match self.target.protocol {
            Protocol::Imap => self.imap().await?,
            Protocol::Pop3 => self.pop3().await?,
            Protocol::Sieve => self.sieve().await?,
            Protocol::Http => self.http().await?,
            Protocol::Smtp => return self.smtp(Dialect::Smtp).await,
            Protocol::Lmtp => return self.smtp(Dialect::Lmtp).await,
            Protocol::Other => return Err(Fault::Settings("no deep check for this protocol")),
        }
        Ok(())
    }

    /// STARTTLS of ManageSieve (RFC 5804, 2.2). The server repeats its greeting behind the
    /// handshake.
    pub async fn sieve_start_tls(&mut self, tls: &ClientTls) -> Result<(), Fault> {
        self.sieve_response("greeting").await?;
        self.say("STARTTLS").await?;
        self.sieve_response("STARTTLS").await?;
        Ok(self.connection.start_tls(self.ops, tls, &self.target.host, STEP_MAX).await?)
    }

    async fn smtp(self, dialect: Dialect) -> Result<(), Fault> {
        let mut session = Session::open(self.ops, self.connection, STEP_MAX).await?;
        session.hello(dialect, HELO).await?;
        session.quit().await;
        Ok(())
    }

    async fn imap(&mut self) -> Result<(), Fault> {
        let greeting = self.line().await?;
        expect("greeting", &greeting, &[b"* OK", b"* PREAUTH"])?;
        if let Some((user, password)) = self.login()? {
            let login = [b"a LOGIN ", quoted(user).as_slice(), b" ", &quoted(password)].concat();
            self.say(login).await?;
            let mut reply = self.line().await?;
            for _ in 0..LINES_MAX {
                if !reply.starts_with(b"* ") {
                    break;
                }
                reply = self.line().await?;
            }
            expect("LOGIN", &reply, &[b"a OK"])?;
        }
        self.say("b LOGOUT").await
    }

    async fn pop3(&mut self) -> Result<(), Fault> {
        let greeting = self.line().await?;
        expect("greeting", &greeting, &[b"+OK"])?;
        if let Some((user, password)) = self.login()? {
            for (step, word) in [("USER", user), ("PASS", password)] {
                self.say([step.as_bytes(), b" ", word].concat()).await?;
                let reply = self.line().await?;
                expect(step, &reply, &[b"+OK"])?;
            }
        }
        self.say("QUIT").await
    }

    async fn sieve(&mut self) -> Result<(), Fault> {
        self.sieve_response("greeting").await?;
        if let Some((user, password)) = self.login()? {
            self.say(format!("AUTHENTICATE \"PLAIN\" \"{}\"", sasl_plain(user, password))).await?;
            self.sieve_response("AUTHENTICATE").await?;
        }
        self.say("LOGOUT").await
    }

    /// Lines up to OK, NO or BYE (RFC 5804, 1.2).
    async fn sieve_response(&mut self, step: &'static str) -> Result<(), Fault> {
        let mut line = self.line().await?;
        for _ in 0..LINES_MAX {
            if !line.starts_with(b"\"") {
                break;
            }
            line = self.line().await?;
        }
        expect(step, &line, &[b"OK"])
    }

    async fn http(&mut self) -> Result<(), Fault> {
        let Target { host, port, request_uri, .. } = self.target;
        if request_uri.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err(Fault::Settings("request_uri holds a blank or a control character"));
        }
        let slash = if request_uri.starts_with('/') { "" } else { "/" };
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let head = format!(
            "GET {slash}{request_uri} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {HELO}\r\nConnection: close\r\n"
        );
        self.say(head).await?;
        let status = self.line().await?;
        expect("GET", &status, &[b"HTTP/1.1 200", b"HTTP/1.0 200"])
    }

    /// The test user, if there is one and the connection keeps it secret.
    fn login(&self) -> Result<Option<Credentials<'a>>, Fault> {
        let (user, password) = (self.target.username.as_bytes(), self.target.password.expose());
        if self.target.tls.is_none() || user.is_empty() || password.is_empty() {
            return Ok(None);
        }
        if [user, password].concat().iter().any(u8::is_ascii_control) {
            return Err(Fault::Settings(
                "the test user's name or password holds a control character",
            ));
        }
        Ok(Some((user, password)))
    }

    async fn say(&mut self, line: impl AsRef<[u8]>) -> Result<(), Fault> {
        Ok(self.connection.send(self.ops, [line.as_ref(), b"\r\n"].concat(), STEP_MAX).await?)
    }

    async fn line(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(self.connection.line(self.ops, LINE_BYTES_MAX, STEP_MAX).await?)
    }
}

fn expect(step: &'static str, line: &[u8], good: &[&[u8]]) -> Result<(), Fault> {
    if good
        .iter()
        .any(|good| line.get(..good.len()).is_some_and(|start| start.eq_ignore_ascii_case(good)))
    {
        return Ok(());
    }
    let shown = line.get(..SHOWN_BYTES_MAX).unwrap_or(line);
    let answer = String::from_utf8_lossy(shown).replace(char::is_control, "?");
    Err(Fault::Unexpected { step, answer })
}

/// A quoted string of IMAP (RFC 3501, 4.3).
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in word {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// What we call ourselves.
const HELO: &str = "loligo";

/// Of one line: capability lists are the longest.
const LINE_BYTES_MAX: usize = 8192;

/// Lines that may come before the one that is waited for.
const LINES_MAX: usize = 100;

/// Of an unexpected answer, for the log.
const SHOWN_BYTES_MAX: usize = 200;
