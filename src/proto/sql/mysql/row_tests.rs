use super::*;
use crate::proto::sql::Cell;
use ColumnType::*;
use proptest::prelude::*;

fn column(kind: ColumnType) -> Column {
    Column { name: b"c".to_vec(), table: Vec::new(), kind, unsigned: false, decimals: 0 }
}

fn text_cell(text: &str, column: Column, dates: &Dates) -> String {
    let mut payload = vec![text.len() as u8];
    payload.extend_from_slice(text.as_bytes());
    let mut table = Table::new(vec![b"c".to_vec()]);
    text_row(&payload, &[column], dates, &mut table).unwrap();
    show(&table)
}

fn binary_cell(value: &[u8], column: Column, dates: &Dates) -> Result<String, Malformed> {
    let mut table = Table::new(vec![b"c".to_vec()]);
    binary_row(&[&[0, 0], value].concat(), &[column], dates, &mut table)?;
    Ok(show(&table))
}

fn show(table: &Table) -> String {
    match table.rows().next().and_then(|mut row| row.next()) {
        Some(Cell::Text(text)) => format!("'{}'", String::from_utf8_lossy(text)),
        Some(Cell::Number(number)) => number.to_string(),
        cell => format!("{cell:?}"),
    }
}

#[test]
fn texts_become_what_their_columns_say() {
    for (kind, text, shown) in [
        (MYSQL_TYPE_TINY, "-5", "-5"),
        (MYSQL_TYPE_LONGLONG, "-9007199254740991", "-9007199254740991"),
        (MYSQL_TYPE_LONGLONG, "18446744073709551615", "'18446744073709551615'"),
        (MYSQL_TYPE_YEAR, "2024", "2024"),
        (MYSQL_TYPE_FLOAT, "3.14", "3.14"),
        (MYSQL_TYPE_DOUBLE, "1e300", &format!("{}", 1e300)),
        (MYSQL_TYPE_NEWDECIMAL, "3.50", "'3.50'"),
        (MYSQL_TYPE_VAR_STRING, "{PLAIN}", "'{PLAIN}'"),
        (MYSQL_TYPE_DATETIME, "2018-12-02 03:33:05.250", "'2018-12-02 03:33:05.250'"),
        (MYSQL_TYPE_TIME, "-12:34:56", "'-12:34:56'"),
        (MYSQL_TYPE_BIT, "\x05", "'\x05'"),
    ] {
        assert_eq!(text_cell(text, column(kind), &Dates::Text), shown, "{kind:?} {text}");
    }
}

#[test]
fn dates_become_seconds_on_demand() {
    let utc = Dates::Seconds(TimeZone::UTC);
    let berlin = Dates::Seconds(TimeZone::get("Europe/Berlin").unwrap());
    for (kind, text, dates, shown) in [
        (MYSQL_TYPE_DATE, "2018-12-02", &utc, "1543708800"),
        (MYSQL_TYPE_DATETIME, "2018-12-02 03:33:05.250", &utc, "1543721585.25"),
        (MYSQL_TYPE_TIMESTAMP, "2018-12-02 03:33:05", &berlin, "1543717985"),
        (MYSQL_TYPE_DATETIME, "0000-00-00 00:00:00", &utc, "-62135596800"),
        (MYSQL_TYPE_DATETIME, "2018-00-00 00:00:00", &utc, "'2018-00-00 00:00:00'"),
        (MYSQL_TYPE_VAR_STRING, "2018-12-02", &utc, "'2018-12-02'"),
    ] {
        assert_eq!(text_cell(text, column(kind), dates), shown, "{kind:?} {text}");
    }
}

#[test]
fn binary_values_become_what_their_columns_say() {
    let unsigned = |kind| Column { unsigned: true, ..column(kind) };
    let precise = |kind, decimals| Column { decimals, ..column(kind) };
    for (column, bytes, shown) in [
        (column(MYSQL_TYPE_TINY), &[0xFB][..], "-5"),
        (unsigned(MYSQL_TYPE_TINY), &[0xFB], "251"),
        (column(MYSQL_TYPE_SHORT), &[0xFF, 0xFF], "-1"),
        (unsigned(MYSQL_TYPE_LONG), &[0xFF, 0xFF, 0xFF, 0xFF], "4294967295"),
        (column(MYSQL_TYPE_LONGLONG), &[0xFF; 8], "-1"),
        (unsigned(MYSQL_TYPE_LONGLONG), &[0xFF; 8], "'18446744073709551615'"),
        (column(MYSQL_TYPE_FLOAT), &6.3f32.to_le_bytes(), "6.3"),
        (column(MYSQL_TYPE_DOUBLE), &0.1f64.to_le_bytes(), "0.1"),
        (column(MYSQL_TYPE_VAR_STRING), b"\x02hi", "'hi'"),
        (column(MYSQL_TYPE_DATE), &[4, 0xE2, 0x07, 12, 2], "'2018-12-02'"),
        (column(MYSQL_TYPE_DATE), &[0], "'0000-00-00'"),
        (column(MYSQL_TYPE_DATETIME), &[4, 0xE2, 0x07, 12, 2], "'2018-12-02 00:00:00'"),
        (column(MYSQL_TYPE_DATETIME), &[7, 0xE2, 0x07, 12, 2, 3, 33, 5], "'2018-12-02 03:33:05'"),
        (
            precise(MYSQL_TYPE_DATETIME, 3),
            &[11, 0xE2, 0x07, 12, 2, 3, 33, 5, 0x90, 0xD0, 3, 0],
            "'2018-12-02 03:33:05.250'",
        ),
        (
            precise(MYSQL_TYPE_DATETIME, 3),
            &[7, 0xE2, 0x07, 12, 2, 3, 33, 5],
            "'2018-12-02 03:33:05.000'",
        ),
        (
            precise(MYSQL_TYPE_DATETIME, 31),
            &[11, 0xE2, 0x07, 12, 2, 3, 33, 5, 1, 0, 0, 0],
            "'2018-12-02 03:33:05.000001'",
        ),
        (column(MYSQL_TYPE_TIME), &[0], "'00:00:00'"),
        (column(MYSQL_TYPE_TIME), &[8, 1, 2, 0, 0, 0, 3, 4, 5], "'-51:04:05'"),
    ] {
        assert_eq!(
            binary_cell(bytes, column.clone(), &Dates::Text).as_deref(),
            Ok(shown),
            "{column:?} {bytes:?}"
        );
    }
    let utc = Dates::Seconds(TimeZone::UTC);
    assert_eq!(
        binary_cell(&[7, 0xE2, 0x07, 12, 2, 3, 33, 5], column(MYSQL_TYPE_DATETIME), &utc)
            .as_deref(),
        Ok("1543721585")
    );
}

#[test]
fn nulls_are_found_by_their_bits() {
    let columns: Vec<Column> = (0..9).map(|_| column(MYSQL_TYPE_TINY)).collect();
    let mut table = Table::new(vec![Vec::new(); 9]);
    // Columns 0, 6 and 8 are NULL: bits 2, 8 and 10.
    binary_row(
        &[0, 0b0000_0100, 0b0000_0101, 1, 2, 3, 4, 5, 7],
        &columns,
        &Dates::Text,
        &mut table,
    )
    .unwrap();
    let row: Vec<_> = table
        .rows()
        .next()
        .unwrap()
        .map(|cell| if let Cell::Number(n) = cell { n as i32 } else { -1 })
        .collect();
    assert_eq!(row, [-1, 1, 2, 3, 4, 5, -1, 7, -1]);
    let mut table = Table::new(vec![Vec::new()]);
    text_row(&[0xFB], &[column(MYSQL_TYPE_VAR_STRING)], &Dates::Text, &mut table).unwrap();
    assert_eq!(show(&table), "Some(Null)");
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let mut table = Table::new(vec![Vec::new()]);
    let text = [column(MYSQL_TYPE_VAR_STRING)];
    for payload in [&b""[..], b"\x02x", b"\x01xy", b"\xFF"] {
        assert_eq!(
            text_row(payload, &text, &Dates::Text, &mut table),
            Err(TRUNCATED),
            "{payload:?}"
        );
    }
    for value in [&b""[..], b"\x02x", b"\x01xy"] {
        assert_eq!(
            binary_cell(value, column(MYSQL_TYPE_VAR_STRING), &Dates::Text),
            Err(TRUNCATED),
            "{value:?}"
        );
    }
    assert_eq!(binary_cell(&[1, 2, 3], column(MYSQL_TYPE_LONG), &Dates::Text), Err(TRUNCATED));
    assert_eq!(
        binary_cell(&[9, 0, 0, 0, 0, 0, 0, 0, 0, 0], column(MYSQL_TYPE_TIME), &Dates::Text),
        Err(TRUNCATED)
    );
}

proptest! {
    #[test]
    fn nothing_a_server_sends_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), kinds in proptest::collection::vec(any::<u8>(), 1..6)) {
        let columns: Vec<Column> = kinds.iter().map(|kind| Column {
            unsigned: kind & 1 == 1,
            decimals: kind % 40,
            ..column(ColumnType::try_from(*kind).unwrap_or(MYSQL_TYPE_DATETIME))
        }).collect();
        for dates in [Dates::Text, Dates::Seconds(TimeZone::UTC)] {
            let mut table = Table::new(vec![Vec::new(); columns.len()]);
            let _ = text_row(&bytes, &columns, &dates, &mut table);
            let _ = binary_row(&bytes, &columns, &dates, &mut table);
        }
    }
}
