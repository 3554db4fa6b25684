//! Landlock: the kernel keeps the process, scripts and the programs they start to the files that
//! `server.landlock` names (Linux, `Documentation/userspace-api/landlock.rst`).
//!
//! A kernel that cannot do all of it is an error, never less protection. Connections are not
//! restricted: whom scripts ask is theirs to say.

use super::privileges::{LANDLOCK_READ, LANDLOCK_WRITE};
use crate::config::section::server::Landlock;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus,
};
use std::path::Path;

/// Restricts this thread and those that it starts, if anything is named.
///
/// # Errors
/// The key that does not work, and why.
pub fn restrict(wanted: &Landlock) -> Result<(), (&'static str, String)> {
    if !wanted.is_on() {
        return Ok(());
    }
    let (read, all) = (AccessFs::from_read(VERSION), AccessFs::from_all(VERSION));
    let first = if wanted.read.is_empty() { LANDLOCK_WRITE } else { LANDLOCK_READ };
    let unsupported = |error: &dyn std::fmt::Display| {
        (
            first,
            format!(
                "this kernel cannot do it (Linux 6.2 with Landlock can): {error}; use a kernel that can, or remove it"
            ),
        )
    };
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(all)
        .and_then(Ruleset::create)
        .map_err(|error| unsupported(&error))?;
    for path in ALWAYS.iter().map(Path::new).filter(|path| path.exists()) {
        let access = if path.starts_with("/dev") { all } else { read };
        rules = allow(rules, path, access).map_err(|error| unsupported(&error))?;
    }
    for (key, paths, access) in
        [(LANDLOCK_READ, &wanted.read, read), (LANDLOCK_WRITE, &wanted.write, all)]
    {
        for path in paths {
            rules = allow(rules, path, access).map_err(|error| (key, error))?;
        }
    }
    let status = rules.restrict_self().map_err(|error| unsupported(&error))?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        _ => Err(unsupported(&"it is not fully enforced")),
    }
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, String> {
    let named = |error: &dyn std::fmt::Display| format!("{:?} cannot be used: {error}", path);
    let file = PathFd::new(path).map_err(|error| named(&error))?;
    // Rights that are about the files of a folder are an error for anything else.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
    rules.add_rule(PathBeneath::new(file, access)).map_err(|error| named(&error))
}

/// Linux 6.2: the first that also forbids truncating.
const VERSION: ABI = ABI::V3;

/// What the server itself needs: the standard streams of programs that scripts start, randomness
/// for them, and what `/metrics` says of this process.
const ALWAYS: [&str; 3] = ["/dev/null", "/dev/urandom", "/proc/self"];
