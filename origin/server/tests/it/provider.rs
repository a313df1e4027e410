//! The local payment provider, as a shop and a payer see it: right, and wrong on demand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use domain::{Currency, Money, PaymentId};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use providers::http_payment::{HttpPaymentProvider, receive};
use providers::payment::{
    Capture, CaptureMode, Event, Intent, IntentStatus as S, Lookup, NewIntent, PayerAction,
    PaymentError, PaymentProvider as _, Subject,
};
use serde_json::{Value, json};

use crate::shop::{
    Answer, Asker, PAYMENTS_SECRET, Process, Shop, With, eventually, key, now, start_payments,
};

const DEADLINE: Duration = Duration::from_secs(5);

/// Who hears of payments: everything that was delivered, and how many are turned away first.
#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Vec<(Instant, Event)>>,
    refusals: Mutex<u32>,
}

impl Ear {
    fn events(&self) -> Vec<Event> {
        self.heard.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }

    /// The words of what was heard about one payment.
    fn kinds(&self, reference: PaymentId) -> Vec<String> {
        let is_about = |event: &Event| matches!(&event.subject, Subject::Intent(intent) if intent.reference == reference);
        self.events().into_iter().filter(is_about).map(|event| event.kind).collect()
    }
}

async fn listen(State(ear): State<Arc<Ear>>, headers: HeaderMap, body: bytes::Bytes) -> StatusCode {
    let mut refusals = ear.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let event = receive(PAYMENTS_SECRET.as_bytes(), &headers, &body, now()).unwrap();
    ear.heard.lock().unwrap().push((Instant::now(), event));
    StatusCode::OK
}

/// A provider of its own, somebody who listens to it, and a client.
struct Bank {
    _folder: tempfile::TempDir,
    process: Process,
    client: HttpPaymentProvider,
    http: Asker,
    ear: Arc<Ear>,
}

fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

fn reference(number: u8) -> PaymentId {
    PaymentId::v7(now(), [number; 10])
}

fn new(reference: PaymentId, method: &str) -> NewIntent {
    NewIntent {
        reference,
        amount: euro(1_000),
        method: method.parse().unwrap(),
        capture: CaptureMode::Automatic,
        return_url: None,
    }
}

impl Bank {
    async fn open(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("payments"), PAYMENTS_SECRET).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = format!("http://{}/", listener.local_addr().unwrap());
        let ear = Arc::new(Ear::default());
        let router = axum::Router::new().route("/", post(listen)).with_state(Arc::clone(&ear));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let process = start_payments(folder.path(), "127.0.0.1:0", &hook, options);
        let client = HttpPaymentProvider::new(&process.url, PAYMENTS_SECRET.to_owned(), DEADLINE);
        let http = Asker::new(&process.url);
        Self { _folder: folder, process, client, http, ear }
    }

    async fn switch(&self, switches: Value) -> Answer {
        let secret = format!("Bearer {PAYMENTS_SECRET}");
        let put = self.http.request("PUT", "/admin/switches").header("authorization", secret);
        self.http.send(put.body(Full::from(switches.to_string())).unwrap()).await.unwrap()
    }

    async fn pay(&self, number: u8, method: &str) -> Result<Intent, PaymentError> {
        let reference = reference(number);
        self.client.create(format!("{reference}:create"), new(reference, method)).await
    }

    async fn hold(&self, number: u8) -> Intent {
        let reference = reference(number);
        let held = NewIntent { capture: CaptureMode::Manual, ..new(reference, "success") };
        self.client.create(format!("{reference}:create"), held).await.unwrap()
    }

    async fn read(&self, id: &str) -> Intent {
        self.client.lookup(Lookup::Id(id.to_owned())).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_held_taken_in_parts_let_go_and_sent_back() {
    let bank = Bank::open(&[]).await;
    let held = bank.hold(1).await;
    assert_eq!(held.status, S::Authorized);
    let take = |key: &str, capture| bank.client.capture(key.into(), held.id.clone(), capture);
    let part = take("c1", Capture::part(euro(300))).await.unwrap();
    assert_eq!((part.status, part.amounts.captured()), (S::PartiallyCaptured, euro(300)));
    assert_eq!(take("c1", Capture::part(euro(300))).await.unwrap(), part, "asked twice");
    assert!(matches!(take("c1", Capture::ALL).await, Err(PaymentError::KeyReused)));
    assert!(matches!(take("c2", Capture::part(euro(701))).await, Err(PaymentError::Invalid(_))));
    let rest = take("c3", Capture::last(euro(200))).await.unwrap();
    assert_eq!((rest.status, rest.amounts.released()), (S::Captured, euro(500)));
    let back = |key: &str, amount: Option<i64>| {
        bank.client.refund(key.into(), held.id.clone(), amount.map(euro))
    };
    let first = back("r1", Some(100)).await.unwrap();
    assert_eq!((first.intent.status, first.refund.amount), (S::PartiallyRefunded, euro(100)));
    assert_eq!(back("r1", Some(100)).await.unwrap().refund, first.refund);
    assert!(matches!(back("r2", Some(401)).await, Err(PaymentError::Invalid(_))));
    let last = back("r3", None).await.unwrap();
    assert_eq!((last.intent.status, last.refund.amount), (S::Refunded, euro(400)));
    assert_eq!(back("r4", None).await.unwrap(), last.clone());
    let listed = bank.client.refunds(held.id.clone()).await.unwrap();
    assert_eq!(listed, [last.refund, first.refund]);
    let other = bank.hold(2).await;
    let void = || bank.client.cancel("v".into(), other.id.clone());
    assert_eq!(void().await.unwrap().status, S::Cancelled);
    assert_eq!(void().await.unwrap().status, S::Cancelled);
    let late = bank.client.capture("c4".into(), other.id, Capture::ALL).await;
    assert!(matches!(late, Err(PaymentError::NotAllowed)), "{late:?}");
    assert!(matches!(back("c1", None).await, Err(PaymentError::KeyReused)));
    let nothing = bank.client.lookup(Lookup::Id("pi_none".into())).await.unwrap();
    assert_eq!(nothing, None);
    let ours =
        Lookup::Ours { reference: held.reference, key: format!("{}:create", held.reference) };
    assert_eq!(bank.client.lookup(ours).await.unwrap().unwrap().id, held.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_expires_and_its_shop_is_told() {
    let bank = Bank::open(&["--authorization-seconds", "1"]).await;
    let held = bank.hold(1).await;
    eventually("the authorization has expired", || async {
        bank.read(&held.id).await.status == S::Cancelled
    })
    .await;
    eventually("the shop was told", || async {
        bank.ear.kinds(held.reference).contains(&"payment.cancelled".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payer_decides_on_the_banks_page_without_javascript() {
    let bank = Bank::open(&[]).await;
    for (number, word, expected) in [(1, "approve", S::Captured), (2, "reject", S::Declined)] {
        let back = "https://shop.example/back?order=1";
        let reference = reference(number);
        let asks = NewIntent { return_url: Some(back.into()), ..new(reference, "requires_action") };
        let waits = bank.client.create(format!("{reference}"), asks).await.unwrap();
        let Some(PayerAction::Redirect { url }) = waits.action else { panic!("{waits:?}") };
        let path = url.strip_prefix(&bank.process.url).unwrap().to_owned();
        let visit = |method: &str, body: String| {
            bank.http.send(bank.http.request(method, &path).body(Full::from(body)).unwrap())
        };
        let page = visit("GET", String::new()).await.unwrap().expect(200);
        let html = String::from_utf8_lossy(&page.bytes).into_owned();
        assert!(html.contains("10.00 EUR") && html.contains("<form method=\"post\">"), "{html}");
        assert!(!html.contains("<script"), "{html}");
        assert!(
            page.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
        visit("POST", "decision=maybe".into()).await.unwrap().expect(400);
        assert_eq!(bank.read(&waits.id).await.status, S::RequiresAction);
        let decided = visit("POST", format!("decision={word}")).await.unwrap().expect(303);
        assert_eq!(decided.headers["location"], back);
        assert_eq!(bank.read(&waits.id).await.status, expected);
        visit("POST", "decision=approve".into()).await.unwrap().expect(409);
        let page = visit("GET", String::new()).await.unwrap().expect(200);
        assert!(!String::from_utf8_lossy(&page.bytes).contains("<form"));
        eventually("the shop was told", || async { bank.ear.kinds(reference).len() == 1 }).await;
    }
    let nobody = bank.http.request("GET", "/3ds/pi_none").body(Full::default()).unwrap();
    bank.http.send(nobody).await.unwrap().expect(404);
    let script =
        NewIntent { return_url: Some("javascript:alert(1)".into()), ..new(reference(3), "hosted") };
    let refused = bank.client.create("j".into(), script).await;
    assert!(matches!(refused, Err(PaymentError::Invalid(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_are_the_operators_alone_and_checked() {
    let bank = Bank::open(&["--switches", "{\"decline_next\":1}"]).await;
    let bare = bank.http.request("PUT", "/admin/switches").body(Full::from("{}")).unwrap();
    bank.http.send(bare).await.unwrap().expect(401);
    assert_eq!(bank.pay(1, "success").await.unwrap().status, S::Declined, "set at the start");
    assert_eq!(bank.pay(2, "success").await.unwrap().status, S::Captured);
    bank.switch(json!({"decline_percent": 101})).await.expect(422);
    bank.switch(json!({"colour": "red"})).await.expect(400);
    let set = bank.switch(json!({"decline_percent": 100})).await.expect(200);
    assert_eq!((&set.body["decline_percent"], &set.body["delay_ms"]), (&json!(100), &json!(0)));
    assert_eq!(bank.pay(3, "success").await.unwrap().status, S::Declined);
    bank.switch(json!({})).await.expect(200);
    assert_eq!(bank.pay(4, "success").await.unwrap().status, S::Captured);
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_is_forced_answers_are_late_lost_and_refused_on_demand() {
    let bank = Bank::open(&[]).await;
    bank.switch(json!({"force_3ds": true})).await.expect(200);
    assert_eq!(bank.pay(1, "success").await.unwrap().status, S::RequiresAction);
    assert_eq!(bank.pay(2, "decline").await.unwrap().status, S::Declined);
    bank.switch(json!({"delay_ms": 700})).await.expect(200);
    let started = Instant::now();
    bank.pay(3, "success").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(700));
    bank.switch(json!({"fail_next": 1, "lose_answer_next": 1})).await.expect(200);
    let reference = reference(4);
    let create = || bank.client.create("k".into(), new(reference, "success"));
    let ours = || bank.client.lookup(Lookup::Ours { reference, key: "k".into() });
    assert!(matches!(create().await, Err(PaymentError::Unknown(_))));
    assert_eq!(ours().await.unwrap(), None, "it failed before it was done");
    assert!(matches!(create().await, Err(PaymentError::Unknown(_))));
    let found = ours().await.unwrap().unwrap();
    assert_eq!(found.status, S::Captured, "it was done, and its answer lost");
    assert_eq!(create().await.unwrap(), found);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_doubled_late_mixed_up_and_repeated_until_they_are_taken() {
    let bank = Bank::open(&[]).await;
    bank.switch(json!({"webhook_duplicates": 2, "webhook_delay_ms": 400})).await.expect(200);
    let started = Instant::now();
    let paid = bank.pay(1, "success").await.unwrap();
    eventually("it was told three times", || async { bank.ear.kinds(paid.reference).len() == 3 })
        .await;
    let heard = bank.ear.heard.lock().unwrap().clone();
    assert!(heard.iter().all(|(at, _)| at.duration_since(started) >= Duration::from_millis(400)));
    assert!(heard.iter().all(|(_, event)| event.id == heard[0].1.id), "one webhook, three times");
    *bank.ear.refusals.lock().unwrap() = 2;
    bank.switch(json!({})).await.expect(200);
    let other = bank.pay(2, "success").await.unwrap();
    eventually("it was told at the third attempt", || async {
        bank.ear.kinds(other.reference).len() == 1
    })
    .await;
    // Twenty in a row would arrive in their order by chance once in 20! times.
    bank.switch(json!({"webhook_reorder": true})).await.expect(200);
    let mut sent = Vec::new();
    for number in 10..30 {
        sent.push(bank.pay(number, "success").await.unwrap().reference);
    }
    let arrived = || {
        let mut order: Vec<PaymentId> = Vec::new();
        for event in bank.ear.events() {
            if let Subject::Intent(intent) = event.subject
                && sent.contains(&intent.reference)
            {
                order.push(intent.reference);
            }
        }
        order
    };
    eventually("all were told", || async { arrived().len() == sent.len() }).await;
    assert_ne!(arrived(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_stays_right_while_its_provider_misbehaves() {
    let mut shop = Shop::start(100);
    let secret = format!("Bearer {PAYMENTS_SECRET}");
    let provider = Asker::new(&shop.payments.url);
    let switch = |switches: Value| {
        let put = provider.request("PUT", "/admin/switches").header("authorization", &secret);
        provider.send(put.body(Full::from(switches.to_string())).unwrap())
    };
    let wild = json!({"decline_percent": 20, "lose_answer_percent": 30, "fail_percent": 20,
        "webhook_duplicates": 2, "webhook_delay_ms": 100, "webhook_reorder": true});
    switch(wild).await.unwrap().expect(200);
    let mut orders = Vec::new();
    for number in 0..20 {
        let asker = shop.client.clone();
        let cart = asker.cart_with("CUP-RED", 1).await;
        let answer = asker.checkout(&cart, "success", key(&format!("wild-{number}"))).await;
        if answer.status == 201 {
            orders.push((answer.text("/order_id"), answer.text("/order_token")));
        } else {
            answer.expect_problem(402, "payment-declined");
        }
    }
    switch(json!({})).await.unwrap().expect(200);
    let mut confirmed = 0;
    for (order, token) in &orders {
        let state = || async {
            let with = With { bearer: Some(token), ..With::default() };
            shop.client.ask("GET", &format!("/v1/orders/{order}"), None, with).await.expect(200)
        };
        eventually("the order has ended", || async {
            state().await.text("/status") != "pending_payment"
        })
        .await;
        confirmed += i64::from(state().await.text("/status") == "confirmed");
    }
    assert!(confirmed > 0);
    assert_eq!(shop.client.available("CUP-RED").await, 100 - confirmed);
    shop.origin.terminate();
    let books = shop.books().await;
    assert_eq!((books.ledger_imbalance, books.reserved), (0, 0), "{books:?}");
}
