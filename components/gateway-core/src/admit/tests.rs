//! Whole requests: what is answered here, what goes on, and with which headers.

use std::collections::BTreeMap;

use futures::executor::block_on;
use http::{HeaderValue, Request, Uri};
use ports::fakes::{FakeClock, FakeCounters, FakeEntropy, FakeSessions, FakeVariables};
use ports::{CounterError, SigningKey, SqlError, VariableError};

use super::*;
use crate::token::tests::{HEADER, good_claims, jwk, now, sign as sign_token};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct World {
    pub(crate) clock: FakeClock,
    counters: FakeCounters,
    entropy: FakeEntropy,
    variables: FakeVariables,
    sessions: FakeSessions,
    pub(crate) state: State,
}

/// A request that went on, as the next handler sees it.
struct On {
    headers: HeaderMap,
    body: Option<Bytes>,
    edits: ResponseEdits,
}

impl World {
    fn new() -> Self {
        Self::with([])
    }

    pub(crate) fn with<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let defaults =
            [("edge_secret", SECRET), ("trusted_proxies", ""), ("rate_limit_scale", "1")];
        let all = defaults.into_iter().chain(variables);
        let variables: BTreeMap<String, String> =
            all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (kid, jwk_json) = ("k1".to_owned(), jwk(1, "k1"));
        let expires_at = Timestamp::from_unix_ms(i64::MAX);
        let sessions = FakeSessions::default();
        sessions.keys.borrow_mut().push(SigningKey { kid, jwk_json, expires_at });
        Self {
            clock: FakeClock::at(now()),
            counters: FakeCounters::default(),
            entropy: FakeEntropy::default(),
            variables: FakeVariables(variables),
            sessions,
            state: State::default(),
        }
    }

    fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target).body(()).unwrap();
        let host = ("spin-client-addr", "192.0.2.1:4711");
        for (name, value) in headers.iter().chain([&host]) {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        request.into_parts().0
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Admission {
        let head = Self::head(method, target, headers);
        let body = Bytes::copy_from_slice(body);
        let read = async |limit: usize| {
            if body.len() > limit { Err(BodyError::TooLarge) } else { Ok(body.clone()) }
        };
        block_on(admit(self, &self.state, &head, read))
    }

    fn answer(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        match self.ask(method, target, headers, b"") {
            Admission::Answer(response) => response,
            Admission::Forward(forward) => panic!("{method} {target} went on: {forward:?}"),
        }
    }

    fn forward(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> On {
        match self.ask(method, target, headers, body) {
            Admission::Forward(forward) => On {
                headers: forward.headers(&Self::head(method, target, headers).headers),
                body: forward.body,
                edits: forward.edits,
            },
            Admission::Answer(response) => panic!("{method} {target} was answered: {response:?}"),
        }
    }

    fn outcome(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        match self.ask(method, target, headers, b"") {
            Admission::Answer(response) => response.status().as_u16(),
            Admission::Forward(_) => 0,
        }
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Entropy for World {
    fn fill(&self, buffer: &mut [u8]) {
        self.entropy.fill(buffer);
    }
}

impl Variables for World {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        self.variables.variable(name).await
    }
}

impl Counters for World {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        self.counters.increment(key, delta).await
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        self.counters.count(key).await
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        self.counters.forget(key).await
    }
}

impl Sessions for World {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError> {
        self.sessions.signing_keys().await
    }

    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError> {
        self.sessions.is_revoked(session).await
    }
}

fn bearer() -> String {
    format!("Bearer {}", sign_token(1, HEADER, &good_claims()))
}

/// 0 is "goes on".
#[test]
fn every_gate_refuses_what_it_is_there_for() {
    let (good, many) = (bearer(), "x".repeat(40_000));
    let world = World::new();
    for (method, target, headers, expected) in [
        ("GET", "/", &[][..], 0),
        ("GET", "/p/chair?x=1", &[], 0),
        ("HEAD", "/assets/app.js", &[], 0),
        ("GET", "/v1/products?q=..%2f", &[], 0),
        ("GET", "/v1/products%2f..", &[], 400),
        ("GET", "/v1/../admin", &[], 400),
        ("GET", "/%761/products", &[], 400),
        ("GET", "/a%00", &[], 400),
        ("GET", "/a\\b", &[], 400),
        ("POST", "/", &[], 405),
        ("POST", "/v1/products", &[], 405),
        ("DELETE", "/v1/auth/login", &[], 405),
        ("TRACE", "/v1/carts", &[], 405),
        ("FOO", "/", &[], 405),
        ("GET", "/", &[("x-large", many.as_str())], 431),
        ("GET", "/", &[("content-length", "1"), ("content-length", "2")], 400),
        ("GET", "/v1/me", &[], 401),
        ("GET", "/v1/me", &[("authorization", good.as_str())], 0),
        ("GET", "/v1/me", &[("authorization", "Bearer x")], 401),
        ("GET", "/v1/me", &[("authorization", "Basic x")], 401),
        ("POST", "/v1/carts", &[], 0),
        ("POST", "/v1/carts", &[("authorization", "Bearer x.y.z")], 401),
        ("POST", "/v1/carts", &[("authorization", good.as_str())], 0),
        ("GET", "/v1/products", &[("authorization", "Bearer x")], 0),
        ("OPTIONS", "/v1/carts", &[], 204),
        ("OPTIONS", "/", &[], 204),
        ("GET", "/v1/unknown", &[], 0),
    ] {
        assert_eq!(world.outcome(method, target, headers), expected, "{method} {target}");
    }
}

#[test]
fn refusals_are_problems_with_the_headers_of_every_answer() {
    let world = World::with([("cors_origins", "https://a.example")]);
    let response = world.answer("POST", "/v1/products", &[("origin", "https://a.example")]);
    let headers = response.headers();
    assert_eq!(headers["allow"], "GET, HEAD, OPTIONS");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let id = headers["x-request-id"].to_str().unwrap();
    assert!(String::from_utf8_lossy(response.body()).contains(id));
    let response = world.answer("GET", "/v1/me", &[("authorization", "Bearer x")]);
    assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    assert_eq!(response.headers()["ratelimit"], "\"read\";r=1199;t=75");
    let page = world.answer("POST", "/", &[("accept", "text/html")]);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'")
    );
}

#[test]
fn only_requests_for_the_origin_are_signed_and_the_signature_holds() {
    let world = World::new();
    let authorization = bearer();
    let forged = [
        ("authorization", authorization.as_str()),
        ("x-vitrine-identity", "v1;forged"),
        ("x-vitrine-client", "6.6.6.6"),
        ("cookie", "a=b"),
    ];
    let forward = world.forward("POST", "/v1/carts?x=%20", &forged, b"{\"a\":1}");
    assert_eq!(forward.body.as_deref(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(forward.headers["x-vitrine-client"], "192.0.2.1");
    assert_eq!(forward.headers["authorization"], authorization.as_str());
    assert!(!forward.headers.contains_key("cookie"));
    assert_eq!(forward.headers.get_all("x-vitrine-identity").iter().count(), 1);
    let value = forward.headers["x-vitrine-identity"].to_str().unwrap();
    let request = SignedRequest {
        method: &Method::POST,
        path_and_query: "/v1/carts?x=%20",
        body: b"{\"a\":1}",
    };
    let verified = identity::verify(SECRET.as_bytes(), value, &request, now()).unwrap();
    assert_eq!(verified.identity.client.to_string(), "192.0.2.1");
    assert_eq!(verified.identity.user.unwrap().to_string(), "07070707-0707-0707-0707-070707070707");
    for target in ["/", "/assets/x", "/m/x.glb", "/v1/products", "/v1/ar/X"] {
        let forward = world.forward("GET", target, &forged, b"");
        assert!(!forward.headers.contains_key("x-vitrine-identity"), "{target}");
        assert!(!forward.headers.contains_key("authorization"), "{target}");
        assert_eq!(forward.body, None, "{target}: the body goes on unread");
        assert_eq!(forward.headers["x-vitrine-client"], "192.0.2.1");
    }
}

#[test]
fn guests_are_signed_as_nobody_and_every_request_with_its_own_nonce() {
    let world = World::new();
    let value = |target: &str| {
        let forward = world.forward("GET", target, &[], b"");
        forward.headers["x-vitrine-identity"].to_str().unwrap().to_owned()
    };
    let (one, other) = (value("/v1/orders/1"), value("/v1/orders/1"));
    assert!(one.contains(";sub=-;sid=-;") && one != other);
    let request = SignedRequest { method: &Method::GET, path_and_query: "/v1/orders/1", body: b"" };
    assert!(identity::verify(SECRET.as_bytes(), &one, &request, now()).is_ok());
}

#[test]
fn bodies_over_the_routes_limit_are_refused() {
    let world = World::with([("rate_limit_scale", "100")]);
    for (target, bytes, expected) in [
        ("/v1/auth/login", 8 * 1_024, 0),
        ("/v1/auth/login", 8 * 1_024 + 1, 413),
        ("/v1/events", 8 * 1_024, 0),
        ("/v1/events", 8 * 1_024 + 1, 413),
        ("/v1/carts", 64 * 1_024, 0),
        ("/v1/carts", 64 * 1_024 + 1, 413),
    ] {
        let status = match world.ask("POST", target, &[], &vec![b'x'; bytes]) {
            Admission::Answer(response) => response.status().as_u16(),
            Admission::Forward(_) => 0,
        };
        assert_eq!(status, expected, "{target} {bytes}");
    }
}

#[test]
fn limits_count_per_client_and_say_when_to_come_again() {
    let world = World::new();
    for left in (0..10).rev() {
        let forward = world.forward("POST", "/v1/auth/login", &[], b"");
        let mut headers = HeaderMap::new();
        finish(&forward.edits, &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"login\";q=10;w=60");
        assert!(headers["ratelimit"].to_str().unwrap().contains(&format!(";r={left};")));
    }
    let response = world.answer("POST", "/v1/auth/login", &[]);
    assert_eq!(response.status(), 429);
    let wait = response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
    assert!((1..=75).contains(&wait), "{wait}");
    // Registering shares the limit, reading does not; another client has its own.
    assert_eq!(world.outcome("POST", "/v1/auth/register", &[]), 429);
    assert_eq!(world.outcome("GET", "/v1/products", &[]), 0);
    world.clock.advance(Duration::from_secs(wait));
    assert_eq!(world.outcome("POST", "/v1/auth/login", &[]), 0);
}

#[test]
fn reporting_events_needs_nobody_and_costs_no_other_quota() {
    let world = World::new();
    for _ in 0..300 {
        assert_eq!(world.outcome("POST", "/v1/events", &[("authorization", "Bearer x")]), 0);
    }
    assert_eq!(world.outcome("POST", "/v1/events", &[]), 429);
    let forward = world.forward("POST", "/v1/carts", &[], b"");
    let mut headers = HeaderMap::new();
    finish(&forward.edits, &mut headers);
    assert_eq!(headers["ratelimit"], "\"write\";r=599;t=75");
}

#[test]
fn a_scale_multiplies_limits() {
    let world = World::with([("rate_limit_scale", "3")]);
    let admitted = (0..40).filter(|_| world.outcome("POST", "/v1/auth/login", &[]) == 0).count();
    assert_eq!(admitted, 30);
}

#[test]
fn broken_counters_let_readers_in_and_keep_guessers_out() {
    let world = World::new();
    world.counters.is_broken.set(true);
    assert_eq!(world.outcome("GET", "/v1/products", &[]), 0);
    assert_eq!(world.outcome("POST", "/v1/carts", &[]), 0);
    assert_eq!(world.outcome("POST", "/v1/events", &[]), 0);
    assert_eq!(world.outcome("POST", "/v1/auth/login", &[]), 503);
    assert_eq!(world.outcome("GET", "/", &[]), 0);
}

#[test]
fn without_the_copy_guests_still_shop_and_accounts_wait() {
    let world = World::new();
    world.sessions.is_down.set(true);
    assert_eq!(world.outcome("POST", "/v1/carts", &[]), 0);
    assert_eq!(world.outcome("POST", "/v1/carts", &[("authorization", &bearer())]), 503);
}

#[test]
fn wrong_variables_close_the_gate() {
    for (name, value) in [
        ("trusted_proxies", "everybody"),
        ("cors_origins", "nonsense"),
        ("rate_limit_scale", "none"),
        ("stripe_js_url", "https://example.com/stripe.js"),
    ] {
        let response = World::with([(name, value)]).answer("GET", "/v1/products", &[]);
        assert_eq!(response.status(), 500, "{name}");
        assert!(!String::from_utf8_lossy(response.body()).contains(value), "{name}");
    }
    assert_eq!(World::with([("edge_secret", "")]).outcome("POST", "/v1/carts", &[]), 500);
    assert_eq!(World::with([("edge_secret", "")]).outcome("GET", "/v1/products", &[]), 0);
}

#[test]
fn preflights_are_answered_at_once_and_never_counted() {
    let world = World::with([("cors_origins", "https://a.example")]);
    let asked = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-private-network", "true"),
    ];
    let response = world.answer("OPTIONS", "/v1/carts/1/lines/2", &asked);
    let headers = response.headers();
    assert_eq!(response.status(), 204);
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("idempotency-key"));
    assert_eq!(headers["access-control-allow-private-network"], "true");
    assert!(world.counters.is_empty());
    let stranger = [("origin", "https://b.example"), ("access-control-request-method", "PATCH")];
    let response = world.answer("OPTIONS", "/v1/carts/1/lines/2", &stranger);
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[test]
fn answers_may_be_read_where_the_route_allows_it() {
    let world = World::with([("cors_origins", "https://a.example")]);
    for (target, origin, expected) in [
        ("/v1/products", "https://a.example", Some("https://a.example")),
        ("/v1/products", "https://b.example", None),
        ("/m/x.glb", "https://b.example", Some("*")),
        ("/", "https://a.example", None),
        ("/assets/x.js", "https://a.example", None),
    ] {
        let forward = world.forward("GET", target, &[("origin", origin)], b"");
        let mut headers = HeaderMap::new();
        finish(&forward.edits, &mut headers);
        let found = headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap());
        assert_eq!(found, expected, "{target} {origin}");
    }
}

#[test]
fn request_ids_are_kept_when_plausible() {
    let world = World::new();
    for (given, is_kept) in [
        ("0192f0c4-0000-7000-8000-000000000000", true),
        ("abcd1234", true),
        ("short", false),
        ("has space in it", false),
        ("<script>alert(1)", false),
        (&"x".repeat(65), false),
    ] {
        let forward = world.forward("GET", "/", &[("x-request-id", given)], b"");
        let id = forward.headers["x-request-id"].to_str().unwrap();
        assert_eq!(id == given, is_kept, "{given}");
        assert!(is_kept || id.parse::<RequestId>().is_ok(), "{id}");
    }
}

#[test]
fn trusted_proxies_name_the_client() {
    let world = World::with([("trusted_proxies", "192.0.2.0/24")]);
    let headers = [("x-forwarded-for", "203.0.113.9"), ("spin-client-addr", "6.6.6.6:1")];
    let forward = world.forward("GET", "/v1/products", &headers, b"");
    assert_eq!(forward.headers["x-vitrine-client"], "203.0.113.9");
    assert!(!forward.headers.contains_key("x-forwarded-for"));
    assert_eq!(forward.headers["spin-client-addr"], "192.0.2.1:4711");
    let forward = World::new().forward("GET", "/v1/products", &headers, b"");
    assert_eq!(forward.headers["x-vitrine-client"], "192.0.2.1");
}

#[test]
fn addresses_with_an_authority_are_understood() {
    let uri: Uri = "http://shop.example:8080/v1/orders/1?x=1".parse().unwrap();
    let world = World::new();
    let forward = world.forward("GET", &uri.to_string(), &[], b"");
    let value = forward.headers["x-vitrine-identity"].to_str().unwrap();
    let request =
        SignedRequest { method: &Method::GET, path_and_query: "/v1/orders/1?x=1", body: b"" };
    assert!(identity::verify(SECRET.as_bytes(), value, &request, now()).is_ok());
}
