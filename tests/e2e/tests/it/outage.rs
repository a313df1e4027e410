//! The shop without its origin: it shows, and says honestly that it cannot sell.

use std::time::{Duration, Instant};

use e2e::{Client, Role, Shop, eventually};
use serde_json::json;

use crate::guest::{cart_with, check_out, fresh_key, skus_in_stock, stock};

/// Longest that a refused write may take.
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);
const HEAL_LIMIT: Duration = Duration::from_secs(30);
/// The node says that it is behind after 10 s without contact.
const STALE_LIMIT: Duration = Duration::from_secs(40);

#[test]
fn without_the_origin_the_shop_shows_and_refuses_to_sell_and_heals() {
    let mut shop = Shop::start().unwrap();
    let edge = &shop.edge();
    let sku = skus_in_stock(edge).remove(0);
    let cart = cart_with(edge, &sku, 1);
    shop.stop(Role::Origin).unwrap();

    reads_answer(edge, &sku);
    writes_are_refused(edge, &cart, &sku);
    eventually(STALE_LIMIT, "the edge says how old its copy is", || {
        edge.get("/v1/products?limit=1").ok()?.header("vitrine-stale").map(str::to_owned)
    });
    reads_answer(edge, &sku);

    shop.restart(Role::Origin).unwrap();
    let before = eventually(HEAL_LIMIT, "the edge finds the origin again", || {
        let answer = edge.get(&format!("/v1/inventory/{sku}")).ok()?;
        answer.json()["available"].as_i64()
    });
    let placed = check_out(edge, &cart, &fresh_key(), "success");
    assert!(matches!(placed.status, 200 | 201), "{placed:?}");
    assert_eq!(stock(edge, &sku), before - 1);
    eventually(STALE_LIMIT, "the edge's copy is fresh again", || {
        edge.get("/v1/products?limit=1").ok()?.header("vitrine-stale").is_none().then_some(())
    });
}

#[test]
fn an_edge_that_loses_power_comes_back_with_what_it_knew() {
    let mut shop = Shop::start().unwrap();
    let sku = skus_in_stock(&shop.edge()).remove(0);
    let position = position(&shop.edge());
    shop.stop(Role::Origin).unwrap();
    shop.kill(Role::Edge).unwrap();
    shop.restart(Role::Edge).unwrap();
    reads_answer(&shop.edge(), &sku);
    assert_eq!(self::position(&shop.edge()), position, "the same copy, not another");

    shop.restart(Role::Origin).unwrap();
    let edge = &shop.edge();
    eventually(HEAL_LIMIT, "the edge finds the origin again", || {
        (edge.get(&format!("/v1/inventory/{sku}")).ok()?.status == 200).then_some(())
    });
    // A session that ends is told to every edge; one piece less of many is not.
    let who = json!({"email": "grace@example.com", "password": "a long enough password"});
    let made =
        edge.post("/v1/auth/register", &fresh_key(), &who).unwrap().expect_status(201).json();
    let left = edge.post(
        "/v1/auth/logout",
        &fresh_key(),
        &json!({"refresh_token": made["refresh_token"]}),
    );
    assert!(left.as_ref().is_ok_and(|answer| answer.status < 300), "{left:?}");
    eventually(HEAL_LIMIT, "the edge follows on", || {
        (self::position(edge) != position).then_some(())
    });
}

fn position(edge: &Client) -> String {
    let answer = edge.get("/v1/products?limit=1").unwrap().expect_status(200);
    answer.header("vitrine-position").expect("an answer says how new it is").to_owned()
}

fn reads_answer(edge: &Client, sku: &str) {
    let list = edge.get("/v1/products?limit=2").unwrap().expect_status(200).json();
    let handle = list["items"][0]["handle"].as_str().unwrap().to_owned();
    let word = list["items"][0]["title"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let manifest = edge.get(&format!("/v1/ar/{sku}")).unwrap().expect_status(200).json();
    let model = manifest["links"]["web_glb"].as_str().unwrap().to_owned();
    let model = match model.split_once("://") {
        Some((_, rest)) => format!("/{}", rest.split_once('/').unwrap().1),
        None => model,
    };
    for path in [
        "/",
        "/v1/categories",
        &format!("/v1/products/{handle}"),
        &format!("/v1/search?q={word}"),
        &format!("/p/{handle}"),
        &model,
    ] {
        let answer = edge.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

fn writes_are_refused(edge: &Client, cart: &str, sku: &str) {
    let line = json!({"sku": sku, "quantity": 1});
    let lines = format!("/v1/carts/{cart}/lines");
    let checkout = format!("/v1/carts/{cart}/checkout");
    for (path, body) in [
        ("/v1/carts", json!({})),
        (lines.as_str(), line),
        (checkout.as_str(), crate::guest::order_form("success")),
    ] {
        let started = Instant::now();
        let answer = edge.post(path, &fresh_key(), &body).unwrap();
        let took = started.elapsed();
        assert_eq!(answer.status, 503, "{path}: {answer:?}");
        assert!(
            answer.is_problem() && answer.header("retry-after").is_some(),
            "{path}: {answer:?}"
        );
        assert!(took < REFUSAL_LIMIT, "{path}: refused after {took:?}");
    }
}
