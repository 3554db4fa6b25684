//! Seeded simulation of sessions and scheduler: clients, tasks and upstreams on a clock of its own.
//!
//! A seed decides everything: how bytes are split, what tasks ask, when upstreams answer, who goes
//! away. After each step the invariants of `world.rs` are checked. A failure prints its seed:
//!
//! ```text
//! cargo test --test sim                  all seeds
//! SIM_SEED=17 cargo test --test sim      one of them
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what cannot go on ends the test, in helpers too"
)]

mod client;
mod job;
mod random;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use world::World;

#[test]
fn every_request_has_one_answer_and_nothing_is_left() {
    let chosen = std::env::var("SIM_SEED").ok().map(|seed| seed.parse().unwrap());
    let mut answers = 0;
    for seed in chosen.map_or(0..SEEDS, |seed| seed..seed + 1) {
        match catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
            Ok(answered) => answers += answered,
            Err(panic) => {
                eprintln!("failed with SIM_SEED={seed}");
                resume_unwind(panic);
            }
        }
    }
    // A simulation in which nothing happens would find nothing.
    assert!(chosen.is_some() || answers > SEEDS as usize * 4, "{answers} answers");
}

/// Some thousand take less than half a minute, built without optimisation.
const SEEDS: u64 = 3000;
