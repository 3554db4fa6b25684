//! Credentials in `Authorization: Basic`: those of callers, and the user's own for the service
//! `basic`.
//! Rules: RFC 7617 section
//! 2.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// Decoded `user:password`; wiped when dropped.
pub(super) struct Credentials {
    text: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Credentials {
    pub fn user(&self) -> &[u8] {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// Everything after the first colon: a password may hold further ones, a user name cannot.
    pub fn password(&self) -> &[u8] {
        self.text.get(self.colon + 1..).unwrap_or_default()
    }
}

/// The credentials in a header value; none if it is another scheme, no base64 or has no colon.
pub(super) fn credentials(authorization: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = authorization.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let text = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = text.iter().position(|byte| *byte == b':')?;
    Some(Credentials { text, colon })
}

const SCHEME: &[u8] = b"Basic ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        for (plain, user, password) in [
            ("alice:secret", "alice", "secret"),
            ("a:b:c", "a", "b:c"),
            (":secret", "", "secret"),
            ("alice:", "alice", ""),
            (":", "", ""),
        ] {
            for scheme in ["Basic", "basic", "BASIC"] {
                let header = format!("{scheme} {}", BASE64_STANDARD.encode(plain));
                let credentials = credentials(header.as_bytes()).unwrap();
                assert_eq!(
                    (credentials.user(), credentials.password()),
                    (user.as_bytes(), password.as_bytes()),
                    "{header}"
                );
            }
        }
    }

    #[test]
    fn anything_else_is_no_credentials() {
        for header in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Bearer abc",
            "Basic YWxpY2U=",
            "Basic YWxpY2U6c2VjcmV0=",
            "BasicYWxpY2U6c2VjcmV0",
        ] {
            assert!(credentials(header.as_bytes()).is_none(), "{header}");
        }
    }
}
