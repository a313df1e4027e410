//! Stock of several locations over HTTP, and its proof on the command line.

use std::process::Command;

use serde_json::json;

use crate::shop::{PROGRAM, Shop, With, checkout_body};
use crate::staff::{admin, key_of};

/// Runs `vitrine-origin stock prove`; returns whether it went well and what it said.
fn prove(data: &str) -> (bool, String) {
    let output = Command::new(PROGRAM)
        .env_remove("DATABASE_URL")
        .args(["stock", "--data", data, "prove"])
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staff_keeps_stock_at_two_places_and_an_order_is_given_from_both() {
    let shop = Shop::start(2);
    let data = shop.folder.path().join("origin");
    let data = data.to_str().unwrap();
    let role = ["key", "create", "--name", "till", "--role", "catalogue"];
    let (_, key) = key_of(&admin(&["--data", data], &role).1);
    let shown = |name| With { key: name, bearer: Some(&key), ..With::default() };
    let client = &shop.client;
    let new = json!({"name": "Shop", "country": "DE"});
    let place = client.post("/admin/v1/locations", new, shown(Some("place"))).await.expect(201);
    let place = place.text("/id");
    let path = "/admin/v1/stock/CUP-RED/adjustments";
    let brought = json!({"location_id": place, "kind": "received", "pieces": 3});
    for is_replay in [false, true] {
        let answer = client.post(path, brought.clone(), shown(Some("bring"))).await.expect(201);
        assert_eq!((&answer.body["on_hand"], answer.is_replay()), (&json!(3), is_replay));
    }
    let told = client.get("/v1/inventory/CUP-RED").await.expect(200);
    assert_eq!((&told.body["available"], &told.body["level"]), (&json!(5), &json!("low")));
    assert_eq!(told.body["sale"], json!({"kind": "from_stock"}));

    let cart = client.post("/v1/carts", json!({}), With::default()).await.expect(201).text("/id");
    let line = json!({"sku": "CUP-RED", "quantity": 5});
    client.post(&format!("/v1/carts/{cart}/lines"), line, With::default()).await.expect(201);
    let request = json!({
        "email": "ada@example.org",
        "shipping_address": {"name": "Ada", "line1": "Street 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
        "payment": {"provider": "test", "method": "requires_action"}
    });
    let checkout = format!("/v1/carts/{cart}/checkout");
    let buy = With { key: Some("buy"), ..With::default() };
    let placed = client.post(&checkout, request, buy).await.expect(201);
    let (order, token) = (placed.text("/order_id"), placed.text("/order_token"));
    let holder = With { bearer: Some(&token), ..With::default() };
    let hold = format!("/v1/orders/{order}/hold");
    client.post(&hold, json!({}), holder.clone()).await.expect(200).text("/expires_at");
    let approve = json!({"action": "approve"});
    let act = format!("/v1/orders/{order}/payment/actions");
    assert_eq!(
        client.post(&act, approve, holder.clone()).await.expect(200).text("/status"),
        "confirmed"
    );
    client.post(&hold, json!({}), holder).await.expect_problem(409, "hold-ended");

    let page = format!("/admin/v1/stock/CUP-RED/movements?location_id={place}&limit=2");
    let page = client.ask("GET", &page, None, shown(None)).await.expect(200);
    assert_eq!(
        (page.text("/items/0/kind"), page.text("/items/1/kind")),
        ("sold".into(), "reserved".into())
    );
    assert_eq!(page.text("/items/0/order_id"), order);
    for (path, body, code) in [
        (path, json!({"kind": "sold", "pieces": 1}), "invalid-input"),
        ("/admin/v1/stock/NO-SUCH/adjustments", json!({"counted": 1}), "not-found"),
        (
            "/admin/v1/transfers",
            json!({"from_id": place, "to_id": place, "lines": []}),
            "invalid-input",
        ),
        ("/admin/v1/supplies", json!({"sku": "CUP-RED", "pieces": 0}), "invalid-input"),
    ] {
        let status = if code == "not-found" { 404 } else { 422 };
        client.post(path, body, shown(None)).await.expect_problem(status, code);
    }
    let (is_good, said) = prove(data);
    assert!(is_good && said.ends_with("0 faults\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ships_later_than_was_shown_is_refused_to_who_says_what_was_shown() {
    let shop = Shop::start(1);
    let data = shop.folder.path().join("origin");
    let role = ["key", "create", "--name", "till", "--role", "catalogue"];
    let (_, key) = key_of(&admin(&["--data", data.to_str().unwrap()], &role).1);
    let staff = |name| With { key: Some(name), bearer: Some(&key), ..With::default() };
    let client = &shop.client;
    let rules = json!({"backorder": {"kind": "allow", "pieces_max": 9}});
    let path = "/admin/v1/stock/CUP-RED";
    client.ask("PATCH", path, Some(rules), staff("rules")).await.expect(200);
    let day = "2099-05-01T00:00:00.000Z";
    let supply = json!({"sku": "CUP-RED", "pieces": 9, "expected_at": day});
    client.post("/admin/v1/supplies", supply, staff("supply")).await.expect(201);

    let cart = client.cart_with("CUP-RED", 3).await;
    let shown = client.get(&format!("/v1/carts/{cart}")).await.expect(200);
    let promise = json!({"kind": "backorder", "pieces": 2, "ships_at": day});
    assert_eq!(shown.body["lines"][0]["promise"], promise);
    let mut request = checkout_body("success");
    request["expected_promises"] = json!([]);
    let checkout = format!("/v1/carts/{cart}/checkout");
    let buy = |name| With { key: Some(name), ..With::default() };
    let refused = client.post(&checkout, request.clone(), buy("a")).await;
    assert_eq!(
        refused.body["errors"],
        json!([{"pointer": "/lines/0", "code": "promise-changed",
            "detail": format!("was in stock, is 2 on backorder, from {day}")}])
    );
    refused.expect_problem(409, "promise-changed");
    request["expected_promises"] = json!([{"line": shown.text("/lines/0/id"), "kind": "backorder",
        "pieces": 2, "ships_at": day}]);
    let placed = client.post(&checkout, request, buy("b")).await.expect(201);
    let bearer = placed.text("/order_token");
    let holder = With { bearer: Some(&bearer), ..With::default() };
    let order = format!("/v1/orders/{}", placed.text("/order_id"));
    let order = client.ask("GET", &order, None, holder).await.expect(200);
    assert_eq!(order.body["lines"][0]["promise"], promise);
    assert_eq!(placed.text("/promises/0/line"), order.text("/lines/0/id"));
    assert_eq!(placed.body["promises"][0]["pieces"], 2);
}
