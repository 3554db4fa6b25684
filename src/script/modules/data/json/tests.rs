//! The module as scripts meet it. Forms: `lua/modules/json.md`, observed in the reference.

use crate::script::testing::{eval, eval_long};
use crate::value::Value;

fn run(source: &str) -> Value {
    eval(&format!("local j = require('json') return {source}"))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn assert_texts(cases: &[(&str, &str)]) {
    for (source, text) in cases {
        assert_eq!(run(source), Value::string(*text), "{source}");
    }
}

#[test]
fn encode_writes_scalars() {
    assert_texts(&[
        ("j.encode(nil)", "null"),
        ("j.encode(true)", "true"),
        ("j.encode(5.0)", "5"),
        ("j.encode(-0.5)", "-0.5"),
        ("j.encode(-0)", "0"),
        ("j.encode(1e20)", "100000000000000000000"),
        ("j.encode(1e21)", "1e+21"),
        ("j.encode(1e-7)", "1e-7"),
        ("j.encode(123456789012345678)", "123456789012345680"),
        (r#"j.encode("a\"b\\c/\n\t\1\127")"#, "\"a\\\"b\\\\c/\\n\\t\\u0001\x7f\""),
        ("j.encode('<a>&')", r#""\u003ca\u003e\u0026""#),
        ("j.encode('ä\\255')", r#""ä\ufffd""#),
    ]);
}

#[test]
fn encode_sorts_keys() {
    assert_texts(&[
        (
            "j.encode({ b = 1, a = 'x', ['10'] = true, B = 2, ['9'] = {} })",
            r#"{"10":true,"9":[],"B":2,"a":"x","b":1}"#,
        ),
        (
            "j.encode({ z = { y = { 1 }, x = { b = 2, a = 1 } }, a = false })",
            r#"{"a":false,"z":{"x":{"a":1,"b":2},"y":[1]}}"#,
        ),
        ("j.encode({ ['a\"<'] = 1 })", r#"{"a\"\u003c":1}"#),
        ("j.encode({ [''] = 1 })", r#"{"":1}"#),
    ]);
}

#[test]
fn encode_writes_lists() {
    assert_texts(&[
        ("j.encode({ 1, 'two', false })", r#"[1,"two",false]"#),
        ("j.encode({ {}, { x = {} } })", r#"[[],{"x":[]}]"#),
        ("j.encode({ 1, 2, nil })", "[1,2]"),
        (
            "(function() local t = {} for i = 5, 1, -1 do t[i] = i end return j.encode(t) end)()",
            "[1,2,3,4,5]",
        ),
    ]);
}

#[test]
fn encode_marks_empty_objects() {
    assert_texts(&[
        ("j.encode({})", "[]"),
        (
            "(function() local t = {} j.tableIsObject(t) return j.encode({ t, {} }) end)()",
            "[{},[]]",
        ),
        (
            "(function() local t = setmetatable({ 1 }, {}) j.tableIsObject(t) return j.encode(t) end)()",
            "[1]",
        ),
        ("j.encode(setmetatable({}, { __index = { x = 1 } }))", "[]"),
    ]);
    assert_eq!(run("select('#', j.tableIsObject({}))"), Value::Number(0.0));
    assert!(
        eval("require('json').tableIsObject(1)")
            .unwrap_err()
            .contains("bad argument #1 to tableIsObject")
    );
}

#[test]
fn encode_refuses_what_json_cannot_say() {
    for (value, error) in [
        ("{ 1, nil, 3, [5] = 1 }", "cannot encode sparse array"),
        ("{ [0] = 1 }", "cannot encode sparse array"),
        ("{ [2] = 1 }", "cannot encode sparse array"),
        ("{ 1, [1.5] = 1 }", "cannot encode sparse array"),
        ("{ [-1] = 1 }", "cannot encode sparse array"),
        ("{ 1, x = 2 }", "cannot encode mixed or invalid key types"),
        ("{ [true] = 1 }", "cannot encode mixed or invalid key types"),
        ("{ f = print }", "cannot encode function to JSON"),
        ("nauthilus_backend_result.new()", "cannot encode userdata to JSON"),
        ("0 / 0", "json: unsupported value: NaN"),
        ("{ 1 / 0 }", "json: unsupported value: +Inf"),
        ("{ { -1 / 0 } }", "json: unsupported value: -Inf"),
    ] {
        assert_eq!(run(&format!("select(2, j.encode({value}))")), Value::string(error), "{value}");
    }
    assert!(eval("require('json').encode()").unwrap_err().contains("bad argument #1 to encode"));
}

#[test]
fn encode_refuses_cycles_but_not_tables_that_occur_twice() {
    let cycle = "(function() local t = {} t.me = { t } return select(2, j.encode(t)) end)()";
    let twice = "(function() local t = {} return j.encode({ a = t, b = { t, t } }) end)()";
    assert_texts(&[
        (cycle, "cannot encode recursively nested tables to JSON"),
        (twice, r#"{"a":[],"b":[[],[]]}"#),
    ]);
}

#[test]
fn encode_has_a_deepest_level() {
    let nested = |levels: usize| {
        format!(
            "(function() local t = {{}} for _ = 2, {levels} do t = {{ t }} end return j.encode(t) end)()"
        )
    };
    assert_eq!(run(&nested(512)), Value::string(["[".repeat(512), "]".repeat(512)].concat()));
    let error = run(&format!("select(2, {})", nested(513)));
    assert_eq!(error, Value::string("cannot encode a table nested deeper than 512 levels to JSON"));
}

#[test]
fn encode_has_a_longest_text() {
    let doubled = "(function() local t = ('x'):rep(4096) for _ = 1, 60 do t = { t, t } end return select(2, j.encode(t)) end)()";
    for (source, text) in [
        (doubled, "cannot encode more than 8388608 bytes of JSON"),
        ("#j.encode(('x'):rep(9e6)) .. ''", "9000002"),
    ] {
        let found = eval_long(&format!("local j = require('json') return {source}"));
        assert_eq!(found, Ok(Value::string(text)), "{source}");
    }
}

#[test]
fn decode_reads_every_kind_of_value() {
    let source = r#"j.decode(' {"s":"\\u00e4\\n","n":-1.5e2,"t":true,"f":false,"l":[1,[2,[]],{"x":[]}],"d":1,"d":2,"1":"one"} ')"#;
    assert_texts(&[
        (
            &format!("j.encode({source})"),
            r#"{"1":"one","d":2,"f":false,"l":[1,[2,[]],{"x":[]}],"n":-150,"s":"ä\n","t":true}"#,
        ),
        (&format!("type({source}[1]) .. {source}['1']"), "nilone"),
        (r#"j.decode('"w"')"#, "w"),
    ]);
    assert_eq!(run("j.decode(' 7 ')"), Value::Number(7.0));
    assert_eq!(run("j.decode(12)"), Value::Number(12.0));
    assert_eq!(run("1 / j.decode('-0')"), Value::Number(f64::NEG_INFINITY));
}

#[test]
fn decode_drops_null() {
    assert_eq!(
        run("j.decode('[1,null,3]')"),
        Value::List(vec![Value::Number(1.0), Value::Number(3.0)])
    );
    assert_texts(&[
        (r#"j.encode(j.decode('{"a":null,"b":1,"c":2,"c":null}'))"#, r#"{"b":1}"#),
        ("select('#', j.decode('null')) .. tostring(j.decode('null'))", "1nil"),
        (r#"j.encode(j.decode('[null,{"a":null}]'))"#, "[{}]"),
    ]);
}

#[test]
fn decode_remembers_objects() {
    assert_texts(&[
        (
            r#"j.encode(j.decode('{"o":{},"e":[],"l":[{},{"a":{}}]}'))"#,
            r#"{"e":[],"l":[{},{"a":{}}],"o":{}}"#,
        ),
        (r#"(function() local t = j.decode('{"a":1}') t.a = nil return j.encode(t) end)()"#, "{}"),
        ("tostring(getmetatable(j.decode('{}')).__jsonTableIsObject)", "true"),
        ("tostring(getmetatable(j.decode('[]')))", "nil"),
    ]);
}

#[test]
fn what_a_script_does_to_a_decoded_table_stays_with_it() {
    let source = "(function() getmetatable(j.decode('{}')).__index = { x = 1 } return j.decode('{}').x end)()";
    assert_eq!(run(source), Value::Nil);
}

#[test]
fn decode_says_what_is_wrong() {
    for (text, error) in [
        ("", "unexpected end of JSON input"),
        ("  ", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("[1", "unexpected end of JSON input"),
        (r#"{"a""#, "unexpected end of JSON input"),
        ("tru", "unexpected end of JSON input"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
        (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
        (r#"{"a":1]"#, "invalid character ']' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("01", "invalid character '1' after top-level value"),
        ("+1", "invalid character '+' looking for beginning of value"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
        ("[1] x", "invalid character 'x' after top-level value"),
        ("//c", "invalid character '/' looking for beginning of value"),
        ("nil", "invalid character 'i' in literal null (expecting 'u')"),
        ("[1e400]", "json: cannot unmarshal number 1e400 into Go value of type float64"),
        ("\u{feff}1", "invalid character 'ï' looking for beginning of value"),
        ("}", "invalid character '}' looking for beginning of value"),
    ] {
        assert_eq!(
            run(&format!("select(2, j.decode([==[{text}]==]))")),
            Value::string(error),
            "{text}"
        );
    }
    assert!(
        eval("require('json').decode(nil)")
            .unwrap_err()
            .contains("bad argument #1 to decode (string expected, got nil)")
    );
    assert!(eval("require('json').decode({})").is_err());
}

#[test]
fn decode_goes_as_deep_as_the_reference() {
    let levels = "(function() local t, n = j.decode(('['):rep(10000) .. (']'):rep(10000)), 0 while t do t, n = t[1], n + 1 end return n end)()";
    assert_eq!(run(levels), Value::Number(10_000.0));
    let objects = r#"type(j.decode(('{"a":'):rep(9999) .. '{}' .. ('}'):rep(9999)))"#;
    assert_texts(&[
        (objects, "table"),
        ("select(2, j.decode(('['):rep(10001) .. (']'):rep(10001)))", "exceeded max depth"),
        ("select(2, j.decode(('['):rep(100000)))", "exceeded max depth"),
    ]);
}

#[test]
fn new_encoder_writes_a_line_per_value() {
    let source = r#"(function()
        local out = require("strings").new_builder()
        local e = j.new_encoder(out)
        local none = e:encode({ 1, "<" })
        e:set_escape_HTML(false)
        e:encode("<")
        e:set_indent(">", "  ")
        e:encode({ b = { 1, {} }, a = 2 })
        return out:string() .. tostring(none) .. e:encode(print)
    end)()"#;
    let text = "[1,\"\\u003c\"]\n\"<\"\n{\n>  \"a\": 2,\n>  \"b\": [\n>    1,\n>    []\n>  ]\n>}\nnilcannot encode function to JSON";
    assert_texts(&[(source, text)]);
    assert!(
        eval("require('json').new_encoder({})")
            .unwrap_err()
            .contains("bad argument #1 to new_encoder (object with a method 'write'")
    );
}

#[test]
fn new_decoder_reads_value_after_value() {
    let source = r#"(function()
        local d = j.new_decoder(require("strings").new_reader(' {"a":[1]} 22 null "x" '))
        local out = {}
        out[1] = d:more() and d:decode().a[1]
        out[2] = d:input_offset()
        out[3] = d:decode()
        out[4] = tostring(d:decode())
        out[5] = d:decode()
        out[6] = d:more()
        out[7] = select(2, d:decode())
        return out
    end)()"#;
    let expected = [
        Value::Number(1.0),
        Value::Number(10.0),
        Value::Number(22.0),
        Value::string("nil"),
        Value::string("x"),
        Value::Bool(false),
        Value::string("EOF"),
    ];
    assert_eq!(run(source), Value::List(expected.to_vec()));
}

#[test]
fn new_decoder_waits_for_the_rest_of_a_value() {
    let source = r#"(function()
        local pieces = { '{"a":', '[1,', '2]} 1', '2 tr', 'ue [' }
        local d = j.new_decoder({ read = function() return table.remove(pieces, 1) end })
        local first, number, word = d:decode(), d:decode(), d:decode()
        return { j.encode(first), number, word, select(2, d:decode()) }
    end)()"#;
    let expected = [
        Value::string(r#"{"a":[1,2]}"#),
        Value::Number(12.0),
        Value::Bool(true),
        Value::string("unexpected EOF"),
    ];
    assert_eq!(run(source), Value::List(expected.to_vec()));
    assert_texts(&[(
        "select(2, j.new_decoder(require('strings').new_reader('[1}')):decode())",
        "invalid character '}' after array element",
    )]);
    assert!(
        eval("require('json').new_decoder(1)")
            .unwrap_err()
            .contains("bad argument #1 to new_decoder (object with a method 'read'")
    );
}

#[test]
fn the_functions_of_the_lua_half_are_not_for_scripts() {
    assert_eq!(run("type(j.encode_styled) .. type(j.decode_next)"), Value::string("nilnil"));
}
