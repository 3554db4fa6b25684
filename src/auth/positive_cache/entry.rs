//! One entry of the positive cache as text: JSON in the shape that the reference writes, so that
//! tools which read it go on to work.
//!
//! `{"passdb_backend":3,"password":"…","account_field":"account","totp_secret_field":null,"webauth_userid_field":"uid",
//! "display_name_field":"cn","attributes":{"account":["alice@example.test"]}}`. The password is a
//! hash of full length where the reference has 32 bits, so entries of the reference are read but
//! never match.

use crate::auth::attributes::Attributes;
use crate::auth::user::{User, attribute};
use crate::auth::verdict::PassDb;
use crate::secret::Secret;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What an entry says.
pub(super) struct Known {
    /// Hash of the password.
    pub password: Secret,
    pub user: User,
}

/// The text for a user; `None`: an attribute is no JSON (a table with keys, bytes that are no
/// UTF-8), and the user is not kept.
pub(super) fn encode(user: &User, password: &str) -> Option<Vec<u8>> {
    let field = |name: &[u8]| Some(std::str::from_utf8(name).ok()?.to_owned());
    let optional = |name: &[u8]| if name.is_empty() { Some(None) } else { field(name).map(Some) };
    let mut attributes = BTreeMap::new();
    for (name, values) in user.attributes.iter() {
        attributes.insert(field(name)?, values.iter().map(json).collect::<Option<Vec<_>>>()?);
    }
    let entry = Entry {
        passdb_backend: user.passdb as u8,
        password: password.to_owned(),
        account_field: field(&user.account_field)?,
        totp_secret_field: optional(&user.totp_secret_field)?,
        webauth_userid_field: optional(&user.unique_user_id_field)?,
        display_name_field: optional(&user.display_name_field)?,
        attributes,
    };
    serde_json::to_vec(&entry).ok()
}

/// What the text of an entry says; `None`: it is none, and the user counts as not cached.
pub(super) fn decode(text: &[u8]) -> Option<Known> {
    let entry: Entry = serde_json::from_slice(text).ok()?;
    let bytes = |field: Option<String>| field.unwrap_or_default().into_bytes();
    let mut attributes = Attributes::default();
    for (name, values) in entry.attributes {
        attributes.set(name.as_bytes(), values.into_iter().map(value).collect());
    }
    let (unique_user_id_field, display_name_field) =
        (bytes(entry.webauth_userid_field), bytes(entry.display_name_field));
    let user = User {
        account_field: entry.account_field.into_bytes(),
        totp_secret_field: bytes(entry.totp_secret_field),
        unique_user_id: attribute(&attributes, &unique_user_id_field),
        display_name: attribute(&attributes, &display_name_field),
        unique_user_id_field,
        display_name_field,
        attributes,
        passdb: [PassDb::Cache, PassDb::Ldap, PassDb::Lua]
            .into_iter()
            .find(|passdb| *passdb as u8 == entry.passdb_backend)
            .unwrap_or_default(),
        ..User::default()
    };
    Some(Known { password: Secret::from(entry.password.as_str()), user })
}

#[derive(Serialize, Deserialize)]
struct Entry {
    passdb_backend: u8,
    password: String,
    account_field: String,
    totp_secret_field: Option<String>,
    webauth_userid_field: Option<String>,
    display_name_field: Option<String>,
    attributes: BTreeMap<String, Vec<Json>>,
}

fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Nil => Json::Null,
        Value::Bool(is) => Json::Bool(*is),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < EXACT_MAX => {
            Json::from(*number as i64)
        }
        Value::Number(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Value::String(bytes) => Json::String(std::str::from_utf8(bytes).ok()?.to_owned()),
        Value::List(members) => Json::Array(members.iter().map(json).collect::<Option<_>>()?),
        Value::Map(_) => return None,
    })
}

fn value(json: Json) -> Value {
    match json {
        Json::Null | Json::Object(_) => Value::Nil,
        Json::Bool(is) => Value::Bool(is),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::string(text),
        Json::Array(members) => Value::List(members.into_iter().map(value).collect()),
    }
}

/// Integers below it are exact as doubles.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn alice() -> User {
        let mut attributes = Attributes::default();
        attributes.set_one(b"quota", Value::Number(1_000_000.0));
        attributes.set_one(b"account", Value::string("alice@example.test"));
        attributes.set_one(b"uid", Value::string("7"));
        attributes.set_one(b"cn", Value::string("Alice"));
        User {
            account: b"alice@example.test".to_vec(),
            account_field: b"account".to_vec(),
            unique_user_id_field: b"uid".to_vec(),
            display_name_field: b"cn".to_vec(),
            attributes,
            passdb: PassDb::Lua,
            ..User::default()
        }
    }

    #[test]
    fn the_text_is_the_references() {
        let text = String::from_utf8(encode(&alice(), "abc").unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"passdb_backend":3,"password":"abc","account_field":"account","totp_secret_field":null,"webauth_userid_field":"uid","display_name_field":"cn","attributes":{"account":["alice@example.test"],"cn":["Alice"],"quota":[1000000],"uid":["7"]}}"#
        );
    }

    #[test]
    fn what_was_kept_comes_back() {
        let known = decode(&encode(&alice(), "abc").unwrap()).unwrap();
        assert!(known.password.matches(b"abc") && !known.password.matches(b"abd"));
        assert_eq!(
            (known.user.unique_user_id.as_slice(), known.user.display_name.as_slice()),
            (&b"7"[..], &b"Alice"[..])
        );
        assert_eq!(known.user.passdb, PassDb::Lua);
        assert_eq!(
            known.user.attributes.get(b"quota").map(|values| values[0].clone()),
            Some(Value::Number(1e6))
        );
    }

    #[test]
    fn what_is_no_json_is_not_kept() {
        for value in [
            Value::Map(Vec::new()),
            Value::string(b"\xff".to_vec()),
            Value::Number(f64::NAN),
            Value::List(vec![Value::Map(Vec::new())]),
        ] {
            let mut user = alice();
            user.attributes.set_one(b"odd", value.clone());
            assert_eq!(encode(&user, "abc"), None, "{value:?}");
        }
    }

    #[test]
    fn other_texts_are_no_entries() {
        for text in [
            "",
            "null",
            "{}",
            "[1]",
            r#"{"passdb_backend":3}"#,
            r#"{"passdb_backend":-1,"password":"","account_field":"a","attributes":{}}"#,
        ] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&text);
        }

        #[test]
        fn numbers_come_back_as_they_were(number in prop::num::f64::NORMAL) {
            prop_assert_eq!(value(json(&Value::Number(number)).unwrap()), Value::Number(number));
        }
    }
}
