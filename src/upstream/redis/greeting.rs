//! Greeting: what is said first on a new connection, and whether the server is willing.
//!
//! All in one write: HELLO 3 with AUTH (or AUTH alone for RESP2), CLIENT SETNAME and SETINFO if
//! wanted, SELECT, and a PING, which is there to be refused: a server that is loading its data
//! (LOADING), a replica without its master (MASTERDOWN) or one that wants a password (NOAUTH) says
//! so to PING, and then no ask has been sent yet. Nothing depends on SETNAME and SETINFO, so their
//! errors are ignored; so is that of TRACKING, which CLIENT CACHING repeats; so is a PING that the
//! user's ACL forbids. Where a sentinel says which server is the master, ROLE is asked too and one
//! of the other role refused: what sentinels say may be out of date. READONLY lets a cluster's
//! replica serve reads. Rules: the Redis command reference, HELLO, AUTH, CLIENT. The bytes hold the
//! password and are wiped.

use super::{Protocol, Role, Settings};
use crate::proto::resp::{Reply, View};
use crate::secret::Secret;
use std::collections::VecDeque;

/// A greeting on its way.
#[derive(Debug)]
pub(super) struct Greeting {
    bytes: Secret,
    sent: usize,
    /// What the server has yet to answer.
    steps: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Hello,
    Auth,
    Name,
    Info,
    Tracking,
    Select,
    ReadOnly,
    Role(Role),
    Ping,
}

/// Where a reply leaves the greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Pending,
    /// The connection is ready for commands.
    Done,
    /// The server does not know RESP3; connect again and speak RESP2.
    Downgrade,
    /// The server is not willing (yet); its words.
    Refused(String),
}

impl Greeting {
    pub(super) fn new(settings: &Settings, protocol: Protocol) -> Greeting {
        let mut greeting = Greeting { bytes: Secret::default(), sent: 0, steps: VecDeque::new() };
        let username: &[u8] =
            if settings.username.is_empty() { b"default" } else { settings.username.as_bytes() };
        let password = settings.password.expose();
        match (protocol, settings.password.is_empty()) {
            (Protocol::Resp3, true) => greeting.say(Step::Hello, &[b"HELLO", b"3"]),
            (Protocol::Resp3, false) => {
                greeting.say(Step::Hello, &[b"HELLO", b"3", b"AUTH", username, password])
            }
            (Protocol::Resp2, true) => {}
            // Redis before version 6 knows passwords only.
            (Protocol::Resp2, false) if settings.username.is_empty() => {
                greeting.say(Step::Auth, &[b"AUTH", password])
            }
            (Protocol::Resp2, false) => greeting.say(Step::Auth, &[b"AUTH", username, password]),
        }
        if !settings.client_name.is_empty() {
            greeting.say(Step::Name, &[b"CLIENT", b"SETNAME", settings.client_name.as_bytes()]);
        }
        if settings.identify {
            greeting.say(
                Step::Info,
                &[b"CLIENT", b"SETINFO", b"LIB-NAME", env!("CARGO_PKG_NAME").as_bytes()],
            );
            greeting.say(
                Step::Info,
                &[b"CLIENT", b"SETINFO", b"LIB-VER", env!("CARGO_PKG_VERSION").as_bytes()],
            );
        }
        if settings.database != 0 {
            greeting.say(Step::Select, &[b"SELECT", settings.database.to_string().as_bytes()]);
        }
        if settings.reads_at_replicas {
            greeting.say(Step::ReadOnly, &[b"READONLY"]);
        }
        if settings.tracking && protocol == Protocol::Resp3 {
            greeting.say(Step::Tracking, &[b"CLIENT", b"TRACKING", b"ON", b"OPTIN"]);
        }
        if settings.verify_role {
            greeting.say(Step::Role(settings.role), &[b"ROLE"]);
        }
        greeting.say(Step::Ping, &[b"PING"]);
        greeting
    }

    /// What is still to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.expose().get(self.sent..).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
    }

    /// Takes the reply to the next step.
    pub(super) fn handle_reply(&mut self, reply: &Reply, password: &Secret) -> Progress {
        let step = self.steps.pop_front();
        if let View::Error(text) = reply.view()
            && let Some(outcome) = judge(step, text, password)
        {
            return outcome;
        }
        if let Some(Step::Role(wanted)) = step
            && let Some(found) = role(reply)
            && found != wanted.word()
        {
            return Progress::Refused(format!(
                "the server is not a {wanted} but a {}",
                String::from_utf8_lossy(found)
            ));
        }
        if self.steps.is_empty() { Progress::Done } else { Progress::Pending }
    }

    /// Encodes a command here rather than with `Commands`, whose memory would not be wiped.
    fn say(&mut self, step: Step, args: &[&[u8]]) {
        self.bytes.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            self.bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            self.bytes.extend_from_slice(arg);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.steps.push_back(step);
    }
}

/// What an error reply to `step` means; None if nothing depends on it.
fn judge(step: Option<Step>, text: &[u8], password: &Secret) -> Option<Progress> {
    match step {
        Some(Step::Name | Step::Info | Step::Tracking) => None,
        Some(Step::Ping | Step::Role(_)) if text.starts_with(b"NOPERM") => None,
        Some(Step::Hello)
            if text.starts_with(b"NOPROTO") || text.starts_with(b"ERR unknown command") =>
        {
            Some(Progress::Downgrade)
        }
        _ => Some(Progress::Refused(server_text(text, password))),
    }
}

/// What a server says that it is.
fn role(reply: &Reply) -> Option<&[u8]> {
    reply.view().items()?.next()?.as_bytes()
}

/// The server's words as logs may show them. Servers (and proxies before them) like to quote what
/// they did not understand, which in a greeting can be the password.
fn server_text(text: &[u8], password: &Secret) -> String {
    let secret = password.expose();
    if !secret.is_empty() && memchr::memmem::find(text, secret).is_some() {
        return "the server refused the greeting".to_owned();
    }
    let text = String::from_utf8_lossy(text);
    let text = text.split(", with args").next().unwrap_or_default();
    text.chars()
        .take(TEXT_CHARS_MAX)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

/// Redis' own sentences are shorter.
const TEXT_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("127.0.0.1:6379")
    }

    fn said(greeting: &Greeting) -> String {
        String::from_utf8(greeting.unsent().to_vec()).unwrap()
    }

    #[test]
    fn says_what_the_settings_ask_for() {
        assert_eq!(said(&Greeting::new(&settings(), Protocol::Resp2)), "*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            said(&Greeting::new(&settings(), Protocol::Resp3)),
            "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n"
        );

        let full = Settings {
            password: Secret::from("pw"),
            database: 12,
            client_name: "mx1".to_owned(),
            ..settings()
        };
        assert_eq!(
            said(&Greeting::new(&full, Protocol::Resp3)),
            "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$2\r\npw\r\n\
             *3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\nmx1\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*1\r\n$4\r\nPING\r\n"
        );
        assert!(
            said(&Greeting::new(&full, Protocol::Resp2))
                .starts_with("*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n")
        );
        let tracking = Settings { tracking: true, ..settings() };
        assert!(
            said(&Greeting::new(&tracking, Protocol::Resp3))
                .contains("\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nOPTIN\r\n")
        );
        assert_eq!(
            said(&Greeting::new(&tracking, Protocol::Resp2)),
            "*1\r\n$4\r\nPING\r\n",
            "RESP2 could not tell"
        );
        let named = Settings { username: "app".to_owned(), ..full };
        assert!(
            said(&Greeting::new(&named, Protocol::Resp2))
                .starts_with("*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$2\r\npw\r\n")
        );
    }

    #[test]
    fn a_server_of_another_role_is_refused() {
        let said_to_be = |role| Settings { verify_role: true, role, ..settings() };
        for (wanted, found, outcome) in [
            (
                Role::Master,
                Reply::array(&[Reply::bulk(b"master"), Reply::int(1), Reply::array(&[])]),
                Progress::Pending,
            ),
            (
                Role::Master,
                Reply::array(&[Reply::bulk(b"slave")]),
                Progress::Refused("the server is not a master but a slave".into()),
            ),
            (Role::Replica, Reply::array(&[Reply::bulk(b"slave")]), Progress::Pending),
            (
                Role::Replica,
                Reply::array(&[Reply::bulk(b"master")]),
                Progress::Refused("the server is not a replica but a master".into()),
            ),
            (Role::Master, Reply::error("NOPERM no"), Progress::Pending),
        ] {
            let mut greeting = Greeting::new(&said_to_be(wanted), Protocol::Resp2);
            assert_eq!(said(&greeting), "*1\r\n$4\r\nROLE\r\n*1\r\n$4\r\nPING\r\n");
            assert_eq!(greeting.handle_reply(&found, &Secret::default()), outcome);
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let greeting = Greeting::new(
            &Settings { password: Secret::from("hunter2"), ..settings() },
            Protocol::Resp3,
        );
        assert!(!format!("{greeting:?}").contains("hunter2"));
    }

    #[test]
    fn is_done_after_the_last_reply() {
        let named =
            Settings { client_name: "mx1".to_owned(), identify: true, database: 1, ..settings() };
        let mut greeting = Greeting::new(&named, Protocol::Resp3);
        let replies = [
            Reply::array(&[]),
            Reply::error("ERR names must not have spaces"),
            Reply::error("ERR unknown subcommand 'SETINFO'"),
            Reply::simple("OK"),
            Reply::simple("OK"),
        ];
        for reply in &replies {
            assert_eq!(greeting.handle_reply(reply, &named.password), Progress::Pending);
        }
        assert_eq!(greeting.handle_reply(&Reply::simple("PONG"), &named.password), Progress::Done);
    }

    #[test]
    fn an_unwilling_server_is_quoted() {
        for text in [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOAUTH HELLO must be called with the client already authenticated",
            "LOADING Redis is loading the dataset in memory",
            "ERR max number of clients reached",
        ] {
            let mut greeting = Greeting::new(&settings(), Protocol::Resp3);
            assert_eq!(
                greeting.handle_reply(&Reply::error(text), &Secret::default()),
                Progress::Refused(text.to_owned())
            );
        }
        let mut greeting = Greeting::new(&settings(), Protocol::Resp2);
        let masterdown =
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
        assert_eq!(
            greeting.handle_reply(&Reply::error(masterdown), &Secret::default()),
            Progress::Refused(masterdown.to_owned())
        );
    }

    #[test]
    fn a_server_without_resp3_is_spoken_to_in_resp2() {
        for text in [
            "NOPROTO unsupported protocol version",
            "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, ",
        ] {
            let mut greeting = Greeting::new(&settings(), Protocol::Resp3);
            assert_eq!(
                greeting.handle_reply(&Reply::error(text), &Secret::default()),
                Progress::Downgrade
            );
        }
    }

    #[test]
    fn a_forbidden_ping_is_no_obstacle() {
        let mut greeting = Greeting::new(&settings(), Protocol::Resp2);
        let noperm = Reply::error("NOPERM User app has no permissions to run the 'ping' command");
        assert_eq!(greeting.handle_reply(&noperm, &Secret::default()), Progress::Done);
    }

    #[test]
    fn a_quoted_password_is_not_repeated() {
        let password = Secret::from("hunter2");
        for text in [
            "ERR unknown command 'AUTH', with args beginning with: 'hunter2'",
            "ERR what is hunter2?",
        ] {
            assert!(!server_text(text.as_bytes(), &password).contains("hunter2"));
        }
        assert_eq!(
            server_text(b"ERR unknown command 'X', with args beginning with: 'a'", &password),
            "ERR unknown command 'X'"
        );
        assert_eq!(server_text(b"ERR bell \x07 and \xff", &password), "ERR bell   and \u{fffd}");
        assert_eq!(server_text(&[b'x'; 5000], &password).len(), TEXT_CHARS_MAX);
    }
}
