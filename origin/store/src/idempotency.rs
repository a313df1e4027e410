//! Doing a thing once however often it is asked for.

/// How long an answer is kept for replay: 24 hours.
pub const KEPT: std::time::Duration = std::time::Duration::from_hours(24);

/// A caller's key for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose key: keys of different callers and routes never meet.
    pub scope: String,
    /// The key, 1 to 255 characters.
    pub key: String,
    /// Keyed digest of the request. Keyed, because a request may hold a password.
    pub fingerprint: [u8; 32],
}

/// What became of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once<T> {
    /// Done now.
    Fresh(T),
    /// Done before; this is what was answered then.
    Replayed(T),
    /// Being done by another request.
    InFlight,
    /// The key belongs to a request that said something else.
    Reused,
}

impl<T> Once<T> {
    /// Returns what is answered, to add what was not written down with it.
    pub(crate) const fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Fresh(value) | Self::Replayed(value) => Some(value),
            Self::InFlight | Self::Reused => None,
        }
    }
}
