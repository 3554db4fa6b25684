//! HAProxy in front of this server.
//!
//! Connections are passed on as they are (mode tcp) with a PROXY header, so that this server sees
//! who connects. Without the header every caller would have HAProxy's address, which access lists
//! and limits might trust: such listeners are not used.

use super::{ClientFile, Integration, fill};
use crate::config::{ListenAddress, Word};

pub fn compose(integration: &Integration<'_>) -> Result<Vec<ClientFile>, String> {
    let needs = "the PROXY protocol (proxy_protocol: true) without client certificates";
    let target = integration.target(
        |target| {
            let tls = target.tls.as_ref();
            target.proxy_protocol && !tls.is_some_and(|tls| tls.requires_certificate)
        },
        needs,
    )?;
    let address = match &target.address {
        ListenAddress::Tcp(address) => address.to_string(),
        unix => unix.text().replacen("unix:", "unix@", 1),
    };
    let tls = target.tls.as_ref().map(|tls| {
        let ca = integration.ca_file.display();
        format!(
            " ssl verify required ca-file {ca} sni str({name}) verifyhost {name} check-sni {name}",
            name = tls.name
        )
    });
    // HAProxy gives up later than this server does.
    let patience = integration.patience().to_string();
    let values = [
        ("ADDRESS", address.as_str()),
        ("TLS", &tls.unwrap_or_default()),
        ("SOCKET", &integration.socket_note(target, 4)),
        ("TIMEOUT", &patience),
    ];
    let text = fill(TEMPLATE, &values);
    Ok(vec![ClientFile { name: "haproxy.cfg", place: "/etc/haproxy/haproxy.cfg", text }])
}

const TEMPLATE: &str = "# HAProxy in front of Loligo. Add a server line for each further instance.

defaults
    mode tcp
    timeout connect 5s
    # Clients keep their connections open (server.timeouts.idle).
    timeout client 1h
    timeout server 1h
    timeout check @TIMEOUT@s

frontend loligo
    bind *:9180                                 # change
    default_backend loligo

backend loligo
    balance leastconn
    # 503 while an instance drains.
    option httpchk GET /healthz
    http-check expect status 200
@SOCKET@
    server loligo @ADDRESS@ send-proxy-v2@TLS@ check check-send-proxy inter 2s
";
