//! What the staff writes about prices, and what shoppers see of it, over HTTP.

use serde_json::json;

use crate::shop::{Asker, Shop, With, key};
use crate::staff::{admin, key_of};

fn staff<'a>(token: &'a str, key: &'a str) -> With<'a> {
    With { bearer: Some(token), key: Some(key), ..With::default() }
}

fn staff_key(shop: &Shop, role: &str) -> String {
    let data = shop.folder.path().join("origin");
    let database = ["--data", data.to_str().unwrap()];
    let arguments = ["key", "create", "--name", role, "--role", role, "--days", "30"];
    let (is_done, said) = admin(&database, &arguments);
    assert!(is_done, "{said}");
    key_of(&said).1
}

async fn put(asker: &Asker, path: &str, body: serde_json::Value) -> crate::shop::Answer {
    asker.ask("PUT", path, Some(body), With::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_and_a_gift_card_pay_for_a_cart() {
    let shop = Shop::start(10);
    let asker = shop.client.clone();
    let (catalogue, money) = (staff_key(&shop, "catalogue"), staff_key(&shop, "payments"));
    let rule = json!({"title": "Spring", "trigger": "code", "class": "order", "target": {"kind": "all"},
        "effect": {"kind": "percent", "off": 1_000}});
    let refused = asker.post("/admin/v1/promotions", rule.clone(), staff(&money, "p")).await;
    refused.expect_problem(403, "permission-required");
    let made = asker.post("/admin/v1/promotions", rule, staff(&catalogue, "p")).await.expect(201);
    assert_eq!(made.headers["etag"], "\"1\"");
    let codes = json!({"promotion_id": made.text("/id"), "code": "spring-10", "uses_max": 1});
    asker.post("/admin/v1/codes", codes, staff(&catalogue, "c")).await.expect(201);
    let listed = format!("/admin/v1/codes?promotion_id={}&limit=5", made.text("/id"));
    let listed = asker.ask("GET", &listed, None, staff(&catalogue, "l")).await.expect(200);
    assert_eq!(listed.text("/items/0/code"), "SPRING10");
    let card = json!({"amount": {"minor": 1_000, "currency": "EUR"}});
    let issued =
        asker.post("/admin/v1/gift-cards", card.clone(), staff(&money, "g")).await.expect(201);
    let again = asker.post("/admin/v1/gift-cards", card, staff(&money, "g")).await.expect(201);
    assert!(again.is_replay());
    assert_eq!(again.body, issued.body);

    let cart = asker.cart_with("CUP-RED", 2).await;
    let path = format!("/v1/carts/{cart}");
    let stale = With { if_match: Some("\"1\""), ..With::default() };
    let code = format!("{path}/codes/Spring%2010");
    asker.ask("PUT", &code, None, stale).await.expect_problem(412, "precondition-failed");
    asker.ask("PUT", &code, None, With::default()).await.expect(200);
    let unknown = asker.ask("PUT", &format!("{path}/codes/NONE"), None, With::default()).await;
    unknown.expect_problem(422, "invalid-input");
    let cards = format!("{path}/gift-cards");
    put(&asker, &cards, json!({"code": "0000"})).await.expect_problem(422, "invalid-input");
    let entered = put(&asker, &cards, json!({"code": issued.text("/code")})).await.expect(200);
    assert_eq!(entered.headers["etag"], "\"4\"");
    assert_eq!(entered.text("/quote/promotions/0/title"), "Spring");
    let totals = &entered.body["totals"];
    let minor = |name: &str| totals[name]["minor"].as_i64().unwrap();
    assert_eq!(
        (minor("subtotal"), minor("discount"), minor("total"), minor("gift_cards"), minor("due")),
        (3_800, 380, 3_910, 1_000, 2_910)
    );
    put(&asker, &format!("{path}/destination"), json!({"country": "de"})).await.expect(200);
    put(&asker, &format!("{path}/shipping-method"), json!({"method": "standard"}))
        .await
        .expect(200);
    for part in ["destination", "shipping-method"] {
        let path = format!("{path}/{part}");
        asker.ask("DELETE", &path, None, With::default()).await.expect(200);
    }
    let bought = asker.checkout(&cart, "success", key("k")).await.expect(201);
    assert_eq!(bought.body["totals"]["due"]["minor"], 2_910);
    let card = format!("/admin/v1/gift-cards/{}", issued.text("/id"));
    let after = asker.ask("GET", &card, None, staff(&money, "s")).await.expect(200);
    assert_eq!(after.body["balance"]["minor"], 0);
    assert!(after.body.get("code").is_none());

    let other = asker.cart_with("CUP-RED", 1).await;
    let code = format!("/v1/carts/{other}/codes/SPRING10");
    let late = asker.ask("PUT", &code, None, With::default()).await.expect(200);
    assert_eq!(late.text("/quote/refused_codes/0/reason"), "used_up");
    asker.checkout(&other, "success", key("k2")).await.expect_problem(409, "code-refused");
    asker.ask("DELETE", &code, None, With::default()).await.expect(200);
    asker.checkout(&other, "success", key("k2")).await.expect(201);
    assert_eq!(shop.books().await.ledger_imbalance, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_settings_are_everybodys_to_read_and_the_owners_to_change() {
    let shop = Shop::start(10);
    let asker = shop.client.clone();
    let (owner, catalogue) = (staff_key(&shop, "owner"), staff_key(&shop, "catalogue"));
    let path = "/admin/v1/shop";
    let first = asker.ask("GET", path, None, staff(&catalogue, "r")).await.expect(200);
    assert_eq!(
        (&first.headers["etag"], first.text("/country")),
        (&"\"0\"".parse().unwrap(), "DE".to_owned())
    );
    let numbers = json!({"order_numbers": {"prefix": "2027/", "digits": 8}});
    let refused = asker.ask("PATCH", path, Some(numbers.clone()), staff(&catalogue, "p")).await;
    refused.expect_problem(403, "permission-required");
    let seen = With { if_match: Some("\"0\""), ..staff(&owner, "p") };
    let changed = asker.ask("PATCH", path, Some(numbers.clone()), seen).await.expect(200);
    assert_eq!(changed.headers["etag"], "\"1\"");
    let seen = With { if_match: Some("\"0\""), ..staff(&owner, "p") };
    let again = asker.ask("PATCH", path, Some(numbers.clone()), seen).await.expect(200);
    assert!(again.is_replay());
    assert_eq!(again.body, changed.body);
    let stale = With { if_match: Some("\"0\""), ..staff(&owner, "q") };
    let stale = asker.ask("PATCH", path, Some(numbers), stale).await;
    stale.expect_problem(412, "precondition-failed");
    let wrong = json!({"country": "Austria", "order_numbers": {"drawing": {"kind": "blocks"}}});
    let wrong = asker.ask("PATCH", path, Some(wrong), staff(&owner, "w")).await;
    let pointers = [wrong.text("/errors/0/pointer"), wrong.text("/errors/1/pointer")];
    wrong.expect_problem(422, "invalid-input");
    assert_eq!(pointers, ["/country", "/order_numbers/drawing/kind"]);
    let strange = json!({"currencies": ["EUR"]});
    let strange = asker.ask("PATCH", path, Some(strange), staff(&owner, "s")).await;
    strange.expect_problem(422, "invalid-input");
    let cart = asker.cart_with("CUP-RED", 1).await;
    let bought = asker.checkout(&cart, "success", key("k")).await.expect(201);
    assert_eq!(bought.text("/number"), "2027/00100001");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_written_whole_and_seen_by_the_next_cart() {
    let shop = Shop::start(10);
    let asker = shop.client.clone();
    let catalogue = staff_key(&shop, "catalogue");
    let first = With { bearer: Some(&catalogue), if_match: Some("\"0\""), ..With::default() };
    let policy = json!({"methods": [{"id": "post", "title": "Post", "tariffs": [
        {"places": [], "price": {"kind": "flat", "price": {"EUR": 700}}, "days": {"min": 1, "max": 2}}]}]});
    let wrong = json!({"methods": [{"id": "post", "title": "", "tariffs": []}]});
    let refused = asker.ask("PUT", "/admin/v1/shipping", Some(wrong), staff(&catalogue, "w")).await;
    refused.expect_problem(422, "invalid-input");
    let cart = asker.cart_with("CUP-RED", 1).await;
    let preview = json!({"cart_id": cart, "shipping": policy});
    let preview =
        asker.post("/admin/v1/quotes/preview", preview, staff(&catalogue, "v")).await.expect(200);
    assert_eq!(preview.body["totals"]["shipping"]["minor"], 700);
    let written = asker.ask("PUT", "/admin/v1/shipping", Some(policy), first).await.expect(200);
    assert_eq!(written.headers["etag"], "\"1\"");
    let taxes = json!({"price_mode": "exclusive", "shipping": {"kind": "proportional"}, "zones": [
        {"name": "all", "places": [], "rates": [{"name": "VAT", "class": "standard", "rate": 100_000}]}]});
    asker.ask("PUT", "/admin/v1/taxes", Some(taxes), staff(&catalogue, "t")).await.expect(200);
    let seen = asker.get(&format!("/v1/carts/{cart}")).await.expect(200);
    assert_eq!(seen.body["totals"]["total"]["minor"], 1_900 + 700 + 190 + 70);
    assert_eq!(seen.text("/quote/shipping/title"), "Post");
    let bought = asker.checkout(&cart, "success", key("k")).await.expect(201);
    assert_eq!(bought.body["totals"], seen.body["totals"]);
}
