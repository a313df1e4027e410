//! Steps of refunds.

use super::Work;
use crate::ledger;
use crate::order::effect::{Effect, Refused};
use crate::order::flow::{Bucket, Split, share};
use crate::order::refund::{REFUNDS_MAX, Refund, RefundLine, RefundReason, RefundStatus};
use crate::order::step::{AmountOf, RefundOf};
use crate::order::timeline::Happening;
use crate::{Money, RefundId, ReturnId};

impl Work {
    pub(super) fn refund(
        &mut self,
        id: RefundId,
        of: &RefundOf,
        reason: RefundReason,
    ) -> Result<(), Refused> {
        let refundable = self.state.refundable()?;
        if refundable.minor == 0 {
            return self.out_of_turn("refund");
        }
        if self.state.refunds.len() >= REFUNDS_MAX {
            return Err(Refused::TooMany { max: REFUNDS_MAX });
        }
        let amounts = match of {
            RefundOf::Whole => share(refundable, &self.state.purses(Bucket::Captured)?)?,
            RefundOf::Amount { amount } => {
                self.bounded(*amount, self.money(1), refundable)?;
                share(*amount, &self.state.purses(Bucket::Captured)?)?
            }
            RefundOf::Parts { lines, shipping } => self.parts(lines, *shipping, refundable)?,
        };
        self.give_back(id, reason, None, &amounts)
    }

    /// Returns the amounts of all flows for a refund of named parts.
    fn parts(
        &self,
        lines: &[AmountOf],
        shipping: Money,
        refundable: Money,
    ) -> Result<Vec<Money>, Refused> {
        for (place, own) in lines.iter().enumerate() {
            let line = self.state.line(own.line).ok_or(Refused::NotFound)?;
            let is_doubled = lines.iter().skip(place).skip(1).any(|other| other.line == own.line);
            if is_doubled {
                return Err(Refused::InvalidLines);
            }
            self.bounded(own.amount, self.money(1), line.flow.captured.total()?)?;
        }
        self.bounded(shipping, self.money(0), self.state.shipping.captured.total()?)?;
        let nothing = self.money(0);
        let of = |id| {
            let own = lines.iter().find(|own| own.line == id);
            own.map_or(nothing, |own| own.amount)
        };
        let mut amounts: Vec<Money> = self.state.lines.iter().map(|line| of(line.id)).collect();
        amounts.push(shipping);
        let asked = Money::sum(self.state.currency, amounts.iter().copied())?;
        self.bounded(asked, self.money(1), refundable)?;
        Ok(amounts)
    }

    /// Sends money back: an amount for each line, then for shipping. The provider first, gift cards the rest.
    ///
    /// Nothing that a card paid ends up on a gift card, nor the other way round, unless all of the former is back.
    pub(super) fn give_back(
        &mut self,
        id: RefundId,
        reason: RefundReason,
        for_return: Option<ReturnId>,
        amounts: &[Money],
    ) -> Result<(), Refused> {
        if self.state.refunds.iter().any(|own| own.id == id) {
            return Err(Refused::NameTaken);
        }
        let amount = Money::sum(self.state.currency, amounts.iter().copied())?;
        let provider = self.money(amount.minor.min(self.state.chargeable_back()?.minor));
        let gift_card = amount.checked_sub(provider)?;
        let mut lines = Vec::new();
        for (line, &own) in self.state.lines.iter_mut().zip(amounts) {
            let moved = line.flow.shift(Bucket::Captured, Bucket::Refunding, own)?;
            if own.minor > 0 {
                lines.push(RefundLine { line: line.id, amount: moved });
            }
        }
        let own = amounts.get(self.state.lines.len()).copied().unwrap_or_else(|| self.money(0));
        let shipping = self.state.shipping.shift(Bucket::Captured, Bucket::Refunding, own)?;
        let tenders = &mut self.state.tenders;
        tenders.provider.refunding = tenders.provider.refunding.checked_add(provider)?;
        tenders.gift_card.refunding = tenders.gift_card.refunding.checked_add(gift_card)?;
        let status = RefundStatus::Pending;
        let refund =
            Refund { id, status, reason, for_return, lines, shipping, provider, gift_card };
        self.state.refunds.push(refund);
        if provider.minor > 0 {
            self.effects.push(Effect::RefundPayment { refund: id, amount: provider });
        }
        if gift_card.minor > 0 {
            self.effects.push(Effect::RefundGiftCard { refund: id, amount: gift_card });
        }
        self.record(Happening::RefundRequested { id, amount });
        Ok(())
    }

    pub(super) fn refund_succeeded(&mut self, id: RefundId) -> Result<(), Refused> {
        let (refund, whole) =
            self.settle(id, Bucket::Refunded, RefundStatus::Succeeded, "refund_succeeded")?;
        let tenders = &mut self.state.tenders;
        tenders.provider.refunded = tenders.provider.refunded.checked_add(refund.provider)?;
        tenders.gift_card.refunded = tenders.gift_card.refunded.checked_add(refund.gift_card)?;
        let posting = ledger::refunded(ledger::Refund {
            net: whole.net,
            tax: whole.tax,
            gift_card: refund.gift_card,
        })?;
        self.post(posting);
        self.record(Happening::RefundSucceeded { id });
        Ok(())
    }

    pub(super) fn refund_failed(&mut self, id: RefundId) -> Result<(), Refused> {
        self.settle(id, Bucket::Captured, RefundStatus::Failed, "refund_failed")?;
        self.record(Happening::RefundFailed { id });
        Ok(())
    }

    /// Ends a refund: its money leaves `refunding`, exactly as it came in. Returns it with all that it moved.
    fn settle(
        &mut self,
        id: RefundId,
        to: Bucket,
        status: RefundStatus,
        step: &'static str,
    ) -> Result<(Refund, Split), Refused> {
        let place = self.state.refunds.iter().position(|own| own.id == id);
        let own = place.and_then(|place| self.state.refunds.get_mut(place));
        let own = own.ok_or(Refused::NotFound)?;
        if own.status != RefundStatus::Pending {
            return self.out_of_turn(step);
        }
        own.status = status;
        let refund = own.clone();
        let mut whole = refund.shipping;
        for part in &refund.lines {
            let line = self.state.lines.iter_mut().find(|line| line.id == part.line);
            let line = line.ok_or(Refused::NotFound)?;
            line.flow.shift_exactly(Bucket::Refunding, to, part.amount)?;
            whole = whole.checked_add(part.amount)?;
        }
        self.state.shipping.shift_exactly(Bucket::Refunding, to, refund.shipping)?;
        let tenders = &mut self.state.tenders;
        tenders.provider.refunding = tenders.provider.refunding.checked_sub(refund.provider)?;
        tenders.gift_card.refunding = tenders.gift_card.refunding.checked_sub(refund.gift_card)?;
        Ok((refund, whole))
    }
}
