//! What a payment tells about its order: the story so far, and the steps that an order is behind its payment.
//!
//! A store keeps most orders without an [`OrderState`] of their own: an order that was paid and nothing else has happened to is
//! told by what it costs and by its payment. [`OrderState::retell`] makes the state of such an order when it is needed.
//! [`OrderState::behind`] goes by what is known of the payment now, not by what is new in a report, so that a report that
//! was lost, doubled or late leaves nothing behind.

use super::apply::NewOrder;
use super::effect::{Effect, Refused};
use super::refund::RefundReason;
use super::state::OrderState;
use super::step::{CancelReason, Command, RefundOf};
use super::timeline::Happening;
use crate::payment::{Payment, PaymentStatus};
use crate::{Money, MoneyError, OrderStatus, RefundId};

/// An order whose story was told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retold {
    /// The order as it is.
    pub state: OrderState,
    /// How many steps it has taken, its placing counted; so it grows with the story.
    pub steps: u32,
    /// What happened, in this order.
    pub happenings: Vec<Happening>,
}

impl OrderState {
    /// Tells the story of an order to which nothing has happened but its payment and its end. What follows from the steps
    /// was done when they happened: only the state and the happenings are new.
    ///
    /// `refund` names money that went back without having been asked for here.
    ///
    /// # Errors
    /// [`Refused`] when status and payment cannot be those of one order.
    pub fn retell(
        order: &NewOrder,
        status: OrderStatus,
        payment: Payment,
        refund: RefundId,
    ) -> Result<Retold, Refused> {
        let placed = Self::place(order)?;
        let mut story = Retold { state: placed.state, steps: 1, happenings: Vec::new() };
        story.happenings.extend(recorded(&placed.effects));
        let due = story.state.due()?;
        let first = match status {
            OrderStatus::PendingPayment => None,
            OrderStatus::Expired => Some(Command::Expire),
            OrderStatus::Cancelled if due.minor > 0 => Some(Command::PaymentFailed),
            OrderStatus::Cancelled => Some(Command::Cancel { reason: CancelReason::Other, refund }),
            OrderStatus::Confirmed | OrderStatus::Completed if due.minor == 0 => {
                Some(Command::Confirm)
            }
            // Confirmed because the money is held, or was: what became of it since then comes after this.
            OrderStatus::Confirmed | OrderStatus::Completed
                if payment.amounts().captured().minor < due.minor =>
            {
                Some(Command::Authorize { amount: due })
            }
            OrderStatus::Confirmed | OrderStatus::Completed => None,
        };
        if let Some(first) = first {
            story.go_on(&first)?;
        }
        for command in story.state.behind(payment, refund)? {
            story.go_on(&command)?;
        }
        if story.state.status == status { Ok(story) } else { story.state.contradicted() }
    }

    /// Returns the steps that the order is behind its payment, in their order; none when it knows all.
    ///
    /// Money that went back counts as that of refunds under way as long as there are any: which of them it was, whoever
    /// asked for them will say. What is beyond them was given back by somebody else, and gets the name `refund`.
    ///
    /// # Errors
    /// [`MoneyError`] for a payment of another currency.
    pub fn behind(&self, payment: Payment, refund: RefundId) -> Result<Vec<Command>, MoneyError> {
        let mut commands = Vec::new();
        let (amounts, held) = (payment.amounts(), payment.held());
        let captured = amounts.captured().checked_sub(self.tenders.provider.captured)?;
        let mut authorized = self.tenders.authorized;
        if let Some(due) = self.authorizable()? {
            let has_moved = captured.minor > 0 || held.minor > 0;
            // The whole is taken in one step; a part only of what is held.
            if has_moved && captured.minor < due.minor {
                commands.push(Command::Authorize { amount: due });
                authorized = due;
            }
        }
        if captured.minor > 0 {
            commands.push(Command::Capture { amount: captured });
        }
        let is_left_held = authorized.minor > captured.minor.max(0);
        if is_left_held && held.minor == 0 && self.ended.is_none() {
            commands.push(Command::Void);
        }
        if commands.is_empty() && self.status == OrderStatus::PendingPayment {
            commands.extend(self.told_without_money(payment)?);
        }
        let back = amounts.refunded().checked_sub(self.tenders.provider.refunded)?;
        if back.minor > 0 && self.tenders.provider.refunding.minor == 0 {
            let (of, reason) = (RefundOf::Amount { amount: back }, RefundReason::Other);
            commands.push(Command::Refund { id: refund, of, reason });
            commands.push(Command::RefundSucceeded { id: refund });
        }
        Ok(commands)
    }

    /// Returns what a payment that moved nothing tells an order that waits for it.
    fn told_without_money(&self, payment: Payment) -> Result<Option<Command>, MoneyError> {
        let is_due = self.due()?.minor > 0;
        Ok(match payment.status() {
            PaymentStatus::Declined | PaymentStatus::Cancelled if is_due => {
                Some(Command::PaymentFailed)
            }
            PaymentStatus::Authorized | PaymentStatus::Captured if !is_due => {
                Some(Command::Confirm)
            }
            _ => None,
        })
    }

    fn contradicted<T>(&self) -> Result<T, Refused> {
        Err(Refused::OutOfTurn { status: self.status, step: "retell" })
    }

    /// Returns what may be given back of an order that has ended: money that came too late.
    ///
    /// # Errors
    /// As [`OrderState::sums`].
    pub fn paid_too_late(&self) -> Result<Option<Money>, MoneyError> {
        let refundable = self.refundable()?;
        Ok((self.ended.is_some() && refundable.minor > 0).then_some(refundable))
    }
}

impl Retold {
    fn go_on(&mut self, command: &Command) -> Result<(), Refused> {
        let applied = self.state.apply(command)?;
        self.state = applied.state;
        self.steps = self.steps.saturating_add(1);
        self.happenings.extend(recorded(&applied.effects));
        Ok(())
    }
}

fn recorded(effects: &[Effect]) -> impl Iterator<Item = Happening> + '_ {
    effects.iter().filter_map(|effect| match effect {
        Effect::Record { happening } => Some(*happening),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
