//! Codecs: a request's head in, a command out, a reply in.

use crate::ROUNDS;
use crate::login::{ACCOUNT, REQUEST};
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::proto::http::{HeadParser, Limits};
use loligo::proto::resp::{Commands, Decoder};
use std::hint::black_box;

#[library_benchmark]
fn parse_head() {
    for _ in 0..ROUNDS {
        black_box(HeadParser::default().parse(black_box(REQUEST), &Limits::default()).unwrap());
    }
}

#[library_benchmark]
fn encode_command() {
    for _ in 0..ROUNDS {
        black_box(Commands::one(black_box(&[b"HGETALL".as_slice(), b"bench:user:user0042"])));
    }
}

// A reply of eight pairs, walked to its end as by whoever makes a script's table of it.
#[library_benchmark]
fn decode_reply() {
    let mut decoder = Decoder::default();
    for _ in 0..ROUNDS {
        let reply = decoder.next_reply(&mut black_box(ACCOUNT)).unwrap().unwrap();
        for item in reply.view().items().unwrap() {
            black_box(item.as_bytes());
        }
    }
}

library_benchmark_group!(name = codecs, benchmarks = [parse_head, encode_command, decode_reply]);
