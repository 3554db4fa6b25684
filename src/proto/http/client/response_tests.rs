use super::*;
use proptest::prelude::*;

const LIMITS: ResponseLimits = ResponseLimits { head_bytes_max: 300, body_bytes_max: 20 };

/// The response, and how many bytes it took; `input` comes in pieces of `step` bytes and then ends.
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
    Ok((decoder.decoded().unwrap(), from))
}

fn all_steps(asked: Asked, input: &[u8]) -> Result<(Decoded, usize), ResponseError> {
    let whole = decode(asked, input, input.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(
            decode(asked, input, step),
            whole,
            "in steps of {step}: {}",
            input.escape_ascii()
        );
    }
    whole
}

fn get(input: &[u8]) -> Result<(u16, Vec<u8>, bool, usize), ResponseError> {
    all_steps(Asked::Other, input)
        .map(|(decoded, used)| (decoded.head.status, decoded.body, decoded.reusable, used))
}

#[test]
fn a_body_ends_where_the_head_says() {
    for (head, body, rest, reusable) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello", "HTTP", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "hello", "HTTP", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "hello", "", true),
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", "hello", "", true),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", "HTTP", true),
        ("HTTP/1.1 404 \r\nContent-Length: 4\r\nConnection: foo, Close\r\n\r\n", "gone", "", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n", "body", "", false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n",
            "body",
            "",
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", "until the close", "", false),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", "", "HTTP", true),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "", "HTTP", true),
    ] {
        let input = [head, body, rest].concat();
        let status = head[9..12].parse().unwrap();
        assert_eq!(
            get(input.as_bytes()),
            Ok((status, body.into(), reusable, head.len() + body.len())),
            "{head}"
        );
    }
}

#[test]
fn chunks_are_joined_and_trailers_skipped() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n";
    let chunks = "4;x=y\r\nwiki\r\n5\r\npedia\r\n0\r\nTrailer: x\r\n\r\n";
    let input = [head, "\r\n", chunks, "HTTP/1.1"].concat();
    assert_eq!(get(input.as_bytes()), Ok((200, b"wikipedia".to_vec(), true, input.len() - 8)));
    // A length besides is a lie of somebody's: read, but not to be used again.
    let input = [head, "Content-Length: 3\r\n\r\n", chunks].concat();
    assert_eq!(get(input.as_bytes()), Ok((200, b"wikipedia".to_vec(), false, input.len())));
}

#[test]
fn interim_responses_are_passed_over() {
    let input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(get(input), Ok((200, b"x".to_vec(), true, input.len())));
    let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
    assert_eq!(get(&endless), Err(ResponseError::Malformed));
    assert_eq!(get(b"HTTP/1.1 100 Continue\r\n\r\n"), Err(ResponseError::CutShort));
}

#[test]
fn answers_to_head_and_connect_have_no_body() {
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nHTTP";
    for asked in [Asked::Head, Asked::Connect] {
        let (decoded, used) = all_steps(asked, input).unwrap();
        assert_eq!((decoded.body, used), (Vec::new(), input.len() - 4));
    }
    let refused = b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(all_steps(Asked::Connect, refused).unwrap().0.body, b"no");
}

#[test]
fn headers_keep_their_order_and_folds_become_blanks() {
    let input = b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nX-Fold: one\r\n two\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n";
    let headers = all_steps(Asked::Other, input).unwrap().0.head.headers;
    assert_eq!(headers.all("Set-Cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
    assert_eq!(
        headers
            .get("X-Fold")
            .map(|value| value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).count()),
        Some(2)
    );
}

#[test]
fn hostile_responses() {
    use ResponseError::{
        BodyTooLarge, CutShort, HeadTooLarge, Malformed, NoResponse, TransferEncoding,
    };
    let long_header = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 400], b"\r\n\r\n"].concat();
    // Too long before it is seen to be malformed, or the other way round: by its length, however it
    // comes.
    let bad_and_long =
        [b"HTTP/1.1 200 OK\r\nno colon\r\nX: ".as_slice(), &[b'x'; 400], b"\r\n\r\n"].concat();
    let many_headers = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"a:\n".repeat(200), b"\r\n"].concat();
    let endless_head = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"a: b\r\n".repeat(100)].concat();
    let table: [(&[u8], ResponseError); 35] = [
        (b"", NoResponse),
        (b"HTTP/1.1 200 OK\r\nContent-Le", CutShort),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", CutShort),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CutShort),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Malformed),
        (b"* OK IMAP ready\r\n\r\n", Malformed),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Malformed),
        (b"HTTP/2 200\r\n\r\n", Malformed),
        (b"HTTP/1.2 200 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 abc OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 099 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nna me: x\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1,\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", BodyTooLarge),
        (b"HTTP/1.1 200 OK\r\n\r\n012345678901234567890", BodyTooLarge),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n", BodyTooLarge),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", TransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", TransferEncoding),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncoding,
        ),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding),
        (&long_header, HeadTooLarge),
        (&bad_and_long, HeadTooLarge),
        (&many_headers, HeadTooLarge),
        (&endless_head, HeadTooLarge),
    ];
    for (input, error) in table {
        assert_eq!(all_steps(Asked::Other, input).err(), Some(error), "{}", input.escape_ascii());
    }
}

#[test]
fn whether_a_response_has_begun() {
    let mut decoder = ResponseDecoder::new(Asked::Other, LIMITS);
    assert_eq!(decoder.feed(b"HTTP/1.1 200 O"), Ok(Fed { consumed: 0, complete: false }));
    assert!(!decoder.has_begun());
    decoder.feed(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    assert!(decoder.has_begun());
}

proptest! {
    #[test]
    fn a_response_is_the_same_however_it_is_cut(
        body in prop::collection::vec(any::<u8>(), 0..20),
        framing in 0..3usize,
        mutation in any::<Option<(prop::sample::Index, u8)>>(),
        step in 1usize..40,
    ) {
        let mut input = match framing {
            0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-A: b\r\n\r\n", body.len()).into_bytes(),
            1 => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()).into_bytes(),
            _ => b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_vec(),
        };
        input.extend_from_slice(&body);
        if framing == 1 {
            input.extend_from_slice(if body.is_empty() { b"\r\n" } else { b"\r\n0\r\n\r\n" });
        }
        if let Some((at, byte)) = mutation {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let whole = decode(Asked::Other, &input, input.len());
        prop_assert_eq!(&decode(Asked::Other, &input, step), &whole);
        if mutation.is_none() {
            prop_assert_eq!(whole.map(|(decoded, used)| (decoded.body, used)), Ok((body, input.len())));
        }
    }
}
