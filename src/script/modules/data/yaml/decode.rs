//! The decoder: documents of a text as values, by the events of saphyr-parser.
//!
//! As in the reference: nulls vanish from lists and maps, a null or NaN key is dropped with its
//! value, of duplicate keys the last one wins (unless `strict`), a list or map as a key is an
//! error. An alias is a copy. No recursion but for what is pushed into Lua later.
//! Bounds: [`TEXT_BYTES_MAX`], [`VALUES_MAX`] values and as many bytes of text as
//! [`TEXT_BYTES_MAX`] times four in all, which is what stops a few lines of aliases from filling
//! the memory; [`DEPTH_MAX`] levels.

use super::scalar;
use crate::script::ffi::DEPTH_MAX;
use crate::value::Value;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Why a text has no (further) document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("yaml: line {}: {}", .0.marker().line(), .0.info())]
    Syntax(#[from] ScanError),
    #[error("yaml: invalid UTF-8")]
    Utf8,
    #[error("yaml: invalid map key")]
    Key,
    #[error("yaml: key {0} already set in map")]
    Duplicate(String),
    #[error("yaml: map merge requires map or sequence of maps as the value")]
    Merge,
    #[error("yaml: cannot decode `{word}` as a !!{tag}")]
    Tag { word: String, tag: String },
    #[error("yaml: unknown anchor referenced")]
    Anchor,
    #[error("yaml: nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("yaml: document is too large")]
    TooLarge,
}

/// The documents of a text one after another, up to the first error.
pub struct Documents<'a> {
    parser: Option<Parser<'a, saphyr_parser::StrInput<'a>>>,
    strict: bool,
    budget: Budget,
}

impl<'a> Documents<'a> {
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Utf8`].
    pub fn of(text: &'a [u8], strict: bool) -> Result<Documents<'a>, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::Utf8)?;
        Ok(Documents {
            parser: Some(Parser::new_from_str(text)),
            strict,
            budget: Budget { values: VALUES_MAX, bytes: 4 * TEXT_BYTES_MAX },
        })
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Value, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut parser = self.parser.take()?;
        let mut builder = Builder {
            budget: &mut self.budget,
            strict: self.strict,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: Value::Nil,
        };
        while let Some(event) = parser.next_event() {
            match event {
                Ok((Event::DocumentEnd, _)) => {
                    let root = std::mem::take(&mut builder.root);
                    self.parser = Some(parser);
                    return Some(Ok(root));
                }
                Ok((event, _)) => {
                    if let Err(error) = builder.take(event) {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
        None
    }
}

/// How much may still be built.
struct Budget {
    values: usize,
    bytes: usize,
}

impl Budget {
    fn spend(&mut self, values: usize, bytes: usize) -> Result<(), Error> {
        self.values = self.values.checked_sub(values).ok_or(Error::TooLarge)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Error::TooLarge)?;
        Ok(())
    }

    /// Pays for a copy of `value`.
    fn spend_copy(&mut self, value: &Value) -> Result<(), Error> {
        self.spend(1, if let Value::String(text) = value { text.len() } else { 0 })?;
        match value {
            Value::List(members) => members.iter().try_for_each(|member| self.spend_copy(member)),
            Value::Map(pairs) => pairs.iter().try_for_each(|(key, value)| {
                self.spend_copy(key)?;
                self.spend_copy(value)
            }),
            _ => Ok(()),
        }
    }
}

struct Builder<'a> {
    budget: &'a mut Budget,
    strict: bool,
    /// Lists and maps that are not at their end yet, outermost first.
    open: Vec<(usize, Open)>,
    /// By the parser's number.
    anchors: HashMap<usize, Value>,
    root: Value,
}

enum Open {
    List(Vec<Value>),
    Map(Map),
}

/// A map on its way.
#[derive(Default)]
struct Map {
    pairs: Vec<(Value, Value)>,
    /// Where in `pairs` each key is.
    places: HashMap<Key, usize>,
    /// Values of `<<`, which count for keys that the map itself has not.
    merges: Vec<Value>,
    key: KeyState,
}

#[derive(Default)]
enum KeyState {
    #[default]
    Missing,
    Merge,
    /// Null or NaN: its value goes with it.
    Dropped,
    Known(Value),
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Text(Vec<u8>),
    Number(u64),
    Bool(bool),
}

impl Map {
    /// The last one of a key wins. True if there was one already.
    fn set(&mut self, key: Value, value: Value) -> bool {
        let Some(name) = key_of(&key) else { return false };
        match self.places.get(&name).and_then(|at| self.pairs.get_mut(*at)) {
            Some((_, old)) => {
                *old = value;
                true
            }
            None => {
                self.places.insert(name, self.pairs.len());
                self.pairs.push((key, value));
                false
            }
        }
    }

    fn finish(mut self) -> Value {
        for merged in std::mem::take(&mut self.merges) {
            let maps = if let Value::List(maps) = merged { maps } else { vec![merged] };
            for map in maps {
                let Value::Map(pairs) = map else { continue };
                for (key, value) in pairs {
                    if key_of(&key).is_some_and(|name| !self.places.contains_key(&name)) {
                        self.set(key, value);
                    }
                }
            }
        }
        self.pairs.retain(|(_, value)| *value != Value::Nil);
        Value::Map(self.pairs)
    }
}

fn key_of(key: &Value) -> Option<Key> {
    match key {
        Value::String(text) => Some(Key::Text(text.clone())),
        // Zero has one key, whatever its sign.
        Value::Number(n) if !n.is_nan() => Some(Key::Number((n + 0.0).to_bits())),
        Value::Bool(b) => Some(Key::Bool(*b)),
        _ => None,
    }
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.budget.spend(1, text.len())?;
                let is_merge = text == "<<" && style == ScalarStyle::Plain && tag.is_none();
                if let (true, Some((_, Open::Map(map)))) = (is_merge, self.open.last_mut())
                    && matches!(map.key, KeyState::Missing)
                {
                    map.key = KeyState::Merge;
                    return Ok(());
                }
                let value = scalar_value(text, style, tag.as_deref())?;
                self.put(value, anchor)
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).ok_or(Error::Anchor)?;
                self.budget.spend_copy(value)?;
                let value = value.clone();
                self.put(value, 0)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Open::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.begin(anchor, Open::Map(Map::default())),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((anchor, open)) = self.open.pop() else { return Ok(()) };
                let value = match open {
                    Open::List(members) => Value::List(members),
                    Open::Map(map) => map.finish(),
                };
                self.put(value, anchor)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, open: Open) -> Result<(), Error> {
        self.budget.spend(1, 0)?;
        if self.open.len() == DEPTH_MAX {
            return Err(Error::TooDeep);
        }
        self.open.push((anchor, open));
        Ok(())
    }

    /// Adds a finished value to the innermost open collection.
    fn put(&mut self, value: Value, anchor: usize) -> Result<(), Error> {
        if anchor != 0 {
            self.budget.spend_copy(&value)?;
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = value,
            Some((_, Open::List(members))) => {
                if value != Value::Nil {
                    members.push(value);
                }
            }
            Some((_, Open::Map(map))) => match std::mem::take(&mut map.key) {
                KeyState::Missing => map.key = state_of_key(value)?,
                KeyState::Dropped => {}
                KeyState::Merge => {
                    let is_map = |value: &Value| matches!(value, Value::Map(_));
                    if !is_map(&value)
                        && !matches!(&value, Value::List(maps) if maps.iter().all(is_map))
                    {
                        return Err(Error::Merge);
                    }
                    map.merges.push(value);
                }
                KeyState::Known(key) => {
                    let name = key.text().map(|text| String::from_utf8_lossy(&text).into_owned());
                    if map.set(key, value) && self.strict {
                        return Err(Error::Duplicate(format!("{:?}", name.unwrap_or_default())));
                    }
                }
            },
        }
        Ok(())
    }
}

fn state_of_key(value: Value) -> Result<KeyState, Error> {
    match value {
        Value::List(_) | Value::Map(_) => Err(Error::Key),
        Value::Nil => Ok(KeyState::Dropped),
        Value::Number(n) if n.is_nan() => Ok(KeyState::Dropped),
        key => Ok(KeyState::Known(key)),
    }
}

fn scalar_value(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Error> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain {
            scalar::resolve(&text)
        } else {
            Value::String(text.into_owned().into_bytes())
        });
    };
    let kind = if tag.is_yaml_core_schema() { tag.suffix.as_str() } else { "str" };
    let resolved = scalar::resolve(&text);
    let fits = match kind {
        "int" => matches!(resolved, Value::Number(n) if n.fract() == 0.0),
        "float" => matches!(resolved, Value::Number(_)),
        "bool" => matches!(resolved, Value::Bool(_)),
        "null" => resolved == Value::Nil,
        "binary" => {
            let compact: Vec<u8> =
                text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let bytes = BASE64_STANDARD.decode(compact);
            return bytes
                .map(Value::String)
                .map_err(|_| Error::Tag { word: text.into_owned(), tag: kind.to_owned() });
        }
        _ => return Ok(Value::String(text.into_owned().into_bytes())),
    };
    if fits {
        Ok(resolved)
    } else {
        Err(Error::Tag { word: text.into_owned(), tag: kind.to_owned() })
    }
}

/// Configurations and answers of services are far smaller; the parser takes some 20 ms for a text
/// of this size.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Some 30 bytes each.
const VALUES_MAX: usize = 500_000;
