//! Password hashes that are checked inline.

use crate::ROUNDS;
use crate::login::STORED_PASSWORD;
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::password;
use std::hint::black_box;

#[library_benchmark]
fn verify_ssha256() {
    for _ in 0..ROUNDS {
        assert_eq!(password::verify(black_box(STORED_PASSWORD), black_box(b"secret")), Ok(true));
    }
}

library_benchmark_group!(name = hashes, benchmarks = [verify_ssha256]);
