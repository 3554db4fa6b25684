//! The command line. One file per command; exit codes: 0 done, 1 it failed, 2 the arguments are
//! wrong.

mod bruteforce;
mod cache;
mod check;
mod client;
mod serve;
mod show;

use crate::config::{self, Config, Format, Source};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// An authentication server for mail systems.
#[derive(Parser)]
#[command(name = "loligo", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server. SIGHUP reloads configuration and scripts, SIGTERM stops it.
    Serve(ConfigArguments),
    /// Check the configuration and all scripts, and report errors.
    Check(ConfigArguments),
    /// Print the effective configuration, with secrets masked.
    Config(ConfigArguments),
    /// List or remove brute-force blocks of the running server.
    Bruteforce {
        #[command(flatten)]
        config: ConfigArguments,
        #[command(subcommand)]
        command: bruteforce::Command,
    },
    /// Remove a user's cached data from the running server.
    Cache {
        #[command(flatten)]
        config: ConfigArguments,
        #[command(subcommand)]
        command: cache::Command,
    },
}

#[derive(Args)]
struct ConfigArguments {
    /// The configuration file. By default the standard locations are searched.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// yaml, json or toml. By default the file extension decides.
    #[arg(long, value_name = "FORMAT")]
    config_format: Option<String>,
}

impl ConfigArguments {
    fn source(&self) -> Result<Source, String> {
        let named = |word: &str| {
            Format::named(word)
                .ok_or_else(|| format!("unknown format {word:?}: yaml, json or toml"))
        };
        let format = self.config_format.as_deref().map(named).transpose()?;
        Ok(Source::from_process(self.config.clone(), format))
    }

    /// The configuration of the running server.
    fn load(&self) -> Result<Config, String> {
        config::load(&self.source()?)
            .map(|loaded| loaded.config)
            .map_err(|problems| problems.to_string())
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Command::Serve(arguments) => arguments.source().and_then(serve::run),
        Command::Check(arguments) => arguments.source().and_then(check::run),
        Command::Config(arguments) => arguments.source().and_then(show::run),
        Command::Bruteforce { config, command } => {
            config.load().and_then(|config| bruteforce::run(command, &config))
        }
        Command::Cache { config, command } => {
            config.load().and_then(|config| cache::run(command, &config))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
