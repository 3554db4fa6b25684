//! TLS settings of outgoing and accepted connections: files and switches in, a rustls configuration
//! out.
//!
//! Built once at start or reload (reading the system's roots takes milliseconds) and shared by all
//! connections of its kind. Who gives the sessions their bytes is
//! [`Stream`](crate::reactor::Stream).
//! Outgoing connections trust the system's roots, which SSL_CERT_FILE and SSL_CERT_DIR replace;
//! certificate and host name are checked unless `skip_verify` is set. Accepted ones are `server`'s.

mod peer;
pub mod server;
mod verifier;

pub use peer::{PeerCertificate, TlsFacts};
pub use server::{ClientAuth, Flaw, Refreshed, ServerTls, ServerTlsSettings};
pub use verifier::Shown;

use crate::files;
use crate::secret::Secret;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use verifier::{Judgement, Verifier};

/// How we speak TLS to servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<ClientConfig>);

/// What an operator may set for outgoing connections.
#[derive(Clone, Debug, Default)]
pub struct ClientTlsSettings {
    /// Certificates to trust *instead of* the system's: who names an authority wants no other.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (with its chain) and key, for servers that ask for one.
    pub certificate: Option<CertificateFiles>,
    /// Accept any certificate. Encrypts against listeners, not against impostors.
    pub skip_verify: bool,
    /// Accept a trusted certificate whatever name it is for (`sslmode=verify-ca` of PostgreSQL).
    pub skip_name: bool,
    pub minimum: TlsVersion,
}

/// PEM files of a certificate chain and its private key.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    #[default]
    Tls12,
    Tls13,
}

/// Why there is no such configuration. All of them are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("no trusted certificates were found on this system: {0}")]
    NoRoots(String),
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("TLS: {0}")]
    Config(rustls::Error),
    #[error("{0}: not a host name that a certificate can be issued for")]
    Name(String),
}

impl ClientTls {
    /// # Errors
    /// [`TlsError`]: unreadable files, no roots, a key that does not fit.
    pub fn new(settings: &ClientTlsSettings) -> Result<ClientTls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(settings.minimum.and_later())
            .map_err(TlsError::Config)?;
        let builder = if settings.skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Verifier::new(provider, Judgement::Anyone))
        } else if settings.skip_name {
            let roots = Arc::new(roots(settings.ca_file.as_deref())?);
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| TlsError::Config(rustls::Error::General(error.to_string())))?;
            builder.dangerous().with_custom_certificate_verifier(Verifier::new(
                provider,
                Judgement::AnyName(inner),
            ))
        } else {
            builder.with_root_certificates(roots(settings.ca_file.as_deref())?)
        };
        let config = match &settings.certificate {
            Some(files) => builder
                .with_client_auth_cert(files.chain()?, files.key()?)
                .map_err(TlsError::Config)?,
            None => builder.with_no_client_auth(),
        };
        Ok(ClientTls(Arc::new(config)))
    }

    /// For one connection to a server that nothing is said to: any certificate is taken, and kept
    /// for a look at it.
    ///
    /// # Errors
    /// [`TlsError::Config`].
    pub fn recording() -> Result<(ClientTls, Shown), TlsError> {
        let provider = Arc::new(ring::default_provider());
        let shown = Shown::default();
        let verifier = Verifier::new(provider.clone(), Judgement::Recorded(shown.clone()));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(TlsVersion::Tls12.and_later())
            .map_err(TlsError::Config)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok((ClientTls(Arc::new(config)), shown))
    }

    pub(crate) fn session(&self, name: &str) -> Result<ClientConnection, TlsError> {
        let server =
            ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
        ClientConnection::new(self.0.clone(), server).map_err(TlsError::Config)
    }
}

/// TLS to servers that nothing special is configured for: the system's roots, TLS 1.2 or later. One
/// per configuration; made when it is first needed, for most servers need none and reading the
/// roots takes milliseconds.
#[derive(Debug, Default)]
pub struct DefaultTls {
    checked: OnceLock<ClientTls>,
    unchecked: OnceLock<ClientTls>,
}

impl DefaultTls {
    /// `skip_verify`: with any certificate.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`].
    pub fn get(&self, skip_verify: bool) -> Result<ClientTls, TlsError> {
        let kept = if skip_verify { &self.unchecked } else { &self.checked };
        if let Some(tls) = kept.get() {
            return Ok(tls.clone());
        }
        let tls =
            ClientTls::new(&ClientTlsSettings { skip_verify, ..ClientTlsSettings::default() })?;
        Ok(kept.get_or_init(|| tls).clone())
    }
}

/// The same settings, not settings that are alike: connections may be shared only among those who
/// were given the same.
impl PartialEq for ClientTls {
    fn eq(&self, other: &ClientTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ClientTls {}

impl Hash for ClientTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl CertificateFiles {
    /// The first certificate of the chain, DER.
    ///
    /// # Errors
    /// [`TlsError::File`].
    pub fn leaf(&self) -> Result<Vec<u8>, TlsError> {
        let first = self.chain()?.into_iter().next();
        first
            .map(|certificate| certificate.to_vec())
            .ok_or_else(|| TlsError::file(&self.certificate, "holds no certificate"))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.certificate)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = Secret::new(read(&self.key)?);
        PrivateKeyDer::from_pem_slice(text.expose())
            .map_err(|error| TlsError::file(&self.key, error))
    }
}

impl TlsVersion {
    fn and_later(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            TlsVersion::Tls12 => &FROM_TLS12,
            TlsVersion::Tls13 => &FROM_TLS13,
        }
    }
}

impl TlsError {
    fn file(path: &Path, reason: impl ToString) -> TlsError {
        TlsError::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// The certificates to trust: those of the file, or the system's.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::file(path, error))?;
        }
        return Ok(roots);
    }
    // Single certificates that cannot be read are common in system stores and no reason to trust
    // none of the others.
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(reasons.join("; ")));
    }
    Ok(roots)
}

/// All certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let all = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::file(path, error))?;
    if all.is_empty() { Err(TlsError::file(path, "holds no certificate")) } else { Ok(all) }
}

/// The whole of a PEM file.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    files::read(path, PEM_BYTES_MAX).map_err(|error| TlsError::file(path, error))
}

/// Ten times a system's whole store of roots.
const PEM_BYTES_MAX: u64 = 4 << 20;

static FROM_TLS12: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];
static FROM_TLS13: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

#[cfg(test)]
pub(crate) use server::outdated_server;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_file_that_is_wrong() {
        let missing = PathBuf::from("/nonexistent/ca.pem");
        let settings =
            ClientTlsSettings { ca_file: Some(missing.clone()), ..ClientTlsSettings::default() };
        assert!(
            matches!(ClientTls::new(&settings), Err(TlsError::File { path, .. }) if path == missing)
        );

        let empty = std::env::temp_dir().join(format!("loligo-{}-empty.pem", std::process::id()));
        std::fs::write(&empty, "no certificate here\n").unwrap();
        let settings =
            ClientTlsSettings { ca_file: Some(empty.clone()), ..ClientTlsSettings::default() };
        let error = ClientTls::new(&settings).unwrap_err();
        std::fs::remove_file(&empty).unwrap();
        assert_eq!(error.to_string(), format!("{}: holds no certificate", empty.display()));
    }

    #[test]
    fn refuses_a_name_that_no_certificate_is_for() {
        let settings = ClientTlsSettings { skip_verify: true, ..ClientTlsSettings::default() };
        let tls = ClientTls::new(&settings).unwrap();
        assert!(
            matches!(tls.session("not a name"), Err(TlsError::Name(name)) if name == "not a name")
        );
        assert!(tls.session("127.0.0.1").is_ok() && tls.session("redis.example.org").is_ok());
    }
}
