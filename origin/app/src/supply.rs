//! Deliveries that were ordered from suppliers.

use api_types::stock::{NewSupply as WireNew, Supplies, Supply as Wire, SupplyStep as WireStep};
use domain::inventory::MAIN_LOCATION;
use domain::{Sku, SupplyId};
use store::{Claim, ListSupplies, NewSupply, StepSupply, StockRefused, Supply, SupplyStep};

use crate::error::answered;
use crate::stock::{PAGE_DEFAULT, PAGE_MAX, is_full, read_pieces, refuse};
use crate::{Answered, App, Error, Refusal, Staff, random};

impl App {
    /// Expects a delivery.
    ///
    /// # Errors
    /// `invalid-input`, and what a key may refuse.
    pub async fn create_supply(
        &self,
        staff: &Staff,
        request: WireNew,
        claim: Option<Claim>,
    ) -> Result<Answered<Wire>, Error> {
        let unknown = || Refusal::invalid().field("/sku", "unknown", "there is no such SKU");
        let sku: Sku = request.sku.parse().map_err(|_invalid| unknown())?;
        let now = self.clock.now();
        let command = NewSupply {
            id: SupplyId::v7(now, random()?),
            sku,
            location: request.location_id.unwrap_or(MAIN_LOCATION),
            pieces: read_pieces("/pieces", request.pieces)?,
            expected_at: request.expected_at,
            actor: staff.actor(),
            now,
        };
        let made = self.store.create_supply(command, claim).await?;
        let made = made.map_err(|refused| match refused {
            StockRefused::UnknownSku => unknown(),
            refused => refuse(refused),
        })?;
        let Answered { value: id, is_replay } = answered(made)?;
        Ok(Answered { value: self.supply(id).await?, is_replay })
    }

    /// Reads a delivery.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn supply(&self, id: SupplyId) -> Result<Wire, Error> {
        Ok(wire(self.store.supply(id).await?.ok_or_else(Refusal::not_found)?))
    }

    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// `invalid-input`.
    pub async fn supplies(
        &self,
        sku: Option<&str>,
        is_open: bool,
        before: Option<SupplyId>,
        limit: Option<u32>,
    ) -> Result<Supplies, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let sku = sku.map(str::parse).transpose().map_err(|invalid: domain::sku::InvalidSku| {
            Refusal::invalid().field("/sku", "invalid", invalid.to_string())
        })?;
        let query = ListSupplies { sku, is_open, before, limit };
        let items: Vec<Wire> = self.store.supplies(query).await?.into_iter().map(wire).collect();
        let next_before = items.last().map(|last| last.id).filter(|_| is_full(items.len(), limit));
        Ok(Supplies { items, next_before })
    }

    /// Takes a step of a delivery. What arrives goes to orders that wait for it first.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, and what a key may refuse.
    pub async fn step_supply(
        &self,
        staff: &Staff,
        id: SupplyId,
        request: &WireStep,
        claim: Option<Claim>,
    ) -> Result<Answered<Wire>, Error> {
        let pieces = request.pieces.map(|pieces| read_pieces("/pieces", pieces)).transpose()?;
        let step = match (request.step.as_str(), pieces) {
            ("arrive", Some(pieces)) => SupplyStep::Arrive(pieces),
            ("arrive", None) => {
                let detail = "must say how many pieces arrived";
                return Err(Refusal::invalid().field("/pieces", "required", detail).into());
            }
            ("cancel", pieces) => SupplyStep::Cancel(pieces),
            ("redate", _) => SupplyStep::Redate(request.expected_at),
            _ => {
                let detail = "must be one of arrive, cancel, redate";
                return Err(Refusal::invalid().field("/step", "invalid", detail).into());
            }
        };
        let command = StepSupply { id, step, actor: staff.actor(), now: self.clock.now() };
        let stepped = self.store.step_supply(command, claim).await?.map_err(refuse)?;
        let Answered { value: id, is_replay } = answered(stepped)?;
        Ok(Answered { value: self.supply(id).await?, is_replay })
    }
}

fn wire(supply: Supply) -> Wire {
    Wire {
        open: supply.open(),
        id: supply.id,
        sku: supply.sku,
        location_id: supply.location,
        pieces: supply.pieces.get(),
        arrived: supply.arrived,
        cancelled: supply.cancelled,
        expected_at: supply.expected_at,
        created_at: supply.created_at,
        updated_at: supply.updated_at,
    }
}
