//! What a page's Stripe.js makes, and what our adapter can do with it.

use fake_stripe::PUBLISHABLE_KEY;
use providers::payment::PaymentProvider as _;
use providers::payment::{CaptureMode, IntentStatus as S, NewIntent, PayerAction, PaymentError};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::shop::{Shop, new, payment};

const BACK: &str = "https://shop.example/orders/1";

/// Asks the stand-in as a browser does; returns head and body.
async fn ask(shop: &Shop, request: &str, key: &str, body: &str) -> (String, String) {
    let host = shop.fake.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Types into the field and returns the token's name.
async fn token(shop: &Shop, typed: &str, amount: i64, capture: &str) -> String {
    let body = format!("{typed}&amount={amount}&currency=eur&capture_method={capture}");
    let (head, body) = ask(shop, "POST /v1/confirmation_tokens", PUBLISHABLE_KEY, &body).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head} {body}");
    let made: Value = serde_json::from_str(&body).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

const CARD: &str = "type=card&number=4242424242424242";
const ASKS: &str = "type=card&number=4000000000003220";

fn paid_with(number: u8, token: &str) -> NewIntent {
    NewIntent { return_url: Some(BACK.into()), ..new(payment(number), token) }
}

#[tokio::test]
async fn a_token_pays_once_and_exactly_what_the_field_was_told() {
    let shop = Shop::open().await;
    let made = token(&shop, CARD, 1_000, "automatic").await;
    let paid = shop.stripe.create("1".into(), paid_with(1, &made)).await.unwrap();
    assert_eq!(paid.status, S::Captured);
    let again = shop.stripe.create("2".into(), paid_with(2, &made)).await;
    assert!(matches!(again, Err(PaymentError::Invalid(_))), "{again:?}");
    let other_amount = token(&shop, CARD, 999, "automatic").await;
    let other_capture = token(&shop, CARD, 1_000, "manual").await;
    for (key, token) in [("3", other_amount), ("4", other_capture.clone())] {
        let refused = shop.stripe.create(key.into(), paid_with(3, &token)).await;
        assert!(matches!(refused, Err(PaymentError::Invalid(_))), "{refused:?}");
    }
    let held = NewIntent { capture: CaptureMode::Manual, ..paid_with(5, &other_capture) };
    assert_eq!(shop.stripe.create("5".into(), held).await.unwrap().status, S::Authorized);
}

#[tokio::test]
async fn a_card_asks_in_the_page_and_a_bank_on_its_own() {
    let shop = Shop::open().await;
    let asks = token(&shop, ASKS, 1_000, "automatic").await;
    let waits = shop.stripe.create("1".into(), paid_with(1, &asks)).await.unwrap();
    assert!(matches!(waits.action, Some(PayerAction::ClientSecret { .. })), "{waits:?}");
    let bank = token(&shop, "type=ideal", 1_000, "automatic").await;
    let waits = shop.stripe.create("2".into(), paid_with(2, &bank)).await.unwrap();
    let Some(PayerAction::Redirect { url }) = waits.action else { panic!("{waits:?}") };
    let path = url.strip_prefix(shop.fake.url()).unwrap();
    let (_, page) = ask(&shop, &format!("GET {path}"), "", "").await;
    let secret = page.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let decision = format!("client_secret={secret}&decision=approve");
    let (head, _) = ask(&shop, &format!("POST {path}"), "", &decision).await;
    assert!(head.starts_with("HTTP/1.1 303") && head.contains(BACK), "{head}");
    assert_eq!(shop.by_id(&waits.id).await.status, S::Captured);
    let nowhere = token(&shop, "type=ideal", 1_000, "automatic").await;
    let refused = shop.stripe.create("3".into(), new(payment(3), &nowhere)).await;
    assert!(matches!(refused, Err(PaymentError::Invalid(_))), "{refused:?}");
}

#[tokio::test]
async fn a_browser_has_the_publishable_key_and_reads_nothing_without_a_secret() {
    let shop = Shop::open().await;
    let body = format!("{CARD}&amount=1&currency=eur&capture_method=automatic");
    for key in ["pk_test_other", fake_stripe::SECRET_KEY] {
        let (head, _) = ask(&shop, "POST /v1/confirmation_tokens", key, &body).await;
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    }
    let paid = shop.pay("success").await.unwrap();
    let read = |secret: String| {
        let id = &paid.id;
        format!("GET /v1/payment_intents/{id}?key={PUBLISHABLE_KEY}&client_secret={secret}")
    };
    let (head, _) = ask(&shop, &read(format!("{}_secret_fake", paid.id)), "", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (head, _) = ask(&shop, &read("guess".into()), "", "").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let (head, script) = ask(&shop, "GET /stripe.js", "", "").await;
    assert!(head.contains("text/javascript") && script.contains("createConfirmationToken"));
}
