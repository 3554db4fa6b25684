//! `loligo generate`: manual pages and shell completions, for packages. Hidden: operators find the
//! results installed.
//!
//! The pages of the commands and the completions come from the definition of the command line, the
//! page of the configuration file is the commented reference `config/loligo.yml`.

use super::Outcome;
use clap::{Args, Command as ClapCommand, CommandFactory, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// Write manual pages or shell completions
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write loligo.1, a page per subcommand, and loligo.yml.5
    Man {
        /// An existing directory.
        #[arg(value_name = "DIRECTORY")]
        folder: PathBuf,
    },
    /// Write loligo.bash, _loligo (zsh) and loligo.fish
    Completions {
        /// An existing directory.
        #[arg(value_name = "DIRECTORY")]
        folder: PathBuf,
    },
}

impl Arguments {
    pub fn run(&self) -> Outcome {
        let (done, folder) = match &self.command {
            Command::Man { folder } => (pages(folder), folder),
            Command::Completions { folder } => (completions(folder), folder),
        };
        Ok(done.map_err(|error| format!("{}: {error}", folder.display()))?)
    }
}

fn pages(folder: &Path) -> std::io::Result<()> {
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    page(command, folder)?;
    std::fs::write(folder.join("loligo.yml.5"), configuration_page())
}

/// A page of a command and of those below it.
fn page(command: ClapCommand, folder: &Path) -> std::io::Result<()> {
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        page(subcommand.clone(), folder)?;
    }
    let man = Man::new(command).source(SOURCE).manual("Loligo").date(date());
    let mut text = Vec::new();
    man.render(&mut text)?;
    // Line breaks around an empty line have no effect, and mandoc warns of them.
    let text = String::from_utf8_lossy(&text).replace(".br\n\n.br\n", ".sp\n");
    std::fs::write(folder.join(man.get_filename()), text)
}

fn completions(folder: &Path) -> std::io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut command = super::Arguments::command();
        clap_complete::generate_to(shell, &mut command, "loligo", folder)?;
    }
    Ok(())
}

/// The reference as it stands, between a head and a foot.
fn configuration_page() -> String {
    let mut page = format!(".TH loligo.yml 5 {} \"{SOURCE}\" Loligo\n{HEAD}", date());
    for line in REFERENCE.lines() {
        // A line that begins with a dot or a quote would be a request.
        if line.starts_with(['.', '\'']) {
            page.push_str("\\&");
        }
        page.push_str(&line.replace('\\', "\\e").replace('-', "\\-"));
        page.push('\n');
    }
    page.push_str(FOOT);
    page
}

/// Today; or the day that a reproducible build has set (reproducible-builds.org, SOURCE_DATE_EPOCH).
fn date() -> String {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let set = set.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    set.unwrap_or_else(jiff::Timestamp::now).strftime("%Y-%m-%d").to_string()
}

const REFERENCE: &str = include_str!("../../config/loligo.yml");

const SOURCE: &str = concat!("loligo ", env!("CARGO_PKG_VERSION"));

const HEAD: &str = ".SH NAME
loligo.yml \\- configuration of the authentication server loligo
.SH DESCRIPTION
All keys with their meaning and their defaults. A line that begins with # and a key shows the
default of that key.
.PP
.nf
";

const FOOT: &str = ".fi
.SH SEE ALSO
.BR loligo (1),
.BR loligo\\-check (1),
.BR loligo\\-config (1)
";
