//! Gift cards: a balance that only movements change.

use api_types::cart::CartGiftCard;
use domain::{Currency, GiftCardId, Money, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Claim, Once, Store, StoreError, sql};

/// Issues a gift card that the shop gives away.
#[derive(Debug, Clone)]
pub struct IssueGiftCard {
    /// Its name.
    pub id: GiftCardId,
    /// Digest of its code.
    pub code_hash: [u8; 32],
    /// The last four characters of its code.
    pub last4: String,
    /// What is on it, above zero.
    pub amount: Money,
    /// First moment at which it no longer pays.
    pub expires_at: Option<Timestamp>,
    /// A word for the staff.
    pub note: String,
    /// Now.
    pub now: Timestamp,
}

/// Changes a gift card; what is absent stays.
#[derive(Debug, Clone)]
pub struct ChangeGiftCard {
    /// Which one.
    pub id: GiftCardId,
    /// The version that the caller has seen, if it insists.
    pub version: Option<i64>,
    /// Whether it may pay.
    pub is_enabled: Option<bool>,
    /// What is added to its balance, or taken off it, and why.
    pub adjustment: Option<(i64, String)>,
    /// Now.
    pub now: Timestamp,
}

/// A gift card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardRow {
    /// Its name.
    pub id: GiftCardId,
    /// The last four characters of its code.
    pub last4: String,
    /// What was on it first.
    pub issued: Money,
    /// What can be spent.
    pub balance: Money,
    /// Whether it may pay.
    pub is_enabled: bool,
    /// First moment at which it no longer pays.
    pub expires_at: Option<Timestamp>,
    /// A word for the staff.
    pub note: String,
    /// Raised by every change of the staff's.
    pub version: i64,
    /// When it was issued.
    pub created_at: Timestamp,
}

/// A change of a balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiftCardMovement {
    /// `issued`, `held`, `released`, `retaken`, `refunded` or `adjusted`.
    pub kind: String,
    /// What was added; below zero: taken.
    pub delta: Money,
    /// The order that it was for.
    pub order: Option<domain::OrderId>,
    /// Why, where somebody said.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Why a gift card was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiftCardChangeRefused {
    /// No such gift card.
    NotFound,
    /// The caller has seen an older version.
    Stale {
        /// The present version.
        version: i64,
    },
    /// More would be taken than is on it.
    TooLittle {
        /// What is on it.
        balance: Money,
    },
    /// The balance would be out of range.
    OutOfRange,
}

/// What gift cards owe in one currency, by balances and by movements. The two must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiftCardSums {
    /// Currency.
    pub currency: Currency,
    /// Sum of all balances.
    pub balance_minor: i64,
    /// Sum of all movements.
    pub moved_minor: i64,
    /// What unfinished orders hold.
    pub held_minor: i64,
}

impl Store {
    /// Issues a gift card.
    ///
    /// # Errors
    /// As every write.
    pub async fn issue_gift_card(
        &self,
        command: IssueGiftCard,
        claim: Option<Claim>,
    ) -> Result<Once<GiftCardRow>, StoreError> {
        let outcome = self
            .write((command, claim), |tx, (command, claim)| {
                let work = sql::gift_card::issue(tx, command);
                Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
            })
            .await?;
        let outcome: Result<Once<GiftCardRow>, std::convert::Infallible> = outcome;
        match outcome {
            Ok(once) => Ok(once),
            Err(never) => match never {},
        }
    }

    /// Changes a gift card and returns it as it is then.
    ///
    /// # Errors
    /// As every write.
    pub async fn change_gift_card(
        &self,
        command: ChangeGiftCard,
        claim: Option<Claim>,
    ) -> Result<Result<Once<GiftCardRow>, GiftCardChangeRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::gift_card::change(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads a gift card and its newest movements, 100 at most.
    ///
    /// # Errors
    /// As every read.
    pub async fn gift_card(
        &self,
        id: GiftCardId,
    ) -> Result<Option<(GiftCardRow, Vec<GiftCardMovement>)>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::gift_card::load(tx, *id))).await
    }

    /// Lists gift cards, newest first, from before one on.
    ///
    /// # Errors
    /// As every read.
    pub async fn gift_cards(
        &self,
        before: Option<GiftCardId>,
        limit: u32,
    ) -> Result<Vec<GiftCardRow>, StoreError> {
        self.read((before, limit), |tx, (before, limit)| {
            Box::pin(sql::gift_card::list(tx, *before, *limit))
        })
        .await
    }

    /// Adds up gift cards by currency.
    ///
    /// # Errors
    /// As every read.
    pub async fn gift_card_sums(&self) -> Result<Vec<GiftCardSums>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::gift_card::sums(tx))).await
    }
}

impl GiftCardRow {
    /// Returns it as a cart names it.
    pub(crate) fn named(&self) -> CartGiftCard {
        CartGiftCard { id: self.id, last4: self.last4.clone() }
    }
}
