//! Refusals of request heads, each with its answer. Texts and statuses are those that clients of
//! the reference see.

/// Why a head is refused. Always the client's fault; the connection ends with the answer, for where
/// the next request would begin cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not a refusal yet: header lines go on in the next line. [`unfold`](super::unfold) the buffer
    /// and parse again, once.
    #[error("folded header lines")]
    Folded,
    #[error("malformed request head")]
    Malformed,
    #[error("missing required Host header")]
    MissingHost,
    #[error("too many Host headers")]
    TooManyHosts,
    #[error("malformed Host header")]
    MalformedHost,
    /// A length that is not a number, or several that differ.
    #[error("invalid Content-Length")]
    Length,
    /// Chunked framing from HTTP/1.0, which has none: some proxy took it for something else (RFC
    /// 9112 6.1).
    #[error("Transfer-Encoding in an HTTP/1.0 request")]
    OldChunked,
    /// The last transfer coding is not `chunked`: where the body ends cannot be known (RFC 9112
    /// 6.3).
    #[error("last transfer coding is not chunked")]
    NotChunked,
    /// Codings before `chunked`, which we do not decode.
    #[error("unsupported transfer encoding")]
    TransferEncoding,
    #[error("unsupported protocol version")]
    Version,
    #[error("request header fields too large")]
    TooLarge,
    #[error("unknown expectation")]
    Expectation,
}

impl HeadError {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            HeadError::Folded
            | HeadError::Malformed
            | HeadError::MissingHost
            | HeadError::TooManyHosts
            | HeadError::MalformedHost
            | HeadError::Length
            | HeadError::NotChunked
            | HeadError::OldChunked => 400,
            HeadError::TransferEncoding => 501,
            HeadError::Version => 505,
            HeadError::TooLarge => 431,
            HeadError::Expectation => 417,
        }
    }

    /// The body of the answer, text/plain.
    pub fn body(self) -> &'static str {
        match self {
            HeadError::Folded
            | HeadError::Malformed
            | HeadError::Length
            | HeadError::NotChunked
            | HeadError::OldChunked => "400 Bad Request",
            HeadError::MissingHost => "400 Bad Request: missing required Host header",
            HeadError::TooManyHosts => "400 Bad Request: too many Host headers",
            HeadError::MalformedHost => "400 Bad Request: malformed Host header",
            HeadError::TransferEncoding => "Unsupported transfer encoding",
            HeadError::Version => "505 HTTP Version Not Supported: unsupported protocol version",
            HeadError::TooLarge => "431 Request Header Fields Too Large",
            HeadError::Expectation => "",
        }
    }
}
