//! Carts.

use api_types::cart::Cart;
use domain::{CartId, Currency, LineId, Quantity, Sku, Timestamp, UserId};

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
    pub edit: LineEdit,
    /// Now.
    pub now: Timestamp,
}

/// What to change in a cart.
#[derive(Debug, Clone)]
pub enum LineEdit {
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
    /// Nothing in it.
    Empty,
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
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::cart::change(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads a cart at today's prices.
    ///
    /// # Errors
    /// As every read.
    pub async fn cart(&self, id: CartId) -> Result<Result<Cart, CartRefusal>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::cart::load(tx, *id))).await
    }
}
