//! What a login costs, unit by unit, in instructions: one file per layer, and `script` last with everything together.
//!
//! Instructions, because they are the same on a busy machine; wall time is for `loadtest/`. Callgrind counts them. gungraun (formerly
//! iai-callgrind) runs it and compares:
//!
//! ```text
//! apt-get install valgrind && cargo install gungraun-runner --version 0.20.0
//! cargo bench --bench hot_path                                  # all; shows the difference from the last run
//! cargo bench --bench hot_path -- 'hot_path::proto::*'          # some
//! cargo bench --bench hot_path -- --save-baseline=before        # on the commit to compare with, then on the other:
//! cargo bench --bench hot_path -- --baseline=before --callgrind-limits='ir=3%'
//! callgrind_annotate target/gungraun/loligo/hot_path/proto/parse_head/callgrind.parse_head.out
//! ```
//!
//! The runner's version must be that of the crate. Without valgrind and runner the benches still compile; `cargo test` leaves them out.
//! Nothing else may change between the two commits: compiler, CPU (crates choose their SIMD by it; of what valgrind knows) and
//! `Cargo.lock`. Everything but `script` repeats to the instruction. LuaJIT seeds its string hashes at random and places its
//! traces by address, so `script` runs [`script::LOGINS`] times at once after a warm-up, and differs by 1 or 2 %: take less for noise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "as in tests: what a bench sets up is sound, or it must end")]

mod auth;
mod dialect;
mod log;
mod login;
mod password;
mod proto;
mod script;

use auth::pipeline;
use dialect::wire_forms;
use log::lines;
use password::hashes;
use proto::codecs;
use script::host;

/// As in the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

gungraun::main!(library_benchmark_groups = codecs, wire_forms, pipeline, lines, hashes, host);
