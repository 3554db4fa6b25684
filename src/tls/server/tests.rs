//! Two sessions, ours and a client's, that hand each other their bytes.

use super::*;
use crate::tls::{PeerCertificate, TlsVersion};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::os::unix::fs::PermissionsExt;

type Authority = CertifiedIssuer<'static, KeyPair>;

struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Files {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        Files { folder: tempfile::tempdir().unwrap(), authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        let permissions = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
        self.path(name)
    }

    /// A certificate of the authority for a name, in files.
    fn pair(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> PairOfFiles {
        let (chain, key) = self.issue(name, change);
        let files = CertificateFiles {
            certificate: self.write(&format!("{name}.crt"), &pem("CERTIFICATE", &chain)),
            key: self.write(&format!("{name}.key"), &key.serialize_pem()),
        };
        PairOfFiles { files, place: String::new() }
    }

    fn issue(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut leaf);
        (leaf.signed_by(&key, &self.authority).unwrap().der().clone(), key)
    }

    fn settings(&self, names: &[&str]) -> ServerTlsSettings {
        ServerTlsSettings {
            certificates: names.iter().map(|name| self.pair(name, |_| {})).collect(),
            ..ServerTlsSettings::default()
        }
    }

    /// A client that trusts the authority, perhaps with a certificate of its own.
    fn client(&self, own: Option<(CertificateDer<'static>, KeyPair)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        })
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// A whole handshake; the client's session and ours.
fn shake(
    tls: &ServerTls,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = tls.session().unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn shown_to(tls: &ServerTls, client: &Arc<ClientConfig>, name: &str) -> Vec<String> {
    let (client, _) = shake(tls, client, name).unwrap();
    PeerCertificate::parse(&client.peer_certificates().unwrap()[0]).unwrap().names
}

#[test]
fn the_host_name_chooses_the_certificate() {
    let files = Files::new();
    let (tls, _) =
        ServerTls::new(files.settings(&["a.example", "*.b.example", "x.b.example"])).unwrap();
    let client = files.client(None);
    for (asked, shown) in [
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("mail.b.example", "*.b.example"),
        ("x.b.example", "x.b.example"),
    ] {
        assert_eq!(shown_to(&tls, &client, asked), [shown], "{asked}");
    }
    for asked in ["other.example", "b.example", "y.x.b.example"] {
        let error = shake(&tls, &client, asked).unwrap_err().to_string();
        assert!(error.contains("a.example"), "the first one is shown: {error}");
    }
}

#[test]
fn sessions_are_resumed_unless_certificates_are_asked_for() {
    let files = Files::new();
    let settings = files.settings(&["a.example"]);
    let ca = files.write("ca.pem", &files.authority.pem());
    let asking = ServerTlsSettings {
        client_auth: ClientAuth::Optional,
        client_ca: Some(ca),
        ..settings.clone()
    };
    for (settings, second) in [(settings, HandshakeKind::Resumed), (asking, HandshakeKind::Full)] {
        // Another listener, as another worker after a reload.
        let all = [settings.clone(), settings].map(|settings| ServerTls::new(settings).unwrap().0);
        let client = files.client(None);
        let kinds = all.map(|tls| shake(&tls, &client, "a.example").unwrap().1.handshake_kind());
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(second)]);
    }
}

#[test]
fn client_certificates_are_checked() {
    let files = Files::new();
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2124, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(66),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&files.authority).unwrap();
    let required = ServerTlsSettings {
        client_auth: ClientAuth::Required,
        client_ca: Some(files.write("ca.pem", &files.authority.pem())),
        crl: Some(files.write("crl.pem", &list.pem().unwrap())),
        ..files.settings(&["a.example"])
    };
    let optional = ServerTlsSettings { client_auth: ClientAuth::Optional, ..required.clone() };
    let expired = |leaf: &mut CertificateParams| leaf.not_after = date_time_ymd(2002, 1, 1);
    let revoked = |leaf: &mut CertificateParams| leaf.serial_number = Some(66.into());
    let stranger = Files::new().issue("proxy.example", |_| {});
    for (what, own, good) in [
        ("good", Some(files.issue("proxy.example", |_| {})), [true, true]),
        ("none", None, [false, true]),
        ("of another authority", Some(stranger), [false, false]),
        ("expired", Some(files.issue("proxy.example", expired)), [false, false]),
        ("revoked", Some(files.issue("proxy.example", revoked)), [false, false]),
    ] {
        let client = files.client(own);
        let is_good = [&required, &optional].map(|settings| {
            let (tls, _) = ServerTls::new(settings.clone()).unwrap();
            shake(&tls, &client, "a.example").is_ok()
        });
        assert_eq!(is_good, good, "{what}");
    }
}

#[test]
fn what_cannot_be_used_is_named_with_its_place_and_remedy() {
    let files = Files::new();
    let mut settings = files.settings(&["a.example", "b.example"]);
    settings.certificates[1].files.key = settings.certificates[0].files.key.clone();
    settings.certificates[1].place = "certificates[0].".into();
    let flaws = settings.examine().unwrap_err();
    assert!(
        flaws.len() == 1
            && flaws[0].place == "certificates[0].key"
            && flaws[0].text.contains("does not belong to the certificate"),
        "{flaws:?}"
    );
    settings.certificates[1].files.key = files.path("missing.key");
    settings.certificates[0].files.certificate = files.write("none.crt", "none\n");
    let flaws = settings.examine().unwrap_err();
    let places: Vec<_> = flaws.iter().map(|flaw| flaw.place.as_str()).collect();
    assert_eq!(places, ["cert", "certificates[0].key"]);
}

#[test]
fn dates_and_permissions_are_warned_of() {
    let files = Files::new();
    let past = files.pair("old.example", |leaf| leaf.not_after = date_time_ymd(2002, 1, 1));
    let future = files.pair("new.example", |leaf| leaf.not_before = date_time_ymd(2099, 1, 1));
    let open = files.pair("open.example", |_| {});
    let permissions = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&open.files.key, permissions).unwrap();
    let certificates = vec![past, future, open];
    let settings = ServerTlsSettings { certificates, ..ServerTlsSettings::default() };
    let warnings = settings.examine().unwrap();
    let words = ["HAS EXPIRED", "NOT YET VALID", "chmod"];
    assert_eq!(warnings.len(), words.len());
    assert!(
        warnings.iter().zip(words).all(|(flaw, word)| flaw.text.contains(word)),
        "{warnings:?}"
    );
}

#[test]
fn changed_files_are_taken_over_and_broken_ones_are_not() {
    let files = Files::new();
    let (tls, _) = ServerTls::new(files.settings(&["a.example"])).unwrap();
    let serial = || {
        let (client, _) = shake(&tls, &files.client(None), "a.example").unwrap();
        PeerCertificate::parse(&client.peer_certificates().unwrap()[0]).unwrap().serial
    };
    assert!(matches!(tls.refresh(), Refreshed::Unchanged));
    let first = serial();
    files.pair("a.example", |_| {});
    assert!(matches!(tls.refresh(), Refreshed::Renewed(_)));
    let second = serial();
    assert_ne!(first, second);
    files.write("a.example.key", "broken");
    assert!(matches!(tls.refresh(), Refreshed::Kept(_)));
    assert!(matches!(tls.refresh(), Refreshed::Unchanged), "told once");
    assert_eq!(serial(), second);
}

#[test]
fn versions_and_suites_are_as_configured() {
    let files = Files::new();
    let settings = files.settings(&["a.example"]);
    let outdated = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore { roots: files_roots(&files) })
        .with_no_client_auth();
    let outdated = Arc::new(outdated);
    let newest = ServerTlsSettings { minimum: TlsVersion::Tls13, ..settings.clone() };
    assert!(shake(&ServerTls::new(settings.clone()).unwrap().0, &outdated, "a.example").is_ok());
    assert!(shake(&ServerTls::new(newest).unwrap().0, &outdated, "a.example").is_err());
    let wanted = vec!["TLS_CHACHA20_POLY1305_SHA256".to_owned()];
    let chosen = ServerTlsSettings { suites: wanted.clone(), ..settings };
    let (tls, _) = ServerTls::new(chosen).unwrap();
    assert!(shake(&tls, &outdated, "a.example").is_err(), "only TLS 1.3 is left");
    let (_, server) = shake(&tls, &files.client(None), "a.example").unwrap();
    assert_eq!(server.negotiated_cipher_suite().map(suites::name), wanted.first().cloned());
}

fn files_roots(files: &Files) -> Vec<rustls_pki_types::TrustAnchor<'static>> {
    let mut roots = RootCertStore::empty();
    roots.add(files.authority.der().clone()).unwrap();
    roots.roots
}
