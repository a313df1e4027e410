//! What clients see: bodies, headers, problems.

use bytes::Bytes;
use http::{Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ports::SqlError;
use proptest::prelude::*;
use serde_json::json;

use crate::shop::{Product, Shop};

fn chairs() -> Shop {
    let shop = Shop::empty();
    let base = Product {
        id: 1,
        handle: "lyra-chair",
        title: "Lyra Chair",
        category: "chairs",
        minor: 12_900,
        created_at_ms: 10,
        words: "seat wood",
        stock: "low",
    };
    shop.add(&base);
    shop.add(&Product {
        id: 2,
        handle: "vega-lamp",
        title: "Vega lamp",
        category: "lamps",
        minor: 4_900,
        created_at_ms: 20,
        words: "light for a chair",
        stock: "out_of_stock",
    });
    shop.execute(
        "INSERT INTO categories VALUES ('chairs', 'Chairs', 'To sit on', '/m/c.jpg', 1, 1)",
        &[],
    );
    shop.statements.set(0);
    shop
}

#[test]
fn lists_products_with_one_statement() {
    let shop = chairs();
    let page = shop.json("/v1/products?category=chairs");
    assert_eq!(
        page,
        json!({"items": [{"sku": "SKU-1", "handle": "lyra-chair", "title": "Lyra Chair", "subtitle": "A subtitle",
            "category": "chairs", "price": {"minor": 12_900, "currency": "EUR"}, "image_url": "/m/a.jpg",
            "image_alt": "A picture", "has_ar": true, "available": true, "availability": "low"}], "next_cursor": null})
    );
    assert_eq!(shop.statements.get(), 1);
    let page = shop.json("/v1/products?currency=JPY&limit=1");
    assert_eq!(page["items"][0]["price"], json!({"minor": 9_800, "currency": "JPY"}));
    assert_eq!(page["items"][0]["available"], false);
    assert!(page["next_cursor"].is_string());
}

#[test]
fn shows_a_product_with_its_default_variant_first() {
    let shop = chairs();
    let product = shop.json("/v1/products/lyra-chair");
    assert_eq!(shop.statements.get(), 2);
    assert_eq!(product["sku"], "SKU-1");
    assert_eq!(product["variants"][0]["sku"], "SKU-1");
    assert_eq!(product["variants"][1]["sku"], "SKU-1-W");
    assert_eq!(product["variants"][0]["availability"], "low");
    assert_eq!(product["variants"][0]["options"], json!({"Wood": "Oak"}));
    assert_eq!(product["options"][0]["values"], json!(["Oak", "Walnut"]));
    assert_eq!(product["model"]["dimensions_m"], json!([0.5, 0.9, 0.55]));
    assert_eq!(
        product["ar"],
        json!({"manifest_url": "/v1/ar/SKU-1",
            "manifests": {"SKU-1": "/v1/ar/SKU-1", "SKU-1-W": "/v1/ar/SKU-1-W"}})
    );
}

const PROMISE: &str = "UPDATE stock SET promise = ?2, ships_at_ms = ?3, promised_until_ms = ?4 \
    WHERE sku = ?1 AND state = 'out_of_stock'";

/// How a variant is told, and the best of its product in the list of everything and of what can be bought.
fn told(shop: &Shop, handle: &str, sku: &str) -> serde_json::Value {
    let product = shop.json(&format!("/v1/products/{handle}"));
    let variants = product["variants"].as_array().unwrap();
    let variant = variants.iter().find(|variant| variant["sku"] == sku).unwrap();
    let listed = |path: &str| {
        let page = shop.json(path);
        let items = page["items"].as_array().unwrap().iter();
        let found = items.filter(|item| item["handle"] == handle);
        found.map(|item| (item["availability"].clone(), item["available"].clone())).next()
    };
    let (best, is_available) = listed("/v1/products").unwrap();
    for path in ["/v1/products?available=true", "/v1/search?q=chair&available=true&sort=title"] {
        assert_eq!(listed(path).is_some(), is_available == true, "{path}");
    }
    json!([variant["availability"], variant["ships_at"], best, is_available])
}

#[test]
fn what_is_not_on_the_shelf_can_be_bought_while_it_is_promised() {
    let shop = chairs();
    let lamp = |promise: &str| {
        let values = promise.split(' ').collect::<Vec<_>>();
        let [kind, ships, until] = values[..] else { panic!("{promise}") };
        let number = |text: &str| text.parse::<i64>().ok();
        shop.database
            .execute(
                PROMISE,
                rusqlite::params![
                    "SKU-2",
                    (kind != "-").then_some(kind),
                    number(ships),
                    number(until)
                ],
            )
            .unwrap();
        told(&shop, "vega-lamp", "SKU-2")
    };
    assert_eq!(lamp("- - -"), json!(["out_of_stock", null, "out_of_stock", false]));
    assert_eq!(lamp("backorder - -"), json!(["backorder", null, "backorder", true]));
    let day = "1970-01-01T00:00:09.000Z";
    assert_eq!(lamp("backorder 9000 -"), json!(["backorder", day, "backorder", true]));
    assert_eq!(lamp("preorder 9000 5000"), json!(["preorder", day, "preorder", true]));
    // No delivery comes before the piece does.
    assert_eq!(lamp("preorder - 9000"), json!(["preorder", day, "preorder", true]));
    assert_eq!(lamp("preorder 5000 9000"), json!(["preorder", day, "preorder", true]));
    // A delivery that is late comes at no known day.
    assert_eq!(lamp("backorder 1000 -"), json!(["backorder", null, "backorder", true]));
    // On its day a pre-order has ended, although nobody said so.
    lamp("preorder 9000 5000");
    shop.now_ms.set(5_000);
    let ended = json!(["out_of_stock", null, "out_of_stock", false]);
    assert_eq!(told(&shop, "vega-lamp", "SKU-2"), ended);
    // The shelf comes first.
    shop.execute("UPDATE stock SET state = 'low' WHERE sku = 'SKU-2-W'", &[]);
    assert_eq!(told(&shop, "vega-lamp", "SKU-2"), json!(["out_of_stock", null, "low", true]));
}

#[test]
fn a_copy_from_before_promises_answers_as_it_did() {
    let shop = chairs();
    shop.database
        .execute_batch(
            "ALTER TABLE stock RENAME TO later;
             CREATE TABLE stock (sku TEXT NOT NULL PRIMARY KEY, product_id INTEGER NOT NULL, state TEXT NOT NULL)
               WITHOUT ROWID;
             INSERT INTO stock SELECT sku, product_id, state FROM later;
             DROP TABLE later;
             CREATE INDEX stock_product ON stock (product_id, state);",
        )
        .unwrap();
    assert_eq!(told(&shop, "lyra-chair", "SKU-1"), json!(["low", null, "low", true]));
    let out = json!(["out_of_stock", null, "out_of_stock", false]);
    assert_eq!(told(&shop, "vega-lamp", "SKU-2"), out);
}

#[test]
fn lists_categories() {
    assert_eq!(
        chairs().json("/v1/categories"),
        json!({"items": [{"handle": "chairs", "title": "Chairs", "description": "To sit on", "image_url": "/m/c.jpg",
            "product_count": 1}], "next_cursor": null})
    );
}

#[test]
fn finds_by_prefix_and_ranks_titles_above_words() {
    let shop = chairs();
    let handles = |path: &str| -> Vec<String> {
        let page = shop.json(path);
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["handle"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(handles("/v1/search?q=chai"), ["lyra-chair", "vega-lamp"]);
    assert_eq!(handles("/v1/search?q=LYRA+cha"), ["lyra-chair"]);
    assert_eq!(handles("/v1/search?q=chair&category=lamps"), ["vega-lamp"]);
    assert_eq!(handles("/v1/search?q=chair&sort=price_asc"), ["vega-lamp", "lyra-chair"]);
    for nothing in ["title%3Alyra+OR+lamp", "%22%22", "*", "%22%29+UNION+SELECT+1", "sofa"] {
        assert!(handles(&format!("/v1/search?q={nothing}")).is_empty(), "{nothing}");
    }
}

#[test]
fn says_what_is_wrong() {
    let shop = chairs();
    for (path, status, parameter) in [
        ("/v1/products?limit=0", 422, Some("limit")),
        ("/v1/products?currency=KWD", 422, Some("currency")),
        ("/v1/products/lyra-chair?currency=KWD", 422, Some("currency")),
        ("/v1/search", 422, Some("q")),
        ("/v1/products/no-such", 404, None),
        ("/v1/products/NO", 404, None),
        ("/v1/prod", 404, None),
    ] {
        let response = shop.get(path);
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["errors"][0]["pointer"].as_str(), parameter, "{path}");
    }
    let request = Request::post("/v1/products").body(Bytes::new()).unwrap();
    let response = shop.ask(request);
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::ALLOW]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn answers_head_with_the_head_alone() {
    let shop = chairs();
    let get = shop.get("/v1/products");
    let head = shop.ask(Request::head("/v1/products").body(Bytes::new()).unwrap());
    assert!(head.body().is_empty());
    assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
}

#[test]
fn an_empty_category_is_no_mistake() {
    assert_eq!(chairs().json("/v1/products?category=beds&currency=EUR")["items"], json!([]));
}

#[test]
fn asks_to_come_back_while_the_copy_is_on_its_way() {
    let shop = chairs();
    shop.error.set(Some(SqlError::NotReady));
    let response = shop.get("/v1/products");
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
        (503, &"1".parse().unwrap())
    );
    shop.error.set(Some(SqlError::Failed("secret path".to_owned())));
    let response = shop.get("/v1/products");
    assert_eq!(response.status(), 500);
    assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
    let fault = response.extensions().get::<api_types::problem::Fault>().unwrap();
    assert_eq!(fault.0, "database: secret path");
}

#[test]
fn may_be_kept_for_a_moment_and_asked_for_again() {
    let shop = chairs();
    let first = shop.get("/v1/products");
    assert_eq!(
        first.headers()[header::CACHE_CONTROL],
        "public, max-age=5, s-maxage=5, stale-if-error=86400"
    );
    assert_eq!(first.headers()["vitrine-cache"], "replica");
    assert_eq!(first.headers()[header::CONTENT_LENGTH], first.body().len().to_string());
    let request =
        Request::get("/v1/products").header(header::IF_NONE_MATCH, &first.headers()[header::ETAG]);
    let second = shop.ask(request.body(Bytes::new()).unwrap());
    assert_eq!((second.status().as_u16(), second.body().len()), (304, 0));
    assert_eq!(second.headers()["vitrine-cache"], "replica");
    shop.database.execute_batch("UPDATE product_prices SET minor = minor + 1").unwrap();
    let request =
        Request::get("/v1/products").header(header::IF_NONE_MATCH, &first.headers()[header::ETAG]);
    assert_eq!(shop.ask(request.body(Bytes::new()).unwrap()).status(), 200);
}

/// Letters to Rust that are none to the index, words of the query language, and everything that delimits.
fn typed() -> impl Strategy<Value = String> {
    let tricky = [
        "\u{345}",
        "\u{939}\u{93f}",
        "²",
        "Ⅷ",
        "'",
        "\"",
        "AND",
        "NEAR(",
        "a*",
        "\0",
        "^",
        ":",
        "-",
        "椅子",
        "é",
    ];
    let word =
        prop_oneof![proptest::sample::select(tricky.to_vec()).prop_map(str::to_owned), "\\PC{0,6}"];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.join(" "))
}

#[test]
fn whatever_is_typed_is_searched_for_and_never_a_fault() {
    let shop = chairs();
    proptest!(|(text in typed())| {
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC);
        let response = shop.get(&format!("/v1/products?q={encoded}"));
        let fault = response.extensions().get::<api_types::problem::Fault>();
        prop_assert_eq!(response.status(), 200, "{:?}", fault);
    });
}
