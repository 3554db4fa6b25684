//! Through a proxy: as the configuration says, or the environment.

use super::{GET, ask, error, site};
use crate::support::web::{Certificate, Web};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A proxy that writes down the heads of what it is asked. It knows CONNECT, and GET for a whole
/// URL. Without the right password: 407.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = asked.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let notes = notes.clone();
            std::thread::spawn(move || serve(&client, &notes));
        }
    });
    (address, asked)
}

fn serve(mut client: &TcpStream, notes: &Mutex<Vec<String>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(client);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return;
        }
    }
    notes.lock().unwrap().push(head.clone());
    if !head.contains("Proxy-Authorization: Basic dTpw\r\n") {
        client
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        return;
    }
    if !head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied").unwrap();
        return;
    }
    let mut upstream = TcpStream::connect(head.split(' ').nth(1).unwrap()).unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut from, mut to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    // Either side may end it.
    let _ = std::io::copy(&mut reader, &mut upstream);
}

#[test]
fn the_configured_one_is_used_for_everything() {
    let (address, asked) = proxy();
    let web = Web::start_tls(Certificate::Good);
    let settings =
        json!({ "server": { "http_client": { "proxy": format!("http://u:p@{address}") } } });
    let server =
        site(GET).env("SSL_CERT_FILE", web.authority().to_str().unwrap()).set(settings).start();
    assert_eq!(ask(&server, "http://nowhere.test/a?b", "")["body"], "proxied");
    assert_eq!(ask(&server, &web.url("/connection"), "")["body"], "1");
    // The tunnel is kept.
    assert_eq!(ask(&server, &web.url("/connection"), "")["body"], "2");
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].starts_with("GET http://nowhere.test/a?b HTTP/1.1\r\nHost: nowhere.test\r\n"),
        "{asked:?}"
    );
    assert!(
        asked[1].starts_with(&format!("CONNECT {}", web.url("").trim_start_matches("https://"))),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 2);
}

#[test]
fn the_environments_is_used_but_for_this_machine_and_exceptions() {
    let (address, asked) = proxy();
    let web = Web::start();
    let server = site(GET)
        .env("HTTP_PROXY", format!("http://u:p@{address}"))
        .env("NO_PROXY", "direct.invalid")
        .start();
    assert_eq!(ask(&server, "http://nowhere.test/", "")["body"], "proxied");
    assert_eq!(ask(&server, &web.url("/hello"), "")["body"], "hello");
    assert!(error(&server, "http://direct.invalid/", "").contains("lookup direct.invalid"));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn a_proxy_that_refuses_is_an_error_that_says_so() {
    let (address, _) = proxy();
    let settings = json!({ "server": { "http_client": { "proxy": address } } });
    let web = Web::start_tls(Certificate::Good);
    let server =
        site(GET).env("SSL_CERT_FILE", web.authority().to_str().unwrap()).set(settings).start();
    assert_eq!(ask(&server, "http://nowhere.test/", "")["status"], 407);
    let expected = format!("Get \"{}\": proxy answered CONNECT with status 407", web.url("/hello"));
    assert_eq!(error(&server, &web.url("/hello"), ""), expected);
}
