//! The MFA back channel: second factors of a user, kept by a backend's script.
//!
//! One call of one backend function per request; the backend is named, or the default one. Its code
//! decides: only 0 is a success. A function that the script does not define is an error, because a
//! factor that was not stored must not look stored.

use crate::auth::login::Login;
use crate::auth::policy::{Backend, DEFAULT_BACKEND, Policy};
use crate::auth::report::{Event, Level};
use crate::auth::request::Field;
use crate::auth::run::Stores;
use crate::auth::scripts::{BackendCall, ScriptError, Scripts, StageKind};
use crate::op::Ops;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// Those that are JSON.
    Credentials(Vec<Vec<u8>>),
    /// There is no such backend.
    NoBackend,
    /// `BACKEND_RESULT_NOT_FOUND`: no such user, or nothing of that kind.
    NotFound,
    /// `BACKEND_RESULT_DENIED`
    Denied,
    /// `BACKEND_RESULT_ERROR` or any other code.
    Failed(i64),
    /// The script did not come to its end.
    Broken(String),
}

/// Calls the function. `backend_name`: empty for the default backend. What the call works on is in
/// the login's facts.
pub async fn call<S: Scripts>(
    login: &Login,
    backend_name: &str,
    call: BackendCall,
    scripts: &S,
    policy: &Policy,
    stores: Stores<'_>,
    ops: &Ops,
) -> (Reply, Option<Event>) {
    let name = if backend_name.is_empty() { DEFAULT_BACKEND } else { backend_name };
    let index = policy.backends.iter().find_map(|backend| {
        let Backend::Lua { index, name: own, .. } = backend;
        (own == name || (backend_name == "default" && own == DEFAULT_BACKEND)).then_some(*index)
    });
    let Some(index) = index else { return (Reply::NoBackend, None) };
    let mut stage = scripts.stage(StageKind::Backend, login);
    let returned = scripts.backend_call(&mut stage, index, call, login, ops).await;
    // What is known of the user in this process may hold the factor as it was.
    let username = login.request.get(Field::Username);
    if call != BackendCall::GetWebauthnCredentials {
        stores.results.forget(username, username);
    }
    conclude(call, returned, login)
}

fn conclude(
    call: BackendCall,
    returned: Result<(i64, Vec<Vec<u8>>), ScriptError>,
    login: &Login,
) -> (Reply, Option<Event>) {
    match returned {
        Ok((OK, _)) if call != BackendCall::GetWebauthnCredentials => (Reply::Done, None),
        Ok((OK, credentials)) => {
            let is_json =
                |text: &Vec<u8>| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
            (Reply::Credentials(credentials.into_iter().filter(is_json).collect()), None)
        }
        Ok((NOT_FOUND, _)) => (Reply::NotFound, None),
        Ok((DENIED, _)) => (Reply::Denied, None),
        Ok((code, _)) => {
            let event = Event::new(Level::Error, "Backend failed")
                .with("error", format!("result code {code}"));
            (Reply::Failed(code), Some(event))
        }
        Err(error) => {
            let event = Event::script_failed(StageKind::Backend, &error, login);
            // The first line: what went wrong, without the traceback.
            (
                Reply::Broken(error.message.lines().next().unwrap_or_default().to_owned()),
                Some(event),
            )
        }
    }
}

// `BACKEND_RESULT_*`; any other code is an error.
const OK: i64 = 0;
const NOT_FOUND: i64 = 2;
const DENIED: i64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_for_success_is_one() {
        let login = Login::default();
        let of = |code| conclude(BackendCall::AddTotp, Ok((code, Vec::new())), &login).0;
        for (code, expected) in [
            (0, Reply::Done),
            (1, Reply::Failed(1)),
            (2, Reply::NotFound),
            (3, Reply::Denied),
            (4, Reply::Failed(4)),
            (-1, Reply::Failed(-1)),
        ] {
            assert_eq!(of(code), expected);
        }
    }

    #[test]
    fn credentials_that_are_no_json_are_skipped() {
        let listed = ["{\"id\":\"a\"}", "nonsense", "7", "", "{\"a\":1} x"]
            .map(|text| text.as_bytes().to_vec());
        let (answer, _) = conclude(
            BackendCall::GetWebauthnCredentials,
            Ok((0, listed.to_vec())),
            &Login::default(),
        );
        assert_eq!(answer, Reply::Credentials(vec![b"{\"id\":\"a\"}".to_vec(), b"7".to_vec()]));
    }
}
