//! Taxes: which zone a destination lies in, which rates a class has there, and what they come to.
//!
//! Each line's tax is rounded once, over the sum of its rates, and then shared among them.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::PricingError;
use super::place::{Destination, Place, closeness};
use super::rule::{InvalidRule, check_title, ensure};
use crate::money::{Currency, Money, MoneyError};
use crate::sku::Handle;

/// Most rates in one zone: 32, for instance four classes of eight levels of government.
pub const RATES_PER_ZONE_MAX: usize = 32;
/// Most places of one zone or tariff: 200, enough for a list of all countries but a few.
pub const PLACES_MAX: usize = 200;
/// Most tax zones given to one quote: 1 000. A shop with more gives those of the destination's country.
pub const TAX_ZONES_MAX: usize = 1_000;

/// Refused number for a [`TaxRate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tax rate is from 0 to 1 000 000 millionths")]
pub struct InvalidRate;

/// A tax rate in millionths: 190 000 is 19 %, 1 900 basis points.
///
/// Finer than basis points, since some rates are: Minnesota's 6.875 %, or the 0.375 % of New York's commuter district.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TaxRate(u32);

impl TaxRate {
    const WHOLE: u32 = 1_000_000;

    /// Takes basis points (1 900 is 19 %), 0 to 10 000.
    ///
    /// # Errors
    /// [`InvalidRate`] above 10 000.
    pub fn from_basis_points(number: u32) -> Result<Self, InvalidRate> {
        number.checked_mul(100).ok_or(InvalidRate)?.try_into()
    }

    /// Returns the millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for TaxRate {
    type Error = InvalidRate;

    fn try_from(millionths: u32) -> Result<Self, InvalidRate> {
        if millionths <= Self::WHOLE { Ok(Self(millionths)) } else { Err(InvalidRate) }
    }
}

impl From<TaxRate> for u32 {
    fn from(rate: TaxRate) -> Self {
        rate.0
    }
}

impl fmt::Display for TaxRate {
    /// Writes per cent with as many decimals as needed: `19`, `6.875`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.div_euclid(10_000), self.0.rem_euclid(10_000));
        if part == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{part:04}").trim_end_matches('0'))
    }
}

/// What kind of thing is taxed: `standard`, `reduced`, `books`. Rates are given per class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaxClass(pub Handle);

/// Whether the shop's prices contain their tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceMode {
    /// Prices contain the destination's tax: the total is the same at every rate.
    Inclusive,
    /// Tax comes on top.
    Exclusive,
}

/// How shipping is taxed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "class", rename_all = "snake_case")]
pub enum ShippingTax {
    /// As this class.
    Class(TaxClass),
    /// As the lines that are shipped, in proportion to what they cost after discounts (by pieces when all are free).
    Proportional,
}

/// What an exempt buyer pays where prices contain tax. Where tax comes on top, it is left out in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExemptPrice {
    /// The price less the tax that it contains at the destination's rates.
    #[default]
    WithoutTax,
    /// The same price as everyone.
    Unchanged,
}

/// How a shop taxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxPolicy {
    /// Whether prices contain tax.
    pub price_mode: PriceMode,
    /// The zones. The closest to the destination counts, alone; outside all of them there is no tax.
    pub zones: Vec<TaxZone>,
    /// How shipping is taxed.
    pub shipping: ShippingTax,
    /// What exempt buyers pay.
    #[serde(default)]
    pub exempt_price: ExemptPrice,
}

/// Places with the same taxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxZone {
    /// Its name within the shop. Between equally close zones the first by name counts.
    pub name: Handle,
    /// Where; everywhere when empty.
    pub places: Vec<Place>,
    /// The rates of all classes. A class may have several (state and county): they add up. A class without is not taxed.
    pub rates: Vec<TaxRule>,
}

/// One rate of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRule {
    /// What invoices read: `VAT`, `NY state`.
    pub name: String,
    /// The class.
    pub class: TaxClass,
    /// The rate.
    pub rate: TaxRate,
}

impl TaxPolicy {
    /// Refuses a policy with too many zones or one that is unusable.
    ///
    /// # Errors
    /// The first [`InvalidRule`] found.
    pub fn check(&self) -> Result<(), InvalidRule> {
        ensure(self.zones.len() <= TAX_ZONES_MAX, InvalidRule::Names)?;
        let mut names: Vec<_> = self.zones.iter().map(|zone| &zone.name).collect();
        names.sort_unstable();
        ensure(names.is_sorted_by(|a, b| a < b), InvalidRule::Names)?;
        self.zones.iter().try_for_each(TaxZone::check)
    }

    /// Returns the zone whose taxes count at a destination.
    #[must_use]
    pub fn zone_of(&self, destination: &Destination) -> Option<&TaxZone> {
        self.zones
            .iter()
            .filter_map(|zone| Some((closeness(&zone.places, destination)?, zone)))
            .max_by(|(rank, zone), (other_rank, other)| {
                rank.cmp(other_rank).then_with(|| other.name.cmp(&zone.name))
            })
            .map(|(_, zone)| zone)
    }
}

impl TaxZone {
    fn check(&self) -> Result<(), InvalidRule> {
        ensure(self.places.len() <= PLACES_MAX, InvalidRule::Places)?;
        ensure(self.rates.len() <= RATES_PER_ZONE_MAX, InvalidRule::Rates)?;
        let mut names: Vec<_> = self.rates.iter().map(|rule| (&rule.class, &rule.name)).collect();
        names.sort_unstable();
        ensure(names.is_sorted_by(|a, b| a < b), InvalidRule::Rates)?;
        self.rates.iter().try_for_each(|rule| check_title(&rule.name))
    }
}

/// What one rate came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxPart {
    /// The rate's name.
    pub name: String,
    /// The rate.
    pub rate: TaxRate,
    /// The amount without any tax that the rate was applied to.
    pub net: Money,
    /// The tax.
    pub amount: Money,
}

/// An amount with its taxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taxed {
    pub(super) parts: Vec<TaxPart>,
    pub(super) tax: Money,
    /// What an exempt buyer does not pay of a price that contains tax.
    pub(super) relief: Money,
    /// What is paid, with tax.
    pub(super) total: Money,
}

/// The taxes of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taxation<'a> {
    zone: Option<&'a TaxZone>,
    policy: &'a TaxPolicy,
    is_exempt: bool,
}

impl<'a> Taxation<'a> {
    pub(super) fn new(policy: &'a TaxPolicy, destination: &Destination, is_exempt: bool) -> Self {
        Self { zone: policy.zone_of(destination), policy, is_exempt }
    }

    /// Taxes an amount of one class.
    pub(super) fn tax(&self, amount: Money, class: &TaxClass) -> Result<Taxed, PricingError> {
        let rules: Vec<_> = self
            .zone
            .iter()
            .flat_map(|zone| &zone.rates)
            .filter(|rule| rule.class == *class)
            .collect();
        let rate_sum = rules.iter().map(|rule| u64::from(rule.rate.0)).fold(0, u64::saturating_add);
        let zero = Money::zero(amount.currency);
        let tax = tax_of(amount, rate_sum, self.policy.price_mode)?;
        if self.is_exempt {
            let takes_off = self.policy.price_mode == PriceMode::Inclusive
                && self.policy.exempt_price == ExemptPrice::WithoutTax;
            let relief = if takes_off { tax } else { zero };
            let total = amount.checked_sub(relief)?;
            return Ok(Taxed { parts: Vec::new(), tax: zero, relief, total });
        }
        let (net, total) = match self.policy.price_mode {
            PriceMode::Inclusive => (amount.checked_sub(tax)?, amount),
            PriceMode::Exclusive => (amount, amount.checked_add(tax)?),
        };
        let weights: Vec<_> = rules.iter().map(|rule| u64::from(rule.rate.0)).collect();
        let shares = if rate_sum == 0 { vec![zero; rules.len()] } else { tax.allocate(&weights)? };
        let parts = rules
            .into_iter()
            .zip(shares)
            .map(|(rule, amount)| TaxPart { name: rule.name.clone(), rate: rule.rate, net, amount })
            .collect();
        Ok(Taxed { parts, tax, relief: zero, total })
    }

    /// Taxes shipping, given what is shipped: its class, its cost after discounts, and its pieces.
    pub(super) fn tax_shipping(
        &self,
        amount: Money,
        shipped: &[(&TaxClass, Money, u32)],
    ) -> Result<Taxed, PricingError> {
        if let ShippingTax::Class(class) = &self.policy.shipping {
            return self.tax(amount, class);
        }
        let mut by_class = std::collections::BTreeMap::<&TaxClass, (u64, u64)>::new();
        for &(class, cost, pieces) in shipped {
            let entry = by_class.entry(class).or_default();
            entry.0 = entry.0.saturating_add(u64::try_from(cost.minor).unwrap_or(0));
            entry.1 = entry.1.saturating_add(u64::from(pieces));
        }
        let are_free = by_class.values().all(|&(cost, _)| cost == 0);
        let weights: Vec<_> =
            by_class.values().map(|&(cost, pieces)| if are_free { pieces } else { cost }).collect();
        let shares = amount.allocate(&weights)?;
        let mut sum = Taxed::nothing(amount.currency);
        for (class, share) in by_class.into_keys().zip(shares) {
            sum.add(self.tax(share, class)?)?;
        }
        Ok(sum)
    }
}

/// Returns the tax of an amount at the sum of its rates, in millionths. Rounds once.
fn tax_of(amount: Money, rate_sum: u64, mode: PriceMode) -> Result<Money, MoneyError> {
    let whole = u64::from(TaxRate::WHOLE);
    match mode {
        PriceMode::Inclusive => amount.scaled(rate_sum, whole.saturating_add(rate_sum)),
        PriceMode::Exclusive => amount.scaled(rate_sum, whole),
    }
}

impl Taxed {
    pub(super) fn nothing(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { parts: Vec::new(), tax: zero, relief: zero, total: zero }
    }

    fn add(&mut self, other: Self) -> Result<(), MoneyError> {
        self.tax = self.tax.checked_add(other.tax)?;
        self.relief = self.relief.checked_add(other.relief)?;
        self.total = self.total.checked_add(other.total)?;
        add_parts(&mut self.parts, &other.parts)
    }
}

/// Adds parts to a list that has one entry per name and rate, in order of first appearance.
pub(super) fn add_parts(sums: &mut Vec<TaxPart>, parts: &[TaxPart]) -> Result<(), MoneyError> {
    for part in parts {
        match sums.iter_mut().find(|sum| sum.name == part.name && sum.rate == part.rate) {
            None => sums.push(part.clone()),
            Some(sum) => {
                sum.net = sum.net.checked_add(part.net)?;
                sum.amount = sum.amount.checked_add(part.amount)?;
            }
        }
    }
    Ok(())
}
