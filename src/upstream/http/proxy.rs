//! Which proxy a request goes through.
//!
//! An operator's own setting counts for all requests; else the environment's `HTTP_PROXY` and
//! `HTTPS_PROXY` (either case), but for what `NO_PROXY` names and for this machine itself. Only
//! proxies that are spoken to in plain HTTP are known.

use super::request::basic;
use crate::proto::url::{Url, UrlError};
use crate::secret::Secret;
use ipnet::IpNet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// One proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of a `Proxy-Authorization` header; empty: none.
    pub(super) authorization: Secret,
}

/// Why a text is no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("invalid proxy address: {0}")]
    Url(#[from] UrlError),
    #[error("invalid proxy address: no host or no valid port")]
    Address,
    #[error("proxy scheme {0:?} is not supported, only http")]
    Scheme(String),
}

/// The rule by which a proxy is chosen.
#[derive(Clone, Debug)]
pub enum Proxies {
    /// One for all.
    All(Arc<Proxy>),
    Environment(Environment),
}

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub http: Option<Arc<Proxy>>,
    pub https: Option<Arc<Proxy>>,
    pub except: NoProxy,
}

/// The hosts of `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub struct NoProxy(Vec<Except>);

#[derive(Clone, Debug)]
enum Except {
    All,
    Network(IpNet),
    /// An address, with a port or any.
    Address(IpAddr, Option<u16>),
    /// A domain in lower case without its first dot; whether the domain itself counts besides what
    /// is below it; with a port or any.
    Domain(String, bool, Option<u16>),
}

impl Proxy {
    /// From a URL, whose scheme may be missing.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn parse(text: &[u8]) -> Result<Proxy, ProxyError> {
        let has_scheme = memchr::memmem::find(text, b"://").is_some();
        let url =
            if has_scheme { Url::parse(text)? } else { Url::parse([b"http://", text].concat())? };
        if url.scheme != "http" {
            return Err(ProxyError::Scheme(url.scheme));
        }
        let port = url.port_number().filter(|_| !url.host.is_empty()).ok_or(ProxyError::Address)?;
        let authorization = url.user.map_or_else(Secret::default, |user| {
            basic(user.name.expose(), user.password.unwrap_or_default().expose())
        });
        Ok(Proxy { host: url.host, port, authorization })
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Proxy) -> bool {
        self.host == other.host
            && self.port == other.port
            && self.authorization.matches(other.authorization.expose())
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.host, self.port).hash(state);
    }
}

impl Proxies {
    /// The proxy for a URL; `None`: straight there.
    pub fn for_url(&self, url: &Url) -> Option<Arc<Proxy>> {
        match self {
            Proxies::All(proxy) => Some(proxy.clone()),
            Proxies::Environment(environment) => {
                let proxy =
                    if url.scheme == "https" { &environment.https } else { &environment.http };
                proxy.clone().filter(|_| {
                    !is_this_machine(&url.host)
                        && !environment.except.names(&url.host, url.port_number())
                })
            }
        }
    }
}

impl Default for Proxies {
    /// None at all.
    fn default() -> Proxies {
        Proxies::Environment(Environment::default())
    }
}

impl Environment {
    /// From variables, looked up by name. The second value: what could not be understood, for the
    /// log.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> (Environment, Vec<String>) {
        let mut problems = Vec::new();
        let either = |upper: &str| {
            [upper.to_owned(), upper.to_ascii_lowercase()]
                .iter()
                .find_map(|name| variable(name).filter(|v| !v.is_empty()))
        };
        let mut proxy = |name: &str| match Proxy::parse(either(name)?.as_bytes()) {
            Ok(proxy) => Some(Arc::new(proxy)),
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                None
            }
        };
        let (http, https) = (proxy("HTTP_PROXY"), proxy("HTTPS_PROXY"));
        (
            Environment {
                http,
                https,
                except: NoProxy::parse(&either("NO_PROXY").unwrap_or_default()),
            },
            problems,
        )
    }
}

impl NoProxy {
    /// A list between commas: `*`, addresses, networks, domains (with what is below them; with a
    /// dot in front, only that), each with a port or not.
    pub fn parse(text: &str) -> NoProxy {
        NoProxy(
            text.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(Except::parse)
                .collect(),
        )
    }

    /// Whether a host is among them.
    pub fn names(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        self.0.iter().any(|except| except.names(&host, ip, port))
    }
}

impl Except {
    fn parse(entry: &str) -> Except {
        if entry == "*" {
            return Except::All;
        }
        if let Ok(network) = entry.parse() {
            return Except::Network(network);
        }
        let bare =
            |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if let Some(ip) = bare(entry) {
            return Except::Address(ip, None);
        }
        let (host, port) = match entry.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (entry, None),
        };
        if let Some(ip) = bare(host) {
            return Except::Address(ip, port);
        }
        let domain = host.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase();
        match domain.strip_prefix('.') {
            Some(below) => Except::Domain(below.to_owned(), false, port),
            None => Except::Domain(domain, !host.starts_with("*."), port),
        }
    }

    fn names(&self, host: &str, ip: Option<IpAddr>, port: Option<u16>) -> bool {
        let fits = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        match self {
            Except::All => true,
            Except::Network(network) => ip.is_some_and(|ip| network.contains(&ip)),
            Except::Address(address, wanted) => ip == Some(*address) && fits(wanted),
            Except::Domain(domain, itself, wanted) => {
                let below =
                    || host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
                fits(wanted) && ((*itself && host == domain) || below())
            }
        }
    }
}

/// What a proxy elsewhere would take for itself.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_proxy_is_a_url_or_a_host_and_port() {
        for (text, host, port, authorization) in [
            ("http://proxy.example.org:3128", "proxy.example.org", 3128, ""),
            ("proxy:8080/", "proxy", 8080, ""),
            ("http://proxy", "proxy", 80, ""),
            ("http://us%40er:p%3Aw@[::1]:3128", "::1", 3128, "Basic dXNAZXI6cDp3"),
        ] {
            let proxy = Proxy::parse(text.as_bytes()).unwrap();
            assert_eq!((proxy.host.as_str(), proxy.port), (host, port), "{text}");
            assert_eq!(proxy.authorization.expose(), authorization.as_bytes(), "{text}");
            assert!(!format!("{proxy:?}").contains("Basic"));
        }
        for (text, error) in [
            ("socks5://proxy:1080", "proxy scheme \"socks5\" is not supported, only http"),
            ("https://proxy", "proxy scheme \"https\" is not supported, only http"),
            ("http://", "invalid proxy address: no host or no valid port"),
            ("proxy:99999", "invalid proxy address: no host or no valid port"),
            ("a b", "invalid proxy address: invalid character in host name"),
        ] {
            assert_eq!(Proxy::parse(text.as_bytes()).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_networks_and_ports() {
        let except = NoProxy::parse(
            "example.org, .internal,*.star.net,10.0.0.0/8, 192.0.2.1,2001:db8::/32,[::2]:81,h:8080, ,",
        );
        for (host, port, named) in [
            ("example.org", 443, true),
            ("EXAMPLE.org.", 443, true),
            ("www.example.org", 443, true),
            ("badexample.org", 443, false),
            ("internal", 80, false),
            ("a.internal", 80, true),
            ("star.net", 80, false),
            ("x.star.net", 80, true),
            ("10.1.2.3", 80, true),
            ("::ffff:10.1.2.3", 80, true),
            ("11.1.2.3", 80, false),
            ("192.0.2.1", 1, true),
            ("2001:db8::7", 80, true),
            ("::2", 81, true),
            ("::2", 80, false),
            ("h", 8080, true),
            ("h", 80, false),
        ] {
            assert_eq!(except.names(host, Some(port)), named, "{host}:{port}");
        }
        assert!(
            NoProxy::parse("*").names("anything", None)
                && !NoProxy::parse("").names("anything", None)
        );
    }

    #[test]
    fn the_environment_chooses_by_scheme_and_spares_this_machine() {
        let (environment, problems) = Environment::read(|name| {
            Some(match name {
                "HTTP_PROXY" => "plain:1".into(),
                "https_proxy" => "http://secure:2".into(),
                "NO_PROXY" => "direct.example".into(),
                _ => return None,
            })
        });
        assert!(problems.is_empty());
        let proxies = Proxies::Environment(environment);
        for (text, host) in [
            ("http://h/", Some("plain")),
            ("https://h/", Some("secure")),
            ("https://direct.example/", None),
            ("http://localhost:99/", None),
            ("http://127.0.0.3/", None),
            ("http://[::1]/", None),
        ] {
            assert_eq!(
                proxies.for_url(&url(text)).map(|proxy| proxy.host.clone()).as_deref(),
                host,
                "{text}"
            );
        }
        let all = Proxies::All(Arc::new(Proxy::parse(b"one").unwrap()));
        assert!(all.for_url(&url("http://127.0.0.1/")).is_some());
        assert!(Proxies::default().for_url(&url("http://h/")).is_none());
    }

    #[test]
    fn what_is_no_proxy_is_a_warning_without_its_password() {
        let (environment, problems) =
            Environment::read(|name| (name == "HTTP_PROXY").then(|| "socks5://u:secret@h".into()));
        assert!(environment.http.is_none());
        assert_eq!(problems, ["HTTP_PROXY: proxy scheme \"socks5\" is not supported, only http"]);
    }
}
