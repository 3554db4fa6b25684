//! Judgements of servers' certificates where the ordinary one (a trusted root, the right name, the
//! present time) is not wanted.
//!
//! They differ in what they say of the certificate. That the server holds its key is demanded in
//! any case.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, Mutex};

/// Judges a server's certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    judgement: Judgement,
}

/// Which certificates are taken.
#[derive(Debug)]
pub(super) enum Judgement {
    /// `skip_verify`: any.
    Anyone,
    /// Any, and they are kept for a look at them.
    Recorded(Shown),
    /// `skip_name`: those that lead to a trusted root, whoever they are for.
    AnyName(Arc<WebPkiServerVerifier>),
}

/// The certificates that a server has shown, its own first; DER.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<Vec<Vec<u8>>>>);

impl Shown {
    pub fn take(&self) -> Vec<Vec<u8>> {
        self.0.lock().map(|mut shown| std::mem::take(&mut *shown)).unwrap_or_default()
    }
}

impl Verifier {
    pub fn new(provider: Arc<CryptoProvider>, judgement: Judgement) -> Arc<Verifier> {
        Arc::new(Verifier { provider, judgement })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.judgement {
            Judgement::Anyone => Ok(ServerCertVerified::assertion()),
            Judgement::Recorded(shown) => {
                if let Ok(mut shown) = shown.0.lock() {
                    *shown = std::iter::once(certificate)
                        .chain(intermediates)
                        .map(|certificate| certificate.to_vec())
                        .collect();
                }
                Ok(ServerCertVerified::assertion())
            }
            Judgement::AnyName(roots) => {
                match roots.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                    // The name is looked at last, when everything else was found good.
                    Err(rustls::Error::InvalidCertificate(
                        CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. },
                    )) => Ok(ServerCertVerified::assertion()),
                    verified => verified,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
