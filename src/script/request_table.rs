//! The request table of the entry points: one Lua constructor call per stage.
//!
//! Every field is always present (`lua/entrypoints.md` 3): `""`, `false` or 0 where there is nothing. The constructor is generated
//! Lua (`return function(p1, …) return {username = p1, …, debug = false} end`): LuaJIT copies the constant half from a template, and
//! [`fields`] pushes the rest as arguments. That is 1.1 µs where setting 30 fields one by one takes 2 to 4.

use crate::auth::login::Facts;
use crate::auth::request::{Field, Mode};
use crate::auth::scripts::StageKind;
use crate::script::ffi::{Call, Fault, Function};
use crate::script::services::Settings;
use std::fmt::Write;

/// Pushes the constructor's arguments from the running request.
pub static FIELDS: Function = Function { name: "fields", body: fields };

/// Source of the constructor; its one argument is the empty list that stands for every list-valued field.
pub fn constructor(settings: &Settings) -> String {
    let mut parameters = Vec::new();
    let mut members = String::new();
    let mut parameter = |names: &[&str], members: &mut String| {
        let name = format!("p{}", parameters.len() + 1);
        for field in names {
            // Writing to a String cannot fail.
            let _ = writeln!(members, "{field} = {name},");
        }
        parameters.push(name);
    };
    for field in Field::ALL {
        parameter(&[field.lua_name()], &mut members);
    }
    for (names, _) in TEXTS {
        parameter(names, &mut members);
    }
    for name in ["service", "session"] {
        parameter(&[name], &mut members);
    }
    for name in ["user_found", "authenticated", "repeating", "no_auth", "brute_force_counter", "http_status", "latency", "auth_login_attempt"] {
        parameter(&[name], &mut members);
    }
    for name in ["totp_recovery_codes"] {
        parameter(&[name], &mut members);
    }
    for name in ["grant_type", "oidc_client_name", "redirect_uri", "mfa_method"] {
        let _ = writeln!(members, "{name} = '',");
    }
    for name in ["requested_scopes", "user_groups", "allowed_client_scopes", "allowed_client_grant_types"] {
        let _ = writeln!(members, "{name} = none,");
    }
    let _ = writeln!(members, "debug = {}, rwp = false, mfa_completed = false,", settings.log_level == "debug");
    let _ = writeln!(members, "log_format = {:?}, log_level = {:?}, logging = logging,", settings.log_format, settings.log_level);
    let _ = writeln!(members, "redis_prefix = {},", quoted(&settings.redis_prefix));
    format!("local none, logging = ...\nreturn function({})\nreturn {{ {members} }}\nend", parameters.join(", "))
}

/// A Lua string literal of any text.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        let _ = write!(out, "\\{byte:03}");
    }
    out + "\""
}

/// Text fields besides [`Field::ALL`]: all names a value goes by, and where it comes from.
const TEXTS: [(&[&str], fn(&Facts) -> &[u8]); 11] = [
    (&["account"], |facts| &facts.account),
    (&["account_field"], |facts| &facts.account_field),
    (&["unique_user_id"], |facts| &facts.unique_user_id),
    (&["display_name"], |facts| &facts.display_name),
    (&["feature", "feature_name"], |facts| facts.feature.as_bytes()),
    (&["client_net"], |facts| facts.client_net.as_bytes()),
    (&["brute_force_bucket", "brute_force_name"], |facts| facts.brute_force_bucket.as_bytes()),
    (&["status_message"], |facts| &facts.status_message),
    (&["totp_secret"], |facts| &facts.totp_secret),
    (&["webauthn_credential"], |facts| &facts.webauthn_credential),
    (&["webauthn_old_credential"], |facts| &facts.webauthn_old_credential),
];

fn fields(call: &Call<'_>) -> Result<i32, Fault> {
    let run = call.run()?;
    let request = &run.login.request;
    let facts = run.login.facts.borrow();
    let lookup = request.mode == Mode::NoAuth;
    call.reserve(Field::ALL.len() + TEXTS.len() + 16);
    for field in Field::ALL {
        call.push_string(if lookup && field == Field::Password { b"" } else { request.get(field) });
    }
    for (_, text) in TEXTS {
        call.push_string(text(&facts));
    }
    call.push_string(request.service.name().as_bytes());
    // The init script has no session.
    call.push_string(if run.stage == StageKind::Init { b"" } else { &request.session.0 });
    call.push_bool(facts.user_found);
    call.push_bool(facts.authenticated);
    call.push_bool(facts.repeating);
    call.push_bool(lookup);
    call.push_number(facts.brute_force_counter as f64);
    call.push_number(f64::from(facts.http_status));
    call.push_number(facts.latency_ms);
    call.push_number(f64::from(request.login_attempt));
    match facts.totp_recovery_codes.as_slice() {
        [] => call.push_nil(),
        codes => {
            call.push_table(codes.len(), 0);
            let list = call.len();
            for (i, code) in codes.iter().enumerate() {
                call.push_string(code);
                call.set_index(list, i + 1);
            }
        }
    }
    Ok(call.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constructor_is_valid_lua_and_names_every_field() {
        let source = constructor(&Settings { redis_prefix: "a'b\\".into(), ..Settings::default() });
        for field in Field::ALL {
            assert!(source.contains(&format!("{} = p", field.lua_name())), "{}", field.lua_name());
        }
        assert!(mlua::Lua::new().load(&source).into_function().is_ok());
    }
}
