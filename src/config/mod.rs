//! The configuration: found, read, checked, and handed out as one [`Config`] of plain types.
//!
//! A file (YAML, JSON or TOML) and what it includes become one tree with line numbers; the
//! environment is laid on it; each section reads its own keys from it and refuses what it does not
//! know. All problems are reported in one run. Nothing here decides what a problem means for the
//! process: that is the caller's (`cli`, and `server` for a reload). A [`Config`] that was loaded
//! can be relied on: types hold what the documents demand, so there is no validation later.
//!
//! What each key does is in `config/loligo.yml`.

mod address;
mod check;
mod choice;
mod effective;
mod environment;
mod find;
mod finding;
mod format;
mod inactive;
mod include;
mod keys;
mod listeners;
mod node;
mod problem;
mod rules;
pub mod section;
#[cfg(test)]
mod tests;
mod unused;
mod url;
mod value;

pub use address::{
    HeaderName, Host, HostPort, ListenAddress, Networks, ServerAddress, SoftWhitelist,
};
pub use choice::{
    ActionType, Backend, Choice, ClientAuth, EnabledFeature, Feature, Features, HookMethod,
    LdapScope, LogLevel, Service, TlsVersion,
};
pub use finding::{Finding, FindingKind};
pub use format::Format;
pub use keys::nearest;
pub use listeners::ListenerPlaces;
pub use problem::{Problem, Problems, Wrong};
pub use value::Word;

use keys::{Keys, Section};
use problem::Report;
use section::brute_force::BruteForce;
use section::ldap::Ldap;
use section::lua::Lua;
use section::monitoring::BackendServerMonitoring;
use section::rbl::RealtimeBlackholeLists;
use section::relay_domains::RelayDomains;
use section::server::{Server, WEB};
use std::path::PathBuf;

/// Everything that can be configured. Its default is what an empty file means.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub server: Server,
    /// Clients that may log in without TLS.
    pub cleartext_networks: Networks,
    pub relay_domains: RelayDomains,
    pub realtime_blackhole_lists: RealtimeBlackholeLists,
    pub backend_server_monitoring: BackendServerMonitoring,
    pub brute_force: BruteForce,
    pub lua: Lua,
    pub ldap: Option<Ldap>,
}

impl Config {
    /// The configuration with all defaults filled in, as YAML that can be loaded again. Secrets are
    /// masked.
    pub fn effective(&self) -> String {
        effective::yaml(&keys::write(&mut self.clone()))
    }

    /// The same as JSON, on one line.
    pub fn effective_json(&self) -> String {
        effective::json(&keys::write(&mut self.clone())).to_string()
    }
}

impl Section for Config {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.require("server");
        keys.section("server", &mut self.server);
        keys.value("cleartext_networks", &mut self.cleartext_networks);
        keys.section("relay_domains", &mut self.relay_domains);
        keys.section("realtime_blackhole_lists", &mut self.realtime_blackhole_lists);
        keys.section("backend_server_monitoring", &mut self.backend_server_monitoring);
        keys.section("brute_force", &mut self.brute_force);
        keys.section("lua", &mut self.lua);
        keys.optional_section("ldap", &mut self.ldap);
        keys.left_out("oauth2", WEB);
        keys.left_out("idp", WEB);
        keys.left_out("experimental_ml", "there is no neural network");
        keys.left_out("developer_mode", "passwords are never logged");
        for key in WEB_KEYS {
            keys.left_out(key, WEB);
        }
    }
}

/// Where a configuration comes from. A test fills it in by hand.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// None: looked for in the usual places.
    pub file: Option<PathBuf>,
    /// None: by the file's extension.
    pub format: Option<Format>,
    /// Names and values. A reload uses the ones the process was started with.
    pub environment: Vec<(String, String)>,
}

impl Source {
    /// With the environment of this process; variables that are not UTF-8 are none of ours.
    pub fn from_process(file: Option<PathBuf>, format: Option<Format>) -> Source {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Source { file, format, environment: environment.collect() }
    }
}

/// What came of a [`Source`].
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// For the log.
    pub warnings: Vec<Finding>,
    /// Every file that was read, includes too.
    pub files: Vec<PathBuf>,
    /// Where the keys stand whose values are only tried at start.
    places: Vec<(&'static str, node::Mark)>,
    /// Where the listeners stand.
    pub listeners: ListenerPlaces,
}

impl Loaded {
    /// What is wrong with the value of one of [`TRIED_AT_START`], with its place.
    pub fn problem(&self, key: &'static str, wrong: impl Into<String>) -> Problem {
        self.finding(key, wrong).what
    }

    /// As [`Loaded::problem`], for what keeps nothing from starting.
    pub fn finding(&self, key: &'static str, text: impl Into<String>) -> Finding {
        let place = self.places.iter().find(|(known, _)| *known == key);
        let mark = place.map_or_else(node::Mark::nowhere, |(_, mark)| mark.clone());
        Finding::at(FindingKind::Setting, &mark, key, text)
    }
}

/// Keys about what the process gives up, which need the system to say whether they work.
const TRIED_AT_START: [&str; 5] = [
    "server.run_as_user",
    "server.run_as_group",
    "server.chroot",
    "server.landlock.read",
    "server.landlock.write",
];

/// Finds, reads and checks the configuration. Blocks on files, and on a look-up if `server.address`
/// is a host name.
///
/// # Errors
/// [`Problems`]: everything that is wrong; a syntax error alone, since what follows it cannot be told.
pub fn load(source: &Source) -> Result<Loaded, Problems> {
    let home =
        source.environment.iter().find(|(name, _)| name == "HOME").map(|(_, home)| home.as_str());
    let file = source.file.clone().map_or_else(|| find::find(home), Ok)?;
    let format = source.format.unwrap_or_else(|| Format::of_file(&file));
    let mut report = Report::default();
    let selected = environment::special(&source.environment, "ENV").filter(|name| !name.is_empty());
    let (mut tree, files) = include::read(&file, format, selected, &mut report)?;
    environment::move_names(&mut tree, &mut report);
    environment::apply(&mut tree, &source.environment, &mut report);
    if tree.is_absent() {
        tree.kind = node::Kind::Map(Vec::new());
    }
    let config = keys::read::<Config>(tree.clone(), String::new(), &mut report);
    match config.filter(|_| report.problems.is_empty()) {
        Some(mut config) => {
            rules::check(&mut config, &tree, &mut report);
            let Report { problems, warnings } = report;
            if problems.is_empty() {
                let places = TRIED_AT_START.map(|key| (key, tree.mark_near(key))).to_vec();
                let listeners = ListenerPlaces::of(&config, &tree);
                Ok(Loaded { config, warnings, files, places, listeners })
            } else {
                Err(Problems(problems))
            }
        }
        None => Err(Problems(report.problems)),
    }
}

/// Root names of the original's web pages (8.1).
const WEB_KEYS: [&str; 30] = [
    "html_static_content_path",
    "language_resources",
    "default_logo_image",
    "homepage",
    "login_page",
    "login_page_welcome",
    "login_page_logo_image_alt",
    "login_remember_for",
    "consent_page",
    "consent_page_welcome",
    "consent_page_logo_image_alt",
    "consent_remember_for",
    "logout_page",
    "logout_page_welcome",
    "device_page",
    "notify_page",
    "notify_page_welcome",
    "notify_page_logo_image_alt",
    "login_2fa_page",
    "login_2fa_page_welcome",
    "login_2fa_post_page",
    "totp_page",
    "totp_issuer",
    "totp_skew",
    "totp_welcome",
    "totp_page_logo_image_alt",
    "webauthn_page",
    "webauthn_display_name",
    "webauthn_rp_id",
    "webauthn_rp_origins",
];
