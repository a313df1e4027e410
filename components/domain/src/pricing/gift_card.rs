//! Gift cards: payment, not discount. They pay what is due, the one that expires first before the others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::money::{Money, MoneyError};
use crate::{GiftCardId, Timestamp};

/// A gift card that the shopper wants to pay with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCard {
    /// Which one.
    pub id: GiftCardId,
    /// What is on it.
    pub balance: Money,
    /// First moment at which it no longer pays; never when absent.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Whether the shop lets it pay.
    pub is_enabled: bool,
}

/// What a gift card pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardPayment {
    /// Which one.
    pub gift_card: GiftCardId,
    /// How much of its balance.
    pub amount: Money,
}

/// A gift card that pays nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedGiftCard {
    /// Which one.
    pub gift_card: GiftCardId,
    /// Why.
    #[serde(flatten)]
    pub reason: GiftCardRefusal,
}

/// Why a gift card pays nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum GiftCardRefusal {
    /// It was given twice; the first counts.
    #[error("the gift card was given twice")]
    GivenTwice,
    /// The shop has disabled it.
    #[error("the gift card is disabled")]
    Disabled,
    /// Its time is over.
    #[error("the gift card has expired")]
    Expired,
    /// Its balance is in another currency.
    #[error("the gift card is in another currency")]
    WrongCurrency,
    /// Nothing is on it.
    #[error("the gift card is empty")]
    Empty,
    /// Everything is paid without it.
    #[error("nothing is left to pay")]
    NotNeeded,
}

/// What the cards pay of `total`, what is then due, and which pay nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payments {
    pub(super) payments: Vec<GiftCardPayment>,
    pub(super) refused: Vec<RefusedGiftCard>,
    pub(super) paid: Money,
    pub(super) due: Money,
}

pub(super) fn pay(
    total: Money,
    gift_cards: &[GiftCard],
    now: Timestamp,
) -> Result<Payments, MoneyError> {
    let (mut payments, mut refused) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut usable = Vec::new();
    for card in gift_cards {
        match card.refusal(total, now) {
            _ if !seen.insert(card.id) => refused.push(card.refused(GiftCardRefusal::GivenTwice)),
            Some(reason) => refused.push(card.refused(reason)),
            None => usable.push(card),
        }
    }
    // Those without an end come last: `None` sorts before `Some`, so its absence is the first key.
    usable.sort_by_key(|card| (card.expires_at.is_none(), card.expires_at, card.id));
    let mut due = total;
    for card in usable {
        if due.minor <= 0 {
            refused.push(card.refused(GiftCardRefusal::NotNeeded));
            continue;
        }
        let amount = Money::new(card.balance.minor.min(due.minor), due.currency);
        due = due.checked_sub(amount)?;
        payments.push(GiftCardPayment { gift_card: card.id, amount });
    }
    Ok(Payments { payments, refused, paid: total.checked_sub(due)?, due })
}

impl GiftCard {
    fn refusal(&self, total: Money, now: Timestamp) -> Option<GiftCardRefusal> {
        if !self.is_enabled {
            Some(GiftCardRefusal::Disabled)
        } else if self.expires_at.is_some_and(|end| now >= end) {
            Some(GiftCardRefusal::Expired)
        } else if self.balance.currency != total.currency {
            Some(GiftCardRefusal::WrongCurrency)
        } else if self.balance.minor <= 0 {
            Some(GiftCardRefusal::Empty)
        } else {
            None
        }
    }

    const fn refused(&self, reason: GiftCardRefusal) -> RefusedGiftCard {
        RefusedGiftCard { gift_card: self.id, reason }
    }
}
