//! The embedded state: one per process, shared by its workers.
//!
//! Each concern has a [`Table`] of its own, so that none can crowd out another. What is here is lost with the process, and other processes
//! do not see it. With Redis configured it shadows what this process has counted, for the time when Redis is away. Bounds: `*_BYTES_MAX`.

use super::accounts::Account;
use super::table::Table;

/// See the module's head.
pub struct MemoryStore {
    pub(super) accounts: Table<Account>,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore { accounts: Table::new(ACCOUNTS_BYTES_MAX) }
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// What a text takes on the heap.
pub(super) fn text_bytes(text: &[u8]) -> usize {
    if text.is_empty() { 0 } else { text.len() + ALLOCATION_BYTES }
}

const ALLOCATION_BYTES: usize = 16;

/// Some 100,000 users.
const ACCOUNTS_BYTES_MAX: usize = 32 << 20;
