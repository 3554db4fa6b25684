//! XPath expressions: the subset of the specification, as trees.
//!
//! Paths of steps with axis, node test and predicates; predicates are `[n]`, paths, `path =
//! 'text'`, `contains(path, 'text')`, `not()`, `and`, `or`, parentheses. No `|`, no other
//! functions. Rules: `lua/modules/xmlpath.md`. Bounds: [`PATH_BYTES_MAX`], [`NESTING_MAX`].

use std::fmt::Write;

/// A compiled path.
#[derive(Debug, PartialEq)]
pub struct Path {
    /// Begins at the root, wherever it is evaluated.
    pub(super) absolute: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Step {
    pub axis: Axis,
    pub test: Test,
    pub predicates: Vec<Predicate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    Preceding,
    PrecedingSibling,
    Itself,
}

#[derive(Debug, PartialEq)]
pub(super) enum Test {
    /// An element or attribute of this name.
    Name(String),
    /// Any element or attribute.
    Any,
    Text,
    Comment,
    Node,
}

#[derive(Debug, PartialEq)]
pub(super) enum Predicate {
    Position(usize),
    Exists(Path),
    Equals(Path, String),
    Contains(Path, String),
    Not(Box<Predicate>),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
}

/// Why a text is no path; the script's author is to blame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("compiling xml path {path:?}:{at}: {what}")]
pub struct PathError {
    path: String,
    at: usize,
    what: String,
}

impl Path {
    /// # Errors
    /// [`PathError`].
    pub fn compile(text: &str) -> Result<Path, PathError> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let parsed = if text.len() > PATH_BYTES_MAX {
            Err("path is too long".to_owned())
        } else {
            parser.whole()
        };
        parsed.map_err(|what| PathError {
            path: text.chars().take(100).collect(),
            at: parser.at,
            what,
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Of predicates inside predicates.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Path, String> {
        let path = self.path()?;
        if self.rest().is_empty() { Ok(path) } else { Err(self.unexpected()) }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Skips `text` and blanks around it, if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
            self.skip_blanks();
        }
        found
    }

    /// As [`Parser::eat`], for a word, which must end there.
    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let ends = self.rest().strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_name));
        ends && self.eat(word)
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.eat(text) { Ok(()) } else { Err(format!("expected {text:?}")) }
    }

    fn unexpected(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = match self.rest().chars().next() {
            Some(c) => write!(out, "unexpected {c:?}"),
            None => write!(out, "unexpected end"),
        };
        out
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut steps = Vec::new();
        let absolute = self.eat("/");
        if absolute && self.eat("/") {
            steps.push(anything_below());
        } else if absolute && !self.at_step() {
            return Ok(Path { absolute, steps });
        }
        loop {
            steps.push(self.step()?);
            if !self.eat("/") {
                return Ok(Path { absolute, steps });
            }
            if self.eat("/") {
                steps.push(anything_below());
            }
        }
    }

    fn at_step(&mut self) -> bool {
        self.skip_blanks();
        self.rest().starts_with(|c| is_name(c) || matches!(c, '*' | '@' | '.'))
    }

    fn step(&mut self) -> Result<Step, String> {
        if self.eat("..") {
            return self.predicates(Axis::Parent, Test::Node);
        }
        if self.eat(".") {
            return self.predicates(Axis::Itself, Test::Node);
        }
        if self.eat("@") {
            let test = self.test()?;
            return self.predicates(Axis::Attribute, test);
        }
        let start = self.at;
        let word = self.name();
        let axis = match word {
            _ if !self.rest().starts_with("::") => {
                self.at = start;
                Axis::Child
            }
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "attribute" => Axis::Attribute,
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "following" => Axis::Following,
            "following-sibling" => Axis::FollowingSibling,
            "parent" => Axis::Parent,
            "preceding" => Axis::Preceding,
            "preceding-sibling" => Axis::PrecedingSibling,
            "self" => Axis::Itself,
            _ => return Err(format!("unsupported axis {word:?}")),
        };
        self.eat("::");
        let test = self.test()?;
        self.predicates(axis, test)
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.eat("*") {
            return Ok(Test::Any);
        }
        let name = self.name();
        if name.is_empty() {
            return Err("missing name".into());
        }
        if !self.eat("(") {
            self.skip_blanks();
            return Ok(Test::Name(name.to_owned()));
        }
        let test = match name {
            "text" => Test::Text,
            "comment" => Test::Comment,
            "node" => Test::Node,
            _ => return Err(format!("unsupported function {name:?}")),
        };
        self.expect(")")?;
        Ok(test)
    }

    /// Names may hold a colon (`o:p`), but not two.
    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let mut len = 0;
        for (at, c) in rest.char_indices() {
            let colon = c == ':'
                && rest.get(at + 1..).is_some_and(|behind| behind.starts_with(is_name))
                && !rest.get(..at).unwrap_or_default().ends_with(':');
            if !is_name(c) && !colon {
                break;
            }
            len = at + c.len_utf8();
        }
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn predicates(&mut self, axis: Axis, test: Test) -> Result<Step, String> {
        let mut predicates = Vec::new();
        while self.eat("[") {
            self.skip_blanks();
            let digits =
                self.rest().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            predicates.push(if digits.is_empty() {
                self.any_of()?
            } else {
                self.at += digits.len();
                Predicate::Position(
                    digits.parse().ok().filter(|n| *n > 0).ok_or("positions start at 1")?,
                )
            });
            self.expect("]")?;
        }
        Ok(Step { axis, test, predicates })
    }

    fn any_of(&mut self) -> Result<Predicate, String> {
        if self.depth == NESTING_MAX {
            return Err("predicates are nested too deeply".into());
        }
        self.depth += 1;
        let mut predicate = self.all_of()?;
        while self.eat_word("or") {
            predicate = Predicate::Or(Box::new(predicate), Box::new(self.all_of()?));
        }
        self.depth -= 1;
        Ok(predicate)
    }

    fn all_of(&mut self) -> Result<Predicate, String> {
        let mut predicate = self.single()?;
        while self.eat_word("and") {
            predicate = Predicate::And(Box::new(predicate), Box::new(self.single()?));
        }
        Ok(predicate)
    }

    fn single(&mut self) -> Result<Predicate, String> {
        if self.eat("(") {
            let inner = self.any_of()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let start = self.at;
        if self.eat_word("not") && self.eat("(") {
            let inner = self.any_of()?;
            self.expect(")")?;
            return Ok(Predicate::Not(Box::new(inner)));
        }
        self.at = start;
        if self.eat_word("contains") && self.eat("(") {
            let path = self.path()?;
            self.expect(",")?;
            let text = self.literal()?;
            self.expect(")")?;
            return Ok(Predicate::Contains(path, text));
        }
        self.at = start;
        let path = self.path()?;
        if self.eat("=") {
            Ok(Predicate::Equals(path, self.literal()?))
        } else {
            Ok(Predicate::Exists(path))
        }
    }

    fn literal(&mut self) -> Result<String, String> {
        self.skip_blanks();
        let quote = self
            .rest()
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))
            .ok_or("expected a literal string")?;
        let inner = self.rest().get(1..).unwrap_or_default();
        let end = inner.find(quote).ok_or(format!("missing {quote}"))?;
        self.at += end + 2;
        self.skip_blanks();
        Ok(inner.get(..end).unwrap_or_default().to_owned())
    }
}

/// What stands between two slashes that follow each other.
fn anything_below() -> Step {
    Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

const PATH_BYTES_MAX: usize = 4096;

/// A chain of `and` goes down as deep as it is long; with [`PATH_BYTES_MAX`] that is some hundred
/// levels.
const NESTING_MAX: usize = 32;
