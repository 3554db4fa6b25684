//! The request table of the entry points: one Lua constructor call per stage.
//!
//! Every field is always present (`lua/README.md`): `""`, `false` or 0 where there is
//! nothing. The constructor is generated Lua (`return function(rare, p1, …) local t = {username =
//! p1, …, debug = false} …`): LuaJIT copies the constant half from a template, and [`fields`]
//! pushes the usual fields as arguments. Fields that few requests have are put in one by one
//! ([`rare`]); without a value they stand in the metatable's defaults, which `pairs`, `next`,
//! `rawget` (`lua/host/base.lua`) and all host functions that walk tables (`Call::for_each`) know:
//! a table of up to 32 fields is copied, marked and freed at a third of the cost of one with 70.
//! All that is less than 1 µs where setting every field costs 3.
//!
//! A pure script whose entry function only reads fields gets a projected table, which holds these
//! fields alone (`lua/host/purity.lua`, [`projected_maker`]).

use crate::auth::login::Facts;
use crate::auth::request::{Field, Mode, Request};
use crate::auth::scripts::StageKind;
use crate::script::ffi::{Call, Fault, Function, Run};
use crate::script::services::Settings;
use std::fmt::Write;

/// Pushes the constructor's arguments from the running request.
pub static FIELDS: Function = Function { name: "fields", body: fields };

/// Pushes some of these arguments: those whose bits are set in the first argument.
pub static SOME: Function = Function { name: "some", body: some };

/// Puts the rare fields of the running request into a table.
pub static RARE: Function = Function { name: "rare", body: rare };

/// Tells host functions the metatable of all request tables.
pub static SHARE_DEFAULTS: Function = Function {
    name: "share_defaults",
    body: |call| {
        call.table(1)?;
        call.share_defaults(1, &LISTS);
        Ok(0)
    },
};

/// The number of the running stage's request table.
pub static SLOT: Function = Function {
    name: "slot",
    body: |call| {
        call.push_number(f64::from(call.run()?.slot));
        Ok(1)
    },
};

/// Fields that are lists, and empty. A request table gets each when it is first looked at, of its
/// own: a script may add to it.
pub const LISTS: [&str; 4] =
    ["requested_scopes", "user_groups", "allowed_client_scopes", "allowed_client_grant_types"];

/// Source of a chunk that takes the `logging` table, [`FIELDS`], [`RARE`], `setmetatable`, the
/// table of request tables by slot and [`SLOT`], and returns the function that makes a request
/// table, the metatable of all of them, and the names of the lists.
pub fn maker(settings: &Settings) -> String {
    let mut source = Source::default();
    for at in 0..PARAMETERS {
        source.parameter(&parameter_name(at));
    }
    let mut defaults = Source::default();
    for field in RARE_FIELDS {
        defaults.constant(field.lua_name(), "''");
    }
    for name in RARE_FACTS.iter().flat_map(|(names, _)| names.iter()) {
        defaults.constant(name, "''");
    }
    defaults.constant("client_net", "''");
    defaults.constant("repeating", "false");
    for name in ["brute_force_counter", "http_status", "latency"] {
        defaults.constant(name, "0");
    }
    for (name, value) in constants(settings) {
        source.constant(name, &value);
    }
    format!(
        "local logging, fields, fill, setmetatable, requests, slot = ...
        local names, is_list = {{ {lists} }}, {{}}
        for i = 1, #names do is_list[names[i]] = true end
        local function own_list(_, key)
            if not is_list[key] then return nil end
            local list = {{}}
            requests[slot()][key] = list
            return list
        end
        local defaults = {{ __metatable = false, __index = {{ {defaults}
            rwp = false, mfa_completed = false, grant_type = '', oidc_client_name = '', redirect_uri = '', mfa_method = '',
        }} }}
        setmetatable(defaults.__index, {{ __index = own_list }})
        local function construct(rare, {parameters})
            local request = {{ {members} }}
            if rare then fill(request) end
            return setmetatable(request, defaults)
        end
        return function() return construct(fields()) end, defaults, names",
        lists = LISTS.map(|name| format!("'{name}'")).join(", "),
        parameters = source.parameters.join(", "),
        members = source.members,
        defaults = defaults.members,
    )
}

/// As [`maker`], for tables that hold these fields alone: source of a chunk that takes the
/// `logging` table and [`SOME`], and returns the function. `None`: one of them is a rare field, or
/// none at all.
pub fn projected_maker(settings: &Settings, names: &[String]) -> Option<String> {
    let (mut source, mut mask) = (Source::default(), 0_u32);
    for at in 0..PARAMETERS {
        let name = parameter_name(at);
        if names.contains(&name) {
            mask |= 1 << at;
            source.parameter(&name);
        }
    }
    let constants = constants(settings)
        .into_iter()
        .filter(|(name, _)| names.iter().any(|wanted| wanted == name));
    let mut found = source.parameters.len();
    for (name, value) in constants {
        source.constant(name, &value);
        found += 1;
    }
    (found == names.len()).then(|| {
        format!(
            "local logging, some = ...
            local function construct({parameters}) return {{ {members} }} end
            return function() return construct(some({mask})) end",
            parameters = source.parameters.join(", "),
            members = source.members,
        )
    })
}

/// Fields that are the same for all requests, as Lua expressions.
fn constants(settings: &Settings) -> [(&'static str, String); 5] {
    [
        ("debug", (settings.log_level == "debug").to_string()),
        ("log_format", quoted(&settings.log_format)),
        ("log_level", quoted(&settings.log_level)),
        ("logging", "logging".to_owned()),
        ("redis_prefix", quoted(&settings.redis_prefix)),
    ]
}

/// The generated constructor, piece by piece.
#[derive(Default)]
struct Source {
    parameters: Vec<String>,
    members: String,
}

impl Source {
    /// A value that is an argument.
    fn parameter(&mut self, name: &str) {
        let parameter = format!("p{}", self.parameters.len() + 1);
        self.constant(name, &parameter);
        self.parameters.push(parameter);
    }

    fn constant(&mut self, name: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.members, "{name} = {value},");
    }
}

/// A Lua string literal of any text.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        let _ = write!(out, "\\{byte:03}");
    }
    out + "\""
}

/// What a mail proxy usually sends.
const USUAL: [Field; 12] = [
    Field::Username,
    Field::Password,
    Field::Protocol,
    Field::AuthMethod,
    Field::ClientIp,
    Field::ClientPort,
    Field::ClientId,
    Field::UserAgent,
    Field::LocalIp,
    Field::LocalPort,
    Field::Ssl,
    Field::SslProtocol,
];

/// All the others.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const RARE_FIELDS: [Field; Field::ALL.len() - USUAL.len()] = {
    let mut rare = [Field::Username; Field::ALL.len() - USUAL.len()];
    let (mut at, mut found) = (0, 0);
    while at < Field::ALL.len() {
        let (mut usual, mut i) = (false, 0);
        while i < USUAL.len() {
            usual |= USUAL[i] as usize == Field::ALL[at] as usize;
            i += 1;
        }
        if !usual {
            rare[found] = Field::ALL[at];
            found += 1;
        }
        at += 1;
    }
    rare
};

/// A fact's names in the table, and where it comes from.
type FactText = (&'static [&'static str], fn(&Facts) -> &[u8]);

/// What every request has besides [`USUAL`].
const REST: [&str; 8] = [
    "account",
    "account_field",
    "service",
    "session",
    "no_auth",
    "user_found",
    "authenticated",
    "auth_login_attempt",
];

/// Arguments of the constructor: [`USUAL`], then [`REST`].
const PARAMETERS: usize = USUAL.len() + REST.len();

fn parameter_name(at: usize) -> String {
    match USUAL.get(at) {
        Some(field) => field.lua_name().to_owned(),
        None => REST.get(at - USUAL.len()).copied().unwrap_or_default().to_owned(),
    }
}

const RARE_FACTS: [FactText; 8] = [
    (&["unique_user_id"], |facts| &facts.unique_user_id),
    (&["display_name"], |facts| &facts.display_name),
    (&["feature", "feature_name"], |facts| facts.feature.as_bytes()),
    (&["brute_force_bucket", "brute_force_name"], |facts| facts.brute_force_bucket.as_bytes()),
    (&["status_message"], |facts| &facts.status_message),
    (&["totp_secret"], |facts| &facts.totp_secret),
    (&["webauthn_credential"], |facts| &facts.webauthn_credential),
    (&["webauthn_old_credential"], |facts| &facts.webauthn_old_credential),
];

fn fields(call: &Call<'_>) -> Result<i32, Fault> {
    let run = call.run()?;
    let facts = run.login.facts.borrow();
    call.reserve(PARAMETERS + 1);
    call.push_bool(run.block.is_some() || has_rare(&run.login.request, &facts));
    (0..PARAMETERS).for_each(|at| push_parameter(call, run, &facts, at));
    Ok(call.len())
}

fn some(call: &Call<'_>) -> Result<i32, Fault> {
    let run = call.run()?;
    let facts = run.login.facts.borrow();
    let mask = call.raw_number(1) as u32;
    call.reserve(PARAMETERS);
    (0..PARAMETERS)
        .filter(|at| mask & (1 << at) != 0)
        .for_each(|at| push_parameter(call, run, &facts, at));
    Ok(call.len() - 1)
}

/// Pushes one argument of the constructor.
fn push_parameter(call: &Call<'_>, run: &Run<'_>, facts: &Facts, at: usize) {
    let request = &run.login.request;
    let lookup = request.mode == Mode::NoAuth;
    if let Some(field) = USUAL.get(at) {
        return call.push_string(if lookup && *field == Field::Password {
            b""
        } else {
            request.get(*field)
        });
    }
    match at - USUAL.len() {
        0 => call.push_string(&facts.account),
        1 => call.push_string(&facts.account_field),
        2 => call.push_string(request.service.name().as_bytes()),
        // The init script has no session.
        3 => call.push_string(if run.stage == StageKind::Init { b"" } else { &request.session.0 }),
        4 => call.push_bool(lookup),
        5 => call.push_bool(facts.user_found),
        6 => call.push_bool(facts.authenticated),
        _ => call.push_number(f64::from(request.login_attempt)),
    }
}

fn has_rare(request: &Request, facts: &Facts) -> bool {
    facts.http_status != 0
        || facts.latency_ms != 0.0
        || !facts.totp_recovery_codes.is_empty()
        || RARE_FACTS.iter().any(|(_, text)| !text(facts).is_empty())
        || RARE_FIELDS.iter().any(|field| !request.get(*field).is_empty())
}

fn rare(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    let run = call.run()?;
    let facts = run.login.facts.borrow();
    for field in RARE_FIELDS {
        let text = run.login.request.get(field);
        if !text.is_empty() {
            call.push_string(text);
            call.set_field(1, field.lua_name());
        }
    }
    for (names, text) in RARE_FACTS {
        for name in names.iter().filter(|_| !text(&facts).is_empty()) {
            call.push_string(text(&facts));
            call.set_field(1, name);
        }
    }
    if let Some(block) = run.block {
        call.push_string(block.client_net.as_bytes());
        call.set_field(1, "client_net");
        call.push_bool(block.repeating);
        call.set_field(1, "repeating");
        call.push_number(block.counter as f64);
        call.set_field(1, "brute_force_counter");
    }
    for (name, number) in
        [("http_status", f64::from(facts.http_status)), ("latency", facts.latency_ms)]
    {
        call.push_number(number);
        call.set_field(1, name);
    }
    if !facts.totp_recovery_codes.is_empty() {
        call.push_table(facts.totp_recovery_codes.len(), 0);
        let list = call.len();
        for (i, code) in facts.totp_recovery_codes.iter().enumerate() {
            call.push_string(code);
            call.set_index(list, i + 1);
        }
        call.set_field(1, "totp_recovery_codes");
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::login::{BlockFacts, Login};
    use crate::auth::request::Service;
    use crate::auth::session::SessionIds;
    use crate::op::Answer;
    use crate::script::testing::Bench;
    use crate::value::Value;

    /// What `expression` over the request table gives for a login.
    fn of(login: &Login, expression: &str) -> Value {
        let source = format!("function nauthilus_run_hook(request) return {expression} end");
        Bench::new(&[(StageKind::Hook, &source)]).hook_of(0, login, |_| Answer::Slept).unwrap()
    }

    #[test]
    fn every_text_field_arrives() {
        let mut request = Request::default();
        for field in Field::ALL {
            request.set(field, format!("<{}>", field.lua_name()).as_bytes());
        }
        let login = Login::new(request);
        for field in Field::ALL {
            let name = field.lua_name();
            assert_eq!(
                of(&login, &format!("request.{name}")),
                Value::string(format!("<{name}>")),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_empty_false_or_zero() {
        let login = Login::default();
        for field in Field::ALL {
            assert_eq!(
                of(&login, &format!("request.{}", field.lua_name())),
                Value::string(""),
                "{}",
                field.lua_name()
            );
        }
        for name in [
            "account",
            "feature",
            "feature_name",
            "client_net",
            "brute_force_bucket",
            "brute_force_name",
            "status_message",
            "grant_type",
        ] {
            assert_eq!(of(&login, &format!("request.{name}")), Value::string(""), "{name}");
        }
        for name in
            ["debug", "repeating", "user_found", "authenticated", "no_auth", "rwp", "mfa_completed"]
        {
            assert_eq!(of(&login, &format!("request.{name}")), Value::Bool(false), "{name}");
        }
        for name in ["brute_force_counter", "http_status", "latency", "auth_login_attempt"] {
            assert_eq!(of(&login, &format!("request.{name}")), Value::Number(0.0), "{name}");
        }
        assert_eq!(
            of(&login, "#request.requested_scopes + #request.user_groups"),
            Value::Number(0.0)
        );
    }

    #[test]
    fn rare_facts_arrive_under_all_their_names() {
        let login = Login::default();
        *login.facts.borrow_mut() = Facts {
            feature: "lua".into(),
            brute_force_bucket: "b".into(),
            totp_recovery_codes: vec![b"x".to_vec(), b"y".to_vec()],
            ..Facts::default()
        };
        let all = "request.feature .. request.feature_name .. request.brute_force_bucket .. request.brute_force_name
            .. table.concat(request.totp_recovery_codes)";
        assert_eq!(of(&login, all), Value::string("lualuabbxy"));
    }

    #[test]
    fn brute_force_actions_are_told_of_the_block_and_no_others() {
        let source = "function nauthilus_call_action(request)
            error('<' .. request.client_net .. tostring(request.repeating) .. request.brute_force_counter .. '>')
        end";
        let bench = Bench::new(&[(StageKind::Action, source)]);
        let login = Login::default();
        let block = BlockFacts { client_net: "192.0.2.0/24".into(), repeating: true, counter: 7 };
        for (block, seen) in [(Some(block), "<192.0.2.0/24true7>"), (None, "<false0>")] {
            let error = bench.action_for(&login, block).unwrap_err();
            assert!(error.contains(seen), "{error}");
        }
    }

    #[test]
    fn pairs_shows_empty_fields_too() {
        let mut request = Request::default();
        request.set(Field::SslIssuer, b"ca");
        let seen =
            "(function() local n, issuer = 0, nil for k, v in pairs(request) do n = n + 1 if k == 'ssl_issuer' then issuer = v end end
            return tostring(n > 60) .. tostring(issuer) end)()";
        assert_eq!(of(&Login::new(request), seen), Value::string("trueca"));
    }

    #[test]
    fn whoever_walks_the_table_meets_empty_fields_once() {
        let mut request = Request::default();
        request.set(Field::SslIssuer, b"ca");
        let walked = "(function()
            local seen, n = {}, 0
            for k, v in next, request do assert(seen[k] == nil, k) seen[k] = v n = n + 1 end
            for k, v in pairs(request) do assert(seen[k] == v, k) n = n - 1 end
            local copy = require('json').decode(require('json').encode(request))
            for _, t in ipairs({ seen, copy }) do assert(t.client_net == '' and t.ssl_issuer == 'ca' and t.repeating == false) end
            return n .. rawget(request, 'client_net') .. rawget(request, 'ssl_issuer')
        end)()";
        assert_eq!(of(&Login::new(request), walked), Value::string("0ca"));
    }

    #[test]
    fn no_other_metatable_passes_for_that_of_request_tables() {
        let copied = "(function()
            local defaults = { a = 1 }
            local t = setmetatable({}, { __index = defaults, __defaults = defaults })
            for k in pairs(t) do error(k) end
            return require('json').encode(t) .. tostring(next(t)) .. tostring(rawget(t, 'a'))
        end)()";
        assert_eq!(of(&Login::default(), copied), Value::string("[]nilnil"));
    }

    #[test]
    fn a_projected_table_holds_the_same_values() {
        let mut request = Request::default();
        (request.service, request.login_attempt, request.session) =
            (Service::Nginx, 3, SessionIds::new([7; 32]).next(1));
        for field in Field::ALL {
            request.set(field, format!("<{}>", field.lua_name()).as_bytes());
        }
        let login = Login::new(request);
        *login.facts.borrow_mut() = Facts {
            account: b"a".to_vec(),
            account_field: b"f".to_vec(),
            user_found: true,
            authenticated: true,
            ..Facts::default()
        };
        let names = (0..PARAMETERS)
            .map(parameter_name)
            .chain(constants(&Settings::default()).map(|(name, _)| name.to_owned()));
        for name in names.chain(["unknown".to_owned(), "ssl_issuer".to_owned()]) {
            let wanted = of(&login, &format!("request.{name}"));
            let source = format!(
                "local context = require('nauthilus_context')
                function nauthilus_call_action(request) context.context_set('seen', request.{name}) return 0 end"
            );
            let bench = Bench::new(&[(StageKind::Action, &source)]);
            assert_eq!(
                bench.host.state().is_projected(0),
                !["unknown", "ssl_issuer"].contains(&name.as_str()),
                "{name}"
            );
            bench.action(&login).unwrap();
            assert_eq!(
                login.context.borrow().get(b"seen").cloned().unwrap_or(Value::Nil),
                wanted,
                "{name}"
            );
        }
    }

    #[test]
    fn a_lookup_has_no_password() {
        let mut request = Request::default();
        request.mode = Mode::NoAuth;
        request.set(Field::Password, b"hunter2");
        assert_eq!(
            of(&Login::new(request), "request.password .. tostring(request.no_auth)"),
            Value::string("true")
        );
    }
}
