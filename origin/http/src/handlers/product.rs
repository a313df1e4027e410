//! Products and prices, as the staff keeps them.

use std::sync::Arc;

use api_types::problem::Problem;
use api_types::product::{AdminProduct, NewPrices, NewProduct, NewVariant, ProductChange};
use app::{Answered, ProductsQuery};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use domain::{ErrorKind, Handle};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{Reply, answered, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::{Command, id};
use crate::handlers::cart::Nothing;
use crate::problem::Failure;

/// Query of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    after: Option<Handle>,
    category: Option<Handle>,
    archived: Option<bool>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    page: Result<Query<Page>, QueryRejection>,
) -> Reply {
    let Query(Page { after, category, archived, limit }) = page.map_err(|error| {
        Failure::from(Problem::of(ErrorKind::InvalidInput).detail(error.body_text()))
    })?;
    let query = ProductsQuery { after, category, archived, limit };
    private(StatusCode::OK, context.app.products(query).await?)
}

pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewProduct>,
) -> Reply {
    let Command { value, claim, .. } = command;
    tagged(StatusCode::CREATED, context.app.create_product(value, claim).await?)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(handle): Path<String>,
    _asker: Asker,
) -> Reply {
    fresh(context.app.product(id(&handle)?).await?)
}

pub(crate) async fn change(
    State(context): State<Arc<Context>>,
    Path(handle): Path<String>,
    _asker: Asker,
    command: Command<ProductChange>,
) -> Reply {
    let Command { value, version, .. } = command;
    fresh(context.app.change_product(id(&handle)?, value, version).await?)
}

pub(crate) async fn archive(
    State(context): State<Arc<Context>>,
    Path(handle): Path<String>,
    _asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    fresh(context.app.archive_product(id(&handle)?, true, command.version).await?)
}

pub(crate) async fn restore(
    State(context): State<Arc<Context>>,
    Path(handle): Path<String>,
    _asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    fresh(context.app.archive_product(id(&handle)?, false, command.version).await?)
}

pub(crate) async fn put_variant(
    State(context): State<Arc<Context>>,
    Path((handle, sku)): Path<(String, String)>,
    _asker: Asker,
    command: Command<NewVariant>,
) -> Reply {
    let Command { value, version, .. } = command;
    fresh(context.app.put_variant(id(&handle)?, &id(&sku)?, value, version).await?)
}

pub(crate) async fn set_prices(
    State(context): State<Arc<Context>>,
    Path(sku): Path<String>,
    _asker: Asker,
    command: Command<NewPrices>,
) -> Reply {
    fresh(context.app.set_prices(id(&sku)?, command.value).await?)
}

fn fresh(value: AdminProduct) -> Reply {
    tagged(StatusCode::OK, Answered { value, is_replay: false })
}

fn tagged(status: StatusCode, product: Answered<AdminProduct>) -> Reply {
    let tag = format!("\"{}\"", product.value.version);
    let mut response = answered(status, product)?;
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
