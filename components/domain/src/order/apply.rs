//! Taking a step: the new state and everything that must be stored with it.

mod ending;
mod parcels;
mod payments;
mod pieces;
mod refunds;

use serde::{Deserialize, Serialize};

use super::OrderStatus;
use super::effect::{Effect, Refused};
use super::flow::{Bucket, Flow, Split};
use super::state::{OrderLine, OrderState, Source, Tender, Tenders};
use super::step::Command;
use super::timeline::Happening;
use crate::cart::LINES_MAX;
use crate::inventory::{Allocation, Cause, Movement, MovementKind, MovementReason, Pieces};
use crate::ledger::Posting;
use crate::{Currency, LineId, LocationId, Money, OrderId, Quantity, Sku};

/// One line of a new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLine {
    /// Its name.
    pub id: LineId,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// What is paid for all its pieces, discounts taken off and tax shown apart.
    pub price: Split,
    /// What was taken off.
    pub discount: Money,
}

/// An order that shall be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Its name.
    pub id: OrderId,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// Its lines: 1 to [`LINES_MAX`].
    pub lines: Vec<NewLine>,
    /// What is paid for shipping.
    pub shipping: Split,
    /// How much of the total gift cards pay; it is set aside on them already.
    pub gift_card: Money,
    /// The stock that was given out for the lines, in their order.
    pub allocation: Allocation,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The order as it is now.
    pub state: OrderState,
    /// What must be done with it, in this order.
    pub effects: Vec<Effect>,
}

impl OrderState {
    /// Places an order: its stock is held, its payment is awaited.
    ///
    /// # Errors
    /// [`Refused::InvalidLines`] without lines, with doubled ones, or when the allocation does not cover them;
    /// [`Refused::Amount`] for amounts below zero or gift cards that pay more than the total; [`Refused::Money`].
    pub fn place(order: &NewOrder) -> Result<Applied, Refused> {
        let mut ids: Vec<LineId> = order.lines.iter().map(|line| line.id).collect();
        ids.sort();
        ids.dedup();
        if ids.is_empty() || ids.len() != order.lines.len() || ids.len() > LINES_MAX {
            return Err(Refused::InvalidLines);
        }
        let quantities: Vec<u32> = order.lines.iter().map(|line| line.quantity.get()).collect();
        let sources = sources(&order.allocation, &quantities)?;
        let nothing = Money::zero(order.currency);
        let lines = order.lines.iter().zip(sources).map(|(line, sources)| OrderLine {
            id: line.id,
            sku: line.sku.clone(),
            quantity: line.quantity,
            cancelled: 0,
            discount: line.discount,
            discount_booked: nothing,
            flow: Flow::new(line.price),
            sources,
        });
        let state = Self {
            id: order.id,
            status: OrderStatus::PendingPayment,
            ended: None,
            currency: order.currency,
            lines: lines.collect(),
            shipping: Flow::new(order.shipping),
            tenders: Tenders {
                gift_card_planned: order.gift_card,
                gift_card: Tender::zero(order.currency),
                authorized: nothing,
                provider: Tender::zero(order.currency),
                charged_back: nothing,
            },
            fulfilments: Vec::new(),
            returns: Vec::new(),
            refunds: Vec::new(),
        };
        let total = state.sum(Bucket::Open)?;
        let is_negative = state.flows().any(|flow| flow.open.is_negative())
            || order.lines.iter().any(|line| line.discount.minor < 0);
        let discounts = order.lines.iter().map(|line| line.discount);
        Money::sum(order.currency, discounts.chain([order.gift_card]))?;
        if is_negative || !(0..=total.minor).contains(&order.gift_card.minor) {
            return Err(Refused::Amount { min: nothing, max: total });
        }
        let mut work = Work { state, effects: Vec::new() };
        work.move_sources(MovementKind::Reserved, MovementKind::Backordered)?;
        work.record(Happening::Placed);
        Ok(work.done())
    }

    /// Takes a step.
    ///
    /// The answer depends on nothing but the state and the command. A report that comes twice is refused the second
    /// time, as [`Refused::OutOfTurn`]: whoever reports reads that as known.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed.
    pub fn apply(&self, command: &Command) -> Result<Applied, Refused> {
        let mut work = Work { state: self.clone(), effects: Vec::new() };
        match command {
            Command::Authorize { amount } => work.authorize(*amount)?,
            Command::Capture { amount } => work.capture(*amount)?,
            Command::Void => work.void()?,
            Command::PaymentFailed => work.payment_failed()?,
            Command::Confirm => work.confirm()?,
            Command::Expire => work.expire()?,
            Command::Retake { allocation } => work.retake(allocation)?,
            Command::Cancel { reason, refund } => work.cancel(*reason, *refund)?,
            Command::CancelPieces { lines, refund } => work.cancel_pieces(lines, *refund)?,
            Command::FillBackorder { line, location, pieces } => {
                work.fill_backorder(*line, *location, *pieces)?;
            }
            Command::Fulfil { id, location, lines } => work.fulfil(*id, *location, lines)?,
            Command::Ship { id, tracking } => work.ship(*id, tracking.as_ref())?,
            Command::Deliver { id } => work.deliver(*id)?,
            Command::CancelFulfilment { id } => work.cancel_fulfilment(*id)?,
            Command::RequestReturn { id, lines } => work.request_return(*id, lines)?,
            Command::ApproveReturn { .. }
            | Command::RejectReturn { .. }
            | Command::CancelReturn { .. } => work.decide_return(command)?,
            Command::ReceiveReturn { id, location, lines, refund, shipping } => {
                work.receive_return(*id, (*location, lines), (*refund, *shipping))?;
            }
            Command::Refund { id, of, reason } => work.refund(*id, of, *reason)?,
            Command::RefundSucceeded { id } => work.refund_succeeded(*id)?,
            Command::RefundFailed { id } => work.refund_failed(*id)?,
            Command::ChargeBack { amount } => work.charge_back(*amount)?,
            Command::WinChargeback { amount } => work.win_chargeback(*amount)?,
            Command::Complete => work.complete()?,
        }
        Ok(work.done())
    }
}

/// A step under way.
struct Work {
    state: OrderState,
    effects: Vec<Effect>,
}

impl Work {
    fn done(self) -> Applied {
        Applied { state: self.state, effects: self.effects }
    }

    fn record(&mut self, happening: Happening) {
        self.effects.push(Effect::Record { happening });
    }

    /// Adds entries to the books; an event without money leaves none.
    fn post(&mut self, posting: Posting) {
        if !posting.entries().is_empty() {
            self.effects.push(Effect::Post { posting });
        }
    }

    fn out_of_turn<T>(&self, step: &'static str) -> Result<T, Refused> {
        Err(Refused::OutOfTurn { status: self.state.status, step })
    }

    const fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.state.currency)
    }

    /// Refuses an amount that is not within both bounds.
    fn bounded(&self, amount: Money, min: Money, max: Money) -> Result<(), Refused> {
        let is_ours = amount.currency == self.state.currency;
        if is_ours && (min.minor..=max.minor).contains(&amount.minor) {
            Ok(())
        } else {
            Err(Refused::Amount { min, max })
        }
    }

    /// Adds an entry to the stock ledger; none for no pieces.
    fn stock(
        &mut self,
        kind: MovementKind,
        (sku, location): (&Sku, LocationId),
        pieces: u32,
    ) -> Result<(), Refused> {
        if pieces == 0 {
            return Ok(());
        }
        let pieces = Pieces::try_from(pieces).map_err(|_invalid| Refused::InvalidLines)?;
        let reason = kind.has_reason().then_some(MovementReason::Damaged);
        let cause = Cause::Order(self.state.id);
        let movement = Movement::new(kind, reason, (sku, location), pieces, cause)
            .map_err(|_invalid| Refused::InvalidLines)?;
        self.effects.push(Effect::Stock { movement });
        Ok(())
    }

    /// Moves all secured pieces of the order one way, and all promised ones another.
    fn move_sources(
        &mut self,
        secured: MovementKind,
        promised: MovementKind,
    ) -> Result<(), Refused> {
        for line in self.state.lines.clone() {
            for source in &line.sources {
                self.stock(secured, (&line.sku, source.location), source.secured)?;
                self.stock(promised, (&line.sku, source.location), source.promised)?;
            }
        }
        Ok(())
    }
}

/// Turns an allocation into the sources of each line, if it covers the lines exactly.
pub(super) fn sources(
    allocation: &Allocation,
    quantities: &[u32],
) -> Result<Vec<Vec<Source>>, Refused> {
    let mut lines: Vec<Vec<Source>> = vec![Vec::new(); quantities.len()];
    let holds = allocation.holds.iter().map(|own| (own.line, own.location, own.pieces, 0));
    let promises = allocation.backorders.iter().map(|own| (own.line, own.location, 0, own.pieces));
    for (line, location, secured, promised) in holds.chain(promises) {
        let line = lines.get_mut(line).ok_or(Refused::InvalidLines)?;
        if secured == 0 && promised == 0 {
            return Err(Refused::InvalidLines);
        }
        match line.iter_mut().find(|source| source.location == location) {
            Some(source) => {
                source.secured = source.secured.saturating_add(secured);
                source.promised = source.promised.saturating_add(promised);
            }
            None => line.push(Source { location, secured, promised }),
        }
    }
    let covers = lines.iter().zip(quantities).all(|(line, &quantity)| {
        let pieces = line.iter().map(|source| source.secured.saturating_add(source.promised));
        pieces.fold(0, u32::saturating_add) == quantity
    });
    if covers { Ok(lines) } else { Err(Refused::InvalidLines) }
}
