//! `nauthilus_soft_whitelist`: users that a feature exempts in given networks, besides the
//! configured ones.
//!
//! | Function | Returns |
//! |---|---|
//! | `soft_whitelist_set(user, network, feature)` | nothing; `"invalid feature category"` for an unknown feature |
//! | `soft_whitelist_get(user, feature)` | list of networks, `{}` if there is none |
//! | `soft_whitelist_delete(user, network, feature)` | nothing |
//!
//! `feature` is `brute_force`, `relay_domains` or `rbl`. A network that is none, and an empty user,
//! are ignored. One list for the whole process, until it is reloaded. Rules:
//! `lua/modules/nauthilus_soft_whitelist.md`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use crate::state::Exemption;
use ipnet::IpNet;

pub static MODULE: Module = Module {
    names: &["nauthilus_soft_whitelist"],
    functions: &[
        Function { name: "soft_whitelist_set", body: set },
        Function { name: "soft_whitelist_get", body: get },
        Function { name: "soft_whitelist_delete", body: delete },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn set(call: &Call<'_>) -> Result<i32, Fault> {
    let (user, network, feature) = (call.string(1)?, network(call)?, call.string(3)?);
    let Some(feature) = Exemption::named(&feature) else {
        call.push_string(b"invalid feature category");
        return Ok(1);
    };
    if let Some(network) = network {
        call.services().rules.soft_whitelist.add(feature, &user, network);
    }
    Ok(0)
}

fn get(call: &Call<'_>) -> Result<i32, Fault> {
    let (user, feature) = (call.string(1)?, call.string(2)?);
    let networks = Exemption::named(&feature)
        .map(|feature| call.services().rules.soft_whitelist.networks(feature, &user));
    let networks = networks.unwrap_or_default();
    call.push_table(networks.len(), 0);
    for (at, network) in networks.iter().enumerate() {
        call.push_string(network.to_string().as_bytes());
        call.set_index(-2, at + 1);
    }
    Ok(1)
}

fn delete(call: &Call<'_>) -> Result<i32, Fault> {
    let (user, network, feature) = (call.string(1)?, network(call)?, call.string(3)?);
    if let (Some(network), Some(feature)) = (network, Exemption::named(&feature)) {
        call.services().rules.soft_whitelist.remove(feature, &user, network);
    }
    Ok(0)
}

/// The second argument, if it is a network.
fn network(call: &Call<'_>) -> Result<Option<IpNet>, Fault> {
    Ok(call.text(2)?.parse::<IpNet>().ok().map(|network| network.trunc()))
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    const W: &str = "local w = require('nauthilus_soft_whitelist'); ";

    fn text(source: &str) -> String {
        match eval(&format!("{W}{source}")) {
            Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn networks_are_added_read_and_deleted() {
        let source = "w.soft_whitelist_set('Ada', '192.0.2.9/24', 'brute_force'); w.soft_whitelist_set('ada', '2001:db8::/32', 'brute_force')
            local both = table.concat(w.soft_whitelist_get('ADA', 'brute_force'), ' ')
            w.soft_whitelist_delete('ada', '192.0.2.0/24', 'brute_force')
            return both .. '|' .. table.concat(w.soft_whitelist_get('ada', 'brute_force'), ' ') .. '|' .. #w.soft_whitelist_get('ada', 'rbl')";
        assert_eq!(text(source), "192.0.2.0/24 2001:db8::/32|2001:db8::/32|0");
    }

    #[test]
    fn what_is_no_entry_is_ignored() {
        for entry in [
            "'ada', 'not a network', 'rbl'",
            "'ada', '192.0.2.300/24', 'rbl'",
            "'', '192.0.2.0/24', 'rbl'",
            "'ada', '', 'rbl'",
        ] {
            let source = format!(
                "local said = w.soft_whitelist_set({entry}); return tostring(said) .. #w.soft_whitelist_get('ada', 'rbl') .. #w.soft_whitelist_get('', 'rbl')"
            );
            assert_eq!(text(&source), "nil00", "{entry}");
        }
        assert_eq!(
            text("return w.soft_whitelist_set('ada', '192.0.2.0/24', 'weather')"),
            "invalid feature category"
        );
        assert_eq!(
            text("return tostring(w.soft_whitelist_delete('ada', '192.0.2.0/24', 'weather'))"),
            "nil"
        );
        assert_eq!(text("return tostring(#w.soft_whitelist_get('ada', 'weather'))"), "0");
    }

    #[test]
    fn wrong_arguments_raise() {
        for call in [
            "soft_whitelist_set('ada', '192.0.2.0/24')",
            "soft_whitelist_get('ada')",
            "soft_whitelist_delete()",
            "soft_whitelist_set({}, 1, 1)",
        ] {
            let error = eval(&format!("{W}return w.{call}")).unwrap_err();
            assert!(error.contains("string expected"), "{call}: {error}");
        }
    }
}
