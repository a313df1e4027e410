//! Checkout and orders on the wire.

use std::fmt;

use domain::order::{
    FulfilmentStatus, PiecesOf, RefundReason, RefundStatus, ReturnLine, ReturnStatus, ReturnWish,
    Step, Tracking,
};
use domain::pricing::Quote;
use domain::{
    FulfilmentId, Money, OrderId, OrderStatus, PaymentStatus, RefundId, ReturnId, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::cart::{Line, LinePromise, Totals};

/// Where to ship.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Who receives it.
    #[serde(default)]
    pub name: String,
    /// Street and number.
    #[serde(default)]
    pub line1: String,
    /// Anything more; may be absent.
    #[serde(default)]
    pub line2: Option<String>,
    /// Postal code.
    #[serde(default)]
    pub postal_code: String,
    /// City.
    #[serde(default)]
    pub city: String,
    /// State, province or prefecture, the second half of an ISO 3166-2 code; may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// ISO 3166-1 alpha-2 code.
    #[serde(default)]
    pub country: String,
}

/// How to pay.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentChoice {
    /// Payment provider: `test`, or the one that moves the shop's money, for instance `stripe`.
    #[serde(default)]
    pub provider: String,
    /// `token`, `hosted`, or what a provider is asked to play, for instance `success`.
    #[serde(default)]
    pub method: String,
    /// The provider's name for what the payer gave to its own field, where the method is `token`. Never card data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl fmt::Debug for PaymentChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "***");
        write!(f, "PaymentChoice({} {} {token:?})", self.provider, self.method)
    }
}

/// Body of `POST /v1/carts/{id}/checkout`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutRequest {
    /// Where the confirmation goes.
    #[serde(default)]
    pub email: String,
    /// Where to ship.
    #[serde(default)]
    pub shipping_address: Address,
    /// How to pay.
    #[serde(default)]
    pub payment: PaymentChoice,
    /// What the shopper was shown as due. Where the order comes to something else, nothing is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_due: Option<Money>,
    /// What the shopper was shown as promised; a line that is not named was shown as being there. Where more is promised
    /// now, or for a later day, nothing is bought. Absent: nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_promises: Option<Vec<LinePromise>>,
}

/// What the payer has to do next.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// `approve`: ask the payer, then `POST` the decision to `url`. `redirect`: go to the page `url`. `use_sdk`: go on in
    /// the provider's own field with `client_secret`. `resume`: `POST` `{"action":"resume"}` to `url`, which tells which
    /// of the two it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The page of a `redirect`; else the path that takes `{"action":"approve"}`, `"reject"` or `"resume"`.
    pub url: String,
    /// The secret of a `use_sdk`, for this payer's browser alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

impl fmt::Debug for NextAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A page's address and a client secret let whoever has them pay in the payer's place.
        write!(f, "NextAction({}, ***)", self.kind)
    }
}

/// Answer of a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutAnswer {
    /// The order.
    pub order_id: OrderId,
    /// What people quote.
    pub number: String,
    /// Where the order stands.
    pub status: OrderStatus,
    /// Where its payment stands.
    pub payment_status: PaymentStatus,
    /// What was or will be paid.
    pub totals: Totals,
    /// Reads this order without an account: `Authorization: Bearer ot_…`.
    pub order_token: String,
    /// Present while the payer has to act.
    pub next_action: Option<NextAction>,
    /// What was promised of the order's lines; of all others everything is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promises: Vec<LinePromise>,
}

/// Body of `POST /v1/orders/{id}/payment/actions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentAction {
    /// `approve`, `reject` or `resume`.
    #[serde(default)]
    pub action: String,
}

/// Answer of `GET /v1/orders/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The order.
    pub id: OrderId,
    /// What people quote.
    pub number: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its payment stands.
    pub payment_status: PaymentStatus,
    /// Where the confirmation goes.
    pub email: String,
    /// Where it is shipped to.
    pub shipping_address: Address,
    /// What was bought, at the prices of that moment.
    pub lines: Vec<Line>,
    /// What was or will be paid.
    pub totals: Totals,
    /// Everything that led to the totals, where there were promotions, methods, zones or gift cards. Its lines have the
    /// names of this order's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Box<Quote>>,
    /// Present while the payer has to act.
    pub next_action: Option<NextAction>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Until when its stock is held; absent once it is settled.
    pub expires_at: Option<Timestamp>,
    /// Its invoice, once that has a number of its own. Absent in a shop whose invoices carry their orders' numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<OrderInvoice>,
    /// Steps that the order has taken; also the ETag.
    pub version: i64,
    /// Pieces that were called off.
    pub cancelled: Vec<PiecesOf>,
    /// Its parcels, those that are being packed included.
    pub fulfilments: Vec<Parcel>,
    /// What comes back.
    pub returns: Vec<OrderReturn>,
    /// What is given back.
    pub refunds: Vec<OrderRefund>,
    /// What its shopper may do now, with the bounds: `cancel`, `request_return`, `cancel_return`.
    pub next_steps: Vec<Step>,
    /// What the shop wrote to the shopper; only where one order is read.
    pub notes: Vec<OrderNote>,
}

/// An invoice that has a number of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderInvoice {
    /// Its number, as it was given.
    pub number: String,
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// A parcel, as its receiver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Its name.
    pub id: FulfilmentId,
    /// Where it stands.
    pub status: FulfilmentStatus,
    /// What is in it.
    pub lines: Vec<PiecesOf>,
    /// How it can be followed, once it has left.
    pub tracking: Option<Tracking>,
}

/// Pieces that come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReturn {
    /// Its name.
    pub id: ReturnId,
    /// Where it stands.
    pub status: ReturnStatus,
    /// What comes back.
    pub lines: Vec<ReturnLine>,
    /// What was given back for it.
    pub refund: Option<RefundId>,
}

/// Money that is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRefund {
    /// Its name.
    pub id: RefundId,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why.
    pub reason: RefundReason,
    /// How much, tax included.
    pub amount: Money,
}

/// What the shop wrote to the shopper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderNote {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// Body of `POST /v1/orders/{id}/returns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReturn {
    /// What shall go back; a line once.
    pub lines: Vec<ReturnWish>,
}

/// Answer of `GET /v1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The account's orders, newest first, 100 at most.
    pub items: Vec<Order>,
}
