//! What the node refuses before it listens, and how it ends.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use crate::{
    h2_client::{self, Client},
    support::{Node, manifest, refused},
};

#[test]
fn refuses_a_broken_manifest_with_one_sentence_and_64() {
    for (text, word) in [
        (manifest("colour = \"red\""), "colour"),
        (manifest("[variables]\nsecret = { required = true }"), "SPIN_VARIABLE_SECRET"),
        (manifest("key_value_stores = [\"other\"]"), "other"),
        (manifest("files = [{ source = \"gone\", destination = \"/\" }]"), "gone"),
        (manifest("[application.tool.vitrine.replica]\ndatabase = \"default\""), "replica"),
        ("spin_manifest_version = 2".to_owned(), "application"),
    ] {
        let (code, said) = refused(&text, &[]);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(word) && said.trim().lines().count() == 1, "{said}");
    }
    assert_eq!(refused(&manifest(""), &["--cpu-budget-ms", "soon"]).0, Some(64));
}

#[test]
fn finishes_requests_after_a_signal() {
    let mut node = Node::start(&manifest(""), &["--request-timeout-ms", "1000"]);
    assert_eq!(node.get("/hello", &[]).status, 200);
    let mut open = node.connect();
    open.write_all(b"GET /sleep HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    // The request counts as one in flight beside the one that asks.
    while !node.get("/metrics", &[]).text().contains("requests_in_flight 2") {}
    assert_eq!(node.terminate(), Some(0));
    let mut answer = String::new();
    open.read_to_string(&mut answer).expect("reads to the end");
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

#[test]
fn closes_connections_that_never_ask() {
    let arguments = ["--head-timeout-ms", "300", "--request-timeout-ms", "1000"];
    let node = Node::start(&manifest(""), &arguments);
    // Neither says enough to tell HTTP/1 from HTTP/2.
    for said in [&b""[..], b"PRI * HTTP"] {
        let mut silent = node.connect();
        silent.write_all(said).expect("is sent");
        let mut answer = Vec::new();
        silent.read_to_end(&mut answer).expect("is closed in time");
        // Of a head that has begun it is said that it came too slowly.
        let is_told = answer.starts_with(b"HTTP/1.1 408 ");
        assert!(if said.is_empty() { answer.is_empty() } else { is_told }, "{answer:?}");
    }
    // A request that takes longer than its head may is served.
    assert_eq!(node.get("/sleep", &[]).status, 504);
}

#[test]
fn closes_connections_that_ask_no_more() {
    let arguments = ["--head-timeout-ms", "300", "--request-timeout-ms", "1500"];
    let node = Node::start(&manifest(""), &arguments);
    let mut asked = node.connect();
    asked.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    let mut answer = String::new();
    asked.read_to_string(&mut answer).expect("is closed in time");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nhello"), "{answer}");

    // The client answers pings as long as its connection is driven.
    h2_client::run(async {
        let client = Client::connect(node.address()).await;
        // The first takes longer than the connection may be idle.
        for (path, status) in [("/sleep", 504), ("/hello", 200)] {
            assert_eq!(client.get(path).await.status, status);
        }
        client.ended.await.expect("is driven to its end").expect("ends well");
    });
}

#[test]
fn cuts_requests_at_the_drain_limit() {
    let arguments = ["--request-timeout-ms", "60000", "--drain-timeout-ms", "200"];
    let mut node = Node::start(&manifest(""), &arguments);
    let mut open = node.connect();
    open.write_all(b"GET /sleep HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    while !node.get("/metrics", &[]).text().contains("requests_in_flight 2") {}
    let started = std::time::Instant::now();
    assert_eq!(node.terminate(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5));
}
