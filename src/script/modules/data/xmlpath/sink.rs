//! Where html5ever builds its tree: nodes in a list, linked by their numbers.
//!
//! Template contents are children of their template, doctypes are dropped, processing instructions
//! are comments (as HTML has it).

use super::document::{Document, Kind};
use html5ever::interface::{
    Attribute, ElementFlags, ExpandedName, NodeOrText, QualName, QuirksMode, TreeSink,
};
use html5ever::tendril::StrTendril;
use html5ever::{LocalName, Namespace};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The tree while it is built.
pub(super) struct Sink {
    tree: RefCell<Tree>,
    /// The name of what has none.
    nameless: Rc<QualName>,
    /// How often the parser has called: it is silent while it reads one tag or one comment.
    calls: Cell<u64>,
    /// Names of attributes that `html` and `body` have, which may get more with each further tag of
    /// that name.
    merged: RefCell<HashMap<usize, HashSet<Box<str>>>>,
}

#[derive(Default)]
struct Tree {
    nodes: Vec<Building>,
    deepest: usize,
}

struct Building {
    kind: Kind,
    depth: usize,
    links: Links,
}

/// Numbers of other nodes.
#[derive(Clone, Copy, Default)]
struct Links {
    parent: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    previous: Option<usize>,
    next: Option<usize>,
}

/// A node as the parser holds it, with its name, which the parser asks for all the time.
#[derive(Clone)]
pub(super) struct Handle {
    at: usize,
    name: Rc<QualName>,
}

impl Sink {
    pub fn new() -> Sink {
        let mut tree = Tree::default();
        tree.add(Kind::Root);
        let nameless = QualName::new(None, Namespace::default(), LocalName::default());
        Sink {
            tree: RefCell::new(tree),
            nameless: Rc::new(nameless),
            calls: Cell::new(0),
            merged: RefCell::default(),
        }
    }

    /// Changes whenever the parser has completed a tag, a text or a comment.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn called(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.tree.borrow().nodes.len()
    }

    /// How deep the deepest of them was put.
    pub fn depth(&self) -> usize {
        self.tree.borrow().deepest
    }

    fn add(&self, kind: Kind) -> Handle {
        self.called();
        Handle { at: self.tree.borrow_mut().add(kind), name: self.nameless.clone() }
    }

    fn insert(&self, parent: usize, before: Option<usize>, child: NodeOrText<Handle>) {
        self.called();
        let mut tree = self.tree.borrow_mut();
        let at = match child {
            NodeOrText::AppendNode(node) => {
                tree.detach(node.at);
                node.at
            }
            NodeOrText::AppendText(text) => {
                let neighbour = match before {
                    Some(before) => tree.links(before).previous,
                    None => tree.links(parent).last,
                };
                // Text goes on where text ends.
                if let Some(Kind::Text(existing)) =
                    neighbour.and_then(|at| tree.nodes.get_mut(at)).map(|node| &mut node.kind)
                {
                    existing.push_str(&text);
                    return;
                }
                tree.add(Kind::Text(text.into()))
            }
        };
        tree.attach(at, parent, before);
    }
}

impl Tree {
    fn add(&mut self, kind: Kind) -> usize {
        self.nodes.push(Building { kind, depth: 0, links: Links::default() });
        self.nodes.len() - 1
    }

    fn links(&self, at: usize) -> Links {
        self.nodes.get(at).map(|node| node.links).unwrap_or_default()
    }

    fn change(&mut self, at: Option<usize>, change: impl FnOnce(&mut Links)) {
        if let Some(node) = at.and_then(|at| self.nodes.get_mut(at)) {
            change(&mut node.links);
        }
    }

    /// Puts a node that has no parent into one, in front of `before` or as the last.
    fn attach(&mut self, at: usize, parent: usize, before: Option<usize>) {
        let previous = match before {
            Some(before) => self.links(before).previous,
            None => self.links(parent).last,
        };
        self.change(Some(at), |links| {
            (links.parent, links.previous, links.next) = (Some(parent), previous, before);
        });
        match previous {
            Some(_) => self.change(previous, |links| links.next = Some(at)),
            None => self.change(Some(parent), |links| links.first = Some(at)),
        }
        match before {
            Some(_) => self.change(before, |links| links.previous = Some(at)),
            None => self.change(Some(parent), |links| links.last = Some(at)),
        }
        let depth = self.nodes.get(parent).map_or(0, |parent| parent.depth) + 1;
        if let Some(node) = self.nodes.get_mut(at) {
            node.depth = depth;
        }
        self.deepest = self.deepest.max(depth);
    }

    fn detach(&mut self, at: usize) {
        let Links { parent, previous, next, .. } = self.links(at);
        if parent.is_none() {
            return;
        }
        match previous {
            Some(_) => self.change(previous, |links| links.next = next),
            None => self.change(parent, |links| links.first = next),
        }
        match next {
            Some(_) => self.change(next, |links| links.previous = previous),
            None => self.change(parent, |links| links.last = previous),
        }
        self.change(Some(at), |links| {
            (links.parent, links.previous, links.next) = (None, None, None)
        });
    }

    /// What hangs on the root, in document order.
    fn freeze(mut self) -> Document {
        let mut document = Document::default();
        let (mut at, mut parent) = (0, 0);
        loop {
            let kind =
                self.nodes.get_mut(at).map(|node| std::mem::replace(&mut node.kind, Kind::Root));
            let placed = document.push(kind.unwrap_or(Kind::Root), parent);
            let mut links = self.links(at);
            if let Some(first) = links.first {
                (at, parent) = (first, placed);
                continue;
            }
            // Up until there is a sibling to go on with; nodes that are left have all their
            // descendants.
            let mut leaving = placed;
            loop {
                if at == 0 {
                    return document;
                }
                let end = document.nodes.len();
                if let Some(node) = document.nodes.get_mut(leaving) {
                    (node.end, leaving) = (end, node.parent);
                }
                if let Some(next) = links.next {
                    (at, parent) = (next, leaving);
                    break;
                }
                at = links.parent.unwrap_or(0);
                links = self.links(at);
                if at == 0 {
                    if let Some(root) = document.nodes.first_mut() {
                        root.end = end;
                    }
                    return document;
                }
            }
        }
    }
}

/// A tree that is complete.
pub(super) struct Built(Tree);

impl Built {
    pub fn freeze(self) -> Document {
        self.0.freeze()
    }
}

fn pairs(attributes: Vec<Attribute>) -> Vec<(Box<str>, Box<str>)> {
    attributes
        .into_iter()
        .map(|attribute| ((*attribute.name.local).into(), (*attribute.value).into()))
        .collect()
}

impl TreeSink for Sink {
    type Handle = Handle;
    type Output = Built;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Built {
        Built(self.tree.into_inner())
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle { at: 0, name: self.nameless.clone() }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        _: ElementFlags,
    ) -> Handle {
        let kind = Kind::Element { name: (*name.local).into(), attributes: pairs(attributes) };
        Handle { name: Rc::new(name), ..self.add(kind) }
    }

    fn create_comment(&self, text: StrTendril) -> Handle {
        self.add(Kind::Comment(text.as_ref().into()))
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> Handle {
        self.add(Kind::Comment(format!("{target} {data}").into()))
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.at, None, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        previous: &Handle,
        child: NodeOrText<Handle>,
    ) {
        let parent = self.tree.borrow().links(element.at).parent;
        match parent {
            Some(parent) => self.insert(parent, Some(element.at), child),
            None => self.insert(previous.at, None, child),
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        one.at == other.at
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        let parent = self.tree.borrow().links(sibling.at).parent;
        if let Some(parent) = parent {
            self.insert(parent, Some(sibling.at), child);
        }
    }

    fn add_attrs_if_missing(&self, target: &Handle, more: Vec<Attribute>) {
        self.called();
        let mut tree = self.tree.borrow_mut();
        if let Some(Kind::Element { attributes, .. }) =
            tree.nodes.get_mut(target.at).map(|node| &mut node.kind)
        {
            let mut merged = self.merged.borrow_mut();
            let known = merged
                .entry(target.at)
                .or_insert_with(|| attributes.iter().map(|(name, _)| name.clone()).collect());
            for (name, value) in pairs(more) {
                if known.insert(name.clone()) {
                    attributes.push((name, value));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.tree.borrow_mut().detach(target.at);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut tree = self.tree.borrow_mut();
        while let Some(child) = tree.links(node.at).first {
            tree.detach(child);
            tree.attach(child, new_parent.at, None);
        }
    }
}
