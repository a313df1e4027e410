//! What a cart costs under one set of promotions: lines, shipping, taxes, and the total by which sets are compared.

use super::basket::{Basket, capped};
use super::eligible::Entitled;
use super::promotion::{Class, Effect, Promotion};
use super::quote::{
    Adjustment, QuotedLine, QuotedShipping, ShippingOffer, ShippingOption, ShippingOutcome,
};
use super::shipping::{Days, Measure, Parcel, ShippingMethod, Unavailable};
use super::tax::{TaxClass, Taxation, Taxed};
use super::{PricingError, Request};
use crate::money::{Money, MoneyError};
use crate::sku::Handle;

/// A cart's lines at the prices that count.
#[derive(Debug, Clone)]
pub(super) struct Priced<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) taxation: Taxation<'a>,
    /// Price of one piece, by line.
    pub(super) unit_prices: Vec<Money>,
    /// Price of all pieces, by line.
    pub(super) subtotals: Vec<Money>,
    pub(super) subtotal: Money,
    /// The lines before any promotion.
    pub(super) basket: Basket<'a>,
}

/// The outcome of one set of promotions.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) lines: Vec<QuotedLine>,
    pub(super) shipping: ShippingOutcome,
    /// What each promotion of the set took off, in its order.
    pub(super) taken: Vec<Money>,
    /// The subtotal that shipping tariffs look at.
    pub(super) measured: Money,
    pub(super) total: Money,
}

impl<'a> Priced<'a> {
    /// Applies a set of promotions, given in the order of application, and adds up.
    pub(super) fn settle(&self, set: &[Entitled<'_>]) -> Result<Settled, PricingError> {
        let mut basket = self.basket.clone();
        let mut taken = Vec::with_capacity(set.len());
        for (turn, one) in set.iter().enumerate() {
            taken.push(match one.promotion.class {
                Class::Line | Class::Order => basket.apply(one.promotion, turn)?,
                Class::Shipping => Money::zero(self.request.currency),
            });
        }
        let discount = Money::sum(self.request.currency, taken.iter().copied())?;
        let measured = match self.request.shipping.measure {
            Measure::BeforeDiscounts => self.subtotal,
            Measure::AfterDiscounts => self.subtotal.checked_sub(discount)?,
        };
        let lines = self.lines(&basket, set)?;
        let shipping = self.shipping(&lines, set, measured, &mut taken)?;
        let costs =
            lines.iter().map(|line| line.total).chain(shipping.quoted().map(|quoted| quoted.total));
        let total = Money::sum(self.request.currency, costs)?;
        Ok(Settled { lines, shipping, taken, measured, total })
    }

    fn lines(
        &self,
        basket: &Basket<'_>,
        set: &[Entitled<'_>],
    ) -> Result<Vec<QuotedLine>, PricingError> {
        let prices = self.unit_prices.iter().zip(&self.subtotals);
        let lines = self.request.lines.iter().zip(prices).enumerate();
        lines
            .map(|(at, (line, (&unit_price, &subtotal)))| {
                let adjustments = adjustments(basket.taken_of(at), set);
                let discount = sum_of(&adjustments, subtotal)?;
                let amount = subtotal.checked_sub(discount)?;
                let Taxed { parts: taxes, tax, relief: tax_relief, total } =
                    self.taxation.tax(amount, &line.tax_class)?;
                Ok(QuotedLine {
                    line: line.id,
                    sku: line.sku.clone(),
                    quantity: line.quantity,
                    unit_price,
                    subtotal,
                    adjustments,
                    discount,
                    tax_relief,
                    taxes,
                    tax,
                    total,
                })
            })
            .collect()
    }

    /// Prices the chosen method and applies the promotions of shipping, whose amounts go into `taken`.
    fn shipping(
        &self,
        lines: &[QuotedLine],
        set: &[Entitled<'_>],
        measured: Money,
        taken: &mut [Money],
    ) -> Result<ShippingOutcome, PricingError> {
        if !self.is_shipped() {
            return Ok(ShippingOutcome::NotNeeded);
        }
        let Some(id) = self.request.shipping_method else { return Ok(ShippingOutcome::NotChosen) };
        let refused = |why| ShippingOutcome::Refused { method: id.clone(), why };
        let Some(method) = self.request.shipping.method(id) else {
            return Ok(refused(Unavailable::Unknown));
        };
        let (price, days) = match self.offer(method, measured)? {
            Ok(offer) => offer,
            Err(why) => return Ok(refused(why)),
        };
        let mut amount = price;
        for (one, off) in set.iter().zip(taken.iter_mut()) {
            if one.promotion.class == Class::Shipping {
                *off = off_shipping(one.promotion, amount)?;
                amount = amount.checked_sub(*off)?;
            }
        }
        let turns = set.iter().zip(taken.iter()).enumerate();
        let adjustments = adjustments(
            turns
                .filter(|(_, (one, _))| one.promotion.class == Class::Shipping)
                .map(|(turn, (_, &off))| (turn, off)),
            set,
        );
        let discount = sum_of(&adjustments, price)?;
        let Taxed { parts: taxes, tax, relief: tax_relief, total } =
            self.taxation.tax_shipping(amount, &self.shipped(lines)?)?;
        Ok(ShippingOutcome::Chosen(QuotedShipping {
            method: id.clone(),
            title: method.title.clone(),
            days,
            price,
            adjustments,
            discount,
            tax_relief,
            taxes,
            tax,
            total,
        }))
    }

    /// Lists what the shop's methods cost when tariffs look at a subtotal of `measured`.
    pub(super) fn options(&self, measured: Money) -> Result<Vec<ShippingOption>, PricingError> {
        if !self.is_shipped() {
            return Ok(Vec::new());
        }
        let list = |method: &ShippingMethod| {
            let offer = match self.offer(method, measured)? {
                Ok((price, days)) => ShippingOffer::Available { price, days },
                Err(why) => ShippingOffer::Unavailable { why },
            };
            Ok(ShippingOption { method: method.id.clone(), title: method.title.clone(), offer })
        };
        self.request.shipping.methods.iter().map(list).collect()
    }

    /// Returns the chosen method where it is on offer for the prices before discounts.
    pub(super) fn offered_method(&self) -> Result<Option<&'a Handle>, PricingError> {
        let chosen = self.request.shipping_method.filter(|_| self.is_shipped());
        let Some(id) = chosen else { return Ok(None) };
        let Some(method) = self.request.shipping.method(id) else { return Ok(None) };
        Ok(self.offer(method, self.subtotal)?.is_ok().then_some(id))
    }

    fn offer(
        &self,
        method: &ShippingMethod,
        measured: Money,
    ) -> Result<Result<(Money, Days), Unavailable>, PricingError> {
        let offer = method.offer(self.parcel(measured))?;
        match offer {
            Ok((price, _)) if price.minor < 0 => Err(PricingError::NegativeShipping),
            offer => Ok(offer),
        }
    }

    fn is_shipped(&self) -> bool {
        self.request.lines.iter().any(|line| line.is_shippable)
    }

    fn parcel(&self, measured: Money) -> Parcel<'a> {
        let shipped = self.request.lines.iter().filter(|line| line.is_shippable);
        let (mut grams, mut pieces) = (0_u64, 0_u32);
        for line in shipped {
            let count = line.quantity.get();
            let weight = u64::from(line.grams).saturating_mul(u64::from(count));
            grams = grams.saturating_add(weight);
            pieces = pieces.saturating_add(count);
        }
        Parcel { destination: self.request.destination, subtotal: measured, grams, pieces }
    }

    /// Returns the class, the cost after discounts and the pieces of each line that is shipped.
    fn shipped(
        &self,
        quoted: &[QuotedLine],
    ) -> Result<Vec<(&'a TaxClass, Money, u32)>, MoneyError> {
        let lines = self.request.lines.iter().zip(quoted).filter(|(line, _)| line.is_shippable);
        lines
            .map(|(line, quoted)| {
                let cost = quoted.subtotal.checked_sub(quoted.discount)?;
                Ok((&line.tax_class, cost, line.quantity.get()))
            })
            .collect()
    }
}

fn off_shipping(promotion: &Promotion, amount: Money) -> Result<Money, MoneyError> {
    match &promotion.effect {
        Effect::Percent { off, cap } => Ok(capped(amount.portion(*off)?, cap.as_ref())),
        Effect::Amount { off } => Ok(capped(amount, Some(off))),
        Effect::FreeShipping => Ok(amount),
        Effect::BuyGet { .. } => Ok(Money::zero(amount.currency)),
    }
}

fn adjustments(
    taken: impl Iterator<Item = (usize, Money)>,
    set: &[Entitled<'_>],
) -> Vec<Adjustment> {
    taken
        .filter(|(_, amount)| amount.minor > 0)
        .filter_map(|(turn, amount)| {
            Some(Adjustment { promotion: set.get(turn)?.promotion.id, amount })
        })
        .collect()
}

fn sum_of(adjustments: &[Adjustment], like: Money) -> Result<Money, MoneyError> {
    Money::sum(like.currency, adjustments.iter().map(|adjustment| adjustment.amount))
}
