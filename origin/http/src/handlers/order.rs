//! Orders.

use std::sync::Arc;

use api_types::order::{NewReturn, PaymentAction};
use axum::extract::{Path, State};
use http::StatusCode;

use super::{Reply, answered, file, private};
use crate::Context;
use crate::extract::{Command, Who, demanded, id};
use crate::handlers::cart::Nothing;

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

pub(crate) async fn invoice(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    who: Who,
) -> Reply {
    let token = who.bearer.as_deref();
    Ok(file(context.app.invoice(&who.caller, id(&order)?, token).await?))
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

pub(crate) async fn cancel(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    command: Command<Nothing>,
) -> Reply {
    let Command { who, claim, .. } = command;
    let (order, claim) = (id(&order)?, demanded(claim)?);
    let answer =
        context.app.cancel_own_order(&who.caller, order, who.bearer.as_deref(), claim).await?;
    answered(StatusCode::OK, answer)
}

pub(crate) async fn request_return(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    command: Command<NewReturn>,
) -> Reply {
    let Command { who, claim, value, .. } = command;
    let (order, claim) = (id(&order)?, demanded(claim)?);
    let token = who.bearer.as_deref();
    let answer = context.app.request_return(&who.caller, order, token, value, claim).await?;
    answered(StatusCode::CREATED, answer)
}

pub(crate) async fn cancel_return(
    State(context): State<Arc<Context>>,
    Path((order, name)): Path<(String, String)>,
    command: Command<Nothing>,
) -> Reply {
    let Command { who, claim, .. } = command;
    let (order, name, claim) = (id(&order)?, id(&name)?, demanded(claim)?);
    let token = who.bearer.as_deref();
    let answer = context.app.cancel_own_return(&who.caller, order, token, name, claim).await?;
    answered(StatusCode::OK, answer)
}

pub(crate) async fn extend_hold(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    command: Command<Nothing>,
) -> Reply {
    let who = command.who;
    let order = context.app.extend_hold(&who.caller, id(&order)?, who.bearer.as_deref()).await?;
    private(StatusCode::OK, order)
}
