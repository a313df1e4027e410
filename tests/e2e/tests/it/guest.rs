//! A guest who buys: the steps that several journeys share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use e2e::{Answer, Client, eventually};
use serde_json::{Value, json};

/// Longest that a payment may take to settle by itself.
pub(crate) const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// A key that no other request of this run has.
pub(crate) fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("e2e-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Every SKU of the shop that can be bought, by the public lists.
pub(crate) fn skus_in_stock(edge: &Client) -> Vec<String> {
    let products = edge.get("/v1/products?limit=50").unwrap().expect_status(200).json();
    let mut skus = Vec::new();
    for item in products["items"].as_array().unwrap() {
        let handle = item["handle"].as_str().unwrap();
        let product =
            edge.get(&format!("/v1/products/{handle}")).unwrap().expect_status(200).json();
        for variant in product["variants"].as_array().unwrap() {
            if variant["availability"] != "out_of_stock" {
                skus.push(variant["sku"].as_str().unwrap().to_owned());
            }
        }
    }
    skus
}

/// The exact stock.
pub(crate) fn stock(edge: &Client, sku: &str) -> i64 {
    let answer = edge.get(&format!("/v1/inventory/{sku}")).unwrap().expect_status(200);
    answer.json()["available"].as_i64().unwrap()
}

/// A new cart with so many pieces in it.
pub(crate) fn cart_with(edge: &Client, sku: &str, quantity: i64) -> String {
    let cart = edge.post("/v1/carts", &fresh_key(), &json!({})).unwrap().expect_status(201).json();
    let id = cart["id"].as_str().unwrap().to_owned();
    let line = json!({"sku": sku, "quantity": quantity});
    let answer = edge.post(&format!("/v1/carts/{id}/lines"), &fresh_key(), &line).unwrap();
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    id
}

/// The body of a checkout.
pub(crate) fn order_form(method: &str) -> Value {
    json!({
        "email": "guest@example.com",
        "shipping_address": {
            "name": "Guest", "line1": "Glass Street 1", "postal_code": "10115",
            "city": "Berlin", "country": "DE",
        },
        "payment": {"provider": "test", "method": method},
    })
}

/// Turns a cart into an order.
pub(crate) fn check_out(edge: &Client, cart: &str, key: &str, method: &str) -> Answer {
    edge.post(&format!("/v1/carts/{cart}/checkout"), key, &order_form(method)).unwrap()
}

/// Reads an order with the token that its checkout returned.
pub(crate) fn order(edge: &Client, placed: &Value) -> Value {
    let id = placed["order_id"].as_str().unwrap();
    let token = format!("Bearer {}", placed["order_token"].as_str().unwrap());
    let headers = [("authorization", token.as_str())];
    edge.send("GET", &format!("/v1/orders/{id}"), &headers, None).unwrap().expect_status(200).json()
}

/// Waits until the payment of an order has that state, and returns the order.
pub(crate) fn order_with_payment(edge: &Client, placed: &Value, status: &str) -> Value {
    eventually(SETTLE_LIMIT, &format!("the payment is {status}"), || {
        let order = order(edge, placed);
        (order["payment_status"] == status).then_some(order)
    })
}
