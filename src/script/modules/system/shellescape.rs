//! `shellescape`: texts as single words of a shell's command line.
//!
//! Rules: `lua/modules/shellescape.md`. The shell is POSIX's: in single quotes everything but the
//! quote stands for itself.

use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

pub static MODULE: Module = Module {
    names: &["shellescape"],
    functions: &[
        Function { name: "quote", body: |call| push(call, &quote(&call.string(1)?)) },
        Function { name: "quote_command", body: quote_command },
        Function {
            name: "strip_unsafe",
            body: |call| push(call, strip_unsafe(&call.text(1)?).as_bytes()),
        },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn push(call: &Call<'_>, text: &[u8]) -> Result<i32, Fault> {
    call.push_string(text);
    Ok(1)
}

/// `quote_command(list)` → its members quoted, with blanks in between. What is no string and no
/// number counts as the empty text.
fn quote_command(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    let mut words = Vec::new();
    for at in 1..=call.raw_len(1) {
        words.push(match call.push_index(1, at) {
            Kind::String | Kind::Number => quote(&call.string(-1)?),
            _ => quote(b""),
        });
        call.pop(1);
    }
    push(call, &words.join(&b' '))
}

/// `text` as one word: as it is if the shell gives none of its bytes a meaning.
pub fn quote(text: &[u8]) -> Vec<u8> {
    if !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte))
    {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'\'');
    for &byte in text {
        match byte {
            b'\'' => out.extend_from_slice(b"'\"'\"'"),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
    out
}

/// Without characters that cannot be seen; of all blanks the space remains.
fn strip_unsafe(text: &str) -> String {
    let is_seen = |c: &char| {
        *c == ' '
            || !matches!(
                c.general_category_group(),
                GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other
            )
    };
    text.chars().filter(is_seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::eval;
    use crate::value::Value;
    use proptest::prelude::*;

    fn run(source: &str) -> Value {
        eval(&format!("local s = require('shellescape') return {source}"))
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    #[test]
    fn quote_makes_one_word() {
        for (source, word) in [
            ("s.quote('a/b-c_1.txt')", "a/b-c_1.txt"),
            ("s.quote('')", "''"),
            (r#"s.quote("it's $HOME")"#, r#"'it'"'"'s $HOME'"#),
            ("s.quote('ä')", "'ä'"),
            ("s.quote('a\\nb')", "'a\nb'"),
            ("s.quote(1.5)", "1.5"),
            ("s.quote_command({ 'ls', 'a b', true, 3 })", "ls 'a b' '' 3"),
            ("s.quote_command({})", ""),
            ("s.strip_unsafe('a\\tb\\n c\\127ä\\226\\128\\139')", "ab cä"),
        ] {
            assert_eq!(run(source), Value::string(word), "{source}");
        }
        for (source, error) in [
            ("quote(nil)", "quote (string expected"),
            ("quote_command('x')", "quote_command (table expected"),
        ] {
            assert!(eval(&format!("require('shellescape').{source}")).unwrap_err().contains(error));
        }
    }

    /// What a POSIX shell makes of one word of ours.
    fn unquoted(word: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut quote) = (Vec::new(), None);
        for &byte in word {
            match quote {
                Some(open) if byte == open => quote = None,
                Some(_) => out.push(byte),
                None if byte == b'\'' || byte == b'"' => quote = Some(byte),
                None if byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte) => {
                    out.push(byte)
                }
                None => return None,
            }
        }
        quote.is_none().then_some(out)
    }

    proptest! {
        #[test]
        fn the_shell_reads_back_what_was_quoted(text: Vec<u8>) {
            prop_assert_eq!(unquoted(&quote(&text)), Some(text));
        }
    }
}
