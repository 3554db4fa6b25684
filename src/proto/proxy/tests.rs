use super::*;
use proptest::prelude::*;

/// Version 2 with this command, family, and rest.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[0x20 | command, family], &len, rest].concat()
}

fn addresses(source: SocketAddr) -> (u8, Vec<u8>) {
    let port = source.port().to_be_bytes();
    match source.ip() {
        IpAddr::V4(ip) => (0x11, [&ip.octets()[..], &[192, 0, 2, 1], &port, &[0, 143]].concat()),
        IpAddr::V6(ip) => (0x21, [&ip.octets()[..], &[0; 16], &port, &[0, 143]].concat()),
    }
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// A header of version 2 with a checksum at its end.
fn with_checksum(source: SocketAddr, before: &[u8], after: &[u8]) -> Vec<u8> {
    let (family, addresses) = addresses(source);
    let rest = [&addresses[..], before, &tlv(TLV_CRC32C, &[0; 4]), after].concat();
    let mut header = v2(1, family, &rest);
    let sum = !crc32c(!0, &header);
    let at = 16 + addresses.len() + before.len() + 3;
    header[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    header
}

/// What all the bytes give, after each shorter beginning was tried: once something is said of a
/// beginning, more bytes must not change it.
fn parse_at_every_split(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let whole = parse(bytes);
    for end in 0..bytes.len() {
        let part = parse(&bytes[..end]);
        assert!(part == Ok(None) || part == whole, "{part:?} of {end} bytes, then {whole:?}");
    }
    whole
}

fn named(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn crc32c_is_that_of_the_standard() {
    // RFC 9260 has no vector; this is the check value of the CRC catalogue.
    assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
}

#[test]
fn version_1() {
    for (line, source) in [
        ("PROXY TCP4 192.0.2.77 192.0.2.1 40123 143", named("192.0.2.77:40123")),
        ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", named("0.0.0.0:0")),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 40123 143", named("[2001:db8::1]:40123")),
        ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2", named("192.0.2.7:1")),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", None),
    ] {
        let bytes = format!("{line}\r\nGET / HTTP/1.1\r\n\r\n");
        let header = Header { len: line.len() + 2, source };
        assert_eq!(parse_at_every_split(bytes.as_bytes()), Ok(Some(header)), "{line}");
    }
}

#[test]
fn what_is_no_line_of_version_1() {
    for line in [
        "PROXY TCP4 192.0.2.77 192.0.2.1 40123",
        "PROXY TCP4 192.0.2.77 192.0.2.1 40123 143 ",
        "PROXY TCP4 192.0.2.77 192.0.2.1 40123 143 1",
        "PROXY TCP4  192.0.2.77 192.0.2.1 40123 143",
        "PROXY TCP4 192.0.2.077 192.0.2.1 40123 143",
        "PROXY TCP4 2001:db8::1 2001:db8::2 40123 143",
        "PROXY TCP6 192.0.2.77 192.0.2.1 40123 143",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2",
        "PROXY TCP4 192.0.2.77 nowhere 40123 143",
        "PROXY TCP4 192.0.2.77 192.0.2.1 65536 143",
        "PROXY TCP4 192.0.2.77 192.0.2.1 +1 143",
        "PROXY TCP4 192.0.2.77 192.0.2.1 01 143",
        "PROXY TCP4 192.0.2.77 192.0.2.1 1 ",
        "PROXY TCP4 192.0.2.77 192.0.2.1 1 2\n",
        "PROXY UDP4 192.0.2.77 192.0.2.1 1 2",
        "PROXY UNKNOWNS",
        "PROXY ",
        "PROXY  UNKNOWN",
        "PROXY \u{fffd}",
    ] {
        let bytes = format!("{line}\r\n");
        assert_eq!(parse_at_every_split(bytes.as_bytes()), Err(HeaderError::Malformed), "{line}");
    }
    for other in ["proxy UNKNOWN\r\n", "PROXYUNKNOWN\r\n", "GET / HTTP/1.1\r\n\r\n", "\r\nPROXY "] {
        assert_eq!(parse_at_every_split(other.as_bytes()), Err(HeaderError::Missing), "{other}");
    }
}

#[test]
fn a_line_of_version_1_has_107_bytes_at_most() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 16));
    assert_eq!(
        parse_at_every_split(longest.as_bytes()),
        Ok(Some(Header { len: V1_BYTES_MAX, source: None }))
    );
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 15));
    assert_eq!(parse_at_every_split(longer.as_bytes()), Err(HeaderError::TooLong));
}

#[test]
fn version_2() {
    let (v4, v6) = ("192.0.2.77:40123".parse().unwrap(), "[2001:db8::1]:7".parse().unwrap());
    let mapped = "[::ffff:192.0.2.9]:7".parse().unwrap();
    let parts = [tlv(0x04, b"abc"), tlv(0x20, &[0; 40]), tlv(0xee, b"")].concat();
    let plain = |source: SocketAddr, parts: &[u8]| {
        let (family, addresses) = addresses(source);
        v2(1, family, &[&addresses[..], parts].concat())
    };
    let over_udp = |source: SocketAddr| {
        let (family, addresses) = addresses(source);
        v2(1, family + 1, &addresses)
    };
    for (header, source) in [
        (plain(v4, b""), Some(v4)),
        (plain(v4, &parts), Some(v4)),
        (plain(v6, &parts), Some(v6)),
        (plain(mapped, b""), named("192.0.2.9:7")),
        (over_udp(v4), Some(v4)),
        (over_udp(v6), Some(v6)),
        (with_checksum(v4, b"", b""), Some(v4)),
        (with_checksum(v6, &parts, &parts), Some(v6)),
        (v2(1, 0x31, &[b'/'; 216]), None),
        (v2(1, 0x32, &[&[0; 216][..], &parts].concat()), None),
        // What is to be discarded or ignored need not be sound.
        (v2(1, 0x00, b"anything"), None),
        (v2(0, 0x00, b""), None),
        (v2(0, 0x11, b"any"), None),
        (v2(0, 0xff, &[0; 12]), None),
        (LOCAL.to_vec(), None),
    ] {
        let bytes = [&header[..], b"\x16\x03\x01"].concat();
        let expected = Ok(Some(Header { len: header.len(), source }));
        assert_eq!(parse_at_every_split(&bytes), expected, "{header:02x?}");
    }
}

#[test]
fn what_is_no_header_of_version_2() {
    let v4: SocketAddr = "192.0.2.77:40123".parse().unwrap();
    let (_, own) = addresses(v4);
    let with = |parts: &[u8]| v2(1, 0x11, &[&own[..], parts].concat());
    let mut wrong_sum = with_checksum(v4, b"", b"");
    wrong_sum[16] ^= 1;
    let mut version_1 = LOCAL.to_vec();
    version_1[12] = 0x10;
    let mut too_long = LOCAL.to_vec();
    too_long[14..].copy_from_slice(&4081_u16.to_be_bytes());
    for (header, error) in [
        (v2(1, 0x11, &own[..11]), HeaderError::Malformed),
        (v2(1, 0x21, &[0; 35]), HeaderError::Malformed),
        (v2(1, 0x31, &[0; 215]), HeaderError::Malformed),
        (v2(1, 0x13, &own), HeaderError::Malformed),
        (v2(1, 0x41, &own), HeaderError::Malformed),
        (v2(2, 0x11, &own), HeaderError::Malformed),
        (with(&[4]), HeaderError::Malformed),
        (with(&[4, 0, 2, 0]), HeaderError::Malformed),
        (with(&[4, 0xff, 0xff, 0]), HeaderError::Malformed),
        (with(&tlv(TLV_CRC32C, &[0; 3])), HeaderError::Malformed),
        (with(&tlv(TLV_CRC32C, &[0; 4])), HeaderError::Checksum),
        (wrong_sum, HeaderError::Checksum),
        (version_1, HeaderError::Version),
        (too_long, HeaderError::TooLong),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), HeaderError::Missing),
    ] {
        assert_eq!(parse_at_every_split(&header), Err(error), "{header:02x?}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_whatever_follows(
        ip: IpAddr,
        port: u16,
        parts in proptest::collection::vec((4_u8.., proptest::collection::vec(any::<u8>(), 0..40)), 0..5),
        checked: bool,
        rest: Vec<u8>,
    ) {
        let source = SocketAddr::new(ip, port);
        let parts = parts.iter().map(|(kind, value)| tlv(*kind, value)).collect::<Vec<_>>().concat();
        let (family, own) = addresses(source);
        let binary = if checked {
            with_checksum(source, &parts, b"")
        } else {
            v2(1, family, &[&own[..], &parts].concat())
        };
        let destination = if ip.is_ipv4() { "192.0.2.1" } else { "::1" };
        let word = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
        let text = format!("PROXY {word} {ip} {destination} {port} 143\r\n").into_bytes();
        let client = SocketAddr::new(ip.to_canonical(), port);
        for header in [binary, text] {
            let bytes = [&header[..], &rest].concat();
            let expected = Header { len: header.len(), source: Some(client) };
            prop_assert_eq!(parse_at_every_split(&bytes), Ok(Some(expected)));
        }
    }

    #[test]
    fn no_bytes_depend_on_how_they_are_split(
        begin in 0..3_usize,
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let begin = [&b""[..], V1_SIGNATURE, V2_SIGNATURE][begin];
        let _ = parse_at_every_split(&[begin, &rest].concat());
    }
}
