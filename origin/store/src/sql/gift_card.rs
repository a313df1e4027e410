//! Statements of gift cards. What an order holds is taken off the balance at once, so nobody else can spend it.

use std::convert::Infallible;

use api_types::cart::CartGiftCard;
use domain::ledger::{Account, GiftCardFunding, Posting, gift_card_issued};
use domain::pricing::{GiftCard, GiftCardPayment};
use domain::{Currency, GiftCardId, Money, OrderId, Timestamp};

use super::{outbox, payment};
use crate::StoreError;
use crate::gift_card::{
    ChangeGiftCard, GiftCardChangeRefused, GiftCardMovement, GiftCardRow, GiftCardSums,
    IssueGiftCard,
};
use crate::order::OrderRecord;
use crate::tx::{Row, Tx, values};

const COLUMNS: &str =
    "id, last4, currency, issued_minor, balance_minor, is_enabled, expires_at_ms, note, version,
  created_at_ms";

fn read(row: &Row) -> Result<GiftCardRow, StoreError> {
    let currency = currency(row, 2)?;
    let money = |index| row.get(index).map(|minor| Money::new(minor, currency));
    Ok(GiftCardRow {
        id: GiftCardId::from_bytes(row.get(0)?),
        last4: row.get(1)?,
        issued: money(3)?,
        balance: money(4)?,
        is_enabled: row.get(5)?,
        expires_at: row.get::<Option<i64>>(6)?.map(Timestamp::from_unix_ms),
        note: row.get(7)?,
        version: row.get(8)?,
        created_at: Timestamp::from_unix_ms(row.get(9)?),
    })
}

fn currency(row: &Row, index: usize) -> Result<Currency, StoreError> {
    row.get::<String>(index)?
        .parse()
        .map_err(|_unknown| StoreError::Corrupt("currency of a gift card"))
}

/// Finds the card of a code.
pub(crate) async fn named(
    tx: &Tx<'_>,
    hash: &[u8; 32],
) -> Result<Option<CartGiftCard>, StoreError> {
    // By the unique code_hash.
    let sql = format!("SELECT {COLUMNS} FROM gift_cards WHERE code_hash = ?1");
    let row = tx.query_opt(&sql, values![hash]).await?;
    Ok(row.as_ref().map(read).transpose()?.map(|card| card.named()))
}

/// Reads the gift cards of a cart as a quote takes them.
pub(crate) async fn entered(
    tx: &Tx<'_>,
    cards: &[CartGiftCard],
) -> Result<Vec<GiftCard>, StoreError> {
    let mut found = Vec::new();
    for card in cards {
        if let Some(row) = find(tx, card.id).await? {
            let GiftCardRow { id, balance, expires_at, is_enabled, .. } = row;
            found.push(GiftCard { id, balance, expires_at, is_enabled });
        }
    }
    Ok(found)
}

async fn find(tx: &Tx<'_>, id: GiftCardId) -> Result<Option<GiftCardRow>, StoreError> {
    // By primary key.
    let sql = format!("SELECT {COLUMNS} FROM gift_cards WHERE id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn load(
    tx: &Tx<'_>,
    id: GiftCardId,
) -> Result<Option<(GiftCardRow, Vec<GiftCardMovement>)>, StoreError> {
    let Some(card) = find(tx, id).await? else { return Ok(None) };
    // By index gift_card_movements_listed.
    let rows = tx
        .query(
            "SELECT kind, delta_minor, order_id, reason, at_ms FROM gift_card_movements
             WHERE gift_card_id = ?1 ORDER BY id DESC LIMIT 100",
            values![id.as_bytes()],
        )
        .await?;
    let currency = card.balance.currency;
    let movement = |row: &Row| {
        Ok(GiftCardMovement {
            kind: row.get(0)?,
            delta: Money::new(row.get(1)?, currency),
            order: row.get::<Option<[u8; 16]>>(2)?.map(OrderId::from_bytes),
            reason: row.get(3)?,
            at: Timestamp::from_unix_ms(row.get(4)?),
        })
    };
    let movements = rows.iter().map(movement).collect::<Result<_, StoreError>>()?;
    Ok(Some((card, movements)))
}

pub(crate) async fn list(
    tx: &Tx<'_>,
    before: Option<GiftCardId>,
    limit: u32,
) -> Result<Vec<GiftCardRow>, StoreError> {
    // By primary key; names begin with the moment.
    let last = GiftCardId::from_bytes([0xff; 16]);
    let sql = format!("SELECT {COLUMNS} FROM gift_cards WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let before = before.unwrap_or(last);
    tx.query(&sql, values![before.as_bytes(), limit]).await?.iter().map(read).collect()
}

pub(crate) async fn issue(
    tx: &Tx<'_>,
    command: &IssueGiftCard,
) -> Result<Result<GiftCardRow, Infallible>, StoreError> {
    let IssueGiftCard { id, code_hash, last4, amount, expires_at, note, now } = command;
    tx.execute(
        "INSERT INTO gift_cards (id, code_hash, last4, currency, issued_minor, balance_minor, is_enabled,
           expires_at_ms, note, version, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, ?6, ?7, 1, ?8, ?8)",
        values![
            id.as_bytes(),
            code_hash,
            last4,
            amount.currency.code(),
            amount.minor,
            expires_at.map(Timestamp::unix_ms),
            note,
            now.unix_ms()
        ],
    )
    .await?;
    let movement = Movement { kind: "issued", delta: amount.minor, order: None, reason: note };
    note_movement(tx, *id, movement, *now).await?;
    let posting = gift_card_issued(*amount, GiftCardFunding::GivenAway)
        .map_err(|_unbalanced| StoreError::Corrupt("amount of a gift card"))?;
    post(tx, &format!("gift_card_issued:{id}"), &posting, *now).await?;
    tell(tx, *id, "gift_card.issued", *now).await?;
    find(tx, *id).await?.map(Ok).ok_or(StoreError::Corrupt("gift card just written"))
}

pub(crate) async fn change(
    tx: &Tx<'_>,
    command: &ChangeGiftCard,
) -> Result<Result<GiftCardRow, GiftCardChangeRefused>, StoreError> {
    let Some(card) = find(tx, command.id).await? else {
        return Ok(Err(GiftCardChangeRefused::NotFound));
    };
    if command.version.is_some_and(|version| version != card.version) {
        return Ok(Err(GiftCardChangeRefused::Stale { version: card.version }));
    }
    let delta = command.adjustment.as_ref().map_or(0, |(delta, _)| *delta);
    let Some(balance) = card.balance.minor.checked_add(delta) else {
        return Ok(Err(GiftCardChangeRefused::OutOfRange));
    };
    if balance < 0 {
        return Ok(Err(GiftCardChangeRefused::TooLittle { balance: card.balance }));
    }
    let is_enabled = command.is_enabled.unwrap_or(card.is_enabled);
    let version = card.version.saturating_add(1);
    tx.execute(
        "UPDATE gift_cards SET balance_minor = ?2, is_enabled = ?3, version = ?4, updated_at_ms = ?5 WHERE id = ?1",
        values![command.id.as_bytes(), balance, is_enabled, version, command.now.unix_ms()],
    )
    .await?;
    if let Some((delta, reason)) = &command.adjustment {
        let movement = Movement { kind: "adjusted", delta: *delta, order: None, reason };
        note_movement(tx, command.id, movement, command.now).await?;
        let key = format!("gift_card_adjusted:{}:{version}", command.id);
        adjust_books(tx, &key, Money::new(*delta, card.balance.currency), command.now).await?;
        tell(tx, command.id, "gift_card.adjusted", command.now).await?;
    }
    if is_enabled != card.is_enabled {
        let kind = if is_enabled { "gift_card.enabled" } else { "gift_card.disabled" };
        tell(tx, command.id, kind, command.now).await?;
    }
    find(tx, command.id).await?.map(Ok).ok_or(StoreError::Corrupt("gift card just written"))
}

/// Events about a gift card name it and nothing else.
async fn tell(tx: &Tx<'_>, id: GiftCardId, kind: &str, now: Timestamp) -> Result<(), StoreError> {
    let words = serde_json::json!({ "gift_card_id": id, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("gift_card", &id.to_string()), kind, &words, now).await
}

struct Movement<'a> {
    kind: &'static str,
    delta: i64,
    order: Option<OrderId>,
    reason: &'a str,
}

async fn note_movement(
    tx: &Tx<'_>,
    card: GiftCardId,
    movement: Movement<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Movement { kind, delta, order, reason } = movement;
    tx.execute(
        "INSERT INTO gift_card_movements (gift_card_id, kind, delta_minor, order_id, reason, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            card.as_bytes(),
            kind,
            delta,
            order.as_ref().map(|order| order.as_bytes()),
            reason,
            now.unix_ms()
        ],
    )
    .await?;
    Ok(())
}

async fn post(tx: &Tx<'_>, key: &str, posting: &Posting, now: Timestamp) -> Result<(), StoreError> {
    for entry in posting.entries() {
        write_entry(tx, key, entry.account, entry.amount, now).await?;
    }
    Ok(())
}

async fn write_entry(
    tx: &Tx<'_>,
    key: &str,
    account: Account,
    amount: Money,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO ledger_entries (key, account, currency, minor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        values![key, account.as_str(), amount.currency.code(), amount.minor, now.unix_ms()],
    )
    .await?;
    Ok(())
}

/// What the shop adds to a card it gives away; what it takes off it has not given.
async fn adjust_books(
    tx: &Tx<'_>,
    key: &str,
    delta: Money,
    now: Timestamp,
) -> Result<(), StoreError> {
    let back = Money::new(delta.minor.saturating_neg(), delta.currency);
    write_entry(tx, key, Account::Discounts, delta, now).await?;
    write_entry(tx, key, Account::GiftCardLiability, back, now).await
}

/// Takes off the cards what a new order pays with them. The quote was made in this transaction.
pub(crate) async fn hold(
    tx: &Tx<'_>,
    order: OrderId,
    payments: &[GiftCardPayment],
    now: Timestamp,
) -> Result<(), StoreError> {
    for GiftCardPayment { gift_card, amount } in payments {
        if !take(tx, *gift_card, *amount, ("held", order), now).await? {
            return Err(StoreError::Corrupt("balance of a gift card"));
        }
        tx.execute(
            "INSERT INTO order_gift_cards (order_id, gift_card_id, amount_minor, status) VALUES (?1, ?2, ?3, 'held')",
            values![order.as_bytes(), gift_card.as_bytes(), amount.minor],
        )
        .await?;
    }
    Ok(())
}

/// Takes an amount off a card if it is there.
async fn take(
    tx: &Tx<'_>,
    card: GiftCardId,
    amount: Money,
    (kind, order): (&'static str, OrderId),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let taken = tx
        .execute(
            "UPDATE gift_cards SET balance_minor = balance_minor - ?2, updated_at_ms = ?3
             WHERE id = ?1 AND balance_minor >= ?2",
            values![card.as_bytes(), amount.minor, now.unix_ms()],
        )
        .await?;
    if taken == 1 {
        let delta = amount.minor.saturating_neg();
        let movement = Movement { kind, delta, order: Some(order), reason: "" };
        note_movement(tx, card, movement, now).await?;
    }
    Ok(taken == 1)
}

async fn of_order(
    tx: &Tx<'_>,
    order: &OrderRecord,
    status: &str,
) -> Result<Vec<(GiftCardId, Money)>, StoreError> {
    let rows = tx
        .query(
            "SELECT gift_card_id, amount_minor FROM order_gift_cards WHERE order_id = ?1 AND status = ?2
             ORDER BY gift_card_id",
            values![order.id.as_bytes(), status],
        )
        .await?;
    let currency = order.totals.currency;
    rows.iter()
        .map(|row| Ok((GiftCardId::from_bytes(row.get(0)?), Money::new(row.get(1)?, currency))))
        .collect()
}

async fn mark(tx: &Tx<'_>, order: &OrderRecord, from: &str, to: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE order_gift_cards SET status = ?3 WHERE order_id = ?1 AND status = ?2",
        values![order.id.as_bytes(), from, to],
    )
    .await?;
    Ok(())
}

/// Puts back what an order that came to nothing held.
pub(crate) async fn release(
    tx: &Tx<'_>,
    order: &OrderRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (card, amount) in of_order(tx, order, "held").await? {
        put_back(tx, card, amount, ("released", order.id), now).await?;
    }
    mark(tx, order, "held", "released").await
}

async fn put_back(
    tx: &Tx<'_>,
    card: GiftCardId,
    amount: Money,
    (kind, order): (&'static str, OrderId),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE gift_cards SET balance_minor = balance_minor + ?2, updated_at_ms = ?3 WHERE id = ?1",
        values![card.as_bytes(), amount.minor, now.unix_ms()],
    )
    .await?;
    let movement = Movement { kind, delta: amount.minor, order: Some(order), reason: "" };
    note_movement(tx, card, movement, now).await
}

/// Tells whether the cards still have what an order, whose hold has ended, would pay with them.
pub(crate) async fn can_retake(tx: &Tx<'_>, order: &OrderRecord) -> Result<bool, StoreError> {
    for (card, amount) in of_order(tx, order, "released").await? {
        let has_enough =
            find(tx, card).await?.is_some_and(|card| card.balance.minor >= amount.minor);
        if !has_enough {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes again what was put back, once [`can_retake`] has looked in the same transaction.
pub(crate) async fn retake(
    tx: &Tx<'_>,
    order: &OrderRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (card, amount) in of_order(tx, order, "released").await? {
        if !take(tx, card, amount, ("retaken", order.id), now).await? {
            return Err(StoreError::Corrupt("balance of a gift card"));
        }
    }
    mark(tx, order, "released", "held").await
}

/// Books what cards pay of an order that is accepted: the shop owes it no longer.
pub(crate) async fn redeem(
    tx: &Tx<'_>,
    order: &OrderRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    let nothing = Money::zero(order.totals.currency);
    let key = format!("gift_card:{}", order.payment.id);
    for (account, minor) in payment::entries(order, nothing, order.totals.gift_cards)? {
        let account = if account == Account::ProviderClearing.as_str() {
            Account::GiftCardLiability.as_str()
        } else {
            account
        };
        tx.execute(
            "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![
                key,
                account,
                order.totals.currency.code(),
                minor,
                order.payment.id.as_bytes(),
                now.unix_ms()
            ],
        )
        .await?;
    }
    note_redeemed(tx, order).await
}

/// Notes that what was held is spent. Its entries are written elsewhere.
pub(crate) async fn note_redeemed(tx: &Tx<'_>, order: &OrderRecord) -> Result<(), StoreError> {
    mark(tx, order, "held", "redeemed").await
}

/// Puts money of an order back onto the cards that paid it, onto none more than it paid. Its entries are written elsewhere.
pub(crate) async fn refund(
    tx: &Tx<'_>,
    order: &OrderRecord,
    amount: Money,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = tx
        .query(
            "SELECT gift_card_id, amount_minor - refunded_minor FROM order_gift_cards
             WHERE order_id = ?1 AND status = 'redeemed' ORDER BY gift_card_id",
            values![order.id.as_bytes()],
        )
        .await?;
    let mut left = amount.minor;
    for row in rows {
        let (card, most): ([u8; 16], i64) = (row.get(0)?, row.get(1)?);
        let back = most.min(left);
        if back <= 0 {
            continue;
        }
        left = left.saturating_sub(back);
        tx.execute(
            "UPDATE order_gift_cards SET refunded_minor = refunded_minor + ?3
             WHERE order_id = ?1 AND gift_card_id = ?2",
            values![order.id.as_bytes(), &card, back],
        )
        .await?;
        let money = Money::new(back, amount.currency);
        let card = GiftCardId::from_bytes(card);
        put_back(tx, card, money, ("refunded", order.id), now).await?;
    }
    if left == 0 { Ok(()) } else { Err(StoreError::Corrupt("gift cards of an order")) }
}

pub(crate) async fn sums(tx: &Tx<'_>) -> Result<Vec<GiftCardSums>, StoreError> {
    let rows = tx
        .query(
            "SELECT g.currency, CAST(sum(g.balance_minor) AS BIGINT),
               CAST(sum((SELECT coalesce(sum(m.delta_minor), 0) FROM gift_card_movements m
                 WHERE m.gift_card_id = g.id)) AS BIGINT),
               CAST(sum((SELECT coalesce(sum(o.amount_minor), 0) FROM order_gift_cards o
                 WHERE o.gift_card_id = g.id AND o.status = 'held')) AS BIGINT)
             FROM gift_cards g GROUP BY g.currency ORDER BY g.currency",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(GiftCardSums {
                currency: currency(row, 0)?,
                balance_minor: row.get(1)?,
                moved_minor: row.get(2)?,
                held_minor: row.get(3)?,
            })
        })
        .collect()
}
