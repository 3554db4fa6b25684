//! The tree that every format is parsed into: scalars as text, lists, maps, each with the place it
//! came from.
//!
//! Types come later, when a section reads its keys: that is why a number keeps the digits it was
//! written with. Made by `format`, joined by `include`, changed by `environment`, consumed by
//! `keys`. Bounds: [`NODES_MAX`], [`DEPTH_MAX`].

use std::sync::Arc;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// A file name or `environment variable NAME`.
    pub origin: Arc<str>,
    pub line: Option<u32>,
}

impl Mark {
    /// The place of what was not written anywhere.
    pub fn nowhere() -> Mark {
        Mark { origin: "".into(), line: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    /// For the value of a map: where its key stands.
    pub mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file, no key twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub fn new(kind: Kind, mark: Mark) -> Node {
        Node { kind, mark }
    }

    pub fn scalar(text: impl Into<String>, mark: Mark) -> Node {
        Node::new(Kind::Scalar(text.into()), mark)
    }

    /// Null, an empty map: what the file might as well not have mentioned.
    pub fn is_absent(&self) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    pub fn child(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// Takes an entry out of a map.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let Kind::Map(entries) = &mut self.kind else { return None };
        let index = entries.iter().position(|(name, _)| name == key)?;
        Some(entries.remove(index).1)
    }

    /// The node at a dotted path of map keys.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.child(key))
    }

    /// The mark of the node at `path` (list elements as `features[0]`), or of its nearest ancestor that was written.
    pub fn mark_near(&self, path: &str) -> Mark {
        let mut node = self;
        for key in path.split('.') {
            let (key, index) = match key.strip_suffix(']').and_then(|key| key.rsplit_once('[')) {
                Some((key, index)) => (key, index.parse::<usize>().ok()),
                None => (key, None),
            };
            let Some(child) = node.child(key) else { break };
            node = match (index, &child.kind) {
                (Some(index), Kind::List(elements)) => elements.get(index).unwrap_or(child),
                _ => child,
            };
        }
        node.mark.clone()
    }

    /// Puts `value` at a dotted path, making maps on the way where there is nothing yet.
    ///
    /// Returns false if something on the way is a scalar or a list: reading will complain about it.
    pub fn set(&mut self, path: &str, value: Node) -> bool {
        if self.kind == Kind::Null {
            self.kind = Kind::Map(Vec::new());
        }
        let Kind::Map(entries) = &mut self.kind else { return false };
        let (key, rest) =
            path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
        let index = match entries.iter().position(|(name, _)| name == key) {
            Some(index) => index,
            None => {
                entries.push((key.to_owned(), Node::new(Kind::Null, value.mark.clone())));
                entries.len() - 1
            }
        };
        match (entries.get_mut(index), rest) {
            (Some((_, child)), Some(rest)) => child.set(rest, value),
            (Some((_, child)), None) => {
                *child = value;
                true
            }
            (None, _) => false,
        }
    }

    /// Lays `over` on this tree: maps are merged deeply, anything else is replaced, null changes
    /// nothing.
    pub fn merge(&mut self, over: Node) {
        match (&mut self.kind, over.kind) {
            (_, Kind::Null) => {}
            (Kind::Map(base), Kind::Map(entries)) => {
                for (key, node) in entries {
                    match base.iter_mut().find(|(name, _)| *name == key) {
                        Some((_, old)) => old.merge(node),
                        None => base.push((key, node)),
                    }
                }
                self.mark = over.mark;
            }
            (_, kind) => *self = Node::new(kind, over.mark),
        }
    }

    /// Whether both say the same, wherever they stand.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::List(a), Kind::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Kind::Map(a), Kind::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, node)| {
                        b.iter().any(|(name, other)| name == key && node.same(other))
                    })
            }
            (a, b) => a == b,
        }
    }

    /// Folds the names of keys to lower case, as the documents have it, except names the operator
    /// chose ([`OWN_NAMES`]).
    ///
    /// Two spellings of one key are reported through `twice` with the place of the second, which is
    /// dropped.
    pub fn fold_keys(&mut self, twice: &mut impl FnMut(&Mark, &str)) {
        match &mut self.kind {
            Kind::List(elements) => {
                elements.iter_mut().for_each(|element| element.fold_keys(twice))
            }
            Kind::Map(entries) => {
                let mut folded: Vec<(String, Node)> = Vec::with_capacity(entries.len());
                for (key, mut node) in std::mem::take(entries) {
                    let key = key.to_ascii_lowercase();
                    match (&mut node.kind, OWN_NAMES.contains(&key.as_str())) {
                        (Kind::Map(named), true) => {
                            named.iter_mut().for_each(|(_, node)| node.fold_keys(twice))
                        }
                        _ => node.fold_keys(twice),
                    }
                    if folded.iter().any(|(name, _)| *name == key) {
                        twice(&node.mark, &key);
                    } else {
                        folded.push((key, node));
                    }
                }
                *entries = folded;
            }
            _ => {}
        }
    }
}

/// Sections whose keys are names that the operator chose; they keep their case.
pub(super) const OWN_NAMES: [&str; 4] =
    ["soft_whitelist", "optional_lua_backends", "optional_ldap_pools", "claims"];

/// Nodes in one file after aliases were followed: some hundred times the largest real file, and a
/// few MiB of memory. It stops the alias bombs that YAML is known for.
pub(super) const NODES_MAX: usize = 100_000;

/// Nesting in one file; the deepest real key lies below ten.
pub(super) const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::scalar(text, Mark::nowhere())
    }

    fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
        Node::new(
            Kind::Map(entries.into_iter().map(|(key, node)| (key.to_owned(), node)).collect()),
            Mark::nowhere(),
        )
    }

    #[test]
    fn set_makes_the_maps_on_its_way() {
        let mut tree = Node::new(Kind::Null, Mark::nowhere());
        assert!(tree.set("a.b.c", text("1")));
        assert!(tree.set("a.b.d", text("2")));
        assert!(tree.same(&map([("a", map([("b", map([("d", text("2")), ("c", text("1"))]))]))])));
    }

    #[test]
    fn set_does_not_walk_through_a_scalar() {
        let mut tree = map([("a", text("1"))]);
        assert!(!tree.set("a.b", text("2")));
        assert!(tree.same(&map([("a", text("1"))])));
    }

    #[test]
    fn merge_goes_deep_in_maps_and_replaces_lists() {
        let list = |words: &[&str]| {
            Node::new(Kind::List(words.iter().map(|word| text(word)).collect()), Mark::nowhere())
        };
        let mut tree = map([("s", map([("a", text("1")), ("l", list(&["x", "y"]))]))]);
        tree.merge(map([(
            "s",
            map([
                ("b", text("2")),
                ("l", list(&["z"])),
                ("a", Node::new(Kind::Null, Mark::nowhere())),
            ]),
        )]));
        assert!(
            tree.same(&map([(
                "s",
                map([("a", text("1")), ("l", list(&["z"])), ("b", text("2"))])
            )]))
        );
    }

    #[test]
    fn keys_fold_but_names_of_the_operator_do_not() {
        let mut tree =
            map([("BRUTE_Force", map([("Soft_Whitelist", map([("Some.User", text("x"))]))]))]);
        tree.fold_keys(&mut |_, key| panic!("{key} is not given twice"));
        assert!(tree.same(&map([(
            "brute_force",
            map([("soft_whitelist", map([("Some.User", text("x"))]))])
        )])));
    }

    #[test]
    fn two_spellings_of_one_key_are_reported() {
        let mut tree = map([("server", text("1")), ("SERVER", text("2"))]);
        let mut seen = Vec::new();
        tree.fold_keys(&mut |_, key| seen.push(key.to_owned()));
        assert_eq!(seen, ["server"]);
    }
}
