//! Checkouts and orders.

use std::fmt;
use std::time::Duration;

use api_types::cart::{Line, LinePromise, Totals, promises_of};
use api_types::order::Address;
use domain::inventory::ShortageReason;
use domain::numbers::NumberStyle;
use domain::payment::{Amounts, KeptMethod, Payment};
use domain::pricing::Quote;
use domain::{
    CartId, Email, LineId, Money, OrderId, OrderStatus, PaymentId, PaymentStatus, Sku, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};

use crate::{CartRefusal, Claim, Engine, Store, StoreError, Terms, sql};

/// Makes an order of a cart: claims the key, holds the stock, writes order and payment. One commit.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    /// Of which cart.
    pub cart: CartId,
    /// Name of the order, if it is made.
    pub order: OrderId,
    /// Name of its payment.
    pub payment: PaymentId,
    /// Random bytes for the names of its lines.
    pub line_seed: [u8; 10],
    /// Digest of the token that reads the order.
    pub token_hash: [u8; 32],
    /// Who buys, if signed in.
    pub user: Option<UserId>,
    /// Where the confirmation goes.
    pub email: Email,
    /// Where to ship.
    pub address: Address,
    /// Who moves the money, by its own name.
    pub provider: &'static str,
    /// How to pay.
    pub method: KeptMethod,
    /// What pays, where that is a token.
    pub token: Option<SealedToken>,
    /// The caller's key.
    pub claim: Claim,
    /// How long the stock is held.
    pub hold: Duration,
    /// How long others must leave this checkout alone. Longer than a provider call may take.
    pub lease: Duration,
    /// On what terms.
    pub terms: Terms,
    /// Now.
    pub now: Timestamp,
}

/// What became of an attempt to place an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Placed {
    /// The order is there (new, or left behind by an attempt that ended early): go on with its payment.
    Order(Box<OrderRecord>),
    /// Decided. `is_replay` tells that it was decided before.
    Decided {
        /// The decision.
        outcome: CheckoutOutcome,
        /// Whether it is an answer given before.
        is_replay: bool,
    },
    /// Not possible as asked; nothing was kept.
    Refused(CartRefusal),
    /// The key is being used right now.
    InFlight,
    /// The key belongs to another request.
    Reused,
}

/// How a checkout ended, as it is replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckoutOutcome {
    /// There is an order.
    Placed(Box<CheckoutSnapshot>),
    /// The provider refused.
    Declined,
    /// Not enough of these.
    OutOfStock(Vec<Shortage>),
}

/// The order as it was when the checkout was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutSnapshot {
    /// The order.
    pub order: OrderId,
    /// Its number.
    pub number: i64,
    /// How the number is written; an answer of before had one way.
    #[serde(default)]
    pub style: NumberStyle,
    /// Where it stood.
    pub status: OrderStatus,
    /// Where its payment stood.
    pub payment_status: PaymentStatus,
    /// What it costs.
    pub totals: Totals,
    /// What was promised of its lines; an answer of before did not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promises: Vec<LinePromise>,
}

/// A line that asks for more than there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Place of the line in the cart, from 0.
    pub line: usize,
    /// What.
    pub sku: Sku,
    /// How many were asked for.
    pub wanted: u32,
    /// How many there are, those that may be promised included.
    pub available: i64,
    /// Why; a program that knew one reason only has not said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ShortageReason>,
}

/// An order with everything that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRecord {
    /// Name.
    pub id: OrderId,
    /// Number.
    pub number: i64,
    /// How the number is written, since it was given.
    pub style: NumberStyle,
    /// The cart it was made of.
    pub cart: CartId,
    /// The cart's version then.
    pub cart_version: i64,
    /// Who bought, if signed in.
    pub user: Option<UserId>,
    /// Digest of the token that reads it.
    pub token_hash: [u8; 32],
    /// Where the confirmation goes.
    pub email: String,
    /// Where to ship.
    pub address: Address,
    /// Where it stands.
    pub status: OrderStatus,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What it costs.
    pub totals: Totals,
    /// What led to it; nothing where it was priced plainly. Its lines have the names of the order's.
    pub quote: Option<Box<Quote>>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Until when its stock is held.
    pub expires_at: Timestamp,
    /// Steps of the state that is kept of it; 0 while its payment alone tells its story.
    pub state_version: i64,
    /// Its payment.
    pub payment: PaymentRecord,
}

/// A provider's token, sealed: kept until the provider has answered, opened by the shop's secret alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken(pub Vec<u8>);

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Returns how a method is stored: a word that every program before could read, and what it really is where that is no
/// test method. They take such a payment for one whose answer never comes, and ask nobody to pay it.
pub(crate) const fn method_words(method: KeptMethod) -> (&'static str, Option<&'static str>) {
    match method {
        KeptMethod::Test(test) => (test.as_str(), None),
        KeptMethod::Token | KeptMethod::Hosted => ("timeout", Some(method.as_str())),
    }
}

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRecord {
    /// Name; the provider knows it as our reference.
    pub id: PaymentId,
    /// Who moves its money; `test` also where a program wrote it that knew no other name.
    pub provider: String,
    /// How to pay.
    pub method: KeptMethod,
    /// What pays, where that is a token and the provider has not answered yet.
    pub token: Option<SealedToken>,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much.
    pub amount: Money,
    /// How much went where.
    pub amounts: Amounts,
    /// The provider's name for it, once known.
    pub provider_ref: Option<String>,
}

impl PaymentRecord {
    /// Returns what is known of the payment. A state that moved money and no amounts was written by a program that knew
    /// none yet: it means the whole.
    ///
    /// # Errors
    /// When state and amounts contradict each other.
    pub(crate) fn known(&self) -> Result<Payment, StoreError> {
        let is_old = self.amounts == Amounts::zero(self.amount.currency);
        let amounts = if is_old { Amounts::whole(self.status, self.amount) } else { self.amounts };
        Payment::restore(self.amount, self.status, amounts)
            .map_err(|_contradiction| StoreError::Corrupt("amounts of a payment"))
    }
}

impl OrderRecord {
    /// Writes its number as people quote it.
    #[must_use]
    pub fn number_text(&self) -> String {
        self.style.text(self.number)
    }

    /// Returns how the checkout that made this order is answered now.
    #[must_use]
    pub fn outcome(&self) -> CheckoutOutcome {
        if self.payment.status == PaymentStatus::Declined {
            return CheckoutOutcome::Declined;
        }
        CheckoutOutcome::Placed(Box::new(CheckoutSnapshot {
            order: self.id,
            number: self.number,
            style: self.style.clone(),
            status: self.status,
            payment_status: self.payment.status,
            totals: self.totals,
            promises: promises_of(&self.lines),
        }))
    }
}

/// Makes the name of an order line from the order's time, a seed and its place.
pub(crate) fn line_id(now: Timestamp, mut seed: [u8; 10], place: usize) -> LineId {
    if let Some(last) = seed.last_mut() {
        *last ^= u8::try_from(place).unwrap_or(0);
    }
    LineId::v7(now, seed)
}

impl Store {
    /// Places an order, or says why not, or what was decided before.
    ///
    /// # Errors
    /// As every write.
    pub async fn place_order(&self, command: PlaceOrder) -> Result<Placed, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => {
                self.write(command, |tx, command| Box::pin(sql::order::place(tx, command))).await
            }
            Engine::Postgres(cluster) => cluster.place(command).await,
        }
    }

    /// Reads an order.
    ///
    /// # Errors
    /// As every read.
    pub async fn order(&self, id: OrderId) -> Result<Option<OrderRecord>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::order::load(tx, *id))).await
    }

    /// Reads an account's newest orders.
    ///
    /// # Errors
    /// As every read.
    pub async fn orders_of(
        &self,
        user: UserId,
        limit: u32,
    ) -> Result<Vec<OrderRecord>, StoreError> {
        self.read((user, limit), |tx, (user, limit)| {
            Box::pin(sql::order::of_user(tx, *user, *limit))
        })
        .await
    }

    /// Ends orders whose hold ran out and gives their stock back; at most `limit`. Returns how many.
    ///
    /// # Errors
    /// As every write.
    pub async fn release_expired(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.write((now, limit), |tx, (now, limit)| {
            Box::pin(sql::order::release_expired(tx, *now, *limit))
        })
        .await
    }
}
