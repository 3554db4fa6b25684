//! Backends: who knows the user, and is the password right.
//!
//! They are asked in order until one finds the user, even with another password. An error stops the
//! search: a broken store must never read as a wrong password. A backend that does not serve the
//! protocol is passed over. Called by the pipeline only.

use crate::auth::login::LogValue;
use crate::auth::policy::Backend;
use crate::auth::positive_cache;
use crate::auth::report::{Event, Level};
use crate::auth::request::{Field, Mode};
use crate::auth::run::Run;
use crate::auth::scripts::{BackendResult, BackendReturn, Scripts, StageKind};
use crate::auth::user::{User, attribute};
use crate::auth::verdict::PassDb;
use crate::op::boxed;

/// Asks the backends about the user, the cache in its place among them; `None`: no backend knows
/// it, or one denied it without naming the user. `account`: what the login name is mapped to.
///
/// # Errors
/// A backend failed, none serves the protocol, or time is over.
pub(super) async fn verify<S: Scripts>(
    run: &Run<'_, S>,
    account: Option<&[u8]>,
) -> Result<Option<User>, Event> {
    let protocol = run.login.request.get(Field::Protocol);
    let cache = positive_cache::of(run.policy, &run.login.request);
    let mut served = false;
    for (position, backend) in run.policy.backends.iter().enumerate() {
        if let (Some(cache), Some(account)) =
            (cache.filter(|cache| cache.position == position), account)
            && let Some(user) = boxed(positive_cache::recall(run, cache, account)).await?
        {
            return Ok(Some(user));
        }
        let Some(search) = backend.search(protocol) else { continue };
        served = true;
        match ask(run, backend).await? {
            Lookup::Known(user) => {
                let cache_name = cache
                    .filter(|cache| cache.position <= position)
                    .map(|_| search.cache().to_owned());
                return Ok(Some(User { cache_name, ..*user }));
            }
            Lookup::Denied => return Ok(None),
            Lookup::Unknown => {}
        }
    }
    if served { Ok(None) } else { Err(unserved(protocol)) }
}

/// The accounts of all backends that serve [`ACCOUNT_PROVIDER`], sorted. Those of a backend that
/// fails are missing, and `events` says why.
pub(super) async fn list_accounts<S: Scripts>(
    run: &Run<'_, S>,
    events: &mut Vec<Event>,
) -> Vec<Vec<u8>> {
    let mut accounts = Vec::new();
    for backend in
        run.policy.backends.iter().filter(|backend| backend.search(ACCOUNT_PROVIDER).is_some())
    {
        let Backend::Lua { index, .. } = backend;
        let mut stage = run.stage(StageKind::Backend);
        let returned = run.scripts.list_accounts(&mut stage, *index, run.login, run.ops).await;
        match run.outcome(StageKind::Backend, returned) {
            Ok((OK, mut listed)) => {
                listed.sort_unstable();
                listed.dedup();
                accounts.append(&mut listed);
            }
            Ok((code, _)) => events.push(fault(backend, format!("result code {code}"))),
            Err(event) => events.push(event),
        }
    }
    accounts.sort_unstable();
    accounts
}

/// What one backend says.
enum Lookup {
    Known(Box<User>),
    Unknown,
    /// It refuses a user it did not describe; no other backend is asked.
    Denied,
}

async fn ask<S: Scripts>(run: &Run<'_, S>, backend: &Backend) -> Result<Lookup, Event> {
    let Backend::Lua { index, name, path, .. } = backend;
    let mut stage = run.stage(StageKind::Backend);
    let returned = run.scripts.verify_password(&mut stage, *index, run.login, run.ops).await;
    let BackendReturn { code, result } = run.outcome(StageKind::Backend, returned)?;
    let says_authenticated = result.as_ref().is_some_and(|result| result.authenticated);
    let user = match (code, result) {
        (NOT_FOUND, _) => return Ok(Lookup::Unknown),
        // A refusal needs no faultless description of the user.
        (DENIED, result) => result
            .and_then(|result| user(result).ok().flatten())
            .map(|user| User { authenticated: false, ..user }),
        (OK, Some(result)) => {
            user(result).map_err(|reason| fault(backend, reason))?.map(|user| User {
                authenticated: user.authenticated || run.login.request.mode == Mode::NoAuth,
                ..user
            })
        }
        (OK, None) => return Err(fault(backend, "no nauthilus_backend_result".to_owned())),
        (code, _) => return Err(fault(backend, format!("result code {code}"))),
    };
    if user.is_none() && says_authenticated {
        let mistake = format!(
            "{path}: authenticated(true) without user_found(true) and account_field(...) does not authenticate anybody"
        );
        run.login
            .custom_log
            .borrow_mut()
            .push(("backend_mistake".into(), LogValue::Text(mistake.into())));
    }
    Ok(match user {
        Some(user) => Lookup::Known(Box::new(User {
            passdb: PassDb::Lua,
            backend_name: name.clone(),
            ..user
        })),
        None if code == DENIED => Lookup::Denied,
        None => Lookup::Unknown,
    })
}

/// The user a script describes. Without `user_found` or a name for the account attribute it
/// describes no user, authenticated or not.
///
/// # Errors
/// It found the user, but the account is missing, empty, or neither string nor number.
fn user(result: BackendResult) -> Result<Option<User>, String> {
    if !result.user_found || result.account_field.is_empty() {
        return Ok(None);
    }
    let account = attribute(&result.attributes, &result.account_field);
    if account.is_empty() {
        return Err(format!(
            "no account found: attribute '{}' has no text",
            String::from_utf8_lossy(&result.account_field)
        ));
    }
    Ok(Some(User {
        authenticated: result.authenticated,
        account,
        account_field: result.account_field,
        totp_secret_field: result.totp_secret_field,
        unique_user_id: attribute(&result.attributes, &result.unique_user_id_field),
        display_name: attribute(&result.attributes, &result.display_name_field),
        unique_user_id_field: result.unique_user_id_field,
        display_name_field: result.display_name_field,
        attributes: result.attributes,
        ..User::default()
    }))
}

/// No search entry of a backend names the protocol, nor `default`.
fn unserved(protocol: &[u8]) -> Event {
    let protocol = String::from_utf8_lossy(protocol.get(..PROTOCOL_SHOWN).unwrap_or(protocol));
    Event::new(Level::Error, format!("no backend answers protocol {protocol:?}"))
}

/// Bytes of a protocol's name in the log: it is the client's.
const PROTOCOL_SHOWN: usize = 64;

fn fault(backend: &Backend, reason: String) -> Event {
    let Backend::Lua { name, path, .. } = backend;
    Event::new(Level::Error, "Backend failed")
        .with("backend_name", name.as_str())
        .with("script", path.as_str())
        .with("error", reason)
}

/// The protocol of listings: the configuration must say who serves it.
const ACCOUNT_PROVIDER: &[u8] = b"account-provider";

// `BACKEND_RESULT_*`; any other code is an error.
const OK: i64 = 0;
const NOT_FOUND: i64 = 2;
const DENIED: i64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn found(account: Value) -> BackendResult {
        let mut result = BackendResult {
            user_found: true,
            authenticated: true,
            account_field: b"account".to_vec(),
            ..BackendResult::default()
        };
        result.attributes.set_one(b"account", account);
        result
    }

    #[test]
    fn an_account_is_text_or_a_number() {
        for (value, account) in [
            (Value::string("a@example.test"), "a@example.test"),
            (Value::Number(1001.0), "1001"),
            (Value::Number(1e15), "1000000000000000"),
        ] {
            assert_eq!(user(found(value)).unwrap().unwrap().account, account.as_bytes());
        }
    }

    #[test]
    fn an_account_of_another_kind_is_a_fault() {
        let kinds = [
            Value::string(""),
            Value::Nil,
            Value::Bool(true),
            Value::List(vec![Value::string("a")]),
            Value::Map(Vec::new()),
        ];
        for value in kinds {
            assert!(user(found(value.clone())).is_err(), "{value:?}");
        }
        let other = BackendResult { account_field: b"other".to_vec(), ..found(Value::string("a")) };
        assert_eq!(user(other).unwrap_err(), "no account found: attribute 'other' has no text");
    }

    #[test]
    fn without_found_or_field_it_is_nobody() {
        let not_found = BackendResult { user_found: false, ..found(Value::string("a")) };
        let no_field = BackendResult { account_field: Vec::new(), ..found(Value::string("a")) };
        for result in [not_found, no_field, BackendResult::default()] {
            assert_eq!(user(result), Ok(None));
        }
    }

    #[test]
    fn id_and_name_are_the_text_of_their_attributes() {
        let mut result = BackendResult {
            unique_user_id_field: b"uid".to_vec(),
            display_name_field: b"cn".to_vec(),
            ..found(Value::string("a"))
        };
        result.attributes.set_one(b"uid", Value::Number(7.0));
        let user = user(result).unwrap().unwrap();
        assert_eq!(
            (user.unique_user_id.as_slice(), user.display_name.as_slice()),
            (b"7".as_slice(), b"".as_slice())
        );
    }
}
