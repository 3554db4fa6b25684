//! `regexp`: regular expressions in the syntax of RE2, leftmost-first, in linear time.
//!
//! `parse` reads the syntax as Go does, regex-automata (the engine below the crate regex) matches;
//! the crate itself would read its own syntax. Looked at besides: fancy-regex and pcre2, which
//! backtrack. A failure of the module's functions is `nil, message`; an object's methods raise
//! where a text is too long. Groups without part in a match are `""`. Rules:
//! `lua/modules/regexp.md`. Bounds: those of `parse` and `matcher`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use crate::script::regexp::{Error, Regexp};
use std::rc::Rc;

pub static MODULE: Module = Module {
    names: &["regexp"],
    functions: &[
        Function { name: "compile", body: compile },
        Function { name: "match", body: match_text },
        Function { name: "find_all_string_submatch", body: find_all },
    ],
    waiting: &[],
    setup: Some(&SETUP),
    lua: None,
};

static SETUP: Function = Function {
    name: "regexp",
    body: |call| {
        call.register_type::<Pattern>(METHODS);
        Ok(0)
    },
};

static METHODS: &[Function] = &[
    Function { name: "match", body: match_object },
    Function { name: "find_all_string_submatch", body: find_all_of_object },
];

/// What `compile` returns.
struct Pattern(Vec<u8>);

/// `compile(pattern)` → object.
fn compile(call: &Call<'_>) -> Result<i32, Fault> {
    let pattern = call.string(1)?;
    match call.services().regexps.get(&pattern) {
        Ok(_) => call.push_userdata(Pattern(pattern.into_owned())).map(|()| 1),
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `match(pattern, text)` → boolean.
fn match_text(call: &Call<'_>) -> Result<i32, Fault> {
    let (pattern, text) = (call.string(1)?, call.string(2)?);
    let found = call.services().regexps.get(&pattern).and_then(|regexp| regexp.is_match(&text));
    push_or(call, found.map(|found| call.push_bool(found)))
}

/// `find_all_string_submatch(pattern, text)` → list of lists of strings.
fn find_all(call: &Call<'_>) -> Result<i32, Fault> {
    let (pattern, text) = (call.string(1)?, call.string(2)?);
    push_or(
        call,
        call.services().regexps.get(&pattern).and_then(|regexp| push_all(call, &regexp, &text)),
    )
}

/// `object:match(text)` → boolean.
fn match_object(call: &Call<'_>) -> Result<i32, Fault> {
    let found = this(call)?.is_match(&call.string(2)?).map_err(raised)?;
    call.push_bool(found);
    Ok(1)
}

/// `object:find_all_string_submatch(text)` → list of lists of strings.
fn find_all_of_object(call: &Call<'_>) -> Result<i32, Fault> {
    push_all(call, &*this(call)?, &call.string(2)?).map_err(raised)?;
    Ok(1)
}

fn this(call: &Call<'_>) -> Result<Rc<Regexp>, Fault> {
    let pattern =
        call.userdata::<Pattern>(1).ok_or_else(|| Fault::Argument(1, "regexp expected".into()))?;
    call.services().regexps.get(&pattern.0).map_err(raised)
}

fn raised(error: Error) -> Fault {
    Fault::Message(error.to_string())
}

fn push_or(call: &Call<'_>, pushed: Result<(), Error>) -> Result<i32, Fault> {
    match pushed {
        Ok(()) => Ok(1),
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

fn push_all(call: &Call<'_>, regexp: &Regexp, text: &[u8]) -> Result<(), Error> {
    call.push_table(4, 0);
    let (all, mut count) = (call.len(), 0);
    regexp.find_all(text, |groups| {
        call.push_table(groups.len(), 0);
        let one = call.len();
        for (at, group) in groups.iter().enumerate() {
            let group = group.clone().and_then(|range| text.get(range));
            call.push_string(group.unwrap_or_default());
            call.set_index(one, at + 1);
        }
        count += 1;
        call.set_index(all, count);
    })
}
