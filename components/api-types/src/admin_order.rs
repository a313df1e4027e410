//! Orders as the staff sees and moves them, under `/admin/v1/orders`.

use domain::order::{
    AmountOf, CancelReason, Flow, Fulfilment, FulfilmentSummary, Note, NoteAudience,
    PaymentSummary, PiecesOf, ReceivedPieces, RefundReason, ReturnWish, Source, Step, Sums,
    TimelineEntry,
};
use domain::{
    LineId, LocationId, Money, OrderId, OrderStatus, PaymentOperationId, PaymentStatus, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};

use crate::order::{Order, OrderInvoice};

/// An order in the staff's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummary {
    /// The order.
    pub id: OrderId,
    /// What people quote.
    pub number: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its payment stands.
    pub payment_status: PaymentStatus,
    /// How much of it is paid.
    pub payment: PaymentSummary,
    /// How much of it has left the house.
    pub fulfilment: FulfilmentSummary,
    /// Whose it is.
    pub email: String,
    /// The account, if one was signed in.
    pub user_id: Option<UserId>,
    /// What it costs.
    pub total: Money,
    /// Its invoice, once that has a number of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<OrderInvoice>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Answer of `GET /admin/v1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummaries {
    /// Newest first.
    pub items: Vec<OrderSummary>,
    /// Give it as `before` for the next ones; absent at the end.
    pub next_before: Option<OrderId>,
}

/// A line of an order with what became of its pieces and of its money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineLife {
    /// Which line.
    pub line: LineId,
    /// Pieces that were called off.
    pub cancelled: u32,
    /// Pieces that have left the house.
    pub shipped: u32,
    /// Pieces that may still be asked to be taken back.
    pub returnable: u32,
    /// Where its pieces come from.
    pub sources: Vec<Source>,
    /// Where its money is, net and tax apart.
    pub money: Flow,
}

/// Something that the provider was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentOperation {
    /// Its name; a refund's is that of the refund.
    pub id: PaymentOperationId,
    /// `capture`, `void` or `refund`.
    pub kind: String,
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
    /// How much.
    pub amount: Money,
    /// Class of the last failure, if there was one.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Answer of `GET /admin/v1/orders/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminOrder {
    /// The order as its shopper sees it.
    pub order: Order,
    /// The account, if one was signed in.
    pub user_id: Option<UserId>,
    /// How much of it is paid.
    pub payment: PaymentSummary,
    /// How much of it has left the house.
    pub fulfilment: FulfilmentSummary,
    /// Its sums: `price = open + captured + refunding + refunded + released`. Absent where the stored order is broken.
    pub sums: Option<Sums>,
    /// Its lines.
    pub lines: Vec<LineLife>,
    /// The money of its shipping.
    pub shipping: Option<Flow>,
    /// Its parcels, with where they are packed.
    pub fulfilments: Vec<Fulfilment>,
    /// What the provider was asked for, oldest first.
    pub operations: Vec<PaymentOperation>,
    /// What the staff may do now, with the bounds.
    pub next_steps: Vec<Step>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// What people wrote on it, oldest first.
    pub notes: Vec<Note>,
}

/// Answer of every step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAnswer {
    /// Name of what was made, if something was.
    pub made: Option<String>,
    /// The order as it is now.
    #[serde(flatten)]
    pub order: AdminOrder,
}

/// Body of `POST /admin/v1/orders/{id}/capture`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRequest {
    /// How much; all that is held and to be paid unless said.
    #[serde(default)]
    pub amount: Option<Money>,
}

/// Body of `POST /admin/v1/orders/{id}/refunds`: an amount, or parts, or nothing of both for all that is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequest {
    /// So much, from lines and shipping in proportion to what is left of each.
    #[serde(default)]
    pub amount: Option<Money>,
    /// So much from each of these lines.
    #[serde(default)]
    pub lines: Vec<AmountOf>,
    /// So much from shipping.
    #[serde(default)]
    pub shipping: Option<Money>,
    /// Why; `other` unless said.
    #[serde(default)]
    pub reason: Option<RefundReason>,
}

/// Body of `POST /admin/v1/orders/{id}/cancel`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Why; `other` unless said.
    #[serde(default)]
    pub reason: Option<CancelReason>,
    /// Only these pieces; the whole order unless said.
    #[serde(default)]
    pub lines: Vec<PiecesOf>,
}

/// Body of `POST /admin/v1/orders/{id}/fulfilments`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfilRequest {
    /// From where; the shop's main location unless said.
    #[serde(default)]
    pub location: Option<LocationId>,
    /// What is in the parcel; all that can be packed there unless said.
    #[serde(default)]
    pub lines: Vec<PiecesOf>,
}

/// Body of `POST /admin/v1/orders/{id}/fulfilments/{fulfilment_id}/ship`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipRequest {
    /// Who carries it, 1 to 40 characters; without it there is no tracking.
    #[serde(default)]
    pub carrier: Option<String>,
    /// Its number there.
    #[serde(default)]
    pub number: Option<String>,
    /// Where it can be followed: https.
    #[serde(default)]
    pub url: Option<String>,
}

/// Body of `POST /admin/v1/orders/{id}/returns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnRequest {
    /// What shall come back; a line once.
    pub lines: Vec<ReturnWish>,
}

/// Body of `POST /admin/v1/orders/{id}/returns/{return_id}/receive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveRequest {
    /// Where; the shop's main location unless said.
    #[serde(default)]
    pub location: Option<LocationId>,
    /// What came; a line once, less than asked is fine.
    pub lines: Vec<ReceivedPieces>,
    /// Whether what the pieces cost is given back; yes unless said.
    #[serde(default = "yes")]
    pub refund: bool,
    /// How much of the shipping is given back too; nothing unless said.
    #[serde(default)]
    pub shipping: Option<Money>,
}

const fn yes() -> bool {
    true
}

/// Body of `POST /admin/v1/orders/{id}/notes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNote {
    /// 1 to 2 000 characters; line breaks are kept.
    pub text: String,
    /// `staff` (unless said) or `shopper`.
    #[serde(default)]
    pub audience: Option<NoteAudience>,
}
