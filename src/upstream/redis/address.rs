//! Addresses as Redis servers tell them: by sentinels, in CLUSTER SLOTS, in redirections.

/// `host:port` of a host (an address or a name) and a port as servers tell them.
pub(super) fn address(host: &[u8], port: &[u8]) -> Option<String> {
    let (host, port) = (std::str::from_utf8(host).ok()?, std::str::from_utf8(port).ok()?);
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let sound =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(sound) {
        return None;
    }
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// Of a host name (RFC 1123).
const HOST_BYTES_MAX: usize = 253;
