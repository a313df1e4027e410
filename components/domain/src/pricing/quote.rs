//! What a quote says, and the sums that hold in every one.

use serde::{Deserialize, Serialize};

use super::code::Code;
use super::freeze::PriceChange;
use super::gift_card::{GiftCardPayment, RefusedGiftCard};
use super::promotion::CodeRefusal;
use super::shipping::{Days, Unavailable};
use super::tax::{PriceMode, TaxPart};
use crate::money::{Money, MoneyError};
use crate::sku::{Handle, Quantity, Sku};
use crate::{LineId, PromotionId};

/// What a cart costs, with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The lines, in the order of the request.
    pub lines: Vec<QuotedLine>,
    /// Shipping.
    pub shipping: ShippingOutcome,
    /// All shipping methods, with their price before promotions or why they are not on offer. Empty when nothing is
    /// shipped.
    pub shipping_options: Vec<ShippingOption>,
    /// The promotions that took something off, in the order of application. Their uses are counted with the order.
    pub promotions: Vec<AppliedPromotion>,
    /// Entered codes that took nothing off, in the order of entry.
    pub refused_codes: Vec<RefusedCode>,
    /// Taxes by name and rate, over lines and shipping.
    pub taxes: Vec<TaxPart>,
    /// What each gift card pays, in the order in which they pay.
    pub gift_cards: Vec<GiftCardPayment>,
    /// Gift cards that pay nothing.
    pub refused_gift_cards: Vec<RefusedGiftCard>,
    /// Lines whose frozen price has ended on another.
    pub price_changes: Vec<PriceChange>,
    /// Whether the amounts of lines and shipping contain their tax.
    pub price_mode: PriceMode,
    /// The sums.
    pub totals: QuoteTotals,
}

/// The sums of a quote.
///
/// `total = subtotal + shipping − discounts − tax_relief`, plus `tax` where prices do not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteTotals {
    /// The lines before discounts.
    pub subtotal: Money,
    /// Shipping before discounts.
    pub shipping: Money,
    /// All that promotions took off lines and shipping.
    pub discounts: Money,
    /// Tax contained in the prices that an exempt buyer does not pay.
    pub tax_relief: Money,
    /// Tax, contained in `total`.
    pub tax: Money,
    /// What the order costs.
    pub total: Money,
    /// What gift cards pay of it.
    pub gift_cards: Money,
    /// What is left to pay.
    pub due: Money,
}

/// A line with its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedLine {
    /// Which line.
    pub line: LineId,
    /// What.
    pub sku: Sku,
    /// Pieces.
    pub quantity: Quantity,
    /// Price of one piece that counts: the frozen one or the one at the moment.
    pub unit_price: Money,
    /// `unit_price × quantity`.
    pub subtotal: Money,
    /// What promotions take off, in the order of application.
    pub adjustments: Vec<Adjustment>,
    /// The adjustments together.
    pub discount: Money,
    /// Tax contained in the price that an exempt buyer does not pay.
    pub tax_relief: Money,
    /// Tax by rate.
    pub taxes: Vec<TaxPart>,
    /// The taxes together.
    pub tax: Money,
    /// What the line costs, with tax. Never negative.
    pub total: Money,
}

/// What one promotion takes off a line or shipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// Which promotion.
    pub promotion: PromotionId,
    /// What is taken off: above zero.
    pub amount: Money,
}

/// What one promotion takes off the whole order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPromotion {
    /// Which promotion.
    pub promotion: PromotionId,
    /// Its title at the moment.
    pub title: String,
    /// The code that brought it; none if it came by itself.
    pub code: Option<Code>,
    /// What is taken off: above zero.
    pub amount: Money,
}

/// A code that takes nothing off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCode {
    /// The code.
    pub code: Code,
    /// Why.
    #[serde(flatten)]
    pub reason: CodeRefusal,
}

/// Whether and how the order is shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ShippingOutcome {
    /// Nothing in the cart is shipped.
    NotNeeded,
    /// The shopper has not chosen a method. The order cannot be placed so.
    NotChosen,
    /// The chosen method is not on offer. The order cannot be placed so.
    Refused {
        /// The chosen method.
        method: Handle,
        /// Why.
        why: Unavailable,
    },
    /// Shipped so.
    Chosen(QuotedShipping),
}

impl ShippingOutcome {
    /// Whether an order can be placed, as far as shipping goes.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::NotNeeded | Self::Chosen(_))
    }

    /// Returns the price of the chosen method, where there is one.
    #[must_use]
    pub const fn quoted(&self) -> Option<&QuotedShipping> {
        match self {
            Self::Chosen(quoted) => Some(quoted),
            Self::NotNeeded | Self::NotChosen | Self::Refused { .. } => None,
        }
    }
}

/// What shipping costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedShipping {
    /// The method.
    pub method: Handle,
    /// Its title at the moment.
    pub title: String,
    /// Delivery estimate.
    pub days: Days,
    /// Price before promotions.
    pub price: Money,
    /// What promotions take off, in the order of application.
    pub adjustments: Vec<Adjustment>,
    /// The adjustments together.
    pub discount: Money,
    /// Tax contained in the price that an exempt buyer does not pay.
    pub tax_relief: Money,
    /// Tax by rate.
    pub taxes: Vec<TaxPart>,
    /// The taxes together.
    pub tax: Money,
    /// What shipping costs, with tax. Never negative.
    pub total: Money,
}

/// A shipping method as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingOption {
    /// The method.
    pub method: Handle,
    /// Its title.
    pub title: String,
    /// Whether it is on offer.
    pub offer: ShippingOffer,
}

/// Whether a shipping method is on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ShippingOffer {
    /// It is.
    Available {
        /// Its price before promotions, net or gross as all prices of the quote.
        price: Money,
        /// Delivery estimate.
        days: Days,
    },
    /// It is not.
    Unavailable {
        /// Why.
        why: Unavailable,
    },
}

/// A sum that does not hold in a quote. There is none in what [`quote`](super::quote()) returns; a stored quote can be
/// checked again before money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Imbalance {
    /// Lines and shipping do not make the total.
    #[error("lines and shipping do not add up to the total")]
    Total,
    /// The total does not follow from subtotal, shipping, discounts and tax.
    #[error("the total does not follow from its parts")]
    Parts,
    /// A line or shipping does not follow from its own parts.
    #[error("a line does not follow from its parts")]
    Line,
    /// Adjustments do not make the discounts.
    #[error("adjustments do not add up to the discounts")]
    Discounts,
    /// Taxes do not make the tax.
    #[error("taxes do not add up to the tax")]
    Tax,
    /// Gift cards and what is due do not make the total.
    #[error("gift cards and what is due do not add up to the total")]
    Payment,
    /// Something is negative.
    #[error("an amount is negative")]
    Negative,
    /// Amounts of two currencies, or out of range.
    #[error("amounts do not add up")]
    Money(#[from] MoneyError),
}

/// A line or shipping, as far as sums go.
struct Part<'a> {
    amount: Money,
    adjustments: &'a [Adjustment],
    discount: Money,
    relief: Money,
    taxes: &'a [TaxPart],
    tax: Money,
    total: Money,
}

impl Quote {
    /// Checks every sum.
    ///
    /// # Errors
    /// The first [`Imbalance`] found.
    pub fn check(&self) -> Result<(), Imbalance> {
        let parts: Vec<Part<'_>> = self
            .lines
            .iter()
            .map(QuotedLine::part)
            .chain(self.shipping.quoted().map(QuotedShipping::part))
            .collect();
        parts.iter().try_for_each(|part| self.check_part(part))?;
        let totals = &self.totals;
        let currency = totals.total.currency;
        let sum = |of: fn(&Part<'_>) -> Money| Money::sum(currency, parts.iter().map(of));
        ensure(sum(|part| part.total)? == totals.total, Imbalance::Total)?;
        ensure(sum(|part| part.discount)? == totals.discounts, Imbalance::Discounts)?;
        ensure(sum(|part| part.tax)? == totals.tax, Imbalance::Tax)?;
        ensure(sum(|part| part.relief)? == totals.tax_relief, Imbalance::Parts)?;
        let amounts = totals.subtotal.checked_add(totals.shipping)?;
        ensure(sum(|part| part.amount)? == amounts, Imbalance::Parts)?;
        let rest = amounts.checked_sub(totals.discounts)?.checked_sub(totals.tax_relief)?;
        ensure(self.with_tax(rest, totals.tax)? == totals.total, Imbalance::Parts)?;
        let taken = Money::sum(currency, self.promotions.iter().map(|one| one.amount))?;
        ensure(taken == totals.discounts, Imbalance::Discounts)?;
        let taxes = Money::sum(currency, self.taxes.iter().map(|one| one.amount))?;
        ensure(taxes == totals.tax, Imbalance::Tax)?;
        self.check_payment()
    }

    fn check_payment(&self) -> Result<(), Imbalance> {
        let totals = &self.totals;
        let cards = self.gift_cards.iter().map(|one| one.amount);
        let paid = Money::sum(totals.total.currency, cards)?;
        ensure(paid == totals.gift_cards, Imbalance::Payment)?;
        ensure(paid.checked_add(totals.due)? == totals.total, Imbalance::Payment)?;
        let is_negative =
            totals.due.minor < 0 || self.gift_cards.iter().any(|c| c.amount.minor < 0);
        ensure(!is_negative, Imbalance::Negative)
    }

    fn check_part(&self, part: &Part<'_>) -> Result<(), Imbalance> {
        let currency = part.total.currency;
        let taken = Money::sum(currency, part.adjustments.iter().map(|one| one.amount))?;
        ensure(taken == part.discount, Imbalance::Discounts)?;
        let taxes = Money::sum(currency, part.taxes.iter().map(|one| one.amount))?;
        ensure(taxes == part.tax, Imbalance::Tax)?;
        let rest = part.amount.checked_sub(part.discount)?.checked_sub(part.relief)?;
        ensure(self.with_tax(rest, part.tax)? == part.total, Imbalance::Line)?;
        let adjustments_are_good = part.adjustments.iter().all(|one| one.amount.minor > 0);
        let amounts = [part.amount, rest, part.relief, part.tax, part.total];
        let are_good = adjustments_are_good && amounts.iter().all(|amount| amount.minor >= 0);
        ensure(are_good, Imbalance::Negative)
    }

    fn with_tax(&self, amount: Money, tax: Money) -> Result<Money, MoneyError> {
        match self.price_mode {
            PriceMode::Inclusive => Ok(amount),
            PriceMode::Exclusive => amount.checked_add(tax),
        }
    }
}

impl QuotedLine {
    fn part(&self) -> Part<'_> {
        Part {
            amount: self.subtotal,
            adjustments: &self.adjustments,
            discount: self.discount,
            relief: self.tax_relief,
            taxes: &self.taxes,
            tax: self.tax,
            total: self.total,
        }
    }
}

impl QuotedShipping {
    fn part(&self) -> Part<'_> {
        Part {
            amount: self.price,
            adjustments: &self.adjustments,
            discount: self.discount,
            relief: self.tax_relief,
            taxes: &self.taxes,
            tax: self.tax,
            total: self.total,
        }
    }
}

fn ensure(is_good: bool, imbalance: Imbalance) -> Result<(), Imbalance> {
    if is_good { Ok(()) } else { Err(imbalance) }
}
