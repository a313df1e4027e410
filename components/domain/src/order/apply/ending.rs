//! Steps that end an order, and the one that takes it up again.

use super::{Work, sources};
use crate::RefundId;
use crate::inventory::{Allocation, MovementKind};
use crate::order::OrderStatus;
use crate::order::effect::{Effect, Refused};
use crate::order::flow::{Bucket, share};
use crate::order::parcel::FulfilmentStatus;
use crate::order::refund::RefundReason;
use crate::order::state::Ended;
use crate::order::step::CancelReason;
use crate::order::timeline::Happening;

impl Work {
    pub(super) fn payment_failed(&mut self) -> Result<(), Refused> {
        if self.state.status != OrderStatus::PendingPayment || self.state.due()?.minor == 0 {
            return self.out_of_turn("payment_failed");
        }
        self.record(Happening::PaymentFailed);
        self.end_unpaid(OrderStatus::Cancelled, Ended::PaymentFailed)
    }

    pub(super) fn expire(&mut self) -> Result<(), Refused> {
        if self.state.status != OrderStatus::PendingPayment {
            return self.out_of_turn("expire");
        }
        self.record(Happening::Expired);
        self.effects.push(Effect::CancelPayment);
        self.end_unpaid(OrderStatus::Expired, Ended::HoldExpired)
    }

    pub(super) fn cancel(&mut self, reason: CancelReason, refund: RefundId) -> Result<(), Refused> {
        if !self.state.can_cancel() {
            return self.out_of_turn("cancel");
        }
        self.record(Happening::Cancelled { reason });
        let was_accepted = self.state.status == OrderStatus::Confirmed;
        let ended = Ended::Cancelled { reason, was_accepted };
        if !was_accepted {
            self.effects.push(Effect::CancelPayment);
            return self.end_unpaid(OrderStatus::Cancelled, ended);
        }
        self.move_sources(MovementKind::Restocked, MovementKind::BackorderCancelled)?;
        for parcel in &mut self.state.fulfilments {
            parcel.status = FulfilmentStatus::Cancelled;
        }
        self.release_open()?;
        self.let_go_if_paid()?;
        let refundable = self.state.refundable()?;
        if refundable.minor > 0 {
            let amounts = share(refundable, &self.state.purses(Bucket::Captured)?)?;
            self.give_back(refund, RefundReason::Cancelled, None, &amounts)?;
        }
        self.state.status = OrderStatus::Cancelled;
        self.state.ended = Some(ended);
        Ok(())
    }

    pub(super) fn retake(&mut self, allocation: &Allocation) -> Result<(), Refused> {
        if !self.state.can_retake()? {
            return self.out_of_turn("retake");
        }
        let quantities: Vec<u32> =
            self.state.lines.iter().map(|line| line.quantity.get()).collect();
        let sources = sources(allocation, &quantities)?;
        for (line, sources) in self.state.lines.iter_mut().zip(sources) {
            line.sources = sources;
        }
        self.move_sources(MovementKind::Retaken, MovementKind::Backordered)?;
        self.state.status = OrderStatus::Confirmed;
        self.state.ended = None;
        self.record(Happening::Retaken);
        Ok(())
    }

    pub(super) fn complete(&mut self) -> Result<(), Refused> {
        if !self.state.can_complete()? {
            return self.out_of_turn("complete");
        }
        self.state.status = OrderStatus::Completed;
        self.record(Happening::Completed);
        Ok(())
    }

    /// Ends an order that was never accepted: stock, gift cards and cart are as if it had not been.
    fn end_unpaid(&mut self, status: OrderStatus, ended: Ended) -> Result<(), Refused> {
        self.move_sources(MovementKind::Released, MovementKind::BackorderCancelled)?;
        self.release_open()?;
        let amount = self.state.tenders.gift_card_planned;
        if amount.minor > 0 {
            self.effects.push(Effect::ReleaseGiftCard { amount });
        }
        self.effects.push(Effect::ReopenCart);
        self.state.status = status;
        self.state.ended = Some(ended);
        Ok(())
    }

    /// Asks for nothing any more.
    fn release_open(&mut self) -> Result<(), Refused> {
        let lines = self.state.lines.iter_mut().map(|line| &mut line.flow);
        for flow in lines.chain([&mut self.state.shipping]) {
            flow.shift_exactly(Bucket::Open, Bucket::Released, flow.open)?;
        }
        Ok(())
    }
}
