//! Everything that decides what may happen to an order next. No personal data: who ordered is kept elsewhere.

use serde::{Deserialize, Serialize};

use super::flow::{Bucket, Flow, Split};
use super::parcel::{Fulfilment, FulfilmentStatus, Return, ReturnStatus};
use super::refund::Refund;
use super::step::CancelReason;
use super::{OrderStatus, step::PiecesOf};
use crate::{Currency, LineId, LocationId, Money, MoneyError, OrderId, Quantity, Sku};

/// Where the pieces of a line come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Which location.
    pub location: LocationId,
    /// Pieces that are there: held until the order is paid, sold from then on.
    pub secured: u32,
    /// Pieces that are promised.
    pub promised: u32,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Its name.
    pub id: LineId,
    /// What.
    pub sku: Sku,
    /// How many were ordered.
    pub quantity: Quantity,
    /// How many of them were called off.
    #[serde(default)]
    pub cancelled: u32,
    /// What was taken off, contained in the price already.
    pub discount: Money,
    /// How much of the discount the books have.
    pub discount_booked: Money,
    /// Its money.
    pub flow: Flow,
    /// Where its pieces come from; they add up to those that were not called off.
    pub sources: Vec<Source>,
}

/// Money that one kind of payment took in and gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tender {
    /// Taken, ever.
    pub captured: Money,
    /// On its way back.
    pub refunding: Money,
    /// Given back.
    pub refunded: Money,
}

impl Tender {
    /// Makes one that took nothing.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        let nothing = Money::zero(currency);
        Self { captured: nothing, refunding: nothing, refunded: nothing }
    }

    /// Returns what was taken and is not on its way back.
    ///
    /// # Errors
    /// As [`Money::checked_sub`].
    pub fn left(self) -> Result<Money, MoneyError> {
        self.captured.checked_sub(self.refunding)?.checked_sub(self.refunded)
    }
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenders {
    /// What gift cards pay once the order is accepted.
    pub gift_card_planned: Money,
    /// What gift cards paid.
    pub gift_card: Tender,
    /// What the payer's bank holds for us and was not taken.
    pub authorized: Money,
    /// What the provider took.
    pub provider: Tender,
    /// What the payer's bank took back against our will.
    pub charged_back: Money,
}

/// How an order came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ended {
    /// The payment was refused or given up.
    PaymentFailed,
    /// The hold ran out before the payment came.
    HoldExpired,
    /// Somebody called it off.
    Cancelled {
        /// Why.
        reason: CancelReason,
        /// Whether it had been confirmed.
        was_accepted: bool,
    },
}

/// An order as the rules see it. Made by [`OrderState::place`] and changed by [`OrderState::apply`] only;
/// [`OrderState::check`] tells whether one that was stored is sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// Its name.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// How it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// The money of its shipping.
    pub shipping: Flow,
    /// How it is paid.
    pub tenders: Tenders,
    /// Its parcels.
    pub fulfilments: Vec<Fulfilment>,
    /// What comes back.
    pub returns: Vec<Return>,
    /// What was given back, or is about to be.
    pub refunds: Vec<Refund>,
}

/// How much of an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentSummary {
    /// Nothing yet.
    Unpaid,
    /// The payer's bank holds money for us.
    Authorized,
    /// Some of it.
    PartiallyCaptured,
    /// All of it, or there is nothing to pay.
    Captured,
    /// Some of what was taken is back.
    PartiallyRefunded,
    /// All of what was taken is back.
    Refunded,
    /// Nothing was taken and nothing will be.
    Voided,
}

/// How much of an order has left the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfilmentSummary {
    /// Nothing.
    Unfulfilled,
    /// Some pieces.
    Partially,
    /// Every piece.
    Fulfilled,
}

/// Sums of an order, for people and for proofs: `price = open + captured + refunding + refunded + released`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// What lines and shipping cost together.
    pub price: Money,
    /// Still to be paid.
    pub open: Money,
    /// Paid, and ours.
    pub captured: Money,
    /// Paid, and on its way back.
    pub refunding: Money,
    /// Given back.
    pub refunded: Money,
    /// Not asked for any more.
    pub released: Money,
}

impl OrderLine {
    /// Returns the pieces that were not called off.
    #[must_use]
    pub const fn wanted(&self) -> u32 {
        self.quantity.get().saturating_sub(self.cancelled)
    }
}

impl OrderState {
    /// Returns a line.
    #[must_use]
    pub fn line(&self, id: LineId) -> Option<&OrderLine> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// Returns the money flows of all lines, then of shipping.
    pub(super) fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.lines.iter().map(|line| &line.flow).chain([&self.shipping])
    }

    /// Returns what is in a bucket of each flow, tax included.
    pub(super) fn purses(&self, bucket: Bucket) -> Result<Vec<Money>, MoneyError> {
        self.flows().map(|flow| flow.of(bucket).total()).collect()
    }

    pub(super) fn sum(&self, bucket: Bucket) -> Result<Money, MoneyError> {
        Money::sum(self.currency, self.purses(bucket)?)
    }

    /// Adds up the order.
    ///
    /// # Errors
    /// [`MoneyError`] for an order that [`OrderState::check`] would refuse.
    pub fn sums(&self) -> Result<Sums, MoneyError> {
        let prices: Result<Vec<Money>, MoneyError> =
            self.flows().map(|flow| flow.price().and_then(Split::total)).collect();
        Ok(Sums {
            price: Money::sum(self.currency, prices?)?,
            open: self.sum(Bucket::Open)?,
            captured: self.sum(Bucket::Captured)?,
            refunding: self.sum(Bucket::Refunding)?,
            refunded: self.sum(Bucket::Refunded)?,
            released: self.sum(Bucket::Released)?,
        })
    }

    /// Tells how much is paid.
    ///
    /// # Errors
    /// As [`OrderState::sums`].
    pub fn payment_summary(&self) -> Result<PaymentSummary, MoneyError> {
        let sums = self.sums()?;
        let taken = sums.captured.checked_add(sums.refunding)?.checked_add(sums.refunded)?;
        let is_accepted = matches!(self.status, OrderStatus::Confirmed | OrderStatus::Completed);
        Ok(match (taken.minor, sums.refunded.minor, sums.open.minor) {
            (0, _, _) if self.tenders.authorized.minor > 0 => PaymentSummary::Authorized,
            (0, _, 0) if is_accepted && sums.released.minor == 0 => PaymentSummary::Captured,
            (0, _, _) if self.ended.is_some() => PaymentSummary::Voided,
            (0, _, 0) if is_accepted => PaymentSummary::Voided,
            (0, _, _) => PaymentSummary::Unpaid,
            (taken, refunded, _) if taken == refunded => PaymentSummary::Refunded,
            (_, 1.., _) => PaymentSummary::PartiallyRefunded,
            (_, _, 1..) => PaymentSummary::PartiallyCaptured,
            _ => PaymentSummary::Captured,
        })
    }

    /// Tells how much has left the house. What came back counts as having left.
    #[must_use]
    pub fn fulfilment_summary(&self) -> FulfilmentSummary {
        let ordered = self.lines.iter().map(OrderLine::wanted).fold(0, u32::saturating_add);
        let shipped =
            self.lines.iter().map(|line| self.shipped(line.id)).fold(0, u32::saturating_add);
        match shipped {
            0 => FulfilmentSummary::Unfulfilled,
            some if some < ordered => FulfilmentSummary::Partially,
            _ => FulfilmentSummary::Fulfilled,
        }
    }

    /// Returns how many pieces of a line have left the house.
    #[must_use]
    pub fn shipped(&self, line: LineId) -> u32 {
        self.fulfilments
            .iter()
            .filter(|own| own.status.has_left())
            .map(|own| pieces_of(&own.lines, line))
            .fold(0, u32::saturating_add)
    }

    /// Returns how many pieces of a line a location can still pack.
    #[must_use]
    pub fn shippable(&self, line: LineId, location: LocationId) -> u32 {
        let sources = self.line(line).map(|own| own.sources.iter()).into_iter().flatten();
        let secured = sources
            .filter(|source| source.location == location)
            .map(|source| source.secured)
            .fold(0, u32::saturating_add);
        let packed = self
            .fulfilments
            .iter()
            .filter(|own| own.location == location && own.status != FulfilmentStatus::Cancelled)
            .map(|own| pieces_of(&own.lines, line))
            .fold(0, u32::saturating_add);
        secured.saturating_sub(packed)
    }

    /// Returns how many pieces of a line may still be called off: those that are not packed.
    #[must_use]
    pub fn cancellable(&self, line: LineId) -> u32 {
        let sources = self.line(line).map(|own| own.sources.iter()).into_iter().flatten();
        sources
            .map(|own| self.shippable(line, own.location).saturating_add(own.promised))
            .fold(0, u32::saturating_add)
    }

    /// Returns how many pieces may still be called off together, so that one stays. None, unless confirmed.
    pub(super) fn cancellable_together(&self) -> u32 {
        match self.status {
            OrderStatus::Confirmed => {
                let wanted = self.lines.iter().map(OrderLine::wanted);
                wanted.fold(0, u32::saturating_add).saturating_sub(1)
            }
            _ => 0,
        }
    }

    /// Returns how many pieces of a line may still be asked to be taken back.
    #[must_use]
    pub fn returnable(&self, line: LineId) -> u32 {
        let back = self.returns.iter().map(|own| match own.status {
            ReturnStatus::Requested | ReturnStatus::Approved => own.requested(line),
            ReturnStatus::Received => own.received(line),
            ReturnStatus::Rejected | ReturnStatus::Cancelled => 0,
        });
        self.shipped(line).saturating_sub(back.fold(0, u32::saturating_add))
    }

    /// Returns how many pieces of a line came back.
    pub(super) fn returned(&self, line: LineId) -> u32 {
        let received = self.returns.iter().filter(|own| own.status == ReturnStatus::Received);
        received.map(|own| own.received(line)).fold(0, u32::saturating_add)
    }

    /// Returns what may still be given back: what was taken, without what is on its way back or was taken from us.
    ///
    /// # Errors
    /// As [`OrderState::sums`].
    pub fn refundable(&self) -> Result<Money, MoneyError> {
        self.sum(Bucket::Captured)?.checked_sub(self.tenders.charged_back)
    }

    /// Returns what the provider may still be made to give back by a payer's bank.
    pub(super) fn chargeable_back(&self) -> Result<Money, MoneyError> {
        self.tenders.provider.left()?.checked_sub(self.tenders.charged_back)
    }

    /// Returns what the provider has still to take. After its end: what it may report late.
    pub(super) fn due(&self) -> Result<Money, MoneyError> {
        let asked = match self.status {
            OrderStatus::PendingPayment | OrderStatus::Confirmed | OrderStatus::Completed => {
                self.sum(Bucket::Open)?
            }
            OrderStatus::Cancelled | OrderStatus::Expired => self.sum(Bucket::Released)?,
        };
        // Gift cards pay when the order is accepted; until then their part is not the provider's.
        if self.was_accepted() {
            Ok(asked)
        } else {
            asked.checked_sub(self.tenders.gift_card_planned)
        }
    }

    /// Tells whether the order is or once was confirmed.
    pub(super) const fn was_accepted(&self) -> bool {
        matches!(
            (self.status, self.ended),
            (OrderStatus::Confirmed | OrderStatus::Completed, _)
                | (OrderStatus::Cancelled, Some(Ended::Cancelled { was_accepted: true, .. }))
        )
    }

    /// Returns the least and the most that a capture may take now.
    pub(super) fn capture_range(&self) -> Result<Option<(Money, Money)>, MoneyError> {
        let due = self.due()?;
        let held = self.tenders.authorized;
        Ok(match (due.minor, held.minor) {
            (..=0, _) => None,
            (_, ..=0) => Some((due, due)),
            (due_minor, held_minor) => {
                let most = Money::new(due_minor.min(held_minor), self.currency);
                Some((Money::new(1, self.currency), most))
            }
        })
    }

    /// Returns what may be authorized now, exactly.
    pub(super) fn authorizable(&self) -> Result<Option<Money>, MoneyError> {
        let is_waiting =
            matches!(self.status, OrderStatus::PendingPayment | OrderStatus::Confirmed);
        let due = self.due()?;
        Ok((is_waiting && due.minor > 0 && self.tenders.authorized.minor == 0).then_some(due))
    }

    /// Tells whether the whole order may be called off.
    pub(super) fn can_cancel(&self) -> bool {
        matches!(self.status, OrderStatus::PendingPayment | OrderStatus::Confirmed)
            && !self.fulfilments.iter().any(|own| own.status.has_left())
    }

    /// Tells whether an order that ended unpaid, and was paid after that, may be taken up again.
    ///
    /// Not one that somebody called off, and not one whose gift card was given back with its end.
    pub(super) fn can_retake(&self) -> Result<bool, MoneyError> {
        let ended_unpaid = matches!(self.ended, Some(Ended::PaymentFailed | Ended::HoldExpired));
        let sums = self.sums()?;
        let is_paid = sums.captured == sums.price && sums.price.minor > 0;
        Ok(ended_unpaid && is_paid && self.tenders.charged_back.minor == 0)
    }

    /// Tells whether nothing is left to ship, to pay, to take back or to give back.
    pub(super) fn can_complete(&self) -> Result<bool, MoneyError> {
        let delivered = |line: &OrderLine| {
            let parcels =
                self.fulfilments.iter().filter(|own| own.status == FulfilmentStatus::Delivered);
            let pieces = parcels.map(|own| pieces_of(&own.lines, line.id));
            pieces.fold(0, u32::saturating_add) == line.wanted()
        };
        let is_returning = self
            .returns
            .iter()
            .any(|own| matches!(own.status, ReturnStatus::Requested | ReturnStatus::Approved));
        let sums = self.sums()?;
        Ok(self.status == OrderStatus::Confirmed
            && self.lines.iter().all(delivered)
            && !is_returning
            && sums.open.minor == 0
            && sums.refunding.minor == 0)
    }

    /// Tells whether parcels may be packed: what is not paid is held by the payer's bank.
    pub(super) fn can_pack(&self) -> Result<bool, MoneyError> {
        let is_covered = self.sum(Bucket::Open)?.minor <= self.tenders.authorized.minor;
        Ok(self.status == OrderStatus::Confirmed && is_covered)
    }
}

/// Returns how many pieces of a line are in a list.
pub(super) fn pieces_of(lines: &[PiecesOf], line: LineId) -> u32 {
    lines.iter().filter(|own| own.line == line).map(|own| own.pieces).fold(0, u32::saturating_add)
}
