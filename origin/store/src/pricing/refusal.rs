//! Why a cart cannot be bought as the shopper was shown it.

use api_types::cart::{Cart, Line};
use domain::pricing::freeze::PriceChange;
use domain::pricing::{CodeRefusal, GiftCardRefusal, Quote, ShippingOutcome};

use super::{ChangedPrice, ChangedPromise, Terms};
use crate::CartRefusal;

/// Finds why a cart cannot be bought as the shopper was shown it.
pub(crate) fn refusal_of(cart: &Cart, terms: &Terms) -> Option<CartRefusal> {
    if !cart.price_changes.is_empty() {
        let place = |change: &PriceChange| {
            cart.lines.iter().position(|line| line.id == change.line).unwrap_or_default()
        };
        let changes = cart.price_changes.iter();
        return Some(CartRefusal::PriceChanged(
            changes.map(|&change| ChangedPrice { place: place(&change), change }).collect(),
        ));
    }
    if let Some(refusal) = cart.quote.as_ref().and_then(|quote| refusal_by_quote(cart, quote)) {
        return Some(refusal);
    }
    let due = cart.totals.due;
    let expected = terms.expected_due.filter(|&expected| expected != due)?;
    Some(CartRefusal::OtherDue { expected, due })
}

/// Finds the lines of which more is promised than the shopper was shown, or for a later day. Asked once stock was given
/// out; who does not say what was shown is not asked.
pub(crate) fn other_promise(cart: &Cart, terms: &Terms) -> Option<CartRefusal> {
    let expected = terms.expected_promises.as_ref()?;
    let changed = |(place, line): (usize, &Line)| {
        let now = line.promise?;
        let shown = expected.iter().find(|shown| shown.line == line.id).map(|own| own.promise);
        now.is_worse_than(shown).then_some(ChangedPromise { place, shown, now })
    };
    let changes: Vec<_> = cart.lines.iter().enumerate().filter_map(changed).collect();
    (!changes.is_empty()).then_some(CartRefusal::PromiseChanged(changes))
}

fn refusal_by_quote(cart: &Cart, quote: &Quote) -> Option<CartRefusal> {
    match &quote.shipping {
        ShippingOutcome::NotNeeded | ShippingOutcome::Chosen(_) => {}
        ShippingOutcome::NotChosen => return Some(CartRefusal::ShippingNotChosen),
        ShippingOutcome::Refused { method, why } => {
            return Some(CartRefusal::ShippingRefused(method.clone(), *why));
        }
    }
    let codes: Vec<_> = quote
        .refused_codes
        .iter()
        .filter(|refused| is_gone(&refused.reason))
        .map(|refused| {
            let place = cart.codes.iter().position(|code| *code == refused.code);
            (place.unwrap_or_default(), refused.reason.to_string())
        })
        .collect();
    if !codes.is_empty() {
        return Some(CartRefusal::CodesRefused(codes));
    }
    let cards: Vec<_> = quote
        .refused_gift_cards
        .iter()
        .filter(|refused| {
            let reason = refused.reason;
            matches!(
                reason,
                GiftCardRefusal::Disabled | GiftCardRefusal::Expired | GiftCardRefusal::Empty
            )
        })
        .map(|refused| {
            let place = cart.gift_cards.iter().position(|card| card.id == refused.gift_card);
            (place.unwrap_or_default(), refused.reason.to_string())
        })
        .collect();
    (!cards.is_empty()).then_some(CartRefusal::GiftCardsRefused(cards))
}

/// Whether a code is refused for what may have happened since the cart was shown, and not for what is in the cart.
const fn is_gone(reason: &CodeRefusal) -> bool {
    match reason {
        CodeRefusal::Unknown
        | CodeRefusal::NotYet { .. }
        | CodeRefusal::Expired
        | CodeRefusal::UsedUp
        | CodeRefusal::UsedUpForBuyer
        | CodeRefusal::NeedsAccount
        | CodeRefusal::NotFirstOrder => true,
        CodeRefusal::AlreadyApplied
        | CodeRefusal::WrongCurrency
        | CodeRefusal::NothingMatches
        | CodeRefusal::SubtotalNotReached { .. }
        | CodeRefusal::PiecesNotReached { .. }
        | CodeRefusal::OtherShippingMethod
        | CodeRefusal::NoShipping
        | CodeRefusal::NotCombinable
        | CodeRefusal::NothingLeft => false,
    }
}
