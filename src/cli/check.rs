//! `loligo check`: everything `serve` would refuse, without serving.

use crate::config::{self, Source};
use crate::server;

pub fn run(source: Source) -> Result<(), String> {
    let loaded = config::load(&source).map_err(|problems| problems.to_string())?;
    let findings = server::check(&loaded.config).map_err(|error| error.to_string())?;
    for finding in loaded.warnings.iter().chain(&findings) {
        eprintln!("warning: {finding}");
    }
    println!(
        "{}: valid",
        loaded.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    );
    Ok(())
}
