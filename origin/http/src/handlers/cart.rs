//! Carts.

use std::sync::Arc;

use api_types::cart::{Cart, LineChange, NewCart, NewLine};
use api_types::order::CheckoutRequest;
use app::Answered;
use axum::extract::{Path, State};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{Reply, answered};
use crate::Context;
use crate::extract::{Command, Who, demanded, id};

/// A request without a body.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    command: Command<NewCart>,
) -> Reply {
    let cart = context.app.open_cart(&command.who.caller, &command.value, command.claim).await?;
    tagged(StatusCode::CREATED, cart)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    _who: Who,
) -> Reply {
    let value = context.app.cart(id(&cart)?).await?;
    tagged(StatusCode::OK, Answered { value, is_replay: false })
}

pub(crate) async fn add_line(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<NewLine>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    tagged(StatusCode::CREATED, context.app.add_line(id(&cart)?, &value, version, claim).await?)
}

pub(crate) async fn set_line(
    State(context): State<Arc<Context>>,
    Path((cart, line)): Path<(String, String)>,
    command: Command<LineChange>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    tagged(
        StatusCode::OK,
        context.app.set_line(id(&cart)?, id(&line)?, value, version, claim).await?,
    )
}

pub(crate) async fn remove_line(
    State(context): State<Arc<Context>>,
    Path((cart, line)): Path<(String, String)>,
    command: Command<Nothing>,
) -> Reply {
    let Command { claim, version, .. } = command;
    tagged(StatusCode::OK, context.app.remove_line(id(&cart)?, id(&line)?, version, claim).await?)
}

pub(crate) async fn checkout(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<CheckoutRequest>,
) -> Reply {
    let cart = id(&cart)?;
    let claim = demanded(command.claim)?;
    answered(
        StatusCode::CREATED,
        context.app.checkout(&command.who.caller, cart, &command.value, claim).await?,
    )
}

fn tagged(status: StatusCode, cart: Answered<Cart>) -> Reply {
    let tag = format!("\"{}\"", cart.value.version);
    let mut response = answered(status, cart)?;
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
