//! Whom the shop believes, and how it says no to everybody else.

use std::time::Duration;

use domain::Timestamp;
use http_body_util::Full;
use providers::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use serde_json::json;

use crate::shop::{Answer, Asker, PAYMENTS_SECRET, Shop, With, key, now};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_twice_is_done_once() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let open = |with| asker.signed("POST", "/v1/carts", "{}".to_owned(), with, now());
    let plain = open(With::default());
    asker.send(plain.clone()).await.unwrap().expect(201);
    asker.send(plain).await.unwrap().expect_problem(401, "edge-signature");
    let keyed = open(key("k"));
    let first = asker.send(keyed.clone()).await.unwrap().expect(201);
    let again = asker.send(keyed).await.unwrap().expect(201);
    assert!(again.is_replay());
    assert_eq!(first.body, again.body);
    let read = asker.signed("GET", "/v1/inventory/CUP-RED", String::new(), With::default(), now());
    for _ in 0..2 {
        asker.send(read.clone()).await.unwrap().expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_holds_for_its_request_and_for_a_minute() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let signed_at = |at: Timestamp| {
        asker.signed("GET", "/v1/inventory/CUP-RED", String::new(), With::default(), at)
    };
    for off in [now().before(2 * MINUTE), now().after(2 * MINUTE)] {
        asker.send(signed_at(off)).await.unwrap().expect_problem(401, "edge-signature");
    }
    let mut other = signed_at(now());
    *other.uri_mut() = other.uri().to_string().replace("RED", "BLUE").parse().unwrap();
    asker.send(other).await.unwrap().expect_problem(401, "edge-signature");
    let mut changed = asker.signed("POST", "/v1/carts", "{}".to_owned(), key("k"), now());
    *changed.body_mut() = Full::from("{ }");
    asker.send(changed).await.unwrap().expect_problem(401, "edge-signature");
}

/// Delivers a webhook that was signed with a secret at a moment.
async fn deliver(asker: &Asker, secret: &str, at: Timestamp, body: &str) -> Answer {
    let signature = sign(secret.as_bytes(), "evt_1", at, body.as_bytes());
    let request = asker
        .request("POST", "/internal/payments/webhook")
        .header(ID_HEADER, "evt_1")
        .header(TIMESTAMP_HEADER, at.unix_s())
        .header(SIGNATURE_HEADER, signature)
        .body(Full::from(body.to_owned()));
    asker.send(request.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_believed_with_the_right_signature_of_the_last_minutes_alone() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let body = json!({"type": "payment.captured", "timestamp": "2026-11-22T10:00:00Z", "data": {
        "id": "pi_1", "reference": "00000000-0000-7000-8000-000000000000",
        "amount": {"minor": 1, "currency": "EUR"}, "status": "captured"}})
    .to_string();
    let wrong = "0000000000000000";
    deliver(asker, wrong, now(), &body).await.expect_problem(401, "webhook-signature");
    for off in [now().before(6 * MINUTE), now().after(6 * MINUTE)] {
        let answer = deliver(asker, PAYMENTS_SECRET, off, &body).await;
        answer.expect_problem(401, "webhook-signature");
    }
    let bare = asker.request("POST", "/internal/payments/webhook").body(Full::from(body.clone()));
    asker.send(bare.unwrap()).await.unwrap().expect_problem(401, "webhook-signature");
    deliver(asker, PAYMENTS_SECRET, now(), "{").await.expect_problem(400, "unreadable");
    let long = "x".repeat(70_000);
    deliver(asker, PAYMENTS_SECRET, now(), &long).await.expect_problem(413, "too-large");
    // Believed; of a payment that is none of ours, so there is nothing to do.
    deliver(asker, PAYMENTS_SECRET, now(), &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_no_of_the_protocol_is_a_problem() {
    let shop = Shop::start(5);
    let asker = &shop.client;
    let put = asker.signed("PUT", "/v1/carts", String::new(), With::default(), now());
    let put = asker.send(put).await.unwrap().expect_problem(405, "method-not-allowed");
    assert_eq!(put.headers["allow"], "POST");
    asker.get("/v1/nothing").await.expect_problem(404, "not-found");
    let mut text = asker.signed("POST", "/v1/carts", "{}".to_owned(), With::default(), now());
    text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    asker.send(text).await.unwrap().expect_problem(415, "unsupported-media-type");
    let half = asker.signed("POST", "/v1/carts", "{".to_owned(), With::default(), now());
    asker.send(half).await.unwrap().expect_problem(400, "unreadable");
    let path = "/internal/feed/changes?epoch=e&after=-1&schema_version=1";
    let secret = format!("Bearer {}", api_types::feed::bearer(crate::shop::EDGE_SECRET.as_bytes()));
    let changes = asker.request("GET", path).header("authorization", secret);
    asker
        .send(changes.body(Full::default()).unwrap())
        .await
        .unwrap()
        .expect_problem(400, "unreadable");
}
