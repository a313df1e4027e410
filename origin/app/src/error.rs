//! Why the shop says no, free of HTTP.

use std::time::Duration;

use api_types::problem::FieldError;
use domain::ErrorKind;
use providers::payment::PaymentError;
use store::{Once, StoreError};

use crate::Answered;

/// An answer that is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shop understood and says no.
    #[error("{}", .0.code)]
    Refused(Box<Refusal>),
    /// The store did not answer.
    #[error("store")]
    Store(#[from] StoreError),
    /// The payment provider did not answer.
    #[error("payment provider")]
    Provider(#[from] PaymentError),
    /// Something that must not happen.
    #[error("{0}")]
    Fault(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A no with its reason, as its asker may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Family.
    pub kind: ErrorKind,
    /// Stable code.
    pub code: &'static str,
    /// Constant text of the code.
    pub title: &'static str,
    /// One sentence about this occurrence.
    pub detail: Option<String>,
    /// Wrong fields.
    pub fields: Vec<FieldError>,
    /// When to ask again.
    pub retry_after: Option<Duration>,
    /// Whether it repeats an earlier answer to the same key.
    pub is_replay: bool,
}

impl Error {
    /// Returns the family.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(refusal) => refusal.kind,
            Self::Store(error) => error.kind(),
            Self::Provider(error) => kind_of(error),
            Self::Fault(..) => ErrorKind::Internal,
        }
    }
}

/// Declined is the payer's matter, a refused credential or request is ours, and the rest may go well a moment later.
const fn kind_of(error: &PaymentError) -> ErrorKind {
    match error {
        PaymentError::Declined(_) => ErrorKind::PaymentRefused,
        PaymentError::NotAllowed | PaymentError::KeyReused => ErrorKind::Conflict,
        PaymentError::Method(_) => ErrorKind::InvalidInput,
        PaymentError::Invalid(_) | PaymentError::NotFound | PaymentError::Unauthorized => {
            ErrorKind::Internal
        }
        PaymentError::Unknown(_) | PaymentError::KeyInUse | PaymentError::RateLimited { .. } => {
            ErrorKind::Unavailable
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Refusal {
    /// Makes a refusal.
    #[must_use]
    pub const fn new(kind: ErrorKind, code: &'static str, title: &'static str) -> Self {
        Self {
            kind,
            code,
            title,
            detail: None,
            fields: Vec::new(),
            retry_after: None,
            is_replay: false,
        }
    }

    /// Adds a sentence about this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names a wrong field by its JSON pointer.
    #[must_use]
    pub fn field(
        mut self,
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        self.fields.push(FieldError {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        });
        self
    }

    /// Says when to ask again.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Nothing by that name, or nothing the caller may know of.
    #[must_use]
    pub const fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "not-found", "There is no such thing here")
    }

    /// Wrong fields; add them with [`Refusal::field`].
    #[must_use]
    pub const fn invalid() -> Self {
        Self::new(ErrorKind::InvalidInput, "invalid-input", "The request is not valid")
    }

    /// Nobody is signed in.
    #[must_use]
    pub const fn unauthenticated() -> Self {
        Self::new(ErrorKind::Unauthenticated, "unauthenticated", "Sign in to do this")
    }

    const fn key_in_flight() -> Self {
        Self::new(
            ErrorKind::Conflict,
            "idempotency-in-flight",
            "A request with this key is being worked on",
        )
        .retry_after(Duration::from_secs(1))
    }

    const fn key_reused() -> Self {
        Self::new(
            ErrorKind::InvalidInput,
            "idempotency-key-reuse",
            "This key belongs to another request",
        )
    }
}

/// Turns what became of a key into an answer.
pub(crate) fn answered<T>(once: Once<T>) -> Result<Answered<T>, Error> {
    match once {
        Once::Fresh(value) => Ok(Answered { value, is_replay: false }),
        Once::Replayed(value) => Ok(Answered { value, is_replay: true }),
        Once::InFlight => Err(in_flight()),
        Once::Reused => Err(reused()),
    }
}

pub(crate) fn in_flight() -> Error {
    Refusal::key_in_flight().into()
}

pub(crate) fn reused() -> Error {
    Refusal::key_reused().into()
}

#[cfg(test)]
mod tests {
    use providers::payment::DeclineCode;

    use super::*;

    #[test]
    fn a_decline_a_fault_of_ours_and_a_provider_that_is_gone_are_told_apart() {
        for (error, kind) in [
            (PaymentError::Declined(DeclineCode::Declined), ErrorKind::PaymentRefused),
            (PaymentError::NotAllowed, ErrorKind::Conflict),
            (PaymentError::Unauthorized, ErrorKind::Internal),
            (PaymentError::Invalid(String::new()), ErrorKind::Internal),
            (PaymentError::NotFound, ErrorKind::Internal),
            (PaymentError::unknown("cut"), ErrorKind::Unavailable),
            (PaymentError::RateLimited { retry_after: None }, ErrorKind::Unavailable),
        ] {
            assert_eq!(Error::Provider(error).kind(), kind);
        }
    }
}
