//! Promotions: what they take off, from what, for whom, and which of them go together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::amounts::AmountByCurrency;
use super::code::Code;
use super::rule::{InvalidRule, check_title, ensure};
use super::{CartLine, PIECES_MAX};
use crate::money::{BasisPoints, Money};
use crate::sku::{Handle, Sku};
use crate::{PromotionId, Timestamp};

/// Most SKUs, categories or tags that one [`Target`] names: 500. A larger set is a tag of its own.
pub const TARGETS_MAX: usize = 500;

/// A rule that takes something off a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Its name in records.
    pub id: PromotionId,
    /// What shoppers and invoices read, 1 to 120 bytes.
    pub title: String,
    /// Whether it needs a code.
    pub trigger: Trigger,
    /// What it takes off.
    pub effect: Effect,
    /// From which lines; with class [`Class::Shipping`], which lines have to be in the cart.
    pub target: Target,
    /// For whom and from what on.
    #[serde(default)]
    pub conditions: Conditions,
    /// When in the reckoning it comes, and for whom it counts as company: see [`Class`].
    pub class: Class,
    /// The classes of promotions that it tolerates beside itself; none makes it exclusive. Two promotions go together
    /// when each tolerates the other's class.
    #[serde(default)]
    pub combines_with: BTreeSet<Class>,
    /// Within a class, higher comes first. Between choices that cost the shopper the same, higher wins.
    #[serde(default)]
    pub priority: i32,
    /// First moment at which it applies.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// First moment at which it no longer applies.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
}

/// What sets a promotion off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It applies to every cart that meets its conditions.
    Automatic,
    /// One of its codes has to be entered.
    Code,
}

/// The three steps of the reckoning, in this order: each works on what the ones before have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// First: off single lines.
    Line,
    /// Then: off the lines together.
    Order,
    /// Last: off shipping.
    Shipping,
}

/// What a promotion takes off. Never more than is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// A share of what the matching lines (or shipping) still cost, rounded once for all of them.
    Percent {
        /// The share.
        off: BasisPoints,
        /// Never more than this. A currency without a cap is then not covered.
        #[serde(default)]
        cap: Option<AmountByCurrency>,
    },
    /// An amount per order, spread over the matching lines by what they still cost.
    Amount {
        /// The amount by currency.
        off: AmountByCurrency,
    },
    /// All that shipping costs.
    FreeShipping,
    /// For each `buy` pieces bought, `get` more pieces are cheaper: the cheapest that there are.
    ///
    /// Bought pieces match the promotion's target, got ones match `of`. A piece counts once, also over several
    /// promotions of this kind: the one of the higher priority counts first.
    BuyGet {
        /// Pieces to buy, from 1.
        buy: u32,
        /// Pieces to get for them, from 1.
        get: u32,
        /// What is taken off the pieces got: 10 000 makes them free.
        off: BasisPoints,
        /// How often in one order, from 1.
        repeats_max: u32,
        /// What can be got; the promotion's own target when absent.
        #[serde(default)]
        of: Option<Target>,
    },
}

/// Which lines a promotion is about. Lines that are not discountable never match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "names", rename_all = "snake_case")]
pub enum Target {
    /// Every line.
    All,
    /// Lines of these SKUs.
    Skus(BTreeSet<Sku>),
    /// Lines of these categories.
    Categories(BTreeSet<Handle>),
    /// Lines with one of these tags.
    Tags(BTreeSet<Handle>),
}

impl Target {
    /// Whether a line may be discounted and is named here.
    #[must_use]
    pub fn matches(&self, line: &CartLine) -> bool {
        line.is_discountable
            && match self {
                Self::All => true,
                Self::Skus(skus) => skus.contains(&line.sku),
                Self::Categories(names) => line.categories.iter().any(|name| names.contains(name)),
                Self::Tags(names) => line.tags.iter().any(|name| names.contains(name)),
            }
    }

    fn check(&self) -> Result<(), InvalidRule> {
        let names = match self {
            Self::All => return Ok(()),
            Self::Skus(names) => names.len(),
            Self::Categories(names) | Self::Tags(names) => names.len(),
        };
        ensure((1..=TARGETS_MAX).contains(&names), InvalidRule::Target)
    }
}

/// For whom and from what on a promotion applies. The default is: for everyone, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// What the matching lines cost at least, before any discount. A currency without a minimum is then not covered.
    pub subtotal_min: Option<AmountByCurrency>,
    /// How many pieces of the matching lines at least.
    pub pieces_min: Option<u32>,
    /// Only for buyers without an order so far.
    pub first_order_only: bool,
    /// Only for buyers with an account.
    pub account_only: bool,
    /// Only with one of these shipping methods; with any when empty.
    pub shipping_methods: BTreeSet<Handle>,
    /// How often in all; each order counts once.
    pub uses_max: Option<u64>,
    /// How often by one buyer.
    pub uses_per_buyer_max: Option<u32>,
}

impl Promotion {
    /// Refuses a promotion that could not do what it says.
    ///
    /// # Errors
    /// The first [`InvalidRule`] found.
    pub fn check(&self) -> Result<(), InvalidRule> {
        check_title(&self.title)?;
        self.target.check()?;
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at) {
            ensure(start < end, InvalidRule::Window)?;
        }
        if let Some(minimum) = &self.conditions.subtotal_min {
            ensure(minimum.are_at_least(0), InvalidRule::Amount)?;
        }
        match &self.effect {
            Effect::Percent { off, cap } => {
                ensure(off.get() > 0, InvalidRule::NothingOff)?;
                cap.as_ref().map_or(Ok(()), |cap| ensure(cap.are_at_least(1), InvalidRule::Amount))
            }
            Effect::Amount { off } => ensure(off.are_at_least(1), InvalidRule::Amount),
            Effect::FreeShipping => ensure(self.class == Class::Shipping, InvalidRule::Class),
            Effect::BuyGet { buy, get, off, repeats_max, of } => {
                ensure(self.class == Class::Line, InvalidRule::Class)?;
                ensure(off.get() > 0, InvalidRule::NothingOff)?;
                let counts = 1..=PIECES_MAX;
                let are_good = [buy, get, repeats_max].into_iter().all(|n| counts.contains(n));
                ensure(are_good, InvalidRule::Count)?;
                of.as_ref().map_or(Ok(()), Target::check)
            }
        }
    }

    /// Whether both may apply to one cart: each tolerates the other's class.
    #[must_use]
    pub fn combines(&self, other: &Self) -> bool {
        self.combines_with.contains(&other.class) && other.combines_with.contains(&self.class)
    }
}

/// A promotion that may apply, with how often it has been used. The store counts; a quote only compares.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The promotion.
    pub promotion: &'a Promotion,
    /// Orders that used it so far.
    pub uses: u64,
    /// Of these, orders of this buyer: by account, or by e-mail for guests.
    pub uses_by_buyer: u32,
}

/// A code as the shopper entered it, and what the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnteredCode {
    /// The code.
    pub code: Code,
    /// Absent when no promotion has this code.
    pub found: Option<FoundCode>,
}

/// What the store knows of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundCode {
    /// Whose code it is. When that promotion is not among the candidates (paused, deleted), the code is unknown.
    pub promotion: PromotionId,
    /// Orders that used this very code so far.
    pub uses: u64,
    /// How often this very code may be used; 1 for the codes of most bulks.
    pub uses_max: Option<u64>,
}

/// Why an entered code takes nothing off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum CodeRefusal {
    /// There is no such code.
    #[error("there is no such code")]
    Unknown,
    /// The same promotion applies already, by this or another of its codes.
    #[error("the promotion of this code applies already")]
    AlreadyApplied,
    /// Its time has not come.
    #[error("the code is not valid yet")]
    NotYet {
        /// When it comes.
        starts_at: Timestamp,
    },
    /// Its time is over.
    #[error("the code has expired")]
    Expired,
    /// It has been used as often as it may be.
    #[error("the code has been used up")]
    UsedUp,
    /// This buyer has used it as often as one may.
    #[error("you have used the code already")]
    UsedUpForBuyer,
    /// It is for buyers with an account.
    #[error("the code needs an account")]
    NeedsAccount,
    /// It is for a buyer's first order.
    #[error("the code is for a first order")]
    NotFirstOrder,
    /// It says nothing about the cart's currency.
    #[error("the code does not apply to this currency")]
    WrongCurrency,
    /// It is about things that are not in the cart.
    #[error("nothing in the cart matches the code")]
    NothingMatches,
    /// The matching lines cost too little.
    #[error("the cart needs {missing} more for the code")]
    SubtotalNotReached {
        /// By how much.
        missing: Money,
    },
    /// The matching lines have too few pieces.
    #[error("the cart needs {missing} more pieces for the code")]
    PiecesNotReached {
        /// By how many.
        missing: u32,
    },
    /// It goes with other shipping methods.
    #[error("the code does not go with this shipping method")]
    OtherShippingMethod,
    /// It is about shipping, and none is chosen or needed.
    #[error("no shipping is chosen")]
    NoShipping,
    /// It does not go with other promotions, which together save the shopper more.
    #[error("the code does not go with other promotions of this cart")]
    NotCombinable,
    /// What it is about costs nothing already.
    #[error("nothing is left to take off")]
    NothingLeft,
}
