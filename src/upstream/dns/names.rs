//! Names: which ones a question is about, and what is known of them without asking a server.
//!
//! Rules: resolv.conf(5) (`search`, `ndots`), hosts(5), RFC 6761 6.3.

use super::Settings;
use crate::op::{DnsAnswer, DnsOp};
use crate::proto::dns::{Kind, Question, Record};
use std::net::IpAddr;

/// What the machine itself knows: literals and the names of the hosts file. No server is asked about
/// these.
pub(super) fn look_here(settings: &Settings, op: &DnsOp) -> Option<DnsAnswer> {
    let literal = op.name.parse::<IpAddr>().ok();
    let hosts = &settings.hosts;
    let records: Vec<Record> = match (op.kind, literal) {
        (Kind::A | Kind::Aaaa, Some(address)) => {
            [address].into_iter().filter(|ip| is_of(*ip, op.kind)).map(Record::Address).collect()
        }
        (Kind::A | Kind::Aaaa, None) => hosts
            .addresses(&op.name)?
            .iter()
            .filter(|ip| is_of(**ip, op.kind))
            .map(|ip| Record::Address(*ip))
            .collect(),
        (Kind::Ptr, Some(address)) => {
            hosts.names(address)?.iter().cloned().map(Record::Name).collect()
        }
        _ => return None,
    };
    Some(if records.is_empty() {
        DnsAnswer::NoData(None)
    } else {
        DnsAnswer::Records(records.into())
    })
}

/// The names to ask for, in their order (resolv.conf(5), `search` and `ndots`). None at all: it is
/// no name.
pub(super) fn candidates<'a>(
    op: &DnsOp,
    settings: &'a Settings,
) -> impl Iterator<Item = Question> + use<'a> {
    let (kind, name) = (op.kind, op.name.clone());
    let reverse = if kind == Kind::Ptr {
        name.parse().ok().and_then(|ip: IpAddr| Question::names_of(ip.to_canonical()))
    } else {
        None
    };
    let is_whole = name.ends_with('.') || reverse.is_some();
    let as_it_is = reverse.or_else(|| Question::new(&name, kind));
    let is_name = as_it_is.is_some();
    let as_it_is_first = is_whole || name.matches('.').count() >= settings.ndots;
    let search: &[String] = if is_whole || !is_name { &[] } else { &settings.search };
    let searched =
        search.iter().filter_map(move |domain| Question::new(&format!("{name}.{domain}"), kind));
    let (first, last) = if as_it_is_first { (as_it_is, None) } else { (None, as_it_is) };
    first.into_iter().chain(searched).chain(last)
}

fn is_of(address: IpAddr, kind: Kind) -> bool {
    address.is_ipv4() == (kind == Kind::A)
}
