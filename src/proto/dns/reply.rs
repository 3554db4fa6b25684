//! What a name server says, and whether it says it to us.

use super::{ALIASES_MAX, Kind, Question, Record};
use hickory_proto::op::{Header, Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record as WireRecord, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// A reply that belongs to the question. Times to live are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least one record of the kind, aliases followed.
    Found { records: Vec<Record>, ttl: u32 },
    /// The name is an alias of another one, of which the server says nothing: ask for that.
    Alias { question: Question, ttl: u32 },
    /// The name does not exist. Without a ttl the answer must not be remembered (RFC 2308 5).
    NoSuchName { ttl: Option<u32> },
    /// The name exists, but has no records of the kind.
    NoData { ttl: Option<u32> },
    /// It did not fit into the datagram: ask over TCP.
    Truncated,
    /// The server does not understand queries with EDNS: ask without.
    NotUnderstood,
    /// The server could not or would not say: SERVFAIL, REFUSED, a referral.
    Failed,
}

/// Bytes that are no reply to the question: for another query, forged, or garbage. Over UDP one
/// goes on waiting for the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    #[error("not a DNS reply")]
    NoReply,
    #[error("reply with a different id")]
    OtherId,
    #[error("reply to a different question")]
    OtherQuestion,
    #[error("malformed reply")]
    Garbled,
}

/// Reads the reply to `question`, which was asked under `id`.
///
/// # Errors
/// [`Lie`]: whatever it says, it is not about the question.
pub fn parse_reply(bytes: &[u8], id: u16, question: &Question) -> Result<Reply, Lie> {
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder).map_err(|_| Lie::NoReply)?;
    let [_, _, flags, ..] = bytes else { return Err(Lie::NoReply) };
    if flags & (RESPONSE | OPCODE) != RESPONSE {
        return Err(Lie::NoReply);
    }
    if header.metadata.id != id {
        return Err(Lie::OtherId);
    }
    let code = header.metadata.response_code;
    let misunderstood = matches!(code, ResponseCode::FormErr | ResponseCode::NotImp);
    // Servers that stumble over the query need not quote it.
    if header.counts.queries == 0 && misunderstood {
        return Ok(Reply::NotUnderstood);
    }
    if header.counts.queries != 1 {
        return Err(Lie::OtherQuestion);
    }
    let asked = Query::read(&mut decoder).map_err(|_| Lie::Garbled)?;
    let same = asked.name() == &question.name
        && asked.query_type() == question.kind.record_type()
        && asked.query_class() == DNSClass::IN;
    if !same {
        return Err(Lie::OtherQuestion);
    }
    if misunderstood {
        return Ok(Reply::NotUnderstood);
    }
    if header.metadata.truncation {
        return Ok(Reply::Truncated);
    }
    let message = Message::from_vec(bytes).map_err(|_| Lie::Garbled)?;
    Ok(read(&message, question))
}

fn read(message: &Message, question: &Question) -> Reply {
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Reply::NoSuchName { ttl: negative_ttl(message) },
        ResponseCode::BADVERS => return Reply::NotUnderstood,
        _ => return Reply::Failed,
    }
    let (owner, mut ttl) = match follow(message, question) {
        Some(end) => end,
        None => return Reply::Failed,
    };
    let mut records = Vec::new();
    for record in
        message.answers.iter().filter(|record| is_of(record, question.kind.record_type(), owner))
    {
        if let Some(record_of_kind) = Record::of(&record.data) {
            ttl = ttl.min(seconds(record.ttl));
            records.push(record_of_kind);
        }
    }
    if !records.is_empty() {
        return Reply::Found { records, ttl };
    }
    if owner != &question.name {
        return match negative_ttl(message) {
            // The server knows the target, and that there is nothing.
            Some(negative) => Reply::NoData { ttl: Some(negative.min(ttl)) },
            None => Reply::Alias {
                question: Question { name: owner.clone(), kind: question.kind },
                ttl,
            },
        };
    }
    let negative = negative_ttl(message);
    // Neither its own zone, nor willing to ask others, nor saying whose zone it is: a referral (RFC
    // 2308 2.2).
    let is_referral = !message.metadata.authoritative
        && !message.metadata.recursion_available
        && negative.is_none();
    if is_referral { Reply::Failed } else { Reply::NoData { ttl: negative } }
}

/// The end of the chain of aliases that begins with the question's name, and how long that may be
/// remembered. None: it has no end.
fn follow<'a>(message: &'a Message, question: &'a Question) -> Option<(&'a Name, u32)> {
    let (mut owner, mut ttl) = (&question.name, u32::MAX);
    if question.kind == Kind::Cname {
        return Some((owner, ttl));
    }
    for _ in 0..=ALIASES_MAX {
        let alias = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if is_of(record, RecordType::CNAME, owner) => {
                Some((&target.0, record.ttl))
            }
            _ => None,
        });
        let Some((target, alias_ttl)) = alias else { return Some((owner, ttl)) };
        (owner, ttl) = (target, ttl.min(seconds(alias_ttl)));
    }
    None
}

/// How long a "no" may be remembered: what the zone's SOA record says (RFC 2308 5).
fn negative_ttl(message: &Message) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.dns_class == DNSClass::IN => {
            Some(seconds(record.ttl).min(seconds(soa.minimum)))
        }
        _ => None,
    })
}

/// Whether a record says something about `owner` in the internet. What other classes say of a name
/// has nothing to do with its addresses.
fn is_of(record: &WireRecord, kind: RecordType, owner: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.record_type() == kind && &record.name == owner
}

/// RFC 2181 8: a time to live with the highest bit set is none.
fn seconds(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

/// In the third byte of a message.
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
