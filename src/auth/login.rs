//! One login on its way through the pipeline: the request, what is known by now, and what the
//! scripts left behind.
//!
//! The pipeline owns it and hands it to scripts by shared reference; what scripts change sits in
//! cells. It is `Send`: after the verdict it moves to the background worker with its post actions.

use crate::auth::attributes::Attributes;
use crate::auth::request::Request;
use crate::trace;
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Login {
    pub request: Request,
    /// What stages have found out; written by the pipeline between stages, read into each stage's
    /// request table.
    pub facts: RefCell<Facts>,
    /// `nauthilus_context`: shared by all scripts of this request, post actions included.
    pub context: RefCell<Context>,
    /// The spans that scripts of this request make belong together.
    pub trace: RefCell<trace::Context>,
    /// `custom_log_add`: pairs for the log line, in call order.
    pub custom_log: RefCell<Vec<(String, LogValue)>>,
    /// `status_message_set`: the last text set; empty if none.
    pub status_message: RefCell<Vec<u8>>,
    /// What filters want changed in the answer.
    pub filter_changes: RefCell<FilterChanges>,
    /// What `nauthilus_http_response` was told to do with the answer.
    pub response: RefCell<ScriptResponse>,
    /// Bytes that scripts have put into all these, outside of Lua's own memory
    /// (`lua.config.request_memory`).
    pub kept_bytes: Cell<usize>,
}

impl Login {
    pub fn new(request: Request) -> Login {
        Login { request, ..Login::default() }
    }

    /// Tells post actions of the answer that went out: its status code, and how long it took since
    /// the request came in.
    pub fn answered(&self, http_status: u16, latency: Duration) {
        let mut facts = self.facts.borrow_mut();
        facts.http_status = http_status;
        facts.latency_ms = latency.as_secs_f64() * 1000.0;
    }
}

/// What the pipeline knows; the half of the scripts' request table that depends on the stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub user_found: bool,
    pub authenticated: bool,
    pub account: Vec<u8>,
    pub account_field: Vec<u8>,
    pub unique_user_id: Vec<u8>,
    pub display_name: Vec<u8>,
    /// The feature that triggered: `lua`, `brute_force`, …; empty if none.
    pub feature: String,
    /// The full bucket; empty if none was.
    pub brute_force_bucket: String,
    pub status_message: Vec<u8>,
    /// The code the request would get now; post actions.
    pub http_status: u16,
    /// Milliseconds since the request came in; post actions.
    pub latency_ms: f64,
    /// For the MFA calls of backends.
    pub totp_secret: Vec<u8>,
    pub totp_recovery_codes: Vec<Vec<u8>>,
    pub webauthn_credential: Vec<u8>,
    pub webauthn_old_credential: Vec<u8>,
}

/// What brute_force actions are told besides the login's [`Facts`], and no other script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFacts {
    pub client_net: String,
    /// The network was blocked already.
    pub repeating: bool,
    /// Failures before this one; 0 for a network that was blocked already.
    pub counter: u64,
}

/// The request's key-value store. Few keys: a list is faster than a map.
#[derive(Clone, Debug, Default)]
pub struct Context(Vec<(Vec<u8>, Value)>);

impl Context {
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// What an entry of this key takes now; 0 if there is none.
    pub fn bytes(&self, key: &[u8]) -> usize {
        self.get(key).map_or(0, |value| key.len() + value.bytes())
    }

    pub fn set(&mut self, key: &[u8], value: Value) {
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_vec(), value)),
        }
    }

    pub fn delete(&mut self, key: &[u8]) {
        self.0.retain(|(k, _)| k != key);
    }
}

/// A value of `custom_log_add`.
#[derive(Clone, Debug, PartialEq)]
pub enum LogValue {
    Text(Vec<u8>),
    Number(f64),
    Bool(bool),
    /// Any other type: prints `UNSUPPORTED`.
    Unsupported,
}

/// Gathered over all filters of the request; applied after the last one, removals
/// first.
#[derive(Clone, Debug, Default)]
pub struct FilterChanges {
    pub added: Attributes,
    pub removed: Vec<Vec<u8>>,
    pub server: Option<(String, u16)>,
}

impl FilterChanges {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.server.is_none()
    }
}

/// The answer as a script has it (`nauthilus_http_response`).
#[derive(Clone, Debug, Default)]
pub struct ScriptResponse {
    /// Any function of the module was called: in a hook, this answer counts and not the returned
    /// table.
    pub used: bool,
    pub status: Option<u16>,
    pub content_type: Option<Vec<u8>>,
    /// Headers to set (replacing what is there), then to add, then to remove, in call order.
    pub headers: Vec<HeaderChange>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum HeaderChange {
    Set(Vec<u8>, Vec<u8>),
    Add(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}
