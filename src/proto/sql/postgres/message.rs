//! Messages of a server: cut out of the input, rows and errors read.
//!
//! Bounds: a message of [`RESULT_BYTES_MAX`].

use super::value::{self, Type};
use crate::proto::sql::{Malformed, RESULT_BYTES_MAX, Table};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{
    DATA_ROW_TAG, ErrorFields, Header, Message, RowDescriptionBody,
};
use std::fmt;

/// What came of looking for a message.
pub enum Taken<'a> {
    /// So many bytes of input are needed, all together.
    Short(usize),
    /// A row, and how many bytes are to be consumed once it is read.
    Row(&'a [u8], usize),
    /// Any other message, and how many bytes are to be consumed.
    Message(Box<Message>, usize),
}

/// The next message of `input`.
///
/// # Errors
/// It is none that the protocol knows, or too large.
pub fn take(input: &[u8]) -> Result<Taken<'_>, Malformed> {
    let Some(header) = Header::parse(input).map_err(|_| UNKNOWN)? else {
        return Ok(Taken::Short(5));
    };
    let len = usize::try_from(header.len()).map_err(|_| UNKNOWN)? + 1;
    if len > RESULT_BYTES_MAX {
        return Err(Malformed::TooLarge);
    }
    let Some(bytes) = input.get(..len) else { return Ok(Taken::Short(len)) };
    if header.tag() == DATA_ROW_TAG {
        return Ok(Taken::Row(bytes.get(5..).unwrap_or_default(), len));
    }
    match Message::parse(&mut BytesMut::from(bytes)) {
        Ok(Some(message)) => Ok(Taken::Message(Box::new(message), len)),
        _ => Err(UNKNOWN),
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: Vec<u8>,
    pub kind: Type,
}

/// The columns that a description names.
///
/// # Errors
/// It is cut off.
pub fn columns(description: &RowDescriptionBody) -> Result<Vec<Column>, Malformed> {
    let read = |field: postgres_protocol::message::backend::Field<'_>| {
        Ok(Column { name: field.name().as_bytes().to_vec(), kind: Type::of(field.type_oid()) })
    };
    description
        .fields()
        .map(read)
        .collect()
        .map_err(|_| Malformed::Protocol("a description of columns is not understood"))
}

/// Appends a row, whose values are all in text form.
///
/// # Errors
/// It does not fit the columns, or the table is full.
pub fn row(body: &[u8], columns: &[Column], table: &mut Table) -> Result<(), Malformed> {
    let (count, mut rest) = body.split_first_chunk().ok_or(BAD_ROW)?;
    if usize::from(u16::from_be_bytes(*count)) != columns.len() {
        return Err(BAD_ROW);
    }
    for column in columns {
        let (len, behind) = rest.split_first_chunk().ok_or(BAD_ROW)?;
        rest = behind;
        // Below zero: NULL.
        let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
            table.push_null();
            continue;
        };
        let (text, behind) = rest.split_at_checked(len).ok_or(BAD_ROW)?;
        rest = behind;
        value::push(text, column.kind, table)?;
    }
    if rest.is_empty() { table.check() } else { Err(BAD_ROW) }
}

/// How many rows a command tag counts: `INSERT 0 5`, `SELECT 3`; 0 if it counts none.
pub fn rows_affected(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// What the server refused, in its words: `pq: relation "nosuch" does not exist at column 15
/// (42P01)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    pub message: String,
    pub code: String,
    /// Line and column in the statement, from 1.
    pub position: Option<(usize, usize)>,
}

impl ServerError {
    /// `statement` is what was asked, for the position within it.
    pub fn read(mut fields: ErrorFields<'_>, statement: &str) -> ServerError {
        let mut error = ServerError::default();
        // A broken end leaves what was read.
        while let Ok(Some(field)) = fields.next() {
            let text = String::from_utf8_lossy(field.value_bytes());
            match field.type_() {
                b'M' => error.message = text.into_owned(),
                b'C' => error.code = text.into_owned(),
                b'P' => error.position = text.parse().ok().and_then(|at| place(statement, at)),
                _ => {}
            }
        }
        error
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pq: {}", self.message)?;
        match self.position {
            Some((1, column)) => write!(f, " at column {column}")?,
            Some((line, column)) => write!(f, " at position {line}:{column}")?,
            None => {}
        }
        if self.code.is_empty() { Ok(()) } else { write!(f, " ({})", self.code) }
    }
}

/// Line and column of the character number `at`.
fn place(statement: &str, at: usize) -> Option<(usize, usize)> {
    let before: Vec<char> = statement.chars().take(at.checked_sub(1)?).collect();
    if before.len() + 1 < at {
        return None;
    }
    let line = before.iter().filter(|c| **c == '\n').count() + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
    Some((line, column))
}

const UNKNOWN: Malformed = Malformed::Protocol("unknown message");
const BAD_ROW: Malformed = Malformed::Protocol("a row does not fit its columns");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sql::Cell;
    use proptest::prelude::*;

    fn text_columns(count: usize) -> Vec<Column> {
        (0..count).map(|_| Column { name: b"c".to_vec(), kind: Type::Text }).collect()
    }

    #[test]
    fn messages_are_cut_out_of_the_input() {
        let input = b"Z\0\0\0\x05IC\0\0\0\x0dSELECT 3\0D\0\0\0\x06\0\0";
        for shown in 0..6 {
            assert!(
                matches!(take(&input[..shown]), Ok(Taken::Short(need)) if need > shown),
                "{shown}"
            );
        }
        assert!(
            matches!(take(input), Ok(Taken::Message(message, 6)) if matches!(*message, Message::ReadyForQuery(_)))
        );
        assert!(
            matches!(take(&input[6..]), Ok(Taken::Message(message, 14)) if matches!(*message, Message::CommandComplete(_)))
        );
        assert!(matches!(take(&input[20..]), Ok(Taken::Row(b"\0\0", 7))));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for input in [
            &b"Z\0\0\0\x03"[..],
            b"Z\xFF\0\0\0",
            b"?\0\0\0\x04",
            b"Z\0\0\0\x04",
            b"R\0\0\0\x08\0\0\0\x63",
        ] {
            assert!(take(input).is_err(), "{input:?}");
        }
        assert!(matches!(take(b"D\x7F\0\0\0"), Err(Malformed::TooLarge)));
    }

    #[test]
    fn rows_are_read() {
        let mut table = Table::new(vec![Vec::new(); 3]);
        row(b"\0\x03\0\0\0\x02hi\xFF\xFF\xFF\xFF\0\0\0\0", &text_columns(3), &mut table).unwrap();
        let cells: Vec<_> = table.rows().flatten().collect();
        assert_eq!(cells, [Cell::Text(b"hi"), Cell::Null, Cell::Text(b"")]);
        for bad in [&b""[..], b"\0\x02", b"\0\x01", b"\0\x01\0\0\0\x02h", b"\0\x01\0\0\0\x01hi"] {
            assert_eq!(row(bad, &text_columns(1), &mut table), Err(BAD_ROW), "{bad:?}");
        }
    }

    #[test]
    fn errors_tell_where_and_why() {
        let error = |code: &str, position| ServerError {
            message: "no such".into(),
            code: code.into(),
            position,
        };
        assert_eq!(
            error("42P01", place("SELECT x", 8)).to_string(),
            "pq: no such at column 8 (42P01)"
        );
        assert_eq!(error("", place("a\nbc", 4)).to_string(), "pq: no such at position 2:2");
        assert_eq!(error("28P01", None).to_string(), "pq: no such (28P01)");
        assert_eq!((place("ab", 0), place("ab", 3), place("ab", 4)), (None, Some((1, 3)), None));
    }

    #[test]
    fn command_tags_count() {
        for (tag, count) in [("INSERT 0 5", 5), ("SELECT 3", 3), ("CREATE TABLE", 0), ("", 0)] {
            assert_eq!(rows_affected(tag), count, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn nothing_a_server_sends_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Taken::Message(message, _)) = take(&bytes) {
                match *message {
                    Message::ErrorResponse(body) => drop(ServerError::read(body.fields(), "SELECT").to_string()),
                    Message::RowDescription(body) => drop(columns(&body)),
                    _ => {}
                }
            }
            let _ = row(&bytes, &text_columns(2), &mut Table::new(vec![Vec::new(); 2]));
        }
    }
}
