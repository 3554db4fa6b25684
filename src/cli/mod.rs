//! The command line: one file per command.
//!
//! Each file has the command's `Arguments` (its doc comments are the help texts) and a method `run`.
//! A new command is a file, a variant of [`Command`] and a line in [`run`].
//!
//! Exit status: 0 done, 1 the command failed, 2 the arguments are wrong, 3 the answer is no (see
//! [`Failure::Negative`]).

mod bruteforce;
mod cache;
mod check;
mod client;
mod configuration;
mod generate;
mod hash;
mod integrate;
mod prompt;
mod serve;
mod show;
mod table;
mod token;
mod user;
mod verify;

use clap::{Parser, Subcommand};
use configuration::Configuration;
use std::process::ExitCode;

/// An authentication server for mail systems.
#[derive(Parser)]
#[command(name = "loligo", version, arg_required_else_help = true, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Check(check::Arguments),
    Config(show::Arguments),
    Bruteforce(bruteforce::Arguments),
    Cache(cache::Arguments),
    User(user::Arguments),
    Integrate(integrate::Arguments),
    Hash(hash::Arguments),
    Verify(verify::Arguments),
    Token(token::Arguments),
    #[command(hide = true)]
    Generate(generate::Arguments),
}

const EXIT_STATUS: &str = "Exit status: 0 done; 1 the command failed; 2 the arguments are wrong; \
    3 the answer is no: nothing was there to be removed, or a password does not match.";

/// Runs the program.
pub fn main() -> ExitCode {
    let Err(failure) = run(&Arguments::parse()) else { return ExitCode::SUCCESS };
    let (message, status) = match failure {
        Failure::Failed(message) => (message, 1),
        Failure::Negative(message) => (message, 3),
    };
    eprintln!("{message}");
    ExitCode::from(status)
}

fn run(arguments: &Arguments) -> Outcome {
    let configuration = &arguments.configuration;
    match &arguments.command {
        Command::Serve(arguments) => arguments.run(configuration),
        Command::Check(arguments) => arguments.run(configuration),
        Command::Config(arguments) => arguments.run(configuration),
        Command::Bruteforce(arguments) => arguments.run(configuration),
        Command::Cache(arguments) => arguments.run(configuration),
        Command::Integrate(arguments) => arguments.run(configuration),
        Command::User(arguments) => arguments.run(),
        Command::Hash(arguments) => arguments.run(),
        Command::Verify(arguments) => arguments.run(),
        Command::Generate(arguments) => arguments.run(),
        Command::Token(arguments) => arguments.run(configuration),
    }
}

/// How a command ends.
type Outcome = Result<(), Failure>;

/// Why a command was not done. The messages are whole sentences or several lines, for people.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// Exit status 1.
    Failed(String),
    /// The command worked, and its answer is no: nothing was there to be removed, or a password
    /// does not match. Exit status 3, so that a script can tell it from a failure.
    Negative(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_configuration_is_named_before_or_after_the_command() {
        for line in [
            "loligo -c a.yml bruteforce list",
            "loligo bruteforce -c a.yml list",
            "loligo bruteforce list -c a.yml",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).map_err(|e| e.to_string());
            let arguments = arguments.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(arguments.configuration.config.as_deref(), Some("a.yml".as_ref()), "{line}");
        }
    }
}
