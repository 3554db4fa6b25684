//! The replaced `string` functions as Lua sees them: arguments in, results out; the work is done
//! beside this file.
//!
//! Called by scripts; [`table`] by `script::state` while a state is set up. What needs a closure or
//! metamethods stands in `library.lua`. Each call has a budget of its own ([`steps_for`]): between
//! calls the watchdog's hook can stop a script.

use super::case;
use super::matcher::{Captured, Error, Matcher, has_specials, steps_for};
use super::replace::{self, RESULT_BYTES_MAX, append};
use crate::script::ffi::{self, Call, Fault, Function, Kind, Shared};
use std::borrow::Cow;
use std::ffi::c_int;
use std::ops::Range;

/// The functions that take the place of LuaJIT's in the `string` table, by name.
///
/// # Errors
/// Those of mlua: in practice, no memory.
pub fn table(lua: &mlua::Lua, shared: &Shared) -> mlua::Result<mlua::Table> {
    let functions = lua.create_table()?;
    for function in FUNCTIONS {
        functions.raw_set(function.name, ffi::push_plain(lua, shared, function)?)?;
    }
    lua.load(LUA_HALF).set_name(LUA_HALF_NAME).call(functions)
}

/// The host's half. `gmatch` and `gsub` get their final form in `library.lua`, which also takes
/// `gmatch_step` away; their names here are those that error texts bear.
static FUNCTIONS: &[Function] = &[
    Function { name: "find", body: find },
    Function { name: "match", body: first_match },
    Function { name: "gmatch", body: gmatch },
    Function { name: "gmatch_step", body: gmatch_step },
    Function { name: "gsub", body: gsub },
    Function { name: "lower", body: lower },
    Function { name: "upper", body: upper },
    Function { name: "rep", body: rep },
];

/// `find(subject, pattern [, init [, plain]])`: first and last position of the first match and its
/// captures, or nil.
fn find(call: &Call<'_>) -> Result<c_int, Fault> {
    let (subject, pattern) = (call.string(1)?, call.string(2)?);
    let from = start(call.opt_int(3)?, subject.len());
    if call.truthy(4) || !has_specials(&pattern) {
        let rest = subject.get(from..).unwrap_or_default();
        let found =
            memchr::memmem::find(rest, &pattern).map(|at| from + at..from + at + pattern.len());
        return Ok(push_range(call, found));
    }
    let mut matcher = Matcher::new(&subject, &pattern, steps_for(&subject));
    let found = matcher.search(from)?;
    let captures = if found.is_some() { matcher.capture_count() } else { 0 };
    let whole = found.clone().unwrap_or_default();
    let pushed = push_range(call, found);
    push_captures(call, &matcher, &whole, captures)?;
    Ok(pushed + count(captures))
}

/// `match(subject, pattern [, init])`: the captures of the first match, or without captures all of
/// it, or nil.
fn first_match(call: &Call<'_>) -> Result<c_int, Fault> {
    let (subject, pattern) = (call.string(1)?, call.string(2)?);
    let from = start(call.opt_int(3)?, subject.len());
    let mut matcher = Matcher::new(&subject, &pattern, steps_for(&subject));
    match matcher.search(from)? {
        Some(whole) => push_match(call, &matcher, &whole),
        None => {
            call.push_nil();
            Ok(1)
        }
    }
}

/// First half of `gmatch(subject, pattern)`: the iterator's state, `{ subject, pattern, position
/// }`, the position counted from 0.
fn gmatch(call: &Call<'_>) -> Result<c_int, Fault> {
    let (subject, pattern) = (call.string(1)?, call.string(2)?);
    call.push_table(3, 0);
    let state = call.len();
    call.push_string(&subject);
    call.set_index(state, 1);
    call.push_string(&pattern);
    call.set_index(state, 2);
    call.push_number(0.0);
    call.set_index(state, 3);
    Ok(1)
}

/// One turn of the iterator, with the state that [`gmatch`] made: the captures of the next match,
/// or nothing.
fn gmatch_step(call: &Call<'_>) -> Result<c_int, Fault> {
    call.table(1)?;
    call.push_index(1, 1);
    call.push_index(1, 2);
    call.push_index(1, 3);
    let (subject, pattern, from) = (call.bytes(-3), call.bytes(-2), call.raw_number(-1) as usize);
    let mut matcher = Matcher::without_anchor(subject, pattern, steps_for(subject));
    let Some(whole) = matcher.search(from)? else { return Ok(0) };
    // Behind an empty match the search goes on one byte later, or it would find it again.
    let next = if whole.is_empty() { whole.end + 1 } else { whole.end };
    call.push_number(next as f64);
    call.set_index(1, 3);
    push_match(call, &matcher, &whole)
}

/// `gsub(subject, pattern, replacement [, max])`, the replacement a string or function: the new
/// text and the number of matches. (`library.lua` has made a function of a table.)
fn gsub(call: &Call<'_>) -> Result<c_int, Fault> {
    let (subject, pattern) = (call.string(1)?, call.string(2)?);
    let max = call.opt_int(4)?.unwrap_or(i64::MAX);
    let mut matcher = Matcher::new(&subject, &pattern, steps_for(&subject));
    let (text, replaced) = match call.kind(3) {
        Kind::String | Kind::Number => {
            let template = call.string(3)?;
            replace::substitute(&mut matcher, max, |matcher, whole, out| {
                replace::expand(&template, matcher, &whole, out)
            })?
        }
        Kind::Function => replace::substitute(&mut matcher, max, |matcher, whole, out| {
            replace_by_call(call, matcher, &whole, out)
        })?,
        kind => {
            return Err(Fault::Argument(
                3,
                format!("string/function/table expected, got {}", kind.name()),
            ));
        }
    };
    call.push_string(&text);
    call.push_number(replaced as f64);
    Ok(2)
}

/// Calls the function at 3 with the captures and appends what it returns; nil and false keep the
/// match.
fn replace_by_call(
    call: &Call<'_>,
    matcher: &Matcher<'_>,
    whole: &Range<usize>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    call.push_copy(3);
    let args = push_match(call, matcher, whole)?;
    call.invoke(args, 1);
    match call.kind(-1) {
        Kind::String | Kind::Number => append(out, &call.string(-1)?)?,
        _ if !call.truthy(-1) => {
            append(out, matcher.subject().get(whole.clone()).unwrap_or_default())?
        }
        kind => {
            return Err(Fault::message(format!("invalid replacement value (a {})", kind.name())));
        }
    }
    call.pop(1);
    Ok(())
}

fn lower(call: &Call<'_>) -> Result<c_int, Fault> {
    convert(call, case::lower)
}

fn upper(call: &Call<'_>) -> Result<c_int, Fault> {
    convert(call, case::upper)
}

fn convert(call: &Call<'_>, change: fn(&[u8]) -> Cow<'_, [u8]>) -> Result<c_int, Fault> {
    call.push_string(&change(&call.string(1)?));
    Ok(1)
}

/// `rep(text, count [, separator])`.
fn rep(call: &Call<'_>) -> Result<c_int, Fault> {
    let text = call.string(1)?;
    let times = usize::try_from(call.int(2)?).unwrap_or(0);
    let separator = if call.is_none_or_nil(3) { Cow::default() } else { call.string(3)? };
    let length = text.len().saturating_add(separator.len()).saturating_mul(times);
    if length > RESULT_BYTES_MAX {
        return Err(Error::ResultTooLarge.into());
    }
    if separator.is_empty() {
        call.push_string(&text.repeat(times.min(length)));
    } else {
        let mut out = [text.as_ref(), separator.as_ref()].concat().repeat(times);
        out.truncate(length.saturating_sub(separator.len()));
        call.push_string(&out);
    }
    Ok(1)
}

/// Where a search begins, from 0: `init` counts from 1, negative from the end; outside of the
/// subject it is the nearest end.
fn start(init: Option<i64>, length: usize) -> usize {
    match init.unwrap_or(1) {
        back @ ..0 => {
            length.saturating_sub(usize::try_from(back.unsigned_abs()).unwrap_or(usize::MAX))
        }
        from => usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(1).min(length),
    }
}

/// Pushes first and last position, or nil.
fn push_range(call: &Call<'_>, found: Option<Range<usize>>) -> c_int {
    let Some(range) = found else {
        call.push_nil();
        return 1;
    };
    call.push_number((range.start + 1) as f64);
    call.push_number(range.end as f64);
    2
}

/// Pushes the captures of a match, or all of it if the pattern has none.
fn push_match(
    call: &Call<'_>,
    matcher: &Matcher<'_>,
    whole: &Range<usize>,
) -> Result<c_int, Fault> {
    let captures = matcher.capture_count().max(1);
    push_captures(call, matcher, whole, captures)?;
    Ok(count(captures))
}

fn push_captures(
    call: &Call<'_>,
    matcher: &Matcher<'_>,
    whole: &Range<usize>,
    captures: usize,
) -> Result<(), Fault> {
    for index in 0..captures {
        match matcher.captured(index, whole)? {
            Captured::Text(range) => {
                call.push_string(matcher.subject().get(range).unwrap_or_default())
            }
            Captured::Position(at) => call.push_number((at + 1) as f64),
        }
    }
    Ok(())
}

/// A number of captures, at most 32, as Lua counts results.
fn count(captures: usize) -> c_int {
    c_int::try_from(captures).unwrap_or(c_int::MAX)
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::message(error.to_string())
    }
}

const LUA_HALF: &str = include_str!("library.lua");

/// Marks the chunk as the host's: positions in error texts skip it.
const LUA_HALF_NAME: &str = "=[host] string";

#[cfg(test)]
mod tests {
    use crate::auth::scripts::StageKind;
    use crate::script::Limits;
    use crate::script::testing::{Bench, eval};
    use crate::value::Value;
    use std::time::Duration;

    /// Each line is an expression that must be true under the real host.
    fn holds(lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            assert_eq!(eval(&format!("return {line}")), Ok(Value::Bool(true)), "{line}");
        }
    }

    /// The error that the expression raises, without the place in front and the traceback behind.
    fn error(expression: &str) -> String {
        // Not `return {expression}`: a tail call leaves no place that could be named.
        let error = eval(&format!("local value = {expression} return value")).unwrap_err();
        let message = error.lines().next().unwrap_or_default();
        assert!(message.starts_with("test/hook0.lua:1: "), "{message}");
        message.trim_start_matches("test/hook0.lua:1: ").to_owned()
    }

    #[test]
    fn find_gives_positions_and_captures() {
        holds(
            r##"
            table.concat({ ("hello"):find("l+") }, ",") == "3,4"
            table.concat({ ("key=v"):find("(%w+)=(%w+)") }, ",") == "1,5,key,v"
            table.concat({ ("a.b"):find(".", 1, true) }, ",") == "2,2"
            table.concat({ ("abcabc"):find("abc", 2) }, ",") == "4,6"
            table.concat({ ("abcabc"):find("b", -2) }, ",") == "5,5"
            table.concat({ ("abc"):find("", 10) }, ",") == "4,3"
            table.concat({ ("abc"):find("", -10) }, ",") == "1,0"
            table.concat({ ("a\0b"):find("\0") }, ",") == "2,2"
            select("#", ("abc"):find("x")) == 1 and ("abc"):find("x") == nil
            select("#", ("abc"):find("(x)")) == 1 and ("abc"):find("(x)") == nil
            table.concat({ string.find(1234, 23) }, ",") == "2,3"
            "##,
        );
    }

    #[test]
    fn match_gives_captures_or_all() {
        holds(
            r##"
            ("key = value"):match("%w+$") == "value"
            table.concat({ ("key = value"):match("^(%w+)%s*=%s*(%w+)$") }, ",") == "key,value"
            table.concat({ ("abc"):match("()b()") }, ",") == "2,3"
            ("abcabc"):match("b.*", 4) == "bc"
            select("#", ("abc"):match("(x)(y)")) == 1 and ("abc"):match("(x)(y)") == nil
            string.match(1e15, "^1(0+)$") == "000000000000000"
            "##,
        );
    }

    #[test]
    fn gmatch_iterates() {
        holds(
            r##"
            (function() local t = {} for w in ("one two  three"):gmatch("%a+") do t[#t + 1] = w end return table.concat(t, ",") end)() == "one,two,three"
            (function() local t = {} for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do t[#t + 1] = k .. v end return table.concat(t, ",") end)() == "a1,b2"
            (function() local n = 0 for _ in ("abc"):gmatch("") do n = n + 1 end return n end)() == 4
            (function() local next = ("ab"):gmatch(".") return next() .. next() .. select("#", next()) .. select("#", next()) end)() == "ab00"
            ("x1y2"):gmatch("%d")() == "1"
            string.gmatch(123, "%d")() == "1"
            string.gfind == string.gmatch and type(string.gmatch("", "")) == "function"
            "##,
        );
    }

    #[test]
    fn gsub_replaces_by_string_table_and_function() {
        holds(
            r##"
            table.concat({ ("hello"):gsub("l", "L") }, ",") == "heLLo,2"
            table.concat({ ("hello"):gsub("l", "L", 1) }, ",") == "heLlo,1"
            table.concat({ ("hello"):gsub("l", "L", 0) }, ",") == "hello,0"
            ("hello"):gsub("(l)(l)", "%2-%1-%0-%%") == "hel-l-ll-%o"
            ("abc"):gsub("%w", 1) == "111"
            ("$a $b $c"):gsub("%$(%w)", { a = 1, b = "two", c = false }) == "1 two $c"
            ("a b"):gsub("%w", setmetatable({}, { __index = function(_, key) return key .. key end })) == "aa bb"
            ("ab"):gsub("()", { "x", "y", "z" }) == "xaybz"
            ("a b c"):gsub("%w", function(c) if c == "a" then return 1.5 elseif c == "b" then return false end end) == "1.5 b c"
            ("k=v"):gsub("(%w)=(%w)", function(k, v) return v .. "=" .. k end) == "v=k"
            ("abc"):gsub("%w", function(c) return (c:gsub(".", "%0%0")) end) == "aabbcc"
            string.gsub(12, 1, 2) == "22"
            "##,
        );
    }

    #[test]
    fn case_and_repetition() {
        holds(
            r##"
            ("ÄÖÜ-Test@EXAMPLE.org"):lower() == "äöü-test@example.org"
            string.upper("grüße äé") == "GRÜßE ÄÉ"
            ("\255A"):lower() == "\255a" and string.lower(1) == "1"
            ("ab"):rep(3) == "ababab" and ("ab"):rep(0) == "" and ("ab"):rep(-1) == "" and ("x"):rep(2.9) == "xx"
            ("ab"):rep(3, ", ") == "ab, ab, ab" and ("ab"):rep(1, ",") == "ab" and ("ab"):rep(0, ",") == ""
            (""):rep(1e18) == "" and #("x"):rep(1000) == 1000 and (""):rep(3, "-") == "--"
            "##,
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (expression, message) in [
            ("string.find(nil, 'x')", "bad argument #1 to find (string expected, got nil)"),
            ("string.match('x')", "bad argument #2 to match (string expected, got nil)"),
            ("string.gmatch({}, 'x')", "bad argument #1 to gmatch (string expected, got table)"),
            (
                "(string.gsub('x', true, 'x'))",
                "bad argument #2 to gsub (string expected, got boolean)",
            ),
            (
                "(string.gsub('x', 'x'))",
                "bad argument #3 to gsub (string/function/table expected, got nil)",
            ),
            (
                "(string.gsub('x', 'x', 'x', {}))",
                "bad argument #4 to gsub (number expected, got table)",
            ),
            ("string.lower()", "bad argument #1 to lower (string expected, got nil)"),
            ("string.rep('x')", "bad argument #2 to rep (number expected, got nil)"),
        ] {
            assert_eq!(error(expression), message, "{expression}");
        }
    }

    #[test]
    fn broken_patterns_and_replacements_raise() {
        for (expression, message) in [
            ("('x'):find('[a')", "malformed pattern (missing ']')"),
            ("('x'):match('%')", "malformed pattern (ends with '%')"),
            ("('x'):match('(x')", "unfinished capture"),
            ("('x'):gmatch('x)')()", "invalid pattern capture"),
            ("(('x'):gsub('x', '%2'))", "invalid capture index"),
            ("(('x'):gsub('x', function() return {} end))", "invalid replacement value (a table)"),
            ("(('x'):gsub('x', { x = true }))", "invalid replacement value (a boolean)"),
            ("(('x'):gsub('x', function() error('inner', 0) end))", "inner"),
        ] {
            let raised =
                eval(&format!("return select(2, pcall(function() return {expression} end))"))
                    .unwrap();
            let raised = String::from_utf8(raised.text().unwrap().into_owned()).unwrap();
            assert_eq!(raised.trim_start_matches("test/hook0.lua:1: "), message, "{expression}");
        }
    }

    /// The watchdog has time here: whatever the machine, it is the budget that ends the call.
    #[test]
    fn catastrophic_patterns_and_huge_results_raise_and_can_be_caught() {
        let patient = Limits {
            memory_bytes: 64 << 20,
            cpu: Duration::from_secs(600),
            script: Duration::from_secs(600),
            backend: Duration::from_secs(600),
        };
        for (expression, message) in [
            ("('a'):rep(300):find('.-.-.-.-.-b')", "pattern takes too many steps"),
            ("('a'):rep(300):gsub('.-.-.-.-.-b', '')", "pattern takes too many steps"),
            ("('a'):rep(300):gmatch('.-.-.-.-.-b')()", "pattern takes too many steps"),
            ("('x'):rep(1e9)", "resulting string too large"),
            ("('x'):rep(1e18, '-')", "resulting string too large"),
        ] {
            let source = format!(
                "function nauthilus_run_hook() return select(2, pcall(function() local value = {expression} end)) end"
            );
            let raised = Bench::with_limits(&[(StageKind::Hook, &source)], patient)
                .hook(|op| panic!("nobody answers {op:?}"));
            assert_eq!(
                raised,
                Ok(Value::string(format!("test/hook0.lua:1: {message}"))),
                "{expression}"
            );
        }
    }

    #[test]
    fn a_callback_must_not_wait() {
        let source =
            "return select(2, pcall(string.gsub, 'x', 'x', function() coroutine.yield() end))";
        let raised =
            eval(&format!("local co = coroutine.wrap(function() {source} end) return co()"))
                .unwrap();
        assert!(
            raised.text().unwrap().ends_with(b"attempt to yield across C-call boundary"),
            "{raised:?}"
        );
    }
}
