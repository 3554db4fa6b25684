//! Mustache templates as trees: text, variables, sections.
//!
//! One pass over the bytes; a tag that stands alone on its line (sections, comments, changes of
//! delimiter) takes the line with it. Error texts are the reference's. Bounds: [`NESTING_MAX`];
//! time and size grow with the text.

use memchr::memmem;

/// A template, ready to be rendered.
#[derive(Debug)]
pub struct Template<'a> {
    pub(super) nodes: Vec<Node<'a>>,
}

/// One piece of a template.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Text(&'a [u8]),
    /// `raw`: not escaped for HTML.
    Variable {
        name: &'a [u8],
        raw: bool,
    },
    /// `inverted`: for what is false.
    Section {
        name: &'a [u8],
        inverted: bool,
        nodes: Vec<Node<'a>>,
    },
}

/// Why a text is no template; the script's author is to blame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("line {0}: unmatched open tag")]
    UnmatchedOpen(usize),
    #[error("line {line}: Section {name} has no closing tag")]
    Unclosed { line: usize, name: String },
    #[error("line {0}: unmatched close tag")]
    UnmatchedClose(usize),
    #[error("line {line}: interleaved closing tag: {name}")]
    Interleaved { line: usize, name: String },
    #[error("line {0}: empty tag")]
    Empty(usize),
    #[error("line {0}: Invalid meta tag")]
    Delimiters(usize),
    /// They would let a template read any file of the system.
    #[error("line {0}: partials are not available")]
    Partial(usize),
    #[error("line {0}: sections are nested deeper than {NESTING_MAX} levels")]
    TooDeep(usize),
}

impl<'a> Template<'a> {
    /// # Errors
    /// [`ParseError`].
    pub fn parse(text: &'a [u8]) -> Result<Template<'a>, ParseError> {
        let mut parser = Parser {
            text,
            at: 0,
            line: 1,
            line_start: 0,
            open: b"{{",
            close: b"}}",
            sections: Vec::new(),
            nodes: Vec::new(),
        };
        while parser.step()? {}
        match parser.sections.pop() {
            Some(section) => {
                Err(ParseError::Unclosed { line: section.line, name: lossy(section.name) })
            }
            None => Ok(Template { nodes: parser.nodes }),
        }
    }
}

struct Parser<'a> {
    text: &'a [u8],
    /// Everything in front of it is dealt with.
    at: usize,
    /// Number of the line that `at` is in, and where it begins.
    line: usize,
    line_start: usize,
    /// The delimiters in force.
    open: &'a [u8],
    close: &'a [u8],
    /// The sections around, outermost first.
    sections: Vec<Open<'a>>,
    /// Of the innermost section, or the whole.
    nodes: Vec<Node<'a>>,
}

/// A section whose closing tag is still to come.
struct Open<'a> {
    name: &'a [u8],
    inverted: bool,
    line: usize,
    /// The nodes in front of it.
    before: Vec<Node<'a>>,
}

impl<'a> Parser<'a> {
    /// One tag and the text in front of it; false at the end.
    fn step(&mut self) -> Result<bool, ParseError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(found) = memmem::find(rest, self.open) else {
            self.push_text(self.at, self.text.len());
            return Ok(false);
        };
        let (text_start, tag_start) = (self.at, self.at + found);
        self.advance(tag_start);
        let inner_start = tag_start + self.open.len();
        let inner = self.text.get(inner_start..).unwrap_or_default();
        let triple = inner.first() == Some(&b'{');
        let end = match triple {
            true => memmem::find(inner, &[b"}", self.close].concat())
                .map(|at| (at, at + 1 + self.close.len())),
            false => memmem::find(inner, self.close).map(|at| (at, at + self.close.len())),
        };
        let (inner_end, tag_len) = end.ok_or(ParseError::UnmatchedOpen(self.line))?;
        let inner = inner.get(..inner_end).unwrap_or_default();
        let tag = inner_start..inner_start + tag_len;
        let (kind, name) = match inner.trim_ascii_start().split_first() {
            Some((kind @ (b'#' | b'^' | b'/' | b'!' | b'=' | b'>' | b'&' | b'{'), rest)) => {
                (*kind, rest.trim_ascii())
            }
            _ => (0, inner.trim_ascii()),
        };
        if name.is_empty() && kind != b'!' {
            return Err(ParseError::Empty(self.line));
        }
        let alone = if matches!(kind, b'#' | b'^' | b'/' | b'!' | b'=') {
            self.line_of_its_own(tag_start, tag.end)
        } else {
            None
        };
        self.push_text(text_start, if alone.is_some() { self.line_start } else { tag_start });
        self.tag(kind, name)?;
        self.advance(alone.unwrap_or(tag.end));
        Ok(true)
    }

    fn tag(&mut self, kind: u8, name: &'a [u8]) -> Result<(), ParseError> {
        match kind {
            b'#' | b'^' if self.sections.len() == NESTING_MAX => {
                return Err(ParseError::TooDeep(self.line));
            }
            b'#' | b'^' => {
                let before = std::mem::take(&mut self.nodes);
                self.sections.push(Open { name, inverted: kind == b'^', line: self.line, before });
            }
            b'/' => {
                let Some(section) = self.sections.pop() else {
                    return Err(ParseError::UnmatchedClose(self.line));
                };
                if section.name != name {
                    return Err(ParseError::Interleaved { line: self.line, name: lossy(name) });
                }
                let nodes = std::mem::replace(&mut self.nodes, section.before);
                self.nodes.push(Node::Section { name, inverted: section.inverted, nodes });
            }
            b'!' => {}
            b'=' => {
                let delimiters =
                    name.strip_suffix(b"=").ok_or(ParseError::Delimiters(self.line))?;
                let mut words =
                    delimiters.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                let (Some(open), Some(close), None) = (words.next(), words.next(), words.next())
                else {
                    return Err(ParseError::Delimiters(self.line));
                };
                (self.open, self.close) = (open, close);
            }
            b'>' => return Err(ParseError::Partial(self.line)),
            _ => self.nodes.push(Node::Variable { name, raw: kind != 0 }),
        }
        Ok(())
    }

    /// If nothing but blanks stands around a tag on its line: where the next line begins.
    fn line_of_its_own(&self, tag_start: usize, tag_end: usize) -> Option<usize> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        if !self.text.get(self.line_start..tag_start)?.iter().all(is_blank) {
            return None;
        }
        let behind = self.text.get(tag_end..)?;
        let blanks = behind.iter().take_while(|byte| is_blank(byte)).count();
        match behind.get(blanks..)? {
            [] => Some(self.text.len()),
            [b'\n', ..] => Some(tag_end + blanks + 1),
            [b'\r', b'\n', ..] => Some(tag_end + blanks + 2),
            _ => None,
        }
    }

    fn push_text(&mut self, start: usize, end: usize) {
        match self.text.get(start..end) {
            Some(text) if !text.is_empty() => self.nodes.push(Node::Text(text)),
            _ => {}
        }
    }

    /// Goes on to `at`, counting lines.
    fn advance(&mut self, at: usize) {
        for newline in memchr::memchr_iter(b'\n', self.text.get(self.at..at).unwrap_or_default()) {
            self.line += 1;
            self.line_start = self.at + newline + 1;
        }
        self.at = at;
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Each level takes some of the thread's stack while it is rendered.
pub(super) const NESTING_MAX: usize = 64;
