//! A user as a backend described it, and how its attributes read as text.

use crate::auth::attributes::Attributes;
use crate::auth::verdict::PassDb;
use crate::value::Value;

/// A user as a backend found it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct User {
    /// The password was right, or did not count (mode no-auth).
    pub authenticated: bool,
    /// Never empty.
    pub account: Vec<u8>,
    pub account_field: Vec<u8>,
    pub totp_secret_field: Vec<u8>,
    pub unique_user_id: Vec<u8>,
    pub unique_user_id_field: Vec<u8>,
    pub display_name: Vec<u8>,
    pub display_name_field: Vec<u8>,
    pub attributes: Attributes,
    /// Who described the user in the first place.
    pub passdb: PassDb,
    pub backend_name: String,
    /// Known by the positive cache; no backend was asked.
    pub from_cache: bool,
    /// Under which name the positive cache may keep it; `None`: its backend does not stand behind
    /// the cache.
    pub cache_name: Option<String>,
}

/// The text of an attribute's first value; empty if there is none.
pub(super) fn attribute(attributes: &Attributes, name: &[u8]) -> Vec<u8> {
    let value = attributes.get(name).and_then(|values| values.first());
    value.and_then(Value::text).map(|text| text.into_owned()).unwrap_or_default()
}
