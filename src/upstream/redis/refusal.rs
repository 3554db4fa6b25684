//! Refusals: error replies that are about the server, not about the command.
//!
//! `WRONGTYPE` is an answer to the asker; `LOADING` is none, and must never be taken for data: it
//! becomes [`Failure::NotServing`], which the pipeline turns into a temporary failure. Told by the
//! code, an error's first word. Rules: the Redis sources' list of shared errors, the cluster
//! specification (redis.io).

use crate::op::Failure;
use crate::proto::resp::Reply;

/// What becomes of the connection that a refusal came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It stays: the server refuses this command, or for now (full disk, full memory, a slot that
    /// is elsewhere).
    Passing,
    /// A replica was asked to write. The master must be looked up again.
    ReadOnly,
    /// The server serves nothing now: the connection is given up, and the next greeting finds out
    /// when it serves again.
    Unwilling,
}

/// What an error reply's text means; None: it is about the command.
pub(super) fn of(text: &[u8]) -> Option<Refusal> {
    Some(match code(text) {
        b"OOM" | b"MISCONF" | b"NOREPLICAS" | b"BUSY" | b"MOVED" | b"ASK" | b"TRYAGAIN"
        | b"CLUSTERDOWN" => Refusal::Passing,
        b"READONLY" => Refusal::ReadOnly,
        b"LOADING" | b"MASTERDOWN" | b"NOAUTH" => Refusal::Unwilling,
        _ => return None,
    })
}

/// The refusal in a reply, with the failure that the asker gets.
pub(super) fn of_reply(reply: &Reply) -> Option<(Refusal, Failure)> {
    if !reply.is_error() {
        return None;
    }
    let text = reply.as_error()?;
    of(text).map(|refusal| (refusal, Failure::NotServing(shown(text))))
}

/// The first word of an error.
pub(super) fn code(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// The server's words, for scripts and logs: one line, bounded.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .take(TEXT_CHARS_MAX)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

/// Redis' own sentences are shorter.
const TEXT_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_server_is_no_answer() {
        for (text, refusal) in [
            ("LOADING Redis is loading the dataset in memory", Some(Refusal::Unwilling)),
            (
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                Some(Refusal::Unwilling),
            ),
            ("NOAUTH Authentication required.", Some(Refusal::Unwilling)),
            ("READONLY You can't write against a read only replica.", Some(Refusal::ReadOnly)),
            ("OOM command not allowed when used memory > 'maxmemory'.", Some(Refusal::Passing)),
            ("CLUSTERDOWN The cluster is down", Some(Refusal::Passing)),
            ("MOVED 3999 127.0.0.1:6381", Some(Refusal::Passing)),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", None),
            ("NOSCRIPT No matching script. Please use EVAL.", None),
            ("NOPERM User app has no permissions to run the 'get' command", None),
            ("CROSSSLOT Keys in request don't hash to the same slot", None),
            ("ERR LOADING", None),
            ("LOADINGS", None),
            ("", None),
        ] {
            assert_eq!(of(text.as_bytes()), refusal, "{text}");
        }
    }

    #[test]
    fn data_is_never_a_refusal() {
        for reply in [
            Reply::bulk(b"LOADING x"),
            Reply::simple("LOADING x"),
            Reply::nil(),
            Reply::array(&[Reply::error("LOADING x")]),
        ] {
            assert_eq!(of_reply(&reply), None);
        }
        let failure = Failure::NotServing("LOADING x".into());
        assert_eq!(
            of_reply(&Reply::error("LOADING x")),
            Some((Refusal::Unwilling, failure.clone()))
        );
        assert_eq!(
            of_reply(&Reply::from_frame(b"!9\r\nLOADING x\r\n").unwrap()),
            Some((Refusal::Unwilling, failure))
        );
    }
}
