//! Orders.

use std::sync::Arc;

use api_types::order::PaymentAction;
use axum::extract::{Path, State};
use http::StatusCode;

use super::{Reply, private};
use crate::Context;
use crate::extract::{Command, Who, id};

pub(crate) async fn list(State(context): State<Arc<Context>>, who: Who) -> Reply {
    private(StatusCode::OK, context.app.orders(&who.caller).await?)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    who: Who,
) -> Reply {
    private(
        StatusCode::OK,
        context.app.order(&who.caller, id(&order)?, who.bearer.as_deref()).await?,
    )
}

pub(crate) async fn act(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    command: Command<PaymentAction>,
) -> Reply {
    let Command { who, value, .. } = command;
    let order =
        context.app.act_on_payment(&who.caller, id(&order)?, who.bearer.as_deref(), &value).await?;
    private(StatusCode::OK, order)
}
