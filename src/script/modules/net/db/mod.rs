//! `db`: SQL databases for scripts: MySQL, PostgreSQL, SQLite.
//!
//! ```lua
//! local db = require("db")
//! local mail, err = db.open("mysql", "auth:pw@tcp(127.0.0.1:3306)/mail", { shared = true, max_connections = 10 })
//! local find, err = mail:stmt("SELECT hash FROM users WHERE name = ?")
//! local result, err = find:query(request.username)        -- result.columns[i], result.rows[n][i]; NULL is nil
//! ```
//!
//! | function | gives |
//! |---|---|
//! | `open(driver, address[, options])` | a handle, or `nil, err`. Drivers `mysql`, `postgres`, `sqlite3`. Nothing is connected yet |
//! | `h:query(sql)` | `{ columns = {…}, rows = {{…}, …} }`, run in a transaction of its own |
//! | `h:exec(sql)` | `{ rows_affected = n, last_insert_id = n }`, in a transaction; no `last_insert_id` from PostgreSQL |
//! | `h:command(sql)` | as `query`, without a transaction (VACUUM, PRAGMA) |
//! | `h:stmt(sql)` | a prepared statement; placeholders are `?`, or `$1` with PostgreSQL |
//! | `s:query(…)`, `s:exec(…)` | as those of the handle, with values for the placeholders, without a transaction |
//! | `h:close()`, `s:close()` | nothing |
//!
//! Failures are `nil, err`; wrong types raise. Options: `shared` (one pool per address and worker;
//! the first `open` fixes the others), `max_connections` (1; per worker, 0 for as many as there may
//! be), `read_only` (of `query` and `exec`).
//!
//! Statements with values should be prepared: there is no function that quotes a value for
//! concatenation, and the text stays prepared on the connection, so that the next request saves the
//! round trip.
//!
//! Where the reference is silently wrong, this is not (`lua/modules/db.md`): FLOAT and BIGINT
//! UNSIGNED are numbers, a text in braces is a text unless it is a PostgreSQL array, a failing
//! COMMIT is an error, closing a shared handle closes it for its holder only, and who waits for a
//! connection does so for five seconds. A handle that is not shared is closed when its stage of the
//! request ends.

#[cfg(test)]
mod tests;

use crate::op::{Answer, Op, Subtask};
use crate::proto::sql::{Cell, Parameter, Table};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::upstream::sql::{Database, Error, Executed, How, Options, Request};
use std::cell::{Cell as Flag, RefCell};
use std::ffi::c_int;
use std::rc::Rc;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["db"],
    functions: &[Function { name: "open", body: open }],
    // Those but for `open` become methods in SETUP.
    waiting: &[
        Waiting { name: "query", start: |call| statement(call, How::InTransaction, true) },
        Waiting { name: "exec", start: |call| statement(call, How::InTransaction, false) },
        Waiting { name: "command", start: |call| statement(call, How::Plain, true) },
        Waiting { name: "stmt", start: prepare },
        Waiting { name: "stmt_query", start: |call| execute(call, true) },
        Waiting { name: "stmt_exec", start: |call| execute(call, false) },
    ],
    setup: Some(&SETUP),
    lua: None,
};

/// What `open` gives.
struct Handle {
    /// `None`: closed.
    database: RefCell<Option<Rc<Database>>>,
    shared: bool,
}

/// What `stmt` gives.
struct Statement {
    database: Rc<Database>,
    sql: Vec<u8>,
    closed: Flag<bool>,
}

/// Makes the types known, and moves the functions that wait from the module's table (the argument)
/// to where they belong.
static SETUP: Function = Function {
    name: "setup",
    body: |call| {
        call.register_type::<Handle>(&[Function { name: "close", body: close }]);
        call.register_type::<Statement>(&[Function { name: "close", body: close_statement }]);
        call.push_type::<Handle>()?;
        move_methods(
            call,
            &[("query", "query"), ("exec", "exec"), ("command", "command"), ("stmt", "stmt")],
        );
        call.push_type::<Statement>()?;
        move_methods(call, &[("stmt_query", "query"), ("stmt_exec", "exec")]);
        Ok(0)
    },
};

/// Moves functions out of the table at 1 into the methods of the type whose metatable is on top,
/// which is popped.
fn move_methods(call: &Call<'_>, names: &[(&str, &str)]) {
    call.push_field(-1, "__index");
    let methods = call.len();
    for (from, to) in names {
        call.push_field(1, from);
        call.set_field(methods, to);
        call.push_nil();
        call.set_field(1, from);
    }
    call.pop(2);
}

fn open(call: &Call<'_>) -> Result<c_int, Fault> {
    let driver = call.text(1)?;
    let address = call.text(2)?;
    let options = if call.len() < 3 { Options::default() } else { options(call, 3)? };
    let (slot, reuse) = call.run().map(|run| (run.slot, run.reuse))?;
    // What a script keeps from request to request must outlive this one.
    let owner = (!reuse).then_some(slot);
    match call.services().databases.open(&driver, &address, options, owner) {
        Ok(database) => {
            call.push_userdata(Handle {
                database: RefCell::new(Some(database)),
                shared: options.shared,
            })?;
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

fn options(call: &Call<'_>, at: c_int) -> Result<Options, Fault> {
    call.table(at)?;
    let mut options = Options::default();
    let flag = |name: &str, default: bool| {
        let kind = call.push_field(at, name);
        let value = call.truthy(-1);
        call.pop(1);
        match kind {
            Kind::Nil => Ok(default),
            Kind::Bool => Ok(value),
            _ => Err(Fault::message(format!("{name} must be bool"))),
        }
    };
    options.shared = flag("shared", false)?;
    options.read_only = flag("read_only", false)?;
    match call.push_field(at, "max_connections") {
        Kind::Nil => {}
        Kind::Number => {
            let wanted = usize::try_from(call.raw_number(-1) as i64).unwrap_or(0);
            options.max_connections =
                if wanted == 0 { CONNECTIONS_MAX } else { wanted.min(CONNECTIONS_MAX) };
        }
        _ => return Err(Fault::message("max_connections must be number")),
    }
    call.pop(1);
    Ok(options)
}

/// `h:close()`. Of a shared database only this handle is closed.
fn close(call: &Call<'_>) -> Result<c_int, Fault> {
    let handle = handle(call)?;
    if let Some(database) = handle.database.take()
        && !handle.shared
    {
        database.close();
    }
    Ok(0)
}

fn close_statement(call: &Call<'_>) -> Result<c_int, Fault> {
    statement_of(call)?.closed.set(true);
    Ok(0)
}

/// `h:query(sql)`, `h:exec(sql)`, `h:command(sql)`.
fn statement(call: &Call<'_>, how: How, rows: bool) -> Result<Start, Fault> {
    let handle = handle(call)?;
    let sql = call.string(2)?.into_owned();
    let Some(database) = handle.database.borrow().clone() else {
        return Ok(refuse(call, Error::Closed));
    };
    let show = if rows { push_rows } else { push_summary };
    Ok(ask(database, Request { sql, how, rows }, Finish::Plain(show, 0)))
}

/// `h:stmt(sql)`.
fn prepare(call: &Call<'_>) -> Result<Start, Fault> {
    let handle = handle(call)?;
    let sql = call.string(2)?.into_owned();
    let Some(database) = handle.database.borrow().clone() else {
        return Ok(refuse(call, Error::Closed));
    };
    let statement =
        Statement { database: database.clone(), sql: sql.clone(), closed: Flag::new(false) };
    let finish = move |call: &Call<'_>, answer: Answer| match outcome(answer) {
        Ok(_) => call.push_userdata(statement).map(|()| Start::Done(1)),
        Err(error) => Ok(refuse(call, error)),
    };
    Ok(ask(
        database,
        Request { sql, how: How::Prepare, rows: false },
        Finish::Boxed(Box::new(finish)),
    ))
}

/// `s:query(…)`, `s:exec(…)`.
fn execute(call: &Call<'_>, rows: bool) -> Result<Start, Fault> {
    let statement = statement_of(call)?;
    if statement.closed.get() {
        return Ok(refuse(call, "sql: statement is closed"));
    }
    let parameters = match (2..=call.len()).map(|at| parameter(call, at)).collect() {
        Ok(parameters) => parameters,
        Err(text) => return Ok(refuse(call, text)),
    };
    let request = Request { sql: statement.sql.clone(), how: How::Prepared(parameters), rows };
    let show = if rows { push_rows } else { push_summary };
    Ok(ask(statement.database.clone(), request, Finish::Plain(show, 0)))
}

fn parameter(call: &Call<'_>, at: c_int) -> Result<Parameter, String> {
    Ok(match call.kind(at) {
        Kind::Nil | Kind::None => Parameter::Null,
        Kind::Bool => Parameter::Bool(call.truthy(at)),
        Kind::Number => Parameter::Number(call.raw_number(at)),
        Kind::String => Parameter::Text(call.bytes(at).to_vec()),
        kind => {
            return Err(format!(
                "sql: converting argument ${} type: unsupported type {}",
                at - 1,
                kind.name()
            ));
        }
    })
}

/// Has a request done. The script's own limit is all that bounds it, beside those of the address.
fn ask(database: Rc<Database>, request: Request, finish: Finish) -> Start {
    let running = Subtask::new(move |ops| database.run(ops, request));
    Start::Wait { op: Op::Run(running), limit: Duration::MAX, finish }
}

fn outcome(answer: Answer) -> Result<Executed, Error> {
    answer.done::<Result<Executed, Error>>()?
}

fn push_rows(call: &Call<'_>, answer: Answer, _: u64) -> Result<c_int, Fault> {
    match outcome(answer) {
        Ok(outcome) => push_table(call, &outcome.table),
        Err(error) => return Ok(call.nil_and(error.to_string())),
    }
    Ok(1)
}

fn push_summary(call: &Call<'_>, answer: Answer, _: u64) -> Result<c_int, Fault> {
    match outcome(answer) {
        Ok(outcome) => {
            call.push_table(0, 2);
            let result = call.len();
            call.push_number(outcome.rows_affected as f64);
            call.set_field(result, "rows_affected");
            if let Some(id) = outcome.last_insert_id {
                call.push_number(id as f64);
                call.set_field(result, "last_insert_id");
            }
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `{ columns = {…}, rows = {{…}, …} }`. NULL is a hole.
fn push_table(call: &Call<'_>, table: &Table) {
    call.push_table(0, 2);
    let result = call.len();
    push_list(call, table.columns());
    call.set_field(result, "columns");
    call.push_table(table.len(), 0);
    let rows = call.len();
    for (number, row) in table.rows().enumerate() {
        call.push_table(table.columns().len(), 0);
        let list = call.len();
        for (at, cell) in row.enumerate() {
            match cell {
                Cell::Null => continue,
                Cell::Bool(value) => call.push_bool(value),
                Cell::Number(value) => call.push_number(value),
                Cell::Text(text) => call.push_string(text),
                Cell::List(members) => push_list(call, members),
            }
            call.set_index(list, at + 1);
        }
        call.set_index(rows, number + 1);
    }
    call.set_field(result, "rows");
}

fn push_list(call: &Call<'_>, texts: &[Vec<u8>]) {
    call.push_table(texts.len(), 0);
    let list = call.len();
    for (at, text) in texts.iter().enumerate() {
        call.push_string(text);
        call.set_index(list, at + 1);
    }
}

/// `nil, text`, without a wait.
fn refuse(call: &Call<'_>, error: impl ToString) -> Start {
    Start::Done(call.nil_and(error.to_string()))
}

fn handle<'a>(call: &'a Call<'_>) -> Result<&'a Handle, Fault> {
    call.userdata(1).ok_or_else(|| Fault::Argument(1, "db expected".into()))
}

fn statement_of<'a>(call: &'a Call<'_>) -> Result<&'a Statement, Fault> {
    call.userdata(1).ok_or_else(|| Fault::Argument(1, "stmt expected".into()))
}

/// Connections of one database and worker: what 0 means, and more is not given.
const CONNECTIONS_MAX: usize = 1024;
