//! Every route, and everything that stands before it.

use std::sync::Arc;

use api_types::events;
use api_types::feed::{CHANGES_PATH, SNAPSHOT_PATH};
use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use domain::ErrorKind;
use http::Method;
use tower_http::catch_panic::CatchPanicLayer;

use crate::handlers::{account, cart, event, feed, inventory, media, operations, order, payment};
use crate::middleware;
use crate::problem::Failure;
use crate::{Context, admin};

/// A route: its method and path, and who answers.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{names}`.
    pub path: &'static str,
    pub(crate) handler: MethodRouter<Arc<Context>>,
}

impl Route {
    /// Makes a route of one method; one that no filter knows is never asked for.
    pub(crate) fn new<T: 'static>(
        method: Method,
        path: &'static str,
        handler: impl Handler<T, Arc<Context>>,
    ) -> Self {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self { method, path, handler: on(filter, handler) }
    }
}

/// What shoppers ask for, through the edge: every request carries its signature.
#[must_use]
pub fn shop_routes() -> Vec<Route> {
    vec![
        post("/v1/auth/register", account::register),
        post("/v1/auth/login", account::login),
        post("/v1/auth/refresh", account::refresh),
        post("/v1/auth/logout", account::logout),
        get("/v1/me", account::me),
        get("/v1/inventory/{sku}", inventory::show),
        post(events::PATH, event::collect),
        get("/v1/payment-methods", payment::methods),
        post("/v1/carts", cart::create),
        get("/v1/carts/{cart_id}", cart::show),
        post("/v1/carts/{cart_id}/lines", cart::add_line),
        route(
            Method::PATCH,
            MethodFilter::PATCH,
            "/v1/carts/{cart_id}/lines/{line_id}",
            cart::set_line,
        ),
        delete("/v1/carts/{cart_id}/lines/{line_id}", cart::remove_line),
        put("/v1/carts/{cart_id}/codes/{code}", cart::enter_code),
        delete("/v1/carts/{cart_id}/codes/{code}", cart::remove_code),
        put("/v1/carts/{cart_id}/gift-cards", cart::enter_gift_card),
        delete("/v1/carts/{cart_id}/gift-cards/{gift_card_id}", cart::remove_gift_card),
        put("/v1/carts/{cart_id}/destination", cart::set_destination),
        delete("/v1/carts/{cart_id}/destination", cart::clear_destination),
        put("/v1/carts/{cart_id}/shipping-method", cart::set_method),
        delete("/v1/carts/{cart_id}/shipping-method", cart::clear_method),
        post("/v1/carts/{cart_id}/merge", cart::merge),
        post("/v1/carts/{cart_id}/checkout", cart::checkout),
        get("/v1/orders", order::list),
        get("/v1/orders/{order_id}", order::show),
        post("/v1/orders/{order_id}/payment/actions", order::act),
        get("/v1/orders/{order_id}/invoice", order::invoice),
        post("/v1/orders/{order_id}/cancel", order::cancel),
        post("/v1/orders/{order_id}/returns", order::request_return),
        post("/v1/orders/{order_id}/returns/{return_id}/cancel", order::cancel_return),
        post("/v1/orders/{order_id}/hold", order::extend_hold),
    ]
}

/// What anybody may read.
#[must_use]
pub fn public_routes() -> Vec<Route> {
    vec![get("/.well-known/jwks.json", account::jwks), get("/openapi.json", operations::contract)]
}

/// What edges, the payment provider and operators ask for; each checks its own secret or tells nothing secret.
#[must_use]
pub fn internal_routes() -> Vec<Route> {
    vec![
        get(SNAPSHOT_PATH, feed::snapshot),
        get(CHANGES_PATH, feed::changes),
        get(media::PATH, media::show),
        post(events::INTERNAL_PATH, event::take_batch),
        get(events::INTERNAL_PATH, event::show_day),
        post("/internal/payments/webhook", payment::webhook),
        get("/healthz", operations::health),
        get("/metrics", operations::metrics),
    ]
}

/// Puts routes and middleware together. The layer added last sees a request first.
pub fn router(context: &Arc<Context>) -> Router {
    let shop = mount(shop_routes())
        .merge(admin::mount(context))
        .route_layer(from_fn_with_state(Arc::clone(context), middleware::verify_identity))
        .route_layer(from_fn_with_state(Arc::clone(context), middleware::keep_deadline))
        .route_layer(from_fn_with_state(Arc::clone(context), middleware::limit_in_flight));
    mount(public_routes())
        .merge(mount(internal_routes()))
        .merge(shop)
        .fallback(|| async { Failure::from(ErrorKind::NotFound) })
        .method_not_allowed_fallback(|| async { Failure::from(ErrorKind::MethodNotAllowed) })
        .layer(CatchPanicLayer::custom(middleware::answer_panic))
        .layer(from_fn_with_state(Arc::clone(context), middleware::observe))
        .with_state(Arc::clone(context))
}

fn mount(routes: Vec<Route>) -> Router<Arc<Context>> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Context>>) -> Route {
    route(Method::GET, MethodFilter::GET, path, handler)
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Context>>) -> Route {
    route(Method::POST, MethodFilter::POST, path, handler)
}

fn put<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Context>>) -> Route {
    route(Method::PUT, MethodFilter::PUT, path, handler)
}

fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Context>>) -> Route {
    route(Method::DELETE, MethodFilter::DELETE, path, handler)
}

fn route<T: 'static>(
    method: Method,
    filter: MethodFilter,
    path: &'static str,
    handler: impl Handler<T, Arc<Context>>,
) -> Route {
    Route { method, path, handler: on(filter, handler) }
}
