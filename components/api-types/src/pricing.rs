//! What the staff writes about prices: promotions, codes, gift cards, shipping and taxes.

use std::collections::BTreeSet;

use domain::pricing::promotion::{Class, Conditions, Effect, Target, Trigger};
use domain::pricing::{Code, Promotion, ShippingPolicy, TaxClass, TaxPolicy};
use domain::{CartId, GiftCardId, Money, OrderId, PromotionId, Sku, Timestamp};
use serde::{Deserialize, Serialize};

const fn yes() -> bool {
    true
}

/// Body of `POST /admin/v1/promotions` and `PUT /admin/v1/promotions/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionRule {
    /// What shoppers and invoices read, 1 to 120 bytes.
    pub title: String,
    /// Whether it needs a code. Never changes.
    pub trigger: Trigger,
    /// What it takes off.
    pub effect: Effect,
    /// From which lines.
    pub target: Target,
    /// For whom and from what on. Whether `uses_max` is given never changes.
    #[serde(default)]
    pub conditions: Conditions,
    /// When in the reckoning it comes.
    pub class: Class,
    /// The classes of promotions that it tolerates beside itself.
    #[serde(default)]
    pub combines_with: BTreeSet<Class>,
    /// Within a class, higher comes first.
    #[serde(default)]
    pub priority: i32,
    /// First moment at which it applies.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// First moment at which it no longer applies.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// Whether it runs within its times; yes when absent.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl PromotionRule {
    /// Gives the rule a name.
    #[must_use]
    pub fn named(self, id: PromotionId) -> Promotion {
        Promotion {
            id,
            title: self.title,
            trigger: self.trigger,
            effect: self.effect,
            target: self.target,
            conditions: self.conditions,
            class: self.class,
            combines_with: self.combines_with,
            priority: self.priority,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        }
    }
}

/// A promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionView {
    /// The rule, with its name.
    #[serde(flatten)]
    pub promotion: Promotion,
    /// Whether it runs within its times.
    pub enabled: bool,
    /// Orders that used it, of those that did not come to nothing.
    pub uses: u64,
    /// Raised by every change; also the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Answer of `GET /admin/v1/promotions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotions {
    /// Newest first.
    pub items: Vec<PromotionView>,
    /// Value of `before` for the next page, if there may be one.
    pub next_before: Option<PromotionId>,
}

/// Body of `POST /admin/v1/codes`: one code, or a bulk of random ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCodes {
    /// Whose codes.
    pub promotion_id: PromotionId,
    /// The one code.
    #[serde(default)]
    pub code: Option<String>,
    /// How random codes begin.
    #[serde(default)]
    pub prefix: String,
    /// How many random codes, 1 to 500.
    #[serde(default)]
    pub count: Option<u32>,
    /// How often each may be used; as often as the promotion when absent.
    #[serde(default)]
    pub uses_max: Option<u64>,
}

/// A code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeView {
    /// The code in its normal form.
    pub code: Code,
    /// Whose it is.
    pub promotion_id: PromotionId,
    /// Orders that used it, of those that did not come to nothing.
    pub uses: u64,
    /// How often it may be used.
    pub uses_max: Option<u64>,
    /// Whether it may be used.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Answer of `GET` and `POST /admin/v1/codes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codes {
    /// In the order of their letters.
    pub items: Vec<CodeView>,
    /// Value of `after` for the next page, if there may be one.
    pub next_after: Option<Code>,
}

/// Body of `PATCH /admin/v1/codes/{code}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeChange {
    /// Whether it may be used from now on.
    pub enabled: bool,
}

/// Body of `POST /admin/v1/gift-cards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGiftCard {
    /// What is on it, above zero.
    pub amount: Money,
    /// First moment at which it no longer pays; never when absent.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// A word for the staff, at most 200 bytes.
    #[serde(default)]
    pub note: String,
}

/// A gift card. Its code is told once, to whoever issued it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardView {
    /// Its name.
    pub id: GiftCardId,
    /// The last four characters of its code.
    pub last4: String,
    /// What was on it first.
    pub issued: Money,
    /// What can be spent.
    pub balance: Money,
    /// Whether it may pay.
    pub enabled: bool,
    /// First moment at which it no longer pays.
    pub expires_at: Option<Timestamp>,
    /// A word for the staff.
    pub note: String,
    /// Raised by every change of the staff's; also the ETag.
    pub version: i64,
    /// When it was issued.
    pub created_at: Timestamp,
}

/// Answer of `POST /admin/v1/gift-cards`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedGiftCard {
    /// The card.
    #[serde(flatten)]
    pub card: GiftCardView,
    /// Its code, told this once.
    pub code: String,
}

impl core::fmt::Debug for IssuedGiftCard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IssuedGiftCard").field("card", &self.card).finish_non_exhaustive()
    }
}

/// A change of a gift card's balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardMovementView {
    /// `issued`, `held`, `released`, `retaken`, `refunded` or `adjusted`.
    pub kind: String,
    /// What was added; below zero: taken.
    pub delta: Money,
    /// The order that it was for.
    pub order_id: Option<OrderId>,
    /// Why, where somebody said.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Answer of `GET /admin/v1/gift-cards/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardDetail {
    /// The card.
    #[serde(flatten)]
    pub card: GiftCardView,
    /// Its newest movements, newest first, 100 at most.
    pub movements: Vec<GiftCardMovementView>,
}

/// Answer of `GET /admin/v1/gift-cards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCards {
    /// Newest first.
    pub items: Vec<GiftCardView>,
    /// Value of `before` for the next page, if there may be one.
    pub next_before: Option<GiftCardId>,
}

/// Body of `PATCH /admin/v1/gift-cards/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardChange {
    /// Whether it may pay from now on.
    pub enabled: bool,
}

/// Body of `POST /admin/v1/gift-cards/{id}/adjustments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardAdjustment {
    /// What is added to the balance, in minor units; below zero: taken.
    pub delta_minor: i64,
    /// Why, 1 to 200 bytes.
    #[serde(default)]
    pub reason: String,
}

/// Answer of `GET` and `PUT /admin/v1/shipping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingRules {
    /// Raised by every change; 0 while the shop has said nothing and ships by its settings. Also the ETag.
    pub version: i64,
    /// How the shop ships.
    pub policy: Option<ShippingPolicy>,
}

/// Answer of `GET` and `PUT /admin/v1/taxes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRules {
    /// Raised by every change; 0 while the shop has said nothing and taxes by its settings. Also the ETag.
    pub version: i64,
    /// How the shop taxes.
    pub policy: Option<TaxPolicy>,
}

/// Body of `POST /admin/v1/quotes/preview`: what a cart would cost under other policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Which cart.
    pub cart_id: CartId,
    /// How the shop would ship; as it does when absent.
    #[serde(default)]
    pub shipping: Option<ShippingPolicy>,
    /// How the shop would tax; as it does when absent.
    #[serde(default)]
    pub taxes: Option<TaxPolicy>,
}

/// Body and answer of `PUT /admin/v1/products/{handle}/pricing`: what pricing looks at in a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductPricing {
    /// How it is taxed.
    pub tax_class: TaxClass,
    /// Whether it is sent; yes when absent.
    #[serde(default = "yes")]
    pub shippable: bool,
    /// Whether promotions may touch it; yes when absent.
    #[serde(default = "yes")]
    pub discountable: bool,
    /// Weight of one piece in grams, by SKU; those that are absent stay.
    #[serde(default)]
    pub grams: std::collections::BTreeMap<Sku, u32>,
}
