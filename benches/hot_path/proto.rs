//! Codecs: a request's head in, a command out, a reply in.

use crate::login::{ACCOUNT, REQUEST};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::proto::http::{Head, HeadParser, Limits};
use loligo::proto::resp::{Commands, Decoder, Reply};
use std::hint::black_box;

#[library_benchmark]
fn parse_head() -> Option<Head> {
    HeadParser::default().parse(black_box(REQUEST), &Limits::default()).unwrap()
}

#[library_benchmark]
fn encode_command() -> Commands {
    Commands::one(black_box(&[b"HGETALL".as_slice(), b"bench:user:user0042"]))
}

// All of a reply of eight pairs, as a link and then a script's table take it.
#[library_benchmark]
#[bench::hgetall(Decoder::default())]
fn decode_reply(mut decoder: Decoder) -> (Reply, usize, Decoder) {
    let reply = decoder.next_reply(&mut black_box(ACCOUNT)).unwrap().unwrap();
    let bytes = reply.view().items().unwrap().filter_map(|item| item.as_bytes().map(<[u8]>::len)).sum();
    // Returned for their ends not to be counted.
    (reply, bytes, decoder)
}

library_benchmark_group!(name = codecs, benchmarks = [parse_head, encode_command, decode_reply]);
