//! The pipeline's door to the operator's scripts: asked for by entry point, answered in the
//! domain's own types.
//!
//! `script::Host` implements it on LuaJIT; tests implement it with a list of answers. All scripts
//! of one stage of one request share a [`Scripts::Stage`]: their environment and their request
//! table. What scripts may rely on is in `lua/README.md`.

use crate::auth::attributes::Attributes;
use crate::auth::login::{BlockFacts, Login};
use crate::op::Ops;
use crate::value::Value;

/// Runs scripts. `index` counts the configured scripts of the stage (of the action's type) from 0,
/// in configuration order.
#[allow(async_fn_in_trait, reason = "one thread per core: no caller needs the futures to be Send")]
pub trait Scripts {
    /// Environment and request table of one stage of one request.
    type Stage;

    /// Begins a stage: the request table is made from `login` as it is now.
    fn stage(&self, kind: StageKind, login: &Login) -> Self::Stage;

    /// Tells the scripts of a stage of brute_force actions which block they run for.
    fn tell_block(&self, stage: &mut Self::Stage, block: BlockFacts);

    /// `nauthilus_call_feature`; `None` if the script does not define it.
    async fn feature(
        &self,
        stage: &mut Self::Stage,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<FeatureReturn>, ScriptError>;

    /// `nauthilus_call_filter`; `None` if the script does not define it.
    async fn filter(
        &self,
        stage: &mut Self::Stage,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<FilterReturn>, ScriptError>;

    /// `nauthilus_call_action`: the result code; `None` if the script does not define it.
    async fn action(
        &self,
        stage: &mut Self::Stage,
        kind: ActionKind,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Option<i64>, ScriptError>;

    /// `nauthilus_backend_verify_password` of the backend with this index in the epoch's list of
    /// Lua backends.
    async fn verify_password(
        &self,
        stage: &mut Self::Stage,
        backend: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<BackendReturn, ScriptError>;

    /// `nauthilus_backend_list_accounts`: code and accounts (only the string members).
    async fn list_accounts(
        &self,
        stage: &mut Self::Stage,
        backend: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<(i64, Vec<Vec<u8>>), ScriptError>;

    /// One of the calls of [`BackendCall`]: code and, where there is one, the list it returned.
    async fn backend_call(
        &self,
        stage: &mut Self::Stage,
        backend: usize,
        call: BackendCall,
        login: &Login,
        ops: &Ops,
    ) -> Result<(i64, Vec<Vec<u8>>), ScriptError>;

    /// `nauthilus_run_hook` of the hook with this index in the epoch's list of hooks: its first
    /// result.
    async fn hook(
        &self,
        stage: &mut Self::Stage,
        index: usize,
        login: &Login,
        ops: &Ops,
    ) -> Result<Value, ScriptError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    Init,
    Feature,
    Backend,
    Filter,
    Action,
    Hook,
}

impl StageKind {
    /// As error texts and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Init => "init",
            StageKind::Feature => "feature",
            StageKind::Backend => "backend",
            StageKind::Filter => "filter",
            StageKind::Action => "action",
            StageKind::Hook => "hook",
        }
    }
}

/// When an action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    BruteForce,
    Rbl,
    TlsEncryption,
    RelayDomains,
    Lua,
    Post,
}

impl ActionKind {
    pub const COUNT: usize = ActionKind::Post as usize + 1;
}

/// What a feature returned, after *to-bool* and *to-int* (`nil`, `false`, `0` are no).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureReturn {
    pub trigger: bool,
    pub abort: bool,
    /// 0 success, 1 fail, anything else unknown: log text only.
    pub result: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterReturn {
    pub reject: bool,
    pub result: i64,
}

/// What a backend returned: its code, and the result object if there was one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendReturn {
    pub code: i64,
    /// `None`: nil, or something that is no `nauthilus_backend_result`.
    pub result: Option<BackendResult>,
}

/// The content of a `nauthilus_backend_result`. Field names are empty if unset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendResult {
    pub authenticated: bool,
    pub user_found: bool,
    pub account_field: Vec<u8>,
    pub totp_secret_field: Vec<u8>,
    pub totp_recovery_field: Vec<u8>,
    pub unique_user_id_field: Vec<u8>,
    pub display_name_field: Vec<u8>,
    pub webauthn_credentials: Vec<Vec<u8>>,
    pub attributes: Attributes,
}

/// The backend functions besides verify and list, called by the MFA endpoints. Their input is in
/// [`crate::auth::login::Facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendCall {
    AddTotp,
    DeleteTotp,
    AddTotpRecoveryCodes,
    DeleteTotpRecoveryCodes,
    GetWebauthnCredentials,
    SaveWebauthnCredential,
    UpdateWebauthnCredential,
    DeleteWebauthnCredential,
}

/// A script did not come to its end. Always a temporary failure of what it was run for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    /// Path as configured.
    pub script: String,
    /// `file:line: text`, with the traceback after a line feed.
    pub message: String,
}
