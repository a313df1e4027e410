//! Carts.

use std::sync::Arc;

use api_types::cart::{
    Cart, CartMerge, DestinationChoice, GiftCardEntry, LineChange, MethodChoice, NewCart, NewLine,
};
use api_types::order::CheckoutRequest;
use app::Answered;
use axum::extract::{Path, State};
use axum::response::Response;
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

pub(crate) async fn enter_code(
    State(context): State<Arc<Context>>,
    Path((cart, code)): Path<(String, String)>,
    command: Command<Nothing>,
) -> Reply {
    let Command { claim, version, .. } = command;
    tagged(StatusCode::OK, context.app.set_code(id(&cart)?, &code, true, version, claim).await?)
}

pub(crate) async fn remove_code(
    State(context): State<Arc<Context>>,
    Path((cart, code)): Path<(String, String)>,
    command: Command<Nothing>,
) -> Reply {
    let Command { claim, version, .. } = command;
    tagged(StatusCode::OK, context.app.set_code(id(&cart)?, &code, false, version, claim).await?)
}

pub(crate) async fn enter_gift_card(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<GiftCardEntry>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let cart = context.app.enter_gift_card(id(&cart)?, &value, version, claim).await?;
    tagged(StatusCode::OK, cart)
}

pub(crate) async fn remove_gift_card(
    State(context): State<Arc<Context>>,
    Path((cart, card)): Path<(String, String)>,
    command: Command<Nothing>,
) -> Reply {
    let Command { claim, version, .. } = command;
    let cart = context.app.remove_gift_card(id(&cart)?, id(&card)?, version, claim).await?;
    tagged(StatusCode::OK, cart)
}

pub(crate) async fn set_destination(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<DestinationChoice>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let cart = context.app.set_destination(id(&cart)?, Some(&value), version, claim).await?;
    tagged(StatusCode::OK, cart)
}

pub(crate) async fn clear_destination(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<Nothing>,
) -> Reply {
    let Command { claim, version, .. } = command;
    tagged(StatusCode::OK, context.app.set_destination(id(&cart)?, None, version, claim).await?)
}

pub(crate) async fn set_method(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<MethodChoice>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let cart = context.app.set_shipping_method(id(&cart)?, Some(&value), version, claim).await?;
    tagged(StatusCode::OK, cart)
}

pub(crate) async fn clear_method(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<Nothing>,
) -> Reply {
    let Command { claim, version, .. } = command;
    let cart = context.app.set_shipping_method(id(&cart)?, None, version, claim).await?;
    tagged(StatusCode::OK, cart)
}

pub(crate) async fn merge(
    State(context): State<Arc<Context>>,
    Path(cart): Path<String>,
    command: Command<CartMerge>,
) -> Reply {
    let Command { who, value, claim, version } = command;
    let merged = context.app.merge_carts(&who.caller, id(&cart)?, &value, version, claim).await?;
    let version = merged.value.cart.version;
    Ok(with_tag(answered(StatusCode::OK, merged)?, version))
}

fn tagged(status: StatusCode, cart: Answered<Cart>) -> Reply {
    let version = cart.value.version;
    Ok(with_tag(answered(status, cart)?, version))
}

/// Says at which version a thing is.
pub(crate) fn with_tag(mut response: Response, version: i64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
