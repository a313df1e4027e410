//! The staff's work on stock: looking, moving by hand, setting rules.

use std::collections::BTreeMap;

use api_types::stock::{
    StockAdjustment, StockCounters, StockHere, StockItem, StockList, StockMovement, StockMovements,
    StockRules,
};
use domain::inventory::{
    BackorderPolicy, Location, MAIN_LOCATION, MovementKind, MovementReason, PIECES_MAX, Pieces,
    SkuStock, TransferRefused, availability,
};
use domain::reservation::Level;
use domain::{ErrorKind, LocationId, Sku, Timestamp};
use store::{
    Claim, ListMovements, ListStock, MoveStock, MovementRow, SetStockRules, StaffMove, StockProof,
    StockRefused,
};

use crate::error::answered;
use crate::location::stale;
use crate::{Answered, App, Error, Refusal, Staff};

/// Things on one page of a list, and at most: 50 and 200.
pub(crate) const PAGE_DEFAULT: u32 = 50;
pub(crate) const PAGE_MAX: u32 = 200;
/// Kinds of movements that are made by hand.
const BY_HAND: [MovementKind; 4] = [
    MovementKind::Received,
    MovementKind::AdjustedUp,
    MovementKind::AdjustedDown,
    MovementKind::WrittenOff,
];

impl App {
    /// Lists SKUs wherever they lie.
    ///
    /// # Errors
    /// `invalid-input`.
    pub async fn stock_list(
        &self,
        after: Option<String>,
        level: Option<&str>,
        limit: Option<u32>,
    ) -> Result<StockList, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let level = level.map(read_level).transpose()?;
        let page = self.store.stock_page(ListStock { after, level, limit }).await?;
        let locations = self.store.locations().await?;
        let locations: Vec<Location> = locations.into_iter().map(|row| row.location).collect();
        let now = self.clock.now();
        let items: Vec<StockItem> =
            page.into_iter().map(|(sku, stock)| wire(sku, &stock, &locations, now)).collect();
        let next_after = items.last().map(|item| item.sku.clone());
        let next_after = next_after.filter(|_| is_full(items.len(), limit));
        Ok(StockList { items, next_after })
    }

    /// Reads a SKU wherever it lies.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn stock_item(&self, sku: Sku) -> Result<StockItem, Error> {
        let found = self.store.sku_stock(sku.clone()).await?;
        let (stock, locations) = found.ok_or_else(Refusal::not_found)?;
        Ok(wire(sku, &stock, &locations, self.clock.now()))
    }

    /// Lists movements of a SKU, newest first.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn stock_movements(
        &self,
        sku: Sku,
        location: Option<LocationId>,
        before: Option<i64>,
        limit: Option<u32>,
    ) -> Result<StockMovements, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let query = ListMovements { sku, location, before, limit };
        let rows = self.store.stock_movements(query).await?.ok_or_else(Refusal::not_found)?;
        let items: Vec<StockMovement> = rows.into_iter().map(wire_movement).collect();
        let next_before = items.last().map(|item| item.id);
        let next_before = next_before.filter(|_| is_full(items.len(), limit));
        Ok(StockMovements { items, next_before })
    }

    /// Moves stock by hand, or writes down what was counted.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, `stock-refused`, and what a key may refuse.
    pub async fn adjust_stock(
        &self,
        staff: &Staff,
        sku: Sku,
        request: StockAdjustment,
        claim: Option<Claim>,
    ) -> Result<Answered<StockCounters>, Error> {
        let location = request.location_id.unwrap_or(MAIN_LOCATION);
        let command = MoveStock {
            sku: sku.clone(),
            location,
            change: read_change(&request)?,
            actor: staff.actor(),
            now: self.clock.now(),
        };
        let moved = self.store.move_stock(command, claim).await?;
        let Answered { value, is_replay } = answered(moved.map_err(refuse)?)?;
        let value = StockCounters {
            sku,
            location_id: location,
            on_hand: value.on_hand,
            reserved: value.reserved,
            incoming: value.incoming,
            backordered: value.backordered,
        };
        Ok(Answered { value, is_replay })
    }

    /// Sets rules of a SKU.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`.
    pub async fn set_stock_rules(
        &self,
        staff: &Staff,
        sku: Sku,
        request: StockRules,
    ) -> Result<StockItem, Error> {
        let refusal = check_rules(&request);
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let safety: BTreeMap<LocationId, u32> =
            request.safety.iter().map(|own| (own.location_id, own.pieces)).collect();
        let command = SetStockRules {
            sku: sku.clone(),
            backorder: request.backorder,
            per_order_max: request.per_order_max,
            safety,
            actor: staff.actor(),
            now: self.clock.now(),
        };
        self.store.set_stock_rules(command).await?.map_err(|refused| match refused {
            StockRefused::UnknownLocation => {
                Refusal::invalid().field("/safety", "unknown", "names a location that is not there")
            }
            refused => refuse(refused),
        })?;
        self.stock_item(sku).await
    }

    /// Replays every movement and compares the outcome with the counters.
    ///
    /// # Errors
    /// As every read.
    pub async fn prove_stock(&self) -> Result<StockProof, Error> {
        Ok(self.store.prove_stock().await?)
    }
}

pub(crate) fn is_full(count: usize, limit: u32) -> bool {
    u32::try_from(count).is_ok_and(|count| count >= limit)
}

fn read_level(text: &str) -> Result<Level, Refusal> {
    match text {
        "in_stock" => Ok(Level::InStock),
        "low" => Ok(Level::Low),
        "out_of_stock" => Ok(Level::OutOfStock),
        _ => {
            let detail = "must be one of in_stock, low, out_of_stock";
            Err(Refusal::invalid().field("/level", "invalid", detail))
        }
    }
}

/// Reads a number of pieces.
pub(crate) fn read_pieces(pointer: &str, pieces: u32) -> Result<Pieces, Refusal> {
    pieces.try_into().map_err(|invalid: domain::inventory::InvalidPieces| {
        Refusal::invalid().field(pointer, "invalid", invalid.to_string())
    })
}

fn read_change(request: &StockAdjustment) -> Result<StaffMove, Refusal> {
    if let Some(counted) = request.counted {
        let is_alone = request.kind.is_empty() && request.pieces == 0 && request.reason.is_none();
        if !is_alone {
            let detail = "is said instead of kind, pieces and reason";
            return Err(Refusal::invalid().field("/counted", "invalid", detail));
        }
        if i64::from(counted) > i64::from(PIECES_MAX) {
            let detail = format!("must be at most {PIECES_MAX}");
            return Err(Refusal::invalid().field("/counted", "too-large", detail));
        }
        return Ok(StaffMove::Counted(counted));
    }
    let kind = BY_HAND.into_iter().find(|kind| kind.as_str() == request.kind);
    let Some(kind) = kind else {
        let words = BY_HAND.map(MovementKind::as_str).join(", ");
        let detail = format!("must be one of {words}");
        return Err(Refusal::invalid().field("/kind", "invalid", detail));
    };
    let pieces = read_pieces("/pieces", request.pieces)?;
    let reason = match &request.reason {
        None => None,
        Some(word) => Some(MovementReason::parse(word).ok_or_else(|| {
            let words = MovementReason::ALL.map(MovementReason::as_str).join(", ");
            Refusal::invalid().field("/reason", "invalid", format!("must be one of {words}"))
        })?),
    };
    Ok(StaffMove::Moved { kind, pieces, reason })
}

fn check_rules(request: &StockRules) -> Refusal {
    let mut refusal = Refusal::invalid();
    let most = match request.backorder {
        Some(
            BackorderPolicy::Allow { pieces_max } | BackorderPolicy::PreOrder { pieces_max, .. },
        ) => pieces_max,
        Some(BackorderPolicy::Deny) | None => 0,
    };
    let too_many = format!("must be at most {PIECES_MAX}");
    if most > PIECES_MAX {
        refusal = refusal.field("/backorder/pieces_max", "too-large", &too_many);
    }
    if request.per_order_max == Some(Some(0)) {
        refusal = refusal.field("/per_order_max", "invalid", "must be at least 1, or null");
    }
    for (index, safety) in request.safety.iter().enumerate() {
        if safety.pieces > PIECES_MAX {
            refusal = refusal.field(format!("/safety/{index}/pieces"), "too-large", &too_many);
        }
    }
    refusal
}

/// Says no as a store's refusal means it.
pub(crate) fn refuse(refused: StockRefused) -> Refusal {
    let invalid = Refusal::invalid;
    match refused {
        StockRefused::UnknownSku | StockRefused::NotFound => Refusal::not_found(),
        StockRefused::UnknownLocation => {
            invalid().field("/location_id", "unknown", "there is no such location")
        }
        StockRefused::Stale(version) => stale(version),
        StockRefused::TooManyPieces => {
            let detail = format!("differs by more than {PIECES_MAX} pieces");
            invalid().field("/counted", "too-large", detail)
        }
        StockRefused::Movement(why) => invalid().field("/reason", "invalid", why.to_string()),
        StockRefused::Counters(sku, why) => {
            let title = "The counters do not allow this";
            Refusal::new(ErrorKind::Conflict, "stock-refused", title)
                .detail(format!("{sku}: {why}"))
        }
        StockRefused::SupplyOpen(open) => {
            invalid().field("/pieces", "too-large", format!("{open} are awaited"))
        }
        StockRefused::Transfer(why) => refuse_transfer(&why),
    }
}

fn refuse_transfer(why: &TransferRefused) -> Refusal {
    let text = why.to_string();
    match why {
        TransferRefused::OutOfTurn { .. } => {
            let title = "The transfer does not stand where this is possible";
            Refusal::new(ErrorKind::Conflict, "transfer-out-of-turn", title).detail(text)
        }
        TransferRefused::SamePlace => Refusal::invalid().field("/to_id", "invalid", text),
        TransferRefused::InvalidLines => Refusal::invalid().field("/lines", "invalid", text),
        TransferRefused::TooMany { .. } => Refusal::invalid().field("/lines", "too-large", text),
    }
}

fn wire(sku: Sku, stock: &SkuStock, locations: &[Location], now: Timestamp) -> StockItem {
    let told = availability(stock, locations, now);
    let here = |(&location_id, here): (&LocationId, &domain::inventory::LocationStock)| StockHere {
        location_id,
        on_hand: here.counters.on_hand,
        reserved: here.counters.reserved,
        incoming: here.counters.incoming,
        backordered: here.counters.backordered,
        safety: here.safety,
        available: here.available(),
        expected: here.expected.clone(),
    };
    StockItem {
        sku,
        level: told.level,
        sale: told.sale,
        backorder: stock.policy.backorder,
        per_order_max: stock.policy.per_order_max,
        locations: stock.at.iter().map(here).collect(),
    }
}

fn wire_movement(row: MovementRow) -> StockMovement {
    StockMovement {
        id: row.id,
        location_id: row.location,
        kind: row.kind,
        on_hand: row.effect.on_hand,
        reserved: row.effect.reserved,
        incoming: row.effect.incoming,
        backordered: row.effect.backordered,
        reason: row.reason,
        order_id: row.order,
        transfer_id: row.transfer,
        actor: row.actor,
        at: row.at,
    }
}
