//! `nauthilus_misc`: country names, random delays, and the network that stands for a client's
//! address.
//!
//! Rules: `lua/modules/nauthilus_misc.md`.

use crate::op::{Answer, Op};
use crate::script::ffi::{Call, Fault, Finish, Function, Start, Waiting};
use crate::script::modules::Module;
use crate::script::services::Settings;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["nauthilus_misc"],
    functions: &[
        Function { name: "get_country_name", body: get_country_name },
        Function { name: "scoped_ip", body: scoped_ip },
    ],
    waiting: &[Waiting { name: "wait_random", start: wait_random }],
    setup: None,
    lua: None,
};

/// `get_country_name(code)` → the English name for a code of two or three letters, or for a name;
/// `Unknown` if there is none.
fn get_country_name(call: &Call<'_>) -> Result<i32, Fault> {
    let code = call.text(1)?.to_uppercase();
    call.push_string(COUNTRIES.get(code.as_str()).unwrap_or(&"Unknown").as_bytes());
    Ok(call.and_nil())
}

/// `wait_random(min, max)` → how many milliseconds it has waited: `min` at least, less than `max`.
fn wait_random(call: &Call<'_>) -> Result<Start, Fault> {
    let (min, max) = (call.int(1)?, call.int(2)?);
    let random = getrandom::u64().map_err(|_| Fault::message("no random numbers"))?;
    let Some(wait_ms) = pick(min, max, random) else {
        return Ok(Start::Done(call.nil_and("invalid wait range")));
    };
    let op = Op::Sleep(Duration::from_millis(wait_ms));
    Ok(Start::Wait { op, limit: Duration::MAX, finish: Finish::Plain(waited, wait_ms) })
}

fn waited(call: &Call<'_>, answer: Answer, wait_ms: u64) -> Result<i32, Fault> {
    if let Answer::Failed(failure) = answer {
        return Ok(call.nil_and(failure.to_string()));
    }
    call.push_number(wait_ms as f64);
    Ok(call.and_nil())
}

/// One of min..max; the bias of the remainder is of no matter for delays. `None` for an empty range
/// or a negative bound.
fn pick(min: i64, max: i64, random: u64) -> Option<u64> {
    let (min, max) = (u64::try_from(min).ok()?, u64::try_from(max).ok()?);
    let width = max.checked_sub(min)?;
    Some(min + random.checked_rem(width)?)
}

/// `scoped_ip([context,] ip)` → the network that `ip` is in, or `ip` itself.
fn scoped_ip(call: &Call<'_>) -> Result<i32, Fault> {
    let first = call.text(1)?;
    let (context, ip) =
        if call.len() >= 2 { (first, call.text(2)?) } else { ("lua_generic".into(), first) };
    match scope(&call.services().settings, &context, &ip) {
        Some(network) => call.push_string(network.to_string().as_bytes()),
        None => call.push_string(ip.as_bytes()),
    }
    Ok(call.and_nil())
}

/// `None` if the text is no address or no network size is configured.
fn scope(settings: &Settings, context: &str, ip: &str) -> Option<IpNet> {
    let ip = ip.parse::<IpAddr>().ok()?.to_canonical();
    let bits = match (context, ip) {
        ("rwp" | "repeating_wrong_password", IpAddr::V6(_)) => settings.rwp_ipv6_cidr,
        ("tolerations", IpAddr::V6(_)) => settings.tolerations_ipv6_cidr,
        ("rwp" | "repeating_wrong_password" | "tolerations", IpAddr::V4(_)) => 0,
        (_, IpAddr::V6(_)) => settings.ip_scoping_v6_cidr,
        (_, IpAddr::V4(_)) => settings.ip_scoping_v4_cidr,
    };
    if bits == 0 {
        return None;
    }
    IpNet::new(ip, bits).ok().map(|network| network.trunc())
}

/// Names by code and by name, all keys in upper case.
static COUNTRIES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let rows = || include_str!("countries.tsv").lines().filter_map(|line| line.split_once('\t'));
    let by_name = rows().map(|(_, name)| (name.to_uppercase(), name));
    by_name.chain(rows().map(|(code, name)| (code.to_uppercase(), name))).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Failure;
    use crate::script::testing::{eval, eval_with};
    use crate::value::Value;

    fn run(source: &str) -> Value {
        eval(&format!("local m = require('nauthilus_misc') return {source}"))
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    #[test]
    fn get_country_name_knows_codes_and_names() {
        for (code, name) in [
            ("DE", "Germany"),
            ("de", "Germany"),
            ("FRA", "France"),
            ("us", "United States"),
            ("XX", "None"),
            ("zz", "Unknown"),
            ("", "Unknown"),
            ("germany", "Germany"),
            ("Deutschland", "Germany"),
            ("österreich", "Austria"),
        ] {
            assert_eq!(
                run(&format!("(m.get_country_name('{code}'))")),
                Value::string(name),
                "{code}"
            );
        }
        assert_eq!(run("select('#', m.get_country_name('DE'))"), Value::Number(2.0));
        assert!(
            eval("require('nauthilus_misc').get_country_name(nil)")
                .unwrap_err()
                .contains("bad argument #1 to get_country_name")
        );
    }

    #[test]
    fn every_row_of_the_table_is_a_key_and_a_name() {
        let rows = include_str!("countries.tsv").lines();
        assert!(
            rows.clone()
                .all(|line| line.split('\t').filter(|field| !field.is_empty()).count() == 2)
        );
        assert!(COUNTRIES.len() > rows.count());
    }

    #[test]
    fn wait_random_sleeps_for_what_it_returns() {
        let mut asked = Vec::new();
        let source = "local ms, err = require('nauthilus_misc').wait_random('60', 90.5) return { ms, tostring(err) }";
        let result = eval_with(source, |op| {
            let Op::Sleep(duration) = op else { panic!("{op:?}") };
            asked.push(duration.as_millis() as f64);
            Answer::Slept
        });
        assert_eq!(result, Ok(Value::List(vec![Value::Number(asked[0]), Value::string("nil")])));
        assert!(asked.len() == 1 && (60.0..90.0).contains(&asked[0]));
    }

    #[test]
    fn wait_random_refuses_a_range_without_numbers() {
        for range in ["9, 3", "5, 5", "5.1, 5.9", "-5, 5", "0, 0"] {
            assert_eq!(
                run(&format!("select(2, m.wait_random({range}))")),
                Value::string("invalid wait range")
            );
        }
    }

    #[test]
    fn wait_random_says_why_it_could_not_wait() {
        let source = "local m = require('nauthilus_misc') return select(2, m.wait_random(1, 2))";
        assert_eq!(
            eval_with(source, |_| Answer::Failed(Failure::TimedOut)),
            Ok(Value::string("i/o timeout"))
        );
    }

    #[test]
    fn random_delays_stay_within_their_range() {
        assert_eq!(pick(3, 5, u64::MAX), Some(3 + u64::MAX % 2));
        assert_eq!(pick(0, i64::MAX, 7), Some(7));
        assert_eq!(pick(7, 7, 1), None);
    }

    #[test]
    fn scoped_ip_gives_networks_as_configured() {
        let settings = Settings {
            ip_scoping_v6_cidr: 64,
            ip_scoping_v4_cidr: 24,
            rwp_ipv6_cidr: 56,
            tolerations_ipv6_cidr: 48,
            ..Settings::default()
        };
        for (context, ip, network) in [
            ("lua_generic", "2001:db8::abcd:1", Some("2001:db8::/64")),
            ("anything", "192.0.2.77", Some("192.0.2.0/24")),
            ("metrics", "::ffff:192.0.2.77", Some("192.0.2.0/24")),
            ("rwp", "2001:db8:1:2ff::1", Some("2001:db8:1:200::/56")),
            ("repeating_wrong_password", "192.0.2.77", None),
            ("tolerations", "2001:db8:1:2ff::1", Some("2001:db8:1::/48")),
            ("generic", "no address", None),
        ] {
            assert_eq!(
                scope(&settings, context, ip).map(|network| network.to_string()).as_deref(),
                network,
                "{context} {ip}"
            );
        }
        assert_eq!(scope(&Settings::default(), "generic", "2001:db8::1"), None);
    }

    #[test]
    fn scoped_ip_gives_back_what_it_does_not_scope() {
        assert_eq!(run("(m.scoped_ip('2001:db8::1'))"), Value::string("2001:db8::1"));
        assert_eq!(run("(m.scoped_ip('rwp', 'no address'))"), Value::string("no address"));
        assert_eq!(run("select('#', m.scoped_ip('192.0.2.1'))"), Value::Number(2.0));
    }
}
