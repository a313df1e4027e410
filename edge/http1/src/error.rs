//! Why a request is refused before anybody has seen it.

use http::StatusCode;

/// A request that cannot be served as it is; the connection ends after the answer, for nobody knows where the next
/// request would begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {reason}")]
pub struct Refusal {
    /// What kind of fault it is.
    pub kind: RefusalKind,
    /// What exactly is wrong, for the log and for the client's author.
    pub reason: &'static str,
}

/// The faults that are told apart, each with its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusalKind {
    /// Not HTTP/1.1 as RFC 9112 writes it: 400.
    #[error("malformed request")]
    Malformed,
    /// The request target is longer than allowed: 414.
    #[error("request target too long")]
    TargetTooLong,
    /// The head is longer, or has more fields, than allowed: 431.
    #[error("request head too large")]
    HeadTooLarge,
    /// No head within its time: 408.
    #[error("request too slow")]
    TooSlow,
    /// An expectation other than `100-continue`: 417.
    #[error("expectation not met")]
    Expectation,
    /// A transfer coding other than `chunked`, or `CONNECT`: 501.
    #[error("not implemented")]
    NotImplemented,
    /// A version other than 1.0 and 1.1: 505.
    #[error("version not supported")]
    Version,
}

impl RefusalKind {
    /// Returns the status to answer with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }
}

/// A shorthand for the commonest kind.
pub(crate) const fn malformed(reason: &'static str) -> Refusal {
    Refusal { kind: RefusalKind::Malformed, reason }
}

/// A shorthand for the others.
pub(crate) const fn refusal(kind: RefusalKind, reason: &'static str) -> Refusal {
    Refusal { kind, reason }
}
