//! Mustache: a tree and values in, text out.
//!
//! What counts as false, how numbers look and how HTML is escaped is the reference's. A section
//! over a list inside a section over a list multiplies, so both the work and the output have a
//! bound.

use super::parse::{Node, Template};
use crate::value::{Value, exponent_text};
use std::borrow::Cow;

/// A value as templates see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A hole in a list.
    Nil,
    Bool(bool),
    Number(f64),
    Text(Vec<u8>),
    List(Vec<Data>),
    /// Sorted by key, no key twice.
    Map(Vec<(Vec<u8>, Data)>),
}

/// Why a template was not rendered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("a list reaches beyond index {LIST_LEN_MAX}")]
    ListTooLong,
    #[error("rendered text is larger than {OUTPUT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("rendering takes more than {STEPS_MAX} steps")]
    TooLong,
}

impl Data {
    /// A table with a positive integer among its keys is a list, and loses its other members; any
    /// other is a map, also the empty one.
    ///
    /// # Errors
    /// [`RenderError::ListTooLong`].
    pub fn from_value(value: Value) -> Result<Data, RenderError> {
        Ok(match value {
            Value::Nil => Data::Nil,
            Value::Bool(b) => Data::Bool(b),
            Value::Number(n) => Data::Number(n),
            Value::String(s) => Data::Text(s),
            Value::List(members) if members.is_empty() => Data::Map(Vec::new()),
            Value::List(members) => {
                Data::List(members.into_iter().map(Data::from_value).collect::<Result<_, _>>()?)
            }
            Value::Map(pairs) => Data::from_pairs(pairs)?,
        })
    }

    fn from_pairs(pairs: Vec<(Value, Value)>) -> Result<Data, RenderError> {
        let index = |key: &Value| match key {
            Value::Number(n) if *n >= 1.0 && n.fract() == 0.0 => Some(*n),
            _ => None,
        };
        let last = pairs.iter().filter_map(|(key, _)| index(key)).fold(0.0, f64::max);
        if last > LIST_LEN_MAX as f64 {
            return Err(RenderError::ListTooLong);
        }
        if last > 0.0 {
            let mut list = vec![Data::Nil; last as usize];
            for (key, value) in pairs {
                if let Some(place) = index(&key).and_then(|index| list.get_mut(index as usize - 1))
                {
                    *place = Data::from_value(value)?;
                }
            }
            return Ok(Data::List(list));
        }
        let mut map = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = match key {
                Value::Bool(b) => b.to_string().into_bytes(),
                key => key.text().map(Cow::into_owned).unwrap_or_default(),
            };
            map.push((key, Data::from_value(value)?));
        }
        map.sort_by(|(a, _), (b, _)| a.cmp(b));
        map.dedup_by(|(a, _), (b, _)| a == b);
        Ok(Data::Map(map))
    }

    fn is_false(&self) -> bool {
        match self {
            Data::Nil => true,
            Data::Bool(b) => !b,
            Data::Number(n) => *n == 0.0,
            Data::Text(text) => text.trim_ascii().is_empty(),
            Data::List(members) => members.is_empty(),
            Data::Map(_) => false,
        }
    }

    fn member(&self, name: &[u8]) -> Option<&Data> {
        let Data::Map(map) = self else { return None };
        let at = map.binary_search_by(|(key, _)| key.as_slice().cmp(name)).ok()?;
        map.get(at).map(|(_, value)| value)
    }
}

impl Template<'_> {
    /// The text for these values.
    ///
    /// # Errors
    /// [`RenderError::TooLarge`], [`RenderError::TooLong`].
    pub fn render(&self, values: &Data) -> Result<Vec<u8>, RenderError> {
        let mut renderer = Renderer { contexts: vec![values], out: Vec::new(), steps: STEPS_MAX };
        renderer.nodes(&self.nodes)?;
        Ok(renderer.out)
    }
}

struct Renderer<'a> {
    /// The values that names are looked up in, innermost last.
    contexts: Vec<&'a Data>,
    out: Vec<u8>,
    /// How many are left.
    steps: usize,
}

impl<'a> Renderer<'a> {
    /// As deep as sections nest, which the parser bounds.
    fn nodes(&mut self, nodes: &[Node<'_>]) -> Result<(), RenderError> {
        for node in nodes {
            self.step(1)?;
            match node {
                Node::Text(text) => self.push(text)?,
                Node::Variable { name, raw } => {
                    if let Some(value) = self.lookup(name)? {
                        self.variable(value, *raw)?;
                    }
                }
                Node::Section { name, inverted, nodes } => {
                    let value = self.lookup(name)?.filter(|value| !value.is_false());
                    match (value, inverted) {
                        (None, true) => self.nodes(nodes)?,
                        (Some(value), false) => self.section(value, nodes)?,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn section(&mut self, value: &'a Data, nodes: &[Node<'_>]) -> Result<(), RenderError> {
        let each = match value {
            Data::List(members) => members.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for context in each {
            self.step(1)?;
            self.contexts.push(context);
            let rendered = self.nodes(nodes);
            self.contexts.pop();
            rendered?;
        }
        Ok(())
    }

    /// The first part of a dotted name is looked for in all contexts, the innermost first; the
    /// others inside what it gave.
    fn lookup(&mut self, name: &[u8]) -> Result<Option<&'a Data>, RenderError> {
        if name == b"." {
            return Ok(self.contexts.last().copied());
        }
        self.step(self.contexts.len())?;
        let mut parts = name.split(|byte| *byte == b'.');
        let first = parts.next().unwrap_or_default();
        let found = self.contexts.iter().rev().find_map(|context| context.member(first));
        Ok(parts.try_fold(found, |value, part| value.map(|value| value.member(part))).flatten())
    }

    fn variable(&mut self, value: &Data, raw: bool) -> Result<(), RenderError> {
        let start = self.out.len();
        self.display(value)?;
        let written = self.out.get(start..).unwrap_or_default();
        if raw
            || memchr::memchr3(b'<', b'>', b'&', written)
                .or(memchr::memchr2(b'"', b'\'', written))
                .is_none()
        {
            return Ok(());
        }
        let text = self.out.split_off(start);
        for byte in text {
            match byte {
                b'<' => self.push(b"&lt;")?,
                b'>' => self.push(b"&gt;")?,
                b'&' => self.push(b"&amp;")?,
                b'"' => self.push(b"&#34;")?,
                b'\'' => self.push(b"&#39;")?,
                byte => self.push(&[byte])?,
            }
        }
        Ok(())
    }

    /// A value's text. Lists and maps look as Go prints them, `[1 2]` and `map[a:1]`; they nest as
    /// deep as values may.
    fn display(&mut self, value: &Data) -> Result<(), RenderError> {
        self.step(1)?;
        match value {
            Data::Nil => self.push(b"<nil>"),
            Data::Bool(b) => self.push(if *b { b"true" } else { b"false" }),
            Data::Number(n) => self.push(exponent_text(*n, -4, 6).as_bytes()),
            Data::Text(text) => self.push(text),
            Data::List(members) => {
                for (at, member) in members.iter().enumerate() {
                    self.push(if at == 0 { b"[" } else { b" " })?;
                    self.display(member)?;
                }
                self.push(if members.is_empty() { b"[]" } else { b"]" })
            }
            Data::Map(members) => {
                self.push(b"map[")?;
                for (at, (key, member)) in members.iter().enumerate() {
                    self.push(if at == 0 { b"" } else { b" " })?;
                    self.push(key)?;
                    self.push(b":")?;
                    self.display(member)?;
                }
                self.push(b"]")
            }
        }
    }

    fn push(&mut self, text: &[u8]) -> Result<(), RenderError> {
        if self.out.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(RenderError::TooLarge);
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn step(&mut self, count: usize) -> Result<(), RenderError> {
        self.steps = self.steps.checked_sub(count).ok_or(RenderError::TooLong)?;
        Ok(())
    }
}

/// Room for holes: a table with one member at a large index stands for a list of that length.
const LIST_LEN_MAX: usize = 100_000;

/// A step takes some 50 ns at most: a tenth of a second in all.
pub(super) const STEPS_MAX: usize = 2_000_000;

/// Far more than any mail or chat takes.
pub(super) const OUTPUT_BYTES_MAX: usize = 4 << 20;
