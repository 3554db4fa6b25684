//! `strings`: Go's functions of that name, on plain text without patterns.
//!
//! Bytes throughout; where characters count they are those of UTF-8, and a byte that belongs to
//! none counts as one. Readers and builders are the Lua half's. Rules: `lua/modules/strings.md`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use crate::script::modules::support::streams;
use ahash::AHashSet;
use memchr::memmem;

pub static MODULE: Module = Module {
    names: &["strings"],
    functions: &[
        Function { name: "split", body: split },
        Function { name: "fields", body: |call| push_list(call, fields(&call.string(1)?)) },
        Function {
            name: "trim",
            body: |call| push(call, trim(&call.string(1)?, &call.string(2)?)),
        },
        Function { name: "trim_space", body: |call| push(call, trim_space(&call.string(1)?)) },
        Function { name: "trim_prefix", body: trim_prefix },
        Function { name: "trim_suffix", body: trim_suffix },
        Function {
            name: "has_prefix",
            body: |call| push_bool(call, call.string(1)?.starts_with(&call.string(2)?)),
        },
        Function {
            name: "has_suffix",
            body: |call| push_bool(call, call.string(1)?.ends_with(&call.string(2)?)),
        },
        Function {
            name: "contains",
            body: |call| {
                push_bool(call, memmem::find(&call.string(1)?, &call.string(2)?).is_some())
            },
        },
        streams::WRITE,
    ],
    waiting: &[],
    setup: None,
    lua: Some(concat!(
        include_str!("../../../../lua/host/streams.lua"),
        include_str!("../../../../lua/host/strings.lua")
    )),
};

fn push(call: &Call<'_>, text: &[u8]) -> Result<i32, Fault> {
    call.push_string(text);
    Ok(1)
}

fn push_bool(call: &Call<'_>, value: bool) -> Result<i32, Fault> {
    call.push_bool(value);
    Ok(1)
}

fn push_list<'a>(call: &Call<'_>, parts: impl Iterator<Item = &'a [u8]>) -> Result<i32, Fault> {
    call.push_table(4, 0);
    let table = call.len();
    for (at, part) in parts.enumerate() {
        call.push_string(part);
        call.set_index(table, at + 1);
    }
    Ok(1)
}

/// `split(s[, sep])`: an explicit nil is no separator but an error, as in the reference.
fn split(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    let separator = if call.len() >= 2 { call.string(2)? } else { b"".into() };
    if separator.is_empty() {
        return push_list(call, characters(&text));
    }
    let finder = memmem::Finder::new(&separator);
    let mut rest = Some(&*text);
    let parts = std::iter::from_fn(|| {
        let text = rest?;
        let Some(at) = finder.find(text) else { return rest.take() };
        rest = text.get(at + separator.len()..);
        text.get(..at)
    });
    push_list(call, parts)
}

fn trim_prefix(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    push(call, text.strip_prefix(&*call.string(2)?).unwrap_or(&text))
}

fn trim_suffix(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    push(call, text.strip_suffix(&*call.string(2)?).unwrap_or(&text))
}

/// The characters of a text; each byte that is no UTF-8 by itself.
fn characters(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let characters = valid
            .char_indices()
            .filter_map(move |(at, c)| valid.as_bytes().get(at..at + c.len_utf8()));
        characters.chain(chunk.invalid().chunks(1))
    })
}

fn is_space(character: &[u8]) -> bool {
    std::str::from_utf8(character).is_ok_and(|text| text.chars().all(char::is_whitespace))
}

/// Walks the text once, however many fields there are.
fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut all = characters(text);
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut start = None;
        for character in all.by_ref() {
            let here = at;
            at += character.len();
            match (is_space(character), start) {
                (false, None) => start = Some(here),
                (true, Some(start)) => return text.get(start..here),
                _ => {}
            }
        }
        text.get(start?..at)
    })
}

fn trim_space(text: &[u8]) -> &[u8] {
    trim_characters(text, is_space)
}

/// The set is built once: looking each character up in the text of the set would multiply the two
/// lengths.
fn trim<'a>(text: &'a [u8], cutset: &[u8]) -> &'a [u8] {
    let cutset: AHashSet<&[u8]> = characters(cutset).collect();
    trim_characters(text, |character| cutset.contains(character))
}

fn trim_characters(text: &[u8], is_cut: impl Fn(&[u8]) -> bool) -> &[u8] {
    let (mut start, mut end, mut at) = (None, 0, 0);
    for character in characters(text) {
        if !is_cut(character) {
            start = start.or(Some(at));
            end = at + character.len();
        }
        at += character.len();
    }
    start.and_then(|start| text.get(start..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    fn run(source: &str) -> Value {
        eval(&format!("local s = require('strings') return {source}"))
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    fn list(parts: &[&str]) -> Value {
        Value::List(parts.iter().map(|part| Value::string(*part)).collect())
    }

    #[test]
    fn split_cuts_at_a_separator() {
        assert_eq!(run("s.split('a:b::c', ':')"), list(&["a", "b", "", "c"]));
        assert_eq!(run("s.split(':a:', ':')"), list(&["", "a", ""]));
        assert_eq!(run("s.split('a.b', '.')"), list(&["a", "b"]));
        assert_eq!(run("s.split('abc', 'x')"), list(&["abc"]));
        assert_eq!(run("s.split('', ':')"), list(&[""]));
        assert_eq!(run("s.split(1.5, '.')"), list(&["1", "5"]));
    }

    #[test]
    fn split_without_separator_gives_characters() {
        assert_eq!(run("s.split('aä€')"), list(&["a", "ä", "€"]));
        assert_eq!(run("s.split('', '')"), list(&[]));
        assert_eq!(run(r"#s.split('a\255\254b', '')"), Value::Number(4.0));
        assert!(
            eval("require('strings').split('a', nil)")
                .unwrap_err()
                .contains("bad argument #2 to split (string expected, got nil)")
        );
    }

    #[test]
    fn fields_are_between_white_space() {
        assert_eq!(run(r"s.fields('  a\t b\nc\194\160d ')"), list(&["a", "b", "c", "d"]));
        assert_eq!(run("s.fields('  ')"), list(&[]));
    }

    #[test]
    fn trim_takes_a_set_of_characters() {
        for (source, text) in [
            ("s.trim('--a-b--', '-')", "a-b"),
            ("s.trim('äxöä', 'öä')", "x"),
            ("s.trim('xx', 'x')", ""),
            ("s.trim(' a ', '')", " a "),
            (r"s.trim_space(' \t a b \n\194\133')", "a b"),
            ("s.trim_prefix('xxab', 'x')", "xab"),
            ("s.trim_prefix('ab', 'x')", "ab"),
            ("s.trim_suffix('ab.lua', '.lua')", "ab"),
            ("s.trim_suffix('ab', '')", "ab"),
        ] {
            assert_eq!(run(source), Value::string(text), "{source}");
        }
        assert!(
            eval("require('strings').trim('a')").unwrap_err().contains("bad argument #2 to trim")
        );
    }

    #[test]
    fn questions_are_answered_with_booleans() {
        for (source, answer) in [
            ("s.has_prefix('abc', 'ab')", true),
            ("s.has_prefix('abc', 'bc')", false),
            ("s.has_suffix('abc', 'bc')", true),
            ("s.has_suffix('abc', 'ab')", false),
            ("s.contains('abc', 'b')", true),
            ("s.contains('abc', '%a')", false),
            ("s.contains('abc', '')", true),
        ] {
            assert_eq!(run(source), Value::Bool(answer), "{source}");
        }
    }

    #[test]
    fn new_reader_reads_lines_numbers_and_bytes() {
        let source = r#"(function()
            local r = s.new_reader("first\r\n\nlast  42 0x10x")
            local out = { r:read(), r:read("*l"), r:read(2), r:read(2), r:read(0), r:read("*n") }
            out[#out + 1] = pcall(r.read, r, "*n")
            out[#out + 1] = r:read("*a")
            out[#out + 1] = tostring(r:read()) .. tostring(r:read(1)) .. r:read("*n")
            out[#out + 1] = pcall(r.read, r, "*x")
            r:close()
            return out
        end)()"#;
        let mut expected = list(&["first\r", "", "la", "st", ""]);
        let Value::List(parts) = &mut expected else { panic!("no list") };
        parts.extend([
            Value::Number(42.0),
            Value::Bool(false),
            Value::string(""),
            Value::string("nilnil0"),
            Value::Bool(false),
        ]);
        assert_eq!(run(source), expected);
    }

    #[test]
    fn new_builder_collects_what_is_written() {
        let source = r##"(function()
            local b = s.new_builder()
            b:write("a", 1, 0.1)
            b:write()
            local n = select("#", b:write("c"))
            b:close()
            return b:string() .. n
        end)()"##;
        assert_eq!(run(source), Value::string("a10.1c0"));
        assert!(
            eval("require('strings').new_builder():write({})")
                .unwrap_err()
                .contains("bad argument #1 to write (string expected, got table)")
        );
    }
}
