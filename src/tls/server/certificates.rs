//! Our own certificates: read, looked at, and chosen by the name that a client asks for.

use super::{Flaw, PairOfFiles};
use crate::tls::peer::{alternative_names, common_name};
use crate::tls::{TlsError, certificates};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::name::GeneralName;

/// The certificates of a listener; the first one is for clients that ask for another name or for
/// none.
#[derive(Debug)]
pub(super) struct Chosen(Vec<Ours>);

#[derive(Debug)]
struct Ours {
    /// In lower case; `*.example.org` stands for one label.
    names: Vec<String>,
    certified: Arc<CertifiedKey>,
}

impl Chosen {
    /// Reads all pairs of files. `warnings`: what does not keep clients from being served.
    pub fn load(
        pairs: &[PairOfFiles],
        provider: &CryptoProvider,
        now: u64,
        warnings: &mut Vec<Flaw>,
    ) -> Result<Chosen, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut all = Vec::new();
        for pair in pairs {
            match load(pair, provider, now, warnings) {
                Ok(ours) => all.push(ours),
                Err(mut more) => flaws.append(&mut more),
            }
        }
        if flaws.is_empty() { Ok(Chosen(all)) } else { Err(flaws) }
    }
}

impl ResolvesServerCert for Chosen {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Several certificates for a name differ in their keys: of RSA for old clients, say.
        let is_usable =
            |ours: &&Ours| ours.certified.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let wildcard = name
            .as_ref()
            .and_then(|name| name.split_once('.'))
            .map(|(_, parent)| format!("*.{parent}"));
        let of = |name: &Option<String>| {
            let name = name.as_ref()?;
            self.0.iter().filter(|ours| ours.names.contains(name)).find(is_usable)
        };
        of(&name)
            .or_else(|| of(&wildcard))
            .or_else(|| self.0.iter().find(is_usable))
            .or(self.0.first())
            .map(|ours| ours.certified.clone())
    }
}

fn load(
    pair: &PairOfFiles,
    provider: &CryptoProvider,
    now: u64,
    warnings: &mut Vec<Flaw>,
) -> Result<Ours, Vec<Flaw>> {
    let PairOfFiles { files, place } = pair;
    let (cert_key, key_key) = (format!("{place}cert"), format!("{place}key"));
    let chain = certificates(&files.certificate).map_err(|error| {
        Flaw::of_file(
            cert_key.clone(),
            &error,
            "give a PEM file with the server's certificate and the intermediate ones after it",
        )
    });
    let key = files
        .key()
        .and_then(|key| {
            provider
                .key_provider
                .load_private_key(key)
                .map_err(|error| TlsError::file(&files.key, error))
        })
        .map_err(|error| {
            Flaw::of_file(
                key_key.clone(),
                &error,
                "give a PEM file with an unencrypted private key (PKCS#8, SEC1 or PKCS#1)",
            )
        });
    let (chain, key) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let Some(leaf) = chain.first().and_then(|der| Certificate::from_der(der).ok()) else {
        let text = format!(
            "{}: the first certificate cannot be read: have it issued again",
            files.certificate.display()
        );
        return Err(vec![Flaw::new(cert_key, text)]);
    };
    let certified = CertifiedKey::new(chain.clone(), key);
    if let Err(error) = certified.keys_match() {
        let text = mismatch(&files.certificate, &files.key, &chain, &certified, &error);
        return Err(vec![Flaw::new(key_key, text)]);
    }
    look_at_validity(&leaf, &files.certificate, &cert_key, now, warnings);
    if is_open_to_others(&files.key) {
        let text = format!(
            "{}: every user of this machine may read the private key: chmod o-rwx",
            files.key.display()
        );
        warnings.push(Flaw::new(key_key, text));
    }
    Ok(Ours { names: names(&leaf), certified: Arc::new(certified) })
}

/// Says what to do about a key that is not the certificate's.
fn mismatch(
    file: &Path,
    key_file: &Path,
    chain: &[CertificateDer<'static>],
    certified: &CertifiedKey,
    error: &rustls::Error,
) -> String {
    let is_behind = chain.iter().skip(1).any(|other| {
        CertifiedKey::new(vec![other.clone()], certified.key.clone()).keys_match().is_ok()
    });
    let (key_file, file) = (key_file.display(), file.display());
    if is_behind {
        format!(
            "{key_file} belongs to a later certificate of {file}: put the server's own certificate first"
        )
    } else if matches!(error, rustls::Error::InconsistentKeys(_)) {
        format!(
            "{key_file} does not belong to the certificate in {file}: give the key that the certificate was requested with"
        )
    } else {
        format!("{file}: {error}")
    }
}

fn look_at_validity(
    leaf: &Certificate,
    file: &Path,
    place: &str,
    now: u64,
    warnings: &mut Vec<Flaw>,
) {
    let validity = leaf.tbs_certificate().validity();
    let file = file.display();
    // Either keeps clients away that check it, but a mail system that is restarted must not stay
    // down for it.
    if validity.not_after.to_unix_duration().as_secs() < now {
        let text = format!(
            "{file}: the certificate HAS EXPIRED ({}): clients refuse it; renew it, it is read again by itself",
            validity.not_after
        );
        warnings.push(Flaw::new(place, text));
    } else if validity.not_before.to_unix_duration().as_secs() > now {
        let text = format!(
            "{file}: the certificate is NOT YET VALID (before {}): clients refuse it; check this machine's clock",
            validity.not_before
        );
        warnings.push(Flaw::new(place, text));
    }
}

/// The host names that a certificate is for; the common name counts where there are no others.
fn names(leaf: &Certificate) -> Vec<String> {
    let alternative = alternative_names(leaf).into_iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        _ => None,
    });
    let names: Vec<String> = alternative.collect();
    if names.is_empty() {
        common_name(leaf).map(|name| name.to_ascii_lowercase()).into_iter().collect()
    } else {
        names
    }
}

impl PairOfFiles {
    /// The host names that the certificate is for, in lower case; perhaps none.
    ///
    /// # Errors
    /// [`TlsError::File`]: it cannot be read.
    pub fn names(&self) -> Result<Vec<String>, TlsError> {
        let leaf = self.files.leaf()?;
        Ok(Certificate::from_der(&leaf).map(|leaf| names(&leaf)).unwrap_or_default())
    }
}

fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
}
