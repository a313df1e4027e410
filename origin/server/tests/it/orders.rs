//! Orders after their checkout, over the wire and with a provider that is a process of its own.

use serde_json::{Value, json};

use crate::shop::{Answer, Asker, PROGRAM, Shop, With, eventually, key};
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
async fn an_invoice_is_given_a_number_of_its_own_by_the_job_or_by_who_asks() {
    let shop = Shop::start(9);
    let client = &shop.client;
    let (before, _) = buy(client).await;
    let owner = staff_key(&shop, "owner");
    let numbers = json!({"invoice_numbers": {"series": "own", "prefix": "RE/", "digits": 5}});
    let changed = With { key: Some("n"), ..shown(&owner) };
    let changed = client.ask("PATCH", "/admin/v1/shop", Some(numbers), changed).await.expect(200);
    assert_eq!(changed.text("/invoice_numbers/series"), "own");
    let (order, token) = buy(client).await;
    let path = format!("/v1/orders/{order}");
    let own = || With { bearer: Some(&token), ..With::default() };
    eventually("the job has come", || async {
        let seen = client.ask("GET", &path, None, own()).await.expect(200);
        seen.body["invoice"]["number"] == "RE/00001"
    })
    .await;
    // Read at once: this one is given its number by who asks, or the job was faster.
    let (other, token) = buy(client).await;
    let own = With { bearer: Some(&token), ..With::default() };
    let file = client.ask("GET", &format!("/v1/orders/{other}/invoice"), None, own).await;
    let file = file.expect(200);
    let named = "attachment; filename=\"invoice-RE-00002.pdf\"";
    assert_eq!(file.headers["content-disposition"], named);
    let found = "/admin/v1/orders?q=re/00002";
    let found = client.ask("GET", found, None, shown(&owner)).await.expect(200);
    assert_eq!(found.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(found.text("/items/0/id"), other);
    assert_eq!(found.text("/items/0/invoice/number"), "RE/00002");
    let old = format!("/admin/v1/orders/{before}");
    let old = client.ask("GET", &old, None, shown(&owner)).await.expect(200);
    assert!(old.body["order"].get("invoice").is_none());
}

/// The command is a change of the shop like the staff's.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_numbers_orders_otherwise_is_told_to_others() {
    let Some(database) = pgcluster::TestDatabase::create() else { return };
    let url = database.url();
    let numbers = |option: &[&str]| {
        let mut arguments = vec!["numbers", "--database-url", &url];
        arguments.extend(option);
        let output = std::process::Command::new(PROGRAM).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    numbers(&["--gapless"]);
    // Said again, it changes nothing and tells nobody.
    numbers(&["--gapless"]);
    numbers(&["--blocks", "7"]);
    let config = store::StoreConfig::cluster(store::ConnectionUrl::new(url.clone()));
    let store = store::Store::open(&config, "unused").await.unwrap();
    assert_eq!(store.shop().await.unwrap().version, 2);
    let events = store.waiting_events(100).await.unwrap();
    let told: Vec<Value> = events
        .iter()
        .filter(|event| event.kind == "shop.updated")
        .map(|event| serde_json::from_str(&event.payload_json).unwrap())
        .collect();
    assert_eq!(told.len(), 2);
    for (words, version) in told.iter().zip(1..) {
        assert_eq!(words["version"], version);
        assert_eq!(words["changed"], json!(["order_numbers"]));
        assert_eq!(words["actor"], "operator");
    }
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
