//! `cert_util.not_after` looks at the certificates of a real TLS server, valid or not.

use crate::support::{Request, Site};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::{Value, json};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A TLS server whose certificate ended in 2020.
fn expired() -> SocketAddr {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["mail.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut session = ServerConnection::new(config.clone()).unwrap();
            // Until the other side closes; how it does that is its business.
            let _ = rustls::Stream::new(&mut session, &mut stream).read(&mut [0; 16]);
        }
    });
    address
}

#[test]
fn the_end_of_an_expired_certificate_is_told() {
    let address = expired();
    let hook = format!(
        r#"function nauthilus_run_hook()
            local ends, err = require("cert_util").not_after("mail.example", "{address}")
            return {{ ends = ends, err = tostring(err) }}
        end"#
    );
    let hooks =
        json!([{ "http_location": "hook", "http_method": "GET", "script_path": "hook.lua" }]);
    let server = Site::new()
        .file("hook.lua", &hook)
        .set(json!({ "lua": { "custom_hooks": hooks } }))
        .start();
    let answer = server.connect().ask(&Request::get("/api/v1/custom/hook"));
    assert_eq!(
        (answer.status, serde_json::from_str::<Value>(&answer.text()).unwrap()),
        (200, json!({ "ends": 1_577_836_800, "err": "nil" }))
    );
}
