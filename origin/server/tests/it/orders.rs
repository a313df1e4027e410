//! Orders after their checkout, over the wire and with a provider that is a process of its own.

use serde_json::{Value, json};

use crate::shop::{Answer, Asker, Shop, With, eventually, key};
use crate::staff::{admin, key_of, shown};

/// A key of the staff with a role.
fn staff_key(shop: &Shop, role: &str) -> String {
    let data = shop.folder.path().join("origin");
    let database = ["--data", data.to_str().unwrap()];
    let (is_done, said) = admin(&database, &["key", "create", "--name", "k", "--role", role]);
    assert!(is_done, "{said}");
    key_of(&said).1
}

/// Asks for a step with a key of the staff, once per `idempotency`.
async fn step(client: &Asker, staff: &str, path: &str, idempotency: &str, body: Value) -> Answer {
    let with = With { key: Some(idempotency), bearer: Some(staff), ..With::default() };
    client.post(path, body, with).await
}

/// Buys two cups; returns the order's id and token.
async fn buy(client: &Asker) -> (String, String) {
    let cart = client.cart_with("CUP-RED", 2).await;
    let bought = client.checkout(&cart, "success", key("buy")).await.expect(201);
    (bought.text("/order_id"), bought.text("/order_token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_packed_sent_and_given_back_in_part() {
    let shop = Shop::start(5);
    let client = &shop.client;
    let (order, token) = buy(client).await;
    let (packer, cashier) = (staff_key(&shop, "orders"), staff_key(&shop, "payments"));
    let path = format!("/admin/v1/orders/{order}");
    let seen = client.ask("GET", &path, None, shown(&packer)).await.expect(200);
    assert_eq!(seen.headers["etag"], "\"2\"");
    assert_eq!(seen.text("/payment"), "captured");
    let line = seen.text("/order/lines/0/id");

    let pack = format!("{path}/fulfilments");
    let lines = json!({"lines": [{"line": line, "pieces": 1}]});
    let bare = client.post(&pack, lines.clone(), shown(&packer)).await;
    bare.expect_problem(400, "idempotency-key-required");
    let stale = With { if_match: Some("\"1\""), key: Some("p"), ..shown(&packer) };
    client.post(&pack, lines.clone(), stale).await.expect_problem(412, "precondition-failed");
    let packed = step(client, &packer, &pack, "p", lines.clone()).await.expect(201);
    let again = step(client, &packer, &pack, "p", lines).await.expect(201);
    assert!(again.is_replay() && again.text("/made") == packed.text("/made"));
    let parcel = format!("{pack}/{}", packed.text("/made"));
    let bad = json!({"carrier": "DHL", "url": "http://dhl.example/"});
    let refused = step(client, &packer, &format!("{parcel}/ship"), "s", bad).await;
    assert_eq!(refused.expect_problem(422, "invalid-input").text("/errors/0/pointer"), "/url");
    let tracking = json!({"carrier": "DHL", "number": "JD1", "url": "https://dhl.example/JD1"});
    step(client, &packer, &format!("{parcel}/ship"), "s", tracking).await.expect(200);

    let refunds = format!("{path}/refunds");
    let five = json!({"amount": {"minor": 500, "currency": "EUR"}, "reason": "goodwill"});
    let denied = step(client, &packer, &refunds, "r", five.clone()).await;
    denied.expect_problem(403, "permission-required");
    let given = step(client, &cashier, &refunds, "r", five.clone()).await.expect(201);
    assert_eq!(given.text("/order/refunds/0/status"), "succeeded");
    assert!(step(client, &cashier, &refunds, "r", five).await.expect(201).is_replay());
    assert_eq!(given.text("/operations/0/kind"), "refund");

    let own = With { bearer: Some(&token), ..With::default() };
    let theirs =
        client.ask("GET", &format!("/v1/orders/{order}"), None, own.clone()).await.expect(200);
    assert_eq!(theirs.text("/fulfilments/0/tracking/number"), "JD1");
    assert_eq!(theirs.body["refunds"][0]["amount"]["minor"], 500);
    assert_eq!(theirs.text("/payment_status"), "partially_refunded");
    let invoice =
        client.ask("GET", &format!("/v1/orders/{order}/invoice"), None, own).await.expect(200);
    assert_eq!(invoice.headers["content-type"], "application/pdf");
    assert_eq!(invoice.headers["cache-control"], "no-store");
    assert!(invoice.bytes.starts_with(b"%PDF-"));
    let list = "/admin/v1/orders?status=confirmed&limit=5";
    let listed = client.ask("GET", list, None, shown(&cashier)).await.expect(200);
    assert_eq!(listed.text("/items/0/fulfilment"), "partially");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_back_once_when_the_provider_was_away_and_the_shop_was_killed() {
    let mut shop = Shop::start(5);
    let client = shop.client.clone();
    let (order, token) = buy(&client).await;
    shop.payments.kill();
    let own = With { key: Some("c"), bearer: Some(&token), ..With::default() };
    let cancel = format!("/v1/orders/{order}/cancel");
    let cancelled = client.post(&cancel, json!({}), own).await.expect(200);
    assert_eq!(cancelled.text("/status"), "cancelled");
    assert_eq!(cancelled.text("/refunds/0/status"), "pending");
    assert_eq!(client.available("CUP-RED").await, 5);
    shop.kill_and_restart_origin();
    shop.kill_and_restart_payments();
    let client = Asker::new(&shop.origin.url);
    let path = format!("/v1/orders/{order}");
    eventually("the money is back", || async {
        let own = With { bearer: Some(&token), ..With::default() };
        let seen = client.ask("GET", &path, None, own).await.expect(200);
        seen.text("/refunds/0/status") == "succeeded" && seen.text("/payment_status") == "refunded"
    })
    .await;
    shop.origin.terminate();
    let books = shop.books().await;
    assert_eq!(
        (books.ledger_imbalance, books.on_hand, books.on_hand_moved),
        (0, 8, 8),
        "{books:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_printed_in_the_fonts_that_the_operator_names() {
    let mut shop = Shop::start(5);
    let font = concat!(env!("CARGO_MANIFEST_DIR"), "/../documents/tests/fonts/cjk.otf");
    let (order, token) = buy(&shop.client).await;
    let path = format!("/v1/orders/{order}/invoice");
    let own = || With { bearer: Some(&token), ..With::default() };
    let before = shop.client.ask("GET", &path, None, own()).await.expect(200);
    // Its seller's name is in letters that only the named font has.
    let options = ["--seller", "山田太郎", "--document-font", font];
    shop.restart_origin_with(&options[..2]);
    let marked = shop.client.ask("GET", &path, None, own()).await.expect(200);
    shop.restart_origin_with(&options);
    let printed = shop.client.ask("GET", &path, None, own()).await.expect(200);
    let fonts = |bytes: &[u8]| bytes.windows(9).filter(|at| at == b"/FontFile").count();
    assert_eq!([&before, &marked, &printed].map(|answer| fonts(&answer.bytes)), [1, 1, 2]);
}

#[test]
fn a_font_that_cannot_be_used_is_named_before_anything_is_opened() {
    let shop = Shop::start(5);
    let folder = shop.folder.path();
    let (text, none) = (folder.join("text.ttf"), folder.join("none.ttf"));
    std::fs::write(&text, "no font").unwrap();
    let font = concat!(env!("CARGO_MANIFEST_DIR"), "/../documents/tests/fonts/cjk.otf");
    for (file, reason) in [
        (text.display().to_string(), "is no TrueType or OpenType font"),
        (none.display().to_string(), "No such file"),
        (format!("{font}#4"), "has 1 fonts, counted from 0, so there is no 4"),
        ([font; 9].join(":"), "is one font too many: 8 may be named"),
    ] {
        let said = shop.refusal("127.0.0.1:0", &["--document-font", &file]);
        assert!(said.contains("font ") && said.contains(reason), "{file}: {said}");
    }
}
