//! The matcher against LuaJIT's own: same arguments, same results, same errors. Then what LuaJIT
//! cannot do: stop.

use super::matcher::{Captured, Error, Matcher, steps_for};
use super::replace::{append, expand, substitute};
use mlua::{Lua, MultiValue, Value};
use proptest::prelude::*;
use std::ops::Range;

/// A result of either side, in a form that can be compared: values as text, an error as its
/// message.
type Outcome = Result<Vec<Vec<u8>>, String>;

/// LuaJIT with its own string library, and what the comparisons call.
struct Reference {
    lua: Lua,
}

impl Reference {
    fn new() -> Reference {
        Reference { lua: Lua::new() }
    }

    /// The results of the Lua function `code` (or its error) for these strings.
    fn call(&self, code: &str, args: &[&[u8]]) -> Outcome {
        let function: mlua::Function = self
            .lua
            .load(format!("return function(...) return pcall({code}, ...) end"))
            .eval()
            .unwrap();
        let args: MultiValue = args
            .iter()
            .map(|bytes| Value::String(self.lua.create_string(bytes).unwrap()))
            .collect();
        let mut values = function.call::<MultiValue>(args).unwrap();
        let ok = values.pop_front() == Some(Value::Boolean(true));
        let texts = values.iter().map(|value| match value {
            Value::Nil => b"nil".to_vec(),
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Integer(n) => n.to_string().into_bytes(),
            Value::Number(n) => n.to_string().into_bytes(),
            other => panic!("unexpected result {other:?}"),
        });
        if ok { Ok(texts.collect()) } else { Err(message(&texts.last().unwrap())) }
    }
}

/// An error's text without the position in front of it.
fn message(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.rsplit_once(": ").map_or(text.as_ref(), |(_, message)| message).to_owned()
}

fn captures(
    matcher: &Matcher<'_>,
    whole: &Range<usize>,
    count: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    (0..count)
        .map(|index| {
            Ok(match matcher.captured(index, whole)? {
                Captured::Text(range) => matcher.subject()[range].to_vec(),
                Captured::Position(at) => (at + 1).to_string().into_bytes(),
            })
        })
        .collect()
}

fn find(subject: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut matcher = Matcher::new(subject, pattern, steps_for(subject));
    let Some(whole) = matcher.search(0)? else { return Ok(vec![b"nil".to_vec()]) };
    let mut out =
        vec![(whole.start + 1).to_string().into_bytes(), whole.end.to_string().into_bytes()];
    out.extend(captures(&matcher, &whole, matcher.capture_count())?);
    Ok(out)
}

fn first_match(subject: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut matcher = Matcher::new(subject, pattern, steps_for(subject));
    let Some(whole) = matcher.search(0)? else { return Ok(vec![b"nil".to_vec()]) };
    captures(&matcher, &whole, matcher.capture_count().max(1))
}

fn all_matches(subject: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut matcher = Matcher::without_anchor(subject, pattern, steps_for(subject));
    let (mut out, mut from) = (Vec::new(), 0);
    while let Some(whole) = matcher.search(from)? {
        out.extend(captures(&matcher, &whole, matcher.capture_count().max(1))?);
        from = if whole.is_empty() { whole.end + 1 } else { whole.end };
    }
    // Lua cannot return more than this.
    out.truncate(4000);
    Ok(out)
}

fn gsub(subject: &[u8], pattern: &[u8], template: &[u8], max: i64) -> Result<Vec<Vec<u8>>, Error> {
    let mut matcher = Matcher::new(subject, pattern, steps_for(subject));
    let (text, count) = substitute(&mut matcher, max, |matcher, whole, out| {
        expand(template, matcher, &whole, out)
    })?;
    Ok(vec![text, count.to_string().into_bytes()])
}

/// `gsub` with a function: shows what it was called with.
fn gsub_shown(subject: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut matcher = Matcher::new(subject, pattern, steps_for(subject));
    let (text, count) = substitute(&mut matcher, i64::MAX, |matcher, whole, out| {
        let shown = captures(matcher, &whole, matcher.capture_count().max(1))?.join(&b","[..]);
        append(out, &[b"<", shown.as_slice(), b">"].concat())
    })?;
    Ok(vec![text, count.to_string().into_bytes()])
}

const MATCHES: &str = "
    function(s, p)
        local out, next = {}, s:gmatch(p)
        local function keep(...)
            for i = 1, select('#', ...) do out[#out + 1] = (select(i, ...)) end
            return select('#', ...) > 0
        end
        while keep(next()) do end
        return unpack(out, 1, math.min(#out, 4000))
    end";
const SHOWN: &str = "function(s, p) return s:gsub(p, function(...) return '<' .. table.concat({...}, ',') .. '>' end) end";
const TWICE: &str = "function(s, p, r) return s:gsub(p, r, 2) end";

/// Compares every function for these arguments.
fn compare(reference: &Reference, subject: &[u8], pattern: &[u8], template: &[u8]) {
    let shown = (
        String::from_utf8_lossy(subject),
        String::from_utf8_lossy(pattern),
        String::from_utf8_lossy(template),
    );
    let same = |what: &str, ours: Result<Vec<Vec<u8>>, Error>, theirs: Outcome| {
        assert_eq!(ours.map_err(|error| error.to_string()), theirs, "{what} {shown:?}");
    };
    // A pattern of plain bytes is searched for, not interpreted: `find` then differs in `)` alone.
    if super::matcher::has_specials(pattern) {
        same("find", find(subject, pattern), reference.call("string.find", &[subject, pattern]));
    }
    same(
        "match",
        first_match(subject, pattern),
        reference.call("string.match", &[subject, pattern]),
    );
    same("gmatch", all_matches(subject, pattern), reference.call(MATCHES, &[subject, pattern]));
    same(
        "gsub",
        gsub(subject, pattern, template, i64::MAX),
        reference.call("string.gsub", &[subject, pattern, template]),
    );
    same(
        "gsub, twice",
        gsub(subject, pattern, template, 2),
        reference.call(TWICE, &[subject, pattern, template]),
    );
    same(
        "gsub, function",
        gsub_shown(subject, pattern),
        reference.call(SHOWN, &[subject, pattern]),
    );
}

#[test]
fn tricky_cases_are_as_in_luajit() {
    let reference = Reference::new();
    for pattern in PATTERNS {
        for subject in SUBJECTS {
            compare(&reference, subject, pattern.as_bytes(), b"[%0|%1]");
        }
    }
}

#[test]
fn replacements_are_as_in_luajit() {
    let reference = Reference::new();
    for template in ["", "x", "%", "%%", "%0%0", "%1-%2", "%2", "%9", "a%", "%a", "\0%0", "%1%"] {
        for pattern in ["", ".", "(.)(.)", "()", "(b", "b*", "^a", "x", "(a)(b)(c)", "%w+"] {
            compare(&reference, b"abc abc", pattern.as_bytes(), template.as_bytes());
        }
    }
}

#[test]
fn every_class_holds_the_same_bytes_as_in_luajit() {
    let reference = Reference::new();
    let all: Vec<u8> = (0..=255).collect();
    for class in
        (b' '..=b'~').filter(|c| !c.is_ascii_digit() && !matches!(c, b'b' | b'f')).map(char::from)
    {
        for pattern in [
            format!("%{class}"),
            format!("[%{class}]"),
            format!("[^%{class}]"),
            format!("[%{class}x-z]"),
        ] {
            compare(&reference, &all, pattern.as_bytes(), b"#");
        }
    }
}

#[test]
fn bounds_are_those_of_luajit() {
    let reference = Reference::new();
    let letters = "a".repeat(260);
    for pattern in [
        "()".repeat(32),
        "()".repeat(33),
        "(".repeat(33),
        "a?".repeat(198),
        "a?".repeat(199),
        "a?".repeat(200),
        "a?".repeat(250),
        "a-".repeat(250),
        "(a)".repeat(32),
        "a".repeat(260),
    ] {
        compare(&reference, letters.as_bytes(), pattern.as_bytes(), b"x");
    }
}

/// Unlike LuaJIT, where a pattern ends at its first NUL.
#[test]
fn a_nul_in_a_pattern_is_an_ordinary_byte() {
    assert_eq!(first_match(b"ab\0cd", b"b\0(.)"), Ok(vec![b"c".to_vec()]));
    assert_eq!(first_match(b"ab\0cd", b"[\0]c"), Ok(vec![b"\0c".to_vec()]));
    assert_eq!(first_match(b"ab\0cd", b"%z"), Ok(vec![b"\0".to_vec()]));
    assert_eq!(first_match(b"abcd", b"b\0"), Ok(vec![b"nil".to_vec()]));
    assert_eq!(first_match(b"\0a\0", b"%b\0\0"), Ok(vec![b"\0a\0".to_vec()]));
    assert_eq!(first_match(b"", b"%b\0\0"), Ok(vec![b"nil".to_vec()]));
}

#[test]
fn catastrophic_patterns_run_out_of_steps() {
    let subject = [b'a'; 300];
    let steps = 1_000_000;
    for pattern in [
        ".-.-.-.-.-b",
        ".*.*.*.*.*b",
        "(.-)(.-)(.-)(.-)%1b",
        "a?a*a-a+a*a-a*b",
        "[^b]*[^b]*[^b]*[^b]*[^b]*b",
        ".-.-.-.-.-%f[b]",
    ] {
        assert_eq!(
            Matcher::new(&subject, pattern.as_bytes(), steps).search(0),
            Err(Error::TooManySteps),
            "{pattern}"
        );
    }
}

#[test]
fn long_sets_references_and_balances_cost_what_they_take() {
    let long = vec![b'a'; 1 << 16];
    let set = [b"[", "b".repeat(1 << 16).as_bytes(), b"]*a+b"].concat();
    assert_eq!(first_match(&long, &set), Err(Error::TooManySteps));
    assert_eq!(first_match(&long, b"(a*)a-%1b"), Err(Error::TooManySteps));
    assert_eq!(first_match(&b"(".repeat(1 << 16), b"%b()"), Err(Error::TooManySteps));
}

#[test]
fn honest_work_on_a_large_subject_gets_through() {
    let subject = b"user.name+tag@example.org, ".repeat(1 << 16);
    let count = |pattern: &str, template: &str| {
        let replaced = gsub(&subject, pattern.as_bytes(), template.as_bytes(), i64::MAX).unwrap();
        String::from_utf8(replaced[1].clone()).unwrap()
    };
    assert_eq!(count("[%w%.%+%-_]+@[%w%.%-]+", "x"), "65536");
    assert_eq!(count("%s+", " "), "65536");
    assert_eq!(count("(%w+)@(%w+)", "%2@%1"), "65536");
    assert_eq!(count(".", "%0"), (27 << 16).to_string());
    assert_eq!(count("^.*$", ""), "1");
}

/// A step more than is left is refused, exactly.
#[test]
fn the_budget_is_exact() {
    let mut needed = 0;
    let within = |steps| Matcher::new(b"key = value", b"^(%w+)%s*=%s*(%w+)$", steps).search(0);
    while within(needed) == Err(Error::TooManySteps) {
        needed += 1;
    }
    assert_eq!(within(needed), Ok(Some(0..11)));
    // Nine places in the pattern and seven bytes behind the first of a repetition, at least.
    assert!((16..60).contains(&needed), "{needed}");
}

#[rustfmt::skip]
const SUBJECTS: &[&[u8]] = &[
    b"", b"a", b"abc", b"aaab", b"abcabc", b"hello world from Lua", b"key = value", b"  padded  ", b"f(a(b)c)d)", b"THE (quick) fox",
    b"[[x]] ]^-%$", b"a.b.c", b"192.168.0.1", b"user@example.org", b"\0a\0b\0", b"\xff\xfe\x80 \xc3\xa4", b"line\nline\r\n\tx", b"$5.00^",
    b"-_-0xDEADbeef", b"\"quoted \\\" text\"",
];

#[rustfmt::skip]
const PATTERNS: &[&str] = &[
    "", "a", ".", "a*", "a+", "a-", "a?", ".*", ".-", ".+", ".?", "^", "$", "^$", "^a", "a$", "^a*$", "$a", "a^", "^^", "$$", "^.-$",
    "(a)", "(a*)", "()", "()a()", "(())", "((a)(b))", "(a)(b)(c)", "(.)%1", "(a*)%1", "(.-)%1b", "()%1", "%1", "(%1)", "(a)%2", "%0", "(",
    ")", "(()", "())", "(a", "a)", "((a)", "(a))", "%", "a%", "%%", "%%%", "[", "[]", "[^", "[^]", "[]]", "[^]]", "[a", "[a-", "[a-]",
    "[-a]", "[^-a]", "[a-c]", "[c-a]", "[^a-c]", "[a-c-e]", "[%a-z]", "[a-%]", "[a-%%]", "[a-%%]]", "[%-]", "[%]]", "[%]", "[%", "[^%",
    "[^^]", "[%a%d]", "[^%s]", "[.]", "[*+?]", "[%w_]+", "[^%w_]+", "[[]", "[]-a]", "[]%-a]", "[+--]", "[%z]", "[^%z]+", "[%", "[%%",
    "[^a-]", "[\u{80}-\u{ff}]", "%a+", "%A+", "%d+", "%D+", "%l+", "%L+", "%s+", "%S+", "%u+", "%U+", "%w+", "%W+", "%x+", "%X+", "%p+",
    "%P+", "%c+", "%C+", "%g+", "%G+", "%z", "%Z+", "%.", "%q", "%-", "%b()", "%b(", "%b", "%bxx", "%b\"\"", "%b[]", "()%b()()",
    "%b()%b()", "%f", "%f[", "%f[a", "%f[%w]", "%f[%w]%w+", "%f[%W]", "%f[%z]", "%f[^%z]", "%f[%a]%a+%f[%A]", "%fa", "THE %f[%l]",
    "%f[%s]", "*", "+", "-", "?", "**", "a**", "a+*", "a-*", "a?*", "a+-", "(*)", "(a)*", "(a)+b", "(a)?", "%a*%d*", "(%a+)%s*(%a*)",
    "^%s*(.-)%s*$", "(%w+) = (%w+)", "(%d+)%.(%d+)%.(%d+)%.(%d+)", "^[^@]+@[^@]+$", "(.*)%.(.*)", "(.-)%.(.*)", "0[xX](%x+)", "a-b",
    "a-$", "^a-$", "a*b", "a*ab", "a*a*a*b", "(a?)(a?)(a?)", "(a-)(a-)b", ".-b", ".-$", "(.*)(.*)", "\\", "\"(.-)\"", "\n", "[\n\r]+",
    "%s$", "l%l", "l+", "lo?", "%(", "%(.-%)", "%[%[", "]]", "b+", "b-c", "%.-a", "%.+", "%.*", "%$", "%^", "^%$", "-", "%--", "%-?",
];

/// A pattern out of pieces that mean something together, and of pieces that do not.
fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", ".", "%a", "%d", "%s", "%w", "%W", "%S", "[ab]", "[^a]", "[a-c]", "[%d_]", " ", "1"]),
        5 => prop::sample::select(vec!["*", "+", "-", "?"]),
        4 => prop::sample::select(vec!["(", ")", "()"]),
        1 => prop::sample::select(vec!["^", "$", "%1", "%2", "%b()", "%bab", "%f[%w]", "%f[a]", "%f[%z]"]),
        1 => prop::sample::select(vec!["[", "]", "%", "%b", "%f", "[^", "[]", "%0", "[%", "-]", "%]"]),
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

/// Anything from the bytes that patterns are made of.
fn noise() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(b"ab1 %[]^-()*+?.$fbwdz".to_vec()), 0..9)
        .prop_map(|bytes| String::from_utf8(bytes).unwrap())
}

fn subject() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"aaabbc1 ()_\0\xff]-^%".to_vec()), 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn random_patterns_are_as_in_luajit(pattern in prop_oneof![3 => pattern(), 1 => noise()], subject in subject()) {
        thread_local!(static REFERENCE: Reference = Reference::new());
        REFERENCE.with(|reference| compare(reference, &subject, pattern.as_bytes(), b"<%0%1>"));
    }
}
