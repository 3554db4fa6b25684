//! The MFA back channel on the wire: `/api/v1/mfa-backchannel`.
//!
//! A credential is any JSON, handed on byte by byte. Content types are not looked at.

use crate::auth::login::Login;
use crate::auth::mfa::Reply;
use crate::auth::request::{Field, Request};
use crate::auth::scripts::BackendCall;
use crate::dialect::envelope::{Envelope, JSON};
use crate::dialect::json;
use crate::proto::http::{Method, query_param};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    AddTotp,
    DeleteTotp,
    AddRecoveryCodes,
    DeleteRecoveryCodes,
    GetCredentials,
    SaveCredential,
    UpdateCredential,
    DeleteCredential,
}

/// The endpoint of a path below `/api/v1/mfa-backchannel/`, if it answers to this method.
pub fn endpoint(method: Method, path: &[u8]) -> Option<Endpoint> {
    Some(match (method, path) {
        (Method::Post, b"totp") => Endpoint::AddTotp,
        (Method::Delete, b"totp") => Endpoint::DeleteTotp,
        (Method::Post, b"totp/recovery-codes") => Endpoint::AddRecoveryCodes,
        (Method::Delete, b"totp/recovery-codes") => Endpoint::DeleteRecoveryCodes,
        (Method::Get, b"webauthn/credential") => Endpoint::GetCredentials,
        (Method::Post, b"webauthn/credential") => Endpoint::SaveCredential,
        (Method::Put, b"webauthn/credential") => Endpoint::UpdateCredential,
        (Method::Delete, b"webauthn/credential") => Endpoint::DeleteCredential,
        _ => return None,
    })
}

/// What is asked of which backend.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    pub call: BackendCall,
    /// Empty: the default one.
    pub backend_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Input {
    backend: Option<String>,
    backend_name: Option<String>,
    username: Option<String>,
    totp_secret: Option<String>,
    codes: Option<Vec<String>>,
    credential: Option<String>,
    old_credential: Option<String>,
}

/// Reads the request into the login that the script will see.
///
/// # Errors
/// What is wrong with the input, as the answer says it (400).
pub fn read(login: &mut Login, endpoint: Endpoint) -> Result<Question, &'static str> {
    let request = &login.request;
    let input = if endpoint == Endpoint::GetCredentials {
        from_query(request)
    } else {
        from_body(request)?
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let username = given(input.username);
    let (call, missing) = match endpoint {
        Endpoint::AddTotp => (BackendCall::AddTotp, "username and totp_secret are required"),
        Endpoint::DeleteTotp => (BackendCall::DeleteTotp, NAME),
        Endpoint::AddRecoveryCodes => {
            (BackendCall::AddTotpRecoveryCodes, "username and codes are required")
        }
        Endpoint::DeleteRecoveryCodes => (BackendCall::DeleteTotpRecoveryCodes, NAME),
        Endpoint::GetCredentials => (BackendCall::GetWebauthnCredentials, NAME),
        Endpoint::SaveCredential => (BackendCall::SaveWebauthnCredential, CREDENTIAL),
        Endpoint::UpdateCredential => (BackendCall::UpdateWebauthnCredential, CREDENTIAL),
        Endpoint::DeleteCredential => (BackendCall::DeleteWebauthnCredential, CREDENTIAL),
    };
    let username = username.ok_or(missing)?;
    let facts = login.facts.get_mut();
    match endpoint {
        Endpoint::AddTotp => {
            facts.totp_secret = given(input.totp_secret).ok_or(missing)?.into_bytes()
        }
        Endpoint::AddRecoveryCodes => {
            let codes = input
                .codes
                .filter(|codes| !codes.is_empty() && codes.iter().all(|code| !code.is_empty()))
                .ok_or(missing)?;
            facts.totp_recovery_codes = codes.into_iter().map(String::into_bytes).collect();
        }
        Endpoint::SaveCredential | Endpoint::UpdateCredential | Endpoint::DeleteCredential => {
            facts.webauthn_credential = credential(given(input.credential).ok_or(missing)?)?;
        }
        Endpoint::DeleteTotp | Endpoint::DeleteRecoveryCodes | Endpoint::GetCredentials => {}
    }
    if endpoint == Endpoint::UpdateCredential {
        facts.webauthn_old_credential = credential(
            given(input.old_credential)
                .ok_or("username, credential and old_credential are required")?,
        )?;
    }
    // The caller has seen to it that this is the user.
    (facts.user_found, facts.authenticated) = (true, true);
    facts.account = username.clone().into_bytes();
    login.request.set(Field::Username, username.as_bytes());
    match input.backend.as_deref() {
        None | Some("" | "lua") => {
            Ok(Question { call, backend_name: input.backend_name.unwrap_or_default() })
        }
        Some(_) => Err("unknown backend"),
    }
}

fn from_query(request: &Request) -> Input {
    let query = request.text(request.http.query);
    let of = |name: &[u8]| {
        query_param(query, name).and_then(|value| String::from_utf8(value.into_owned()).ok())
    };
    Input {
        username: of(b"username"),
        backend: of(b"backend"),
        backend_name: of(b"backend_name"),
        ..Input::default()
    }
}

fn from_body(request: &Request) -> Result<Input, &'static str> {
    let body = request.text(request.http.body);
    // A list would do for a struct, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(MALFORMED);
    }
    serde_json::from_slice(body).map_err(|_| MALFORMED)
}

fn credential(text: String) -> Result<Vec<u8>, &'static str> {
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text.into_bytes()),
        Err(_) => Err("credential must be valid JSON"),
    }
}

/// Appends the answer to input that cannot be read; says the status.
pub fn rejected(out: &mut Vec<u8>, error: &str, envelope: &Envelope<'_>) -> u16 {
    envelope.write(out, 400, Some(JSON), &json::error(error))
}

/// Appends what came of the call; says the status.
pub fn compose(out: &mut Vec<u8>, answer: &Reply, envelope: &Envelope<'_>) -> u16 {
    let (status, body) = match answer {
        Reply::Done => (200, br#"{"status":"ok"}"#.to_vec()),
        Reply::Credentials(credentials) => {
            let mut body = b"{\"credentials\":[".to_vec();
            for (at, credential) in credentials.iter().enumerate() {
                if at > 0 {
                    body.push(b',');
                }
                json::string(&mut body, credential);
            }
            body.extend_from_slice(b"]}");
            (200, body)
        }
        Reply::NoBackend => (400, json::error("unknown backend")),
        Reply::NotFound => (404, json::error("user or resource not found")),
        Reply::Denied => (403, json::error("access denied")),
        Reply::Failed(code) => (500, json::error(&format!("backend returned code {code}"))),
        Reply::Broken(text) => (500, json::error(text)),
    };
    envelope.write(out, status, Some(JSON), &body)
}

const MALFORMED: &str = "Invalid JSON payload";
const NAME: &str = "username is required";
const CREDENTIAL: &str = "username and credential are required";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::request;

    fn read_body(endpoint: Endpoint, body: &str) -> (Result<Question, &'static str>, Login) {
        let head =
            format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut login = Login::new(request(head.as_bytes()));
        (read(&mut login, endpoint), login)
    }

    #[test]
    fn what_is_missing_is_said() {
        for (endpoint, body, error) in [
            (Endpoint::AddTotp, "", MALFORMED),
            (Endpoint::AddTotp, "{", MALFORMED),
            (Endpoint::AddTotp, "[]", MALFORMED),
            (Endpoint::AddTotp, r#"{"username":7}"#, MALFORMED),
            (Endpoint::AddTotp, r#"{"username":"a","username":"b","totp_secret":"x"}"#, MALFORMED),
            (Endpoint::AddTotp, r#"{"username":"a"}"#, "username and totp_secret are required"),
            (Endpoint::AddTotp, r#"{"totp_secret":"a"}"#, "username and totp_secret are required"),
            (Endpoint::DeleteTotp, "{}", NAME),
            (
                Endpoint::AddRecoveryCodes,
                r#"{"username":"a","codes":[]}"#,
                "username and codes are required",
            ),
            (
                Endpoint::AddRecoveryCodes,
                r#"{"username":"a","codes":[""]}"#,
                "username and codes are required",
            ),
            (
                Endpoint::SaveCredential,
                r#"{"username":"a","credential":"{"}"#,
                "credential must be valid JSON",
            ),
            (Endpoint::SaveCredential, r#"{"username":"a","credential":{"id":"x"}}"#, MALFORMED),
            (
                Endpoint::UpdateCredential,
                r#"{"username":"a","credential":"{}"}"#,
                "username, credential and old_credential are required",
            ),
            (Endpoint::DeleteTotp, r#"{"username":"a","backend":"ldap"}"#, "unknown backend"),
        ] {
            assert_eq!(read_body(endpoint, body).0, Err(error), "{body}");
        }
    }

    #[test]
    fn credentials_are_handed_on_as_they_are() {
        let body = r#"{"username":"a","backend_name":"two","credential":"{ \"b\" : 1, \"a\":\"\\u00e4\"}","old_credential":"[1, 2]"}"#;
        let (question, login) = read_body(Endpoint::UpdateCredential, body);
        assert_eq!(
            question,
            Ok(Question {
                call: BackendCall::UpdateWebauthnCredential,
                backend_name: "two".into()
            })
        );
        let facts = login.facts.borrow();
        assert_eq!(facts.webauthn_credential, br#"{ "b" : 1, "a":"\u00e4"}"#);
        assert_eq!(facts.webauthn_old_credential, b"[1, 2]");
    }

    #[test]
    fn endpoints_answer_to_their_methods() {
        for (method, path, expected) in [
            (Method::Post, "totp", Some(Endpoint::AddTotp)),
            (Method::Get, "totp", None),
            (Method::Put, "webauthn/credential", Some(Endpoint::UpdateCredential)),
            (Method::Put, "totp", None),
            (Method::Get, "webauthn/credential/", None),
            (Method::Get, "", None),
        ] {
            assert_eq!(endpoint(method, path.as_bytes()), expected, "{method:?} {path}");
        }
    }
}
