//! What is promised before it is there can be bought at the edge, and no more of it than may be promised.

use e2e::{Client, Shop, eventually};
use serde_json::{Value, json};

use crate::guest::{SETTLE_LIMIT, cart_with, check_out, fresh_key, order_with_payment};

/// A product and a variant of it that is sold out.
fn sold_out(edge: &Client) -> (String, String) {
    let products = edge.get("/v1/products?limit=50").unwrap().expect_status(200).json();
    let products = products["items"].as_array().unwrap().clone();
    let handles = products.iter().map(|item| item["handle"].as_str().unwrap().to_owned());
    for handle in handles {
        let product = edge.get(&format!("/v1/products/{handle}")).unwrap().json();
        let variants = product["variants"].as_array().unwrap();
        let out = variants.iter().find(|variant| variant["availability"] == "out_of_stock");
        if let Some(variant) = out {
            return (handle, variant["sku"].as_str().unwrap().to_owned());
        }
    }
    panic!("the demo shop has a variant that is sold out");
}

fn variant(edge: &Client, handle: &str, sku: &str) -> Option<Value> {
    let product = edge.get(&format!("/v1/products/{handle}")).ok()?.json();
    product["variants"].as_array()?.iter().find(|variant| variant["sku"] == sku).cloned()
}

#[test]
fn what_is_promised_can_be_bought_until_the_limit_and_the_edge_says_so() {
    let shop = Shop::start().unwrap();
    let edge = shop.edge();
    let (handle, sku) = sold_out(&edge);
    let bearer = format!("Bearer {}", shop.staff_key().unwrap());
    let staff = |method: &str, path: &str, body: Value, status| {
        let key = fresh_key();
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
        let answer =
            edge.send(method, &format!("/admin/v1/{path}"), &headers, Some(&body)).unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    };
    let becomes = |availability: &str, ships_at: Value| {
        eventually(SETTLE_LIMIT, &format!("{sku} is {availability} from {ships_at}"), || {
            let found = variant(&edge, &handle, &sku)?;
            (found["availability"] == availability && found["ships_at"] == ships_at).then_some(())
        });
    };
    let backorder = json!({"kind": "allow", "pieces_max": 2});
    staff("PATCH", &format!("stock/{sku}"), json!({ "backorder": backorder }), 200);
    becomes("backorder", Value::Null);
    let day = "2099-05-01T00:00:00.000Z";
    let supply = json!({"sku": sku, "pieces": 9, "expected_at": day});
    staff("POST", "supplies", supply, 201);
    becomes("backorder", json!(day));
    let promised = json!({"kind": "backorder", "pieces": 2, "ships_at": day});
    let cart = cart_with(&edge, &sku, 2);
    let shown = edge.get(&format!("/v1/carts/{cart}")).unwrap().expect_status(200).json();
    assert_eq!(shown["lines"][0]["promise"], promised);
    let placed = check_out(&edge, &cart, &fresh_key(), "success");
    assert!(matches!(placed.status, 200 | 201), "{placed:?}");
    assert_eq!(placed.json()["promises"][0]["ships_at"], day);
    let order = order_with_payment(&edge, &placed.json(), "captured");
    assert_eq!((&order["status"], &order["lines"][0]["promise"]), (&json!("confirmed"), &promised));
    becomes("out_of_stock", Value::Null);
    let more = check_out(&edge, &cart_with(&edge, &sku, 1), &fresh_key(), "success");
    assert_eq!(more.status, 409, "{more:?}");
    assert_eq!(more.json()["errors"][0]["code"], "backorder-limit");
    let until = "2099-06-01T00:00:00.000Z";
    let pre_order = json!({"kind": "pre_order", "pieces_max": 3, "until": until});
    staff("PATCH", &format!("stock/{sku}"), json!({ "backorder": pre_order }), 200);
    becomes("preorder", json!(until));
}
