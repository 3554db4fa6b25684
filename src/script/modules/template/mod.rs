//! `template`: Mustache, the only engine that `choose` knows.
//!
//! An engine has two methods, `render(text, values)` and `render_file(path, values)`; a failure is `nil, message`. The language is
//! `parse`'s and `render`'s, which know no Lua. Partials are refused: in the reference `{{>name}}` reads any file of the system.
//! Why our own: the crate mustache is dormant, ramhorns is for typed values known at compile time, and what scripts rely on (how numbers
//! look, what counts as false) is the reference's own. Rules: specification `lua/modules-glua.md` 4.7 and 7.
//! Bounds: [`TEMPLATE_BYTES_MAX`], [`parse::NESTING_MAX`], [`render::STEPS_MAX`], [`render::OUTPUT_BYTES_MAX`].

mod parse;
mod render;

pub use parse::{ParseError, Template};
pub use render::{Data, RenderError};

use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;
use crate::upstream::error_text;
use std::io::Read;

pub static MODULE: Module =
    Module { names: &["template"], functions: &[Function { name: "choose", body: choose }], waiting: &[], setup: Some(&SETUP), lua: None };

static SETUP: Function = Function {
    name: "template",
    body: |call| {
        call.register_type::<Engine>(METHODS);
        Ok(0)
    },
};

static METHODS: &[Function] = &[Function { name: "render", body: render }, Function { name: "render_file", body: render_file }];

/// What `choose` returns. It has nothing to remember.
struct Engine;

/// `choose(name)` → engine.
fn choose(call: &Call<'_>) -> Result<i32, Fault> {
    let name = call.text(1)?;
    if name != "mustache" {
        return Ok(call.nil_and(format!("unknown template engine: {name}")));
    }
    call.push_userdata(Engine)?;
    Ok(1)
}

/// `engine:render(text, values)` → text.
fn render(call: &Call<'_>) -> Result<i32, Fault> {
    insist_on_engine(call)?;
    let text = call.string(2)?;
    push_rendered(call, &text)
}

/// `engine:render_file(path, values)` → text.
fn render_file(call: &Call<'_>) -> Result<i32, Fault> {
    insist_on_engine(call)?;
    let path = call.text(2)?;
    call.table(3)?;
    match read(&path) {
        Ok(text) => push_rendered(call, &text),
        Err(error) => Ok(call.nil_and(format!("open {path}: {}", error_text(&error)))),
    }
}

fn insist_on_engine(call: &Call<'_>) -> Result<(), Fault> {
    call.userdata::<Engine>(1).map(drop).ok_or_else(|| Fault::Argument(1, "template engine expected".into()))
}

fn push_rendered(call: &Call<'_>, text: &[u8]) -> Result<i32, Fault> {
    call.table(3)?;
    if call.push_index(3, 1) != Kind::Nil {
        return Ok(call.nil_and("arguments #1 must be a table, but got an array"));
    }
    call.pop(1);
    let rendered = if text.len() > TEMPLATE_BYTES_MAX {
        Err(format!("template is larger than {TEMPLATE_BYTES_MAX} bytes"))
    } else {
        let values = Data::from_value(call.value(3)?);
        Template::parse(text)
            .map_err(|error| error.to_string())
            .and_then(|template| values.and_then(|values| template.render(&values)).map_err(|error| error.to_string()))
    };
    match rendered {
        Ok(text) => {
            call.push_string(&text);
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error)),
    }
}

/// The text of a file. A pipe or device, which could keep the core waiting, is none.
fn read(path: &str) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    // One byte more than a template may have shows that the file is too large.
    std::fs::File::open(path)?.take(TEMPLATE_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Mails and chat messages have some kilobytes; a megabyte is parsed in a few milliseconds.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
