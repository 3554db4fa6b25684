//! One HTTP request to the running server, for the commands that ask it.
//!
//! Blocking, one connection, one answer. Where the server listens on a unix socket, that is taken:
//! it needs neither TLS nor an address.
//! Bounds: `TIME_MAX`, `ANSWER_BYTES_MAX`.

use crate::config::section::listeners::Listener;
use crate::config::{Config, ListenAddress};
use crate::proto::proxy;
use crate::tls::{ClientTls, ServerTlsSettings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Asks the server that `config` describes; `body` is sent as JSON.
///
/// # Errors
/// It cannot be reached, or its answer is not 200 or 202.
pub fn ask(
    config: &Config,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let listener = listener(config).ok_or("the server listens nowhere where it could be asked")?;
    let prefix: &[u8] = if listener.proxy_protocol { &proxy::LOCAL } else { &[] };
    let request = request(config, method, path, body);
    match &listener.address {
        ListenAddress::Unix(path) => over(&listener, unix(path)?, prefix, &request),
        ListenAddress::Tcp(address) => over(&listener, tcp(reachable(*address))?, prefix, &request),
    }
}

/// Where to ask: at a unix socket rather than over TCP, and without TLS rather than with it. Not
/// where clients need a certificate: these commands have none.
fn listener(config: &Config) -> Option<Listener> {
    let all = config.server.every_listener().into_iter().map(|(_, listener)| listener);
    let is_open =
        |listener: &Listener| !listener.tls.enabled || !listener.tls.requires_certificate();
    let is_tcp = |listener: &Listener| matches!(listener.address, ListenAddress::Tcp(_));
    all.filter(is_open).min_by_key(|listener| (is_tcp(listener), listener.tls.enabled))
}

fn over(
    listener: &Listener,
    mut stream: impl Read + Write,
    prefix: &[u8],
    request: &[u8],
) -> Result<Value, String> {
    stream.write_all(prefix).map_err(|error| format!("cannot ask the server: {error}"))?;
    match listener.tls.settings() {
        Some(settings) => over_tls(&settings, stream, request),
        None => exchange(&mut stream, request),
    }
}

/// Asks over TLS. The server must show the certificate that the configuration names, whoever issued
/// it: the request may carry the secrets of an administrator.
fn over_tls(
    settings: &ServerTlsSettings,
    mut stream: impl Read + Write,
    request: &[u8],
) -> Result<Value, String> {
    let files = &settings.certificates.first().ok_or("the listener has no certificate")?.files;
    let ours = files.leaf().map_err(|error| error.to_string())?;
    let (tls, shown) = ClientTls::recording().map_err(|error| error.to_string())?;
    let mut session = tls.session("localhost").map_err(|error| error.to_string())?;
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|error| {
            format!("no TLS with the server: {error} (a socket in server.listen_unix needs none)")
        })?;
    }
    if shown.take().first() != Some(&ours) {
        return Err(format!(
            "the server shows another certificate than {}",
            files.certificate.display()
        ));
    }
    exchange(&mut rustls::StreamOwned::new(session, stream), request)
}

/// Prints the result that an answer carries.
///
/// # Errors
/// It is no JSON that could be shown.
pub fn print_result(answer: &Value) -> Result<(), String> {
    let result = answer.get("result").unwrap_or(answer);
    println!("{}", serde_json::to_string_pretty(result).map_err(|error| error.to_string())?);
    Ok(())
}

fn unix(path: &Path) -> Result<UnixStream, String> {
    let stream = UnixStream::connect(path)
        .map_err(|error| format!("cannot reach the server at unix:{}: {error}", path.display()))?;
    stream
        .set_read_timeout(Some(TIME_MAX))
        .and_then(|()| stream.set_write_timeout(Some(TIME_MAX)))
        .map_err(|error| error.to_string())?;
    Ok(stream)
}

fn tcp(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, TIME_MAX)
        .map_err(|error| format!("cannot reach the server at {address}: {error}"))?;
    stream
        .set_read_timeout(Some(TIME_MAX))
        .and_then(|()| stream.set_write_timeout(Some(TIME_MAX)))
        .map_err(|error| error.to_string())?;
    Ok(stream)
}

/// An address that a listener on `address` can be reached at.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn request(config: &Config, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let basic = &config.server.basic_auth;
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
            .into_bytes();
    let token = &config.server.admin_access.token;
    if !token.is_empty() {
        request.extend_from_slice(&[b"Authorization: Bearer ", token.expose(), b"\r\n"].concat());
    } else if basic.enabled && !basic.username.is_empty() {
        let credentials = BASE64_STANDARD
            .encode([basic.username.as_bytes(), b":", basic.password.expose()].concat());
        request.extend_from_slice(format!("Authorization: Basic {credentials}\r\n").as_bytes());
    }
    if !body.is_empty() {
        request.extend_from_slice(
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
                .as_bytes(),
        );
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body.as_bytes());
    request
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<Value, String> {
    stream.write_all(request).map_err(|error| format!("cannot send the request: {error}"))?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .map_err(|error| format!("the server did not answer: {error}"))?;
    parse(&answer)
}

/// The body of a good answer; of another, its status and what it says.
fn parse(answer: &[u8]) -> Result<Value, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(len)) = head.parse(answer) else {
        return Err("the server's answer is not HTTP".to_owned());
    };
    let (status, body) = (head.code.unwrap_or_default(), answer.get(len..).unwrap_or_default());
    if !matches!(status, 200 | 202) {
        return Err(format!("the server answers {status} {}", String::from_utf8_lossy(body))
            .trim_end()
            .to_owned());
    }
    serde_json::from_slice(body).map_err(|_| "the server's answer is not JSON".to_owned())
}

/// Longer than any request may take by default.
const TIME_MAX: Duration = Duration::from_secs(30);
/// A list of a million networks.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const HEADERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_or_an_error() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}", Ok("{\"a\":1}")),
            ("HTTP/1.1 202 Accepted\r\nA: b\r\n\r\n[]", Ok("[]")),
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", Err("the server answers 401")),
            ("HTTP/1.1 500 X\r\n\r\noh", Err("the server answers 500 oh")),
            ("HTTP/1.1 200 OK\r\n\r\n", Err("the server's answer is not JSON")),
            ("HTTP/1.1 200 OK\r\n", Err("the server's answer is not HTTP")),
            ("", Err("the server's answer is not HTTP")),
            ("SSH-2.0-x\r\n\r\n", Err("the server's answer is not HTTP")),
        ] {
            let is = parse(answer.as_bytes()).map(|value| value.to_string());
            assert_eq!(is.as_deref().map_err(String::as_str), expected, "{answer}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_this_host() {
        for (listens, asked) in [
            ("0.0.0.0:9080", "127.0.0.1:9080"),
            ("[::]:9080", "[::1]:9080"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
