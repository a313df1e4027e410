//! What happened to an order, for people to read: typed, and without personal data. Notes are kept apart from it.

use serde::{Deserialize, Serialize};

use super::step::CancelReason;
use crate::{
    FulfilmentId, LineId, Money, NoteId, RefundId, ReturnId, StaffKeyId, Timestamp, UserId,
};

/// Longest [`NoteText`], in characters: 2 000.
pub const NOTE_CHARS_MAX: usize = 2_000;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The one who ordered.
    Shopper,
    /// Somebody of the shop.
    Staff(UserId),
    /// A program of the merchant, by its key.
    Program(StaffKeyId),
    /// The payment provider.
    Provider,
    /// The shop's own jobs.
    System,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// The order was placed.
    Placed,
    /// Money is held for it.
    Authorized {
        /// How much.
        amount: Money,
    },
    /// Money was taken.
    Captured {
        /// How much.
        amount: Money,
    },
    /// Held money was let go.
    Voided {
        /// How much.
        amount: Money,
    },
    /// The payment came to nothing.
    PaymentFailed,
    /// The order was accepted.
    Confirmed,
    /// The hold ran out.
    Expired,
    /// Paid after its end, and its stock was taken again.
    Retaken,
    /// Called off.
    Cancelled {
        /// Why.
        reason: CancelReason,
    },
    /// Pieces were called off.
    PiecesCancelled {
        /// Of which line.
        line: LineId,
        /// How many.
        pieces: u32,
    },
    /// Promised pieces are there.
    BackorderFilled {
        /// Of which line.
        line: LineId,
        /// How many.
        pieces: u32,
    },
    /// A parcel is being packed.
    FulfilmentCreated {
        /// Which.
        fulfilment: FulfilmentId,
    },
    /// A parcel left. Its tracking is the fulfilment's.
    Shipped {
        /// Which.
        fulfilment: FulfilmentId,
    },
    /// A parcel arrived.
    Delivered {
        /// Which.
        fulfilment: FulfilmentId,
    },
    /// A parcel was unpacked again.
    FulfilmentCancelled {
        /// Which.
        fulfilment: FulfilmentId,
    },
    /// The shopper wants to send something back.
    ReturnRequested {
        /// Which return.
        id: ReturnId,
    },
    /// The shop agreed.
    ReturnApproved {
        /// Which return.
        id: ReturnId,
    },
    /// The shop did not agree.
    ReturnRejected {
        /// Which return.
        id: ReturnId,
    },
    /// It came back.
    ReturnReceived {
        /// Which return.
        id: ReturnId,
    },
    /// Nothing will come back.
    ReturnCancelled {
        /// Which return.
        id: ReturnId,
    },
    /// Money is on its way back.
    RefundRequested {
        /// Which refund.
        id: RefundId,
        /// How much.
        amount: Money,
    },
    /// The money is back.
    RefundSucceeded {
        /// Which refund.
        id: RefundId,
    },
    /// The money could not be given back.
    RefundFailed {
        /// Which refund.
        id: RefundId,
    },
    /// The payer's bank took money back.
    ChargedBack {
        /// How much.
        amount: Money,
    },
    /// The payer's bank returned what it took.
    ChargebackWon {
        /// How much.
        amount: Money,
    },
    /// All is shipped and paid.
    Completed,
    /// Somebody wrote a note.
    NoteAdded {
        /// Which.
        note: NoteId,
    },
}

/// One entry of an order's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    #[serde(flatten)]
    pub happening: Happening,
}

/// Refused text of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a note is 1 to 2000 characters without control characters")]
pub struct InvalidNote;

/// The text of a note: 1 to [`NOTE_CHARS_MAX`] characters, trimmed; line breaks are kept, other controls refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoteText(String);

impl NoteText {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for NoteText {
    /// Hides the text: notes hold what people write about people.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NoteText({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for NoteText {
    type Error = InvalidNote;

    fn try_from(text: String) -> Result<Self, InvalidNote> {
        let text = text.trim();
        let is_clean = text.chars().all(|own| own == '\n' || !own.is_control());
        if text.is_empty() || text.chars().count() > NOTE_CHARS_MAX || !is_clean {
            return Err(InvalidNote);
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<NoteText> for String {
    fn from(text: NoteText) -> Self {
        text.0
    }
}

/// Who may read a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteAudience {
    /// The shop's people only.
    Staff,
    /// The one who ordered, too.
    Shopper,
}

/// A note on an order. The timeline names it and does not repeat it, so that forgetting a person leaves the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its name.
    pub id: NoteId,
    /// When it was written.
    pub at: Timestamp,
    /// By whom.
    pub author: Actor,
    /// Who may read it.
    pub audience: NoteAudience,
    /// What it says.
    pub text: NoteText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_trimmed_bounded_and_not_shown_by_debug() {
        let note = NoteText::try_from("  call Ms Weber\nat noon ".to_owned()).unwrap();
        assert_eq!(note.as_str(), "call Ms Weber\nat noon");
        assert!(!format!("{note:?}").contains("Weber"));
        let long = "é".repeat(NOTE_CHARS_MAX);
        assert!(NoteText::try_from(long.clone()).is_ok());
        for bad in [String::new(), " \n ".to_owned(), "a\u{7}".to_owned(), long + "é"] {
            assert_eq!(NoteText::try_from(bad), Err(InvalidNote));
        }
    }

    #[test]
    fn an_entry_is_one_flat_object() {
        let entry = TimelineEntry {
            at: Timestamp::from_unix_ms(0),
            actor: Actor::Provider,
            happening: Happening::Captured { amount: Money::new(5, crate::Currency::Jpy) },
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            text,
            r#"{"at":"1970-01-01T00:00:00.000Z","actor":"provider","kind":"captured","amount":{"minor":5,"currency":"JPY"}}"#
        );
        assert_eq!(serde_json::from_str::<TimelineEntry>(&text).unwrap(), entry);
    }
}
