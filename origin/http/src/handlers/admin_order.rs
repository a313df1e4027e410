//! Orders in the hands of the staff. Every step asks for a key, and takes `If-Match` with the order's version.

use std::str::FromStr;
use std::sync::Arc;

use api_types::admin_order::{
    CancelRequest, CaptureRequest, FulfilRequest, NewNote, ReceiveRequest, RefundRequest,
    ReturnRequest, ShipRequest, StepAnswer,
};
use api_types::problem::Problem;
use app::{Answered, Claim, ParcelStep, Precondition, ReturnDecision, Staff, StepAsked};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, RawPathParams, Request, State};
use domain::{ErrorKind, OrderId};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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

/// A step that is asked of an order.
pub(crate) struct Asked<T> {
    by: By,
    /// The parcel or return that the path names, if it names one.
    part: Option<String>,
    value: T,
}

/// Who asks for a step of which order, on which condition, and under which key.
struct By {
    staff: Staff,
    order: OrderId,
    version: Precondition,
    claim: Claim,
}

impl By {
    fn step(&self) -> StepAsked<'_> {
        let Self { staff, order, version, claim } = self;
        StepAsked { staff, order: *order, version: *version, claim: claim.clone() }
    }
}

impl<T> Asked<T> {
    /// Reads the name of the part; one that is none names nothing.
    fn part<I: FromStr>(&self) -> Result<I, Failure> {
        id(self.part.as_deref().unwrap_or_default())
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Context>> for Asked<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, context: &Arc<Context>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let Asker(staff) = Asker::from_request_parts(&mut parts, context).await?;
        let Ok(names) = RawPathParams::from_request_parts(&mut parts, context).await else {
            return Err(ErrorKind::NotFound.into());
        };
        let mut names = names.iter().map(|(_name, text)| text);
        let order = id(names.next().unwrap_or_default())?;
        let part = names.next().map(str::to_owned);
        let request = Request::from_parts(parts, body);
        let Command { claim, version, value, .. } = Command::from_request(request, context).await?;
        let by = By { staff, order, version, claim: demanded(claim)? };
        Ok(Self { by, part, value })
    }
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
    asked: Asked<CaptureRequest>,
) -> Reply {
    stepped(StatusCode::OK, context.app.capture_order(asked.by.step(), asked.value).await?)
}

pub(crate) async fn void(State(context): State<Arc<Context>>, asked: Asked<Nothing>) -> Reply {
    stepped(StatusCode::OK, context.app.void_order(asked.by.step()).await?)
}

pub(crate) async fn refund(
    State(context): State<Arc<Context>>,
    asked: Asked<RefundRequest>,
) -> Reply {
    stepped(StatusCode::CREATED, context.app.refund_order(asked.by.step(), asked.value).await?)
}

pub(crate) async fn cancel(
    State(context): State<Arc<Context>>,
    asked: Asked<CancelRequest>,
) -> Reply {
    stepped(StatusCode::OK, context.app.cancel_order(asked.by.step(), asked.value).await?)
}

pub(crate) async fn complete(State(context): State<Arc<Context>>, asked: Asked<Nothing>) -> Reply {
    stepped(StatusCode::OK, context.app.complete_order(asked.by.step()).await?)
}

pub(crate) async fn fulfil(
    State(context): State<Arc<Context>>,
    asked: Asked<FulfilRequest>,
) -> Reply {
    stepped(StatusCode::CREATED, context.app.fulfil_order(asked.by.step(), asked.value).await?)
}

pub(crate) async fn ship(State(context): State<Arc<Context>>, asked: Asked<ShipRequest>) -> Reply {
    stepped(
        StatusCode::OK,
        context.app.ship_parcel(asked.by.step(), asked.part()?, &asked.value).await?,
    )
}

pub(crate) async fn deliver(State(context): State<Arc<Context>>, asked: Asked<Nothing>) -> Reply {
    stepped(
        StatusCode::OK,
        context.app.move_parcel(asked.by.step(), asked.part()?, ParcelStep::Deliver).await?,
    )
}

pub(crate) async fn unpack(State(context): State<Arc<Context>>, asked: Asked<Nothing>) -> Reply {
    stepped(
        StatusCode::OK,
        context.app.move_parcel(asked.by.step(), asked.part()?, ParcelStep::Cancel).await?,
    )
}

pub(crate) async fn open_return(
    State(context): State<Arc<Context>>,
    asked: Asked<ReturnRequest>,
) -> Reply {
    stepped(StatusCode::CREATED, context.app.open_return(asked.by.step(), asked.value).await?)
}

pub(crate) async fn approve_return(
    State(context): State<Arc<Context>>,
    asked: Asked<Nothing>,
) -> Reply {
    let decided =
        context.app.decide_return(asked.by.step(), asked.part()?, ReturnDecision::Approve).await?;
    stepped(StatusCode::OK, decided)
}

pub(crate) async fn reject_return(
    State(context): State<Arc<Context>>,
    asked: Asked<Nothing>,
) -> Reply {
    let decided =
        context.app.decide_return(asked.by.step(), asked.part()?, ReturnDecision::Reject).await?;
    stepped(StatusCode::OK, decided)
}

pub(crate) async fn cancel_return(
    State(context): State<Arc<Context>>,
    asked: Asked<Nothing>,
) -> Reply {
    let decided =
        context.app.decide_return(asked.by.step(), asked.part()?, ReturnDecision::Cancel).await?;
    stepped(StatusCode::OK, decided)
}

pub(crate) async fn receive_return(
    State(context): State<Arc<Context>>,
    asked: Asked<ReceiveRequest>,
) -> Reply {
    stepped(
        StatusCode::OK,
        context.app.receive_return(asked.by.step(), asked.part()?, asked.value).await?,
    )
}

pub(crate) async fn add_note(State(context): State<Arc<Context>>, asked: Asked<NewNote>) -> Reply {
    stepped(StatusCode::CREATED, context.app.add_order_note(asked.by.step(), asked.value).await?)
}
