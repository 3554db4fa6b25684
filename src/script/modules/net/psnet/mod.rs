//! `nauthilus_psnet`: how many TCP connections there are to some servers.
//!
//! | Function | |
//! |---|---|
//! | `register_connection_target(target, direction, description)` | has `host:port` counted; `direction` is `"local"` (connections to it that others opened) or anything else (those opened from here). Returns nothing. A target that cannot be read or found is logged and not registered; one that is registered already stays as it is. Missing arguments are empty |
//! | `get_connection_target(target)` | the number of established connections of the whole machine, or nil and `Target not registered` |
//!
//! The background worker counts every five seconds and looks names up again every minute; `0.0.0.0`
//! and `::` stand for every address. Each target is a series of the gauge `generic_connections`.
//! Rules: `lua/modules/nauthilus_psnet.md`. Bounds:
//! [`crate::script::stores::targets::TARGETS_MAX`].

use crate::address::{Address, AddressError};
use crate::script::ffi::{Call, Fault, Finish, Function, Start, Waiting};
use crate::script::modules::Module;
use crate::script::stores::targets::{Direction, Target};
use crate::upstream::dns::{addresses, host_op};
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_psnet"],
    functions: &[Function { name: "get_connection_target", body: get_connection_target }],
    waiting: &[Waiting { name: "register_connection_target", start: register_connection_target }],
    setup: None,
    lua: None,
};

fn register_connection_target(call: &Call<'_>) -> Result<Start, Fault> {
    let [text, direction, description] =
        [argument(call, 1)?, argument(call, 2)?, argument(call, 3)?];
    let direction = if direction == "local" { Direction::Local } else { Direction::Remote };
    let targets = &call.services().targets;
    if targets.contains(&text, direction) {
        return Ok(Start::Done(0));
    }
    let mut target = Target {
        text,
        direction,
        description,
        host: String::new(),
        port: 0,
        addresses: Vec::new(),
        count: 0,
    };
    match Address::parse(&target.text) {
        Ok(Address::Tcp(address)) => {
            (target.host, target.port, target.addresses) =
                (address.ip().to_string(), address.port(), vec![address.ip()]);
            register(call, target);
        }
        Err(AddressError::Name(_)) => {
            if let Some((host, port)) = target.text.rsplit_once(':') {
                (target.host, target.port) = (host.to_owned(), port.parse().unwrap_or(0));
                return Ok(find(target));
            }
        }
        Ok(Address::Unix(_)) => refuse(call, &target.text, "not a TCP address"),
        Err(error) => refuse(call, &target.text, error),
    }
    Ok(Start::Done(0))
}

/// Looks the target's host up before it is registered.
fn find(mut target: Target) -> Start {
    let op = host_op(&target.host);
    let finish = move |call: &Call<'_>, answer| {
        match addresses(&target.host, answer) {
            Ok(addresses) => {
                target.addresses = addresses;
                register(call, target);
            }
            Err(failure) => refuse(call, &target.text, failure),
        }
        Ok(Start::Done(0))
    };
    Start::Wait { op, limit: Duration::MAX, finish: Finish::Boxed(Box::new(finish)) }
}

fn register(call: &Call<'_>, target: Target) {
    let text = target.text.clone();
    if let Err(error) = call.services().targets.register(target) {
        refuse(call, &text, error);
    }
}

fn refuse(call: &Call<'_>, target: &str, why: impl std::fmt::Display) {
    call.services().warn(format!("connection target {target:?} is not registered: {why}"));
}

fn get_connection_target(call: &Call<'_>) -> Result<i32, Fault> {
    match call.services().targets.count_of(&argument(call, 1)?) {
        Some(count) => {
            call.push_number(count as f64);
            Ok(1)
        }
        None => Ok(call.nil_and("Target not registered")),
    }
}

/// A string argument; missing, it is empty.
fn argument(call: &Call<'_>, at: i32) -> Result<String, Fault> {
    if call.is_none_or_nil(at) { Ok(String::new()) } else { Ok(call.text(at)?.into_owned()) }
}

#[cfg(test)]
mod tests {
    use crate::auth::scripts::StageKind;
    use crate::op::{Answer, DnsAnswer, DnsOp, Failure, Op};
    use crate::proto::dns::{Kind, Record};
    use crate::script::testing::{Bench, eval};
    use crate::value::Value;

    /// What `body` returns, and the warnings that it left; names are those of `answer`.
    fn run(body: &str, answer: impl Fn(Kind) -> Answer) -> (Result<Value, String>, Vec<String>) {
        let source = format!(
            "local psnet = require('nauthilus_psnet') function nauthilus_run_hook() {body} end"
        );
        let bench = Bench::new(&[(StageKind::Hook, &source)]);
        let result = bench.hook(|op| {
            if let Op::Dns(DnsOp { kind, .. }) = op { answer(kind) } else { panic!("{op:?}") }
        });
        (result, bench.host.state().services().outbox.warnings.take())
    }

    fn nobody(kind: Kind) -> Answer {
        panic!("{kind:?} was asked")
    }

    #[test]
    fn a_registered_target_has_a_count() {
        let body = "psnet.register_connection_target('192.0.2.1:993', 'remote', 'kit')
            psnet.register_connection_target('192.0.2.1:993', 'remote', 'kit')
            return { psnet.get_connection_target('192.0.2.1:993'), select('#', psnet.get_connection_target('192.0.2.1:993')),
                select('#', psnet.register_connection_target('0.0.0.0:25', 'local', 'smtp')) }";
        let expected = vec![Value::Number(0.0), Value::Number(1.0), Value::Number(0.0)];
        assert_eq!(run(body, nobody), (Ok(Value::List(expected)), vec![]));
    }

    #[test]
    fn names_are_looked_up_first() {
        let body = "psnet.register_connection_target('db.example:5432', 'remote', 'kit')
            return (psnet.get_connection_target('db.example:5432'))";
        let found = |kind| match kind {
            Kind::A => {
                Answer::Dns(DnsAnswer::Records([Record::Address([192, 0, 2, 1].into())].into()))
            }
            _ => Answer::Dns(DnsAnswer::NoData(None)),
        };
        assert_eq!(run(body, found), (Ok(Value::Number(0.0)), vec![]));
    }

    #[test]
    fn what_cannot_be_counted_is_logged_and_not_registered() {
        for (target, why) in [
            ("no port", "no port: missing port in address"),
            ("", ": missing port in address"),
            ("/run/socket", "not a TCP address"),
            ("gone.example:1", "lookup gone.example: no such host"),
            ("slow.example:1", "i/o timeout"),
        ] {
            let body = format!(
                "psnet.register_connection_target('{target}', 'remote', 'kit') return select(2, psnet.get_connection_target('{target}'))"
            );
            let slow = target.starts_with("slow");
            let answer = move |_| {
                if slow {
                    Answer::Failed(Failure::TimedOut)
                } else {
                    Answer::Dns(DnsAnswer::NoSuchName(None))
                }
            };
            let (result, warnings) = run(&body, answer);
            assert_eq!(result, Ok(Value::string("Target not registered")), "{target}");
            assert_eq!(
                warnings,
                [format!("connection target {target:?} is not registered: {why}")]
            );
        }
    }

    #[test]
    fn missing_arguments_are_empty_and_wrong_ones_raise() {
        let (result, warnings) = run(
            "psnet.register_connection_target() return (psnet.get_connection_target())",
            nobody,
        );
        assert_eq!((result, warnings.len()), (Ok(Value::Nil), 1));
        for call in [
            "register_connection_target({})",
            "register_connection_target('a:1', {})",
            "get_connection_target({})",
        ] {
            let error = eval(&format!("require('nauthilus_psnet').{call}")).unwrap_err();
            assert!(error.contains("bad argument #"), "{call}: {error}");
        }
    }
}
