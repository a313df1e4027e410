//! The admin API: every route names the permission that it asks for, and nobody comes to its handler without it.

use std::sync::Arc;

use app::{Caller, Staff};
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domain::ErrorKind;
use domain::staff::Permission;
use http::Method;
use http::request::Parts;

use crate::Context;
use crate::extract::bearer;
use crate::handlers::{admin_order, import, merchant, pricing, product, shop, staff, stock};
use crate::problem::Failure;
use crate::router::Route;

/// A route of the staff.
#[derive(Debug)]
pub struct AdminRoute {
    /// The route.
    pub route: Route,
    /// What it asks for; `None`: that somebody of the staff asks.
    pub permission: Option<Permission>,
}

/// What the staff and the merchant's programs ask for, through the edge as shoppers do.
#[must_use]
pub fn admin_routes() -> Vec<AdminRoute> {
    [
        staff_routes(),
        shop_routes(),
        webhook_routes(),
        order_routes(),
        product_routes(),
        pricing_routes(),
        file_routes(),
        stock_routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn product_routes() -> Vec<AdminRoute> {
    use Permission::{CatalogueRead, CatalogueWrite};
    vec![
        admin(Method::GET, "/admin/v1/products", CatalogueRead, product::list),
        admin(Method::POST, "/admin/v1/products", CatalogueWrite, product::create),
        admin(Method::GET, "/admin/v1/products/{handle}", CatalogueRead, product::show),
        admin(Method::PATCH, "/admin/v1/products/{handle}", CatalogueWrite, product::change),
        admin(
            Method::POST,
            "/admin/v1/products/{handle}/archive",
            CatalogueWrite,
            product::archive,
        ),
        admin(
            Method::POST,
            "/admin/v1/products/{handle}/restore",
            CatalogueWrite,
            product::restore,
        ),
        admin(
            Method::PUT,
            "/admin/v1/products/{handle}/variants/{sku}",
            CatalogueWrite,
            product::put_variant,
        ),
        admin(Method::PUT, "/admin/v1/variants/{sku}/prices", CatalogueWrite, product::set_prices),
    ]
}

/// Files that come in, and files that go out.
fn file_routes() -> Vec<AdminRoute> {
    use Permission::{CatalogueRead, ImportsRead, ImportsWrite, InventoryRead, OrdersRead};
    vec![
        admin(Method::GET, "/admin/v1/imports", ImportsRead, import::list),
        admin(Method::POST, "/admin/v1/imports", ImportsWrite, import::create),
        admin(Method::GET, "/admin/v1/imports/{import_id}", ImportsRead, import::show),
        admin(
            Method::PUT,
            "/admin/v1/imports/{import_id}/parts/{number}",
            ImportsWrite,
            import::add_part,
        ),
        admin(Method::POST, "/admin/v1/imports/{import_id}/start", ImportsWrite, import::start),
        admin(Method::POST, "/admin/v1/imports/{import_id}/cancel", ImportsWrite, import::cancel),
        admin(Method::GET, "/admin/v1/imports/{import_id}/errors", ImportsRead, import::errors),
        admin(Method::GET, "/admin/v1/exports/categories", CatalogueRead, import::categories),
        admin(Method::GET, "/admin/v1/exports/products", CatalogueRead, import::products),
        admin(Method::GET, "/admin/v1/exports/stock", InventoryRead, import::stock),
        admin(Method::GET, "/admin/v1/exports/orders", OrdersRead, import::orders),
        admin(Method::GET, "/admin/v1/exports/customers", OrdersRead, import::customers),
    ]
}

fn staff_routes() -> Vec<AdminRoute> {
    use Permission::{StaffRead, StaffWrite};
    vec![
        any_staff(Method::GET, "/admin/v1/me", staff::me),
        admin(Method::GET, "/admin/v1/staff", StaffRead, staff::members),
        admin(Method::GET, "/admin/v1/staff/keys", StaffRead, staff::keys),
        admin(Method::DELETE, "/admin/v1/staff/keys/{key_id}", StaffWrite, staff::revoke_key),
    ]
}

/// What holds for the whole shop.
fn shop_routes() -> Vec<AdminRoute> {
    use Permission::{ShopRead, ShopWrite};
    vec![
        admin(Method::GET, "/admin/v1/shop", ShopRead, shop::show),
        admin(Method::PATCH, "/admin/v1/shop", ShopWrite, shop::change),
    ]
}

fn webhook_routes() -> Vec<AdminRoute> {
    use Permission::{WebhooksRead, WebhooksWrite};
    vec![
        admin(Method::GET, "/admin/v1/webhooks", WebhooksRead, merchant::list),
        admin(Method::POST, "/admin/v1/webhooks", WebhooksWrite, merchant::create),
        admin(Method::GET, "/admin/v1/webhooks/{webhook_id}", WebhooksRead, merchant::show),
        admin(Method::PATCH, "/admin/v1/webhooks/{webhook_id}", WebhooksWrite, merchant::change),
        admin(Method::DELETE, "/admin/v1/webhooks/{webhook_id}", WebhooksWrite, merchant::delete),
        admin(
            Method::POST,
            "/admin/v1/webhooks/{webhook_id}/secret",
            WebhooksWrite,
            merchant::rotate,
        ),
        admin(Method::POST, "/admin/v1/webhooks/{webhook_id}/test", WebhooksWrite, merchant::test),
        admin(
            Method::POST,
            "/admin/v1/webhooks/{webhook_id}/replay",
            WebhooksWrite,
            merchant::replay_range,
        ),
        admin(
            Method::GET,
            "/admin/v1/webhooks/{webhook_id}/deliveries",
            WebhooksRead,
            merchant::deliveries,
        ),
        admin(
            Method::GET,
            "/admin/v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
            WebhooksRead,
            merchant::delivery,
        ),
        admin(
            Method::POST,
            "/admin/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
            WebhooksWrite,
            merchant::replay,
        ),
    ]
}

/// What decides prices: promotions and policies belong to the catalogue, gift cards to the money.
fn pricing_routes() -> Vec<AdminRoute> {
    use Permission::{CatalogueRead, CatalogueWrite, PaymentsRead, PaymentsWrite};
    let promotion = "/admin/v1/promotions/{promotion_id}";
    let card = "/admin/v1/gift-cards/{gift_card_id}";
    vec![
        admin(Method::GET, "/admin/v1/promotions", CatalogueRead, pricing::promotions),
        admin(Method::POST, "/admin/v1/promotions", CatalogueWrite, pricing::create_promotion),
        admin(Method::GET, promotion, CatalogueRead, pricing::promotion),
        admin(Method::PUT, promotion, CatalogueWrite, pricing::replace_promotion),
        admin(Method::GET, "/admin/v1/codes", CatalogueRead, pricing::codes),
        admin(Method::POST, "/admin/v1/codes", CatalogueWrite, pricing::create_codes),
        admin(Method::PATCH, "/admin/v1/codes/{code}", CatalogueWrite, pricing::change_code),
        admin(Method::GET, "/admin/v1/shipping", CatalogueRead, pricing::shipping),
        admin(Method::PUT, "/admin/v1/shipping", CatalogueWrite, pricing::set_shipping),
        admin(Method::GET, "/admin/v1/taxes", CatalogueRead, pricing::taxes),
        admin(Method::PUT, "/admin/v1/taxes", CatalogueWrite, pricing::set_taxes),
        admin(Method::POST, "/admin/v1/quotes/preview", CatalogueRead, pricing::preview),
        admin(
            Method::PUT,
            "/admin/v1/products/{handle}/pricing",
            CatalogueWrite,
            pricing::set_product,
        ),
        admin(Method::GET, "/admin/v1/gift-cards", PaymentsRead, pricing::gift_cards),
        admin(Method::POST, "/admin/v1/gift-cards", PaymentsWrite, pricing::issue_gift_card),
        admin(Method::GET, card, PaymentsRead, pricing::gift_card),
        admin(Method::PATCH, card, PaymentsWrite, pricing::change_gift_card),
        admin(
            Method::POST,
            "/admin/v1/gift-cards/{gift_card_id}/adjustments",
            PaymentsWrite,
            pricing::adjust_gift_card,
        ),
    ]
}

/// What is asked for about stock.
fn stock_routes() -> Vec<AdminRoute> {
    use Permission::{InventoryRead, InventoryWrite};
    use stock as s;
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    let (read, write) = (InventoryRead, InventoryWrite);
    vec![
        admin(get.clone(), "/admin/v1/locations", read, s::locations),
        admin(post.clone(), "/admin/v1/locations", write, s::create_location),
        admin(get.clone(), "/admin/v1/locations/{location_id}", read, s::location),
        admin(patch.clone(), "/admin/v1/locations/{location_id}", write, s::change_location),
        admin(get.clone(), "/admin/v1/stock-strategy", read, s::strategy),
        admin(Method::PUT, "/admin/v1/stock-strategy", write, s::set_strategy),
        admin(get.clone(), "/admin/v1/stock", read, s::list),
        admin(get.clone(), "/admin/v1/stock/{sku}", read, s::show),
        admin(patch, "/admin/v1/stock/{sku}", write, s::set_rules),
        admin(post.clone(), "/admin/v1/stock/{sku}/adjustments", write, s::adjust),
        admin(get.clone(), "/admin/v1/stock/{sku}/movements", read, s::movements),
        admin(get.clone(), "/admin/v1/supplies", read, s::supplies),
        admin(post.clone(), "/admin/v1/supplies", write, s::create_supply),
        admin(get.clone(), "/admin/v1/supplies/{supply_id}", read, s::supply),
        admin(post.clone(), "/admin/v1/supplies/{supply_id}/steps", write, s::step_supply),
        admin(get.clone(), "/admin/v1/transfers", read, s::transfers),
        admin(post.clone(), "/admin/v1/transfers", write, s::create_transfer),
        admin(get, "/admin/v1/transfers/{transfer_id}", read, s::transfer),
        admin(post, "/admin/v1/transfers/{transfer_id}/steps", write, s::step_transfer),
    ]
}

/// The life of orders after their checkout.
fn order_routes() -> Vec<AdminRoute> {
    use Permission::{OrdersNote, OrdersRead, OrdersWrite, PaymentsWrite};
    use admin_order as order;
    vec![
        admin(Method::GET, "/admin/v1/orders", OrdersRead, order::list),
        admin(Method::GET, "/admin/v1/orders/{order_id}", OrdersRead, order::show),
        admin(Method::GET, "/admin/v1/orders/{order_id}/invoice", OrdersRead, order::invoice),
        post("/admin/v1/orders/{order_id}/capture", PaymentsWrite, order::capture),
        post("/admin/v1/orders/{order_id}/void", PaymentsWrite, order::void),
        post("/admin/v1/orders/{order_id}/refunds", PaymentsWrite, order::refund),
        post("/admin/v1/orders/{order_id}/cancel", OrdersWrite, order::cancel),
        post("/admin/v1/orders/{order_id}/complete", OrdersWrite, order::complete),
        post("/admin/v1/orders/{order_id}/fulfilments", OrdersWrite, order::fulfil),
        post(
            "/admin/v1/orders/{order_id}/fulfilments/{fulfilment_id}/ship",
            OrdersWrite,
            order::ship,
        ),
        post(
            "/admin/v1/orders/{order_id}/fulfilments/{fulfilment_id}/deliver",
            OrdersWrite,
            order::deliver,
        ),
        post(
            "/admin/v1/orders/{order_id}/fulfilments/{fulfilment_id}/cancel",
            OrdersWrite,
            order::unpack,
        ),
        post("/admin/v1/orders/{order_id}/returns", OrdersWrite, order::open_return),
        post(
            "/admin/v1/orders/{order_id}/returns/{return_id}/approve",
            OrdersWrite,
            order::approve_return,
        ),
        post(
            "/admin/v1/orders/{order_id}/returns/{return_id}/reject",
            OrdersWrite,
            order::reject_return,
        ),
        post(
            "/admin/v1/orders/{order_id}/returns/{return_id}/cancel",
            OrdersWrite,
            order::cancel_return,
        ),
        post(
            "/admin/v1/orders/{order_id}/returns/{return_id}/receive",
            OrdersWrite,
            order::receive_return,
        ),
        post("/admin/v1/orders/{order_id}/notes", OrdersNote, order::add_note),
    ]
}

fn admin<T: 'static>(
    method: Method,
    path: &'static str,
    permission: Permission,
    handler: impl Handler<T, Arc<Context>>,
) -> AdminRoute {
    AdminRoute { route: Route::new(method, path, handler), permission: Some(permission) }
}

fn post<T: 'static>(
    path: &'static str,
    permission: Permission,
    handler: impl Handler<T, Arc<Context>>,
) -> AdminRoute {
    admin(Method::POST, path, permission, handler)
}

fn any_staff<T: 'static>(
    method: Method,
    path: &'static str,
    handler: impl Handler<T, Arc<Context>>,
) -> AdminRoute {
    AdminRoute { route: Route::new(method, path, handler), permission: None }
}

/// Puts the question for its permission before each handler.
pub(crate) fn mount(context: &Arc<Context>) -> Router<Arc<Context>> {
    admin_routes().into_iter().fold(Router::new(), |router, AdminRoute { route, permission }| {
        let gate = Gate { context: Arc::clone(context), permission };
        let handler = route.handler.route_layer(from_fn_with_state(gate, demand));
        router.route(route.path, handler)
    })
}

#[derive(Clone)]
struct Gate {
    context: Arc<Context>,
    permission: Option<Permission>,
}

/// Finds out who of the staff asks, and lets them on if they may. The edge's signature was checked before.
async fn demand(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().copied();
    let bearer = bearer(request.headers()).map(str::to_owned);
    match admit(&gate, caller, bearer.as_deref()).await {
        Ok(staff) => {
            request.extensions_mut().insert(staff);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

async fn admit(
    gate: &Gate,
    caller: Option<Caller>,
    bearer: Option<&str>,
) -> Result<Staff, Failure> {
    let caller = caller.ok_or(ErrorKind::Unauthenticated)?;
    let app = gate.context.app();
    let staff = app.staff(&caller, bearer).await?;
    if let Some(permission) = gate.permission {
        app.demand(&staff, permission)?;
    }
    Ok(staff)
}

/// Who of the staff asks; nobody where no permission was asked for.
pub(crate) struct Asker(pub(crate) Staff);

impl FromRequestParts<Arc<Context>> for Asker {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        _context: &Arc<Context>,
    ) -> Result<Self, Failure> {
        let staff = parts.extensions.get::<Staff>().cloned().ok_or(ErrorKind::Unauthenticated)?;
        Ok(Self(staff))
    }
}

#[cfg(test)]
mod tests;
