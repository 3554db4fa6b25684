//! What cluster nodes and sentinels tell of other servers: any reply that decodes, read as the map
//! of a cluster and as a sentinel's word.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::resp::Decoder;
use loligo::reactor::Address;
use loligo::upstream::redis::cluster::slots::{self, SLOTS};
use loligo::upstream::redis::{master_address, replica_addresses};

fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::default();
    decoder.feed(input);
    while let Ok(Some(reply)) = decoder.poll_reply() {
        for asked in ["127.0.0.1:6379", "[::1]:6379", "redis.example.org:6379"] {
            for range in slots::parse(&reply, asked).unwrap_or_default() {
                assert!(range.first <= range.last && range.last < SLOTS);
                check(&range.master);
                range.replicas.iter().for_each(|address| check(address));
            }
        }
        master_address(&reply).iter().for_each(|address| check(address));
        replica_addresses(&reply).iter().for_each(|address| check(address));
    }
    assert!(slots::slot_of(input) < SLOTS);
});

/// An address that is told has a port, and no characters that a log or a resolver would trip over.
fn check(address: &str) {
    let (host, port) = address.rsplit_once(':').expect("an address has a port");
    assert!(port.parse::<u16>().is_ok_and(|port| port != 0), "{address}");
    assert!(host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@\\\"'".contains(&byte)), "{address}");
    // It may be refused, but not by a panic.
    let _ = Address::parse(address);
}
