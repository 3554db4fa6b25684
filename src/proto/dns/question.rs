//! What is asked of a name server.

use super::name::{is_host_name, reverse_name};
use super::{DATAGRAM_BYTES_MAX, Kind};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use std::net::IpAddr;

/// An absolute name and the kind of record wanted of it. Names are the same whatever their case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub(super) name: Name,
    pub(super) kind: Kind,
}

impl Question {
    /// None: that is no name (see [`is_host_name`]). A final dot makes no difference.
    pub fn new(name: &str, kind: Kind) -> Option<Question> {
        if !is_host_name(name) {
            return None;
        }
        let mut name = Name::from_ascii(name).ok()?;
        name.set_fqdn(true);
        Some(Question { name, kind })
    }

    /// Asks for the names of an address.
    pub fn names_of(address: IpAddr) -> Option<Question> {
        Question::new(&reverse_name(address), Kind::Ptr)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The query, as a datagram. `id` must be unguessable. `edns`: say that we take
    /// [`DATAGRAM_BYTES_MAX`] bytes, which very old servers do not understand.
    pub fn compose(&self, id: u16, edns: bool) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.kind.record_type()));
        if edns {
            let mut edns = Edns::new();
            edns.set_max_payload(DATAGRAM_BYTES_MAX as u16);
            message.set_edns(edns);
        }
        // One name that is none too long always fits; nothing at all would be a question that gets
        // no answer.
        message.to_vec().unwrap_or_default()
    }
}
