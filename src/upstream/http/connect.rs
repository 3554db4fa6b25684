//! Connections: an idle one of the same kind, or a new one, straight or through a proxy, with TLS
//! or without.

use super::error::Cause;
use super::exchange::{Clock, exchange};
use super::proxy::Proxy;
use super::request::Request;
use super::settings::Settings;
use crate::op::Failure;
use crate::proto::http::client::{Asked, Headers, RequestHead, ResponseLimits};
use crate::proto::url::Url;
use crate::tls::ClientTls;
use crate::upstream::connection::UpstreamConnection;
use std::sync::Arc;
use std::time::Duration;

/// What a connection is to: two requests with the same may share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    host: String,
    port: u16,
    tls: Option<ClientTls>,
    proxy: Option<Arc<Proxy>>,
}

impl Target {
    /// What a request for `url` has to be connected to.
    pub(super) fn of(url: &Url, request: &Request, settings: &Settings) -> Result<Target, Cause> {
        if !matches!(url.scheme.as_str(), "http" | "https") {
            return Err(Cause::Scheme(url.scheme.clone()));
        }
        if url.host.is_empty() {
            return Err(Cause::NoHost);
        }
        let port = url.port_number().ok_or_else(|| Cause::Port(url.port.clone()))?;
        let tls = match (url.scheme.as_str(), &request.tls) {
            ("http", _) => None,
            (_, Some(tls)) => Some(tls.clone()),
            (_, None) => Some(settings.tls.usual.clone().map_err(Cause::Tls)?),
        };
        let proxy = request.proxy.clone().or_else(|| settings.proxies.for_url(url));
        Ok(match proxy {
            // The proxy itself is asked, for whatever host.
            Some(proxy) if tls.is_none() => {
                Target { host: proxy.host.clone(), port: proxy.port, tls, proxy: Some(proxy) }
            }
            proxy => Target { host: url.host.clone(), port, tls, proxy },
        })
    }

    /// Whether requests name the whole URL, and to whom they show `Proxy-Authorization`.
    pub(super) fn plain_proxy(&self) -> Option<&Proxy> {
        self.proxy.as_deref().filter(|_| self.tls.is_none())
    }

    /// A new connection.
    pub(super) async fn open(&self, clock: &Clock<'_>) -> Result<UpstreamConnection, Cause> {
        let (host, port) =
            self.proxy.as_ref().map_or((&self.host, self.port), |proxy| (&proxy.host, proxy.port));
        let limit = clock.left()?.min(CONNECT_MAX);
        let mut connection = UpstreamConnection::connect(clock.ops, host, port, limit)
            .await
            .map_err(|failure| clock.cause(failure))?;
        if let Some(tls) = &self.tls {
            if let Some(proxy) = &self.proxy {
                self.tunnel(&mut connection, proxy, clock).await?;
            }
            let limit = clock.left()?.min(HANDSHAKE_MAX);
            match connection.start_tls(clock.ops, tls, &self.host, limit).await {
                Err(Failure::TimedOut) if clock.left().is_ok() => {
                    return Err(Cause::Tls("handshake timeout".into()));
                }
                outcome => outcome.map_err(|failure| clock.cause(failure))?,
            }
        }
        Ok(connection)
    }

    /// Has the proxy connect to the target (RFC 9110 9.3.6).
    async fn tunnel(
        &self,
        connection: &mut UpstreamConnection,
        proxy: &Proxy,
        clock: &Clock<'_>,
    ) -> Result<(), Cause> {
        let host = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let mut headers = Headers::default();
        if !proxy.authorization.is_empty() {
            headers.set("Proxy-Authorization", proxy.authorization.expose());
        }
        let bytes =
            RequestHead { method: "CONNECT", target: &host, host: &host, headers: &headers }
                .compose(None)?;
        let limits =
            ResponseLimits { body_bytes_max: TUNNEL_BODY_MAX, ..ResponseLimits::default() };
        let answer = exchange(connection, clock, bytes, Asked::Connect, limits)
            .await
            .map_err(|broken| broken.cause)?;
        match answer.head.status {
            200..=299 => Ok(()),
            status => Err(Cause::Proxy(status)),
        }
    }
}

/// For a connection to come about, all addresses of the host together.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// For the TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Only the status of a proxy's refusal is read.
const TUNNEL_BODY_MAX: usize = 64 << 10;
