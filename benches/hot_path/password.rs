//! Password hashes that are checked inline.

use crate::login::STORED_PASSWORD;
use gungraun::{library_benchmark, library_benchmark_group};
use loligo::password;
use std::hint::black_box;

#[library_benchmark]
fn verify_ssha256() -> bool {
    let matches = password::verify(black_box(STORED_PASSWORD), black_box(b"secret")).unwrap();
    assert!(matches);
    matches
}

library_benchmark_group!(name = hashes, benchmarks = [verify_ssha256]);
