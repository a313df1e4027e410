//! Routes, heads, bodies, middleware.

use crate::support::{Node, guests, manifest, middleware};

pub(crate) fn chain(inherit: &str) -> String {
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"chain\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"inner\"\ndependencies.middleware = [{{ component = \"outer\"{inherit} }}]\n\
         [[trigger.http]]\nroute = \"/fixed\"\nstatic_response = {{ status_code = 202, body = \"fixed\" }}\n\
         [component.inner]\nsource = {:?}\nkey_value_stores = [\"default\"]\n[component.outer]\nsource = {:?}\n",
        guests(),
        middleware()
    )
}

const FORWARD: (&str, &str) = ("x-guest-forward", "1");

#[test]
fn passes_requests_through_middleware() {
    let node = Node::start(&chain(", inherit_configuration = true"), &[]);
    let answer = node.get("/headers", &[FORWARD]);
    assert_eq!(answer.header("x-guest-middleware"), Some("seen"));
    assert!(answer.text().contains("x-guest-middleware: seen"), "{}", answer.text());
    assert!(answer.text().contains("spin-full-url: http://edge.test/headers"), "{}", answer.text());
    let body = vec![b'x'; 300_000];
    assert_eq!(node.send("POST", "/echo", &[FORWARD], &body).body, body);
    assert_eq!(node.get("/stream", &[FORWARD]).body.len(), 64 * 16 * 1024);
    assert_eq!(node.get("/fixed", &[]).text(), "fixed");
}

#[test]
fn tells_the_inner_failure_through_middleware() {
    let node = Node::start(&chain(""), &["--cpu-budget-ms", "300"]);
    node.get("/trap", &[FORWARD]).assert_problem(500, "guest-trap");
    node.get("/loop", &[FORWARD]).assert_problem(504, "guest-cpu");
    assert_eq!(node.get("/hello", &[FORWARD]).text(), "hello");
}

#[test]
fn gives_middleware_the_primarys_grants_only_if_it_inherits() {
    let ask = [("x-store", "default"), ("x-key", "a"), ("x-value", "1")];
    assert_eq!(
        Node::start(&chain(", inherit_configuration = true"), &[]).get("/kv", &ask).status,
        200
    );
    let without = Node::start(&chain(""), &[]);
    assert_eq!(without.get("/kv", &ask).status, 403);
    let [store, key, value] = ask;
    assert_eq!(without.get("/kv", &[store, key, value, FORWARD]).status, 200);
}

#[test]
fn hands_on_what_spin_hands_on_and_nothing_forged() {
    let node = Node::start(&manifest(""), &[]);
    let given =
        [("spin-client-addr", "6.6.6.6:1"), ("spin-x", "1"), ("x-mine", "2"), ("te", "trailers")];
    let seen = node.get("/headers", &given).text();
    for line in [
        "spin-path-info: /headers\n",
        "spin-raw-component-route: /...\n",
        "x-mine: 2\n",
        "host: edge.test\n",
    ] {
        assert!(seen.contains(line), "{line} is not in {seen}");
    }
    for word in ["6.6.6.6", "spin-x", "connection:", "\nte:"] {
        assert!(!seen.contains(word), "{word} is in {seen}");
    }
}

#[test]
fn refuses_bodies_and_heads_beyond_the_limit() {
    let node =
        Node::start(&manifest(""), &["--body-bytes-max", "1000", "--head-bytes-max", "4000"]);
    assert_eq!(node.send("POST", "/echo", &[], &[b'x'; 1000]).body.len(), 1000);
    node.send("POST", "/echo", &[], &[b'x'; 1001]).assert_problem(413, "too-large");
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    node.raw(chunked.as_bytes()).assert_problem(413, "too-large");
    node.get("/hello", &[("x-long", &"x".repeat(4000))]).assert_problem(431, "head-too-large");
    node.raw(b"GET /hello HTTP/1.1\r\nconnection: close\r\n\r\n").assert_problem(400, "unreadable");
}

#[test]
fn answers_head_and_empty_statuses_without_a_body() {
    let node = Node::start(&manifest(""), &[]);
    for (method, path, status) in
        [("HEAD", "/stream", 200), ("HEAD", "/hello", 200), ("GET", "/empty", 204)]
    {
        let answer = node.send(method, path, &[], b"");
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {path}");
    }
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn says_where_an_answer_comes_from() {
    let node = Node::start(&manifest(""), &[]);
    let answer = node.get("/hello", &[("x-request-id", "order-12345678")]);
    assert_eq!(answer.header("vitrine-edge"), Some("test-1"));
    assert_eq!(answer.header("x-request-id"), Some("order-12345678"));
    assert_eq!(answer.header("vitrine-position"), None);
    let health = node.get("/healthz", &[]).text();
    assert!(
        health.contains("\"ready\":true") && health.contains("\"node\":\"test-1\""),
        "{health}"
    );
    let metrics = node.get("/metrics", &[]).text();
    let line = "vitrine_edge_requests_total{route=\"/...\",component=\"guest\",status=\"200\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}
