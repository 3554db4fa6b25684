//! `loligo check`: everything `serve` would refuse, without serving.

use super::Outcome;
use super::configuration::Configuration;
use crate::config;
use crate::server;
use clap::Args;

/// Check the configuration and all scripts, and report errors.
#[derive(Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let source = configuration.source();
        let loaded = config::load(&source).map_err(|problems| problems.to_string())?;
        let files = loaded.files.clone();
        for finding in server::check(source, loaded).map_err(|error| error.to_string())? {
            eprintln!("warning: {finding}");
        }
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        println!("{}: valid", files.join(", "));
        Ok(())
    }
}
