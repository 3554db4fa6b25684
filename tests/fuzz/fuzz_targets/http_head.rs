//! Request heads: whole, cut at every byte, folded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::http::{Head, HeadError, HeadParser, Limits, parse_head, unfold};

fuzz_target!(|input: &[u8]| {
    let limits = Limits { head_bytes_max: 512, headers_max: 8, body_bytes_max: 100 };
    let whole = parse_head(input, &limits);
    let decided = decided_in_pieces(input, &limits);
    assert_eq!(text(&decided), text(&whole));
    match whole {
        Ok(Some(head)) => check(input, &head),
        Err(HeadError::Folded) => {
            let mut unfolded = input.to_vec();
            unfold(&mut unfolded);
            let again = parse_head(&unfolded, &limits);
            assert_ne!(again.as_ref().err(), Some(&HeadError::Folded));
            if let Ok(Some(head)) = again {
                check(&unfolded, &head);
            }
        }
        Ok(None) | Err(_) => {}
    }
});

fn decided_in_pieces(input: &[u8], limits: &Limits) -> Result<Option<Head>, HeadError> {
    let mut parser = HeadParser::default();
    for end in 1..=input.len() {
        let part = parser.parse(&input[..end], limits);
        if !matches!(part, Ok(None)) {
            return part;
        }
    }
    // The step-by-step parser may wait for the head's end before it reports a fault.
    parse_head(input, limits)
}

fn check(buffer: &[u8], head: &Head) {
    let text = &buffer[..head.len];
    assert!(text.ends_with(b"\n"));
    let mut table = [httparse::EMPTY_HEADER; 8];
    let mut request = httparse::Request::new(&mut table);
    assert_eq!(request.parse(buffer), Ok(httparse::Status::Complete(head.len)));
    assert_eq!(request.headers.len(), head.headers.len());
    for (theirs, (name, value)) in request.headers.iter().zip(&head.headers) {
        assert_eq!((theirs.name.as_bytes(), theirs.value), (name.of(text), value.of(text)));
    }
    assert!(request.path.unwrap_or_default().as_bytes().ends_with(head.target.of(text)));
    assert_eq!(request.method.unwrap_or_default().as_bytes(), head.method_text.of(text));
}

fn text(result: &Result<Option<Head>, HeadError>) -> String {
    format!("{result:?}")
}
