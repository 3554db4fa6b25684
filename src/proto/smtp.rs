//! SMTP and LMTP, the client's half: replies in, messages out.
//!
//! Pure: no socket, no clock. Fed by `upstream::smtp`. Rules: RFC 5321 (4.2 replies, 4.5.2
//! transparency), RFC 2033; a lone LF ends a reply line too, as servers exist that send it. Bounds:
//! [`LINE_BYTES_MAX`], [`LINES_MAX`].

/// A whole reply, of one line or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// What stands behind the code, line by line; at least one, perhaps empty.
    pub lines: Vec<Vec<u8>>,
}

/// Why bytes are no reply. The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a line does not begin with a reply code")]
    Code,
    #[error("the lines of a reply have different codes")]
    Mixed,
    #[error("a reply is too long")]
    TooLong,
}

impl Reply {
    /// The command was carried out (2xx).
    pub fn is_done(&self) -> bool {
        self.code / 100 == 2
    }

    /// The parameters of an extension in a reply to EHLO, if the server has it (RFC 5321, 4.1.1.1).
    /// Keywords know no case.
    pub fn extension(&self, keyword: &str) -> Option<&[u8]> {
        self.lines.iter().skip(1).find_map(|line| {
            let (name, rest) = line.split_at_checked(keyword.len())?;
            match rest.first() {
                _ if !name.eq_ignore_ascii_case(keyword.as_bytes()) => None,
                None => Some(&[][..]),
                // "AUTH=PLAIN" is how old servers spelt it.
                Some(b' ' | b'=') => rest.get(1..),
                Some(_) => None,
            }
        })
    }

    /// Code and text on one line, for error texts; what is not printable shows as a question mark.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.lines.join(&b' ')).replace(char::is_control, "?");
        format!("{} {text}", self.code).trim_end().to_owned()
    }
}

/// Reads the reply that `input` begins with, and how many bytes it takes; `None` asks for more.
///
/// # Errors
/// [`Malformed`].
pub fn parse_reply(input: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut reply: Option<Reply> = None;
    let mut taken = 0;
    loop {
        let rest = input.get(taken..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return if rest.len() > LINE_BYTES_MAX { Err(Malformed::TooLong) } else { Ok(None) };
        };
        if end > LINE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let line = rest.get(..end).unwrap_or_default();
        let (code, is_last, text) = parse_line(line.strip_suffix(b"\r").unwrap_or(line))?;
        taken += end + 1;
        let reply = reply.get_or_insert_with(|| Reply { code, lines: Vec::new() });
        if reply.code != code {
            return Err(Malformed::Mixed);
        }
        if reply.lines.len() == LINES_MAX {
            return Err(Malformed::TooLong);
        }
        reply.lines.push(text.to_vec());
        if is_last {
            return Ok(Some((std::mem::replace(reply, Reply { code, lines: Vec::new() }), taken)));
        }
    }
}

/// Code, whether it is the last line, text.
fn parse_line(line: &[u8]) -> Result<(u16, bool, &[u8]), Malformed> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else {
        return Err(Malformed::Code);
    };
    let code = [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    match rest {
        [] => Ok((code, true, rest)),
        [b' ', text @ ..] => Ok((code, true, text)),
        [b'-', text @ ..] => Ok((code, false, text)),
        _ => Err(Malformed::Code),
    }
}

/// A message as DATA sends it: line ends are CRLF, a dot at the beginning of a line is doubled, a
/// line with a dot ends it.
pub fn compose_data(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32 + 5);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// The initial response of SASL PLAIN (RFC 4616), encoded.
pub fn sasl_plain(user: &[u8], password: &[u8]) -> String {
    use base64::Engine;
    let mut plain = Vec::with_capacity(user.len() + password.len() + 2);
    for part in [user, password] {
        plain.push(0);
        plain.extend_from_slice(part);
    }
    let encoded = base64::prelude::BASE64_STANDARD.encode(&plain);
    zeroize::Zeroize::zeroize(&mut plain);
    encoded
}

/// RFC 5321 has 512; servers with long texts have more.
pub const LINE_BYTES_MAX: usize = 2048;

/// Lines of one reply: EHLO of the most talkative servers has some twenty.
pub const LINES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(input: &str) -> Result<Option<(u16, Vec<String>, usize)>, Malformed> {
        let shown = |lines: Vec<Vec<u8>>| {
            lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
        };
        Ok(parse_reply(input.as_bytes())?
            .map(|(reply, taken)| (reply.code, shown(reply.lines), taken)))
    }

    #[test]
    fn replies_of_one_line_and_of_several() {
        let lines =
            |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        for (input, code, text, taken) in [
            ("250 ok\r\n", 250, &["ok"][..], 8),
            ("220\r\n", 220, &[""], 5),
            ("250-sink\r\n250 8BITMIME\r\n250 next", 250, &["sink", "8BITMIME"], 24),
            ("354 go on\n", 354, &["go on"], 10),
            ("550-5.1.1 no\r\n550 \r\n", 550, &["5.1.1 no", ""], 20),
        ] {
            assert_eq!(parsed(input), Ok(Some((code, lines(text), taken))), "{input:?}");
        }
    }

    #[test]
    fn hostile_input() {
        let endless = "250-x\r\n".repeat(LINES_MAX + 1);
        let long = format!("250 {}", "x".repeat(LINE_BYTES_MAX));
        let long_line = format!("{long}\r\n");
        for (input, expected) in [
            ("", Ok(None)),
            ("25", Ok(None)),
            ("250-a\r\n", Ok(None)),
            ("250-a\r\n251 b\r\n", Err(Malformed::Mixed)),
            ("\r\n", Err(Malformed::Code)),
            ("25\r\n", Err(Malformed::Code)),
            ("150 early\r\n", Err(Malformed::Code)),
            ("600 late\r\n", Err(Malformed::Code)),
            ("250:no\r\n", Err(Malformed::Code)),
            ("HTTP/1.1 400 Bad Request\r\n", Err(Malformed::Code)),
            (&endless, Err(Malformed::TooLong)),
            (&long, Err(Malformed::TooLong)),
            (&long_line, Err(Malformed::TooLong)),
        ] {
            assert_eq!(parsed(input), expected, "{input:.20?}");
        }
    }

    #[test]
    fn extensions_are_looked_up_by_keyword() {
        let (reply, _) = parse_reply(
            b"250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-AUTHORS me\r\n250 size 100\r\n",
        )
        .unwrap()
        .unwrap();
        assert_eq!(reply.extension("AUTH"), Some(&b"PLAIN LOGIN"[..]));
        assert_eq!(reply.extension("SIZE"), Some(&b"100"[..]));
        assert_eq!(reply.extension("AUTHOR"), None);
        assert_eq!(reply.extension("STARTTLS"), None, "the first line is the server's name");
    }

    #[test]
    fn texts_are_one_printable_line() {
        let (reply, _) = parse_reply(b"550-5.1.1 no\x1b[1m\r\n550 such user\r\n").unwrap().unwrap();
        assert_eq!(reply.text(), "550 5.1.1 no?[1m such user");
    }

    #[test]
    fn data_is_made_transparent() {
        for (message, data) in [
            ("", ".\r\n"),
            ("a\nb\r\n", "a\r\nb\r\n.\r\n"),
            (".\r\n..x", "..\r\n...x\r\n.\r\n"),
            ("a.\r\n", "a.\r\n.\r\n"),
            ("\n\n", "\r\n\r\n.\r\n"),
        ] {
            assert_eq!(
                String::from_utf8(compose_data(message.as_bytes())).unwrap(),
                data,
                "{message:?}"
            );
        }
    }

    #[test]
    fn sasl_plain_has_no_authorisation_identity() {
        assert_eq!(sasl_plain(b"tim", b"tanstaaftanstaaf"), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(code in 200_u16..600, lines in prop::collection::vec("[ -~]{0,40}", 1..6), rest in "[ -~\r\n]{0,20}") {
            let mut wire = String::new();
            for (at, line) in lines.iter().enumerate() {
                let between = if at + 1 == lines.len() { ' ' } else { '-' };
                wire.push_str(&format!("{code}{between}{line}\r\n"));
            }
            let whole = wire.len();
            wire.push_str(&rest);
            for cut in 0..whole {
                prop_assert_eq!(parse_reply(&wire.as_bytes()[..cut]), Ok(None));
            }
            let lines = lines.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(parse_reply(wire.as_bytes()), Ok(Some((Reply { code, lines }, whole))));
        }

        /// What a receiver makes of the data is the message, and nothing in it ends it early.
        #[test]
        fn data_survives(lines in prop::collection::vec("[.a\r ]{0,6}", 0..8)) {
            let message: String = lines.iter().map(|line| format!("{}\r\n", line.replace('\r', ""))).collect();
            let data = String::from_utf8(compose_data(message.as_bytes())).unwrap();
            let body = data.strip_suffix(".\r\n").unwrap();
            let mut received = String::new();
            for line in body.split_inclusive("\r\n") {
                prop_assert_ne!(line, ".\r\n");
                received.push_str(line.strip_prefix('.').unwrap_or(line));
            }
            prop_assert_eq!(received, message);
        }
    }
}
