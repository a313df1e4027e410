//! The shop's settings.

use std::collections::BTreeMap;

use api_types::shop::Shop;
use domain::cart::ShippingRule;
use domain::cart::merge::MergeRule;
use domain::numbers::{InvoiceRule, InvoiceSeries, NumberRule};
use domain::{Country, Currency, Timestamp};

use crate::{Claim, Once, Store, StoreError, sql};

/// What is said anew about the shop; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ShopChange {
    /// Where the shop is.
    pub country: Option<Country>,
    /// What becomes of a guest's cart at sign-in.
    pub cart_merge_rule: Option<MergeRule>,
    /// Rate of the tax that prices contain.
    pub tax_basis_points: Option<u32>,
    /// What shipping costs; currencies that are not named stay.
    pub shipping: BTreeMap<Currency, ShippingRule>,
    /// How orders are numbered: a change of what is there then.
    pub order_numbers: NumbersChange,
    /// How invoices are numbered: a change of what is there then.
    pub invoice_numbers: InvoiceNumbersChange,
}

/// What is said anew about the numbers of orders; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct NumbersChange {
    /// Before the digits.
    pub prefix: Option<domain::numbers::Prefix>,
    /// Digits that a number is padded to.
    pub digits: Option<u8>,
    /// Where numbers go on, unless they are beyond it.
    pub first: Option<i64>,
    /// Where they are drawn.
    pub drawing: Option<domain::numbers::Drawing>,
}

impl NumbersChange {
    /// Returns the rule as it is then.
    pub(crate) fn of(&self, before: NumberRule) -> NumberRule {
        NumberRule {
            prefix: self.prefix.clone().unwrap_or(before.prefix),
            digits: self.digits.unwrap_or(before.digits),
            first: self.first.unwrap_or(before.first),
            drawing: self.drawing.unwrap_or(before.drawing),
        }
    }
}

/// What is said anew about the numbers of invoices; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct InvoiceNumbersChange {
    /// Where they come from.
    pub series: Option<InvoiceSeries>,
    /// Before the digits.
    pub prefix: Option<domain::numbers::Prefix>,
    /// Digits that a number is padded to.
    pub digits: Option<u8>,
    /// Where numbers go on, unless they are beyond it.
    pub first: Option<i64>,
}

impl InvoiceNumbersChange {
    /// Returns the rule as it is then.
    pub(crate) fn of(&self, before: InvoiceRule) -> InvoiceRule {
        InvoiceRule {
            series: self.series.unwrap_or(before.series),
            prefix: self.prefix.clone().unwrap_or(before.prefix),
            digits: self.digits.unwrap_or(before.digits),
            first: self.first.unwrap_or(before.first),
        }
    }
}

/// Changes the shop's settings.
#[derive(Debug, Clone)]
pub struct ChangeShop {
    /// What is said anew.
    pub change: ShopChange,
    /// The version that was looked at; `None`: any.
    pub version: Option<i64>,
    /// Who of the staff, or which program of the operator's.
    pub actor: String,
    /// Now.
    pub now: Timestamp,
}

/// Why nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopRefused {
    /// Somebody changed it meanwhile; this is its version.
    Stale(i64),
}

impl Store {
    /// Reads the shop's settings.
    ///
    /// # Errors
    /// As every read.
    pub async fn shop(&self) -> Result<Shop, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::shop::read(tx))).await
    }

    /// Changes the shop's settings, all of them or none; once for each key. Holds for whatever begins after it.
    ///
    /// # Errors
    /// As every write.
    pub async fn change_shop(
        &self,
        command: ChangeShop,
        claim: Option<Claim>,
    ) -> Result<Result<Once<Shop>, ShopRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::shop::change(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }
}
