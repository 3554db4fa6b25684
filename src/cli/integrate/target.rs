//! The listeners of a configuration, as a client sees them.

use crate::cli::client::reachable;
use crate::config::section::listeners::{Listener, ListenerProtocol};
use crate::config::{Config, ListenAddress, Word};

/// A listener that a client may be told of.
pub struct Target {
    /// With an address that can be connected to.
    pub address: ListenAddress,
    pub tls: Option<TargetTls>,
    pub proxy_protocol: bool,
    /// Whether callers must say who they are.
    pub caller_auth: bool,
}

/// What a client has to know of a listener's TLS.
pub struct TargetTls {
    /// A host name that the certificate is for.
    pub name: String,
    /// Clients need a certificate, too.
    pub requires_certificate: bool,
}

impl Target {
    pub fn is_unix(&self) -> bool {
        matches!(self.address, ListenAddress::Unix(_))
    }

    /// Plain HTTP without a PROXY header: what every client can speak.
    pub fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.proxy_protocol
    }

    /// In words, for messages.
    pub fn describe(&self) -> String {
        let tls = match &self.tls {
            None => "",
            Some(tls) if tls.requires_certificate => ", TLS with a client certificate",
            Some(_) => ", TLS",
        };
        let proxy = if self.proxy_protocol { ", PROXY protocol" } else { "" };
        format!("{}{tls}{proxy}", self.address.text())
    }
}

/// All listeners, unix sockets first, then those without TLS; or the named one.
///
/// # Errors
/// There is no listener of this name, or a certificate cannot be read.
pub fn all(config: &Config, named: Option<&str>) -> Result<Vec<Target>, String> {
    let server = &config.server;
    let has_callers =
        server.basic_auth.enabled || server.jwt_auth.enabled || server.oidc_auth.enabled;
    let listeners = server.every_listener().into_iter().map(|(_, listener)| listener);
    let listeners = listeners.filter(|listener| listener.protocol == ListenerProtocol::Http);
    let mut targets = Vec::new();
    for listener in listeners {
        if named.is_some_and(|named| named != listener.address.text()) {
            continue;
        }
        targets.push(target(&listener, has_callers)?);
    }
    if let (Some(named), []) = (named, targets.as_slice()) {
        let known = server.every_listener();
        let known: Vec<_> = known.iter().map(|(_, listener)| listener.address.text()).collect();
        return Err(format!("there is no listener {named}, but: {}", known.join(", ")));
    }
    targets.sort_by_key(|target| (!target.is_unix(), target.tls.is_some()));
    Ok(targets)
}

fn target(listener: &Listener, has_callers: bool) -> Result<Target, String> {
    let tls = match listener.tls.settings() {
        None => None,
        Some(settings) => {
            let pair = settings.certificates.first().ok_or("the listener has no certificate")?;
            let names = pair.names().map_err(|error| error.to_string())?;
            Some(TargetTls {
                name: names.into_iter().next().unwrap_or_else(|| "localhost".to_owned()),
                requires_certificate: listener.tls.requires_certificate(),
            })
        }
    };
    let address = match &listener.address {
        ListenAddress::Tcp(address) => ListenAddress::Tcp(reachable(*address)),
        unix => unix.clone(),
    };
    Ok(Target {
        address,
        tls,
        proxy_protocol: listener.proxy_protocol,
        caller_auth: has_callers && listener.caller_auth,
    })
}
