//! The feature `tls_encryption`: no login over a connection that is not encrypted.
//!
//! Whether it is, the mail server says: any text in the field `ssl`. The answer is a temporary
//! failure, so that the password of a client that will be configured right is not called wrong.

use super::{Decision, Trigger, client_address, is_exempt, note};
use crate::auth::request::Field;
use crate::auth::run::Run;
use crate::auth::scripts::ActionKind;
use crate::auth::verdict::TemporaryReason;

pub(in crate::auth) fn tls_encryption<S>(run: &Run<'_, S>) -> Decision {
    let Some(cleartext_networks) = &run.policy.tls_encryption else { return Decision::Pass };
    if is_exempt(run, TLS_ENCRYPTION.feature) || !run.login.request.get(Field::Ssl).is_empty() {
        return Decision::Pass;
    }
    if client_address(run).is_some_and(|address| cleartext_networks.contains(address)) {
        note(run, TLS_ENCRYPTION.feature, "Client is whitelisted");
        return Decision::Pass;
    }
    note(run, TLS_ENCRYPTION.feature, "Client has no transport security");
    Decision::Trigger(TLS_ENCRYPTION)
}

const TLS_ENCRYPTION: Trigger = Trigger {
    feature: "tls_encryption",
    actions: ActionKind::TlsEncryption,
    temporary: Some(TemporaryReason::TlsRequired),
};
