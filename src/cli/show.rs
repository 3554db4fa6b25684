//! `loligo config`: the effective configuration, secrets masked.

use super::Outcome;
use super::configuration::Configuration;
use crate::config;
use clap::Args;

/// Print the effective configuration, with secrets masked.
#[derive(Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let loaded = config::load(&configuration.source()).map_err(|all| all.to_string())?;
        for warning in &loaded.warnings {
            eprintln!("warning: {warning}");
        }
        print!("{}", loaded.config.effective());
        Ok(())
    }
}
