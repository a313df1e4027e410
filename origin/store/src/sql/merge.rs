//! Statements of what becomes of a guest's cart at sign-in.

use api_types::cart::MergedCart;
use domain::cart::CartStatus;
use domain::cart::limits::OrderLimits;
use domain::cart::merge::{MergeLine, MergeRule, merge as merge_lines};
use domain::pricing::{CODES_MAX, GIFT_CARDS_MAX};
use domain::{CartId, Currency, UserId};

use super::cart::{self, Stored, StoredLine};
use super::{catalogue, choices};
use crate::StoreError;
use crate::cart::{CartRefusal, MergeCarts};
use crate::pricing::{self, Choices};
use crate::tx::{Tx, values};

type Outcome = Result<Result<MergedCart, CartRefusal>, StoreError>;

/// Merges a guest's cart with the newest open one of the account, in the same currency. Without one, the guest's becomes the
/// account's.
pub(crate) async fn merge(tx: &Tx<'_>, command: &MergeCarts) -> Outcome {
    let Some(guest) = cart::stored(tx, command.guest).await? else {
        return Ok(Err(CartRefusal::NotFound));
    };
    // A stranger's cart is none of the caller's, whoever has learnt its name.
    if guest.user.is_some_and(|owner| owner != command.user) {
        return Ok(Err(CartRefusal::NotFound));
    }
    if guest.status == CartStatus::CheckedOut {
        return Ok(Err(CartRefusal::CheckedOut));
    }
    if command.version.is_some_and(|version| version != guest.version) {
        return Ok(Err(CartRefusal::Stale { version: guest.version }));
    }
    let own = newest_of(tx, command.user, guest.currency, guest.id).await?;
    let (Some(own), None) = (own, guest.user) else {
        if guest.user.is_none() {
            claim(tx, &guest, command).await?;
        }
        return answer(tx, guest.id, Vec::new(), command).await;
    };
    let rule = match command.rule {
        Some(rule) => rule,
        None => {
            let kept = catalogue::setting(tx, pricing::MERGE_RULE).await?;
            pricing::read_merge_rule(kept.as_deref())?
        }
    };
    let account_lines = lines(tx, &own).await?;
    let guest_lines = lines(tx, &guest).await?;
    if guest_lines.is_empty() {
        // Nothing to bring, or brought before: a repetition must not empty the account's cart.
        return answer(tx, own.id, Vec::new(), command).await;
    }
    let merged = merge_lines(rule, &account_lines, &guest_lines, &OrderLimits::default());
    let (kept, dropped) = match rule {
        MergeRule::KeepGuest => (&guest, &own),
        MergeRule::KeepGuestIfAccountEmpty if account_lines.is_empty() => (&guest, &own),
        MergeRule::Merge | MergeRule::KeepAccount | MergeRule::KeepGuestIfAccountEmpty => {
            (&own, &guest)
        }
    };
    write_lines(tx, own.id, &merged.lines).await?;
    let said = if rule == MergeRule::Merge {
        both(&kept.choices, &dropped.choices)
    } else {
        kept.choices.clone()
    };
    choices::write(tx, own.id, &said).await?;
    cart::bump(tx, own.id, command.now).await?;
    empty(tx, &guest, command).await?;
    answer(tx, own.id, merged.notes, command).await
}

async fn answer(
    tx: &Tx<'_>,
    id: CartId,
    notes: Vec<domain::cart::merge::MergeNote>,
    command: &MergeCarts,
) -> Outcome {
    Ok(cart::load(tx, id, command.now).await?.map(|cart| MergedCart { cart, notes }))
}

/// Finds the account's newest open cart of a currency, other than one.
async fn newest_of(
    tx: &Tx<'_>,
    user: UserId,
    currency: Currency,
    other: CartId,
) -> Result<Option<Stored>, StoreError> {
    // By index carts_of_user, newest first.
    let row = tx
        .query_opt(
            "SELECT id FROM carts WHERE user_id = ?1 AND order_id IS NULL AND currency = ?2 AND id <> ?3
             ORDER BY updated_at_ms DESC LIMIT 1",
            values![user.as_bytes(), currency.code(), other.as_bytes()],
        )
        .await?;
    match row {
        Some(row) => cart::stored(tx, CartId::from_bytes(row.get(0)?)).await,
        None => Ok(None),
    }
}

async fn claim(tx: &Tx<'_>, guest: &Stored, command: &MergeCarts) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE carts SET user_id = ?2 WHERE id = ?1 AND user_id IS NULL",
        values![guest.id.as_bytes(), command.user.as_bytes()],
    )
    .await?;
    cart::bump(tx, guest.id, command.now).await
}

/// Leaves the guest's cart without anything: what it held is elsewhere now, and must not be bought twice.
async fn empty(tx: &Tx<'_>, guest: &Stored, command: &MergeCarts) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cart_lines WHERE cart_id = ?1", values![guest.id.as_bytes()]).await?;
    choices::write(tx, guest.id, &Choices::default()).await?;
    cart::bump(tx, guest.id, command.now).await
}

async fn lines(tx: &Tx<'_>, stored: &Stored) -> Result<Vec<MergeLine>, StoreError> {
    let lines = cart::stored_lines(tx, stored.id, stored.currency).await?;
    let line = |StoredLine { id, sku, quantity, frozen }| MergeLine { id, sku, quantity, frozen };
    Ok(lines.into_iter().map(line).collect())
}

async fn write_lines(tx: &Tx<'_>, id: CartId, lines: &[MergeLine]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cart_lines WHERE cart_id = ?1", values![id.as_bytes()]).await?;
    for line in lines {
        tx.execute(
            "INSERT INTO cart_lines (cart_id, id, sku, quantity, price_minor, price_until_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![
                id.as_bytes(),
                line.id.as_bytes(),
                line.sku.as_str(),
                line.quantity.get(),
                line.frozen.map(|frozen| frozen.price.minor),
                line.frozen.map(|frozen| frozen.until.unix_ms())
            ],
        )
        .await?;
    }
    Ok(())
}

/// Puts together what was said about two carts; where both say something, the first counts.
fn both(first: &Choices, second: &Choices) -> Choices {
    let mut said = first.clone();
    said.destination = said.destination.or_else(|| second.destination.clone());
    said.shipping_method = said.shipping_method.or_else(|| second.shipping_method.clone());
    for code in &second.codes {
        if !said.codes.contains(code) && said.codes.len() < CODES_MAX {
            said.codes.push(code.clone());
        }
    }
    for card in &second.gift_cards {
        let is_new = said.gift_cards.iter().all(|one| one.id != card.id);
        if is_new && said.gift_cards.len() < GIFT_CARDS_MAX {
            said.gift_cards.push(card.clone());
        }
    }
    said
}
