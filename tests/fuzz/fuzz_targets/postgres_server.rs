//! What a PostgreSQL server sends: messages in pieces, rows with columns out of the input, a login.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::sql::postgres::login::{Login, Step};
use loligo::proto::sql::postgres::message::{self, Column, ServerError, Taken};
use loligo::proto::sql::{Cell, Table};
use loligo::secret::Secret;
use postgres_protocol::message::backend::Message;

fuzz_target!(|input: &[u8]| {
    let Some((step, stream)) = input.split_first() else { return };
    assert_eq!(walk(stream, usize::from(*step).max(1)), walk(stream, stream.len().max(1)));
    let password = Secret::from("correct horse");
    let mut login = Login::new("u", &password);
    let mut from = 0;
    while let Ok(Taken::Message(message, consumed)) = message::take(&stream[from..]) {
        from += consumed;
        match login.answer(&message) {
            // In clear text only to who asks for that, which the address must have allowed.
            Ok(Step::Send(sent)) if !matches!(*message, Message::AuthenticationCleartextPassword) => {
                assert!(!sent.windows(7).any(|part| part == b"correct"));
            }
            Ok(Step::Send(_) | Step::Wait) => {}
            Ok(Step::Done) | Err(_) => break,
        }
    }
});

/// What the stream amounts to, shown in pieces: a word for each message, and the cells of all rows.
fn walk(stream: &[u8], step: usize) -> Vec<String> {
    let (mut seen, mut columns, mut from, mut shown) = (Vec::new(), Vec::<Column>::new(), 0, 0);
    loop {
        match message::take(&stream[from..shown]) {
            Ok(Taken::Short(count)) => {
                assert!(count > shown - from);
                if shown == stream.len() {
                    return seen;
                }
                shown = stream.len().min(shown + step);
            }
            Ok(Taken::Row(body, consumed)) => {
                let mut table = Table::new(columns.iter().map(|column| column.name.clone()).collect());
                if message::row(body, &columns, &mut table).is_ok() {
                    let cells: Vec<Cell<'_>> = table.rows().flatten().collect();
                    assert_eq!(cells.len(), columns.len());
                    seen.push(format!("{cells:?}"));
                }
                from += consumed;
            }
            Ok(Taken::Message(message, consumed)) => {
                match *message {
                    Message::RowDescription(body) => columns = message::columns(&body).unwrap_or_default(),
                    Message::ErrorResponse(body) => seen.push(ServerError::read(body.fields(), "SELECT\n1").to_string()),
                    Message::CommandComplete(body) => seen.push(message::rows_affected(body.tag().unwrap_or_default()).to_string()),
                    _ => {}
                }
                seen.push(consumed.to_string());
                from += consumed;
            }
            Err(error) => {
                seen.push(error.to_string());
                return seen;
            }
        }
    }
}
