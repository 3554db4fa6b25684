//! `nauthilus_ldap`: searches and modifications in the directories of the section `ldap`.
//!
//! `ldap_search(t)` gives one table or `nil, err`; `ldap_modify(t)` gives `"OK"` or `nil, err`;
//! `ldap_endpoint([pool])` gives host, port and nil, or nil, nil and an error. Fields of a wrong
//! type raise, failures of the directory are answers. The script escapes what it puts into a
//! filter. Rules: `lua/modules/nauthilus_ldap.md`. The client, its pools and bounds:
//! `upstream::ldap`.

use crate::op::{Failure, Op, Subtask};
use crate::proto::ldap::{Modify, Operation, Scope, Search, compose_filter};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::upstream::ldap::{Entry, Error, Server};
use std::collections::BTreeMap;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_ldap"],
    functions: &[Function { name: "ldap_endpoint", body: endpoint }],
    waiting: &[
        Waiting { name: "ldap_search", start: search },
        Waiting { name: "ldap_modify", start: modify },
    ],
    setup: None,
    lua: None,
};

fn search(call: &Call<'_>) -> Result<Start, Fault> {
    call.table(1)?;
    let pool = text(call, "pool_name")?;
    text(call, "session")?;
    let base = text(call, "basedn")?;
    let filter = text(call, "filter")?;
    let scope = scope(&text(call, "scope")?)?;
    table(call, "attributes")?;
    let attributes = call.string_list(-1)?;
    call.pop(1);
    call.push_field(1, "raw_result");
    let raw = call.truthy(-1);
    call.pop(1);
    let filter = match compose_filter(filter.as_bytes()) {
        Ok(filter) => filter,
        Err(error) => return Ok(Start::Done(call.nil_and(error.to_string()))),
    };
    let client = match call.services().ldap.pool(&pool) {
        Ok(client) => client,
        Err(error) => return Ok(Start::Done(call.nil_and(error.to_string()))),
    };
    let settings = client.settings();
    let search = Search {
        base,
        scope,
        filter,
        attributes,
        size_limit: settings.size_limit,
        time_limit: settings.time_limit,
    };
    let find = Subtask::new(move |ops| async move { client.search(&ops, &search).await });
    let finish = Finish::Boxed(Box::new(move |call: &Call<'_>, answer| {
        let found = answer.done::<Result<Vec<Entry>, Error>>();
        Ok(Start::Done(match flat(found) {
            Ok(entries) if raw && !entries.is_empty() => push_entries(call, &entries),
            Ok(entries) => push_merged(call, &entries),
            Err(error) => call.nil_and(error),
        }))
    }));
    Ok(Start::Wait { op: Op::Run(find), limit: Duration::MAX, finish })
}

fn modify(call: &Call<'_>) -> Result<Start, Fault> {
    call.table(1)?;
    let pool = text(call, "pool_name")?;
    text(call, "session")?;
    let operation = match text(call, "operation")?.as_str() {
        "add" => Operation::Add,
        "delete" => Operation::Delete,
        "replace" => Operation::Replace,
        other => return Err(Fault::message(format!("unknown operation {other}"))),
    };
    let dn = text(call, "dn")?;
    table(call, "attributes")?;
    let mut attributes = Vec::new();
    call.for_each(-1, |call| {
        let name = call.string(-2)?.into_owned();
        let value = match call.kind(-1) {
            Kind::String => call.bytes(-1).to_vec(),
            _ => call.display(-1).into_bytes(),
        };
        attributes.push((name, value));
        Ok(())
    })?;
    call.pop(1);
    // Tables have no order; the directory sees one all the same.
    attributes.sort();
    let client = match call.services().ldap.pool(&pool) {
        Ok(client) => client,
        Err(error) => return Ok(Start::Done(call.nil_and(error.to_string()))),
    };
    let modify = Modify { dn, operation, attributes };
    let change = Subtask::new(move |ops| async move { client.modify(&ops, &modify).await });
    let finish = Finish::Boxed(Box::new(|call: &Call<'_>, answer| {
        match flat(answer.done::<Result<(), Error>>()) {
            Ok(()) => call.push_string(b"OK"),
            Err(error) => return Ok(Start::Done(call.nil_and(error))),
        }
        Ok(Start::Done(1))
    }));
    Ok(Start::Wait { op: Op::Run(change), limit: Duration::MAX, finish })
}

fn endpoint(call: &Call<'_>) -> Result<i32, Fault> {
    let name = call.opt_string(1)?.map_or("default".into(), String::from_utf8_lossy);
    let name = if name.is_empty() { "default".into() } else { name };
    let server =
        call.services().ldap.pool(&name).map_err(|error| error.to_string()).and_then(|client| {
            let first = client.settings().servers.first().cloned();
            first.ok_or_else(|| format!("no LDAP server_uri configured for pool: {name}"))
        });
    match server {
        Ok(Server::Tcp { host, port, .. }) => {
            call.push_string(host.as_bytes());
            call.push_number(port.into());
            call.push_nil();
        }
        Ok(Server::Unix(path)) => {
            call.push_string(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
            call.push_number(0.0);
            call.push_nil();
        }
        Err(error) => {
            call.push_nil();
            call.push_nil();
            call.push_string(error.as_bytes());
        }
    }
    Ok(3)
}

/// Each attribute with its values of all entries in their order, and the names of the entries as
/// `dn`.
fn push_merged(call: &Call<'_>, entries: &[Entry]) -> i32 {
    let mut merged: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for entry in entries {
        merged.entry(b"dn").or_default().push(&entry.dn);
        for (name, values) in entry.attributes.iter().filter(|(name, _)| name != b"dn") {
            merged.entry(name).or_default().extend(values.iter().map(Vec::as_slice));
        }
    }
    merged.retain(|_, values| !values.is_empty());
    call.push_table(0, merged.len());
    let table = call.len();
    for (name, values) in merged {
        call.push_string(name);
        push_list(call, values.into_iter());
        call.set_pair(table);
    }
    1
}

/// `raw_result`: a list of `{ dn = …, attributes = { name = list } }`.
fn push_entries(call: &Call<'_>, entries: &[Entry]) -> i32 {
    call.push_table(entries.len(), 0);
    let list = call.len();
    for (at, entry) in entries.iter().enumerate() {
        call.push_table(0, 2);
        let table = call.len();
        call.push_string(&entry.dn);
        call.set_field(table, "dn");
        call.push_table(0, entry.attributes.len());
        let attributes = call.len();
        for (name, values) in &entry.attributes {
            call.push_string(name);
            push_list(call, values.iter().map(Vec::as_slice));
            call.set_pair(attributes);
        }
        call.set_field(table, "attributes");
        call.set_index(list, at + 1);
    }
    1
}

fn push_list<'a>(call: &Call<'_>, values: impl Iterator<Item = &'a [u8]>) {
    call.push_table(values.size_hint().0, 0);
    let list = call.len();
    for (at, value) in values.enumerate() {
        call.push_string(value);
        call.set_index(list, at + 1);
    }
}

fn flat<T>(done: Result<Result<T, Error>, Failure>) -> Result<T, String> {
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn scope(name: &str) -> Result<Scope, Fault> {
    match name {
        "base" => Ok(Scope::Base),
        "one" => Ok(Scope::One),
        "sub" | "" => Ok(Scope::Sub),
        other => Err(Fault::message(format!("LDAP scope not detected: {other}"))),
    }
}

/// A field that must be a string.
fn text(call: &Call<'_>, name: &str) -> Result<String, Fault> {
    let text = (call.push_field(1, name) == Kind::String).then(|| call.display(-1));
    call.pop(1);
    text.ok_or_else(|| Fault::message(format!("{name} should be a string")))
}

/// Pushes a field that must be a table.
fn table(call: &Call<'_>, name: &str) -> Result<(), Fault> {
    match call.push_field(1, name) {
        Kind::Table => Ok(()),
        _ => Err(Fault::message(format!("{name} should be a table"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::login::Login;
    use crate::auth::scripts::StageKind;
    use crate::script::testing::{Bench, LIMITS};
    use crate::upstream::canned::Canned;
    use crate::upstream::ldap::{Bind, Ldap, Settings};
    use crate::value::Value;
    use std::sync::Arc;

    /// What the script returned, with a pool `default` of canned connections, and what the
    /// directory heard.
    fn run(source: &str, pieces: Vec<Vec<u8>>) -> (Result<Value, String>, String) {
        let second = Duration::from_secs(1);
        let settings = Settings {
            servers: vec![
                Server::parse("ldaps://ldap.example.org:40636").unwrap(),
                Server::parse("ldap://192.0.2.1").unwrap(),
            ],
            tls: None,
            start_tls: false,
            bind: Bind::Anonymous,
            connections_max: 1,
            idle_max: 1,
            waiting_max: 0,
            connect_time: second,
            bind_time: second,
            search_time: second,
            modify_time: second,
            size_limit: 0,
            time_limit: 0,
            retries: 0,
            retry_pause: second,
            retry_pause_max: second,
        };
        let local = Settings {
            servers: vec![Server::parse("ldapi:///run/ldapi").unwrap()],
            bind: Bind::Anonymous,
            ..copy(&settings)
        };
        let plain = Settings {
            servers: vec![Server::parse("ldap://192.0.2.1").unwrap()],
            bind: Bind::Anonymous,
            ..copy(&settings)
        };
        let pools = BTreeMap::from([
            ("default".to_owned(), Arc::new(settings)),
            ("local".to_owned(), Arc::new(local)),
            ("plain".to_owned(), Arc::new(plain)),
        ]);
        let source = format!(
            "function nauthilus_run_hook() local l = require('nauthilus_ldap')
            local t = {{ pool_name = 'plain', session = 's', basedn = 'o=x', filter = '(uid=a)', scope = 'sub', attributes = {{ 'cn' }} }}
            local m = {{ pool_name = 'plain', session = 's', dn = 'o=x', operation = 'add', attributes = {{ cn = 'x', n = 5 }} }}
            {source} end"
        );
        let bench = Bench::with_services(
            &[(StageKind::Hook, &source)],
            LIMITS,
            |_| {},
            |services| services.ldap = Ldap::new(&pools),
        );
        let mut server = Canned::of_bytes(pieces);
        let returned = bench.hook_of(0, &Login::default(), |op| server.answer(op));
        (returned, server.transcript)
    }

    fn copy(settings: &Settings) -> Settings {
        Settings {
            servers: settings.servers.clone(),
            tls: None,
            bind: Bind::Anonymous,
            ..*settings
        }
    }

    fn text_of(source: &str, pieces: Vec<Vec<u8>>) -> String {
        match run(source, pieces).0 {
            Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn ended(id: u8, tag: u8, code: u8) -> Vec<u8> {
        vec![0x30, 0x0c, 2, 1, id, tag, 7, 0x0a, 1, code, 4, 0, 4, 0]
    }

    fn entry(id: u8) -> Vec<u8> {
        [
            &[0x30, 0x18, 2, 1, id, 0x64, 0x13][..],
            b"\x04\x03o=x\x30\x0c\x30\x0a\x04\x02cn\x31\x04\x04\x02ab",
        ]
        .concat()
    }

    #[test]
    fn results_are_merged_or_raw() {
        let twice = || vec![entry(1), entry(1), ended(1, 0x65, 0)];
        let merged = "local r, err = l.ldap_search(t) assert(err == nil) return table.concat(r.dn, '|') .. ' ' .. table.concat(r.cn, '|')";
        assert_eq!(text_of(merged, twice()), "o=x|o=x ab|ab");
        let raw = "t.raw_result = true local r = l.ldap_search(t) return #r .. r[2].dn .. r[2].attributes.cn[1]";
        assert_eq!(text_of(raw, twice()), "2o=xab");
        for code in [0, 32] {
            let none = "t.raw_result = true local r, err = l.ldap_search(t) assert(next(r) == nil and err == nil) return 'none'";
            assert_eq!(text_of(none, vec![ended(1, 0x65, code)]), "none");
        }
    }

    #[test]
    fn modifications_are_ok_or_an_error() {
        let source = "return (l.ldap_modify(m))";
        let (returned, said) = run(source, vec![ended(1, 0x67, 0)]);
        assert_eq!(returned, Ok(Value::string("OK")));
        assert!(said.contains("cn") && said.contains('5'), "{said:?}");
        let source = "local ok, err = l.ldap_modify(m) assert(ok == nil) return err";
        assert_eq!(text_of(source, vec![ended(1, 0x67, 50)]), "LDAP Result Code 50: ");
    }

    #[test]
    fn endpoints_name_the_first_server() {
        let source = |call: &str| {
            format!(
                "local h, p, e = l.ldap_endpoint({call}) return tostring(h) .. ' ' .. tostring(p) .. ' ' .. tostring(e)"
            )
        };
        for (call, expected) in [
            ("", "ldap.example.org 40636 nil"),
            ("'default'", "ldap.example.org 40636 nil"),
            ("'local'", "/run/ldapi 0 nil"),
            ("'other'", "nil nil ldap pool config not found: other"),
        ] {
            assert_eq!(text_of(&source(call), vec![]), expected, "{call}");
        }
    }

    #[test]
    fn wrong_fields_raise_and_failures_are_answers() {
        for (source, expected) in [
            ("l.ldap_search('x')", "table expected"),
            ("t.pool_name = nil l.ldap_search(t)", "pool_name should be a string"),
            ("t.session = 5 l.ldap_search(t)", "session should be a string"),
            ("t.attributes = 'cn' l.ldap_search(t)", "attributes should be a table"),
            ("t.scope = 'tree' l.ldap_search(t)", "LDAP scope not detected: tree"),
            ("m.operation = 'rename' l.ldap_modify(m)", "unknown operation rename"),
            ("m.dn = nil l.ldap_modify(m)", "dn should be a string"),
        ] {
            let error = run(source, vec![]).0.unwrap_err();
            assert!(error.contains(expected), "{source}: {error}");
        }
        for (source, expected) in [
            (
                "t.pool_name = 'other' local r, err = l.ldap_search(t) assert(r == nil) return err",
                "ldap pool config not found: other",
            ),
            (
                "t.filter = '(uid=a' return (select(2, l.ldap_search(t)))",
                "filter: ')' is missing at byte 6",
            ),
            ("return (select(2, l.ldap_search(t)))", "connection closed by 192.0.2.1:389"),
        ] {
            assert_eq!(text_of(source, vec![]), expected, "{source}");
        }
    }
}
