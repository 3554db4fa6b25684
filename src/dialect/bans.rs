//! The endpoints about bans, which the reference does not have: `GET`, `POST` and `DELETE`
//! `bruteforce/bans`. They list all bans with what explains them, make one by hand, and end one.
//!
//! ```text
//! POST   {"network": "192.0.2.0/24", "duration": 3600, "reason": "…"}    or "user" for "network"
//! DELETE {"network": "192.0.2.0/24"}                                     or "user"
//! ```
//!
//! `duration` is in seconds, 1 to [`SECONDS_MAX`]; without it the ban lasts until it is ended. Times
//! in answers are seconds since 1970, `null` where there is none. Bound: [`REASON_BYTES_MAX`].

use crate::auth::request::{Request, SessionId};
use crate::dialect::admin::{REQUIRED, Rejection, answer, array, read};
use crate::dialect::envelope::Envelope;
use crate::dialect::json;
use crate::state::{Ban, Error, NotBanned, Subject};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// A requested ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBan {
    pub subject: Subject,
    /// `None`: until it is ended.
    pub time: Option<Duration>,
    pub reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    network: Option<String>,
    user: Option<String>,
    duration: Option<u64>,
    reason: Option<String>,
}

/// Reads who is to be banned.
///
/// # Errors
/// [`Rejection`].
pub fn new_ban(request: &Request) -> Result<NewBan, Rejection> {
    let body: Body = read(request)?;
    let subject = body.subject();
    let mut wrong: Vec<_> = subject.as_ref().err().copied().into_iter().collect();
    if body.duration.is_some_and(|seconds| !(1..=SECONDS_MAX).contains(&seconds)) {
        wrong.push(("Duration", "This field must be 1 to 3153600000 seconds"));
    }
    let reason = body.reason.unwrap_or_default();
    if reason.trim().is_empty() {
        wrong.push(("Reason", REQUIRED));
    } else if reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control) {
        wrong.push(("Reason", "This field must be one line of at most 500 bytes"));
    }
    match subject {
        Ok(subject) if wrong.is_empty() => {
            Ok(NewBan { subject, time: body.duration.map(Duration::from_secs), reason })
        }
        _ => Err(Rejection::Fields(wrong)),
    }
}

/// Reads whose ban is to be ended.
///
/// # Errors
/// [`Rejection`].
pub fn subject(request: &Request) -> Result<Subject, Rejection> {
    let body: Body = read(request)?;
    body.subject().map_err(|wrong| Rejection::Fields(vec![wrong]))
}

impl Body {
    fn subject(&self) -> Result<Subject, (&'static str, &'static str)> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (given(&self.network), given(&self.user)) {
            (Some(_), Some(_)) => Err(("User", "Give a network or a user, not both")),
            (Some(text), None) => {
                network(&text).map(Subject::network).ok_or(("Network", NO_NETWORK))
            }
            (None, Some(user)) if user.len() > USER_BYTES_MAX => {
                Err(("User", "This field must be at most 320 bytes"))
            }
            (None, Some(user)) => Ok(Subject::user(user.as_bytes())),
            (None, None) => Err(("Network", "Give a network or a user")),
        }
    }
}

/// A network, or an address, which is one by itself.
pub fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Appends all bans; says the status.
pub fn list(
    out: &mut Vec<u8>,
    bans: &Result<Vec<Ban>, Error>,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    let Ok(bans) = bans else { return envelope.write(out, 500, None, &[]) };
    answer(out, 200, "bruteforce", "bans", session, envelope, |body| {
        array(body, bans, write);
    })
}

/// Appends the ban that was made; says the status.
pub fn banned(
    out: &mut Vec<u8>,
    banned: &Result<Ban, NotBanned>,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    match banned {
        Ok(ban) => {
            answer(out, 200, "bruteforce", "ban", session, envelope, |body| write(body, ban))
        }
        // RFC 4918 11.5: the list has no room.
        Err(NotBanned::TooMany) => envelope.write(out, 507, None, &[]),
        Err(NotBanned::Failed(_)) => envelope.write(out, 500, None, &[]),
    }
}

/// Appends whether a ban was ended; says the status.
pub fn unbanned(
    out: &mut Vec<u8>,
    was: &Result<bool, Error>,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    let Ok(was) = was else { return envelope.write(out, 500, None, &[]) };
    answer(out, 200, "bruteforce", "unban", session, envelope, |body| {
        body.extend_from_slice(format!("{{\"lifted\":{was}}}").as_bytes());
    })
}

fn write(body: &mut Vec<u8>, ban: &Ban) {
    let details = &ban.details;
    let (kind, subject) = match &ban.subject {
        Subject::Network(network) => ("network", network.to_string()),
        Subject::User(name) => ("user", name.clone()),
    };
    body.extend_from_slice(format!("{{\"{kind}\":").as_bytes());
    json::string(body, subject.as_bytes());
    body.extend_from_slice(b",\"rule\":");
    json::string(body, &ban.rule);
    let seconds = |ms: u64| (ms / 1000).to_string();
    let since = Some(details.since).filter(|since| *since > 0).map(seconds);
    let until = details.until.map(seconds);
    for (name, time) in [("since", since), ("until", until)] {
        let time = time.unwrap_or_else(|| "null".to_owned());
        body.extend_from_slice(format!(",\"{name}\":{time}").as_bytes());
    }
    body.extend_from_slice(format!(",\"failures\":{},\"reason\":", details.failures).as_bytes());
    json::string(body, details.reason.as_bytes());
    body.extend_from_slice(b",\"users\":");
    array(body, &details.users, |body, user| json::string(body, user.as_bytes()));
    body.push(b'}');
}

const NO_NETWORK: &str = "This field must be an address or a network such as 192.0.2.0/24";

/// A hundred years: more is "until it is ended".
pub const SECONDS_MAX: u64 = 3_153_600_000;

/// A sentence or two; a thousand of them are read every few seconds.
pub const REASON_BYTES_MAX: usize = 500;

/// Local part, @ and domain of the longest mail address (RFC 5321 4.5.3.1).
const USER_BYTES_MAX: usize = 64 + 1 + 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{SESSION, envelope, request};
    use crate::state::Details;

    fn posted(body: &str) -> Request {
        let head = format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        request(format!("{head}\r\n{body}").as_bytes())
    }

    #[test]
    fn a_ban_has_a_subject_and_a_reason() {
        let read = |body: &str| new_ban(&posted(body));
        let ban = read(r#"{"network":"192.0.2.9","duration":60,"reason":"spam"}"#).unwrap();
        assert_eq!(ban.subject, Subject::network("192.0.2.9/32".parse().unwrap()));
        assert_eq!((ban.time, ban.reason.as_str()), (Some(Duration::from_secs(60)), "spam"));
        assert_eq!(read(r#"{"user":"Ada","reason":"x"}"#).unwrap().subject, Subject::user(b"ada"));
        for (body, fields) in [
            (r#"{"network":"192.0.2.0/33","reason":"x"}"#, vec!["Network"]),
            (r#"{"network":"::1","user":"a","reason":"x"}"#, vec!["User"]),
            (r#"{}"#, vec!["Network", "Reason"]),
            (r#"{"user":"a","reason":" "}"#, vec!["Reason"]),
            (r#"{"user":"a","reason":"a\nb","duration":0}"#, vec!["Duration", "Reason"]),
        ] {
            match read(body) {
                Err(Rejection::Fields(wrong)) => {
                    assert_eq!(wrong.iter().map(|(f, _)| *f).collect::<Vec<_>>(), fields, "{body}");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
        assert_eq!(read(r#"{"user":"a","duration":-1}"#), Err(Rejection::Malformed));
        assert_eq!(read("[]"), Err(Rejection::Malformed));
    }

    #[test]
    fn bans_are_listed_with_what_explains_them() {
        let details = Details {
            since: 1_800_000_000_999,
            until: None,
            failures: 7,
            reason: String::new(),
            users: vec!["ada".into(), "b\"ob".into()],
        };
        let network = Subject::network("192.0.2.0/24".parse().unwrap());
        let bans = vec![Ban { subject: network, rule: b"b".to_vec(), details }];
        let mut out = Vec::new();
        assert_eq!(list(&mut out, &Ok(bans), &SESSION, &envelope()), 200);
        let text = String::from_utf8(out).unwrap();
        let expected = r#""result":[{"network":"192.0.2.0/24","rule":"b","since":1800000000,"until":null,"failures":7,"reason":"","users":["ada","b\"ob"]}]}"#;
        assert!(text.ends_with(expected), "{text}");
    }
}
