//! The shop's settings.

use std::sync::Arc;

use api_types::shop::ShopChange;
use axum::extract::State;
use http::StatusCode;

use super::cart::with_tag;
use super::{Reply, answered, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::Command;

pub(crate) async fn show(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    let shop = context.app.shop().await?;
    let version = shop.version;
    Ok(with_tag(private(StatusCode::OK, shop)?, version))
}

pub(crate) async fn change(
    State(context): State<Arc<Context>>,
    asker: Asker,
    command: Command<ShopChange>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let shop = context.app.change_shop(&asker.0, value, version, claim).await?;
    let version = shop.value.version;
    Ok(with_tag(answered(StatusCode::OK, shop)?, version))
}
