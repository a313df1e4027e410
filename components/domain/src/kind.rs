//! What went wrong, as seen by the one who asked: the family of an error, free of HTTP.

/// The family of a failure. `api_types::problem` maps each to one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request could not be read at all (400).
    Unreadable,
    /// The request was read and is wrong (422).
    InvalidInput,
    /// Nobody proved who is asking (401).
    Unauthenticated,
    /// A payment was refused by its provider (402).
    PaymentRefused,
    /// The asker is known and may not (403).
    Forbidden,
    /// There is no such thing, or it may not be known (404).
    NotFound,
    /// The resource has no such method (405).
    MethodNotAllowed,
    /// The request contradicts the present state (409).
    Conflict,
    /// The thing was here and is gone for good (410).
    Gone,
    /// The caller's version is stale (412).
    PreconditionFailed,
    /// The body is larger than the limit (413).
    TooLarge,
    /// The body's media type is not understood (415).
    UnsupportedMediaType,
    /// Too many requests in the window (429).
    RateLimited,
    /// The request head is larger than the limit (431).
    HeadTooLarge,
    /// A fault of ours (500).
    Internal,
    /// An upstream answered something unusable (502).
    BadUpstream,
    /// We or an upstream cannot serve now; asking again later helps (503).
    Unavailable,
    /// The deadline passed (504).
    DeadlineExceeded,
}

impl ErrorKind {
    /// Every kind, for exhaustive tests and documents.
    pub const ALL: [Self; 18] = [
        Self::Unreadable,
        Self::InvalidInput,
        Self::Unauthenticated,
        Self::PaymentRefused,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::HeadTooLarge,
        Self::Internal,
        Self::BadUpstream,
        Self::Unavailable,
        Self::DeadlineExceeded,
    ];
}
