//! Slots: which of the 16,384 a key belongs to, and which nodes serve each.
//!
//! Reads what CLUSTER SLOTS tells, which is bytes of a peer: ranges out of order, doubled or left
//! out are taken as they come, hosts that are none are left out, anything else is refused. Rules:
//! the cluster specification, redis.io.

use crate::proto::resp::{Reply, View};
use crate::upstream::redis::address::address;

/// The slot of a key: of its hash tag, if it has one.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// The text between the first `{` and the `}` after it, unless it is empty: keys that share it
/// share a slot.
pub fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let rest = key.get(open + 1..)?;
    let close = memchr::memchr(b'}', rest)?;
    rest.get(..close).filter(|tag| !tag.is_empty())
}

/// Slots next to each other that the same nodes serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: u16,
    /// Included.
    pub last: u16,
    /// `host:port`.
    pub master: String,
    pub replicas: Vec<String>,
}

/// Reads the reply to CLUSTER SLOTS of the node at `asked`, which stands where a node does not know
/// its own host.
///
/// # Errors
/// What is wrong with it; the server's words if it is an error.
pub fn parse(reply: &Reply, asked: &str) -> Result<Vec<Range>, String> {
    if let Some(text) = reply.as_error() {
        return Err(String::from_utf8_lossy(text).into_owned());
    }
    let View::Array(ranges) = reply.view() else {
        return Err("CLUSTER SLOTS: no list of slots".to_owned());
    };
    if ranges.len() > usize::from(SLOTS) {
        return Err("CLUSTER SLOTS: more ranges than slots".to_owned());
    }
    let mut found = Vec::new();
    for range in ranges {
        // A range whose master has no address is served by a node that we cannot reach.
        found.extend(range_of(range, asked).ok_or("CLUSTER SLOTS: invalid range")?);
    }
    Ok(found)
}

/// One range; `Some(None)`: its master cannot be reached.
fn range_of(range: View<'_>, asked: &str) -> Option<Option<Range>> {
    let mut items = range.items()?;
    let first = slot(items.next()?)?;
    let last = slot(items.next()?).filter(|last| first <= *last)?;
    let mut nodes = items.take(1 + REPLICAS_MAX).map(|node| node_of(node, asked));
    let Some(master) = nodes.next()?? else { return Some(None) };
    let mut replicas = Vec::new();
    for replica in nodes {
        replicas.extend(replica?);
    }
    Some(Some(Range { first, last, master, replicas }))
}

fn slot(view: View<'_>) -> Option<u16> {
    u16::try_from(view.as_int()?).ok().filter(|slot| *slot < SLOTS)
}

/// A node: host, port, and what does not matter here. `Some(None)`: the cluster does not know its
/// host.
fn node_of(node: View<'_>, asked: &str) -> Option<Option<String>> {
    let mut items = node.items()?;
    let host = items.next()?;
    let port = items.next()?.as_int().and_then(|port| u16::try_from(port).ok())?;
    let host = if host.is_nil() { b"" } else { host.as_bytes()? };
    Some(node_address(host, port, asked))
}

/// The address of a node that `asked` tells of: no host means that of `asked`, `?` that nobody
/// knows it.
pub(super) fn node_address(host: &[u8], port: u16, asked: &str) -> Option<String> {
    let own = asked.rsplit_once(':').map_or(asked, |(host, _)| host).trim_matches(['[', ']']);
    let host = if host.is_empty() { own.as_bytes() } else { host };
    address(host, itoa::Buffer::new().format(port).as_bytes())
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let at = usize::from((crc >> 8) as u8 ^ byte);
        crc << 8 ^ CRC16.get(at).copied().unwrap_or_default()
    })
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

pub const SLOTS: u16 = 16_384;

/// Replicas of one master that are used.
const REPLICAS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: i64, last: i64, nodes: &[(&str, i64)]) -> Reply {
        let mut items = vec![Reply::int(first), Reply::int(last)];
        items.extend(nodes.iter().map(|(host, port)| {
            let host = if *host == "nil" { Reply::nil() } else { Reply::bulk(host.as_bytes()) };
            Reply::array(&[host, Reply::int(*port), Reply::bulk(b"id"), Reply::array(&[])])
        }));
        Reply::array(&items)
    }

    #[test]
    fn slots_as_the_specification_computes_them() {
        for (key, slot) in [
            ("123456789", 0x31c3),
            ("foo", 12182),
            ("{user1000}.following", 3443),
            ("user1000", 3443),
            ("", 0),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
    }

    #[test]
    fn ranges_with_their_nodes() {
        let reply = Reply::array(&[
            range(0, 5460, &[("127.0.0.1", 7000), ("::1", 7003)]),
            range(5461, 5461, &[("", 7001), ("nil", 7002), ("?", 7004)]),
            range(5462, 16383, &[("?", 7005), ("127.0.0.1", 7006)]),
        ]);
        assert_eq!(
            parse(&reply, "redis.example.org:7001"),
            Ok(vec![
                Range {
                    first: 0,
                    last: 5460,
                    master: "127.0.0.1:7000".into(),
                    replicas: vec!["[::1]:7003".into()]
                },
                Range {
                    first: 5461,
                    last: 5461,
                    master: "redis.example.org:7001".into(),
                    replicas: vec!["redis.example.org:7002".into()]
                },
            ])
        );
        assert_eq!(
            parse(&Reply::array(&[range(1, 2, &[("", 7001)])]), "[::1]:7000").unwrap()[0].master,
            "[::1]:7001"
        );
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for reply in [
            Reply::nil(),
            Reply::int(1),
            Reply::error("ERR This instance has cluster support disabled"),
            Reply::array(&[Reply::int(1)]),
            Reply::array(&[range(2, 1, &[("h", 1)])]),
            Reply::array(&[range(-1, 1, &[("h", 1)])]),
            Reply::array(&[range(0, 16384, &[("h", 1)])]),
            Reply::array(&[range(0, 1, &[])]),
            Reply::array(&[range(0, 1, &[("h", 65536)])]),
            Reply::array(&[Reply::array(&[Reply::int(0), Reply::int(1), Reply::array(&[])])]),
        ] {
            assert!(parse(&reply, "h:1").is_err(), "{:?}", reply.view());
        }
        assert_eq!(parse(&Reply::array(&[]), "h:1"), Ok(Vec::new()));
        assert_eq!(parse(&Reply::array(&[range(0, 1, &[("no host", 1)])]), "h:1"), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn keys_with_the_same_tag_share_a_slot(tag in "[a-z]{1,9}", before in "[a-z]{0,9}", after in "[a-z{}]{0,9}") {
            prop_assert_eq!(slot_of(format!("{before}{{{tag}}}{after}").as_bytes()), slot_of(tag.as_bytes()));
        }

        #[test]
        fn whatever_is_parsed_is_in_bounds(numbers in prop::collection::vec((any::<i16>(), any::<i16>(), any::<i32>()), 0..20)) {
            let ranges: Vec<Reply> = numbers.iter().map(|(a, b, port)| range((*a).into(), (*b).into(), &[("h", (*port).into())])).collect();
            for range in parse(&Reply::array(&ranges), "h:1").unwrap_or_default() {
                prop_assert!(range.first <= range.last && range.last < SLOTS);
            }
        }
    }
}
