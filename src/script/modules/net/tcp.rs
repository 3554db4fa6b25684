//! `tcp`: connections of scripts to any server.
//!
//! `open(address[, seconds])` gives a connection or `nil, err`; reading, writing and closing raise,
//! as in the original. A connection is its script run's: it is closed when the run ends, even if
//! the object is kept. A read or write that fails leaves it open; one whose script was stopped
//! takes it along. Rules: `lua/modules/tcp.md`. Error texts name the peer only. Bounds:
//! [`CONNECTIONS_MAX`] per run, [`READ_BYTES_MAX`] per read.

use crate::op::{Answer, Failure, Op, Ops, Subtask};
use crate::script::ffi::{Call, Connection as Held, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::upstream::connection::UpstreamConnection;
use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["tcp"],
    functions: &[
        Function { name: "close", body: close },
        Function { name: "get", body: get },
        Function { name: "set", body: set },
    ],
    waiting: &[
        Waiting { name: "open", start: open },
        Waiting { name: "read", start: read },
        Waiting { name: "write", start: write },
    ],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../lua/host/tcp.lua")),
};

static SETUP: Function = Function {
    name: "tcp",
    body: |call| {
        call.register_type::<Connection>(&[]);
        call.push_type::<Connection>()?;
        call.set_field(1, "meta");
        Ok(0)
    },
};

/// The userdata. Its upstream belongs to the run.
struct Connection {
    upstream: Weak<Held>,
    peer: String,
    timeouts: Timeouts,
}

/// Seconds.
struct Timeouts {
    dial: Cell<f64>,
    read: Cell<f64>,
    write: Cell<f64>,
    close: Cell<f64>,
}

impl Timeouts {
    fn field(&self, name: &[u8]) -> Option<&Cell<f64>> {
        match name {
            b"dialTimeout" => Some(&self.dial),
            b"readTimeout" => Some(&self.read),
            b"writeTimeout" => Some(&self.write),
            b"closeTimeout" => Some(&self.close),
            _ => None,
        }
    }
}

fn this<'a>(call: &'a Call<'_>) -> Result<&'a Connection, Fault> {
    call.userdata::<Connection>(1)
        .ok_or_else(|| Fault::Argument(1, "tcp connection expected".into()))
}

fn get(call: &Call<'_>) -> Result<i32, Fault> {
    match this(call)?.timeouts.field(call.bytes(2)) {
        Some(cell) => call.push_number(cell.get()),
        None => call.push_nil(),
    }
    Ok(1)
}

fn set(call: &Call<'_>) -> Result<i32, Fault> {
    if let Some(cell) = this(call)?.timeouts.field(call.bytes(2)) {
        if call.kind(3) != Kind::Number {
            return Err(Fault::Argument(
                3,
                format!("number expected, got {}", call.kind(3).name()),
            ));
        }
        cell.set(call.raw_number(3));
    }
    Ok(0)
}

/// `open(address[, seconds])`.
fn open(call: &Call<'_>) -> Result<Start, Fault> {
    let address = call.text(1)?.into_owned();
    let seconds = if call.kind(2) == Kind::Number { call.raw_number(2) } else { DIAL_SECONDS };
    let (host, port) = match split(&address) {
        Ok(parts) => parts,
        Err(error) => return Ok(Start::Done(call.nil_and(error))),
    };
    let mut connections = call.run()?.connections.borrow_mut();
    connections.retain(|held| held.upstream.borrow().is_some() || Rc::strong_count(held) > 1);
    if connections.len() >= CONNECTIONS_MAX {
        return Ok(Start::Done(call.nil_and(format!(
            "dial tcp {address}: this script has {CONNECTIONS_MAX} connections open"
        ))));
    }
    let limit = duration(seconds);
    let connect = Subtask::new(move |ops| async move {
        UpstreamConnection::connect(&ops, &host, port, limit).await
    });
    let finish =
        Finish::Boxed(Box::new(move |call, answer| opened(call, answer, seconds, &address)));
    Ok(Start::Wait { op: Op::Run(connect), limit: limit.saturating_add(GRACE), finish })
}

fn opened(call: &Call<'_>, answer: Answer, seconds: f64, address: &str) -> Result<Start, Fault> {
    let upstream = match answer.done::<Result<UpstreamConnection, Failure>>() {
        Ok(Ok(upstream)) => upstream,
        Ok(Err(Failure::TimedOut)) | Err(Failure::TimedOut) => {
            return Ok(Start::Done(call.nil_and(format!("dial tcp {address}: i/o timeout"))));
        }
        Ok(Err(failure)) | Err(failure) => {
            return Ok(Start::Done(call.nil_and(failure.to_string())));
        }
    };
    let peer = upstream.peer().to_owned();
    let held = Rc::new(Held::new(upstream));
    let timeouts = Timeouts {
        dial: Cell::new(seconds),
        read: Cell::new(1.0),
        write: Cell::new(1.0),
        close: Cell::new(1.0),
    };
    call.push_userdata(Connection { upstream: Rc::downgrade(&held), peer, timeouts })?;
    call.run()?.connections.borrow_mut().push(held);
    Ok(Start::Done(1))
}

fn close(call: &Call<'_>) -> Result<i32, Fault> {
    let connection = this(call)?;
    let upstream = connection.upstream.upgrade().and_then(|held| held.upstream.take());
    upstream.map(|_closed| 0).ok_or_else(|| closed("close", &connection.peer))
}

/// `connection:write(...)` returns nothing.
fn write(call: &Call<'_>) -> Result<Start, Fault> {
    let connection = this(call)?;
    let mut bytes = Vec::new();
    for at in 2..=call.len() {
        bytes.extend_from_slice(&call.string(at)?);
    }
    let limit = duration(connection.timeouts.write.get());
    drive(connection, "write", limit, async move |ops, upstream| {
        upstream.send(&ops, bytes, limit).await.map(|()| Read::Nothing)
    })
}

/// `connection:read([format])`.
fn read(call: &Call<'_>) -> Result<Start, Fault> {
    let connection = this(call)?;
    let format = match call.kind(2) {
        Kind::None | Kind::Nil => Format::Some(READ_USUAL),
        Kind::Number if call.raw_number(2) <= 0.0 => {
            call.push_string(b"");
            return Ok(Start::Done(1));
        }
        Kind::Number => Format::Some((call.raw_number(2) as usize).clamp(1, READ_BYTES_MAX)),
        _ => match call.bytes(2) {
            b"*l" => Format::Line,
            b"*a" => Format::All,
            b"*n" => Format::Number,
            _ => return Err(Fault::Argument(1, "invalid format".into())),
        },
    };
    let limit = duration(connection.timeouts.read.get());
    drive(connection, "read", limit, async move |ops, upstream| {
        format.read(&ops, upstream, limit).await
    })
}

/// Does something with the upstream connection, which is not available to others until that ends.
fn drive(
    connection: &Connection,
    verb: &'static str,
    limit: Duration,
    work: impl AsyncFnOnce(Ops, &mut UpstreamConnection) -> Result<Read, Failure> + 'static,
) -> Result<Start, Fault> {
    let peer = connection.peer.clone();
    let held = connection.upstream.upgrade().ok_or_else(|| closed(verb, &peer))?;
    let Some(mut upstream) = held.upstream.take() else { return Err(closed(verb, &peer)) };
    let work = Subtask::new(move |ops| async move {
        let outcome = work(ops, &mut upstream).await;
        held.upstream.replace(Some(upstream));
        outcome
    });
    let finish = Finish::Boxed(Box::new(move |call, answer| {
        match answer.done::<Result<Read, Failure>>().and_then(|outcome| outcome) {
            Ok(Read::Nothing) => return Ok(Start::Done(0)),
            Ok(Read::End) => call.push_nil(),
            Ok(Read::Bytes(bytes)) => call.push_string(&bytes),
            Ok(Read::Number(text)) => {
                match std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
                    Some(number) => call.push_number(number),
                    None => {
                        return Err(Fault::message(format!(
                            "read: '{}' is not a number",
                            String::from_utf8_lossy(&text)
                        )));
                    }
                }
            }
            Err(failure) => return Err(Fault::message(format!("{verb} tcp {peer}: {failure}"))),
        }
        Ok(Start::Done(1))
    }));
    Ok(Start::Wait { op: Op::Run(work), limit: limit.saturating_add(GRACE), finish })
}

fn closed(verb: &str, peer: &str) -> Fault {
    Fault::message(format!("{verb} tcp {peer}: use of closed network connection"))
}

/// What a read came to.
enum Read {
    /// It was a write.
    Nothing,
    /// The peer sends no more.
    End,
    Bytes(Vec<u8>),
    Number(Vec<u8>),
}

/// What is to be read (2.4).
enum Format {
    /// What has come, at most so many bytes.
    Some(usize),
    Line,
    All,
    Number,
}

impl Format {
    async fn read(
        self,
        ops: &Ops,
        upstream: &mut UpstreamConnection,
        limit: Duration,
    ) -> Result<Read, Failure> {
        let until = ops.now().checked_add(limit);
        loop {
            if let Some(read) = self.take(upstream, false) {
                return Ok(read);
            }
            if upstream.input().len() >= READ_BYTES_MAX {
                return Err(Failure::Protocol(format!("more than {READ_BYTES_MAX} bytes")));
            }
            let left = until.map_or(limit, |until| until.saturating_duration_since(ops.now()));
            if !upstream.receive(ops, left).await? {
                return Ok(self.take(upstream, true).unwrap_or(Read::End));
            }
        }
    }

    /// What there is, if it is enough; at the `end` whatever there is.
    fn take(&self, upstream: &mut UpstreamConnection, end: bool) -> Option<Read> {
        let input = upstream.input();
        let (read, consumed) = match self {
            Format::Some(_) if input.is_empty() => return None,
            Format::Some(count) => {
                let count = input.len().min(*count);
                (Read::Bytes(input.get(..count)?.to_vec()), count)
            }
            Format::Line => match memchr::memchr(b'\n', input) {
                Some(at) => (Read::Bytes(input.get(..at)?.to_vec()), at + 1),
                None if end && !input.is_empty() => (Read::Bytes(input.to_vec()), input.len()),
                None => return None,
            },
            Format::All if end => (Read::Bytes(input.to_vec()), input.len()),
            Format::All => return None,
            Format::Number => {
                let blank = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let word = input.get(blank..)?;
                let word =
                    word.get(..word.iter().take_while(|byte| is_number_byte(**byte)).count())?;
                let is_whole = blank + word.len() < input.len() || end;
                match is_whole {
                    false => return None,
                    true if word.is_empty() && blank == input.len() => {
                        (Read::Number(b"0".to_vec()), blank)
                    }
                    true => (Read::Number(word.to_vec()), blank + word.len()),
                }
            }
        };
        upstream.consume(consumed);
        Some(read)
    }
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-')
}

/// Host and port of `host:port`; an empty host is this machine.
fn split(address: &str) -> Result<(String, u16), String> {
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| format!("dial tcp: address {address}: missing port in address"))?;
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!("dial tcp: address {address}: too many colons in address"));
    }
    let port = port.parse().map_err(|_| format!("dial tcp: address {address}: invalid port"))?;
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

/// Negative and absurd ones are none and endless.
fn duration(seconds: f64) -> Duration {
    if seconds > 0.0 {
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    } else {
        Duration::ZERO
    }
}

const DIAL_SECONDS: f64 = 5.0;

/// Of a read without a format.
const READ_USUAL: usize = 1024;

/// Of one read: what is read lies outside the state's memory limit until it is a Lua string.
const READ_BYTES_MAX: usize = 4 << 20;

/// Connections open at a time in one run.
const CONNECTIONS_MAX: usize = 64;

/// The procedure ends by its own time limit and gives the upstream back; this one is for a procedure
/// that does not.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::eval_with;
    use crate::upstream::canned::Canned;
    use crate::value::Value;

    /// What the script returned and what the server heard.
    fn run(source: &str, pieces: &[&str]) -> (Result<Value, String>, String) {
        let mut server = Canned::new(pieces);
        let source = format!("local tcp = require('tcp') {source}");
        let returned = eval_with(&source, |op| server.answer(op));
        (returned, server.transcript)
    }

    fn text(source: &str, pieces: &[&str]) -> String {
        match run(source, pieces).0 {
            Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    const OPEN: &str = "local c = assert(tcp.open('192.0.2.1:25'))";

    #[test]
    fn reads_have_formats() {
        for (calls, pieces, expected) in [
            ("c:read()", &["ab", "cd"][..], "ab"),
            ("c:read(1) .. '|' .. c:read(5) .. '|' .. c:read(5)", &["abc", "de"], "a|bc|de"),
            (
                "c:read('*l') .. '|' .. c:read('*l') .. '|' .. c:read('*l')",
                &["a\r\n", "b", "b\nlast"],
                "a\r|bb|last",
            ),
            ("c:read('*a')", &["a", "b\n", "c"], "ab\nc"),
            ("c:read('*a')", &[], ""),
            ("c:read('*n') + 1 .. c:read('*a')", &["  4", "2 rest"], "43 rest"),
            ("tostring(c:read('*n'))", &["  "], "0"),
            ("c:read(0) .. c:read(-1)", &[], ""),
            (
                "tostring(c:read()) .. tostring(c:read('*l')) .. tostring(c:read(3))",
                &[],
                "nilnilnil",
            ),
        ] {
            assert_eq!(
                text(&format!("{OPEN} return {calls}"), pieces),
                expected,
                "{calls} of {pieces:?}"
            );
        }
    }

    #[test]
    fn writes_return_nothing_and_close_closes_once() {
        let source = format!(
            "{OPEN} local n = select('#', c:write('ping', 1, '\\n')) + select('#', c:close())
            local ok, err = pcall(c.close, c) local ok2, err2 = pcall(c.read, c) local ok3, err3 = pcall(c.write, c, 'x')
            return n .. tostring(ok or ok2 or ok3) .. err .. err2 .. err3"
        );
        let (returned, said) = run(&source, &[]);
        let Ok(Value::String(returned)) = returned else { panic!("{returned:?}") };
        let returned = String::from_utf8(returned).unwrap();
        assert!(
            returned.starts_with("0false")
                && returned.matches("use of closed network connection").count() == 3,
            "{returned}"
        );
        assert_eq!(said, "<open 192.0.2.1:25>ping1\n");
    }

    #[test]
    fn failures_of_open_are_answers_and_those_of_reads_are_raised() {
        for (address, expected) in [
            ("192.0.2.1", "missing port in address"),
            ("::1:5", "too many colons"),
            ("a:x", "invalid port"),
        ] {
            assert!(
                text(&format!("return (select(2, tcp.open('{address}')))"), &[]).contains(expected),
                "{address}"
            );
        }
        let refused = |op: Op| match op {
            Op::Connection(crate::op::ConnectionOp::Open(_)) => {
                Answer::Failed(Failure::Refused("dial tcp 192.0.2.1:25: connect: refused".into()))
            }
            op => panic!("{op:?}"),
        };
        let source =
            "local c, err = require('tcp').open('192.0.2.1:25', 1) assert(c == nil) return err";
        assert_eq!(
            eval_with(source, refused),
            Ok(Value::string("dial tcp 192.0.2.1:25: connect: refused"))
        );

        let mut server = Canned::new(&[]);
        let late = |op: Op| match op {
            Op::Connection(crate::op::ConnectionOp::Receive(..)) => {
                Answer::Failed(Failure::TimedOut)
            }
            op => server.answer(op),
        };
        // What timed out may be read on.
        let source =
            "local c = require('tcp').open('192.0.2.1:25') pcall(c.read, c) return c:read('*l')";
        let error = eval_with(source, late).unwrap_err();
        assert!(error.contains("read tcp 192.0.2.1:25: i/o timeout"), "{error}");
    }

    #[test]
    fn timeouts_are_fields() {
        let source = format!(
            "{OPEN} c.readTimeout = 0.5 c.unknown = 'x'
            local ok = pcall(function() c.writeTimeout = '1' end)
            return c.dialTimeout .. ' ' .. c.readTimeout .. ' ' .. c.writeTimeout .. ' ' .. c.closeTimeout .. tostring(c.unknown) .. tostring(ok)"
        );
        assert_eq!(text(&source, &[]), "5 0.5 1 1nilfalse");
    }

    #[test]
    fn wrong_arguments_raise() {
        for source in [
            "tcp.open()",
            "tcp.open({})",
            &format!("{OPEN} c:read('*x')"),
            &format!("{OPEN} c:write({{}})"),
            &format!("{OPEN} c.read({{}})"),
            &format!("{OPEN} getmetatable(c).__index = nil"),
        ] {
            assert!(run(source, &[]).0.is_err(), "{source}");
        }
    }

    #[test]
    fn a_run_has_so_many_connections_and_no_more() {
        let source = format!(
            "for i = 1, {CONNECTIONS_MAX} do assert(tcp.open('192.0.2.1:25')) end local c, err = tcp.open('192.0.2.1:25')
            assert(c == nil and err:find('open'), err)
            return 'refused'"
        );
        assert_eq!(text(&source, &[]), "refused");
        let source = format!(
            "for i = 1, {CONNECTIONS_MAX} * 2 do assert(tcp.open('192.0.2.1:25')):close() end return 'all'"
        );
        assert_eq!(text(&source, &[]), "all");
    }
}
