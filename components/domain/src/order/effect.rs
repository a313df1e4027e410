//! What follows from a step, or why it was not taken.

use serde::{Deserialize, Serialize};

use super::OrderStatus;
use super::timeline::Happening;
use crate::inventory::Movement;
use crate::ledger::{LedgerError, Posting};
use crate::{ErrorKind, LineId, Money, MoneyError, RefundId};

/// What must be done in the transaction that stores the step. What goes out to others goes through the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Write this into the stock ledger. If the counters refuse it, nothing of the step may be kept.
    Stock {
        /// The entry.
        movement: Movement,
    },
    /// Write this into the books.
    Post {
        /// The entries.
        posting: Posting,
    },
    /// Write this into the timeline.
    Record {
        /// What happened.
        happening: Happening,
    },
    /// Tell the provider to give the payment up, if it knows it.
    CancelPayment,
    /// Tell the provider to let go what is held and will not be taken.
    VoidAuthorization {
        /// How much.
        amount: Money,
    },
    /// Tell the provider to give money back.
    RefundPayment {
        /// For which refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
    /// Put money back onto the gift cards that paid.
    RefundGiftCard {
        /// For which refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
    /// Take from the gift cards what was set aside on them.
    RedeemGiftCard {
        /// How much.
        amount: Money,
    },
    /// Give up what was set aside on gift cards.
    ReleaseGiftCard {
        /// How much.
        amount: Money,
    },
    /// Open the cart that the order was made of.
    ReopenCart,
}

/// Why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not fit where the order stands.
    #[error("{step} is not possible while the order is {status}")]
    OutOfTurn {
        /// Where the order stands.
        status: OrderStatus,
        /// What was asked.
        step: &'static str,
    },
    /// The amount is not one of those that are possible now.
    #[error("the amount must be {min} to {max}")]
    Amount {
        /// The least.
        min: Money,
        /// The most.
        max: Money,
    },
    /// More pieces than possible now, or none.
    #[error("at most {max} pieces of line {line}")]
    Pieces {
        /// Of which line.
        line: LineId,
        /// The most.
        max: u32,
    },
    /// Nothing of the order would be left: that is to call it off.
    #[error("at most {max} pieces together")]
    LastPiece {
        /// The most.
        max: u32,
    },
    /// No lines, a line twice, or not the lines of the order.
    #[error("lines are missing, doubled or foreign")]
    InvalidLines,
    /// The order has no such part.
    #[error("no such part of the order")]
    NotFound,
    /// The name of a new thing is taken.
    #[error("the name is taken")]
    NameTaken,
    /// The order has as many of these as it may have.
    #[error("at most {max} of these")]
    TooMany {
        /// The most.
        max: usize,
    },
    /// The amounts do not add up: the stored order is broken.
    #[error("add up the order")]
    Money(#[from] MoneyError),
    /// The books do not add up: the stored order is broken.
    #[error("post the step")]
    Books(#[from] LedgerError),
}

impl Refused {
    /// Returns the family of the refusal.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfTurn { .. } | Self::NameTaken | Self::TooMany { .. } => ErrorKind::Conflict,
            Self::Amount { .. }
            | Self::Pieces { .. }
            | Self::LastPiece { .. }
            | Self::InvalidLines => ErrorKind::InvalidInput,
            Self::NotFound => ErrorKind::NotFound,
            Self::Money(_) | Self::Books(_) => ErrorKind::Internal,
        }
    }
}
