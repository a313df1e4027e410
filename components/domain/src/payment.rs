//! The payment of an order: its states, what is reported about it, and which report may move it.
//!
//! The return path of a checkout, the provider's webhook and the reconciler all report through
//! [`PaymentStatus::on`], so whoever comes second finds nothing left to do.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

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
    /// The money is ours.
    Captured,
    /// The provider refused.
    Declined,
    /// Given up before any money moved.
    Cancelled,
    /// The provider did not answer; the reconciler will find out.
    Unknown,
    /// The money went back.
    Refunded,
}

/// What somebody reports about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentEvent {
    /// The provider works on it.
    Processing,
    /// The payer must approve.
    RequiresAction,
    /// The provider took the money.
    Captured,
    /// The provider refused.
    Declined,
    /// The provider gave it up.
    Cancelled,
    /// No answer in time.
    TimedOut,
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

impl PaymentStatus {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Processing,
        Self::RequiresAction,
        Self::Captured,
        Self::Declined,
        Self::Cancelled,
        Self::Unknown,
        Self::Refunded,
    ];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::Refunded => "refunded",
        }
    }

    /// Tells whether no report is expected any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Captured | Self::Declined | Self::Cancelled | Self::Refunded)
    }

    /// Applies a report.
    ///
    /// Reports arrive doubled and out of order, so an older one moves nothing. Money that did arrive is never denied:
    /// a capture moves a payment that was given up.
    ///
    /// # Errors
    /// [`IllegalMove`] when the report contradicts a final state.
    pub const fn on(self, event: PaymentEvent) -> Result<Move, IllegalMove> {
        use PaymentEvent as E;
        let next = match (self, event) {
            (Self::Created | Self::Unknown, E::Processing)
            | (Self::RequiresAction, E::Processing) => Self::Processing,
            (Self::Created | Self::Unknown, E::RequiresAction) => Self::RequiresAction,
            (Self::Created, E::TimedOut) => Self::Unknown,
            (
                Self::Created
                | Self::Unknown
                | Self::Processing
                | Self::RequiresAction
                | Self::Cancelled,
                E::Captured,
            ) => Self::Captured,
            (
                Self::Created | Self::Unknown | Self::Processing | Self::RequiresAction,
                E::Declined,
            ) => Self::Declined,
            (
                Self::Created | Self::Unknown | Self::Processing | Self::RequiresAction,
                E::Cancelled,
            ) => Self::Cancelled,
            (Self::Captured, E::Refunded) => Self::Refunded,
            (_, E::Processing | E::RequiresAction | E::TimedOut)
            | (Self::Captured | Self::Refunded, E::Captured)
            | (Self::Declined, E::Declined)
            | (Self::Cancelled | Self::Declined, E::Cancelled)
            | (Self::Refunded, E::Refunded) => return Ok(Move::Stay),
            (Self::Declined, E::Captured)
            | (Self::Captured | Self::Refunded | Self::Cancelled, E::Declined)
            | (Self::Captured | Self::Refunded, E::Cancelled)
            | (
                Self::Created
                | Self::Unknown
                | Self::Processing
                | Self::RequiresAction
                | Self::Declined
                | Self::Cancelled,
                E::Refunded,
            ) => return Err(IllegalMove { status: self, event }),
        };
        Ok(Move::To(next))
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

    const EVENTS: [E; 7] = [
        E::Processing,
        E::RequiresAction,
        E::Captured,
        E::Declined,
        E::Cancelled,
        E::TimedOut,
        E::Refunded,
    ];

    /// Rows: states in the order of `ALL`; columns: `EVENTS`. `.` stays, `!` is illegal, else the first letter of the
    /// next state (`U` for unknown, `A` for requires action, `F` for refunded, `X` for cancelled).
    const TABLE: [&str; 8] =
        ["PACDXU!", "..CDX.!", "P.CDX.!", "...!!.F", "..!...!", "..C!..!", "PACDX.!", "...!!.."];

    fn letter(result: Result<Move, IllegalMove>) -> char {
        match result {
            Err(_) => '!',
            Ok(Move::Stay) => '.',
            Ok(Move::To(S::Created)) => 'N',
            Ok(Move::To(S::Processing)) => 'P',
            Ok(Move::To(S::RequiresAction)) => 'A',
            Ok(Move::To(S::Captured)) => 'C',
            Ok(Move::To(S::Declined)) => 'D',
            Ok(Move::To(S::Cancelled)) => 'X',
            Ok(Move::To(S::Unknown)) => 'U',
            Ok(Move::To(S::Refunded)) => 'F',
        }
    }

    #[test]
    fn every_state_answers_every_report_as_the_table_says() {
        for (status, row) in S::ALL.into_iter().zip(TABLE) {
            let got: String = EVENTS.into_iter().map(|event| letter(status.on(event))).collect();
            assert_eq!(got, row, "{status}");
        }
    }

    #[test]
    fn a_report_that_comes_twice_moves_once() {
        for status in S::ALL {
            for event in EVENTS {
                if let Ok(Move::To(next)) = status.on(event) {
                    assert_eq!(next.on(event), Ok(Move::Stay), "{status} {event:?}");
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
