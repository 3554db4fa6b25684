//! `template`: Mustache, the only engine that `choose` knows.
//!
//! An engine has two methods, `render(text, values)` and `render_file(path, values)`; a failure is
//! `nil, message`. The language is `parse`'s and `render`'s, which know no Lua. Partials are
//! refused: in the reference `{{>name}}` reads any file of the system. Why our own: the crate
//! mustache is dormant, ramhorns is for typed values known at compile time, and what scripts rely
//! on (how numbers look, what counts as false) is the reference's own. Rules:
//! `lua/modules/template.md`. Bounds: [`TEMPLATE_BYTES_MAX`], [`parse::NESTING_MAX`],
//! [`render::STEPS_MAX`], [`render::OUTPUT_BYTES_MAX`].

mod parse;
mod render;

pub use parse::{ParseError, Template};
pub use render::{Data, RenderError};

use crate::script::disk;
use crate::script::ffi::{Call, Fault, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;

pub static MODULE: Module = Module {
    names: &["template"],
    // `render` and `render_file` are taken off the table by the Lua half, which makes them methods
    // of the engine.
    functions: &[
        Function { name: "choose", body: choose },
        Function { name: "render", body: render },
    ],
    waiting: &[Waiting { name: "render_file", start: render_file }],
    setup: None,
    lua: Some(include_str!("../../../../../lua/host/template.lua")),
};

/// `choose(name)` → whether there is such an engine, or `nil, message`.
fn choose(call: &Call<'_>) -> Result<i32, Fault> {
    let name = call.text(1)?;
    if name != "mustache" {
        return Ok(call.nil_and(format!("unknown template engine: {name}")));
    }
    call.push_bool(true);
    Ok(1)
}

/// `engine:render(text, values)` → text.
fn render(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(2)?;
    let rendered = values(call)?.and_then(|values| rendered(&text, &values));
    Ok(push(call, rendered))
}

/// `engine:render_file(path, values)` → text. The file is read by a helper thread.
fn render_file(call: &Call<'_>) -> Result<Start, Fault> {
    let (path, values) = (call.string(2)?.into_owned(), values(call)?);
    let values = match values {
        Ok(values) => values,
        Err(error) => return Ok(Start::Done(push(call, Err(error)))),
    };
    Ok(work::on_helper(
        move || disk::read_file(disk::path(&path)),
        move |call, read| {
            Ok(push(call, work::flat(read).and_then(|text| rendered(&text, &values))))
        },
    ))
}

/// The third argument, or what is wrong with it.
fn values(call: &Call<'_>) -> Result<Result<Data, String>, Fault> {
    call.table(3)?;
    let is_list = call.push_index(3, 1) != Kind::Nil;
    call.pop(1);
    if is_list {
        return Ok(Err("arguments #1 must be a table, but got an array".to_owned()));
    }
    Ok(Data::from_value(call.value(3)?).map_err(|error| error.to_string()))
}

fn rendered(text: &[u8], values: &Data) -> Result<Vec<u8>, String> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(format!("template is larger than {TEMPLATE_BYTES_MAX} bytes"));
    }
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    template.render(values).map_err(|error| error.to_string())
}

fn push(call: &Call<'_>, rendered: Result<Vec<u8>, String>) -> i32 {
    match rendered {
        Ok(text) => {
            call.push_string(&text);
            1
        }
        Err(error) => call.nil_and(error),
    }
}

/// Mails and chat messages have some kilobytes; a megabyte is parsed in a few milliseconds.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
