//! Statements that read what prices follow from: settings, promotions, codes and who buys.

use std::collections::BTreeMap;

use domain::cart::ShippingRule;
use domain::pricing::{Buyer, CODES_MAX, Code, EnteredCode, FoundCode, PROMOTIONS_MAX, Promotion};
use domain::{Currency, Handle, PromotionId, Timestamp, UserId};

use super::catalogue;
use crate::StoreError;
use crate::pricing::{self, Known, Rules};
use crate::tx::{Row, Tx, values};

/// Automatic promotions that may run at once: 90, so that those of entered codes fit into one quote beside them.
pub(crate) const AUTOMATIC_MAX: usize = PROMOTIONS_MAX - CODES_MAX;

/// Who buys, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BuyerFacts<'a> {
    /// The account.
    pub(crate) user: Option<UserId>,
    /// The e-mail address of a guest.
    pub(crate) email: Option<&'a str>,
    /// As uses of promotions are counted.
    pub(crate) key: Option<&'a str>,
}

/// What the shop has set, and the rules that follow.
pub(crate) struct ShopRules {
    pub(crate) rules: Rules,
    /// How plain carts of the currency are shipped and taxed.
    pub(crate) plain: (ShippingRule, u32),
}

/// Reads the rules of the shop for one currency.
pub(crate) async fn rules(
    tx: &Tx<'_>,
    currency: Currency,
    now: Timestamp,
    has_codes: bool,
) -> Result<ShopRules, StoreError> {
    // By primary key, each.
    let [shipping_policy, tax_policy, country] = pricing::SETTINGS;
    let rows = tx
        .query(
            "SELECT name, value FROM settings WHERE name IN (?1, ?2, ?3, ?4, ?5)",
            values![
                catalogue::TAX_RATE,
                catalogue::shipping_setting(currency),
                shipping_policy,
                tax_policy,
                country
            ],
        )
        .await?;
    let mut settings = BTreeMap::<String, String>::new();
    for row in rows {
        settings.insert(row.get(0)?, row.get(1)?);
    }
    let setting = |name: &str| settings.get(name).map(String::as_str);
    let shipping = setting(&catalogue::shipping_setting(currency));
    let plain = catalogue::rules_of(setting(catalogue::TAX_RATE), shipping, currency)?;
    let automatic = automatic(tx, now).await?;
    // Only promotions look at them.
    let needs_parents = has_codes || !automatic.is_empty();
    let parents = if needs_parents { parents(tx).await? } else { BTreeMap::new() };
    Ok(ShopRules { rules: Rules::new(setting, automatic, parents)?, plain })
}

/// Automatic promotions that run at a moment, `?1`.
pub(crate) const AUTOMATIC: &str = "SELECT rule_json, uses FROM promotions
WHERE is_automatic = 1 AND is_enabled = 1 AND coalesce(starts_at_ms, 0) <= ?1 AND coalesce(ends_at_ms, 9223372036854775807) > ?1
ORDER BY id LIMIT 90";
/// Categories that lie below another one.
pub(crate) const PARENTS: &str = "SELECT handle, parent FROM categories WHERE parent IS NOT NULL";

async fn automatic(tx: &Tx<'_>, now: Timestamp) -> Result<Vec<Known>, StoreError> {
    // By index promotions_automatic.
    let rows = tx.query(AUTOMATIC, values![now.unix_ms()]).await?;
    rows.iter().map(known).collect()
}

/// Reads a promotion and how often it was used.
pub(crate) fn known(row: &Row) -> Result<Known, StoreError> {
    Ok(Known { promotion: promotion(row, 0)?, uses: uses(row, 1)?, uses_by_buyer: 0 })
}

pub(crate) fn promotion(row: &Row, index: usize) -> Result<Promotion, StoreError> {
    serde_json::from_str(&row.get::<String>(index)?)
        .map_err(|_unreadable| StoreError::Corrupt("rule of a promotion"))
}

fn uses(row: &Row, index: usize) -> Result<u64, StoreError> {
    u64::try_from(row.get::<i64>(index)?)
        .map_err(|_negative| StoreError::Corrupt("uses of a promotion"))
}

async fn parents(tx: &Tx<'_>) -> Result<BTreeMap<Handle, Handle>, StoreError> {
    // All that have one: categories are few.
    tx.query(PARENTS, &[]).await?.iter().map(parent).collect()
}

/// Reads a category and the one above it.
pub(crate) fn parent(row: &Row) -> Result<(Handle, Handle), StoreError> {
    let handle = |index| {
        row.get::<String>(index)?.parse().map_err(|_invalid| StoreError::Corrupt("category"))
    };
    Ok((handle(0)?, handle(1)?))
}

/// Looks up entered codes and their promotions.
pub(crate) async fn entered(
    tx: &Tx<'_>,
    codes: &[Code],
) -> Result<(Vec<EnteredCode>, Vec<Known>), StoreError> {
    let (mut entered, mut promotions) = (Vec::new(), Vec::<Known>::new());
    for code in codes {
        // By primary keys.
        let row = tx
            .query_opt(
                "SELECT p.rule_json, p.uses, p.is_enabled, c.uses, c.uses_max
                 FROM promotion_codes c JOIN promotions p ON p.id = c.promotion_id
                 WHERE c.code = ?1 AND c.is_enabled = 1",
                values![code.as_str()],
            )
            .await?;
        let found = match row {
            None => None,
            Some(row) => {
                let known = known(&row)?;
                let found = FoundCode {
                    promotion: known.promotion.id,
                    uses: uses(&row, 3)?,
                    uses_max: row
                        .get::<Option<i64>>(4)?
                        .map(u64::try_from)
                        .transpose()
                        .map_err(|_negative| StoreError::Corrupt("uses of a code"))?,
                };
                let is_new = promotions.iter().all(|one| one.promotion.id != found.promotion);
                if row.get::<bool>(2)? && is_new {
                    promotions.push(known);
                }
                Some(found)
            }
        };
        entered.push(EnteredCode { code: code.clone(), found });
    }
    Ok((entered, promotions))
}

/// Fills in what the promotions' conditions ask about the buyer, and says who buys.
pub(crate) async fn buyer(
    tx: &Tx<'_>,
    facts: BuyerFacts<'_>,
    promotions: &mut [&mut Known],
) -> Result<Buyer, StoreError> {
    let mut asks_for_orders = false;
    for known in promotions {
        let conditions = &known.promotion.conditions;
        asks_for_orders |= conditions.first_order_only;
        if let (Some(_), Some(key)) = (conditions.uses_per_buyer_max, facts.key) {
            known.uses_by_buyer = uses_by(tx, known.promotion.id, key).await?;
        }
    }
    let orders = if asks_for_orders { orders_of(tx, facts).await? } else { 0 };
    Ok(Buyer { has_account: facts.user.is_some(), orders, is_tax_exempt: false })
}

async fn uses_by(tx: &Tx<'_>, promotion: PromotionId, buyer: &str) -> Result<u32, StoreError> {
    // By index redemptions_of_buyer.
    let count: i64 = tx
        .query_one(
            "SELECT count(*) FROM redemptions WHERE promotion_id = ?1 AND buyer = ?2 AND is_counted = 1",
            values![promotion.as_bytes(), buyer],
        )
        .await?
        .get(0)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Counts orders that did not come to nothing; a buyer of whom nothing is known has had none.
async fn orders_of(tx: &Tx<'_>, facts: BuyerFacts<'_>) -> Result<u32, StoreError> {
    let row = match (facts.user, facts.email) {
        // By index orders_user.
        (Some(user), _) => {
            tx.query_one(
                "SELECT count(*) FROM orders WHERE user_id = ?1 AND status NOT IN ('cancelled', 'expired')",
                values![user.as_bytes()],
            )
            .await?
        }
        // By index orders_email.
        (None, Some(email)) => {
            tx.query_one(
                "SELECT count(*) FROM orders WHERE email = ?1 AND status NOT IN ('cancelled', 'expired')",
                values![email],
            )
            .await?
        }
        (None, None) => return Ok(0),
    };
    Ok(u32::try_from(row.get::<i64>(0)?).unwrap_or(u32::MAX))
}
