//! Promotions, their codes, and the policies by which a shop ships and taxes.

use domain::pricing::{Code, Promotion, Quote, ShippingPolicy, TaxPolicy};
use domain::{CartId, PromotionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::pricing::Versioned;
use crate::{CartRefusal, Claim, Once, Store, StoreError, sql};

/// A promotion as the staff sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionRow {
    /// The rule.
    pub promotion: Promotion,
    /// Whether it runs, within its times.
    pub is_enabled: bool,
    /// Orders that used it, of those that did not come to nothing.
    pub uses: u64,
    /// Raised by every change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a promotion, or writes it anew. Checked by its caller.
#[derive(Debug, Clone)]
pub struct WritePromotion {
    /// The rule.
    pub promotion: Promotion,
    /// Whether it runs.
    pub is_enabled: bool,
    /// `None` makes a new one; else the version that the caller has seen, or any.
    pub replaces: Option<Option<i64>>,
    /// Now.
    pub now: Timestamp,
}

/// A code of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRow {
    /// The code.
    pub code: Code,
    /// Whose it is.
    pub promotion: PromotionId,
    /// Orders that used it, of those that did not come to nothing.
    pub uses: u64,
    /// How often it may be used.
    pub uses_max: Option<u64>,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes codes of one promotion.
#[derive(Debug, Clone)]
pub struct MakeCodes {
    /// Whose they are.
    pub promotion: PromotionId,
    /// The codes.
    pub codes: Vec<Code>,
    /// How often each may be used.
    pub uses_max: Option<u64>,
    /// Now.
    pub now: Timestamp,
}

/// Why a promotion or its codes were not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromotionRefused {
    /// No such promotion.
    NotFound,
    /// The caller has seen an older version.
    Stale {
        /// The present version.
        version: i64,
    },
    /// As many automatic promotions run as may run at once.
    TooManyAutomatic {
        /// How many may.
        max: usize,
    },
    /// Whether uses are limited in all, and what sets it off, is decided when a promotion is made.
    Fixed,
    /// Only promotions that are set off by codes have codes.
    Automatic,
    /// The code is taken.
    CodeTaken(Code),
}

/// Why a policy was not written: the caller has seen an older version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StalePolicy {
    /// The present version; 0: none was written.
    pub version: i64,
}

/// Writes the shop's policies. Checked by its caller.
#[derive(Debug, Clone)]
pub struct WritePolicy {
    /// Which one.
    pub policy: Policy,
    /// The version that the caller has seen, if it insists; 0: none.
    pub version: Option<i64>,
    /// Now.
    pub now: Timestamp,
}

/// A policy of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// How it ships.
    Shipping(ShippingPolicy),
    /// How it taxes.
    Taxes(TaxPolicy),
}

impl Store {
    /// Makes or replaces a promotion.
    ///
    /// # Errors
    /// As every write.
    pub async fn write_promotion(
        &self,
        command: WritePromotion,
        claim: Option<Claim>,
    ) -> Result<Result<Once<PromotionRow>, PromotionRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::promotion::write(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads a promotion.
    ///
    /// # Errors
    /// As every read.
    pub async fn promotion(&self, id: PromotionId) -> Result<Option<PromotionRow>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::promotion::find(tx, *id))).await
    }

    /// Lists promotions, newest first, from before one on.
    ///
    /// # Errors
    /// As every read.
    pub async fn promotions(
        &self,
        before: Option<PromotionId>,
        limit: u32,
    ) -> Result<Vec<PromotionRow>, StoreError> {
        self.read((before, limit), |tx, (before, limit)| {
            Box::pin(sql::promotion::list(tx, *before, *limit))
        })
        .await
    }

    /// Makes codes; all of them or none.
    ///
    /// # Errors
    /// As every write.
    pub async fn make_codes(
        &self,
        command: MakeCodes,
        claim: Option<Claim>,
    ) -> Result<Result<Once<Vec<CodeRow>>, PromotionRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::promotion::make_codes(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Lists the codes of a promotion in their order, from after one on.
    ///
    /// # Errors
    /// As every read.
    pub async fn codes(
        &self,
        promotion: PromotionId,
        after: Option<Code>,
        limit: u32,
    ) -> Result<Vec<CodeRow>, StoreError> {
        self.read((promotion, after, limit), |tx, (promotion, after, limit)| {
            Box::pin(sql::promotion::codes(tx, *promotion, after.as_ref(), *limit))
        })
        .await
    }

    /// Lets a code be used, or no longer. Returns it as it is then.
    ///
    /// # Errors
    /// As every write.
    pub async fn enable_code(
        &self,
        code: Code,
        is_enabled: bool,
        now: Timestamp,
    ) -> Result<Option<CodeRow>, StoreError> {
        self.write((code, is_enabled, now), |tx, (code, is_enabled, now)| {
            Box::pin(sql::promotion::enable_code(tx, code, *is_enabled, *now))
        })
        .await
    }

    /// Writes a policy. Returns its new version.
    ///
    /// # Errors
    /// As every write.
    pub async fn write_policy(
        &self,
        command: WritePolicy,
    ) -> Result<Result<i64, StalePolicy>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::promotion::write_policy(tx, command))).await
    }

    /// Reads how the shop ships, if it has said.
    ///
    /// # Errors
    /// As every read.
    pub async fn shipping_policy(&self) -> Result<Option<Versioned<ShippingPolicy>>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::promotion::policy(tx, crate::pricing::SHIPPING))).await
    }

    /// Reads how the shop taxes, if it has said.
    ///
    /// # Errors
    /// As every read.
    pub async fn tax_policy(&self) -> Result<Option<Versioned<TaxPolicy>>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::promotion::policy(tx, crate::pricing::TAXES))).await
    }

    /// Quotes a cart as it would cost under other policies; what is absent is as it is.
    ///
    /// # Errors
    /// As every read.
    pub async fn preview(
        &self,
        cart: CartId,
        shipping: Option<ShippingPolicy>,
        taxes: Option<TaxPolicy>,
        now: Timestamp,
    ) -> Result<Result<Quote, CartRefusal>, StoreError> {
        self.read((cart, shipping, taxes, now), |tx, (cart, shipping, taxes, now)| {
            Box::pin(sql::cart::preview(tx, *cart, shipping.clone(), taxes.clone(), *now))
        })
        .await
    }
}
