//! What is no HTTP, or HTTP with a purpose: every shape has its answer, in front of components and of origins alike.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use crate::{
    origin::{Origin, Said, said},
    support::{Answer, Node, manifest},
};

/// Asks both kinds of node; nothing of a refused request may reach an origin, nor anything behind it be served.
#[track_caller]
fn refused(nodes: &[Node; 2], origin: &Origin, wire: &[u8], status: u16, code: &str) {
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for node in nodes {
        let answer = node.raw(&[wire, smuggled].concat());
        assert_eq!(answer.header("connection"), Some("close"), "{}", wire.escape_ascii());
        answer.assert_problem(status, code);
    }
    assert!(origin.asked().is_empty(), "{}: {:?}", wire.escape_ascii(), origin.asked());
}

fn nodes(origin: &Origin) -> [Node; 2] {
    [Node::proxy(&[&origin.url()], &[]), Node::start(&manifest(""), &[])]
}

#[test]
fn shapes_that_smuggle_requests_are_refused_and_end_the_connection() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "x"));
    let nodes = nodes(&origin);
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length: 4 4\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 4\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: a\r\n folded\r\n",
        "X: a\nTransfer-Encoding: chunked\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X: a\0b\r\n",
        "X\0: a\r\n",
        ": a\r\n",
        "no colon\r\n",
        " X: a\r\n",
    ] {
        let wire = format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n");
        refused(&nodes, &origin, wire.as_bytes(), 400, "unreadable");
    }
    let wire = b"POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(&nodes, &origin, wire, 400, "unreadable");
    let wire = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    refused(&nodes, &origin, wire, 501, "not-implemented");
}

#[test]
fn lines_and_targets_that_are_none_are_refused() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "x"));
    let nodes = nodes(&origin);
    let long = "x".repeat(40_000);
    for (wire, status, code) in [
        ("GET /a HTTP/1.1\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a HTTP/1.1\r\nHost: a\n\n".to_owned(), 400, "unreadable"),
        ("GET  /a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a\r\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a HTTP/1.1\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "unreadable"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 501, "not-implemented"),
        ("GET /a HTTP/1.9\r\nHost: a\r\n\r\n".to_owned(), 505, "http-version"),
        ("GET /a HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), 505, "http-version"),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n".to_owned(),
            417,
            "expectation-failed",
        ),
        (format!("GET /{long}"), 414, "target-too-long"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}"), 431, "head-too-large"),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(200)),
            431,
            "head-too-large",
        ),
    ] {
        refused(&nodes, &origin, wire.as_bytes(), status, code);
    }
    refused(
        &nodes,
        &origin,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\x00\r\n\r\n",
        400,
        "unreadable",
    );
    refused(&nodes, &origin, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 10], 400, "unreadable");
}

#[test]
fn chunks_that_are_none_break_the_request_off() {
    let origin = Origin::start(|asked| said("HTTP/1.1 200 OK", &asked.body.len().to_string()));
    let node = Node::proxy(&[&origin.url()], &[]);
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "-1\r\n",
        "5;\n\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "5\r\nhello\r\n0\r\nbad name: 1\r\n\r\n",
    ] {
        let wire = format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let answer = node.raw(wire.as_bytes());
        answer.assert_problem(400, "unreadable");
    }
    assert!(origin.asked().iter().all(|asked| asked.target != "/smuggled"));
}

#[test]
fn paths_reach_an_origin_as_they_are_and_are_no_way_out_of_a_folder() {
    let origin = Origin::start(|asked| said("HTTP/1.1 200 OK", &asked.target));
    let node = Node::proxy(&[&origin.url()], &["--access-log", "off"]);
    for target in [
        "/../../etc/passwd",
        "/a/%2e%2e/b",
        "/a/..%2fb",
        "/%00",
        "/a%0d%0ab",
        "//a",
        "/a;b?c=%ff",
        "/?",
    ] {
        let answer = node.get(target, &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, target));
    }
    // An absolute target replaces the host, and goes on as a path.
    let answer =
        node.raw(b"GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.text(), "/x?y");
    let asked = origin.asked().pop().expect("was asked");
    assert_eq!(asked.header("host"), Some("b.example:81"));
    // Bytes beyond ASCII are no text to anybody on the way (RFC 9110, section 5.5).
    let wire = b"GET /bytes HTTP/1.1\r\nHost: a\r\nX: a\xffb\r\nConnection: close\r\n\r\n";
    assert_eq!(node.raw(wire).text(), "/bytes");
    let asked = origin.asked().pop().expect("was asked");
    assert_eq!(asked.header("x"), Some("a\u{fffd}b"));
}

#[test]
fn thousands_of_ranges_get_the_whole_and_cost_nothing() {
    let body = "0123456789".repeat(1000);
    let whole = body.clone();
    let origin = Origin::start(move |_| {
        said("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=60", &body)
    });
    let node = Node::proxy(&[&origin.url()], &[]);
    let many: Vec<_> = (0..3000).map(|at| format!("{at}-{at}")).collect();
    let overlapping = format!("bytes={}", ["0-"; 1500].join(","));
    for range in [format!("bytes={}", many.join(",")), overlapping] {
        let answer = node.get("/a", &[("range", &range)]);
        assert_eq!((answer.status, answer.body.len()), (200, whole.len()));
    }
    let answer = node.get("/a", &[("range", "bytes=0-4,9000-9004,-5")]);
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type").expect("has a type").to_owned();
    assert!(kind.starts_with("multipart/byteranges; boundary="), "{kind}");
    assert!(
        answer.is_whole()
            && answer.text().contains("Content-Range: bytes 9000-9004/10000\r\n\r\n01234\r\n--"),
        "{}",
        answer.text()
    );
    for (range, status, text) in [
        ("bytes=1-3", 206, "123"),
        ("bytes=-2", 206, "89"),
        ("bytes=9999-", 206, "9"),
        ("bytes=10000-", 416, ""),
    ] {
        let answer = node.get("/a", &[("range", range)]);
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{range}");
    }
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn a_head_that_never_ends_and_a_body_that_never_comes_end_in_time() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "x"));
    let arguments = ["--head-timeout-ms", "400", "--body-stall-timeout-ms", "400"];
    let node = Node::proxy(&[&origin.url()], &arguments);
    for (wire, status) in [
        ("GET / HTTP/1.1\r\nX: ", 408),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx", 408),
    ] {
        let mut stream = node.connect();
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("sets the limit");
        stream.write_all(wire.as_bytes()).expect("is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("ends");
        assert_eq!(Answer::parse(&answer).status, status, "{wire:?}");
    }
}

#[test]
fn an_origin_that_speaks_no_http_is_a_502_and_nothing_of_it_gets_through() {
    for bytes in [
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nX\0: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "",
    ] {
        let origin = Origin::start(move |_| Said::Last(bytes.as_bytes().to_vec()));
        let node = Node::proxy(&[&origin.url()], &[]);
        node.get("/a", &[]).assert_problem(502, "bad-gateway");
    }
    // A body that breaks off is cut for the client too, and never stored.
    let origin = Origin::start(|_| {
        Said::Last(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nabc"
                .to_vec(),
        )
    });
    let node = Node::proxy(&[&origin.url()], &[]);
    for _ in 0..2 {
        node.get("/a", &[]).assert_cut_short();
    }
    assert!(origin.asked().len() >= 2);
}
