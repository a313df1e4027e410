//! Many checkouts in one transaction: two round trips, however many.
//!
//! The first claims the keys, locks carts and stock in one order, and reads; then the same rules as everywhere decide,
//! one checkout after the other; the second writes all and commits. Only what is new and plain goes this way: a key
//! that is known, or a cart that cannot be bought, is left to the way that one command goes alone.

mod read;
mod write;

use std::collections::BTreeSet;

use api_types::cart::{Cart, Line};
use domain::numbers::NumberStyle;
use domain::payment::Amounts;
use domain::{CartId, OrderStatus, PaymentStatus, Sku, Timestamp};

use super::lanes::{BatchWork, Kind, Outcome};
use super::levels;
use super::session::Session;
use crate::StoreError;
use crate::order::{
    CheckoutOutcome, OrderRecord, PaymentRecord, PlaceOrder, Placed, Shortage, line_id,
};
use crate::sql::allocation::{self, Plain};
use crate::sql::pricing::PARENTS;
use crate::sql::{idempotency, numbers, order};

/// Checkouts.
#[derive(Debug)]
pub(crate) struct Placing;

impl Kind for Placing {
    type Command = PlaceOrder;
    type Answer = Placed;
    const STATEMENTS: &'static [&'static str] = &[
        read::CLAIM,
        read::LOCK_CARTS,
        read::LOCK_STOCK,
        read::READ_LINES,
        read::READ_RULES,
        read::READ_PROMOTIONS,
        PARENTS,
        allocation::READ_RULE,
        write::WRITE_STOCK,
        write::WRITE_MOVEMENTS,
        write::WRITE_ORDERS,
        write::WRITE_NUMBERED_ORDERS,
        write::WRITE_LINES,
        write::WRITE_HOLDS,
        write::WRITE_PAYMENTS,
        write::WRITE_REDEMPTIONS,
        write::WRITE_CARTS,
        write::WRITE_EVENTS,
        write::WRITE_ANSWERS,
        write::GIVE_UP_CLAIMS,
        levels::READ_LEVELS,
        levels::READ_TOLD,
        levels::NEXT_POSITION,
        levels::WRITE_TOLD,
        levels::WRITE_CHANGES,
        levels::WRITE_EVENTS,
    ];

    fn work<'a>(session: &'a Session, commands: &'a [&'a PlaceOrder]) -> BatchWork<'a, Placed> {
        Box::pin(work(session, commands))
    }
}

async fn work(
    session: &Session,
    commands: &[&PlaceOrder],
) -> Result<Vec<Outcome<Placed>>, StoreError> {
    let mut shop = read::read(session, commands).await?;
    let mut plan = Plan::default();
    let mut outcomes: Vec<Outcome<Placed>> =
        commands.iter().map(|command| plan.decide(command, &mut shop)).collect::<Result<_, _>>()?;
    let drawing = numbers::drawing_of(shop.setting(numbers::ORDER_NUMBERS))?;
    let style = numbers::read_style(shop.setting(numbers::ORDER_NUMBER_STYLE))?;
    let numbers = plan.write(session, drawing, &style).await?;
    for outcome in &mut outcomes {
        if let Outcome::Done(Placed::Order(order)) = outcome {
            order.number = *numbers
                .get(order.id.as_bytes())
                .ok_or(StoreError::Corrupt("number of an order"))?;
            order.style = style.clone();
        }
    }
    let changed = shop.changed_levels();
    if !changed.is_empty() {
        let now = commands.first().map_or(Timestamp::from_unix_ms(0), |command| command.now);
        levels::publish(session, &changed, now).await?;
    }
    Ok(outcomes)
}

/// What is to be written.
#[derive(Default)]
struct Plan<'a> {
    orders: Vec<(&'a PlaceOrder, Cart)>,
    answers: Vec<(&'a PlaceOrder, String)>,
    given_up: Vec<&'a PlaceOrder>,
    bought: BTreeSet<CartId>,
}

impl<'a> Plan<'a> {
    /// Decides about one checkout, as `sql::order::place` does for one alone.
    fn decide(
        &mut self,
        command: &'a PlaceOrder,
        shop: &mut read::Shop,
    ) -> Result<Outcome<Placed>, StoreError> {
        let claim = &command.claim;
        // The first of a key has it; whoever comes with the same one goes alone, and finds it in use.
        if !shop.claimed.remove(&(claim.scope.clone(), claim.key.clone())) {
            return Ok(Outcome::Alone);
        }
        let cart = shop.cart(command)?.filter(|cart| !self.bought.contains(&cart.id));
        let Some(cart) = cart else {
            self.given_up.push(command);
            return Ok(Outcome::Alone);
        };
        let known = |sku: &Sku| shop.stock.get(sku);
        match allocation::plain(&cart.lines, known, shop.rule, command.now)? {
            Plain::All => {}
            Plain::Short(shortages) => return self.refuse(command, shortages),
            Plain::Otherwise => {
                self.given_up.push(command);
                return Ok(Outcome::Alone);
            }
        }
        for line in &cart.lines {
            let corrupt = StoreError::Corrupt("stock counter");
            let Some(stock) = shop.stock.get_mut(&line.sku) else { return Err(corrupt) };
            *stock = stock.hold(order::quantity(line)?).ok_or(corrupt)?;
        }
        self.bought.insert(cart.id);
        let record = record(command, &cart);
        self.orders.push((command, cart));
        Ok(Outcome::Done(Placed::Order(Box::new(record))))
    }

    fn refuse(
        &mut self,
        command: &'a PlaceOrder,
        shortages: Vec<Shortage>,
    ) -> Result<Outcome<Placed>, StoreError> {
        let outcome = CheckoutOutcome::OutOfStock(shortages);
        self.answers.push((command, idempotency::write(&outcome)?));
        Ok(Outcome::Done(Placed::Decided { outcome, is_replay: false }))
    }
}

/// The order as it will be read; its number and how that is written are given when it is written.
fn record(command: &PlaceOrder, cart: &Cart) -> OrderRecord {
    let lines = cart.lines.iter().enumerate().map(|(place, line)| Line {
        id: line_id(command.now, command.line_seed, place),
        ..line.clone()
    });
    OrderRecord {
        id: command.order,
        number: 0,
        style: NumberStyle::default(),
        cart: cart.id,
        cart_version: cart.version,
        user: command.user,
        token_hash: command.token_hash,
        email: command.email.as_str().to_owned(),
        address: command.address.clone(),
        status: OrderStatus::PendingPayment,
        lines: lines.collect(),
        totals: cart.totals,
        quote: order::order_quote(command, cart),
        created_at: command.now,
        expires_at: command.now.after(command.hold),
        state_version: 0,
        payment: PaymentRecord {
            id: command.payment,
            provider: command.provider.to_owned(),
            method: command.method,
            token: command.token.clone(),
            status: PaymentStatus::Created,
            amount: cart.totals.due,
            amounts: Amounts::zero(cart.currency),
            provider_ref: None,
        },
    }
}
