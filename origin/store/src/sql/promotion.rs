//! Statements of promotions, their codes and uses, and of the shop's policies.

use domain::pricing::promotion::Trigger;
use domain::pricing::{Code, Quote};
use domain::{OrderId, PromotionId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pricing::{AUTOMATIC_MAX, promotion as read_rule};
use super::{catalogue, outbox};
use crate::StoreError;
use crate::order::OrderRecord;
use crate::pricing::{self, Versioned};
use crate::promotion::{
    CodeRow, MakeCodes, Policy, PromotionRefused, PromotionRow, StalePolicy, WritePolicy,
    WritePromotion,
};
use crate::tx::{Row, Tx, values};

/// Uses are counted with the promotion where they are limited, else by what orders say.
const COLUMNS: &str = "p.id, p.rule_json, p.is_enabled,
  CASE WHEN p.is_limited = 1 THEN p.uses ELSE
    (SELECT count(*) FROM redemptions r WHERE r.promotion_id = p.id AND r.is_counted = 1) END,
  p.version, p.created_at_ms";

fn read(row: &Row) -> Result<PromotionRow, StoreError> {
    Ok(PromotionRow {
        promotion: read_rule(row, 1)?,
        is_enabled: row.get(2)?,
        uses: count(row, 3)?,
        version: row.get(4)?,
        created_at: Timestamp::from_unix_ms(row.get(5)?),
    })
}

fn count(row: &Row, index: usize) -> Result<u64, StoreError> {
    u64::try_from(row.get::<i64>(index)?).map_err(|_negative| StoreError::Corrupt("uses"))
}

pub(crate) async fn find(tx: &Tx<'_>, id: PromotionId) -> Result<Option<PromotionRow>, StoreError> {
    // By primary key, and by index redemptions_of_buyer.
    let sql = format!("SELECT {COLUMNS} FROM promotions p WHERE p.id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn list(
    tx: &Tx<'_>,
    before: Option<PromotionId>,
    limit: u32,
) -> Result<Vec<PromotionRow>, StoreError> {
    // By primary key; names begin with the moment.
    let before = before.unwrap_or(PromotionId::from_bytes([0xff; 16]));
    let sql =
        format!("SELECT {COLUMNS} FROM promotions p WHERE p.id < ?1 ORDER BY p.id DESC LIMIT ?2");
    tx.query(&sql, values![before.as_bytes(), limit]).await?.iter().map(read).collect()
}

pub(crate) async fn write(
    tx: &Tx<'_>,
    command: &WritePromotion,
) -> Result<Result<PromotionRow, PromotionRefused>, StoreError> {
    let promotion = &command.promotion;
    let is_automatic = promotion.trigger == Trigger::Automatic;
    let is_limited = promotion.conditions.uses_max.is_some();
    if let Some(expected) = command.replaces {
        let Some(kept) = find(tx, promotion.id).await? else {
            return Ok(Err(PromotionRefused::NotFound));
        };
        if expected.is_some_and(|version| version != kept.version) {
            return Ok(Err(PromotionRefused::Stale { version: kept.version }));
        }
        let rule = &kept.promotion;
        if rule.trigger != promotion.trigger || rule.conditions.uses_max.is_some() != is_limited {
            return Ok(Err(PromotionRefused::Fixed));
        }
    }
    if is_automatic && command.is_enabled && is_full(tx, promotion.id).await? {
        return Ok(Err(PromotionRefused::TooManyAutomatic { max: AUTOMATIC_MAX }));
    }
    let rule = serde_json::to_string(promotion)
        .map_err(|_unwritable| StoreError::Corrupt("rule of a promotion"))?;
    tx.execute(
        "INSERT INTO promotions (id, rule_json, is_automatic, is_enabled, is_limited, starts_at_ms, ends_at_ms, version,
           created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8)
         ON CONFLICT (id) DO UPDATE SET rule_json = excluded.rule_json, is_enabled = excluded.is_enabled,
           starts_at_ms = excluded.starts_at_ms, ends_at_ms = excluded.ends_at_ms,
           version = promotions.version + 1, updated_at_ms = excluded.updated_at_ms",
        values![
            promotion.id.as_bytes(),
            rule,
            is_automatic,
            command.is_enabled,
            is_limited,
            promotion.starts_at.map(Timestamp::unix_ms),
            promotion.ends_at.map(Timestamp::unix_ms),
            command.now.unix_ms()
        ],
    )
    .await?;
    let kind = if command.replaces.is_some() { "promotion.updated" } else { "promotion.created" };
    tell(tx, promotion.id, kind, command.now).await?;
    find(tx, promotion.id).await?.map(Ok).ok_or(StoreError::Corrupt("promotion just written"))
}

/// Tells whether as many other automatic promotions are enabled as may be, whenever they run.
async fn is_full(tx: &Tx<'_>, id: PromotionId) -> Result<bool, StoreError> {
    // By index promotions_automatic.
    let others: i64 = tx
        .query_one(
            "SELECT count(*) FROM promotions WHERE is_automatic = 1 AND is_enabled = 1 AND id <> ?1",
            values![id.as_bytes()],
        )
        .await?
        .get(0)?;
    Ok(usize::try_from(others).is_ok_and(|others| others >= AUTOMATIC_MAX))
}

async fn tell(tx: &Tx<'_>, id: PromotionId, kind: &str, now: Timestamp) -> Result<(), StoreError> {
    let words = serde_json::json!({ "promotion_id": id, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("promotion", &id.to_string()), kind, &words, now).await
}

fn read_code(row: &Row) -> Result<CodeRow, StoreError> {
    Ok(CodeRow {
        code: row
            .get::<String>(0)?
            .parse()
            .map_err(|_invalid| StoreError::Corrupt("code of a promotion"))?,
        promotion: PromotionId::from_bytes(row.get(1)?),
        uses: count(row, 2)?,
        uses_max: row
            .get::<Option<i64>>(3)?
            .map(u64::try_from)
            .transpose()
            .map_err(|_negative| StoreError::Corrupt("uses of a code"))?,
        is_enabled: row.get(4)?,
        created_at: Timestamp::from_unix_ms(row.get(5)?),
    })
}

pub(crate) async fn make_codes(
    tx: &Tx<'_>,
    command: &MakeCodes,
) -> Result<Result<Vec<CodeRow>, PromotionRefused>, StoreError> {
    let Some(row) = find(tx, command.promotion).await? else {
        return Ok(Err(PromotionRefused::NotFound));
    };
    if row.promotion.trigger != Trigger::Code {
        return Ok(Err(PromotionRefused::Automatic));
    }
    let uses_max = command.uses_max.map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    for code in &command.codes {
        // By primary key.
        let is_taken = tx
            .query_opt("SELECT 1 FROM promotion_codes WHERE code = ?1", values![code.as_str()])
            .await?
            .is_some();
        if is_taken {
            return Ok(Err(PromotionRefused::CodeTaken(code.clone())));
        }
    }
    let mut made = Vec::new();
    for code in &command.codes {
        tx.execute(
            "INSERT INTO promotion_codes (code, promotion_id, uses, uses_max, is_enabled, created_at_ms)
             VALUES (?1, ?2, 0, ?3, 1, ?4)",
            values![code.as_str(), command.promotion.as_bytes(), uses_max, command.now.unix_ms()],
        )
        .await?;
        made.push(CodeRow {
            code: code.clone(),
            promotion: command.promotion,
            uses: 0,
            uses_max: command.uses_max,
            is_enabled: true,
            created_at: command.now,
        });
    }
    tell(tx, command.promotion, "promotion.codes_created", command.now).await?;
    Ok(Ok(made))
}

const CODE_COLUMNS: &str = "code, promotion_id, uses, uses_max, is_enabled, created_at_ms";

pub(crate) async fn codes(
    tx: &Tx<'_>,
    promotion: PromotionId,
    after: Option<&Code>,
    limit: u32,
) -> Result<Vec<CodeRow>, StoreError> {
    // By index promotion_codes_listed.
    let sql = format!(
        "SELECT {CODE_COLUMNS} FROM promotion_codes WHERE promotion_id = ?1 AND code > ?2 ORDER BY code LIMIT ?3"
    );
    let after = after.map_or("", Code::as_str);
    let rows = tx.query(&sql, values![promotion.as_bytes(), after, limit]).await?;
    rows.iter().map(read_code).collect()
}

pub(crate) async fn enable_code(
    tx: &Tx<'_>,
    code: &Code,
    is_enabled: bool,
    now: Timestamp,
) -> Result<Option<CodeRow>, StoreError> {
    let sql = format!(
        "UPDATE promotion_codes SET is_enabled = ?2 WHERE code = ?1 RETURNING {CODE_COLUMNS}"
    );
    let row = tx.query_opt(&sql, values![code.as_str(), is_enabled]).await?;
    let Some(row) = row.as_ref().map(read_code).transpose()? else { return Ok(None) };
    tell(tx, row.promotion, "promotion.code_changed", now).await?;
    Ok(Some(row))
}

pub(crate) async fn policy<T: DeserializeOwned>(
    tx: &Tx<'_>,
    name: &str,
) -> Result<Option<Versioned<T>>, StoreError> {
    let kept = catalogue::setting(tx, name).await?;
    pricing::read_policy(kept.as_deref())
}

pub(crate) async fn write_policy(
    tx: &Tx<'_>,
    command: &WritePolicy,
) -> Result<Result<i64, StalePolicy>, StoreError> {
    let name = match &command.policy {
        Policy::Shipping(_) => pricing::SHIPPING,
        Policy::Taxes(_) => pricing::TAXES,
    };
    let kept: Option<Versioned<serde_json::Value>> = policy(tx, name).await?;
    let present = kept.map_or(0, |kept| kept.version);
    if command.version.is_some_and(|version| version != present) {
        return Ok(Err(StalePolicy { version: present }));
    }
    let version = present.saturating_add(1);
    let (text, kind) = match &command.policy {
        Policy::Shipping(policy) => (text(version, policy)?, "shop.shipping_updated"),
        Policy::Taxes(policy) => (text(version, policy)?, "shop.taxes_updated"),
    };
    tx.execute(
        "INSERT INTO settings (name, value, is_public) VALUES (?1, ?2, 0)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![name, text],
    )
    .await?;
    let words = serde_json::json!({ "type": kind, "version": version, "at": command.now });
    outbox::append_about(tx, ("shop", name), kind, &words.to_string(), command.now).await?;
    Ok(Ok(version))
}

fn text<T: Serialize>(version: i64, policy: &T) -> Result<String, StoreError> {
    serde_json::to_string(&Versioned { version, policy })
        .map_err(|_unwritable| StoreError::Corrupt("policy of the shop"))
}

/// Counts the uses of an order's promotions and codes. The quote that found them free was made in this transaction.
pub(crate) async fn redeem(
    tx: &Tx<'_>,
    order: OrderId,
    buyer: &str,
    quote: &Quote,
    now: Timestamp,
) -> Result<(), StoreError> {
    for applied in &quote.promotions {
        let code = applied.code.as_ref().map(Code::as_str);
        tx.execute(
            "INSERT INTO redemptions (order_id, promotion_id, code, buyer, currency, amount_minor, is_counted, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7)",
            values![
                order.as_bytes(),
                applied.promotion.as_bytes(),
                code,
                buyer,
                applied.amount.currency.code(),
                applied.amount.minor,
                now.unix_ms()
            ],
        )
        .await?;
        move_uses(tx, applied.promotion, code, 1).await?;
    }
    Ok(())
}

async fn move_uses(
    tx: &Tx<'_>,
    promotion: PromotionId,
    code: Option<&str>,
    more: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE promotions SET uses = uses + ?2 WHERE id = ?1 AND is_limited = 1",
        values![promotion.as_bytes(), more],
    )
    .await?;
    if let Some(code) = code {
        tx.execute(
            "UPDATE promotion_codes SET uses = uses + ?2 WHERE code = ?1",
            values![code, more],
        )
        .await?;
    }
    Ok(())
}

async fn of_order(
    tx: &Tx<'_>,
    order: OrderId,
    is_counted: bool,
) -> Result<Vec<(PromotionId, Option<String>)>, StoreError> {
    // By primary key.
    let rows = tx
        .query(
            "SELECT promotion_id, code FROM redemptions WHERE order_id = ?1 AND is_counted = ?2 ORDER BY promotion_id",
            values![order.as_bytes(), is_counted],
        )
        .await?;
    rows.iter().map(|row| Ok((PromotionId::from_bytes(row.get(0)?), row.get(1)?))).collect()
}

async fn recount(tx: &Tx<'_>, order: OrderId, is_counted: bool) -> Result<(), StoreError> {
    for (promotion, code) in of_order(tx, order, !is_counted).await? {
        let more = if is_counted { 1 } else { -1 };
        move_uses(tx, promotion, code.as_deref(), more).await?;
    }
    tx.execute(
        "UPDATE redemptions SET is_counted = ?2 WHERE order_id = ?1",
        values![order.as_bytes(), is_counted],
    )
    .await?;
    Ok(())
}

/// Gives back the uses of an order that came to nothing.
pub(crate) async fn give_back(tx: &Tx<'_>, order: &OrderRecord) -> Result<(), StoreError> {
    recount(tx, order.id, false).await
}

/// Counts again the uses of an order that was paid after its end.
pub(crate) async fn count_again(tx: &Tx<'_>, order: &OrderRecord) -> Result<(), StoreError> {
    recount(tx, order.id, true).await
}

/// Tells whether the promotions of an order that has ended may be used once more.
pub(crate) async fn can_count_again(tx: &Tx<'_>, order: &OrderRecord) -> Result<bool, StoreError> {
    for (promotion, code) in of_order(tx, order.id, false).await? {
        let limit = find(tx, promotion).await?;
        let is_full = limit.is_none_or(|row| {
            row.promotion.conditions.uses_max.is_some_and(|most| row.uses >= most)
        });
        if is_full || !has_use_left(tx, code.as_deref()).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn has_use_left(tx: &Tx<'_>, code: Option<&str>) -> Result<bool, StoreError> {
    let Some(code) = code else { return Ok(true) };
    let row = tx
        .query_opt(
            "SELECT uses_max IS NULL OR uses < uses_max FROM promotion_codes WHERE code = ?1",
            values![code],
        )
        .await?;
    row.map_or(Ok(false), |row| row.get(0))
}
