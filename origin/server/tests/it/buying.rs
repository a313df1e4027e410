//! A shopper's way to an order, and everything that may happen on it.

use serde_json::json;

use crate::shop::{Shop, With, eventually, key};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_buys_and_the_stock_is_one_less() {
    let mut shop = Shop::start(10);
    let asker = shop.client.clone();
    assert_eq!(asker.available("CUP-RED").await, 10);
    let cart = asker.cart_with("CUP-RED", 2).await;
    let view = asker.get(&format!("/v1/carts/{cart}")).await.expect(200);
    assert_eq!(view.body["totals"]["subtotal"], json!({"minor": 3800, "currency": "EUR"}));
    assert_eq!(view.body["totals"]["total"]["minor"], 3800 + 490);
    assert_eq!(view.headers["cache-control"], "no-store");
    assert_eq!(view.headers["etag"], "\"2\"");
    let bought = asker.checkout(&cart, "success", key("k1")).await.expect(201);
    assert_eq!(bought.text("/status"), "confirmed");
    assert_eq!(bought.text("/payment_status"), "captured");
    assert_eq!(asker.available("CUP-RED").await, 8);
    let again = asker.checkout(&cart, "success", key("k1")).await.expect(201);
    assert!(again.is_replay() && !bought.is_replay());
    assert_eq!(again.body, bought.body);
    asker.checkout(&cart, "decline", key("k1")).await.expect_problem(422, "idempotency-key-reuse");
    asker.checkout(&cart, "success", key("k2")).await.expect_problem(409, "cart-checked-out");
    let (order, token) =
        (format!("/v1/orders/{}", bought.text("/order_id")), bought.text("/order_token"));
    let with = |bearer| With { bearer: Some(bearer), ..With::default() };
    let read = asker.ask("GET", &order, None, with(&token)).await.expect(200);
    assert_eq!(
        (read.text("/status"), read.text("/lines/0/sku")),
        ("confirmed".to_owned(), "CUP-RED".to_owned())
    );
    asker.get(&order).await.expect_problem(404, "not-found");
    asker.ask("GET", &order, None, with("ot_wrong")).await.expect_problem(404, "not-found");
    assert!(shop.origin.terminate().as_secs() < 5);
    assert!(shop.payments.terminate().as_secs() < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_payment_method_ends_as_it_should() {
    let shop = Shop::start(10);
    let asker = &shop.client;
    let cart = asker.cart_with("CUP-RED", 1).await;
    asker
        .checkout(&cart, "decline", With::default())
        .await
        .expect_problem(400, "idempotency-key-required");
    asker.checkout(&cart, "decline", key("d")).await.expect_problem(402, "payment-declined");
    let replay =
        asker.checkout(&cart, "decline", key("d")).await.expect_problem(402, "payment-declined");
    assert!(replay.is_replay());
    assert_eq!(asker.available("CUP-RED").await, 10);
    // The same cart, after the decline.
    let waits = asker.checkout(&cart, "requires_action", key("a")).await.expect(201);
    assert_eq!(
        (waits.text("/status"), waits.text("/next_action/type")),
        ("pending_payment".into(), "approve".into())
    );
    assert_eq!(asker.available("CUP-RED").await, 9);
    let token = waits.text("/order_token");
    let with = || With { bearer: Some(&token), ..With::default() };
    let path = waits.text("/next_action/url");
    asker
        .post(&path, json!({"action": "approve"}), With::default())
        .await
        .expect_problem(404, "not-found");
    asker
        .post(&path, json!({"action": "maybe"}), with())
        .await
        .expect_problem(422, "invalid-input");
    let rejected = asker.post(&path, json!({"action": "reject"}), with()).await.expect(200);
    assert_eq!(
        (rejected.text("/status"), rejected.text("/payment_status")),
        ("cancelled".into(), "declined".into())
    );
    assert_eq!(asker.available("CUP-RED").await, 10);
    let waits = asker.checkout(&cart, "requires_action", key("b")).await.expect(201);
    let (path, token) = (waits.text("/next_action/url"), waits.text("/order_token"));
    let with = || With { bearer: Some(&token), ..With::default() };
    let approved = asker.post(&path, json!({"action": "approve"}), with()).await.expect(200);
    assert_eq!(approved.text("/status"), "confirmed");
    asker
        .post(&path, json!({"action": "reject"}), with())
        .await
        .expect_problem(409, "no-action-required");
    assert_eq!(asker.available("CUP-RED").await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_payment_ends_by_webhook_and_a_lost_answer_by_asking() {
    let mut shop = Shop::start(10);
    for method in ["late", "timeout"] {
        let asker = shop.client.clone();
        let cart = asker.cart_with("CUP-RED", 1).await;
        let placed = asker.checkout(&cart, method, key(method)).await.expect(201);
        let expected = if method == "late" { "processing" } else { "unknown" };
        assert_eq!(placed.text("/payment_status"), expected);
        assert_eq!(placed.text("/status"), "pending_payment");
        // A webhook that was not sent yet survives the provider.
        shop.kill_and_restart_payments();
        let (path, token) =
            (format!("/v1/orders/{}", placed.text("/order_id")), placed.text("/order_token"));
        eventually("the order is confirmed", || {
            let (asker, path, token) = (asker.clone(), path.clone(), token.clone());
            async move {
                let with = With { bearer: Some(&token), ..With::default() };
                asker.ask("GET", &path, None, with).await.expect(200).body["status"] == "confirmed"
            }
        })
        .await;
    }
    assert_eq!(shop.client.available("CUP-RED").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_guests_buy_the_last_fifty_pieces() {
    let shop = Shop::start(50);
    let buyers = (0..200).map(|number| {
        let asker = shop.client.clone();
        tokio::spawn(async move {
            let cart = asker.cart_with("CUP-RED", 1).await;
            asker.checkout(&cart, "success", key(&format!("buyer-{number}"))).await
        })
    });
    let (mut bought, mut refused) = (0, 0);
    for buyer in buyers.collect::<Vec<_>>() {
        let answer = buyer.await.unwrap();
        if answer.status == 201 {
            assert_eq!(answer.text("/status"), "confirmed");
            bought += 1;
        } else {
            let answer = answer.expect_problem(409, "out-of-stock");
            assert!(
                answer.text("/errors/0/detail").starts_with("CUP-RED: 0 available"),
                "{}",
                answer.body
            );
            refused += 1;
        }
    }
    assert_eq!((bought, refused), (50, 150));
    assert_eq!(shop.client.available("CUP-RED").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_wrong_get_the_right_problem() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let plain =
        |method, path| asker.request(method, path).body(http_body_util::Full::default()).unwrap();
    asker.send(plain("GET", "/v1/me")).await.unwrap().expect_problem(401, "edge-signature");
    asker.send(plain("GET", "/nowhere")).await.unwrap().expect_problem(404, "not-found");
    asker.send(plain("PUT", "/healthz")).await.unwrap().expect_problem(405, "method-not-allowed");
    asker
        .send(plain("GET", "/internal/feed/snapshot"))
        .await
        .unwrap()
        .expect_problem(401, "unauthenticated");
    asker.get("/v1/me").await.expect_problem(401, "unauthenticated");
    asker.get("/v1/carts/x").await.expect_problem(404, "not-found");
    asker.get("/v1/inventory/CUP-GREEN").await.expect_problem(404, "not-found");
    asker
        .post("/v1/carts", json!({"currency": "XXX"}), With::default())
        .await
        .expect_problem(422, "invalid-input");
    asker.post("/v1/carts", json!([]), With::default()).await.expect_problem(422, "invalid-input");
    let long = "x".repeat(70_000);
    asker
        .post("/v1/carts", json!({"currency": long}), With::default())
        .await
        .expect_problem(413, "too-large");
    let cart = asker.cart_with("CUP-RED", 1).await;
    let lines = format!("/v1/carts/{cart}/lines");
    let add = |quantity: i64| json!({"sku": "CUP-RED", "quantity": quantity});
    for wrong in [add(0), add(-1), add(100), add(99), json!({"sku": "CUP-GREEN"}), json!({})] {
        asker.post(&lines, wrong, With::default()).await.expect_problem(422, "invalid-input");
    }
    let stale = With { if_match: Some("\"1\""), ..With::default() };
    asker.post(&lines, add(1), stale).await.expect_problem(412, "precondition-failed");
    let wrong = asker.post(&format!("/v1/carts/{cart}/checkout"), json!({}), key("w")).await;
    assert_eq!(wrong.expect_problem(422, "invalid-input").text("/errors/0/pointer"), "/email");
    let many = asker.cart_with("CUP-BLUE", 4).await;
    let short =
        asker.checkout(&many, "success", key("m")).await.expect_problem(409, "out-of-stock");
    assert_eq!(short.text("/errors/0/detail"), "CUP-BLUE: 3 available, 4 wanted");
    let empty = asker.post("/v1/carts", json!({}), key("e")).await.expect(201).text("/id");
    asker.checkout(&empty, "success", key("e")).await.expect_problem(422, "cart-empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_one_cart_and_one_line() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let first = asker.post("/v1/carts", json!({"currency": "USD"}), key("c")).await.expect(201);
    let again = asker.post("/v1/carts", json!({"currency": "USD"}), key("c")).await.expect(201);
    assert_eq!(first.body, again.body);
    assert!(again.is_replay());
    asker
        .post("/v1/carts", json!({"currency": "EUR"}), key("c"))
        .await
        .expect_problem(422, "idempotency-key-reuse");
    let lines = format!("/v1/carts/{}/lines", first.text("/id"));
    let line = || json!({"sku": "CUP-RED", "quantity": 2});
    let one = asker.post(&lines, line(), key("c")).await.expect(201);
    let same = asker.post(&lines, line(), key("c")).await.expect(201);
    assert_eq!((one.body["lines"][0]["quantity"].as_i64(), one.body.clone()), (Some(2), same.body));
    let path = format!("{lines}/{}", one.text("/lines/0/id"));
    let changed =
        asker.ask("PATCH", &path, Some(json!({"quantity": 5})), With::default()).await.expect(200);
    assert_eq!(changed.body["totals"]["subtotal"], json!({"minor": 10_500, "currency": "USD"}));
    let emptied = asker.ask("DELETE", &path, None, With::default()).await.expect(200);
    assert_eq!(emptied.body["lines"], json!([]));
    asker.ask("DELETE", &path, None, With::default()).await.expect_problem(404, "not-found");
    asker
        .post(&lines, line(), key(&"k".repeat(256)))
        .await
        .expect_problem(400, "idempotency-key-invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_signs_in_stays_and_leaves() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let ada = || json!({"email": "Ada@Example.org", "password": "correct horse"});
    let registered = asker.post("/v1/auth/register", ada(), key("r")).await.expect(201);
    let replayed = asker.post("/v1/auth/register", ada(), key("r")).await.expect(201);
    assert_eq!(registered.body, replayed.body);
    asker.post("/v1/auth/register", ada(), key("s")).await.expect_problem(409, "email-taken");
    let me = asker.signed_in(&registered.text("/access_token"));
    assert_eq!(me.get("/v1/me").await.expect(200).text("/email"), "ada@example.org");
    let cart = me.cart_with("CUP-RED", 1).await;
    let bought = me.checkout(&cart, "success", key("c")).await.expect(201);
    assert_eq!(
        me.get("/v1/orders").await.expect(200).text("/items/0/id"),
        bought.text("/order_id")
    );
    me.get(&format!("/v1/orders/{}", bought.text("/order_id"))).await.expect(200);
    let refresh = |token: &str| json!({"refresh_token": token});
    let first = registered.text("/refresh_token");
    let second = asker.post("/v1/auth/refresh", refresh(&first), With::default()).await.expect(200);
    asker
        .post("/v1/auth/refresh", refresh("rt_x"), With::default())
        .await
        .expect_problem(401, "invalid-refresh-token");
    let reused = asker.post("/v1/auth/refresh", refresh(&first), With::default()).await;
    reused.expect_problem(401, "refresh-token-reused");
    let both = asker
        .post("/v1/auth/refresh", refresh(&second.text("/refresh_token")), With::default())
        .await;
    both.expect_problem(401, "invalid-refresh-token");
    me.get("/v1/me").await.expect_problem(401, "unauthenticated");
    let logged_in = asker.post("/v1/auth/login", ada(), With::default()).await.expect(200);
    let me = asker.signed_in(&logged_in.text("/access_token"));
    me.post("/v1/auth/logout", refresh(&logged_in.text("/refresh_token")), With::default())
        .await
        .expect(204);
    me.get("/v1/me").await.expect_problem(401, "unauthenticated");
    for email in ["ada@example.org", "nobody@example.org"] {
        let wrong = || json!({"email": email, "password": "wrong horse"});
        for _ in 0..5 {
            let answer = asker.post("/v1/auth/login", wrong(), With::default()).await;
            answer.expect_problem(401, "invalid-credentials");
        }
        let answer = asker.post("/v1/auth/login", wrong(), With::default()).await;
        let answer = answer.expect_problem(429, "login-throttled");
        assert!(answer.headers.contains_key("retry-after"));
    }
    let jwks = asker.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(jwks.body["keys"].as_array().unwrap().len(), 2);
}
