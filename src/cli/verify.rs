//! `loligo verify`: does a password belong to a hash?

use super::prompt::{Input, PasswordInput};
use super::{Failure, Outcome};
use crate::password;
use crate::secret::Secret;
use clap::Args;

/// Check a password against a hash
///
/// Exit status 0: it matches; 3: it does not match; 1: the hash cannot be checked, and the message
/// names its scheme and the known ones.
#[derive(Args)]
pub struct Arguments {
    /// The stored hash, in single quotes: '{SSHA512}…', '$2b$…'. Without it, it is asked for; without
    /// a terminal it is the first line of standard input, before the password.
    #[arg(value_name = "HASH")]
    hash: Option<String>,
    #[command(flatten)]
    password: PasswordInput,
}

impl Arguments {
    pub fn run(&self) -> Outcome {
        let mut input = Input::open();
        let hash = match &self.hash {
            Some(hash) if is_plain(hash) => return Err(Failure::Failed(PLAIN_ARGUMENT.to_owned())),
            Some(hash) => Secret::from(hash.as_str()),
            None => input.secret("Hash: ")?,
        };
        let password = self.password.read_from(&mut input, "Password: ")?;
        match password::verify(hash.expose(), password.expose()) {
            Ok(true) => {
                println!("the password matches");
                Ok(())
            }
            Ok(false) => Err(Failure::Negative("the password does not match".to_owned())),
            Err(error) => Err(Failure::Failed(format!("the hash cannot be checked: {error}"))),
        }
    }
}

/// Whether a stored value is the password itself.
fn is_plain(stored: &str) -> bool {
    let word = stored.strip_prefix('{').and_then(|rest| rest.split(['}', '.']).next());
    word.is_some_and(|word| {
        ["PLAIN", "CLEAR", "CLEARTEXT"].iter().any(|plain| plain.eq_ignore_ascii_case(word))
    })
}

const PLAIN_ARGUMENT: &str = "the hash is a password in plain text, which every user of this host \
    can see in an argument; give it on standard input, with the password in the second line";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_no_arguments() {
        for (stored, plain) in [
            ("{PLAIN}x", true),
            ("{clear.b64}eA==", true),
            ("{CLEARTEXT}x", true),
            ("{PLAIN-MD5}x", false),
            ("{SSHA}x", false),
            ("PLAIN", false),
        ] {
            assert_eq!(is_plain(stored), plain, "{stored}");
        }
    }
}
