//! Worked figures for each rule, and properties that hold in every quote.

mod gift_cards;
mod promotions;
mod properties;
mod refusals;
mod requests;
mod shipping;
mod stacking;
mod stored;
mod taxes;

use std::collections::{BTreeMap, BTreeSet};

use super::promotion::{Class, Conditions, Effect, Target, Trigger};
use super::shipping::{Days, Measure, ShippingMethod, ShippingPrice, Tariff};
use super::tax::{ExemptPrice, PriceMode, ShippingTax, TaxRate, TaxRule, TaxZone};
use super::*;
use crate::money::BasisPoints;
use crate::{GiftCardId, PromotionId};

/// A shop, a cart and a buyer; each test changes what it is about.
#[derive(Debug, Clone)]
struct Case {
    now: Timestamp,
    currency: Currency,
    lines: Vec<CartLine>,
    destination: Destination,
    shipping_method: Option<Handle>,
    buyer: Buyer,
    /// With uses in all and uses by the buyer.
    promotions: Vec<(Promotion, u64, u32)>,
    codes: Vec<EnteredCode>,
    gift_cards: Vec<GiftCard>,
    shipping: ShippingPolicy,
    taxes: TaxPolicy,
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000);

fn money(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

fn handle(text: &str) -> Handle {
    text.parse().unwrap()
}

fn share(basis_points: u32) -> BasisPoints {
    basis_points.try_into().unwrap()
}

fn line_id(number: u8) -> LineId {
    LineId::v4([number; 16])
}

fn promotion_id(number: u8) -> PromotionId {
    PromotionId::v4([number; 16])
}

fn to(country: &str) -> Destination {
    Destination { country: country.parse().unwrap(), region: None, postcode: None }
}

/// Destinations and places in one word: `US`, `US-NY`, `US-NY-10001`, `US--100`.
fn place(text: &str) -> Place {
    let mut parts = text.split('-');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    Place {
        country: part().unwrap().parse().unwrap(),
        region: part().map(|region| region.parse().unwrap()),
        postcode_prefix: part().map(|postcode| postcode.parse().unwrap()),
    }
}

fn destination(text: &str) -> Destination {
    let Place { country, region, postcode_prefix } = place(text);
    Destination { country, region, postcode: postcode_prefix }
}

/// Lines in euro cents: price and pieces; categories are `c0`, `c1`, … and SKUs `S0`, `S1`, …
fn lines(of: &[(i64, u32)]) -> Vec<CartLine> {
    lines_in(Currency::Eur, of)
}

fn lines_in(currency: Currency, of: &[(i64, u32)]) -> Vec<CartLine> {
    of.iter()
        .zip(0_u8..)
        .map(|(&(minor, pieces), at)| CartLine {
            id: line_id(at),
            sku: format!("S{at}").parse().unwrap(),
            categories: vec![handle(&format!("c{at}"))],
            tags: Vec::new(),
            price: Money::new(minor, currency),
            frozen: None,
            quantity: pieces.try_into().unwrap(),
            tax_class: TaxClass(handle("standard")),
            grams: 500,
            is_shippable: true,
            is_discountable: true,
        })
        .collect()
}

/// An automatic promotion on everything that goes with everything.
fn promotion(number: u8, class: Class, effect: Effect) -> Promotion {
    Promotion {
        id: promotion_id(number),
        title: format!("promotion {number}"),
        trigger: Trigger::Automatic,
        effect,
        target: Target::All,
        conditions: Conditions::default(),
        class,
        combines_with: BTreeSet::from([Class::Line, Class::Order, Class::Shipping]),
        priority: 0,
        starts_at: None,
        ends_at: None,
    }
}

fn percent(basis_points: u32) -> Effect {
    Effect::Percent { off: share(basis_points), cap: None }
}

fn amount(minor: i64) -> Effect {
    Effect::Amount { off: AmountByCurrency::of(money(minor)) }
}

fn buy_get(buy: u32, get: u32, basis_points: u32, repeats_max: u32) -> Effect {
    Effect::BuyGet { buy, get, off: share(basis_points), repeats_max, of: None }
}

fn categories(names: &[&str]) -> Target {
    Target::Categories(names.iter().map(|name| handle(name)).collect())
}

fn tariff(price: ShippingPrice) -> Tariff {
    Tariff {
        places: Vec::new(),
        price,
        free_from: None,
        grams_max: None,
        days: Days { min: 2, max: 4 },
    }
}

fn flat(minor: i64) -> ShippingPrice {
    ShippingPrice::Flat { price: AmountByCurrency::of(money(minor)) }
}

fn method(id: &str, tariffs: Vec<Tariff>) -> ShippingMethod {
    ShippingMethod { id: handle(id), title: id.to_owned(), tariffs }
}

fn tax_rule(name: &str, class: &str, millionths: u32) -> TaxRule {
    TaxRule {
        name: name.to_owned(),
        class: TaxClass(handle(class)),
        rate: TaxRate::try_from(millionths).unwrap(),
    }
}

fn tax_zone(name: &str, places: &[&str], rates: Vec<TaxRule>) -> TaxZone {
    TaxZone { name: handle(name), places: places.iter().map(|text| place(text)).collect(), rates }
}

impl Case {
    /// No taxes, no shipping chosen, no promotions.
    fn of(lines: Vec<CartLine>) -> Self {
        let currency = lines.first().map_or(Currency::Eur, |line| line.price.currency);
        Self {
            now: NOW,
            currency,
            lines,
            destination: to("DE"),
            shipping_method: None,
            buyer: Buyer::default(),
            promotions: Vec::new(),
            codes: Vec::new(),
            gift_cards: Vec::new(),
            shipping: ShippingPolicy::default(),
            taxes: TaxPolicy {
                price_mode: PriceMode::Inclusive,
                zones: Vec::new(),
                shipping: ShippingTax::Proportional,
                exempt_price: ExemptPrice::WithoutTax,
            },
        }
    }

    fn with(mut self, promotion: Promotion) -> Self {
        self.promotions.push((promotion, 0, 0));
        self
    }

    /// Adds a promotion that needs the code, and enters it.
    fn with_code(mut self, code: &str, promotion: Promotion) -> Self {
        let found = FoundCode { promotion: promotion.id, uses: 0, uses_max: None };
        self.codes.push(EnteredCode { code: code.parse().unwrap(), found: Some(found) });
        self.with(Promotion { trigger: Trigger::Code, ..promotion })
    }

    fn shipped(mut self, minor: i64) -> Self {
        self.shipping.methods = vec![method("post", vec![tariff(flat(minor))])];
        self.shipping_method = Some(handle("post"));
        self
    }

    /// Taxes every destination by these rates.
    fn taxed(mut self, price_mode: PriceMode, rates: Vec<TaxRule>) -> Self {
        self.taxes.price_mode = price_mode;
        self.taxes.zones = vec![tax_zone("everywhere", &[], rates)];
        self
    }

    fn try_quote(&self) -> Result<Quote, PricingError> {
        let promotions: Vec<_> = self
            .promotions
            .iter()
            .map(|(promotion, uses, uses_by_buyer)| Candidate {
                promotion,
                uses: *uses,
                uses_by_buyer: *uses_by_buyer,
            })
            .collect();
        quote(&Request {
            now: self.now,
            currency: self.currency,
            lines: &self.lines,
            destination: &self.destination,
            shipping_method: self.shipping_method.as_ref(),
            buyer: self.buyer,
            promotions: &promotions,
            codes: &self.codes,
            gift_cards: &self.gift_cards,
            shipping: &self.shipping,
            taxes: &self.taxes,
        })
    }

    /// Quotes, and checks every sum.
    #[track_caller]
    fn quote(&self) -> Quote {
        let quote = self.try_quote().unwrap();
        assert_eq!(quote.check(), Ok(()), "{quote:#?}");
        quote
    }
}

/// What was taken off each line.
fn line_discounts(quote: &Quote) -> Vec<i64> {
    quote.lines.iter().map(|line| line.discount.minor).collect()
}

fn refusals(quote: &Quote) -> Vec<CodeRefusal> {
    quote.refused_codes.iter().map(|refused| refused.reason).collect()
}

/// The numbers of the promotions that took something off.
fn applied_numbers(quote: &Quote) -> Vec<u8> {
    quote.promotions.iter().map(|one| one.promotion.as_bytes()[0]).collect()
}
