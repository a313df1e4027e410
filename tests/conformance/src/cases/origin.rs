//! What only the origin can answer, through the edge: a cart, its checkout, an order; and how each can be refused.

use std::time::Duration;

use crate::case::{Case, Place, Want, get, post, request};
use serde_json::{Value, json};

/// Longest way of a change to an edge.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = carts();
    cases.extend(lines());
    cases.extend(bad_lines());
    cases.extend(checkout());
    cases.extend(orders());
    cases.extend(payments());
    cases.extend(stock());
    cases.extend(events());
    cases
}

/// A case in the name of one client, so that keys of guests are the same guest's.
fn same_client(case: Case) -> Case {
    case.send("x-forwarded-for", "192.0.2.77")
}

fn carts() -> Vec<Case> {
    let new = |key: &str, currency: &str, name: &str| {
        same_client(post("/v1/carts", &json!({ "currency": currency }), name))
            .send("idempotency-key", key)
    };
    vec![
        new("{host}-cart-1", "EUR", "a cart is made")
            .route("POST /v1/carts")
            .status(201)
            .header("cache-control", "no-store")
            .header("vitrine-cache", "origin")
            .header("etag", "\"1\"")
            .lacks("idempotent-replayed")
            .json("/currency", "EUR")
            .json("/version", 1)
            .json_want("/lines", Want::Long(0))
            .keep("cart", Place::Json("/id")),
        new("{host}-cart-1", "EUR", "the same key again is the same cart")
            .status(201)
            .header("idempotent-replayed", "true")
            .json("/id", "{cart}"),
        new("{host}-cart-1", "USD", "the same key with other words is refused")
            .problem(422, "idempotency-key-reuse"),
        new(&"k".repeat(256), "EUR", "a key that is too long is refused")
            .problem(400, "idempotency-key-invalid"),
        get("/v1/carts/{cart}", "who knows the cart sees it")
            .route("GET /v1/carts/{cart_id}")
            .header("cache-control", "no-store")
            .json("/id", "{cart}")
            .json("/status", "open"),
        get(&format!("/v1/carts/{NOBODY}"), "a cart that is none").problem(404, "not-found"),
        get("/v1/carts/none", "an id that is none").problem(404, "not-found"),
        post("/v1/carts", &json!({}), "a cart without a currency is the shop's")
            .status(201)
            .json("/currency", "EUR")
            .keep("plain_cart", Place::Json("/id")),
    ]
}

fn add(sku: &str, quantity: i64, name: &str) -> Case {
    post("/v1/carts/{cart}/lines", &json!({"sku": sku, "quantity": quantity}), name)
        .route("POST /v1/carts/{cart_id}/lines")
}

fn lines() -> Vec<Case> {
    let line = "/v1/carts/{cart}/lines/{line}";
    let change = |quantity: i64, name: &str| {
        request("PATCH", line, name)
            .route("PATCH /v1/carts/{cart_id}/lines/{line_id}")
            .send("content-type", "application/json")
            .body(&json!({ "quantity": quantity }).to_string())
    };
    vec![
        add("BSK-CORD-NAT", 2, "a piece is put in")
            .send("idempotency-key", "{host}-line-1")
            .status(201)
            .json("/version", 2)
            .json("/lines/0/sku", "BSK-CORD-NAT")
            .json("/lines/0/quantity", 2)
            .json("/lines/0/unit_price/minor", 8_900)
            .json("/lines/0/line_total/minor", 17_800)
            .json("/totals/subtotal/minor", 17_800)
            .keep("line", Place::Json("/lines/0/id")),
        add("BSK-CORD-NAT", 2, "the same key puts it in once")
            .send("idempotency-key", "{host}-line-1")
            .status(201)
            .header("idempotent-replayed", "true")
            .json("/version", 2),
        change(3, "a line is changed by who has the version")
            .send("if-match", "\"2\"")
            .header("etag", "\"3\"")
            .json("/lines/0/quantity", 3),
        change(4, "who has an old version is told so")
            .send("if-match", "\"2\"")
            .problem(412, "precondition-failed"),
        change(1, "without a version the last one wins").json("/lines/0/quantity", 1),
        add("BWL-ONDA-SND", 1, "another piece")
            .status(201)
            .json_want("/lines", Want::Long(2))
            .keep("other_line", Place::Json("/lines/1/id")),
        request("DELETE", "/v1/carts/{cart}/lines/{other_line}", "a line is taken out")
            .route("DELETE /v1/carts/{cart_id}/lines/{line_id}")
            .json_want("/lines", Want::Long(1)),
        request("DELETE", "/v1/carts/{cart}/lines/{other_line}", "only once")
            .problem(404, "not-found"),
        request(
            "DELETE",
            &format!("/v1/carts/{NOBODY}/lines/{NOBODY}"),
            "not from a cart that is none",
        )
        .problem(404, "not-found"),
    ]
}

fn bad_lines() -> Vec<Case> {
    vec![
        add("NO-SUCH-SKU", 1, "an unknown piece")
            .problem(422, "invalid-input")
            .fault("/sku", "unknown"),
        add("lower", 1, "a name that is none").problem(422, "invalid-input"),
        add("BSK-CORD-NAT", 0, "none of it")
            .problem(422, "invalid-input")
            .fault("/quantity", "out-of-range"),
        add("BSK-CORD-NAT", 100, "a hundred of it").problem(422, "invalid-input"),
        add("BSK-CORD-NAT", -1, "less than none").problem(422, "invalid-input"),
        post("/v1/carts/{cart}/lines", &json!({}), "nothing at all").problem(422, "invalid-input"),
        post("/v1/carts/{cart}/lines", &json!({"sku": 7}), "a number for a name")
            .problem(422, "invalid-input"),
        request("PATCH", "/v1/carts/{cart}/lines/{line}", "a change of nothing")
            .send("content-type", "application/json")
            .body("{}")
            .problem(422, "invalid-input"),
    ]
}

fn form(method: &str) -> Value {
    json!({
        "email": "ada-{host}@conformance.test",
        "shipping_address": {"name": "Ada", "line1": "Road 1", "postal_code": "12345", "city": "Town", "country": "DE"},
        "payment": {"provider": "test", "method": method},
    })
}

fn pay(cart: &str, key: &str, method: &str, name: &str) -> Case {
    post(&format!("/v1/carts/{{{cart}}}/checkout"), &form(method), name)
        .route("POST /v1/carts/{cart_id}/checkout")
        .send("idempotency-key", key)
}

fn checkout() -> Vec<Case> {
    vec![
        post("/v1/carts/{cart}/checkout", &form("success"), "a checkout needs a key")
            .problem(400, "idempotency-key-required"),
        post("/v1/carts/{cart}/checkout", &json!({}), "every missing word is named")
            .send("idempotency-key", "{host}-pay-0")
            .problem(422, "invalid-input")
            .fault("/email", "required")
            .json_want("/errors", Want::Long(8)),
        pay("plain_cart", "{host}-pay-empty", "success", "an empty cart is not sold")
            .problem(422, "cart-empty"),
        pay("cart", "{host}-pay-1", "decline", "a declined card buys nothing")
            .problem(402, "payment-declined"),
        pay("cart", "{host}-pay-2", "success", "a good one buys it")
            .status(201)
            .header("cache-control", "no-store")
            .lacks("idempotent-replayed")
            .json("/status", "confirmed")
            .json("/payment_status", "captured")
            .json("/totals/subtotal/minor", 8_900)
            .json_want("/order_token", Want::Starts("ot_".into()))
            .keep("order", Place::Json("/order_id"))
            .keep("number", Place::Json("/number"))
            .keep("order_token", Place::Json("/order_token")),
        pay("cart", "{host}-pay-2", "success", "the same key is the same order")
            .status(201)
            .header("idempotent-replayed", "true")
            .json("/order_id", "{order}"),
        pay("cart", "{host}-pay-2", "late", "the same key with another way to pay is refused")
            .problem(422, "idempotency-key-reuse"),
        pay("cart", "{host}-pay-3", "success", "a cart is bought once")
            .problem(409, "cart-checked-out"),
        add("BWL-ONDA-SND", 1, "nothing is added afterwards").problem(409, "cart-checked-out"),
    ]
}

fn orders() -> Vec<Case> {
    let order = |name: &str| get("/v1/orders/{order}", name);
    vec![
        order("who has the order's token sees it")
            .route("GET /v1/orders/{order_id}")
            .send("authorization", "Bearer {order_token}")
            .header("cache-control", "no-store")
            .json("/id", "{order}")
            .json("/number", "{number}")
            .json("/status", "confirmed")
            .json("/lines/0/sku", "BSK-CORD-NAT")
            .json("/shipping_address/country", "DE")
            .keep("order_line", Place::Json("/lines/0/id"))
            .keep("order_made", Place::Json("/created_at")),
        order("who has none does not").problem(404, "not-found"),
        order("who has another does not")
            .send("authorization", "Bearer ot_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
            .problem(404, "not-found"),
        get("/v1/orders/{order}?token={order_token}", "a token in the address is not looked at")
            .problem(404, "not-found"),
        get(&format!("/v1/orders/{NOBODY}"), "an order that is none").problem(404, "not-found"),
    ]
}

/// A payment that waits for the shopper.
fn payments() -> Vec<Case> {
    let act = |action: &str, name: &str| {
        post("/v1/orders/{waiting}/payment/actions", &json!({ "action": action }), name)
            .route("POST /v1/orders/{order_id}/payment/actions")
            .send("authorization", "Bearer {waiting_token}")
    };
    vec![
        post("/v1/carts", &json!({"currency": "EUR"}), "another cart")
            .status(201)
            .keep("cart", Place::Json("/id")),
        add("BWL-ONDA-SEA", 1, "another piece in it")
            .status(201)
            .keep("line", Place::Json("/lines/0/id")),
        pay("cart", "{host}-pay-4", "requires_action", "a payment may wait for the shopper")
            .status(201)
            .json_want("/next_action", Want::There)
            .keep("waiting", Place::Json("/order_id"))
            .keep("number", Place::Json("/number"))
            .keep("waiting_token", Place::Json("/order_token")),
        act("dance", "an unknown action is refused").problem(422, "invalid-input"),
        act("approve", "the shopper approves")
            .json("/payment_status", "captured")
            .keep("waiting_line", Place::Json("/lines/0/id"))
            .keep("waiting_made", Place::Json("/created_at")),
        act("approve", "approving twice is approving once").json("/payment_status", "captured"),
        act("reject", "it is too late to reject").problem(409, "no-action-required"),
        post(
            "/v1/orders/{waiting}/payment/actions",
            &json!({"action": "approve"}),
            "strangers cannot",
        )
        .problem(404, "not-found"),
    ]
}

fn stock() -> Vec<Case> {
    vec![
        get("/v1/payment-methods", "how the shop can be paid is the origin's to say")
            .route("GET /v1/payment-methods")
            .header("vitrine-cache", "origin")
            .header("cache-control", "no-store")
            .json("/providers/0/provider", "test")
            .json("/providers/0/methods/0", "success"),
        get("/v1/inventory/CHR-LYRA-WAL", "exact stock is the origin's to say")
            .route("GET /v1/inventory/{sku}")
            .header("vitrine-cache", "origin")
            .json("/sku", "CHR-LYRA-WAL")
            .json("/available", 18),
        get("/v1/inventory/NO-SUCH-SKU", "of what is not sold there is none")
            .problem(404, "not-found"),
        get("/v1/products/nido-armchair", "what is sold out reaches the edge")
            .within(ARRIVES_WITHIN)
            .json("/variants/3/availability", "out_of_stock"),
        post("/v1/carts", &json!({}), "a cart for what is sold out")
            .status(201)
            .keep("cart", Place::Json("/id")),
        add("ARM-NIDO-SLT", 1, "it can be put in")
            .status(201)
            .keep("line", Place::Json("/lines/0/id")),
        pay("cart", "{host}-pay-5", "success", "and not be bought").problem(409, "out-of-stock"),
    ]
}

fn events() -> Vec<Case> {
    let send = |events: Value, name: &str| {
        post("/v1/events", &json!({ "events": events }), name).route("POST /v1/events")
    };
    let view = json!({"name": "product_view", "subject": "lyra-chair"});
    let many: Vec<Value> = (0..21).map(|_| view.clone()).collect();
    vec![
        send(json!([view, {"name": "search"}]), "what happened is taken")
            .status(202)
            .header("cache-control", "no-store")
            .json("/accepted", 2),
        send(json!(many.get(..20)), "twenty at once").status(202).json("/accepted", 20),
        send(json!(many), "twenty-one are too many").problem(422, "invalid-input"),
        send(json!([]), "none is too few").problem(422, "invalid-input"),
        send(json!([{"name": "steal"}]), "what is not on the list is refused")
            .problem(422, "invalid-input"),
        send(
            json!([{"name": "search", "subject": "ada@example.org"}]),
            "nothing personal is taken",
        )
        .problem(422, "invalid-input"),
        send(json!([{"name": "page_view", "subject": "secret"}]), "an unknown page is refused")
            .problem(422, "invalid-input"),
        post("/v1/events", &json!([]), "a list is no report").problem(422, "invalid-input"),
        request("POST", "/v1/events", "half a report is unreadable")
            .send("content-type", "application/json")
            .body("{")
            .problem(400, "unreadable"),
        request("POST", "/v1/events", "a beacon as text is read or refused, the same everywhere")
            .send("content-type", "text/plain;charset=UTF-8")
            .body(&json!({"events": [{"name": "search"}]}).to_string())
            .problem(415, "unsupported-media-type"),
        send(json!([{"name": "x".repeat(9 * 1024)}]), "more than 8 KiB is refused")
            .problem(413, "too-large"),
        get("/v1/events", "reports are not read here").status(405),
    ]
}
