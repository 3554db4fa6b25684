//! Modules that are Lua throughout, and of which each environment that asks for one loads its own
//! copy (`lua/host/package.lua`).
//!
//! `inspect` and `argparse` are as their authors published them (`lua/vendor`), and protect nothing
//! of theirs; what argparse finds in place of `os` and `io` is `lua/host/argparse.lua`. `loglevel`
//! has a state, which must end with its request; `pb` is too little for anything else.

/// Name and text of each.
pub static TEXTS: &[(&str, &str)] = &[
    ("inspect", include_str!("../../../../lua/vendor/inspect.lua")),
    (
        "argparse",
        concat!(
            include_str!("../../../../lua/host/argparse.lua"),
            include_str!("../../../../lua/vendor/argparse.lua")
        ),
    ),
    ("loglevel", include_str!("../../../../lua/host/loglevel.lua")),
    ("pb", include_str!("../../../../lua/host/pb.lua")),
];

#[cfg(test)]
mod tests {
    use crate::auth::scripts::StageKind;
    use crate::script::testing::{Bench, LIMITS, eval};
    use crate::value::Value;

    fn text(source: &str) -> String {
        match eval(source) {
            Ok(Value::String(text)) => String::from_utf8(text).expect("UTF-8"),
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn inspect_shows_tables() {
        for (source, shown) in [
            ("{ 1, 'two', false }", r#"{ 1, "two", false }"#),
            ("{ b = 1, a = 2 }", "{\n  a = 2,\n  b = 1\n}"),
            ("{ a = { b = {} } }, { depth = 1, newline = '', indent = '' }", "{a = {...}}"),
            ("nil", "nil"),
            (r#""a\n\"b\"""#, r#"'a\n"b"'"#),
            (
                "{ secret = 1, b = 2 }, { process = function(v, path) if path[#path] ~= 'secret' then return v end end }",
                "{\n  b = 2\n}",
            ),
        ] {
            assert_eq!(text(&format!("return require('inspect')({source})")), shown, "{source}");
        }
    }

    #[test]
    fn inspect_knows_protected_tables_and_the_request() {
        assert!(text("return require('inspect')(request)").contains("client_net = \"\""));
        assert!(
            text("return require('inspect').inspect(require('time'))").contains("unix = <function")
        );
        assert!(eval("return require('inspect')({}, 5)").is_err());
    }

    #[test]
    fn argparse_reads_a_list() {
        let source = "local parser = require('argparse')('tool', 'about')
            parser:argument('input')
            parser:option('-l --level', 'how much', '3')
            parser:flag('-v')
            local args = parser:parse({ 'file', '-v', '--level=5' })
            return args.input .. args.level .. tostring(args.v)";
        assert_eq!(text(source), "file5true");
        let broken = "local ok, err = require('argparse')('tool'):pparse({ '--nope' }) return tostring(ok) .. err";
        assert_eq!(text(broken), "falseunknown option '--nope'");
    }

    #[test]
    fn argparse_raises_where_it_would_end_the_process() {
        let wrong = eval("require('argparse')('tool'):parse({ '--nope' })").unwrap_err();
        assert!(
            wrong.contains("Usage: tool [-h]") && wrong.contains("Error: unknown option '--nope'"),
            "{wrong}"
        );
        let bench = Bench::new(&[(
            StageKind::Hook,
            "function nauthilus_run_hook() require('argparse')('tool'):parse({ '-h' }) end",
        )]);
        assert!(
            bench
                .hook(|op| panic!("{op:?}"))
                .unwrap_err()
                .contains("argparse: the command is over")
        );
        let output = bench.host.state().services().outbox.output.take();
        assert!(String::from_utf8_lossy(&output).starts_with("Usage: tool [-h]"));
    }

    #[test]
    fn what_a_script_does_to_a_library_ends_with_its_request() {
        let source = "function nauthilus_run_hook()
            local inspect = require('inspect')
            local before = inspect({ 1 }) .. tostring(inspect.mark)
            inspect.inspect, inspect.mark = function() return 'mine' end, true
            return before .. require('inspect')({ 1 })
        end";
        let bench = Bench::with_limits(&[(StageKind::Hook, source)], LIMITS);
        for _ in 0..2 {
            assert_eq!(bench.hook(|op| panic!("{op:?}")), Ok(Value::string("{ 1 }nilmine")));
        }
    }

    #[test]
    fn what_is_not_built_says_so() {
        for name in ["channel", "chef", "cloudwatch", "plugin", "pprof"] {
            let error = eval(&format!("require('{name}')")).unwrap_err();
            assert!(
                error.contains(&format!("hook0.lua:1: module {name} is not part of this server: ")),
                "{error}"
            );
        }
        assert_eq!(
            text("package.preload.plugin = function() return 'own' end return require('plugin')"),
            "own"
        );
    }
}
