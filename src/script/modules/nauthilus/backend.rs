//! `nauthilus_backend`: what filters may change of an answer, and the mail servers to choose from.
//!
//! Filters only. Changes are gathered in the login and applied after the last filter. The list of live servers is that of `backend_server_monitoring`, as it is at the moment of
//! the call; without the feature there are none. Rules: `lua/modules/nauthilus_backend.md`.

use crate::auth::scripts::StageKind;
use crate::op::{Answer, Op, Ops, Subtask};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::result::ResultObject;
use crate::upstream::monitor::Server;
use crate::upstream::probe::{self, PROBE_MAX, Protocol, Target};
use std::sync::Arc;

pub static MODULE: Module = Module {
    names: &["nauthilus_backend"],
    functions: &[
        Function { name: "get_backend_servers", body: get_backend_servers },
        Function { name: "select_backend_server", body: select_backend_server },
        Function { name: "apply_backend_result", body: apply_backend_result },
        Function { name: "remove_from_backend_result", body: remove_from_backend_result },
    ],
    waiting: &[Waiting { name: "check_backend_connection", start: check_backend_connection }],
    setup: Some(&SETUP),
    lua: None,
};

fn filter_only(call: &Call<'_>, function: &str) -> Result<(), Fault> {
    call.only_in(&[StageKind::Filter], function)
}

/// The servers that passed their last check, as userdata.
fn get_backend_servers(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "get_backend_servers")?;
    call.push_table(call.services().monitor.servers.len(), 0);
    let list = call.len();
    for (at, server) in call.services().monitor.alive().enumerate() {
        call.push_userdata(ServerObject(server.clone()))?;
        call.set_index(list, at + 1);
    }
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
    let port = u16::try_from(call.int(2)?)
        .map_err(|_| Fault::Argument(2, "a port is at most 65535".into()))?;
    call.run()?.login.filter_changes.borrow_mut().server = Some((host, port));
    Ok(0)
}

/// Adds the attributes of a result object to the answer; those of later calls win over earlier
/// ones.
fn apply_backend_result(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "apply_backend_result")?;
    let object = call
        .userdata::<ResultObject>(1)
        .ok_or_else(|| Fault::Argument(1, "nauthilus_backend_result expected".into()))?;
    let result = object.0.borrow();
    let (changes, bytes) = (&call.run()?.login.filter_changes, result.attributes.bytes());
    // What it replaces is counted still: a script that replaces more than it may keep is wrong
    // anyway.
    call.keep(bytes, 0)?;
    let mut changes = changes.borrow_mut();
    changes.added.set_all(
        result
            .attributes
            .iter()
            .map(|(name, values)| (name.into(), values.iter().cloned().collect())),
    );
    Ok(0)
}

/// Removes attributes of these names before any are added.
fn remove_from_backend_result(call: &Call<'_>) -> Result<i32, Fault> {
    filter_only(call, "remove_from_backend_result")?;
    call.table(1)?;
    let names = call.string_list(1)?;
    call.keep(names.iter().map(|name| size_of::<Vec<u8>>() + name.len()).sum(), 0)?;
    call.run()?.login.filter_changes.borrow_mut().removed.extend(names);
    Ok(0)
}

/// Whether a server is healthy: nil, or an error text. Takes a table or one of the monitored
/// servers.
fn check_backend_connection(call: &Call<'_>) -> Result<Start, Fault> {
    filter_only(call, "check_backend_connection")?;
    if let Some(ServerObject(server)) = call.userdata::<ServerObject>(1) {
        let server = server.clone();
        return Ok(probe(async move |ops| probe::check(&ops, &server.target).await));
    }
    call.table(1)?;
    match target(call)? {
        Ok(target) => Ok(probe(async move |ops| probe::check(&ops, &target).await)),
        Err(error) => {
            call.push_string(error.as_bytes());
            Ok(Start::Done(1))
        }
    }
}

fn probe<F: AsyncFnOnce(Ops) -> Result<(), probe::Fault> + 'static>(check: F) -> Start {
    let check = Subtask::new(move |ops| async move { check(ops).await });
    Start::Wait { op: Op::Run(check), limit: PROBE_MAX, finish: Finish::Plain(probed, 0) }
}

/// What the table at 1 describes; the inner error is an answer to the script.
fn target(call: &Call<'_>) -> Result<Result<Target, String>, Fault> {
    let text = |name: &str| {
        let text = (call.push_field(1, name) == Kind::String).then(|| call.display(-1));
        call.pop(1);
        text
    };
    let is_on = |name: &str| {
        call.push_field(1, name);
        let is_on = call.truthy(-1);
        call.pop(1);
        is_on
    };
    let host = text("host").or_else(|| text("ip_address"));
    let host = host.ok_or_else(|| Fault::Argument(1, "a server has a host".into()))?;
    call.push_field(1, "port");
    let port = u16::try_from(call.int(-1)?)
        .map_err(|_| Fault::Argument(1, "port is out of range".into()))?;
    call.pop(1);
    let tls =
        match is_on("tls").then(|| call.services().tls.get(is_on("tls_skip_verify"))).transpose() {
            Ok(tls) => tls,
            Err(error) => return Ok(Err(error.to_string())),
        };
    Ok(Ok(Target {
        protocol: Protocol::parse(&text("protocol").unwrap_or_default()),
        host,
        port,
        tls,
        haproxy_v2: is_on("haproxy_v2"),
        deep_check: is_on("deep_check"),
        request_uri: text("request_uri").unwrap_or_default(),
        username: text("test_username").unwrap_or_default(),
        password: text("test_password").unwrap_or_default().as_str().into(),
    }))
}

fn probed(call: &Call<'_>, answer: Answer, _: u64) -> Result<i32, Fault> {
    match answer.done::<Result<(), probe::Fault>>() {
        Ok(Ok(())) => call.push_nil(),
        Ok(Err(fault)) => call.push_string(fault.to_string().as_bytes()),
        Err(failure) => call.push_string(failure.to_string().as_bytes()),
    }
    Ok(1)
}

/// `nauthilus_backend_server` (`lua/modules/nauthilus_backend.md`).
struct ServerObject(Arc<Server>);

static SETUP: Function = Function {
    name: "setup",
    body: |call| {
        call.register_type::<ServerObject>(&[]);
        call.push_type::<ServerObject>()?;
        let metatable = call.len();
        call.push_function(&FIELD);
        call.set_field(metatable, "__index");
        call.push_function(&READ_ONLY);
        call.set_field(metatable, "__newindex");
        Ok(0)
    },
};

static FIELD: Function = Function { name: "nauthilus_backend_server", body: field };

static READ_ONLY: Function = Function {
    name: "nauthilus_backend_server",
    body: |_| Err(Fault::message("a nauthilus_backend_server cannot be changed")),
};

fn field(call: &Call<'_>) -> Result<i32, Fault> {
    let server = call
        .userdata::<ServerObject>(1)
        .ok_or_else(|| Fault::Argument(1, "nauthilus_backend_server expected".into()))?;
    let (server, target) = (&server.0, &server.0.target);
    match call.bytes(2) {
        b"protocol" => call.push_string(server.protocol.as_bytes()),
        b"host" | b"ip" => call.push_string(target.host.as_bytes()),
        b"port" => call.push_number(target.port.into()),
        b"request_uri" => call.push_string(target.request_uri.as_bytes()),
        b"test_username" => call.push_string(target.username.as_bytes()),
        b"test_password" => call.push_string(target.password.expose()),
        b"haproxy_v2" => call.push_bool(target.haproxy_v2),
        b"tls" => call.push_bool(target.tls.is_some()),
        b"tls_skip_verify" => call.push_bool(server.tls_skip_verify),
        b"deep_check" => call.push_bool(target.deep_check),
        _ => call.push_nil(),
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::login::Login;
    use crate::auth::scripts::Scripts;
    use crate::op::{ConnectionId, ConnectionOp, Dropped, Failure, Handle, drive, slot};
    use crate::script::testing::{Bench, LIMITS, eval};
    use crate::upstream::canned::Canned;
    use crate::upstream::monitor::Monitor;
    use crate::value::Value;
    use std::time::{Duration, Instant};

    /// Runs `body` as a filter over a login and returns what it left there.
    fn filter(body: &str, answer: impl FnMut(Op) -> Answer) -> (Login, Result<(), String>) {
        let source = format!(
            "local b = require('nauthilus_backend') function nauthilus_call_filter(request) {body} end"
        );
        let servers = [("imap", 143, true), ("lmtp", 24, true), ("imap", 10143, false)].map(
            |(protocol, port, alive)| {
                let target = Target {
                    protocol: Protocol::parse(protocol),
                    host: "192.0.2.7".into(),
                    port,
                    tls: None,
                    haproxy_v2: true,
                    deep_check: false,
                    request_uri: "/up".into(),
                    username: "tu".into(),
                    password: "tp".into(),
                };
                let server = Arc::new(Server::new(protocol.into(), false, target));
                server.note(alive);
                server
            },
        );
        let monitor = Arc::new(Monitor { servers: servers.into() });
        let scripts = [(StageKind::Filter, source.as_str())];
        let (bench, login) = (
            Bench::with_services(&scripts, LIMITS, |_| {}, |services| services.monitor = monitor),
            Login::default(),
        );
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
        let (login, outcome) = filter(
            "b.select_backend_server('192.0.2.1', 143) b.select_backend_server('192.0.2.2', 10143)",
            quiet,
        );
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
        let body =
            "assert(b.check_backend_connection({ ip_address = '192.0.2.1', port = 143 }) == nil)
            assert(b.check_backend_connection({ host = '::1', port = 1 }) == 'refused')";
        let mut asked = Vec::new();
        let (_, outcome) = filter(body, |op| match op {
            Op::Connection(ConnectionOp::Open(address)) => {
                asked.push(address.to_string());
                if asked.len() == 1 {
                    Answer::Opened(Handle::new(ConnectionId(0), Dropped::default()))
                } else {
                    Answer::Failed(Failure::Refused("refused".into()))
                }
            }
            op => panic!("{op:?}"),
        });
        assert_eq!(
            (outcome, asked),
            (Ok(()), vec!["192.0.2.1:143".to_owned(), "[::1]:1".to_owned()])
        );
    }

    #[test]
    fn live_servers_are_read_only_objects() {
        let body = "local list = b.get_backend_servers() assert(#list == 2)
            local s = list[1] assert(type(s) == 'userdata')
            assert(s.protocol == 'imap' and s.host == '192.0.2.7' and s.ip == s.host and s.port == 143 and s.request_uri == '/up')
            assert(s.test_username == 'tu' and s.test_password == 'tp' and s.haproxy_v2 == true and s.tls == false)
            assert(s.tls_skip_verify == false and s.deep_check == false and s.nothing == nil and s[1] == nil)
            assert(list[2].protocol == 'lmtp')
            assert(getmetatable(s) == false and not pcall(function() s.host = 'x' end))
            b.select_backend_server(s.host, s.port)";
        let (login, outcome) = filter(body, quiet);
        assert_eq!(
            (outcome, login.filter_changes.borrow().server.clone()),
            (Ok(()), Some(("192.0.2.7".into(), 143)))
        );
    }

    #[test]
    fn a_probe_speaks_the_protocol() {
        let body = "assert(b.check_backend_connection({ protocol = 'pop3', host = '192.0.2.1', port = 110, deep_check = true }) == nil)
            local err = b.check_backend_connection({ protocol = 'imap', ip_address = '192.0.2.1', port = 143, deep_check = true })
            assert(err:find('BYE'), err)
            assert(b.check_backend_connection(b.get_backend_servers()[2]) == nil)
            err = b.check_backend_connection({ protocol = 'x', host = '192.0.2.1', port = 1, tls = true, tls_skip_verify = true, deep_check = true })
            assert(err:find('no deep check'), err)";
        let mut server = Canned::new(&["+OK\r\n", "* BYE\r\n"]);
        let outcome = filter(body, |op| server.answer(op)).1;
        assert_eq!(outcome, Ok(()));
        let said = "<open 192.0.2.1:110>QUIT\r\n<open 192.0.2.1:143><open 192.0.2.7:24>\r\n\r\n\0\r\nQUIT\n \0\0\0<open 192.0.2.1:1><tls 192.0.2.1>";
        assert_eq!(server.transcript, said);
    }

    #[test]
    fn elsewhere_it_is_a_clear_error() {
        let error = eval("require('nauthilus_backend').get_backend_servers()").unwrap_err();
        assert!(
            error.contains("get_backend_servers has no meaning in the stage 'hook'"),
            "{error}"
        );
    }
}
