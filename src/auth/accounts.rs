//! Accounts: whose login name this is, as far as the state knows before any backend is asked.
//!
//! A name is looked up once per request; `effects` maps it once a backend has found the user.

use crate::auth::login::Facts;
use crate::auth::request::Field;
use crate::auth::run::Run;
use crate::state::Error;

/// Looks up the account of the request's login name; `None`: there is none.
///
/// # Errors
/// The state could not be asked. The login goes on, for the backends may not need it; but it cannot
/// end with "unknown user".
pub(super) async fn known<S>(run: &Run<'_, S>) -> Result<Option<Vec<u8>>, Error> {
    let username = run.login.request.get(Field::Username);
    if username.is_empty() {
        return Ok(None);
    }
    run.stores.state.account(run.ops, username).await
}

/// Shows a known account to the scripts that run before the backends.
pub(super) fn show(facts: &mut Facts, account: &[u8]) {
    facts.user_found = true;
    facts.account = account.to_vec();
    facts.account_field = PSEUDO_FIELD.to_vec();
}

/// Backends find out for themselves; so what was shown is taken back.
pub(super) fn hide(facts: &mut Facts) {
    if facts.user_found {
        facts.user_found = false;
        facts.account.clear();
        facts.account_field.clear();
    }
}

/// Where an account comes from that no backend has named.
const PSEUDO_FIELD: &[u8] = b"__nauthilus_meta_user_account__";
