//! Rules between sections, and warnings about what will not work as its author may think.

use crate::config::Config;
use crate::config::check::seconds;
use crate::config::choice::{Backend, Choice, Feature};
use crate::config::inactive::{INACTIVE, INACTIVE_FEATURES, POINTLESS, PROTECTING, is_inactive};
use crate::config::keys;
use crate::config::listeners;
use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::{Report, Wrong};
use crate::config::section::ldap::Ldap;
use crate::config::section::listener_tls::ListenerTls;
use crate::config::unused;
use crate::config::value::Word;
use crate::tls::Flaw;

/// Asked once all keys could be read. `tree` tells where things stand.
pub(super) fn check(config: &mut Config, tree: &Node, report: &mut Report) {
    backends(config, tree, report);
    searches(config, tree, report);
    features(config, tree, report);
    unused::check(config, tree, report);
    uncounted(config, tree, report);
    cache_lifetime(config, tree, report);
    protecting(config, tree, report);
    callers(config, tree, report);
    listeners::check(config, tree, report);
    listener_tls(config, tree, report);
    inactive(config, tree, report);
}

fn backends(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.backends";
    let mark = tree.mark_near(PATH);
    if config.server.backends.is_empty() {
        report.warn(&mark, PATH, "is empty: every login fails");
    }
    if config.server.backends.iter().skip(1).any(|backend| *backend == Backend::Cache) {
        report.warn(
            &mark,
            PATH,
            "\"cache\" should be first: results of backends listed before it are not cached",
        );
    }
    for backend in &config.server.backends {
        match backend {
            Backend::Lua(None) if config.lua.config.backend_script_path.is_none() => {
                let path = "lua.config.backend_script_path";
                report.wrong(
                    &tree.mark_near(path),
                    path,
                    Wrong::new("is missing, but server.backends has \"lua\""),
                );
            }
            Backend::Lua(Some(name)) => match config.lua.optional_backend(name) {
                None => report.wrong(
                    &mark,
                    PATH,
                    Wrong::new(format!(
                        "{:?} is not among lua.optional_lua_backends",
                        backend.text()
                    )),
                ),
                Some(own) if own.backend_script_path.is_none() => {
                    let path = format!("lua.optional_lua_backends.{name}.backend_script_path");
                    let wrong = Wrong::new(format!(
                        "is missing, but server.backends has {:?}",
                        backend.text()
                    ));
                    report.wrong(&tree.mark_near(&path), &path, wrong);
                }
                Some(_) => {}
            },
            Backend::Ldap(name) => {
                let ldap = config.ldap.as_ref();
                let is_there = ldap.is_some_and(|ldap| {
                    name.as_ref().is_none_or(|name| ldap.optional_ldap_pools.contains_key(name))
                });
                if !is_there {
                    report.wrong(
                        &mark,
                        PATH,
                        Wrong::new(format!("{:?} has no section below \"ldap\"", backend.text())),
                    );
                } else if ldap
                    .is_some_and(|ldap| ldap.search.is_empty() && !ldap.config.lookup_pool_only)
                {
                    report.wrong(
                        &tree.mark_near("ldap"),
                        "ldap.search",
                        Wrong::new("is missing, but server.backends has \"ldap\""),
                    );
                }
            }
            _ => {}
        }
        if is_inactive(backend) {
            report.warn(
                &mark,
                PATH,
                &format!("{:?} is not yet active: it is passed over", backend.text()),
            );
        }
    }
}

/// The files of the listeners' TLS sections.
fn listener_tls(config: &Config, tree: &Node, report: &mut Report) {
    for (path, listener) in config.server.every_listener() {
        let Some(settings) = listener.tls.settings() else { continue };
        let section = match path.as_str() {
            "server.address" => "server.tls".to_owned(),
            _ => format!("{path}.tls"),
        };
        let place = |flaw: &Flaw| format!("{section}.{}", flaw.place);
        match settings.examine() {
            Ok(flaws) => {
                for flaw in flaws {
                    let path = place(&flaw);
                    report.warn(&tree.mark_near(&path), &path, &flaw.text);
                }
            }
            Err(flaws) => {
                for flaw in flaws {
                    let path = place(&flaw);
                    report.wrong(&tree.mark_near(&path), &path, Wrong::new(flaw.text));
                }
            }
        }
    }
}

fn searches(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "lua.search";
    let mark = tree.mark_near(PATH);
    for backend in &config.server.backends {
        let Backend::Lua(name) = backend else { continue };
        let is_own = |other: &Option<String>| match (name, other) {
            (Some(name), Some(other)) => name.eq_ignore_ascii_case(other),
            (None, None) => true,
            _ => false,
        };
        if !config.lua.search.iter().any(|search| is_own(&search.backend_name)) {
            report.warn(
                &mark,
                PATH,
                &format!("has no entry for backend {:?}: it answers no protocol", backend.text()),
            );
        }
    }
    for name in config.lua.search.iter().filter_map(|search| search.backend_name.as_deref()) {
        if config.lua.optional_backend(name).is_none() {
            report.warn(
                &mark,
                PATH,
                &format!("backend_name {name:?} is not among lua.optional_lua_backends"),
            );
        }
    }
}

/// An enabled feature without its section is inert, and one that is not built yet says so.
fn features(config: &Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.features";
    let mark = tree.mark_near(PATH);
    for feature in config.server.features.iter().map(|enabled| enabled.name) {
        if INACTIVE_FEATURES.contains(&feature) {
            report.warn(&mark, PATH, &format!("{:?} is not yet active", feature.name()));
            continue;
        }
        let missing = match feature {
            Feature::Lua if config.lua.features.is_empty() => "lua.features is empty",
            Feature::BruteForce if config.brute_force.buckets.is_empty() => {
                "brute_force.buckets is empty"
            }
            Feature::BruteForce if config.server.brute_force_protocols.is_empty() => {
                "server.brute_force_protocols is empty"
            }
            Feature::Rbl if config.realtime_blackhole_lists.lists.is_empty() => {
                "realtime_blackhole_lists.lists is empty"
            }
            Feature::Rbl if config.realtime_blackhole_lists.threshold == 0 => {
                "realtime_blackhole_lists.threshold is 0"
            }
            Feature::RelayDomains if config.relay_domains.r#static.is_empty() => {
                "relay_domains.static is empty"
            }
            Feature::BackendServerMonitoring
                if config.backend_server_monitoring.backend_servers.is_empty() =>
            {
                "backend_server_monitoring.backend_servers is empty"
            }
            _ => continue,
        };
        report.warn(&mark, PATH, &format!("{:?} has no effect: {missing}", feature.name()));
    }
}

/// Logins that brute force lets pass uncounted although it is on.
fn uncounted(config: &Config, tree: &Node, report: &mut Report) {
    let (buckets, protocols) = (&config.brute_force.buckets, &config.server.brute_force_protocols);
    // Without these it does nothing at all, which is told of elsewhere.
    if !config.server.has_feature(Feature::BruteForce) || buckets.is_empty() || protocols.is_empty()
    {
        return;
    }
    let path = "brute_force.buckets";
    let mark = tree.mark_near(path);
    for (family, is_counted) in [
        ("IPv4", buckets.iter().any(|bucket| bucket.ipv4)),
        ("IPv6", buckets.iter().any(|bucket| bucket.ipv6)),
    ] {
        if !is_counted {
            report.warn(
                &mark,
                path,
                &format!("no bucket counts {family} clients: they may fail as often as they like"),
            );
        }
    }
    let mut served: Vec<&str> =
        config.lua.search.iter().flat_map(|search| &search.protocol).map(String::as_str).collect();
    served.sort_unstable();
    served.dedup();
    // Account lists are no logins.
    served.retain(|protocol| *protocol != "account-provider");
    let unlisted = served
        .iter()
        .filter(|protocol| !protocols.iter().any(|listed| listed == *protocol))
        .copied()
        .collect::<Vec<_>>();
    if !unlisted.is_empty() {
        let path = "server.brute_force_protocols";
        let text = format!(
            "lacks protocols that backends answer: {} may fail as often as they like",
            unlisted.join(", ")
        );
        report.warn(&tree.mark_near(path), path, &text);
    }
    let counts = |protocol: &str| {
        buckets.iter().any(|bucket| {
            bucket.filter_by_protocol.is_empty()
                || bucket.filter_by_protocol.iter().any(|own| own == protocol)
        })
    };
    let bare = protocols
        .iter()
        .map(String::as_str)
        .filter(|protocol| !counts(protocol))
        .collect::<Vec<_>>();
    if !bare.is_empty() {
        report.warn(
            &mark,
            path,
            &format!(
                "no bucket counts {}, which server.brute_force_protocols lists",
                bare.join(", ")
            ),
        );
    }
}

/// Roles need callers who have some, and tokens that are stored need a store.
fn callers(config: &Config, tree: &Node, report: &mut Report) {
    let server = &config.server;
    let has_callers = server.basic_auth.enabled
        || server.jwt_auth.enabled
        || server.oidc_auth.enabled
        || has_certificate_callers(config);
    if !has_callers
        && let Some(hook) = config.lua.custom_hooks.iter().find(|hook| !hook.roles.is_empty())
    {
        const PATH: &str = "lua.custom_hooks";
        let why = format!(
            "the roles of hook {:?} protect nothing: enable server.jwt_auth, server.oidc_auth or server.basic_auth, or remove them",
            hook.http_location
        );
        report.wrong(&tree.mark_near(PATH), PATH, Wrong::new(why));
    }
    if server.jwt_auth.enabled && server.jwt_auth.store_in_redis && !server.redis.is_configured() {
        const PATH: &str = "server.jwt_auth.store_in_redis";
        report.wrong(
            &tree.mark_near(PATH),
            PATH,
            Wrong::new("needs server.redis to store the tokens"),
        );
    }
}

/// Whether client certificates tell who asks.
fn has_certificate_callers(config: &Config) -> bool {
    let knows = |tls: &ListenerTls| tls.enabled && !tls.client_callers.is_empty();
    config.server.every_listener().iter().any(|(_, listener)| knows(&listener.tls))
}

/// The original raises what is too short.
fn cache_lifetime(config: &mut Config, tree: &Node, report: &mut Report) {
    const PATH: &str = "server.local_cache_auth_ttl";
    let shortest = seconds(5);
    if config.server.local_cache_auth_ttl < shortest {
        config.server.local_cache_auth_ttl = shortest;
        report.warn(&tree.mark_near(PATH), PATH, "is raised to 5s, the minimum");
    }
}

/// Keys that would protect something, were they built, are refused unless they are off.
fn protecting(config: &mut Config, tree: &Node, report: &mut Report) {
    let given = keys::write(config);
    for (pattern, remedy) in PROTECTING {
        for found in Found::all(&given, pattern).into_iter().filter(|found| is_on(found.node)) {
            let wrong = Wrong::new(format!(
                "is not implemented, so it would not protect anything: {remedy}"
            ));
            report.wrong(&found.mark(tree), &found.path(), wrong);
        }
    }
}

/// Whether a key says anything but false, 0 or nothing.
fn is_on(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => false,
        Kind::Scalar(text) => !matches!(text.as_str(), "" | "false" | "0" | "0s"),
        Kind::List(elements) => !elements.is_empty(),
        Kind::Map(entries) => entries.iter().any(|(_, node)| is_on(node)),
    }
}

/// Keys that have no effect warn if they differ from their defaults.
fn inactive(config: &mut Config, tree: &Node, report: &mut Report) {
    let (given, default) = (keys::write(config), keys::write(&mut with_every_section()));
    let yet =
        INACTIVE.iter().map(|pattern| (*pattern, "is not yet active: it has no effect".to_owned()));
    let never = POINTLESS.iter().map(|(pattern, why)| (*pattern, format!("has no effect: {why}")));
    for (pattern, text) in yet.chain(never) {
        let usual =
            Found::all(&default, pattern).into_iter().next().map(|found| found.node.clone());
        for found in Found::all(&given, pattern) {
            let differs =
                usual.as_ref().map_or(!found.node.is_absent(), |usual| !usual.same(found.node));
            if differs {
                report.warn(&found.mark(tree), &found.path(), &text);
            }
        }
    }
}

/// The defaults, with one of everything that there may be many or none of.
fn with_every_section() -> Config {
    let mut config = Config { ldap: Some(Ldap::default()), ..Config::default() };
    config.brute_force.custom_tolerations.push(Default::default());
    config.lua.custom_hooks.push(Default::default());
    config.server.listeners.push(Default::default());
    config.lua.optional_lua_backends.insert("any".to_owned(), Default::default());
    if let Some(ldap) = &mut config.ldap {
        ldap.optional_ldap_pools.insert("any".to_owned(), Default::default());
    }
    config.server.redis.sentinels = Some(Default::default());
    config.server.redis.cluster = Some(Default::default());
    config
}

/// A node that a pattern of the tables in `inactive` leads to.
struct Found<'a> {
    steps: Vec<Step>,
    node: &'a Node,
}

#[derive(Clone)]
enum Step {
    Key(String),
    Element(usize),
}

impl<'a> Found<'a> {
    /// `[]` stands for every element of a list, `*` for every name of a map.
    fn all(tree: &'a Node, pattern: &str) -> Vec<Found<'a>> {
        let mut all = vec![Found { steps: Vec::new(), node: tree }];
        for word in pattern.split('.') {
            let (key, is_list) = word.strip_suffix("[]").map_or((word, false), |key| (key, true));
            all = all.iter().flat_map(|found| found.below(key)).collect();
            if is_list {
                all = all.iter().flat_map(Found::elements).collect();
            }
        }
        all
    }

    fn below(&self, key: &str) -> Vec<Found<'a>> {
        let Kind::Map(entries) = &self.node.kind else { return Vec::new() };
        let named = entries.iter().filter(|(name, _)| key == "*" || name == key);
        named.map(|(name, node)| self.then(Step::Key(name.clone()), node)).collect()
    }

    fn elements(&self) -> Vec<Found<'a>> {
        let Kind::List(elements) = &self.node.kind else { return Vec::new() };
        elements
            .iter()
            .enumerate()
            .map(|(index, node)| self.then(Step::Element(index), node))
            .collect()
    }

    fn then(&self, step: Step, node: &'a Node) -> Found<'a> {
        Found { steps: self.steps.iter().cloned().chain([step]).collect(), node }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.extend([".", key]),
                Step::Element(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    /// Where the key, or the nearest section around it, stands in the tree that was read.
    fn mark(&self, tree: &Node) -> Mark {
        let mut node = tree;
        for step in &self.steps {
            let next = match (step, &node.kind) {
                (Step::Key(key), _) => node.child(key),
                (Step::Element(index), Kind::List(elements)) => elements.get(*index),
                (Step::Element(_), _) => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.mark.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that can be set is.
    fn everything() -> Config {
        let mut config = with_every_section();
        config.server.chroot = Some("/".into());
        (config.server.run_as_user, config.server.run_as_group) =
            (Some("a".into()), Some("b".into()));
        config
    }

    #[test]
    fn every_path_of_the_tables_is_a_key() {
        let tree = keys::write(&mut everything());
        let protecting = PROTECTING.iter().map(|(path, _)| path);
        let pointless = POINTLESS.iter().map(|(path, _)| path);
        for path in INACTIVE.iter().chain(protecting).chain(pointless) {
            assert!(!Found::all(&tree, path).is_empty(), "{path}");
        }
    }

    #[test]
    fn no_protection_that_is_not_built_is_on_by_default() {
        let tree = keys::write(&mut with_every_section());
        for (path, _) in PROTECTING {
            assert!(Found::all(&tree, path).iter().all(|found| !is_on(found.node)), "{path}");
        }
    }
}
