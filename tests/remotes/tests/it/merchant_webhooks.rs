//! What merchants get is what the official library of Standard Webhooks verifies.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use api_types::admin::{NewWebhook, SecretRotation};
use app::{App, Clock, Parts, Reach, Settings};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use providers::http_payment::HttpPaymentProvider;
use serde_json::{Value, json};
use store::{Store, StoreConfig};

/// The subscriber, a process of its own. It ends with its standard input.
struct Subscriber {
    child: Child,
    url: String,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn subscriber() -> Subscriber {
    let folder = harness::root().join("tests/remotes/clients");
    assert!(
        folder.join("node_modules").is_dir(),
        "the official clients are missing: `cargo xtask test` installs them, or run `npm ci` in {}",
        folder.display()
    );
    let mut child = Command::new("node")
        .current_dir(folder)
        .arg("standardwebhooks.mjs")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().expect("the subscriber says where it listens").unwrap();
    let url = line.strip_prefix("listening ").unwrap().to_owned();
    Subscriber { child, url }
}

impl Subscriber {
    async fn ask(&self, method: &str, body: Vec<u8>) -> Bytes {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder().method(method).uri(&self.url);
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(10), client.request(request));
        asked.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes()
    }

    async fn knows(&self, secrets: &[&str]) {
        self.ask("PUT", serde_json::to_vec(secrets).unwrap()).await;
    }

    /// What came last: by which secret it is verified.
    async fn last(&self) -> Value {
        let seen: Vec<Value> = serde_json::from_slice(&self.ask("GET", Vec::new()).await).unwrap();
        seen.last().unwrap().clone()
    }
}

async fn shop(folder: &std::path::Path) -> (App, Arc<Store>) {
    let config = StoreConfig::file(folder.join("origin.db"));
    let store = Arc::new(Store::open(&config, "first").await.unwrap());
    let nobody =
        HttpPaymentProvider::new("http://127.0.0.1:1", String::new(), Duration::from_secs(1));
    let parts = Parts {
        store: Arc::clone(&store),
        payments: Arc::new(nobody),
        settings: Settings { webhook_reach: Reach::Loopback, ..Settings::default() },
        clock: Clock::default(),
    };
    (App::start(parts).await.unwrap(), store)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_library_verifies_deliveries_also_while_the_secret_is_changed() {
    let (subscriber, folder) = (subscriber(), tempfile::tempdir().unwrap());
    let (app, _store) = shop(folder.path()).await;
    let new = NewWebhook {
        url: format!("{}/hooks", subscriber.url),
        patterns: vec!["*".to_owned()],
        description: String::new(),
    };
    let made = app.create_webhook(new, None).await.unwrap().value;
    let (id, old) = (made.webhook.id, made.secret);
    let stranger = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    subscriber.knows(&[&old, stranger]).await;
    let sent = app.send_test_event(id, None).await.unwrap().value;
    assert_eq!(app.deliver_webhooks().await.unwrap(), 1);
    let last = subscriber.last().await;
    let [verified, refused] = last["results"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(verified["type"], "webhook.test");
    assert_eq!(verified["id"], last["id"]);
    assert_eq!(refused, &json!("No matching signature found"));
    let delivery = app.webhook_delivery(id, sent.delivery_id).await.unwrap();
    assert_eq!(
        (delivery.delivery.status.as_str(), delivery.attempt_log[0].status),
        ("delivered", Some(204))
    );
    let told: Value = serde_json::from_str(&delivery.body).unwrap();
    assert_eq!(&told, verified, "what is shown is what was sent");

    // For a day both secrets are good: who has not changed yet loses nothing.
    let rotated =
        app.rotate_webhook_secret(id, SecretRotation::default(), None).await.unwrap().value;
    assert_ne!(rotated.secret, old);
    subscriber.knows(&[&old, &rotated.secret, stranger]).await;
    app.send_test_event(id, None).await.unwrap();
    app.deliver_webhooks().await.unwrap();
    let last = subscriber.last().await;
    let results = last["results"].as_array().unwrap();
    assert!(results[0].is_object() && results[1].is_object() && results[2].is_string(), "{last}");

    // A secret that has leaked is good no more, at once.
    let at_once = SecretRotation { previous_kept_s: Some(0) };
    let newest = app.rotate_webhook_secret(id, at_once, None).await.unwrap().value.secret;
    subscriber.knows(&[&old, &rotated.secret, &newest]).await;
    app.send_test_event(id, None).await.unwrap();
    app.deliver_webhooks().await.unwrap();
    let last = subscriber.last().await;
    let results = last["results"].as_array().unwrap();
    assert!(results[0].is_string() && results[1].is_string() && results[2].is_object(), "{last}");
}
