//! `loligo user`: the users of a file that the backend script `password_file.lua` reads.

mod replace;

use super::hash::SchemeArgument;
use super::prompt::PasswordInput;
use super::{Failure, Outcome};
use crate::password::new;
use crate::password::user_file::{Line, User, UserFile};
use clap::{Args, Subcommand};
use replace::Edit;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Manage the users of a password file
///
/// The file is the one that lua/examples/backends/password_file.lua reads (environment variable
/// PASSWORD_FILE): a line per user, user:{SCHEME}hash:account:key=value. A running server sees
/// changes after a few seconds. A change replaces the file as a whole and keeps its owner and mode;
/// lines that are not concerned stay as they are.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a user. A file that does not exist is made, readable only by you
    Add {
        #[command(flatten)]
        which: Which,
        /// The account: the name of the mailbox. By default the user's name
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// An attribute, such as quota=5G; may be repeated, also with the same key.
        #[arg(long = "attribute", value_name = "KEY=VALUE")]
        attributes: Vec<String>,
        #[command(flatten)]
        scheme: SchemeArgument,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Remove a user. Exit status 3: there is no such user
    Remove {
        #[command(flatten)]
        which: Which,
    },
    /// List users, accounts, schemes of the hashes and attributes. Reports malformed lines
    List {
        /// The password file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a user's password. Exit status 3: there is no such user
    Passwd {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        scheme: SchemeArgument,
        #[command(flatten)]
        password: PasswordInput,
    },
}

#[derive(Args)]
struct Which {
    /// The password file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The user's login name.
    #[arg(value_name = "USER")]
    user: String,
}

impl Arguments {
    pub fn run(&self) -> Outcome {
        match &self.command {
            Command::Add { which, account, attributes, scheme, password } => {
                let account = account.as_deref().unwrap_or(&which.user);
                let fields = fields(&which.user, account, attributes)?;
                let scheme = scheme.get()?;
                // Before the password is asked for, and again in the locked file.
                if which.file.exists() {
                    refuse_known(which, &Edit::read(&which.file)?)?;
                }
                let hash = hash(scheme, password)?;
                let mut edit = Edit::begin(&which.file, true)?;
                refuse_known(which, &edit.users)?;
                edit.users.push([which.user.as_str(), &hash, &fields].join(":").as_bytes());
                Ok(edit.commit()?)
            }
            Command::Remove { which } => {
                let mut edit = Edit::begin(&which.file, false)?;
                if edit.users.remove(which.user.as_bytes()) == 0 {
                    return Err(unknown(which));
                }
                Ok(edit.commit()?)
            }
            Command::Passwd { which, scheme, password } => {
                let scheme = scheme.get()?;
                line_of(which, &Edit::read(&which.file)?)?;
                let hash = hash(scheme, password)?;
                let mut edit = Edit::begin(&which.file, false)?;
                let number = line_of(which, &edit.users)?;
                edit.users.set_hash(number, hash.as_bytes());
                Ok(edit.commit()?)
            }
            Command::List { file, json } => Ok(list(file, *json)?),
        }
    }
}

fn hash(scheme: new::NewScheme, password: &PasswordInput) -> Result<String, String> {
    let password = password.read_new()?;
    new::hash(scheme, password.expose()).map_err(|error| error.to_string())
}

/// The fields after the hash.
fn fields(user: &str, account: &str, attributes: &[String]) -> Result<String, String> {
    let is_field = |text: &str| !text.contains(':') && !text.contains(char::is_control);
    if user.is_empty() || user.starts_with('#') || !is_field(user) {
        return Err(format!(
            "{user:?} cannot be a user's name: it must not be empty, begin with # or contain \
             colons or control characters"
        ));
    }
    if account.is_empty() || !is_field(account) {
        return Err(format!("{account:?} cannot be an account: it is empty or has a colon"));
    }
    for attribute in attributes {
        let key = attribute.split_once('=').map_or("", |(key, _)| key);
        if key.is_empty() || !is_field(attribute) {
            return Err(format!("{attribute:?} is no KEY=VALUE without colons"));
        }
    }
    Ok(std::iter::once(account)
        .chain(attributes.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(":"))
}

fn refuse_known(which: &Which, users: &UserFile) -> Result<(), String> {
    match users.find(which.user.as_bytes()) {
        None => Ok(()),
        Some((number, _)) => Err(format!(
            "{}:{number}: there is a user {} already; `loligo user passwd` changes the password",
            which.file.display(),
            which.user
        )),
    }
}

/// The number of the user's line, which is well-formed.
fn line_of(which: &Which, users: &UserFile) -> Result<usize, Failure> {
    match users.find(which.user.as_bytes()) {
        None => Err(unknown(which)),
        Some((number, Line::Malformed(_, fault))) => Err(Failure::Failed(format!(
            "{}:{number}: {fault}; correct the line first",
            which.file.display()
        ))),
        Some((number, _)) => Ok(number),
    }
}

fn unknown(which: &Which) -> Failure {
    Failure::Negative(format!("{}: there is no user {}", which.file.display(), which.user))
}

/// Prints the users; malformed lines, and lines that have no effect, go to standard error.
fn list(path: &Path, json: bool) -> Result<(), String> {
    let file = Edit::read(path)?;
    let mut users: Vec<User<'_>> = Vec::new();
    for (number, line) in file.lines() {
        let warn = |text: String| eprintln!("{}:{number}: {text}", path.display());
        match line {
            Line::Comment => {}
            Line::Malformed(name, fault) => warn(format!(
                "{fault}; logins of {:?} fail temporarily",
                String::from_utf8_lossy(name)
            )),
            Line::User(user) if users.iter().any(|known| known.name == user.name) => {
                warn(format!(
                    "{:?} has a line before this one, which has no effect",
                    String::from_utf8_lossy(user.name)
                ));
            }
            Line::User(user) => users.push(user),
        }
    }
    if json {
        let users: Vec<Value> = users.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&users).map_err(|error| error.to_string())?);
        return Ok(());
    }
    let rows = users.iter().map(|user| {
        let attributes = user.attributes.iter().map(|(key, value)| {
            format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
        });
        [
            String::from_utf8_lossy(user.name).into_owned(),
            String::from_utf8_lossy(user.account).into_owned(),
            scheme_of(user.hash),
            attributes.collect::<Vec<_>>().join(" "),
        ]
    });
    print!("{}", super::table::compose(["USER", "ACCOUNT", "SCHEME", "ATTRIBUTES"], rows));
    Ok(())
}

fn as_json(user: &User<'_>) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut attributes: Map<String, Value> = Map::new();
    for (key, value) in &user.attributes {
        if let Value::Array(values) = attributes.entry(text(key)).or_insert_with(|| json!([])) {
            values.push(text(value).into());
        }
    }
    json!({ "user": text(user.name), "account": text(user.account), "scheme": scheme_of(user.hash), "attributes": attributes })
}

/// The name of a hash's scheme, without anything that may be the password.
fn scheme_of(hash: &[u8]) -> String {
    let word = match hash {
        [b'{', rest @ ..] => rest.split(|byte| *byte == b'}').next(),
        [b'$', rest @ ..] if rest.iter().filter(|byte| **byte == b'$').count() >= 2 => {
            rest.split(|byte| *byte == b'$').next()
        }
        _ => None,
    };
    let is_name = |word: &&[u8]| {
        word.len() <= 24
            && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
    };
    word.filter(is_name).map_or("?".to_owned(), |word| String::from_utf8_lossy(word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_break_the_file() {
        assert_eq!(fields("ada", "ada@x", &["a=b=c".into()]), Ok("ada@x:a=b=c".into()));
        for (user, account, attribute) in [
            ("", "a", "k=v"),
            ("#a", "a", "k=v"),
            ("a:b", "a", "k=v"),
            ("a\nb", "a", "k=v"),
            ("a", "", "k=v"),
            ("a", "a:b", "k=v"),
            ("a", "a", "kv"),
            ("a", "a", "=v"),
            ("a", "a", "k=v:x=y"),
            ("a", "a", "k=v\r"),
        ] {
            assert!(
                fields(user, account, &[attribute.into()]).is_err(),
                "{user} {account} {attribute}"
            );
        }
    }

    #[test]
    fn a_scheme_never_shows_a_password() {
        for (hash, scheme) in [
            ("{SSHA512}abc", "SSHA512"),
            ("$2b$10$abc", "2b"),
            ("{PLAIN}secret", "PLAIN"),
            ("secret", "?"),
            ("$ecret", "?"),
            ("{secret with blanks}", "?"),
        ] {
            assert_eq!(scheme_of(hash.as_bytes()), scheme, "{hash}");
        }
    }
}
