//! Whether a stored order is sound: everything that must hold whatever happened to it.

use super::OrderStatus;
use super::flow::Split;
use super::parcel::FulfilmentStatus;
use super::refund::{Refund, RefundStatus};
use super::state::{OrderLine, OrderState, pieces_of};
use crate::{Money, MoneyError};

/// What is wrong with a stored order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Amounts of several currencies, or out of range.
    #[error("add up the order")]
    Money(#[from] MoneyError),
    /// Something is below zero.
    #[error("an amount is below zero")]
    Negative,
    /// What lines say was paid is not what was taken.
    #[error("lines and payments disagree")]
    Payments,
    /// What lines say is given back is not what refunds say.
    #[error("lines and refunds disagree")]
    Refunds,
    /// More was given back than was taken.
    #[error("more was given back than was taken")]
    GivenTwice,
    /// An order that ended still asks for money, or holds an authorization.
    #[error("ended, and asks for money")]
    Ended,
    /// The pieces of a line do not come from anywhere, or from too many places.
    #[error("pieces and their sources disagree")]
    Sources,
    /// More pieces are packed than there are, or came back than had left.
    #[error("pieces and parcels disagree")]
    Parcels,
}

impl OrderState {
    /// Checks everything that must hold whatever happened to the order.
    ///
    /// # Errors
    /// [`Broken`] with the first thing that does not.
    pub fn check(&self) -> Result<(), Broken> {
        self.check_money()?;
        self.check_refunds()?;
        self.check_pieces()
    }

    fn check_money(&self) -> Result<(), Broken> {
        let sums = self.sums()?;
        let tenders = &self.tenders;
        let is_negative = self.flows().any(|flow| {
            [flow.open, flow.captured, flow.refunding, flow.refunded, flow.released]
                .into_iter()
                .any(Split::is_negative)
        });
        let others = [
            tenders.gift_card_planned,
            tenders.authorized,
            tenders.charged_back,
            tenders.provider.left()?,
            tenders.gift_card.left()?,
        ];
        let unbooked: Result<Vec<Money>, MoneyError> =
            self.lines.iter().map(|line| line.discount.checked_sub(line.discount_booked)).collect();
        if is_negative || others.into_iter().chain(unbooked?).any(|money| money.minor < 0) {
            return Err(Broken::Negative);
        }
        let taken = sums.captured.checked_add(sums.refunding)?.checked_add(sums.refunded)?;
        let paid = tenders.provider.captured.checked_add(tenders.gift_card.captured)?;
        let (provider, gift_card) = (tenders.provider, tenders.gift_card);
        if taken != paid
            || sums.refunding != provider.refunding.checked_add(gift_card.refunding)?
            || sums.refunded != provider.refunded.checked_add(gift_card.refunded)?
        {
            return Err(Broken::Payments);
        }
        if tenders.charged_back.minor > provider.left()?.minor {
            return Err(Broken::GivenTwice);
        }
        let has_ended = matches!(self.status, OrderStatus::Cancelled | OrderStatus::Expired);
        let is_asking = sums.open.minor > 0 || tenders.authorized.minor > 0;
        if has_ended != self.ended.is_some() || (has_ended && is_asking) {
            return Err(Broken::Ended);
        }
        Ok(())
    }

    fn check_refunds(&self) -> Result<(), Broken> {
        let sum = |status: RefundStatus, part: &dyn Fn(&Refund) -> Split| {
            let own = self.refunds.iter().filter(|refund| refund.status == status);
            own.map(part).try_fold(Split::zero(self.currency), Split::checked_add)
        };
        let nothing = Split::zero(self.currency);
        let of_line = |line: &OrderLine, refund: &Refund| {
            let own = refund.lines.iter().find(|part| part.line == line.id);
            own.map_or(nothing, |part| part.amount)
        };
        for line in &self.lines {
            let part = |refund: &Refund| of_line(line, refund);
            if sum(RefundStatus::Pending, &part)? != line.flow.refunding
                || sum(RefundStatus::Succeeded, &part)? != line.flow.refunded
            {
                return Err(Broken::Refunds);
            }
        }
        let shipping = |refund: &Refund| refund.shipping;
        if sum(RefundStatus::Pending, &shipping)? != self.shipping.refunding
            || sum(RefundStatus::Succeeded, &shipping)? != self.shipping.refunded
        {
            return Err(Broken::Refunds);
        }
        for refund in &self.refunds {
            let mut whole = refund.shipping;
            for part in &refund.lines {
                whole = whole.checked_add(part.amount)?;
            }
            if whole.total()? != refund.provider.checked_add(refund.gift_card)? {
                return Err(Broken::Refunds);
            }
        }
        Ok(())
    }

    fn check_pieces(&self) -> Result<(), Broken> {
        for line in &self.lines {
            let pieces = line.sources.iter().map(|own| own.secured.saturating_add(own.promised));
            if pieces.fold(0, u32::saturating_add) != line.wanted() {
                return Err(Broken::Sources);
            }
            for source in &line.sources {
                let packed = self.fulfilments.iter().filter(|own| {
                    own.location == source.location && own.status != FulfilmentStatus::Cancelled
                });
                let packed = packed.map(|own| pieces_of(&own.lines, line.id));
                if packed.fold(0, u32::saturating_add) > source.secured {
                    return Err(Broken::Parcels);
                }
            }
            if self.returned(line.id) > self.shipped(line.id) {
                return Err(Broken::Parcels);
            }
        }
        Ok(())
    }
}
