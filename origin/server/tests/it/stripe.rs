//! The whole shop over Stripe, as a stand-in plays it.

use std::process::Command;

use fake_stripe::{FakeStripe, Fault, PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::shop::{Answer, Asker, Process, With, checkout_body, eventually, key, start_alone};

struct Shop {
    folder: tempfile::TempDir,
    _origin: Process,
    fake: FakeStripe,
    asker: Asker,
}

impl Shop {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    async fn open_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("key"), SECRET_KEY).unwrap();
        std::fs::write(path("hook"), WEBHOOK_SECRET).unwrap();
        let fake = FakeStripe::start().await.unwrap();
        let (key, hook) = (path("key"), path("hook"));
        let mut arguments = vec!["--stripe-url", fake.url(), "--stripe-key-file", &key];
        arguments.extend(["--stripe-webhook-secret-file", &hook]);
        arguments.extend(options);
        let origin = start_alone(folder.path(), 10, &arguments);
        let asker = Asker::new(&origin.url);
        Self { folder, _origin: origin, fake, asker }
    }

    async fn buy(&self, method: &str) -> Answer {
        let cart = self.asker.cart_with("CUP-RED", 1).await;
        self.asker.checkout(&cart, method, key(method)).await
    }

    /// Buys a cup with what Stripe's own field gave, or on that field.
    async fn pay(&self, payment: Value, name: &str) -> Answer {
        let cart = self.asker.cart_with("CUP-RED", 1).await;
        let mut body = checkout_body("success");
        body["payment"] = payment;
        self.asker.post(&format!("/v1/carts/{cart}/checkout"), body, key(name)).await
    }

    /// Asks what the payer has to do.
    async fn resume(&self, placed: &Answer) -> Value {
        let path = format!("/v1/orders/{}/payment/actions", placed.text("/order_id"));
        let token = placed.text("/order_token");
        let with = With { bearer: Some(&token), ..With::default() };
        self.asker.post(&path, json!({"action": "resume"}), with).await.expect(200).body
    }

    /// Everything that was written to the shop's disk.
    fn disk(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path().join("origin")).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// Delivers everything that Stripe has told so far, the newest first, each twice.
    async fn deliver(&self) {
        for delivery in self.fake.deliveries().into_iter().rev() {
            for _ in 0..2 {
                let request = self
                    .asker
                    .request("POST", "/internal/payments/webhook")
                    .header("stripe-signature", &delivery.signature)
                    .body(Full::from(delivery.body.clone()));
                self.asker.send(request.unwrap()).await.unwrap().expect(200);
            }
        }
    }

    async fn order(&self, placed: &Answer) -> Value {
        let (path, token) =
            (format!("/v1/orders/{}", placed.text("/order_id")), placed.text("/order_token"));
        let with = With { bearer: Some(&token), ..With::default() };
        self.asker.ask("GET", &path, None, with).await.expect(200).body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopper_pays_is_refused_and_approves() {
    let shop = Shop::open().await;
    let bought = shop.buy("success").await.expect(201);
    assert_eq!(bought.text("/payment_status"), "captured");
    shop.buy("decline").await.expect_problem(402, "payment-declined");
    let waits = shop.buy("requires_action").await.expect(201);
    assert_eq!(waits.text("/payment_status"), "requires_action");
    let intents = shop.fake.intents();
    let id = intents.last().unwrap()["id"].as_str().unwrap();
    shop.fake.authenticate(id, true);
    shop.deliver().await;
    for placed in [&bought, &waits] {
        let order = shop.order(placed).await;
        assert_eq!(
            (&order["status"], &order["payment_status"]),
            (&json!("confirmed"), &json!("captured"))
        );
    }
    assert_eq!(shop.asker.available("CUP-RED").await, 8);
    assert_eq!(intents[0]["amount"], 1_900 + 490);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_how_to_show_stripes_field_and_no_secret() {
    let back = "https://shop.example/orders/{order_id}";
    let key = ["--stripe-publishable-key", PUBLISHABLE_KEY, "--return-url", back];
    let shop = Shop::open_with(&[&key[..], &["--capture", "manual"]].concat()).await;
    let told = shop.asker.ask("GET", "/v1/payment-methods", None, With::default()).await;
    let told = told.expect(200);
    let played = ["success", "decline", "requires_action"];
    assert_eq!(
        told.body["providers"],
        json!([
            {"provider": "stripe", "methods": ["token", "hosted"], "field": {
                "publishable_key": PUBLISHABLE_KEY, "script_url": "https://js.stripe.com/v3/", "capture": "manual"}},
            {"provider": "test", "methods": played},
        ])
    );
    for secret in [SECRET_KEY, WEBHOOK_SECRET] {
        assert!(!is_on(&told.bytes, secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_without_a_publishable_key_shows_no_field() {
    let shop = Shop::open().await;
    let told = shop.asker.ask("GET", "/v1/payment-methods", None, With::default()).await;
    assert_eq!(told.expect(200).body["providers"][0]["field"], Value::Null);
}

fn token(token: &str) -> Value {
    json!({"provider": "stripe", "method": "token", "token": token})
}

fn is_on(disk: &[u8], text: &str) -> bool {
    disk.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_pays_is_declined_and_never_reaches_the_disk_as_it_is() {
    let shop = Shop::open().await;
    for (name, key) in [("pm_card_mastercard", "one"), ("ctoken_card_amex", "two")] {
        let bought = shop.pay(token(name), key).await.expect(201);
        assert_eq!(bought.text("/payment_status"), "captured");
    }
    let poor = "pm_card_chargeDeclinedInsufficientFunds";
    shop.pay(token(poor), "poor").await.expect_problem(402, "payment-declined");
    // Stripe knows no such method: nothing was paid, and the shopper may try another.
    shop.pay(token("pm_card_nobody"), "none").await.expect_problem(402, "payment-declined");
    let number = shop.pay(token("4242424242424242"), "number").await;
    let number = number.expect_problem(422, "invalid-input");
    assert_eq!(number.text("/errors/0/code"), "card-number");
    assert_eq!(shop.asker.available("CUP-RED").await, 8);
    assert_eq!(shop.fake.intents().len(), 3);
    let disk = shop.disk();
    assert!(is_on(&disk, "CUP-RED"));
    for secret in ["pm_card_mastercard", "ctoken_card_amex", poor, "_secret_fake", "42424242"] {
        assert!(!is_on(&disk, secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_is_asked_on_its_page_and_the_payer_comes_back_before_any_webhook() {
    let shop = Shop::open_with(&["--return-url", "https://shop.example/orders/{order_id}"]).await;
    let waits = shop.pay(token("pm_card_threeDSecureRequired"), "3ds").await.expect(201);
    assert_eq!(waits.text("/next_action/type"), "redirect");
    let page = waits.text("/next_action/url");
    assert!(page.contains("/fake/3ds/"), "{page}");
    let intent = shop.fake.intents().pop().unwrap();
    let expected = format!("https://shop.example/orders/{}", waits.text("/order_id"));
    assert_eq!(intent["next_action"]["redirect_to_url"]["return_url"], expected);
    // Who reads the order later is told where to ask, and whoever asks is sent to the bank again.
    assert_eq!(shop.order(&waits).await["next_action"]["type"], "resume");
    assert_eq!(shop.resume(&waits).await["next_action"]["url"], page);
    shop.fake.authenticate(intent["id"].as_str().unwrap(), true);
    let order = shop.resume(&waits).await;
    assert_eq!((&order["status"], &order["next_action"]), (&json!("confirmed"), &Value::Null));
    shop.deliver().await;
    assert_eq!(shop.asker.available("CUP-RED").await, 9);

    let waits = shop.pay(token("pm_card_threeDSecureRequired"), "3ds-2").await.expect(201);
    let intent = shop.fake.intents().pop().unwrap();
    shop.fake.authenticate(intent["id"].as_str().unwrap(), false);
    shop.deliver().await;
    let order = shop.order(&waits).await;
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&json!("cancelled"), &json!("declined"))
    );
    assert_eq!(shop.asker.available("CUP-RED").await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_on_stripes_field_gets_a_secret_that_nobody_else_sees() {
    let shop = Shop::open().await;
    let hosted = json!({"provider": "stripe", "method": "hosted"});
    let waits = shop.pay(hosted.clone(), "h").await.expect(201);
    assert_eq!(waits.text("/next_action/type"), "use_sdk");
    let secret = waits.text("/next_action/client_secret");
    assert_eq!(shop.resume(&waits).await["next_action"]["client_secret"], secret);
    let path = waits.text("/next_action/url");
    let stranger = json!({"action": "resume"});
    shop.asker.post(&path, stranger, With::default()).await.expect_problem(404, "not-found");
    shop.fake.confirm_on_field(&secret, "pm_card_visa");
    shop.deliver().await;
    assert_eq!(shop.order(&waits).await["status"], "confirmed");
    assert!(!is_on(&shop.disk(), &secret));
    // The answer that a key keeps has no secret; it says where to ask.
    let cart = shop.asker.cart_with("CUP-RED", 1).await;
    let mut body = checkout_body("success");
    body["payment"] = hosted;
    let path = format!("/v1/carts/{cart}/checkout");
    shop.asker.post(&path, body.clone(), key("again")).await.expect(201);
    let again = shop.asker.post(&path, body, key("again")).await.expect(201);
    assert!(again.is_replay());
    assert_eq!(again.text("/next_action/type"), "resume");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_answer_is_lost_or_whose_request_never_arrived_pays_once() {
    let shop = Shop::open().await;
    for (name, fault) in [
        ("lost", Fault::LoseAnswer),
        ("busy", Fault::RateLimit { retry_after_s: 1, should_retry: Some(false) }),
    ] {
        shop.fake.fail_next("/payment_intents", fault);
        let placed = shop.pay(token("pm_card_visa"), name).await.expect(201);
        assert_eq!(placed.text("/payment_status"), "unknown", "{name}");
        eventually("the order is confirmed", || async {
            shop.order(&placed).await["status"] == "confirmed"
        })
        .await;
    }
    assert_eq!(shop.fake.intents().len(), 2);
    assert_eq!(shop.asker.available("CUP-RED").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_captures_by_hand_confirms_what_is_held() {
    let shop = Shop::open_with(&["--capture", "manual"]).await;
    let placed = shop.pay(token("pm_card_visa"), "m").await.expect(201);
    assert_eq!(
        (placed.text("/status"), placed.text("/payment_status")),
        ("confirmed".to_owned(), "authorized".to_owned())
    );
    assert_eq!(shop.fake.intents()[0]["status"], "requires_capture");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_reconciled_and_charged_once() {
    let shop = Shop::open().await;
    shop.fake.fail_next("/payment_intents", Fault::LoseAnswer);
    let placed = shop.buy("success").await.expect(201);
    assert_eq!(placed.text("/payment_status"), "unknown");
    eventually("the order is confirmed", || async {
        shop.order(&placed).await["status"] == "confirmed"
    })
    .await;
    assert_eq!(shop.fake.intents().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_stripe_did_not_sign_is_refused() {
    let shop = Shop::open().await;
    shop.buy("success").await.expect(201);
    let delivery = shop.fake.deliveries().pop().unwrap();
    for (signature, body) in [
        (delivery.signature.as_str(), delivery.body.replace("2390", "1")),
        ("t=1,v1=00", delivery.body.clone()),
    ] {
        let request = shop.asker.request("POST", "/internal/payments/webhook");
        let request = request.header("stripe-signature", signature).body(Full::from(body));
        let refused = shop.asker.send(request.unwrap()).await.unwrap();
        refused.expect_problem(401, "webhook-signature");
    }
}

#[test]
fn a_shop_without_a_provider_or_with_half_of_one_does_not_start() {
    let stripe = ["--stripe-key-file", "/none", "--stripe-webhook-secret-file", "/none"];
    let back = "https://shop.example/orders/{order_id}";
    let key = ["--stripe-publishable-key", "pk_test_1", "--return-url", back];
    let field = [stripe, key].concat();
    for (options, says) in [
        (vec![], "--payments-url"),
        (vec!["--payments-url", "http://127.0.0.1:1"], "--payments-secret-file"),
        (vec!["--stripe-key-file", "/none"], "--stripe-webhook-secret-file"),
        ([&stripe[..], &["--stripe-publishable-key", "pk_test_1"]].concat(), "--return-url"),
        (
            [&field[..], &["--stripe-js-url", "https://cdn.example/v3/"]].concat(),
            "below https://js.stripe.com/",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_vitrine-origin"))
            .args(["serve", "--data", "/none", "--edge-secret-file", "/none"])
            .args(options)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{said}");
    }
}
