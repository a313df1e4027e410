//! The staff's command line and door, and what merchants are told by the jobs of real processes.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::shop::{
    Asker, EDGE_SECRET, PAYMENTS_SECRET, PROGRAM, Process, Shop, With, catalogue, eventually,
};

/// Runs `vitrine-origin admin …`; returns whether it went well and what it said.
pub(crate) fn admin(database: &[&str], arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM)
        .env_remove("DATABASE_URL")
        .env("VITRINE_LOG", "warn")
        .arg("admin")
        .args(database)
        .args(arguments)
        .output()
        .unwrap();
    let said =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

pub(crate) fn key_of(said: &str) -> (String, String) {
    let mut lines = said.lines();
    let id = lines.next().unwrap().strip_prefix("key ").unwrap().to_owned();
    (id, lines.next().unwrap().to_owned())
}

pub(crate) fn shown(key: &str) -> With<'_> {
    With { bearer: Some(key), ..With::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_roles_are_given_and_taken_on_the_command_line() {
    let shop = Shop::start(5);
    let data = shop.folder.path().join("origin");
    let database = ["--data", data.to_str().unwrap()];
    let (is_done, said) = admin(
        &database,
        &["key", "create", "--name", "till", "--role", "integrations", "--days", "30"],
    );
    assert!(is_done, "{said}");
    let (id, key) = key_of(&said);
    let me = shop.client.ask("GET", "/admin/v1/me", None, shown(&key)).await.expect(200);
    assert_eq!((me.text("/key_id"), &me.body["roles"]), (id.clone(), &json!(["integrations"])));
    let refused = shop.client.ask("GET", "/admin/v1/staff", None, shown(&key)).await;
    refused.expect_problem(403, "permission-required");

    let (is_done, listed) = admin(&database, &["key", "list"]);
    assert!(is_done && listed.contains(&id) && listed.contains("till"), "{listed}");
    assert!(!listed.contains("vk_") && !listed.contains(&key[20..]), "{listed}");
    let (is_done, said) = admin(&database, &["key", "revoke", &id]);
    assert!(is_done, "{said}");
    let refused = shop.client.ask("GET", "/admin/v1/me", None, shown(&key)).await;
    refused.expect_problem(401, "invalid-staff-key");

    let credentials = json!({"email": "ada@example.org", "password": "correct horse"});
    let tokens =
        shop.client.post("/v1/auth/register", credentials, With::default()).await.expect(201);
    let ada = shop.client.signed_in(&tokens.text("/access_token"));
    ada.get("/admin/v1/me").await.expect_problem(403, "permission-required");
    let member = ["--email", "ada@example.org", "--role", "owner"];
    let (is_done, said) = admin(&database, &[&["grant"][..], &member].concat());
    assert!(is_done, "{said}");
    let staff = ada.get("/admin/v1/staff").await.expect(200);
    assert_eq!(staff.text("/items/0/email"), "ada@example.org");
    let (is_done, said) = admin(&database, &["revoke", "--email", "ada@example.org"]);
    assert!(is_done, "{said}");
    ada.get("/admin/v1/staff").await.expect_problem(403, "permission-required");

    for wrong in [
        &["grant", "--email", "nobody@example.org", "--role", "owner"][..],
        &["grant", "--email", "ada@example.org", "--role", "king"],
        &["key", "create", "--name", "x", "--role", "king"],
        &["key", "revoke", "not-an-id"],
        &["key", "revoke", &id],
    ] {
        let (is_done, said) = admin(&database, wrong);
        assert!(!is_done, "{wrong:?}: {said}");
    }
}

/// Hears webhooks; returns its URL and what it has heard.
async fn subscriber() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut bytes = [0; 4_096];
            while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
                let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                if let Ok(body) = serde_json::from_str(body) {
                    ears.lock().unwrap().push(body);
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        }
    });
    (url, heard)
}

fn kinds(heard: &Mutex<Vec<Value>>) -> Vec<String> {
    heard.lock().unwrap().iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect()
}

async fn subscribe(client: &Asker, key: &str, url: &str) -> String {
    let new = json!({"url": url, "patterns": ["payment.captured"]});
    let made = client.post("/admin/v1/webhooks", new, shown(key)).await.expect(201);
    assert!(made.text("/secret").starts_with("whsec_"));
    made.text("/id")
}

async fn buy(client: &Asker, key: &str) {
    let cart = client.cart_with("CUP-RED", 1).await;
    client.checkout(&cart, "success", crate::shop::key(key)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_is_told_of_a_sale_and_may_look_it_up() {
    let mut shop = Shop::start(5);
    let data = shop.folder.path().join("origin");
    let database = ["--data", data.to_str().unwrap()];
    let (_, said) =
        admin(&database, &["key", "create", "--name", "till", "--role", "integrations"]);
    let (_, key) = key_of(&said);
    let (url, heard) = subscriber().await;
    let new = json!({"url": url, "patterns": ["*"]});
    let refused = shop.client.post("/admin/v1/webhooks", new, shown(&key)).await;
    refused.expect_problem(422, "invalid-input");
    shop.restart_origin_with(&["--allow-local-webhooks"]);
    let client = Asker::new(&shop.origin.url);
    let webhook = subscribe(&client, &key, &url).await;
    buy(&client, "k").await;
    eventually("the merchant is told", || async { kinds(&heard) == ["payment.captured"] }).await;
    let path = format!("/admin/v1/webhooks/{webhook}/deliveries?status=delivered");
    eventually("it is written down", || async {
        let listed = client.ask("GET", &path, None, shown(&key)).await.expect(200);
        listed.body["items"].as_array().unwrap().len() == 1
    })
    .await;
    let listed = client.ask("GET", &path, None, shown(&key)).await.expect(200);
    let delivery = listed.text("/items/0/id");
    let path = format!("/admin/v1/webhooks/{webhook}/deliveries/{delivery}");
    let detail = client.ask("GET", &path, None, shown(&key)).await.expect(200);
    assert_eq!(detail.body["attempt_log"][0]["status"], 204);
    assert!(!detail.body.to_string().contains("whsec_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_its_jobs_to_the_other() {
    let Some(database) = pgcluster::TestDatabase::create() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("edge"), EDGE_SECRET).unwrap();
    std::fs::write(path("payments"), PAYMENTS_SECRET).unwrap();
    std::fs::write(path("catalogue.json"), catalogue(50).to_string()).unwrap();
    let url = database.url();
    let seeded = Command::new(PROGRAM)
        .args(["seed", "--database-url", &url, "--catalogue", &path("catalogue.json")])
        .output()
        .unwrap();
    assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
    let (data, payments, edge) = (path("payments.d"), path("payments"), path("edge"));
    let provider = Process::start(&[
        "payments",
        "--listen",
        "127.0.0.1:0",
        "--data",
        &data,
        "--secret-file",
        &payments,
        "--webhook-url",
        "http://127.0.0.1:1/",
    ]);
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &url,
        "--edge-secret-file",
        &edge,
        "--payments-url",
        &provider.url,
        "--payments-secret-file",
        &payments,
        "--allow-local-webhooks",
    ];
    let mut first = Process::start(&serve);
    let client = Asker::new(&first.url);
    let (_, said) =
        admin(&["--database-url", &url], &["key", "create", "--name", "till", "--role", "owner"]);
    let (_, key) = key_of(&said);
    let (subscriber, heard) = subscriber().await;
    subscribe(&client, &key, &subscriber).await;
    buy(&client, "a").await;
    eventually("the first has the jobs", || async { kinds(&heard).len() == 1 }).await;

    let second = Process::start(&serve);
    let other = Asker::new(&second.url);
    buy(&other, "b").await;
    eventually("one of them tells", || async { kinds(&heard).len() == 2 }).await;
    first.kill();
    let killed = Instant::now();
    buy(&other, "c").await;
    eventually("the other has the jobs now", || async { kinds(&heard).len() == 3 }).await;
    // 15 s of the lease, and two rounds with the time that a busy machine takes for them.
    assert!(killed.elapsed() < Duration::from_secs(25), "{:?}", killed.elapsed());
    assert_eq!(kinds(&heard), ["payment.captured"; 3], "and nothing was told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_of_the_staff_never_opens_anothers_answer_and_each_command_is_done_once() {
    let shop = Shop::start(5);
    let data = shop.folder.path().join("origin");
    let database = ["--data", data.to_str().unwrap()];
    let make = |name: &str| {
        let (is_done, said) =
            admin(&database, &["key", "create", "--name", name, "--role", "integrations"]);
        assert!(is_done, "{said}");
        key_of(&said).1
    };
    let (till, erp) = (make("till"), make("erp"));
    let post = async |bearer: &str, path: &str, body: Value, key: &str| {
        let with = With { bearer: Some(bearer), key: Some(key), ..With::default() };
        shop.client.post(path, body, with).await
    };
    let hook = |url: &str| json!({"url": url, "patterns": ["order.*"]});
    let path = "/admin/v1/webhooks";
    let first = post(&till, path, hook("https://till.example/"), "k").await.expect(201);
    // The same key with another body, of somebody else: neither a replay nor a reuse.
    let other = post(&erp, path, hook("https://erp.example/"), "k").await.expect(201);
    assert_ne!(first.text("/id"), other.text("/id"));
    assert!(post(&till, path, hook("https://till.example/"), "k").await.expect(201).is_replay());

    let secret = format!("{path}/{}/secret", first.text("/id"));
    let rotated = post(&till, &secret, json!({}), "r").await.expect(200);
    assert_ne!(rotated.text("/secret"), first.text("/secret"));
    let again = post(&till, &secret, json!({}), "r").await.expect(200);
    assert!(again.is_replay());
    assert_eq!(again.text("/secret"), rotated.text("/secret"));
    post(&till, &secret, json!({"previous_kept_s": 0}), "r")
        .await
        .expect_problem(422, "idempotency-key-reuse");

    let test = format!("{path}/{}/test", first.text("/id"));
    let sent = post(&till, &test, json!({}), "t").await.expect(202);
    let again = post(&till, &test, json!({}), "t").await.expect(202);
    assert_eq!(sent.text("/delivery_id"), again.text("/delivery_id"));
    let deliveries = format!("{path}/{}/deliveries", first.text("/id"));
    let listed = shop.client.ask("GET", &deliveries, None, shown(&till)).await.expect(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_in_and_go_out_through_the_staffs_door() {
    let shop = Shop::start(5);
    let data = shop.folder.path().join("origin");
    let database = ["--data", data.to_str().unwrap()];
    let (is_done, said) =
        admin(&database, &["key", "create", "--name", "erp", "--role", "integrations"]);
    assert!(is_done, "{said}");
    let (_, key) = key_of(&said);
    let asker = &shop.client;
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        asker.ask(method, path, body, shown(&key)).await
    };
    let import = json!({"kind": "stock", "format": "csv"});
    let made = ask("POST", "/admin/v1/imports", Some(import)).await.expect(201);
    let path = format!("/admin/v1/imports/{}", made.text("/id"));
    let send = async |number: u32, body: String| {
        let path = format!("{path}/parts/{number}");
        let request = asker.signed("PUT", &path, body, shown(&key), crate::shop::now());
        asker.send(request).await.unwrap()
    };
    send(1, "x".repeat(49 * 1_024)).await.expect(413);
    send(1, "sku,counted\nCUP-RED,8\nNONE,1\n".to_owned()).await.expect(200);
    ask("POST", &format!("{path}/start"), None).await.expect(202);
    eventually("the import is done", || async {
        ask("GET", &path, None).await.expect(200).text("/status") == "done"
    })
    .await;
    assert_eq!(asker.available("CUP-RED").await, 8);
    let errors = ask("GET", &format!("{path}/errors"), None).await.expect(200);
    assert_eq!(
        (errors.text("/items/0/code"), &errors.body["items"][0]["row"]),
        ("unknown".into(), &json!(2))
    );

    let file = ask("GET", "/admin/v1/exports/products", None).await.expect(200);
    assert_eq!(file.headers["content-disposition"], "attachment");
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.starts_with("handle,title,") && text.contains(",19.00,21.00,3200,"), "{text}");
    let wrong = ask("GET", "/admin/v1/exports/stock?format=xml", None).await;
    wrong.expect_problem(422, "invalid-input");
}
