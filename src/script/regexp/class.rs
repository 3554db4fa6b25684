//! Sets of characters: Perl's, POSIX' and Unicode's by name, case folding.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The characters from `low` to `high`.
pub fn of(low: char, high: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(low, high)])
}

/// As [`of`], by number; the surrogates in between are no characters.
pub fn between(low: u32, high: u32) -> ClassUnicode {
    let part = |low: u32, high: u32| {
        Some(ClassUnicodeRange::new(char::from_u32(low)?, char::from_u32(high)?))
            .filter(|_| low <= high)
    };
    ClassUnicode::new(
        [part(low, high.min(0xd7ff)), part(low.max(0xe000), high)].into_iter().flatten(),
    )
}

/// With the other cases of its members.
pub fn folded(mut class: ClassUnicode) -> ClassUnicode {
    // It fails only if the folding tables are left out of the build; the class then stays as it
    // was.
    let _ = class.try_case_fold_simple();
    class
}

/// `\d \s \w`; for their negations (`\D`) the set that is negated.
pub fn perl(letter: char) -> Option<ClassUnicode> {
    Some(ranges(match letter.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => WORD,
        _ => return None,
    }))
}

/// `[:name:]`: ASCII only.
pub fn posix(name: &str) -> Option<ClassUnicode> {
    Some(ranges(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    }))
}

/// A general category (`L`, `Lu`) or a script (`Greek`) of Unicode.
pub fn unicode(name: &str) -> Option<ClassUnicode> {
    if name == "Any" {
        return Some(of('\0', char::MAX));
    }
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    if !is_name {
        return None;
    }
    let kind = if name.len() <= 2 { "gc" } else { "sc" };
    let hir = regex_syntax::parse(&format!(r"\p{{{kind}={name}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // A set of one.
        HirKind::Literal(literal) => {
            let only = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(of(only, only))
        }
        _ => Some(ClassUnicode::empty()),
    }
}

fn ranges(of: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(of.iter().map(|(low, high)| ClassUnicodeRange::new(*low, *high)))
}

const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
