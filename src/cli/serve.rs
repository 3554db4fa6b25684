//! `loligo serve`.

use super::Outcome;
use super::configuration::Configuration;
use crate::server;
use clap::Args;

/// Run the server. SIGHUP reloads configuration and scripts, SIGTERM stops it.
#[derive(Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        Ok(server::run(configuration.source()).map_err(|error| error.to_string())?)
    }
}
