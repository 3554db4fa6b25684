//! Cipher suites by the names that IANA and Go have for them.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::ALL_CIPHER_SUITES;

/// The names of all suites that there are, TLS 1.3 first. All of them are sound: without forward
/// secrecy, or with CBC, RC4 or 3DES, there is none.
pub fn known() -> Vec<String> {
    ALL_CIPHER_SUITES.iter().map(|suite| name(*suite)).collect()
}

/// The IANA name of a suite.
pub fn name(suite: SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

/// The suite of that name.
pub fn find(wanted: &str) -> Option<SupportedCipherSuite> {
    // Go's older name of ChaCha20 leaves the hash out.
    let whole = if wanted.ends_with("_CHACHA20_POLY1305") {
        format!("{wanted}_SHA256")
    } else {
        wanted.to_owned()
    };
    ALL_CIPHER_SUITES.iter().copied().find(|suite| name(*suite) == whole)
}

/// The suites to offer, in the order of preference. None wanted: all, the cheapest of those with AES
/// in hardware first: a handshake with SHA-384 costs a tenth more than one with SHA-256. Those of TLS 1.3 stay unless some of them are named, as
/// the names of TLS 1.2 say nothing about them.
pub(super) fn choose(wanted: &[String]) -> Vec<SupportedCipherSuite> {
    let mut chosen: Vec<_> = wanted.iter().filter_map(|name| find(name)).collect();
    if chosen.is_empty() {
        let mut all = ALL_CIPHER_SUITES.to_vec();
        all.sort_by_key(|suite| (suite.tls13().is_none(), !name(*suite).contains("AES_128")));
        return all;
    }
    if chosen.iter().all(|suite| suite.tls13().is_none()) {
        let newest = ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some());
        chosen = newest.copied().chain(chosen).collect();
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_choice_all_are_offered_in_the_order_of_their_cost() {
        let all: Vec<_> = choose(&[]).into_iter().map(name).collect();
        assert_eq!(all.len(), known().len());
        assert_eq!(all[..2], ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"]);
        assert!(all[3].contains("_WITH_AES_128_GCM_SHA256"), "{all:?}");
    }

    #[test]
    fn suites_have_the_names_of_iana_and_go() {
        for name in [
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        ] {
            assert!(find(name).is_some(), "{name}");
        }
        for name in ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS13_AES_128_GCM_SHA256", "", "AES"] {
            assert!(find(name).is_none(), "{name}");
        }
        assert_eq!(known().len(), 9);
    }

    #[test]
    fn names_of_an_older_version_leave_the_newest_alone() {
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&names).into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]).len(), 9);
        assert_eq!(chosen(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]).len(), 4);
        assert_eq!(chosen(&["TLS_AES_256_GCM_SHA384"]), ["TLS_AES_256_GCM_SHA384"]);
    }
}
