//! Callers by a client certificate, as an alternative to credentials in the request.
//!
//! The listener has verified the certificate: its authority, its end, that it is not revoked. Here
//! its names are compared with those that the listener's configuration lists.

use super::{Grant, Rights};
use crate::tls::PeerCertificate;

/// A name and what its holder may do.
#[derive(Clone, Debug)]
pub struct CertificateCaller {
    /// An alternative name, the common name or the whole subject; `*`: any.
    pub name: String,
    pub rights: Rights,
}

/// Who shows this certificate: the first of the list that fits. `now`: Unix seconds; connections
/// last, and certificates end meanwhile.
pub fn caller(list: &[CertificateCaller], shown: &PeerCertificate, now: u64) -> Option<Grant> {
    if shown.ends < now {
        return None;
    }
    let fits = |wanted: &str| {
        wanted == "*"
            || wanted == shown.subject
            || (!wanted.is_empty() && wanted == shown.common_name)
            // Host names have no case.
            || shown.names.iter().any(|name| name.eq_ignore_ascii_case(wanted))
    };
    let found = list.iter().find(|caller| fits(&caller.name))?;
    let name = if found.name == "*" { &shown.subject } else { &found.name };
    Some(Grant { name: name.clone(), rights: found.rights.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_that_fits_says_what_a_caller_may_do() {
        let shown = PeerCertificate {
            subject: "O=Example,CN=client one".into(),
            common_name: "client one".into(),
            names: vec!["proxy.example".into(), "spiffe://example/proxy".into()],
            ends: 100,
            ..PeerCertificate::default()
        };
        let entry = |name: &str| CertificateCaller { name: name.into(), rights: Rights::All };
        let name = |list: &[&str], now| {
            let list: Vec<_> = list.iter().map(|name| entry(name)).collect();
            caller(&list, &shown, now).map(|grant| grant.name)
        };
        for fitting in [
            "proxy.example",
            "PROXY.example",
            "client one",
            "O=Example,CN=client one",
            "spiffe://example/proxy",
        ] {
            assert_eq!(name(&["other", fitting], 100).as_deref(), Some(fitting));
        }
        for other in
            ["", "Client One", "example", "proxy.example.org", "CN=client one", "*.example"]
        {
            assert_eq!(name(&[other], 100), None, "{other}");
        }
        assert_eq!(name(&["*"], 100).as_deref(), Some("O=Example,CN=client one"));
        assert_eq!(name(&["*"], 101), None);
        let nameless = PeerCertificate { common_name: String::new(), ..shown.clone() };
        assert_eq!(caller(&[entry("")], &nameless, 0), None);
    }
}
