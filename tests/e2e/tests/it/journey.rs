//! One shopper from the list to the paid order, and every way that a payment can go.

use e2e::{Client, Shop, eventually};
use serde_json::json;

use crate::guest::{
    SETTLE_LIMIT, cart_with, check_out, fresh_key, order, order_form, order_with_payment,
    skus_in_stock, stock,
};

const ANDROID: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

#[test]
fn a_guest_finds_looks_buys_and_the_stock_is_one_less() {
    let shop = Shop::start().unwrap();
    let edge = &shop.edge();
    let product = finds_a_product(edge);
    let sku = product["variants"][0]["sku"].as_str().unwrap().to_owned();
    looks_at_it_in_ar(edge, &sku);
    let before = stock(edge, &sku);
    let placed = buys(edge, &sku);
    let order = order_with_payment(edge, &placed, "captured");
    assert_eq!(order["status"], "confirmed");
    assert_eq!(order["lines"][0]["sku"], sku.as_str());
    assert_eq!(stock(edge, &sku), before - 1);
    refuses_strangers(edge, &placed);
}

fn finds_a_product(edge: &Client) -> serde_json::Value {
    let list = edge.get("/v1/products?limit=5").unwrap().expect_status(200);
    for name in ["vitrine-edge", "vitrine-position", "vitrine-cache"] {
        assert!(list.header(name).is_some(), "{name}: {:?}", list);
    }
    assert_eq!(list.header("vitrine-cache"), Some("replica"));
    let title = list.json()["items"][0]["title"].as_str().unwrap().to_owned();
    let word = title.split(' ').next().unwrap().to_lowercase();
    let found = edge.get(&format!("/v1/search?q={word}")).unwrap().expect_status(200).json();
    let handle = found["items"][0]["handle"].as_str().unwrap().to_owned();
    edge.get(&format!("/v1/products/{handle}")).unwrap().expect_status(200).json()
}

fn looks_at_it_in_ar(edge: &Client, sku: &str) {
    for (agent, viewers) in
        [(ANDROID, &["scene_viewer", "webxr"][..]), (IPHONE, &["quick_look"]), (DESKTOP, &["page"])]
    {
        let headers = [("user-agent", agent)];
        let answer = edge.send("GET", &format!("/v1/ar/{sku}"), &headers, None).unwrap();
        let answer = answer.expect_status(200);
        assert!(answer.header("x-ar-decision").is_some(), "{:?}", answer);
        let manifest = answer.json();
        let viewer = manifest["recommended"]["viewer"].as_str().unwrap();
        assert!(viewers.contains(&viewer), "{agent}: {manifest}");
        let sizes = manifest["dimensions_m"].as_array().unwrap();
        assert!(sizes.iter().all(|size| size.as_f64().is_some_and(|m| m > 0.0 && m < 10.0)));
        for (link, kind, magic) in
            [("web_glb", "model/gltf-binary", &b"glTF"[..]), ("usdz", "model/vnd.usdz+zip", b"PK")]
        {
            let path = local_path(manifest["links"][link].as_str().unwrap());
            let model = edge.get(&path).unwrap().expect_status(200);
            assert_eq!(model.header("content-type"), Some(kind), "{path}");
            assert!(model.body().starts_with(magic), "{path}");
        }
    }
}

/// The path of an address of this shop.
fn local_path(url: &str) -> String {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned(),
        None => url.to_owned(),
    }
}

fn buys(edge: &Client, sku: &str) -> serde_json::Value {
    let cart = cart_with(edge, sku, 1);
    let path = format!("/v1/carts/{cart}/checkout");
    let (key, form) = (fresh_key(), order_form("success"));
    let first = edge.post(&path, &key, &form).unwrap();
    assert!(matches!(first.status, 200 | 201), "{first:?}");
    let again = edge.post(&path, &key, &form).unwrap();
    assert_eq!(
        again.json()["order_id"],
        first.json()["order_id"],
        "the same key is the same order"
    );
    let other = edge.post(&path, &key, &order_form("late")).unwrap();
    assert_eq!(other.status, 422, "the same key with another body");
    assert!(other.is_problem(), "{other:?}");
    first.json()
}

fn refuses_strangers(edge: &Client, placed: &serde_json::Value) {
    let path = format!("/v1/orders/{}", placed["order_id"].as_str().unwrap());
    let nobody = edge.get(&path).unwrap();
    assert!(matches!(nobody.status, 401 | 404) && nobody.is_problem(), "{nobody:?}");
    let wrong = [("authorization", "Bearer ot_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    let stranger = edge.send("GET", &path, &wrong, None).unwrap();
    assert!(matches!(stranger.status, 401 | 403 | 404) && stranger.is_problem(), "{stranger:?}");
    let token = placed["order_token"].as_str().unwrap();
    let in_query = edge.get(&format!("{path}?token={token}")).unwrap();
    assert_ne!(in_query.status, 200, "tokens in addresses end in logs");
}

#[test]
fn every_way_of_paying_ends_as_it_says() {
    let shop = Shop::start().unwrap();
    let edge = &shop.edge();
    let skus = skus_in_stock(edge);
    let [declined, approved, rejected, late] = [&skus[0], &skus[1], &skus[2], &skus[3]];

    let before = stock(edge, declined);
    let answer = check_out(edge, &cart_with(edge, declined, 1), &fresh_key(), "decline");
    if answer.status >= 400 {
        assert!(answer.status == 402 && answer.is_problem(), "{answer:?}");
    } else {
        order_with_payment(edge, &answer.json(), "declined");
    }
    eventually(SETTLE_LIMIT, "the declined piece is back", || {
        (stock(edge, declined) == before).then_some(())
    });

    for (sku, action, ends, taken) in
        [(approved, "approve", "captured", 1), (rejected, "reject", "declined", 0)]
    {
        let before = stock(edge, sku);
        let placed =
            check_out(edge, &cart_with(edge, sku, 1), &fresh_key(), "requires_action").json();
        assert_eq!(placed["payment_status"], "requires_action", "{placed}");
        assert_eq!(stock(edge, sku), before - 1, "held while the payer thinks");
        let id = placed["order_id"].as_str().unwrap();
        let token = format!("Bearer {}", placed["order_token"].as_str().unwrap());
        let key = fresh_key();
        let headers = [("authorization", token.as_str()), ("idempotency-key", key.as_str())];
        let path = format!("/v1/orders/{id}/payment/actions");
        let acted = edge.send("POST", &path, &headers, Some(&json!({"action": action}))).unwrap();
        assert!(acted.status < 300, "{acted:?}");
        order_with_payment(edge, &placed, ends);
        eventually(SETTLE_LIMIT, "the stock tells how it ended", || {
            (stock(edge, sku) == before - taken).then_some(())
        });
    }

    let placed = check_out(edge, &cart_with(edge, late, 1), &fresh_key(), "late").json();
    assert_ne!(placed["payment_status"], "captured", "{placed}");
    assert_eq!(order_with_payment(edge, &placed, "captured")["status"], "confirmed");
}

#[test]
fn an_account_lives_from_registration_to_logout() {
    let shop = Shop::start().unwrap();
    let edge = &shop.edge();
    let who = json!({"email": "ada@example.com", "password": "correct horse battery staple"});
    let made =
        edge.post("/v1/auth/register", &fresh_key(), &who).unwrap().expect_status(201).json();
    let bearer =
        |tokens: &serde_json::Value| format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let me = |bearer: &str| edge.send("GET", "/v1/me", &[("authorization", bearer)], None).unwrap();
    assert_eq!(me(&bearer(&made)).expect_status(200).json()["email"], "ada@example.com");

    let twice = edge.post("/v1/auth/register", &fresh_key(), &who).unwrap();
    assert!(twice.status == 409 && twice.is_problem(), "{twice:?}");
    let wrong = json!({"email": "ada@example.com", "password": "wrong horse battery staple"});
    let refused = edge.post("/v1/auth/login", &fresh_key(), &wrong).unwrap();
    assert!(refused.status == 401 && refused.is_problem(), "{refused:?}");

    let entered =
        edge.post("/v1/auth/login", &fresh_key(), &who).unwrap().expect_status(200).json();
    let renewal = json!({"refresh_token": entered["refresh_token"]});
    let renewed =
        edge.post("/v1/auth/refresh", &fresh_key(), &renewal).unwrap().expect_status(200).json();
    let replayed = edge.post("/v1/auth/refresh", &fresh_key(), &renewal).unwrap();
    assert!(replayed.status == 401 && replayed.is_problem(), "a refresh token works once");
    assert!(me("Bearer made.up.token").is_problem());

    let again = edge.post("/v1/auth/login", &fresh_key(), &who).unwrap().expect_status(200).json();
    let leave = json!({"refresh_token": again["refresh_token"]});
    let left = edge.post("/v1/auth/logout", &fresh_key(), &leave).unwrap();
    assert!(left.status < 300, "{left:?}");
    eventually(SETTLE_LIMIT, "the edge knows that the session is over", || {
        (me(&bearer(&again)).status == 401).then_some(())
    });
    drop(renewed);
}

#[test]
fn a_cart_changes_and_old_orders_keep_their_prices() {
    let shop = Shop::start().unwrap();
    let edge = &shop.edge();
    let sku = skus_in_stock(edge).remove(0);
    let cart = cart_with(edge, &sku, 1);
    let path = format!("/v1/carts/{cart}");
    let read = || edge.get(&path).unwrap().expect_status(200);
    let line = read().json()["lines"][0]["id"].as_str().unwrap().to_owned();
    let one = read().json()["totals"]["subtotal"]["minor"].as_i64().unwrap();
    let change = json!({"quantity": 2});
    let changed = edge.send("PATCH", &format!("{path}/lines/{line}"), &[], Some(&change)).unwrap();
    assert_eq!(changed.expect_status(200).json()["totals"]["subtotal"]["minor"], one * 2);
    let placed = check_out(edge, &cart, &fresh_key(), "success").json();
    assert_eq!(order(edge, &placed)["totals"]["subtotal"]["minor"], one * 2);

    let other = cart_with(edge, &sku, 1);
    let line = edge.get(&format!("/v1/carts/{other}")).unwrap().json()["lines"][0]["id"].clone();
    let path = format!("/v1/carts/{other}/lines/{}", line.as_str().unwrap());
    let gone = edge.send("DELETE", &path, &[], None).unwrap();
    assert!(gone.status < 300, "{gone:?}");
    let cart = edge.get(&format!("/v1/carts/{other}")).unwrap().json();
    assert_eq!(cart["lines"].as_array().map(Vec::len), Some(0));
    let nothing = check_out(edge, &other, &fresh_key(), "success");
    assert!((400..500).contains(&nothing.status) && nothing.is_problem(), "{nothing:?}");
}
