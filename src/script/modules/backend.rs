//! `nauthilus_backend`: what filters may change of an answer, and the mail servers to choose from.
//!
//! Filters only. Changes are gathered in the login and applied after the last filter (`pipeline.md` 9). The list of live servers belongs to
//! `backend_server_monitoring`; without it there are none. Rules: `lua/entrypoints.md` 6.1.

use crate::auth::scripts::StageKind;
use crate::op::{Answer, Failure, Op, Procedure};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::result::ResultObject;
use crate::upstream::channel::Channel;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_backend"],
    functions: &[
        Function { name: "get_backend_servers", body: get_backend_servers },
        Function { name: "select_backend_server", body: select_backend_server },
        Function { name: "apply_backend_result", body: apply_backend_result },
        Function { name: "remove_from_backend_result", body: remove_from_backend_result },
    ],
    waiting: &[Waiting { name: "check_backend_connection", start: check_backend_connection }],
    setup: None,
    lua: None,
};

fn filter_only(call: &Call<'_>, function: &str) -> Result<(), Fault> {
    call.only_in(&[StageKind::Filter], function)
}

fn get_backend_servers(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "get_backend_servers")?;
    call.push_table(0, 0);
    Ok(1)
}

/// `select_backend_server(host, port)`: the server that nginx is told. The last call wins.
fn select_backend_server(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "select_backend_server")?;
    if call.len() != 2 {
        return Err(Fault::message("select_backend_server takes a host and a port"));
    }
    let host = call.text(1)?.into_owned();
    if call.kind(2) != Kind::Number {
        return Err(Fault::Argument(2, format!("number expected, got {}", call.kind(2).name())));
    }
    let port = u16::try_from(call.int(2)?).map_err(|_| Fault::Argument(2, "a port is at most 65535".into()))?;
    call.run()?.login.filter_changes.borrow_mut().server = Some((host, port));
    Ok(0)
}

/// Adds the attributes of a result object to the answer; those of later calls win over earlier ones.
fn apply_backend_result(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "apply_backend_result")?;
    let object = call.userdata::<ResultObject>(1).ok_or_else(|| Fault::Argument(1, "nauthilus_backend_result expected".into()))?;
    let mut changes = call.run()?.login.filter_changes.borrow_mut();
    for (name, values) in object.0.borrow().attributes.iter() {
        changes.added.set(name, values.iter().cloned().collect());
    }
    Ok(0)
}

/// Removes attributes of these names before any are added.
fn remove_from_backend_result(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "remove_from_backend_result")?;
    call.table(1)?;
    let names = call.string_list(1)?;
    call.run()?.login.filter_changes.borrow_mut().removed.extend(names);
    Ok(0)
}

/// Whether a server can be connected to: nil, or an error text. What speaks a protocol with it (`tls`, `haproxy_v2`, `deep_check`) is
/// the monitor's, which does not exist yet: an error text says so.
fn check_backend_connection(call: &Call<'_>) -> Result<Start, Fault> {
    filter_only(call, "check_backend_connection")?;
    call.table(1)?;
    for name in ["tls", "haproxy_v2", "deep_check"] {
        call.push_field(1, name);
        let wanted = call.truthy(-1);
        call.pop(1);
        if wanted {
            call.push_string(format!("check_backend_connection cannot do {name} yet").as_bytes());
            return Ok(Start::Done(1));
        }
    }
    let host = match call.push_field(1, "host") {
        Kind::String => call.display(-1),
        _ => {
            call.push_field(1, "ip_address");
            call.string(-1)?;
            call.display(-1)
        }
    };
    call.push_field(1, "port");
    let port = call.int(-1)?;
    let port = u16::try_from(port).map_err(|_| Fault::Argument(1, "port is out of range".into()))?;
    let probe = Procedure::new(move |ops| async move { Channel::connect(&ops, &host, port, PROBE_MAX).await.map(drop) });
    Ok(Start::Wait { op: Op::Run(probe), limit: PROBE_MAX, finish: Finish::Plain(probed, 0) })
}

fn probed(call: &Call<'_>, answer: Answer, _: u64) -> Result<i32, Fault> {
    match answer.done::<Result<(), Failure>>() {
        Ok(Ok(())) => call.push_nil(),
        Ok(Err(failure)) | Err(failure) => call.push_string(failure.to_string().as_bytes()),
    }
    Ok(1)
}

/// How long a server may take to accept.
const PROBE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::login::Login;
    use crate::auth::scripts::Scripts;
    use crate::op::{ChannelId, ChannelOp, Dropped, Failure, Handle, drive, slot};
    use crate::script::testing::{Bench, eval};
    use crate::value::Value;
    use std::time::Instant;

    /// Runs `body` as a filter over a login and returns what it left there.
    fn filter(body: &str, answer: impl FnMut(Op) -> Answer) -> (Login, Result<(), String>) {
        let source = format!("local b = require('nauthilus_backend') function nauthilus_call_filter(request) {body} end");
        let (bench, login) = (Bench::new(&[(StageKind::Filter, &source)]), Login::default());
        let now = Instant::now();
        let (ops, driver) = slot(now, now + Duration::from_secs(10));
        let mut stage = bench.host.stage(StageKind::Filter, &login);
        let outcome = drive(bench.host.filter(&mut stage, 0, &login, &ops), &driver, answer);
        drop(stage);
        (login, outcome.map(drop).map_err(|error| error.message))
    }

    fn quiet(op: Op) -> Answer {
        panic!("nobody answers {op:?}")
    }

    #[test]
    fn attributes_are_added_and_removed() {
        let body = "local r = nauthilus_backend_result.new() r:attributes({ mail = 'new', quota = 5 }) b.apply_backend_result(r)
            local s = nauthilus_backend_result.new() s:attributes({ mail = 'newest' }) b.apply_backend_result(s)
            b.remove_from_backend_result({ 'cn', 'sn' })";
        let (login, outcome) = filter(body, quiet);
        assert_eq!(outcome, Ok(()));
        let changes = login.filter_changes.borrow();
        assert_eq!(changes.removed, [b"cn".to_vec(), b"sn".to_vec()]);
        assert_eq!(changes.added.get(b"mail").map(|v| v[0].clone()), Some(Value::string("newest")));
        assert_eq!(changes.added.get(b"quota").map(|v| v[0].clone()), Some(Value::Number(5.0)));
    }

    #[test]
    fn the_last_selected_server_counts() {
        let (login, outcome) = filter("b.select_backend_server('192.0.2.1', 143) b.select_backend_server('192.0.2.2', 10143)", quiet);
        assert_eq!(outcome, Ok(()));
        assert_eq!(login.filter_changes.borrow().server, Some(("192.0.2.2".into(), 10143)));
    }

    #[test]
    fn wrong_arguments_raise() {
        for body in [
            "b.select_backend_server('192.0.2.1')",
            "b.select_backend_server('192.0.2.1', '143')",
            "b.select_backend_server('192.0.2.1', 70000)",
            "b.apply_backend_result({})",
            "b.remove_from_backend_result('cn')",
            "b.check_backend_connection('192.0.2.1', 143, true, true)",
        ] {
            assert!(filter(body, quiet).1.is_err(), "{body}");
        }
    }

    #[test]
    fn a_probe_gives_nil_or_the_error() {
        let body = "assert(b.check_backend_connection({ ip_address = '192.0.2.1', port = 143 }) == nil)
            assert(b.check_backend_connection({ host = '::1', port = 1 }) == 'refused')
            assert(b.check_backend_connection({ host = 'x', port = 1, tls = true }):find('tls'))";
        let mut asked = Vec::new();
        let (_, outcome) = filter(body, |op| match op {
            Op::Channel(ChannelOp::Open(address)) => {
                asked.push(address.to_string());
                if asked.len() == 1 {
                    Answer::Opened(Handle::new(ChannelId(0), Dropped::default()))
                } else {
                    Answer::Failed(Failure::Refused("refused".into()))
                }
            }
            op => panic!("{op:?}"),
        });
        assert_eq!((outcome, asked), (Ok(()), vec!["192.0.2.1:143".to_owned(), "[::1]:1".to_owned()]));
    }

    #[test]
    fn elsewhere_it_is_a_clear_error() {
        let error = eval("require('nauthilus_backend').get_backend_servers()").unwrap_err();
        assert!(error.contains("get_backend_servers has no meaning in the stage 'hook'"), "{error}");
    }
}
