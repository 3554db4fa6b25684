//! `xmlpath`: parts of a page by XPath.
//!
//! A text is read as HTML, by html5ever: names become lower case, `html` and `body` are added.
//! (Looked at besides: scraper, html5ever with CSS selectors on top; quick-xml, which knows no
//! HTML; skyscraper, whose HTML parser is its own.) Nodes are objects of the Lua half, which keep
//! their document alive. A failure is `nil, message`; evaluation, which the reference never fails,
//! raises when it takes too long. Rules: `lua/modules/xmlpath.md`. Bounds: those of `document`,
//! `path` and `select`; a document's memory counts as Lua's.

mod document;
mod path;
mod select;
mod sink;

pub use document::{Document, LoadError};
pub use path::{Path, PathError};
pub use select::{Place, TooLong};

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["xmlpath"],
    // Those that are not load and compile are taken off the table by the Lua half, for its own use.
    functions: &[
        Function { name: "load", body: load },
        Function { name: "compile", body: compile },
        Function { name: "select", body: select },
        Function { name: "text", body: text },
    ],
    waiting: &[],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../../lua/host/xmlpath.lua")),
};

static SETUP: Function = Function {
    name: "xmlpath",
    body: |call| {
        call.register_type::<Document>(&[]);
        call.register_type::<Path>(&[]);
        Ok(0)
    },
};

/// `load(text)` → document.
fn load(call: &Call<'_>) -> Result<i32, Fault> {
    match Document::load(&call.string(1)?) {
        Ok(document) => {
            let bytes = document.bytes();
            call.push_userdata_weighing(document, bytes)?;
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `compile(text)` → path.
fn compile(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.text(1)?;
    match Path::compile(&text) {
        Ok(path) => {
            // A step of one letter is a hundred bytes.
            call.push_userdata_weighing(path, 100 * text.len())?;
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `select(path, document, place)` → list of places.
fn select(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call
        .userdata::<Path>(1)
        .ok_or_else(|| Fault::Argument(1, "xmlpath path expected".into()))?;
    let places = document(call)?
        .select(path, place(call)?)
        .map_err(|error| Fault::Message(error.to_string()))?;
    call.push_table(places.len(), 0);
    let list = call.len();
    for (at, (node, attribute)) in places.into_iter().enumerate() {
        call.push_number((node * ATTRIBUTES_MAX + attribute) as f64);
        call.set_index(list, at + 1);
    }
    Ok(1)
}

/// `text(nil, document, place)` → the text of the node.
fn text(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(document(call)?.text(place(call)?).as_bytes());
    Ok(1)
}

fn document<'a>(call: &'a Call<'_>) -> Result<&'a Document, Fault> {
    call.userdata::<Document>(2).ok_or_else(|| Fault::Argument(1, "xmlpath node expected".into()))
}

/// A place is one number to Lua.
fn place(call: &Call<'_>) -> Result<Place, Fault> {
    let number = usize::try_from(call.int(3)?).unwrap_or(0);
    Ok((number / ATTRIBUTES_MAX, number % ATTRIBUTES_MAX))
}

/// More than a document of the largest size can have, and small enough for numbers to stay exact.
const ATTRIBUTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
