//! The shop's settings.

use std::collections::BTreeMap;

use api_types::shop::{
    DrawingChange, FlatShipping, InvoiceNumbersChange as WireInvoices,
    NumbersChange as WireNumbers, Shop, ShopChange as WireChange,
};
use domain::cart::ShippingRule;
use domain::cart::merge::MergeRule;
use domain::numbers::{
    BLOCK_MAX, DIGITS_MAX, Drawing, FIRST_MAX, InvalidPrefix, InvoiceSeries, Prefix,
};
use domain::{Country, Currency, InvalidCountry};
use store::{ChangeShop, Claim, InvoiceNumbersChange, NumbersChange, ShopChange, ShopRefused};

use crate::cart::Precondition;
use crate::error::answered;
use crate::listing::PRICE_MINOR_MAX;
use crate::location::stale;
use crate::{Answered, App, Error, Refusal, Staff};

/// The whole of a price, in hundredths of a percent.
const BASIS_POINTS_MAX: u32 = 10_000;

impl App {
    /// Reads the shop's settings.
    ///
    /// # Errors
    /// As every read.
    pub async fn shop(&self) -> Result<Shop, Error> {
        Ok(self.store.shop().await?)
    }

    /// Changes the shop's settings. All instances go by them from their next request on.
    ///
    /// # Errors
    /// `invalid-input`, `precondition-failed`, and what a key may refuse.
    pub async fn change_shop(
        &self,
        staff: &Staff,
        request: WireChange,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Shop>, Error> {
        let sold_in = self.sold_in().await?.all;
        let mut check = Check(Refusal::invalid());
        let change = check.change(request, &sold_in, self.store.is_shared());
        if !check.0.fields.is_empty() {
            return Err(check.0.into());
        }
        let command = ChangeShop { change, version, actor: staff.actor(), now: self.clock.now() };
        let changed = self.store.change_shop(command, claim).await?;
        answered(changed.map_err(|ShopRefused::Stale(version)| stale(version))?)
    }
}

/// Collects what is wrong.
struct Check(Refusal);

impl Check {
    fn wrong(&mut self, pointer: &str, detail: impl Into<String>) {
        let refusal = std::mem::replace(&mut self.0, Refusal::invalid());
        self.0 = refusal.field(pointer, "invalid", detail);
    }

    /// Takes a whole number within bounds.
    fn number<T: TryFrom<i64> + Copy>(
        &mut self,
        pointer: &str,
        number: Option<i64>,
        (least, most): (i64, i64),
    ) -> Option<T> {
        let number = number?;
        let taken = (least..=most).contains(&number).then(|| T::try_from(number).ok()).flatten();
        if taken.is_none() {
            self.wrong(pointer, format!("must be a whole number from {least} to {most}"));
        }
        taken
    }

    fn change(&mut self, request: WireChange, sold_in: &[Currency], is_shared: bool) -> ShopChange {
        let WireChange {
            country,
            cart_merge_rule,
            tax_basis_points,
            shipping,
            order_numbers,
            invoice_numbers,
        } = request;
        ShopChange {
            country: country.and_then(|text| self.country(&text)),
            cart_merge_rule: cart_merge_rule.and_then(|word| self.merge_rule(&word)),
            tax_basis_points: self.number(
                "/tax_basis_points",
                tax_basis_points,
                (0, i64::from(BASIS_POINTS_MAX)),
            ),
            shipping: self.shipping(shipping.unwrap_or_default(), sold_in),
            order_numbers: order_numbers
                .map(|numbers| self.numbers(numbers, is_shared))
                .unwrap_or_default(),
            invoice_numbers: invoice_numbers
                .map(|numbers| self.invoice_numbers(numbers))
                .unwrap_or_default(),
        }
    }

    fn country(&mut self, text: &str) -> Option<Country> {
        let country: Result<Country, InvalidCountry> = text.parse();
        country.map_err(|invalid| self.wrong("/country", invalid.to_string())).ok()
    }

    fn merge_rule(&mut self, word: &str) -> Option<MergeRule> {
        let rule = MergeRule::ALL.into_iter().find(|rule| rule.as_str() == word);
        if rule.is_none() {
            let words = MergeRule::ALL.map(MergeRule::as_str).join(", ");
            self.wrong("/cart_merge_rule", format!("must be one of {words}"));
        }
        rule
    }

    fn shipping(
        &mut self,
        rules: BTreeMap<String, FlatShipping>,
        sold_in: &[Currency],
    ) -> BTreeMap<Currency, ShippingRule> {
        let mut known = BTreeMap::new();
        for (code, FlatShipping { flat_minor, free_from_minor }) in rules {
            let pointer = format!("/shipping/{}", pointer_token(&code));
            let currency = code.parse().ok().filter(|currency| sold_in.contains(currency));
            let Some(currency) = currency else {
                self.wrong(&pointer, "is no currency of this shop");
                continue;
            };
            for (name, minor) in [("flat_minor", flat_minor), ("free_from_minor", free_from_minor)]
            {
                let bounds = (0, PRICE_MINOR_MAX);
                let _in_bounds: Option<i64> =
                    self.number(&format!("{pointer}/{name}"), Some(minor), bounds);
            }
            known.insert(currency, ShippingRule { flat_minor, free_from_minor });
        }
        known
    }

    fn numbers(&mut self, numbers: WireNumbers, is_shared: bool) -> NumbersChange {
        let at = |name: &str| format!("/order_numbers/{name}");
        NumbersChange {
            prefix: numbers.prefix.and_then(|text| self.prefix(&at("prefix"), &text)),
            digits: self.number(&at("digits"), numbers.digits, (0, i64::from(DIGITS_MAX))),
            first: self.number(&at("first"), numbers.first, (1, FIRST_MAX)),
            drawing: numbers.drawing.and_then(|drawing| self.drawing(&drawing, is_shared)),
        }
    }

    fn invoice_numbers(&mut self, numbers: WireInvoices) -> InvoiceNumbersChange {
        let at = |name: &str| format!("/invoice_numbers/{name}");
        InvoiceNumbersChange {
            series: numbers.series.and_then(|word| self.series(&at("series"), &word)),
            prefix: numbers.prefix.and_then(|text| self.prefix(&at("prefix"), &text)),
            digits: self.number(&at("digits"), numbers.digits, (0, i64::from(DIGITS_MAX))),
            first: self.number(&at("first"), numbers.first, (1, FIRST_MAX)),
        }
    }

    fn series(&mut self, pointer: &str, word: &str) -> Option<InvoiceSeries> {
        let series = InvoiceSeries::ALL.into_iter().find(|series| series.as_str() == word);
        if series.is_none() {
            self.wrong(pointer, "must be order or own");
        }
        series
    }

    fn prefix(&mut self, pointer: &str, text: &str) -> Option<Prefix> {
        let prefix: Result<Prefix, InvalidPrefix> = text.parse();
        let detail = |invalid| format!("{invalid}, with no digit at its end");
        prefix.map_err(|invalid| self.wrong(pointer, detail(invalid))).ok()
    }

    fn drawing(&mut self, drawing: &DrawingChange, is_shared: bool) -> Option<Drawing> {
        let size_at = "/order_numbers/drawing/size";
        match (drawing.kind.as_str(), drawing.size) {
            ("gapless", None) => Some(Drawing::Gapless),
            ("gapless", Some(_)) => {
                self.wrong(size_at, "is of blocks only");
                None
            }
            ("blocks", size) if is_shared => {
                let size = Some(size.unwrap_or(1));
                let size = self.number(size_at, size, (1, i64::from(BLOCK_MAX)))?;
                Some(Drawing::Blocks { size })
            }
            ("blocks", _) => {
                let detail = "must be gapless: a shop in a file numbers its orders no other way";
                self.wrong("/order_numbers/drawing/kind", detail);
                None
            }
            _ => {
                self.wrong("/order_numbers/drawing/kind", "must be gapless or blocks");
                None
            }
        }
    }
}

/// Writes a name as it stands in a JSON pointer (RFC 6901, section 3).
fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
