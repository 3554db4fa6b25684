//! The addresses of a host, for clients of other protocols.
//!
//! Code that waits by itself awaits [`resolve_host`]; a Lua function in two halves asks [`host_op`]
//! and reads the answer with [`addresses`].

use crate::op::{Answer, DnsAnswer, DnsOp, Failure, Op, Ops};
use crate::proto::dns::{Kind, Record};
use std::net::IpAddr;
use std::time::Duration;

/// The addresses of a host name or address literal, IPv4 before IPv6; never empty. Bounded by the
/// resolver's own time limit and the task's deadline.
///
/// # Errors
/// As [`addresses`].
pub async fn resolve_host(ops: &Ops, host: &str) -> Result<Vec<IpAddr>, Failure> {
    let answer = ops.ask(host_op(host), Duration::MAX).await;
    addresses(host, answer)
}

/// Asks for both kinds of address at once.
pub fn host_op(host: &str) -> Op {
    let ask = |kind| Op::Dns(DnsOp { name: host.to_owned(), kind });
    Op::All(vec![ask(Kind::A), ask(Kind::Aaaa)])
}

/// Reads the answer to [`host_op`].
///
/// # Errors
/// [`Failure::NoSuchHost`]: there is no such name, or it has no addresses. Anything else: that could not be found out. Addresses of one
/// kind are enough, whatever became of the other.
pub fn addresses(host: &str, answer: Answer) -> Result<Vec<IpAddr>, Failure> {
    let answers = match answer {
        Answer::All(answers) => answers,
        single => vec![single],
    };
    let (mut found, mut failure, mut server) = (Vec::new(), None, None);
    for answer in answers {
        match answer {
            Answer::Dns(DnsAnswer::Records(records)) => {
                found.extend(records.iter().filter_map(Record::address))
            }
            Answer::Dns(DnsAnswer::NoSuchName(ask) | DnsAnswer::NoData(ask)) => server = ask,
            Answer::Failed(why) => failure = Some(why),
            _ => {}
        }
    }
    match failure {
        _ if !found.is_empty() => Ok(found),
        Some(failure) => Err(failure),
        None => Err(Failure::NoSuchHost { name: host.to_owned(), server }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{drive, slot};
    use std::time::Instant;

    /// What becomes of a host with these answers to A and AAAA.
    fn resolve(mut a: Option<Answer>, mut aaaa: Option<Answer>) -> Result<Vec<IpAddr>, Failure> {
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(1));
        drive(async move { resolve_host(&ops, "mail.example").await }, &driver, |op| match op {
            Op::Dns(DnsOp { name, kind: Kind::A }) if name == "mail.example" => a.take().unwrap(),
            Op::Dns(DnsOp { name, kind: Kind::Aaaa }) if name == "mail.example" => {
                aaaa.take().unwrap()
            }
            op => panic!("{op:?}"),
        })
    }

    fn found(ip: &str) -> Option<Answer> {
        Some(Answer::Dns(DnsAnswer::Records([Record::Address(ip.parse().unwrap())].into())))
    }

    #[test]
    fn both_kinds_of_address_ipv4_first() {
        let both = resolve(found("192.0.2.1"), found("2001:db8::1"));
        assert_eq!(both, Ok(vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]));
    }

    #[test]
    fn one_kind_is_enough() {
        let one = Ok(vec!["2001:db8::1".parse().unwrap()]);
        assert_eq!(resolve(Some(Answer::Failed(Failure::TimedOut)), found("2001:db8::1")), one);
        assert_eq!(resolve(Some(Answer::Dns(DnsAnswer::NoData(None))), found("2001:db8::1")), one);
    }

    #[test]
    fn no_address_is_an_error_and_a_failure_is_never_a_no() {
        let server = Some("192.0.2.53:53".parse().unwrap());
        let no = || Some(Answer::Dns(DnsAnswer::NoSuchName(server)));
        let error = resolve(no(), no()).unwrap_err();
        assert_eq!(error.to_string(), "lookup mail.example on 192.0.2.53:53: no such host");
        assert_eq!(resolve(no(), Some(Answer::Failed(Failure::TimedOut))), Err(Failure::TimedOut));
    }

    #[test]
    fn past_the_deadline_the_whole_question_fails() {
        assert_eq!(
            addresses("mail.example", Answer::Failed(Failure::Deadline)),
            Err(Failure::Deadline)
        );
    }
}
