//! How a client shows this server who it is.

use crate::cli::prompt::first_line_of_file;
use crate::config::Config;
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::path::Path;

/// What a client can show.
pub enum Caller {
    /// A bearer token.
    Token(Secret),
    /// The name and password of `server.basic_auth`.
    Basic(Secret),
    /// The configuration has no password in plain text.
    Unknown,
}

impl Caller {
    /// The token of a file, or the password of the configuration.
    ///
    /// # Errors
    /// The file cannot be read, or is no token.
    pub fn find(config: &Config, token_file: Option<&Path>) -> Result<Caller, String> {
        if let Some(path) = token_file {
            let token = first_line_of_file(path)?;
            let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
            if token.is_empty() || !token.expose().iter().all(is_token) {
                return Err(format!("{}: the first line is no token", path.display()));
            }
            return Ok(Caller::Token(token));
        }
        let basic = &config.server.basic_auth;
        if basic.enabled && !basic.username.is_empty() && !basic.password.is_empty() {
            let both = [basic.username.as_bytes(), b":", basic.password.expose()].concat();
            return Ok(Caller::Basic(Secret::new(both)));
        }
        Ok(Caller::Unknown)
    }

    /// The value of the header `Authorization`: printable ASCII without quotes, so that it can
    /// stand between quotes in any configuration.
    ///
    /// # Errors
    /// It is not known.
    pub fn authorization(&self) -> Result<Option<String>, String> {
        match self {
            Caller::Token(token) => {
                Ok(Some(format!("Bearer {}", String::from_utf8_lossy(token.expose()))))
            }
            Caller::Basic(both) => {
                Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(both.expose()))))
            }
            Caller::Unknown => Err(UNKNOWN.to_owned()),
        }
    }
}

const UNKNOWN: &str = "callers must authenticate, and the configuration has no password in plain \
    text that could be printed. Give a token: `loligo token NAME --role authenticate --role \
    user_info --role list_accounts --expires 8760h > FILE`, then --token-file FILE. Or add a \
    listener with caller_auth: false, such as a unix socket";
