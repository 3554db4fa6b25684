//! What is known of the other end of an accepted TLS connection, in the forms in which mail proxies
//! pass such facts on: names as RFC 4514 has them, the serial in upper-case hexadecimal digits and
//! SHA-1 in lower-case ones (nginx, `$ssl_client_fingerprint`), times as `YYMMDDhhmmssZ` (HAProxy,
//! `ssl_c_notafter`).

use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// One accepted connection, once its handshake is through.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.2`, `TLSv1.3`
    pub protocol: &'static str,
    /// The IANA name.
    pub cipher: String,
    /// Whether an earlier session went on.
    pub resumed: bool,
    /// The certificate that the peer showed; it was verified.
    pub certificate: Option<PeerCertificate>,
}

/// A client's certificate that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    pub subject: String,
    /// The subject's common name; empty if it has none.
    pub common_name: String,
    pub issuer: String,
    pub serial: String,
    /// SHA-1.
    pub fingerprint: String,
    pub not_before: String,
    pub not_after: String,
    /// When it ends, in Unix seconds.
    pub ends: u64,
    /// Alternative names: DNS, mail and URI.
    pub names: Vec<String>,
}

impl PeerCertificate {
    /// Out of DER; `None` if it cannot be read.
    pub fn parse(der: &[u8]) -> Option<PeerCertificate> {
        let parsed = Certificate::from_der(der).ok()?;
        let tbs = parsed.tbs_certificate();
        let validity = tbs.validity();
        Some(PeerCertificate {
            subject: tbs.subject().to_string(),
            common_name: common_name(&parsed).unwrap_or_default(),
            issuer: tbs.issuer().to_string(),
            serial: hex::encode_upper(tbs.serial_number().as_bytes()),
            fingerprint: hex::encode(ring::digest::digest(
                &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
                der,
            )),
            not_before: time_text(validity.not_before.to_date_time()),
            not_after: time_text(validity.not_after.to_date_time()),
            ends: validity.not_after.to_unix_duration().as_secs(),
            names: alternative_names(&parsed)
                .into_iter()
                .filter_map(|name| match name {
                    GeneralName::DnsName(name)
                    | GeneralName::Rfc822Name(name)
                    | GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
                    _ => None,
                })
                .collect(),
        })
    }
}

/// The names that a certificate is for besides its subject.
pub(super) fn alternative_names(certificate: &Certificate) -> Vec<GeneralName> {
    match certificate.tbs_certificate().get_extension::<SubjectAltName>() {
        Ok(Some((_, SubjectAltName(names)))) => names,
        _ => Vec::new(),
    }
}

/// The common name of a certificate's subject.
pub(super) fn common_name(certificate: &Certificate) -> Option<String> {
    let name = certificate.tbs_certificate().subject().common_name().ok()??;
    Some(name.value().into_owned())
}

fn time_text(time: DateTime) -> String {
    format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}Z",
        time.year() % 100,
        time.month(),
        time.day(),
        time.hour(),
        time.minutes(),
        time.seconds()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, SanType};

    #[test]
    fn a_certificate_is_told_as_proxies_tell_it() {
        let mut made = CertificateParams::new(vec!["proxy.example".to_owned()]).unwrap();
        made.distinguished_name.push(DnType::CommonName, "client one");
        made.distinguished_name.push(DnType::OrganizationName, "Example");
        made.subject_alt_names.push(SanType::URI("spiffe://example/proxy".try_into().unwrap()));
        made.serial_number = Some(vec![0x0a, 0xbc].into());
        made.not_before = rcgen::date_time_ymd(2026, 1, 2);
        made.not_after = rcgen::date_time_ymd(2036, 12, 22);
        let der = made.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let peer = PeerCertificate::parse(der.der()).unwrap();
        assert_eq!(peer.subject, "O=Example,CN=client one");
        assert_eq!(
            (peer.common_name.as_str(), peer.issuer.as_str()),
            ("client one", "O=Example,CN=client one")
        );
        assert_eq!(peer.serial, "0ABC");
        assert_eq!(
            (peer.not_before.as_str(), peer.not_after.as_str()),
            ("260102000000Z", "361222000000Z")
        );
        assert_eq!(peer.names, ["proxy.example", "spiffe://example/proxy"]);
        assert!(peer.fingerprint.len() == 40 && PeerCertificate::parse(b"none").is_none());
    }
}
