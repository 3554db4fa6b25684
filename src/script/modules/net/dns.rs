//! `nauthilus_dns`: records of a name, by the server's own resolver (`server.dns`, the system's
//! hosts file).
//!
//! `resolve(name[, type])`, the type in any case, `A` if there is none:
//!
//! | Type | Result |
//! |---|---|
//! | `A`, `AAAA` | list of addresses as text; empty if the name exists without any of this family |
//! | `NS`, `TXT` | list of strings |
//! | `MX` | list of `{host=, pref=}`, the preferred first |
//! | `CNAME` | what the name is an alias of; its own name if it is none |
//! | `PTR` | list of names; `name` is an IP address |
//!
//! Names end in a dot, but for those of the hosts file. On failure nil and a text: `lookup X on S:
//! no such host`, `… server misbehaving`, `unsupported record type: SOA`. A server that fails is an
//! error text too, never an empty list. Rules: `lua/modules/nauthilus_dns.md`. Bounds:
//! `server.dns.timeout`, the resolver's.

use crate::op::{Answer, DnsAnswer, DnsOp, Failure, Op};
use crate::proto::dns::{Kind, Record};
use crate::script::ffi::{Call, Fault, Finish, Start, Waiting};
use crate::script::modules::Module;
use std::net::IpAddr;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_dns"],
    functions: &[],
    waiting: &[Waiting { name: "resolve", start: resolve }],
    setup: None,
    lua: None,
};

fn resolve(call: &Call<'_>) -> Result<Start, Fault> {
    let name = call.text(1)?.into_owned();
    let wanted = if call.is_none_or_nil(2) { "A".to_owned() } else { call.text(2)?.to_uppercase() };
    let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == wanted) else {
        return Ok(Start::Done(call.nil_and(format!("unsupported record type: {wanted}"))));
    };
    if *kind == Kind::Ptr && name.parse::<IpAddr>().is_err() {
        return Ok(Start::Done(call.nil_and(format!("lookup {name}: unrecognized address"))));
    }
    let op = Op::Dns(DnsOp { name: name.clone(), kind: *kind });
    let finish = move |call: &Call<'_>, answer| Ok(Start::Done(push(call, &name, *kind, answer)));
    Ok(Start::Wait { op, limit: Duration::MAX, finish: Finish::Boxed(Box::new(finish)) })
}

/// Pushes value and nil, or nil and why not.
fn push(call: &Call<'_>, name: &str, kind: Kind, answer: Answer) -> i32 {
    let server = match answer {
        Answer::Dns(DnsAnswer::Records(records)) => {
            push_records(call, kind, &records);
            return call.and_nil();
        }
        Answer::Dns(DnsAnswer::NoData(_)) if matches!(kind, Kind::A | Kind::Aaaa) => {
            call.push_table(0, 0);
            return call.and_nil();
        }
        Answer::Dns(DnsAnswer::NoData(_)) if kind == Kind::Cname => {
            call.push_string(format!("{}.", name.trim_end_matches('.')).as_bytes());
            return call.and_nil();
        }
        Answer::Dns(DnsAnswer::NoSuchName(server) | DnsAnswer::NoData(server)) => server,
        Answer::Failed(failure) => return call.nil_and(failure.to_string()),
        _ => None,
    };
    call.nil_and(Failure::NoSuchHost { name: name.to_owned(), server }.to_string())
}

fn push_records(call: &Call<'_>, kind: Kind, records: &[Record]) {
    if let (Kind::Cname, Some(Record::Name(name))) = (kind, records.first()) {
        return call.push_string(name.as_bytes());
    }
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by_key(
        |record| if let Record::Mail { preference, .. } = record { *preference } else { 0 },
    );
    call.push_table(records.len(), 0);
    let list = call.len();
    for (at, record) in records.into_iter().enumerate() {
        match record {
            Record::Address(address) => call.push_string(address.to_string().as_bytes()),
            Record::Name(name) | Record::Service { target: name, .. } => {
                call.push_string(name.as_bytes())
            }
            Record::Text(text) => call.push_string(text),
            Record::Mail { preference, exchange } => {
                call.push_table(0, 2);
                let entry = call.len();
                call.push_string(exchange.as_bytes());
                call.set_field(entry, "host");
                call.push_number(f64::from(*preference));
                call.set_field(entry, "pref");
            }
        }
        call.set_index(list, at + 1);
    }
}

const KINDS: [(&str, Kind); 7] = [
    ("A", Kind::A),
    ("AAAA", Kind::Aaaa),
    ("NS", Kind::Ns),
    ("TXT", Kind::Txt),
    ("MX", Kind::Mx),
    ("CNAME", Kind::Cname),
    ("PTR", Kind::Ptr),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::{eval, eval_with};
    use crate::value::Value;

    /// What `resolve` with these arguments gives, as JSON-like text, when the answer is this.
    fn resolve_with(arguments: &str, kind: Kind, answer: Answer) -> Value {
        let source = format!(
            "local dns = require('nauthilus_dns') local value, err = dns.resolve({arguments}) return {{ value, err }}"
        );
        let mut answer = Some(answer);
        eval_with(&source, |op| {
            let Op::Dns(op) = op else { panic!("{op:?}") };
            assert_eq!(op.kind, kind);
            answer.take().unwrap()
        })
        .unwrap()
    }

    fn found(records: Vec<Record>) -> Answer {
        Answer::Dns(DnsAnswer::Records(records.into()))
    }

    fn strings(texts: &[&str]) -> Value {
        Value::List(vec![Value::List(texts.iter().map(|text| Value::string(*text)).collect())])
    }

    #[test]
    fn lists_for_most_kinds() {
        let address = |text: &str| Record::Address(text.parse().unwrap());
        let name = |text: &str| Record::Name(text.into());
        for (arguments, kind, records, expected) in [
            (
                "'a.example'",
                Kind::A,
                vec![address("192.0.2.1"), address("192.0.2.2")],
                &["192.0.2.1", "192.0.2.2"][..],
            ),
            ("'a.example', nil", Kind::A, vec![address("192.0.2.1")], &["192.0.2.1"]),
            ("'a.example', 'aaaa'", Kind::Aaaa, vec![address("2001:db8::1")], &["2001:db8::1"]),
            ("'a.example', 'Ns'", Kind::Ns, vec![name("ns.example.")], &["ns.example."]),
            (
                "'a.example', 'TXT'",
                Kind::Txt,
                vec![Record::Text(b"v=spf1 -all".to_vec())],
                &["v=spf1 -all"],
            ),
            (
                "'192.0.2.1', 'PTR'",
                Kind::Ptr,
                vec![name("a.example."), name("b")],
                &["a.example.", "b"],
            ),
        ] {
            assert_eq!(
                resolve_with(arguments, kind, found(records)),
                strings(expected),
                "{arguments}"
            );
        }
    }

    #[test]
    fn mail_servers_come_in_order() {
        let mail =
            |preference, exchange: &str| Record::Mail { preference, exchange: exchange.into() };
        let source = "local mx = require('nauthilus_dns').resolve('a.example', 'MX')
            return { mx[1].host, mx[1].pref, mx[2].host, mx[2].pref, #mx }";
        let result = eval_with(source, |_| found(vec![mail(20, "second."), mail(10, "first.")]));
        let expected = vec![
            Value::string("first."),
            Value::Number(10.0),
            Value::string("second."),
            Value::Number(20.0),
            Value::Number(2.0),
        ];
        assert_eq!(result, Ok(Value::List(expected)));
    }

    #[test]
    fn an_alias_is_one_name() {
        let one = |text: &str| Value::List(vec![Value::string(text)]);
        let alias = found(vec![Record::Name("b.example.".into())]);
        assert_eq!(resolve_with("'a.example', 'CNAME'", Kind::Cname, alias), one("b.example."));
        for name in ["a.example", "a.example."] {
            let none = Answer::Dns(DnsAnswer::NoData(None));
            assert_eq!(
                resolve_with(&format!("'{name}', 'CNAME'"), Kind::Cname, none),
                one("a.example.")
            );
        }
    }

    /// Value (`{}` or nil) and error text of a lookup without records.
    fn nothing(kind: &str, answer: Answer) -> (bool, Option<String>) {
        let source = format!(
            "local value, err = require('nauthilus_dns').resolve('{}', '{kind}') return {{ has = value ~= nil, err = err }}",
            if kind == "PTR" { "192.0.2.1" } else { "a.example" }
        );
        let mut answer = Some(answer);
        let Value::Map(fields) = eval_with(&source, |_| answer.take().unwrap()).unwrap() else {
            panic!("not a map")
        };
        let field = |name: &str| {
            fields
                .iter()
                .find(|(key, _)| *key == Value::string(name))
                .map(|(_, value)| value.clone())
        };
        let err = field("err").map(|text| {
            if let Value::String(bytes) = text {
                String::from_utf8(bytes.to_vec()).unwrap()
            } else {
                panic!()
            }
        });
        (field("has") == Some(Value::Bool(true)), err)
    }

    #[test]
    fn no_addresses_are_an_empty_list_and_no_such_name_is_an_error() {
        let server = Some("192.0.2.53:53".parse().unwrap());
        for kind in ["A", "AAAA"] {
            assert_eq!(
                nothing(kind, Answer::Dns(DnsAnswer::NoData(server))),
                (true, None),
                "{kind}"
            );
        }
        let text = |name| Some(format!("lookup {name} on 192.0.2.53:53: no such host"));
        for kind in ["TXT", "MX", "NS"] {
            assert_eq!(
                nothing(kind, Answer::Dns(DnsAnswer::NoData(server))),
                (false, text("a.example")),
                "{kind}"
            );
        }
        assert_eq!(
            nothing("A", Answer::Dns(DnsAnswer::NoSuchName(server))),
            (false, text("a.example"))
        );
        assert_eq!(
            nothing("PTR", Answer::Dns(DnsAnswer::NoSuchName(server))),
            (false, text("192.0.2.1"))
        );
        assert_eq!(
            nothing("A", Answer::Dns(DnsAnswer::NoSuchName(None))),
            (false, Some("lookup a.example: no such host".into()))
        );
    }

    #[test]
    fn a_failing_server_is_an_error_and_never_an_empty_list() {
        let misbehaves = Failure::Lookup {
            name: "a.example".into(),
            server: "192.0.2.53:53".parse().unwrap(),
            reason: "server misbehaving".into(),
        };
        for (failure, text) in [
            (misbehaves, "lookup a.example on 192.0.2.53:53: server misbehaving"),
            (Failure::TimedOut, "i/o timeout"),
            (Failure::Full("DNS"), "DNS queue is full"),
        ] {
            assert_eq!(nothing("A", Answer::Failed(failure)), (false, Some(text.into())));
        }
    }

    #[test]
    fn what_cannot_be_asked() {
        for (arguments, text) in [
            ("'a.example', 'SOA'", "unsupported record type: SOA"),
            ("'a.example', 'srv'", "unsupported record type: SRV"),
            ("'a.example', ''", "unsupported record type: "),
            ("'a.example', 'PTR'", "lookup a.example: unrecognized address"),
        ] {
            let source = format!("return select(2, require('nauthilus_dns').resolve({arguments}))");
            assert_eq!(eval(&source), Ok(Value::string(text)), "{arguments}");
        }
        for arguments in ["", "nil", "{}", "'a', {}"] {
            let error =
                eval(&format!("require('nauthilus_dns').resolve({arguments})")).unwrap_err();
            assert!(error.contains("bad argument #") && error.contains("to resolve"), "{error}");
        }
    }
}
