//! URLs whose user information is hidden: it often holds a password or a token.

use crate::config::problem::Wrong;
use crate::config::value::Word;
use crate::masking::hide_user_information;
use crate::secret::Secret;
use std::fmt;

/// A URL, or `host:port`. Its text, in `loligo config` as in `Debug`, has `***` in place of the user
/// information.
#[derive(Clone, Default, PartialEq)]
pub struct Url(Secret);

impl Url {
    /// The whole text, for the one who sends requests there.
    pub fn expose(&self) -> &str {
        // It is made from a `str`.
        std::str::from_utf8(self.0.expose()).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of an error about this URL. It hides what the error says if that might quote the
    /// user information.
    pub fn explain(&self, error: impl fmt::Display) -> String {
        if self.expose().contains('@') {
            "is not a valid URL (percent-encode special characters of user name and password)"
                .into()
        } else {
            error.to_string()
        }
    }
}

impl From<&str> for Url {
    fn from(text: &str) -> Url {
        Url(Secret::from(text))
    }
}

impl Word for Url {
    fn parse(text: &str) -> Result<Url, Wrong> {
        Ok(Url::from(text))
    }

    fn text(&self) -> String {
        hide_user_information(self.expose())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_hidden() {
        for (url, shown) in [
            ("", ""),
            ("collector.example:4318", "collector.example:4318"),
            ("https://collector.example/v1", "https://collector.example/v1"),
            ("https://user:hunter2@h:1/v1?a=b", "https://***@h:1/v1?a=b"),
            ("https://token@h", "https://***@h"),
            ("user:hunter2@h:4318", "***@h:4318"),
            ("https://user:hun/ter?2#@h@h/", "https://***@h/"),
            ("https://user:p://hunter2@h/", "https://***@h/"),
        ] {
            let parsed = Url::from(url);
            assert_eq!(parsed.text(), shown);
            assert_eq!(format!("{parsed:?}"), format!("{shown:?}"));
            assert_eq!(parsed.expose(), url);
        }
    }

    #[test]
    fn an_error_does_not_quote_user_information() {
        let error = "invalid port \":hunter2\" after host";
        assert_eq!(Url::from("http://h:x/").explain(error), error);
        assert!(!Url::from("http://u:hunter2/@h/").explain(error).contains("hunter2"));
    }
}
