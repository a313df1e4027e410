//! Promotions, their codes, and how the shop ships and taxes, as the staff writes them.

use api_types::pricing::{
    CodeView, Codes, NewCodes, Preview, ProductPricing, PromotionRule, PromotionView, Promotions,
    ShippingRules, TaxRules,
};
use domain::pricing::{Code, InvalidRule, Quote, ShippingPolicy, TaxPolicy};
use domain::{ErrorKind, Handle, PromotionId};
use store::{
    Claim, CodeRow, MakeCodes, Policy, PromotionRefused, PromotionRow, StalePolicy, WritePolicy,
    WritePromotion,
};

use crate::cart::{self, Precondition};
use crate::error::answered;
use crate::{Answered, App, Error, Refusal, random};

/// Promotions and codes on one page, and at most: 50 and 200.
pub(crate) const PAGE_DEFAULT: u32 = 50;
pub(crate) const PAGE_MAX: u32 = 200;
/// Random codes that one request makes: 500, one short transaction.
const CODES_AT_ONCE_MAX: u32 = 500;
/// Random characters of such a code: 12, of which a guess finds one of a million in a trillion tries.
const CODE_RANDOM_BYTES: usize = 12;

impl App {
    /// Makes a promotion.
    ///
    /// # Errors
    /// `invalid-input`, `too-many-promotions`, and what a key may refuse.
    pub async fn create_promotion(
        &self,
        rule: PromotionRule,
        claim: Option<Claim>,
    ) -> Result<Answered<PromotionView>, Error> {
        let id = PromotionId::v7(self.clock.now(), random()?);
        self.write_promotion(id, rule, None, claim).await
    }

    /// Writes a promotion anew.
    ///
    /// # Errors
    /// As [`App::create_promotion`]; `not-found`, `precondition-failed`, `promotion-fixed`.
    pub async fn replace_promotion(
        &self,
        id: PromotionId,
        rule: PromotionRule,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<PromotionView>, Error> {
        self.write_promotion(id, rule, Some(version), claim).await
    }

    async fn write_promotion(
        &self,
        id: PromotionId,
        rule: PromotionRule,
        replaces: Option<Precondition>,
        claim: Option<Claim>,
    ) -> Result<Answered<PromotionView>, Error> {
        let is_enabled = rule.enabled;
        let promotion = rule.named(id);
        promotion.check().map_err(|rule| unusable("", rule))?;
        let command = WritePromotion { promotion, is_enabled, replaces, now: self.clock.now() };
        let once = self.store.write_promotion(command, claim).await?.map_err(refuse)?;
        let Answered { value, is_replay } = answered(once)?;
        Ok(Answered { value: view(value), is_replay })
    }

    /// Reads a promotion.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn promotion(&self, id: PromotionId) -> Result<PromotionView, Error> {
        Ok(view(self.store.promotion(id).await?.ok_or_else(Refusal::not_found)?))
    }

    /// Lists promotions, newest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn promotions(
        &self,
        before: Option<PromotionId>,
        limit: Option<u32>,
    ) -> Result<Promotions, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let items: Vec<_> =
            self.store.promotions(before, limit).await?.into_iter().map(view).collect();
        let next_before = items.last().map(|last| last.promotion.id);
        Ok(Promotions { next_before: next_before.filter(|_| is_full(&items, limit)), items })
    }

    /// Makes a code, or a bulk of random ones.
    ///
    /// # Errors
    /// `invalid-input`, `not-found`, `code-taken`, and what a key may refuse.
    pub async fn create_codes(
        &self,
        request: &NewCodes,
        claim: Option<Claim>,
    ) -> Result<Answered<Codes>, Error> {
        let codes = match (&request.code, request.count) {
            (Some(code), None) => {
                vec![code.parse().map_err(|invalid: domain::pricing::InvalidCode| {
                    Refusal::invalid().field("/code", "invalid", invalid.to_string())
                })?]
            }
            (None, Some(count)) if (1..=CODES_AT_ONCE_MAX).contains(&count) => {
                (0..count).map(|_| random_code(&request.prefix)).collect::<Result<_, Error>>()?
            }
            _ => {
                let detail = format!(
                    "give either a code or a count of 1 to {CODES_AT_ONCE_MAX} random ones"
                );
                return Err(Refusal::invalid().field("/count", "invalid", detail).into());
            }
        };
        if request.uses_max == Some(0) {
            let refusal = Refusal::invalid().field("/uses_max", "out-of-range", "must be from 1");
            return Err(refusal.into());
        }
        let command = MakeCodes {
            promotion: request.promotion_id,
            codes,
            uses_max: request.uses_max,
            now: self.clock.now(),
        };
        let once = self.store.make_codes(command, claim).await?.map_err(refuse)?;
        let Answered { value, is_replay } = answered(once)?;
        let items = value.into_iter().map(view_code).collect();
        Ok(Answered { value: Codes { items, next_after: None }, is_replay })
    }

    /// Lists the codes of a promotion in the order of their letters.
    ///
    /// # Errors
    /// As every read.
    pub async fn codes(
        &self,
        promotion: PromotionId,
        after: Option<Code>,
        limit: Option<u32>,
    ) -> Result<Codes, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let codes = self.store.codes(promotion, after, limit).await?;
        let items: Vec<_> = codes.into_iter().map(view_code).collect();
        let next_after = items.last().map(|last| last.code.clone());
        Ok(Codes { next_after: next_after.filter(|_| is_full(&items, limit)), items })
    }

    /// Lets a code be used, or no longer.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn enable_code(&self, code: &str, is_enabled: bool) -> Result<CodeView, Error> {
        let code: Code = code.parse().map_err(|_invalid| Refusal::not_found())?;
        let changed = self.store.enable_code(code, is_enabled, self.clock.now()).await?;
        Ok(view_code(changed.ok_or_else(Refusal::not_found)?))
    }

    /// Reads how the shop ships.
    ///
    /// # Errors
    /// As every read.
    pub async fn shipping_rules(&self) -> Result<ShippingRules, Error> {
        Ok(match self.store.shipping_policy().await? {
            Some(kept) => ShippingRules { version: kept.version, policy: Some(kept.policy) },
            None => ShippingRules { version: 0, policy: None },
        })
    }

    /// Writes how the shop ships.
    ///
    /// # Errors
    /// `invalid-input`, `precondition-failed`.
    pub async fn set_shipping_rules(
        &self,
        policy: ShippingPolicy,
        version: Precondition,
    ) -> Result<ShippingRules, Error> {
        policy.check().map_err(|rule| unusable("", rule))?;
        let version = self.write_policy(Policy::Shipping(policy.clone()), version).await?;
        Ok(ShippingRules { version, policy: Some(policy) })
    }

    /// Reads how the shop taxes.
    ///
    /// # Errors
    /// As every read.
    pub async fn tax_rules(&self) -> Result<TaxRules, Error> {
        Ok(match self.store.tax_policy().await? {
            Some(kept) => TaxRules { version: kept.version, policy: Some(kept.policy) },
            None => TaxRules { version: 0, policy: None },
        })
    }

    /// Writes how the shop taxes.
    ///
    /// # Errors
    /// `invalid-input`, `precondition-failed`.
    pub async fn set_tax_rules(
        &self,
        policy: TaxPolicy,
        version: Precondition,
    ) -> Result<TaxRules, Error> {
        policy.check().map_err(|rule| unusable("", rule))?;
        let version = self.write_policy(Policy::Taxes(policy.clone()), version).await?;
        Ok(TaxRules { version, policy: Some(policy) })
    }

    async fn write_policy(&self, policy: Policy, version: Precondition) -> Result<i64, Error> {
        let command = WritePolicy { policy, version, now: self.clock.now() };
        self.store.write_policy(command).await?.map_err(|StalePolicy { version }| {
            stale().detail(format!("the policy is at version {version}")).into()
        })
    }

    /// Says what a cart would cost under other policies. Changes nothing.
    ///
    /// # Errors
    /// `invalid-input`, `not-found`.
    pub async fn preview_quote(&self, request: Preview) -> Result<Quote, Error> {
        let Preview { cart_id, shipping, taxes } = request;
        if let Some(policy) = &shipping {
            policy.check().map_err(|rule| unusable("/shipping", rule))?;
        }
        if let Some(policy) = &taxes {
            policy.check().map_err(|rule| unusable("/taxes", rule))?;
        }
        let quote = self.store.preview(cart_id, shipping, taxes, self.clock.now()).await?;
        Ok(quote.map_err(cart::refuse)?)
    }

    /// Writes what pricing looks at in a product.
    ///
    /// # Errors
    /// `not-found`, `invalid-input` for a SKU that is not the product's.
    pub async fn set_product_pricing(
        &self,
        product: Handle,
        pricing: ProductPricing,
    ) -> Result<ProductPricing, Error> {
        let command = store::WriteProductPricing { product, pricing, now: self.clock.now() };
        match self.store.write_product_pricing(command).await? {
            Ok(pricing) => Ok(pricing),
            Err(store::ProductPricingRefused::NotFound) => Err(Refusal::not_found().into()),
            Err(store::ProductPricingRefused::OtherSku(sku)) => {
                let detail = format!("{sku} is not a SKU of this product");
                Err(Refusal::invalid().field(format!("/grams/{sku}"), "unknown", detail).into())
            }
        }
    }
}

pub(crate) fn is_full<T>(items: &[T], limit: u32) -> bool {
    u32::try_from(items.len()).is_ok_and(|count| count >= limit)
}

pub(crate) fn stale() -> Refusal {
    Refusal::new(ErrorKind::PreconditionFailed, "precondition-failed", "The version is stale")
}

fn unusable(pointer: &str, rule: InvalidRule) -> Refusal {
    Refusal::invalid().field(pointer, "invalid", rule.to_string())
}

fn random_code(prefix: &str) -> Result<Code, Error> {
    let bytes: [u8; CODE_RANDOM_BYTES] = random()?;
    Code::random(prefix, &bytes).map_err(|invalid| {
        Refusal::invalid().field("/prefix", "invalid", invalid.to_string()).into()
    })
}

fn refuse(refused: PromotionRefused) -> Refusal {
    match refused {
        PromotionRefused::NotFound => Refusal::not_found(),
        PromotionRefused::Stale { version } => {
            stale().detail(format!("the promotion is at version {version}"))
        }
        PromotionRefused::TooManyAutomatic { max } => Refusal::new(
            ErrorKind::Conflict,
            "too-many-promotions",
            "As many automatic promotions are enabled as may be",
        )
        .detail(format!("the limit is {max}; disable one first")),
        PromotionRefused::Fixed => Refusal::new(
            ErrorKind::Conflict,
            "promotion-fixed",
            "Its trigger, and whether its uses are limited, cannot be changed",
        )
        .detail("make another promotion and disable this one"),
        PromotionRefused::Automatic => {
            let detail = "an automatic promotion has no codes";
            Refusal::invalid().field("/promotion_id", "invalid", detail)
        }
        PromotionRefused::CodeTaken(code) => {
            let title = "There is such a code already";
            Refusal::new(ErrorKind::Conflict, "code-taken", title)
                .detail(format!("{code} is taken"))
        }
    }
}

fn view(row: PromotionRow) -> PromotionView {
    let PromotionRow { promotion, is_enabled, uses, version, created_at } = row;
    PromotionView { promotion, enabled: is_enabled, uses, version, created_at }
}

fn view_code(row: CodeRow) -> CodeView {
    CodeView {
        code: row.code,
        promotion_id: row.promotion,
        uses: row.uses,
        uses_max: row.uses_max,
        enabled: row.is_enabled,
        created_at: row.created_at,
    }
}
