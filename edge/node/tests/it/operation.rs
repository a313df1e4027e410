//! Operators' listener: what it tells, what it does, whom it lets in.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::{
    proxied::{Origin, Proxied, ask, eventually, refused},
    support::Answer,
};

const JSON: (&str, &str) = ("content-type", "application/json");

fn value(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("is JSON")
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_slice(&answer.body).expect("is JSON");
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with(code)), "{problem}");
}

#[test]
fn tells_of_pools_and_cache_apart_from_clients() {
    let origin = Origin::start("cache-control: max-age=600\r\ncache-tag: sku-1\r\n", "hello");
    let node = Proxied::start(&origin, &["--no-metrics-on-site"]);
    for word in ["MISS", "HIT"] {
        assert_eq!(node.get("/a", &[]).header("vitrine-cache"), Some(word));
    }
    let pools = value(&node.operate("GET", "/pools", &[], b""));
    let told = &pools["pools"][0]["origins"][0];
    assert_eq!((&told["name"], &told["condition"]), (&json!(origin.address), &json!("usable")));
    assert_eq!(
        (&told["requests"], &told["failures"], &told["ejections"]),
        (&json!(1), &json!(0), &json!(0))
    );
    let cache = value(&node.operate("GET", "/cache", &[], b""));
    assert_eq!((&cache["requests"]["HIT"], &cache["requests"]["MISS"]), (&json!(1), &json!(1)));
    assert_eq!((&cache["store"]["addresses"], &cache["store"]["stored"]), (&json!(1), &json!(1)));

    for line in [
        "vitrine_cache_requests_total{word=\"HIT\"} 1".to_owned(),
        "vitrine_cache_addresses 1".to_owned(),
        format!(
            "vitrine_origin_requests_total{{pool=\"origin\",origin=\"{}\",version=\"1\"}} 1",
            origin.address
        ),
        format!(
            "vitrine_origin_up{{pool=\"origin\",origin=\"{}\",version=\"1\"}} 1",
            origin.address
        ),
        "vitrine_edge_connections_ended_total{protocol=\"HTTP/1.1\"} 2".to_owned(),
        "vitrine_edge_tls_handshakes_failed_total 0".to_owned(),
    ] {
        // A connection is counted a moment after its client has seen its end.
        node.until_metric(&line);
    }
    let metrics = node.operate("GET", "/metrics", &[], b"").text();
    assert!(metrics.contains(
        "vitrine_edge_route_cache_total{route=\"/...\",component=\"origin\",word=\"HIT\"} 1"
    ));
    // Clients get what the origin has at that address.
    assert_eq!(node.get("/metrics", &[]).text(), "hello");
}

#[test]
fn purges_by_tag_by_address_and_everything() {
    let origin = Origin::start("cache-control: max-age=600\r\ncache-tag: sku-1 shop\r\n", "hello");
    let node = Proxied::start(&origin, &[]);
    let word = |path| {
        let answer = node.get(path, &[("host", "shop.example")]);
        answer.header("vitrine-cache").expect("says it").to_owned()
    };
    for (order, told) in [
        (r#"{"tags":["sku-1"]}"#, json!({"tags": 1, "urls": 0, "all": false})),
        (
            r#"{"urls":["http://Shop.example:80/a?b=c"]}"#,
            json!({"tags": 0, "urls": 1, "all": false}),
        ),
        (r#"{"all":true}"#, json!({"tags": 0, "urls": 0, "all": true})),
    ] {
        let _ = word("/a?b=c");
        assert_eq!(word("/a?b=c"), "HIT");
        let purged = value(&node.operate("POST", "/purge", &[JSON], order.as_bytes()));
        assert_eq!(purged, json!({"purged": told, "soft": false}));
        assert_eq!(word("/a?b=c"), "MISS", "{order}");
    }
    let order = br#"{"tags":["shop"],"soft":true}"#;
    assert_eq!(value(&node.operate("POST", "/purge", &[JSON], order))["soft"], json!(true));
    // It has no validator, so it is fetched anew; it was stale, not gone.
    assert_eq!(word("/a?b=c"), "EXPIRED");
    let other =
        node.operate("POST", "/purge", &[JSON], br#"{"urls":["https://shop.example/a?b=c"]}"#);
    assert_eq!((other.status, word("/a?b=c").as_str()), (200, "HIT"));
}

#[test]
fn refuses_orders_that_it_cannot_read() {
    let origin = Origin::start("", "hello");
    let node = Proxied::start(&origin, &[]);
    let purge =
        |headers: &[(&str, &str)], body: &[u8]| node.operate("POST", "/purge", headers, body);
    assert_problem(&purge(&[JSON], br#"{"tag":["a"]}"#), 400, "/unreadable");
    assert_problem(&purge(&[JSON], b"{"), 400, "/unreadable");
    assert_problem(&purge(&[JSON], &vec![b' '; 64 * 1024 + 1]), 413, "/too-large");
    let many = json!({ "tags": vec!["t"; 1001] }).to_string();
    assert_problem(&purge(&[JSON], many.as_bytes()), 413, "/too-large");
    assert_problem(&purge(&[JSON], br#"{"urls":["/a"]}"#), 422, "/invalid-input");
    assert_problem(&purge(&[JSON], b""), 422, "/invalid-input");
    assert_problem(
        &purge(&[("content-type", "text/plain")], b"{}"),
        415,
        "/unsupported-media-type",
    );
    assert_problem(&node.operate("GET", "/nothing", &[], b""), 404, "/not-found");
    let refused = node.operate("GET", "/purge", &[], b"");
    assert_problem(&refused, 405, "/method-not-allowed");
    assert_eq!(refused.header("allow"), Some("POST"));
    assert_eq!(node.operate("POST", "/cache", &[], b"").header("allow"), Some("GET, HEAD"));
    // A page at a name that was made to lead here.
    assert_problem(
        &node.operate("GET", "/cache", &[("host", "evil.example")], b""),
        400,
        "/unreadable",
    );
}

#[test]
fn asks_for_the_token_wherever_something_can_be_learnt_or_changed() {
    let origin = Origin::start("", "hello");
    let dir = tempfile::tempdir().expect("makes a folder");
    let file = dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").expect("writes");
    let node = Proxied::start(&origin, &["--admin-token-file", file.to_str().expect("is text")]);
    for path in ["/metrics", "/pools", "/cache"] {
        let refused = node.operate("GET", path, &[], b"");
        assert_problem(&refused, 401, "/unauthenticated");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        let token = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
        assert_eq!(node.operate("GET", path, &[token, ("host", "edge.example")], b"").status, 200);
        let token = ("authorization", "Bearer 0123456789abcdef0123456789abcdeg");
        assert_problem(&node.operate("GET", path, &[token], b""), 401, "/unauthenticated");
    }
    assert_problem(&node.operate("POST", "/purge", &[JSON], b"{}"), 401, "/unauthenticated");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(node.operate("GET", path, &[], b"").status, 200);
    }
}

#[test]
fn is_ready_until_it_is_told_to_end() {
    let origin = Origin::start("", "hello");
    let mut node = Proxied::start(&origin, &["--drain-timeout-ms", "60000"]);
    let ready = node.operate("GET", "/readyz", &[], b"");
    assert_eq!(value(&ready), json!({"ready": true, "phase": "serving", "has_data": true}));
    assert_eq!(ready.header("cache-control"), Some("no-store"));
    // A request that is not over keeps the node from ending.
    let held = origin.hold();
    let mut open = std::net::TcpStream::connect(node.address("listening")).expect("connects");
    open.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    node.until_metric("vitrine_edge_requests_in_flight 1");
    node.stop();
    let operators = node.address("operators").to_owned();
    eventually("not ready", || {
        let ready = ask(&operators, "GET", "/readyz", &[], b"");
        ready.status == 503 && value(&ready)["phase"] == "draining"
    });
    assert_eq!(ask(&operators, "GET", "/healthz", &[], b"").status, 200);
    drop(held);
    let mut answer = String::new();
    open.read_to_string(&mut answer).expect("reads to the end");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn refuses_with_64_to_be_operated_by_everybody() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let file = dir.path().join("token");
    std::fs::write(&file, "short").expect("writes");
    let file = file.to_str().expect("is text");
    for (arguments, word) in [
        (&["--admin", "0.0.0.0:0"][..], "--admin-token-file"),
        (&["--admin", "0.0.0.0:0", "--admin-token-file", file], "no token"),
        (&["--admin", "0.0.0.0:0", "--admin-token-file", "/nowhere"], "/nowhere"),
    ] {
        let (code, said) = refused(arguments);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(word) && said.trim().lines().count() == 1, "{said}");
    }
    assert_eq!(refused(&["--admin-token-file", file]).0, Some(64));
}
