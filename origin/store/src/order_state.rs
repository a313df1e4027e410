//! Orders after their checkout: the state that the rules see, its steps, its timeline and its notes.
//!
//! Most orders have no state of their own: what they cost and their payment tell it ([`tell`]). The first step that is not
//! the payment's makes a row of it, and from then on the row counts.

use api_types::cart::Line;
use domain::inventory::{Allocation, Backorder, Hold, MAIN_LOCATION, MovementRefused};
use domain::order::{
    Actor, Command, Happening, NewLine, NewOrder, Note, OrderState, Refused, Retold, Split,
    TimelineEntry, share,
};
use domain::pricing::Quote;
use domain::pricing::tax::PriceMode;
use domain::{
    ErrorKind, Money, MoneyError, OrderId, OrderStatus, PaymentOperationId, RefundId, Sku,
    Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use crate::{
    Claim, IssuedInvoice, Once, Operation, OrderRecord, OwnInvoice, Part, Store, StoreError, sql,
};

/// Most notes on one order: 200.
pub const NOTES_MAX: u32 = 200;
/// Most entries of a timeline that are read, newest first: 500.
pub(crate) const TIMELINE_MAX: u32 = 500;

/// An order with the state that the rules see.
#[derive(Debug, Clone, PartialEq)]
pub struct StatedOrder {
    /// The order.
    pub order: OrderRecord,
    /// Its state; `None` for one that its payment does not explain: somebody must look at it.
    pub state: Option<OrderState>,
    /// Steps so far.
    pub version: i64,
    /// Its invoice, in a shop that numbers its invoices in their own series.
    pub invoice: Option<OwnInvoice>,
}

/// An order with all that happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderLife {
    /// The order and its state.
    pub stated: StatedOrder,
    /// What happened, oldest first; of a long life the newest 500 entries.
    pub timeline: Vec<TimelineEntry>,
    /// What people wrote on it, oldest first.
    pub notes: Vec<Note>,
    /// What the provider was asked to do for it, oldest first.
    pub operations: Vec<Operation>,
}

/// Asks for a step of an order.
#[derive(Debug, Clone)]
pub struct TakeStep {
    /// Which order.
    pub order: OrderId,
    /// Only if it has taken so many steps.
    pub version: Option<i64>,
    /// The step.
    pub command: Command,
    /// Who asks.
    pub actor: Actor,
    /// Now.
    pub now: Timestamp,
}

/// Asks the provider to take held money, or to let it go.
#[derive(Debug, Clone)]
pub struct AskProvider {
    /// For which order.
    pub order: OrderId,
    /// Only if it has taken so many steps.
    pub version: Option<i64>,
    /// Name of what is asked.
    pub id: PaymentOperationId,
    /// What.
    pub wish: Wish,
    /// Who asks.
    pub actor: Actor,
    /// Now.
    pub now: Timestamp,
}

/// What the staff may ask the provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Take so much of what is held; all of it when nothing is said.
    Capture(Option<Money>),
    /// Let go what is held.
    Void,
}

/// Writes a note on an order.
#[derive(Debug, Clone)]
pub struct AddNote {
    /// On which order.
    pub order: OrderId,
    /// The note.
    pub note: Note,
}

/// A step that was taken, or something that was asked for or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTaken {
    /// Steps of the order from now on.
    pub version: i64,
    /// Name of what was made, if something was.
    pub made: Option<String>,
}

/// Why a step was not taken. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepRefused {
    /// There is no such order.
    NotFound,
    /// The order has taken other steps.
    Stale {
        /// How many.
        version: i64,
    },
    /// The rules do not allow it.
    Rule(Refused),
    /// The counters of stock do not allow it.
    Stock(Sku, MovementRefused),
    /// The provider is being asked for something about this payment; its answer decides what is possible.
    Busy,
    /// There are as many as there may be.
    TooMany {
        /// The most.
        max: u32,
    },
}

/// Which orders are listed, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListOrders {
    /// Those that stand there.
    pub status: Option<OrderStatus>,
    /// Those of this address, in lower case.
    pub email: Option<String>,
    /// Those that have this number, or whose invoice has it.
    pub number: Option<i64>,
    /// Older than this one.
    pub before: Option<OrderId>,
    /// How many at most.
    pub limit: u32,
}

/// An order in a list: without its lines, and with its state only where it has one of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedOrder {
    /// The order.
    pub order: OrderRecord,
    /// Its state, if a row is kept of it.
    pub state: Option<OrderState>,
    /// Its invoice, if that has a number of its own.
    pub invoice: Option<IssuedInvoice>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Tells the state of an order to which nothing has happened but its payment. `parts` are what it has elsewhere than at the
/// main location and what it was promised.
///
/// # Errors
/// [`Refused`] when its status and its payment cannot be those of one order.
pub(crate) fn tell(order: &OrderRecord, parts: &[Part]) -> Result<Retold, Refused> {
    let payment = order
        .payment
        .known()
        .map_err(|_contradiction| Refused::OutOfTurn { status: order.status, step: "retell" })?;
    // The name of money that went back unasked: the payment's own, so that it is the same whenever it is told.
    let refund = RefundId::from_bytes(*order.payment.id.as_bytes());
    OrderState::retell(&new_order(order, parts)?, order.status, payment, refund)
}

/// Makes the order as it was placed: its tax shown apart, as its quote says or as a share of each line's price and of
/// shipping, and all its pieces that are in no part from the main location.
fn new_order(order: &OrderRecord, parts: &[Part]) -> Result<NewOrder, Refused> {
    let totals = order.totals;
    let (prices, shipping) = match &order.quote {
        Some(quote) => quoted_prices(quote)?,
        None => plain_prices(order)?,
    };
    if prices.len() != order.lines.len() {
        return Err(Refused::InvalidLines);
    }
    let new_line = |(line, (price, discount)): (&Line, (Split, Money))| {
        let quantity = line.quantity.try_into().map_err(|_invalid| Refused::InvalidLines)?;
        Ok(NewLine { id: line.id, sku: line.sku.clone(), quantity, price, discount })
    };
    let lines: Result<Vec<NewLine>, Refused> =
        order.lines.iter().zip(prices).map(new_line).collect();
    Ok(NewOrder {
        id: order.id,
        currency: totals.currency,
        lines: lines?,
        shipping,
        gift_card: totals.gift_cards,
        allocation: given_out(&order.lines, parts),
    })
}

/// What is paid for each line with what was taken off it, and for shipping.
type Prices = (Vec<(Split, Money)>, Split);

fn plain_prices(order: &OrderRecord) -> Result<Prices, Refused> {
    let totals = order.totals;
    let nothing = Money::zero(totals.currency);
    let prices: Vec<Money> =
        order.lines.iter().map(|line| line.line_total).chain([totals.shipping]).collect();
    let mut splits = Vec::with_capacity(prices.len());
    for (price, tax) in prices.iter().zip(share(totals.tax, &prices)?) {
        splits.push(Split { net: price.checked_sub(tax)?, tax });
    }
    let shipping = splits.pop().unwrap_or_else(|| Split::zero(totals.currency));
    Ok((splits.into_iter().map(|split| (split, nothing)).collect(), shipping))
}

fn quoted_prices(quote: &Quote) -> Result<Prices, MoneyError> {
    let split = |total: Money, tax: Money| Ok(Split { net: total.checked_sub(tax)?, tax });
    let lines: Result<Vec<(Split, Money)>, MoneyError> = quote
        .lines
        .iter()
        .map(|line| {
            let price: Split = split(line.total, line.tax)?;
            Ok((price, net_discount(quote.price_mode, price, line.discount)?))
        })
        .collect();
    let shipping = match quote.shipping.quoted() {
        Some(shipping) => split(shipping.total, shipping.tax)?,
        None => Split::zero(quote.totals.total.currency),
    };
    Ok((lines?, shipping))
}

/// Returns what was taken off the lines of a quote, and what its shipping brings, both without tax.
pub(crate) fn discount_and_shipping(quote: &Quote) -> Result<(Money, Money), MoneyError> {
    let (lines, shipping) = quoted_prices(quote)?;
    let discounts = lines.into_iter().map(|(_, discount)| discount);
    Ok((Money::sum(quote.totals.total.currency, discounts)?, shipping.net))
}

/// Returns a discount without the tax that it contains where prices do.
fn net_discount(mode: PriceMode, price: Split, discount: Money) -> Result<Money, MoneyError> {
    let total = price.total()?;
    match (mode, u64::try_from(price.net.minor), u64::try_from(total.minor)) {
        (PriceMode::Inclusive, Ok(net), Ok(total)) if total > 0 => discount.scaled(net, total),
        _ => Ok(discount),
    }
}

/// Tells from where an order's lines were given out.
fn given_out(lines: &[Line], parts: &[Part]) -> Allocation {
    let mut allocation = Allocation::default();
    for (line, own) in lines.iter().enumerate() {
        let mut rest = own.quantity;
        for part in parts.iter().filter(|part| part.sku == own.sku) {
            let (location, expected_at) = (part.location, part.expected_at);
            rest = rest.saturating_sub(part.held).saturating_sub(part.backordered);
            if part.held > 0 {
                allocation.holds.push(Hold { line, location, pieces: part.held });
            }
            if part.backordered > 0 {
                let pieces = part.backordered;
                allocation.backorders.push(Backorder { line, location, pieces, expected_at });
            }
        }
        if rest > 0 {
            allocation.holds.push(Hold { line, location: MAIN_LOCATION, pieces: rest });
        }
    }
    allocation
}

/// Says whose doing it was that a payment's story tells.
pub(crate) const fn teller(happening: &Happening) -> Actor {
    match happening {
        Happening::Placed => Actor::Shopper,
        Happening::Confirmed | Happening::Expired | Happening::Cancelled { .. } => Actor::System,
        _ => Actor::Provider,
    }
}

/// Returns the kind of the event that tells others what happened; `None` for what the payment's own event tells.
pub(crate) const fn event_kind(happening: &Happening) -> Option<&'static str> {
    use Happening as H;
    Some(match happening {
        H::Placed | H::Authorized { .. } | H::Captured { .. } | H::Voided { .. } => return None,
        H::PaymentFailed | H::Cancelled { .. } => "order.cancelled",
        H::Confirmed | H::Retaken => "order.confirmed",
        H::Expired => "order.expired",
        H::PiecesCancelled { .. } => "order.pieces_cancelled",
        H::BackorderFilled { .. } => "order.backorder_filled",
        H::FulfilmentCreated { .. } => "order.fulfilled",
        H::Shipped { .. } => "order.shipped",
        H::Delivered { .. } => "order.delivered",
        H::FulfilmentCancelled { .. } => "order.fulfilment_cancelled",
        H::ReturnRequested { .. } => "order.return_requested",
        H::ReturnApproved { .. } => "order.return_approved",
        H::ReturnRejected { .. } => "order.return_rejected",
        H::ReturnReceived { .. } => "order.return_received",
        H::ReturnCancelled { .. } => "order.return_cancelled",
        H::RefundRequested { .. } => "order.refund_requested",
        H::RefundSucceeded { .. } => "order.refunded",
        H::RefundFailed { .. } => "order.refund_failed",
        H::ChargedBack { .. } => "order.charged_back",
        H::ChargebackWon { .. } => "order.chargeback_won",
        H::Completed => "order.completed",
        H::NoteAdded { .. } => "order.note_added",
    })
}

/// Returns the member of an event's words that names what it is about within the order, and the name.
pub(crate) fn event_subject(happening: &Happening) -> Option<(&'static str, String)> {
    use Happening as H;
    Some(match happening {
        H::FulfilmentCreated { fulfilment }
        | H::Shipped { fulfilment }
        | H::Delivered { fulfilment }
        | H::FulfilmentCancelled { fulfilment } => ("fulfilment_id", fulfilment.to_string()),
        H::ReturnRequested { id }
        | H::ReturnApproved { id }
        | H::ReturnRejected { id }
        | H::ReturnReceived { id }
        | H::ReturnCancelled { id } => ("return_id", id.to_string()),
        H::RefundRequested { id, .. } | H::RefundSucceeded { id } | H::RefundFailed { id } => {
            ("refund_id", id.to_string())
        }
        H::PiecesCancelled { line, .. } | H::BackorderFilled { line, .. } => {
            ("line_id", line.to_string())
        }
        H::NoteAdded { note } => ("note_id", note.to_string()),
        _ => return None,
    })
}

/// Returns the name of what a command makes, if it makes something.
pub(crate) fn made_by(command: &Command) -> Option<String> {
    match command {
        Command::Fulfil { id, .. } => Some(id.to_string()),
        Command::RequestReturn { id, .. } => Some(id.to_string()),
        Command::Refund { id, .. } => Some(id.to_string()),
        _ => None,
    }
}

impl StepRefused {
    /// Returns the family of the refusal.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Stale { .. } => ErrorKind::PreconditionFailed,
            Self::Rule(refused) => refused.kind(),
            Self::Stock(_, refused) => refused.kind(),
            Self::Busy | Self::TooMany { .. } => ErrorKind::Conflict,
        }
    }
}

impl Store {
    /// Reads an order with its state and all that happened to it.
    ///
    /// # Errors
    /// As every read.
    pub async fn order_life(&self, id: OrderId) -> Result<Option<OrderLife>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::order_life::life(tx, *id))).await
    }

    /// Reads an order with its state.
    ///
    /// # Errors
    /// As every read.
    pub async fn stated_order(&self, id: OrderId) -> Result<Option<StatedOrder>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::order_life::stated(tx, *id))).await
    }

    /// Reads an account's newest orders with their states.
    ///
    /// # Errors
    /// As every read.
    pub async fn stated_orders_of(
        &self,
        user: UserId,
        limit: u32,
    ) -> Result<Vec<StatedOrder>, StoreError> {
        self.read((user, limit), |tx, (user, limit)| {
            Box::pin(sql::order_life::of_user(tx, *user, *limit))
        })
        .await
    }

    /// Lists orders.
    ///
    /// # Errors
    /// As every read.
    pub async fn list_orders(&self, query: ListOrders) -> Result<Vec<ListedOrder>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::order_list::list(tx, query))).await
    }

    /// Takes a step of an order, once per claim: state, stock, books, timeline, events, and what the provider is to be
    /// asked, in one commit.
    ///
    /// # Errors
    /// As every write.
    pub async fn take_order_step(
        &self,
        command: TakeStep,
        claim: Option<Claim>,
    ) -> Result<Result<Once<StepTaken>, StepRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::order_state::take_step(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Writes down that the provider is to be asked, once per claim.
    ///
    /// # Errors
    /// As every write.
    pub async fn ask_provider(
        &self,
        command: AskProvider,
        claim: Option<Claim>,
    ) -> Result<Result<Once<StepTaken>, StepRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::operation::ask(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Writes a note on an order, once per claim.
    ///
    /// # Errors
    /// As every write.
    pub async fn add_order_note(
        &self,
        command: AddNote,
        claim: Option<Claim>,
    ) -> Result<Result<Once<StepTaken>, StepRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::order_life::add_note(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.note.at, work))
        })
        .await
    }
}
