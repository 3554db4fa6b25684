//! `nauthilus_redis`: Redis for scripts.
//!
//! Every function but those on pools and encryption waits for one round trip. The first argument is
//! a handle (see [`handle`]); keys are used as given, without the configured prefix. Failures are
//! answers (`nil, text`), wrong calls are raised. Where the two releases of the reference differ,
//! the newer one's way is taken unless a script of the older kind would stop working. Rules:
//! `lua/modules/nauthilus_redis.md`.
//!
//! In a cluster commands go where their keys are. MGET, MSET and the commands of a pipeline may use
//! any keys; what cannot be taken apart (RENAME, PFMERGE …) answers CROSSSLOT unless its keys share
//! a hash tag. KEYS and script uploads go to all masters; SCAN walks from one to the next, its
//! cursor saying where it is; PING goes to any node. The commands of one pipeline keep their order
//! at each node, not among nodes.
//!
//! ```text
//! arguments.rs   Lua arguments as words of a command
//! command.rs     Command: what is sent and what becomes of the reply, as data
//! reply.rs       replies as Lua values        typed.rs  redis_get(key, type)     named.rs  redis_mget, redis_hmget
//! strings.rs, hashes.rs, sets.rs, sorted_sets.rs, lists.rs   the commands
//! scripts.rs     Redis scripts                cluster.rs  their keys in a cluster
//! pipeline.rs    redis_pipeline               encryption.rs  redis_encrypt and its kin
//! handle.rs      which Redis                  pools.rs  those that scripts registered, for the whole process
//! ```

mod arguments;
mod cluster;
mod command;
mod encryption;
mod handle;
mod hashes;
mod lists;
mod named;
mod pipeline;
mod reply;
mod scripts;
mod sets;
mod sorted_sets;
mod strings;
#[cfg(test)]
mod tests;
mod typed;

use crate::script::ffi::{Function, Waiting};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["nauthilus_redis"],
    functions: &[
        Function { name: "register_redis_pool", body: handle::register },
        Function { name: "get_redis_connection", body: handle::connection },
        Function { name: "redis_encrypt", body: encryption::encrypt },
        Function { name: "redis_decrypt", body: encryption::decrypt },
        Function { name: "redis_is_encryption_enabled", body: encryption::is_enabled },
    ],
    waiting: &[
        Waiting { name: "redis_ping", start: |call| strings::PING.start(call) },
        Waiting { name: "redis_get", start: |call| typed::start(&strings::GET, call) },
        Waiting { name: "redis_set", start: |call| strings::SET.start(call) },
        Waiting { name: "redis_incr", start: |call| strings::INCR.start(call) },
        Waiting { name: "redis_del", start: |call| strings::DEL.start(call) },
        Waiting { name: "redis_expire", start: |call| strings::EXPIRE.start(call) },
        Waiting { name: "redis_exists", start: |call| strings::EXISTS.start(call) },
        Waiting { name: "redis_rename", start: |call| strings::RENAME.start(call) },
        Waiting { name: "redis_mget", start: |call| named::start(&strings::MGET, call) },
        Waiting { name: "redis_mset", start: |call| strings::MSET.start(call) },
        Waiting { name: "redis_keys", start: |call| strings::KEYS.start(call) },
        Waiting { name: "redis_scan", start: |call| strings::SCAN.start(call) },
        Waiting { name: "redis_hget", start: |call| typed::start(&hashes::HGET, call) },
        Waiting { name: "redis_hset", start: |call| hashes::HSET.start(call) },
        Waiting { name: "redis_hdel", start: |call| hashes::HDEL.start(call) },
        Waiting { name: "redis_hlen", start: |call| hashes::HLEN.start(call) },
        Waiting { name: "redis_hgetall", start: |call| hashes::HGETALL.start(call) },
        Waiting { name: "redis_hmget", start: |call| named::start(&hashes::HMGET, call) },
        Waiting { name: "redis_hincrby", start: |call| hashes::HINCRBY.start(call) },
        Waiting { name: "redis_hincrbyfloat", start: |call| hashes::HINCRBYFLOAT.start(call) },
        Waiting { name: "redis_hexists", start: |call| hashes::HEXISTS.start(call) },
        Waiting { name: "redis_sadd", start: |call| sets::SADD.start(call) },
        Waiting { name: "redis_srem", start: |call| sets::SREM.start(call) },
        Waiting { name: "redis_sismember", start: |call| sets::SISMEMBER.start(call) },
        Waiting { name: "redis_smembers", start: |call| sets::SMEMBERS.start(call) },
        Waiting { name: "redis_scard", start: |call| sets::SCARD.start(call) },
        Waiting { name: "redis_pfadd", start: |call| sets::PFADD.start(call) },
        Waiting { name: "redis_pfcount", start: |call| sets::PFCOUNT.start(call) },
        Waiting { name: "redis_pfmerge", start: |call| sets::PFMERGE.start(call) },
        Waiting { name: "redis_zadd", start: |call| sorted_sets::ZADD.start(call) },
        Waiting { name: "redis_zrange", start: |call| sorted_sets::ZRANGE.start(call) },
        Waiting { name: "redis_zrevrange", start: |call| sorted_sets::ZREVRANGE.start(call) },
        Waiting {
            name: "redis_zrangebyscore",
            start: |call| sorted_sets::ZRANGEBYSCORE.start(call),
        },
        Waiting { name: "redis_zrank", start: |call| sorted_sets::ZRANK.start(call) },
        Waiting { name: "redis_zrevrank", start: |call| sorted_sets::ZREVRANK.start(call) },
        Waiting { name: "redis_zrem", start: |call| sorted_sets::ZREM.start(call) },
        Waiting {
            name: "redis_zremrangebyscore",
            start: |call| sorted_sets::ZREMRANGEBYSCORE.start(call),
        },
        Waiting {
            name: "redis_zremrangebyrank",
            start: |call| sorted_sets::ZREMRANGEBYRANK.start(call),
        },
        Waiting { name: "redis_zcount", start: |call| sorted_sets::ZCOUNT.start(call) },
        Waiting { name: "redis_zscore", start: |call| sorted_sets::ZSCORE.start(call) },
        Waiting { name: "redis_zincrby", start: |call| sorted_sets::ZINCRBY.start(call) },
        Waiting { name: "redis_lpush", start: |call| lists::LPUSH.start(call) },
        Waiting { name: "redis_rpush", start: |call| lists::RPUSH.start(call) },
        Waiting { name: "redis_lpop", start: |call| lists::LPOP.start(call) },
        Waiting { name: "redis_rpop", start: |call| lists::RPOP.start(call) },
        Waiting { name: "redis_lrange", start: |call| lists::LRANGE.start(call) },
        Waiting { name: "redis_llen", start: |call| lists::LLEN.start(call) },
        Waiting { name: "redis_upload_script", start: scripts::upload },
        Waiting { name: "redis_run_script", start: scripts::run },
        Waiting { name: "redis_pipeline", start: pipeline::start },
    ],
    setup: Some(&handle::SETUP),
    lua: None,
};
