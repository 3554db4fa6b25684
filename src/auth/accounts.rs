//! Login names and accounts: what the state knows of a name before any backend is asked, and what it is told after.
//!
//! A name is looked up once per request and mapped at its first login, right or wrong password. Called by the pipeline only.
//! Rules: specification `pipeline.md` 2.3, 7.4.

use crate::auth::backends::User;
use crate::auth::login::Facts;
use crate::auth::pipeline::Run;
use crate::auth::report::{Event, Level};
use crate::auth::request::Field;
use crate::state;

/// Looks up the account of the request's login name, and lets scripts see it; `None`: there is none. An outage is none of our business
/// yet: it will show when the name must be mapped.
pub(super) async fn known<S>(run: &Run<'_, S>) -> Option<Vec<u8>> {
    let username = run.login.request.get(Field::Username);
    if username.is_empty() {
        return None;
    }
    run.stores.state.account(run.ops, username).await.ok().flatten()
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

/// Maps the login name to the account that a backend found.
///
/// # Errors
/// It could not be written: the login must be tried again.
pub(super) async fn map<S>(run: &Run<'_, S>, user: &User) -> Result<(), Event> {
    let username = run.login.request.get(Field::Username);
    run.stores.state.map_account(run.ops, username, &user.account).await.map_err(|error| unmapped(&error))
}

/// The line of a mapping that failed.
fn unmapped(error: &state::Error) -> Event {
    Event::new(Level::Error, "Account cannot be mapped").with("error", error.to_string())
}

/// Where an account comes from that no backend has named.
const PSEUDO_FIELD: &[u8] = b"__nauthilus_meta_user_account__";
