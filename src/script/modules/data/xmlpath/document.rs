//! Documents as XPath sees them: html5ever's tree, frozen into one list in document order.
//!
//! In that order a node's descendants are the nodes up to its `end`, what follows it begins there,
//! and a node-set is a sorted list. The text is fed in pieces and given up once it nests too deeply
//! or has too many nodes, because some of the parser's steps look at all open elements. Bounds:
//! [`TEXT_BYTES_MAX`], [`DEPTH_MAX`], [`NODES_MAX`].

use super::sink::Sink;
use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;

/// A parsed page.
#[derive(Debug, Default)]
pub struct Document {
    pub(super) nodes: Vec<Node>,
    /// Of texts, names and attributes, for the memory that it takes.
    text_bytes: usize,
}

/// One node but attributes, which are part of their element.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// Of the root: itself.
    pub parent: usize,
    /// Behind its last descendant.
    pub end: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Root,
    Element { name: Box<str>, attributes: Vec<(Box<str>, Box<str>)> },
    Text(String),
    Comment(Box<str>),
}

/// Why a text was not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("document is larger than {TEXT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("document is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("document has more than {NODES_MAX} nodes")]
    TooMany,
    #[error("document has an element with too many attributes")]
    TooManyAttributes,
}

impl Document {
    /// Reads HTML, which any text is; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(text: &[u8]) -> Result<Document, LoadError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(LoadError::TooLarge);
        }
        let tree_builder =
            TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        let mut parser =
            parse_document(Sink::new(), ParseOpts { tree_builder, ..ParseOpts::default() });
        let text = String::from_utf8_lossy(text);
        let mut rest = &*text;
        let mut attributes = Attributes::default();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
            parser.process(StrTendril::from(piece));
            rest = behind;
            let sink = &parser.tokenizer.sink.sink;
            attributes.check(piece, sink.calls())?;
            if sink.depth() > DEPTH_MAX {
                return Err(LoadError::TooDeep);
            }
            if sink.len() > NODES_MAX {
                return Err(LoadError::TooMany);
            }
        }
        Ok(parser.finish().freeze())
    }

    pub(super) fn push(&mut self, kind: Kind, parent: usize) -> usize {
        let at = self.nodes.len();
        self.text_bytes += match &kind {
            Kind::Root => 0,
            Kind::Element { name, attributes } => {
                name.len()
                    + attributes
                        .iter()
                        .map(|(name, value)| name.len() + value.len() + size_of::<[usize; 4]>())
                        .sum::<usize>()
            }
            Kind::Text(text) => text.capacity(),
            Kind::Comment(text) => text.len(),
        };
        self.nodes.push(Node { kind, parent, end: at + 1 });
        at
    }

    /// Memory that the document takes.
    pub fn bytes(&self) -> usize {
        self.text_bytes + self.nodes.len() * size_of::<Node>()
    }

    pub(super) fn attributes(&self, at: usize) -> &[(Box<str>, Box<str>)] {
        match self.nodes.get(at).map(|node| &node.kind) {
            Some(Kind::Element { attributes, .. }) => attributes,
            _ => &[],
        }
    }

    /// Calls `each` with the pieces of the text inside a node, until it returns false.
    pub(super) fn texts<'a>(&'a self, at: usize, mut each: impl FnMut(&'a str) -> bool) {
        let Some(node) = self.nodes.get(at) else { return };
        match &node.kind {
            Kind::Text(text) => {
                each(text);
            }
            Kind::Comment(text) => {
                each(text);
            }
            Kind::Root | Kind::Element { .. } => {
                for inner in self.nodes.get(at..node.end).unwrap_or_default() {
                    if let Kind::Text(text) = &inner.kind
                        && !each(text)
                    {
                        return;
                    }
                }
            }
        }
    }
}

/// Bounds the parser's own search for attributes with the same name: it compares each with all
/// before it in the tag.
///
/// What is inside a tag cannot be seen from here, but whether a tag (or a comment) was completed
/// can. Until then everything that may separate attributes is counted as if it did.
#[derive(Default)]
struct Attributes {
    /// The sink's calls at the last look.
    calls: u64,
    /// Separators since then.
    pending: usize,
    /// Comparisons that the parser may have made, in the whole document.
    comparisons: usize,
}

impl Attributes {
    fn check(&mut self, piece: &str, calls: u64) -> Result<(), LoadError> {
        let separators = piece
            .bytes()
            .filter(|byte| {
                matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' | b'/' | b'"' | b'\'')
            })
            .count();
        if calls != self.calls {
            (self.calls, self.pending) = (calls, 0);
        }
        self.comparisons = self.comparisons.saturating_add(self.pending * separators);
        self.pending += separators;
        if self.comparisons > COMPARISONS_MAX { Err(LoadError::TooManyAttributes) } else { Ok(()) }
    }
}

/// Some 0.2 s. Enough for a tag with 14,000 attributes, or a comment of as many words.
const COMPARISONS_MAX: usize = 100_000_000;

/// A web page of everyday size has a tenth of it.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Pages nest a few dozen levels.
const DEPTH_MAX: usize = 512;

/// Some 100 bytes each, while they are built.
const NODES_MAX: usize = 200_000;

/// How much is parsed between two looks at the bounds.
const PIECE_BYTES: usize = 1024;
