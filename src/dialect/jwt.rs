//! The token endpoints: `jwt/token` and `jwt/refresh`.

use crate::auth::caller::{Issue, Issued, NoToken};
use crate::auth::request::Request;
use crate::dialect::envelope::{Envelope, JSON};
use crate::dialect::json;
use crate::dialect::route::Token;
use crate::secret::Secret;
use serde::Deserialize;

/// Reads what is asked for.
///
/// # Errors
/// What is wrong with the input, as the answer says it (400).
pub fn read(request: &Request, endpoint: Token) -> Result<Issue, &'static str> {
    #[derive(Deserialize)]
    struct Body {
        username: Option<String>,
        password: Option<String>,
    }
    if endpoint == Token::Refresh {
        let token = request.header(b"x-refresh-token").next().filter(|token| !token.is_empty());
        return token
            .map(|token| Issue::Refresh(Secret::new(token)))
            .ok_or("refresh token is required");
    }
    let body = request.text(request.http.body);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("a JSON object is required");
    }
    let Body { username, password } =
        serde_json::from_slice(body).map_err(|_| "the body is not a JSON object of strings")?;
    match (username, password.map(|password| Secret::new(password.into_bytes()))) {
        (Some(username), Some(password)) if !username.is_empty() && !password.is_empty() => {
            Ok(Issue::Token { username, password })
        }
        _ => Err("username and password are required"),
    }
}

/// Appends the answer to input that cannot be read; says the status.
pub fn rejected(out: &mut Vec<u8>, error: &str, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, 400, Some(JSON), &json::error(error))
}

/// Appends the new tokens, or why there are none; says the status. They must not be cached (RFC
/// 6749 5.1).
pub fn compose(out: &mut Vec<u8>, issued: &Issued, envelope: &Envelope<'_>) -> u16 {
    let (status, body) = match issued {
        Ok(pair) => {
            let mut body = b"{\"token\":".to_vec();
            json::string(&mut body, pair.token.as_bytes());
            if let Some(refresh) = &pair.refresh {
                body.extend_from_slice(b",\"refresh_token\":");
                json::string(&mut body, refresh.as_bytes());
            }
            body.extend_from_slice(format!(",\"expires_at\":{}}}", pair.expires_at).as_bytes());
            (200, body)
        }
        Err(why) => {
            let (status, error) = match why {
                NoToken::WrongCredentials => (401, "authentication failed"),
                NoToken::InvalidRefreshToken => (401, "invalid refresh token"),
                NoToken::UnknownRefreshToken => (401, "refresh token not found in Redis"),
                NoToken::ReplacedRefreshToken => {
                    (401, "refresh token does not match the one in Redis")
                }
                NoToken::UnknownUser => (401, "user not found"),
                NoToken::Unavailable => (503, "no token can be issued now"),
            };
            (status, json::error(error))
        }
    };
    let mut response = envelope.begin(out, status);
    response.header("Content-Type", JSON).header("Cache-Control", "no-store");
    if status == 503 {
        response.header_number("Retry-After", 1);
    }
    envelope.end(response, &body);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::request;

    fn posted(headers: &str, body: &str) -> Request {
        request(
            format!(
                "POST /x HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            r#"{"username":"op"}"#,
            r#"{"username":"","password":"x"}"#,
            r#"{"username":7,"password":"x"}"#,
        ] {
            assert!(read(&posted("", body), Token::Fetch).is_err(), "{body}");
        }
        assert!(matches!(
            read(&posted("", r#"{"username":"op","password":"x"}"#), Token::Fetch),
            Ok(Issue::Token { .. })
        ));
        assert_eq!(read(&posted("", ""), Token::Refresh).unwrap_err(), "refresh token is required");
        assert_eq!(
            read(&posted("X-Refresh-Token: \r\n", ""), Token::Refresh).unwrap_err(),
            "refresh token is required"
        );
        assert!(matches!(
            read(&posted("X-Refresh-Token: a\r\n", ""), Token::Refresh),
            Ok(Issue::Refresh(_))
        ));
    }
}
