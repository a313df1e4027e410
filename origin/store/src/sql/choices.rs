//! Statements of what a shopper says about a cart besides its lines: codes, gift cards, where to, and how.

use api_types::cart::{Cart, CartGiftCard};
use domain::CartId;
use domain::pricing::{CODES_MAX, GIFT_CARDS_MAX};

use super::gift_card;
use crate::StoreError;
use crate::cart::{CartEdit, CartRefusal};
use crate::pricing::Choices;
use crate::tx::{Tx, values};

/// Changes the choices of an open cart. Refusals are found before anything is written; a code that does not apply now is
/// none of them, the quote says why.
pub(crate) async fn change(
    tx: &Tx<'_>,
    cart: &Cart,
    edit: &CartEdit,
) -> Result<Option<CartRefusal>, StoreError> {
    let mut choices = of(cart);
    match edit {
        CartEdit::Add { .. } | CartEdit::Set { .. } | CartEdit::Remove { .. } => return Ok(None),
        CartEdit::EnterCode(code) => {
            // By primary key.
            let row = tx
                .query_opt(
                    "SELECT 1 FROM promotion_codes WHERE code = ?1 AND is_enabled = 1",
                    values![code.as_str()],
                )
                .await?;
            if row.is_none() {
                return Ok(Some(CartRefusal::UnknownCode));
            }
            if !choices.codes.contains(code) {
                choices.codes.push(code.clone());
            }
            if choices.codes.len() > CODES_MAX {
                return Ok(Some(CartRefusal::TooManyCodes));
            }
        }
        CartEdit::RemoveCode(code) => choices.codes.retain(|entered| entered != code),
        CartEdit::EnterGiftCard(hash) => {
            let Some(card) = gift_card::named(tx, hash).await? else {
                return Ok(Some(CartRefusal::UnknownGiftCard));
            };
            if choices.gift_cards.iter().all(|entered: &CartGiftCard| entered.id != card.id) {
                choices.gift_cards.push(card);
            }
            if choices.gift_cards.len() > GIFT_CARDS_MAX {
                return Ok(Some(CartRefusal::TooManyGiftCards));
            }
        }
        CartEdit::RemoveGiftCard(id) => choices.gift_cards.retain(|entered| entered.id != *id),
        CartEdit::SetDestination(destination) => choices.destination.clone_from(destination),
        CartEdit::SetShippingMethod(method) => choices.shipping_method.clone_from(method),
    }
    write(tx, cart.id, &choices).await?;
    Ok(None)
}

/// Returns the choices of a cart that was read.
pub(crate) fn of(cart: &Cart) -> Choices {
    Choices {
        destination: cart.destination.clone(),
        shipping_method: cart.shipping_method.clone(),
        codes: cart.codes.clone(),
        gift_cards: cart.gift_cards.clone(),
    }
}

pub(crate) async fn write(tx: &Tx<'_>, cart: CartId, choices: &Choices) -> Result<(), StoreError> {
    let text = (*choices != Choices::default())
        .then(|| serde_json::to_string(choices))
        .transpose()
        .map_err(|_unwritable| StoreError::Corrupt("choices of a cart"))?;
    tx.execute("UPDATE carts SET choices_json = ?2 WHERE id = ?1", values![cart.as_bytes(), text])
        .await?;
    Ok(())
}
