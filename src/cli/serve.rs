//! `loligo serve`.

use crate::config::Source;
use crate::server;

pub fn run(source: Source) -> Result<(), String> {
    server::run(source).map_err(|error| error.to_string())
}
