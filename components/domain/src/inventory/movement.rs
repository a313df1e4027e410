//! The ledger of stock: every change of a counter, with a word and a fixed effect.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{LocationId, OrderId, Quantity, Sku, TransferId};

/// Most pieces in one movement: a million, so that sums of movements stay far from 64 bits.
pub const PIECES_MAX: u32 = 1_000_000;

/// Refused number for [`Pieces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pieces are a whole number from 1 to 1000000")]
pub struct InvalidPieces;

/// How many pieces move at once: 1 to [`PIECES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Pieces(u32);

impl Pieces {
    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Pieces {
    type Error = InvalidPieces;

    fn try_from(number: u32) -> Result<Self, InvalidPieces> {
        if (1..=PIECES_MAX).contains(&number) { Ok(Self(number)) } else { Err(InvalidPieces) }
    }
}

impl From<Pieces> for u32 {
    fn from(pieces: Pieces) -> Self {
        pieces.0
    }
}

impl From<Quantity> for Pieces {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.get())
    }
}

/// What a movement adds to each counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effect {
    /// Change of pieces on hand.
    pub on_hand: i64,
    /// Change of pieces held.
    pub reserved: i64,
    /// Change of pieces incoming.
    pub incoming: i64,
    /// Change of pieces promised.
    pub backordered: i64,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal: $on_hand:literal, $reserved:literal, $incoming:literal, $backordered:literal;)*) => {
        /// What happened to pieces of a SKU at a location.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum MovementKind {
            $($(#[$doc])* $name,)*
        }

        impl MovementKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the word on the wire and in storage.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Returns what one piece adds to on hand, reserved, incoming and backordered.
            const fn signs(self) -> [i64; 4] {
                match self { $(Self::$name => [$on_hand, $reserved, $incoming, $backordered],)* }
            }
        }
    };
}

kinds! {
    /// Came in without having been expected.
    Received = "received": 1, 0, 0, 0;
    /// A count found more than was known. Has a reason.
    AdjustedUp = "adjusted_up": 1, 0, 0, 0;
    /// A count found fewer than were known. Has a reason.
    AdjustedDown = "adjusted_down": -1, 0, 0, 0;
    /// Held for an order.
    Reserved = "reserved": 0, 1, 0, 0;
    /// No longer held.
    Released = "released": 0, -1, 0, 0;
    /// Held before, and paid: out of the house as far as selling goes.
    Sold = "sold": -1, -1, 0, 0;
    /// Taken without a hold: paid after the hold ended.
    Retaken = "retaken": -1, 0, 0, 0;
    /// Left for another location.
    TransferredOut = "transferred_out": -1, 0, 0, 0;
    /// Arrived from another location, where it was incoming.
    TransferredIn = "transferred_in": 1, 0, -1, 0;
    /// Came back from a shopper.
    Returned = "returned": 1, 0, 0, 0;
    /// Back on the shelf without having left: its sale or transfer was called off.
    Restocked = "restocked": 1, 0, 0, 0;
    /// Taken out as worthless. Has a reason.
    WrittenOff = "written_off": -1, 0, 0, 0;
    /// Ordered from a supplier, or sent from another location.
    IncomingExpected = "incoming_expected": 0, 0, 1, 0;
    /// Came in as expected.
    IncomingArrived = "incoming_arrived": 1, 0, -1, 0;
    /// Will not come.
    IncomingCancelled = "incoming_cancelled": 0, 0, -1, 0;
    /// Promised to a shopper before it is there.
    Backordered = "backordered": 0, 0, 0, 1;
    /// No longer promised.
    BackorderCancelled = "backorder_cancelled": 0, 0, 0, -1;
    /// Promised before, there now, and held for its order.
    BackorderHeld = "backorder_held": 0, 1, 0, -1;
}

impl MovementKind {
    /// Tells whether a movement of this kind says why.
    #[must_use]
    pub const fn has_reason(self) -> bool {
        matches!(self, Self::AdjustedUp | Self::AdjustedDown | Self::WrittenOff)
    }

    /// Returns what so many pieces add to each counter.
    #[must_use]
    pub fn effect(self, pieces: Pieces) -> Effect {
        let [on_hand, reserved, incoming, backordered] =
            self.signs().map(|sign| i64::from(pieces.get()).saturating_mul(sign));
        Effect { on_hand, reserved, incoming, backordered }
    }
}

impl fmt::Display for MovementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MovementKind {
    type Err = InvalidMovement;

    fn from_str(text: &str) -> Result<Self, InvalidMovement> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or(InvalidMovement::UnknownKind)
    }
}

/// Why stock was adjusted or written off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementReason {
    /// Somebody counted.
    Count,
    /// An earlier movement was wrong.
    Correction,
    /// Broken.
    Damaged,
    /// Past its date.
    PastDate,
    /// Gone, nobody knows where; also what never arrived from a transfer.
    Lost,
    /// Given away as a sample.
    Sample,
    /// Stolen.
    Stolen,
}

impl MovementReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Count,
        Self::Correction,
        Self::Damaged,
        Self::PastDate,
        Self::Lost,
        Self::Sample,
        Self::Stolen,
    ];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Correction => "correction",
            Self::Damaged => "damaged",
            Self::PastDate => "past_date",
            Self::Lost => "lost",
            Self::Sample => "sample",
            Self::Stolen => "stolen",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What a movement belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Staff or an import.
    Staff,
    /// An order.
    Order(OrderId),
    /// A transfer.
    Transfer(TransferId),
}

/// Refused parts of a [`Movement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMovement {
    /// The kind needs a reason.
    #[error("{0} needs a reason")]
    ReasonMissing(MovementKind),
    /// The kind has no reason.
    #[error("{0} has no reason")]
    ReasonForeign(MovementKind),
    /// No kind has this word.
    #[error("not a kind of movement")]
    UnknownKind,
}

/// One entry of the stock ledger. Has a reason exactly when its kind asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Movement {
    sku: Sku,
    location: LocationId,
    kind: MovementKind,
    pieces: Pieces,
    reason: Option<MovementReason>,
    cause: Cause,
}

#[derive(Serialize, Deserialize)]
struct Parts {
    sku: Sku,
    location: LocationId,
    kind: MovementKind,
    pieces: Pieces,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<MovementReason>,
    cause: Cause,
}

impl TryFrom<Parts> for Movement {
    type Error = InvalidMovement;

    fn try_from(parts: Parts) -> Result<Self, InvalidMovement> {
        let Parts { sku, location, kind, pieces, reason, cause } = parts;
        Self::new(kind, reason, (&sku, location), pieces, cause)
    }
}

impl From<Movement> for Parts {
    fn from(movement: Movement) -> Self {
        let Movement { sku, location, kind, pieces, reason, cause } = movement;
        Self { sku, location, kind, pieces, reason, cause }
    }
}

impl Movement {
    /// Makes an entry for pieces of a SKU at a location.
    ///
    /// # Errors
    /// [`InvalidMovement`] when a reason is missing, or given to a kind that has none.
    pub fn new(
        kind: MovementKind,
        reason: Option<MovementReason>,
        (sku, location): (&Sku, LocationId),
        pieces: Pieces,
        cause: Cause,
    ) -> Result<Self, InvalidMovement> {
        match (kind.has_reason(), reason) {
            (true, None) => Err(InvalidMovement::ReasonMissing(kind)),
            (false, Some(_)) => Err(InvalidMovement::ReasonForeign(kind)),
            (true, Some(_)) | (false, None) => {
                Ok(Self { sku: sku.clone(), location, kind, pieces, reason, cause })
            }
        }
    }

    /// Returns of what.
    #[must_use]
    pub const fn sku(&self) -> &Sku {
        &self.sku
    }

    /// Returns where.
    #[must_use]
    pub const fn location(&self) -> LocationId {
        self.location
    }

    /// Returns what happened.
    #[must_use]
    pub const fn kind(&self) -> MovementKind {
        self.kind
    }

    /// Returns how many.
    #[must_use]
    pub const fn pieces(&self) -> Pieces {
        self.pieces
    }

    /// Returns why, for the kinds that say it.
    #[must_use]
    pub const fn reason(&self) -> Option<MovementReason> {
        self.reason
    }

    /// Returns what it belongs to.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns what it adds to each counter.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.kind.effect(self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Counter, Counters, MovementRefused};

    /// Rows of [`MovementKind::ALL`]: what each does to on hand, reserved, incoming, backordered.
    const TABLE: [(&str, &str); 18] = [
        ("received", "+..."),
        ("adjusted_up", "+..."),
        ("adjusted_down", "-..."),
        ("reserved", ".+.."),
        ("released", ".-.."),
        ("sold", "--.."),
        ("retaken", "-..."),
        ("transferred_out", "-..."),
        ("transferred_in", "+.-."),
        ("returned", "+..."),
        ("restocked", "+..."),
        ("written_off", "-..."),
        ("incoming_expected", "..+."),
        ("incoming_arrived", "+.-."),
        ("incoming_cancelled", "..-."),
        ("backordered", "...+"),
        ("backorder_cancelled", "...-"),
        ("backorder_held", ".+.-"),
    ];

    fn pieces(count: u32) -> Pieces {
        Pieces::try_from(count).unwrap()
    }

    #[test]
    fn every_kind_moves_the_counters_as_the_table_says() {
        let kinds: Vec<_> = MovementKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(kinds, TABLE.map(|(word, _)| word));
        for (kind, (word, row)) in MovementKind::ALL.iter().zip(TABLE) {
            let effect = kind.effect(pieces(3));
            let got: String =
                [effect.on_hand, effect.reserved, effect.incoming, effect.backordered]
                    .map(|change| match change {
                        3 => '+',
                        -3 => '-',
                        0 => '.',
                        _ => '?',
                    })
                    .iter()
                    .collect();
            assert_eq!(got, row, "{word}");
            assert_eq!(word.parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
        }
    }

    #[test]
    fn no_kind_leaves_a_counter_below_zero_or_holds_more_than_there_is() {
        let start = Counters { on_hand: 2, reserved: 1, incoming: 1, backordered: 1 };
        for kind in MovementKind::ALL {
            let effect = kind.effect(pieces(5));
            let expected = match () {
                () if effect.on_hand < 0 => {
                    Some(MovementRefused::TooFew { counter: Counter::OnHand, held: 2 })
                }
                () if effect.reserved < 0 => {
                    Some(MovementRefused::TooFew { counter: Counter::Reserved, held: 1 })
                }
                () if effect.incoming < 0 => {
                    Some(MovementRefused::TooFew { counter: Counter::Incoming, held: 1 })
                }
                () if effect.backordered < 0 => {
                    Some(MovementRefused::TooFew { counter: Counter::Backordered, held: 1 })
                }
                () if effect.reserved > 0 => {
                    Some(MovementRefused::HeldForOrders { on_hand: 2, reserved: 1 })
                }
                () => None,
            };
            assert_eq!(start.after(effect).err(), expected, "{kind}");
        }
        let write_off = MovementKind::WrittenOff.effect(pieces(2));
        let held = Err(MovementRefused::HeldForOrders { on_hand: 2, reserved: 1 });
        assert_eq!(start.after(write_off), held);
    }

    #[test]
    fn reasons_have_one_word_on_the_wire_and_in_storage() {
        for reason in MovementReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(MovementReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(MovementReason::parse("because"), None);
    }

    #[test]
    fn a_reason_is_given_exactly_where_one_is_asked_for() {
        let (sku, location) = ("A".parse().unwrap(), LocationId::v4([1; 16]));
        for &kind in MovementKind::ALL {
            for reason in [None, Some(MovementReason::Count)] {
                let made = Movement::new(kind, reason, (&sku, location), pieces(1), Cause::Staff);
                assert_eq!(made.is_ok(), kind.has_reason() == reason.is_some(), "{kind}");
                if let Ok(movement) = made {
                    let text = serde_json::to_string(&movement).unwrap();
                    assert_eq!(serde_json::from_str::<Movement>(&text).unwrap(), movement);
                }
            }
        }
        let bare = r#"{"sku":"A","location":"01010101-0101-4101-8101-010101010101","kind":"written_off","pieces":1,"cause":"staff"}"#;
        assert!(serde_json::from_str::<Movement>(bare).is_err());
    }
}
