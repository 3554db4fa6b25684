//! Rules for single values: bounds, characters, files. Small functions that sections pass to
//! `keys`.

#![allow(
    clippy::ptr_arg,
    reason = "a rule is passed by name and takes the type of the field as it is"
)]

use crate::config::problem::Wrong;
use crate::config::value::Word;
use crate::secret::Secret;
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

pub type Checked = Result<(), Wrong>;

/// No rule.
pub fn any<T>(_: &T) -> Checked {
    Ok(())
}

pub fn at_least<T: PartialOrd + Debug>(min: T) -> impl Fn(&T) -> Checked {
    move |value| {
        if *value >= min { Ok(()) } else { Err(Wrong::new(format!("must be at least {min:?}"))) }
    }
}

pub fn at_most<T: PartialOrd + Debug>(max: T) -> impl Fn(&T) -> Checked {
    move |value| {
        if *value <= max { Ok(()) } else { Err(Wrong::new(format!("must be at most {max:?}"))) }
    }
}

pub fn between<T: PartialOrd + Debug>(min: T, max: T) -> impl Fn(&T) -> Checked {
    move |value| {
        if *value >= min && *value <= max {
            Ok(())
        } else {
            Err(Wrong::new(format!("must be between {min:?} and {max:?}")))
        }
    }
}

/// More than no time, and at most a year, the longest any duration of the documents may be.
pub fn positive(value: &Duration) -> Checked {
    if value.is_zero() { Err(Wrong::new("must be more than 0")) } else { at_most(YEAR)(value) }
}

/// At most `max` bytes of printable ASCII, blanks included.
pub fn printable(max: usize) -> impl Fn(&String) -> Checked {
    move |text| {
        if !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            Err(Wrong::new("must be printable ASCII"))
        } else if text.len() > max {
            Err(Wrong::new(format!("must have at most {max} characters")))
        } else {
            Ok(())
        }
    }
}

/// Printable ASCII without a blank.
pub fn one_word(text: &String) -> Checked {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Wrong::new("must be printable ASCII without blanks"))
    }
}

pub fn one_word_each(words: &Vec<String>) -> Checked {
    words.iter().try_for_each(one_word)
}

pub fn no_blank(text: &String) -> Checked {
    if text.contains(' ') { Err(Wrong::new("must not contain a blank")) } else { Ok(()) }
}

/// One of a few words, for keys whose function we do not have and whose words therefore have no
/// type.
pub fn one_of(words: &'static [&'static str]) -> impl Fn(&String) -> Checked {
    move |text| {
        let known = text.is_empty() || words.contains(&text.as_str());
        if known {
            Ok(())
        } else {
            Err(Wrong::new(format!("unknown word {text:?}")).allowed(words.join(", ")))
        }
    }
}

pub fn each_one_of(words: &'static [&'static str]) -> impl Fn(&Vec<String>) -> Checked {
    move |texts| texts.iter().try_for_each(one_of(words))
}

/// A secret of at least `min` characters, none of them a blank or a control character. An empty one
/// counts as not given.
pub fn secret_of(min: usize) -> impl Fn(&Secret) -> Checked {
    move |secret| {
        let text = String::from_utf8_lossy(secret.expose());
        if secret.is_empty() {
            Ok(())
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            Err(Wrong::new("must not contain blanks or control characters"))
        } else if text.chars().count() < min {
            Err(Wrong::new(format!("must have at least {min} characters")))
        } else {
            Ok(())
        }
    }
}

/// The same rule for a value that may be left out.
pub fn if_given<T>(check: impl Fn(&T) -> Checked) -> impl Fn(&Option<T>) -> Checked {
    move |value| value.as_ref().map_or(Ok(()), &check)
}

/// A regular file that this process may read (reading a FIFO or a device may block indefinitely);
/// relative names are relative to the working directory.
pub fn existing_file(path: &PathBuf) -> Checked {
    let wrong = |what: &str| Err(Wrong::new(format!("{:?} {what}", path.text())));
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => wrong("is a directory"),
        Ok(found) if !found.is_file() => {
            wrong(&crate::files::refusal(found.file_type()).to_string())
        }
        Ok(_) => match crate::files::open(OpenOptions::new().read(true), path) {
            Ok(_) => Ok(()),
            Err(e) => wrong(&format!("cannot be read: {e}")),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => wrong("does not exist"),
        Err(e) => wrong(&format!("cannot be read: {e}")),
    }
}

pub fn existing_files(paths: &Vec<PathBuf>) -> Checked {
    paths.iter().try_for_each(existing_file)
}

pub const YEAR: Duration = hours(8760);
pub const DAY: Duration = hours(24);

pub const fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(3600 * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_without_blanks() {
        let check = secret_of(16);
        for (text, good) in [
            ("", true),
            ("0123456789abcdef", true),
            ("Ünïcode-0123456789", true),
            ("short", false),
            ("0123456789 abcdef", false),
        ] {
            assert_eq!(check(&Secret::from(text)).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_problem_of_a_secret_does_not_quote_it() {
        let wrong = secret_of(16)(&Secret::from("hunter2")).unwrap_err();
        assert!(!format!("{wrong:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_must_exist_and_be_one() {
        let missing = existing_file(&"no/such/file.lua".into()).unwrap_err();
        assert_eq!(missing.wrong, "\"no/such/file.lua\" does not exist");
        assert!(existing_file(&std::env::temp_dir()).is_err());
        assert!(existing_file(&std::env::current_exe().unwrap()).is_ok());
    }

    #[test]
    fn bounds_include_their_ends() {
        assert!(between(1, 3)(&1).is_ok() && between(1, 3)(&3).is_ok());
        assert!(between(1, 3)(&0).is_err() && between(1, 3)(&4).is_err());
        assert!(
            positive(&Duration::ZERO).is_err()
                && positive(&YEAR).is_ok()
                && positive(&(YEAR + seconds(1))).is_err()
        );
    }
}
