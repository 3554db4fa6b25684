//! `nauthilus_brute_force`: tolerations for scripts to change, and how an address stands.
//!
//! | Function | Returns |
//! |---|---|
//! | `set_custom_tolerations(list)` | `"OK", nil` or `nil, text`; replaces all, the configured ones too |
//! | `set_custom_toleration(toleration)` | the same; adds one, or changes the one for the same address |
//! | `delete_custom_toleration(ip)` | `"OK", nil` |
//! | `get_custom_tolerations()` | list of `{ip_address, tolerate_percent, tolerate_ttl}` |
//! | `get_tolerate_map(ip)` | `{positive, negative}` as recorded, `{}` if nothing is; `nil, text` if Redis fails |
//! | `is_ip_address_blocked(ip)` | names of the buckets that block the address now, or nil; `nil, text` if Redis fails |
//!
//! A toleration is `{ip_address = "192.0.2.1" or a network, tolerate_percent = 20, tolerate_ttl =
//! "24h"}`; times are Go durations with a unit. One list for the whole process, until it is
//! reloaded. The last two wait. Rules: `lua/modules/nauthilus_brute_force.md`.

use crate::auth::brute_force::rules;
use crate::script::ffi::{Call, Fault, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::asking;
use crate::state::{Error, Exception, Tolerated};
use crate::time::{go_duration_text, parse_go_duration};
use ipnet::IpNet;
use std::ffi::c_int;
use std::net::IpAddr;

pub static MODULE: Module = Module {
    names: &["nauthilus_brute_force"],
    functions: &[
        Function { name: "set_custom_tolerations", body: set_all },
        Function { name: "set_custom_toleration", body: set },
        Function { name: "delete_custom_toleration", body: delete },
        Function { name: "get_custom_tolerations", body: get_all },
    ],
    waiting: &[
        Waiting { name: "get_tolerate_map", start: tolerate_map },
        Waiting { name: "is_ip_address_blocked", start: is_blocked },
    ],
    setup: None,
    lua: None,
};

fn set_all(call: &Call<'_>) -> Result<c_int, Fault> {
    call.table(1)?;
    let mut exceptions = Vec::new();
    for at in 1..=call.raw_len(1) {
        let is_table = call.push_index(1, at) == Kind::Table;
        let exception = if is_table {
            exception(call, -1)
        } else {
            Err("each toleration must be a table".to_owned())
        };
        call.pop(1);
        match exception {
            Ok(exception) => exceptions.push(exception),
            Err(text) => return Ok(call.nil_and(text)),
        }
    }
    call.services().rules.tolerations.replace(exceptions);
    Ok(ok(call))
}

fn set(call: &Call<'_>) -> Result<c_int, Fault> {
    call.table(1)?;
    Ok(match exception(call, 1) {
        Ok(exception) => {
            call.services().rules.tolerations.set(exception);
            ok(call)
        }
        Err(text) => call.nil_and(text),
    })
}

fn delete(call: &Call<'_>) -> Result<c_int, Fault> {
    if let Some(network) = network(&call.text(1)?) {
        call.services().rules.tolerations.delete(network);
    }
    Ok(ok(call))
}

fn get_all(call: &Call<'_>) -> Result<c_int, Fault> {
    let exceptions = call.services().rules.tolerations.exceptions();
    call.push_table(exceptions.len(), 0);
    for (at, Exception { network, tolerated }) in exceptions.iter().enumerate() {
        call.push_table(0, 3);
        let is_address = network.prefix_len() == network.max_prefix_len();
        call.push_string(
            if is_address { network.addr().to_string() } else { network.to_string() }.as_bytes(),
        );
        call.set_field(-2, IP_ADDRESS);
        call.push_number(tolerated.percent as f64);
        call.set_field(-2, PERCENT);
        call.push_string(go_duration_text(tolerated.ttl).as_bytes());
        call.set_field(-2, TTL);
        call.set_index(-2, at + 1);
    }
    Ok(1)
}

fn tolerate_map(call: &Call<'_>) -> Result<Start, Fault> {
    let text = call.text(1)?;
    let rules = &call.services().rules;
    let client = rules::address(text.as_bytes())
        .map_or_else(|| text.to_string(), |address| rules.toleration_client(address));
    let state = call.services().state.clone();
    asking::ask(
        call,
        |ops| async move { state.recorded_users(&ops, client.as_bytes()).await },
        push_map,
    )
}

fn push_map(call: &Call<'_>, recorded: Result<Option<(u64, u64)>, Error>) -> Result<c_int, Fault> {
    let users = match recorded {
        Ok(users) => users,
        Err(error) => return Ok(call.nil_and(error.to_string())),
    };
    call.push_table(0, 2);
    if let Some((positive, negative)) = users {
        for (name, count) in [("positive", positive), ("negative", negative)] {
            call.push_number(count as f64);
            call.set_field(-2, name);
        }
    }
    Ok(1)
}

fn is_blocked(call: &Call<'_>) -> Result<Start, Fault> {
    let address = rules::address(call.text(1)?.as_bytes());
    let Some(address) = address else {
        call.push_nil();
        return Ok(Start::Done(1));
    };
    let counters = call.services().rules.all_counters(address);
    let state = call.services().state.clone();
    asking::ask(call, |ops| async move { state.blocking(&ops, &counters).await }, push_names)
}

fn push_names(call: &Call<'_>, names: Result<Vec<Vec<u8>>, Error>) -> Result<c_int, Fault> {
    match names {
        Err(error) => return Ok(call.nil_and(error.to_string())),
        Ok(names) if names.is_empty() => call.push_nil(),
        Ok(names) => {
            call.push_table(names.len(), 0);
            for (at, name) in names.iter().enumerate() {
                call.push_string(name);
                call.set_index(-2, at + 1);
            }
        }
    }
    Ok(1)
}

/// The toleration that the table at `at` describes, or what is wrong with it.
fn exception(call: &Call<'_>, at: c_int) -> Result<Exception, String> {
    let at = call.absolute(at);
    let text = |name: &str| {
        call.push_field(at, name);
        let text = call.text(-1).map(|text| text.into_owned()).unwrap_or_default();
        call.pop(1);
        text
    };
    let network = network(&text(IP_ADDRESS)).ok_or("invalid ip_address")?;
    let ttl = parse_go_duration(&text(TTL)).map_err(|_| "invalid tolerate_ttl format")?;
    let percent = text(PERCENT)
        .parse::<f64>()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or("invalid tolerate_percent")?;
    Ok(Exception { network, tolerated: Tolerated { percent: percent as u64, ttl } })
}

/// An address, as the network of itself alone, or a network.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpAddr>()
        .map(IpNet::from)
        .or_else(|_| text.parse::<IpNet>().map(|network| network.trunc()))
        .ok()
}

fn ok(call: &Call<'_>) -> c_int {
    call.push_string(b"OK");
    call.and_nil()
}

const IP_ADDRESS: &str = "ip_address";
const PERCENT: &str = "tolerate_percent";
const TTL: &str = "tolerate_ttl";

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    const B: &str = "local b = require('nauthilus_brute_force')
        local function shown() local out = {} for _, t in ipairs(b.get_custom_tolerations()) do
            out[#out + 1] = t.ip_address .. ' ' .. t.tolerate_percent .. ' ' .. t.tolerate_ttl end return table.concat(out, ', ') end
        local function t(ip, percent, ttl) return { ip_address = ip, tolerate_percent = percent, tolerate_ttl = ttl } end ";

    fn text(source: &str) -> String {
        match eval(&format!("{B}{source}")) {
            Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn tolerations_are_replaced_changed_and_deleted() {
        let source = "b.set_custom_tolerations({ t('192.0.2.1', 20, '24h'), t('198.51.100.7/24', '50', '90m') }); local first = shown()
            b.set_custom_toleration(t('192.0.2.1', 30, '1h')); b.set_custom_toleration(t('2001:db8::/32', 5, '1.5h')); local second = shown()
            b.delete_custom_toleration('192.0.2.1'); b.delete_custom_toleration('nothing')
            return first .. '|' .. second .. '|' .. shown()";
        assert_eq!(
            text(source),
            "192.0.2.1 20 24h0m0s, 198.51.100.0/24 50 1h30m0s\
             |192.0.2.1 30 1h0m0s, 198.51.100.0/24 50 1h30m0s, 2001:db8::/32 5 1h30m0s\
             |198.51.100.0/24 50 1h30m0s, 2001:db8::/32 5 1h30m0s"
        );
    }

    #[test]
    fn what_is_no_toleration_is_told_and_changes_nothing() {
        for (list, error) in [
            ("{ 7 }", "each toleration must be a table"),
            ("{ t('192.0.2.1', 20, '24') }", "invalid tolerate_ttl format"),
            ("{ t('192.0.2.1', 20, 24) }", "invalid tolerate_ttl format"),
            ("{ t('192.0.2.1', 20) }", "invalid tolerate_ttl format"),
            ("{ t('192.0.2.1', 20, '-1h') }", "invalid tolerate_ttl format"),
            ("{ t('192.0.2.300', 20, '1h') }", "invalid ip_address"),
            ("{ t(nil, 20, '1h') }", "invalid ip_address"),
            ("{ t('192.0.2.1', 101, '1h') }", "invalid tolerate_percent"),
            ("{ t('192.0.2.1', {}, '1h') }", "invalid tolerate_percent"),
        ] {
            let source = format!(
                "local ok, err = b.set_custom_tolerations({list}); return tostring(ok) .. ' ' .. err .. '|' .. shown()"
            );
            assert_eq!(text(&source), format!("nil {error}|"), "{list}");
        }
    }

    #[test]
    fn wrong_arguments_raise() {
        for (call, expected) in [
            ("set_custom_tolerations()", "table expected"),
            ("set_custom_tolerations('x')", "table expected"),
            ("set_custom_toleration(7)", "table expected"),
            ("delete_custom_toleration()", "string expected"),
            ("get_tolerate_map({})", "string expected"),
            ("is_ip_address_blocked()", "string expected"),
        ] {
            let error = eval(&format!("{B}return b.{call}")).unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }

    #[test]
    fn an_address_without_records_has_none() {
        assert_eq!(text("return tostring(next((b.get_tolerate_map('192.0.2.1'))))"), "nil");
        for ip in ["192.0.2.1", "garbage", ""] {
            assert_eq!(text(&format!("return tostring(b.is_ip_address_blocked('{ip}'))")), "nil");
        }
    }
}
