//! The scripts and configurations that the documents show, run word for word under the real server.
//!
//! They are read from the documents' folder when this runs; none of them is kept here. The folder
//! is what `LOLIGO_DOCUMENTS` names, or else `../shared/documents` beside the project; without one
//! this says that it was skipped. Each block is a test: it passes if the server does with it what
//! the documents say, services up and down. What is only part of a script is named, with the reason
//! why it is not run. `tests/run documents` runs it; it needs MariaDB and Redis.
//!
//! A script names its database as 127.0.0.1 at MySQL's own port. Where somebody is there already,
//! all of this runs in a network of its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what cannot go on ends the test, in helpers too"
)]

mod blocks;
mod configurations;
mod scripts;
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

use blocks::{Block, Kind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let folder = folder();
    if !folder.is_dir() {
        if std::env::var_os(VARIABLE).is_some() {
            println!(
                "{VARIABLE} names {}, which is no folder\n0 passed, 1 failed",
                folder.display()
            );
            return ExitCode::FAILURE;
        }
        println!(
            "skipped: documents ({} is not there; {VARIABLE} may name another folder)",
            folder.display()
        );
        return ExitCode::SUCCESS;
    }
    if scripts::mysql_port_is_taken() {
        return run_in_own_network();
    }
    let blocks = blocks::read(&folder);
    let outcomes: Vec<bool> = blocks.iter().filter_map(|block| run(block, &blocks)).collect();
    let failed = outcomes.iter().filter(|passed| !**passed).count();
    // Documents in which nothing is found were not understood.
    let failed = failed.max(usize::from(outcomes.is_empty()));
    println!("{} passed, {failed} failed", outcomes.len().saturating_sub(failed));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a block passes; none: there is nothing to run.
fn run(block: &Block, all: &[Block]) -> Option<bool> {
    let judged = || match &block.kind {
        Kind::Script(entry) => scripts::run(*entry, &block.text),
        Kind::Signature(entry) => scripts::load(*entry, &block.text),
        Kind::Body => scripts::run_body(&block.text),
        Kind::Configuration => configurations::run(&block.text, all),
        Kind::Other(_) => {}
    };
    if let Kind::Other(reason) = &block.kind {
        println!("not run: {}: {reason}", block.name);
        return None;
    }
    let passed = catch_unwind(AssertUnwindSafe(judged)).is_ok();
    let note = match block.kind {
        Kind::Signature(_) => " (a signature: it is loaded, there is nothing to judge)",
        Kind::Body => " (the end of a function: run as the body of one)",
        _ => "",
    };
    println!("{}: {}{note}", if passed { "passed" } else { "FAILED" }, block.name);
    Some(passed)
}

/// Runs this program again where nothing listens yet.
fn run_in_own_network() -> ExitCode {
    if std::env::var_os(IN_OWN_NETWORK).is_some() {
        println!("127.0.0.1:{} is taken\n0 passed, 1 failed", scripts::MYSQL_PORT);
        return ExitCode::FAILURE;
    }
    let mut unshare = Command::new("unshare");
    unshare.arg("--net").args((!rustix::process::geteuid().is_root()).then_some("--map-root-user"));
    unshare
        .args(["sh", "-c", "ip link set lo up && exec \"$0\""])
        .arg(std::env::current_exe().unwrap())
        .env(IN_OWN_NETWORK, "1");
    match unshare.status() {
        Ok(status) => ExitCode::from(u8::from(!status.success())),
        Err(error) => {
            println!(
                "127.0.0.1:{} is taken, and unshare cannot be run: {error}\n0 passed, 1 failed",
                scripts::MYSQL_PORT
            );
            ExitCode::FAILURE
        }
    }
}

fn folder() -> PathBuf {
    std::env::var_os(VARIABLE)
        .map_or_else(|| support::root().join("../shared/documents"), PathBuf::from)
}

const VARIABLE: &str = "LOLIGO_DOCUMENTS";

/// Set for the second run.
const IN_OWN_NETWORK: &str = "LOLIGO_DOCUMENTS_IN_OWN_NETWORK";
