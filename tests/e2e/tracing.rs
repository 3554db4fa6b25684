//! Spans of scripts arrive at a collector; without one, and with a broken one, logins go on.

use crate::support::{PATIENCE, Request, Server, Site};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

/// A collector that answers every batch with `status` and passes its body on.
fn collector(status: u16) -> (SocketAddr, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head += &line;
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            write!(
                stream.get_mut(),
                "HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            )
            .unwrap();
            if sender.send((head, serde_json::from_slice(&body).unwrap())).is_err() {
                return;
            }
        }
    });
    (address, bodies)
}

fn server(endpoint: &str) -> Server {
    let filter = r#"
        local otel = require("nauthilus_opentelemetry")
        function nauthilus_call_filter(request)
            otel.tracer("e2e"):with_span("policy " .. request.username, function(span)
                span:set_attribute("protocol", request.protocol)
            end)
            return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK
        end"#;
    let tracing = json!({
        "enabled": true, "endpoint": endpoint, "sampler_ratio": 1, "service_name": "mail login", "log_export_results": true,
    });
    Site::new()
        .filter("policy", filter)
        .set(json!({ "server": { "insights": { "tracing": tracing } } }))
        .start()
}

#[test]
fn spans_arrive_at_the_collector() {
    let (address, batches) = collector(200);
    let mut server = server(&address.to_string());
    assert_eq!(server.connect().ask(&Request::login("ada", "right")).status, 200);
    let (head, body) = batches.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: application/json\r\n"), "{head}");
    let of = |pointer: &str| {
        body.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer} in {body}"))
    };
    assert_eq!(of("/resourceSpans/0/resource/attributes/0/value/stringValue"), "mail login");
    assert_eq!(of("/resourceSpans/0/scopeSpans/0/scope/name"), "e2e");
    assert_eq!(of("/resourceSpans/0/scopeSpans/0/spans/0/name"), "policy ada");
    assert_eq!(of("/resourceSpans/0/scopeSpans/0/spans/0/attributes/0/key"), "protocol");
    server.wait_for_log("spans exported");
}

#[test]
fn a_collector_that_refuses_costs_a_log_line_and_no_login() {
    let (address, batches) = collector(500);
    let mut server = server(&format!("http://{address}/"));
    for _ in 0..3 {
        assert_eq!(server.connect().ask(&Request::login("ada", "right")).status, 200);
        assert_eq!(
            batches
                .recv_timeout(PATIENCE)
                .unwrap()
                .1
                .pointer("/resourceSpans/0/scopeSpans/0/spans/0/name"),
            Some(&json!("policy ada"))
        );
    }
    server.wait_for_log("the collector answered with status 500");
}

#[test]
fn a_collector_that_is_gone_costs_a_log_line_and_no_login() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = server(&closed.to_string());
    assert_eq!(server.connect().ask(&Request::login("ada", "right")).status, 200);
    server.wait_for_log("spans could not be exported");
}
