//! The state machine against servers that a test plays: bytes and time go in, commands and answers
//! come out.

use super::*;
use crate::proto::dns::{Kind, Record};
use crate::upstream::dns::Hosts;
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A resolver, its clock, and what it has answered.
struct Bench {
    resolver: Resolver,
    now: Instant,
    out: Vec<(AskId, Answer)>,
    asks: u64,
}

/// A query that is out.
#[derive(Clone, Debug)]
struct Sent {
    query: QueryId,
    server: SocketAddr,
    transport: Transport,
    /// Without the length of TCP.
    bytes: Vec<u8>,
}

impl Bench {
    fn new(resolv_conf: &str) -> Bench {
        Bench::with(Settings::parse(resolv_conf, 4 * SECOND))
    }

    fn with(settings: Settings) -> Bench {
        Bench {
            resolver: Resolver::new(Arc::new(settings), [7; 32]),
            now: Instant::now(),
            out: Vec::new(),
            asks: 0,
        }
    }

    /// Asks; the answer, if it came at once.
    fn ask(&mut self, name: &str, kind: Kind) -> Option<Answer> {
        self.asks += 1;
        let op = DnsOp { name: name.into(), kind };
        self.resolver
            .recall(&op, self.now)
            .or_else(|| self.resolver.ask(op, AskId(self.asks), self.now))
    }

    /// The queries to be sent now.
    fn sent(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some(command) = self.resolver.poll_command() {
            match command {
                Command::Send {
                    query,
                    server,
                    transport: transport @ Transport::Datagram,
                    bytes,
                } => {
                    sent.push(Sent { query, server, transport, bytes });
                }
                Command::Send { query, server, transport, bytes } => {
                    assert_eq!(
                        usize::from(u16::from_be_bytes([bytes[0], bytes[1]])),
                        bytes.len() - 2
                    );
                    sent.push(Sent { query, server, transport, bytes: bytes[2..].to_vec() });
                }
                Command::Close(query) => sent.retain(|open: &Sent| open.query != query),
            }
        }
        sent
    }

    /// The one query to be sent now.
    fn one(&mut self) -> Sent {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent[0].clone()
    }

    /// The server's reply to a query.
    fn reply(&mut self, to: &Sent, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if to.transport == Transport::Stream {
            let length = (bytes.len() as u16).to_be_bytes();
            bytes.splice(..0, length);
        }
        self.resolver.handle_bytes(to.query, &bytes, self.now, &mut self.out);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.resolver.handle_timeout(self.now, &mut self.out);
    }

    /// Lets time pass until the machine wants to be called.
    fn pass_to_timeout(&mut self) {
        let at = self.resolver.next_timeout().expect("something is due");
        self.pass(at.saturating_duration_since(self.now));
    }

    /// All answers since the last call, by the number of the ask.
    fn answers(&mut self) -> Vec<(AskId, Answer)> {
        std::mem::take(&mut self.out)
    }

    /// The one answer since the last call.
    fn answer(&mut self) -> Answer {
        let mut answers = self.answers();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0).1
    }
}

/// Flags of a reply with a response code.
const NO_ERROR: u16 = 0x8180;
const SERVFAIL: u16 = 0x8182;
const NXDOMAIN: u16 = 0x8183;
const FORMERR: u16 = 0x8181;
const TRUNCATED: u16 = 0x8380;

/// The question section of a query.
fn question_of(query: &[u8]) -> &[u8] {
    let name = query[12..].iter().position(|byte| *byte == 0).unwrap();
    &query[12..12 + name + 5]
}

/// The name that a query asks for.
fn asked(query: &[u8]) -> String {
    let (mut name, mut rest) = (String::new(), &query[12..]);
    while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        name.push_str(std::str::from_utf8(&tail[..usize::from(*length)]).unwrap());
        name.push('.');
        rest = &tail[usize::from(*length)..];
    }
    name
}

/// A reply to `query` with records of the asked name: (type, ttl, data).
fn reply(
    query: &[u8],
    flags: u16,
    answers: &[(u8, u32, &[u8])],
    soa_minimum: Option<u32>,
) -> Vec<u8> {
    let mut reply = query[..2].to_vec();
    reply.extend(flags.to_be_bytes());
    reply.extend([0, 1, 0, answers.len() as u8, 0, u8::from(soa_minimum.is_some()), 0, 0]);
    reply.extend(question_of(query));
    for (kind, ttl, data) in answers {
        reply.extend([0xc0, 12, 0, *kind, 0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(*data);
    }
    if let Some(minimum) = soa_minimum {
        reply.extend([0xc0, 12, 0, 6, 0, 1]);
        reply.extend(minimum.to_be_bytes());
        reply.extend([0, 22, 0, 0]);
        reply.extend([0; 16]);
        reply.extend(minimum.to_be_bytes());
    }
    reply
}

fn a(query: &[u8], last: u8) -> Vec<u8> {
    reply(query, NO_ERROR, &[(1, 60, &[192, 0, 2, last])], None)
}

/// An alias of `c.example`.
fn alias(query: &[u8]) -> Vec<u8> {
    reply(query, NO_ERROR, &[(5, 60, b"\x01c\x07example\0")], None)
}

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn addresses(answer: &Answer) -> Vec<IpAddr> {
    match answer {
        Answer::Dns(DnsAnswer::Records(records)) => {
            records.iter().filter_map(Record::address).collect()
        }
        answer => panic!("{answer:?}"),
    }
}

fn failure(answer: &Answer) -> String {
    match answer {
        Answer::Failed(failure) => failure.to_string(),
        answer => panic!("{answer:?}"),
    }
}

const ONE: &str = "nameserver 192.0.2.53\noptions attempts:2";
const TWO: &str = "nameserver 192.0.2.53\nnameserver 192.0.2.54\noptions attempts:2";

#[test]
fn an_answer_comes_and_is_remembered() {
    let mut bench = Bench::new(ONE);
    assert!(bench.ask("mail.example", Kind::A).is_none());
    let sent = bench.one();
    assert_eq!(
        (sent.server, sent.transport),
        ("192.0.2.53:53".parse().unwrap(), Transport::Datagram)
    );
    assert_eq!(asked(&sent.bytes), "mail.example.");
    bench.reply(&sent, &a(&sent.bytes, 1));
    assert_eq!(addresses(&bench.answer()), [ip(1)]);
    assert_eq!(bench.resolver.poll_command(), Some(Command::Close(sent.query)));
    // Once more, in other letters: for a minute nobody is asked.
    bench.pass(59 * SECOND);
    assert_eq!(addresses(&bench.ask("MAIL.example.", Kind::A).unwrap()), [ip(1)]);
    bench.pass(SECOND);
    assert!(bench.ask("mail.example", Kind::A).is_none());
}

#[test]
fn equal_questions_are_asked_once() {
    let mut bench = Bench::new(ONE);
    for _ in 0..3 {
        assert!(bench.ask("mail.example", Kind::A).is_none());
        assert!(bench.ask("MAIL.example", Kind::A).is_none());
    }
    assert!(bench.ask("mail.example", Kind::Aaaa).is_none());
    let sent = bench.sent();
    assert_eq!(sent.len(), 2);
    bench.reply(&sent[0], &a(&sent[0].bytes, 1));
    let answered: Vec<u64> = bench.answers().into_iter().map(|(AskId(who), _)| who).collect();
    assert_eq!(answered, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn ids_and_questions_of_queries_differ() {
    let mut bench = Bench::new(ONE);
    for number in 0..200 {
        bench.ask(&format!("n{number}.example"), Kind::A);
    }
    let mut ids: Vec<[u8; 2]> =
        bench.sent().iter().map(|sent| [sent.bytes[0], sent.bytes[1]]).collect();
    assert!(!ids.is_sorted());
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() > 190, "{} ids of 200", ids.len());
}

#[test]
fn lies_are_passed_over_and_the_truth_still_counts() {
    let mut bench = Bench::new(ONE);
    bench.ask("mail.example", Kind::A);
    let sent = bench.one();
    let truth = a(&sent.bytes, 1);
    let mut other_id = a(&sent.bytes, 66);
    other_id[0] ^= 1;
    let mut other_question = a(&sent.bytes, 66);
    other_question[13] = b'x';
    for lie in [&other_id[..], &other_question, &truth[..20], &sent.bytes, b"", b"\xff\xff"] {
        bench.reply(&sent, lie);
        assert!(bench.answers().is_empty());
    }
    bench.reply(&sent, &truth);
    assert_eq!(addresses(&bench.answer()), [ip(1)]);
}

#[test]
fn many_lies_lead_to_tcp() {
    let mut bench = Bench::new(ONE);
    bench.ask("mail.example", Kind::A);
    let sent = bench.one();
    let mut lie = a(&sent.bytes, 66);
    lie[0] ^= 1;
    for _ in 0..LIES_MAX {
        assert!(bench.resolver.is_open(sent.query));
        bench.reply(&sent, &lie);
    }
    assert!(!bench.resolver.is_open(sent.query));
    let again = bench.one();
    assert_eq!((again.transport, again.server), (Transport::Stream, sent.server));
    // What comes for the old query does not count any more, even with its id.
    bench.reply(&sent, &a(&sent.bytes, 66));
    assert!(bench.answers().is_empty());
    bench.reply(&again, &a(&again.bytes, 1));
    assert_eq!(addresses(&bench.answer()), [ip(1)]);
}

#[test]
fn a_truncated_reply_is_fetched_over_tcp_byte_by_byte() {
    let mut bench = Bench::new(ONE);
    bench.ask("mail.example", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &reply(&sent.bytes, TRUNCATED, &[], None));
    let again = bench.one();
    assert_eq!(again.transport, Transport::Stream);
    let message = a(&again.bytes, 1);
    let stream = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    for byte in &stream {
        assert!(bench.answers().is_empty());
        bench.resolver.handle_bytes(again.query, &[*byte], bench.now, &mut bench.out);
    }
    assert_eq!(addresses(&bench.answer()), [ip(1)]);
}

#[test]
fn a_lie_over_tcp_is_the_servers_own() {
    let mut bench = Bench::new("nameserver 192.0.2.53\noptions attempts:1");
    bench.ask("mail.example", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &reply(&sent.bytes, TRUNCATED, &[], None));
    let again = bench.one();
    bench.reply(&again, b"nonsense");
    assert_eq!(failure(&bench.answer()), "lookup mail.example on 192.0.2.53:53: not a DNS reply");
}

#[test]
fn servers_take_turns_and_all_failing_is_a_failure() {
    let mut bench = Bench::new(TWO);
    bench.ask("mail.example", Kind::A);
    let mut asked_servers = Vec::new();
    for _ in 0..4 {
        let sent = bench.one();
        asked_servers.push(sent.server.ip());
        bench.reply(&sent, &reply(&sent.bytes, SERVFAIL, &[], None));
    }
    assert_eq!(asked_servers, [ip(53), ip(54), ip(53), ip(54)]);
    assert_eq!(
        failure(&bench.answer()),
        "lookup mail.example on 192.0.2.54:53: server misbehaving"
    );
    assert!(bench.sent().is_empty());
    // Nothing of it is remembered: the next one asks.
    assert!(bench.ask("mail.example", Kind::A).is_none());
}

#[test]
fn silent_servers_time_out_within_the_limit() {
    let mut bench = Bench::new(TWO);
    let start = bench.now;
    bench.ask("mail.example", Kind::A);
    let mut tries = 0;
    while bench.out.is_empty() {
        tries += bench.sent().len();
        bench.pass_to_timeout();
    }
    assert_eq!((tries, bench.now - start), (4, 4 * SECOND));
    assert_eq!(failure(&bench.answer()), "lookup mail.example on 192.0.2.54:53: i/o timeout");
    assert_eq!(bench.resolver.next_timeout(), None);
}

#[test]
fn who_answered_is_asked_first_until_it_fails() {
    let mut bench = Bench::new(TWO);
    bench.ask("a.example", Kind::A);
    bench.sent();
    bench.pass(SECOND);
    let second = bench.one();
    assert_eq!(second.server.ip(), ip(54));
    bench.reply(&second, &a(&second.bytes, 1));
    bench.answer();
    bench.ask("b.example", Kind::A);
    let sent = bench.one();
    assert_eq!(sent.server.ip(), ip(54));
    bench.resolver.handle_failed(
        sent.query,
        &io::ErrorKind::ConnectionRefused.into(),
        bench.now,
        &mut bench.out,
    );
    assert_eq!(bench.one().server.ip(), ip(53));
    bench.ask("c.example", Kind::A);
    assert_eq!(bench.one().server.ip(), ip(53));
}

#[test]
fn a_server_that_is_not_there_is_told_by_its_error() {
    let mut bench = Bench::new("nameserver 192.0.2.53\noptions attempts:1");
    bench.ask("mail.example", Kind::A);
    let sent = bench.one();
    let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    bench.resolver.handle_failed(sent.query, &refused, bench.now, &mut bench.out);
    assert_eq!(
        failure(&bench.answer()),
        "lookup mail.example on 192.0.2.53:53: udp: connection refused"
    );
}

#[test]
fn old_servers_are_asked_without_edns() {
    let mut bench = Bench::new(ONE);
    bench.ask("mail.example", Kind::A);
    let sent = bench.one();
    assert_eq!(sent.bytes[11], 1, "one additional record");
    let mut bare = reply(&sent.bytes, FORMERR, &[], None);
    bare.truncate(12);
    bare[5] = 0;
    bench.reply(&sent, &bare);
    let again = bench.one();
    assert_eq!((again.server, again.bytes[11]), (sent.server, 0));
    bench.reply(&again, &a(&again.bytes, 1));
    assert_eq!(addresses(&bench.answer()), [ip(1)]);
}

#[test]
fn a_no_is_remembered_as_long_as_its_zone_says_and_no_longer() {
    let mut bench = Bench::new(ONE);
    for (flags, is_no) in [
        (NXDOMAIN, DnsAnswer::NoSuchName as fn(_) -> _),
        (NO_ERROR, DnsAnswer::NoData as fn(_) -> _),
    ] {
        let name = format!("n{flags}.example");
        let no = is_no(Some("192.0.2.53:53".parse().unwrap()));
        bench.ask(&name, Kind::A);
        let sent = bench.one();
        bench.reply(&sent, &reply(&sent.bytes, flags, &[], Some(30)));
        assert!(matches!(bench.answer(), Answer::Dns(answer) if answer == no));
        bench.pass(29 * SECOND);
        assert!(matches!(bench.ask(&name, Kind::A), Some(Answer::Dns(answer)) if answer == no));
        bench.pass(SECOND);
        assert!(bench.ask(&name, Kind::A).is_none());
        // This time without an SOA record: not to be remembered.
        let sent = bench.one();
        bench.reply(&sent, &reply(&sent.bytes, flags, &[], None));
        bench.answer();
        assert!(bench.ask(&name, Kind::A).is_none());
        let sent = bench.one();
        bench.reply(&sent, &a(&sent.bytes, 1));
        bench.answer();
    }
}

#[test]
fn an_alias_is_chased_and_its_target_asked_with_all_tries() {
    let mut bench = Bench::new(ONE);
    bench.ask("a.example", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &alias(&sent.bytes));
    let chase = bench.one();
    assert_eq!(asked(&chase.bytes), "c.example.");
    bench.reply(&chase, &reply(&chase.bytes, SERVFAIL, &[], None));
    let chase = bench.one();
    bench.reply(&chase, &a(&chase.bytes, 3));
    assert_eq!(addresses(&bench.answer()), [ip(3)]);
    assert_eq!(addresses(&bench.ask("a.example", Kind::A).unwrap()), [ip(3)]);
}

#[test]
fn an_alias_of_what_is_known_ends_there() {
    let mut bench = Bench::new(ONE);
    bench.ask("c.example", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &a(&sent.bytes, 3));
    bench.answer();
    bench.ask("a.example", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &alias(&sent.bytes));
    assert_eq!(addresses(&bench.answer()), [ip(3)]);
}

#[test]
fn aliases_without_end_are_a_failure() {
    let mut bench = Bench::new(ONE);
    bench.ask("a.example", Kind::A);
    // Each reply names another alias, as a hostile zone can.
    for number in 0..=ALIASES_MAX {
        let sent = bench.one();
        let target = format!("\x03n{number:02}\x07example\0");
        bench.reply(&sent, &reply(&sent.bytes, NO_ERROR, &[(5, 60, target.as_bytes())], None));
    }
    assert_eq!(failure(&bench.answer()), "lookup a.example on 192.0.2.53:53: too many aliases");
}

#[test]
fn the_search_list_counts_for_names_without_enough_dots() {
    let conf = "nameserver 192.0.2.53\nsearch one.example two.example\noptions ndots:1 attempts:1";
    for (name, expected) in [
        ("mail", &["mail.one.example.", "mail.two.example.", "mail."][..]),
        ("mail.sub", &["mail.sub.", "mail.sub.one.example.", "mail.sub.two.example."]),
        ("mail.", &["mail."]),
        ("mail.sub.", &["mail.sub."]),
    ] {
        let mut bench = Bench::new(conf);
        bench.ask(name, Kind::A);
        let mut names = Vec::new();
        while bench.out.is_empty() {
            let sent = bench.one();
            names.push(asked(&sent.bytes));
            bench.reply(&sent, &reply(&sent.bytes, NXDOMAIN, &[], Some(30)));
        }
        assert_eq!(names, expected, "{name}");
        assert!(matches!(bench.answer(), Answer::Dns(DnsAnswer::NoSuchName(Some(_)))));
        // All of it is remembered.
        assert!(matches!(
            bench.ask(name, Kind::A),
            Some(Answer::Dns(DnsAnswer::NoSuchName(Some(_))))
        ));
    }
}

#[test]
fn the_first_name_of_the_search_list_that_exists_wins() {
    let mut bench =
        Bench::new("nameserver 192.0.2.53\nsearch one.example two.example\noptions attempts:1");
    bench.ask("mail", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &reply(&sent.bytes, NXDOMAIN, &[], None));
    let sent = bench.one();
    bench.reply(&sent, &a(&sent.bytes, 2));
    assert_eq!(addresses(&bench.answer()), [ip(2)]);
}

#[test]
fn a_name_that_could_not_be_asked_for_is_no_no() {
    let mut bench = Bench::new("nameserver 192.0.2.53\nsearch one.example\noptions attempts:1");
    bench.ask("mail", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &reply(&sent.bytes, SERVFAIL, &[], None));
    let sent = bench.one();
    bench.reply(&sent, &reply(&sent.bytes, NXDOMAIN, &[], Some(30)));
    assert_eq!(failure(&bench.answer()), "lookup mail on 192.0.2.53:53: server misbehaving");
}

#[test]
fn literals_and_hosts_ask_nobody() {
    let mut settings = Settings::parse(ONE, SECOND);
    settings.hosts = Hosts::parse("192.0.2.1 Mail.example mail\n2001:db8::1 six.example");
    let mut bench = Bench::with(settings);
    assert_eq!(addresses(&bench.ask("192.0.2.7", Kind::A).unwrap()), [ip(7)]);
    assert!(matches!(
        bench.ask("192.0.2.7", Kind::Aaaa),
        Some(Answer::Dns(DnsAnswer::NoData(None)))
    ));
    assert_eq!(
        addresses(&bench.ask("2001:db8::1", Kind::Aaaa).unwrap()),
        ["2001:db8::1".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(addresses(&bench.ask("mail", Kind::A).unwrap()), [ip(1)]);
    assert!(matches!(
        bench.ask("six.example", Kind::A),
        Some(Answer::Dns(DnsAnswer::NoData(None)))
    ));
    assert_eq!(
        addresses(&bench.ask("localhost", Kind::A).unwrap()),
        [IpAddr::from([127, 0, 0, 1])]
    );
    let names = bench.ask("192.0.2.1", Kind::Ptr);
    let expected = [Record::Name("Mail.example".into()), Record::Name("mail".into())];
    assert!(
        matches!(names, Some(Answer::Dns(DnsAnswer::Records(records))) if *records == expected)
    );
    // Other kinds of record are not in the file.
    assert!(bench.ask("mail.example", Kind::Mx).is_none());
}

#[test]
fn what_is_no_name_does_not_exist() {
    let mut bench = Bench::new("nameserver 192.0.2.53\nsearch one.example");
    for name in ["", ".", "a b", "a..b", "-a.example", "a\0b", "ä.example", "x\r\ny"] {
        for kind in [Kind::A, Kind::Txt, Kind::Ptr] {
            assert!(
                matches!(bench.ask(name, kind), Some(Answer::Dns(DnsAnswer::NoSuchName(None)))),
                "{name:?}"
            );
        }
    }
}

#[test]
fn addresses_are_asked_for_in_their_reverse_zone() {
    let mut bench = Bench::new("nameserver 192.0.2.53\nsearch one.example");
    for (address, name) in [
        ("192.0.2.9", "9.2.0.192.in-addr.arpa."),
        ("::ffff:192.0.2.8", "8.2.0.192.in-addr.arpa."),
        (
            "2001:db8::1",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        ),
    ] {
        assert!(bench.ask(address, Kind::Ptr).is_none());
        assert_eq!(asked(&bench.one().bytes), name);
    }
}

#[test]
fn lookups_under_way_are_bounded() {
    let mut bench = Bench::new(ONE);
    for number in 0..LOOKUPS_MAX {
        assert!(bench.ask(&format!("n{number}.example"), Kind::A).is_none());
    }
    assert_eq!(failure(&bench.ask("one-more.example", Kind::A).unwrap()), "DNS queue is full");
    // Who asks for the same may still join, and when one ends there is room again.
    assert!(bench.ask("n0.example", Kind::A).is_none());
    let sent = bench.sent().remove(0);
    bench.reply(&sent, &a(&sent.bytes, 1));
    assert!(bench.ask("one-more.example", Kind::A).is_none());
}

#[test]
fn other_settings_forget_what_the_old_servers_said() {
    let mut bench = Bench::new(ONE);
    bench.ask("known.example", Kind::A);
    let sent = bench.one();
    bench.reply(&sent, &a(&sent.bytes, 1));
    bench.answer();
    bench.ask("under-way.example", Kind::A);
    let under_way = bench.one();
    bench.resolver.configure(Arc::new(Settings::parse(ONE, 4 * SECOND)));
    assert!(
        bench.ask("known.example", Kind::A).is_some(),
        "the same settings again change nothing"
    );
    bench.resolver.configure(Arc::new(Settings::parse("nameserver 192.0.2.99", 4 * SECOND)));
    bench.reply(&under_way, &a(&under_way.bytes, 2));
    assert_eq!(addresses(&bench.answer()), [ip(2)]);
    assert!(bench.ask("known.example", Kind::A).is_none());
    assert_eq!(bench.one().server.ip(), ip(99));
}

/// What a server, a forger or the clock may do next.
#[derive(Clone, Debug)]
enum Step {
    Ask(u8),
    Pass(u64),
    /// To the query at this position, counted from the oldest.
    Reply(u8, u8),
    Fail(u8),
    Garbage(u8, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..6).prop_map(Step::Ask),
        2 => (0u64..1500).prop_map(Step::Pass),
        4 => (any::<u8>(), 0u8..9).prop_map(|(at, what)| Step::Reply(at, what)),
        1 => any::<u8>().prop_map(Step::Fail),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Step::Garbage(at, bytes)),
    ]
}

proptest! {
    /// Whatever happens, every ask is answered exactly once, in the time that a lookup has.
    #[test]
    fn every_ask_is_answered_once_and_in_time(steps in prop::collection::vec(step(), 0..80)) {
        let mut bench = Bench::new("nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch one.example");
        let mut open: Vec<Sent> = Vec::new();
        let mut asked_at: Vec<(u64, Instant)> = Vec::new();
        for step in steps {
            match step {
                Step::Ask(number) => {
                    let kind = if number % 2 == 0 { Kind::A } else { Kind::Ns };
                    if bench.ask(&format!("n{}", number / 2), kind).is_none() {
                        asked_at.push((bench.asks, bench.now));
                    }
                }
                Step::Pass(millis) => bench.pass(Duration::from_millis(millis)),
                Step::Reply(at, what) => {
                    let Some(to) = open.get(usize::from(at) % open.len().max(1)).cloned() else { continue };
                    let bytes = match what {
                        0 => a(&to.bytes, 1),
                        1 => alias(&to.bytes),
                        2 => reply(&to.bytes, NXDOMAIN, &[], Some(2)),
                        3 => reply(&to.bytes, NO_ERROR, &[], None),
                        4 => reply(&to.bytes, SERVFAIL, &[], None),
                        5 => reply(&to.bytes, TRUNCATED, &[], None),
                        6 => reply(&to.bytes, FORMERR, &[], None),
                        7 => reply(&to.bytes, NO_ERROR, &[(1, 0, &[192, 0, 2, 1])], None),
                        _ => to.bytes.clone(),
                    };
                    bench.reply(&to, &bytes);
                }
                Step::Fail(at) => {
                    let Some(to) = open.get(usize::from(at) % open.len().max(1)).cloned() else { continue };
                    bench.resolver.handle_failed(to.query, &io::ErrorKind::ConnectionReset.into(), bench.now, &mut bench.out);
                }
                Step::Garbage(at, bytes) => {
                    let Some(to) = open.get(usize::from(at) % open.len().max(1)).cloned() else { continue };
                    bench.resolver.handle_bytes(to.query, &bytes, bench.now, &mut bench.out);
                }
            }
            // Old queries stay in the list: events of theirs must do nothing.
            open.extend(bench.sent());
            for (AskId(who), answer) in bench.answers() {
                let at = asked_at.iter().position(|(ask, _)| *ask == who);
                prop_assert!(at.is_some(), "{who} was answered twice: {answer:?}");
                asked_at.swap_remove(at.unwrap_or_default());
            }
        }
        while bench.resolver.next_timeout().is_some() {
            bench.pass_to_timeout();
            bench.sent();
        }
        for (AskId(who), _) in bench.answers() {
            asked_at.retain(|(ask, _)| *ask != who);
        }
        prop_assert!(asked_at.is_empty(), "never answered: {asked_at:?}");
        prop_assert!(bench.resolver.lookups.is_empty() && bench.resolver.by_op.is_empty());
    }
}
