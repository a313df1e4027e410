//! The quick ways: a plain request gets what any other gets, whoever answers it and however.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::{
    express,
    origin::{Asked, Origin, Said, said},
    support::{Answer, Node},
};

/// Asks as a browser does on a connection that goes on, which is what the quick ways are for.
fn plain(node: &Node, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = node.connect();
    ask(&mut stream, path, headers);
    stream.shutdown(std::net::Shutdown::Write).expect("says no more");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("is answered");
    Answer::parse(&answer)
}

fn ask(stream: &mut TcpStream, path: &str, headers: &[(&str, &str)]) {
    let fields: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: Keep-Alive\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).expect("is sent");
}

/// An answer without what is another with every request; lists are lists, in however many lines.
fn told(answer: &Answer) -> (u16, BTreeMap<String, String>, String) {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in answer.headers.iter().filter(|(name, _)| name != "connection") {
        let value = match name.as_str() {
            "x-request-id" => value.len().to_string(),
            "age" | "cache-status" | "date" => String::new(),
            _ => value.clone(),
        };
        let all = told.entry(name.clone()).and_modify(|all| all.push_str(", ")).or_default();
        all.push_str(&value);
    }
    // Problems say the request's id.
    let text = answer.text().replace(answer.header("x-request-id").unwrap_or_default(), "");
    (answer.status, told, text)
}

/// What an origin was asked, without what is another with every request.
fn seen(asked: &Asked) -> Vec<(String, String)> {
    let headers = asked.headers.iter().filter(|(name, _)| name.as_str() != "connection");
    headers
        .map(|(name, value)| match name.as_str() {
            "x-request-id" | "traceparent" => (name.clone(), value.len().to_string()),
            _ => (name.clone(), value.clone()),
        })
        .collect()
}

#[test]
fn what_is_stored_is_sent_alike() {
    let origin = Origin::start(|_| {
        said(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nX-Own: 1\r\nContent-Type: text/plain",
            "stored",
        )
    });
    let node = Node::proxy(&[&origin.url()], &[]);
    assert_eq!(plain(&node, "/a?b", &[]).header("vitrine-cache"), Some("MISS"));
    for headers in [
        &[][..],
        &[("range", "bytes=1-3")],
        &[("range", "bytes=-2")],
        &[("range", "bytes=0-0,3-4")],
        &[("range", "bytes=90-")],
        &[("range", "nonsense")],
        &[("if-none-match", "\"a\"")],
        &[("cookie", "a=1")],
    ] {
        // `Node::get` says `connection: close`, which is the usual way.
        assert_eq!(
            told(&plain(&node, "/a?b", headers)),
            told(&node.get("/a?b", headers)),
            "{headers:?}"
        );
    }
    assert_eq!(origin.asked().len(), 1);
}

/// What is stored is sent alike behind a gateway, whatever the gateway says of the request.
#[test]
fn what_is_stored_behind_a_gateway_is_sent_alike() {
    let origin = Origin::start(|_| {
        said(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nVary: accept\r\nX-From-Guest: 1\r\n\
             Content-Type: text/html; charset=utf-8",
            "stored",
        )
    });
    let plainly = Origin::start(|_| {
        said(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-Is-Text: old\r\nContent-Type: text/plain",
            "plain",
        )
    });
    let gating = express::guest("gating");
    let tables = format!(
        "spin_manifest_version = 2\n[application]\nname = \"quick\"\n\
         [application.tool.vitrine.pools.shop]\norigins = [{:?}]\n[application.tool.vitrine.pools.plain]\norigins = [{:?}]\n\
         [[application.tool.vitrine.routes]]\nroute = \"/...\"\npool = \"shop\"\nmiddleware = [\"gate\"]\n\
         [[application.tool.vitrine.routes]]\nroute = \"/plain/:word\"\npool = \"plain\"\nmiddleware = [\"gate\"]\n\
         [component.gate]\nsource = {gating:?}\n",
        origin.url(),
        plainly.url(),
    );
    let node = Node::start(&tables, &[]);
    let does = |what: &'static str| ("x-gate-does", what);
    for path in ["/a", "/plain/b?c=d"] {
        assert_eq!(node.get(path, &[does("pass")]).header("vitrine-cache"), Some("MISS"));
        for headers in [
            // Asked whether it may pass; asked for more than that; refused; failed.
            &[does("pass")][..],
            &[does("pass"), ("range", "bytes=1-2")],
            &[does("pass"), ("cookie", "a=1"), ("x-secret-a", "1"), ("accept", "text/html")],
            &[does("pass"), ("te", "trailers"), ("spin-client-addr", "6.6.6.6:6")],
            &[does("pass-read")],
            &[],
            &[does("refuse")],
            &[does("trap-before")],
            &[does("trap-after")],
        ] {
            // What is selected by the request is stored from now on.
            node.get(path, headers);
            let [usual, plain] = [node.get(path, headers), plain(&node, path, headers)];
            assert_eq!(told(&plain), told(&usual), "{path} {headers:?}");
        }
    }
    let passed = plain(&node, "/plain/b?c=d", &[does("pass")]);
    assert_eq!(
        (passed.header("x-gate"), passed.header("x-is-text")),
        (Some("express"), Some("text"))
    );
    assert_eq!((origin.asked().len(), plainly.asked().len()), (3, 1));
}

/// An origin that answers in each way that there is.
fn versatile() -> Origin {
    let date = "Date: Sun, 29 Nov 2026 00:00:00 GMT";
    Origin::start(move |asked| {
        let head = |more: &str| {
            format!("HTTP/1.1 200 OK\r\n{date}\r\nVia: 1.0 inner\r\nVitrine-Edge: x{more}")
        };
        match asked.target.as_str() {
            "/plain" => said(&head("\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2"), "plain"),
            "/empty" => said(&head(""), ""),
            "/dateless" => said("HTTP/1.1 200 OK", "dateless"),
            "/gone" => said(&format!("HTTP/1.1 410 Gone\r\n{date}"), "gone"),
            "/none" => Said::Bytes(format!("HTTP/1.1 204 No Content\r\n{date}\r\n\r\n").into()),
            "/hop" => said(&head("\r\nConnection: x-own\r\nX-Own: 1\r\nKeep-Alive: timeout=5"), "hop"),
            "/chunks" => Said::Bytes(
                format!("{}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", head("")).into(),
            ),
            "/large" => said(&head(""), &"x".repeat(300_000)),
            "/slow" => Said::Slowly(
                vec![format!("{}\r\nContent-Length: 4\r\n\r\nab", head("")).into(), b"cd".to_vec()],
                Duration::from_millis(20),
            ),
            "/hints" => Said::Bytes(
                format!(
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}\r\nContent-Length: 1\r\n\r\nx",
                    head("")
                )
                .into(),
            ),
            "/until-close" => Said::Last(format!("{}\r\n\r\nuntil close", head("")).into()),
            "/garbage" => Said::Last(b"\x16\x03\x01 what is this\r\n\r\n".to_vec()),
            "/closed" => Said::Last(Vec::new()),
            _ => said(&format!("HTTP/1.1 404 Not Found\r\n{date}"), "not found"),
        }
    })
}

#[test]
fn what_is_passed_on_is_asked_and_answered_alike() {
    let origin = versatile();
    let node = Node::proxy(&[&origin.url()], &["--no-cache", "--origin-timeout-ms", "5000"]);
    let paths = [
        "/plain",
        "/empty",
        "/dateless",
        "/gone",
        "/none",
        "/hop",
        "/chunks",
        "/large",
        "/slow",
        "/until-close",
        "/garbage",
        "/closed",
        "/unknown?a=%20b",
    ];
    for headers in [
        &[][..],
        &[
            ("via", "1.0 before"),
            ("forwarded", "for=6.6.6.6"),
            ("x-forwarded-for", "6.6.6.6"),
            ("cookie", "a"),
        ],
        &[
            ("te", "trailers"),
            ("keep-alive", "1"),
            ("authorization", "Basic eDp5"),
            ("range", "bytes=0-1"),
        ],
        &[
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("tracestate", "a=b"),
        ],
        &[("tracestate", "a=b"), ("x-request-id", "order-12345678")],
    ] {
        for path in paths {
            let usual = node.get(path, headers);
            let asked_usually = origin.asked().pop().expect("was asked");
            // So that a connection to the origin is open, without which nothing is passed on as it came.
            node.get("/plain", &[]);
            let answer = plain(&node, path, headers);
            let asked = origin.asked().pop().expect("was asked");
            assert_eq!(told(&answer), told(&usual), "{path} {headers:?}");
            assert_eq!(seen(&asked), seen(&asked_usually), "{path} {headers:?}");
        }
    }
    let mut stream = node.connect();
    ask(&mut stream, "/hints", &[]);
    stream.shutdown(std::net::Shutdown::Write).expect("says no more");
    let mut hinted = String::new();
    stream.read_to_string(&mut hinted).expect("is answered");
    assert!(
        hinted.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{hinted}"
    );
}

/// Requests in a row on one connection, some of them before their forerunners are answered.
#[test]
fn requests_that_are_passed_on_keep_their_order() {
    let origin = Origin::start(|asked| {
        said("HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 00:00:00 GMT", &asked.target)
    });
    let node = Node::proxy(&[&origin.url()], &["--no-cache"]);
    let mut stream = node.connect();
    for path in ["/1", "/2", "/3", "/4"] {
        ask(&mut stream, path, &[]);
    }
    stream.shutdown(std::net::Shutdown::Write).expect("says no more");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("is answered");
    let bodies: Vec<&str> =
        all.split("\r\n\r\n").skip(1).map(|body| body.get(..2).unwrap_or_default()).collect();
    assert_eq!(bodies, ["/1", "/2", "/3", "/4"]);
    assert_eq!(all.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{all}");
}

/// The origin ends the connection on which it is asked, or fails: as in the usual way another attempt is made, and no
/// more than one.
#[test]
fn a_request_that_is_passed_on_is_tried_again_where_any_other_is() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let good = "HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 00:00:00 GMT";
    let bad = Origin::start(move |_| match counted.fetch_add(1, SeqCst) {
        0 => said(good, "first"),
        1 => said("HTTP/1.1 503 No\r\nDate: Sun, 29 Nov 2026 00:00:00 GMT", "busy"),
        2 => said(good, "second"),
        _ => Said::Last(Vec::new()),
    });
    let node = Node::proxy(&[&bad.url()], &["--no-cache", "--origin-timeout-ms", "3000"]);
    assert_eq!(node.get("/a", &[]).text(), "first");
    let refused = plain(&node, "/b", &[]);
    assert_eq!((refused.status, refused.text().as_str()), (503, "busy"));
    assert_eq!(plain(&node, "/c", &[]).text(), "second");
    // The connection that was open is ended without an answer, and so is every other.
    plain(&node, "/d", &[]).assert_problem(502, "bad-gateway");
    let asked = bad.asked();
    assert!((5..=7).contains(&asked.len()), "{}", asked.len());
    // It is one request and one trace, whichever way an attempt was made.
    let of_last = asked.iter().filter(|asked| asked.target == "/d");
    let said = of_last.map(|asked| {
        let trace = asked.header("traceparent").and_then(|trace| trace.get(..35));
        (asked.header("x-request-id"), trace)
    });
    let said: BTreeSet<_> = said.collect();
    assert_eq!(said.len(), 1, "{said:?}");
}
