//! Carts.

use std::time::Duration;

use api_types::cart::{Cart, MergedCart};
use domain::cart::merge::MergeRule;
use domain::pricing::{Code, Destination, Unavailable};
use domain::{
    CartId, Currency, GiftCardId, Handle, LineId, Money, Quantity, Sku, Timestamp, UserId,
};

use crate::pricing::{ChangedPrice, ChangedPromise};
use crate::{Claim, Once, Store, StoreError, sql};

/// Opens an empty cart.
#[derive(Debug, Clone)]
pub struct OpenCart {
    /// Its unguessable name.
    pub id: CartId,
    /// Who opened it, if signed in.
    pub user: Option<UserId>,
    /// Currency of its prices.
    pub currency: Currency,
    /// Now.
    pub now: Timestamp,
}

/// Changes a cart.
#[derive(Debug, Clone)]
pub struct ChangeCart {
    /// Which cart.
    pub id: CartId,
    /// The version the caller has seen, if it insists.
    pub version: Option<i64>,
    /// What to change.
    pub edit: CartEdit,
    /// How long the price of a new line holds.
    pub freeze: Duration,
    /// Now.
    pub now: Timestamp,
}

/// What to change in a cart.
#[derive(Debug, Clone)]
pub enum CartEdit {
    /// Adds pieces: to the line of that SKU, or as a new line.
    Add {
        /// Name of the line if it is new.
        line: LineId,
        /// What.
        sku: Sku,
        /// How many more.
        quantity: Quantity,
    },
    /// Sets the pieces of a line.
    Set {
        /// Which line.
        line: LineId,
        /// How many from now on.
        quantity: Quantity,
    },
    /// Removes a line.
    Remove {
        /// Which line.
        line: LineId,
    },
    /// Enters a promotion's code.
    EnterCode(Code),
    /// Takes a code out again.
    RemoveCode(Code),
    /// Enters a gift card, by the digest of its code.
    EnterGiftCard([u8; 32]),
    /// Takes a gift card out again.
    RemoveGiftCard(GiftCardId),
    /// Says where the cart goes, or no longer.
    SetDestination(Option<Destination>),
    /// Chooses a shipping method, or none.
    SetShippingMethod(Option<Handle>),
}

/// Makes a guest's cart that of an account which has just signed in, together with the one that it has.
#[derive(Debug, Clone)]
pub struct MergeCarts {
    /// The guest's cart.
    pub guest: CartId,
    /// The version of it that the caller has seen, if it insists.
    pub version: Option<i64>,
    /// The account.
    pub user: UserId,
    /// Which cart goes on; the shop's rule when absent.
    pub rule: Option<MergeRule>,
    /// Now.
    pub now: Timestamp,
}

/// Why a cart was not changed or not checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartRefusal {
    /// No such cart.
    NotFound,
    /// No such line.
    LineNotFound,
    /// An order was made of it.
    CheckedOut,
    /// The caller has seen an older version.
    Stale {
        /// The present version.
        version: i64,
    },
    /// No such SKU.
    UnknownSku(Sku),
    /// The SKU has no price in the cart's currency.
    NotSoldIn(Sku, Currency),
    /// As many lines as a cart may have.
    TooManyLines,
    /// The line would hold more pieces than a line may.
    TooManyPieces,
    /// No promotion has this code.
    UnknownCode,
    /// No gift card has this code.
    UnknownGiftCard,
    /// As many codes as a cart may have.
    TooManyCodes,
    /// As many gift cards as a cart may have.
    TooManyGiftCards,
    /// Nothing in it.
    Empty,
    /// No shipping method is chosen.
    ShippingNotChosen,
    /// The chosen method is not on offer.
    ShippingRefused(Handle, Unavailable),
    /// Prices are not those that the shopper was told; the cart now says the new ones.
    PriceChanged(Vec<ChangedPrice>),
    /// Codes that took something off, or might have, no longer do: place among the codes, and why.
    CodesRefused(Vec<(usize, String)>),
    /// Gift cards that no longer pay: place among the gift cards, and why.
    GiftCardsRefused(Vec<(usize, String)>),
    /// The order would not come to what the shopper was shown.
    OtherDue {
        /// What the shopper was shown as due.
        expected: Money,
        /// What is due.
        due: Money,
    },
    /// More is promised than the shopper was shown, or for a later day; the cart says what.
    PromiseChanged(Vec<ChangedPromise>),
    /// The sum of its prices is out of range.
    TooExpensive,
}

impl Store {
    /// Opens a cart.
    ///
    /// # Errors
    /// As every write.
    pub async fn open_cart(
        &self,
        command: OpenCart,
        claim: Option<Claim>,
    ) -> Result<Result<Once<Cart>, CartRefusal>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::cart::open(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Changes a cart and returns it as it is then.
    ///
    /// # Errors
    /// As every write.
    pub async fn change_cart(
        &self,
        command: ChangeCart,
        claim: Option<Claim>,
    ) -> Result<Result<Once<Cart>, CartRefusal>, StoreError> {
        let now = command.now;
        let mut changed = self
            .write((command, claim), |tx, (command, claim)| {
                let work = sql::cart::change(tx, command);
                Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
            })
            .await?;
        if let Some(cart) = changed.as_mut().ok().and_then(Once::value_mut) {
            self.promise(cart, now).await?;
        }
        Ok(changed)
    }

    /// Makes a guest's cart an account's, merged with the one that the account has.
    ///
    /// # Errors
    /// As every write.
    pub async fn merge_carts(
        &self,
        command: MergeCarts,
        claim: Option<Claim>,
    ) -> Result<Result<Once<MergedCart>, CartRefusal>, StoreError> {
        let now = command.now;
        let mut merged = self
            .write((command, claim), |tx, (command, claim)| {
                let work = sql::merge::merge(tx, command);
                Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
            })
            .await?;
        if let Some(merged) = merged.as_mut().ok().and_then(Once::value_mut) {
            self.promise(&mut merged.cart, now).await?;
        }
        Ok(merged)
    }

    /// Tells a cart's lines what they would be promised. Apart from what was written: a cart that is changed only looks at
    /// stock, and must not stand in the way of those who take it.
    async fn promise(&self, cart: &mut Cart, now: Timestamp) -> Result<(), StoreError> {
        if cart.lines.is_empty() {
            return Ok(());
        }
        let promises = self
            .read((cart.clone(), now), |tx, (cart, now)| Box::pin(sql::promise::of(tx, cart, *now)))
            .await?;
        sql::promise::keep(&mut cart.lines, promises);
        Ok(())
    }

    /// Reads a cart at the prices of a moment, with what its lines would be promised.
    ///
    /// # Errors
    /// As every read.
    pub async fn cart(
        &self,
        id: CartId,
        now: Timestamp,
    ) -> Result<Result<Cart, CartRefusal>, StoreError> {
        self.read((id, now), |tx, (id, now)| Box::pin(sql::cart::look_at(tx, *id, *now))).await
    }
}
