//! Whom to ask, and how long to bear with them.

use super::Hosts;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Read once per epoch; a changed file counts from the next reload on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// In the order in which they are asked. Never empty.
    pub servers: Vec<SocketAddr>,
    /// Domains that a name without its own may be in.
    pub search: Vec<String>,
    /// A name with so many dots is tried as it is before any search domain.
    pub ndots: usize,
    /// How often each server is asked.
    pub attempts: u32,
    /// How long to wait for one reply; see [`Settings::try_timeout`].
    pub reply_timeout: Duration,
    /// For a lookup as a whole.
    pub timeout: Duration,
    pub hosts: Hosts,
}

impl Settings {
    /// The system's settings; `resolver` replaces its servers, `timeout` bounds a whole lookup.
    pub fn system(resolver: Option<SocketAddr>, timeout: Duration) -> Settings {
        let text = read_file(Path::new("/etc/resolv.conf"), FILE_BYTES_MAX);
        let mut settings = Settings::parse(&String::from_utf8_lossy(&text), timeout);
        settings.hosts = Hosts::read(Path::new("/etc/hosts"));
        if let Some(resolver) = resolver {
            settings.servers = vec![resolver];
        }
        settings
    }

    /// Reads a resolv.conf. What it does not know it passes over, as every resolver does: such
    /// files are not written for us.
    pub fn parse(text: &str, timeout: Duration) -> Settings {
        let mut settings = Settings {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            attempts: 2,
            reply_timeout: Duration::from_secs(5),
            timeout,
            hosts: Hosts::default(),
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") if settings.servers.len() < SERVERS_MAX => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    settings
                        .servers
                        .extend(address.map(|address| SocketAddr::new(address, DNS_PORT)));
                }
                Some("domain") => settings.search = words.take(1).map(str::to_owned).collect(),
                Some("search") => {
                    settings.search = words
                        .filter(|word| *word != ".")
                        .take(SEARCH_MAX)
                        .map(str::to_owned)
                        .collect()
                }
                Some("options") => words.for_each(|word| settings.option(word)),
                _ => {}
            }
        }
        if settings.servers.is_empty() {
            settings.servers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DNS_PORT));
        }
        settings
    }

    fn option(&mut self, word: &str) {
        let Some((name, Ok(value))) =
            word.split_once(':').map(|(name, value)| (name, value.parse::<u32>()))
        else {
            return;
        };
        match name {
            "ndots" => self.ndots = value.min(15) as usize,
            "attempts" => self.attempts = value.clamp(1, 5),
            "timeout" => self.reply_timeout = Duration::from_secs(value.clamp(1, 30).into()),
            _ => {}
        }
    }

    /// How long to wait for one reply: no longer than leaves time for all the others.
    pub fn try_timeout(&self) -> Duration {
        let tries = self
            .attempts
            .saturating_mul(u32::try_from(self.servers.len()).unwrap_or(u32::MAX))
            .max(1);
        self.reply_timeout.min(self.timeout / tries)
    }
}

/// The first bytes of a file; none if it cannot be read.
pub(super) fn read_file(path: &Path, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path)
        && file.take(bytes_max).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    bytes
}

const DNS_PORT: u16 = 53;

/// As resolv.conf(5) has it.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;
const FILE_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn reads_what_systems_write() {
        let text = "# made by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver junk\n\
            domain old.example\nsearch one.example two.example . ; both\noptions ndots:2 timeout:3 attempts:4 rotate edns0 ndots:x\n\
            nameserver 192.0.2.54\nnameserver 192.0.2.55\nsortlist 130.155.160.0\n";
        let settings = Settings::parse(text, TIMEOUT);
        assert_eq!(
            settings.servers,
            ["192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:53"]
                .map(|text| text.parse().unwrap())
        );
        assert_eq!(settings.search, ["one.example", "two.example"]);
        assert_eq!(
            (settings.ndots, settings.attempts, settings.reply_timeout),
            (2, 4, Duration::from_secs(3))
        );
    }

    #[test]
    fn an_empty_file_means_this_host() {
        let settings = Settings::parse("", TIMEOUT);
        assert_eq!(settings.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!((settings.ndots, settings.attempts, settings.search.len()), (1, 2, 0));
    }

    #[test]
    fn values_out_of_range_are_cut() {
        let settings = Settings::parse(
            "options ndots:99 attempts:0 timeout:4000000000\nsearch a b c d e f g h",
            TIMEOUT,
        );
        assert_eq!(
            (settings.ndots, settings.attempts, settings.reply_timeout),
            (15, 1, Duration::from_secs(30))
        );
        assert_eq!(settings.search.len(), SEARCH_MAX);
    }

    #[test]
    fn every_server_gets_its_tries_in_time() {
        let mut settings = Settings::parse("nameserver 192.0.2.1\nnameserver 192.0.2.2", TIMEOUT);
        assert_eq!(settings.try_timeout(), TIMEOUT / 4);
        settings.reply_timeout = Duration::from_secs(1);
        assert_eq!(settings.try_timeout(), Duration::from_secs(1));
    }

    #[test]
    fn the_configured_resolver_replaces_those_of_the_system() {
        let own = "192.0.2.9:5353".parse().unwrap();
        assert_eq!(Settings::system(Some(own), TIMEOUT).servers, [own]);
        assert!(!Settings::system(None, TIMEOUT).servers.is_empty());
    }
}
