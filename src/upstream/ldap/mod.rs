//! A client of LDAP servers: searches and modifications over connections that are kept.
//!
//! ```text
//! uri.rs      ldap://, ldaps:// and ldapi:// as addresses
//! session.rs  one connection: TLS, bind, request and response
//! mod.rs      pools of them
//! ```
//!
//! One [`Ldap`] per worker, with a pool per configured name. A request takes an idle connection or
//! opens one, at most [`Settings::connections_max`] of a worker at a time; who finds none free
//! waits in line for one. What was kept and turns out to be closed is replaced once. The servers of
//! a pool are tried in their order. Runs as a subtask: an asker that is gone takes its connection
//! along. Rules: RFC 4511, 4513, 2830. Bounds: the pool's times, [`ENTRIES_MAX`],
//! [`RESULT_BYTES_MAX`], the line of its [`Semaphore`].

mod session;
mod uri;

pub use session::{ENTRIES_MAX, Entry, RESULT_BYTES_MAX};
pub use uri::{Server, UriError};

use crate::op::{Failure, Op, Ops};
use crate::proto::ldap::{Malformed, Modify, Search};
use crate::secret::Secret;
use crate::tls::ClientTls;
use crate::upstream::pool::{Limits, Pool as Idle};
use crate::upstream::semaphore::{Permit, QUEUE_MAX, Semaphore};
use session::Session;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What is configured for one pool, worked out.
#[derive(Debug)]
pub struct Settings {
    pub servers: Vec<Server>,
    /// For `ldaps` and StartTLS.
    pub tls: Option<ClientTls>,
    pub start_tls: bool,
    pub bind: Bind,
    /// Of one worker, at a time.
    pub connections_max: usize,
    /// Of one worker, kept.
    pub idle_max: usize,
    /// Who may wait for a connection; 0: [`QUEUE_MAX`].
    pub waiting_max: usize,
    pub connect_time: Duration,
    pub bind_time: Duration,
    pub search_time: Duration,
    pub modify_time: Duration,
    /// What the server is told; 0: its own limits.
    pub size_limit: u32,
    pub time_limit: u32,
    /// How often a request is tried again whose connection broke or could not be opened, with
    /// pauses that double.
    pub retries: u32,
    pub retry_pause: Duration,
    pub retry_pause_max: Duration,
}

/// Who we are to the server.
#[derive(Debug)]
pub enum Bind {
    Anonymous,
    Simple(String, Secret),
    External,
}

/// All configured pools by name; `default` is `ldap.config`.
pub type Pools = BTreeMap<String, Arc<Settings>>;

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("ldap pool config not found: {0}")]
    NoPool(String),
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The server's code and words (RFC 4511, 4.1.9).
    #[error("LDAP Result Code {code}: {text}")]
    Refused { code: u32, text: String },
    #[error("LDAP: {0}")]
    Malformed(#[from] Malformed),
    #[error("LDAP: {0}")]
    TooLarge(&'static str),
}

impl Error {
    /// Another connection may do better.
    fn is_about_the_connection(&self) -> bool {
        match self {
            Error::Failure(Failure::Refused(_) | Failure::Closed(_) | Failure::Protocol(_))
            | Error::Malformed(_) => true,
            // Busy, unavailable, unwilling for now (RFC 4511, A.2).
            Error::Refused { code, .. } => matches!(code, 51 | 52),
            _ => false,
        }
    }
}

/// The connections of one worker.
#[derive(Default)]
pub struct Ldap {
    pools: BTreeMap<String, Rc<Pool>>,
}

struct Pool {
    settings: Arc<Settings>,
    idle: RefCell<Idle<(), Session>>,
    /// Lets in as many requests as there may be connections.
    semaphore: Semaphore,
}

/// A subtask's handle on a pool.
#[derive(Clone)]
pub struct Client(Rc<Pool>);

impl Ldap {
    pub fn new(pools: &Pools) -> Ldap {
        let pool = |settings: &Arc<Settings>| {
            let limits =
                Limits { per_key: settings.idle_max, total: settings.idle_max, idle: IDLE_MAX };
            let line_max = if settings.waiting_max == 0 { QUEUE_MAX } else { settings.waiting_max };
            let semaphore = Semaphore::with_queue(settings.connections_max, line_max);
            Rc::new(Pool {
                settings: settings.clone(),
                idle: RefCell::new(Idle::new(limits)),
                semaphore,
            })
        };
        Ldap {
            pools: pools.iter().map(|(name, settings)| (name.clone(), pool(settings))).collect(),
        }
    }

    /// # Errors
    /// [`Error::NoPool`].
    pub fn pool(&self, name: &str) -> Result<Client, Error> {
        self.pools.get(name).cloned().map(Client).ok_or_else(|| Error::NoPool(name.to_owned()))
    }
}

impl Client {
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The entries found. No such object: none.
    ///
    /// # Errors
    /// [`Error`]. A result that a limit cut off is an error, too.
    pub async fn search(&self, ops: &Ops, search: &Search) -> Result<Vec<Entry>, Error> {
        let limit = self.settings().search_time;
        self.run(ops, async |session: &mut Session| session.search(ops, search, limit).await).await
    }

    /// # Errors
    /// [`Error`]. A connection that broke leaves open whether it was done; it is not tried again
    /// then.
    pub async fn modify(&self, ops: &Ops, modify: &Modify) -> Result<(), Error> {
        let limit = self.settings().modify_time;
        self.run(ops, async |session: &mut Session| session.modify(ops, modify, limit).await).await
    }

    /// Does `request` on a connection, and keeps the connection if it is still good.
    async fn run<T>(
        &self,
        ops: &Ops,
        request: impl AsyncFn(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let settings = self.settings();
        let _place = self.place(ops).await?;
        let mut pause = settings.retry_pause;
        for left in (0..=settings.retries).rev() {
            let error = match self.session(ops).await {
                Ok(mut session) => match request(&mut session).await {
                    Err(error) if !session.is_idle() => error,
                    done => {
                        self.0.idle.borrow_mut().put((), session, ops.now());
                        return done;
                    }
                },
                Err(error) => error,
            };
            if left == 0 || !error.is_about_the_connection() || ops.is_late() {
                return Err(error);
            }
            ops.ask(Op::Sleep(pause), pause).await;
            pause = (pause * 2).min(settings.retry_pause_max);
        }
        Err(Error::TooLarge("no attempt was made"))
    }

    /// A connection that was kept and is still open, or a new one.
    async fn session(&self, ops: &Ops) -> Result<Session, Error> {
        loop {
            let kept = self.0.idle.borrow_mut().take(&(), ops.now());
            match kept {
                Some(session) if session.is_fresh(ops).await => return Ok(session),
                Some(_closed) => {}
                None => break,
            }
        }
        let mut failure =
            Error::Failure(Failure::Unavailable("no LDAP server_uri is configured".into()));
        for server in &self.settings().servers {
            match Session::open(ops, server, self.settings()).await {
                Ok(session) => return Ok(session),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Waits until fewer connections are in use than the pool has, for as long as a connection may
    /// take.
    async fn place(&self, ops: &Ops) -> Result<Permit, Error> {
        Ok(self.0.semaphore.acquire(ops, self.settings().connect_time).await?)
    }
}

/// For how long an idle connection is kept: servers close theirs after minutes.
const IDLE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
