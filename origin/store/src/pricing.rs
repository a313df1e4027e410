//! What a cart costs: plainly, as a shop without rules of its own sells, or by promotions, methods, zones and gift cards.

mod refusal;

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::cart::{CartGiftCard, Line, LinePromise, Totals};
use api_types::order::Address;
use domain::cart::merge::MergeRule;
use domain::cart::{ShippingRule, totals};
use domain::inventory::Promise;
use domain::pricing::freeze::{FREEZE_DEFAULT, FrozenPrice, PriceChange, effective_price};
use domain::pricing::shipping::{Days, ShippingMethod, ShippingPrice, Tariff};
use domain::pricing::tax::{ExemptPrice, PriceMode, ShippingTax, TaxRate, TaxRule, TaxZone};
use domain::pricing::{
    AmountByCurrency, Buyer, Candidate, CartLine, Code, Destination, EnteredCode, GiftCard,
    PricingError, Promotion, Quote, Request, ShippingOffer, ShippingOutcome, ShippingPolicy,
    TaxClass, TaxPolicy, quote,
};
use domain::{Country, Currency, Handle, LineId, Money, Quantity, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use self::refusal::{other_promise, refusal_of};
use crate::{CartRefusal, StoreError};

/// Setting with the shop's shipping policy, a [`Versioned`] as JSON.
pub(crate) const SHIPPING: &str = "pricing.shipping";
/// Setting with the shop's tax policy, a [`Versioned`] as JSON.
pub(crate) const TAXES: &str = "pricing.taxes";
/// Setting with the shop's own country, where carts go until the shopper has said.
pub(crate) const COUNTRY: &str = "country";
/// Setting with what becomes of a guest's cart at sign-in.
pub(crate) const MERGE_RULE: &str = "cart_merge_rule";
/// The settings above and what they replace, as far as prices go.
pub(crate) const SETTINGS: [&str; 3] = [SHIPPING, TAXES, COUNTRY];

/// Country of a shop that has set none.
const COUNTRY_DEFAULT: &str = "DE";
/// The one method of a shop that has no shipping policy.
const METHOD_STANDARD: &str = "standard";
/// The class of what has no other.
const CLASS_STANDARD: &str = "standard";

/// A policy of the shop, and how often it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<T> {
    /// From 1.
    pub version: i64,
    /// The policy.
    pub policy: T,
}

/// What the shopper has said about a cart besides its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choices {
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<Destination>,
    /// How it is shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping_method: Option<Handle>,
    /// Codes that were entered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) codes: Vec<Code>,
    /// Gift cards that were entered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gift_cards: Vec<CartGiftCard>,
}

/// On what terms a checkout goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who buys, as uses of promotions are counted: by account, else by a digest of the e-mail address.
    pub buyer: String,
    /// What the shopper was shown as due, if the caller says.
    pub expected_due: Option<Money>,
    /// What the shopper was shown as promised, if the caller says; lines that are not named were shown as being there.
    pub expected_promises: Option<Vec<LinePromise>>,
    /// How long a price holds that the shopper is told now.
    pub freeze: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            buyer: String::new(),
            expected_due: None,
            expected_promises: None,
            freeze: FREEZE_DEFAULT,
        }
    }
}

/// A line whose price is not what the shopper was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPrice {
    /// Place of the line in the cart, from 0.
    pub place: usize,
    /// What changed.
    pub change: PriceChange,
}

/// A line of which more is promised than the shopper was shown, or for a later day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedPromise {
    /// Place of the line in the cart, from 0.
    pub place: usize,
    /// What the shopper was shown; nothing: all pieces were shown as being there.
    pub shown: Option<Promise>,
    /// What would be promised now.
    pub now: Promise,
}

/// What pricing looks at in a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Its category.
    pub category: Handle,
    /// Its tags that are handles, as JSON list of words.
    pub tags_json: String,
    /// How it is taxed.
    pub tax_class: TaxClass,
    /// Weight of one piece in grams.
    pub grams: u32,
    /// Whether it is sent.
    pub is_shippable: bool,
    /// Whether promotions may touch it.
    pub is_discountable: bool,
}

/// A line of a cart with everything that decides its price.
#[derive(Debug, Clone)]
pub(crate) struct PricedLine {
    /// The line at the price that counts.
    pub(crate) line: Line,
    pub(crate) quantity: Quantity,
    /// The catalogue's price of one piece.
    pub(crate) current: Money,
    /// What the shopper was told.
    pub(crate) frozen: Option<FrozenPrice>,
    pub(crate) attributes: Attributes,
}

/// A promotion and its uses, as far as its conditions ask for them.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) promotion: Promotion,
    pub(crate) uses: u64,
    pub(crate) uses_by_buyer: u32,
}

impl Known {
    /// Whether it takes more than the cart to tell if it applies.
    pub(crate) fn is_limited(&self) -> bool {
        let conditions = &self.promotion.conditions;
        conditions.uses_max.is_some()
            || conditions.uses_per_buyer_max.is_some()
            || conditions.first_order_only
    }
}

/// The shop's rules.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    shipping: Option<ShippingPolicy>,
    taxes: Option<TaxPolicy>,
    home: Destination,
    /// Automatic promotions that run now.
    pub(crate) automatic: Vec<Known>,
    /// The category above a category.
    pub(crate) parents: BTreeMap<Handle, Handle>,
}

/// Everything about one cart that a price follows from.
pub(crate) struct Asked<'a> {
    pub(crate) now: Timestamp,
    pub(crate) currency: Currency,
    pub(crate) lines: &'a [PricedLine],
    pub(crate) choices: &'a Choices,
    /// Where it goes, where the checkout says so.
    pub(crate) destination: Option<Destination>,
    pub(crate) buyer: Buyer,
    pub(crate) codes: &'a [EnteredCode],
    /// Promotions of these codes.
    pub(crate) by_code: &'a [Known],
    pub(crate) gift_cards: &'a [GiftCard],
    /// How a plain cart is shipped and taxed.
    pub(crate) plain: (ShippingRule, u32),
}

/// What a cart costs.
#[derive(Debug, Clone)]
pub(crate) struct Price {
    pub(crate) totals: Totals,
    pub(crate) quote: Option<Box<Quote>>,
}

/// Reads a policy that was checked when it was written.
pub(crate) fn read_policy<T: DeserializeOwned>(
    text: Option<&str>,
) -> Result<Option<Versioned<T>>, StoreError> {
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|_unreadable| StoreError::Corrupt("policy of the shop"))
}

/// Reads the shop's rule for carts of guests who sign in.
pub(crate) fn read_merge_rule(text: Option<&str>) -> Result<MergeRule, StoreError> {
    let Some(text) = text else { return Ok(MergeRule::default()) };
    serde_json::from_value(text.into())
        .map_err(|_unreadable| StoreError::Corrupt("rule for carts at sign-in"))
}

/// Reads where the shop is.
pub(crate) fn read_country(text: Option<&str>) -> Result<Country, StoreError> {
    text.unwrap_or(COUNTRY_DEFAULT)
        .parse()
        .map_err(|_invalid| StoreError::Corrupt("country of the shop"))
}

/// Reads where an address lies; nothing where it has no country.
pub(crate) fn destination_of(address: &Address) -> Option<Destination> {
    Some(Destination {
        country: address.country.parse().ok()?,
        region: address.region.as_deref().and_then(|region| region.parse().ok()),
        postcode: address.postal_code.parse().ok(),
    })
}

fn handle(text: &str) -> Result<Handle, StoreError> {
    text.parse().map_err(|_invalid| StoreError::Corrupt("handle"))
}

/// A rule that was stored and does not hold: not the shopper's fault.
fn unusable(error: PricingError) -> Result<CartRefusal, StoreError> {
    match error {
        PricingError::Money(_) => Ok(CartRefusal::TooExpensive),
        PricingError::TooMany(_) => Ok(CartRefusal::TooManyCodes),
        error => {
            tracing::error!(error = %error, "could not price a cart by the shop's rules");
            Err(StoreError::Corrupt("rule of pricing"))
        }
    }
}

impl Rules {
    /// Takes the shop's settings; promotions and categories come beside.
    pub(crate) fn new<'a>(
        setting: impl Fn(&str) -> Option<&'a str>,
        automatic: Vec<Known>,
        parents: BTreeMap<Handle, Handle>,
    ) -> Result<Self, StoreError> {
        let shipping: Option<Versioned<ShippingPolicy>> = read_policy(setting(SHIPPING))?;
        let taxes: Option<Versioned<TaxPolicy>> = read_policy(setting(TAXES))?;
        let country = read_country(setting(COUNTRY))?;
        Ok(Self {
            shipping: shipping.map(|kept| kept.policy),
            taxes: taxes.map(|kept| kept.policy),
            home: Destination { country, region: None, postcode: None },
            automatic,
            parents,
        })
    }

    /// Replaces policies, to see what they would do.
    pub(crate) fn with(
        mut self,
        shipping: Option<ShippingPolicy>,
        taxes: Option<TaxPolicy>,
    ) -> Self {
        self.shipping = shipping.or(self.shipping);
        self.taxes = taxes.or(self.taxes);
        self
    }

    /// Whether a cart costs what it would in a shop without rules.
    fn is_plain(&self, choices: &Choices) -> bool {
        let method = choices.shipping_method.as_ref().map(Handle::as_str);
        self.shipping.is_none()
            && self.taxes.is_none()
            && self.automatic.is_empty()
            && choices.codes.is_empty()
            && choices.gift_cards.is_empty()
            && method.is_none_or(|method| method == METHOD_STANDARD)
    }

    /// Says what a cart costs.
    pub(crate) fn price(
        &self,
        asked: &Asked<'_>,
    ) -> Result<Result<Price, CartRefusal>, StoreError> {
        if self.is_plain(asked.choices) {
            let (shipping, tax) = asked.plain;
            let lines: Vec<_> =
                asked.lines.iter().map(|line| (line.line.unit_price, line.quantity)).collect();
            return Ok(match totals(asked.currency, &lines, shipping, tax) {
                Ok(totals) => Ok(Price { totals: totals.into(), quote: None }),
                Err(_out) => Err(CartRefusal::TooExpensive),
            });
        }
        let quote = self.quote(asked)?;
        Ok(quote
            .map(|quote| Price { totals: (&quote.totals).into(), quote: Some(Box::new(quote)) }))
    }

    /// Quotes a cart, also where it would be plain.
    pub(crate) fn quote(
        &self,
        asked: &Asked<'_>,
    ) -> Result<Result<Quote, CartRefusal>, StoreError> {
        match self.try_quote(asked)? {
            Ok(quote) => Ok(Ok(quote)),
            Err(error) => unusable(error).map(Err),
        }
    }

    fn try_quote(&self, asked: &Asked<'_>) -> Result<Result<Quote, PricingError>, StoreError> {
        let lines: Vec<CartLine> =
            asked.lines.iter().map(|line| self.cart_line(line)).collect::<Result<_, _>>()?;
        let (shipping, taxes) = (self.shipping_for(asked)?, self.taxes_for(asked)?);
        let known: Vec<Candidate<'_>> = self
            .automatic
            .iter()
            .chain(asked.by_code)
            .map(|known| Candidate {
                promotion: &known.promotion,
                uses: known.uses,
                uses_by_buyer: known.uses_by_buyer,
            })
            .collect();
        let destination =
            asked.destination.as_ref().or(asked.choices.destination.as_ref()).unwrap_or(&self.home);
        let standard = handle(METHOD_STANDARD)?;
        let is_derived = self.shipping.is_none();
        let chosen = asked.choices.shipping_method.as_ref();
        let request = Request {
            now: asked.now,
            currency: asked.currency,
            lines: &lines,
            destination,
            shipping_method: chosen.or_else(|| is_derived.then_some(&standard)),
            buyer: asked.buyer,
            promotions: &known,
            codes: asked.codes,
            gift_cards: asked.gift_cards,
            shipping: &shipping,
            taxes: &taxes,
        };
        let first = match quote(&request) {
            Ok(quote) => quote,
            Err(error) => return Ok(Err(error)),
        };
        // Who has one way to choose from has chosen.
        match only_offer(&first) {
            Some(only) => Ok(quote(&Request { shipping_method: Some(&only), ..request })),
            None => Ok(Ok(first)),
        }
    }

    /// The shop's policy, or what its settings for plain carts come to.
    fn shipping_for(&self, asked: &Asked<'_>) -> Result<ShippingPolicy, StoreError> {
        if let Some(policy) = &self.shipping {
            return Ok(policy.clone());
        }
        let (rule, _) = asked.plain;
        let amount = |minor| AmountByCurrency::of(Money::new(minor, asked.currency));
        let tariff = Tariff {
            places: Vec::new(),
            price: ShippingPrice::Flat { price: amount(rule.flat_minor) },
            free_from: Some(amount(rule.free_from_minor)),
            grams_max: None,
            // Such a shop has not said how long it takes.
            days: Days { min: 0, max: 0 },
        };
        let method = ShippingMethod {
            id: handle(METHOD_STANDARD)?,
            title: "Standard".to_owned(),
            tariffs: vec![tariff],
        };
        Ok(ShippingPolicy { methods: vec![method], ..ShippingPolicy::default() })
    }

    /// The shop's policy, or its one rate for everything everywhere.
    fn taxes_for(&self, asked: &Asked<'_>) -> Result<TaxPolicy, StoreError> {
        if let Some(policy) = &self.taxes {
            return Ok(policy.clone());
        }
        let (_, basis_points) = asked.plain;
        let rate = TaxRate::from_basis_points(basis_points)
            .map_err(|_invalid| StoreError::Corrupt("tax rate"))?;
        let standard = TaxClass(handle(CLASS_STANDARD)?);
        let mut classes: Vec<&TaxClass> =
            asked.lines.iter().map(|line| &line.attributes.tax_class).collect();
        classes.push(&standard);
        classes.sort();
        classes.dedup();
        let rates = classes
            .into_iter()
            .map(|class| TaxRule { name: "VAT".to_owned(), class: class.clone(), rate })
            .collect();
        let zone = TaxZone { name: handle("everywhere")?, places: Vec::new(), rates };
        Ok(TaxPolicy {
            price_mode: PriceMode::Inclusive,
            zones: vec![zone],
            shipping: ShippingTax::Class(standard),
            exempt_price: ExemptPrice::default(),
        })
    }

    fn cart_line(&self, line: &PricedLine) -> Result<CartLine, StoreError> {
        let attributes = &line.attributes;
        let words: Vec<String> = serde_json::from_str(&attributes.tags_json)
            .map_err(|_unreadable| StoreError::Corrupt("tags"))?;
        Ok(CartLine {
            id: line.line.id,
            sku: line.line.sku.clone(),
            categories: self.categories(&attributes.category),
            // Words that are no handles are for people alone.
            tags: words.iter().filter_map(|word| word.parse().ok()).collect(),
            price: line.current,
            frozen: line.frozen,
            quantity: line.quantity,
            tax_class: attributes.tax_class.clone(),
            grams: attributes.grams,
            is_shippable: attributes.is_shippable,
            is_discountable: attributes.is_discountable,
        })
    }

    /// A category and those above it; one that lies above itself is named once.
    fn categories(&self, category: &Handle) -> Vec<Handle> {
        let mut found = vec![category.clone()];
        while let Some(parent) = found.last().and_then(|last| self.parents.get(last)) {
            if found.contains(parent) {
                break;
            }
            found.push(parent.clone());
        }
        found
    }
}

/// The one method on offer, where nothing was chosen.
fn only_offer(quote: &Quote) -> Option<Handle> {
    if quote.shipping != ShippingOutcome::NotChosen {
        return None;
    }
    let mut offers = quote
        .shipping_options
        .iter()
        .filter(|option| matches!(option.offer, ShippingOffer::Available { .. }));
    match (offers.next(), offers.next()) {
        (Some(only), None) => Some(only.method.clone()),
        _ => None,
    }
}

/// Finds the lines that cost something else than the shopper was told.
pub(crate) fn changes(lines: &[PricedLine], now: Timestamp) -> Vec<PriceChange> {
    lines
        .iter()
        .filter_map(|line| effective_price(line.line.id, line.current, line.frozen, now).1)
        .collect()
}

/// Gives the lines of a quote the names that they have in the order, in the same places.
pub(crate) fn renamed(quote: &Quote, name: impl Fn(usize) -> LineId) -> Box<Quote> {
    let mut quote = quote.clone();
    for (place, line) in quote.lines.iter_mut().enumerate() {
        line.line = name(place);
    }
    Box::new(quote)
}

/// Writes a quote as it is stored.
pub(crate) fn quote_json(quote: &Quote) -> Result<String, StoreError> {
    serde_json::to_string(quote).map_err(|_unwritable| StoreError::Corrupt("quote"))
}

#[cfg(test)]
mod tests;
