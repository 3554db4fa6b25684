//! `nauthilus_cache`: values that all requests of the process share, kept in memory only.
//!
//! Values are copied on the way in and out. [`ProcessCache`] has the rules of sharing, expiry and
//! size; here are the arguments. The function of `cache_update` runs inside the update: it must not
//! wait (a host function that would have to raises there, since a C function lies between it and
//! the host), and it must not change the cache. Time is the script's: as of its last resume. Rules:
//! `lua/modules/nauthilus_cache.md`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use crate::script::stores::ProcessCache;
use crate::script::stores::cache::Error;
use crate::value::Value;
use std::time::{Duration, Instant};

pub static MODULE: Module = Module {
    names: &["nauthilus_cache"],
    functions: &[
        Function { name: "cache_set", body: set },
        Function { name: "cache_get", body: get },
        Function { name: "cache_exists", body: exists },
        Function { name: "cache_delete", body: delete },
        Function { name: "cache_update", body: update },
        Function { name: "cache_push", body: push },
        Function { name: "cache_pop_all", body: pop_all },
        Function { name: "cache_keys", body: keys },
        Function { name: "cache_size", body: size },
        Function { name: "cache_flush", body: flush },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Message(error.to_string())
    }
}

fn cache<'a>(call: &Call<'a>) -> Result<(&'a ProcessCache, Instant), Fault> {
    Ok((&call.services().cache, call.run()?.now.get()))
}

/// `"OK", nil`. The lifetime is in seconds; none without one that is above zero.
fn set(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    let key = call.string(1)?;
    call.any(2)?;
    let ttl = if call.is_none_or_nil(3) { 0.0 } else { call.number(3)? };
    // What is not a duration is longer than the process lives, or zero, or below.
    let ttl = Duration::try_from_secs_f64(ttl).ok().filter(|ttl| !ttl.is_zero());
    report(call, cache.set(&key, call.value(2)?, ttl, now)?);
    call.push_string(b"OK");
    Ok(call.and_nil())
}

fn get(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    match cache.get(&call.string(1)?, now) {
        Some(value) => call.push_value(&value),
        None => call.push_nil(),
    }
    Ok(call.and_nil())
}

/// True also for a nil that was stored.
fn exists(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    call.push_bool(cache.get(&call.string(1)?, now).is_some());
    Ok(call.and_nil())
}

/// Whether there was something to delete.
fn delete(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    call.push_bool(cache.delete(&call.string(1)?, now)?);
    Ok(call.and_nil())
}

/// `fn(old)`, which is `new, nil`; an error in the function is raised, and the old value stays.
fn update(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    let key = call.string(1)?;
    call.function(2)?;
    let evicted = cache.update(&key, now, |old| {
        call.push_copy(2);
        call.push_value(old.unwrap_or(&Value::Nil));
        call.invoke_protected(1, 1)?;
        call.value(-1)
    })?;
    report(call, evicted);
    Ok(call.and_nil())
}

/// `length, nil`.
fn push(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    let key = call.string(1)?;
    call.any(2)?;
    let (len, evicted) = cache.push(&key, call.value(2)?, now)?;
    report(call, evicted);
    call.push_number(len as f64);
    Ok(call.and_nil())
}

/// The list, which is gone then. What is no list comes as the only member of one.
fn pop_all(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    let value = cache.take(&call.string(1)?, now)?;
    match value.as_deref() {
        None | Some(Value::Nil) => call.push_table(0, 0),
        Some(list @ Value::List(_)) => call.push_value(list),
        Some(scalar) => {
            call.push_table(1, 0);
            let list = call.len();
            call.push_value(scalar);
            call.set_index(list, 1);
        }
    }
    Ok(call.and_nil())
}

fn keys(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    let keys = cache.keys(now);
    call.push_table(keys.len(), 0);
    let list = call.len();
    for (at, key) in keys.iter().enumerate() {
        call.push_string(key);
        call.set_index(list, at + 1);
    }
    Ok(call.and_nil())
}

fn size(call: &Call<'_>) -> Result<i32, Fault> {
    let (cache, now) = cache(call)?;
    call.push_number(cache.len(now) as f64);
    Ok(call.and_nil())
}

fn flush(call: &Call<'_>) -> Result<i32, Fault> {
    cache(call)?.0.clear()?;
    Ok(0)
}

/// Tells the operator, once per script, that the cache forgets what it was to keep.
fn report(call: &Call<'_>, evicted: bool) {
    if evicted {
        call.warn_once("nauthilus_cache is full: entries are evicted early");
    }
}

#[cfg(test)]
mod tests;
