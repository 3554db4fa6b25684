//! One walk over the keys of a section serves reading, writing and listing.
//!
//! A [`Section`] names each of its keys once, in [`Section::keys`]: the walk then either reads the
//! key's value from a tree, or writes it into one (the effective configuration), or lists the key
//! (the names of environment variables). So a key cannot be known to one of them and unknown to
//! another. What a section does not name is an unknown key.

use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::{Report, Wrong};
use crate::config::value::{Place, Shape, Value, nanoseconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// A part of the configuration whose keys are known.
pub trait Section: Default {
    /// Names every key, in the order in which the effective configuration shows them.
    fn keys(&mut self, keys: &mut Keys<'_>);

    /// Rules between keys, asked once all of them could be read: the key to blame and what is
    /// wrong.
    fn check(&self) -> Vec<(&'static str, Wrong)> {
        Vec::new()
    }
}

/// A key that the environment can give.
#[derive(Debug)]
pub(super) struct Known {
    pub path: String,
    pub shape: Shape,
    /// Other spellings of the last word of the path.
    pub aliases: Vec<&'static str>,
}

/// What to do if both spellings of a key are given.
#[derive(Clone, Copy)]
pub enum Both {
    Refuse,
    /// The newer spelling counts.
    Newer,
    /// The older one's element comes first in the newer one's list.
    Join,
}

/// The walk.
pub struct Keys<'a> {
    /// Of the section; empty for the root.
    path: String,
    named: Vec<&'static str>,
    mode: Mode<'a>,
}

enum Mode<'a> {
    Read { section: Node, report: &'a mut Report },
    Write(Vec<(String, Node)>),
    List { known: &'a mut Vec<Known>, aliases: Vec<(&'static str, &'static str)> },
}

/// Reads a section from its map. `None` if anything in it was wrong.
pub(super) fn read<S: Section>(node: Node, path: String, report: &mut Report) -> Option<S> {
    let mut value = S::default();
    read_into(&mut value, node, path, report).then_some(value)
}

fn read_into<S: Section>(value: &mut S, node: Node, path: String, report: &mut Report) -> bool {
    let problems_before = report.problems.len();
    if !matches!(node.kind, Kind::Map(_)) {
        report.wrong(&node.mark, &path, Wrong::new("must be a section of keys and values"));
        return false;
    }
    let places = node.clone();
    let mut keys = Keys { path, named: Vec::new(), mode: Mode::Read { section: node, report } };
    value.keys(&mut keys);
    keys.refuse_unknown();
    let Keys { path, mode: Mode::Read { report, .. }, .. } = keys else { return false };
    if report.problems.len() == problems_before {
        for (key, wrong) in value.check() {
            report.wrong(&places.mark_near(key), &joined(&path, key), wrong);
        }
    }
    report.problems.len() == problems_before
}

/// Writes a section as a map. Takes it mutably because one walk serves both ways; it does not
/// change.
pub(super) fn write<S: Section>(value: &mut S) -> Node {
    let mut keys = Keys { path: String::new(), named: Vec::new(), mode: Mode::Write(Vec::new()) };
    value.keys(&mut keys);
    let entries = if let Mode::Write(entries) = keys.mode { entries } else { Vec::new() };
    Node::new(Kind::Map(entries), Mark::nowhere())
}

/// Every key that the environment can give.
pub(super) fn list<S: Section>() -> Vec<Known> {
    let mut known = Vec::new();
    list_below::<S>(String::new(), &mut known);
    known
}

fn list_below<S: Section>(path: String, known: &mut Vec<Known>) {
    S::default().keys(&mut Keys {
        path,
        named: Vec::new(),
        mode: Mode::List { known, aliases: Vec::new() },
    });
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Keys<'_> {
    /// A key without further rules.
    pub fn value<T: Value>(&mut self, key: &'static str, field: &mut T) {
        self.checked(key, field, |_| Ok(()));
    }

    /// A key whose value must pass `check`.
    pub fn checked<T: Value>(
        &mut self,
        key: &'static str,
        field: &mut T,
        check: impl Fn(&T) -> Result<(), Wrong>,
    ) {
        self.visit(key, field, |value, field| {
            check(&value)?;
            *field = value;
            Ok(())
        });
    }

    /// A key for which an empty value (0, "") means the default.
    pub fn or_default<T: Value + Default + PartialEq>(
        &mut self,
        key: &'static str,
        field: &mut T,
        check: impl Fn(&T) -> Result<(), Wrong>,
    ) {
        self.visit(key, field, |value, field| {
            if value != T::default() {
                check(&value)?;
                *field = value;
            }
            Ok(())
        });
    }

    /// A duration for which anything up to 0 means the default.
    pub fn positive_or_default(&mut self, key: &'static str, field: &mut Duration, max: Duration) {
        if let Mode::Read { section, .. } = &mut self.mode
            && let Some(Kind::Scalar(text)) = section.child(key).map(|node| &node.kind)
            && nanoseconds(text).is_ok_and(|nanos| nanos <= 0)
        {
            self.named.push(key);
            section.remove(key);
            return;
        }
        self.checked(key, field, |value| {
            if *value <= max { Ok(()) } else { Err(Wrong::new(format!("must be at most {max:?}"))) }
        });
    }

    /// A key that must be given and not empty; a list may be empty if it says so.
    pub fn required<T: Value>(
        &mut self,
        key: &'static str,
        field: &mut T,
        check: impl Fn(&T) -> Result<(), Wrong>,
    ) {
        self.require_unless(key, |node| {
            node.is_absent()
                || T::SHAPE == Shape::Scalar && node.kind == Kind::Scalar(String::new())
        });
        self.checked(key, field, check);
    }

    /// A section below this one.
    pub fn section<S: Section>(&mut self, key: &'static str, field: &mut S) {
        self.named.push(key);
        let path = joined(&self.path, key);
        match &mut self.mode {
            Mode::Read { section, report } => {
                if let Some(node) = section.remove(key).filter(|node| !node.is_absent()) {
                    read_into(field, node, path, report);
                }
            }
            Mode::Write(entries) => entries.push((key.to_owned(), write(field))),
            Mode::List { known, .. } => list_below::<S>(path, known),
        }
    }

    /// A section that has no sensible default as a whole.
    pub fn optional_section<S: Section>(&mut self, key: &'static str, field: &mut Option<S>) {
        match &mut self.mode {
            Mode::Read { section, .. }
                if section.child(key).is_some_and(|node| !node.is_absent()) =>
            {
                self.section(key, field.get_or_insert_default());
            }
            Mode::List { .. } => self.section(key, field.get_or_insert_default()),
            _ => match field {
                Some(field) => self.section(key, field),
                None => {
                    self.take(key);
                }
            },
        }
    }

    /// A list of sections.
    pub fn sections<S: Section>(&mut self, key: &'static str, field: &mut Vec<S>) {
        let path = joined(&self.path, key);
        self.visit_maps(key, field, |node, report| match node.kind {
            Kind::List(elements) => {
                let each = |(index, element)| read(element, format!("{path}[{index}]"), report);
                let sections: Vec<Option<S>> = elements.into_iter().enumerate().map(each).collect();
                Ok(sections.into_iter().flatten().collect())
            }
            Kind::Scalar(text) if text.is_empty() => Ok(Vec::new()),
            _ => Err(Wrong::new("must be a list of sections")),
        });
        if let Mode::Write(entries) = &mut self.mode {
            entries.push((
                key.to_owned(),
                Node::new(Kind::List(field.iter_mut().map(write).collect()), Mark::nowhere()),
            ));
        }
    }

    /// A map from names that the operator chose to sections.
    pub fn named_sections<S: Section>(
        &mut self,
        key: &'static str,
        field: &mut BTreeMap<String, S>,
    ) {
        let path = joined(&self.path, key);
        self.visit_maps(key, field, |node, report| match node.kind {
            Kind::Map(entries) => {
                let each = |(name, node): (String, Node)| {
                    Some((name.clone(), read(node, format!("{path}.{name}"), report)?))
                };
                Ok(entries.into_iter().filter_map(each).collect())
            }
            Kind::Scalar(text) if text.is_empty() => Ok(BTreeMap::new()),
            _ => Err(Wrong::new("must be a map from names to sections")),
        });
        if let Mode::Write(entries) = &mut self.mode {
            let sections =
                field.iter_mut().map(|(name, section)| (name.clone(), write(section))).collect();
            entries.push((key.to_owned(), Node::new(Kind::Map(sections), Mark::nowhere())));
        }
    }

    /// Another spelling of `key`, which the section names after this.
    pub fn alias(&mut self, alias: &'static str, key: &'static str, both: Both) {
        self.named.push(alias);
        match &mut self.mode {
            Mode::Read { section, report } => {
                let Some(older) = section.remove(alias).filter(|node| !node.is_absent()) else {
                    return;
                };
                match (section.remove(key).filter(|node| !node.is_absent()), both) {
                    (None, _) => {
                        section.set(key, older);
                    }
                    (Some(newer), Both::Refuse) => {
                        section.set(key, newer);
                        let wrong =
                            Wrong::new(format!("is another name of {key:?}, which is also set"));
                        report.wrong(&older.mark, &joined(&self.path, alias), wrong);
                    }
                    (Some(newer), Both::Newer) => {
                        section.set(key, newer);
                    }
                    (Some(newer), Both::Join) => {
                        section.set(key, join(older, newer));
                    }
                }
            }
            Mode::Write(_) => {}
            Mode::List { aliases, .. } => aliases.push((alias, key)),
        }
    }

    /// A key of the original that does nothing here: accepted with a warning.
    pub fn left_out(&mut self, key: &'static str, why: &str) {
        self.named.push(key);
        if let Mode::Read { section, report } = &mut self.mode
            && let Some(node) = section.remove(key)
        {
            report.warn(&node.mark, &joined(&self.path, key), &format!("is ignored: {why}"));
        }
    }

    /// Whether the section being read gives one of these keys.
    pub fn gives_any(&self, keys: &[&str]) -> bool {
        match &self.mode {
            Mode::Read { section, .. } => {
                keys.iter().any(|key| section.child(key).is_some_and(|node| !node.is_absent()))
            }
            _ => false,
        }
    }

    /// Says that a key is missing unless it is given.
    pub fn require(&mut self, key: &'static str) {
        self.require_unless(key, Node::is_absent);
    }

    fn require_unless(&mut self, key: &'static str, is_empty: impl Fn(&Node) -> bool) {
        if let Mode::Read { section, report } = &mut self.mode
            && section.child(key).is_none_or(is_empty)
        {
            section.remove(key);
            report.wrong(&section.mark, &joined(&self.path, key), Wrong::new("is missing"));
        }
    }

    /// Takes the node of a key that is being read; none if it is not given or null.
    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.named.push(key);
        match &mut self.mode {
            Mode::Read { section, .. } => {
                section.remove(key).filter(|node| node.kind != Kind::Null)
            }
            _ => None,
        }
    }

    fn visit<T: Value>(
        &mut self,
        key: &'static str,
        field: &mut T,
        store: impl FnOnce(T, &mut T) -> Result<(), Wrong>,
    ) {
        let node = self.take(key);
        let path = joined(&self.path, key);
        match &mut self.mode {
            Mode::Read { report, .. } => {
                let Some(node) = node else { return };
                let mut place = Place { path, report };
                if let Some(value) = T::read(&node, &mut place)
                    && let Err(wrong) = store(value, field)
                {
                    place.wrong(&node.mark, wrong);
                }
            }
            Mode::Write(entries) => {
                let node = field.write();
                if node.kind != Kind::Null {
                    entries.push((key.to_owned(), node));
                }
            }
            Mode::List { known, aliases } => {
                let aliases =
                    aliases.iter().filter(|(_, of)| *of == key).map(|(alias, _)| *alias).collect();
                known.push(Known { path, shape: T::SHAPE, aliases });
            }
        }
    }

    /// What [`Keys::visit`] does, for lists and maps of sections; writing is left to the caller.
    fn visit_maps<T>(
        &mut self,
        key: &'static str,
        field: &mut T,
        read: impl FnOnce(Node, &mut Report) -> Result<T, Wrong>,
    ) {
        let node = self.take(key);
        let path = joined(&self.path, key);
        match &mut self.mode {
            Mode::Read { report, .. } => {
                let Some(node) = node else { return };
                let mark = node.mark.clone();
                match read(node, report) {
                    Ok(value) => *field = value,
                    Err(wrong) => report.wrong(&mark, &path, wrong),
                }
            }
            Mode::Write(_) => {}
            Mode::List { known, .. } => {
                known.push(Known { path, shape: Shape::Maps, aliases: Vec::new() })
            }
        }
    }

    /// Reports what is left of the section once all its keys were named.
    fn refuse_unknown(&mut self) {
        let Mode::Read { section, report } = &mut self.mode else { return };
        let Kind::Map(entries) = &section.kind else { return };
        for (key, node) in entries {
            let wrong = Wrong::new(match nearest(key, &self.named) {
                Some(near) => format!("unknown key (did you mean {near:?}?)"),
                None => "unknown key".to_owned(),
            });
            report.wrong(&node.mark, &joined(&self.path, key), wrong);
        }
    }
}

/// The word most like `given`, if any is near enough to be meant.
pub fn nearest<'a>(given: &str, words: &[&'a str]) -> Option<&'a str> {
    // Comparing costs the product of the lengths, and no key is longer than this.
    if given.len() > 64 {
        return None;
    }
    let distances = words.iter().map(|word| (strsim::damerau_levenshtein(given, word), *word));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= word.len() / 3)
        .map(|(_, word)| word)
}

/// One list of what two keys give, each a list or a single value.
fn join(older: Node, newer: Node) -> Node {
    let mark = newer.mark.clone();
    let mut elements = Vec::new();
    for node in [older, newer] {
        match node.kind {
            Kind::List(more) => elements.extend(more),
            Kind::Scalar(text) => elements
                .extend(text.split(',').map(|part| Node::scalar(part.trim(), node.mark.clone()))),
            _ => elements.push(node),
        }
    }
    Node::new(Kind::List(elements), mark)
}
