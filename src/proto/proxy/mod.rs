//! The PROXY protocol, versions 1 and 2: whom a proxy's connection is for, told before the first
//! byte of the connection itself.
//!
//! Source: "The PROXY protocol", Willy Tarreau, HAProxy 2.8 (`proxy-protocol.txt`); section numbers
//! are those of that document. Bounds: [`V1_BYTES_MAX`] and [`BYTES_MAX`]. Of version 2's
//! type-length-value parts only the checksum is looked at, the others are skipped.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its length in bytes; what follows belongs to the connection.
    pub len: usize,
    /// The client. An IPv4-mapped address is given as IPv4. `None`: the header names none (version
    /// 1 UNKNOWN; version 2 LOCAL, UNSPEC, or a client on a unix socket), and the connection's own
    /// peer counts.
    pub source: Option<SocketAddr>,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("no PROXY header")]
    Missing,
    #[error("malformed PROXY header")]
    Malformed,
    #[error("PROXY header too long")]
    TooLong,
    #[error("unknown version of the PROXY protocol")]
    Version,
    #[error("wrong checksum in the PROXY header")]
    Checksum,
}

/// Reads the header at the beginning of a connection. `None`: more bytes are needed.
///
/// # Errors
/// There is no header, or one that is not sound: the connection is to be refused. More bytes do not
/// change that.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    for (signature, parse) in [
        (V1_SIGNATURE, parse_v1 as fn(&[u8]) -> Result<Option<Header>, HeaderError>),
        (V2_SIGNATURE, parse_v2),
    ] {
        let known = bytes.len().min(signature.len());
        if bytes.get(..known) == signature.get(..known) {
            return if known < signature.len() { Ok(None) } else { parse(bytes) };
        }
    }
    Err(HeaderError::Missing)
}

/// Section 2.1: one line of text.
fn parse_v1(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let window = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        let is_full = window.len() == V1_BYTES_MAX;
        return if is_full { Err(HeaderError::TooLong) } else { Ok(None) };
    };
    let line = window.get(V1_SIGNATURE.len()..end).ok_or(HeaderError::Malformed)?;
    let source = match line.strip_prefix(b"UNKNOWN") {
        // Whatever follows is to be ignored.
        Some([] | [b' ', ..]) => None,
        Some(_) => return Err(HeaderError::Malformed),
        None => Some(v1_source(line).ok_or(HeaderError::Malformed)?),
    };
    Ok(Some(Header { len: end + 2, source }))
}

/// `TCP4 192.0.2.1 192.0.2.2 40000 143`: single blanks, no zeros before a number.
fn v1_source(line: &[u8]) -> Option<SocketAddr> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let is_v4 = match words.next()? {
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == is_v4);
    let (source, _destination) = (address()?, address()?);
    let (port, _destination_port) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    words.next().is_none().then(|| SocketAddr::new(source.to_canonical(), port))
}

fn v1_port(text: &str) -> Option<u16> {
    let is_sound =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_sound)
}

/// Section 2.2: binary.
fn parse_v2(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let Some(&[.., command, family, high, low]) = bytes.first_chunk::<V2_FIXED_BYTES>() else {
        return Ok(None);
    };
    if command >> 4 != 2 {
        return Err(HeaderError::Version);
    }
    let len = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if len > BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let Some(header) = bytes.get(..len) else { return Ok(None) };
    let source = match (command & 0x0f, family) {
        // LOCAL: the proxy speaks for itself, and everything else in the header is to be discarded.
        // UNSPEC: what follows has an unknown form.
        (0, _) | (1, 0x00) => None,
        // Over TCP or UDP (a client of HTTP/3): the address is of the same form.
        (1, 0x11 | 0x12) => Some(v2_source::<4>(header)?),
        (1, 0x21 | 0x22) => Some(v2_source::<16>(header)?),
        (1, 0x31 | 0x32) => {
            check_tlvs(header, V2_FIXED_BYTES + V2_UNIX_BYTES)?;
            None
        }
        _ => return Err(HeaderError::Malformed),
    };
    Ok(Some(Header { len, source }))
}

/// Source address, destination address (`SIZE` bytes each), source port, destination port.
fn v2_source<const SIZE: usize>(header: &[u8]) -> Result<SocketAddr, HeaderError>
where
    IpAddr: From<[u8; SIZE]>,
{
    let after_addresses = V2_FIXED_BYTES + 2 * SIZE;
    let address = header.get(V2_FIXED_BYTES..).and_then(|rest| rest.first_chunk::<SIZE>());
    let port = header.get(after_addresses..).and_then(|rest| rest.first_chunk::<2>());
    let (Some(address), Some(port)) = (address, port) else { return Err(HeaderError::Malformed) };
    check_tlvs(header, after_addresses + 4)?;
    Ok(SocketAddr::new(IpAddr::from(*address).to_canonical(), u16::from_be_bytes(*port)))
}

/// Section 2.2.1: type, length in two bytes, value; they fill the header exactly.
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), HeaderError> {
    if at > header.len() {
        return Err(HeaderError::Malformed);
    }
    while at < header.len() {
        let Some(&[kind, high, low]) = header.get(at..).and_then(|rest| rest.first_chunk::<3>())
        else {
            return Err(HeaderError::Malformed);
        };
        let value = at + 3;
        let next = value + usize::from(u16::from_be_bytes([high, low]));
        let Some(text) = header.get(value..next) else { return Err(HeaderError::Malformed) };
        if kind == TLV_CRC32C {
            let sum: [u8; 4] = text.try_into().map_err(|_| HeaderError::Malformed)?;
            let (before, after) =
                (header.get(..value).unwrap_or_default(), header.get(next..).unwrap_or_default());
            // The checksum itself counts as zeros.
            let found = [before, &[0; 4], after].into_iter().fold(!0, crc32c);
            if !found != u32::from_be_bytes(sum) {
                return Err(HeaderError::Checksum);
            }
        }
        at = next;
    }
    Ok(())
}

/// CRC32C (RFC 9260, appendix A), bit by bit; a checksum of a header takes some microseconds, once
/// a connection, and few proxies send one.
fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// Version 2, command LOCAL, without addresses: the connection is the proxy's own, as for health
/// checks (section 2.2).
pub const LOCAL: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length of the rest.
const V2_FIXED_BYTES: usize = 16;

/// Two paths of 108 bytes.
const V2_UNIX_BYTES: usize = 216;

/// PP2_TYPE_CRC32C
const TLV_CRC32C: u8 = 0x03;

/// The longest line of version 1, its line break included (section 2.1: 107 characters).
pub const V1_BYTES_MAX: usize = 107;

/// The longest header that is taken: the fixed part, two unix addresses (232 bytes together), and
/// room for every part that the document defines but a client's whole certificate. nginx has the
/// same bound.
pub const BYTES_MAX: usize = 4096;
