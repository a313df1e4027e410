//! Stock on its way from one location to another.

use domain::inventory::{Receipt, Transfer, TransferCommand, TransferStatus};
use domain::{LocationId, Timestamp, TransferId};

use crate::stock::StockRefused;
use crate::{Claim, Once, Store, StoreError, sql};

/// A transfer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// The transfer.
    pub transfer: Transfer,
    /// How often it was written, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Starts a draft.
#[derive(Debug, Clone)]
pub struct NewTransfer {
    /// Its name.
    pub id: TransferId,
    /// Where it comes from.
    pub from: LocationId,
    /// Where it goes.
    pub to: LocationId,
    /// What it shall carry.
    pub lines: Vec<Receipt>,
    /// Now.
    pub now: Timestamp,
}

/// Takes a step of a transfer.
#[derive(Debug, Clone)]
pub struct StepTransfer {
    /// Which.
    pub id: TransferId,
    /// The step.
    pub command: TransferCommand,
    /// The version that was looked at; `None`: any.
    pub version: Option<i64>,
    /// Who.
    pub actor: String,
    /// Now.
    pub now: Timestamp,
}

/// Which transfers are listed, newest first.
#[derive(Debug, Clone)]
pub struct ListTransfers {
    /// Of one state, or all.
    pub status: Option<TransferStatus>,
    /// Older than this one.
    pub before: Option<TransferId>,
    /// Most of them.
    pub limit: u32,
}

impl Store {
    /// Starts a draft; once for each key.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_transfer(
        &self,
        command: NewTransfer,
        claim: Option<Claim>,
    ) -> Result<Result<Once<TransferId>, StockRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::transfer::create(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Takes a step with all its movements, or none; once for each key.
    ///
    /// # Errors
    /// As every write.
    pub async fn step_transfer(
        &self,
        command: StepTransfer,
        claim: Option<Claim>,
    ) -> Result<Result<Once<TransferId>, StockRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::transfer::step(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads a transfer.
    ///
    /// # Errors
    /// As every read.
    pub async fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::transfer::find(tx, *id))).await
    }

    /// Lists transfers, newest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn transfers(&self, query: ListTransfers) -> Result<Vec<TransferRow>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::transfer::list(tx, query))).await
    }
}
