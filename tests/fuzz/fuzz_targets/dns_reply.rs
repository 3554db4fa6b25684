//! Replies of name servers: as they come, and with the head of a reply to the question put in
//! front.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::dns::{Kind, Lie, Question, Record, Reply, is_host_name, parse_reply};

fuzz_target!(|input: &[u8]| {
    let [kind, id, message @ ..] = input else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let question = Question::new("a.example", kind).expect("a name");
    let id = u16::from(*id) << 8 | 0x34;
    check(message, id, &question, kind);
    // Most inputs get no further than the question; so it is ours here, and flags and records are
    // the input's.
    let query = question.compose(id, false);
    let (flags, records) = message.split_at(message.len().min(10));
    let mut whole = query;
    whole[2..2 + flags.len()].copy_from_slice(flags);
    whole[4..6].copy_from_slice(&[0, 1]);
    whole.extend_from_slice(records);
    check(&whole, id, &question, kind);
});

fn check(message: &[u8], id: u16, question: &Question, kind: Kind) {
    match parse_reply(message, id, question) {
        Ok(reply) => {
            assert_eq!(message[..2], id.to_be_bytes());
            if let Reply::Found { records, .. } = &reply {
                assert!(!records.is_empty() && records.iter().all(|record| is_sound(record, kind)), "{records:?}");
            }
            assert_eq!(parse_reply(message, !id, question), Err(Lie::OtherId), "{reply:?}");
        }
        Err(Lie::OtherId) => assert_ne!(message[..2], id.to_be_bytes()),
        Err(_) => {}
    }
}

fn is_sound(record: &Record, kind: Kind) -> bool {
    let name = |name: &str| name == "." || (name.ends_with('.') && is_host_name(name));
    match (kind, record) {
        (Kind::A, Record::Address(address)) => address.is_ipv4(),
        (Kind::Aaaa, Record::Address(address)) => address.is_ipv6(),
        (Kind::Ptr | Kind::Ns | Kind::Cname, Record::Name(text)) => name(text),
        (Kind::Mx, Record::Mail { exchange, .. }) => name(exchange),
        (Kind::Srv, Record::Service { target, .. }) => name(target),
        (Kind::Txt, Record::Text(_)) => true,
        _ => false,
    }
}

const KINDS: [Kind; 8] = [Kind::A, Kind::Aaaa, Kind::Ptr, Kind::Mx, Kind::Txt, Kind::Ns, Kind::Cname, Kind::Srv];
