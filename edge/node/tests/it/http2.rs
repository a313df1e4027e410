//! HTTP/2 as a client sees it: the same answers as over HTTP/1.1, and what goes ahead of them.

use std::sync::{Mutex, mpsc};

use crate::{
    h2_client::{self, Client},
    origin::{Origin, Said, said},
    proxied::{self, Proxied},
    support::Node,
};

const HINTS: &str = "</app.css>; rel=preload; as=style";

/// A node with `origin` behind every path, with early hints, but for a folder with one file of 3 MB.
fn start_hinting(origin: &Origin) -> Node {
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"pools\"\n[application.tool.vitrine.pools.shop]\n\
         origins = [{:?}]\n[[application.tool.vitrine.routes]]\nroute = \"/...\"\npool = \"shop\"\n\
         early_hints = [{HINTS:?}]\n[[application.tool.vitrine.routes]]\nroute = \"/files/...\"\nfiles = \"files\"\n",
        origin.url()
    );
    Node::start_prepared(&manifest, &[], |dir| {
        std::fs::create_dir(dir.join("files")).expect("is made");
        std::fs::write(dir.join("files/a.bin"), vec![b'f'; 3_000_000]).expect("is written");
    })
}

#[test]
fn early_hints_and_what_an_origin_sends_ahead_arrive_before_the_answer_is_made() {
    let (may_answer, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let origin = Origin::start(move |asked| {
        // The second answer waits until the test has seen what comes before it.
        if asked.target == "/second" {
            gate.lock().expect("is whole").recv().expect("is told");
        }
        let ahead =
            "HTTP/1.1 103 Early Hints\r\nLink: </b.js>; rel=preload\r\nConnection: x\r\n\r\n";
        said(&format!("{ahead}HTTP/1.1 200 OK"), "page")
    });
    let node = start_hinting(&origin);
    h2_client::run(async {
        let client = Client::connect(node.address()).await;
        let page = |path: &str| {
            let mut request = h2_client::get(path);
            let mode = http::HeaderValue::from_static("navigate");
            request.headers_mut().insert("sec-fetch-mode", mode);
            request
        };
        let mut first = client.begin(page("/first"), true).await;
        for link in [HINTS, "</b.js>; rel=preload"] {
            let ahead = first.ahead().await.expect("comes before the answer");
            assert_eq!((ahead.status().as_u16(), ahead.headers().len()), (103, 1), "{ahead:?}");
            assert_eq!(ahead.headers()["link"], link);
        }
        assert!(first.ahead().await.is_none());
        let answer = first.answered().await.expect("answers");
        assert_eq!((answer.status, answer.text().as_str()), (200, "page"));

        let mut second = client.begin(page("/second"), true).await;
        assert_eq!(second.ahead().await.expect("comes at once").headers()["link"], HINTS);
        may_answer.send(()).expect("is there");
        assert_eq!(second.answered().await.expect("answers").text(), "page");
        // Only who opens a page is told.
        let mut third = client.begin(h2_client::get("/third"), true).await;
        let ahead = third.ahead().await.expect("is the origin's");
        assert_eq!(ahead.headers()["link"], "</b.js>; rel=preload");
        assert!(third.ahead().await.is_none());
    });
}

#[test]
fn bodies_of_any_length_go_both_ways_as_there_is_room_for_them() {
    let origin = Origin::start(|asked| said("HTTP/1.1 200 OK", &asked.body.len().to_string()));
    let node = start_hinting(&origin);
    h2_client::run(async {
        let client = Client::connect(node.address()).await;
        for length in [Some(3_000_000), None] {
            let mut request = http::Request::post("http://edge.test/upload");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let request = request.body(()).expect("is a request");
            let mut asking = client.begin(request, false).await;
            for last in [false, false, true] {
                asking.put(vec![b'u'; 1_000_000].into(), last).await;
            }
            assert_eq!(asking.answered().await.expect("answers").text(), "3000000");
        }
        let whole = client.get("/files/a.bin").await;
        assert_eq!((whole.status, whole.body.len()), (200, 3_000_000));
        assert_eq!(whole.header("content-length"), Some("3000000"));
        assert!(whole.headers.contains_key("date"));
        let mut part = h2_client::get("/files/a.bin");
        part.headers_mut().insert("range", http::HeaderValue::from_static("bytes=2999990-"));
        let part = client.begin(part, true).await.answered().await.expect("answers");
        assert_eq!((part.status, part.text().as_str()), (206, "ffffffffff"));
        let head = http::Request::head("http://edge.test/files/a.bin").body(());
        let head = client.begin(head.expect("is a request"), true).await.answered().await;
        let head = head.expect("answers");
        assert_eq!((head.header("content-length"), head.body.len()), (Some("3000000"), 0));
    });
}

#[test]
fn trailers_go_both_ways() {
    let origin = Origin::start(|asked| {
        let sum = asked.trailers.get("x-sum").map_or("none", String::as_str);
        let fields = "HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked";
        Said::Bytes(format!("{fields}\r\n\r\n1\r\na\r\n0\r\nX-Sum: {sum}!\r\n\r\n").into_bytes())
    });
    let node = Node::proxy(&[&origin.url()], &[]);
    h2_client::run(async {
        let client = Client::connect(node.address()).await;
        let request = http::Request::post("http://edge.test/").header("te", "trailers").body(());
        let mut asking = client.begin(request.expect("is a request"), false).await;
        asking.put("word".into(), false).await;
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", http::HeaderValue::from_static("4"));
        asking.body.send_trailers(trailers).expect("is sent");
        let answer = asking.answered().await.expect("answers");
        assert_eq!(answer.text(), "a");
        assert_eq!(answer.trailers.expect("come")["x-sum"], "4!");
    });
}

#[test]
fn a_client_that_takes_its_request_back_ends_it() {
    let origin = proxied::Origin::start("", "hello");
    let node = Proxied::start(&origin, &[]);
    h2_client::run(async {
        let client = Client::connect(node.address("listening")).await;
        let held = origin.hold();
        let mut asking = client.begin(h2_client::get("/a"), true).await;
        node.until_metric("vitrine_edge_requests_in_flight 1");
        asking.body.send_reset(h2::Reason::CANCEL);
        node.until_metric("vitrine_edge_requests_in_flight 0");
        drop(held);
        assert_eq!(client.get("/b").await.text(), "hello");
    });
}

#[test]
fn an_upload_that_is_taken_back_is_no_whole_one() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "taken"));
    let node = Node::proxy(&[&origin.url()], &[]);
    h2_client::run(async {
        let client = Client::connect(node.address()).await;
        for reason in [h2::Reason::CANCEL, h2::Reason::NO_ERROR] {
            let request = http::Request::post("http://edge.test/taken-back").body(());
            let mut asking = client.begin(request.expect("is a request"), false).await;
            asking.put("half".into(), false).await;
            asking.body.send_reset(reason);
            assert!(asking.answered().await.is_err());
        }
        assert_eq!(client.get("/after").await.text(), "taken");
    });
    assert!(origin.asked().iter().all(|asked| asked.target == "/after"), "{:?}", origin.asked());
}

#[test]
fn refuses_over_http2_what_it_refuses_over_http1() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "hello"));
    let node = Node::proxy(&[&origin.url()], &["--head-bytes-max", "2000"]);
    h2_client::run(async {
        let client = Client::connect(node.address()).await;
        let refused = async |request: http::Request<()>, status: u16, code: &str| {
            let answer = client.begin(request, true).await.answered().await.expect("answers");
            assert_eq!(answer.status, status, "{answer:?}");
            assert!(answer.text().contains(&format!("/{code}\"")), "{answer:?}");
            assert!(answer.headers.contains_key("x-request-id"));
        };
        let mut long = h2_client::get("/a");
        long.headers_mut().insert("x-long", "x".repeat(2500).parse().expect("is a value"));
        refused(long, 431, "head-too-large").await;
        let connect = http::Request::connect("edge.test:443").body(()).expect("is a request");
        refused(connect, 501, "not-implemented").await;
        assert_eq!(client.get("/a").await.text(), "hello");
    });
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn finishes_requests_over_http2_after_a_signal() {
    let origin = proxied::Origin::start("", "hello");
    let mut node = Proxied::start(&origin, &["--drain-timeout-ms", "60000"]);
    h2_client::run(async {
        let client = Client::connect(node.address("listening")).await;
        let idle = Client::connect(node.address("listening")).await;
        assert_eq!(idle.get("/a").await.text(), "hello");
        let held = origin.hold();
        let asking = client.begin(h2_client::get("/a"), true).await;
        node.until_metric("vitrine_edge_requests_in_flight 1");
        node.stop();
        // A goodbye, and no error; whoever has asked nothing goes at once.
        idle.ended.await.expect("is driven").expect("ends well");
        let next = async {
            while client.sender.clone().ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        next.await;
        drop(held);
        assert_eq!(asking.answered().await.expect("answers").text(), "hello");
        client.ended.await.expect("is driven").expect("ends well");
    });
    assert_eq!(node.ended(), Some(0));
}
