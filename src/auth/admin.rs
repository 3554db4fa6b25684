//! What operators ask about the domain's state: who is blocked, and to unblock them.
//!
//! Called by the worker for the admin endpoints; `dialect::admin` knows their wire form.

use crate::auth::brute_force::rules::{ALL, Flush, Rules};
use crate::auth::policy::Policy;
use crate::auth::positive_cache;
use crate::auth::run::Stores;
use crate::op::Ops;
use crate::state::{AffectedAccounts, Blocks, Error, Forgotten, MANUAL, Store};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Blocked networks and their buckets; accounts whose logins led to a block and the addresses that
/// failed for them. Each part may fail by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocked {
    pub networks: Result<Blocks, Error>,
    pub accounts: Result<AffectedAccounts, Error>,
}

/// Lists who is blocked.
pub async fn blocked(state: &Store, ops: &Ops) -> Blocked {
    Blocked { networks: state.blocks(ops).await, accounts: state.affected_accounts(ops).await }
}

/// Unblocks a client's networks, and forgets their counters: the keys that were removed, sorted.
///
/// # Errors
/// The state could not be asked; some keys may be removed.
pub async fn flush(
    rules: &Rules,
    state: &Store,
    ops: &Ops,
    flush: &Flush,
) -> Result<Vec<Vec<u8>>, Error> {
    let counters = rules.counters_to_flush(flush);
    let applies = |bucket: &[u8]| flush.rule == ALL || flush.rule.as_bytes() == bucket;
    let mut removed = state.flush_blocks(ops, &counters, applies).await?;
    if applies(MANUAL) && state.unban_address(ops, flush.address.to_canonical()).await? {
        removed.push(BY_HAND.to_vec());
        removed.sort_unstable();
    }
    Ok(removed)
}

/// The list that a ban by hand is in, as the answer to a flush names it.
const BY_HAND: &[u8] = b"BRUTEFORCE_MANUAL";

/// Forgets a user: cache entries, mapping, histories, what brute force keeps of the addresses that
/// failed for the account, and in any case what this process remembers. The keys that were removed,
/// sorted; none: there is no backend `cache`, or the login name is not known.
///
/// # Errors
/// The state could not be asked; some keys may be removed.
pub async fn forget(
    policy: &Policy,
    stores: Stores<'_>,
    ops: &Ops,
    user: &str,
) -> Result<Vec<Vec<u8>>, Error> {
    let account = stores.state.account(ops, user.as_bytes()).await;
    let removed = match &account {
        Ok(Some(account)) if policy.positive_cache.is_some() => {
            forget_account(policy, stores.state, ops, user, account).await
        }
        Ok(_) => Ok(Vec::new()),
        Err(error) => Err(error.clone()),
    };
    // Last: who was let in meanwhile by what is gone now is not remembered.
    stores.results.forget(user.as_bytes(), &account.ok().flatten().unwrap_or_default());
    removed
}

async fn forget_account(
    policy: &Policy,
    state: &Store,
    ops: &Ops,
    user: &str,
    account: &[u8],
) -> Result<Vec<Vec<u8>>, Error> {
    let clients = state.failed_from(ops, account).await?;
    let mut removed = Vec::new();
    for address in
        clients.iter().filter_map(|client| std::str::from_utf8(client).ok()?.parse().ok())
    {
        let all = Flush { address, rule: ALL.to_owned(), protocol: None, oidc_cid: None };
        removed.extend(flush(&policy.brute_force, state, ops, &all).await?);
    }
    let caches = positive_cache::all_names(policy);
    let forgotten =
        Forgotten { username: user.as_bytes(), account, caches: &caches, clients: &clients };
    removed.extend(state.forget(ops, &forgotten).await?);
    removed.sort_unstable();
    removed.dedup();
    Ok(removed)
}

/// Flushes that were put off: `bruteforce/flush/async`. Of the whole process; the oldest are
/// forgotten first.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<VecDeque<(String, JobState)>>);

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    Queued,
    /// The keys that were removed.
    Done(Vec<Vec<u8>>),
    Failed(String),
}

impl Jobs {
    /// Notes how far a job is.
    pub fn set(&self, id: &str, state: JobState) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.iter_mut().find(|(known, _)| known == id) {
            Some((_, old)) => *old = state,
            None => {
                if jobs.len() >= JOBS_MAX {
                    jobs.pop_front();
                }
                jobs.push_back((id.to_owned(), state));
            }
        }
    }

    /// How far a job is; `None`: there was none of this name, or it was long ago.
    pub fn get(&self, id: &str) -> Option<JobState> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().find(|(known, _)| known == id).map(|(_, state)| state.clone())
    }
}

/// Operators put off a handful at a time.
const JOBS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_jobs_are_forgotten() {
        let jobs = Jobs::default();
        for n in 0..=JOBS_MAX {
            jobs.set(&n.to_string(), JobState::Queued);
        }
        jobs.set("1", JobState::Done(Vec::new()));
        assert_eq!(jobs.get("0"), None);
        assert_eq!(jobs.get("1"), Some(JobState::Done(Vec::new())));
        assert_eq!(jobs.get("2"), Some(JobState::Queued));
    }
}
