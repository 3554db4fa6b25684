//! What the configuration means for logins: everything the pipeline asks of it, resolved into plain
//! types.
//!
//! Made once per epoch from the configuration; the pipeline only looks. Of the configuration it
//! names nothing but sets of networks and users, so the shape of the file can change without the
//! pipeline, and a test writes a policy down in a few lines. Lists are in configuration order, and
//! a script's position in its list is its `index` for [`crate::auth::scripts::Scripts`].

use crate::auth::brute_force::rules::Rules;
use crate::auth::positive_cache::settings::{DEFAULT, PositiveCache};
use crate::auth::request::Mode;
use crate::auth::scripts::ActionKind;
use crate::config::Networks;
use crate::metrics::LabelId;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The rules for logins of one epoch.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `lua` is in `server.features`; without it [`Policy::features`] do not run.
    pub lua_features: bool,
    pub features: Vec<Feature>,
    /// Feature `tls_encryption`, if it is listed: the networks whose clients need no encryption.
    pub tls_encryption: Option<Networks>,
    /// Feature `relay_domains`, if it is listed and there are any.
    pub relay_domains: Option<RelayDomains>,
    /// Feature `rbl`, if it is listed and can trigger.
    pub blocklists: Option<Blocklists>,
    /// `server.dns.resolve_client_ip`: how long to wait for the client's host name; `None`: it is
    /// not looked up.
    pub client_name_wait: Option<Duration>,
    /// `server.master_user`: between the parts of `target*master`; `None`: there are no such
    /// logins.
    pub master_user_delimiter: Option<u8>,
    /// In the order in which they are asked.
    pub backends: Vec<Backend>,
    pub filters: Vec<Filter>,
    pub actions: Actions,
    /// How long the in-process cache answers for a login. Zero: it is off.
    pub memory_cache_ttl: Duration,
    /// `NAUTHILUS_MAX_LOGIN_ATTEMPTS`: up to here a failure counts one attempt on for service
    /// nginx.
    pub login_attempts_max: u32,
    /// Without buckets (`brute_force` not in `server.features`) there is no brute-force check.
    pub brute_force: Rules,
    /// `backend_server_monitoring` is in `server.features`: the server that a filter selected
    /// counts.
    pub server_monitoring: bool,
    /// The backend `cache`.
    pub positive_cache: Option<PositiveCache>,
}

impl Policy {
    /// The user that a master login is for: the part before the only delimiter, with text on both
    /// sides. None: the name is a user's own.
    pub fn master_target<'a>(&self, username: &'a [u8]) -> Option<&'a [u8]> {
        let delimiter = self.master_user_delimiter?;
        let mut parts = username.split(|byte| *byte == delimiter);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(target), Some(master), None) if !target.is_empty() && !master.is_empty() => {
                Some(target)
            }
            _ => None,
        }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            lua_features: false,
            features: Vec::new(),
            tls_encryption: None,
            relay_domains: None,
            blocklists: None,
            client_name_wait: None,
            master_user_delimiter: None,
            backends: Vec::new(),
            filters: Vec::new(),
            actions: Actions::default(),
            memory_cache_ttl: MEMORY_CACHE_TTL,
            login_attempts_max: LOGIN_ATTEMPTS_MAX,
            brute_force: Rules::default(),
            server_monitoring: false,
            positive_cache: None,
        }
    }
}

/// One script of `lua.features`.
#[derive(Clone, Debug)]
pub struct Feature {
    pub name: String,
    /// Path as configured, for logs.
    pub path: String,
    pub when: When,
}

/// Domains that are served here.
#[derive(Clone, Debug, Default)]
pub struct RelayDomains {
    domains: Vec<String>,
}

impl RelayDomains {
    pub fn new(domains: impl IntoIterator<Item = String>) -> RelayDomains {
        let domains =
            domains.into_iter().map(|domain| domain.trim_end_matches('.').to_lowercase()).collect();
        RelayDomains { domains }
    }

    /// Whether a domain is one of them, whatever its case; a final dot makes no difference.
    pub fn serves(&self, domain: &str) -> bool {
        let domain = domain.strip_suffix('.').unwrap_or(domain).to_lowercase();
        self.domains.contains(&domain)
    }
}

/// `realtime_blackhole_lists`.
#[derive(Clone, Debug, Default)]
pub struct Blocklists {
    pub lists: Vec<Blocklist>,
    /// The score from which on a client that is on some list is turned away; more than 0.
    pub threshold: i32,
    /// Clients that are never looked up.
    pub ip_whitelist: Networks,
}

/// One entry of `realtime_blackhole_lists.lists`.
#[derive(Clone, Debug)]
pub struct Blocklist {
    pub name: String,
    /// Without a final dot.
    pub zone: String,
    pub ipv4: bool,
    pub ipv6: bool,
    /// Any of these addresses means: listed.
    pub return_codes: Vec<Ipv4Addr>,
    /// Negative for lists of good clients.
    pub weight: i32,
    /// It is passed over if it does not answer.
    pub allow_failure: bool,
    /// What the metrics count it by.
    pub label: LabelId,
}

impl Blocklist {
    /// Whether it knows addresses of this family.
    pub fn is_for(&self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}

/// One script of `lua.filters`.
#[derive(Clone, Debug)]
pub struct Filter {
    pub name: String,
    /// Path as configured, for logs.
    pub path: String,
    pub when: When,
    /// Its ACCEPT turns the failed password login of a found user into a success.
    pub override_rejection: bool,
}

/// For which requests a feature or filter runs: `when_authenticated`, `when_unauthenticated`,
/// `when_no_auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    pub authenticated: bool,
    pub unauthenticated: bool,
    pub no_auth: bool,
}

impl When {
    /// Features of a configuration that says nothing: every login, no lookup.
    pub const FEATURE_DEFAULT: When =
        When { authenticated: true, unauthenticated: true, no_auth: false };
    /// Filters of a configuration that says nothing: always.
    pub const FILTER_DEFAULT: When =
        When { authenticated: true, unauthenticated: true, no_auth: true };

    /// Whether a feature runs. Nobody is authenticated yet, so either of the two login flags will
    /// do.
    pub fn applies_before_backends(self, mode: Mode) -> bool {
        match mode {
            Mode::Auth => self.authenticated || self.unauthenticated,
            Mode::NoAuth => self.no_auth,
            Mode::ListAccounts => false,
        }
    }

    /// Whether a filter runs after the backends said `authenticated`.
    pub fn applies_after_backends(self, mode: Mode, authenticated: bool) -> bool {
        match mode {
            Mode::Auth if authenticated => self.authenticated,
            Mode::Auth => self.unauthenticated,
            Mode::NoAuth => self.no_auth,
            Mode::ListAccounts => false,
        }
    }
}

/// One element of `server.backends`.
#[derive(Clone, Debug)]
pub enum Backend {
    Lua {
        /// Position in the epoch's list of Lua backends.
        index: usize,
        /// [`DEFAULT_BACKEND`] or the name in `lua(<name>)`.
        name: String,
        /// Path as configured, for logs.
        path: String,
        /// The entries of `lua.search` that name this backend.
        search: Vec<Search>,
    },
}

impl Backend {
    /// All of its search entries.
    pub fn searches(&self) -> &[Search] {
        let Backend::Lua { search, .. } = self;
        search
    }

    /// The first search entry for `protocol`; `None`: this backend does not serve it. No protocol
    /// stands in for another.
    pub fn search(&self, protocol: &[u8]) -> Option<&Search> {
        let Backend::Lua { search, .. } = self;
        search.iter().find(|entry| entry.protocols.iter().any(|name| name.as_bytes() == protocol))
    }
}

/// One entry of `lua.search`.
#[derive(Clone, Debug)]
pub struct Search {
    pub protocols: Vec<String>,
    /// The namespace of this entry's logins in the Redis cache.
    pub cache_name: String,
}

impl Search {
    /// The name of that namespace.
    pub fn cache(&self) -> &str {
        if self.cache_name.is_empty() { DEFAULT } else { &self.cache_name }
    }
}

/// `lua.actions` by type.
#[derive(Clone, Debug, Default)]
pub struct Actions([Vec<Action>; ActionKind::COUNT]);

#[expect(clippy::indexing_slicing, reason = "there is a list for each kind, numbered from 0")]
impl Actions {
    /// Appends to the scripts of a type.
    pub fn push(&mut self, kind: ActionKind, action: Action) {
        self.0[kind as usize].push(action);
    }

    pub fn of(&self, kind: ActionKind) -> &[Action] {
        &self.0[kind as usize]
    }
}

/// One script of `lua.actions`.
#[derive(Clone, Debug)]
pub struct Action {
    pub name: String,
    /// Path as configured; the key of its result in the log.
    pub path: String,
}

/// The name of the backend `lua` without a name, in logs.
pub const DEFAULT_BACKEND: &str = "__meta_default__";

const MEMORY_CACHE_TTL: Duration = Duration::from_secs(30);
const LOGIN_ATTEMPTS_MAX: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_with_the_exact_protocol_is_used() {
        let entry = |protocols: &[&str], cache: &str| Search {
            protocols: protocols.iter().map(|p| p.to_string()).collect(),
            cache_name: cache.into(),
        };
        let backend = Backend::Lua {
            index: 0,
            name: DEFAULT_BACKEND.into(),
            path: "b.lua".into(),
            search: vec![entry(&["imap", "default"], "one"), entry(&["imap", "smtp"], "two")],
        };
        let cache =
            |protocol: &[u8]| backend.search(protocol).map(|entry| entry.cache_name.as_str());
        assert_eq!(cache(b"imap"), Some("one"));
        assert_eq!(cache(b"smtp"), Some("two"));
        for stranger in [b"IMAP".as_slice(), b"sieve", b"", b"ima"] {
            assert_eq!(cache(stranger), None);
        }
    }

    #[test]
    fn a_master_login_has_two_parts() {
        let policy = Policy { master_user_delimiter: Some(b'*'), ..Policy::default() };
        for (username, target) in [
            ("u@a.test*boss", Some("u@a.test")),
            ("u*boss@a.test", Some("u")),
            ("u", None),
            ("*boss", None),
            ("u*", None),
            ("*", None),
            ("u*v*boss", None),
            ("", None),
        ] {
            assert_eq!(
                policy.master_target(username.as_bytes()),
                target.map(str::as_bytes),
                "{username}"
            );
            assert_eq!(Policy::default().master_target(username.as_bytes()), None);
        }
    }

    #[test]
    fn domains_are_served_whatever_their_case_and_final_dot() {
        let served = RelayDomains::new(["Example.TEST.".to_owned(), "example.org".to_owned()]);
        for (domain, expected) in [
            ("example.test", true),
            ("EXAMPLE.test.", true),
            ("example.org", true),
            ("sub.example.org", false),
            ("example.or", false),
            ("", false),
            ("example.org..", false),
        ] {
            assert_eq!(served.serves(domain), expected, "{domain}");
        }
    }

    #[test]
    fn flags_select_requests() {
        let never = When { authenticated: false, unauthenticated: false, no_auth: false };
        let table = [
            // flags, before: auth, no-auth; after: ok, wrong, no-auth
            (never, [false, false], [false, false, false]),
            (When { authenticated: true, ..never }, [true, false], [true, false, false]),
            (When { unauthenticated: true, ..never }, [true, false], [false, true, false]),
            (When { no_auth: true, ..never }, [false, true], [false, false, true]),
            (When::FEATURE_DEFAULT, [true, false], [true, true, false]),
            (When::FILTER_DEFAULT, [true, true], [true, true, true]),
        ];
        for (when, before, after) in table {
            assert_eq!(
                [Mode::Auth, Mode::NoAuth].map(|mode| when.applies_before_backends(mode)),
                before,
                "{when:?}"
            );
            let cases = [(Mode::Auth, true), (Mode::Auth, false), (Mode::NoAuth, true)];
            assert_eq!(
                cases.map(|(mode, ok)| when.applies_after_backends(mode, ok)),
                after,
                "{when:?}"
            );
        }
    }
}
