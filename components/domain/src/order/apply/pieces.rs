//! Pieces whose sale is undone, one by one: those that come back, and those that are called off.

use super::Work;
use super::parcels::{bounded, distinct};
use crate::inventory::MovementKind;
use crate::order::effect::Refused;
use crate::order::flow::{Bucket, share};
use crate::order::refund::RefundReason;
use crate::order::state::{OrderLine, pieces_of};
use crate::order::step::PiecesOf;
use crate::order::timeline::Happening;
use crate::{LineId, Money, RefundId, ReturnId};

impl Work {
    pub(super) fn cancel_pieces(
        &mut self,
        lines: &[PiecesOf],
        refund: RefundId,
    ) -> Result<(), Refused> {
        let max = self.state.cancellable_together();
        if max == 0 || self.state.lines.iter().all(|line| self.state.cancellable(line.id) == 0) {
            return self.out_of_turn("cancel_pieces");
        }
        distinct(lines.iter().map(|own| own.line))?;
        for own in lines {
            bounded(own.line, own.pieces, self.state.cancellable(own.line).min(max))?;
        }
        if lines.iter().map(|own| own.pieces).fold(0, u32::saturating_add) > max {
            return Err(Refused::LastPiece { max });
        }
        let worth = self.worth_of(lines)?;
        for own in lines {
            self.drop_pieces(own.line, own.pieces)?;
            self.record(Happening::PiecesCancelled { line: own.line, pieces: own.pieces });
        }
        let why = (RefundReason::Cancelled, None);
        self.undo_sale(refund, why, worth, self.money(0))?;
        Ok(())
    }

    /// Takes pieces from the sources of a line: promised ones first, then those that are not packed.
    fn drop_pieces(&mut self, id: LineId, pieces: u32) -> Result<(), Refused> {
        let Some(place) = self.state.lines.iter().position(|line| line.id == id) else {
            return Err(Refused::NotFound);
        };
        let Some(mut line) = self.state.lines.get(place).cloned() else {
            return Err(Refused::NotFound);
        };
        let sku = line.sku.clone();
        let mut left = pieces;
        for source in &mut line.sources {
            let dropped = left.min(source.promised);
            source.promised = source.promised.saturating_sub(dropped);
            left = left.saturating_sub(dropped);
            self.stock(MovementKind::BackorderCancelled, (&sku, source.location), dropped)?;
        }
        for source in &mut line.sources {
            let dropped = left.min(self.state.shippable(id, source.location));
            source.secured = source.secured.saturating_sub(dropped);
            left = left.saturating_sub(dropped);
            self.stock(MovementKind::Restocked, (&sku, source.location), dropped)?;
        }
        line.cancelled = line.cancelled.saturating_add(pieces);
        if let Some(slot) = self.state.lines.get_mut(place) {
            *slot = line;
        }
        Ok(())
    }

    /// Returns what the pieces cost, line by line of the order: the price of a line shared over its pieces by largest
    /// remainder, in the order in which pieces come back or are called off, so that all pieces together cost what the line did.
    pub(super) fn worth_of(&self, lines: &[PiecesOf]) -> Result<Vec<Money>, Refused> {
        let worth = |line: &OrderLine| -> Result<Money, Refused> {
            let pieces = pieces_of(lines, line.id);
            let count = usize::try_from(line.quantity.get()).unwrap_or(usize::MAX);
            let shares = line.flow.price()?.total()?.allocate(&vec![1; count])?;
            let before =
                usize::try_from(self.state.returned(line.id).saturating_add(line.cancelled))
                    .unwrap_or(usize::MAX);
            let now = usize::try_from(pieces).unwrap_or(usize::MAX);
            Ok(Money::sum(self.state.currency, shares.into_iter().skip(before).take(now))?)
        };
        self.state.lines.iter().map(worth).collect()
    }

    /// Gives back what pieces cost as far as it was paid, and asks for the rest no more.
    pub(super) fn undo_sale(
        &mut self,
        refund: RefundId,
        (reason, for_return): (RefundReason, Option<ReturnId>),
        worth: Vec<Money>,
        shipping: Money,
    ) -> Result<Option<RefundId>, Refused> {
        let mut amounts = Vec::with_capacity(worth.len());
        for (line, own) in self.state.lines.iter_mut().zip(worth) {
            let paid = line.flow.captured.total()?;
            let back = Money::new(own.minor.min(paid.minor), own.currency);
            let unpaid = own.checked_sub(back)?.minor.min(line.flow.open.total()?.minor);
            line.flow.shift(Bucket::Open, Bucket::Released, Money::new(unpaid, own.currency))?;
            amounts.push(back);
        }
        self.let_go_if_paid()?;
        // A payer's bank may have taken money back: nobody gets it twice.
        let most = self.state.refundable()?.checked_sub(shipping)?;
        let asked = Money::sum(self.state.currency, amounts.iter().copied())?;
        if asked.minor > most.minor {
            amounts = share(most, &amounts)?;
        }
        amounts.push(shipping);
        if amounts.iter().all(|amount| amount.minor == 0) {
            return Ok(None);
        }
        self.give_back(refund, reason, for_return, &amounts)?;
        Ok(Some(refund))
    }
}
