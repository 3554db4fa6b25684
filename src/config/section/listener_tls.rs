//! `server.tls`, and the `tls` of each listener: TLS to those who ask us.

use crate::config::check::{Checked, existing_file, if_given, one_word_each};
use crate::config::choice::{ClientAuth, TlsVersion};
use crate::config::keys::{Both, Keys, Section};
use crate::config::problem::Wrong;
use crate::tls::server::{PairOfFiles, ServerTlsSettings, suites};
use crate::tls::{self, CertificateFiles};
use std::path::PathBuf;

/// TLS of one listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerTls {
    pub enabled: bool,
    /// PEM: our certificate, and the intermediate ones after it.
    pub cert: Option<PathBuf>,
    /// PEM: its private key.
    pub key: Option<PathBuf>,
    /// Further certificates. Each client gets the one for the host name that it asks for, and the
    /// first one if there is none.
    pub certificates: Vec<CertificatePair>,
    pub min_tls_version: TlsVersion,
    /// Names of IANA or Go; none: all that are sound.
    pub cipher_suites: Vec<String>,
    /// Whether clients have to show a certificate.
    pub client_auth: ClientAuth,
    /// PEM: the authorities of clients' certificates.
    pub client_ca_file: Option<PathBuf>,
    /// PEM: revocation lists of these authorities.
    pub crl_file: Option<PathBuf>,
    /// Names in clients' certificates that are callers by them.
    pub client_callers: Vec<ClientCaller>,
}

/// A certificate and its key.
#[derive(Clone, Debug, Default)]
pub struct CertificatePair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Section for CertificatePair {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("cert", &mut self.cert, existing_file);
        keys.required("key", &mut self.key, existing_file);
    }
}

/// A caller that its certificate tells.
#[derive(Clone, Debug, Default)]
pub struct ClientCaller {
    /// An alternative name (DNS, mail, URI), the common name or the whole subject; `*`: any.
    pub name: String,
    /// None: all that callers may do.
    pub roles: Vec<String>,
}

impl Section for ClientCaller {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("name", &mut self.name, |_| Ok(()));
        keys.checked("roles", &mut self.roles, one_word_each);
    }
}

impl Section for ListenerTls {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("cert", &mut self.cert, if_given(existing_file));
        keys.checked("key", &mut self.key, if_given(existing_file));
        keys.sections("certificates", &mut self.certificates);
        keys.value("min_tls_version", &mut self.min_tls_version);
        keys.checked("cipher_suites", &mut self.cipher_suites, |names| known_suites(names));
        keys.value("client_auth", &mut self.client_auth);
        keys.alias("ca_file", "client_ca_file", Both::Refuse);
        keys.checked("client_ca_file", &mut self.client_ca_file, if_given(existing_file));
        keys.checked("crl_file", &mut self.crl_file, if_given(existing_file));
        keys.sections("client_callers", &mut self.client_callers);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let mut wrong = Vec::new();
        if self.cert.is_some() != self.key.is_some() {
            wrong.push(("cert", Wrong::new("needs both \"cert\" and \"key\"")));
        }
        if !self.enabled {
            return wrong;
        }
        if self.cert.is_none() && self.certificates.is_empty() {
            wrong.push(("enabled", Wrong::new("needs \"cert\" and \"key\"")));
        }
        if self.client_auth == ClientAuth::None {
            let idle = [
                ("client_ca_file", self.client_ca_file.is_some()),
                ("crl_file", self.crl_file.is_some()),
                ("client_callers", !self.client_callers.is_empty()),
            ];
            for (key, _) in idle.into_iter().filter(|(_, is_set)| *is_set) {
                let text = "protects nothing, because client_auth is \"none\": set it to \"optional\" or \"required\"";
                wrong.push((key, Wrong::new(text)));
            }
        } else if self.client_ca_file.is_none() {
            wrong.push((
                "client_ca_file",
                Wrong::new("is missing, but client_auth asks for certificates"),
            ));
        }
        wrong
    }
}

impl ListenerTls {
    /// Whether clients without a certificate are refused.
    pub fn requires_certificate(&self) -> bool {
        self.enabled && self.client_auth == ClientAuth::Required
    }

    /// What the listener is to be made of; `None`: it speaks plain HTTP.
    pub fn settings(&self) -> Option<ServerTlsSettings> {
        let ListenerTls {
            enabled,
            cert,
            key,
            certificates,
            min_tls_version,
            cipher_suites,
            client_auth,
            client_ca_file,
            crl_file,
            // Who asks is no question of the connection: `epoch/callers.rs`.
            client_callers: _,
        } = self;
        if !enabled {
            return None;
        }
        let pair = |certificate: &PathBuf, key: &PathBuf, place: String| PairOfFiles {
            files: CertificateFiles { certificate: certificate.clone(), key: key.clone() },
            place,
        };
        let first = cert.as_ref().zip(key.as_ref());
        let first = first.map(|(cert, key)| pair(cert, key, String::new()));
        let more = certificates.iter().enumerate().map(|(at, CertificatePair { cert, key })| {
            pair(cert, key, format!("certificates[{at}]."))
        });
        Some(ServerTlsSettings {
            certificates: first.into_iter().chain(more).collect(),
            minimum: match min_tls_version {
                TlsVersion::Tls12 => tls::TlsVersion::Tls12,
                TlsVersion::Tls13 => tls::TlsVersion::Tls13,
            },
            suites: cipher_suites.clone(),
            client_auth: match client_auth {
                ClientAuth::None => tls::ClientAuth::None,
                ClientAuth::Optional => tls::ClientAuth::Optional,
                ClientAuth::Required => tls::ClientAuth::Required,
            },
            client_ca: client_ca_file.clone(),
            crl: crl_file.clone(),
        })
    }
}

/// `server.tls`: the listener at `server.address`, and a key of the original about outgoing HTTP.
#[derive(Clone, Debug, Default)]
pub struct ServerTls {
    pub listener: ListenerTls,
    /// Scripts' HTTP clients accept any certificate.
    pub skip_verify: bool,
}

impl Section for ServerTls {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        self.listener.keys(keys);
        keys.alias("http_client_skip_verify", "skip_verify", Both::Newer);
        keys.value("skip_verify", &mut self.skip_verify);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        self.listener.check()
    }
}

fn known_suites(names: &[String]) -> Checked {
    match names.iter().find(|name| suites::find(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            Err(Wrong::new(format!("{name:?} is no cipher suite that is known to be sound"))
                .allowed(suites::known().join(", ")))
        }
    }
}
