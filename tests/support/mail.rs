//! A mail client: it says lines to an IMAP, POP3 or SMTP server and reads lines.

use super::PATIENCE;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;

pub struct Mail {
    stream: BufReader<TcpStream>,
}

impl Mail {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Mail {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut mail = Mail { stream: BufReader::new(stream) };
        let greeting = mail.line();
        assert!(
            ["* OK", "+OK", "220"].iter().any(|good| greeting.starts_with(good)),
            "greeting: {greeting}"
        );
        mail
    }

    /// Sends a line; bytes above 127 as they are.
    pub fn say(&mut self, line: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(&[line.as_ref(), b"\r\n"].concat()).unwrap();
    }

    /// The next line, without its end; empty if the server closed.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(_) => String::from_utf8_lossy(&line).trim_end().to_owned(),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => String::new(),
            Err(error) => panic!("no line from the mail server: {error}"),
        }
    }

    /// Sends an IMAP command: the tagged reply, without the tag.
    pub fn imap(&mut self, command: impl AsRef<[u8]>) -> String {
        self.imap_rest(&[b"a ", command.as_ref()].concat())
    }

    /// Logs in by IMAP with literals, which carry any byte: the tagged reply.
    pub fn imap_login(&mut self, user: &[u8], password: &[u8]) -> String {
        self.say(format!("a LOGIN {{{}}}", user.len()));
        assert!(self.line().starts_with('+'));
        self.say([user, format!(" {{{}}}", password.len()).as_bytes()].concat());
        assert!(self.line().starts_with('+'));
        self.imap_rest(password)
    }

    /// Logs in by IMAP with SASL PLAIN: the tagged reply.
    pub fn imap_authenticate(&mut self, user: &[u8], password: &[u8]) -> String {
        self.say("a AUTHENTICATE PLAIN");
        assert!(self.line().starts_with('+'));
        self.imap_rest(plain(user, password).as_bytes())
    }

    /// Sends the last line of an IMAP command and reads up to its tagged reply.
    fn imap_rest(&mut self, line: &[u8]) -> String {
        self.say(line);
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "closed instead of replying");
            if let Some(reply) = line.strip_prefix("a ") {
                return reply.to_owned();
            }
        }
    }

    /// Sends a line: the one that comes back.
    pub fn ask(&mut self, line: impl AsRef<[u8]>) -> String {
        self.say(line);
        self.line()
    }

    /// Sends an SMTP command: the last line of the reply.
    pub fn smtp(&mut self, command: impl AsRef<[u8]>) -> String {
        self.say(command);
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }
}

/// The initial response of SASL PLAIN.
pub fn plain(user: &[u8], password: &[u8]) -> String {
    BASE64_STANDARD.encode([b"\0", user, b"\0", password].concat())
}
