//! Orders in the hands of the staff. Every step asks for a key, and takes `If-Match` with the order's version.

use std::sync::Arc;

use api_types::admin_order::{
    CancelRequest, CaptureRequest, FulfilRequest, NewNote, ReceiveRequest, RefundRequest,
    ReturnRequest, ShipRequest, StepAnswer,
};
use api_types::problem::Problem;
use app::{Answered, ParcelStep, ReturnDecision, StepAsked};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use domain::{ErrorKind, OrderId};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{Reply, answered, file, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::{Command, demanded, id};
use crate::handlers::cart::Nothing;
use crate::problem::Failure;

/// Query of the list of orders.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    status: Option<String>,
    q: Option<String>,
    before: Option<OrderId>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    page: Result<Query<Page>, QueryRejection>,
) -> Reply {
    let Query(Page { status, q, before, limit }) = page.map_err(|error| {
        Failure::from(Problem::of(ErrorKind::InvalidInput).detail(error.body_text()))
    })?;
    let page = context.app.list_orders(status.as_deref(), q.as_deref(), before, limit).await?;
    private(StatusCode::OK, page)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    _asker: Asker,
) -> Reply {
    let order = context.app.admin_order(id(&order)?).await?;
    let version = order.order.version;
    tagged(private(StatusCode::OK, order), version)
}

pub(crate) async fn invoice(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    _asker: Asker,
) -> Reply {
    Ok(file(context.app.invoice_for_staff(id(&order)?).await?))
}

/// Takes a command apart: the step that is asked for, and its body.
fn asked<T>(
    asker: &Asker,
    order: OrderId,
    command: Command<T>,
) -> Result<(StepAsked<'_>, T), Failure> {
    let Command { claim, version, value, .. } = command;
    Ok((StepAsked { staff: &asker.0, order, version, claim: demanded(claim)? }, value))
}

fn stepped(status: StatusCode, answer: Answered<StepAnswer>) -> Reply {
    let version = answer.value.order.order.version;
    tagged(answered(status, answer), version)
}

fn tagged(reply: Reply, version: i64) -> Reply {
    let mut response = reply?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

pub(crate) async fn capture(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<CaptureRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::OK, context.app.capture_order(step, value).await?)
}

pub(crate) async fn void(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::OK, context.app.void_order(step).await?)
}

pub(crate) async fn refund(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<RefundRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::CREATED, context.app.refund_order(step, value).await?)
}

pub(crate) async fn cancel(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<CancelRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::OK, context.app.cancel_order(step, value).await?)
}

pub(crate) async fn complete(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::OK, context.app.complete_order(step).await?)
}

pub(crate) async fn fulfil(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<FulfilRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::CREATED, context.app.fulfil_order(step, value).await?)
}

pub(crate) async fn ship(
    State(context): State<Arc<Context>>,
    Path((order, parcel)): Path<(String, String)>,
    asker: Asker,
    command: Command<ShipRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::OK, context.app.ship_parcel(step, id(&parcel)?, &value).await?)
}

pub(crate) async fn deliver(
    State(context): State<Arc<Context>>,
    Path((order, parcel)): Path<(String, String)>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    let parcel = id(&parcel)?;
    stepped(StatusCode::OK, context.app.move_parcel(step, parcel, ParcelStep::Deliver).await?)
}

pub(crate) async fn unpack(
    State(context): State<Arc<Context>>,
    Path((order, parcel)): Path<(String, String)>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    let parcel = id(&parcel)?;
    stepped(StatusCode::OK, context.app.move_parcel(step, parcel, ParcelStep::Cancel).await?)
}

pub(crate) async fn open_return(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<ReturnRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::CREATED, context.app.open_return(step, value).await?)
}

pub(crate) async fn approve_return(
    State(context): State<Arc<Context>>,
    Path((order, name)): Path<(String, String)>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    let decided = context.app.decide_return(step, id(&name)?, ReturnDecision::Approve).await?;
    stepped(StatusCode::OK, decided)
}

pub(crate) async fn reject_return(
    State(context): State<Arc<Context>>,
    Path((order, name)): Path<(String, String)>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    let decided = context.app.decide_return(step, id(&name)?, ReturnDecision::Reject).await?;
    stepped(StatusCode::OK, decided)
}

pub(crate) async fn cancel_return(
    State(context): State<Arc<Context>>,
    Path((order, name)): Path<(String, String)>,
    asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let (step, Nothing {}) = asked(&asker, id(&order)?, command)?;
    let decided = context.app.decide_return(step, id(&name)?, ReturnDecision::Cancel).await?;
    stepped(StatusCode::OK, decided)
}

pub(crate) async fn receive_return(
    State(context): State<Arc<Context>>,
    Path((order, name)): Path<(String, String)>,
    asker: Asker,
    command: Command<ReceiveRequest>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::OK, context.app.receive_return(step, id(&name)?, value).await?)
}

pub(crate) async fn add_note(
    State(context): State<Arc<Context>>,
    Path(order): Path<String>,
    asker: Asker,
    command: Command<NewNote>,
) -> Reply {
    let (step, value) = asked(&asker, id(&order)?, command)?;
    stepped(StatusCode::CREATED, context.app.add_order_note(step, value).await?)
}
