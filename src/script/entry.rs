//! The entry functions of scripts: their names, how a script is loaded before one is called, and
//! what one returned.

use crate::auth::scripts::{BackendCall, BackendReturn, FeatureReturn, FilterReturn, StageKind};
use crate::value::Value;

/// An entry function: its name in the script, and how its results are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Feature,
    Filter,
    Action,
    VerifyPassword,
    ListAccounts,
    Backend(BackendCall),
    Hook,
}

impl Entry {
    /// Every entry there is, in the order of their indices.
    pub const ALL: [Entry; 14] = [
        Entry::Feature,
        Entry::Filter,
        Entry::Action,
        Entry::VerifyPassword,
        Entry::ListAccounts,
        Entry::Backend(BackendCall::AddTotp),
        Entry::Backend(BackendCall::DeleteTotp),
        Entry::Backend(BackendCall::AddTotpRecoveryCodes),
        Entry::Backend(BackendCall::DeleteTotpRecoveryCodes),
        Entry::Backend(BackendCall::GetWebauthnCredentials),
        Entry::Backend(BackendCall::SaveWebauthnCredential),
        Entry::Backend(BackendCall::UpdateWebauthnCredential),
        Entry::Backend(BackendCall::DeleteWebauthnCredential),
        Entry::Hook,
    ];

    /// Name of the global function.
    pub fn function(self) -> &'static str {
        match self {
            Entry::Feature => "nauthilus_call_feature",
            Entry::Filter => "nauthilus_call_filter",
            Entry::Action => "nauthilus_call_action",
            Entry::VerifyPassword => "nauthilus_backend_verify_password",
            Entry::ListAccounts => "nauthilus_backend_list_accounts",
            Entry::Backend(BackendCall::AddTotp) => "nauthilus_backend_add_totp",
            Entry::Backend(BackendCall::DeleteTotp) => "nauthilus_backend_delete_totp",
            Entry::Backend(BackendCall::AddTotpRecoveryCodes) => {
                "nauthilus_backend_add_totp_recovery_codes"
            }
            Entry::Backend(BackendCall::DeleteTotpRecoveryCodes) => {
                "nauthilus_backend_delete_totp_recovery_codes"
            }
            Entry::Backend(BackendCall::GetWebauthnCredentials) => {
                "nauthilus_backend_get_webauthn_credentials"
            }
            Entry::Backend(BackendCall::SaveWebauthnCredential) => {
                "nauthilus_backend_save_webauthn_credential"
            }
            Entry::Backend(BackendCall::UpdateWebauthnCredential) => {
                "nauthilus_backend_update_webauthn_credential"
            }
            Entry::Backend(BackendCall::DeleteWebauthnCredential) => {
                "nauthilus_backend_delete_webauthn_credential"
            }
            Entry::Hook => "nauthilus_run_hook",
        }
    }

    /// The function that a stage calls, where it is one and gets the request alone.
    pub fn main(stage: StageKind) -> Option<Entry> {
        match stage {
            StageKind::Feature => Some(Entry::Feature),
            StageKind::Filter => Some(Entry::Filter),
            StageKind::Action => Some(Entry::Action),
            StageKind::Backend => Some(Entry::VerifyPassword),
            StageKind::Hook | StageKind::Init => None,
        }
    }

    /// Position in [`Entry::ALL`].
    pub fn index(self) -> usize {
        Entry::ALL.iter().position(|entry| *entry == self).unwrap_or(0)
    }
}

/// How a script gets its entry function and its request table; the numbers are those of
/// `lua/host/drive.lua`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Its top-level chunk runs for every call.
    PerCall = 0,
    /// Its top-level chunk runs once per state: it is pure, or `reuse` is set.
    Once = 1,
    /// As `Once`, and the main entry function gets a table of the fields that it reads.
    Projected = 2,
}

/// What the entry function returned, left in the run by `script::collect`.
#[derive(Debug)]
pub enum Returned {
    /// The script does not define the function.
    Missing,
    Feature(FeatureReturn),
    Filter(FilterReturn),
    Code(i64),
    Backend(BackendReturn),
    List(i64, Vec<Vec<u8>>),
    Hook(Value),
}
