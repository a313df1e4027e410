//! Exact stock.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;

use super::{Reply, private};
use crate::Context;
use crate::extract::{Who, id};

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(sku): Path<String>,
    _who: Who,
) -> Reply {
    private(StatusCode::OK, context.app.inventory(id(&sku)?).await?)
}
