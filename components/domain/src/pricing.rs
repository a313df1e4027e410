//! What a cart costs: prices, promotions, shipping, taxes and gift cards, decided in one place.
//!
//! [`quote()`] takes everything that matters ([`Request`]) and returns everything that follows ([`Quote`]). It reads
//! nothing else, so the same request has the same answer on every machine, whatever the order of its promotions.
//!
//! The reckoning, step by step, each on what the one before has left:
//!
//! 1. Each line costs its frozen price while that holds, else the catalogue's ([`freeze`]).
//! 2. Promotions that the cart is entitled to are found; of those that do not go together, the set is taken that costs
//!    the shopper least ([`promotion`]).
//! 3. Promotions off lines, then off the order, then off shipping; within each by priority, then by id. Percentages are
//!    of what is left. What a promotion takes off is rounded once and shared among its lines by largest remainder.
//! 4. Each line, and shipping, is taxed: rounded once over all of its rates ([`tax`]).
//! 5. Gift cards pay; they change neither prices nor taxes ([`gift_card`]).
//!
//! Not here: who counts uses and keeps balances (`origin/store`, in the commit of the order), and conversion of
//! currencies: a rule without an amount in the cart's currency does not apply.

pub mod freeze;
pub mod gift_card;
pub mod promotion;
pub mod shipping;
pub mod tax;

mod amounts;
mod basket;
mod code;
mod eligible;
mod place;
mod quote;
mod rule;
mod settle;
mod stacking;

#[cfg(test)]
mod tests;

use core::cmp::Reverse;
use core::fmt;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::amounts::AmountByCurrency;
pub use self::code::{CODE_BYTES_MAX, CODE_RANDOM_MIN, Code, InvalidCode};
pub use self::freeze::{FREEZE_DEFAULT, FrozenPrice, PriceChange};
pub use self::gift_card::{GiftCard, GiftCardPayment, GiftCardRefusal, RefusedGiftCard};
pub use self::place::{
    Destination, InvalidPlace, POSTCODE_BYTES_MAX, Place, Postcode, REGION_BYTES_MAX, Region,
};
pub use self::promotion::{Candidate, CodeRefusal, EnteredCode, FoundCode, Promotion};
pub use self::quote::{
    Adjustment, AppliedPromotion, Imbalance, Quote, QuoteTotals, QuotedLine, QuotedShipping,
    RefusedCode, ShippingOffer, ShippingOption, ShippingOutcome,
};
pub use self::rule::InvalidRule;
pub use self::shipping::{ShippingPolicy, Unavailable};
pub use self::tax::{TaxClass, TaxPart, TaxPolicy, TaxRate};

use self::basket::Basket;
use self::eligible::{Entitled, Entitlements, Facts, entitlements};
use self::freeze::effective_price;
use self::gift_card::Payments;
use self::settle::{Priced, Settled};
use self::tax::{Taxation, add_parts};
use crate::cart::LINES_MAX;
use crate::money::{Currency, Money, MoneyError};
use crate::sku::{Handle, Quantity, Sku};
use crate::{ErrorKind, LineId, Timestamp};

/// Most pieces in one cart: 50 lines of 99.
pub const PIECES_MAX: u32 = 4_950;

/// Longest title of a promotion, a shipping method or a tax rate, in bytes.
pub const TITLE_BYTES_MAX: usize = 120;
/// Most promotions given to one quote: 100, those of the entered codes among them.
pub const PROMOTIONS_MAX: usize = 100;
/// Most promotions that one cart is tried with: 16; codes first, then by priority. There are then at most 350 sets to
/// compare.
pub const PROMOTIONS_TRIED_MAX: usize = 16;
/// Most codes entered for one cart: 10.
pub const CODES_MAX: usize = 10;
const _: () = assert!(CODES_MAX <= PROMOTIONS_TRIED_MAX, "no entered code goes untried");
/// Most gift cards for one cart: 10.
pub const GIFT_CARDS_MAX: usize = 10;

/// Everything that decides what a cart costs.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The moment.
    pub now: Timestamp,
    /// Currency of the cart.
    pub currency: Currency,
    /// What is in it.
    pub lines: &'a [CartLine],
    /// Where it goes; the shop's own country while the shopper has not said.
    pub destination: &'a Destination,
    /// The method that the shopper has chosen.
    pub shipping_method: Option<&'a Handle>,
    /// Who buys.
    pub buyer: Buyer,
    /// Promotions that may apply: the automatic ones, and those of the entered codes.
    pub promotions: &'a [Candidate<'a>],
    /// Codes that the shopper entered.
    pub codes: &'a [EnteredCode],
    /// Gift cards to pay with.
    pub gift_cards: &'a [GiftCard],
    /// How the shop ships. Checked when it was written, not again here.
    pub shipping: &'a ShippingPolicy,
    /// How the shop taxes. Checked when it was written, not again here.
    pub taxes: &'a TaxPolicy,
}

/// A line of a cart, with what rules look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// Name of the line within the cart.
    pub id: LineId,
    /// What.
    pub sku: Sku,
    /// The product's category and those above it.
    pub categories: Vec<Handle>,
    /// Other names by which promotions find it.
    #[serde(default)]
    pub tags: Vec<Handle>,
    /// Price of one piece at the moment.
    pub price: Money,
    /// Price of one piece that the shopper was promised, while it holds.
    #[serde(default)]
    pub frozen: Option<FrozenPrice>,
    /// Pieces.
    pub quantity: Quantity,
    /// How it is taxed.
    pub tax_class: TaxClass,
    /// Weight of one piece in grams.
    pub grams: u32,
    /// Whether it is sent; downloads and gift cards are not.
    pub is_shippable: bool,
    /// Whether promotions may touch it; gift cards for sale are left alone. It then counts for no condition either.
    pub is_discountable: bool,
}

/// Who buys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    /// Whether the buyer is signed in; a guest otherwise.
    pub has_account: bool,
    /// Orders of this buyer so far, by account or by e-mail; 0 for a guest not known yet.
    pub orders: u32,
    /// Whether the buyer is exempt from tax.
    pub is_tax_exempt: bool,
}

/// Something a request has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Lines: [`LINES_MAX`].
    Lines,
    /// Promotions: [`PROMOTIONS_MAX`].
    Promotions,
    /// Codes: [`CODES_MAX`].
    Codes,
    /// Gift cards: [`GIFT_CARDS_MAX`].
    GiftCards,
}

impl Limit {
    /// Returns the most there may be.
    #[must_use]
    pub const fn max(self) -> usize {
        match self {
            Self::Lines => LINES_MAX,
            Self::Promotions => PROMOTIONS_MAX,
            Self::Codes => CODES_MAX,
            Self::GiftCards => GIFT_CARDS_MAX,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines => "lines",
            Self::Promotions => "promotions",
            Self::Codes => "codes",
            Self::GiftCards => "gift cards",
        })
    }
}

/// Why there is no quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// Too much of something.
    #[error("more than {max} {0}", max = .0.max())]
    TooMany(Limit),
    /// Two lines have one id.
    #[error("line {0} is given twice")]
    LineTwice(LineId),
    /// A line's price, or its frozen price, is in another currency than the cart's.
    #[error("line {0} has a price in another currency")]
    LineCurrency(LineId),
    /// A line's price is negative.
    #[error("line {0} has a negative price")]
    NegativePrice(LineId),
    /// A shipping tariff has a negative price: its policy was not checked.
    #[error("a shipping price is negative")]
    NegativeShipping,
    /// Two candidates are one promotion.
    #[error("promotion {0} is given twice")]
    PromotionTwice(crate::PromotionId),
    /// A promotion is unusable.
    #[error("unusable promotion {0}")]
    Promotion(crate::PromotionId, #[source] InvalidRule),
    /// Amounts are out of range.
    #[error("amounts out of range")]
    Money(#[from] MoneyError),
}

impl PricingError {
    /// Returns the family of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooMany(Limit::Promotions)
            | Self::LineTwice(_)
            | Self::LineCurrency(_)
            | Self::NegativePrice(_)
            | Self::NegativeShipping
            | Self::PromotionTwice(_)
            | Self::Promotion(..) => ErrorKind::Internal,
            Self::TooMany(Limit::Lines | Limit::Codes | Limit::GiftCards) | Self::Money(_) => {
                ErrorKind::InvalidInput
            }
        }
    }
}

/// Decides what a cart costs.
///
/// A code that does not apply is no error: the quote lists it with the reason. Shipping that is not chosen or not on
/// offer is none either; look at [`ShippingOutcome::is_settled`] before an order is placed.
///
/// # Errors
/// [`PricingError`], when the request contradicts itself, has too much of something, or amounts leave 64 bits.
pub fn quote(request: &Request<'_>) -> Result<Quote, PricingError> {
    check(request)?;
    let (priced, price_changes) = price(request)?;
    let facts = Facts {
        request,
        subtotals: &priced.subtotals,
        basket: &priced.basket,
        method: priced.offered_method()?,
    };
    let Entitlements { entitled, refusals } = entitlements(facts)?;
    let (set, settled) = best_set(&priced, &entitled)?;
    let promotions = applied(request, &set, &settled);
    let refused_codes = refused_codes(request, &refusals, &set, &promotions);
    let payments = gift_card::pay(settled.total, request.gift_cards, request.now)?;
    let totals = totals(&priced, &settled, &payments)?;
    let mut taxes = Vec::new();
    for line in &settled.lines {
        add_parts(&mut taxes, &line.taxes)?;
    }
    if let Some(shipping) = settled.shipping.quoted() {
        add_parts(&mut taxes, &shipping.taxes)?;
    }
    Ok(Quote {
        shipping_options: priced.options(settled.measured)?,
        lines: settled.lines,
        shipping: settled.shipping,
        promotions,
        refused_codes,
        taxes,
        gift_cards: payments.payments,
        refused_gift_cards: payments.refused,
        price_changes,
        price_mode: request.taxes.price_mode,
        totals,
    })
}

fn check(request: &Request<'_>) -> Result<(), PricingError> {
    for (limit, count) in [
        (Limit::Lines, request.lines.len()),
        (Limit::Promotions, request.promotions.len()),
        (Limit::Codes, request.codes.len()),
        (Limit::GiftCards, request.gift_cards.len()),
    ] {
        if count > limit.max() {
            return Err(PricingError::TooMany(limit));
        }
    }
    let mut ids = BTreeSet::new();
    for line in request.lines {
        let prices = [Some(line.price), line.frozen.map(|frozen| frozen.price)];
        if !ids.insert(line.id) {
            return Err(PricingError::LineTwice(line.id));
        }
        if prices.into_iter().flatten().any(|price| price.currency != request.currency) {
            return Err(PricingError::LineCurrency(line.id));
        }
        if prices.into_iter().flatten().any(|price| price.minor < 0) {
            return Err(PricingError::NegativePrice(line.id));
        }
    }
    let mut ids = BTreeSet::new();
    for Candidate { promotion, .. } in request.promotions {
        if !ids.insert(promotion.id) {
            return Err(PricingError::PromotionTwice(promotion.id));
        }
        promotion.check().map_err(|cause| PricingError::Promotion(promotion.id, cause))?;
    }
    Ok(())
}

/// Puts each line at the price that counts.
fn price<'a>(request: &'a Request<'a>) -> Result<(Priced<'a>, Vec<PriceChange>), MoneyError> {
    let (mut unit_prices, mut subtotals, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for line in request.lines {
        let (unit, change) = effective_price(line.id, line.price, line.frozen, request.now);
        unit_prices.push(unit);
        subtotals.push(unit.checked_mul(line.quantity.get())?);
        changes.extend(change);
    }
    let subtotal = Money::sum(request.currency, subtotals.iter().copied())?;
    let basket = Basket::new(request.currency, request.lines, &subtotals);
    let taxation = Taxation::new(request.taxes, request.destination, request.buyer.is_tax_exempt);
    Ok((Priced { request, taxation, unit_prices, subtotals, subtotal, basket }, changes))
}

/// Returns the set of promotions that costs the shopper least. Between equal sets, the one with the promotion of the
/// higher priority wins, then the one with the lower id.
fn best_set<'a>(
    priced: &Priced<'_>,
    entitled: &[Entitled<'a>],
) -> Result<(Vec<Entitled<'a>>, Settled), PricingError> {
    let promotions: Vec<_> = entitled.iter().map(|one| one.promotion).collect();
    let mut best: Option<(_, Vec<Entitled<'a>>, Settled)> = None;
    for positions in stacking::largest_sets(&promotions) {
        let set: Vec<_> = positions.iter().filter_map(|&at| entitled.get(at).copied()).collect();
        let settled = priced.settle(&set)?;
        let mut names: Vec<_> =
            set.iter().map(|one| (Reverse(one.promotion.priority), one.promotion.id)).collect();
        names.sort_unstable();
        let rank = (settled.total.minor, names);
        if best.as_ref().is_none_or(|(best_rank, ..)| rank < *best_rank) {
            best = Some((rank, set, settled));
        }
    }
    match best {
        Some((_, set, settled)) => Ok((set, settled)),
        None => Ok((Vec::new(), priced.settle(&[])?)),
    }
}

fn applied(
    request: &Request<'_>,
    set: &[Entitled<'_>],
    settled: &Settled,
) -> Vec<AppliedPromotion> {
    set.iter()
        .zip(&settled.taken)
        .filter(|(_, amount)| amount.minor > 0)
        .map(|(one, &amount)| AppliedPromotion {
            promotion: one.promotion.id,
            title: one.promotion.title.clone(),
            code: one.code.and_then(|at| Some(request.codes.get(at)?.code.clone())),
            amount,
        })
        .collect()
}

/// Lists the codes that took nothing off: those refused before the choice, and those that the choice left out or found
/// nothing for.
fn refused_codes(
    request: &Request<'_>,
    refusals: &[Option<CodeRefusal>],
    set: &[Entitled<'_>],
    applied: &[AppliedPromotion],
) -> Vec<RefusedCode> {
    let entered = request.codes.iter().zip(refusals).enumerate();
    entered
        .filter_map(|(at, (entered, refusal))| {
            let chosen = set.iter().find(|one| one.code == Some(at));
            let reason = match (refusal, chosen) {
                (Some(reason), _) => *reason,
                (None, None) => CodeRefusal::NotCombinable,
                (None, Some(one)) => {
                    let id = one.promotion.id;
                    if applied.iter().any(|applied| applied.promotion == id) {
                        return None;
                    }
                    CodeRefusal::NothingLeft
                }
            };
            Some(RefusedCode { code: entered.code.clone(), reason })
        })
        .collect()
}

fn totals(
    priced: &Priced<'_>,
    settled: &Settled,
    payments: &Payments,
) -> Result<QuoteTotals, MoneyError> {
    let currency = priced.request.currency;
    let zero = Money::zero(currency);
    let shipping = settled.shipping.quoted();
    let of_lines =
        |of: fn(&QuotedLine) -> Money| Money::sum(currency, settled.lines.iter().map(of));
    let of_shipping = |of: fn(&QuotedShipping) -> Money| shipping.map_or(zero, of);
    Ok(QuoteTotals {
        subtotal: priced.subtotal,
        shipping: of_shipping(|quoted| quoted.price),
        discounts: of_lines(|line| line.discount)?
            .checked_add(of_shipping(|quoted| quoted.discount))?,
        tax_relief: of_lines(|line| line.tax_relief)?
            .checked_add(of_shipping(|quoted| quoted.tax_relief))?,
        tax: of_lines(|line| line.tax)?.checked_add(of_shipping(|quoted| quoted.tax))?,
        total: settled.total,
        gift_cards: payments.paid,
        due: payments.due,
    })
}
