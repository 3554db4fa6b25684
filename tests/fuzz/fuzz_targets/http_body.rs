//! Chunked bodies: whole and in pieces of a length that the first byte gives.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::http::{BodyDecoder, BodyError, BodyLength, Limits};

fuzz_target!(|input: &[u8]| {
    let Some((step, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert_eq!(decode(stream, usize::from(*step).max(1)), whole);
    if let Ok((body, consumed, complete)) = whole {
        assert!(body.len() <= BODY_BYTES_MAX as usize && body.len() <= consumed);
        assert!(complete || consumed == stream.len());
        if complete {
            assert!(stream[..consumed].ends_with(b"\r\n\r\n"));
        }
    }
});

fn decode(stream: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &Limits { body_bytes_max: BODY_BYTES_MAX, ..Limits::default() })?;
    let (mut body, mut consumed) = (Vec::new(), 0);
    for piece in stream.chunks(step) {
        let fed = decoder.feed(piece, &mut body)?;
        consumed += fed.consumed;
        if fed.complete {
            break;
        }
    }
    Ok((body, consumed, decoder.is_complete()))
}

const BODY_BYTES_MAX: u64 = 300;
