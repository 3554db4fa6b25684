//! `nauthilus_mail`: sends a plain text message by SMTP or LMTP.
//!
//! `send_mail(t)` returns nil, or one error text. A wrong field is such a text too; only an
//! argument that is no table raises. The four ways: plain, `tls` (from the first byte on),
//! `starttls` (which wins over `tls`, and must be offered), `lmtp` (neither login nor STARTTLS).
//! Rules: `lua/modules/nauthilus_mail.md`. The dialogue is `upstream::smtp`. Bounds:
//! [`RECIPIENTS_MAX`], [`STEP_MAX`], [`MAIL_MAX`].

mod compose;

use crate::op::{Answer, Op, Subtask};
use crate::script::ffi::{Call, Fault, Finish, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::secret::Secret;
use crate::upstream::smtp::{self, Delivery, Dialect, Encryption, Login};
use compose::{Mailbox, Message};
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_mail"],
    functions: &[],
    waiting: &[Waiting { name: "send_mail", start: send_mail }],
    setup: None,
    lua: None,
};

fn send_mail(call: &Call<'_>) -> Result<Start, Fault> {
    call.table(1)?;
    let delivery = match delivery(call) {
        Ok(delivery) => delivery,
        Err(error) => {
            call.push_string(error.as_bytes());
            return Ok(Start::Done(1));
        }
    };
    let send =
        Subtask::new(move |ops| async move { smtp::deliver(&ops, &delivery, STEP_MAX).await });
    Ok(Start::Wait { op: Op::Run(send), limit: MAIL_MAX, finish: Finish::Plain(sent, 0) })
}

fn sent(call: &Call<'_>, answer: Answer, _: u64) -> Result<i32, Fault> {
    match answer.done::<Result<(), smtp::Error>>() {
        Ok(Ok(())) => call.push_nil(),
        Ok(Err(error)) => call.push_string(error.to_string().as_bytes()),
        Err(failure) => call.push_string(failure.to_string().as_bytes()),
    }
    Ok(1)
}

/// The table at 1 as a delivery, checked in the order that scripts know: port, to, from, each
/// recipient.
fn delivery(call: &Call<'_>) -> Result<Delivery, String> {
    let port =
        field(call, "port", |call, kind| (kind == Kind::Number).then(|| call.raw_number(-1)));
    let port = port.ok_or("'port' must be a number")?;
    let port = if (1.0..=65535.0).contains(&port) {
        port as u16
    } else {
        return Err("'port' must be between 1 and 65535".into());
    };
    let to = field(call, "to", |call, kind| (kind == Kind::Table).then(|| call.string_list(-1)));
    let to = to.ok_or("'to' must be a table")?.map_err(|_| "'to' must be a table of addresses")?;
    let from = text(call, "from").unwrap_or_default();
    let from = Mailbox::parse(&from).map_err(|reason| format!("invalid From address: {reason}"))?;
    if to.is_empty() || to.len() > RECIPIENTS_MAX {
        return Err(format!("'to' must contain 1 to {RECIPIENTS_MAX} addresses"));
    }
    let recipient = |address: &Vec<u8>| {
        Mailbox::parse(&String::from_utf8_lossy(address))
            .map_err(|reason| format!("invalid To address: {reason}"))
    };
    let to = to.iter().map(recipient).collect::<Result<Vec<_>, _>>()?;
    let host =
        text(call, "server").filter(|host| !host.is_empty()).ok_or("'server' must be a string")?;
    let host = if host.is_ascii() {
        host
    } else {
        idna::domain_to_ascii(&host).map_err(|_| format!("{host:?} is not a host name"))?
    };
    let helo = text(call, "helo_name")
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into());
    if !helo.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("'helo_name' is not a host name".into());
    }
    let message = Message {
        from: &from,
        to: &to,
        subject: &text(call, "subject").unwrap_or_default(),
        body: &field(call, "body", |call, kind| match kind {
            Kind::String => call.bytes(-1).to_vec(),
            Kind::Number => call.display(-1).into_bytes(),
            _ => Vec::new(),
        }),
    };
    let message = message.compose();
    let dialect = if is_on(call, "lmtp") { Dialect::Lmtp } else { Dialect::Smtp };
    Ok(Delivery {
        host,
        port,
        dialect,
        encryption: encryption(call, dialect)?,
        helo,
        login: login(call, dialect),
        from: from.address,
        to: to.into_iter().map(|mailbox| mailbox.address).collect(),
        message,
    })
}

fn encryption(call: &Call<'_>, dialect: Dialect) -> Result<Encryption, String> {
    let upgrade = is_on(call, "starttls") && dialect == Dialect::Smtp;
    if !upgrade && !is_on(call, "tls") {
        return Ok(Encryption::None);
    }
    let tls = call.services().tls.get(false).map_err(|error| error.to_string())?;
    Ok(if upgrade { Encryption::Upgrade(tls) } else { Encryption::Implicit(tls) })
}

fn login(call: &Call<'_>, dialect: Dialect) -> Option<Login> {
    let username = text(call, "username").filter(|name| !name.is_empty())?;
    let password = field(call, "password", |call, kind| {
        (kind == Kind::String).then(|| Secret::new(call.bytes(-1)))
    })?;
    (dialect == Dialect::Smtp && !password.is_empty()).then_some(Login { username, password })
}

/// What `read` makes of a field, which lies on top of the stack meanwhile.
fn field<T>(call: &Call<'_>, name: &str, read: impl FnOnce(&Call<'_>, Kind) -> T) -> T {
    let kind = call.push_field(1, name);
    let value = read(call, kind);
    call.pop(1);
    value
}

fn text(call: &Call<'_>, name: &str) -> Option<String> {
    field(call, name, |call, kind| {
        matches!(kind, Kind::String | Kind::Number).then(|| call.display(-1))
    })
}

fn is_on(call: &Call<'_>, name: &str) -> bool {
    field(call, name, |call, _| call.truthy(-1))
}

/// Of one message.
const RECIPIENTS_MAX: usize = 1000;

/// Each step of the dialogue. RFC 5321 allows minutes; a login cannot wait for them.
const STEP_MAX: Duration = Duration::from_secs(30);

/// The dialogue; a script's own time usually ends before.
const MAIL_MAX: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::eval_with;
    use crate::upstream::canned::Canned;
    use crate::value::Value;

    const TAKEN: [&str; 5] = [
        "220 sink\r\n",
        "250-sink\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
    ];

    /// What `send_mail` returned, with what the server heard. `fields` are laid over those of a
    /// sound message.
    fn send(fields: &str, pieces: &[&str]) -> (String, String) {
        let mut server = Canned::new(pieces);
        let source = format!(
            "local t = {{ server = '127.0.0.1', port = 25, from = 'kit@example.org', to = {{ 'ada@example.org' }}, subject = 's', body = 'b' }}
            for k, v in pairs({{ {fields} }}) do if v == 'none' then v = nil end t[k] = v end
            local n = select('#', require('nauthilus_mail').send_mail(t)) assert(n == 1)
            return tostring(require('nauthilus_mail').send_mail(t))"
        );
        let mut first = true;
        let mut transcript = String::new();
        let returned = eval_with(&source, |op| {
            if first
                && matches!(op, Op::Connection(crate::op::ConnectionOp::Open(_)))
                && !server.transcript.is_empty()
            {
                // The second call meets a server like the first.
                transcript = std::mem::take(&mut server).transcript;
                server = Canned::new(pieces);
                first = false;
            }
            server.answer(op)
        });
        let Ok(Value::String(returned)) = returned else { panic!("{returned:?}") };
        (String::from_utf8(returned).unwrap(), transcript)
    }

    #[test]
    fn a_message_is_handed_in() {
        let (returned, said) =
            send("helo_name = 'kit.example'", &[&TAKEN[..], &["250 stored\r\n"]].concat());
        assert_eq!(returned, "nil");
        assert!(
            said.starts_with("<open 127.0.0.1:25>EHLO kit.example\r\nMAIL FROM:<kit@example.org>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n")
        );
        assert!(said.ends_with("\r\n\r\nb\r\n.\r\nQUIT\r\n"), "{said}");
    }

    #[test]
    fn the_four_ways() {
        let stored: &[&str] = &["250 stored\r\n"];
        let (returned, said) = send("tls = true", &[&TAKEN[..], stored].concat());
        assert!(
            returned == "nil" && said.contains("<open 127.0.0.1:25><tls 127.0.0.1>EHLO localhost"),
            "{returned} {said}"
        );
        let upgraded = [
            &TAKEN[..2],
            &["220 go\r\n", "250-sink\r\n250 AUTH PLAIN\r\n", "235 in\r\n"],
            &TAKEN[2..],
            stored,
        ]
        .concat();
        let (returned, said) = send(
            "starttls = true, tls = true, username = 'tim', password = 'tanstaaftanstaaf'",
            &upgraded,
        );
        assert_eq!(returned, "nil");
        assert!(said.contains("STARTTLS\r\n<tls 127.0.0.1>EHLO localhost\r\nAUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\nMAIL"), "{said}");
        let (returned, said) = send(
            "lmtp = true, starttls = true, username = 'u', password = 'p'",
            &[&TAKEN[..], stored].concat(),
        );
        assert!(returned == "nil" && said.contains("LHLO localhost\r\nMAIL"), "{returned} {said}");
    }

    #[test]
    fn addresses_in_utf8_need_a_server_that_takes_them() {
        let knows = [
            &["220 sink\r\n", "250-sink\r\n250 SMTPUTF8\r\n"][..],
            &TAKEN[2..],
            &["250 stored\r\n"],
        ]
        .concat();
        let (returned, said) = send("from = 'änn@münchen.example'", &knows);
        assert_eq!(returned, "nil");
        assert!(said.contains("MAIL FROM:<änn@xn--mnchen-3ya.example> SMTPUTF8\r\n"), "{said}");
        let (returned, said) =
            send("to = { 'änn@example.test' }", &[&TAKEN[..], &["250 stored\r\n"]].concat());
        assert_eq!(returned, "the server does not support SMTPUTF8, which the addresses need");
        assert!(!said.contains("MAIL"), "{said}");
        let (returned, said) =
            send("to = { '\"a b\"@example.test' }", &[&TAKEN[..], &["250 stored\r\n"]].concat());
        assert!(
            returned == "nil" && said.contains("RCPT TO:<\"a b\"@example.test>\r\n"),
            "{returned} {said}"
        );
    }

    #[test]
    fn refusals_are_answers() {
        assert_eq!(send("", &["554 go away\r\n"]).0, "554 go away");
        assert_eq!(
            send("server = '192.0.2.1', username = 'u', password = 'p'", &TAKEN).0,
            "unencrypted connection"
        );
    }

    #[test]
    fn wrong_fields_are_answers_in_a_known_order() {
        for (fields, expected) in [
            ("port = '25', to = 1", "'port' must be a number"),
            ("port = 70000", "'port' must be between 1 and 65535"),
            ("to = 'ada@example.org', from = ''", "'to' must be a table"),
            ("from = 'kit', to = { 'x' }", "invalid From address: \"kit\": an address is needed"),
            ("to = { 'ada@example.org', 'x' }", "invalid To address: \"x\": an address is needed"),
            ("to = {}", "'to' must contain 1 to 1000 addresses"),
            ("server = 'none'", "'server' must be a string"),
            ("helo_name = 'a b'", "'helo_name' is not a host name"),
        ] {
            assert_eq!(send(fields, &[]).0, expected, "{fields}");
        }
        assert!(
            eval_with("require('nauthilus_mail').send_mail('x')", |op| panic!("{op:?}"))
                .unwrap_err()
                .contains("table expected")
        );
    }
}
