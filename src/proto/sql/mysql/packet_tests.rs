use super::*;
use proptest::prelude::*;

/// Takes a payload out of a stream that is shown in pieces.
fn take(stream: &[u8], sequence: &mut u8) -> Result<Vec<u8>, Malformed> {
    let (mut payload, mut from, mut shown) = (Vec::new(), 0, 0);
    loop {
        match take_chunk(&stream[from..shown], sequence, &mut payload)? {
            Chunk::Short(need) => {
                assert!(need > shown - from, "it asked for what it had");
                shown = from + need;
                assert!(shown <= stream.len(), "it asked for more than there is");
            }
            Chunk::Taken { consumed, last } => {
                from += consumed;
                shown = shown.max(from);
                if last {
                    return Ok(payload);
                }
            }
        }
    }
}

#[test]
fn payloads_of_any_length_go_there_and_back() {
    for len in [0, 1, 250, CHUNK_MAX - 1] {
        let payload = vec![7; len];
        let (mut out, mut sequence) = (Vec::new(), 254);
        compose(&payload, &mut sequence, &mut out);
        let mut expected = 254;
        assert_eq!(take(&out, &mut expected).unwrap().len(), len);
        assert_eq!((sequence, expected), (255, 255));
    }
}

#[test]
fn the_longest_chunk_is_followed_by_another() {
    let (mut out, mut sequence) = (Vec::new(), 255);
    compose(&vec![7; CHUNK_MAX], &mut sequence, &mut out);
    assert_eq!((out.len(), sequence), (CHUNK_MAX + 8, 1));
    assert_eq!(out[CHUNK_MAX + 4..], [0, 0, 0, 0]);
    // As much as a result may have, and not a byte more.
    let mut payload = Vec::new();
    assert_eq!(
        take_chunk(&out, &mut 255, &mut payload),
        Ok(Chunk::Taken { consumed: CHUNK_MAX + 4, last: false })
    );
    assert_eq!(take_chunk(&[2, 0, 0, 0], &mut 0, &mut payload), Err(Malformed::TooLarge));
}

#[test]
fn a_packet_out_of_order_is_refused() {
    assert_eq!(
        take_chunk(&[0, 0, 0, 3], &mut 2, &mut Vec::new()),
        Err(Malformed::Protocol("packets out of order"))
    );
}

#[test]
fn answers_are_told_apart() {
    let ok = [0x00, 3, 0xFC, 0x10, 0x27, 0x09, 0x00, 0, 0];
    let status = Status { more_results: true, in_transaction: true };
    assert_eq!(
        reply(&ok),
        Ok(Reply::Done(Done { affected_rows: 3, last_insert_id: 10_000, status }))
    );
    assert_eq!(reply(&[5]), Ok(Reply::Columns(5)));
    assert_eq!(reply(&[0xFB, b'/']), Ok(Reply::LocalInfile));
    let Ok(Reply::Error(error)) = reply(b"\xFF\x28\x04#42000You have an error") else {
        panic!("no error")
    };
    assert_eq!(error.to_string(), "Error 1064 (42000): You have an error");
    let Ok(Reply::Error(error)) = reply(b"\xFF\x10\x04Too many connections") else {
        panic!("no error")
    };
    assert_eq!(error.to_string(), "Error 1040: Too many connections");
}

#[test]
fn what_stands_in_the_place_of_a_row_is_told_apart() {
    assert_eq!(
        row_or_end(&[0xFE, 0, 0, 8, 0]),
        Ok(RowOrEnd::End(Status { more_results: true, in_transaction: false }))
    );
    let long = [0xFE, 1, 0, 0, 0, 0, 0, 0, 0, b'x'];
    assert_eq!(row_or_end(&long), Ok(RowOrEnd::Row(&long)));
    assert!(
        matches!(row_or_end(b"\xFF\x01\x00gone"), Ok(RowOrEnd::Error(error)) if error.message == "gone")
    );
}

#[test]
fn what_is_cut_off_is_refused() {
    for cut in [
        &b""[..],
        b"\x00",
        b"\x00\x01",
        b"\x00\x01\x01\x01",
        b"\xFF",
        b"\xFF\x01",
        b"\xFE\x01",
        b"\xFF\x00",
        b"\x01\x01",
        b"\xFC\x01",
    ] {
        assert!(reply(cut).is_err(), "{cut:?}");
    }
    assert!(reply(&[0xFC, 0x01, 0x10]).is_err(), "4097 columns");
    assert!(column(b"\x03def\x00\x00").is_err());
    assert!(prepared(b"\x00\x01\x00\x00\x00\x01\x00\x01").is_err());
    assert!(row_or_end(&[0xFE, 0, 0]).is_err());
}

#[test]
fn a_column_of_an_unknown_type_is_a_text() {
    let mut bytes = b"\x03def\x01s\x01t\x01T\x01n\x01N\x0c".to_vec();
    bytes.extend_from_slice(&[45, 0, 0, 0, 0, 0, 200, 0x20, 0, 6, 0, 0]);
    let column = column(&bytes).unwrap();
    assert_eq!(
        (column.name.as_slice(), column.table.as_slice(), column.unsigned, column.decimals),
        (&b"n"[..], &b"t"[..], true, 6)
    );
    assert_eq!(column.kind, ColumnType::MYSQL_TYPE_STRING);
}

proptest! {
    #[test]
    fn nothing_a_server_sends_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = reply(&bytes);
        let _ = row_or_end(&bytes);
        let _ = column(&bytes);
        let _ = prepared(&bytes);
        let _ = done(&bytes);
        let _ = take_chunk(&bytes, &mut 0, &mut Vec::new());
    }

    #[test]
    fn numbers_are_read_as_they_are_written(number: u64) {
        let mut bytes = vec![0xFE];
        bytes.extend_from_slice(&number.to_le_bytes());
        prop_assert_eq!(take_int(&mut bytes.as_slice()), Some(number));
    }
}
