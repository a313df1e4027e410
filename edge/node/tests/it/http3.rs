//! HTTP/3: the same answers over QUIC, and the same bounds.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes};
use h3::client::SendRequest;
use http::{Request, Response};
use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use tokio::time::timeout;

use crate::{
    proxied::{Origin, PATIENCE, Proxied, ask, refused},
    tls,
};

type Sender = SendRequest<h3_quinn::OpenStreams, Bytes>;

/// A connection that is driven.
struct Client {
    sender: Sender,
    quic: quinn::Connection,
    /// Ends with the connection: what the node said at its end.
    ended: tokio::task::JoinHandle<String>,
    _endpoint: Endpoint,
}

impl Client {
    async fn connect(node: &Proxied) -> Self {
        let address: SocketAddr = node.address("listening").parse().expect("is an address");
        let crypto = Arc::unwrap_or_clone(tls::client(&["h3"]));
        let crypto = QuicClientConfig::try_from(crypto).expect("has TLS 1.3");
        let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("binds");
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        let quic = endpoint.connect(address, "edge.test").expect("begins").await.expect("connects");
        let made = h3::client::new(h3_quinn::Connection::new(quic.clone())).await;
        let (mut driver, sender) = made.expect("speaks HTTP/3");
        let ended = tokio::spawn(async move {
            std::future::poll_fn(|cx| driver.poll_close(cx)).await.to_string()
        });
        Self { sender, quic, ended, _endpoint: endpoint }
    }

    async fn ask(&self, request: Request<&'static [u8]>) -> (Response<()>, Vec<u8>) {
        ask_by(self.sender.clone(), request).await
    }

    async fn get(&self, path: &str) -> (Response<()>, Vec<u8>) {
        self.ask(get(path)).await
    }
}

fn get(path: &str) -> Request<&'static [u8]> {
    Request::get(format!("https://edge.test{path}")).body(&b""[..]).expect("is a request")
}

async fn ask_by(mut sender: Sender, request: Request<&'static [u8]>) -> (Response<()>, Vec<u8>) {
    let (parts, body) = request.into_parts();
    let asked = sender.send_request(Request::from_parts(parts, ())).await;
    let mut stream = asked.expect("is sent");
    if !body.is_empty() {
        stream.send_data(Bytes::from_static(body)).await.expect("is sent");
    }
    stream.finish().await.expect("is sent");
    let response = stream.recv_response().await.expect("answers");
    let mut all = Vec::new();
    while let Some(mut data) = stream.recv_data().await.expect("is whole") {
        all.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    (response, all)
}

fn start(origin: &Origin, more: &[&str]) -> (tempfile::TempDir, Proxied) {
    let (files, arguments) = tls::files("one");
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.push("--http3");
    arguments.extend(more);
    let node = Proxied::start(origin, &arguments);
    (files, node)
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("starts").block_on(async {
        timeout(PATIENCE, test).await.expect("ends in time");
    });
}

#[test]
fn serves_over_quic_what_it_serves_over_tcp() {
    let origin = Origin::start("cache-control: max-age=600\r\n", "hello");
    let (_files, node) = start(&origin, &["--public-port", "443"]);
    run(async {
        let client = Client::connect(&node).await;
        for word in ["MISS", "HIT"] {
            let (response, body) = client.get("/a").await;
            assert_eq!((response.status().as_u16(), body.as_slice()), (200, &b"hello"[..]));
            assert_eq!(response.headers()["vitrine-cache"], word);
            assert_eq!(response.headers()["content-length"], "5");
            assert!(response.headers().contains_key("date"));
            assert!(!response.headers().contains_key("connection"));
            assert!(!response.headers().contains_key("alt-svc"));
        }
        assert_eq!(origin.last()["x-forwarded-proto"], "https");
        let head = Request::head("https://edge.test/a").body(&b""[..]).expect("is a request");
        let (response, body) = client.ask(head).await;
        assert_eq!((response.headers()["content-length"].as_bytes(), body.len()), (&b"5"[..], 0));

        let post = Request::post("https://edge.test/b").header("content-length", "4");
        let (response, _) = client.ask(post.body(&b"word"[..]).expect("is a request")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(origin.last()["content-length"], "4");
        node.until_metric("vitrine_edge_connections{protocol=\"HTTP/3\"} 1");
    });
    // Others are told where it is.
    let answer = tls::ask_at(node.address("listening"), "/a").0;
    assert_eq!(answer.header("alt-svc"), Some("h3=\":443\"; ma=86400"));
    assert_eq!(answer.header("vitrine-cache"), Some("HIT"));
}

#[test]
fn refuses_over_quic_what_it_refuses_over_tcp() {
    let origin = Origin::start("", "hello");
    let (_files, node) = start(&origin, &["--head-bytes-max", "1000"]);
    run(async {
        let mut client = Client::connect(&node).await;
        let large = Request::get("https://edge.test/a").header("x-large", "x".repeat(1500));
        let (response, body) = client.ask(large.body(&b""[..]).expect("is a request")).await;
        assert_eq!(response.status(), 431, "{}", String::from_utf8_lossy(&body));
        // What a head says of its body must be so: it is cut, and so is what the origin was sent of it.
        for (length, body) in [("5", &b"word"[..]), ("3", b"word")] {
            let post = Request::post("https://edge.test/b").header("content-length", length);
            let (parts, ()) = post.body(()).expect("is a request").into_parts();
            let asked = client.sender.send_request(Request::from_parts(parts, ())).await;
            let mut stream = asked.expect("is sent");
            // The node may have ended it already.
            let _ = stream.send_data(Bytes::from_static(body)).await;
            let _ = stream.finish().await;
            let answered = stream.recv_response().await;
            assert!(
                answered.is_err() || answered.is_ok_and(|answer| answer.status() != 200),
                "{length}"
            );
        }
        let coded = Request::get("https://edge.test/c").header("transfer-encoding", "chunked");
        let (parts, ()) = coded.body(()).expect("is a request").into_parts();
        if let Ok(mut stream) = client.sender.send_request(Request::from_parts(parts, ())).await {
            let _ = stream.finish().await;
            assert!(stream.recv_response().await.is_err());
        }
        assert_eq!(client.get("/a").await.0.status(), 200);
    });
}

#[test]
fn finishes_requests_over_quic_after_a_signal() {
    let origin = Origin::start("", "hello");
    let (_files, mut node) = start(&origin, &["--drain-timeout-ms", "60000"]);
    run(async {
        let client = Client::connect(&node).await;
        let held = origin.hold();
        let asking = tokio::spawn(ask_by(client.sender.clone(), get("/a")));
        node.until_metric("vitrine_edge_requests_in_flight 1");
        node.stop();
        let operators = node.address("operators").to_owned();
        crate::proxied::eventually("draining", || {
            ask(&operators, "GET", "/readyz", &[], b"").status == 503
        });
        drop(held);
        let (response, body) = asking.await.expect("ends");
        assert_eq!((response.status().as_u16(), body.as_slice()), (200, &b"hello"[..]));
        // A goodbye, and no error.
        let said = client.ended.await.expect("is driven");
        assert!(said.contains("H3_NO_ERROR"), "{said}");
    });
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn ends_connections_over_quic_that_ask_no_more() {
    let origin = Origin::start("", "hello");
    let (_files, node) = start(&origin, &["--head-timeout-ms", "500"]);
    run(async {
        let client = Client::connect(&node).await;
        assert_eq!(client.get("/a").await.0.status(), 200);
        client.ended.await.expect("is driven");
        node.until_metric("vitrine_edge_connections{protocol=\"HTTP/3\"} 0");
    });
}

#[test]
fn allows_so_many_requests_at_once_over_quic() {
    let origin = Origin::start("", "hello");
    let (_files, node) = start(&origin, &["--h3-streams-max", "1"]);
    run(async {
        let client = Client::connect(&node).await;
        let held = origin.hold();
        let first = tokio::spawn(ask_by(client.sender.clone(), get("/a")));
        node.until_metric("vitrine_edge_requests_in_flight 1");
        let mut second = tokio::spawn(ask_by(client.sender.clone(), get("/b")));
        assert!(timeout(Duration::from_millis(300), &mut second).await.is_err());
        node.until_metric("vitrine_edge_requests_in_flight 1");
        drop(held);
        assert_eq!(first.await.expect("ends").0.status(), 200);
        assert_eq!(second.await.expect("ends").0.status(), 200);
    });
}

#[test]
fn takes_a_new_certificate_for_quic_on_sighup() {
    let origin = Origin::start("", "hello");
    let (files, node) = start(&origin, &[]);
    run(async {
        let shown = |client: &Client| {
            let identity = client.quic.peer_identity().expect("has shown one");
            let chain = identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>();
            chain.expect("is a chain").first().cloned().expect("has one")
        };
        let old = Client::connect(&node).await;
        assert_eq!(shown(&old), tls::certificate("one.pem"));
        tls::put(files.path(), "two");
        node.signal("-HUP");
        while shown(&Client::connect(&node).await) != tls::certificate("two.pem") {}
        // Who is there stays.
        assert_eq!(old.get("/a").await.0.status(), 200);
    });
}

#[test]
fn refuses_http3_without_a_certificate_with_64() {
    assert_eq!(refused(&["--http3"]).0, Some(64));
}
