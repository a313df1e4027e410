//! Which steps are possible now, with their bounds. What is shown is what [`OrderState::apply`] accepts, and nothing else.

use super::OrderStatus;
use super::apply::sources;
use super::flow::Bucket;
use super::parcel::{FulfilmentStatus, ReturnStatus};
use super::refund::{REFUNDS_MAX, RefundStatus};
use super::state::OrderState;
use super::step::{AmountOf, Command, PiecesOf, RefundOf, Step};
use crate::{LineId, LocationId, Money, MoneyError};

/// Most parcels of one order, cancelled ones included: 200, so that an order stays one small record.
pub const FULFILMENTS_MAX: usize = 200;

/// Most returns of one order, rejected ones included: 100, so that an order stays one small record.
pub const RETURNS_MAX: usize = 100;

impl ReturnStatus {
    /// Tells whether a return may go on to that state.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Requested, Self::Approved | Self::Rejected | Self::Cancelled)
                | (Self::Approved, Self::Received | Self::Cancelled)
        )
    }
}

/// Returns the steps that are possible now, with their bounds: [`OrderState::apply`] accepts a command exactly when one
/// of them [admits](Step::admits) it, given that names of new things are new.
///
/// # Errors
/// [`MoneyError`] for an order that [`OrderState::check`] would refuse.
pub fn next_steps(order: &OrderState) -> Result<Vec<Step>, MoneyError> {
    let mut steps = Vec::new();
    order.offer_payment(&mut steps)?;
    order.offer_parcels(&mut steps)?;
    order.offer_returns(&mut steps)?;
    order.offer_refunds(&mut steps)?;
    if order.can_cancel() {
        steps.push(Step::Cancel);
    }
    if order.can_complete()? {
        steps.push(Step::Complete);
    }
    Ok(steps)
}

impl OrderState {
    /// Returns what may be given back of shipping.
    pub(super) fn shipping_refundable(&self) -> Result<Money, MoneyError> {
        let paid = self.shipping.captured.total()?;
        Ok(Money::new(paid.minor.min(self.refundable()?.minor), self.currency))
    }

    fn offer_payment(&self, steps: &mut Vec<Step>) -> Result<(), MoneyError> {
        if let Some(amount) = self.authorizable()? {
            steps.push(Step::Authorize { amount });
        }
        if let Some((amount_min, amount_max)) = self.capture_range()? {
            steps.push(Step::Capture { amount_min, amount_max });
        }
        if self.tenders.authorized.minor > 0 {
            steps.push(Step::Void);
        }
        if self.status == OrderStatus::PendingPayment {
            let is_due = self.due()?.minor > 0;
            steps.push(if is_due { Step::PaymentFailed } else { Step::Confirm });
            steps.push(Step::Expire);
        }
        if self.can_retake()? {
            let all =
                |line: &super::OrderLine| PiecesOf { line: line.id, pieces: line.quantity.get() };
            steps.push(Step::Retake { lines: self.lines.iter().map(all).collect() });
        }
        let amount_max = self.chargeable_back()?;
        if amount_max.minor > 0 {
            steps.push(Step::ChargeBack { amount_max });
        }
        let amount_max = self.tenders.charged_back;
        if amount_max.minor > 0 {
            steps.push(Step::WinChargeback { amount_max });
        }
        Ok(())
    }

    fn offer_parcels(&self, steps: &mut Vec<Step>) -> Result<(), MoneyError> {
        if self.status == OrderStatus::Confirmed {
            for line in &self.lines {
                for source in line.sources.iter().filter(|source| source.promised > 0) {
                    let (location, pieces_max) = (source.location, source.promised);
                    steps.push(Step::FillBackorder { line: line.id, location, pieces_max });
                }
            }
        }
        let pieces_max = self.cancellable_together();
        let lines = self.at_most(|line| self.cancellable(line).min(pieces_max));
        if !lines.is_empty() {
            steps.push(Step::CancelPieces { lines, pieces_max });
        }
        if self.can_pack()? && self.fulfilments.len() < FULFILMENTS_MAX {
            let sources = self.lines.iter().flat_map(|line| &line.sources);
            let mut places: Vec<LocationId> = sources.map(|source| source.location).collect();
            places.sort();
            places.dedup();
            for location in places {
                let lines = self.at_most(|line| self.shippable(line, location));
                if !lines.is_empty() {
                    steps.push(Step::Fulfil { location, lines });
                }
            }
        }
        for parcel in &self.fulfilments {
            let id = parcel.id;
            match parcel.status {
                FulfilmentStatus::Pending => {
                    steps.extend([Step::Ship { id }, Step::CancelFulfilment { id }]);
                }
                FulfilmentStatus::Shipped => steps.push(Step::Deliver { id }),
                FulfilmentStatus::Delivered | FulfilmentStatus::Cancelled => {}
            }
        }
        Ok(())
    }

    fn offer_returns(&self, steps: &mut Vec<Step>) -> Result<(), MoneyError> {
        let lines = self.at_most(|line| self.returnable(line));
        if !lines.is_empty() && self.returns.len() < RETURNS_MAX {
            steps.push(Step::RequestReturn { lines });
        }
        for own in &self.returns {
            let id = own.id;
            let can_become = |next| own.status.can_become(next);
            if can_become(ReturnStatus::Approved) {
                steps.push(Step::ApproveReturn { id });
            }
            if can_become(ReturnStatus::Rejected) {
                steps.push(Step::RejectReturn { id });
            }
            if can_become(ReturnStatus::Cancelled) {
                steps.push(Step::CancelReturn { id });
            }
            if can_become(ReturnStatus::Received) {
                let lines = self.at_most(|line| own.requested(line));
                let shipping_max = self.shipping_refundable()?;
                steps.push(Step::ReceiveReturn { id, lines, shipping_max });
            }
        }
        Ok(())
    }

    fn offer_refunds(&self, steps: &mut Vec<Step>) -> Result<(), MoneyError> {
        let amount_max = self.refundable()?;
        if amount_max.minor > 0 && self.refunds.len() < REFUNDS_MAX {
            let most = |paid: Money| Money::new(paid.minor.min(amount_max.minor), self.currency);
            let paid = self.lines.iter().zip(self.purses(Bucket::Captured)?);
            let lines = paid.map(|(line, paid)| AmountOf { line: line.id, amount: most(paid) });
            let lines = lines.filter(|own| own.amount.minor > 0).collect();
            let shipping_max = self.shipping_refundable()?;
            steps.push(Step::Refund { amount_max, lines, shipping_max });
        }
        for refund in self.refunds.iter().filter(|own| own.status == RefundStatus::Pending) {
            let id = refund.id;
            steps.extend([Step::RefundSucceeded { id }, Step::RefundFailed { id }]);
        }
        Ok(())
    }

    /// Returns the lines of which there is something, with how much.
    fn at_most(&self, most: impl Fn(LineId) -> u32) -> Vec<PiecesOf> {
        let all = self.lines.iter().map(|line| PiecesOf { line: line.id, pieces: most(line.id) });
        all.filter(|own| own.pieces > 0).collect()
    }
}

impl Step {
    /// Tells whether a command is this step and within its bounds.
    #[must_use]
    pub fn admits(&self, command: &Command) -> bool {
        match (self, command) {
            (Self::Authorize { amount: due }, Command::Authorize { amount }) => amount == due,
            (Self::Capture { amount_min, amount_max }, Command::Capture { amount }) => {
                is_within(*amount, amount_min.minor, *amount_max)
            }
            (Self::ChargeBack { amount_max }, Command::ChargeBack { amount })
            | (Self::WinChargeback { amount_max }, Command::WinChargeback { amount }) => {
                is_within(*amount, 1, *amount_max)
            }
            (Self::Retake { lines }, Command::Retake { allocation }) => {
                let quantities: Vec<u32> = lines.iter().map(|own| own.pieces).collect();
                sources(allocation, &quantities).is_ok()
            }
            (
                Self::FillBackorder { line, location, pieces_max },
                Command::FillBackorder { line: own, location: place, pieces },
            ) => line == own && location == place && (1..=*pieces_max).contains(pieces),
            (
                Self::Fulfil { location, lines },
                Command::Fulfil { location: place, lines: own, .. },
            ) => {
                let own: Vec<_> = own.iter().map(|own| (own.line, own.pieces)).collect();
                location == place && are_within(&own, lines)
            }
            (
                Self::CancelPieces { lines, pieces_max },
                Command::CancelPieces { lines: own, .. },
            ) => {
                let own: Vec<_> = own.iter().map(|own| (own.line, own.pieces)).collect();
                let together = own.iter().map(|own| own.1).fold(0, u32::saturating_add);
                are_within(&own, lines) && together <= *pieces_max
            }
            (Self::RequestReturn { lines }, Command::RequestReturn { lines: own, .. }) => {
                let own: Vec<_> = own.iter().map(|own| (own.line, own.pieces)).collect();
                are_within(&own, lines)
            }
            (
                Self::ReceiveReturn { id, lines, shipping_max },
                Command::ReceiveReturn { id: other, lines: own, refund, shipping, .. },
            ) => {
                let pieces =
                    own.iter().map(|own| (own.line, own.restocked.saturating_add(own.written_off)));
                let pieces: Vec<_> = pieces.collect();
                let most = if refund.is_some() { shipping_max.minor } else { 0 };
                let most = Money::new(most, shipping_max.currency);
                id == other && are_within(&pieces, lines) && is_within(*shipping, 0, most)
            }
            (Self::Refund { amount_max, lines, shipping_max }, Command::Refund { of, .. }) => {
                is_refund_within(of, *amount_max, lines, *shipping_max)
            }
            (Self::Ship { id }, Command::Ship { id: own, .. })
            | (Self::Deliver { id }, Command::Deliver { id: own })
            | (Self::CancelFulfilment { id }, Command::CancelFulfilment { id: own }) => id == own,
            (Self::ApproveReturn { id }, Command::ApproveReturn { id: own })
            | (Self::RejectReturn { id }, Command::RejectReturn { id: own })
            | (Self::CancelReturn { id }, Command::CancelReturn { id: own }) => id == own,
            (Self::RefundSucceeded { id }, Command::RefundSucceeded { id: own })
            | (Self::RefundFailed { id }, Command::RefundFailed { id: own }) => id == own,
            (Self::Void, Command::Void)
            | (Self::PaymentFailed, Command::PaymentFailed)
            | (Self::Confirm, Command::Confirm)
            | (Self::Expire, Command::Expire)
            | (Self::Cancel, Command::Cancel { .. })
            | (Self::Complete, Command::Complete) => true,
            _ => false,
        }
    }
}

fn is_within(amount: Money, min: i64, max: Money) -> bool {
    amount.currency == max.currency && (min..=max.minor).contains(&amount.minor)
}

/// Tells whether there are lines, each once and with 1 to as many pieces as `most` has of it.
fn are_within(own: &[(LineId, u32)], most: &[PiecesOf]) -> bool {
    let is_good = |(place, &(line, pieces)): (usize, &(LineId, u32))| {
        let max = most.iter().find(|bound| bound.line == line).map_or(0, |bound| bound.pieces);
        let is_first = !own.iter().take(place).any(|&(other, _)| other == line);
        is_first && (1..=max).contains(&pieces)
    };
    !own.is_empty() && own.iter().enumerate().all(is_good)
}

fn is_refund_within(
    of: &RefundOf,
    amount_max: Money,
    most: &[AmountOf],
    shipping_max: Money,
) -> bool {
    match of {
        RefundOf::Whole => true,
        RefundOf::Amount { amount } => is_within(*amount, 1, amount_max),
        RefundOf::Parts { lines, shipping } => {
            let is_good = |(place, own): (usize, &AmountOf)| {
                let max = most.iter().find(|bound| bound.line == own.line);
                let is_first = !lines.iter().take(place).any(|other| other.line == own.line);
                is_first && max.is_some_and(|bound| is_within(own.amount, 1, bound.amount))
            };
            let amounts = lines.iter().map(|own| own.amount).chain([*shipping]);
            let sum = Money::sum(amount_max.currency, amounts);
            lines.iter().enumerate().all(is_good)
                && is_within(*shipping, 0, shipping_max)
                && sum.is_ok_and(|sum| is_within(sum, 1, amount_max))
        }
    }
}
