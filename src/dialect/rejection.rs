//! Why a request for a service is answered before anybody judges the login.

/// Why a request is not even tried. Always the client's fault; [`crate::dialect::fixed::rejection`]
/// is its answer, the text its log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("unsupported media type")]
    UnsupportedMediaType,
    #[error("malformed JSON body")]
    MalformedBody,
    /// Only the JSON body says which field it misses.
    #[error("username is required")]
    UsernameRequired,
    #[error("malformed base64 password")]
    PasswordEncoding,
    #[error("invalid username")]
    InvalidUsername,
    /// Service `basic` without credentials that can be read.
    #[error("no credentials")]
    NoCredentials,
    #[error("the client address is invalid")]
    ClientAddress,
    /// Service `basic` with a mode, where callers must say who they are: its credentials are the
    /// user's.
    #[error("look-ups through service basic are disabled (server.basic_lookups)")]
    Lookup,
}
