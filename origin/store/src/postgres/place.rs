//! Many checkouts in one transaction: a few round trips, however many.
//!
//! The first claims the keys, locks the carts, and reads; then the same rules as everywhere decide, one checkout after the
//! other; the next writes all and commits. Only what is new and plain goes this way: a key that is known, or a cart that
//! cannot be bought, is left to the way that one command goes alone.
//!
//! One that is alone locks its stock as it reads it. Several only look at it, write everything else, and lock it at the end:
//! of a hot SKU nobody has the row for longer than it takes to count it down. If it then has less than was seen, or other
//! rules, all is undone and done again behind the lock; where something falls short at first sight, behind the lock at once.

mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use api_types::cart::{Cart, Line};
use domain::numbers::{Drawing, NumberStyle};
use domain::payment::Amounts;
use domain::{CartId, OrderStatus, PaymentStatus, Sku};
use futures::join;

use read::Stock;

use super::lanes::{BatchWork, Kind, Outcome};
use super::levels;
use super::session::{ANNOUNCE, Session};
use crate::StoreError;
use crate::order::{
    CheckoutOutcome, OrderRecord, PaymentRecord, PlaceOrder, Placed, Shortage, line_id,
};
use crate::sql::allocation::{self, Plain};
use crate::sql::pricing::PARENTS;
use crate::sql::{idempotency, order};
use crate::stock::MainStock;

/// Checkouts.
#[derive(Debug)]
pub(crate) struct Placing;

impl Kind for Placing {
    type Command = PlaceOrder;
    type Answer = Placed;
    const STATEMENTS: &'static [&'static str] = &[
        read::CLAIM,
        read::LOCK_CARTS,
        read::SEE_STOCK,
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
        ANNOUNCE,
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
    if commands.len() > 1 {
        let mut shop = read::read(session, commands, Stock::Seen).await?;
        let plan = Plan::of(commands, &shop)?;
        if plan.hinges_on_stock || shop.drawing()? == Drawing::Gapless {
            shop.lock_stock(session, commands).await?;
            return Plan::of(commands, &shop)?.place(session, &shop).await;
        }
        if let Some(outcomes) = plan.place_hopefully(session, commands, &shop).await? {
            return Ok(outcomes);
        }
        session.batch("ROLLBACK").await?;
    }
    let shop = read::read(session, commands, Stock::Locked).await?;
    Plan::of(commands, &shop)?.place(session, &shop).await
}

/// What is to be written.
struct Plan<'a> {
    orders: Vec<(&'a PlaceOrder, Cart)>,
    answers: Vec<(&'a PlaceOrder, String)>,
    given_up: Vec<&'a PlaceOrder>,
    outcomes: Vec<Outcome<Placed>>,
    /// Whether more stock might have decided otherwise: something falls short, or must be looked for elsewhere.
    hinges_on_stock: bool,
    /// What is left of the stock.
    stock: BTreeMap<Sku, MainStock>,
    claimed: BTreeSet<(&'a str, &'a str)>,
    bought: BTreeSet<CartId>,
}

impl<'a> Plan<'a> {
    /// Decides about all, one after the other.
    fn of(commands: &[&'a PlaceOrder], shop: &read::Shop) -> Result<Self, StoreError> {
        let mut plan = Self {
            orders: Vec::new(),
            answers: Vec::new(),
            given_up: Vec::new(),
            outcomes: Vec::with_capacity(commands.len()),
            hinges_on_stock: false,
            stock: shop.stock.clone(),
            claimed: BTreeSet::new(),
            bought: BTreeSet::new(),
        };
        for command in commands {
            let outcome = plan.decide(command, shop)?;
            plan.outcomes.push(outcome);
        }
        Ok(plan)
    }

    /// Decides about one checkout, as `sql::order::place` does for one alone.
    fn decide(
        &mut self,
        command: &'a PlaceOrder,
        shop: &read::Shop,
    ) -> Result<Outcome<Placed>, StoreError> {
        let claim = &command.claim;
        // The first of a key has it; whoever comes with the same one goes alone, and finds it in use.
        let is_new = shop.claimed.contains(&(claim.scope.clone(), claim.key.clone()));
        if !is_new || !self.claimed.insert((&claim.scope, &claim.key)) {
            return Ok(Outcome::Alone);
        }
        let cart = shop.cart(command)?.filter(|cart| !self.bought.contains(&cart.id));
        let Some(cart) = cart else {
            self.given_up.push(command);
            return Ok(Outcome::Alone);
        };
        let known = |sku: &Sku| self.stock.get(sku);
        match allocation::plain(&cart.lines, known, shop.rule, command.now)? {
            Plain::All => {}
            Plain::Short(shortages) => return self.refuse(command, shortages),
            Plain::Otherwise => {
                self.hinges_on_stock = true;
                self.given_up.push(command);
                return Ok(Outcome::Alone);
            }
        }
        hold(&mut self.stock, &cart.lines)?;
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
        self.hinges_on_stock = true;
        let outcome = CheckoutOutcome::OutOfStock(shortages);
        self.answers.push((command, idempotency::write(&outcome)?));
        Ok(Outcome::Done(Placed::Decided { outcome, is_replay: false }))
    }

    /// Writes everything, of stock that is locked. All but the commit.
    async fn place(
        self,
        session: &Session,
        shop: &read::Shop,
    ) -> Result<Vec<Outcome<Placed>>, StoreError> {
        let (numbers, stock) = join!(self.write_orders(session, shop), self.write_stock(session));
        let numbers = numbers?;
        stock?;
        self.finish(session, shop, &numbers, &shop.stock).await
    }

    /// Writes everything else first, then locks the stock, and counts it down if it is as it was seen. `None`: it is not.
    async fn place_hopefully(
        mut self,
        session: &Session,
        commands: &[&PlaceOrder],
        shop: &read::Shop,
    ) -> Result<Option<Vec<Outcome<Placed>>>, StoreError> {
        let (numbers, locked) =
            join!(self.write_orders(session, shop), read::lock_stock(session, commands));
        let (numbers, locked) = (numbers?, locked?);
        self.stock.clone_from(&locked);
        for (_, cart) in &self.orders {
            for line in &cart.lines {
                let (seen, found) = (shop.stock.get(&line.sku), self.stock.get(&line.sku));
                let is_as_seen = seen.zip(found).is_some_and(|(seen, found)| {
                    seen.policy == found.policy && seen.is_spread == found.is_spread
                });
                let wanted = i64::from(line.quantity);
                if !is_as_seen || found.is_none_or(|found| found.available() < wanted) {
                    return Ok(None);
                }
                hold(&mut self.stock, std::slice::from_ref(line))?;
            }
        }
        self.write_stock(session).await?;
        self.finish(session, shop, &numbers, &locked).await.map(Some)
    }

    /// Tells the edges what changed, and puts the answers together.
    async fn finish(
        mut self,
        session: &Session,
        shop: &read::Shop,
        numbers: &BTreeMap<[u8; 16], i64>,
        before: &BTreeMap<Sku, MainStock>,
    ) -> Result<Vec<Outcome<Placed>>, StoreError> {
        self.answer(session).await?;
        let style = shop.style()?;
        for outcome in &mut self.outcomes {
            if let Outcome::Done(Placed::Order(order)) = outcome {
                order.number = *numbers
                    .get(order.id.as_bytes())
                    .ok_or(StoreError::Corrupt("number of an order"))?;
                order.style = style.clone();
            }
        }
        let is_changed = |(sku, stock): &(&Sku, &MainStock)| {
            before.get(*sku).is_none_or(|before| stock.may_change_level(before))
        };
        let changed: Vec<&Sku> = self.stock.iter().filter(is_changed).map(|(sku, _)| sku).collect();
        if let Some((order, _)) = self.orders.first().filter(|_| !changed.is_empty()) {
            levels::publish(session, &changed, order.now).await?;
        }
        Ok(self.outcomes)
    }
}

/// Takes the pieces of lines from what is left.
fn hold(stock: &mut BTreeMap<Sku, MainStock>, lines: &[Line]) -> Result<(), StoreError> {
    let corrupt = || StoreError::Corrupt("stock counter");
    for line in lines {
        let left = stock.get_mut(&line.sku).ok_or_else(corrupt)?;
        *left = left.hold(order::quantity(line)?).ok_or_else(corrupt)?;
    }
    Ok(())
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
