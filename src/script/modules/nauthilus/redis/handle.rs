//! Handles: which Redis a function talks to, and the two functions that register pools and hand
//! handles out.
//!
//! The first argument of every command is a handle: a userdata from `get_redis_connection`, or
//! anything else for the server's own Redis. Rules: `lua/modules/nauthilus_redis.md`.

use super::arguments::Refused;
use crate::op::{Op, PoolId, RedisOp, Route};
use crate::proto::resp::Commands;
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start};
use crate::script::stores::pools::{Mode, PoolSettings, PoolTls};
use crate::secret::Secret;
use std::ffi::c_int;

/// The userdata.
struct Handle {
    pool: PoolId,
    mode: Mode,
}

/// What a handle stands for.
#[derive(Clone, Copy)]
pub struct Target {
    pool: PoolId,
    /// Reads go to the master too.
    master_only: bool,
    pub is_cluster: bool,
}

impl Target {
    /// The Redis that the call's first argument names.
    ///
    /// # Errors
    /// It is the server's own, and none is configured.
    pub fn of(call: &Call<'_>) -> Result<Target, Refused> {
        let handle = call.userdata::<Handle>(1);
        if let Some(handle) = handle
            && handle.pool != PoolId::DEFAULT
        {
            return Ok(Target {
                pool: handle.pool,
                master_only: false,
                is_cluster: handle.mode == Mode::Cluster,
            });
        }
        if !call.services().settings.has_redis {
            return Err(Refused::answer(NO_REDIS));
        }
        Ok(Target {
            pool: PoolId::DEFAULT,
            master_only: handle.is_some(),
            is_cluster: call.services().settings.redis_is_cluster,
        })
    }

    /// Asks for the replies to `commands`.
    pub fn ask(&self, call: &Call<'_>, route: Route, commands: Commands, finish: Finish) -> Start {
        let settings = &call.services().settings;
        let limit = if route == Route::Read { settings.redis_read } else { settings.redis_write };
        let route = if self.master_only { Route::Write } else { route };
        Start::Wait { op: Op::Redis(RedisOp { pool: self.pool, route, commands }), limit, finish }
    }
}

/// Makes the userdata known; called while the state is set up.
pub static SETUP: Function = Function {
    name: "setup",
    body: |call| {
        call.register_type::<Handle>(&[]);
        Ok(0)
    },
};

/// `register_redis_pool(name, mode, conf)`. Registering a name again succeeds: init scripts run
/// more than once.
pub fn register(call: &Call<'_>) -> Result<c_int, Fault> {
    let name = call.string(1)?;
    let mode = call.text(2)?;
    let Some(known) = Mode::parse(&mode) else {
        return Ok(call.nil_and(format!("Unknown mode: {mode}")));
    };
    call.table(3)?;
    match call.services().redis.register(&name, settings(call, 3, known)) {
        Ok(_) => {
            call.push_string(b"OK");
            Ok(call.and_nil())
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `get_redis_connection(name)`. `"default"` is the server's own Redis, reads at its master.
pub fn connection(call: &Call<'_>) -> Result<c_int, Fault> {
    let name = call.string(1)?;
    let handle = match call.services().redis.find(&name) {
        Some((pool, mode)) => Handle { pool, mode },
        None if *name == *b"default" => Handle { pool: PoolId::DEFAULT, mode: Mode::Standalone },
        // The reference's spelling; scripts may compare it.
        None => {
            return Ok(call.nil_and(format!(
                "No known redis configurtion found with name '{}'",
                String::from_utf8_lossy(&name)
            )));
        }
    };
    call.push_userdata(handle)?;
    Ok(call.and_nil())
}

/// Reads `conf`; fields of another type than theirs count as absent.
fn settings(call: &Call<'_>, conf: c_int, mode: Mode) -> PoolSettings {
    let text = |name: &str| {
        field(call, conf, name, Kind::String, |call| {
            String::from_utf8_lossy(call.bytes(-1)).into_owned()
        })
    };
    let secret = |name: &str| {
        field(call, conf, name, Kind::String, |call| Secret::new(call.bytes(-1)))
            .unwrap_or_default()
    };
    let is_on = |name: &str| {
        field(call, conf, name, Kind::Bool, |call| call.truthy(-1)).unwrap_or_default()
    };
    let addresses = match mode {
        Mode::Standalone => vec![text("address").unwrap_or_else(|| DEFAULT_ADDRESS.into())],
        _ => field(call, conf, "addresses", Kind::Table, |call| strings(call, call.len()))
            .unwrap_or_default(),
    };
    let database = field(call, conf, "db", Kind::Number, |call| call.raw_number(-1) as u32)
        .unwrap_or_default();
    PoolSettings {
        mode,
        addresses,
        master_name: text("master_name").unwrap_or_default(),
        sentinel_username: text("sentinel_username").unwrap_or_default(),
        sentinel_password: secret("sentinel_password"),
        username: text("username").unwrap_or_default(),
        password: secret("password"),
        database: if mode == Mode::Cluster { 0 } else { database },
        tls: is_on("tls_enabled")
            .then(|| PoolTls { cert_file: text("tls_cert_file"), key_file: text("tls_key_file") }),
    }
}

/// What `read` makes of the field on top of the stack, if it is of that kind.
fn field<T>(
    call: &Call<'_>,
    table: c_int,
    name: &str,
    kind: Kind,
    read: impl FnOnce(&Call<'_>) -> T,
) -> Option<T> {
    let value = (call.push_field(table, name) == kind).then(|| read(call));
    call.pop(1);
    value
}

fn strings(call: &Call<'_>, list: c_int) -> Vec<String> {
    (1..=call.raw_len(list))
        .filter_map(|i| {
            let text = (call.push_index(list, i) == Kind::String)
                .then(|| String::from_utf8_lossy(call.bytes(-1)).into_owned());
            call.pop(1);
            text
        })
        .collect()
}

pub const NO_REDIS: &str = "no Redis is configured (server.redis)";

const DEFAULT_ADDRESS: &str = "localhost:6379";
