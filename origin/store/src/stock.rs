//! Exact stock: what there is, where, under which rules, and every move of it.

use std::collections::BTreeMap;

use domain::inventory::{
    BackorderPolicy, Counters, Drift, Effect, InvalidMovement, Location, LocationStock,
    MovementKind, MovementReason, MovementRefused, Pieces, SkuPolicy, SkuStock, TransferRefused,
};
use domain::reservation::{Level, Stock};
use domain::{LocationId, OrderId, Quantity, Sku, Timestamp, TransferId};

use crate::{Claim, Once, Store, StoreError, sql};

/// A SKU at the main location, with its rules: what a plain order must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MainStock {
    /// The counters there.
    pub(crate) counters: Counters,
    /// Pieces there that are never sold.
    pub(crate) safety: i64,
    /// Rules of the SKU.
    pub(crate) policy: SkuPolicy,
    /// Whether any other location has ever had it.
    pub(crate) is_spread: bool,
}

impl MainStock {
    /// Returns what there is at the main location, without its deliveries.
    pub(crate) fn here(self) -> LocationStock {
        LocationStock { counters: self.counters, safety: self.safety, expected: Vec::new() }
    }

    /// Returns the pieces that may be sold from there now.
    pub(crate) fn available(self) -> i64 {
        self.here().available()
    }

    /// Holds pieces; nothing where there are too few.
    pub(crate) fn hold(self, quantity: Quantity) -> Option<Self> {
        let effect = MovementKind::Reserved.effect(quantity.into());
        Some(Self { counters: self.counters.after(effect).ok()?, ..self })
    }

    /// Tells whether shoppers may have to read another level than before: of a SKU that lies elsewhere too, who knows.
    pub(crate) fn may_change_level(self, before: &Self) -> bool {
        let level = |stock: Self| Level::of(stock.available());
        self.counters != before.counters && (self.is_spread || level(self) != level(*before))
    }
}

/// Pieces of a SKU that an order has at one location: held or sold, and promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// Pieces that are there.
    pub held: u32,
    /// Pieces that are promised.
    pub backordered: u32,
    /// By when the promised ones can be there, if that was known.
    pub expected_at: Option<Timestamp>,
}

impl Store {
    /// Reads the counters of a SKU at the main location.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock(&self, sku: Sku) -> Result<Option<Stock>, StoreError> {
        let main = self.read(sku, |tx, sku| Box::pin(sql::stock::main(tx, sku))).await?;
        let stock = |main: MainStock| Stock {
            on_hand: main.counters.on_hand,
            reserved: main.counters.reserved,
        };
        Ok(main.map(stock))
    }

    /// Reads a SKU wherever it lies, and every location.
    ///
    /// # Errors
    /// As every read.
    pub async fn sku_stock(
        &self,
        sku: Sku,
    ) -> Result<Option<(SkuStock, Vec<Location>)>, StoreError> {
        self.read(sku, |tx, sku| Box::pin(sql::stock::with_locations(tx, sku))).await
    }
}

impl Store {
    /// Reads what an order has elsewhere than at the main location, and what it was promised; nothing of a plain one. All
    /// other pieces of its lines are held or sold at the main location.
    ///
    /// # Errors
    /// As every read.
    pub async fn reservation_parts(&self, order: OrderId) -> Result<Vec<Part>, StoreError> {
        self.read(order, |tx, order| Box::pin(sql::reservation::parts(tx, *order))).await
    }
}

/// What the staff does to the pieces at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffMove {
    /// Pieces come, go or are found.
    Moved {
        /// What happened: received, adjusted or written off.
        kind: MovementKind,
        /// How many.
        pieces: Pieces,
        /// Why, for the kinds that say it.
        reason: Option<MovementReason>,
    },
    /// Somebody counted: there are so many, held ones included.
    Counted(u32),
}

/// Moves stock by hand.
#[derive(Debug, Clone)]
pub struct MoveStock {
    /// What.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// How.
    pub change: StaffMove,
    /// Who.
    pub actor: String,
    /// Now.
    pub now: Timestamp,
}

/// Sets rules of a SKU; what is absent stays.
#[derive(Debug, Clone)]
pub struct SetStockRules {
    /// Of what.
    pub sku: Sku,
    /// Selling what is not there.
    pub backorder: Option<BackorderPolicy>,
    /// Most pieces in one order; `Some(None)` takes the limit away.
    pub per_order_max: Option<Option<u32>>,
    /// Pieces that are never sold, by location.
    pub safety: BTreeMap<LocationId, u32>,
    /// Who.
    pub actor: String,
    /// Now.
    pub now: Timestamp,
}

/// Why nothing was done to stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StockRefused {
    /// There is no such SKU.
    UnknownSku,
    /// There is no such location.
    UnknownLocation,
    /// There is no such supply or transfer.
    NotFound,
    /// Somebody changed it meanwhile; this is its version.
    Stale(i64),
    /// More pieces than may be counted at once.
    TooManyPieces,
    /// A reason is missing, or given where there is none.
    Movement(InvalidMovement),
    /// The counters do not allow it.
    Counters(Sku, MovementRefused),
    /// More pieces than the supply still awaits.
    SupplyOpen(u32),
    /// The transfer does not allow it.
    Transfer(TransferRefused),
}

/// Which SKUs are listed, by name.
#[derive(Debug, Clone)]
pub struct ListStock {
    /// After this one.
    pub after: Option<String>,
    /// Those of one level, or all.
    pub level: Option<Level>,
    /// Most of them.
    pub limit: u32,
}

/// Which movements of a SKU are listed, newest first.
#[derive(Debug, Clone)]
pub struct ListMovements {
    /// Of what.
    pub sku: Sku,
    /// At one location, or all.
    pub location: Option<LocationId>,
    /// Older than this one.
    pub before: Option<i64>,
    /// Most of them.
    pub limit: u32,
}

/// A movement as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRow {
    /// Its place in the ledger.
    pub id: i64,
    /// Where.
    pub location: LocationId,
    /// What happened.
    pub kind: MovementKind,
    /// What it added to each counter.
    pub effect: Effect,
    /// Why, for the kinds that say it.
    pub reason: Option<MovementReason>,
    /// Of which order.
    pub order: Option<OrderId>,
    /// Of which transfer.
    pub transfer: Option<TransferId>,
    /// Who of the staff.
    pub actor: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What the proof of the stock found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockProof {
    /// SKUs that were looked at.
    pub skus: u64,
    /// Movements that were replayed.
    pub movements: u64,
    /// What is wrong; [`FAULTS_MAX`] at most.
    pub faults: Vec<StockFault>,
}

/// Faults that one proof names: 100. Whoever has so many has another question.
pub const FAULTS_MAX: usize = 100;

/// Counters or movements that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StockFault {
    /// Counters that are not what their movements say.
    #[error("{} at {}: stored {:?}, by its movements {:?}", .0.key.1, .0.key.0, .0.stored, .0.replayed)]
    Drift(Drift),
    /// A movement that those before it do not allow.
    #[error("{sku} at {location}: movement {id} is not possible after those before it: {cause}")]
    Impossible {
        /// Of what.
        sku: Sku,
        /// Where.
        location: LocationId,
        /// Which movement.
        id: i64,
        /// Why.
        cause: MovementRefused,
    },
    /// A movement that moved other counters than its word says.
    #[error("{sku} at {location}: movement {id} does not do what its word says")]
    NotItsWord {
        /// Of what.
        sku: Sku,
        /// Where.
        location: LocationId,
        /// Which movement.
        id: i64,
    },
}

impl Store {
    /// Lists SKUs wherever they lie.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock_page(&self, query: ListStock) -> Result<Vec<(Sku, SkuStock)>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::stocktaking::page(tx, query))).await
    }

    /// Lists movements of a SKU, newest first; nothing where there is no such SKU.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock_movements(
        &self,
        query: ListMovements,
    ) -> Result<Option<Vec<MovementRow>>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::stocktaking::movements(tx, query))).await
    }

    /// Moves stock by hand, once for each key, and returns the counters as they are then.
    ///
    /// # Errors
    /// As every write.
    pub async fn move_stock(
        &self,
        command: MoveStock,
        claim: Option<Claim>,
    ) -> Result<Result<Once<Counters>, StockRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::stocktaking::move_by_hand(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Sets rules of a SKU.
    ///
    /// # Errors
    /// As every write.
    pub async fn set_stock_rules(
        &self,
        command: SetStockRules,
    ) -> Result<Result<(), StockRefused>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::stocktaking::set_rules(tx, command))).await
    }

    /// Compares the levels of what lies at a location with what the edges were told, some SKUs at a time. Returns the
    /// last one that was looked at, as long as there may be more.
    ///
    /// # Errors
    /// As every write.
    pub async fn publish_levels(
        &self,
        location: LocationId,
        after: Option<String>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        self.write((location, after, limit, now), |tx, (location, after, limit, now)| {
            let page = (after.as_deref().unwrap_or_default(), *limit);
            Box::pin(sql::stocktaking::publish_levels(tx, *location, page, *now))
        })
        .await
    }

    /// Replays every movement there ever was and compares the outcome with the counters, at one moment.
    ///
    /// # Errors
    /// As every read.
    pub async fn prove_stock(&self) -> Result<StockProof, StoreError> {
        self.copy((), |tx, ()| Box::pin(sql::proof::prove(tx))).await
    }
}
