//! Starts the programs on free ports over a temporary folder, and signs requests as an edge does.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use domain::{SessionId, Timestamp, UserId};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use origin_client::identity::{HEADER, Identity, SignedRequest, sign};
use serde_json::{Value, json};

pub(crate) const EDGE_SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PAYMENTS_SECRET: &str = "fedcba9876543210fedcba9876543210";
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vitrine-origin");
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running process and the URL that it said.
pub(crate) struct Process {
    child: Child,
    pub(crate) url: String,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .env("VITRINE_LOG", "warn")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the process says where it listens").unwrap();
        let url = line.strip_prefix("listening ").expect("the first line says where").to_owned();
        Self { child, url }
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to stop and returns how long it took.
    pub(crate) fn terminate(&mut self) -> Duration {
        let started = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        started.elapsed()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shop with its payment provider.
pub(crate) struct Shop {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) payments: Process,
    pub(crate) origin: Process,
    pub(crate) client: Asker,
}

impl Shop {
    /// Starts a shop with one product of two variants; `CUP-RED` has `stock` pieces, `CUP-BLUE` has 3.
    pub(crate) fn start(stock: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("edge"), EDGE_SECRET).unwrap();
        std::fs::write(path("payments"), PAYMENTS_SECRET).unwrap();
        std::fs::write(path("catalogue.json"), catalogue(stock).to_string()).unwrap();
        let seeded = Command::new(PROGRAM)
            .env_remove("DATABASE_URL")
            .args(["seed", "--data", &path("origin"), "--catalogue", &path("catalogue.json")])
            .output()
            .unwrap();
        assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
        // The provider must know where the shop is and the shop where the provider is: the shop's port is taken first.
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let webhook = format!("http://127.0.0.1:{port}/internal/payments/webhook");
        let payments = start_payments(folder.path(), "127.0.0.1:0", &webhook, &[]);
        let origin = start_origin(folder.path(), &format!("127.0.0.1:{port}"), &payments.url, &[]);
        let client = Asker::new(&origin.url);
        Self { folder, payments, origin, client }
    }

    /// Reads the sums of a shop that was stopped.
    pub(crate) async fn books(&self) -> store::StockSums {
        let config = store::StoreConfig::file(self.folder.path().join("origin").join("origin.db"));
        store::Store::open(&config, "unused").await.unwrap().sums().await.unwrap()
    }

    /// Kills the shop and starts it again at the same place.
    pub(crate) fn kill_and_restart_origin(&mut self) {
        self.origin.kill();
        let listen = self.origin.url.trim_start_matches("http://").to_owned();
        self.origin = start_origin(self.folder.path(), &listen, &self.payments.url, &[]);
    }

    /// Kills the shop and starts it again with more options.
    pub(crate) fn restart_origin_with(&mut self, options: &[&str]) {
        self.origin.kill();
        let listen = self.origin.url.trim_start_matches("http://").to_owned();
        self.origin = start_origin(self.folder.path(), &listen, &self.payments.url, options);
    }

    /// Starts a second shop on the same files that is expected to refuse; returns what it says.
    pub(crate) fn refusal(&self, listen: &str, options: &[&str]) -> String {
        let mut arguments = origin_arguments(self.folder.path(), listen, &self.payments.url);
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        let output =
            Command::new(PROGRAM).env_remove("DATABASE_URL").args(arguments).output().unwrap();
        assert!(!output.status.success(), "it starts on {listen}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Kills the provider and starts it again at the same place.
    pub(crate) fn kill_and_restart_payments(&mut self) {
        self.payments.kill();
        let listen = self.payments.url.trim_start_matches("http://").to_owned();
        let webhook = format!("{}/internal/payments/webhook", self.origin.url);
        self.payments = start_payments(self.folder.path(), &listen, &webhook, &[]);
    }
}

pub(crate) fn start_payments(
    folder: &Path,
    listen: &str,
    webhook: &str,
    options: &[&str],
) -> Process {
    let (data, secret) = (folder.join("payments.d"), folder.join("payments"));
    let (data, secret) = (data.to_str().unwrap(), secret.to_str().unwrap());
    let mut arguments = vec![
        "payments",
        "--listen",
        listen,
        "--data",
        data,
        "--secret-file",
        secret,
        "--webhook-url",
        webhook,
        "--late-ms",
        "300",
    ];
    arguments.extend(options);
    Process::start(&arguments)
}

/// Starts a shop of its own over a payment provider that these options name; `CUP-RED` has `stock` pieces.
pub(crate) fn start_alone(folder: &Path, stock: u32, options: &[&str]) -> Process {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("edge"), EDGE_SECRET).unwrap();
    std::fs::write(path("catalogue.json"), catalogue(stock).to_string()).unwrap();
    let seeded = Command::new(PROGRAM)
        .args(["seed", "--data", &path("origin"), "--catalogue", &path("catalogue.json")])
        .output()
        .unwrap();
    assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
    let (data, secret) = (path("origin"), path("edge"));
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data", &data];
    arguments.extend(["--edge-secret-file", &secret]);
    arguments.extend(options);
    Process::start(&arguments)
}

fn start_origin(folder: &Path, listen: &str, payments_url: &str, options: &[&str]) -> Process {
    let arguments = origin_arguments(folder, listen, payments_url);
    let arguments = arguments.iter().map(String::as_str).chain(options.iter().copied());
    Process::start(&arguments.collect::<Vec<_>>())
}

fn origin_arguments(folder: &Path, listen: &str, payments_url: &str) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    [
        "serve",
        "--listen",
        listen,
        "--data",
        &path("origin"),
        "--edge-secret-file",
        &path("edge"),
        "--payments-url",
        payments_url,
        "--payments-secret-file",
        &path("payments"),
        "--payments-timeout-ms",
        "1500",
    ]
    .map(str::to_owned)
    .to_vec()
}

pub(crate) fn catalogue(stock: u32) -> Value {
    let variant = |sku: &str, title: &str, stock: u32| {
        json!({"sku": sku, "title": title, "options": {"Colour": title}, "stock": stock,
            "prices": [{"currency": "EUR", "minor": 1900}, {"currency": "USD", "minor": 2100},
                {"currency": "JPY", "minor": 3200}],
            "image_url": "/m/cup.webp", "image_alt": "A cup",
            "ar": {"material_variant": title, "web_glb_url": "/m/a.glb", "plain_glb_url": "/m/b.glb",
                "usdz_url": "/m/c.usdz", "poster_url": "/m/d.webp", "dimensions_mm": [80, 95, 80],
                "triangles": 1000, "bytes_glb": 1, "bytes_usdz": 1}})
    };
    json!({
        "currencies": ["EUR", "USD", "JPY"],
        "hero_image_url": "/m/hero.webp",
        "categories": [{"handle": "table", "title": "Table", "description": "For the table.", "position": 1,
            "image_url": "/m/table.webp"}],
        "products": [{"handle": "cup", "title": "Cup", "subtitle": "Holds tea", "description": "A cup.",
            "category": "table", "tags": ["tea"], "featured": true, "created_at": "2026-11-01T00:00:00Z",
            "options": [{"name": "Colour", "values": ["Red", "Blue"]}],
            "images": [{"url": "/m/cup.webp", "alt": "A cup"}],
            "model": {"web_glb_url": "/m/a.glb", "triangles": 1000, "bytes": 5000, "dimensions_mm": [80, 95, 80]},
            "variants": [variant("CUP-RED", "Red", stock), variant("CUP-BLUE", "Blue", 3)]}]
    })
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(
            answer.body["type"],
            format!("https://vitrine.dev/problems/{code}"),
            "{}",
            answer.body
        );
        assert!(answer.body["request_id"].is_string(), "{}", answer.body);
        answer
    }

    pub(crate) fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} in {}", self.body))
            .into()
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }
}

/// Asks the shop as an edge would for one client.
#[derive(Clone)]
pub(crate) struct Asker {
    url: String,
    http: Client<HttpConnector, Full<Bytes>>,
    account: Option<(UserId, SessionId)>,
}

/// What may be said beside method, path and body.
#[derive(Default, Clone)]
pub(crate) struct With<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) bearer: Option<&'a str>,
    pub(crate) if_match: Option<&'a str>,
    /// The secret to sign with, where it is not the shop's own.
    pub(crate) secret: Option<&'a str>,
}

pub(crate) fn key(key: &str) -> With<'_> {
    With { key: Some(key), ..With::default() }
}

impl Asker {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            http: Client::builder(TokioExecutor::new()).build_http(),
            account: None,
        }
    }

    /// Asks in the name of an account, as the edge does after it has verified a token.
    pub(crate) fn signed_in(&self, access_token: &str) -> Self {
        use base64::Engine;
        let payload = access_token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let id = |name: &str| claims[name].as_str().unwrap().to_owned();
        Self {
            account: Some((id("sub").parse().unwrap(), id("sid").parse().unwrap())),
            ..self.clone()
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None, With::default()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value, with: With<'_>) -> Answer {
        self.ask("POST", path, Some(body), with).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        with: With<'_>,
    ) -> Answer {
        self.try_ask(method, path, body, with).await.unwrap()
    }

    pub(crate) async fn try_ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        with: With<'_>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(self.signed(method, path, body, with, now())).await
    }

    /// Writes a request as an edge signs it at a moment. Sent twice, it is a replay.
    pub(crate) fn signed(
        &self,
        method: &str,
        path: &str,
        body: String,
        with: With<'_>,
        signed_at: Timestamp,
    ) -> Request<Full<Bytes>> {
        let method: Method = method.parse().unwrap();
        let signed = SignedRequest { method: &method, path_and_query: path, body: body.as_bytes() };
        let identity = Identity {
            user: self.account.map(|(user, _)| user),
            session: self.account.map(|(_, session)| session),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let secret = with.secret.unwrap_or(EDGE_SECRET);
        let value = sign(secret.as_bytes(), &signed, &identity, signed_at, nonce());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(HEADER, value);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in [("idempotency-key", with.key), ("if-match", with.if_match)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(token) = with.bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Full::new(Bytes::from(body))).unwrap()
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let response = self.http.request(request).await?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status: parts.status, headers: parts.headers, bytes, body })
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.url))
    }

    /// Opens a cart with pieces of one SKU and returns its id.
    pub(crate) async fn cart_with(&self, sku: &str, quantity: u32) -> String {
        let cart =
            self.post("/v1/carts", json!({"currency": "EUR"}), With::default()).await.expect(201);
        let id = cart.text("/id");
        let line = json!({"sku": sku, "quantity": quantity});
        self.post(&format!("/v1/carts/{id}/lines"), line, With::default()).await.expect(201);
        id
    }

    pub(crate) async fn checkout(&self, cart: &str, method: &str, with: With<'_>) -> Answer {
        self.post(&format!("/v1/carts/{cart}/checkout"), checkout_body(method), with).await
    }

    pub(crate) async fn available(&self, sku: &str) -> i64 {
        self.get(&format!("/v1/inventory/{sku}")).await.expect(200).body["available"]
            .as_i64()
            .unwrap()
    }
}

pub(crate) fn checkout_body(method: &str) -> Value {
    json!({"email": "ada@example.org",
        "shipping_address": {"name": "Ada", "line1": "Street 1", "line2": "", "postal_code": "10115",
            "city": "Berlin", "country": "DE"},
        "payment": {"provider": "test", "method": method}})
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap())
}

fn nonce() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    nonce[8..].copy_from_slice(&now().unix_ms().to_be_bytes());
    nonce
}

/// Waits for a condition, looking again and again.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let until = Instant::now() + READY_LIMIT;
    while !look().await {
        assert!(Instant::now() < until, "not within {READY_LIMIT:?}: {what}");
        // sleeps because this is the wait between two looks
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
