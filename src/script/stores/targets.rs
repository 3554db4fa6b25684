//! The connections that scripts want counted, and the counting.
//!
//! One store for the process. Counts come from the kernel's tables of TCP sockets, which list those
//! of all programs; reading them takes milliseconds on a busy machine, so a helper thread does it,
//! every few seconds and only if there is something to count. Called by the module, by the
//! background worker's periodic task, and by each scrape. Bounds: [`TARGETS_MAX`] targets. Rules:
//! proc_pid_net(5).

use crate::metrics::{Scrape, names};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All registered targets.
#[derive(Debug, Default)]
pub struct Targets(Mutex<Vec<Target>>);

/// Which end of a connection the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Connections that others opened to it.
    Local,
    /// Connections that programs here opened to it.
    Remote,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `host:port`, as it was registered.
    pub text: String,
    pub direction: Direction,
    pub description: String,
    pub host: String,
    pub port: u16,
    /// Of the host. An unspecified one (`0.0.0.0`, `::`) stands for all.
    pub addresses: Vec<IpAddr>,
    pub count: u64,
}

/// There are as many targets as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connection targets (at most {TARGETS_MAX})")]
pub struct TooMany;

impl Targets {
    /// Whether this target is counted already.
    pub fn contains(&self, text: &str, direction: Direction) -> bool {
        self.lock().iter().any(|target| target.text == text && target.direction == direction)
    }

    /// Has a target counted from now on; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn register(&self, target: Target) -> Result<(), TooMany> {
        let mut targets = self.lock();
        if targets
            .iter()
            .any(|known| known.text == target.text && known.direction == target.direction)
        {
            return Ok(());
        }
        if targets.len() >= TARGETS_MAX {
            return Err(TooMany);
        }
        targets.push(target);
        Ok(())
    }

    /// How many connections there were when they were last counted; `None`: the target was never
    /// registered.
    pub fn count_of(&self, text: &str) -> Option<u64> {
        self.lock().iter().find(|target| target.text == text).map(|target| target.count)
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The host names among the targets, to be looked up again from time to time.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self
            .lock()
            .iter()
            .map(|target| &target.host)
            .filter(|host| host.parse::<IpAddr>().is_err())
            .cloned()
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// A host has moved, perhaps.
    pub fn set_addresses(&self, host: &str, addresses: &[IpAddr]) {
        for target in self.lock().iter_mut().filter(|target| target.host == host) {
            target.addresses = addresses.to_vec();
        }
    }

    /// Counts all targets' connections. Blocks for as long as reading the tables takes.
    pub fn count(&self) {
        let mut counted = self.lock().clone();
        counted.iter_mut().for_each(|target| target.count = 0);
        // A kernel without IPv6 has no second table.
        for table in TABLES.iter().filter_map(|path| File::open(path).ok()) {
            tally(BufReader::new(table), &mut counted);
        }
        // Registered meanwhile: counted the next time.
        for target in self.lock().iter_mut() {
            if let Some(now) = counted
                .iter()
                .find(|now| now.text == target.text && now.direction == target.direction)
            {
                target.count = now.count;
            }
        }
    }

    /// The metric `generic_connections`.
    pub fn collect(&self, scrape: &mut Scrape) {
        for target in self.lock().iter() {
            let direction = if target.direction == Direction::Local { "local" } else { "remote" };
            let labels = [
                ("description", &*target.description),
                ("direction", direction),
                ("target", &*target.text),
            ];
            scrape.number(&names::GENERIC_CONNECTIONS, &labels, target.count as f64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Target>> {
        // The list is whole between any two operations.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn is_at(&self, end: SocketAddr) -> bool {
        end.port() == self.port
            && self.addresses.iter().any(|address| address.is_unspecified() || *address == end.ip())
    }
}

/// Adds the established connections of one table. Lines that cannot be read (the heading) are no
/// connections.
fn tally(table: impl BufRead, targets: &mut [Target]) {
    for line in table.lines().map_while(Result::ok) {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote), Some(ESTABLISHED)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let (Some(local), Some(remote)) = (end(local), end(remote)) else { continue };
        for target in targets.iter_mut() {
            let end = if target.direction == Direction::Local { local } else { remote };
            target.count += u64::from(target.is_at(end));
        }
    }
}

/// `0100007F:1F90` or the same with 32 digits: words in the machine's byte order, then the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes)
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
const ESTABLISHED: &str = "01";

/// Each costs a comparison per connection of the machine every few seconds.
pub const TARGETS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, direction: Direction, addresses: &[&str]) -> Target {
        let (host, port) = text.rsplit_once(':').unwrap();
        Target {
            text: text.into(),
            direction,
            description: "kit".into(),
            host: host.into(),
            port: port.parse().unwrap(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            count: 0,
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn established_connections_count_by_their_end() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 64 1\n\
            \x20  1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 65 1\n\
            \x20  2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 66 1\n\
            \x20  3: 070200C0:C351 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 67 1\n\
            \x20  4: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C352 01 rest\n\
            \x20  5: B80D0120000000000000000001000000:1F90 B80D0120000000000000000002000000:01BB 01 rest\n\
            nonsense\n  6: 0100007F 0100007F:1F90 01\n  7: 01:1F90 0100007F:1F90 01\n  8: 0100007F:1F90Z 0100007F:1F90 01\n";
        for (text, direction, addresses, expected) in [
            ("127.0.0.1:8080", Direction::Local, &["127.0.0.1"][..], 2),
            ("127.0.0.1:8080", Direction::Remote, &["127.0.0.1"], 1),
            ("0.0.0.0:8080", Direction::Local, &["0.0.0.0"], 3),
            ("[::]:443", Direction::Remote, &["::"], 1),
            ("db.example:443", Direction::Remote, &["2001:db8::9", "2001:db8::2"], 1),
            ("127.0.0.1:8081", Direction::Local, &["127.0.0.1"], 0),
            ("nowhere.example:8080", Direction::Local, &[], 0),
        ] {
            let mut targets = [target(text, direction, addresses)];
            tally(table.as_bytes(), &mut targets);
            assert_eq!(targets[0].count, expected, "{text} {direction:?}");
        }
    }

    #[test]
    fn a_real_connection_is_counted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let targets = Targets::default();
        targets.register(target(&address, Direction::Remote, &["127.0.0.1"])).unwrap();
        targets.count();
        assert_eq!(targets.count_of(&address), Some(0));
        let client = std::net::TcpStream::connect(&address).unwrap();
        let server = listener.accept().unwrap();
        targets.count();
        assert_eq!(targets.count_of(&address), Some(1));
        drop((client, server));
    }

    #[test]
    fn a_target_is_registered_once_and_the_list_is_bounded() {
        let targets = Targets::default();
        assert!(targets.is_empty());
        for number in 0..TARGETS_MAX {
            for _ in 0..2 {
                assert_eq!(
                    targets.register(target(&format!("h{number}:1"), Direction::Remote, &[])),
                    Ok(())
                );
            }
        }
        assert_eq!(targets.register(target("h0:1", Direction::Local, &[])), Err(TooMany));
        assert!(
            targets.contains("h0:1", Direction::Remote)
                && !targets.contains("h0:1", Direction::Local)
        );
        assert_eq!(targets.count_of("h0:2"), None);
    }

    #[test]
    fn hosts_are_names_and_may_move() {
        let targets = Targets::default();
        for (text, addresses) in [
            ("db.example:1", &["192.0.2.1"][..]),
            ("db.example:2", &["192.0.2.1"]),
            ("192.0.2.7:1", &["192.0.2.7"]),
        ] {
            targets.register(target(text, Direction::Remote, addresses)).unwrap();
        }
        assert_eq!(targets.hosts(), ["db.example"]);
        targets.set_addresses("db.example", &["192.0.2.2".parse().unwrap()]);
        assert!(
            targets
                .lock()
                .iter()
                .filter(|target| target.host == "db.example")
                .all(|target| target.addresses == [IpAddr::from([192, 0, 2, 2])])
        );
    }

    #[test]
    fn the_metric_has_a_series_for_each_target() {
        let targets = Targets::default();
        targets.register(target("127.0.0.1:1", Direction::Local, &[])).unwrap();
        let mut scrape = Scrape::default();
        targets.collect(&mut scrape);
        assert!(scrape.render().contains("generic_connections{description=\"kit\",direction=\"local\",target=\"127.0.0.1:1\"} 0\n"));
    }
}
