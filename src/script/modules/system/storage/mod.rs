//! `storage`: values that outlive requests and the process, in memory and in a file.
//!
//! [`Storages`] has the rules of sharing and saving; here are the arguments. A store's object is
//! made by the Lua half, since its `sync` and `close` wait. Closing saves; the store stays with
//! others who have it open. Rules: `lua/modules/storage.md`.

use crate::script::disk;
use crate::script::ffi::{Call, Fault, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::data::json;
use crate::script::modules::support::work;
use crate::script::stores::storage::file::Entry;
use crate::script::stores::storage::{Store, now};
use std::sync::Arc;

pub static MODULE: Module = Module {
    names: &["storage"],
    // All but `open` become methods of the objects that the Lua half makes.
    functions: &[
        Function { name: "set", body: set },
        Function { name: "get", body: get },
        Function { name: "keys", body: keys },
        Function { name: "dump", body: dump },
    ],
    waiting: &[Waiting { name: "open", start: open }, Waiting { name: "sync", start: sync }],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../../lua/host/storage.lua")),
};

static SETUP: Function = Function {
    name: "storage",
    body: |call| {
        call.register_type::<Handle>(&[]);
        Ok(0)
    },
};

/// A store as Lua holds it.
struct Handle(Arc<Store>);

fn store<'a>(call: &'a Call<'_>) -> Result<&'a Arc<Store>, Fault> {
    call.userdata::<Handle>(1)
        .map(|handle| &handle.0)
        .ok_or_else(|| Fault::message("storage: no handle"))
}

/// `open(path[, driver])` → handle.
fn open(call: &Call<'_>) -> Result<Start, Fault> {
    let path = call.string(1)?.into_owned();
    if !call.is_none_or_nil(2) && *call.string(2)? != *b"memory" {
        return Ok(Start::Done(call.nil_and("driver not found")));
    }
    let storages = call.services().storages.clone();
    Ok(work::on_helper(
        move || storages.open(disk::path(&path)),
        |call, done| match work::flat(done) {
            Ok(store) => {
                call.push_userdata(Handle(store))?;
                Ok(1)
            }
            Err(error) => Ok(call.nil_and(error)),
        },
    ))
}

/// `sync(handle)`: nothing, or an error.
fn sync(call: &Call<'_>) -> Result<Start, Fault> {
    let store = store(call)?.clone();
    Ok(work::only_error(move || store.save(now())))
}

/// `set(handle, key, value[, seconds])`: nothing, or an error. Without a time above zero the value
/// does not expire.
fn set(call: &Call<'_>) -> Result<i32, Fault> {
    let key = call.string(2)?;
    call.any(3)?;
    let seconds = match call.kind(4) {
        Kind::None | Kind::Nil => 0,
        Kind::Number => call.int(4)?,
        kind => return Err(Fault::Argument(4, format!("number expected, got {}", kind.name()))),
    };
    let valid_until = if seconds > 0 {
        now().saturating_add(seconds.saturating_mul(1_000_000_000))
    } else {
        i64::MAX
    };
    let outcome = match json::text_of(call, 3) {
        Ok(text) => store(call)?
            .set(&key, Entry { value: text.into(), valid_until })
            .map_err(|error| error.to_string()),
        Err(Fault::Message(error)) => Err(error),
        Err(fault) => return Err(fault),
    };
    match outcome {
        Ok(()) => Ok(0),
        Err(error) => {
            call.push_string(error.as_bytes());
            Ok(1)
        }
    }
}

/// `get(handle, key)` → value, whether it was found, and an error if what the file held is no JSON.
fn get(call: &Call<'_>) -> Result<i32, Fault> {
    let Some(text) = store(call)?.get(&call.string(2)?, now()) else {
        call.push_nil();
        call.push_bool(false);
        return Ok(2);
    };
    match json::push_decoded(call, &text) {
        Ok(()) => {
            call.push_bool(true);
            Ok(2)
        }
        Err(error) => {
            call.push_nil();
            call.push_bool(false);
            call.push_string(error.as_bytes());
            Ok(3)
        }
    }
}

fn keys(call: &Call<'_>) -> Result<i32, Fault> {
    let keys = store(call)?.keys();
    call.push_table(keys.len(), 0);
    let list = call.len();
    for (at, key) in keys.iter().enumerate() {
        call.push_string(key);
        call.set_index(list, at + 1);
    }
    Ok(1)
}

/// `dump(handle)` → all values that count, by key.
fn dump(call: &Call<'_>) -> Result<i32, Fault> {
    let entries = store(call)?.valid(now());
    call.push_table(0, entries.len());
    let table = call.len();
    for (key, text) in &entries {
        call.push_string(key);
        match json::push_decoded(call, text) {
            Ok(()) => call.set_pair(table),
            Err(error) => return Ok(call.nil_and(error)),
        }
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    /// Runs with `s` open on a file that does not exist yet.
    fn run(source: &str) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.json");
        eval(&format!(
            "local path = '{}' local s = require('storage').open(path, 'memory') {source}",
            path.display()
        ))
    }

    fn yes(source: &str) {
        assert_eq!(run(source), Ok(Value::Bool(true)), "{source}");
    }

    #[test]
    fn values_of_all_kinds_are_kept() {
        yes(
            "s:set('t', { a = 1, l = { 1, 2 } }, 60) local v, found = s:get('t') return found and v.a == 1 and v.l[2] == 2",
        );
        yes(
            "s:set('n', 1.5) s:set('b', false) s:set('s', 'w') return s:get('n') == 1.5 and s:get('b') == false and s:get('s') == 'w'",
        );
        yes("s:set('nil', nil) local v, found = s:get('nil') return v == nil and found");
        yes("local v, found = s:get('absent') return v == nil and found == false");
        yes("s:set(1, 'one') return s:get('1') == 'one'");
        yes(
            "return select('#', s:set('k', 1)) == 0 and select('#', s:sync()) == 0 and select('#', s:close()) == 0",
        );
    }

    #[test]
    fn keys_and_dump_show_all() {
        yes(
            "s:set('a', 1) s:set('b', { 2 }) local d = s:dump() return #s:keys() == 2 and d.a == 1 and d.b[1] == 2",
        );
    }

    #[test]
    fn others_share_the_store_and_the_file_is_json() {
        yes("s:set('a', 1) return require('storage').open(path):get('a') == 1");
        yes("s:set('a', 1) s:sync()
            local file = require('json').decode(require('ioutil').read_file(path))
            return require('base64').StdEncoding:decode_string(file.data.a.value) == '1'");
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        assert_eq!(
            run("return select(2, require('storage').open(path, 'disk'))"),
            Ok(Value::string("driver not found"))
        );
        let missing = run("return select(2, require('storage').open('/nowhere/x'))");
        assert_eq!(missing, Ok(Value::string("open /nowhere/x.tmp: no such file or directory")));
        yes(
            "local err = s:set('f', print) return err:find('cannot encode') ~= nil and select(2, s:get('f')) == false",
        );
        for (source, error) in [
            ("s:set('k', 1, '60')", "bad argument #4 to set (number expected, got string)"),
            ("s:set('k')", "value expected"),
            ("s:get()", "string expected"),
            ("require('storage').open(nil)", "bad argument #1 to open (string expected, got nil)"),
        ] {
            let raised = run(source).unwrap_err();
            assert!(raised.contains(error), "{source}: {raised}");
        }
    }
}
