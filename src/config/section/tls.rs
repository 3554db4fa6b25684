//! `tls`: the same block for the listener, Redis and outgoing HTTP.

use crate::config::check::{existing_file, if_given, one_word_each};
use crate::config::choice::TlsVersion;
use crate::config::keys::{Both, Keys, Section};
use std::path::PathBuf;

#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub enabled: bool,
    /// PEM chain.
    pub cert: Option<PathBuf>,
    /// PEM key.
    pub key: Option<PathBuf>,
    /// PEM bundle of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the certificate of the other side is not checked.
    pub skip_verify: bool,
    pub min_tls_version: TlsVersion,
    /// IANA names; none: all that are sound.
    pub cipher_suites: Vec<String>,
}

impl Section for Tls {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("cert", &mut self.cert, if_given(existing_file));
        keys.checked("key", &mut self.key, if_given(existing_file));
        keys.checked("ca_file", &mut self.ca_file, if_given(existing_file));
        keys.alias("http_client_skip_verify", "skip_verify", Both::Newer);
        keys.value("skip_verify", &mut self.skip_verify);
        keys.value("min_tls_version", &mut self.min_tls_version);
        keys.checked("cipher_suites", &mut self.cipher_suites, one_word_each);
    }
}
