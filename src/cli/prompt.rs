//! Passwords for commands: from the terminal, from standard input or from a file. Never from an
//! argument, which every user of the host can see.
//!
//! Bounds: [`INPUT_BYTES_MAX`].

use crate::files;
use crate::secret::Secret;
use clap::Args;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{IsTerminal, Read, Stdin, Write};
use std::path::PathBuf;
use zeroize::Zeroize;

/// Where a command gets a password from.
#[derive(Args)]
pub struct PasswordInput {
    /// Read the password from the first line of this file. By default it is asked for at the
    /// terminal, without echo; without a terminal it is the first line of standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordInput {
    /// A password that exists already.
    ///
    /// # Errors
    /// It cannot be read, or is empty.
    pub fn read_from(&self, input: &mut Input, prompt: &str) -> Result<Secret, String> {
        let password = match &self.password_file {
            Some(path) => first_line_of_file(path)?,
            None => input.secret(prompt)?,
        };
        if password.is_empty() { Err("the password is empty".to_owned()) } else { Ok(password) }
    }

    /// A new password, asked for twice at a terminal.
    ///
    /// # Errors
    /// It cannot be read, is empty, or differs the second time.
    pub fn read_new(&self) -> Result<Secret, String> {
        let mut input = Input::open();
        let password = self.read_from(&mut input, "New password: ")?;
        if self.password_file.is_none()
            && input.is_terminal()
            && input.secret("Repeat the password: ")? != password
        {
            return Err("the two passwords differ; nothing is changed".to_owned());
        }
        Ok(password)
    }
}

/// The first line of a regular file.
///
/// # Errors
/// It cannot be read, or is larger than [`INPUT_BYTES_MAX`].
pub fn first_line_of_file(path: &std::path::Path) -> Result<Secret, String> {
    let bytes = files::read(path, INPUT_BYTES_MAX)
        .map(Secret::new)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(first_line(&bytes))
}

/// Standard input, line by line.
pub struct Input {
    stdin: Stdin,
    /// What was read and not yet asked for; without a terminal only.
    rest: Option<Secret>,
}

impl Input {
    pub fn open() -> Input {
        Input { stdin: std::io::stdin(), rest: None }
    }

    pub fn is_terminal(&self) -> bool {
        self.stdin.is_terminal()
    }

    /// The next line, without its end, and without echo.
    ///
    /// # Errors
    /// The input ended, was cancelled, or has more than [`INPUT_BYTES_MAX`].
    pub fn secret(&mut self, prompt: &str) -> Result<Secret, String> {
        if self.is_terminal() {
            return self.ask(prompt);
        }
        let input = match self.rest.take() {
            Some(input) => input,
            None => {
                let mut bytes = Vec::new();
                self.stdin
                    .lock()
                    .take(INPUT_BYTES_MAX + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|error| format!("standard input: {error}"))?;
                if bytes.len() as u64 > INPUT_BYTES_MAX {
                    bytes.zeroize();
                    return Err(format!("standard input has more than {INPUT_BYTES_MAX} bytes"));
                }
                Secret::new(bytes)
            }
        };
        let line_bytes = memchr::memchr(b'\n', input.expose()).map_or(input.len(), |at| at + 1);
        self.rest = Some(Secret::new(input.expose().get(line_bytes..).unwrap_or_default()));
        Ok(first_line(&input))
    }

    fn ask(&self, prompt: &str) -> Result<Secret, String> {
        let terminal = |error: &dyn std::fmt::Display| format!("terminal: {error}");
        let show = |text: &str| {
            let mut stderr = std::io::stderr();
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        };
        let quiet = Quiet::begin(&self.stdin).map_err(|error| terminal(&error))?;
        show(prompt);
        let mut line = Secret::default();
        let mut lock = self.stdin.lock();
        let outcome = loop {
            let mut byte = [0];
            match lock.read(&mut byte) {
                Ok(0) => break Err("the terminal is closed".to_owned()),
                Ok(_) => {}
                Err(error) => break Err(terminal(&error)),
            }
            match byte {
                [b'\r' | b'\n'] => break Ok(()),
                [CONTROL_C | CONTROL_D] => break Err("cancelled; nothing is changed".to_owned()),
                [CONTROL_U] => line = Secret::default(),
                [BACKSPACE | DELETE] => line = without_last(&line),
                _ if line.len() as u64 >= INPUT_BYTES_MAX => {
                    break Err(format!("the input has more than {INPUT_BYTES_MAX} bytes"));
                }
                _ => line.extend_from_slice(&byte),
            }
        };
        drop(quiet);
        show("\n");
        outcome.map(|()| line)
    }
}

/// The text up to the first line end.
fn first_line(text: &Secret) -> Secret {
    let text = text.expose();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Secret::new(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Without the last character of UTF-8.
fn without_last(line: &Secret) -> Secret {
    let line = line.expose();
    let is_start = |byte: &u8| *byte & 0xc0 != 0x80;
    let end = line.iter().rposition(is_start).unwrap_or_default();
    Secret::new(line.get(..end).unwrap_or_default())
}

/// A terminal without echo, line editing and signals; Ctrl-C arrives as a byte, so that the
/// terminal is put right again whatever the user does.
struct Quiet<'a> {
    stdin: &'a Stdin,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(stdin: &'a Stdin) -> rustix::io::Result<Quiet<'a>> {
        let before = tcgetattr(stdin)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin, OptionalActions::Flush, &quiet)?;
        Ok(Quiet { stdin, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.stdin, OptionalActions::Drain, &self.before);
    }
}

/// Passwords and hashes have a few hundred.
const INPUT_BYTES_MAX: u64 = 4096;

const CONTROL_C: u8 = 3;
const CONTROL_D: u8 = 4;
const CONTROL_U: u8 = 21;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_as_on_any_system() {
        for (text, line) in [("a\nb", "a"), ("a\r\nb", "a"), ("a", "a"), ("", ""), ("\na", "")] {
            assert_eq!(first_line(&text.into()).expose(), line.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn backspace_removes_a_character() {
        for (line, rest) in [("ab", "a"), ("aü", "a"), ("☃", ""), ("", "")] {
            assert_eq!(without_last(&line.into()).expose(), rest.as_bytes(), "{line:?}");
        }
    }
}
