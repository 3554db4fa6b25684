//! The environment: `NAUTHILUS_` or `LOLIGO_` and a key's path, in upper case with underscores,
//! override the file.
//!
//! Of both prefixes ours wins. A variable that is set but empty overrides with the empty value.
//! Names that are no key are told of.

use crate::config::Config;
use crate::config::finding::{Finding, FindingKind};
use crate::config::keys::{Known, list, nearest};
use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::{Report, Wrong};
use crate::config::value::Shape;

/// Later ones win.
pub(super) const PREFIXES: [&str; 2] = ["NAUTHILUS_", OUR_PREFIX];

const OUR_PREFIX: &str = "LOLIGO_";

/// Puts what the environment says into the tree.
pub(super) fn apply(tree: &mut Node, environment: &[(String, String)], report: &mut Report) {
    let known = list::<Config>();
    for prefix in PREFIXES {
        let given = |path: &str| {
            let name = variable(prefix, path);
            environment
                .iter()
                .find(|(given, _)| *given == name)
                .map(|(name, text)| (name.clone(), text.clone()))
        };
        // The names outside the tree come first: a key's own name is the more exact one.
        for moved in MOVED {
            if let Some((name, text)) = given(moved.from)
                && let Some(known) = known.iter().find(|known| known.path == moved.to)
            {
                put(tree, known, &name, text, report);
            }
        }
        for known in &known {
            let (parent, _) = known.path.rsplit_once('.').unwrap_or(("", &known.path));
            let aliases = known.aliases.iter().map(|alias| {
                if parent.is_empty() { (*alias).to_owned() } else { format!("{parent}.{alias}") }
            });
            for (name, text) in aliases.chain([known.path.clone()]).filter_map(|path| given(&path))
            {
                put(tree, known, &name, text, report);
            }
        }
    }
    unknown(&known, environment, report);
}

/// Variables with a prefix that are no key. Those of the original's prefix are told of only if a
/// key is very near: scripts have variables of their own.
fn unknown(known: &[Known], environment: &[(String, String)], report: &mut Report) {
    let mut words: Vec<String> = known.iter().map(|known| variable("", &known.path)).collect();
    for known in known {
        let parent =
            known.path.rsplit_once('.').map_or(String::new(), |(parent, _)| format!("{parent}."));
        words.extend(known.aliases.iter().map(|alias| variable("", &format!("{parent}{alias}"))));
    }
    words.extend(MOVED.iter().map(|moved| variable("", moved.from)));
    words.push("ENV".to_owned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for (name, _) in environment {
        let Some((prefix, word)) =
            PREFIXES.iter().find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))
        else {
            continue;
        };
        if words.contains(&word) {
            continue;
        }
        let near = nearest(word, &words);
        let is_ours = prefix == OUR_PREFIX;
        let is_very_near = near.is_some_and(|near| strsim::damerau_levenshtein(near, word) <= 2);
        if is_ours || is_very_near {
            let meant =
                near.map(|near| format!(" (did you mean {prefix}{near}?)")).unwrap_or_default();
            let mark = Mark { origin: format!("environment variable {name}").into(), line: None };
            report.warnings.push(Finding::at(
                FindingKind::Variable,
                &mark,
                "",
                format!("is not a known key and has no effect{meant}"),
            ));
        }
    }
}

/// What the environment says outside the configuration: the first of the prefixes, ours first.
pub(super) fn special(environment: &[(String, String)], word: &str) -> Option<String> {
    let given =
        |prefix: &&str| environment.iter().find(|(name, _)| *name == format!("{prefix}{word}"));
    PREFIXES.iter().rev().find_map(given).map(|(_, text)| text.clone())
}

fn variable(prefix: &str, path: &str) -> String {
    format!("{prefix}{}", path.to_ascii_uppercase().replace('.', "_"))
}

fn put(tree: &mut Node, known: &Known, name: &str, text: String, report: &mut Report) {
    let mark = Mark { origin: format!("environment variable {name}").into(), line: None };
    if known.shape == Shape::Maps && !text.is_empty() {
        report.wrong(
            &mark,
            &known.path,
            Wrong::new("cannot be given in the environment").allowed("nothing, which empties it"),
        );
        return;
    }
    if let Some((parent, _)) = known.path.rsplit_once('.') {
        for alias in &known.aliases {
            remove(tree, parent, alias);
        }
    }
    tree.set(&known.path, Node::new(Kind::Scalar(text), mark));
}

fn remove(tree: &mut Node, parent: &str, key: &str) {
    let mut node = tree;
    for part in parent.split('.') {
        let Kind::Map(entries) = &mut node.kind else { return };
        let Some((_, child)) = entries.iter_mut().find(|(name, _)| name == part) else { return };
        node = child;
    }
    node.remove(key);
}

/// Moves what a file says under a name outside the tree to where it belongs.
pub(super) fn move_names(tree: &mut Node, report: &mut Report) {
    for moved in MOVED {
        let (parent, key) = moved.from.rsplit_once('.').unwrap_or(("", moved.from));
        let Some(node) = tree.at(moved.from).filter(|node| !node.is_absent()).cloned() else {
            continue;
        };
        if parent.is_empty() {
            tree.remove(key);
        } else {
            remove(tree, parent, key);
        }
        let newer_given = tree.at(moved.to).is_some_and(|node| !node.is_absent());
        if !newer_given {
            tree.set(moved.to, node);
        } else if !moved.newer_wins {
            report.wrong(
                &node.mark,
                moved.from,
                Wrong::new(format!("is another name of {:?}, which is also set", moved.to)),
            );
        }
    }
}

/// Another place for a key, in files and in the environment.
struct Moved {
    from: &'static str,
    to: &'static str,
    /// If both are given, instead of an error.
    newer_wins: bool,
}

const fn moved(from: &'static str, to: &'static str) -> Moved {
    Moved { from, to, newer_wins: false }
}

/// Names outside the tree (8.1), and the one key that moved within it.
const MOVED: [Moved; 14] = [
    moved("trusted_proxies", "server.trusted_proxies"),
    moved("smtp_backend_address", "server.smtp_backend_address"),
    moved("smtp_backend_port", "server.smtp_backend_port"),
    moved("imap_backend_address", "server.imap_backend_address"),
    moved("imap_backend_port", "server.imap_backend_port"),
    moved("pop3_backend_address", "server.pop3_backend_address"),
    moved("pop3_backend_port", "server.pop3_backend_port"),
    moved("nginx_wait_delay", "server.nginx_wait_delay"),
    moved("max_login_attempts", "server.max_login_attempts"),
    moved("max_action_workers", "lua.config.action_number_of_workers"),
    moved("local_cache_auth_ttl", "server.local_cache_auth_ttl"),
    moved("lua_script_timeout", "server.timeouts.lua_script"),
    Moved { from: "server.lua_script_timeout", to: "server.timeouts.lua_script", newer_wins: true },
    moved("server.max_action_workers", "lua.config.action_number_of_workers"),
];
