//! Deliveries that were ordered from suppliers.

use domain::inventory::Pieces;
use domain::{LocationId, Sku, SupplyId, Timestamp};

use crate::stock::StockRefused;
use crate::{Claim, Once, Store, StoreError, sql};

/// A delivery that is expected, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supply {
    /// Its name.
    pub id: SupplyId,
    /// What.
    pub sku: Sku,
    /// Where it goes.
    pub location: LocationId,
    /// How many were ordered.
    pub pieces: Pieces,
    /// How many of them came.
    pub arrived: u32,
    /// How many of them will not come.
    pub cancelled: u32,
    /// When it is expected, if that is known.
    pub expected_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Supply {
    /// Returns the pieces that are still awaited.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.pieces.get().saturating_sub(self.arrived).saturating_sub(self.cancelled)
    }
}

/// Expects a delivery.
#[derive(Debug, Clone)]
pub struct NewSupply {
    /// Its name.
    pub id: SupplyId,
    /// What.
    pub sku: Sku,
    /// Where it goes.
    pub location: LocationId,
    /// How many.
    pub pieces: Pieces,
    /// When, if that is known.
    pub expected_at: Option<Timestamp>,
    /// Who.
    pub actor: String,
    /// Now.
    pub now: Timestamp,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupplyStep {
    /// Pieces came in.
    Arrive(Pieces),
    /// Pieces will not come; `None`: all that are awaited.
    Cancel(Option<Pieces>),
    /// It is expected at another time.
    Redate(Option<Timestamp>),
}

/// Takes a step of a delivery.
#[derive(Debug, Clone)]
pub struct StepSupply {
    /// Which.
    pub id: SupplyId,
    /// The step.
    pub step: SupplyStep,
    /// Who.
    pub actor: String,
    /// Now.
    pub now: Timestamp,
}

/// Which deliveries are listed, newest first.
#[derive(Debug, Clone)]
pub struct ListSupplies {
    /// Of one SKU, or all.
    pub sku: Option<Sku>,
    /// Only those that await something.
    pub is_open: bool,
    /// Older than this one.
    pub before: Option<SupplyId>,
    /// Most of them.
    pub limit: u32,
}

impl Store {
    /// Expects a delivery; once for each key.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_supply(
        &self,
        command: NewSupply,
        claim: Option<Claim>,
    ) -> Result<Result<Once<SupplyId>, StockRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::supply::create(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Takes a step of a delivery; once for each key.
    ///
    /// # Errors
    /// As every write.
    pub async fn step_supply(
        &self,
        command: StepSupply,
        claim: Option<Claim>,
    ) -> Result<Result<Once<SupplyId>, StockRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::supply::step(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads a delivery.
    ///
    /// # Errors
    /// As every read.
    pub async fn supply(&self, id: SupplyId) -> Result<Option<Supply>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::supply::find(tx, *id))).await
    }

    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn supplies(&self, query: ListSupplies) -> Result<Vec<Supply>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::supply::list(tx, query))).await
    }
}
