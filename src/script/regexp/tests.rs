//! The syntax by tables, matching, bounds, and the module as scripts call it.

use super::matcher::{Cache, Error, Regexp};
use super::parse::parse;
use crate::script::testing::eval;
use crate::value::Value;
use proptest::prelude::*;

/// All matches with their groups: groups joined by `,`, matches by `|`.
fn all(pattern: &str, text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let regexp =
        Regexp::compile(pattern.as_bytes()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let mut out = Vec::new();
    regexp
        .find_all(text, |groups| {
            let groups = groups
                .iter()
                .map(|group| text[group.clone().unwrap_or(0..0)].escape_ascii().to_string());
            out.push(groups.collect::<Vec<_>>().join(","));
        })
        .unwrap();
    assert_eq!(regexp.is_match(text), Ok(!out.is_empty()), "{pattern}");
    out.join("|")
}

#[test]
fn matches_are_leftmost_first_and_do_not_overlap() {
    for (pattern, text, found) in [
        ("a*", "baac", "|aa|"),
        ("x*", "axxb", "|xx|"),
        ("a|ab", "ab", "a"),
        ("(a)|(b)", "ab", "a,a,|b,,b"),
        ("a+?", "aa", "a|a"),
        ("(?U)a+", "aa", "a|a"),
        ("(?U)a+?", "aa", "aa"),
        ("^a$", "a\n", ""),
        ("(?m)^a$", "a\na", "a|a"),
        ("a.c", "a\nc", ""),
        ("(?s)a.c", "a\nc", r"a\nc"),
        ("(?s:.)b", "\nb.", r"\nb"),
        (r"\Aa|b\z", "aab", "a|b"),
        ("z", "abc", ""),
        ("(a(?i)b|c)B", "aBB cB cb", "aBB,aB|cB,c"),
        ("x{2}y{1,}z{0,1}", "xxyyz", "xxyyz"),
        ("(a{2}){3}", "aaaaaa", "aaaaaa,aa"),
        ("a|", "ba", "|a"),
        ("(?:)", "ab", "||"),
        ("(|a)+", "aa", ",|,|,"),
        (r"x\Qa.b", "xa.b", "xa.b"),
    ] {
        assert_eq!(all(pattern, text), found, "{pattern}");
    }
}

#[test]
fn classes_are_those_of_ascii_unless_named_otherwise() {
    for (pattern, text, found) in [
        (r"\d+", "1٣2", "1|2"),
        (r"\w+", "aäb_1", "a|b_1"),
        (r"\s", "a\u{a0}b\u{b}c d", " "),
        (r"\bb", "äb", "b"),
        (r"\D+\W+\S+", "a b", "a b"),
        (r"[\d\-x]+", "1-xy", "1-x"),
        (r"[\Da]+", "1a2", "a"),
        (r"[]a]+", "]a", "]a"),
        ("[^]a]+", "]ab", "b"),
        ("[[]", "[", "["),
        ("[a&&b]+", "a&b", "a&b"),
        ("[a~~b]+", "a~b", "a~b"),
        ("[a-]+", "a-", "a-"),
        ("[-a]+", "a-", "a-"),
        ("[^a]", "\n", r"\n"),
        ("[[:alpha:]_]+", "aB_1", "aB_"),
        ("[[:^alpha:]]+", "a1", "1"),
        ("[[:word:]]+", "a_1ä", "a_1"),
        (r"\pL+", "aä1", r"a\xc3\xa4"),
        (r"\p{Greek}+", "aαβ", r"\xce\xb1\xce\xb2"),
        (r"\P{^Lu}", "aB", "B"),
        (r"[^\p{Lu}]", "Ba", "a"),
        (r"\p{Zl}", "\u{2028}", r"\xe2\x80\xa8"),
        (r"\p{Any}", "x", "x"),
        ("(?i)k", "\u{212a}", r"\xe2\x84\xaa"),
        ("(?i)[a-z]+", "ſK", r"\xc5\xbfK"),
        (r"[\x{D7FF}-\x{E000}]", "\u{e000}", r"\xee\x80\x80"),
    ] {
        assert_eq!(all(pattern, text), found, "{pattern}");
    }
}

#[test]
fn escapes_and_literals() {
    for (pattern, text) in [
        ("a{,5}", "a{,5}"),
        ("x{a}", "x{a}"),
        ("a{", "a{"),
        ("{", "{"),
        ("a{01}", "a{01}"),
        (r"\<\_\-\ ", "<_- "),
        (r"\Qa.b\E.", "a.b!"),
        (r"\123\07\0", "S\x07\0"),
        (r"\x41\x{42}\x{00043}", "ABC"),
        (r"\a\f\n\r\t\v", "\x07\x0c\n\r\t\x0b"),
        ("(?P<n>a)(?<n>b)", "ab"),
        ("ä+", "ää"),
    ] {
        assert_eq!(
            Regexp::compile(format!("^(?:{pattern})$").as_bytes())
                .unwrap()
                .is_match(text.as_bytes()),
            Ok(true),
            "{pattern}"
        );
    }
}

#[test]
fn faulty_patterns() {
    for (pattern, error) in [
        ("(", "missing closing ): `(`"),
        ("a(b", "missing closing ): `a(b`"),
        (")", "unexpected ): `)`"),
        ("a)b", "unexpected ): `a)b`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|*?", "missing argument to repetition operator: `*?`"),
        ("(?i)+", "missing argument to repetition operator: `+`"),
        ("{2}", "missing argument to repetition operator: `{2}`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("a*?+", "invalid nested repetition operator: `*?+`"),
        ("x{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
        ("(a{100}){11}", "invalid repeat count: `{11}`"),
        ("((a{10}|b)*){101}", "invalid repeat count: `{101}`"),
        ("[a", "missing closing ]: `[a`"),
        ("x[", "missing closing ]: `[`"),
        ("[]", "missing closing ]: `[]`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[a--b]", "invalid character class range: `a--`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
        (r"\pX", r"invalid character class range: `\pX`"),
        (r"\p{Script=Greek}", r"invalid character class range: `\p{Script=Greek}`"),
        (r"\p{L", r"invalid character class range: `\p{L`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
        (r"\u0041", r"invalid escape sequence: `\u`"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\E", r"invalid escape sequence: `\E`"),
        (r"\x4", r"invalid escape sequence: `\x`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
        (r"\ä", r"invalid escape sequence: `\ä`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("(?x)", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
        ("(?#a)", "invalid or unsupported Perl syntax: `(?#`"),
        ("(?-)", "invalid or unsupported Perl syntax: `(?-)`"),
        ("(?i", "missing closing ): `(?i`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("(?P<n-m>a)", "invalid named capture: `(?P<n-m>`"),
        ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
    ] {
        assert_eq!(
            parse(pattern.as_bytes()).unwrap_err().to_string(),
            format!("error parsing regexp: {error}"),
            "{pattern}"
        );
    }
    for letter in "CZheGRXNyklmoq".chars() {
        let pattern = format!("\\{letter}");
        assert_eq!(
            parse(pattern.as_bytes()).unwrap_err().to_string(),
            format!("error parsing regexp: invalid escape sequence: `{pattern}`")
        );
    }
    assert!(
        parse(b"a\xff")
            .unwrap_err()
            .to_string()
            .starts_with("error parsing regexp: invalid UTF-8: `a")
    );
}

#[test]
fn a_byte_that_is_no_utf8_is_one_character() {
    assert_eq!(all(".", b"a\xff\xc3\xa4"), r"a|\xff|\xc3\xa4");
    assert_eq!(all("^..$", b"\xe2\x82"), r"\xe2\x82");
    assert_eq!(all(r"\x{FFFD}+(b)", b"a\xff\xfeb\xfdb"), r"\xff\xfeb,b|\xfdb,b");
    assert_eq!(all("", "ä"), "|");
}

#[test]
fn patterns_and_texts_have_bounds() {
    let nested = |n: usize| format!("{}a{}", "(?:".repeat(n), ")*".repeat(n));
    assert!(Regexp::compile(nested(100).as_bytes()).is_ok());
    for pattern in [nested(101), "a".repeat(5000), r"\pL{1000}".into(), r"(?:\pL{30}){30}".into()] {
        let error = Regexp::compile(pattern.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("error parsing regexp: expression "), "{error}");
    }
    let text = vec![b'A'; (1 << 20) + 1];
    assert_eq!(Regexp::compile(b"b").unwrap().is_match(&text), Err(Error::Text(text.len())));
    assert_eq!(
        Regexp::compile(b"(?:a?){900}b").unwrap().is_match(&text[1..]),
        Err(Error::Text(1 << 20))
    );
    // Each match looks at all that is left.
    assert_eq!(
        Regexp::compile(b".*[^A-Z]|[A-Z]").unwrap().find_all(&text[1..], |_| {}),
        Err(Error::Time)
    );
}

#[test]
fn a_cache_keeps_what_was_used_last() {
    let cache = Cache::default();
    let first = cache.get(b"first").unwrap();
    for at in 0..40 {
        let other = cache.get(format!("other{at}").as_bytes()).unwrap();
        assert_eq!(other.is_match(format!("other{at}").as_bytes()), Ok(true));
        assert!(std::rc::Rc::ptr_eq(&cache.get(b"first").unwrap(), &first));
    }
    assert_eq!(std::rc::Rc::strong_count(&cache.get(b"other0").unwrap()), 2);
    assert!(cache.get(b"(").is_err());
}

#[test]
fn functions_and_methods() {
    let source = r##"local re = require("regexp")
        local o, err = re.compile("(\\w+)@(\\w+)(\\.org)?")
        assert(err == nil and o:match("ada@example") and not o:match("nobody"))
        local found = o:find_all_string_submatch("a@b.org, c@d")
        assert(#found == 2 and #found[1] == 4 and found[1][4] == ".org" and found[2][4] == "")
        assert(re.match("^\\d$", 5) == true and select("#", re.match("a", "b")) == 1)
        assert(#re.find_all_string_submatch("z", "abc") == 0)
        local none, bad = re.match("(", "x")
        local none2, bad2 = re.find_all_string_submatch("a", ("a"):rep(2000000))
        return tostring(none) .. bad .. tostring(none2) .. bad2"##;
    assert_eq!(
        eval(source),
        Ok(Value::string(
            "nilerror parsing regexp: missing closing ): `(`niltext of 2000000 bytes is too long for this pattern"
        ))
    );
    for (source, error) in [
        ("compile()", "bad argument #1 to compile (string expected, got nil)"),
        ("match('a')", "bad argument #2 to match (string expected, got nil)"),
        ("compile('a').match(io.stdout, 'a')", "bad argument #1 to match (regexp expected)"),
        ("compile('a'):match()", "bad argument #2 to match (string expected, got nil)"),
        (
            "compile('a'):match(('b'):rep(2000000))",
            "text of 2000000 bytes is too long for this pattern",
        ),
    ] {
        let raised = eval(&format!("require('regexp').{source}")).unwrap_err();
        assert!(raised.contains(error), "{source}: {raised}");
    }
}

proptest! {
    #[test]
    fn any_pattern_parses_or_tells_why(pattern in r#"[ab\[\](){}*+?|^$.\\,0-9:<>=!PQEpLwdx&-]{0,24}"#, text in "[ab\n]{0,8}") {
        match Regexp::compile(pattern.as_bytes()) {
            Ok(regexp) => prop_assert!(regexp.is_match(text.as_bytes()).is_ok()),
            Err(error) => prop_assert!(error.to_string().starts_with("error parsing regexp: "), "{}", error),
        }
    }

    #[test]
    fn quoted_text_matches_itself(text in "[^\\\\]{0,40}", around in ".{0,10}") {
        let regexp = Regexp::compile(format!("\\Q{text}\\E").as_bytes()).unwrap();
        prop_assert_eq!(regexp.is_match(format!("{around}{text}{around}").as_bytes()), Ok(true));
    }
}
