//! What is wrong with a configuration: where, which key, what, and what would be right.
//!
//! Every reader of the module puts its findings into one [`Report`], so that an operator sees all
//! problems of a file in one run. A problem may quote a word of the file, but never the value of a
//! key that holds a secret.

use crate::config::finding::{Finding, FindingKind};
use crate::config::node::Mark;
use std::fmt;
use std::sync::Arc;

/// One problem; its `Display` is one line: `FILE:12: server.redis.pool_size: must be at least 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file, or `environment variable NAME`; empty if the problem has no place.
    pub origin: Arc<str>,
    /// Counted from 1.
    pub line: Option<u32>,
    /// The key as the documents write it, list elements as `lua.features[0]`; empty for the file as
    /// a whole.
    pub path: String,
    pub wrong: String,
    /// What would have been right; empty if `wrong` says it already.
    pub allowed: String,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(file: impl Into<Arc<str>>, wrong: impl Into<String>) -> Problem {
        Problem {
            origin: file.into(),
            line: None,
            path: String::new(),
            wrong: wrong.into(),
            allowed: String::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: ", self.origin)?,
            None if self.origin.is_empty() => {}
            None => write!(f, "{}: ", self.origin)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.wrong)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, " (allowed: {})", self.allowed) }
    }
}

/// Everything that is wrong, at least one thing; its `Display` is one line per problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

/// What is wrong with one value, before anybody has said where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub wrong: String,
    pub allowed: String,
}

impl Wrong {
    pub fn new(wrong: impl Into<String>) -> Wrong {
        Wrong { wrong: wrong.into(), allowed: String::new() }
    }

    pub fn allowed(self, allowed: impl Into<String>) -> Wrong {
        Wrong { allowed: allowed.into(), ..self }
    }
}

/// Collects problems and warnings while a configuration is read.
#[derive(Default)]
pub(super) struct Report {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Finding>,
}

impl Report {
    pub fn wrong(&mut self, mark: &Mark, path: &str, wrong: Wrong) {
        self.problems.push(Problem {
            origin: mark.origin.clone(),
            line: mark.line,
            path: path.to_owned(),
            wrong: wrong.wrong,
            allowed: wrong.allowed,
        });
    }

    /// A warning names its place like a problem does.
    pub fn warn(&mut self, mark: &Mark, path: &str, text: &str) {
        self.warnings.push(Finding::at(FindingKind::Setting, mark, path, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_its_place() {
        let problem = Problem {
            origin: "loligo.yml".into(),
            line: Some(12),
            path: "server.log.level".into(),
            wrong: "unknown word \"loud\"".into(),
            allowed: "none, error".into(),
        };
        assert_eq!(
            problem.to_string(),
            "loligo.yml:12: server.log.level: unknown word \"loud\" (allowed: none, error)"
        );
    }

    #[test]
    fn problems_are_one_line_each() {
        let problems = Problems(vec![Problem::of_file("a", "x"), Problem::of_file("", "y")]);
        assert_eq!(problems.to_string(), "a: x\ny");
    }
}
