//! A login as a JSON object: what Dovecot's glue and the CSV load client post.
//!
//! A flat object in which every value is a string; names match in any case, unknown members and
//! whatever follows the object are ignored, `null` is as good as absent, another type is an error.
//! Streamed: a string without escapes is not copied.

use crate::auth::request::Field;
use crate::dialect::input::fields::Fields;
use crate::dialect::rejection::Rejection;
use crate::proto::http::Span;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

/// Reads the object in the body.
///
/// # Errors
/// [`Rejection::MalformedBody`], [`Rejection::UsernameRequired`].
pub(super) fn read(fields: &mut Fields<'_>) -> Result<(), Rejection> {
    let body = fields.body;
    let mut service = Span::default();
    match std::str::from_utf8(body) {
        Ok(text) => deserialize(fields, &mut service, text)?,
        Err(_) => {
            // JSON is UTF-8; what is not becomes U+FFFD, as in the reference.
            let text = Zeroizing::new(replace_invalid(body));
            deserialize(fields, &mut service, &text)?;
        }
    }
    if fields.is_empty(Field::Username) {
        return Err(Rejection::UsernameRequired);
    }
    if fields.is_empty(Field::Protocol) {
        fields.set_span(Field::Protocol, service);
    }
    if fields.is_empty(Field::UserAgent) {
        // Earlier generations know the client's id by this name only.
        fields.set_span(Field::UserAgent, fields.span(Field::ClientId));
    }
    Ok(())
}

/// The text with one U+FFFD for each byte that is no UTF-8.
fn replace_invalid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

/// The text with `\ufffd` in place of each escaped surrogate that has no other half. Backslashes
/// are in strings only, or the text is no JSON.
fn replace_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at(at);
        out.push_str(plain);
        let len = match (surrogate(escaped), escaped.get(6..).and_then(surrogate)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => {
                out.push_str("\\ufffd");
                rest = escaped.get(6..).unwrap_or_default();
                continue;
            }
            // The backslash and what it escapes.
            _ => 1 + escaped.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (escape, behind) = escaped.split_at_checked(len).unwrap_or((escaped, ""));
        out.push_str(escape);
        rest = behind;
    }
    out + rest
}

/// The surrogate that `text` begins with, escaped.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text
        .strip_prefix("\\u")?
        .get(..4)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..=0xdfff).contains(unit))
}

fn deserialize(fields: &mut Fields<'_>, service: &mut Span, text: &str) -> Result<(), Rejection> {
    // Without asking for the end: what follows the first value does not matter.
    let mut read = |text: &str| {
        serde_json::Deserializer::from_str(text)
            .deserialize_any(Object { fields: &mut *fields, service: &mut *service })
    };
    if read(text).is_ok() {
        return Ok(());
    }
    // serde_json refuses lone surrogates.
    let text = Zeroizing::new(replace_surrogates(text));
    read(&text).map_err(|_| Rejection::MalformedBody)
}

/// Fills the fields from the members of an object. A `null` instead of it has no members.
struct Object<'f, 'b> {
    fields: &'f mut Fields<'b>,
    /// The older name of the protocol, which counts only if the newer one is not there.
    service: &'f mut Span,
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(member) = members.next_key_seed(Name)? {
            match member {
                Some(Member::Attempts) => {
                    // Its type is checked; the count of this service is the server's own.
                    members.next_value::<Option<u64>>()?;
                }
                Some(Member::Field(field)) => {
                    if let Some(span) = members.next_value_seed(Text { fields: self.fields })? {
                        self.fields.set_span(field, span);
                    }
                }
                Some(Member::Service) => {
                    if let Some(span) = members.next_value_seed(Text { fields: self.fields })? {
                        *self.service = span;
                    }
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A member's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<Member>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(MEMBERS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, member)| *member))
    }
}

/// A member's text: where it is; nothing for `null`.
struct Text<'f, 'b> {
    fields: &'f mut Fields<'b>,
}

impl<'de> DeserializeSeed<'de> for Text<'_, '_> {
    type Value = Option<Span>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_, '_> {
    type Value = Option<Span>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(self.fields.place(text.as_bytes())))
    }
}

#[derive(Clone, Copy)]
enum Member {
    Field(Field),
    Service,
    Attempts,
}

const MEMBERS: &[(&str, Member)] = &[
    ("username", Member::Field(Field::Username)),
    ("password", Member::Field(Field::Password)),
    ("client_ip", Member::Field(Field::ClientIp)),
    ("client_port", Member::Field(Field::ClientPort)),
    ("client_hostname", Member::Field(Field::ClientHostname)),
    ("client_id", Member::Field(Field::ClientId)),
    ("user_agent", Member::Field(Field::UserAgent)),
    ("local_ip", Member::Field(Field::LocalIp)),
    ("local_port", Member::Field(Field::LocalPort)),
    ("protocol", Member::Field(Field::Protocol)),
    ("service", Member::Service),
    ("method", Member::Field(Field::AuthMethod)),
    ("auth_login_attempt", Member::Attempts),
    ("ssl", Member::Field(Field::Ssl)),
    ("ssl_session_id", Member::Field(Field::SslSessionId)),
    ("ssl_client_verify", Member::Field(Field::SslClientVerify)),
    ("ssl_client_dn", Member::Field(Field::SslClientDn)),
    ("ssl_client_cn", Member::Field(Field::SslClientCn)),
    ("ssl_issuer", Member::Field(Field::SslIssuer)),
    ("ssl_client_notbefore", Member::Field(Field::SslClientNotBefore)),
    ("ssl_client_notafter", Member::Field(Field::SslClientNotAfter)),
    ("ssl_subject_dn", Member::Field(Field::SslSubjectDn)),
    ("ssl_issuer_dn", Member::Field(Field::SslIssuerDn)),
    ("ssl_client_subject_dn", Member::Field(Field::SslClientSubjectDn)),
    ("ssl_client_issuer_dn", Member::Field(Field::SslClientIssuerDn)),
    ("ssl_protocol", Member::Field(Field::SslProtocol)),
    ("ssl_cipher", Member::Field(Field::SslCipher)),
    ("ssl_serial", Member::Field(Field::SslSerial)),
    ("ssl_fingerprint", Member::Field(Field::SslFingerprint)),
    ("oidc_cid", Member::Field(Field::OidcCid)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::request::{Request, Service};
    use crate::dialect::testing::{posted, text};

    fn json(body: &str) -> Result<Request, Rejection> {
        posted(Service::Json, "", "application/json", body.as_bytes())
    }

    #[test]
    fn what_is_no_unicode_is_replaced_in_every_member() {
        for (content, shown) in [
            (&br"a\ud83d"[..], "a\u{fffd}"),
            (br"\ude00b", "\u{fffd}b"),
            (br"\ud83d\u0041", "\u{fffd}A"),
            (br"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (br"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (b"a\xff\xe2\x82", "a\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\xbd", "\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{d7ff}\u{e000}".as_bytes(), "\u{d7ff}\u{e000}"),
        ] {
            for (name, member) in MEMBERS {
                let Member::Field(field) = member else { continue };
                let mut body = br#"{"username":"u","x":""#.to_vec();
                body.extend_from_slice(content);
                body.extend_from_slice(format!(r#"","{name}":""#).as_bytes());
                body.extend_from_slice(content);
                body.extend_from_slice(br#""}"#);
                match posted(Service::Json, "", "application/json", &body) {
                    Ok(request) if *field == Field::Password => {
                        assert_eq!(text(&request, *field), shown)
                    }
                    Err(Rejection::MalformedBody) => panic!("{name} {shown:?}"),
                    // What other members may hold is decided elsewhere.
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn every_member_reaches_its_field() {
        for escape in ["", r#"\u00fc\n\"\ud83d\ude00"#] {
            let body = MEMBERS.iter().filter_map(|(name, member)| match member {
                Member::Field(Field::Username) => Some(format!(r#""{name}":"<{name}>""#)),
                // It is settled to an address.
                Member::Field(Field::ClientIp) => None,
                Member::Field(_) => Some(format!(r#""{name}":"<{name}>{escape}""#)),
                _ => None,
            });
            let request = json(&format!("{{{}}}", body.collect::<Vec<_>>().join(","))).unwrap();
            for (name, member) in MEMBERS {
                if let Member::Field(field) = member
                    && *field != Field::ClientIp
                {
                    let tail = if escape.is_empty() || *field == Field::Username {
                        ""
                    } else {
                        "ü\n\"😀"
                    };
                    assert_eq!(text(&request, *field), format!("<{name}>{tail}"));
                }
            }
        }
    }

    #[test]
    fn it_is_read_as_clients_send_it() {
        for (body, expected) in [
            (
                r#" {"UserName":"alice","PASSWORD":"secret","Service":"imap","extra":{"a":[1]}} {"username":"eve"} "#,
                ["alice", "secret", "imap", "", ""],
            ),
            (
                r#"{"username":"u","service":"imap","protocol":"sieve","client_id":"id"}"#,
                ["u", "", "sieve", "id", "id"],
            ),
            (
                r#"{"username":"u","protocol":"","service":"imap","client_id":"id","user_agent":"ua"}"#,
                ["u", "", "imap", "id", "ua"],
            ),
            (
                r#"{"username":"u","password":null,"protocol":null,"auth_login_attempt":3}"#,
                ["u", "", "default", "", ""],
            ),
            (r#"{"username":"u","auth_login_attempt":null}trailing"#, ["u", "", "default", "", ""]),
            (
                r#"{"username":"first","username":"last","username":null}"#,
                ["last", "", "default", "", ""],
            ),
            (r#"{"user\u006eame":"a\u0020b"}"#, ["a b", "", "default", "", ""]),
        ] {
            let request = json(body).unwrap();
            let fields = [
                Field::Username,
                Field::Password,
                Field::Protocol,
                Field::ClientId,
                Field::UserAgent,
            ];
            assert_eq!(fields.map(|field| text(&request, field)), expected, "{body}");
            assert_eq!(request.login_attempt, 0);
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        let request = posted(
            Service::Json,
            "",
            "application/json",
            b"{\"username\":\"a\xffb\",\"protocol\":\"p\"}",
        )
        .unwrap();
        assert_eq!(
            (text(&request, Field::Username), text(&request, Field::Protocol)),
            ("a\u{fffd}b", "p")
        );
    }

    #[test]
    fn what_it_must_not_be() {
        for (body, rejection) in [
            ("", Rejection::MalformedBody),
            ("{", Rejection::MalformedBody),
            (r#"{"username":"alice","#, Rejection::MalformedBody),
            (r#"["alice","secret"]"#, Rejection::MalformedBody),
            ("42", Rejection::MalformedBody),
            (r#""alice""#, Rejection::MalformedBody),
            (r#"{"username":42}"#, Rejection::MalformedBody),
            (r#"{"username":"a","password":["secret"]}"#, Rejection::MalformedBody),
            (r#"{"username":"a","client_port":143}"#, Rejection::MalformedBody),
            (r#"{"username":"a","ssl":true}"#, Rejection::MalformedBody),
            (r#"{"username":"a","ssl":{}}"#, Rejection::MalformedBody),
            (r#"{"username":"a","auth_login_attempt":"3"}"#, Rejection::MalformedBody),
            (r#"{"username":"a","auth_login_attempt":-3}"#, Rejection::MalformedBody),
            (r#"{"username":"a","auth_login_attempt":1.5}"#, Rejection::MalformedBody),
            ("{\"username\":\"a\nb\"}", Rejection::MalformedBody),
            ("null", Rejection::UsernameRequired),
            ("{}", Rejection::UsernameRequired),
            (r#"{"username":""}"#, Rejection::UsernameRequired),
            (r#"{"username":null}"#, Rejection::UsernameRequired),
            (r#"{"password":"x"}"#, Rejection::UsernameRequired),
            (r#"{"username":"a(b"}"#, Rejection::InvalidUsername),
            (r#"{"username":"a\\b"}"#, Rejection::InvalidUsername),
        ] {
            assert_eq!(json(body).err(), Some(rejection), "{body}");
            assert_eq!(
                posted(Service::Saslauthd, "", "application/json", body.as_bytes()).err(),
                Some(rejection),
                "{body}"
            );
        }
        assert_eq!(
            posted(Service::Json, "", "text/plain", b"{").err(),
            Some(Rejection::UnsupportedMediaType)
        );
    }

    #[test]
    fn unknown_members_may_be_deep() {
        let deep =
            format!(r#"{{"x":{}{},"username":"u"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(text(&json(&deep).unwrap(), Field::Username), "u");
    }
}
