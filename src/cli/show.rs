//! `loligo config`: the effective configuration, secrets masked.

use crate::config::{self, Source};

pub fn run(source: Source) -> Result<(), String> {
    let loaded = config::load(&source).map_err(|problems| problems.to_string())?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    print!("{}", loaded.config.effective());
    Ok(())
}
