//! `loligo check`: everything `serve` would refuse, without serving.

use crate::config::{self, Source};
use crate::server;

pub fn run(source: Source) -> Result<(), String> {
    let loaded = config::load(&source).map_err(|problems| problems.to_string())?;
    let files = loaded.files.clone();
    for finding in server::check(source, loaded).map_err(|error| error.to_string())? {
        eprintln!("warning: {finding}");
    }
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    println!("{}: valid", files.join(", "));
    Ok(())
}
