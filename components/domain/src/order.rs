//! An order: its states, and what a moved payment means for it, its stock and its cart.
//!
//! The whole life of an order is [`OrderState`]: [`next_steps`] says what may happen to it, [`OrderState::apply`] does
//! it and returns what must be stored in the same transaction. [`OrderStatus`] alone is what lists and filters show.

mod apply;
mod check;
mod effect;
mod flow;
mod history;
mod offer;
mod parcel;
mod refund;
mod state;
mod step;
mod timeline;

pub use apply::{Applied, NewLine, NewOrder};
pub use check::Broken;
pub use effect::{Effect, Refused};
pub use flow::{Flow, Split, share};
pub use history::Retold;
pub use offer::{FULFILMENTS_MAX, RETURNS_MAX, next_steps};
pub use parcel::{
    CARRIER_CHARS_MAX, Fulfilment, FulfilmentStatus, InvalidTracking, Return, ReturnLine,
    ReturnReason, ReturnStatus, TRACKING_BYTES_MAX, TRACKING_URL_BYTES_MAX, Tracking,
};
pub use refund::{REFUNDS_MAX, Refund, RefundLine, RefundReason, RefundStatus};
pub use state::{
    Ended, FulfilmentSummary, OrderLine, OrderState, PaymentSummary, Source, Sums, Tender, Tenders,
};
pub use step::{
    AmountOf, CancelReason, Command, PiecesOf, ReceivedPieces, RefundOf, ReturnWish, Step,
};
pub use timeline::{
    Actor, Happening, InvalidNote, NOTE_CHARS_MAX, Note, NoteAudience, NoteText, TimelineEntry,
};

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::payment::{PaymentStatus, UnknownStatus};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Placed; its stock is held until the payment ends or the hold expires.
    PendingPayment,
    /// Accepted: paid, or its payment is authorized; its stock is sold.
    Confirmed,
    /// The payment came to nothing, or somebody called it off.
    Cancelled,
    /// The hold ended before the payment did.
    Expired,
    /// All is delivered and paid. What was delivered may still come back, and money with it.
    Completed,
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEvent {
    /// Its payment moved to this state.
    Payment(PaymentStatus),
    /// Its hold ran out.
    HoldExpired,
}

/// What must be done, in the same transaction that records the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing but to record it.
    Nothing,
    /// Sell the held stock and confirm the order.
    Confirm,
    /// Give the held stock back, open the cart again, and end the order so.
    End(OrderStatus),
    /// Paid without a hold: take the stock again and confirm; where it is gone, give the money back.
    RetakeOrRefund,
}

impl OrderStatus {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::PendingPayment, Self::Confirmed, Self::Cancelled, Self::Expired, Self::Completed];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingPayment => "pending_payment",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Completed => "completed",
        }
    }

    /// Decides what an event means.
    #[must_use]
    pub const fn on(self, event: OrderEvent) -> Consequence {
        match (self, event) {
            (Self::PendingPayment, OrderEvent::HoldExpired) => Consequence::End(Self::Expired),
            // Held for us is as good as ours: the merchant captures when the goods leave.
            (
                Self::PendingPayment,
                OrderEvent::Payment(
                    PaymentStatus::Authorized
                    | PaymentStatus::PartiallyCaptured
                    | PaymentStatus::Captured
                    | PaymentStatus::PartiallyRefunded,
                ),
            ) => Consequence::Confirm,
            (
                Self::PendingPayment,
                OrderEvent::Payment(
                    PaymentStatus::Declined | PaymentStatus::Cancelled | PaymentStatus::Refunded,
                ),
            ) => Consequence::End(Self::Cancelled),
            // Not when some of it went back already: somebody has decided that the order stays ended.
            (
                Self::Expired | Self::Cancelled,
                OrderEvent::Payment(
                    PaymentStatus::Authorized
                    | PaymentStatus::PartiallyCaptured
                    | PaymentStatus::Captured,
                ),
            ) => Consequence::RetakeOrRefund,
            (Self::PendingPayment | Self::Expired | Self::Cancelled, OrderEvent::Payment(_))
            | (Self::Confirmed | Self::Completed, _)
            | (Self::Expired | Self::Cancelled, OrderEvent::HoldExpired) => Consequence::Nothing,
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OrderStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// Writes the number that people quote, for instance `VT-100042`.
#[must_use]
pub fn number_text(number: i64) -> String {
    format!("VT-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pending_order_ends_or_is_confirmed_directly() {
        use PaymentStatus as P;
        for payment in P::ALL {
            let pending = match payment {
                P::Authorized | P::PartiallyCaptured | P::Captured | P::PartiallyRefunded => {
                    Consequence::Confirm
                }
                P::Declined | P::Cancelled | P::Refunded => {
                    Consequence::End(OrderStatus::Cancelled)
                }
                P::Created | P::Processing | P::RequiresAction | P::Unknown => Consequence::Nothing,
            };
            let ended = match payment {
                P::Authorized | P::PartiallyCaptured | P::Captured => Consequence::RetakeOrRefund,
                _ => Consequence::Nothing,
            };
            let event = OrderEvent::Payment(payment);
            assert_eq!(OrderStatus::PendingPayment.on(event), pending, "{payment}");
            assert_eq!(OrderStatus::Confirmed.on(event), Consequence::Nothing, "{payment}");
            assert_eq!(OrderStatus::Completed.on(event), Consequence::Nothing, "{payment}");
            assert_eq!(OrderStatus::Expired.on(event), ended, "{payment}");
            assert_eq!(OrderStatus::Cancelled.on(event), ended, "{payment}");
        }
    }

    #[test]
    fn a_hold_expires_once() {
        for status in OrderStatus::ALL {
            let expected = match status {
                OrderStatus::PendingPayment => Consequence::End(OrderStatus::Expired),
                _ => Consequence::Nothing,
            };
            assert_eq!(status.on(OrderEvent::HoldExpired), expected);
        }
    }

    #[test]
    fn words_read_back() {
        for status in OrderStatus::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
        }
        assert!("paid".parse::<OrderStatus>().is_err());
    }
}
