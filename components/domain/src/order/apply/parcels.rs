//! Steps of parcels and returns.

use super::Work;
use crate::inventory::MovementKind;
use crate::order::OrderStatus;
use crate::order::effect::Refused;
use crate::order::offer::{FULFILMENTS_MAX, RETURNS_MAX};
use crate::order::parcel::{
    Fulfilment, FulfilmentStatus, Return, ReturnLine, ReturnStatus, Tracking,
};
use crate::order::refund::RefundReason;
use crate::order::step::{Command, PiecesOf, ReceivedPieces, ReturnWish};
use crate::order::timeline::Happening;
use crate::{FulfilmentId, LineId, LocationId, Money, RefundId, ReturnId};

/// Refuses no lines, or a line twice.
pub(super) fn distinct(lines: impl Iterator<Item = LineId>) -> Result<(), Refused> {
    let mut ids: Vec<LineId> = lines.collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    if count == 0 || ids.len() != count { Err(Refused::InvalidLines) } else { Ok(()) }
}

/// Refuses pieces outside 1 to `max`.
pub(super) fn bounded(line: LineId, pieces: u32, max: u32) -> Result<(), Refused> {
    if (1..=max).contains(&pieces) { Ok(()) } else { Err(Refused::Pieces { line, max }) }
}

impl Work {
    pub(super) fn fill_backorder(
        &mut self,
        line: LineId,
        location: LocationId,
        pieces: u32,
    ) -> Result<(), Refused> {
        if self.state.status != OrderStatus::Confirmed {
            return self.out_of_turn("fill_backorder");
        }
        let own = self.state.lines.iter_mut().find(|own| own.id == line);
        let own = own.ok_or(Refused::NotFound)?;
        let sku = own.sku.clone();
        let source = own.sources.iter_mut().find(|source| source.location == location);
        let source = source.ok_or(Refused::NotFound)?;
        bounded(line, pieces, source.promised)?;
        source.promised = source.promised.saturating_sub(pieces);
        source.secured = source.secured.saturating_add(pieces);
        self.stock(MovementKind::BackorderHeld, (&sku, location), pieces)?;
        self.stock(MovementKind::Sold, (&sku, location), pieces)?;
        self.record(Happening::BackorderFilled { line, pieces });
        Ok(())
    }

    pub(super) fn fulfil(
        &mut self,
        id: FulfilmentId,
        location: LocationId,
        lines: &[PiecesOf],
    ) -> Result<(), Refused> {
        if !self.state.can_pack()? {
            return self.out_of_turn("fulfil");
        }
        if self.state.fulfilments.len() >= FULFILMENTS_MAX {
            return Err(Refused::TooMany { max: FULFILMENTS_MAX });
        }
        if self.state.fulfilments.iter().any(|own| own.id == id) {
            return Err(Refused::NameTaken);
        }
        distinct(lines.iter().map(|own| own.line))?;
        for own in lines {
            bounded(own.line, own.pieces, self.state.shippable(own.line, location))?;
        }
        let (status, lines) = (FulfilmentStatus::Pending, lines.to_vec());
        self.state.fulfilments.push(Fulfilment { id, location, status, lines, tracking: None });
        self.record(Happening::FulfilmentCreated { fulfilment: id });
        Ok(())
    }

    fn parcel(
        &mut self,
        id: FulfilmentId,
        from: FulfilmentStatus,
        step: &'static str,
    ) -> Result<&mut Fulfilment, Refused> {
        let status = self.state.status;
        let parcel = self.state.fulfilments.iter_mut().find(|own| own.id == id);
        let parcel = parcel.ok_or(Refused::NotFound)?;
        if parcel.status == from { Ok(parcel) } else { Err(Refused::OutOfTurn { status, step }) }
    }

    pub(super) fn ship(
        &mut self,
        id: FulfilmentId,
        tracking: Option<&Tracking>,
    ) -> Result<(), Refused> {
        let parcel = self.parcel(id, FulfilmentStatus::Pending, "ship")?;
        parcel.status = FulfilmentStatus::Shipped;
        parcel.tracking = tracking.cloned();
        self.record(Happening::Shipped { fulfilment: id });
        Ok(())
    }

    pub(super) fn deliver(&mut self, id: FulfilmentId) -> Result<(), Refused> {
        let parcel = self.parcel(id, FulfilmentStatus::Shipped, "deliver")?;
        parcel.status = FulfilmentStatus::Delivered;
        self.record(Happening::Delivered { fulfilment: id });
        Ok(())
    }

    pub(super) fn cancel_fulfilment(&mut self, id: FulfilmentId) -> Result<(), Refused> {
        let parcel = self.parcel(id, FulfilmentStatus::Pending, "cancel_fulfilment")?;
        parcel.status = FulfilmentStatus::Cancelled;
        self.record(Happening::FulfilmentCancelled { fulfilment: id });
        Ok(())
    }

    pub(super) fn request_return(
        &mut self,
        id: ReturnId,
        lines: &[ReturnWish],
    ) -> Result<(), Refused> {
        if self.state.returns.len() >= RETURNS_MAX {
            return Err(Refused::TooMany { max: RETURNS_MAX });
        }
        if self.state.returns.iter().any(|own| own.id == id) {
            return Err(Refused::NameTaken);
        }
        distinct(lines.iter().map(|own| own.line))?;
        for own in lines {
            bounded(own.line, own.pieces, self.state.returnable(own.line))?;
        }
        let lines = lines.iter().map(|own| ReturnLine {
            line: own.line,
            reason: own.reason,
            requested: own.pieces,
            restocked: 0,
            written_off: 0,
        });
        let (status, lines) = (ReturnStatus::Requested, lines.collect());
        self.state.returns.push(Return { id, status, lines, refund: None });
        self.record(Happening::ReturnRequested { id });
        Ok(())
    }

    pub(super) fn decide_return(&mut self, command: &Command) -> Result<(), Refused> {
        use ReturnStatus as S;
        let (id, next, happening) = match *command {
            Command::ApproveReturn { id } => (id, S::Approved, Happening::ReturnApproved { id }),
            Command::RejectReturn { id } => (id, S::Rejected, Happening::ReturnRejected { id }),
            Command::CancelReturn { id } => (id, S::Cancelled, Happening::ReturnCancelled { id }),
            _ => return self.out_of_turn(command.name()),
        };
        let own = self.state.returns.iter_mut().find(|own| own.id == id);
        let own = own.ok_or(Refused::NotFound)?;
        if !own.status.can_become(next) {
            return self.out_of_turn(command.name());
        }
        own.status = next;
        self.record(happening);
        Ok(())
    }

    pub(super) fn receive_return(
        &mut self,
        id: ReturnId,
        (location, lines): (LocationId, &[ReceivedPieces]),
        (refund, shipping): (Option<RefundId>, Money),
    ) -> Result<(), Refused> {
        let place = self.state.returns.iter().position(|own| own.id == id);
        let place = place.ok_or(Refused::NotFound)?;
        let Some(own) = self.state.returns.get(place) else { return Err(Refused::NotFound) };
        if !own.status.can_become(ReturnStatus::Received) {
            return self.out_of_turn("receive_return");
        }
        distinct(lines.iter().map(|own| own.line))?;
        for received in lines {
            let pieces = received.restocked.saturating_add(received.written_off);
            bounded(received.line, pieces, own.requested(received.line))?;
        }
        let shipping_max = match refund {
            Some(_) => self.state.shipping_refundable()?,
            None => self.money(0),
        };
        self.bounded(shipping, self.money(0), shipping_max)?;
        let pieces = lines.iter().map(|own| PiecesOf {
            line: own.line,
            pieces: own.restocked.saturating_add(own.written_off),
        });
        let worth = self.worth_of(&pieces.collect::<Vec<_>>())?;
        if let Some(own) = self.state.returns.get_mut(place) {
            own.status = ReturnStatus::Received;
            for received in lines {
                let line = own.lines.iter_mut().find(|line| line.line == received.line);
                let Some(line) = line else { return Err(Refused::NotFound) };
                (line.restocked, line.written_off) = (received.restocked, received.written_off);
            }
        }
        self.take_back(location, lines)?;
        self.record(Happening::ReturnReceived { id });
        if let Some(refund) = refund {
            let why = (RefundReason::Returned, Some(id));
            let refund = self.undo_sale(refund, why, worth, shipping)?;
            if let Some(own) = self.state.returns.get_mut(place) {
                own.refund = refund;
            }
        }
        Ok(())
    }

    /// Writes what came back into the stock ledger: all of it in, then what is worthless out again.
    fn take_back(&mut self, location: LocationId, lines: &[ReceivedPieces]) -> Result<(), Refused> {
        for received in lines {
            let line = self.state.line(received.line).ok_or(Refused::NotFound)?;
            let sku = line.sku.clone();
            let pieces = received.restocked.saturating_add(received.written_off);
            self.stock(MovementKind::Returned, (&sku, location), pieces)?;
            self.stock(MovementKind::WrittenOff, (&sku, location), received.written_off)?;
        }
        Ok(())
    }
}
