//! Shipping methods: where they deliver, what they cost, how long they take, and why one is not on offer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::amounts::AmountByCurrency;
use super::place::{Destination, Place, closeness};
use super::rule::{InvalidRule, check_title, ensure};
use super::tax::PLACES_MAX;
use crate::money::{Currency, Money, MoneyError};
use crate::sku::Handle;

/// Most shipping methods of a shop: 20, as many as a shopper can choose from.
pub const METHODS_MAX: usize = 20;
/// Most tariffs of one method: 50.
pub const TARIFFS_MAX: usize = 50;
/// Most steps of one table: 50.
pub const STEPS_MAX: usize = 50;

/// How a shop ships.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingPolicy {
    /// The methods, in the order in which they are listed.
    pub methods: Vec<ShippingMethod>,
    /// Which subtotal tables and thresholds look at.
    #[serde(default)]
    pub measure: Measure,
}

/// Which subtotal decides on a tariff's step and on free shipping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The lines at their prices: a discount never makes shipping dearer.
    #[default]
    BeforeDiscounts,
    /// The lines after their discounts.
    AfterDiscounts,
}

/// A way to ship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingMethod {
    /// Its name within the shop: `express`.
    pub id: Handle,
    /// What shoppers read, 1 to 120 bytes.
    pub title: String,
    /// Its tariffs. The closest to the destination counts; between equally close ones, the first.
    pub tariffs: Vec<Tariff>,
}

/// What a method costs and how long it takes to some places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Where; everywhere when empty.
    pub places: Vec<Place>,
    /// What it costs.
    pub price: ShippingPrice,
    /// Subtotal from which on it costs nothing, by currency.
    #[serde(default)]
    pub free_from: Option<AmountByCurrency>,
    /// Heaviest parcel in grams, without limit when absent.
    #[serde(default)]
    pub grams_max: Option<u64>,
    /// How long it takes.
    pub days: Days,
}

/// A delivery estimate in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// At least.
    pub min: u16,
    /// At most.
    pub max: u16,
}

/// How a tariff's price is found. Prices are net or gross as all prices of the shop are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ShippingPrice {
    /// The same for every parcel.
    Flat {
        /// The price.
        price: AmountByCurrency,
    },
    /// By subtotal: the last step that begins at or below it.
    BySubtotal {
        /// Steps by currency, rising.
        steps: BTreeMap<Currency, Vec<SubtotalStep>>,
    },
    /// By weight: the first step that reaches it. What is heavier than the last is not shipped.
    ByWeight {
        /// Steps, rising.
        steps: Vec<WeightStep>,
    },
    /// By pieces.
    ByPiece {
        /// For the first.
        first: AmountByCurrency,
        /// For each further one.
        further: AmountByCurrency,
    },
}

/// A step of a table by subtotal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtotalStep {
    /// From this subtotal on, in minor units.
    pub from_minor: i64,
    /// The price in minor units.
    pub price_minor: i64,
}

/// A step of a table by weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightStep {
    /// Up to and with this many grams.
    pub grams_max: u64,
    /// The price.
    pub price: AmountByCurrency,
}

/// Why a method is not on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Unavailable {
    /// There is no such method.
    #[error("there is no such shipping method")]
    Unknown,
    /// It does not go to the destination.
    #[error("the method does not deliver there")]
    Destination,
    /// It has no price in the cart's currency.
    #[error("the method has no price in this currency")]
    WrongCurrency,
    /// The parcel is too heavy.
    #[error("the method carries at most {grams_max} g")]
    TooHeavy {
        /// Heaviest parcel in grams.
        grams_max: u64,
    },
    /// The subtotal is below the table's first step.
    #[error("the method needs a subtotal of {subtotal_min}")]
    SubtotalTooLow {
        /// Where the table begins.
        subtotal_min: Money,
    },
}

/// What there is to ship.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel<'a> {
    pub(super) destination: &'a Destination,
    /// The subtotal that counts, by [`Measure`].
    pub(super) subtotal: Money,
    pub(super) grams: u64,
    pub(super) pieces: u32,
}

impl ShippingPolicy {
    /// Refuses a policy that has too much of something, or something unusable.
    ///
    /// # Errors
    /// The first [`InvalidRule`] found.
    pub fn check(&self) -> Result<(), InvalidRule> {
        ensure(self.methods.len() <= METHODS_MAX, InvalidRule::Names)?;
        let mut names: Vec<_> = self.methods.iter().map(|method| &method.id).collect();
        names.sort_unstable();
        ensure(names.is_sorted_by(|a, b| a < b), InvalidRule::Names)?;
        self.methods.iter().try_for_each(|method| {
            check_title(&method.title)?;
            ensure(method.tariffs.len() <= TARIFFS_MAX, InvalidRule::Names)?;
            method.tariffs.iter().try_for_each(Tariff::check)
        })
    }

    pub(super) fn method(&self, id: &Handle) -> Option<&ShippingMethod> {
        self.methods.iter().find(|method| method.id == *id)
    }
}

impl ShippingMethod {
    /// Returns the price, before promotions, and the estimate; or why the method is not on offer.
    ///
    /// The outer error is [`MoneyError::OutOfRange`].
    pub(super) fn offer(
        &self,
        parcel: Parcel<'_>,
    ) -> Result<Result<(Money, Days), Unavailable>, MoneyError> {
        // `max_by_key` returns the last of equals; the first by position is wanted.
        let tariff = self
            .tariffs
            .iter()
            .rev()
            .filter_map(|tariff| Some((closeness(&tariff.places, parcel.destination)?, tariff)))
            .max_by_key(|&(rank, _)| rank)
            .map(|(_, tariff)| tariff);
        let Some(tariff) = tariff else { return Ok(Err(Unavailable::Destination)) };
        Ok(tariff.price(parcel)?.map(|price| (price, tariff.days)))
    }
}

impl Tariff {
    fn check(&self) -> Result<(), InvalidRule> {
        ensure(self.places.len() <= PLACES_MAX, InvalidRule::Places)?;
        ensure(self.days.min <= self.days.max, InvalidRule::Days)?;
        if let Some(threshold) = &self.free_from {
            ensure(threshold.are_at_least(0), InvalidRule::Amount)?;
        }
        self.price.check()
    }

    fn price(&self, parcel: Parcel<'_>) -> Result<Result<Money, Unavailable>, MoneyError> {
        if let Some(grams_max) = self.grams_max.filter(|&grams_max| parcel.grams > grams_max) {
            return Ok(Err(Unavailable::TooHeavy { grams_max }));
        }
        let price = self.price.of(parcel)?;
        let currency = parcel.subtotal.currency;
        let threshold = self.free_from.as_ref().and_then(|from| from.in_currency(currency));
        let is_free = threshold.is_some_and(|from| parcel.subtotal.minor >= from.minor);
        Ok(price.map(|price| if is_free { Money::zero(currency) } else { price }))
    }
}

impl ShippingPrice {
    fn check(&self) -> Result<(), InvalidRule> {
        match self {
            Self::Flat { price } => ensure(price.are_at_least(0), InvalidRule::Amount),
            Self::BySubtotal { steps } => {
                ensure(!steps.is_empty(), InvalidRule::Table)?;
                steps.values().try_for_each(|steps| {
                    let is_rising = steps.is_sorted_by(|a, b| a.from_minor < b.from_minor);
                    let is_short = (1..=STEPS_MAX).contains(&steps.len());
                    ensure(is_rising && is_short, InvalidRule::Table)?;
                    let are_good = steps.iter().all(|s| s.from_minor >= 0 && s.price_minor >= 0);
                    ensure(are_good, InvalidRule::Amount)
                })
            }
            Self::ByWeight { steps } => {
                let is_rising = steps.is_sorted_by(|a, b| a.grams_max < b.grams_max);
                let is_short = (1..=STEPS_MAX).contains(&steps.len());
                ensure(is_rising && is_short, InvalidRule::Table)?;
                let are_good = steps.iter().all(|step| step.price.are_at_least(0));
                ensure(are_good, InvalidRule::Amount)
            }
            Self::ByPiece { first, further } => {
                let are_good = first.are_at_least(0) && further.are_at_least(0);
                ensure(are_good, InvalidRule::Amount)
            }
        }
    }

    fn of(&self, parcel: Parcel<'_>) -> Result<Result<Money, Unavailable>, MoneyError> {
        let currency = parcel.subtotal.currency;
        Ok(match self {
            Self::Flat { price } => price.in_currency(currency).ok_or(Unavailable::WrongCurrency),
            Self::BySubtotal { steps } => {
                let Some(steps) = steps.get(&currency) else {
                    return Ok(Err(Unavailable::WrongCurrency));
                };
                let step = steps.iter().rev().find(|step| step.from_minor <= parcel.subtotal.minor);
                let first_minor = steps.first().map_or(0, |step| step.from_minor);
                match step {
                    Some(step) => Ok(Money::new(step.price_minor, currency)),
                    None => Err(Unavailable::SubtotalTooLow {
                        subtotal_min: Money::new(first_minor, currency),
                    }),
                }
            }
            Self::ByWeight { steps } => {
                match steps.iter().find(|step| parcel.grams <= step.grams_max) {
                    Some(step) => {
                        step.price.in_currency(currency).ok_or(Unavailable::WrongCurrency)
                    }
                    None => Err(Unavailable::TooHeavy {
                        grams_max: steps.last().map_or(0, |step| step.grams_max),
                    }),
                }
            }
            Self::ByPiece { first, further } => {
                match (first.in_currency(currency), further.in_currency(currency)) {
                    (Some(first), Some(further)) => {
                        let more = parcel.pieces.saturating_sub(1);
                        Ok(first.checked_add(further.checked_mul(more)?)?)
                    }
                    _ => Err(Unavailable::WrongCurrency),
                }
            }
        })
    }
}
