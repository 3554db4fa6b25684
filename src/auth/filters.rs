//! Filters: scripts that look at a login after the backends and may turn it away, or change the
//! answer.
//!
//! They run one after the other, after failures too; the first that rejects is the last. Accepting
//! is neutral unless the configuration lets this filter override. Called by the pipeline only.

use crate::auth::attributes::Attributes;
use crate::auth::login::FilterChanges;
use crate::auth::report::Event;
use crate::auth::request::Mode;
use crate::auth::run::Run;
use crate::auth::scripts::{FilterReturn, Scripts, StageKind};
use crate::auth::user::User;
use std::sync::Arc;

/// The user who is let in after all filters that apply to the login; `None`: nobody is. `user`:
/// whom the backends found, authenticated or not.
///
/// # Errors
/// A script failed, or time is over.
pub(super) async fn accept<S: Scripts>(
    run: &Run<'_, S>,
    user: Option<Arc<User>>,
) -> Result<Option<Arc<User>>, Event> {
    let mode = run.login.request.mode;
    let authenticated = user.as_ref().is_some_and(|user| user.authenticated);
    let mut accepted = authenticated;
    let mut filters = run
        .policy
        .filters
        .iter()
        .enumerate()
        .filter(|(_, filter)| filter.when.applies_after_backends(mode, authenticated))
        .peekable();
    if filters.peek().is_some() {
        let mut stage = run.stage(StageKind::Filter);
        for (index, filter) in filters {
            let returned = run.scripts.filter(&mut stage, index, run.login, run.ops).await;
            match run.outcome(StageKind::Filter, returned)? {
                Some(FilterReturn { reject: true, .. }) => return Ok(None),
                // Never a lookup, never an unknown user (who stays `None`): careless scripts accept
                // those.
                Some(_) if filter.override_rejection && mode == Mode::Auth => accepted = true,
                Some(_) | None => {}
            }
        }
    }
    Ok(user.filter(|_| accepted))
}

/// Applies what filters want changed in the answer: removals, then additions, which never replace
/// what is (still) there.
pub(super) fn change(attributes: &mut Attributes, changes: FilterChanges) {
    for name in &changes.removed {
        attributes.remove(name);
    }
    for (name, values) in changes.added.iter() {
        if attributes.get(name).is_none() {
            attributes.set(name, values.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        let mut attributes = Attributes::default();
        for (name, value) in pairs {
            attributes.set_one(name.as_bytes(), Value::string(*value));
        }
        attributes
    }

    #[test]
    fn removals_come_first_and_additions_never_replace() {
        let mut answer =
            attributes(&[("account", "a"), ("cn", "A"), ("mail", "old"), ("secret", "x")]);
        let added = attributes(&[("cn", "not this"), ("mail", "new"), ("quota", "5")]);
        change(
            &mut answer,
            FilterChanges {
                added,
                removed: vec![b"mail".to_vec(), b"secret".to_vec()],
                server: None,
            },
        );
        assert_eq!(
            answer,
            attributes(&[("account", "a"), ("cn", "A"), ("mail", "new"), ("quota", "5")])
        );
    }

    #[test]
    fn what_was_removed_and_added_is_there() {
        let mut answer = Attributes::default();
        change(
            &mut answer,
            FilterChanges {
                added: attributes(&[("foo", "1")]),
                removed: vec![b"foo".to_vec()],
                server: None,
            },
        );
        assert_eq!(answer, attributes(&[("foo", "1")]));
    }
}
