//! Responses of a server: the first byte says what was asked and how to cut; whole and in pieces
//! they are the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::http::client::{Asked, Decoded, ResponseDecoder, ResponseError, ResponseLimits, gunzip};

fuzz_target!(|input: &[u8]| {
    let Some((control, input)) = input.split_first() else { return };
    let asked = [Asked::Other, Asked::Head, Asked::Connect][usize::from(control % 3)];
    let step = usize::from(control / 3) + 1;
    let whole = decode(asked, input, input.len().max(1));
    assert_eq!(decode(asked, input, step), whole);
    if let Ok((decoded, used)) = whole {
        assert!(used <= input.len());
        assert!(decoded.body.len() <= LIMITS.body_bytes_max);
        assert!((200..=999).contains(&decoded.head.status));
        assert!(decoded.head.headers.check().is_ok(), "what we take in could be sent on");
        if let Ok(body) = gunzip(&decoded.body, 1000) {
            assert!(body.len() <= 1000);
        }
    }
});

const LIMITS: ResponseLimits = ResponseLimits { head_bytes_max: 512, body_bytes_max: 200 };

/// The response and how many bytes it took. The input comes in pieces and then ends.
fn decode(asked: Asked, input: &[u8], step: usize) -> Result<(Decoded, usize), ResponseError> {
    let mut decoder = ResponseDecoder::new(asked, LIMITS);
    let (mut from, mut to) = (0, 0);
    loop {
        let fed = decoder.feed(&input[from..to])?;
        from += fed.consumed;
        if fed.complete {
            break;
        }
        if to == input.len() {
            decoder.finish(from < to)?;
            break;
        }
        to = input.len().min(to + step);
    }
    Ok((decoder.decoded().expect("it is complete"), from))
}
