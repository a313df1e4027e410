//! The steps of an order: what is asked ([`Command`]), and what is possible now ([`Step`]).

use serde::{Deserialize, Serialize};

use super::parcel::{ReturnReason, Tracking};
use super::refund::RefundReason;
use crate::inventory::Allocation;
use crate::{FulfilmentId, LineId, LocationId, Money, RefundId, ReturnId};

/// Why an order was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The shopper wanted it.
    Shopper,
    /// It cannot be delivered.
    OutOfStock,
    /// It looks like fraud.
    Fraud,
    /// The price or the article was wrong.
    Mistake,
    /// For another reason.
    Other,
}

/// Pieces of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PiecesOf {
    /// Which line.
    pub line: LineId,
    /// How many; never 0.
    pub pieces: u32,
}

/// Pieces of a line that shall go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnWish {
    /// Which line.
    pub line: LineId,
    /// How many; never 0.
    pub pieces: u32,
    /// Why.
    pub reason: ReturnReason,
}

/// Pieces of a line that came back; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedPieces {
    /// Which line.
    pub line: LineId,
    /// Pieces that are for sale again.
    pub restocked: u32,
    /// Pieces that are worthless.
    pub written_off: u32,
}

/// Money of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountOf {
    /// Which line.
    pub line: LineId,
    /// How much; never 0.
    pub amount: Money,
}

/// How much to give back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RefundOf {
    /// All that is left.
    Whole,
    /// So much, from lines and shipping in proportion to what is left of each.
    Amount {
        /// How much.
        amount: Money,
    },
    /// So much of each.
    Parts {
        /// From lines.
        lines: Vec<AmountOf>,
        /// From shipping; may be nothing.
        shipping: Money,
    },
}

/// What is asked of an order. Names given to new things must be new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Command {
    /// The payer's bank holds the money: the order is accepted.
    Authorize {
        /// How much.
        amount: Money,
    },
    /// The provider took money: an order that waits for it is accepted. Taken also after the order's end.
    Capture {
        /// How much.
        amount: Money,
    },
    /// Held money was let go, by us or by the bank.
    Void,
    /// The payment came to nothing.
    PaymentFailed,
    /// There is nothing left to pay: the order is accepted.
    Confirm,
    /// The hold ran out.
    Expire,
    /// Stock was given out again for an order that was paid after its end.
    Retake {
        /// What was given out, by the places of the order's lines.
        allocation: Allocation,
    },
    /// Calls the whole order off.
    Cancel {
        /// Why.
        reason: CancelReason,
        /// Name of the refund, if money was taken.
        refund: RefundId,
    },
    /// Calls pieces off that are not packed, promised ones first. All of them: that is [`Command::Cancel`].
    CancelPieces {
        /// Which; a line once.
        lines: Vec<PiecesOf>,
        /// Name of the refund, if money was taken.
        refund: RefundId,
    },
    /// Promised pieces are there.
    FillBackorder {
        /// Of which line.
        line: LineId,
        /// Where.
        location: LocationId,
        /// How many.
        pieces: u32,
    },
    /// Packs a parcel.
    Fulfil {
        /// Its name.
        id: FulfilmentId,
        /// From where.
        location: LocationId,
        /// What is in it; a line once.
        lines: Vec<PiecesOf>,
    },
    /// A parcel left.
    Ship {
        /// Which.
        id: FulfilmentId,
        /// How it can be followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking: Option<Tracking>,
    },
    /// A parcel arrived.
    Deliver {
        /// Which.
        id: FulfilmentId,
    },
    /// Unpacks a parcel that has not left.
    CancelFulfilment {
        /// Which.
        id: FulfilmentId,
    },
    /// Asks to send something back.
    RequestReturn {
        /// Its name.
        id: ReturnId,
        /// What; a line once.
        lines: Vec<ReturnWish>,
    },
    /// Agrees to a return.
    ApproveReturn {
        /// Which.
        id: ReturnId,
    },
    /// Does not agree to a return.
    RejectReturn {
        /// Which.
        id: ReturnId,
    },
    /// Drops a return of which nothing will come.
    CancelReturn {
        /// Which.
        id: ReturnId,
    },
    /// Pieces of a return are there.
    ReceiveReturn {
        /// Which.
        id: ReturnId,
        /// Where.
        location: LocationId,
        /// What came; a line once, less than asked is fine.
        lines: Vec<ReceivedPieces>,
        /// Name of the refund; none gives nothing back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refund: Option<RefundId>,
        /// How much of the shipping is given back too.
        shipping: Money,
    },
    /// Gives money back.
    Refund {
        /// Its name.
        id: RefundId,
        /// How much.
        of: RefundOf,
        /// Why.
        reason: RefundReason,
    },
    /// The money is back.
    RefundSucceeded {
        /// Which.
        id: RefundId,
    },
    /// The money could not be given back.
    RefundFailed {
        /// Which.
        id: RefundId,
    },
    /// The payer's bank took money back.
    ChargeBack {
        /// How much.
        amount: Money,
    },
    /// The payer's bank returned what it took.
    WinChargeback {
        /// How much.
        amount: Money,
    },
    /// All is done.
    Complete,
}

/// A step that is possible now, with its bounds. The words are those of [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// [`Command::Authorize`] of exactly this.
    Authorize {
        /// How much.
        amount: Money,
    },
    /// [`Command::Capture`].
    Capture {
        /// At least.
        amount_min: Money,
        /// At most.
        amount_max: Money,
    },
    /// [`Command::Void`].
    Void,
    /// [`Command::PaymentFailed`].
    PaymentFailed,
    /// [`Command::Confirm`].
    Confirm,
    /// [`Command::Expire`].
    Expire,
    /// [`Command::Retake`] with exactly these pieces.
    Retake {
        /// All lines in their order.
        lines: Vec<PiecesOf>,
    },
    /// [`Command::Cancel`].
    Cancel,
    /// [`Command::CancelPieces`].
    CancelPieces {
        /// At most of each line.
        lines: Vec<PiecesOf>,
        /// At most together: one piece of the order stays.
        pieces_max: u32,
    },
    /// [`Command::FillBackorder`].
    FillBackorder {
        /// Of which line.
        line: LineId,
        /// Where.
        location: LocationId,
        /// At most.
        pieces_max: u32,
    },
    /// [`Command::Fulfil`].
    Fulfil {
        /// From where.
        location: LocationId,
        /// At most of each line.
        lines: Vec<PiecesOf>,
    },
    /// [`Command::Ship`].
    Ship {
        /// Which.
        id: FulfilmentId,
    },
    /// [`Command::Deliver`].
    Deliver {
        /// Which.
        id: FulfilmentId,
    },
    /// [`Command::CancelFulfilment`].
    CancelFulfilment {
        /// Which.
        id: FulfilmentId,
    },
    /// [`Command::RequestReturn`].
    RequestReturn {
        /// At most of each line.
        lines: Vec<PiecesOf>,
    },
    /// [`Command::ApproveReturn`].
    ApproveReturn {
        /// Which.
        id: ReturnId,
    },
    /// [`Command::RejectReturn`].
    RejectReturn {
        /// Which.
        id: ReturnId,
    },
    /// [`Command::CancelReturn`].
    CancelReturn {
        /// Which.
        id: ReturnId,
    },
    /// [`Command::ReceiveReturn`].
    ReceiveReturn {
        /// Which.
        id: ReturnId,
        /// At most of each line, both kinds together.
        lines: Vec<PiecesOf>,
        /// Of shipping at most, and only with a refund.
        shipping_max: Money,
    },
    /// [`Command::Refund`].
    Refund {
        /// At most in sum.
        amount_max: Money,
        /// At most of each line.
        lines: Vec<AmountOf>,
        /// At most of shipping.
        shipping_max: Money,
    },
    /// [`Command::RefundSucceeded`].
    RefundSucceeded {
        /// Which.
        id: RefundId,
    },
    /// [`Command::RefundFailed`].
    RefundFailed {
        /// Which.
        id: RefundId,
    },
    /// [`Command::ChargeBack`].
    ChargeBack {
        /// At most.
        amount_max: Money,
    },
    /// [`Command::WinChargeback`].
    WinChargeback {
        /// At most.
        amount_max: Money,
    },
    /// [`Command::Complete`].
    Complete,
}

macro_rules! names {
    ($($name:ident = $word:literal,)*) => {
        impl Command {
            /// Returns the step's word.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $word,)* }
            }
        }

        impl Step {
            /// Returns the step's word.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $word,)* }
            }
        }
    };
}

names! {
    Authorize = "authorize",
    Capture = "capture",
    Void = "void",
    PaymentFailed = "payment_failed",
    Confirm = "confirm",
    Expire = "expire",
    Retake = "retake",
    Cancel = "cancel",
    CancelPieces = "cancel_pieces",
    FillBackorder = "fill_backorder",
    Fulfil = "fulfil",
    Ship = "ship",
    Deliver = "deliver",
    CancelFulfilment = "cancel_fulfilment",
    RequestReturn = "request_return",
    ApproveReturn = "approve_return",
    RejectReturn = "reject_return",
    CancelReturn = "cancel_return",
    ReceiveReturn = "receive_return",
    Refund = "refund",
    RefundSucceeded = "refund_succeeded",
    RefundFailed = "refund_failed",
    ChargeBack = "charge_back",
    WinChargeback = "win_chargeback",
    Complete = "complete",
}
