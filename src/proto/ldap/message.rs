//! Messages: requests to bytes, bytes to responses.

use super::ber::{
    BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, SET, boolean, bytes,
    element, header, number,
};

/// What a client asks.
pub enum Request<'a> {
    /// Name and password; both empty: anonymous.
    Bind(&'a str, &'a [u8]),
    /// SASL EXTERNAL: who we are, the connection tells (a client certificate, a unix socket).
    BindExternal,
    Search(&'a Search),
    Modify(&'a Modify),
    StartTls,
    Unbind,
}

#[derive(Clone, Debug)]
pub struct Search {
    pub base: String,
    pub scope: Scope,
    /// As [`compose_filter`](super::compose_filter) makes it.
    pub filter: Vec<u8>,
    /// Empty: all.
    pub attributes: Vec<Vec<u8>>,
    /// Entries; 0: the server's limit.
    pub size_limit: u32,
    /// Seconds; 0: the server's limit.
    pub time_limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Base = 0,
    One = 1,
    Sub = 2,
}

/// The same change of some attributes.
#[derive(Clone, Debug)]
pub struct Modify {
    pub dn: String,
    pub operation: Operation,
    /// With one value each.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Add = 0,
    Delete = 1,
    Replace = 2,
}

/// What a server says, and to which request; 0: to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: u32,
    pub response: Response,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    Bind(LdapResult),
    Entry {
        dn: Vec<u8>,
        attributes: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    },
    /// Another server may know more.
    Reference,
    SearchDone(LdapResult),
    Modify(LdapResult),
    Extended(LdapResult),
    /// Nothing that we ask for.
    Other,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapResult {
    /// `resultCode`; 0 is success.
    pub code: u32,
    /// The server's words.
    pub text: String,
}

/// The bytes of a request. `id` is not 0.
pub fn compose(id: u32, request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, SEQUENCE, |out| {
        number(out, INTEGER, id);
        match request {
            Request::Bind(dn, password) => element(out, 0x60, |out| {
                number(out, INTEGER, VERSION);
                bytes(out, OCTET_STRING, dn.as_bytes());
                bytes(out, 0x80, password);
            }),
            Request::BindExternal => element(out, 0x60, |out| {
                number(out, INTEGER, VERSION);
                bytes(out, OCTET_STRING, b"");
                element(out, 0xa3, |out| {
                    bytes(out, OCTET_STRING, b"EXTERNAL");
                    // The mechanism begins with the client's word, which is empty: the connection's
                    // identity (RFC 4422, A).
                    bytes(out, OCTET_STRING, b"");
                });
            }),
            Request::Search(search) => compose_search(out, search),
            Request::Modify(modify) => compose_modify(out, modify),
            Request::StartTls => element(out, 0x77, |out| bytes(out, 0x80, START_TLS)),
            Request::Unbind => bytes(out, 0x42, b""),
        }
    });
    out
}

fn compose_search(out: &mut Vec<u8>, search: &Search) {
    element(out, 0x63, |out| {
        bytes(out, OCTET_STRING, search.base.as_bytes());
        number(out, ENUMERATED, search.scope as u32);
        // Aliases are never followed.
        number(out, ENUMERATED, 0);
        number(out, INTEGER, search.size_limit);
        number(out, INTEGER, search.time_limit);
        boolean(out, BOOLEAN, false);
        out.extend_from_slice(&search.filter);
        element(out, SEQUENCE, |out| {
            search.attributes.iter().for_each(|name| bytes(out, OCTET_STRING, name))
        });
    });
}

fn compose_modify(out: &mut Vec<u8>, modify: &Modify) {
    element(out, 0x66, |out| {
        bytes(out, OCTET_STRING, modify.dn.as_bytes());
        element(out, SEQUENCE, |out| {
            for (name, value) in &modify.attributes {
                element(out, SEQUENCE, |out| {
                    number(out, ENUMERATED, modify.operation as u32);
                    element(out, SEQUENCE, |out| {
                        bytes(out, OCTET_STRING, name);
                        element(out, SET, |out| bytes(out, OCTET_STRING, value));
                    });
                });
            }
        });
    });
}

/// How many bytes the message that `input` begins with takes; `None` asks for more.
///
/// # Errors
/// No message begins so, or it is longer than [`MESSAGE_BYTES_MAX`].
pub fn message_length(input: &[u8]) -> Result<Option<usize>, Malformed> {
    if input.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed::Message);
    }
    let Some((head, content)) = header(input)? else { return Ok(None) };
    let length = head + content;
    if length > MESSAGE_BYTES_MAX {
        return Err(Malformed::TooLong);
    }
    Ok((input.len() >= length).then_some(length))
}

/// Reads a whole message. Controls are passed over.
///
/// # Errors
/// [`Malformed`].
pub fn parse(message: &[u8]) -> Result<Message, Malformed> {
    let mut reader = Reader(Reader(message).expect(SEQUENCE)?);
    let id = reader.number(INTEGER)?;
    let (tag, content) = reader.next()?.ok_or(Malformed::Message)?;
    let response = match tag {
        0x61 => Response::Bind(outcome(content)?),
        0x64 => entry(content)?,
        0x65 => Response::SearchDone(outcome(content)?),
        0x67 => Response::Modify(outcome(content)?),
        0x73 => Response::Reference,
        0x78 => Response::Extended(outcome(content)?),
        _ => Response::Other,
    };
    Ok(Message { id, response })
}

fn outcome(content: &[u8]) -> Result<LdapResult, Malformed> {
    let mut reader = Reader(content);
    let code = reader.number(ENUMERATED)?;
    let _matched_dn = reader.expect(OCTET_STRING)?;
    let text = String::from_utf8_lossy(reader.expect(OCTET_STRING)?).replace(char::is_control, " ");
    Ok(LdapResult { code, text })
}

fn entry(content: &[u8]) -> Result<Response, Malformed> {
    let mut reader = Reader(content);
    let dn = reader.expect(OCTET_STRING)?.to_vec();
    let mut list = Reader(reader.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while let Some((tag, content)) = list.next()? {
        if tag != SEQUENCE {
            return Err(Malformed::Message);
        }
        let mut attribute = Reader(content);
        let name = attribute.expect(OCTET_STRING)?.to_vec();
        let mut set = Reader(attribute.expect(SET)?);
        let mut values = Vec::new();
        while let Some((tag, value)) = set.next()? {
            if tag != OCTET_STRING {
                return Err(Malformed::Message);
            }
            values.push(value.to_vec());
        }
        attributes.push((name, values));
    }
    Ok(Response::Entry { dn, attributes })
}

const VERSION: u32 = 3;
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Of one message: an entry with photographs fits, a flood does not.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    #[test]
    fn requests_byte_for_byte() {
        let search = Search {
            base: "o=x".into(),
            scope: Scope::Sub,
            filter: bytes_of("8702 636e"),
            attributes: vec![b"cn".to_vec()],
            size_limit: 200,
            time_limit: 0,
        };
        let attributes = vec![(b"cn".to_vec(), b"a".to_vec())];
        let modify = Modify { dn: "o=x".into(), operation: Operation::Replace, attributes };
        for (request, expected) in [
            (Request::Bind("o=x", b"pw"), "3011 020101 600c 020103 0403 6f3d78 8002 7077"),
            (Request::BindExternal, "3018 020101 6013 020103 0400 a30c 0408 45585445524e414c 0400"),
            (
                Request::StartTls,
                "301d 020101 7718 8016 312e332e362e312e342e312e313436362e3230303337",
            ),
            (Request::Unbind, "3005 020101 4200"),
            (
                Request::Search(&search),
                "3024 020101 631f 0403 6f3d78 0a0102 0a0100 020200c8 020100 010100 8702 636e 3004 0402 636e",
            ),
            (
                Request::Modify(&modify),
                "301c 020101 6617 0403 6f3d78 3010 300e 0a0102 3009 0402 636e 3103 0401 61",
            ),
        ] {
            assert_eq!(hex::encode(compose(1, &request)), expected.replace(' ', ""));
        }
    }

    fn response(tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        element(&mut out, SEQUENCE, |out| {
            number(out, INTEGER, 7);
            element(out, tag, write);
        });
        out
    }

    #[test]
    fn responses_of_each_kind() {
        let ended = |out: &mut Vec<u8>| {
            number(out, ENUMERATED, 32);
            bytes(out, OCTET_STRING, b"o=x");
            bytes(out, OCTET_STRING, b"no\nsuch");
            // A referral, which is passed over.
            bytes(out, 0xa3, b"");
        };
        let outcome = || LdapResult { code: 32, text: "no such".into() };
        for (tag, expected) in [
            (0x61, Response::Bind(outcome())),
            (0x65, Response::SearchDone(outcome())),
            (0x67, Response::Modify(outcome())),
            (0x78, Response::Extended(outcome())),
            (0x73, Response::Reference),
            (0x6f, Response::Other),
        ] {
            assert_eq!(parse(&response(tag, ended)), Ok(Message { id: 7, response: expected }));
        }
    }

    #[test]
    fn hostile_input() {
        for hex in [
            "",
            "3000",
            "3003 020101",
            "3005 020101 6500",
            "3004 0201ff 00",
            "300a 020101 6505 0a0100 0409",
            "3008 020101 6403 0401 78",
            "300a 020101 6405 0400 3001 30",
            "30840000000a 020101 6505 0a0100 0409",
        ] {
            assert!(parse(&bytes_of(hex)).is_err(), "{hex}");
        }
        for (hex, expected) in [
            ("", Ok(None)),
            ("30", Ok(None)),
            ("3002 02", Ok(None)),
            ("16", Err(Malformed::Message)),
            ("3084 7fffffff", Err(Malformed::TooLong)),
            ("3080", Err(Malformed::Ber)),
        ] {
            assert_eq!(message_length(&bytes_of(hex)), expected, "{hex}");
        }
    }

    proptest! {
        #[test]
        fn entries_survive_and_cuts_do_not_matter(
            dn in prop::collection::vec(any::<u8>(), 0..20),
            attributes in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..9), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..3)), 0..4),
        ) {
            let message = response(0x64, |out| {
                bytes(out, OCTET_STRING, &dn);
                element(out, SEQUENCE, |out| for (name, values) in &attributes {
                    element(out, SEQUENCE, |out| {
                        bytes(out, OCTET_STRING, name);
                        element(out, SET, |out| values.iter().for_each(|value| bytes(out, OCTET_STRING, value)));
                    });
                });
            });
            for cut in 0..message.len() {
                prop_assert_eq!(message_length(&message[..cut]), Ok(None));
            }
            prop_assert_eq!(message_length(&[&message[..], b"more"].concat()), Ok(Some(message.len())));
            prop_assert_eq!(parse(&message), Ok(Message { id: 7, response: Response::Entry { dn, attributes } }));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(input in prop::collection::vec(any::<u8>(), 0..64)) {
            // Neither panics; what is read fits.
            if let Ok(Some(length)) = message_length(&input) {
                prop_assert!(length <= input.len());
                let _ = parse(&input[..length]);
            }
        }
    }
}
