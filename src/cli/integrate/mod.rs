//! `loligo integrate`: a configuration for the software that asks this server.
//!
//! Each client is one file with a template and a function that fills it in; [`CLIENTS`] lists them.
//! To add one, add a file and a line. Nothing is printed that would not work: what a client cannot
//! do (TLS, a unix socket, the PROXY protocol) leaves listeners out, and if none is left the command
//! says what to add to the configuration.

mod caller;
mod dovecot;
mod haproxy;
mod nginx;
mod nginx_auth_request;
mod target;

use super::Outcome;
use super::configuration::Configuration;
use crate::config::Config;
use caller::Caller;
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use target::Target;

/// Print a configuration for nginx, Dovecot or HAProxy that fits this server
///
/// The configuration uses a listener of this server that the client can speak to: a unix socket if
/// it can, otherwise TCP, TLS where it is supported. Paths, ports and host names that only you know
/// are marked with "change". If callers must authenticate, the configuration contains the password
/// of server.basic_auth or the given token, so keep it as secret as that.
#[derive(Args)]
pub struct Arguments {
    /// The client: nginx (mail proxy), nginx-auth-request (web pages), dovecot (Lua passdb and
    /// userdb) or haproxy (in front of this server).
    #[arg(value_name = "CLIENT", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    client: String,
    /// Use this listener, written as in the configuration: 127.0.0.1:9080, unix:/run/loligo.sock.
    #[arg(long, value_name = "ADDRESS")]
    listener: Option<String>,
    /// A file with a bearer token that the client authenticates with; see `loligo token`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The authorities of this server's TLS certificate, as the client finds them.
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: PathBuf,
    /// Write the files into this directory instead of printing them. Existing files are not
    /// replaced.
    #[arg(long, value_name = "DIRECTORY")]
    into: Option<PathBuf>,
}

/// A client, and what makes its files.
type Compose = fn(&Integration<'_>) -> Result<Vec<ClientFile>, String>;

/// All clients by name.
const CLIENTS: [(&str, Compose); 4] = [
    ("nginx", nginx::compose),
    ("nginx-auth-request", nginx_auth_request::compose),
    ("dovecot", dovecot::compose),
    ("haproxy", haproxy::compose),
];

fn names() -> [&'static str; CLIENTS.len()] {
    CLIENTS.map(|(name, _)| name)
}

/// What the functions of the clients work with.
struct Integration<'a> {
    config: &'a Config,
    /// The listeners that may be used, the first one preferred.
    targets: Vec<Target>,
    /// Who the client is, if it has to say so.
    caller: Caller,
    ca_file: &'a Path,
    /// Where the files will be.
    folder: Option<&'a Path>,
}

/// A file of a client's configuration.
struct ClientFile {
    name: &'static str,
    /// Where it usually is.
    place: &'static str,
    text: String,
}

impl Arguments {
    pub fn run(&self, configuration: &Configuration) -> Outcome {
        let config = configuration.load()?;
        let compose = CLIENTS.iter().find(|(name, _)| *name == self.client).map(|(_, found)| found);
        let compose = compose.ok_or_else(|| format!("unknown client {:?}", self.client))?;
        let folder = self.into.as_deref().map(std::path::absolute).transpose();
        let folder = folder.map_err(|error| error.to_string())?;
        let integration = Integration {
            targets: target::all(&config, self.listener.as_deref())?,
            caller: Caller::find(&config, self.token_file.as_deref())?,
            config: &config,
            ca_file: &self.ca_file,
            folder: folder.as_deref(),
        };
        let files = compose(&integration)?;
        match &folder {
            Some(folder) => write(folder, &files)?,
            None => print(&files),
        }
        Ok(())
    }
}

impl Integration<'_> {
    /// The first listener that this client can use. `needs` says in words what it needs.
    ///
    /// # Errors
    /// There is none: what to add.
    fn target(&self, can_use: impl Fn(&Target) -> bool, needs: &str) -> Result<&Target, String> {
        self.targets.iter().find(|target| can_use(target)).ok_or_else(|| {
            let listeners = self.targets.iter().map(|target| format!("\n  {}", target.describe()));
            format!(
                "no listener can be used: this client needs {needs}. Add one to \
                 server.listeners. There are:{}",
                listeners.collect::<String>()
            )
        })
    }

    /// The value of `Authorization` that the client sends to this listener; `None`: none is needed.
    ///
    /// # Errors
    /// Callers must authenticate there, and it is not known how.
    fn authorization(&self, target: &Target) -> Result<Option<String>, String> {
        if target.caller_auth { self.caller.authorization() } else { Ok(None) }
    }

    /// A comment for configurations that name a unix socket, indented by so many blanks.
    fn socket_note(&self, target: &Target, indent: usize) -> String {
        if target.is_unix() {
            let blanks = " ".repeat(indent);
            format!(
                "{blanks}# Its processes must be allowed to write to the socket: see group and mode of the listener."
            )
        } else {
            String::new()
        }
    }

    /// Refuses to go on if an endpoint is switched off.
    fn require(&self, is_disabled: bool, key: &str) -> Result<(), String> {
        if is_disabled {
            return Err(format!("server.disabled_endpoints.{key} is true: remove it first"));
        }
        Ok(())
    }

    /// Seconds that a client has to wait for an answer: as long as a request may take, and some
    /// more for the way.
    fn patience(&self) -> u64 {
        self.config.server.timeouts.request.as_secs() + 5
    }

    /// The path of a file that another file names.
    fn path_of(&self, name: &str, place: &str) -> String {
        self.folder.map_or(place.to_owned(), |folder| folder.join(name).display().to_string())
    }
}

/// Fills in `@NAME@`s.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        // A line that is only for some set-ups disappears as a whole.
        let line = format!("@{name}@\n");
        let text = if value.is_empty() { text.replace(&line, "") } else { text };
        text.replace(&format!("@{name}@"), value)
    })
}

fn print(files: &[ClientFile]) {
    for file in files {
        if files.len() > 1 {
            println!("# ======== {} ========", file.place);
        }
        print!("{}", file.text);
    }
}

fn write(folder: &Path, files: &[ClientFile]) -> Result<(), String> {
    for file in files {
        let path = folder.join(file.name);
        let about = |error: std::io::Error| format!("{}: {error}", path.display());
        // It may hold a secret: group members, such as the client's processes, may read it.
        let mode = if file.text.contains("Authorization") { 0o640 } else { 0o644 };
        let mut options = OpenOptions::new();
        let mut opened =
            options.write(true).create_new(true).mode(mode).open(&path).map_err(about)?;
        opened.write_all(file.text.as_bytes()).map_err(about)?;
        eprintln!("{} (usually {})", path.display(), file.place);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_value_disappear() {
        let template = "a\n@ONE@\nb @TWO@\n";
        assert_eq!(fill(template, &[("ONE", ""), ("TWO", "2")]), "a\nb 2\n");
        assert_eq!(fill(template, &[("ONE", "1"), ("TWO", "2")]), "a\n1\nb 2\n");
    }
}
