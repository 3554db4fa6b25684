//! Records as those who ask for them need them.

use super::name::is_host_name;
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::IpAddr;

/// The kinds of record that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    A,
    Aaaa,
    Ptr,
    Mx,
    Txt,
    Ns,
    Cname,
    Srv,
}

impl Kind {
    pub(super) fn record_type(self) -> RecordType {
        match self {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Ptr => RecordType::PTR,
            Kind::Mx => RecordType::MX,
            Kind::Txt => RecordType::TXT,
            Kind::Ns => RecordType::NS,
            Kind::Cname => RecordType::CNAME,
            Kind::Srv => RecordType::SRV,
        }
    }
}

/// One record. Names end in a dot, but for those that a hosts file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A, AAAA.
    Address(IpAddr),
    /// PTR, NS, CNAME.
    Name(String),
    /// MX.
    Mail { preference: u16, exchange: String },
    /// TXT: the strings of the record joined. Any bytes.
    Text(Vec<u8>),
    /// SRV.
    Service { priority: u16, weight: u16, port: u16, target: String },
}

impl Record {
    /// The address of an A or AAAA record.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Record::Address(address) => Some(*address),
            _ => None,
        }
    }

    /// None: of another kind, or a name that is none.
    pub(super) fn of(data: &RData) -> Option<Record> {
        Some(match data {
            RData::A(address) => Record::Address(address.0.into()),
            RData::AAAA(address) => Record::Address(address.0.into()),
            RData::PTR(name) => Record::Name(text(&name.0)?),
            RData::NS(name) => Record::Name(text(&name.0)?),
            RData::CNAME(name) => Record::Name(text(&name.0)?),
            RData::MX(mx) => {
                Record::Mail { preference: mx.preference, exchange: text(&mx.exchange)? }
            }
            RData::SRV(srv) => Record::Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: text(&srv.target)?,
            },
            RData::TXT(txt) => Record::Text(txt.txt_data.concat()),
            _ => return None,
        })
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let content = match self {
            Record::Address(_) => 0,
            Record::Name(name)
            | Record::Mail { exchange: name, .. }
            | Record::Service { target: name, .. } => name.len(),
            Record::Text(text) => text.len(),
        };
        size_of::<Record>() + content
    }
}

/// A name out of a reply. The root alone (`.`) says "no service" in MX and SRV records.
fn text(name: &Name) -> Option<String> {
    let text = name.to_ascii();
    (name.is_root() || is_host_name(&text)).then_some(text)
}
