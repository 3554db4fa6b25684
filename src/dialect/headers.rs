//! Which request header feeds which field: one look-up per header line, whatever names the operator
//! configured.
//!
//! A small open-addressing table over (length, first, middle, last two bytes) of the lower-cased
//! name; a name can feed several fields, since operators map one nginx header to two keys. Built
//! once per configuration, read for every header of every request, never allocates after that. Keys
//! and default names are in `config/loligo.yml`.

use crate::auth::request::Field;

/// What a header can feed: a field of the request, or one of the two values that do not become
/// fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Field(Field),
    /// `1`: the password is URL-safe base64.
    PasswordEncoded,
    LoginAttempt,
}

impl Slot {
    pub const COUNT: usize = Field::ALL.len() + 2;

    pub const fn index(self) -> usize {
        match self {
            Slot::Field(field) => field as usize,
            Slot::PasswordEncoded => Field::ALL.len(),
            Slot::LoginAttempt => Field::ALL.len() + 1,
        }
    }
}

/// A set of slots, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots(u64);

impl Slots {
    pub fn with(self, slot: Slot) -> Slots {
        Slots(self.0 | 1 << slot.index())
    }

    /// Takes the slots of `other` that are not in here yet, and puts them in.
    pub fn claim(&mut self, other: Slots) -> Slots {
        let new = other.0 & !self.0;
        self.0 |= new;
        Slots(new)
    }
}

/// Iterates over the slots' indices.
impl Iterator for Slots {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let index = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(index)
    }
}

/// Header name to slots.
#[derive(Clone, Debug)]
pub struct HeaderTable {
    names: Vec<Known>,
    /// Position in `names`, or [`EMPTY`]. At most half full, so that probing ends.
    buckets: [u8; BUCKETS],
}

#[expect(clippy::indexing_slicing, reason = "a bucket is a remainder of BUCKETS")]
impl HeaderTable {
    /// The table for what is configured under `server.default_http_request_header`: `configured` is
    /// asked for every key and answers the header's name, or `None` for the default. An empty name
    /// means that the field is not read from any header.
    pub fn new<'a>(configured: impl Fn(&str) -> Option<&'a str>) -> HeaderTable {
        let mut table =
            HeaderTable { names: Vec::with_capacity(NAMES_MAX), buckets: [EMPTY; BUCKETS] };
        table.insert("User-Agent", Slot::Field(Field::UserAgent));
        for (key, slot, default) in CONFIGURABLE {
            table.insert(configured(key).unwrap_or(default), *slot);
        }
        table
    }

    /// What a header of this name, in any case, feeds.
    pub fn slots(&self, name: &[u8]) -> Slots {
        let mut bucket = hash(name);
        while let Some(known) = self.names.get(usize::from(self.buckets[bucket])) {
            if known.is(name) {
                return known.slots;
            }
            bucket = (bucket + 1) % BUCKETS;
        }
        Slots::default()
    }

    fn insert(&mut self, name: &str, slot: Slot) {
        if name.is_empty() {
            return;
        }
        let name = name.to_ascii_lowercase().into_bytes();
        let mut bucket = hash(&name);
        while let Some(known) = self.names.get_mut(usize::from(self.buckets[bucket])) {
            if *known.name == *name {
                known.slots = known.slots.with(slot);
                return;
            }
            bucket = (bucket + 1) % BUCKETS;
        }
        // At most NAMES_MAX names, which is far below EMPTY.
        self.buckets[bucket] = self.names.len() as u8;
        let plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        self.names.push(Known { name: name.into(), slots: Slots::default().with(slot), plain });
    }
}

impl Default for HeaderTable {
    fn default() -> HeaderTable {
        HeaderTable::new(|_| None)
    }
}

/// A header name that feeds something.
#[derive(Clone, Debug)]
struct Known {
    /// In lower case.
    name: Box<[u8]>,
    slots: Slots,
    /// Letters, digits and hyphens only.
    plain: bool,
}

impl Known {
    /// Whether `name`, a token, is this one. For plain names eight bytes at a time: setting bit 5
    /// folds the case of letters, and maps nothing else that a token may hold onto a letter, digit
    /// or hyphen.
    fn is(&self, name: &[u8]) -> bool {
        if !self.plain || self.name.len() != name.len() {
            return self.name.eq_ignore_ascii_case(name);
        }
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes) | FOLD;
        let (own, other) = (self.name.chunks_exact(8), name.chunks_exact(8));
        let rest = own.remainder().iter().zip(other.remainder());
        rest.fold(true, |same, (own, other)| same & (*own == other | 0x20))
            && own.zip(other).all(|(own, other)| word(own) == word(other))
    }
}

const FOLD: u64 = 0x2020_2020_2020_2020;

/// The bytes that tell header names apart; setting bit 5 folds the case of letters and of what
/// stands in names besides.
fn hash(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).map_or(0, |byte| usize::from(byte | 0x20));
    let len = name.len();
    (len * 5
        + byte(0) * 7
        + byte(len / 2) * 13
        + byte(len.wrapping_sub(1)) * 31
        + byte(len.wrapping_sub(2)) * 3)
        % BUCKETS
}

const BUCKETS: usize = 128;
const EMPTY: u8 = u8::MAX;
const NAMES_MAX: usize = CONFIGURABLE.len() + 1;
const _: () = assert!(NAMES_MAX * 2 <= BUCKETS && Slot::COUNT <= 64);

/// Key below `server.default_http_request_header`, what it feeds, default name. `client_host` has
/// none: a host name that a client claims counts only where the operator says so.
const CONFIGURABLE: &[(&str, Slot, &str)] = &[
    ("username", Slot::Field(Field::Username), "Auth-User"),
    ("password", Slot::Field(Field::Password), "Auth-Pass"),
    ("password_encoded", Slot::PasswordEncoded, "X-Auth-Password-Encoded"),
    ("protocol", Slot::Field(Field::Protocol), "Auth-Protocol"),
    ("login_attempt", Slot::LoginAttempt, "Auth-Login-Attempt"),
    ("auth_method", Slot::Field(Field::AuthMethod), "Auth-Method"),
    ("local_ip", Slot::Field(Field::LocalIp), "X-Local-IP"),
    ("local_port", Slot::Field(Field::LocalPort), "X-Auth-Port"),
    ("client_ip", Slot::Field(Field::ClientIp), "Client-IP"),
    ("client_port", Slot::Field(Field::ClientPort), "X-Client-Port"),
    ("client_host", Slot::Field(Field::ClientHostname), ""),
    ("client_id", Slot::Field(Field::ClientId), "X-Client-ID"),
    ("ssl", Slot::Field(Field::Ssl), "X-SSL"),
    ("ssl_session_id", Slot::Field(Field::SslSessionId), "X-SSL-Session-ID"),
    ("ssl_verify", Slot::Field(Field::SslClientVerify), "X-SSL-Client-Verify"),
    ("ssl_subject", Slot::Field(Field::SslClientDn), "X-SSL-Client-DN"),
    ("ssl_client_cn", Slot::Field(Field::SslClientCn), "X-SSL-Client-CN"),
    ("ssl_issuer", Slot::Field(Field::SslIssuer), "X-SSL-Issuer"),
    ("ssl_client_not_before", Slot::Field(Field::SslClientNotBefore), "X-SSL-Client-NotBefore"),
    ("ssl_client_not_after", Slot::Field(Field::SslClientNotAfter), "X-SSL-Client-NotAfter"),
    ("ssl_subject_dn", Slot::Field(Field::SslSubjectDn), "X-SSL-Subject-DN"),
    ("ssl_issuer_dn", Slot::Field(Field::SslIssuerDn), "X-SSL-Issuer-DN"),
    ("ssl_client_subject_dn", Slot::Field(Field::SslClientSubjectDn), "X-SSL-Client-Subject-DN"),
    ("ssl_client_issuer_dn", Slot::Field(Field::SslClientIssuerDn), "X-SSL-Client-Issuer-DN"),
    ("ssl_cipher", Slot::Field(Field::SslCipher), "X-SSL-Cipher"),
    ("ssl_protocol", Slot::Field(Field::SslProtocol), "X-SSL-Protocol"),
    ("ssl_serial", Slot::Field(Field::SslSerial), "Auth-SSL-Serial"),
    ("ssl_fingerprint", Slot::Field(Field::SslFingerprint), "Auth-SSL-Fingerprint"),
    ("oidc_cid", Slot::Field(Field::OidcCid), "X-OIDC-CID"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn only(slot: Slot) -> Slots {
        Slots::default().with(slot)
    }

    #[test]
    fn every_default_name_is_found_in_any_case() {
        let table = HeaderTable::default();
        for (_, slot, name) in CONFIGURABLE.iter().filter(|(_, _, name)| !name.is_empty()) {
            assert_eq!(table.slots(name.as_bytes()), only(*slot), "{name}");
            assert_eq!(table.slots(name.to_lowercase().as_bytes()), only(*slot), "{name}");
            assert_eq!(table.slots(name.to_uppercase().as_bytes()), only(*slot), "{name}");
        }
        assert_eq!(table.slots(b"user-agent"), only(Slot::Field(Field::UserAgent)));
    }

    #[test]
    fn other_names_feed_nothing() {
        let table = HeaderTable::default();
        for name in [
            &b""[..],
            b"auth-uses",
            b"x-client-p0rt",
            b"x_client_port",
            b"x",
            b"host",
            b"auth-use",
            b"auth-users",
            b"client-host",
            b"auth-ssl",
            b"\xff\xfe",
        ] {
            assert_eq!(table.slots(name), Slots::default());
        }
    }

    #[test]
    fn configured_names_replace_the_defaults() {
        let names =
            HashMap::from([("username", "X-Login"), ("client_host", "Client-Host"), ("ssl", "")]);
        let table = HeaderTable::new(|key| names.get(key).copied());
        assert_eq!(table.slots(b"x-login"), only(Slot::Field(Field::Username)));
        assert_eq!(table.slots(b"auth-user"), Slots::default());
        assert_eq!(table.slots(b"Client-Host"), only(Slot::Field(Field::ClientHostname)));
        assert_eq!(table.slots(b"x-ssl"), Slots::default());
    }

    #[test]
    fn one_header_may_feed_several_fields() {
        let table = HeaderTable::new(|key| key.starts_with("ssl").then_some("Auth-SSL"));
        assert_eq!(
            table.slots(b"auth-ssl").count(),
            CONFIGURABLE.iter().filter(|(key, ..)| key.starts_with("ssl")).count()
        );
    }

    #[test]
    fn a_slot_is_claimed_once() {
        let mut seen = Slots::default();
        let both = only(Slot::LoginAttempt).with(Slot::PasswordEncoded);
        assert_eq!(seen.claim(only(Slot::LoginAttempt)), only(Slot::LoginAttempt));
        assert_eq!(seen.claim(both), only(Slot::PasswordEncoded));
        assert_eq!(seen.claim(both), Slots::default());
    }

    #[test]
    fn the_default_names_hardly_collide() {
        let table = HeaderTable::default();
        let displaced = table
            .names
            .iter()
            .enumerate()
            .filter(|(at, known)| usize::from(table.buckets[hash(&known.name)]) != *at)
            .count();
        assert!(
            displaced <= 4,
            "{displaced} of {} names are not in their own bucket",
            table.names.len()
        );
    }
}
