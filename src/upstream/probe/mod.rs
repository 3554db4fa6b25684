//! Probes: whether a mail server answers, as far as one can tell without a mailbox.
//!
//! In this order: TCP connect, a PROXY header if it wants one, TLS if it speaks it, and with
//! `deep_check` some words of its protocol (`dialogue`). Used by the worker that watches the
//! configured servers and by scripts (`check_backend_connection`). Each step may take [`STEP_MAX`],
//! a probe altogether [`PROBE_MAX`].

mod dialogue;

use crate::op::{Failure, Ops};
use crate::proto::proxy;
use crate::secret::Secret;
use crate::tls::ClientTls;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::smtp;
use dialogue::Talk;
use std::time::Duration;

/// What is probed, and how.
#[derive(Debug)]
pub struct Target {
    pub protocol: Protocol,
    pub host: String,
    pub port: u16,
    pub tls: Option<ClientTls>,
    /// The server expects a PROXY header (HAProxy's version 2): the header says that the connection
    /// is not on behalf of a client.
    pub haproxy_v2: bool,
    /// Speak the protocol instead of only connecting.
    pub deep_check: bool,
    /// What an HTTP server is asked for.
    pub request_uri: String,
    /// Logs in with these, over TLS only; without a name it does not.
    pub username: String,
    pub password: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Pop3,
    Smtp,
    Lmtp,
    Sieve,
    Http,
    /// None that we can speak.
    Other,
}

impl Protocol {
    pub fn parse(name: &str) -> Protocol {
        match name {
            "imap" => Protocol::Imap,
            "pop3" => Protocol::Pop3,
            "smtp" => Protocol::Smtp,
            "lmtp" => Protocol::Lmtp,
            "sieve" => Protocol::Sieve,
            "http" => Protocol::Http,
            _ => Protocol::Other,
        }
    }
}

/// What is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Smtp(#[from] smtp::Error),
    /// It says something else than it should; which step, and its words.
    #[error("{step}: unexpected answer: {answer}")]
    Unexpected { step: &'static str, answer: String },
    /// The settings are of no use for this protocol.
    #[error("{0}")]
    Settings(&'static str),
}

/// Probes a server.
///
/// # Errors
/// What is wrong with it.
pub async fn check(ops: &Ops, target: &Target) -> Result<(), Fault> {
    let connection = connect(ops, target).await?;
    match (&target.tls, target.protocol) {
        (Some(tls), Protocol::Sieve) => sieve_over_tls(ops, target, tls, connection).await,
        (Some(tls), _) => {
            let mut connection = connection;
            connection.start_tls(ops, tls, &target.host, STEP_MAX).await?;
            Talk::new(ops, connection, target).deep_check().await
        }
        (None, _) => Talk::new(ops, connection, target).deep_check().await,
    }
}

async fn connect(ops: &Ops, target: &Target) -> Result<UpstreamConnection, Fault> {
    let mut connection =
        UpstreamConnection::connect(ops, &target.host, target.port, STEP_MAX).await?;
    if target.haproxy_v2 {
        connection.send(ops, proxy::LOCAL, STEP_MAX).await?;
    }
    Ok(connection)
}

/// ManageSieve servers mostly want STARTTLS (RFC 5804 knows nothing else), some have a port with
/// TLS from the start. The former show themselves by their greeting, which no handshake survives.
async fn sieve_over_tls(
    ops: &Ops,
    target: &Target,
    tls: &ClientTls,
    mut connection: UpstreamConnection,
) -> Result<(), Fault> {
    if connection.start_tls(ops, tls, &target.host, STEP_MAX).await.is_ok() {
        return Talk::new(ops, connection, target).deep_check().await;
    }
    let mut talk = Talk::new(ops, connect(ops, target).await?, target);
    talk.sieve_start_tls(tls).await?;
    talk.deep_check().await
}

/// How long each step may take.
pub const STEP_MAX: Duration = Duration::from_secs(5);

/// How long a probe may take: a slow server that is on time with each of its answers is up.
pub const PROBE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
