//! `cert_util`: when the certificates of a TLS server end.
//!
//! A connection of its own, on which nothing is said but a handshake; nothing is verified, so that
//! the end of a certificate that is over can be told as well. Certificates are read by x509-cert
//! (looked at besides: x509-parser, twice as many crates below it). Rules:
//! `lua/modules/cert_util.md`. Bounds: [`CONNECT_MAX`], [`HANDSHAKE_MAX`]; the chain's size is
//! rustls' (64 KiB a message).

use crate::op::{Answer, Op, Ops, Subtask};
use crate::script::ffi::{Call, Fault, Finish, Start, Waiting};
use crate::script::modules::Module;
use crate::tls::ClientTls;
use crate::upstream::connection::UpstreamConnection;
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::der::Decode;

pub static MODULE: Module = Module {
    names: &["cert_util"],
    functions: &[],
    waiting: &[Waiting { name: "not_after", start: not_after }],
    setup: None,
    lua: None,
};

/// What is found out: Unix seconds, and the handshake's error, if there was one behind the
/// certificates.
type Found = Result<(u64, Option<String>), String>;

/// `not_after(server_name[, "host:port"])` → Unix seconds of the chain's earliest end, nil or the
/// handshake's error.
fn not_after(call: &Call<'_>) -> Result<Start, Fault> {
    let name = call.text(1)?.into_owned();
    let address = match call.opt_string(2)? {
        Some(address) => String::from_utf8_lossy(address).into_owned(),
        None => format!("{name}:443"),
    };
    let Some((host, port)) = split(&address) else {
        return Ok(Start::Done(
            call.nil_and(format!("dial tcp: address {address}: missing port in address")),
        ));
    };
    let procedure = Subtask::new(move |ops| async move { look(&ops, &name, &host, port).await });
    Ok(Start::Wait {
        op: Op::Run(procedure),
        limit: Duration::MAX,
        finish: Finish::Plain(finish, 0),
    })
}

fn finish(call: &Call<'_>, answer: Answer, _: u64) -> Result<i32, Fault> {
    match answer.done::<Found>().map_err(|failure| failure.to_string()).and_then(|found| found) {
        Ok((end, error)) => {
            call.push_number(end as f64);
            match error {
                Some(error) => call.push_string(error.as_bytes()),
                None => call.push_nil(),
            }
            Ok(2)
        }
        Err(error) => Ok(call.nil_and(error)),
    }
}

/// Host and port of `host:port`, `[address]:port`.
fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host.to_owned(), port.parse().ok()?))
}

async fn look(ops: &Ops, name: &str, host: &str, port: u16) -> Found {
    let (tls, shown) = ClientTls::recording().map_err(|error| error.to_string())?;
    let mut connection = UpstreamConnection::connect(ops, host, port, CONNECT_MAX)
        .await
        .map_err(|failure| failure.to_string())?;
    let handshake = connection.start_tls(ops, &tls, name, HANDSHAKE_MAX).await;
    let error = handshake.err().map(|failure| failure.to_string());
    match (earliest_end(&shown.take())?, error) {
        (Some(end), error) => Ok((end, error)),
        (None, Some(error)) => Err(error),
        (None, None) => Err("certs not found".to_owned()),
    }
}

/// The first time that one of the certificates (DER) ends; `None` without any.
fn earliest_end(chain: &[Vec<u8>]) -> Result<Option<u64>, String> {
    let mut earliest = None;
    for certificate in chain {
        let certificate =
            Certificate::from_der(certificate).map_err(|error| format!("x509: {error}"))?;
        let end = certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        earliest = Some(earliest.map_or(end, |earlier: u64| earlier.min(end)));
    }
    Ok(earliest)
}

/// To open the connection, the look-up of the name included.
const CONNECT_MAX: Duration = Duration::from_secs(5);

const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{ConnectionOp, Failure};
    use crate::script::testing::eval_with;
    use crate::value::Value;
    use proptest::prelude::*;

    fn certificate(end_year: i32) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(vec!["kit.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(end_year, 1, 2);
        parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_earliest_end_of_a_chain_counts() {
        assert_eq!(
            earliest_end(&[certificate(2031), certificate(2030), certificate(2060)]),
            Ok(Some(1_893_542_400))
        );
        assert_eq!(earliest_end(&[]), Ok(None));
        assert!(earliest_end(&[b"junk".to_vec()]).unwrap_err().starts_with("x509: "));
    }

    #[test]
    fn addresses() {
        for (address, parts) in [
            ("mail.example:993", Some(("mail.example", 993))),
            ("[2001:db8::1]:443", Some(("2001:db8::1", 443))),
            ("mail.example", None),
            ("mail.example:imaps", None),
        ] {
            assert_eq!(
                split(address),
                parts.map(|(host, port)| (host.to_owned(), port)),
                "{address}"
            );
        }
    }

    #[test]
    fn a_refused_connection_is_an_error_text() {
        let source = "local t, err = require('cert_util').not_after('kit.example', '192.0.2.1:443') return tostring(t) .. ' ' .. err";
        let refused = |op| match op {
            Op::Connection(ConnectionOp::Open(address)) => Answer::Failed(Failure::Refused(
                format!("dial tcp {address}: connect: connection refused"),
            )),
            op => panic!("{op:?}"),
        };
        assert_eq!(
            eval_with(source, refused),
            Ok(Value::string("nil dial tcp 192.0.2.1:443: connect: connection refused"))
        );
    }

    #[test]
    fn arguments() {
        let run = |arguments: &str| {
            eval_with(
                &format!("return select(2, require('cert_util').not_after({arguments}))"),
                |op| panic!("{op:?}"),
            )
        };
        assert_eq!(
            run("'kit.example', 'nowhere'"),
            Ok(Value::string("dial tcp: address nowhere: missing port in address"))
        );
        assert!(
            run("")
                .unwrap_err()
                .contains("bad argument #1 to not_after (string expected, got nil)")
        );
        assert!(
            run("'kit.example', 5")
                .unwrap_err()
                .contains("bad argument #2 to not_after (string expected, got number)")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut der in Just(certificate(2030)), at in 0usize..600, byte: u8) {
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _: Result<Option<u64>, String> = earliest_end(&[der]);
        }
    }
}
