//! Stock on its way from one location to another.

use api_types::stock::{NewTransfer as WireNew, Transfer as Wire, Transfers};
use domain::TransferId;
use domain::inventory::{TransferCommand, TransferStatus};
use store::{Claim, ListTransfers, NewTransfer, StepTransfer, StockRefused, TransferRow};

use crate::cart::Precondition;
use crate::error::answered;
use crate::stock::{PAGE_DEFAULT, PAGE_MAX, is_full, refuse};
use crate::{Answered, App, Error, Refusal, Staff, random};

impl App {
    /// Starts a draft.
    ///
    /// # Errors
    /// `invalid-input`, and what a key may refuse.
    pub async fn create_transfer(
        &self,
        request: WireNew,
        claim: Option<Claim>,
    ) -> Result<Answered<Wire>, Error> {
        let now = self.clock.now();
        let command = NewTransfer {
            id: TransferId::v7(now, random()?),
            from: request.from_id,
            to: request.to_id,
            lines: request.lines,
            now,
        };
        let made = self.store.create_transfer(command, claim).await?.map_err(|refused| {
            if refused == StockRefused::UnknownLocation {
                let detail = "names a location that is not there, or `to_id` does";
                return Refusal::invalid().field("/from_id", "unknown", detail);
            }
            refuse_lines(refused)
        })?;
        let Answered { value: id, is_replay } = answered(made)?;
        Ok(Answered { value: self.transfer(id).await?, is_replay })
    }

    /// Reads a transfer.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn transfer(&self, id: TransferId) -> Result<Wire, Error> {
        Ok(wire(self.store.transfer(id).await?.ok_or_else(Refusal::not_found)?))
    }

    /// Lists transfers, newest first.
    ///
    /// # Errors
    /// `invalid-input`.
    pub async fn transfers(
        &self,
        status: Option<&str>,
        before: Option<TransferId>,
        limit: Option<u32>,
    ) -> Result<Transfers, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let read = |word: &str| {
            TransferStatus::parse(word).ok_or_else(|| {
                let words = TransferStatus::ALL.map(TransferStatus::as_str).join(", ");
                Refusal::invalid().field("/status", "invalid", format!("must be one of {words}"))
            })
        };
        let status = status.map(read).transpose()?;
        let rows = self.store.transfers(ListTransfers { status, before, limit }).await?;
        let items: Vec<Wire> = rows.into_iter().map(wire).collect();
        let next_before = items.last().map(|last| last.id).filter(|_| is_full(items.len(), limit));
        Ok(Transfers { items, next_before })
    }

    /// Takes a step of a transfer. What arrives goes to orders that wait for it first.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, `precondition-failed`, `transfer-out-of-turn`, `stock-refused`, and what a key may refuse.
    pub async fn step_transfer(
        &self,
        staff: &Staff,
        id: TransferId,
        command: TransferCommand,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Wire>, Error> {
        let (actor, now) = (staff.actor(), self.clock.now());
        let command = StepTransfer { id, command, version, actor, now };
        let stepped = self.store.step_transfer(command, claim).await?.map_err(refuse_lines)?;
        let Answered { value: id, is_replay } = answered(stepped)?;
        Ok(Answered { value: self.transfer(id).await?, is_replay })
    }
}

fn refuse_lines(refused: StockRefused) -> Refusal {
    match refused {
        StockRefused::UnknownSku => {
            Refusal::invalid().field("/lines", "unknown", "names a SKU that is not there")
        }
        refused => refuse(refused),
    }
}

fn wire(row: TransferRow) -> Wire {
    let next_steps = row.transfer.next_steps().to_vec();
    Wire {
        id: row.transfer.id,
        from_id: row.transfer.from,
        to_id: row.transfer.to,
        status: row.transfer.status,
        lines: row.transfer.lines,
        next_steps,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
