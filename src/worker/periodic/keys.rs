//! The public keys of an issuer of tokens, read again and again (`server.oidc_auth`).
//!
//! From a URL by the worker's HTTP client, from a file on a helper thread: neither holds up the
//! loop. What cannot be read is read again after [`AGAIN_AFTER`]; the keys that are known stay good
//! meanwhile. Bounds: [`ASK_MAX`], those of `auth::caller::jwks`.

use crate::auth::caller::jwks::{self, JWKS_BYTES_MAX};
use crate::epoch::{Epoch, KeySource, KeysFrom};
use crate::log::Level;
use crate::op::{BlockingJob, Op, Ops};
use crate::proto::http::client::ResponseLimits;
use crate::upstream::http::{Client, Request};
use crate::worker::reporting::Notices;
use std::sync::Arc;
use std::time::Duration;

/// Reads the keys for as long as the configuration is in force.
pub(super) async fn keep(epoch: Arc<Epoch>, client: Client, notices: Notices, ops: Ops) {
    let Some(source) = &epoch.key_source else { return };
    let mut failed = false;
    loop {
        if source.keys.is_due(source.period, ops.now()) {
            match read(source, &client, &ops).await {
                Ok(keys) => {
                    if failed {
                        notices.add(Level::Info, "keys of the token issuer are there again", []);
                    }
                    source.keys.set(keys, ops.now());
                    failed = false;
                }
                Err(error) => {
                    // Once, not every few seconds.
                    if !failed {
                        notices.add(
                            Level::Error,
                            "keys of the token issuer cannot be read",
                            [("error", error)],
                        );
                    }
                    failed = true;
                    ops.ask(Op::Sleep(AGAIN_AFTER), Duration::MAX).await;
                }
            }
        }
        ops.ask(Op::Sleep(LOOK_EVERY), Duration::MAX).await;
    }
}

async fn read(
    source: &KeySource,
    client: &Client,
    ops: &Ops,
) -> Result<Vec<jwks::PublicKey>, String> {
    let json = match &source.from {
        KeysFrom::Url(url) => {
            let mut request =
                Request::get(url).map_err(|error| error.to_string())?.timeout(ASK_MAX);
            request.limits =
                ResponseLimits { body_bytes_max: JWKS_BYTES_MAX, ..ResponseLimits::default() };
            let answer = client.send(ops, request).await.map_err(|error| error.to_string())?;
            if answer.status != 200 {
                return Err(format!("the issuer answered with status {}", answer.status));
            }
            answer.body
        }
        KeysFrom::File(path) => {
            let path = path.clone();
            let read = move || {
                crate::files::read(&path, jwks::JWKS_BYTES_MAX as u64)
                    .map_err(|error| format!("{}: {error}", path.display()))
            };
            let work = Op::Blocking(BlockingJob::new(read));
            ops.ask(work, ASK_MAX)
                .await
                .done::<Result<Vec<u8>, String>>()
                .map_err(|failure| failure.to_string())??
        }
    };
    jwks::parse(&json).map_err(|error| format!("the key set {error}"))
}

/// How long the issuer may take.
const ASK_MAX: Duration = Duration::from_secs(10);

/// When to look whether it is time to read: how long a caller with a new key waits at most, besides
/// the reading.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(4);
