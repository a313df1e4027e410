//! The payment of an order: its states, what is reported about it, and which report may move it.
//!
//! The return path of a checkout, the provider's webhook and the reconciler all report here, so whoever comes second
//! finds nothing left to do. [`PaymentStatus::on`] knows words alone; [`Payment::merge`] knows amounts, too, and is what
//! partial captures and refunds need. [`release()`] says when an authorization is given up.

mod amounts;
mod method;
mod release;

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

pub use amounts::{Amounts, AmountsError, Merged, OtherPayment, Payment, Report};
pub use method::KeptMethod;
pub use release::{AUTHORIZATION_KEPT_DEFAULT, Release, release};

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Written down; the provider may not know it yet.
    Created,
    /// The provider has it and will say later how it ended.
    Processing,
    /// The payer must approve first.
    RequiresAction,
    /// The money is held for us at the payer's bank; nothing has moved.
    Authorized,
    /// Some of the money is ours and the rest is still held.
    PartiallyCaptured,
    /// The money is ours; what was not captured has been let go.
    Captured,
    /// The provider refused.
    Declined,
    /// Given up before any money moved: never paid, or voided after its authorization.
    Cancelled,
    /// The provider did not answer; the reconciler will find out.
    Unknown,
    /// Some of the money went back.
    PartiallyRefunded,
    /// All that was captured went back.
    Refunded,
}

/// What somebody reports about a payment, in one word. [`Report`] adds the amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentEvent {
    /// The provider works on it.
    Processing,
    /// The payer must approve.
    RequiresAction,
    /// The provider holds the money for us.
    Authorized,
    /// The provider took some of the money and holds the rest.
    PartiallyCaptured,
    /// The provider took the money.
    Captured,
    /// The provider refused.
    Declined,
    /// The provider gave it up.
    Cancelled,
    /// No answer in time.
    TimedOut,
    /// The provider gave some of the money back.
    PartiallyRefunded,
    /// The provider gave the money back.
    Refunded,
}

/// What a report does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The payment goes on to this state.
    To(PaymentStatus),
    /// Known already, or older than what is known: nothing happens.
    Stay,
}

/// A report that contradicts what is known. Somebody must look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot follow {status}")]
pub struct IllegalMove {
    /// What is known.
    pub status: PaymentStatus,
    /// What was reported.
    pub event: PaymentEvent,
}

impl PaymentEvent {
    /// Every event.
    pub const ALL: [Self; 10] = [
        Self::Processing,
        Self::RequiresAction,
        Self::Authorized,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::Declined,
        Self::Cancelled,
        Self::TimedOut,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// Returns the state that a payment has of which nothing else is known.
    #[must_use]
    pub const fn status(self) -> PaymentStatus {
        match self {
            Self::Processing => PaymentStatus::Processing,
            Self::RequiresAction => PaymentStatus::RequiresAction,
            Self::Authorized => PaymentStatus::Authorized,
            Self::PartiallyCaptured => PaymentStatus::PartiallyCaptured,
            Self::Captured => PaymentStatus::Captured,
            Self::Declined => PaymentStatus::Declined,
            Self::Cancelled => PaymentStatus::Cancelled,
            Self::TimedOut => PaymentStatus::Unknown,
            Self::PartiallyRefunded => PaymentStatus::PartiallyRefunded,
            Self::Refunded => PaymentStatus::Refunded,
        }
    }
}

impl PaymentStatus {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Processing,
        Self::RequiresAction,
        Self::Authorized,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::Declined,
        Self::Cancelled,
        Self::Unknown,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::Authorized => "authorized",
            Self::PartiallyCaptured => "partially_captured",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }

    /// Tells whether no report is expected any more; refunds may still follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Captured
                | Self::Declined
                | Self::Cancelled
                | Self::PartiallyRefunded
                | Self::Refunded
        )
    }

    /// Tells whether money of the payer has moved.
    #[must_use]
    pub const fn has_moved_money(self) -> bool {
        matches!(
            self,
            Self::PartiallyCaptured | Self::Captured | Self::PartiallyRefunded | Self::Refunded
        )
    }

    /// Returns how much a state tells: of two reports about one payment the one that tells more is the later one.
    ///
    /// Declined stands above authorized and cancelled, so that an attempt that was refused is over for us whatever
    /// else comes, except money: that stands above everything.
    const fn rank(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Unknown => 1,
            Self::RequiresAction => 2,
            Self::Processing => 3,
            Self::Authorized => 4,
            Self::Cancelled => 5,
            Self::Declined => 6,
            Self::PartiallyCaptured => 7,
            Self::Captured => 8,
            Self::PartiallyRefunded => 9,
            Self::Refunded => 10,
        }
    }

    /// Applies a report's word. Callers that know amounts use [`Payment::merge`].
    ///
    /// Reports arrive doubled and out of order, so an older one moves nothing. Money that did arrive is never denied:
    /// a capture moves a payment that was given up or declined.
    ///
    /// # Errors
    /// [`IllegalMove`] for a refund of money that is not known to be ours: whoever keeps books by words alone would
    /// write a refund without its capture.
    pub const fn on(self, event: PaymentEvent) -> Result<Move, IllegalMove> {
        let next = event.status();
        let is_refund = matches!(event, PaymentEvent::PartiallyRefunded | PaymentEvent::Refunded);
        if is_refund && !self.has_moved_money() {
            return Err(IllegalMove { status: self, event });
        }
        if next.rank() > self.rank() { Ok(Move::To(next)) } else { Ok(Move::Stay) }
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Refused text for a [`PaymentStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a payment status")]
pub struct UnknownStatus;

impl FromStr for PaymentStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// What the local test provider is asked to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestMethod {
    /// Captured at once.
    Success,
    /// Declined at once.
    Decline,
    /// Waits for the payer to approve or reject.
    RequiresAction,
    /// Captured some seconds later, told by webhook.
    Late,
    /// Captured at once, but the answer never comes in time and no webhook tells.
    Timeout,
}

impl TestMethod {
    /// Every method.
    pub const ALL: [Self; 5] =
        [Self::Success, Self::Decline, Self::RequiresAction, Self::Late, Self::Timeout];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Decline => "decline",
            Self::RequiresAction => "requires_action",
            Self::Late => "late",
            Self::Timeout => "timeout",
        }
    }
}

impl FromStr for TestMethod {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use PaymentEvent as E;
    use PaymentStatus as S;

    use super::*;

    /// Rows: states in the order of `ALL`; columns: events in the order of theirs. `.` stays, `!` is illegal, else a
    /// letter of the next state: Processing, requires Action, authoriZed, captured in Part, Captured, Declined,
    /// cancelled (X), Unknown, refunded in part (f), reFunded.
    const TABLE: [&str; 11] = [
        "PAZpCDXU!!",
        "..ZpCDX.!!",
        "P.ZpCDX.!!",
        "...pCDX.!!",
        "....C...fF",
        "........fF",
        "...pC...!!",
        "...pCD..!!",
        "PAZpCDX.!!",
        ".........F",
        "..........",
    ];

    fn letter(result: Result<Move, IllegalMove>) -> char {
        match result {
            Err(_) => '!',
            Ok(Move::Stay) => '.',
            Ok(Move::To(S::Created)) => 'N',
            Ok(Move::To(S::Processing)) => 'P',
            Ok(Move::To(S::RequiresAction)) => 'A',
            Ok(Move::To(S::Authorized)) => 'Z',
            Ok(Move::To(S::PartiallyCaptured)) => 'p',
            Ok(Move::To(S::Captured)) => 'C',
            Ok(Move::To(S::Declined)) => 'D',
            Ok(Move::To(S::Cancelled)) => 'X',
            Ok(Move::To(S::Unknown)) => 'U',
            Ok(Move::To(S::PartiallyRefunded)) => 'f',
            Ok(Move::To(S::Refunded)) => 'F',
        }
    }

    #[test]
    fn every_state_answers_every_report_as_the_table_says() {
        for (status, row) in S::ALL.into_iter().zip(TABLE) {
            let got: String = E::ALL.into_iter().map(|event| letter(status.on(event))).collect();
            assert_eq!(got, row, "{status}");
        }
    }

    #[test]
    fn a_report_that_comes_twice_moves_once() {
        for status in S::ALL {
            for event in E::ALL {
                if let Ok(Move::To(next)) = status.on(event) {
                    assert_eq!(next.on(event), Ok(Move::Stay), "{status} {event:?}");
                }
            }
        }
    }

    #[test]
    fn no_report_takes_back_money_that_moved() {
        for status in S::ALL.into_iter().filter(|status| status.has_moved_money()) {
            for event in E::ALL {
                if let Ok(Move::To(next)) = status.on(event) {
                    assert!(next.has_moved_money(), "{status} {event:?}");
                }
            }
        }
    }

    #[test]
    fn words_read_back() {
        for status in S::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
        }
    }
}
