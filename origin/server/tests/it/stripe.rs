//! The whole shop over Stripe, as a stand-in plays it.

use std::process::Command;

use fake_stripe::{FakeStripe, Fault, SECRET_KEY, WEBHOOK_SECRET};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::shop::{Answer, Asker, Process, With, eventually, key, start_alone};

struct Shop {
    _folder: tempfile::TempDir,
    _origin: Process,
    fake: FakeStripe,
    asker: Asker,
}

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("key"), SECRET_KEY).unwrap();
        std::fs::write(path("hook"), WEBHOOK_SECRET).unwrap();
        let fake = FakeStripe::start().await.unwrap();
        let origin = start_alone(
            folder.path(),
            10,
            &[
                "--stripe-url",
                fake.url(),
                "--stripe-key-file",
                &path("key"),
                "--stripe-webhook-secret-file",
                &path("hook"),
            ],
        );
        let asker = Asker::new(&origin.url);
        Self { _folder: folder, _origin: origin, fake, asker }
    }

    async fn buy(&self, method: &str) -> Answer {
        let cart = self.asker.cart_with("CUP-RED", 1).await;
        self.asker.checkout(&cart, method, key(method)).await
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
    for (options, says) in [
        (vec![], "--payments-url"),
        (vec!["--payments-url", "http://127.0.0.1:1"], "--payments-secret-file"),
        (vec!["--stripe-key-file", "/none"], "--stripe-webhook-secret-file"),
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
