//! What a MySQL server sends: packets in pieces, and each payload in every role that one can have.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::sql::mysql::login::{self, Account, Login, Privacy, Step};
use loligo::proto::sql::mysql::packet::{self, Chunk, Column, RowOrEnd};
use loligo::proto::sql::mysql::public_key;
use loligo::proto::sql::mysql::row::{Dates, binary_row, text_row};
use loligo::proto::sql::{Malformed, Table};

fuzz_target!(|input: &[u8]| {
    let [step, dates, stream @ ..] = input else { return };
    let (payloads, error) = payloads(stream, stream.len());
    assert_eq!(payloads_of_pieces(stream, usize::from(*step).max(1)), (payloads.clone(), error));
    let dates = if dates & 1 == 0 { Dates::Text } else { Dates::Seconds(jiff::tz::TimeZone::UTC) };
    let columns: Vec<Column> = payloads.iter().filter_map(|payload| packet::column(payload).ok()).take(8).collect();
    log_in(&payloads);
    for payload in &payloads {
        let (mut out, mut sequence) = (Vec::new(), 0);
        packet::compose(payload, &mut sequence, &mut out);
        assert_eq!(self::payloads(&out, out.len()).0, [payload.clone()]);
        let _ = (packet::reply(payload), packet::prepared(payload), packet::done(payload));
        if let Ok(RowOrEnd::Row(row)) = packet::row_or_end(payload)
            && !columns.is_empty()
        {
            for read in [text_row, binary_row] {
                let mut table = Table::new(columns.iter().map(|column| column.name.clone()).collect());
                if read(row, &columns, &dates, &mut table).is_ok() {
                    assert_eq!(table.rows().map(Iterator::count).collect::<Vec<_>>(), [columns.len()]);
                }
            }
        }
        if let Ok(pem) = public_key::checked(payload) {
            assert_eq!(public_key::checked(&pem), Ok(pem));
        }
    }
});

/// All payloads of a stream of which `shown` bytes have come, and what was wrong with it.
fn payloads(stream: &[u8], shown: usize) -> (Vec<Vec<u8>>, Option<Malformed>) {
    let (mut found, mut payload, mut from, mut sequence) = (Vec::new(), Vec::new(), 0, 0);
    loop {
        match packet::take_chunk(&stream[from..shown], &mut sequence, &mut payload) {
            Ok(Chunk::Short(count)) => {
                assert!(count > shown - from);
                return (found, None);
            }
            Ok(Chunk::Taken { consumed, last }) => {
                from += consumed;
                if last {
                    found.push(std::mem::take(&mut payload));
                    // As at the beginning of an answer.
                    sequence = stream.get(from + 3).copied().unwrap_or_default();
                }
            }
            Err(error) => return (found, Some(error)),
        }
    }
}

fn payloads_of_pieces(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<Malformed>) {
    let (mut found, mut payload, mut from, mut shown, mut sequence) = (Vec::new(), Vec::new(), 0, 0, 0);
    loop {
        match packet::take_chunk(&stream[from..shown], &mut sequence, &mut payload) {
            Ok(Chunk::Short(_)) if shown == stream.len() => return (found, None),
            Ok(Chunk::Short(_)) => shown = stream.len().min(shown + step),
            Ok(Chunk::Taken { consumed, last }) => {
                from += consumed;
                if last {
                    found.push(std::mem::take(&mut payload));
                    sequence = stream.get(from + 3).copied().unwrap_or_default();
                }
            }
            Err(error) => return (found, Some(error)),
        }
    }
}

/// The password is never sent as it is where somebody may listen.
fn log_in(payloads: &[Vec<u8>]) {
    let Some((first, rest)) = payloads.split_first() else { return };
    let Ok(greeting) = login::greeting(first) else { return };
    let account = Account {
        user: "u".into(),
        password: "correct horse".into(),
        database: String::new(),
        allow_clear_text: false,
        allow_native: true,
        allow_old: true,
    };
    let Ok((mut login, sent)) = Login::begin(&greeting, account, Privacy::None, Default::default()) else { return };
    let shows = |sent: &[u8]| sent.windows(7).any(|part| part == b"correct");
    assert!(!shows(&sent));
    for payload in rest {
        match login.answer(payload) {
            Ok(Step::Send(sent)) => assert!(!shows(&sent)),
            Ok(Step::Wait) => {}
            Ok(Step::Done) | Err(_) => return,
        }
    }
}
