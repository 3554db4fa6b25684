//! The annotations in `lua/types` against what the host really offers, and the examples in
//! `lua/modules` under the real host.
//!
//! An annotation file is Lua: run, it returns a table with everything that it declares. A module
//! that lacks its file, its page, or a function in one of them fails here, with the name of what is
//! missing.

use crate::auth::login::Login;
use crate::auth::request::{Field, Request};
use crate::auth::scripts::{Scripts, StageKind};
use crate::op::{Answer, ConnectionOp, Failure, Op, drive, slot};
use crate::proto::resp::Reply;
use crate::script::modules::support::bundled;
use crate::script::modules::{LIBRARIES, MODULES};
use crate::script::testing::{Bench, eval};
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Objects of modules: class in the annotations, and how a script comes by one.
pub(super) const OBJECTS: &[(&str, &str, &str)] = &[
    ("globals", "Result", "nauthilus_backend_result.new()"),
    ("base64", "Encoding", "require('base64').StdEncoding"),
    (
        "base64",
        "Reader",
        "require('base64').new_decoder(require('base64').StdEncoding, require('strings').new_reader(''))",
    ),
    (
        "base64",
        "Writer",
        "require('base64').new_encoder(require('base64').StdEncoding, require('strings').new_builder())",
    ),
    ("hex", "Reader", "require('hex').new_decoder(require('strings').new_reader(''))"),
    ("hex", "Writer", "require('hex').new_encoder(require('strings').new_builder())"),
    ("json", "Encoder", "require('json').new_encoder(require('strings').new_builder())"),
    ("json", "Decoder", "require('json').new_decoder(require('strings').new_reader(''))"),
    ("strings", "Reader", "require('strings').new_reader('')"),
    ("strings", "Builder", "require('strings').new_builder()"),
    ("template", "Engine", "require('template').choose('mustache')"),
    ("regexp", "Regexp", "require('regexp').compile('a')"),
    ("yaml", "Encoder", "require('yaml').new_encoder(require('strings').new_builder())"),
    ("yaml", "Decoder", "require('yaml').new_decoder(require('strings').new_reader(''))"),
    ("xmlpath", "Node", "require('xmlpath').load('')"),
    ("xmlpath", "Path", "require('xmlpath').compile('a')"),
    ("tac", "File", "require('tac').open('Cargo.toml')"),
    ("prometheus", "Counter", "require('prometheus').counter({ name = 'kit_total' })"),
    ("prometheus", "Gauge", "require('prometheus').gauge({ name = 'kit' })"),
    ("log", "Logger", "require('log').new()"),
    ("storage", "Store", "require('storage').open(os.tmpname() .. '.json')"),
    ("db", "Handle", "require('db').open('mysql', 'kit:kit@tcp(192.0.2.1:3306)/kit')"),
    ("http", "Client", "require('http').client()"),
    ("http", "Request", "require('http').request('GET', 'http://192.0.2.1/')"),
    ("telegram", "Bot", "require('telegram').bot('token')"),
    ("zabbix", "Bot", "require('zabbix').bot({ url = 'http://192.0.2.1/' })"),
    ("nauthilus_opentelemetry", "Tracer", "require('nauthilus_opentelemetry').tracer()"),
    (
        "nauthilus_opentelemetry",
        "Span",
        "require('nauthilus_opentelemetry').tracer():start_span('a')",
    ),
    ("nauthilus_opentelemetry", "Semconv", "require('nauthilus_opentelemetry').semconv"),
];

/// Objects that only a peer's answer makes: their methods are held by the tests of their modules.
const NEED_A_PEER: &[(&str, &str)] = &[("tcp", "Connection"), ("db", "Statement")];

/// What servers answer in the examples of a page, in this order: Redis replies in their wire form,
/// blanks for line ends.
const REPLIES: &[(&str, &[&str])] =
    &[("nauthilus_redis", &["+OK", "$3 ada", ":1", "$-1", ":2", "$3 ada"])];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lua")
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(root().join(path)).map_err(|error| format!("lua/{path}: {error}"))
}

/// Names that `require` knows, each with the first one of its module.
fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let modules =
        MODULES.iter().flat_map(|module| module.names.iter().map(|name| (*name, module.names[0])));
    modules.chain(LIBRARIES.iter().map(|(name, _)| (*name, *name)))
}

/// Runs a script that returns a list of complaints.
fn complaints(source: &str) -> Vec<String> {
    match eval(source) {
        Ok(Value::List(list)) => list
            .iter()
            .map(|text| String::from_utf8_lossy(&text.text().unwrap_or_default()).into_owned())
            .collect(),
        other => vec![format!("{other:?}")],
    }
}

#[track_caller]
fn assert_none(mut complaints: Vec<String>) {
    complaints.sort();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// A Lua string literal.
fn quoted(text: &str) -> String {
    text.bytes().fold("\"".to_owned(), |out, byte| out + &format!("\\{byte:03}")) + "\""
}

#[test]
fn every_module_is_annotated_and_nothing_else() {
    let mut wrong = Vec::new();
    for (name, _) in names() {
        let text = match read(&format!("types/{name}.lua")) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        wrong.extend(complaints(&format!(
            r#"local real, typed, out = require("{name}"), assert(loadstring({text}))(), {{}}
            if typed == real then return out end
            local kinds = {{ userdata = "table" }}
            for key, value in pairs(real) do
                local kind = kinds[type(value)] or type(value)
                if typed[key] == nil then
                    out[#out + 1] = "lua/types/{name}.lua lacks the " .. kind .. " " .. key
                elseif type(typed[key]) ~= kind then
                    out[#out + 1] = "lua/types/{name}.lua: " .. key .. " is a " .. kind
                end
            end
            for key in pairs(typed) do
                if real[key] == nil then out[#out + 1] = "lua/types/{name}.lua: {name} has no " .. key end
            end
            return out"#,
            text = quoted(&text)
        )));
    }
    assert_none(wrong);
}

#[test]
fn methods_that_are_annotated_exist() {
    let mut wrong = Vec::new();
    for (file, class, object) in OBJECTS {
        let text = read(&format!("types/{file}.lua")).unwrap();
        let methods: Vec<&str> = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("function ")?
                    .strip_prefix(class)?
                    .strip_prefix([':', '.'])?
                    .split('(')
                    .next()
            })
            .collect();
        assert!(!methods.is_empty(), "lua/types/{file}.lua: no methods of {class}");
        for method in methods {
            if eval(&format!("return type(({object})[\"{method}\"])"))
                != Ok(Value::string("function"))
            {
                wrong.push(format!("lua/types/{file}.lua: {class} has no method {method}"));
            }
        }
    }
    let classes: BTreeSet<(&str, &str)> =
        OBJECTS.iter().map(|(file, class, _)| (*file, *class)).collect();
    for (name, _) in names().chain([("globals", "")]) {
        for class in read(&format!("types/{name}.lua"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("function ")?.split_once(':'))
        {
            if !classes.contains(&(name, class.0)) && !NEED_A_PEER.contains(&(name, class.0)) {
                wrong.push(format!(
                    "OBJECTS does not say how to come by a {} of lua/types/{name}.lua",
                    class.0
                ));
            }
        }
    }
    wrong.dedup();
    assert_none(wrong);
}

#[test]
fn globals_are_annotated() {
    let text = read("types/globals.lua").unwrap();
    let fields = |class: &str| -> String {
        let block = text.split(&format!("---@class {class}\n")).nth(1).unwrap();
        let fields = block.lines().map_while(|line| line.strip_prefix("---@field "));
        fields
            .map(|field| format!("[{:?}] = true,", field.split([' ', '?']).next().unwrap()))
            .collect()
    };
    assert_none(complaints(&format!(
        r#"local out, request_fields, constants = {{}}, {{ {request} }}, {{ {builtin} }}
        local standard = {{ {standard} }}
        local typed = setmetatable({{}}, {{ __index = _G }})
        setfenv(assert(loadstring({text})), typed)()
        for key in pairs(_G) do
            if not standard[key] and not key:find("^nauthilus_run_hook$") and rawget(typed, key) == nil then
                out[#out + 1] = "lua/types/globals.lua lacks the global " .. key
            end
        end
        for key, value in pairs(nauthilus_builtin) do
            if not constants[key] and not typed.nauthilus_builtin[key] then
                out[#out + 1] = "lua/types/globals.lua lacks nauthilus_builtin." .. key
            end
            constants[key] = nil
        end
        for key in pairs(constants) do out[#out + 1] = "lua/types/globals.lua: there is no nauthilus_builtin." .. key end
        for key in pairs(request) do
            if not request_fields[key] then out[#out + 1] = "lua/types/globals.lua lacks the request's field " .. key end
            request_fields[key] = nil
        end
        for key in pairs(request_fields) do
            if key ~= "totp_recovery_codes" then out[#out + 1] = "lua/types/globals.lua: a request has no field " .. key end
        end
        return out"#,
        request = fields("nauthilus_request"),
        builtin = fields("nauthilus_builtin"),
        standard = STANDARD
            .split_whitespace()
            .map(|name| format!("[{name:?}] = true,"))
            .collect::<String>(),
        text = quoted(&text),
    )));
}

/// What the editor knows of Lua 5.1 itself.
const STANDARD: &str = "_G _VERSION assert collectgarbage coroutine debug dofile error getfenv getmetatable io ipairs load loadfile loadstring math
    module newproxy next os package pairs pcall print rawequal rawget rawset require select setfenv setmetatable string table tonumber tostring
    type unpack xpcall";

/// The ```` ```lua ```` blocks of a page.
fn examples(page: &str) -> Vec<String> {
    page.split("```lua\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_module_has_a_page_with_an_example() {
    let bundled = bundled::TEXTS.iter().map(|(name, _)| *name);
    let mut wrong = Vec::new();
    for name in names().filter(|(name, first)| name == first).map(|(name, _)| name).chain(bundled) {
        match read(&format!("modules/{name}.md")) {
            Err(error) => wrong.push(error),
            Ok(page) if examples(&page).is_empty() => {
                wrong.push(format!("lua/modules/{name}.md has no example"))
            }
            Ok(_) => {}
        }
    }
    let readme = read("README.md").unwrap();
    for (name, first) in names() {
        if name == first && !readme.contains(&format!("(modules/{name}.md)")) {
            wrong.push(format!("lua/README.md does not name modules/{name}.md"));
        }
    }
    assert_none(wrong);
}

#[test]
fn every_function_is_on_its_modules_page() {
    let mut wrong = Vec::new();
    for (name, _) in names().filter(|(name, first)| name == first) {
        let page = read(&format!("modules/{name}.md")).unwrap_or_default();
        let functions = complaints(&format!(
            "local out = {{}} for key, value in pairs(require('{name}')) do if type(value) == 'function' then out[#out + 1] = key end end return out"
        ));
        wrong.extend(
            functions
                .into_iter()
                .filter(|function| !page.contains(function.as_str()))
                .map(|function| format!("lua/modules/{name}.md does not speak of {function}")),
        );
    }
    assert_none(wrong);
}

#[test]
fn examples_run() {
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(root().join("modules")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for example in examples(&std::fs::read_to_string(&path).unwrap()) {
            if let Err(error) = run(&name, &example) {
                wrong.push(format!("{}: {error}", path.display()));
            }
        }
    }
    assert_none(wrong);
}

/// Runs an example as a script of the stage whose function it defines.
fn run(name: &str, example: &str) -> Result<(), String> {
    let stage = match example {
        _ if example.contains("function nauthilus_call_feature(") => StageKind::Feature,
        _ if example.contains("function nauthilus_call_filter(") => StageKind::Filter,
        _ if example.contains("function nauthilus_call_action(") => StageKind::Action,
        _ if example.contains("function nauthilus_backend_verify_password(") => StageKind::Backend,
        _ if example.contains("function nauthilus_run_hook(") => StageKind::Hook,
        _ => return Err("the example defines no entry function".into()),
    };
    let bench = Bench::new(&[(stage, example)]);
    let mut request = Request::default();
    request.set(Field::Username, b"ada");
    request.set(Field::ClientIp, b"192.0.2.7");
    let login = Login::new(request);
    let mut replies = REPLIES
        .iter()
        .find(|(page, _)| *page == name)
        .map(|(_, replies)| replies.iter())
        .unwrap_or_default();
    let answer = |op: Op| match op {
        Op::Redis(op) => {
            let mut frames: Vec<Reply> = (0..op.commands.count())
                .map(|_| {
                    let wire = replies.next().expect("a reply for this page in REPLIES");
                    Reply::from_frame(format!("{}\r\n", wire.replace(' ', "\r\n")).as_bytes())
                        .expect(wire)
                })
                .collect();
            if frames.len() == 1 {
                Answer::Reply(frames.remove(0))
            } else {
                Answer::Replies(frames)
            }
        }
        Op::Sleep(_) => Answer::Slept,
        Op::Hash(_) => Answer::Hash(Ok(true)),
        Op::Connection(ConnectionOp::Open(address)) => Answer::Failed(Failure::Refused(format!(
            "dial tcp {address}: connect: connection refused"
        ))),
        op => Answer::Failed(Failure::Unavailable(format!("nobody answers {op:?} here"))),
    };
    let now = Instant::now();
    let (ops, driver) = slot(now, now + Duration::from_secs(10));
    let mut run = bench.host.stage(stage, &login);
    let host = &bench.host;
    let outcome = match stage {
        StageKind::Feature => {
            drive(host.feature(&mut run, 0, &login, &ops), &driver, answer).map(drop)
        }
        StageKind::Filter => {
            drive(host.filter(&mut run, 0, &login, &ops), &driver, answer).map(drop)
        }
        StageKind::Action => drive(
            host.action(&mut run, crate::auth::scripts::ActionKind::Post, 0, &login, &ops),
            &driver,
            answer,
        )
        .map(drop),
        StageKind::Backend => {
            drive(host.verify_password(&mut run, 0, &login, &ops), &driver, answer).map(drop)
        }
        StageKind::Hook | StageKind::Init => {
            drive(host.hook(&mut run, 0, &login, &ops), &driver, answer).map(drop)
        }
    };
    outcome.map_err(|error| error.message)
}
