//! What decides prices, as the staff writes it: promotions, codes, policies and gift cards.

use std::sync::Arc;

use api_types::pricing::{
    CodeChange, GiftCardAdjustment, GiftCardChange, NewCodes, NewGiftCard, Preview, ProductPricing,
    PromotionRule,
};
use api_types::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use domain::pricing::{Code, ShippingPolicy, TaxPolicy};
use domain::{ErrorKind, GiftCardId, PromotionId};
use http::StatusCode;
use serde::Deserialize;

use super::cart::with_tag;
use super::{Reply, answered, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::{Command, id};
use crate::problem::Failure;

/// A page of a list, newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page<T> {
    before: Option<T>,
    limit: Option<u32>,
}

/// A page of a promotion's codes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodesPage {
    promotion_id: PromotionId,
    after: Option<Code>,
    limit: Option<u32>,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

fn query<T>(asked: Asked<T>) -> Result<T, Failure> {
    let refuse = |error: QueryRejection| {
        Failure::from(Problem::of(ErrorKind::InvalidInput).detail(error.body_text()))
    };
    asked.map(|Query(page)| page).map_err(refuse)
}

pub(crate) async fn promotions(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    page: Asked<Page<PromotionId>>,
) -> Reply {
    let Page { before, limit } = query(page)?;
    private(StatusCode::OK, context.app.promotions(before, limit).await?)
}

pub(crate) async fn create_promotion(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<PromotionRule>,
) -> Reply {
    let made = context.app.create_promotion(command.value, command.claim).await?;
    let version = made.value.version;
    Ok(with_tag(answered(StatusCode::CREATED, made)?, version))
}

pub(crate) async fn promotion(
    State(context): State<Arc<Context>>,
    Path(promotion): Path<String>,
    _asker: Asker,
) -> Reply {
    let found = context.app.promotion(id(&promotion)?).await?;
    let version = found.version;
    Ok(with_tag(private(StatusCode::OK, found)?, version))
}

pub(crate) async fn replace_promotion(
    State(context): State<Arc<Context>>,
    Path(promotion): Path<String>,
    _asker: Asker,
    command: Command<PromotionRule>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let written = context.app.replace_promotion(id(&promotion)?, value, version, claim).await?;
    let version = written.value.version;
    Ok(with_tag(answered(StatusCode::OK, written)?, version))
}

pub(crate) async fn codes(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    page: Asked<CodesPage>,
) -> Reply {
    let CodesPage { promotion_id, after, limit } = query(page)?;
    private(StatusCode::OK, context.app.codes(promotion_id, after, limit).await?)
}

pub(crate) async fn create_codes(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewCodes>,
) -> Reply {
    answered(StatusCode::CREATED, context.app.create_codes(&command.value, command.claim).await?)
}

pub(crate) async fn change_code(
    State(context): State<Arc<Context>>,
    Path(code): Path<String>,
    _asker: Asker,
    command: Command<CodeChange>,
) -> Reply {
    private(StatusCode::OK, context.app.enable_code(&code, command.value.enabled).await?)
}

pub(crate) async fn shipping(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    let rules = context.app.shipping_rules().await?;
    let version = rules.version;
    Ok(with_tag(private(StatusCode::OK, rules)?, version))
}

pub(crate) async fn set_shipping(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<ShippingPolicy>,
) -> Reply {
    let rules = context.app.set_shipping_rules(command.value, command.version).await?;
    let version = rules.version;
    Ok(with_tag(private(StatusCode::OK, rules)?, version))
}

pub(crate) async fn taxes(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    let rules = context.app.tax_rules().await?;
    let version = rules.version;
    Ok(with_tag(private(StatusCode::OK, rules)?, version))
}

pub(crate) async fn set_taxes(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<TaxPolicy>,
) -> Reply {
    let rules = context.app.set_tax_rules(command.value, command.version).await?;
    let version = rules.version;
    Ok(with_tag(private(StatusCode::OK, rules)?, version))
}

pub(crate) async fn preview(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<Preview>,
) -> Reply {
    private(StatusCode::OK, context.app.preview_quote(command.value).await?)
}

pub(crate) async fn set_product(
    State(context): State<Arc<Context>>,
    Path(handle): Path<String>,
    _asker: Asker,
    command: Command<ProductPricing>,
) -> Reply {
    let product = id(&handle)?;
    private(StatusCode::OK, context.app.set_product_pricing(product, command.value).await?)
}

pub(crate) async fn gift_cards(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    page: Asked<Page<GiftCardId>>,
) -> Reply {
    let Page { before, limit } = query(page)?;
    private(StatusCode::OK, context.app.gift_cards(before, limit).await?)
}

pub(crate) async fn issue_gift_card(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewGiftCard>,
) -> Reply {
    let issued = context.app.issue_gift_card(command.value, command.claim).await?;
    answered(StatusCode::CREATED, issued)
}

pub(crate) async fn gift_card(
    State(context): State<Arc<Context>>,
    Path(card): Path<String>,
    _asker: Asker,
) -> Reply {
    let found = context.app.gift_card(id(&card)?).await?;
    let version = found.card.version;
    Ok(with_tag(private(StatusCode::OK, found)?, version))
}

pub(crate) async fn change_gift_card(
    State(context): State<Arc<Context>>,
    Path(card): Path<String>,
    _asker: Asker,
    command: Command<GiftCardChange>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let changed = context.app.enable_gift_card(id(&card)?, value.enabled, version, claim).await?;
    let version = changed.value.version;
    Ok(with_tag(answered(StatusCode::OK, changed)?, version))
}

pub(crate) async fn adjust_gift_card(
    State(context): State<Arc<Context>>,
    Path(card): Path<String>,
    _asker: Asker,
    command: Command<GiftCardAdjustment>,
) -> Reply {
    let Command { value, claim, version, .. } = command;
    let changed = context.app.adjust_gift_card(id(&card)?, value, version, claim).await?;
    let version = changed.value.version;
    Ok(with_tag(answered(StatusCode::OK, changed)?, version))
}
