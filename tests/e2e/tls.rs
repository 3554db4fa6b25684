//! TLS at the listener: with openssl as the client, with client certificates, with files that
//! change and files that are wrong.

use crate::support::haproxy::Front;
use crate::support::http::Client;
use crate::support::site::{backend_that_finds_everybody, loligo};
use crate::support::{Request, Server, Site, until};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An authority for all certificates of a test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut about = CertificateParams::new(Vec::new()).unwrap();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        about.distinguished_name = DistinguishedName::new();
        about.distinguished_name.push(DnType::CommonName, "Test authority");
        Authority(CertifiedIssuer::self_signed(about, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key, PEM.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        leaf.distinguished_name = DistinguishedName::new();
        leaf.distinguished_name.push(DnType::CommonName, name);
        change(&mut leaf);
        (leaf.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// `NAME.crt` and `NAME.key` in the site's folder.
    fn put(&self, site: Site, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Site {
        let (certificate, key) = self.issue(name, change);
        site.file(&format!("{name}.crt"), &certificate).file(&format!("{name}.key"), &key)
    }

    /// A site whose server speaks TLS, and plain HTTP at the unix socket `plain.sock`.
    fn site(&self, tls: Value) -> Site {
        let own = json!({ "enabled": true, "cert": "a.example.crt", "key": "a.example.key" });
        let site = Site::new()
            .set(json!({ "server": { "tls": own, "listen_unix": [] } }))
            .set(json!({ "server": { "tls": tls } }));
        let socket = site.path("plain.sock");
        let site = site.set(json!({ "server": { "listen_unix": [socket] } }));
        self.put(site, "a.example", |_| {}).file("ca.pem", &self.0.pem())
    }

    /// A revocation list that ends with the year before `end`, with serial number 66 on it.
    fn revocations(&self, end: i32) -> String {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(end, 1, 1),
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
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }

    fn client(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

/// What `openssl s_client` prints when it asks for `/ping`.
fn openssl(server: &Server, arguments: &[&str]) -> String {
    ask_by_openssl(server, arguments, "GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

fn ask_by_openssl(server: &Server, arguments: &[&str], request: &str) -> String {
    ask_at(server, server.address, arguments, request)
}

fn ask_at(server: &Server, address: SocketAddr, arguments: &[&str], request: &str) -> String {
    let mut process = Command::new("openssl")
        .args(["s_client", "-ign_eof", "-connect", &address.to_string(), "-CAfile", "ca.pem"])
        .args(arguments)
        .current_dir(server.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have failed before it reads.
    let _ = process.stdin.take().unwrap().write_all(request.as_bytes());
    let output = process.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn metric(server: &Server, result: &str) -> u64 {
    let page = Client::unix(&server.path("plain.sock")).ask(&Request::get("/metrics")).text();
    let series = format!("loligo_tls_handshakes_total{{result=\"{result}\"}} ");
    let found = page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok());
    found.unwrap_or_else(|| panic!("no {series} in {page}"))
}

#[test]
fn haproxy_passes_tls_through_and_names_its_clients() {
    let authority = Authority::new();
    let tls = json!({ "enabled": true, "cert": "a.example.crt", "key": "a.example.key" });
    let listener = json!({ "address": "127.0.0.1:0", "tls": tls, "proxy_protocol": true });
    let site = authority.site(json!({})).set(json!({ "server": { "listeners": [listener] } }));
    let mut server = site.start();
    let front = Front::start(server.last_address(), "send-proxy-v2", "tcp");
    let request = "GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let output = ask_at(&server, front.address, &["-bind", "127.0.0.7:0"], request);
    assert!(output.contains("HTTP/1.1 200 OK") && output.contains("TLSv1.3"), "{output}");
    server.wait_for_log("client_ip=127.0.0.7");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("client_ip=127.0.0.7")).unwrap();
    assert!(line.contains("tls_protocol=TLSv1.3"), "{line}");
}

#[test]
fn openssl_speaks_both_versions_and_resumes_at_any_worker() {
    let authority = Authority::new();
    let site = authority.site(json!({
        "certificates": [{ "cert": "b.example.crt", "key": "b.example.key" }],
    }));
    let site = authority.put(site, "b.example", |_| {});
    let server = site.set(json!({ "server": { "workers": 2 } })).start();
    for (version, spoken) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        for name in ["a.example", "b.example"] {
            let session = format!("{name}{version}.session");
            let common =
                [version, "-servername", name, "-verify_hostname", name, "-alpn", "h2,http/1.1"];
            let first = openssl(&server, &[&common[..], &["-sess_out", &session]].concat());
            for text in ["HTTP/1.1 200 OK", "Verification: OK", "ALPN protocol: http/1.1", spoken] {
                assert!(first.contains(text), "{text}: {first}");
            }
            for _ in 0..4 {
                let again = openssl(&server, &[&common[..], &["-sess_in", &session]].concat());
                assert!(again.contains("Reused, ") && again.contains("200 OK"), "{again}");
            }
        }
    }
    for (refused, arguments) in [("TLS 1.1", &["-tls1_1"][..]), ("only h2", &["-alpn", "h2"])] {
        let output = openssl(&server, arguments);
        assert!(!output.contains("200 OK"), "{refused}: {output}");
    }
    assert_eq!((metric(&server, "full"), metric(&server, "resumed")), (4, 16));
}

#[test]
fn an_older_version_than_the_minimum_is_refused() {
    let server = Authority::new().site(json!({ "min_tls_version": "TLS1.3" })).start();
    assert!(!openssl(&server, &["-tls1_2"]).contains("200 OK"));
    assert!(openssl(&server, &["-tls1_3"]).contains("200 OK"));
}

#[test]
fn client_certificates_let_in_who_they_should() {
    let authority = Authority::new();
    let crl = authority.revocations(2124);
    let site = authority.site(json!({
        "client_auth": "required", "client_ca_file": "ca.pem", "crl_file": "crl.pem",
    }));
    let site = authority.put(site.file("crl.pem", &crl), "good", |_| {});
    let site = authority.put(site, "expired", |leaf| leaf.not_after = date_time_ymd(2002, 1, 1));
    let site = authority.put(site, "revoked", |leaf| leaf.serial_number = Some(66.into()));
    let server = Authority::new().put(site, "stranger", |_| {}).start();
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(!openssl(&server, &[version]).contains("200 OK"));
        for (name, is_good) in
            [("good", true), ("expired", false), ("revoked", false), ("stranger", false)]
        {
            let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
            let output = openssl(&server, &[version, "-cert", &certificate, "-key", &key]);
            assert_eq!(output.contains("200 OK"), is_good, "{name}: {output}");
        }
    }
    assert_eq!((metric(&server, "full"), metric(&server, "failed")), (2, 8));
}

#[test]
fn a_revocation_list_that_has_ended_lets_nobody_in_and_is_told() {
    let authority = Authority::new();
    let site = authority.site(json!({
        "client_auth": "required", "client_ca_file": "ca.pem", "crl_file": "crl.pem",
    }));
    let site = authority.put(site.file("crl.pem", &authority.revocations(2025)), "good", |_| {});
    let mut server = site.start();
    let good = ["-cert", "good.crt", "-key", "good.key"];
    assert!(!openssl(&server, &good).contains("200 OK"));
    server.wait_for_log("crl_file");
}

/// Runs `openssl` in the site's folder.
fn run_openssl(site: &Site, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(site.path("")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn keys_may_be_in_any_form_that_openssl_writes() {
    let make: [(&str, &[&str]); 3] = [
        ("BEGIN RSA PRIVATE KEY", &["genrsa", "-traditional", "-out", "a.example.key", "2048"]),
        (
            "BEGIN EC PRIVATE KEY",
            &["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", "a.example.key"],
        ),
        ("BEGIN PRIVATE KEY", &["genpkey", "-algorithm", "ed25519", "-out", "a.example.key"]),
    ];
    for (form, arguments) in make {
        let site = Authority::new().site(json!({}));
        run_openssl(&site, arguments);
        let request = ["req", "-x509", "-new", "-key", "a.example.key", "-subj", "/CN=a.example"];
        let names = ["-addext", "subjectAltName=DNS:a.example", "-out", "a.example.crt"];
        run_openssl(&site, &[&request[..], &names].concat());
        let key = std::fs::read_to_string(site.path("a.example.key")).unwrap();
        assert!(key.contains(form), "{key}");
        let server = site.start();
        for version in ["-tls1_2", "-tls1_3"] {
            assert!(openssl(&server, &[version]).contains("200 OK"), "{form} {version}");
        }
    }
}

#[test]
fn a_reload_switches_tls_on_and_off_for_new_connections() {
    let mut server = Authority::new().site(json!({})).start();
    assert!(openssl(&server, &[]).contains("200 OK"));
    server.change(json!({ "server": { "tls": { "enabled": false } } }));
    assert!(server.reload());
    until("plain HTTP", || {
        (Client::tcp(server.address).ask(&Request::get("/ping")).status == 200).then_some(())
    });
    server.change(json!({ "server": { "tls": { "enabled": true } } }));
    assert!(server.reload());
    until("TLS", || {
        (Client::tcp(server.address).ask(&Request::get("/ping")).status == 400).then_some(())
    });
    assert!(openssl(&server, &[]).contains("200 OK"));
}

fn login_by_openssl(server: &Server, name: &str, headers: &str) -> bool {
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
    let request = format!(
        "GET /api/v1/auth/header?in-memory=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuth-User: ada\r\nAuth-Pass: right\r\nAuth-Protocol: imap\r\n{headers}\r\n"
    );
    let arguments = ["-cert", &certificate, "-key", &key];
    let output = ask_by_openssl(server, &arguments, &request);
    output.contains("Auth-Status: OK")
}

#[test]
fn a_client_certificate_reaches_scripts_unless_the_request_speaks_of_tls() {
    let authority = Authority::new();
    let site = authority
        .site(json!({ "client_auth": "optional", "client_ca_file": "ca.pem" }))
        .backend(&backend_that_finds_everybody(
            "",
            r#"
            request.ssl_client_verify == "SUCCESS" and request.ssl_client_cn == "proxy"
            and request.ssl_client_dn == "CN=proxy" and request.ssl_issuer == "CN=Test authority"
            and #request.ssl_fingerprint == 40 and request.ssl == "" and request.ssl_protocol == ""
        "#,
        ));
    let server = authority.put(site, "proxy", |_| {}).start();
    assert!(login_by_openssl(&server, "proxy", ""));
    assert!(!login_by_openssl(&server, "proxy", "X-SSL: 1\r\n"));
}

#[test]
fn a_client_certificate_is_a_caller() {
    let authority = Authority::new();
    let site = authority.site(json!({
        "client_auth": "optional", "client_ca_file": "ca.pem",
        "client_callers": [{ "name": "proxy" }, { "name": "scraper", "roles": ["security"] }],
    }));
    let site = authority.put(site, "proxy", |_| {});
    let site = authority.put(site, "scraper", |_| {});
    let server = authority.put(site, "stranger", |_| {}).start();
    for (name, is_caller) in [("proxy", true), ("scraper", false), ("stranger", false)] {
        assert_eq!(login_by_openssl(&server, name, ""), is_caller, "{name}");
    }
    // Without TLS nobody can be one.
    let answer = Client::unix(&server.path("plain.sock")).ask(&Request::login("ada", "right"));
    assert_eq!(answer.status, 403);
}

#[test]
fn plain_text_is_told_that_the_port_speaks_tls() {
    let server = Authority::new().site(json!({})).start();
    let mut client = Client::tcp(server.address);
    let answer = client.ask(&Request::get("/ping"));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("speaks TLS"), "{}", answer.text());
    client.expect_close();
    let mut garbage = Client::tcp(server.address);
    garbage.send(&[0x16, 3, 1, 0, 4, 1, 2, 3, 4, 5]);
    until("the failures to be counted", || (metric(&server, "failed") == 2).then_some(()));
}

#[test]
fn a_silent_client_does_not_stay() {
    let site = Authority::new().site(json!({}));
    let timeouts = json!({ "server": { "timeouts": { "tls_handshake": "200ms" } } });
    let server = site.set(timeouts).start();
    Client::tcp(server.address).expect_close();
    let mut slow = Client::tcp(server.address);
    slow.send(&[0x16]);
    slow.expect_close();
}

#[test]
fn certificates_are_swapped_under_load_without_a_failed_request() {
    let authority = Authority::new();
    let mut server = authority.site(json!({})).set(json!({ "server": { "workers": 2 } })).start();
    let (over, address) = (AtomicBool::new(false), server.address);
    let client = authority.client();
    std::thread::scope(|scope| {
        let loads: Vec<_> = (0..2)
            .map(|number| {
                let (over, client) = (&over, &client);
                scope.spawn(move || {
                    let mut kept = Client::tls(address, client, "a.example");
                    while !over.load(Ordering::Relaxed) {
                        let mut fresh = Client::tls(address, client, "a.example");
                        let user = format!("ada{number}");
                        for wire in [&mut kept, &mut fresh] {
                            assert_eq!(wire.ask(&Request::login(&user, "right")).status, 200);
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            let before = server.log().matches("TLS certificates were read again").count();
            let (certificate, key) = authority.issue("a.example", |_| {});
            server.write("a.example.crt", &certificate);
            server.write("a.example.key", &key);
            until("the certificates to be read again", || {
                let count = server.log().matches("TLS certificates were read again").count();
                (count > before).then_some(())
            });
        }
        let (certificate, key) = authority.issue("a.example", |_| {});
        server.write("a.example.crt", &certificate);
        server.write("a.example.key", &key);
        assert!(server.reload());
        over.store(true, Ordering::Relaxed);
        loads.into_iter().for_each(|load| load.join().unwrap());
    });
}

#[test]
fn broken_files_are_refused_at_reload_and_by_check() {
    let authority = Authority::new();
    let mut server = authority.site(json!({})).start();
    let (_, other_key) = authority.issue("a.example", |_| {});
    server.write("a.example.key", &other_key);
    assert!(!server.reload());
    let check = |server: &Server| {
        let output = loligo()
            .current_dir(server.path(""))
            .args(["check", "-c", "loligo.json"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    };
    let (is_sound, text) = check(&server);
    assert!(!is_sound && text.contains("server.tls.key: "), "{text}");
    assert!(text.contains("does not belong to the certificate"), "{text}");
    assert!(openssl(&server, &["-servername", "a.example"]).contains("200 OK"));
    let (certificate, key) =
        authority.issue("a.example", |leaf| leaf.not_after = date_time_ymd(2002, 1, 1));
    server.write("a.example.crt", &certificate);
    server.write("a.example.key", &key);
    let (is_sound, text) = check(&server);
    assert!(
        is_sound && text.contains("server.tls.cert: ") && text.contains("HAS EXPIRED"),
        "{text}"
    );
    assert!(server.reload());
    server.wait_for_log("HAS EXPIRED");
}
