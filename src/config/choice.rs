//! The enumerations: words of which a key takes one.
//!
//! Words are compared with case, as the documents have it.

use crate::config::keys::{self, Keys, Section};
use crate::config::node::{Kind, Mark, Node};
use crate::config::problem::Wrong;
use crate::config::value::{Place, Shape, Value, Word};

/// One of a few words.
pub trait Choice: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];

    /// The word for it.
    fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, choice)| *choice == self).map_or("", |(word, _)| word)
    }
}

impl<T: Choice> Word for T {
    fn parse(text: &str) -> Result<T, Wrong> {
        let found = T::WORDS.iter().find(|(word, _)| *word == text.trim());
        found
            .map(|(_, choice)| *choice)
            .ok_or_else(|| unknown_word(text, T::WORDS.iter().map(|(word, _)| *word)))
    }

    fn text(&self) -> String {
        self.name().to_owned()
    }
}

fn unknown_word<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Wrong {
    let words: Vec<&str> = words.collect();
    Wrong::new(format!("unknown word {text:?}")).allowed(words.join(", "))
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    None,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl Choice for LogLevel {
    const WORDS: &'static [(&'static str, LogLevel)] = &[
        ("none", LogLevel::None),
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    #[default]
    None,
    Optional,
    Required,
}

impl Choice for ClientAuth {
    const WORDS: &'static [(&'static str, ClientAuth)] = &[
        ("none", ClientAuth::None),
        ("optional", ClientAuth::Optional),
        ("required", ClientAuth::Required),
    ];
}

/// The oldest TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    #[default]
    Tls12,
    Tls13,
}

impl Choice for TlsVersion {
    const WORDS: &'static [(&'static str, TlsVersion)] =
        &[("TLS1.2", TlsVersion::Tls12), ("TLS1.3", TlsVersion::Tls13)];
}

/// A check before the backends are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    TlsEncryption,
    Rbl,
    RelayDomains,
    Lua,
    BackendServerMonitoring,
    BruteForce,
}

impl Choice for Feature {
    const WORDS: &'static [(&'static str, Feature)] = &[
        ("tls_encryption", Feature::TlsEncryption),
        ("rbl", Feature::Rbl),
        ("relay_domains", Feature::RelayDomains),
        ("lua", Feature::Lua),
        ("backend_server_monitoring", Feature::BackendServerMonitoring),
        ("brute_force", Feature::BruteForce),
    ];
}

/// When an action runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ActionType {
    BruteForce,
    Rbl,
    TlsEncryption,
    RelayDomains,
    Lua,
    #[default]
    Post,
}

impl Choice for ActionType {
    const WORDS: &'static [(&'static str, ActionType)] = &[
        ("brute_force", ActionType::BruteForce),
        ("rbl", ActionType::Rbl),
        ("tls_encryption", ActionType::TlsEncryption),
        ("relay_domains", ActionType::RelayDomains),
        ("lua", ActionType::Lua),
        ("post", ActionType::Post),
    ];
}

/// The request method of a hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HookMethod {
    #[default]
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Head,
}

impl Choice for HookMethod {
    const WORDS: &'static [(&'static str, HookMethod)] = &[
        ("GET", HookMethod::Get),
        ("POST", HookMethod::Post),
        ("PUT", HookMethod::Put),
        ("DELETE", HookMethod::Delete),
        ("PATCH", HookMethod::Patch),
        ("HEAD", HookMethod::Head),
    ];
}

/// Services that read headers of their own about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Header,
    Nginx,
    Basic,
}

impl Choice for Service {
    const WORDS: &'static [(&'static str, Service)] =
        &[("header", Service::Header), ("nginx", Service::Nginx), ("basic", Service::Basic)];
}

/// How far below its base an LDAP search looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LdapScope {
    Base,
    One,
    #[default]
    Sub,
}

impl Choice for LdapScope {
    const WORDS: &'static [(&'static str, LdapScope)] =
        &[("base", LdapScope::Base), ("one", LdapScope::One), ("sub", LdapScope::Sub)];
}

/// Who is asked about a login. The name, if any, is that of an optional backend or pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    Cache,
    Lua(Option<String>),
    Ldap(Option<String>),
    /// Of the original's 2.0, for its own tests; answers nothing here.
    Test(Option<String>),
}

impl Word for Backend {
    fn parse(text: &str) -> Result<Backend, Wrong> {
        let text = text.trim();
        let wrong =
            || unknown_word(text, ["cache", "lua", "lua(NAME)", "ldap", "ldap(NAME)"].into_iter());
        let (kind, name) = match text.split_once('(') {
            Some((kind, rest)) => {
                (kind, Some(rest.strip_suffix(')').ok_or_else(wrong)?.trim().to_owned()))
            }
            None => (text, None),
        };
        if name.as_deref().is_some_and(|name| ["", "default", "__meta_default__"].contains(&name)) {
            return Err(Wrong::new(format!("{text:?} has no name that a backend may have")));
        }
        match (kind, name) {
            ("cache", None) => Ok(Backend::Cache),
            ("lua", name) => Ok(Backend::Lua(name)),
            ("ldap", name) => Ok(Backend::Ldap(name)),
            ("test", name) => Ok(Backend::Test(name)),
            _ => Err(wrong()),
        }
    }

    fn text(&self) -> String {
        let (kind, name) = match self {
            Backend::Cache => ("cache", &None),
            Backend::Lua(name) => ("lua", name),
            Backend::Ldap(name) => ("ldap", name),
            Backend::Test(name) => ("test", name),
        };
        name.as_ref().map_or(kind.to_owned(), |name| format!("{kind}({name})"))
    }
}

/// A feature that is switched on: a word, or a map that says more about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnabledFeature {
    pub name: Feature,
    /// Whether it looks at lookups without a password, too. Default: no.
    pub when_no_auth: bool,
}

/// The features that are switched on. Their order does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(Vec<EnabledFeature>);

impl Features {
    pub fn has(&self, feature: Feature) -> bool {
        self.0.iter().any(|enabled| enabled.name == feature)
    }

    pub fn iter(&self) -> impl Iterator<Item = &EnabledFeature> {
        self.0.iter()
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<T: IntoIterator<Item = Feature>>(features: T) -> Features {
        Features(
            features.into_iter().map(|name| EnabledFeature { name, when_no_auth: false }).collect(),
        )
    }
}

/// A list of words and maps; an empty word means nothing.
impl Value for Features {
    const SHAPE: Shape = Shape::List;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<Features> {
        let list = Vec::<FeatureElement>::read(node, place)?;
        Some(Features(list.into_iter().filter_map(|element| element.0).collect()))
    }

    fn write(&self) -> Node {
        self.0
            .iter()
            .cloned()
            .map(|enabled| FeatureElement(Some(enabled)))
            .collect::<Vec<_>>()
            .write()
    }
}

/// An element of [`Features`]; nothing for the empty word.
struct FeatureElement(Option<EnabledFeature>);

impl Value for FeatureElement {
    const SHAPE: Shape = Shape::Scalar;

    fn read(node: &Node, place: &mut Place<'_>) -> Option<FeatureElement> {
        let enabled = match &node.kind {
            Kind::Scalar(text) if text.is_empty() => None,
            Kind::Map(_) => {
                let entry =
                    keys::read::<FeatureEntry>(node.clone(), place.path.clone(), place.report)?;
                Some(EnabledFeature { name: entry.name?, when_no_auth: entry.when_no_auth })
            }
            _ => Some(EnabledFeature { name: Feature::read(node, place)?, when_no_auth: false }),
        };
        Some(FeatureElement(enabled))
    }

    fn write(&self) -> Node {
        match &self.0 {
            Some(EnabledFeature { name, when_no_auth: true }) => {
                let entries = vec![
                    ("name".to_owned(), name.write()),
                    ("when_no_auth".to_owned(), true.write()),
                ];
                Node::new(Kind::Map(entries), Mark::nowhere())
            }
            Some(enabled) => enabled.name.write(),
            None => Node::scalar("", Mark::nowhere()),
        }
    }
}

/// The map form of a feature.
#[derive(Default)]
struct FeatureEntry {
    name: Option<Feature>,
    when_no_auth: bool,
}

impl Section for FeatureEntry {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("name", &mut self.name, |_| Ok(()));
        keys.value("when_no_auth", &mut self.when_no_auth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_word_is_read<T: Choice + std::fmt::Debug>(wrong: &[&str]) {
        for (word, choice) in T::WORDS {
            assert_eq!(T::parse(word), Ok(*choice));
            assert_eq!(choice.name(), *word);
        }
        for word in wrong {
            let refused = T::parse(word).unwrap_err();
            assert!(
                refused.wrong.contains(word) && refused.allowed.contains(T::WORDS[0].0),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn each_enumeration_knows_its_words_and_no_others() {
        every_word_is_read::<LogLevel>(&["loud", "DEBUG", "3"]);
        every_word_is_read::<TlsVersion>(&["TLS1.1", "1.2", "tls1.2"]);
        every_word_is_read::<Feature>(&["geoip", "RBL"]);
        every_word_is_read::<ActionType>(&["pre", "Post"]);
        every_word_is_read::<HookMethod>(&["get", "OPTIONS"]);
        every_word_is_read::<LdapScope>(&["subtree"]);
    }

    #[test]
    fn backends_may_have_names() {
        for (text, backend) in [
            ("cache", Backend::Cache),
            (" lua ", Backend::Lua(None)),
            ("lua(staff)", Backend::Lua(Some("staff".into()))),
            ("ldap", Backend::Ldap(None)),
            ("ldap(B1)", Backend::Ldap(Some("B1".into()))),
        ] {
            assert_eq!(Backend::parse(text), Ok(backend.clone()));
            assert_eq!(backend.text(), text.trim());
        }
        for text in [
            "sql",
            "",
            "Lua",
            "lua()",
            "lua(default)",
            "ldap(__meta_default__)",
            "cache(x)",
            "lua(x",
            "lua)",
        ] {
            assert!(Backend::parse(text).is_err(), "{text}");
        }
    }
}
