//! What a login costs, unit by unit, in instructions: one file per layer, [`script`] last with
//! everything together.
//!
//! Instructions, because they are the same on a busy machine; wall time is for `loadtest/`.
//! Callgrind counts them; gungraun (formerly iai-callgrind) starts it and compares:
//!
//! ```text
//! apt-get install valgrind && cargo install gungraun-runner --version 0.20.0
//! cargo bench --bench hot_path                                  # all; shows what changed since the last run
//! cargo bench --bench hot_path -- 'hot_path::codecs::*'         # some
//! cargo bench --bench hot_path -- --save-baseline=before        # on the commit to compare with; then, on the other:
//! cargo bench --bench hot_path -- --baseline=before --callgrind-limits='ir=2%'
//! callgrind_annotate target/gungraun/loligo/hot_path/codecs/parse_head/callgrind.parse_head.out
//! ```
//!
//! The runner's version must be the crate's. Without valgrind and runner the benches still compile,
//! and `cargo test` leaves them out. Every figure is for [`ROUNDS`] of its unit (in `script`, ten
//! times as many), so that the allocator's first steps don't count; what a unit frees is part of
//! it. Between two commits nothing else may change: not the compiler, not `Cargo.lock`, not the
//! kind of CPU (crates choose their SIMD by it). Then all figures but those of `script` repeat to
//! the instruction; its head says what to take for noise.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "as in tests: what a bench sets up is sound, or it must end"
)]

mod auth;
mod dialect;
mod log;
mod login;
mod password;
mod proto;
mod script;

use auth::domain;
use dialect::wire_forms;
use gungraun::main;
use log::lines;
use password::hashes;
use proto::codecs;
use script::host;

/// As in the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

main!(library_benchmark_groups = [codecs, wire_forms, domain, lines, hashes, host]);

/// How often each bench does what it is about.
const ROUNDS: usize = 100;
