//! What the staff does beside the shopper: codes, gift cards and parcels; and what shoppers do with them.
//!
//! The staff's own answers tell the moment of every step, so only their heads are compared.

use serde_json::json;

use crate::case::{Case, Place, Want, get, post, request};

const PASSWORD: &str = "correct horse battery staple";
/// Enough of them are in the demo shop for every host.
const SKU: &str = "BSK-CORD-NAT";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = choices();
    cases.extend(cards());
    cases.extend(merging());
    cases.extend(holding());
    cases.extend(returning());
    cases
}

fn staff(method: &str, path: &str, body: &serde_json::Value, name: &str) -> Case {
    request(method, path, &format!("the staff {name}"))
        .send("content-type", "application/json")
        .send("authorization", "Bearer {staff_key}")
        .body(&body.to_string())
        .header("cache-control", "no-store")
}

fn put(path: &str, body: &serde_json::Value, name: &str) -> Case {
    request("PUT", path, name).send("content-type", "application/json").body(&body.to_string())
}

fn delete(path: &str, name: &str) -> Case {
    request("DELETE", path, name)
}

/// A cart with a piece in it, under this name.
fn cart(name: &'static str, sentence: &str) -> [Case; 2] {
    let lines = format!("/v1/carts/{{{name}}}/lines");
    [
        post("/v1/carts", &json!({"currency": "EUR"}), sentence)
            .status(201)
            .keep(name, Place::Json("/id")),
        post(&lines, &json!({"sku": SKU, "quantity": 1}), &format!("{sentence}, a piece in it"))
            .status(201)
            .keep("line", Place::Json("/lines/0/id")),
    ]
}

fn buy(cart: &str, method: &str, name: &str) -> Case {
    let form = json!({
        "email": "bob-{host}@conformance.test",
        "shipping_address": {"name": "Bob", "line1": "Road 2", "postal_code": "12345", "city": "Town", "country": "DE"},
        "payment": {"provider": "test", "method": method},
    });
    post(&format!("/v1/carts/{{{cart}}}/checkout"), &form, name)
        .send("idempotency-key", &format!("{{host}}-selling-{cart}"))
        .status(201)
        .keep("order", Place::Json("/order_id"))
        .keep("number", Place::Json("/number"))
        .keep("order_token", Place::Json("/order_token"))
}

/// A case that asks with the order's token.
fn with_token(case: Case) -> Case {
    case.send("authorization", "Bearer {order_token}")
}

fn choices() -> Vec<Case> {
    let mut cases = cart("cart", "a cart with choices").to_vec();
    cases.extend([
        put("/v1/carts/{cart}/destination", &json!({"country": "DE"}), "it goes somewhere")
            .route("PUT /v1/carts/{cart_id}/destination")
            .header("cache-control", "no-store")
            .json("/id", "{cart}"),
        put("/v1/carts/{cart}/destination", &json!({"country": "X"}), "but not nowhere")
            .problem(422, "invalid-input")
            .fault("/country", "invalid"),
        delete("/v1/carts/{cart}/destination", "or has not said where")
            .route("DELETE /v1/carts/{cart_id}/destination")
            .json("/id", "{cart}"),
        put("/v1/carts/{cart}/shipping-method", &json!({"method": "standard"}), "it goes somehow")
            .route("PUT /v1/carts/{cart_id}/shipping-method")
            .json("/id", "{cart}"),
        delete("/v1/carts/{cart}/shipping-method", "or has not said how")
            .route("DELETE /v1/carts/{cart_id}/shipping-method")
            .json("/id", "{cart}"),
        put("/v1/carts/{cart}/codes/NONE", &json!({}), "a code that is none")
            .problem(422, "invalid-input"),
        put("/v1/carts/{cart}/gift-cards", &json!({"code": "0000"}), "a card that is none")
            .problem(422, "invalid-input"),
    ]);
    cases
}

fn cards() -> Vec<Case> {
    let rule = json!({"title": "Spring", "trigger": "code", "class": "order", "target": {"kind": "all"},
        "effect": {"kind": "percent", "off": 1_000}});
    let card = json!({"amount": {"minor": 1_000, "currency": "EUR"}});
    vec![
        staff("POST", "/admin/v1/promotions", &rule, "makes a promotion")
            .send("idempotency-key", "{host}-promotion")
            .status(201)
            .keep("promotion", Place::Json("/id")),
        staff(
            "POST",
            "/admin/v1/codes",
            &json!({"promotion_id": "{promotion}", "count": 1}),
            "makes a code for it",
        )
        .send("idempotency-key", "{host}-code")
        .status(201)
        .keep("code", Place::Json("/items/0/code")),
        staff("POST", "/admin/v1/gift-cards", &card, "issues a gift card")
            .send("idempotency-key", "{host}-card")
            .status(201)
            .keep("card", Place::Json("/id"))
            .keep("card_code", Place::Json("/code")),
        put("/v1/carts/{cart}/codes/{code}", &json!({}), "a code takes a tenth off")
            .route("PUT /v1/carts/{cart_id}/codes/{code}")
            .json("/totals/discount/minor", 890)
            .json("/quote/promotions/0/title", "Spring"),
        put("/v1/carts/{cart}/gift-cards", &json!({"code": "{card_code}"}), "a card pays a part")
            .route("PUT /v1/carts/{cart_id}/gift-cards")
            .json("/totals/gift_cards/minor", 1_000)
            .keep("last4", Place::Json("/gift_cards/0/last4")),
        delete("/v1/carts/{cart}/gift-cards/{card}", "or does not")
            .route("DELETE /v1/carts/{cart_id}/gift-cards/{gift_card_id}")
            .json("/totals/gift_cards/minor", 0),
        delete("/v1/carts/{cart}/codes/{code}", "and a code is taken out")
            .route("DELETE /v1/carts/{cart_id}/codes/{code}")
            .json("/totals/discount/minor", 0),
    ]
}

fn merging() -> Vec<Case> {
    let credentials = json!({"email": "bob-{host}@conformance.test", "password": PASSWORD});
    let merge = |name: &str| post("/v1/carts/{guest}/merge", &json!({}), name);
    let mut cases = cart("guest", "a guest's cart").to_vec();
    cases.extend([
        post("/v1/auth/register", &credentials, "the guest makes an account")
            .status(201)
            .keep("token", Place::Json("/access_token"))
            .keep("refresh", Place::Json("/refresh_token")),
        merge("without it the cart stays a guest's").problem(401, "unauthenticated"),
        merge("with it the cart goes on as the account's")
            .route("POST /v1/carts/{cart_id}/merge")
            .send("authorization", "Bearer {token}")
            .header("cache-control", "no-store")
            .json_want("/cart/lines", Want::Long(1))
            .keep("merged", Place::Json("/cart/id"))
            .keep("merged_line", Place::Json("/cart/lines/0/id")),
    ]);
    cases
}

fn holding() -> Vec<Case> {
    let hold = |name: &str| post("/v1/orders/{order}/hold", &json!({}), name);
    let cancel = |name: &str| {
        with_token(post("/v1/orders/{order}/cancel", &json!({}), name))
            .send("idempotency-key", "{host}-cancel")
    };
    let mut cases = cart("waits", "a cart that waits for its payer").to_vec();
    cases.extend([
        buy("waits", "requires_action", "its payment waits for the shopper"),
        hold("a stranger keeps nothing").problem(404, "not-found"),
        with_token(hold("its stock is held while the shopper is there"))
            .route("POST /v1/orders/{order_id}/hold")
            .header("cache-control", "no-store")
            .keep("held_until", Place::Json("/expires_at"))
            .keep("made", Place::Json("/created_at"))
            .keep("order_line", Place::Json("/lines/0/id")),
        with_token(post("/v1/orders/{order}/cancel", &json!({}), "to call off takes a key"))
            .problem(400, "idempotency-key-required"),
        cancel("the shopper calls it off")
            .route("POST /v1/orders/{order_id}/cancel")
            .json("/status", "cancelled")
            // The job gives the payment up at the provider, within a second or so.
            .moving("/payment_status"),
        cancel("once")
            .header("idempotent-replayed", "true")
            .json("/status", "cancelled")
            .moving("/payment_status"),
        with_token(hold("what has ended is not held")).problem(409, "hold-ended"),
    ]);
    cases
}

fn returning() -> Vec<Case> {
    let parcels = "/admin/v1/orders/{order}/fulfilments";
    let wish = json!({"lines": [{"line": "{order_line}", "pieces": 1, "reason": "unwanted"}]});
    let mut cases = cart("sold", "a cart that is sold").to_vec();
    cases.extend([
        buy("sold", "success", "it is paid"),
        with_token(get("/v1/orders/{order}", "the order is seen"))
            .keep("made", Place::Json("/created_at"))
            .keep("order_line", Place::Json("/lines/0/id")),
        with_token(get("/v1/orders/{order}/invoice", "its invoice is a document"))
            .route("GET /v1/orders/{order_id}/invoice")
            .header("content-type", "application/pdf")
            .header("cache-control", "no-store"),
        get("/v1/orders/{order}/invoice", "and nobody else's").problem(404, "not-found"),
        staff("POST", parcels, &json!({}), "packs it")
            .send("idempotency-key", "{host}-pack")
            .status(201)
            .keep("parcel", Place::Json("/made")),
        staff("POST", &format!("{parcels}/{{parcel}}/ship"), &json!({}), "sends it")
            .send("idempotency-key", "{host}-ship"),
        with_token(post("/v1/orders/{order}/returns", &wish, "the shopper sends it back"))
            .route("POST /v1/orders/{order_id}/returns")
            .send("idempotency-key", "{host}-return")
            .status(201)
            .header("cache-control", "no-store")
            .json("/returns/0/status", "requested")
            .keep("return", Place::Json("/returns/0/id")),
        with_token(post(
            "/v1/orders/{order}/returns/{return}/cancel",
            &json!({}),
            "or keeps it after all",
        ))
        .route("POST /v1/orders/{order_id}/returns/{return_id}/cancel")
        .send("idempotency-key", "{host}-keep")
        .json("/returns/0/status", "cancelled"),
    ]);
    cases
}
