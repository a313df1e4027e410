//! Why a provider did not do what it was asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MethodError;

/// Why a payment was refused, as the payer may read it.
///
/// It never tells that a card was reported lost or stolen, or that the provider suspects fraud: whoever tries stolen
/// cards must not learn which of them are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineCode {
    /// Refused; why is between the payer and the bank.
    Declined,
    /// Not enough money.
    InsufficientFunds,
    /// The card has expired.
    ExpiredCard,
    /// The check value is wrong.
    IncorrectCvc,
    /// The payer did not prove who they are.
    AuthenticationFailed,
    /// More, or more often, than the bank allows.
    LimitExceeded,
    /// The method cannot pay this currency.
    CurrencyNotSupported,
    /// A fault between provider and bank: trying again may help.
    ProcessingError,
}

impl DeclineCode {
    /// Every code.
    pub const ALL: [Self; 8] = [
        Self::Declined,
        Self::InsufficientFunds,
        Self::ExpiredCard,
        Self::IncorrectCvc,
        Self::AuthenticationFailed,
        Self::LimitExceeded,
        Self::CurrencyNotSupported,
        Self::ProcessingError,
    ];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::InsufficientFunds => "insufficient_funds",
            Self::ExpiredCard => "expired_card",
            Self::IncorrectCvc => "incorrect_cvc",
            Self::AuthenticationFailed => "authentication_failed",
            Self::LimitExceeded => "limit_exceeded",
            Self::CurrencyNotSupported => "currency_not_supported",
            Self::ProcessingError => "processing_error",
        }
    }

    /// Reads a word of the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// Not known whether it was done: no connection, no answer in time, or half of one. Ask later with
    /// [`Lookup`](super::Lookup).
    #[error("the provider's answer is unknown")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The bank refused, and there is no intent to show for it. Nothing moved.
    #[error("the payment was declined: {}", .0.as_str())]
    Declined(DeclineCode),
    /// The provider understood the request and will never do it as it is. Nothing moved.
    #[error("the provider finds the request invalid: {0}")]
    Invalid(String),
    /// The payment's state does not allow it. Nothing moved.
    #[error("the payment's state does not allow it")]
    NotAllowed,
    /// The provider knows no such payment.
    #[error("the provider knows no such payment")]
    NotFound,
    /// The key belongs to another request. Nothing moved by this one.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// A request with this key is being worked on; ask again.
    #[error("a request with this idempotency key is being worked on")]
    KeyInUse,
    /// Too many requests; this one was not looked at.
    #[error("the provider takes no more requests for now")]
    RateLimited {
        /// When to ask again, if the provider said.
        retry_after: Option<Duration>,
    },
    /// The provider does not believe our secret. Somebody must look at the configuration.
    #[error("the provider refuses our credentials")]
    Unauthorized,
    /// What should be a token is none; it was not sent.
    #[error("the method of payment is not sent")]
    Method(#[from] MethodError),
}

impl PaymentError {
    /// Says that the outcome is unknown.
    pub fn unknown(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unknown(cause.into())
    }

    /// Tells whether it is certain that this call did nothing. Otherwise the provider must be asked.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::KeyInUse => false,
            Self::Declined(_)
            | Self::Invalid(_)
            | Self::NotAllowed
            | Self::NotFound
            | Self::KeyReused
            | Self::RateLimited { .. }
            | Self::Unauthorized
            | Self::Method(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_declines_read_back() {
        for code in DeclineCode::ALL {
            assert_eq!(DeclineCode::parse(code.as_str()), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!(DeclineCode::parse("stolen_card"), None);
    }
}
