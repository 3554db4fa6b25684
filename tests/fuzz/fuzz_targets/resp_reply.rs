//! Replies of Redis: whole, in pieces of a length that the first byte gives, and against the
//! `redis` crate's parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::resp::{Decoder, Error, Items, Reply, View};
use redis::Value;

fuzz_target!(|input: &[u8]| {
    let Some((step, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert_eq!(decode(stream, usize::from(*step).max(1)), whole);
    for frame in &whole.0 {
        let reply = Reply::from_frame(frame).expect("a frame that came out of the decoder is one reply");
        assert_eq!(reply.frame(), &frame[..]);
        if let Ok(value) = redis::parse_redis_value(frame) {
            assert!(is_same(&reply.view(), &value), "{:?} {value:?}", reply.view());
        } else {
            // Ours alone: to be walked to the end all the same.
            walk(reply.view());
        }
    }
});

fn decode(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<Error>) {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for (number, mut piece) in stream.chunks(step).enumerate() {
        // Both ways in give the same, mixed as well.
        if number % 3 == 2 {
            decoder.feed(std::mem::take(&mut piece));
        }
        loop {
            match decoder.next_reply(&mut piece) {
                Ok(Some(reply)) => frames.push(reply.frame().to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn walk(view: View<'_>) {
    if let Some(items) = view.items() {
        assert_eq!(items.len(), items.inspect(|item| walk(item.clone())).count());
    }
}

fn is_same(view: &View<'_>, value: &Value) -> bool {
    match (view, value) {
        (_, Value::Attribute { data, .. }) => is_same(view, data),
        (View::Nil, Value::Nil) => true,
        (View::Int(ours), Value::Int(theirs)) => ours == theirs,
        (View::Double(ours), Value::Double(theirs)) => ours.to_bits() == theirs.to_bits(),
        (View::Bool(ours), Value::Boolean(theirs)) => ours == theirs,
        (View::Simple(ours), Value::Okay) => *ours == b"OK",
        (View::Simple(ours), Value::SimpleString(theirs)) => *ours == theirs.as_bytes(),
        (View::Bulk(ours), Value::BulkString(theirs)) => ours == theirs,
        (View::BigNumber(ours), Value::BigNumber(theirs)) => ours == theirs,
        // The crate ends the format at the first colon, we after its three letters: the same unless
        // one of them is a colon.
        (View::Verbatim(ours), Value::VerbatimString { text, .. }) => text.ends_with(&*String::from_utf8_lossy(ours)),
        // The crate takes errors apart into kinds; that it is one must do.
        (View::Error(_), Value::ServerError(_)) => true,
        (View::Array(ours), Value::Array(theirs)) | (View::Set(ours), Value::Set(theirs)) => are_same(ours, theirs.iter()),
        (View::Map(ours), Value::Map(theirs)) => are_same(ours, theirs.iter().flat_map(|(key, value)| [key, value])),
        // The first element is the kind, which the crate turns into an enum.
        (View::Push(ours), Value::Push { data, .. }) => {
            let mut rest = ours.clone();
            rest.next();
            are_same(&rest, data.iter())
        }
        _ => false,
    }
}

fn are_same<'a>(ours: &Items<'_>, theirs: impl Iterator<Item = &'a Value>) -> bool {
    let theirs: Vec<&Value> = theirs.collect();
    ours.len() == theirs.len() && ours.clone().zip(theirs).all(|(ours, theirs)| is_same(&ours, theirs))
}
