//! What a client asked: one parsed authentication request, whatever its wire form was.
//!
//! All text lives in one buffer (the request's own bytes, then what had to be decoded), and a field
//! is a [`Span`] of it: no allocation per field, and dropping the request wipes the password with
//! everything else. Made by `dialect`, read by all.

use crate::proto::http::{Head, Span};
use crate::secret::Secret;
use crate::tls::TlsFacts;
use std::sync::Arc;

/// One request. Immutable once a dialect has made it.
#[derive(Debug, Default)]
pub struct Request {
    pub session: SessionId,
    pub service: Service,
    pub mode: Mode,
    /// What the client says how often it has tried.
    pub login_attempt: u32,
    /// False with `in-memory=0`: the in-process result cache is neither read nor written.
    pub in_memory_cache: bool,
    /// False with `cache=0`: the backend `cache` is neither read nor written.
    pub redis_cache: bool,
    buffer: Secret,
    fields: Spans,
    /// The HTTP request that this came from, spans of the same buffer; for hooks and
    /// `nauthilus_http_request`.
    pub http: HttpRequest,
    /// The TLS of the connection that it came over.
    pub tls: Option<Arc<TlsFacts>>,
}

/// The HTTP request as scripts may look at it. Spans refer to [`Request::text`].
#[derive(Debug, Default)]
pub struct HttpRequest {
    pub head: Head,
    /// The path, percent-decoded, without the query.
    pub path: Span,
    /// The query, as sent, without the question mark.
    pub query: Span,
    pub body: Span,
}

impl Request {
    /// A request over the bytes it came in: head and body (already de-chunked), as `head` and
    /// `body` point into them.
    pub fn new(buffer: Vec<u8>, http: HttpRequest) -> Request {
        Request {
            buffer: Secret::new(buffer),
            http,
            in_memory_cache: true,
            redis_cache: true,
            ..Request::default()
        }
    }

    /// The bytes of a field; empty if the client did not send it.
    pub fn get(&self, field: Field) -> &[u8] {
        self.fields.get(field).of(self.buffer.expose())
    }

    /// Any span of this request's buffer.
    pub fn text(&self, span: Span) -> &[u8] {
        span.of(self.buffer.expose())
    }

    /// Lets `field` be bytes that are in the buffer already.
    pub fn set_span(&mut self, field: Field, span: Span) {
        self.fields.set(field, span);
    }

    /// Lets `field` be `bytes`, which are appended to the buffer.
    pub fn set(&mut self, field: Field, bytes: &[u8]) {
        let span = self.append(bytes);
        self.fields.set(field, span);
    }

    /// Appends decoded bytes to the buffer.
    pub fn append(&mut self, bytes: &[u8]) -> Span {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        Span::new(start, bytes.len())
    }

    /// The values of a header, by its lower-case name, in the order they came.
    pub fn header<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.http
            .head
            .headers
            .iter()
            .filter(move |(n, _)| self.text(*n).eq_ignore_ascii_case(name))
            .map(|(_, value)| self.text(*value))
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $lua:literal),* $(,)?) => {
        /// The textual fields of a request. All of them become fields of the scripts' request
        /// table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $($(#[$doc])* $variant),* }

        impl Field {
            pub const ALL: [Field; FIELD_COUNT] = [$(Field::$variant),*];

            /// The field's name in the scripts' request table.
            pub fn lua_name(self) -> &'static str {
                match self { $(Field::$variant => $lua),* }
            }
        }

        const FIELD_COUNT: usize = [$($lua),*].len();
    };
}

/// A span for each field.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans([Span; FIELD_COUNT]);

#[expect(
    clippy::indexing_slicing,
    reason = "`Field::ALL` has FIELD_COUNT variants, numbered from 0"
)]
impl Spans {
    pub fn get(&self, field: Field) -> Span {
        self.0[field as usize]
    }

    pub fn set(&mut self, field: Field, span: Span) {
        self.0[field as usize] = span;
    }
}

fields! {
    Username = "username",
    /// Empty in mode no-auth.
    Password = "password",
    Protocol = "protocol",
    AuthMethod = "method",
    ClientIp = "client_ip",
    ClientPort = "client_port",
    ClientHostname = "client_hostname",
    ClientId = "client_id",
    UserAgent = "user_agent",
    LocalIp = "local_ip",
    LocalPort = "local_port",
    OidcCid = "oidc_cid",
    SamlEntityId = "saml_entity_id",
    /// Non-empty: the client's connection is encrypted.
    Ssl = "ssl",
    SslSessionId = "ssl_session_id",
    SslClientVerify = "ssl_client_verify",
    SslClientDn = "ssl_client_dn",
    SslClientCn = "ssl_client_cn",
    SslIssuer = "ssl_issuer",
    SslClientNotBefore = "ssl_client_not_before",
    SslClientNotAfter = "ssl_client_not_after",
    SslSubjectDn = "ssl_subject_dn",
    SslIssuerDn = "ssl_issuer_dn",
    SslClientSubjectDn = "ssl_client_subject_dn",
    SslClientIssuerDn = "ssl_client_issuer_dn",
    SslProtocol = "ssl_protocol",
    SslCipher = "ssl_cipher",
    SslSerial = "ssl_serial",
    SslFingerprint = "ssl_fingerprint",
}

/// The third path element of `/api/v1/auth/<service>`: the wire form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    #[default]
    Header,
    Nginx,
    Json,
    /// Input as [`Service::Header`], answer as [`Service::Json`]: the older path `generic/user`.
    User,
    Saslauthd,
    Basic,
    /// A custom hook, the init script, an MFA call: no authentication.
    Hook,
}

impl Service {
    /// As scripts and log lines name it.
    pub fn name(self) -> &'static str {
        match self {
            Service::Header => "header",
            Service::Nginx => "nginx",
            Service::Json => "json",
            Service::User => "user",
            Service::Saslauthd => "saslauthd",
            Service::Basic => "basic",
            Service::Hook => "",
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Check the password.
    #[default]
    Auth,
    /// Look the user up; the password does not count.
    NoAuth,
    ListAccounts,
}

impl Mode {
    /// As log lines name it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Auth => "auth",
            Mode::NoAuth => "no-auth",
            Mode::ListAccounts => "list-accounts",
        }
    }
}

/// 27 characters `[0-9A-Za-z]`, time-sortable (a KSUID): one HTTP request in logs, scripts and
/// answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(pub [u8; 27]);

impl SessionId {
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII; anything else was not made by us and shows as nothing.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for SessionId {
    fn default() -> SessionId {
        SessionId([b'0'; 27])
    }
}
