//! TLS of a listener: certificates, versions, suites and client certificates in, a rustls
//! configuration out; and again when the files have changed.
//!
//! Connections take the configuration that is in force when they are accepted and keep it. What
//! cannot be used is refused with its place ([`Flaw`]); after the start it is told, and the former
//! configuration stays in force.
//!
//! Sessions are resumed by tickets (RFC 5077, RFC 8446 4.6.1) whose keys all workers and listeners
//! share and that change every six hours. Where client certificates are asked for there are no
//! tickets: a session that goes on is not checked again against the authorities, the revocation
//! list and the end of the certificate, and a ticket of a listener that asks for none would open
//! one that requires one. rustls knows no renegotiation and no compression, and no early data is
//! taken (it can be replayed).

mod certificates;
pub mod suites;
#[cfg(test)]
mod tests;

use super::{CertificateFiles, TlsError, TlsVersion, read, roots};
use certificates::Chosen;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use x509_cert::certificate::Rfc5280;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

/// How we speak TLS to clients of one listener. Cheap to clone; clones are renewed together.
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    settings: ServerTlsSettings,
    current: RwLock<Arc<ServerConfig>>,
    /// What the files looked like when they were read last.
    seen: Mutex<Vec<Option<Stamp>>>,
}

/// What an operator may set for a listener.
#[derive(Clone, Debug, Default)]
pub struct ServerTlsSettings {
    /// At least one; the first is for clients that name no host, or one that none is for.
    pub certificates: Vec<PairOfFiles>,
    pub minimum: TlsVersion,
    /// Names, see [`suites::known`]; none: all.
    pub suites: Vec<String>,
    pub client_auth: ClientAuth,
    /// Authorities of client certificates; needed unless `client_auth` is [`ClientAuth::None`].
    pub client_ca: Option<PathBuf>,
    /// Certificates that are revoked: a list of each authority in a client's chain.
    pub crl: Option<PathBuf>,
}

/// A certificate with its key, and where they were configured.
#[derive(Clone, Debug)]
pub struct PairOfFiles {
    pub files: CertificateFiles,
    /// What stands before `cert` and `key` in the path of their keys: nothing, or
    /// `certificates[0].`.
    pub place: String,
}

/// Whether clients have to show a certificate. One that is shown must be good in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    Optional,
    Required,
}

/// What is wrong with a setting, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The key below the TLS section, such as `certificates[0].key`.
    pub place: String,
    pub text: String,
}

/// What [`ServerTls::refresh`] did.
#[derive(Debug)]
pub enum Refreshed {
    /// The files are as they were.
    Unchanged,
    /// New connections get what the files hold now; what is to be said of it.
    Renewed(Vec<Flaw>),
    /// The files cannot be used: the former configuration stays in force.
    Kept(Vec<Flaw>),
}

impl Flaw {
    pub(super) fn new(place: impl Into<String>, text: impl Into<String>) -> Flaw {
        Flaw { place: place.into(), text: text.into() }
    }

    fn of_file(place: impl Into<String>, error: &TlsError, remedy: &str) -> Flaw {
        Flaw::new(place, format!("{error}: {remedy}"))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Clones are equal.
impl PartialEq for ServerTls {
    fn eq(&self, other: &ServerTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ServerTls {}

impl ServerTls {
    /// Reads all files; besides, what is to be said of them.
    ///
    /// # Errors
    /// Everything that keeps the listener from serving.
    pub fn new(settings: ServerTlsSettings) -> Result<(ServerTls, Vec<Flaw>), Vec<Flaw>> {
        // Before the files: a change in between is noticed at the next look.
        let seen = Mutex::new(settings.stamps());
        let mut warnings = Vec::new();
        let current = RwLock::new(Arc::new(settings.load(now(), &mut warnings)?));
        Ok((ServerTls(Arc::new(Shared { settings, current, seen })), warnings))
    }

    /// Reads the files again if one of them has changed. Blocks.
    pub fn refresh(&self) -> Refreshed {
        let Shared { settings, current, seen } = &*self.0;
        let stamps = settings.stamps();
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamps {
                return Refreshed::Unchanged;
            }
            // What cannot be read is told once, not at every look.
            *seen = stamps;
        }
        let mut warnings = Vec::new();
        match settings.load(now(), &mut warnings) {
            Ok(config) => {
                *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                Refreshed::Renewed(warnings)
            }
            Err(flaws) => Refreshed::Kept(flaws),
        }
    }

    pub(crate) fn session(&self) -> Result<ServerConnection, TlsError> {
        let config = self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        ServerConnection::new(config).map_err(TlsError::Config)
    }

    /// With one certificate and nothing else set.
    #[cfg(test)]
    pub fn of_files(files: &CertificateFiles, minimum: TlsVersion) -> Result<ServerTls, Vec<Flaw>> {
        let certificates = vec![PairOfFiles { files: files.clone(), place: String::new() }];
        let settings = ServerTlsSettings { certificates, minimum, ..ServerTlsSettings::default() };
        ServerTls::new(settings).map(|(tls, _)| tls)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.settings).finish()
    }
}

impl ServerTlsSettings {
    /// Looks at all files, as [`ServerTls::new`] does.
    ///
    /// # Errors
    /// Everything that keeps a listener from serving.
    pub fn examine(&self) -> Result<Vec<Flaw>, Vec<Flaw>> {
        let mut warnings = Vec::new();
        self.load(now(), &mut warnings).map(|_| warnings)
    }

    fn load(&self, now: u64, warnings: &mut Vec<Flaw>) -> Result<ServerConfig, Vec<Flaw>> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: suites::choose(&self.suites),
            ..ring::default_provider()
        });
        let chosen = Chosen::load(&self.certificates, &provider, now, warnings);
        let verifier = self.client_verifier(&provider, now, warnings);
        let (chosen, verifier) = match (chosen, verifier) {
            (Ok(chosen), Ok(verifier)) => (chosen, verifier),
            (chosen, verifier) => {
                let flaws = chosen.err().unwrap_or_default().into_iter();
                return Err(flaws.chain(verifier.err()).collect());
            }
        };
        let has_older = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
        let minimum = if has_older { self.minimum } else { TlsVersion::Tls13 };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(minimum.and_later())
            .map_err(|error| vec![Flaw::new("cipher_suites", error.to_string())])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(chosen));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A client that resumes gets a new one each time.
        config.send_tls13_tickets = 0;
        if self.client_auth == ClientAuth::None
            && let Some(tickets) = tickets()
        {
            config.ticketer = tickets;
            config.send_tls13_tickets = 1;
        }
        Ok(config)
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        now: u64,
        warnings: &mut Vec<Flaw>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Flaw> {
        if self.client_auth == ClientAuth::None {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let Some(ca_file) = &self.client_ca else {
            return Err(Flaw::new(
                "client_ca_file",
                "is missing, but client_auth asks for certificates",
            ));
        };
        let roots = roots(Some(ca_file)).map_err(|error| {
            Flaw::of_file(
                "client_ca_file",
                &error,
                "give a PEM file with the authorities of the clients' certificates",
            )
        })?;
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        if let Some(path) = &self.crl {
            // Revocations after the end of the list are unknown, so then all certificates are
            // refused.
            let lists = revoked(path, now, warnings)?;
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        if self.client_auth == ClientAuth::Optional {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map_err(|error| Flaw::new("client_ca_file", error.to_string()))
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().map(|pair| &pair.files);
        pairs
            .flat_map(|files| [&files.certificate, &files.key])
            .chain(&self.client_ca)
            .chain(&self.crl)
            .map(PathBuf::as_path)
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files().map(Stamp::of).collect()
    }
}

/// The lists of a PEM file, at least one.
fn revoked(
    path: &Path,
    now: u64,
    warnings: &mut Vec<Flaw>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Flaw> {
    const REMEDY: &str = "give a PEM file with a revocation list of each authority";
    let wrong = |error: TlsError| Flaw::of_file("crl_file", &error, REMEDY);
    let text = read(path).map_err(wrong)?;
    let lists = CertificateRevocationListDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(TlsError::file(path, error)))?;
    if lists.is_empty() {
        return Err(wrong(TlsError::file(path, "holds no revocation list")));
    }
    for list in &lists {
        let list = CertificateList::<Rfc5280>::from_der(list)
            .map_err(|error| wrong(TlsError::file(path, error)))?;
        let end = list.tbs_cert_list.next_update;
        if let Some(end) = end.filter(|end| end.to_unix_duration().as_secs() < now) {
            let text = format!(
                "{}: the revocation list HAS EXPIRED ({end}): all client certificates are refused until there is a new one",
                path.display()
            );
            warnings.push(Flaw::new("crl_file", text));
        }
    }
    Ok(lists)
}

/// The keys of tickets, of the process: a client may come back to another worker. `None`: the
/// system has no random numbers, and sessions are not resumed.
fn tickets() -> Option<Arc<dyn ProducesTickets>> {
    static TICKETS: OnceLock<Option<Arc<dyn ProducesTickets>>> = OnceLock::new();
    TICKETS.get_or_init(|| ring::Ticketer::new().ok()).clone()
}

/// By which a change of a file is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    changed: (i64, i64),
    size: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let about = std::fs::metadata(path).ok()?;
        Some(Stamp {
            changed: (about.mtime(), about.mtime_nsec()),
            size: about.size(),
            inode: about.ino(),
        })
    }
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A server that knows nothing later than TLS 1.2.
#[cfg(test)]
pub(crate) fn outdated_server(files: &CertificateFiles) -> ServerTls {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(files.chain().unwrap(), files.key().unwrap())
        .unwrap();
    let settings = ServerTlsSettings::default();
    let (current, seen) = (RwLock::new(Arc::new(config)), Mutex::default());
    ServerTls(Arc::new(Shared { settings, current, seen }))
}
