//! Moving stock between two locations: draft, in transit, received in parts, or called off.
//!
//! No piece is lost silently: what was sent is at any time under way, received, written off or back.

use serde::{Deserialize, Serialize};

use super::{Cause, Movement, MovementKind, MovementReason, Pieces};
use crate::{ErrorKind, LocationId, Sku, TransferId};

/// Most lines of one transfer: 500, so that one transfer is one small transaction.
pub const TRANSFER_LINES_MAX: usize = 500;

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStatus {
    /// Being put together; nothing moved.
    Draft,
    /// Sent; not all of it has been accounted for.
    InTransit,
    /// All accounted for: received, or written off as lost.
    Received,
    /// Called off: what had not arrived is back where it came from.
    Cancelled,
}

impl TransferStatus {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Draft, Self::InTransit, Self::Received, Self::Cancelled];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InTransit => "in_transit",
            Self::Received => "received",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// One SKU of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLine {
    /// What.
    pub sku: Sku,
    /// Pieces to send, or sent.
    pub sent: Pieces,
    /// Pieces that arrived.
    #[serde(default)]
    pub received: u32,
    /// Pieces that were written off as lost.
    #[serde(default)]
    pub lost: u32,
}

impl TransferLine {
    /// Makes a line of which nothing has arrived.
    #[must_use]
    pub const fn new(sku: Sku, sent: Pieces) -> Self {
        Self { sku, sent, received: 0, lost: 0 }
    }

    /// Returns the pieces that are not accounted for.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.sent.get().saturating_sub(self.received).saturating_sub(self.lost)
    }
}

/// Pieces that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What.
    pub sku: Sku,
    /// How many.
    pub pieces: Pieces,
}

/// What is done to a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum TransferCommand {
    /// Puts other lines in a draft.
    Edit {
        /// The lines; one per SKU.
        lines: Vec<Receipt>,
    },
    /// Sends it.
    Dispatch,
    /// Takes in what arrived; the rest stays under way.
    Receive {
        /// What arrived; one entry per SKU.
        lines: Vec<Receipt>,
    },
    /// Writes off all that has not arrived.
    WriteOffRest,
    /// Calls it off: a draft is dropped, what is under way goes back.
    Cancel,
}

/// A step that may be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStep {
    /// [`TransferCommand::Edit`].
    Edit,
    /// [`TransferCommand::Dispatch`].
    Dispatch,
    /// [`TransferCommand::Receive`].
    Receive,
    /// [`TransferCommand::WriteOffRest`].
    WriteOffRest,
    /// [`TransferCommand::Cancel`].
    Cancel,
}

impl TransferCommand {
    /// Returns which step this is.
    #[must_use]
    pub const fn step(&self) -> TransferStep {
        match self {
            Self::Edit { .. } => TransferStep::Edit,
            Self::Dispatch => TransferStep::Dispatch,
            Self::Receive { .. } => TransferStep::Receive,
            Self::WriteOffRest => TransferStep::WriteOffRest,
            Self::Cancel => TransferStep::Cancel,
        }
    }
}

/// Why a step was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefused {
    /// The step does not fit where the transfer stands.
    #[error("{step:?} cannot follow {status:?}")]
    OutOfTurn {
        /// Where it stands.
        status: TransferStatus,
        /// What was asked.
        step: TransferStep,
    },
    /// Source and destination are one.
    #[error("source and destination are one location")]
    SamePlace,
    /// No lines, too many, or two of one SKU.
    #[error("a transfer has 1 to 500 lines of different SKUs")]
    InvalidLines,
    /// More arrived than is under way; the surplus is received on its own.
    #[error("{open} of {sku} are under way")]
    TooMany {
        /// What.
        sku: Sku,
        /// Pieces not accounted for.
        open: u32,
    },
}

impl TransferRefused {
    /// Returns the family of the refusal.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfTurn { .. } => ErrorKind::Conflict,
            Self::SamePlace | Self::InvalidLines | Self::TooMany { .. } => ErrorKind::InvalidInput,
        }
    }
}

/// Stock on its way from one location to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// Where it comes from.
    pub from: LocationId,
    /// Where it goes.
    pub to: LocationId,
    /// Where it stands.
    pub status: TransferStatus,
    /// What it carries.
    pub lines: Vec<TransferLine>,
}

impl Transfer {
    /// Starts a draft.
    ///
    /// # Errors
    /// [`TransferRefused::SamePlace`] and [`TransferRefused::InvalidLines`].
    pub fn draft(
        id: TransferId,
        from: LocationId,
        to: LocationId,
        lines: &[Receipt],
    ) -> Result<Self, TransferRefused> {
        if from == to {
            return Err(TransferRefused::SamePlace);
        }
        let lines = checked(lines)?;
        Ok(Self { id, from, to, status: TransferStatus::Draft, lines })
    }

    /// Returns the steps that [`Transfer::apply`] accepts now.
    #[must_use]
    pub fn next_steps(&self) -> &'static [TransferStep] {
        match self.status {
            TransferStatus::Draft => {
                &[TransferStep::Edit, TransferStep::Dispatch, TransferStep::Cancel]
            }
            TransferStatus::InTransit => {
                &[TransferStep::Receive, TransferStep::WriteOffRest, TransferStep::Cancel]
            }
            TransferStatus::Received | TransferStatus::Cancelled => &[],
        }
    }

    /// Takes a step: returns the transfer as it is then, and what the stock ledger has to record with it.
    ///
    /// The source may not have the pieces: then the movements of a dispatch are refused by its counters, and nothing
    /// of the step may be kept.
    ///
    /// # Errors
    /// [`TransferRefused`].
    pub fn apply(
        &self,
        command: &TransferCommand,
    ) -> Result<(Self, Vec<Movement>), TransferRefused> {
        use MovementKind as K;
        let mut next = self.clone();
        let mut moved = Vec::new();
        match (self.status, command) {
            (TransferStatus::Draft, TransferCommand::Edit { lines }) => {
                next.lines = checked(lines)?
            }
            (TransferStatus::Draft, TransferCommand::Dispatch) => {
                for line in &self.lines {
                    let sent = line.sent.get();
                    moved.extend(self.movement(K::TransferredOut, self.from, &line.sku, sent));
                    moved.extend(self.movement(K::IncomingExpected, self.to, &line.sku, sent));
                }
                next.status = TransferStatus::InTransit;
            }
            (TransferStatus::Draft, TransferCommand::Cancel) => {
                next.status = TransferStatus::Cancelled;
            }
            (TransferStatus::InTransit, TransferCommand::Receive { lines }) => {
                moved = next.receive(lines)?;
            }
            (TransferStatus::InTransit, TransferCommand::WriteOffRest) => {
                for line in &mut next.lines {
                    let open = line.open();
                    moved.extend(self.movement(K::TransferredIn, self.to, &line.sku, open));
                    moved.extend(self.movement(K::WrittenOff, self.to, &line.sku, open));
                    line.lost = line.lost.saturating_add(open);
                }
                next.status = TransferStatus::Received;
            }
            (TransferStatus::InTransit, TransferCommand::Cancel) => {
                for line in &self.lines {
                    let open = line.open();
                    moved.extend(self.movement(K::IncomingCancelled, self.to, &line.sku, open));
                    moved.extend(self.movement(K::Restocked, self.from, &line.sku, open));
                }
                next.status = TransferStatus::Cancelled;
            }
            (status, command) => {
                return Err(TransferRefused::OutOfTurn { status, step: command.step() });
            }
        }
        Ok((next, moved))
    }

    fn receive(&mut self, arrived: &[Receipt]) -> Result<Vec<Movement>, TransferRefused> {
        let mut moved = Vec::new();
        for receipt in &checked(arrived)? {
            let (sku, pieces) = (&receipt.sku, receipt.sent.get());
            let line = self.lines.iter_mut().find(|line| &line.sku == sku);
            let open = line.as_ref().map_or(0, |line| line.open());
            let Some(line) = line.filter(|_| pieces <= open) else {
                return Err(TransferRefused::TooMany { sku: sku.clone(), open });
            };
            line.received = line.received.saturating_add(pieces);
            moved.extend(self.movement(MovementKind::TransferredIn, self.to, sku, pieces));
        }
        if self.lines.iter().all(|line| line.open() == 0) {
            self.status = TransferStatus::Received;
        }
        Ok(moved)
    }

    /// Makes an entry of the stock ledger; none for no pieces.
    fn movement(
        &self,
        kind: MovementKind,
        at: LocationId,
        sku: &Sku,
        pieces: u32,
    ) -> Option<Movement> {
        let pieces = Pieces::try_from(pieces).ok()?;
        let reason = kind.has_reason().then_some(MovementReason::Lost);
        Movement::new(kind, reason, (sku, at), pieces, Cause::Transfer(self.id)).ok()
    }
}

/// Takes lines of different SKUs, at least one and not too many.
fn checked(lines: &[Receipt]) -> Result<Vec<TransferLine>, TransferRefused> {
    let mut skus: Vec<&Sku> = lines.iter().map(|line| &line.sku).collect();
    skus.sort();
    skus.dedup();
    if skus.is_empty() || skus.len() != lines.len() || lines.len() > TRANSFER_LINES_MAX {
        return Err(TransferRefused::InvalidLines);
    }
    Ok(lines.iter().map(|line| TransferLine::new(line.sku.clone(), line.pieces)).collect())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test's numbers are small")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::inventory::{Counters, StockKey, prove};

    fn place(seed: u8) -> LocationId {
        LocationId::v4([seed; 16])
    }

    fn receipt((sku, pieces): (&str, u32)) -> Receipt {
        Receipt { sku: sku.parse().unwrap(), pieces: pieces.try_into().unwrap() }
    }

    fn draft(lines: &[(&str, u32)]) -> Result<Transfer, TransferRefused> {
        let lines: Vec<_> = lines.iter().copied().map(receipt).collect();
        Transfer::draft(TransferId::v4([9; 16]), place(1), place(2), &lines)
    }

    fn commands() -> [TransferCommand; 5] {
        [
            TransferCommand::Edit { lines: vec![receipt(("A", 3))] },
            TransferCommand::Dispatch,
            TransferCommand::Receive { lines: vec![receipt(("A", 1))] },
            TransferCommand::WriteOffRest,
            TransferCommand::Cancel,
        ]
    }

    #[test]
    fn every_state_accepts_exactly_the_steps_that_it_shows() {
        for status in TransferStatus::ALL {
            let transfer = Transfer { status, ..draft(&[("A", 3)]).unwrap() };
            for command in commands() {
                let is_shown = transfer.next_steps().contains(&command.step());
                assert_eq!(transfer.apply(&command).is_ok(), is_shown, "{status:?} {command:?}");
            }
        }
    }

    #[test]
    fn states_have_one_word_on_the_wire_and_in_storage() {
        for status in TransferStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(TransferStatus::parse(status.as_str()), Some(status));
        }
    }

    #[test]
    fn lines_are_of_different_skus_and_the_places_are_two() {
        assert_eq!(draft(&[]), Err(TransferRefused::InvalidLines));
        assert_eq!(draft(&[("A", 1), ("A", 2)]), Err(TransferRefused::InvalidLines));
        let same = Transfer::draft(TransferId::v4([9; 16]), place(1), place(1), &[]);
        assert_eq!(same, Err(TransferRefused::SamePlace));
    }

    #[test]
    fn a_receipt_takes_no_more_than_is_under_way_and_the_last_one_ends_the_transfer() {
        let (sent, _) =
            draft(&[("A", 3), ("B", 1)]).unwrap().apply(&TransferCommand::Dispatch).unwrap();
        let receive = |transfer: &Transfer, lines: &[(&str, u32)]| {
            let lines = lines.iter().copied().map(receipt).collect();
            transfer.apply(&TransferCommand::Receive { lines })
        };
        let (part, moved) = receive(&sent, &[("A", 2)]).unwrap();
        assert_eq!((part.status, moved.len()), (TransferStatus::InTransit, 1));
        let too_many = TransferRefused::TooMany { sku: "A".parse().unwrap(), open: 1 };
        assert_eq!(receive(&part, &[("A", 2)]), Err(too_many));
        let foreign = TransferRefused::TooMany { sku: "C".parse().unwrap(), open: 0 };
        assert_eq!(receive(&part, &[("C", 1)]), Err(foreign));
        let (all, _) = receive(&part, &[("A", 1), ("B", 1)]).unwrap();
        assert_eq!(all.status, TransferStatus::Received);
    }

    proptest! {
        #[test]
        fn no_piece_is_lost_silently(sent in 1_u32..20, steps in prop::collection::vec((0_u8..10, 1_u32..8), 1..12)) {
            let seed = Movement::new(MovementKind::Received, None, (&"A".parse().unwrap(), place(1)), 20.try_into().unwrap(), Cause::Staff).unwrap();
            let mut ledger = vec![seed];
            let mut transfer = draft(&[("A", sent)]).unwrap();
            for (kind, pieces) in steps {
                let command = match kind {
                    0..=2 => TransferCommand::Dispatch,
                    3..=7 => TransferCommand::Receive { lines: vec![receipt(("A", pieces))] },
                    8 => TransferCommand::WriteOffRest,
                    _ => TransferCommand::Cancel,
                };
                if let Ok((next, moved)) = transfer.apply(&command) {
                    transfer = next;
                    ledger.extend(moved);
                }
            }
            let line = &transfer.lines[0];
            let at = |location| (location, "A".parse().unwrap());
            let (received, lost, open) = (i64::from(line.received), i64::from(line.lost), i64::from(line.open()));
            let (gone, incoming) = match transfer.status {
                TransferStatus::Draft => (0, 0),
                TransferStatus::InTransit => (i64::from(sent), open),
                TransferStatus::Received => { prop_assert_eq!(open, 0); (received + lost, 0) }
                TransferStatus::Cancelled => (received + lost, 0),
            };
            let expected: BTreeMap<StockKey, Counters> = [
                (at(place(1)), Counters { on_hand: 20 - gone, ..Counters::default() }),
                (at(place(2)), Counters { on_hand: received, incoming, ..Counters::default() }),
            ].into();
            prop_assert_eq!(prove(&ledger, &expected), Ok(vec![]));
        }
    }
}
