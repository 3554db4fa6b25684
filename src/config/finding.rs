//! What the operator should look at although the server starts: each finding has its place, and
//! says what is nearest to what was meant.
//!
//! Made where a configuration is read (`config`) and where its scripts are compiled (`script`);
//! start and reload log them, `check` prints them.

use crate::config::node::Mark;
use crate::config::problem::Problem;
use std::fmt;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A setting without the effect that its author may expect.
    Setting,
    /// An environment variable that is no key.
    Variable,
    /// A script that does not define what its stage calls.
    NoEntry,
    /// A script that reads a constant which does not exist.
    UnknownConstant,
}

/// One finding; its `Display` is one line, as that of a [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    pub what: Problem,
}

impl Finding {
    pub(super) fn at(
        kind: FindingKind,
        mark: &Mark,
        path: &str,
        text: impl Into<String>,
    ) -> Finding {
        let what = Problem {
            origin: mark.origin.clone(),
            line: mark.line,
            path: path.to_owned(),
            wrong: text.into(),
            allowed: String::new(),
        };
        Finding { kind, what }
    }

    /// A finding in a script.
    pub fn in_script(
        kind: FindingKind,
        file: &str,
        line: Option<u32>,
        text: impl Into<String>,
    ) -> Finding {
        let what = Problem {
            origin: file.into(),
            line,
            path: String::new(),
            wrong: text.into(),
            allowed: String::new(),
        };
        Finding { kind, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}
