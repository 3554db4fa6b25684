//! Replies as servers write them, as forgers do, and as neither should.

use super::*;
use crate::proto::dns::DATAGRAM_BYTES_MAX;
use hickory_proto::op::{MessageType, OpCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Record as WireRecord, RecordType};
use proptest::prelude::*;

const ID: u16 = 0x1234;

fn question(name: &str, kind: Kind) -> Question {
    Question::new(name, kind).unwrap()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A reply to `question` with these records, of a recursive server.
fn reply(question: &Question, code: ResponseCode, answers: Vec<WireRecord>) -> Message {
    let mut message = Message::new(ID, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_query(Query::query(question.name.clone(), question.kind.record_type()));
    message.answers = answers;
    message
}

fn record(owner: &str, ttl: u32, data: RData) -> WireRecord {
    WireRecord::from_rdata(name(owner), ttl, data)
}

fn address(owner: &str, ttl: u32, last: u8) -> WireRecord {
    record(owner, ttl, RData::A(A::new(192, 0, 2, last)))
}

fn alias(owner: &str, ttl: u32, target: &str) -> WireRecord {
    record(owner, ttl, RData::CNAME(CNAME(name(target))))
}

fn soa(ttl: u32, minimum: u32) -> WireRecord {
    let soa = SOA::new(name("ns.example."), name("hostmaster.example."), 1, 1, 1, 1, minimum);
    record("example.", ttl, RData::SOA(soa))
}

fn parse(message: &Message, question: &Question) -> Result<Reply, Lie> {
    parse_reply(&message.to_vec().unwrap(), ID, question)
}

fn ip(last: u8) -> Record {
    Record::Address([192, 0, 2, last].into())
}

#[test]
fn a_query_asks_one_question() {
    let bytes = question("Mail.Example", Kind::Mx).compose(ID, true);
    let query = Message::from_vec(&bytes).unwrap();
    assert_eq!(
        (query.metadata.id, query.metadata.recursion_desired, query.queries.len()),
        (ID, true, 1)
    );
    assert_eq!(query.queries[0], Query::query(name("mail.example."), RecordType::MX));
    assert_eq!(query.edns.unwrap().max_payload() as usize, DATAGRAM_BYTES_MAX);
    assert!(
        Message::from_vec(&question("mail.example", Kind::Mx).compose(ID, false))
            .unwrap()
            .edns
            .is_none()
    );
}

#[test]
fn records_of_every_kind() {
    let owner = "a.example.";
    let text = RData::TXT(TXT::from_bytes(vec![b"v=spf1 ", b"-all\xff"]));
    for (kind, data, expected) in [
        (Kind::A, RData::A(A::new(192, 0, 2, 1)), ip(1)),
        (
            Kind::Aaaa,
            RData::AAAA("2001:db8::1".parse().unwrap()),
            Record::Address("2001:db8::1".parse().unwrap()),
        ),
        (Kind::Ptr, RData::PTR(PTR(name("Mail.example."))), Record::Name("Mail.example.".into())),
        (Kind::Ns, RData::NS(NS(name("ns.example."))), Record::Name("ns.example.".into())),
        (Kind::Cname, RData::CNAME(CNAME(name("b.example."))), Record::Name("b.example.".into())),
        (
            Kind::Mx,
            RData::MX(MX::new(10, name("mx.example."))),
            Record::Mail { preference: 10, exchange: "mx.example.".into() },
        ),
        (
            Kind::Mx,
            RData::MX(MX::new(0, Name::root())),
            Record::Mail { preference: 0, exchange: ".".into() },
        ),
        (Kind::Txt, text, Record::Text(b"v=spf1 -all\xff".to_vec())),
        (
            Kind::Srv,
            RData::SRV(SRV::new(1, 2, 993, name("imap.example."))),
            Record::Service { priority: 1, weight: 2, port: 993, target: "imap.example.".into() },
        ),
    ] {
        let asked = question(owner, kind);
        let found =
            parse(&reply(&asked, ResponseCode::NoError, vec![record(owner, 60, data)]), &asked);
        assert_eq!(found, Ok(Reply::Found { records: vec![expected], ttl: 60 }), "{kind:?}");
    }
}

#[test]
fn the_shortest_time_to_live_counts_and_a_negative_one_is_none() {
    let asked = question("a.example", Kind::A);
    for (ttls, ttl) in
        [([60, 30], 30), ([u32::MAX, 30], 0), ([i32::MAX as u32, u32::MAX >> 1], i32::MAX as u32)]
    {
        let answers = vec![address("a.example.", ttls[0], 1), address("A.EXAMPLE.", ttls[1], 2)];
        let found = parse(&reply(&asked, ResponseCode::NoError, answers), &asked);
        assert_eq!(found, Ok(Reply::Found { records: vec![ip(1), ip(2)], ttl }));
    }
}

#[test]
fn aliases_are_followed_within_the_reply_in_any_order() {
    let asked = question("a.example", Kind::A);
    let answers = vec![
        address("c.example.", 60, 3),
        alias("b.example.", 20, "C.example."),
        alias("a.example.", 40, "b.example."),
    ];
    let found = parse(&reply(&asked, ResponseCode::NoError, answers), &asked);
    assert_eq!(found, Ok(Reply::Found { records: vec![ip(3)], ttl: 20 }));
}

#[test]
fn records_of_other_names_and_kinds_do_not_count() {
    let asked = question("a.example", Kind::A);
    let stray = vec![
        address("b.example.", 60, 6),
        record("a.example.", 60, RData::NS(NS(name("ns.example.")))),
    ];
    assert_eq!(
        parse(&reply(&asked, ResponseCode::NoError, stray), &asked),
        Ok(Reply::NoData { ttl: None })
    );
}

#[test]
fn an_alias_without_its_target_is_to_be_asked_for() {
    let asked = question("a.example", Kind::A);
    let only = reply(&asked, ResponseCode::NoError, vec![alias("a.example.", 40, "b.other.")]);
    assert_eq!(
        parse(&only, &asked),
        Ok(Reply::Alias { question: question("b.other", Kind::A), ttl: 40 })
    );
    // With the zone's SOA the server says that the target has no such records.
    let mut nothing = only.clone();
    nothing.add_authority(soa(600, 300));
    assert_eq!(parse(&nothing, &asked), Ok(Reply::NoData { ttl: Some(40) }));
}

#[test]
fn an_alias_in_a_circle_has_no_end() {
    let asked = question("a.example", Kind::A);
    for answers in [
        vec![alias("a.example.", 40, "a.example.")],
        vec![alias("a.example.", 40, "b.example."), alias("b.example.", 40, "a.example.")],
    ] {
        assert_eq!(
            parse(&reply(&asked, ResponseCode::NoError, answers), &asked),
            Ok(Reply::Failed)
        );
    }
}

#[test]
fn a_chain_is_followed_so_far_and_no_further() {
    let asked = question("n0.example", Kind::A);
    for (links, found) in [(ALIASES_MAX, true), (ALIASES_MAX + 1, false)] {
        let mut answers: Vec<_> = (0..links)
            .map(|n| alias(&format!("n{n}.example."), 60, &format!("n{}.example.", n + 1)))
            .collect();
        answers.push(address(&format!("n{links}.example."), 60, 1));
        let outcome = parse(&reply(&asked, ResponseCode::NoError, answers), &asked);
        assert_eq!(matches!(outcome, Ok(Reply::Found { .. })), found, "{links}: {outcome:?}");
    }
}

#[test]
fn a_no_lives_as_long_as_its_zone_says() {
    let asked = question("a.example", Kind::A);
    for (code, ttl, minimum, expected) in [
        (ResponseCode::NXDomain, 600, 300, Reply::NoSuchName { ttl: Some(300) }),
        (ResponseCode::NXDomain, 100, 300, Reply::NoSuchName { ttl: Some(100) }),
        (ResponseCode::NoError, 600, 300, Reply::NoData { ttl: Some(300) }),
        (ResponseCode::NoError, 600, u32::MAX, Reply::NoData { ttl: Some(0) }),
    ] {
        let mut message = reply(&asked, code, Vec::new());
        message.add_authority(soa(ttl, minimum));
        assert_eq!(parse(&message, &asked), Ok(expected));
    }
    assert_eq!(
        parse(&reply(&asked, ResponseCode::NXDomain, Vec::new()), &asked),
        Ok(Reply::NoSuchName { ttl: None })
    );
}

#[test]
fn servers_that_do_not_say() {
    let asked = question("a.example", Kind::A);
    for code in [
        ResponseCode::ServFail,
        ResponseCode::Refused,
        ResponseCode::NotAuth,
        ResponseCode::YXDomain,
    ] {
        assert_eq!(parse(&reply(&asked, code, Vec::new()), &asked), Ok(Reply::Failed), "{code:?}");
    }
    let mut referral = reply(&asked, ResponseCode::NoError, Vec::new());
    referral.metadata.recursion_available = false;
    assert_eq!(parse(&referral, &asked), Ok(Reply::Failed));
    referral.metadata.authoritative = true;
    assert_eq!(parse(&referral, &asked), Ok(Reply::NoData { ttl: None }));
}

#[test]
fn servers_that_do_not_understand_need_not_quote_the_question() {
    let asked = question("a.example", Kind::A);
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let mut message = reply(&asked, code, Vec::new());
        assert_eq!(parse(&message, &asked), Ok(Reply::NotUnderstood));
        message.queries.clear();
        assert_eq!(parse(&message, &asked), Ok(Reply::NotUnderstood));
    }
}

#[test]
fn a_truncated_reply_is_asked_for_again_whatever_it_holds() {
    let asked = question("a.example", Kind::A);
    let mut message = reply(&asked, ResponseCode::NoError, vec![address("a.example.", 60, 1)]);
    message.metadata.truncation = true;
    let bytes = message.to_vec().unwrap();
    assert_eq!(parse_reply(&bytes, ID, &asked), Ok(Reply::Truncated));
    // Cut in the middle of the record.
    assert_eq!(parse_reply(&bytes[..bytes.len() - 3], ID, &asked), Ok(Reply::Truncated));
}

#[test]
fn lies_are_told_from_replies() {
    let asked = question("a.example", Kind::A);
    let honest = reply(&asked, ResponseCode::NoError, vec![address("a.example.", 60, 6)]);
    let lie = |change: fn(&mut Message)| {
        let mut message = honest.clone();
        change(&mut message);
        parse(&message, &asked)
    };
    assert_eq!(lie(|message| message.metadata.id = ID + 1), Err(Lie::OtherId));
    assert_eq!(
        lie(|message| message.metadata.message_type = MessageType::Query),
        Err(Lie::NoReply)
    );
    assert_eq!(lie(|message| message.metadata.op_code = OpCode::Notify), Err(Lie::NoReply));
    assert_eq!(lie(|message| message.queries.clear()), Err(Lie::OtherQuestion));
    assert_eq!(
        lie(|message| message.queries = vec![Query::query(name("b.example."), RecordType::A)]),
        Err(Lie::OtherQuestion)
    );
    assert_eq!(
        lie(|message| message.queries = vec![Query::query(name("a.example."), RecordType::AAAA)]),
        Err(Lie::OtherQuestion)
    );
    assert_eq!(
        lie(|message| {
            message.queries[0].set_query_class(DNSClass::CH);
        }),
        Err(Lie::OtherQuestion)
    );
    assert_eq!(
        lie(|message| message.queries.push(message.queries[0].clone())),
        Err(Lie::OtherQuestion)
    );
    // Servers may spell the name in another case.
    assert!(
        lie(|message| message.queries = vec![Query::query(name("A.eXample."), RecordType::A)])
            .is_ok()
    );
}

#[test]
fn names_that_are_none_are_no_names() {
    let asked = question("1.2.0.192.in-addr.arpa", Kind::Ptr);
    for bad in [&b"a b"[..], b"a\nb", b"\xff", b"<script>", b"a.b", b"\0"] {
        let target = Name::from_labels([bad, b"example"]).unwrap();
        let hostile = reply(
            &asked,
            ResponseCode::NoError,
            vec![record("1.2.0.192.in-addr.arpa.", 60, RData::PTR(PTR(target)))],
        );
        assert_eq!(parse(&hostile, &asked), Ok(Reply::NoData { ttl: None }), "{bad:?}");
    }
}

/// Header of a reply with one question and one answer, and the question `a.example A`.
const ASKED: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x07example\0\0\x01\0\x01";

#[test]
fn hostile_bytes() {
    let asked = question("a.example", Kind::A);
    for (what, tail) in [
        ("a pointer to itself", &b"\xc0\x1b\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"[..]),
        ("a pointer ahead", b"\xc0\x30\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"),
        ("two pointers in a circle", b"\xc0\x1d\xc0\x1b\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"),
        ("a label that goes past the end", b"\x3fa"),
        (
            "a label of a kind that there is not",
            b"\x80a\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01",
        ),
        ("data longer than the message", b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\xff\xff\xc0\0\x02\x01"),
        ("an address of three bytes", b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x03\xc0\0\x02"),
        ("no answer where one is promised", b""),
        ("half an answer", b"\xc0\x0c\0\x01\0\x01\0\0"),
    ] {
        let bytes = [ASKED, tail].concat();
        assert_eq!(parse_reply(&bytes, ID, &asked), Err(Lie::Garbled), "{what}");
    }
    for short in 0..12 {
        assert_eq!(parse_reply(&ASKED[..short], ID, &asked), Err(Lie::NoReply), "{short}");
    }
}

#[test]
fn counts_that_lie_cost_nothing() {
    let asked = question("a.example", Kind::A);
    let mut bytes = ASKED.to_vec();
    bytes[6..12].fill(0xff);
    assert_eq!(parse_reply(&bytes, ID, &asked), Err(Lie::Garbled));
    bytes[4..6].fill(0xff);
    assert_eq!(parse_reply(&bytes, ID, &asked), Err(Lie::OtherQuestion));
}

proptest! {
    /// Whatever comes, it is a reply or it is not; a bit flipped in the id or the question never
    /// passes.
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_reply(&bytes, ID, &question("a.example", Kind::A));
        let _ = parse_reply(&[ASKED, &bytes].concat(), ID, &question("a.example", Kind::A));
    }

    #[test]
    fn flipped_bits_in_id_or_question_are_lies(bit in 0usize..ASKED.len() * 8) {
        let asked = question("a.example", Kind::A);
        let mut bytes = [ASKED, b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"].concat();
        prop_assert!(parse_reply(&bytes, ID, &asked).is_ok());
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Flags and counts may change what is said; the case of a letter is none of our business.
        let is_case = bytes.to_ascii_lowercase()[12..ASKED.len()] == ASKED[12..];
        if bit / 8 < 2 || (bit / 8 >= 12 && !is_case) {
            prop_assert!(parse_reply(&bytes, ID, &asked).is_err());
        }
    }
}

#[test]
fn records_of_other_classes_say_nothing() {
    let question = question("mail.example", Kind::A);
    let of_chaos = |mut record: WireRecord| {
        record.dns_class = DNSClass::CH;
        record
    };
    let answers = vec![of_chaos(address("mail.example.", 60, 66)), address("mail.example.", 60, 1)];
    let found = Reply::Found { records: vec![ip(1)], ttl: 60 };
    assert_eq!(parse(&reply(&question, ResponseCode::NoError, answers), &question), Ok(found));
    for answers in [
        vec![of_chaos(address("mail.example.", 60, 66))],
        vec![
            of_chaos(alias("mail.example.", 60, "evil.example.")),
            address("evil.example.", 60, 66),
        ],
    ] {
        let read = parse(&reply(&question, ResponseCode::NoError, answers), &question);
        assert!(matches!(read, Ok(Reply::NoData { .. })), "{read:?}");
    }
}
