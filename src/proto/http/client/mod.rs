//! HTTP/1 as a client speaks it: requests out, responses in.
//!
//! Pure: no socket, no clock. Called by `upstream::http`. Nothing that a script supplied can end a
//! header line early: [`Headers::check`] refuses it. A response whose end two readers could see in
//! different places is refused, or its connection is not used again.
//! Rules: RFC 9110 and 9112. Bounds: [`ResponseLimits`].
//!
//! ```text
//! headers.rs    names and values, and what they may consist of
//! request.rs    a request as bytes
//! response.rs   ResponseDecoder: bytes to a response, in any pieces
//! gzip.rs       a body uncompressed, up to a bound
//! ```

mod gzip;
mod headers;
mod request;
mod response;

pub use gzip::{GzipError, gunzip};
pub use headers::{HeaderError, Headers, canonical_name};
pub use request::{RequestHead, is_method};
pub use response::{Asked, Decoded, ResponseDecoder, ResponseError, ResponseHead};

/// How much of a response is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimits {
    /// Bytes of status line and header block together.
    pub head_bytes_max: usize,
    /// Bytes of the decoded body.
    pub body_bytes_max: usize,
}

impl Default for ResponseLimits {
    fn default() -> ResponseLimits {
        ResponseLimits { head_bytes_max: HEAD_BYTES_MAX, body_bytes_max: BODY_BYTES_MAX }
    }
}

/// Far more than servers send in earnest: Kerberos tickets and long policies make up to some 100
/// KB. A script's body may have 16 times as much.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Scripts get a body as one Lua string, of which a state of 64 MiB should hold a few.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Header lines of a response.
const HEADERS_MAX: usize = 128;
