//! `loligo hash`: the hash of a new password.

use super::Outcome;
use super::prompt::PasswordInput;
use crate::password::new::{self, NewScheme};
use clap::Args;

/// Print the hash of a password, for a user file or for server.basic_auth.users
///
/// The password is asked for at the terminal, twice, or read from standard input or a file. Every
/// call uses another salt, so the hashes of one password differ.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    scheme: SchemeArgument,
    #[command(flatten)]
    password: PasswordInput,
}

impl Arguments {
    pub fn run(&self) -> Outcome {
        let scheme = self.scheme.get()?;
        let password = self.password.read_new()?;
        let hash = new::hash(scheme, password.expose()).map_err(|error| error.to_string())?;
        println!("{hash}");
        Ok(())
    }
}

/// The scheme of a new hash.
#[derive(Args)]
pub struct SchemeArgument {
    /// The scheme: ARGON2ID, BLF-CRYPT, SHA512-CRYPT, SSHA512 or SSHA256, in any case.
    #[arg(long, value_name = "SCHEME", default_value = "ARGON2ID")]
    scheme: String,
}

impl SchemeArgument {
    /// # Errors
    /// There is no such scheme: which there are.
    pub fn get(&self) -> Result<NewScheme, String> {
        NewScheme::parse(&self.scheme).ok_or_else(|| {
            let known = NewScheme::ALL.map(|(name, _, about)| format!("\n  {name:<14}{about}"));
            format!("unknown scheme {:?}; new hashes can have:{}", self.scheme, known.concat())
        })
    }
}
