//! The embedded state: one per process, shared by its workers.
//!
//! Each concern has a [`Table`] of its own, so that none can crowd out another. What is here is
//! lost with the process, and other processes do not see it. With Redis configured it shadows what
//! this process has counted, for the time when Redis is away. Bounds: `*_BYTES_MAX`.

use super::ban::ManualBans;
use super::records::{Account, Addresses, Block, Failures, History, Text, Tried, Users};
use super::table::Table;

/// See the module's head.
pub struct MemoryStore {
    pub(super) accounts: Table<Account>,
    /// By counter key.
    pub(super) failures: Table<Failures>,
    /// By network.
    pub(super) blocks: Table<Block>,
    /// By account: the addresses that failed for it.
    pub(super) failed_from: Table<Addresses>,
    /// Accounts whose logins led to a block.
    pub(super) affected: Table<()>,
    pub(super) histories: Table<History>,
    /// The positive cache, by cache and account.
    pub(super) cached: Table<Text>,
    /// By client: who logged in from there.
    pub(super) users: Table<Users>,
    /// By network: who was tried.
    pub(super) tried: Table<Tried>,
    /// Bans by hand.
    pub(super) manual: ManualBans,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore {
            accounts: Table::new(ACCOUNTS_BYTES_MAX),
            failures: Table::new(FAILURES_BYTES_MAX),
            blocks: Table::new(BLOCKS_BYTES_MAX),
            failed_from: Table::new(REST_BYTES_MAX),
            affected: Table::new(REST_BYTES_MAX),
            histories: Table::new(REST_BYTES_MAX),
            cached: Table::new(CACHED_BYTES_MAX),
            users: Table::new(REST_BYTES_MAX),
            tried: Table::new(REST_BYTES_MAX),
            manual: ManualBans::default(),
        }
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// Some 100,000 users.
const ACCOUNTS_BYTES_MAX: usize = 32 << 20;

/// Some 250,000 networks that have failed within the longest period: an attacker who owns more
/// addresses than that is not to be counted out of one process's memory anyway.
const FAILURES_BYTES_MAX: usize = 64 << 20;

/// Some 30,000 networks.
const BLOCKS_BYTES_MAX: usize = 16 << 20;

/// Some 60,000 users.
const CACHED_BYTES_MAX: usize = 64 << 20;

/// Histories, tolerations and lists for the operator, each.
const REST_BYTES_MAX: usize = 16 << 20;
