//! The language by a table, its bounds, and the module as scripts call it.

use super::{Data, ParseError, RenderError, Template};
use crate::script::testing::eval;
use crate::value::Value;
use proptest::prelude::*;

/// What `template` renders to with the Lua table `values`; an error as its text.
fn render(template: &str, values: &str) -> String {
    let source = format!(
        "local e = require('template').choose('mustache') local t, err = e:render({template:?}, {values}) return t or 'error: ' .. err"
    );
    match eval(&source) {
        Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn variables() {
    for (template, values, text) in [
        ("Hello {{name}}, {{ missing }}!", "{ name = 'Ada' }", "Hello Ada, !"),
        (
            "{{x}} {{{x}}} {{&x}} {{{ x }}}",
            "{ x = '<\"&\\'>' }",
            "&lt;&#34;&amp;&#39;&gt; <\"&'> <\"&'> <\"&'>",
        ),
        ("{{a.b.c}}{{a.x.c}}{{a.b.c.d}}", "{ a = { b = { c = 1 } } }", "1"),
        ("{{A}}{{a}}", "{ a = 'lower' }", "lower"),
        ("{{l.1}}{{l.0}}", "{ l = { 'x' } }", ""),
        ("{{5}}", "{ ['5'] = 'text' }", "text"),
        ("{{0}}", "{ [0] = 'zero' }", "zero"),
        ("{{t}} {{f}}", "{ t = true, f = false }", "true false"),
        ("{{l}} {{m}}", "{ l = { 1, 2 }, m = { b = 'x', a = 1 } }", "[1 2] map[a:1 b:x]"),
    ] {
        assert_eq!(render(template, values), text, "{template}");
    }
}

#[test]
fn numbers_from_a_million_on_have_an_exponent() {
    for (number, text) in [
        ("999999", "999999"),
        ("1000000", "1e+06"),
        ("1234567", "1.234567e+06"),
        ("12345678.5", "1.23456785e+07"),
        ("1543721585", "1.543721585e+09"),
        ("123456.789", "123456.789"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("-3", "-3"),
    ] {
        assert_eq!(render("{{n}}", &format!("{{ n = {number} }}")), text);
    }
}

#[test]
fn sections() {
    for (template, values, text) in [
        ("{{#l}}<{{n}}>{{/l}}", "{ l = { { n = 1 }, { n = 2 } } }", "<1><2>"),
        ("{{#l}}{{.}},{{/l}}", "{ l = { 'x', 'y' } }", "x,y,"),
        ("{{#a}}{{o}}{{/a}}", "{ o = 'up', a = { z = 1 } }", "up"),
        ("{{#a}}{{z.y}}{{/a}}", "{ z = { y = 1 }, a = { z = 2 } }", ""),
        ("{{#a.b}}{{.}}{{/a.b}}", "{ a = { b = 'x' } }", "x"),
        ("{{#l}}{{.}};{{/l}}", "{ l = { 1, nil, 3 } }", "1;&lt;nil&gt;;3;"),
        ("{{#l}}{{.}}{{/l}}", "{ l = { 'a', key = 'lost' } }", "a"),
        ("{{#l}}{{#.}}{{.}}{{/.}}|{{/l}}", "{ l = { { 1, 2 }, { 3 } } }", "12|3|"),
        ("{{#f}}a function{{/f}}", "{ f = function() end }", "a function"),
    ] {
        assert_eq!(render(template, values), text, "{template}");
    }
}

#[test]
fn what_counts_as_false() {
    for value in ["false", "''", "' \\t'", "0", "nil"] {
        assert_eq!(
            render("{{#x}}yes{{/x}}{{^x}}no{{/x}}", &format!("{{ x = {value} }}")),
            "no",
            "{value}"
        );
    }
    for value in ["true", "'0'", "1", "-1", "{}", "{ 1 }", "{ a = 1 }"] {
        assert_eq!(
            render("{{#x}}yes{{/x}}{{^x}}no{{/x}}", &format!("{{ x = {value} }}")),
            "yes",
            "{value}"
        );
    }
}

#[test]
fn tags_alone_on_a_line_take_it_with_them() {
    for (template, text) in [
        ("one\n{{#a}}\ntwo\n{{/a}}\nthree\n", "one\ntwo\nthree\n"),
        ("one\r\n  {{! note }}\t\r\ntwo\r\n", "one\r\ntwo\r\n"),
        ("{{=<% %>=}}\n<% a %>{{a}}", "true{{a}}"),
        ("{{#a}}  \n x{{/a}}", " x"),
        (" {{a}}\n {{a}} ", " true\n true "),
        ("x {{#a}}\ny{{/a}} \nz", "x \ny \nz"),
        ("{{! over\nlines }}\nend", "end"),
        ("{{#a}}\n{{/a}}", ""),
    ] {
        assert_eq!(render(template, "{ a = true }"), text, "{template:?}");
    }
}

#[test]
fn comments_and_delimiters() {
    assert_eq!(render("a{{! note }}b{{!}}c", "{}"), "abc");
    assert_eq!(render("{{=<% %>=}}<% x %>{{x}}<%={{ }}=%>{{x}}", "{ x = 1 }"), "1{{x}}1");
    assert_eq!(render("{{=| |=}}|{x}||x|", "{ x = '<' }"), "<&lt;");
}

#[test]
fn faulty_templates() {
    for (template, error) in [
        ("{{x", "line 1: unmatched open tag"),
        ("\n{{{x}}", "line 2: unmatched open tag"),
        ("{{#a}}x\n", "line 1: Section a has no closing tag"),
        ("\n{{/a}}", "line 2: unmatched close tag"),
        ("{{#a}}{{/b}}", "line 1: interleaved closing tag: b"),
        ("{{ }}", "line 1: empty tag"),
        ("{{#}}", "line 1: empty tag"),
        ("{{=<% =}}", "line 1: Invalid meta tag"),
        ("{{=<% %>}}", "line 1: Invalid meta tag"),
        ("{{> /etc/passwd}}", "line 1: partials are not available"),
    ] {
        assert_eq!(render(template, "{}"), format!("error: {error}"), "{template}");
    }
}

#[test]
fn nesting_has_a_bound() {
    let nested = |n: usize| format!("{}{}", "{{#a}}".repeat(n), "{{/a}}".repeat(n));
    assert!(Template::parse(nested(64).as_bytes()).is_ok());
    assert_eq!(Template::parse(nested(65).as_bytes()).unwrap_err(), ParseError::TooDeep(1));
}

#[test]
fn work_and_output_have_bounds() {
    let list = Data::Map(vec![(b"l".to_vec(), Data::List(vec![Data::Bool(true); 100]))]);
    let nested = |inner: &str| format!("{}{inner}{}", "{{#l}}".repeat(6), "{{/l}}".repeat(6));
    assert_eq!(
        Template::parse(nested("").as_bytes()).unwrap().render(&list),
        Err(RenderError::TooLong)
    );
    let long = format!("{{{{#l}}}}{}{{{{/l}}}}", "x".repeat(100_000));
    assert_eq!(Template::parse(long.as_bytes()).unwrap().render(&list), Err(RenderError::TooLarge));
    assert_eq!(
        render("{{#l}}{{/l}}", "{ l = { [1e9] = 1 } }"),
        "error: a list reaches beyond index 100000"
    );
}

#[test]
fn arguments() {
    assert_eq!(render("", "{ 'a' }"), "error: arguments #1 must be a table, but got an array");
    assert_eq!(
        eval("return select(2, require('template').choose('jinja'))"),
        Ok(Value::string("unknown template engine: jinja"))
    );
    for (source, error) in [
        ("choose()", "bad argument #1 to choose (string expected, got nil)"),
        (
            "choose('mustache'):render(nil, {})",
            "bad argument #2 to render (string expected, got nil)",
        ),
        ("choose('mustache'):render('')", "bad argument #3 to render (table expected, got nil)"),
        (
            "choose('mustache'):render_file('x', 5)",
            "bad argument #3 to render_file (table expected, got number)",
        ),
    ] {
        let raised = eval(&format!("require('template').{source}")).unwrap_err();
        assert!(raised.contains(error), "{source}: {raised}");
    }
}

#[test]
fn render_file_reads_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hello.mustache");
    std::fs::write(&path, "Hello {{name}}").unwrap();
    let of = |path: &str| {
        eval(&format!(
            "local t, err = require('template').choose('mustache'):render_file('{path}', {{ name = 'Ada' }}) return t or err"
        ))
    };
    assert_eq!(of(path.to_str().unwrap()), Ok(Value::string("Hello Ada")));
    assert_eq!(of("/nowhere/x"), Ok(Value::string("open /nowhere/x: no such file or directory")));
    assert_eq!(of("/dev/zero"), Ok(Value::string("read /dev/zero: file too large")));
}

/// Templates of tags in any order, most of them faulty.
fn template() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{{#a}}"),
        Just("{{/a}}"),
        Just("{{^b}}"),
        Just("{{/b}}"),
        Just("{{.}}"),
        Just("{{{c}}}"),
        Just("{{!"),
        Just("}}"),
        Just("{{=< >=}}"),
        Just("<a>"),
        Just(" "),
        Just("\n"),
        Just("text"),
        Just("{{a.b}}"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_template_without_delimiters_is_its_own_text(text in "[^{]{0,60}") {
        let template = Template::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(template.render(&Data::Map(Vec::new())).unwrap(), text.into_bytes());
    }

    #[test]
    fn whatever_parses_renders(text in template()) {
        let list = Data::List(vec![Data::Number(1.0), Data::Nil, Data::Map(vec![(b"b".to_vec(), Data::Text(b"<".to_vec()))])]);
        if let Ok(template) = Template::parse(text.as_bytes()) {
            prop_assert!(template.render(&Data::Map(vec![(b"a".to_vec(), list)])).is_ok());
        }
    }
}
