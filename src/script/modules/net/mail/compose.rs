//! The text of a message: addresses in, header and body out.
//!
//! Headers are written by `mail-builder`, which encodes words that are not ASCII and folds; the
//! body is always quoted-printable, as scripts' receivers know it. Nothing that a script gives can
//! begin another header.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;

/// Who sends or receives: `Name <local@domain>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Empty if there is none.
    pub name: String,
    /// Without angle brackets.
    pub address: String,
}

pub struct Message<'a> {
    pub from: &'a Mailbox,
    pub to: &'a [Mailbox],
    pub subject: &'a str,
    pub body: &'a [u8],
}

impl Mailbox {
    /// Reads `local@domain`, `<local@domain>`, `Name <local@domain>` or `"Name" <local@domain>`.
    /// The local part may be quoted, or hold UTF-8; a domain that is not ASCII is converted (IDNA),
    /// since every server knows that form.
    ///
    /// # Errors
    /// What is wrong, for the script.
    pub fn parse(text: &str) -> Result<Mailbox, String> {
        let wrong = |reason| format!("{text:?}: {reason}");
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>') {
            Some(rest) => rest.rsplit_once('<').ok_or_else(|| wrong("'<' is missing"))?,
            None => ("", text),
        };
        let name = name.trim();
        let name = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
            .map_or(name.to_owned(), |name| name.replace('\\', ""));
        if name.chars().any(char::is_control) {
            return Err(wrong("the name holds a control character"));
        }
        let (local, domain) =
            address.rsplit_once('@').ok_or_else(|| wrong("an address is needed"))?;
        let domain = ascii_domain(domain).ok_or_else(|| wrong("not a valid address"))?;
        if !(is_dot_atom(local) || is_quoted(local))
            || !is_domain(&domain)
            || local.len() + 1 + domain.len() > ADDRESS_BYTES_MAX
        {
            return Err(wrong("not a valid address"));
        }
        Ok(Mailbox { name, address: format!("{local}@{domain}") })
    }

    fn header(&self) -> Address<'_> {
        Address::new_address(
            (!self.name.is_empty()).then_some(self.name.as_str()),
            self.address.as_str(),
        )
    }

    fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }
}

impl Message<'_> {
    /// The message with all its headers; line ends are CRLF.
    pub fn compose(&self) -> Vec<u8> {
        // A line end in a subject is a blank; a bare one in a body is a line end.
        let subject = self.subject.replace(char::is_control, " ");
        let text = MimePart::new(
            ContentType::new("text/plain; charset=UTF-8"),
            quoted_printable::encode(with_crlf(self.body)),
        )
        .transfer_encoding("quoted-printable");
        let mut out = Vec::new();
        MessageBuilder::new()
            .message_id(format!("{}@{}", serial(), self.from.domain()))
            .from(self.from.header())
            .to(self.to.iter().map(Mailbox::header).collect::<Vec<_>>())
            .subject(subject)
            .body(text)
            .serialize(&mut out);
        out
    }
}

/// Digits that no other message has.
fn serial() -> String {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_ne_bytes(bytes).to_string(),
        // Without randomness the time has to do.
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos()
            .to_string(),
    }
}

/// Every line end as CRLF; all other bytes as they are, UTF-8 or not.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return out,
            [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => {
                out.extend_from_slice(b"\r\n");
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

/// Words of RFC 5322, 3.2.3, with dots between them; characters beyond ASCII are RFC 6531's.
fn is_dot_atom(text: &str) -> bool {
    let is_atom = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_beyond_ascii(c)
    };
    text.split('.').all(|word| !word.is_empty() && word.chars().all(is_atom))
}

/// A quoted string (RFC 5321, 4.1.2).
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return false;
    };
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        let c = if c == '\\' { characters.next() } else { Some(c).filter(|c| *c != '"') };
        if !c.is_some_and(|c| matches!(c, ' '..='~') || is_beyond_ascii(c)) {
            return false;
        }
    }
    true
}

/// No control characters either: those of the second block are refused with the others.
fn is_beyond_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_control()
}

/// The domain as DNS and servers know it.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() { Some(domain.to_owned()) } else { idna::domain_to_ascii(domain).ok() }
}

/// A host name, or an address in brackets.
fn is_domain(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(literal) => {
            literal.strip_prefix("IPv6:").unwrap_or(literal).parse::<std::net::IpAddr>().is_ok()
        }
        None => text.split('.').all(|label| !label.is_empty() && label.bytes().all(is_name)),
    }
}

/// RFC 5321, 4.5.3.1.3, less the brackets.
const ADDRESS_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_with_and_without_a_name() {
        for (text, name, address) in [
            ("kit@example.org", "", "kit@example.org"),
            (" <kit@example.org> ", "", "kit@example.org"),
            ("Kit <kit@example.org>", "Kit", "kit@example.org"),
            ("\"Kit, \\\"K\\\"\" <kit+x@example.org>", "Kit, \"K\"", "kit+x@example.org"),
            ("Käthe <k@[192.0.2.1]>", "Käthe", "k@[192.0.2.1]"),
            ("k@[IPv6:2001:db8::1]", "", "k@[IPv6:2001:db8::1]"),
            ("root@localhost", "", "root@localhost"),
            ("änn@example.test", "", "änn@example.test"),
            ("Änn <änn.b@münchen.example>", "Änn", "änn.b@xn--mnchen-3ya.example"),
            ("ann@MÜNCHEN.example", "", "ann@xn--mnchen-3ya.example"),
            ("\"a b\"@example.test", "", "\"a b\"@example.test"),
            ("Kit <\"a@\\\"b\"@example.test>", "Kit", "\"a@\\\"b\"@example.test"),
        ] {
            assert_eq!(
                Mailbox::parse(text),
                Ok(Mailbox { name: name.into(), address: address.into() }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("{}@example.org", "x".repeat(250));
        for text in [
            "",
            "kit",
            "@example.org",
            "kit@",
            "kit@example..org",
            ".kit@example.org",
            "kit smith@example.org",
            "\"kit smith@example.org",
            "\"kit\" smith\"@example.org",
            "\"kit\\\"@example.org",
            "\"kit\r\nsmith\"@example.org",
            "k\u{85}t@example.org",
            "kit@example.org>\r\nRCPT TO:<x@example.org",
            "Kit\r\nBcc: x <kit@example.org>",
            "kit@example.org>",
            "kit@[example.org]",
            "kät@exa mple.örg",
            "a@b, c@d",
            &long,
        ] {
            assert!(Mailbox::parse(text).is_err(), "{text}");
        }
    }

    fn composed(subject: &str, body: &str) -> String {
        let from = Mailbox::parse("Kit <kit@example.org>").unwrap();
        let to = [
            Mailbox::parse("ada@example.org").unwrap(),
            Mailbox::parse("Bøb <bob@example.org>").unwrap(),
        ];
        String::from_utf8(
            Message { from: &from, to: &to, subject, body: body.as_bytes() }.compose(),
        )
        .unwrap()
    }

    #[test]
    fn a_body_keeps_its_bytes() {
        let from = Mailbox::parse("kit@example.org").unwrap();
        let text = Message {
            from: &from,
            to: std::slice::from_ref(&from),
            subject: "",
            body: b"a\xff\rb\nc\xe4",
        }
        .compose();
        assert!(
            text.ends_with(b"\r\n\r\na=FF\r\nb\r\nc=E4\r\n")
                || text.ends_with(b"\r\n\r\na=FF\r\nb\r\nc=E4"),
            "{text:?}"
        );
    }

    #[test]
    fn a_message_has_its_headers() {
        let text = composed("Grüße", "Line one\n= two ä\r\n");
        for line in [
            "From: \"Kit\" <kit@example.org>\r\n",
            "<ada@example.org>,",
            "MIME-Version: 1.0\r\n",
            "Content-Type: text/plain; charset=UTF-8\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n",
            "\r\n\r\nLine one\r\n=3D two =C3=A4\r\n",
            "@example.org>\r\n",
            "Date: ",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(text.to_ascii_lowercase().contains("subject: =?utf-8?"), "{text}");
        assert_ne!(
            text,
            composed("Grüße", "Line one\n= two ä\r\n"),
            "each message has an id of its own"
        );
    }

    proptest! {
        /// Whatever a script gives, the header ends once and lines stay short enough for SMTP.
        #[test]
        fn nothing_breaks_out(subject in any::<String>(), body in any::<String>()) {
            let text = composed(&subject, &body);
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
            let names: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).map(|line| line.split(':').next().unwrap()).collect();
            prop_assert_eq!(names.len(), 8, "{}", head);
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 998));
        }
    }
}
