//! Evaluation of a path: a document and a place in it in, the places that the path leads to out, in
//! document order.
//!
//! `//*//*//*` visits the document's nodes once per node and level: so there is a budget of steps.
//! A step is a node that is looked at or [`BYTES_PER_STEP`] bytes of text.

use super::document::{Document, Kind};
use super::path::{Axis, Path, Predicate, Step, Test};

/// A node: its number, and 0 or, for an attribute of it, the attribute's number from 1 on.
pub type Place = (usize, usize);

/// Why there is no result.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("evaluating the path takes more than {STEPS_MAX} steps")]
pub struct TooLong;

impl Document {
    /// The places that `path` leads to from `from`.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn select(&self, path: &Path, from: Place) -> Result<Vec<Place>, TooLong> {
        Evaluation { document: self, steps: STEPS_MAX }.path(path, from)
    }

    /// The text of a node: of all texts inside it, of an attribute its value.
    pub fn text(&self, (at, attribute): Place) -> String {
        if attribute > 0 {
            return self
                .attributes(at)
                .get(attribute - 1)
                .map(|(_, value)| value.to_string())
                .unwrap_or_default();
        }
        let mut text = String::new();
        self.texts(at, |piece| {
            text.push_str(piece);
            true
        });
        text
    }
}

struct Evaluation<'a> {
    document: &'a Document,
    /// How many are left.
    steps: usize,
}

impl Evaluation<'_> {
    fn path(&mut self, path: &Path, from: Place) -> Result<Vec<Place>, TooLong> {
        let mut found = vec![if path.absolute { (0, 0) } else { from }];
        for step in &path.steps {
            let mut next = Vec::new();
            for place in found {
                self.spend(1)?;
                next.extend(self.step(step, place)?);
            }
            // Sorting looks at each some more times.
            self.spend(next.len())?;
            next.sort_unstable();
            next.dedup();
            found = next;
        }
        Ok(found)
    }

    fn step(&mut self, step: &Step, from: Place) -> Result<Vec<Place>, TooLong> {
        let mut found = self.axis(step.axis, &step.test, from)?;
        for predicate in &step.predicates {
            let mut kept = Vec::new();
            for (position, place) in found.into_iter().enumerate() {
                if self.holds(predicate, place, position + 1)? {
                    kept.push(place);
                }
            }
            found = kept;
        }
        Ok(found)
    }

    /// The places of an axis that pass the test, nearest first.
    fn axis(&mut self, axis: Axis, test: &Test, from: Place) -> Result<Vec<Place>, TooLong> {
        let (at, attribute) = from;
        let document = self.document;
        let Some(node) = document.nodes.get(at) else { return Ok(Vec::new()) };
        if attribute > 0 {
            // An attribute has a parent and ancestors, but is not a child.
            return match axis {
                Axis::Itself | Axis::DescendantOrSelf => self.keep(std::iter::once(from), test),
                Axis::Parent => self.keep(std::iter::once((at, 0)), test),
                Axis::Ancestor => self.axis(Axis::AncestorOrSelf, test, (at, 0)),
                Axis::AncestorOrSelf => {
                    let mut all = self.keep(std::iter::once(from), test)?;
                    all.extend(self.axis(Axis::AncestorOrSelf, test, (at, 0))?);
                    Ok(all)
                }
                _ => Ok(Vec::new()),
            };
        }
        let parent = node.parent;
        let ancestors = |first: usize| {
            std::iter::successors(Some(first), |at| {
                document.nodes.get(*at).map(|node| node.parent).filter(|parent| parent != at)
            })
        };
        // The siblings from `first` up to `end`, each beginning where the one before ends.
        let siblings = |first: usize, end: usize| {
            std::iter::successors(Some(first), |at| document.nodes.get(*at).map(|node| node.end))
                .take_while(move |at| *at < end)
        };
        let plain = |at: usize| (at, 0);
        match axis {
            Axis::Attribute => self
                .keep((1..=document.attributes(at).len()).map(|attribute| (at, attribute)), test),
            Axis::Itself => self.keep(std::iter::once(from), test),
            Axis::Parent => self.keep((at > 0).then_some((parent, 0)).into_iter(), test),
            Axis::Ancestor => self.keep(ancestors(at).skip(1).map(plain), test),
            Axis::AncestorOrSelf => self.keep(ancestors(at).map(plain), test),
            Axis::Child => self.keep(siblings(at + 1, node.end).map(plain), test),
            Axis::Descendant => self.keep((at + 1..node.end).map(plain), test),
            Axis::DescendantOrSelf => self.keep((at..node.end).map(plain), test),
            Axis::Following => self.keep((node.end..document.nodes.len()).map(plain), test),
            Axis::FollowingSibling => {
                let end = document.nodes.get(parent).map_or(0, |parent| parent.end);
                self.keep(siblings(node.end, end).map(plain), test)
            }
            // A node in front that reaches up to here or beyond is an ancestor.
            Axis::Preceding => {
                let is_before =
                    |before: &usize| document.nodes.get(*before).is_some_and(|node| node.end <= at);
                self.keep((0..at).rev().filter(is_before).map(plain), test)
            }
            Axis::PrecedingSibling => {
                self.spend(at - parent.min(at))?;
                let mut before: Vec<usize> = siblings(parent + 1, at).collect();
                before.reverse();
                self.keep(before.into_iter().map(plain), test)
            }
        }
    }

    fn keep(
        &mut self,
        places: impl Iterator<Item = Place>,
        test: &Test,
    ) -> Result<Vec<Place>, TooLong> {
        let mut kept = Vec::new();
        for place in places {
            self.spend(1)?;
            if self.passes(test, place) {
                kept.push(place);
            }
        }
        Ok(kept)
    }

    fn passes(&self, test: &Test, (at, attribute): Place) -> bool {
        let Some(node) = self.document.nodes.get(at) else { return false };
        match (test, &node.kind) {
            (Test::Node, _) => true,
            (Test::Any, Kind::Element { .. }) => true,
            (Test::Name(wanted), Kind::Element { name, attributes }) => {
                match attribute.checked_sub(1) {
                    Some(attribute) => {
                        attributes.get(attribute).is_some_and(|(name, _)| **name == **wanted)
                    }
                    None => **name == **wanted,
                }
            }
            (Test::Text, Kind::Text(_)) | (Test::Comment, Kind::Comment(_)) => true,
            _ => false,
        }
    }

    fn holds(
        &mut self,
        predicate: &Predicate,
        place: Place,
        position: usize,
    ) -> Result<bool, TooLong> {
        self.spend(1)?;
        Ok(match predicate {
            Predicate::Position(wanted) => position == *wanted,
            Predicate::Exists(path) => !self.path(path, place)?.is_empty(),
            Predicate::Equals(path, text) => self.any_text(path, place, |found| found == text)?,
            Predicate::Contains(path, text) => {
                self.any_text(path, place, |found| found.contains(text.as_str()))?
            }
            Predicate::Not(inner) => !self.holds(inner, place, position)?,
            Predicate::And(one, other) => {
                self.holds(one, place, position)? && self.holds(other, place, position)?
            }
            Predicate::Or(one, other) => {
                self.holds(one, place, position)? || self.holds(other, place, position)?
            }
        })
    }

    /// Whether the text of any node that the path leads to will do.
    fn any_text(
        &mut self,
        path: &Path,
        from: Place,
        will_do: impl Fn(&str) -> bool,
    ) -> Result<bool, TooLong> {
        for place in self.path(path, from)? {
            let nodes = self.document.nodes.get(place.0).map_or(0, |node| node.end - place.0);
            self.spend(nodes)?;
            let text = self.document.text(place);
            self.spend(text.len() / BYTES_PER_STEP)?;
            if will_do(&text) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn spend(&mut self, steps: usize) -> Result<(), TooLong> {
        self.steps = self.steps.checked_sub(steps).ok_or(TooLong)?;
        Ok(())
    }
}

/// Some 10 ns each, and 16 bytes while a step of the path is taken: 50 MB at most.
const STEPS_MAX: usize = 3_000_000;

/// As much as is copied and searched in the time of a step.
const BYTES_PER_STEP: usize = 16;
