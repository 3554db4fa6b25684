//! Packets: framing both ways, and the answers of a server but for rows.
//!
//! A payload goes out in chunks of at most [`CHUNK_MAX`] bytes, each with its length and a sequence
//! number; one of exactly that length is followed by another. Bounds: a payload of
//! [`RESULT_BYTES_MAX`], [`COLUMNS_MAX`].

use crate::proto::sql::{Malformed, RESULT_BYTES_MAX};
use mysql_common::constants::{CapabilityFlags, ColumnFlags, ColumnType, StatusFlags};
use std::fmt;

/// What came of looking for a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// So many bytes of input are needed, all together.
    Short(usize),
    /// So many bytes are to be consumed; `last`: the payload is complete.
    Taken { consumed: usize, last: bool },
}

/// Appends the next chunk of `input` to `payload`. `sequence` is the number that it must carry, and
/// is counted on.
///
/// # Errors
/// Another number, or a payload that is too large.
pub fn take_chunk(
    input: &[u8],
    sequence: &mut u8,
    payload: &mut Vec<u8>,
) -> Result<Chunk, Malformed> {
    let Some(([a, b, c, number], rest)) = input.split_first_chunk::<4>() else {
        return Ok(Chunk::Short(HEADER));
    };
    let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if number != sequence {
        return Err(Malformed::Protocol("packets out of order"));
    }
    if payload.len() + len > RESULT_BYTES_MAX {
        return Err(Malformed::TooLarge);
    }
    let Some(body) = rest.get(..len) else { return Ok(Chunk::Short(HEADER + len)) };
    payload.extend_from_slice(body);
    *sequence = sequence.wrapping_add(1);
    Ok(Chunk::Taken { consumed: HEADER + len, last: len < CHUNK_MAX })
}

/// Appends the chunks of `payload` to `out`, the first with number `sequence`, which is counted on.
pub fn compose(payload: &[u8], sequence: &mut u8, out: &mut Vec<u8>) {
    let mut rest = payload;
    loop {
        let (chunk, behind) = rest.split_at(rest.len().min(CHUNK_MAX));
        let [a, b, c, _] = (chunk.len() as u32).to_le_bytes();
        out.extend_from_slice(&[a, b, c, *sequence]);
        out.extend_from_slice(chunk);
        *sequence = sequence.wrapping_add(1);
        rest = behind;
        if chunk.len() < CHUNK_MAX {
            return;
        }
    }
}

/// An answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done(Done),
    Error(ServerError),
    /// A result set with so many columns follows.
    Columns(usize),
    /// The server asks for a file of ours.
    LocalInfile,
}

/// What an OK packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub affected_rows: u64,
    pub last_insert_id: u64,
    pub status: Status,
}

/// What a server says of its state behind a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Another result follows.
    pub more_results: bool,
    pub in_transaction: bool,
}

/// What the server refused, in its words: `Error 1064 (42000): You have an error in your SQL syntax
/// …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    pub code: u16,
    /// Missing before the login is through.
    pub state: Option<[u8; 5]>,
    pub message: String,
}

/// What a row needs to know of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: Vec<u8>,
    /// The table's name or alias, empty for an expression.
    pub table: Vec<u8>,
    pub kind: ColumnType,
    pub unsigned: bool,
    /// Digits of fractional seconds; 31 if they vary.
    pub decimals: u8,
}

/// The answer to a prepared statement: its number, and how many definitions of parameters and of
/// columns follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub id: u32,
    pub columns: usize,
    pub parameters: usize,
}

/// How a packet in the place of a row is to be taken.
#[derive(Debug, PartialEq, Eq)]
pub enum RowOrEnd<'a> {
    Row(&'a [u8]),
    End(Status),
    Error(ServerError),
}

/// Reads the first packet of an answer.
///
/// # Errors
/// It is none, or has too many columns.
pub fn reply(payload: &[u8]) -> Result<Reply, Malformed> {
    match payload.first() {
        Some(0x00) => done(payload).map(Reply::Done),
        Some(0xFF) => error(payload).map(Reply::Error),
        Some(0xFB) => Ok(Reply::LocalInfile),
        _ => {
            let mut rest = payload;
            let columns = take_int(&mut rest)
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| *count > 0);
            let columns =
                columns.filter(|_| rest.is_empty()).ok_or(Malformed::Protocol("unknown answer"))?;
            if columns > COLUMNS_MAX {
                Err(Malformed::Protocol("too many columns"))
            } else {
                Ok(Reply::Columns(columns))
            }
        }
    }
}

/// Reads a packet in the place of a row.
///
/// # Errors
/// A truncated end or error.
pub fn row_or_end(payload: &[u8]) -> Result<RowOrEnd<'_>, Malformed> {
    match payload.first() {
        // A row may begin with the same byte: the length of a text of 16 MiB or more.
        Some(0xFE) if payload.len() < 9 => eof(payload).map(RowOrEnd::End),
        Some(0xFF) => error(payload).map(RowOrEnd::Error),
        _ => Ok(RowOrEnd::Row(payload)),
    }
}

/// Reads an OK packet.
pub fn done(payload: &[u8]) -> Result<Done, Malformed> {
    let read = || {
        let mut rest = payload.split_first()?.1;
        let affected_rows = take_int(&mut rest)?;
        let last_insert_id = take_int(&mut rest)?;
        let (flags, _) = rest.split_first_chunk::<2>()?;
        Some(Done { affected_rows, last_insert_id, status: Status::read(*flags) })
    };
    read().ok_or(Malformed::Protocol("truncated OK packet"))
}

/// Reads an EOF packet.
pub fn eof(payload: &[u8]) -> Result<Status, Malformed> {
    match payload {
        [0xFE, _, _, a, b, ..] => Ok(Status::read([*a, *b])),
        _ => Err(Malformed::Protocol("truncated EOF packet")),
    }
}

/// Reads an error packet.
pub fn error(payload: &[u8]) -> Result<ServerError, Malformed> {
    let Some(([0xFF, a, b], rest)) = payload.split_first_chunk::<3>() else {
        return Err(Malformed::Protocol("truncated error packet"));
    };
    let (state, message) = match rest.split_first_chunk::<6>() {
        Some(([b'#', state @ ..], message)) => (Some(*state), message),
        _ => (None, rest),
    };
    Ok(ServerError {
        code: u16::from_le_bytes([*a, *b]),
        state,
        message: String::from_utf8_lossy(message).into_owned(),
    })
}

/// Reads a column's definition.
pub fn column(payload: &[u8]) -> Result<Column, Malformed> {
    let read = || {
        let mut rest = payload;
        let _catalog = take_text(&mut rest)?;
        let _schema = take_text(&mut rest)?;
        let table = take_text(&mut rest)?.to_vec();
        let _original_table = take_text(&mut rest)?;
        let name = take_text(&mut rest)?.to_vec();
        let _original_name = take_text(&mut rest)?;
        let ([_, _, _, _, _, _, _, kind, a, b, decimals], _) = rest.split_first_chunk::<11>()?;
        let flags = ColumnFlags::from_bits_truncate(u16::from_le_bytes([*a, *b]));
        let kind = ColumnType::try_from(*kind).unwrap_or(ColumnType::MYSQL_TYPE_STRING);
        Some(Column {
            name,
            table,
            kind,
            unsigned: flags.contains(ColumnFlags::UNSIGNED_FLAG),
            decimals: *decimals,
        })
    };
    read().ok_or(Malformed::Protocol("truncated column definition"))
}

/// Reads the answer to a prepared statement that is no error.
pub fn prepared(payload: &[u8]) -> Result<Prepared, Malformed> {
    let Some(([0, a, b, c, d, e, f, g, h], _)) = payload.split_first_chunk::<9>() else {
        return Err(Malformed::Protocol("truncated answer to a prepared statement"));
    };
    let count = |a: &u8, b: &u8| usize::from(u16::from_le_bytes([*a, *b]));
    Ok(Prepared {
        id: u32::from_le_bytes([*a, *b, *c, *d]),
        columns: count(e, f),
        parameters: count(g, h),
    })
}

impl Status {
    fn read(flags: [u8; 2]) -> Status {
        let flags = StatusFlags::from_bits_truncate(u16::from_le_bytes(flags));
        Status {
            more_results: flags.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS),
            in_transaction: flags.contains(StatusFlags::SERVER_STATUS_IN_TRANS),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            Some(state) => write!(
                f,
                "Error {} ({}): {}",
                self.code,
                String::from_utf8_lossy(&state),
                self.message
            ),
            None => write!(f, "Error {}: {}", self.code, self.message),
        }
    }
}

/// A length-encoded number; `None` also for the byte that stands for NULL.
pub(super) fn take_int(rest: &mut &[u8]) -> Option<u64> {
    let (first, behind) = rest.split_first()?;
    let width = match first {
        0xFB | 0xFF => return None,
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        small => {
            *rest = behind;
            return Some(u64::from(*small));
        }
    };
    let mut bytes = [0; 8];
    bytes.get_mut(..width)?.copy_from_slice(behind.get(..width)?);
    *rest = behind.get(width..)?;
    Some(u64::from_le_bytes(bytes))
}

/// A length-encoded text.
pub(super) fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_int(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(text)
}

/// What both sides must be able to do: the server since version 4.1.
pub const NEEDED: CapabilityFlags =
    CapabilityFlags::CLIENT_PROTOCOL_41.union(CapabilityFlags::CLIENT_SECURE_CONNECTION);

const HEADER: usize = 4;

/// The longest chunk.
pub const CHUNK_MAX: usize = 0xFF_FFFF;

/// MySQL's own limit is 4096.
const COLUMNS_MAX: usize = 4096;

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
