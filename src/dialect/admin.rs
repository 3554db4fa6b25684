//! The admin endpoints: who is blocked, unblocking, the configuration in force.
//!
//! Every answer is `{"session":…,"object":…,"operation":…,"result":…}`. Content types of requests
//! are not looked at. A further endpoint is a variant of [`Endpoint`], a line in [`endpoint`], a
//! form of [`Question`] and one of the composing functions.

use crate::auth::admin::{Blocked, JobState};
use crate::auth::brute_force::rules::Flush;
use crate::auth::request::{Request, SessionId};
use crate::dialect::bans;
use crate::dialect::envelope::{Envelope, JSON};
use crate::dialect::json;
use crate::proto::http::Method;
use crate::state::{Error, Subject};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    BruteForceList,
    BruteForceFlush,
    /// Bans with what explains them.
    Bans,
    /// A ban by hand.
    Ban,
    /// Its end.
    Unban,
    /// The flush happens after the answer.
    BruteForceFlushLater,
    /// How far a flush is that was put off; the job's name is the last element of the path.
    Job,
    ConfigLoad,
    CacheFlush,
}

/// The endpoint of a path below `/api/v1/`, if it answers to this method.
pub fn endpoint(method: Method, path: &[u8]) -> Option<Endpoint> {
    Some(match (method, path) {
        (Method::Get | Method::Post, b"bruteforce/list") => Endpoint::BruteForceList,
        (Method::Get, b"bruteforce/bans") => Endpoint::Bans,
        (Method::Post, b"bruteforce/bans") => Endpoint::Ban,
        (Method::Delete, b"bruteforce/bans") => Endpoint::Unban,
        (Method::Delete, b"bruteforce/flush") => Endpoint::BruteForceFlush,
        (Method::Delete, b"bruteforce/flush/async") => Endpoint::BruteForceFlushLater,
        (Method::Get, b"config/load") => Endpoint::ConfigLoad,
        (Method::Delete, b"cache/flush") => Endpoint::CacheFlush,
        (Method::Get, _) => {
            path.strip_prefix(JOBS).filter(|id| !id.is_empty() && !id.contains(&b'/'))?;
            Endpoint::Job
        }
        _ => return None,
    })
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    Blocked(Filter),
    Flush(Flush),
    Bans,
    Ban(bans::NewBan),
    Unban(Subject),
    /// To forget the user of this login name.
    Forget(String),
}

/// What a list is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    All,
    /// Networks with one of these addresses in them, and these accounts.
    Only {
        addresses: Vec<IpAddr>,
        accounts: Vec<String>,
    },
}

/// Input that cannot be answered: 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No JSON, or members of another type.
    Malformed,
    /// Field names and what is wrong with them.
    Fields(Vec<(&'static str, &'static str)>),
}

/// Reads the filter of a list: a GET has none.
///
/// # Errors
/// [`Rejection::Malformed`].
pub fn filter(request: &Request) -> Result<Filter, Rejection> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Body {
        ip_addresses: Option<Vec<String>>,
        accounts: Option<Vec<String>>,
    }
    if request.http.head.framing.method == Method::Get {
        return Ok(Filter::All);
    }
    let body: Body = read(request)?;
    // What is no address is in no network.
    let addresses =
        body.ip_addresses.unwrap_or_default().iter().filter_map(|text| text.parse().ok()).collect();
    Ok(Filter::Only { addresses, accounts: body.accounts.unwrap_or_default() })
}

/// Reads who is to be unblocked.
///
/// # Errors
/// [`Rejection`].
pub fn flush(request: &Request) -> Result<Flush, Rejection> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Body {
        ip_address: Option<String>,
        rule_name: Option<String>,
        protocol: Option<String>,
        oidc_cid: Option<String>,
    }
    let body: Body = read(request)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (address, rule) = (given(body.ip_address), given(body.rule_name));
    let parsed = address.as_deref().map(str::parse::<IpAddr>);
    let mut wrong = Vec::new();
    match &parsed {
        None => wrong.push(("IPAddress", REQUIRED)),
        Some(Err(_)) => wrong.push(("IPAddress", NO_ADDRESS)),
        Some(Ok(_)) => {}
    }
    if rule.is_none() {
        wrong.push(("RuleName", REQUIRED));
    }
    match (parsed, rule) {
        (Some(Ok(address)), Some(rule)) => Ok(Flush {
            address,
            rule,
            protocol: given(body.protocol),
            oidc_cid: given(body.oidc_cid),
        }),
        _ => Err(Rejection::Fields(wrong)),
    }
}

/// Reads who is to be forgotten.
///
/// # Errors
/// [`Rejection`].
pub fn forget(request: &Request) -> Result<String, Rejection> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Body {
        user: Option<String>,
    }
    let body: Body = read(request)?;
    body.user.filter(|user| !user.is_empty()).ok_or(Rejection::Fields(vec![("User", REQUIRED)]))
}

/// The name of the job that is asked about.
pub fn job_id(path: &[u8]) -> String {
    let id = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    String::from_utf8_lossy(id).into_owned()
}

/// Appends the answer to input that cannot be answered; says the status.
pub fn rejected(out: &mut Vec<u8>, rejection: &Rejection, envelope: &Envelope<'_>) -> u16 {
    let Rejection::Fields(fields) = rejection else { return envelope.write(out, 400, None, &[]) };
    let mut body = b"{\"errors\":".to_vec();
    array(&mut body, fields, |body, (field, message)| {
        body.extend_from_slice(b"{\"field\":");
        json::string(body, field.as_bytes());
        body.extend_from_slice(b",\"message\":");
        json::string(body, message.as_bytes());
        body.push(b'}');
    });
    body.push(b'}');
    envelope.write(out, 400, Some(JSON), &body)
}

/// Appends the list of the blocked; says the status.
pub fn list(
    out: &mut Vec<u8>,
    blocked: &Blocked,
    filter: &Filter,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    let status = if blocked.networks.is_ok() && blocked.accounts.is_ok() { 200 } else { 500 };
    let is_shown = |network: &[u8]| match filter {
        Filter::All => true,
        Filter::Only { addresses, .. } => {
            let network =
                std::str::from_utf8(network).ok().and_then(|text| text.parse::<IpNet>().ok());
            network.is_some_and(|network| {
                addresses.iter().any(|address| network.contains(&address.to_canonical()))
            })
        }
    };
    let is_account_shown = |account: &[u8]| match filter {
        Filter::All => true,
        Filter::Only { accounts, .. } => accounts.iter().any(|name| name.as_bytes() == account),
    };
    answer(out, status, "bruteforce", "list", session, envelope, |body| {
        body.extend_from_slice(b"[{\"ip_addresses\":");
        let networks: Result<Vec<_>, _> = blocked
            .networks
            .as_ref()
            .map(|all| all.iter().filter(|(network, _)| is_shown(network)).collect());
        part(body, &networks, |body, networks| {
            map(body, networks, |body, (network, bucket)| {
                json::string(body, network);
                body.push(b':');
                json::string(body, bucket);
            });
        });
        body.extend_from_slice(b"},{\"accounts\":");
        let accounts: Result<Vec<_>, _> = blocked
            .accounts
            .as_ref()
            .map(|all| all.iter().filter(|(account, _)| is_account_shown(account)).collect());
        part(body, &accounts, |body, accounts| {
            map(body, accounts, |body, (account, addresses)| {
                json::string(body, account);
                body.push(b':');
                array(body, addresses, |body, address| json::string(body, address));
            });
        });
        body.extend_from_slice(b"}]");
    })
}

/// Appends what a flush removed; says the status.
pub fn flushed(
    out: &mut Vec<u8>,
    flush: &Flush,
    removed: &Result<Vec<Vec<u8>>, Error>,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    let Ok(removed) = removed else { return envelope.write(out, 500, None, &[]) };
    answer(out, 200, "bruteforce", "flush", session, envelope, |body| {
        body.extend_from_slice(b"{\"ip_address\":");
        json::string(body, flush.address.to_string().as_bytes());
        body.extend_from_slice(b",\"rule_name\":");
        json::string(body, flush.rule.as_bytes());
        body.push(b',');
        removed_keys(body, removed);
        body.push(b'}');
    })
}

/// Appends what was forgotten of a user; says the status. As in the reference, a state that cannot
/// be asked has nothing to forget.
pub fn forgotten(
    out: &mut Vec<u8>,
    user: &str,
    removed: &Result<Vec<Vec<u8>>, Error>,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    answer(out, 200, "cache", "flush", session, envelope, |body| {
        body.extend_from_slice(b"{\"user\":");
        json::string(body, user.as_bytes());
        body.push(b',');
        removed_keys(body, removed.as_deref().unwrap_or_default());
        body.push(b'}');
    })
}

/// Appends that a flush was put off under the session's name; says the status.
pub fn queued(out: &mut Vec<u8>, session: &SessionId, envelope: &Envelope<'_>) -> u16 {
    answer(out, 202, "bruteforce", "flush_async", session, envelope, |body| {
        job_state(body, session.as_str(), &JobState::Queued)
    })
}

/// Appends how far a job is; says the status.
pub fn job(
    out: &mut Vec<u8>,
    id: &str,
    state: Option<&JobState>,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    let Some(state) = state else { return envelope.write(out, 404, None, &[]) };
    answer(out, 200, "bruteforce", "flush_async", session, envelope, |body| {
        job_state(body, id, state)
    })
}

/// Appends the configuration in force, a JSON text; says the status.
pub fn config(
    out: &mut Vec<u8>,
    effective: &str,
    session: &SessionId,
    envelope: &Envelope<'_>,
) -> u16 {
    answer(out, 200, "config", "load", session, envelope, |body| {
        json::string(body, effective.as_bytes())
    })
}

fn job_state(body: &mut Vec<u8>, id: &str, state: &JobState) {
    body.extend_from_slice(b"{\"jobId\":");
    json::string(body, id.as_bytes());
    let word = match state {
        JobState::Queued => "QUEUED",
        JobState::Done(_) => "DONE",
        JobState::Failed(_) => "ERROR",
    };
    body.extend_from_slice(format!(",\"status\":\"{word}\"").as_bytes());
    match state {
        JobState::Queued => {}
        JobState::Done(removed) => {
            body.extend_from_slice(b",\"removed_keys\":");
            keys(body, removed);
        }
        JobState::Failed(error) => {
            body.extend_from_slice(b",\"error\":");
            json::string(body, error.as_bytes());
        }
    }
    body.push(b'}');
}

/// `"removed_keys":…,"status":…`, as every flush says it.
fn removed_keys(body: &mut Vec<u8>, removed: &[Vec<u8>]) {
    body.extend_from_slice(b"\"removed_keys\":");
    keys(body, removed);
    let status = if removed.is_empty() {
        "not flushed".to_owned()
    } else {
        format!("{} keys flushed", removed.len())
    };
    body.extend_from_slice(b",\"status\":");
    json::string(body, status.as_bytes());
}

fn keys(body: &mut Vec<u8>, keys: &[Vec<u8>]) {
    if keys.is_empty() {
        body.extend_from_slice(b"null")
    } else {
        array(body, keys, |body, key| json::string(body, key))
    }
}

/// The value of one part of a list, and its error.
fn part<T>(body: &mut Vec<u8>, value: &Result<T, &Error>, write: impl FnOnce(&mut Vec<u8>, &T)) {
    match value {
        Ok(value) => {
            write(body, value);
            body.extend_from_slice(b",\"error\":null");
        }
        Err(error) => {
            body.extend_from_slice(b"null,\"error\":");
            json::string(body, error.to_string().as_bytes());
        }
    }
}

pub(super) fn answer(
    out: &mut Vec<u8>,
    status: u16,
    object: &str,
    operation: &str,
    session: &SessionId,
    envelope: &Envelope<'_>,
    result: impl FnOnce(&mut Vec<u8>),
) -> u16 {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(b"{\"session\":");
    json::string(&mut body, session.as_str().as_bytes());
    body.extend_from_slice(
        format!(",\"object\":\"{object}\",\"operation\":\"{operation}\",\"result\":").as_bytes(),
    );
    result(&mut body);
    body.push(b'}');
    envelope.write(out, status, Some(JSON), &body)
}

pub(super) fn array<T>(body: &mut Vec<u8>, items: &[T], write: impl FnMut(&mut Vec<u8>, &T)) {
    body.push(b'[');
    listed(body, items, write);
    body.push(b']');
}

fn map<T>(body: &mut Vec<u8>, items: &[T], write: impl FnMut(&mut Vec<u8>, &T)) {
    body.push(b'{');
    listed(body, items, write);
    body.push(b'}');
}

fn listed<T>(body: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        write(body, item);
    }
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(request: &Request) -> Result<T, Rejection> {
    let body = request.text(request.http.body);
    // A list would do for a struct, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Rejection::Malformed);
    }
    serde_json::from_slice(body).map_err(|_| Rejection::Malformed)
}

const JOBS: &[u8] = b"async/jobs/";
pub(super) const REQUIRED: &str = "This field is required";
const NO_ADDRESS: &str = "This field must be a valid IP address";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{SESSION, envelope, request};

    fn posted(body: &str) -> Request {
        request(
            format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .as_bytes(),
        )
    }

    fn body(compose: impl FnOnce(&mut Vec<u8>) -> u16) -> String {
        let mut out = Vec::new();
        compose(&mut out);
        String::from_utf8(out).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    #[test]
    fn endpoints_answer_to_their_methods() {
        for (method, path, expected) in [
            (Method::Get, "bruteforce/list", Some(Endpoint::BruteForceList)),
            (Method::Post, "bruteforce/list", Some(Endpoint::BruteForceList)),
            (Method::Delete, "bruteforce/list", None),
            (Method::Delete, "bruteforce/flush", Some(Endpoint::BruteForceFlush)),
            (Method::Delete, "cache/flush", Some(Endpoint::CacheFlush)),
            (Method::Get, "cache/flush", None),
            (Method::Get, "bruteforce/flush", None),
            (Method::Delete, "bruteforce/flush/async", Some(Endpoint::BruteForceFlushLater)),
            (Method::Get, "async/jobs/2ABC", Some(Endpoint::Job)),
            (Method::Get, "async/jobs/", None),
            (Method::Get, "async/jobs/a/b", None),
            (Method::Get, "config/load", Some(Endpoint::ConfigLoad)),
            (Method::Post, "config/load", None),
        ] {
            assert_eq!(endpoint(method, path.as_bytes()), expected, "{method:?} {path}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for body in [
            "",
            "{",
            "nonsense",
            "[]",
            "7",
            r#"{"ip_address":7}"#,
            r#"{"rule_name":["a"]}"#,
            "\u{0}",
        ] {
            assert!(matches!(flush(&posted(body)), Err(Rejection::Malformed)), "{body}");
        }
        let fields = |body: &str| match flush(&posted(body)) {
            Err(Rejection::Fields(fields)) => fields,
            other => panic!("{other:?}"),
        };
        assert_eq!(fields("{}"), [("IPAddress", REQUIRED), ("RuleName", REQUIRED)]);
        assert_eq!(
            fields(r#"{"ip_address":"","rule_name":null}"#),
            [("IPAddress", REQUIRED), ("RuleName", REQUIRED)]
        );
        assert_eq!(
            fields(r#"{"ip_address":"192.0.2.300","rule_name":"*"}"#),
            [("IPAddress", NO_ADDRESS)]
        );
        assert_eq!(
            fields(r#"{"ip_address":"192.0.2.0/24"}"#),
            [("IPAddress", NO_ADDRESS), ("RuleName", REQUIRED)]
        );
    }

    #[test]
    fn a_flush_names_address_and_rule() {
        let read = flush(&posted(
            r#"{"ip_address":"2001:db8::1","rule_name":"b","protocol":"imap","oidc_cid":"","more":1}"#,
        ));
        let expected = Flush {
            address: "2001:db8::1".parse().unwrap(),
            rule: "b".into(),
            protocol: Some("imap".into()),
            oidc_cid: None,
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn every_network_with_a_wanted_address_is_listed() {
        let networks = ["192.0.2.0/24", "192.0.2.7/32", "198.51.100.0/24"]
            .map(|network| (network.into(), b"b".to_vec()));
        let accounts =
            vec![(b"ann".to_vec(), vec![b"192.0.2.7".to_vec()]), (b"bob".to_vec(), vec![])];
        let blocked = Blocked { networks: Ok(networks.to_vec()), accounts: Ok(accounts) };
        let filter =
            filter(&posted(r#"{"ip_addresses":["192.0.2.7","garbage"],"accounts":["bob"]}"#))
                .unwrap();
        assert_eq!(
            body(|out| list(out, &blocked, &filter, &SESSION, &envelope())),
            r#"{"session":"2ABCDEFGHIJKLMNOPQRSTUVWXYZ","object":"bruteforce","operation":"list","result":[{"ip_addresses":{"192.0.2.0/24":"b","192.0.2.7/32":"b"},"error":null},{"accounts":{"bob":[]},"error":null}]}"#
        );
    }

    #[test]
    fn a_part_that_failed_says_why() {
        let failed = || Error::Refused("WRONGTYPE".into());
        let blocked = Blocked { networks: Err(failed()), accounts: Ok(vec![]) };
        let mut out = Vec::new();
        assert_eq!(list(&mut out, &blocked, &Filter::All, &SESSION, &envelope()), 500);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with(r#""result":[{"ip_addresses":null,"error":"WRONGTYPE"},{"accounts":{},"error":null}]}"#), "{text}");
        let mut out = Vec::new();
        let flush = Flush {
            address: "192.0.2.1".parse().unwrap(),
            rule: "*".into(),
            protocol: None,
            oidc_cid: None,
        };
        assert_eq!(flushed(&mut out, &flush, &Err(failed()), &SESSION, &envelope()), 500);
        assert!(out.ends_with(b"Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn jobs_say_how_far_they_are() {
        let text = |state: JobState| body(|out| job(out, "j", Some(&state), &SESSION, &envelope()));
        assert!(text(JobState::Queued).ends_with(r#""result":{"jobId":"j","status":"QUEUED"}}"#));
        assert!(
            text(JobState::Done(vec![b"k".to_vec()]))
                .ends_with(r#""result":{"jobId":"j","status":"DONE","removed_keys":["k"]}}"#)
        );
        assert!(
            text(JobState::Failed("gone".into()))
                .ends_with(r#""result":{"jobId":"j","status":"ERROR","error":"gone"}}"#)
        );
        let mut out = Vec::new();
        assert_eq!(job(&mut out, "j", None, &SESSION, &envelope()), 404);
    }
}
