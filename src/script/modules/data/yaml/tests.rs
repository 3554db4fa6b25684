//! Decoding and encoding by tables, their bounds, and the module as scripts call it.

use super::{Documents, Error, encode_value};
use crate::script::testing::eval;
use crate::value::Value;
use proptest::prelude::*;

fn decode(text: &str) -> Result<Value, String> {
    let first = |mut documents: Documents<'_>| documents.next().unwrap_or(Ok(Value::Nil));
    Documents::of(text.as_bytes(), false).and_then(first).map_err(|error| error.to_string())
}

fn number(n: f64) -> Value {
    Value::Number(n)
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| (Value::string(*key), value.clone())).collect())
}

#[test]
fn documents_become_values() {
    for (text, value) in [
        ("", Value::Nil),
        ("# only a comment\n", Value::Nil),
        ("42", number(42.0)),
        ("'42'", Value::string("42")),
        ("- 1\n- null\n- 3\n", Value::List(vec![number(1.0), number(3.0)])),
        ("a: 1\nb: ~\n", map(&[("a", number(1.0))])),
        ("a: 1\na: 2\n", map(&[("a", number(2.0))])),
        ("yes: no\n", Value::Map(vec![(Value::Bool(true), Value::Bool(false))])),
        ("1: a\n", Value::Map(vec![(number(1.0), Value::string("a"))])),
        ("~: a\n.nan: b\nc: d\n", map(&[("c", Value::string("d"))])),
        ("i: |\n  two\n  lines\n", map(&[("i", Value::string("two\nlines\n"))])),
        ("date: 2001-12-14\n", map(&[("date", Value::string("2001-12-14"))])),
        ("a: 1\n---\nb: 2\n", map(&[("a", number(1.0))])),
        ("!!str 12", Value::string("12")),
        ("!!int '12'", number(12.0)),
        ("!!binary aGVs\n bG8=", Value::string("hello")),
        ("!own 12", Value::string("12")),
        ("x: {}\n", map(&[("x", Value::Map(vec![]))])),
    ] {
        assert_eq!(decode(text), Ok(value), "{text}");
    }
}

#[test]
fn anchors_are_copied_and_merged() {
    let text =
        "base: &b {k: v, m: 1}\ncopy: *b\nmerged:\n  <<: *b\n  m: 2\nboth:\n  <<: [{m: 3}, *b]\n";
    let base = map(&[("k", Value::string("v")), ("m", number(1.0))]);
    let merged = map(&[("m", number(2.0)), ("k", Value::string("v"))]);
    let both = map(&[("m", number(3.0)), ("k", Value::string("v"))]);
    assert_eq!(
        decode(text),
        Ok(map(&[("base", base.clone()), ("copy", base), ("merged", merged), ("both", both)]))
    );
}

#[test]
fn faulty_documents() {
    for (text, error) in [
        ("a: [1", "yaml: line 2: "),
        ("a: 1\n\tb: 2", "yaml: line "),
        ("*nowhere", "yaml: line 1: "),
        ("? [a]\n: b\n", "yaml: invalid map key"),
        ("{a: 1}: b\n", "yaml: invalid map key"),
        ("<<: 5\n", "yaml: map merge requires map or sequence of maps as the value"),
        ("<<: [1]\n", "yaml: map merge requires map or sequence of maps as the value"),
        ("!!int x", "yaml: cannot decode `x` as a !!int"),
        ("!!binary '*'", "yaml: cannot decode `*` as a !!binary"),
    ] {
        let found = decode(text).unwrap_err();
        assert!(found.starts_with(error), "{text}: {found}");
    }
    assert!(matches!(Documents::of(b"a: \xff", false), Err(Error::Utf8)));
}

#[test]
fn documents_have_bounds() {
    let laughs: String = (1..20)
        .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(",")))
        .collect();
    assert_eq!(
        decode(&format!("a0: &a0 lol\n{laughs}")).unwrap_err(),
        "yaml: document is too large"
    );
    let long: String = (0..9)
        .map(|n| format!("- *a{n}\n"))
        .collect::<String>()
        .replace(|c: char| c.is_ascii_digit(), "");
    assert_eq!(
        decode(&format!("- &a {}\n{}", "x".repeat(900_000), long)).unwrap_err(),
        "yaml: document is too large"
    );
    assert_eq!(decode(&"[".repeat(65)).unwrap_err(), "yaml: nested deeper than 64 levels");
    assert_eq!(decode(&" ".repeat((1 << 20) + 1)).unwrap_err(), "yaml: document is too large");
}

#[test]
fn values_become_documents() {
    for (source, text) in [
        ("{}", "[]\n"),
        ("{ 1, 'a', true }", "- 1\n- a\n- true\n"),
        ("{ b = 1, a = { c = { 1, 2 }, d = {} } }", "a:\n  c:\n  - 1\n  - 2\n  d: []\nb: 1\n"),
        ("{ { a = 1, b = 2 }, { { 1 } } }", "- a: 1\n  b: 2\n- - - 1\n"),
        ("{ [3] = 'x', [1] = 'z' }", "1: z\n3: x\n"),
        (
            "{ 1e15, 1e20, 2^63, 1234567.5, 0.1, -0.5, 1/0, -1/0, 0/0 }",
            "- 1000000000000000\n- 1e+20\n- 9.223372036854776e+18\n- 1.2345675e+06\n- 0.1\n- -0.5\n- .inf\n- -.inf\n- .nan\n",
        ),
        (
            "{ 'yes', '1', 'null', '~', '', 'y', '2001-12-14' }",
            "- \"yes\"\n- \"1\"\n- \"null\"\n- \"~\"\n- \"\"\n- \"y\"\n- \"2001-12-14\"\n",
        ),
        (
            "{ 'a: b', '#x', '- a', ' lead', \"it's: x\" }",
            "- 'a: b'\n- '#x'\n- '- a'\n- ' lead'\n- 'it''s: x'\n",
        ),
        (
            "{ 'a b', \"it's\", 'a,b', '-a', 'http://x' }",
            "- a b\n- it's\n- a,b\n- -a\n- http://x\n",
        ),
        ("{ a = 'two\\nlines', b = 'end\\n' }", "a: |-\n  two\n  lines\nb: |\n  end\n"),
        ("'\\255x'", "!!binary /3g=\n"),
        ("'a\\tb\\r\\1'", "\"a\\tb\\r\\x01\"\n"),
        ("5", "5\n"),
        ("nil", "null\n"),
    ] {
        assert_eq!(
            eval(&format!("return require('yaml').encode({source})")),
            Ok(Value::string(text)),
            "{source}"
        );
    }
}

#[test]
fn what_cannot_be_encoded() {
    for (source, error) in [
        ("{ print }", "cannot encode values with function in them"),
        ("io.stdout", "cannot encode values with userdata in them"),
        (
            "(function() local t = {} t[1] = t return t end)()",
            "cannot encode recursively nested tables",
        ),
        ("{ [{}] = 1 }", "a table cannot be a key"),
        (
            "(function() local t = 'x' for _ = 1, 40 do t = { t, t } end return t end)()",
            "value is too large to be encoded",
        ),
    ] {
        let got = eval(&format!(
            "local t, err = require('yaml').encode({source}) return tostring(t) .. ' ' .. err"
        ));
        assert_eq!(got, Ok(Value::string(format!("nil {error}"))), "{source}");
    }
    assert_eq!(
        eval("local t = {} return require('yaml').encode({ t, t })"),
        Ok(Value::string("- []\n- []\n"))
    );
    assert!(
        eval("require('yaml').encode()")
            .unwrap_err()
            .contains("bad argument #1 to encode (value expected)")
    );
    assert!(
        eval("require('yaml').decode()")
            .unwrap_err()
            .contains("bad argument #1 to decode (string expected, got nil)")
    );
}

#[test]
fn streams_of_documents() {
    let source = r##"local yaml, strings = require("yaml"), require("strings")
        local out = strings.new_builder()
        local e = yaml.new_encoder(out)
        assert(select("#", e:encode({ a = 1 })) == 1 and e:encode({ 2 }) == nil)
        assert(e:encode(print):find("function") and yaml.decode_documents == nil)
        local d = yaml.new_decoder(strings.new_reader(out:string() .. "---\nnull\n--- [\n"))
        assert(d:decode().a == 1 and d:decode()[1] == 2)
        local none, err = d:decode()
        assert(none == nil and err == nil)
        none, err = d:decode()
        assert(none == nil and err:find("^yaml: line"))
        local s = yaml.new_decoder(strings.new_reader("a: 1\na: 2\n"))
        s:set_strict(true)
        none, err = s:decode()
        assert(err == 'yaml: key "a" already set in map', err)
        local empty = yaml.new_decoder(strings.new_reader(""))
        return out:string() .. select(2, empty:decode())"##;
    assert_eq!(eval(source), Ok(Value::string("a: 1\n---\n- 2\nEOF")));
}

/// Values that survive: no nil, no NaN, no empty maps, which look like lists.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~\n]{0,20}".prop_map(Value::string),
        any::<String>().prop_map(Value::string),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::String),
        "[-?:,\\[\\]{}#&*!|>'\"%@` \n~0-9yn.]{1,6}".prop_map(Value::string),
    ];
    let number = prop_oneof![
        any::<i32>().prop_map(|n| Value::Number(f64::from(n))),
        (-1e300..1e300f64).prop_map(Value::Number),
        (-1e20..1e20f64).prop_map(Value::Number)
    ];
    let leaf = prop_oneof![text.clone(), number, any::<bool>().prop_map(Value::Bool)];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        let pairs = prop::collection::btree_map("[ -~\n]{0,6}", inner.clone(), 1..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::List),
            pairs.prop_map(|pairs| Value::Map(
                pairs.into_iter().map(|(key, value)| (Value::string(key), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(value in value()) {
        let text = encode_value(&value);
        prop_assert_eq!(decode(&text), Ok(value), "{}", text);
    }

    #[test]
    fn any_text_decodes_or_tells_why(text in "[ab:\\-\\[\\]{}&*!|>'\"%#?,~0-9. \n\t<]{0,40}") {
        if let Err(error) = decode(&text) {
            prop_assert!(error.starts_with("yaml: "), "{}", error);
        }
    }
}
