//! Stock: locations, counters, movements, deliveries from suppliers and transfers.

use std::sync::Arc;

use api_types::problem::Problem;
use api_types::stock::{
    LocationChange, NewLocation, NewSupply, NewTransfer, StockAdjustment, StockRules,
    StockStrategy, SupplyStep,
};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use domain::inventory::TransferCommand;
use domain::{ErrorKind, LocationId, SupplyId, TransferId};
use http::StatusCode;
use serde::Deserialize;

use super::{Reply, answered, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::{Command, id};
use crate::problem::Failure;

type Asked<T> = Result<Query<T>, QueryRejection>;

/// Reads a query; one that cannot be read says which member and why.
fn read<T>(query: Asked<T>) -> Result<T, Failure> {
    let Query(query) = query.map_err(|error| {
        Failure::from(Problem::of(ErrorKind::InvalidInput).detail(error.body_text()))
    })?;
    Ok(query)
}

// === locations ===

pub(crate) async fn locations(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    private(StatusCode::OK, context.app.locations().await?)
}

pub(crate) async fn create_location(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewLocation>,
) -> Reply {
    answered(StatusCode::CREATED, context.app.create_location(command.value, command.claim).await?)
}

pub(crate) async fn location(
    State(context): State<Arc<Context>>,
    Path(location): Path<String>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.location(id(&location)?).await?)
}

pub(crate) async fn change_location(
    State(context): State<Arc<Context>>,
    Path(location): Path<String>,
    _asker: Asker,
    command: Command<LocationChange>,
) -> Reply {
    let Command { value, version, .. } = command;
    private(StatusCode::OK, context.app.change_location(id(&location)?, value, version).await?)
}

pub(crate) async fn strategy(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    private(StatusCode::OK, context.app.stock_strategy().await?)
}

pub(crate) async fn set_strategy(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<StockStrategy>,
) -> Reply {
    private(StatusCode::OK, context.app.set_stock_strategy(&command.value).await?)
}

// === counters ===

/// Query of the list of stock.
#[derive(Debug, Deserialize)]
pub(crate) struct StockQuery {
    after: Option<String>,
    level: Option<String>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    query: Asked<StockQuery>,
) -> Reply {
    let StockQuery { after, level, limit } = read(query)?;
    private(StatusCode::OK, context.app.stock_list(after, level.as_deref(), limit).await?)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(sku): Path<String>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.stock_item(id(&sku)?).await?)
}

pub(crate) async fn set_rules(
    State(context): State<Arc<Context>>,
    Path(sku): Path<String>,
    asker: Asker,
    command: Command<StockRules>,
) -> Reply {
    let item = context.app.set_stock_rules(&asker.0, id(&sku)?, command.value).await?;
    private(StatusCode::OK, item)
}

pub(crate) async fn adjust(
    State(context): State<Arc<Context>>,
    Path(sku): Path<String>,
    asker: Asker,
    command: Command<StockAdjustment>,
) -> Reply {
    let Command { value, claim, .. } = command;
    let moved = context.app.adjust_stock(&asker.0, id(&sku)?, value, claim).await?;
    answered(StatusCode::CREATED, moved)
}

/// Query of the list of movements.
#[derive(Debug, Deserialize)]
pub(crate) struct MovementQuery {
    location_id: Option<LocationId>,
    before: Option<i64>,
    limit: Option<u32>,
}

pub(crate) async fn movements(
    State(context): State<Arc<Context>>,
    Path(sku): Path<String>,
    _asker: Asker,
    query: Asked<MovementQuery>,
) -> Reply {
    let MovementQuery { location_id, before, limit } = read(query)?;
    let page = context.app.stock_movements(id(&sku)?, location_id, before, limit).await?;
    private(StatusCode::OK, page)
}

// === deliveries from suppliers ===

/// Query of the list of deliveries.
#[derive(Debug, Deserialize)]
pub(crate) struct SupplyQuery {
    sku: Option<String>,
    open: Option<bool>,
    before: Option<SupplyId>,
    limit: Option<u32>,
}

pub(crate) async fn supplies(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    query: Asked<SupplyQuery>,
) -> Reply {
    let SupplyQuery { sku, open, before, limit } = read(query)?;
    let is_open = open.unwrap_or(false);
    private(StatusCode::OK, context.app.supplies(sku.as_deref(), is_open, before, limit).await?)
}

pub(crate) async fn create_supply(
    State(context): State<Arc<Context>>,
    asker: Asker,
    command: Command<NewSupply>,
) -> Reply {
    let Command { value, claim, .. } = command;
    answered(StatusCode::CREATED, context.app.create_supply(&asker.0, value, claim).await?)
}

pub(crate) async fn supply(
    State(context): State<Arc<Context>>,
    Path(supply): Path<String>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.supply(id(&supply)?).await?)
}

pub(crate) async fn step_supply(
    State(context): State<Arc<Context>>,
    Path(supply): Path<String>,
    asker: Asker,
    command: Command<SupplyStep>,
) -> Reply {
    let Command { value, claim, .. } = command;
    let supply = context.app.step_supply(&asker.0, id(&supply)?, &value, claim).await?;
    answered(StatusCode::OK, supply)
}

// === transfers ===

/// Query of the list of transfers.
#[derive(Debug, Deserialize)]
pub(crate) struct TransferQuery {
    status: Option<String>,
    before: Option<TransferId>,
    limit: Option<u32>,
}

pub(crate) async fn transfers(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    query: Asked<TransferQuery>,
) -> Reply {
    let TransferQuery { status, before, limit } = read(query)?;
    private(StatusCode::OK, context.app.transfers(status.as_deref(), before, limit).await?)
}

pub(crate) async fn create_transfer(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewTransfer>,
) -> Reply {
    answered(StatusCode::CREATED, context.app.create_transfer(command.value, command.claim).await?)
}

pub(crate) async fn transfer(
    State(context): State<Arc<Context>>,
    Path(transfer): Path<String>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.transfer(id(&transfer)?).await?)
}

pub(crate) async fn step_transfer(
    State(context): State<Arc<Context>>,
    Path(transfer): Path<String>,
    asker: Asker,
    command: Command<TransferCommand>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let app = context.app();
    let transfer = app.step_transfer(&asker.0, id(&transfer)?, value, version, claim).await?;
    answered(StatusCode::OK, transfer)
}
