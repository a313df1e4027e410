//! Money that is given back.

use serde::{Deserialize, Serialize};

use super::flow::Split;
use crate::{LineId, Money, RefundId, ReturnId};

/// Most refunds that can be asked for by hand on one order: 100, so that an order stays one small record.
pub const REFUNDS_MAX: usize = 100;

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Asked for; the money is on its way, or nobody knows yet.
    Pending,
    /// The money is back.
    Succeeded,
    /// The money could not be given back, and is ours again.
    Failed,
}

/// Why money is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The order was called off.
    Cancelled,
    /// Pieces came back.
    Returned,
    /// Something arrived broken, and stays there.
    Damaged,
    /// Something did not arrive.
    Lost,
    /// It came too late.
    Late,
    /// It cost less by then, or too much was charged.
    Price,
    /// The order had ended before its payment came.
    PaidTooLate,
    /// As a kindness.
    Goodwill,
    /// For another reason.
    Other,
}

/// What a refund takes from one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    /// Which line.
    pub line: LineId,
    /// How much, with its share of the tax.
    pub amount: Split,
}

/// Money that is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its name; with the operation it makes the provider's idempotency key.
    pub id: RefundId,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why.
    pub reason: RefundReason,
    /// The return that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_return: Option<ReturnId>,
    /// What it takes from the lines; none of nothing.
    pub lines: Vec<RefundLine>,
    /// What it takes from shipping.
    pub shipping: Split,
    /// How much the provider gives back.
    pub provider: Money,
    /// How much goes onto gift cards.
    pub gift_card: Money,
}
