//! Too much at once, too slow, too large.

use std::time::Duration;

use app::Settings;
use origin_http::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::inside::Inside;
use crate::shop::key;

/// Short enough to wait for, long enough for what is to succeed on a busy machine.
const DEADLINE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn what_is_beyond_the_limit_is_told_to_come_again_and_the_rest_goes_on() {
    let limits = Limits { in_flight_max: 1, ..Limits::default() };
    let shop = Inside::start(limits, Settings::default()).await;
    let cart = shop.client.cart_with("CUP-RED", 1).await;
    let first = {
        let (client, cart) = (shop.client.clone(), cart.clone());
        tokio::spawn(async move { client.checkout(&cart, "success", key("k")).await })
    };
    shop.provider.was_asked(1).await;
    let refused = shop.client.get("/v1/inventory/CUP-RED").await;
    let refused = refused.expect_problem(503, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    shop.client.get("/healthz").await.expect(200);
    shop.provider.let_go();
    assert_eq!(first.await.unwrap().expect(201).text("/status"), "confirmed");
    assert_eq!(shop.client.available("CUP-RED").await, 4);
}

#[tokio::test]
async fn a_checkout_beyond_its_deadline_is_answered_so_and_goes_on_under_its_key() {
    let limits = Limits { deadline: DEADLINE, ..Limits::default() };
    // The lease is over as soon as the deadline is, so that the test need not wait for it.
    let settings = Settings { lease: DEADLINE, ..Settings::default() };
    let shop = Inside::start(limits, settings).await;
    let cart = shop.client.cart_with("CUP-RED", 1).await;
    let late = shop.client.checkout(&cart, "success", key("k")).await;
    late.expect_problem(504, "deadline-exceeded");
    shop.provider.let_go();
    let mut answer = shop.client.checkout(&cart, "success", key("k")).await;
    while answer.status == 409 {
        let refused = answer.expect_problem(409, "idempotency-in-flight");
        assert_eq!(refused.headers["retry-after"], "1");
        answer = shop.client.checkout(&cart, "success", key("k")).await;
    }
    assert_eq!(answer.expect(201).text("/status"), "confirmed");
    assert_eq!(shop.client.available("CUP-RED").await, 4);
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let limits = Limits { deadline: DEADLINE, ..Limits::default() };
    let shop = Inside::start(limits, Settings::default()).await;
    for path in ["/internal/payments/webhook", "/v1/carts"] {
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: 10\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let reading = stream.read_exact(&mut answer);
        tokio::time::timeout(DEADLINE * 5, reading).await.expect(path).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 504", "{path}");
    }
}
