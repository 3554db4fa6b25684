//! Rows of both protocols into a [`Table`].
//!
//! Numbers of all types are numbers, also FLOAT and BIGINT UNSIGNED, which the reference gives as
//! nil; an unsigned number above 2^63-1 is a text. DECIMAL stays a text with its scale. Dates are
//! texts, or Unix seconds if the address says `parseTime=true`.

use super::packet::{Column, take_int, take_text};
use crate::proto::sql::{Malformed, Table};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use mysql_common::constants::ColumnType;

/// How dates are shown.
#[derive(Clone, Debug, Default)]
pub enum Dates {
    /// `2018-12-02 03:33:05.250`.
    #[default]
    Text,
    /// Unix seconds, the civil time being that of the zone.
    Seconds(TimeZone),
}

/// Appends a row of the text protocol.
///
/// # Errors
/// It does not fit the columns, or the table is full.
pub fn text_row(
    payload: &[u8],
    columns: &[Column],
    dates: &Dates,
    table: &mut Table,
) -> Result<(), Malformed> {
    let mut rest = payload;
    for column in columns {
        if let Some((0xFB, behind)) = rest.split_first() {
            rest = behind;
            table.push_null();
            continue;
        }
        let text = take_text(&mut rest).ok_or(TRUNCATED)?;
        match number_of(text, column) {
            Some(number) => table.push_number(number),
            None => push_date_or_text(text, column, dates, table)?,
        }
    }
    if rest.is_empty() { table.check() } else { Err(TRUNCATED) }
}

/// Appends a row of the binary protocol.
///
/// # Errors
/// As [`text_row`].
pub fn binary_row(
    payload: &[u8],
    columns: &[Column],
    dates: &Dates,
    table: &mut Table,
) -> Result<(), Malformed> {
    let read = || {
        let (0, rest) = payload.split_first()? else { return None };
        // The bitmap of NULLs begins two bits late.
        rest.split_at_checked((columns.len() + 9) / 8)
    };
    let (nulls, mut rest) = read().ok_or(TRUNCATED)?;
    for (at, column) in columns.iter().enumerate() {
        let bit = at + 2;
        if nulls.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1) {
            table.push_null();
            continue;
        }
        binary_value(&mut rest, column, dates, table)?;
    }
    if rest.is_empty() { table.check() } else { Err(TRUNCATED) }
}

fn number_of(text: &[u8], column: &Column) -> Option<f64> {
    use ColumnType::*;
    let text = || std::str::from_utf8(text).ok();
    match column.kind {
        MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG
        | MYSQL_TYPE_LONGLONG | MYSQL_TYPE_YEAR => {
            text()?.parse::<i64>().ok().map(|number| number as f64)
        }
        MYSQL_TYPE_FLOAT | MYSQL_TYPE_DOUBLE => text()?.parse().ok(),
        _ => None,
    }
}

fn push_date_or_text(
    text: &[u8],
    column: &Column,
    dates: &Dates,
    table: &mut Table,
) -> Result<(), Malformed> {
    if let Dates::Seconds(zone) = dates
        && is_date(column.kind)
        && let Some(seconds) = date_of(text, zone)
    {
        table.push_number(seconds);
        return Ok(());
    }
    table.push_text(text)
}

fn is_date(kind: ColumnType) -> bool {
    use ColumnType::*;
    matches!(
        kind,
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE | MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIMESTAMP
    )
}

/// `2018-12-02` or `2018-12-02 03:33:05.250` as Unix seconds. The zero date of MySQL is the first
/// day of the year 1, as in the reference.
fn date_of(text: &[u8], zone: &TimeZone) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.starts_with("0000-00-00") {
        return Some(ZERO_DATE);
    }
    let civil = match text.split_once(' ') {
        Some(_) => text.parse::<DateTime>().ok()?,
        None => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
    };
    let timestamp = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    Some(timestamp.as_second() as f64 + f64::from(timestamp.subsec_nanosecond()) / 1e9)
}

fn binary_value(
    rest: &mut &[u8],
    column: &Column,
    dates: &Dates,
    table: &mut Table,
) -> Result<(), Malformed> {
    use ColumnType::*;
    match column.kind {
        MYSQL_TYPE_TINY => {
            let [byte] = take(rest)?;
            table.push_number(if column.unsigned {
                f64::from(byte)
            } else {
                f64::from(byte as i8)
            });
        }
        MYSQL_TYPE_SHORT | MYSQL_TYPE_YEAR => {
            let bytes = take(rest)?;
            table.push_number(if column.unsigned {
                f64::from(u16::from_le_bytes(bytes))
            } else {
                f64::from(i16::from_le_bytes(bytes))
            });
        }
        MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG => {
            let bytes = take(rest)?;
            table.push_number(if column.unsigned {
                f64::from(u32::from_le_bytes(bytes))
            } else {
                f64::from(i32::from_le_bytes(bytes))
            });
        }
        MYSQL_TYPE_LONGLONG => {
            let bytes = take(rest)?;
            let number = u64::from_le_bytes(bytes);
            match i64::try_from(number) {
                Err(_) if column.unsigned => table.push_text(number.to_string().as_bytes())?,
                _ => table.push_number(i64::from_le_bytes(bytes) as f64),
            }
        }
        // By way of its shortest text, so that 3.14 does not become 3.140000104904175.
        MYSQL_TYPE_FLOAT => {
            let float = f32::from_le_bytes(take(rest)?);
            table.push_number(float.to_string().parse().unwrap_or_else(|_| f64::from(float)));
        }
        MYSQL_TYPE_DOUBLE => table.push_number(f64::from_le_bytes(take(rest)?)),
        MYSQL_TYPE_TIME => {
            table.push_text(time_text(take_counted(rest)?, column.decimals)?.as_bytes())?
        }
        kind if is_date(kind) => push_date_or_text(
            date_text(take_counted(rest)?, column)?.as_bytes(),
            column,
            dates,
            table,
        )?,
        MYSQL_TYPE_NULL => table.push_null(),
        _ => table.push_text(take_text(rest).ok_or(TRUNCATED)?)?,
    }
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (bytes, behind) = rest.split_first_chunk().ok_or(TRUNCATED)?;
    *rest = behind;
    Ok(*bytes)
}

/// Bytes behind their length.
fn take_counted<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let len = take_int(rest).and_then(|len| usize::try_from(len).ok()).ok_or(TRUNCATED)?;
    let (bytes, behind) = rest.split_at_checked(len).ok_or(TRUNCATED)?;
    *rest = behind;
    Ok(bytes)
}

/// A date in binary, in the words of the text protocol.
fn date_text(bytes: &[u8], column: &Column) -> Result<String, Malformed> {
    let (day, time) = bytes.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let [a, b, month, day] = day;
    let mut text = format!("{:04}-{month:02}-{day:02}", u16::from_le_bytes([*a, *b]));
    if matches!(column.kind, ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE) {
        return Ok(text);
    }
    let (clock, fraction) = time.split_first_chunk::<3>().unwrap_or((&[0; 3], &[]));
    let [hour, minute, second] = clock;
    text.push_str(&format!(" {hour:02}:{minute:02}:{second:02}"));
    push_fraction(&mut text, fraction, column.decimals)?;
    Ok(text)
}

/// A duration in binary, in the words of the text protocol: `-12:34:56`, hours being as many as
/// there are.
fn time_text(bytes: &[u8], decimals: u8) -> Result<String, Malformed> {
    let (head, fraction) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    let [negative, a, b, c, d, hour, minute, second] = head;
    let hours = u64::from(u32::from_le_bytes([*a, *b, *c, *d])) * 24 + u64::from(*hour);
    let sign = if *negative == 1 { "-" } else { "" };
    let mut text = format!("{sign}{hours:02}:{minute:02}:{second:02}");
    push_fraction(&mut text, fraction, decimals)?;
    Ok(text)
}

/// Microseconds in so many digits; as many as there are if the column does not say.
fn push_fraction(text: &mut String, bytes: &[u8], decimals: u8) -> Result<(), Malformed> {
    let micros = match bytes {
        [] => 0,
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => return Err(TRUNCATED),
    };
    let digits = match decimals {
        0..=6 => usize::from(decimals),
        _ if micros == 0 => 0,
        _ => 6,
    };
    if digits > 0 {
        let all = format!("{micros:06}");
        text.push('.');
        text.push_str(all.get(..digits).unwrap_or(&all));
    }
    Ok(())
}

const TRUNCATED: Malformed = Malformed::Protocol("a row does not fit its columns");

/// Midnight of the first day of the year 1, UTC.
const ZERO_DATE: f64 = -62_135_596_800.0;

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
