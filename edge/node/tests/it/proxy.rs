//! `vitrine-edge proxy`: what an origin sees, what a client sees, and what the cache does between them.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::{
    origin::{Origin, Said, said},
    support::Node,
};

fn one(origin: &Origin, arguments: &[&str]) -> Node {
    Node::proxy(&[&origin.url()], arguments)
}

#[test]
fn an_origin_sees_for_whom_it_is_asked_and_nothing_of_the_connection() {
    let origin = Origin::start(|_| {
        said("HTTP/1.1 200 OK\r\nConnection: x-own\r\nX-Own: 1\r\nKeep-Alive: timeout=5", "x")
    });
    let node = one(&origin, &[]);
    let answer = node.get(
        "/a?b",
        &[
            ("x-forwarded-for", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("te", "trailers, gzip"),
            ("upgrade", "websocket"),
            ("proxy-connection", "x"),
            ("keep-alive", "1"),
            ("via", "1.0 before"),
            ("x-kept", "1"),
            ("expect", "100-continue"),
        ],
    );
    assert_eq!(answer.status, 200);
    assert_eq!(
        (answer.header("via"), answer.header("x-own"), answer.header("keep-alive")),
        (Some("1.1 vitrine-test-1"), None, None)
    );
    let asked = origin.asked().pop().expect("was asked");
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/a?b"));
    for (name, value) in [
        ("host", Some("edge.test")),
        ("via", Some("1.0 before, 1.1 vitrine-test-1")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-host", Some("edge.test")),
        ("x-forwarded-proto", Some("http")),
        ("forwarded", Some("for=127.0.0.1;host=edge.test;proto=http")),
        ("te", Some("trailers")),
        ("upgrade", None),
        ("proxy-connection", None),
        ("keep-alive", None),
        ("x-kept", Some("1")),
        ("connection", None),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    let node = one(&origin, &["--trusted-proxy", "127.0.0.0/8"]);
    node.get(
        "/b",
        &[
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-proto", "https"),
        ],
    );
    let asked = origin.asked().pop().expect("was asked");
    assert_eq!(asked.header("x-forwarded-for"), Some("192.0.2.1, 192.0.2.1"));
    assert_eq!(asked.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn bodies_stream_both_ways_with_their_trailers() {
    let origin = Origin::start(|asked| {
        let body = format!("{}:{}", asked.method, asked.body.len());
        Said::Bytes(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\nX-Sum: 7\r\n\r\n", body.len()).into_bytes())
    });
    let node = one(&origin, &["--body-bytes-max", "99999999"]);
    let large = vec![b'y'; 3_000_000];
    assert_eq!(node.send("PUT", "/a", &[], &large).text(), "PUT:3000000");
    let mut stream = node.connect();
    stream.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n").expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    assert!(answer.ends_with("6\r\nPOST:3\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
}

#[test]
fn what_an_origin_sends_ahead_is_handed_on() {
    let origin = Origin::start(|_| {
        Said::Bytes(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx".to_vec())
    });
    let node = one(&origin, &["--no-cache"]);
    let mut stream = node.connect();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    assert!(
        answer.starts_with(
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
        ),
        "{answer}"
    );
}

#[test]
fn every_path_is_the_origins_and_a_long_upload_may_take_its_time() {
    let origin = Origin::start(|asked| {
        said("HTTP/1.1 200 OK", &format!("{} {}", asked.target, asked.body.len()))
    });
    let node = one(&origin, &["--origin-timeout-ms", "600"]);
    for path in ["/healthz", "/metrics", "/.well-known/spin/info"] {
        assert_eq!(node.get(path, &[]).text(), format!("{path} 0"));
    }
    let mut stream = node.connect();
    let head = b"POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 50\r\n\r\n";
    stream.write_all(head).expect("is sent");
    for _ in 0..10 {
        // sleeps because it plays a slow client
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(b"12345").expect("is sent");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    assert!(answer.ends_with("/up 50"), "{answer}");
    let silent = Origin::start(|_| {
        Said::Slowly(
            vec![b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()],
            Duration::from_secs(5),
        )
    });
    one(&silent, &["--origin-timeout-ms", "600"])
        .get("/a", &[])
        .assert_problem(504, "origin-timeout");
}

#[test]
fn trace_and_options_end_here_where_they_must() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "x"));
    let node = one(&origin, &[]);
    assert_eq!(node.send("TRACE", "/a", &[], b"").status, 405);
    let here = node.send("OPTIONS", "/a", &[("max-forwards", "0")], b"");
    assert_eq!(here.status, 204);
    assert!(here.header("allow").is_some_and(|allowed| allowed.contains("GET")));
    assert!(origin.asked().is_empty());
    assert_eq!(node.send("OPTIONS", "*", &[("max-forwards", "3")], b"").status, 200);
    let asked = origin.asked().pop().expect("was asked");
    assert_eq!((asked.target.as_str(), asked.header("max-forwards")), ("*", Some("2")));
}

#[test]
fn a_thousand_requests_for_one_cold_object_reach_the_origin_once() {
    let origin = Origin::start(|_| {
        let head =
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n"
                .to_vec();
        Said::Slowly(
            vec![head, vec![b'a'; 100_000], vec![b'b'; 100_000]],
            Duration::from_millis(100),
        )
    });
    let node = Arc::new(one(&origin, &[]));
    let whole = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..50 {
            let (node, whole) = (Arc::clone(&node), Arc::clone(&whole));
            scope.spawn(move || {
                for _ in 0..20 {
                    let answer = node.get("/a", &[]);
                    assert_eq!((answer.status, answer.body.len()), (200, 200_000));
                    whole.fetch_add(1, SeqCst);
                }
            });
        }
    });
    assert_eq!((whole.load(SeqCst), origin.asked().len()), (1000, 1));
}

#[test]
fn answers_for_one_client_alone_do_not_queue_up() {
    let origin = Origin::start(|_| {
        Said::Slowly(
            vec![
                b"HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 1\r\n\r\nx".to_vec(),
            ],
            Duration::from_millis(300),
        )
    });
    let node = one(&origin, &[]);
    assert_eq!(node.get("/a", &[]).header("vitrine-cache"), Some("MISS"));
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(node.get("/a", &[]).status, 200));
        }
    });
    // One after the other they would take six seconds.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(origin.asked().len(), 21);
}

#[test]
fn rfc5861_4_stale_answers_stand_in_for_a_failing_origin_where_they_may() {
    for (control, stands_in) in [
        ("max-age=0, stale-if-error=60", true),
        ("max-age=0", true),
        // The public suite cannot see these four right: it wants a field of the origin that has hung up.
        ("max-age=0, must-revalidate", false),
        ("max-age=0, proxy-revalidate", false),
        ("s-maxage=0", false),
        ("no-cache", false),
        ("max-age=0, stale-if-error=0", false),
    ] {
        for (failure, status) in [("", 502), ("HTTP/1.1 503 Service Unavailable", 503)] {
            let count = AtomicUsize::new(0);
            let origin = Origin::start(move |_| match (count.fetch_add(1, SeqCst), failure) {
                (0, _) => {
                    let head = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control:";
                    said(&format!("{head} {control}"), "stored")
                }
                (_, "") => Said::Last(Vec::new()),
                (_, head) => said(head, "no"),
            });
            let node = one(&origin, &[]);
            assert_eq!(node.get("/a", &[]).status, 200);
            let answer = node.get("/a", &[]);
            if stands_in {
                let seen = (answer.status, answer.text(), answer.header("vitrine-cache"));
                assert_eq!(seen, (200, "stored".to_owned(), Some("STALE")), "{control} {status}");
            } else {
                assert_eq!(answer.status, status, "{control}");
            }
        }
    }
}

#[test]
fn rfc5861_3_a_stale_answer_is_sent_while_it_is_validated() {
    let count = AtomicUsize::new(0);
    let origin = Origin::start(move |asked| match count.fetch_add(1, SeqCst) {
        0 => said(
            "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=0, stale-while-revalidate=60",
            "old",
        ),
        _ => {
            assert_eq!(asked.header("if-none-match"), Some("\"a\""));
            said("HTTP/1.1 200 OK\r\nETag: \"b\"\r\nCache-Control: max-age=60", "new")
        }
    });
    let node = one(&origin, &[]);
    assert_eq!(node.get("/a", &[]).text(), "old");
    let meanwhile = node.get("/a", &[]);
    assert_eq!(
        (meanwhile.text().as_str(), meanwhile.header("vitrine-cache")),
        ("old", Some("UPDATING"))
    );
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while node.get("/a", &[]).text() != "new" {
        assert!(std::time::Instant::now() < deadline, "never validated");
    }
    assert_eq!(node.get("/a", &[]).header("vitrine-cache"), Some("HIT"));
}

#[test]
fn a_second_origin_answers_when_the_first_does_not() {
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        format!("http://{}", listener.local_addr().expect("has an address"))
    };
    let broken = Origin::start(|_| Said::Last(b"garbage".to_vec()));
    let well = Origin::start(|_| said("HTTP/1.1 200 OK", "well"));
    let node = Node::proxy(&[&dead, &broken.url(), &well.url()], &["--no-cache"]);
    for number in 0..40 {
        let answer = node.get(&format!("/{number}"), &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "well"), "{number}");
    }
    // What may have been acted on is not asked again elsewhere.
    let posts = (0..20).map(|_| node.send("POST", "/p", &[], b"x").status);
    assert!(posts.into_iter().all(|status| matches!(status, 200 | 502 | 503)));
    assert!(broken.asked().len() < 10, "{}", broken.asked().len());
}

#[test]
fn no_origin_is_a_503_and_the_command_line_says_what_an_origin_is() {
    let node = Node::proxy(&["http://127.0.0.1:1"], &[]);
    node.get("/a", &[]).assert_problem(503, "origin-unavailable");
    for origin in ["127.0.0.1:1", "ftp://a", "http://a/path", "http://user:secret@a", ""] {
        let (code, said) = Node::proxy_refused(&[origin]);
        assert_eq!(code, Some(64), "{origin}");
        assert!(
            said.contains("an origin is `http(s)://host[:port]`") && !said.contains("secret"),
            "{said}"
        );
    }
}

#[test]
fn an_origin_whose_probes_fail_is_not_asked_until_they_succeed() {
    let is_well = Arc::new(AtomicUsize::new(1));
    let probed = {
        let is_well = Arc::clone(&is_well);
        move |name: &'static str| {
            let is_well = Arc::clone(&is_well);
            Origin::start(move |asked| match (asked.target.as_str(), name, is_well.load(SeqCst)) {
                ("/health", "first", 0) => said("HTTP/1.1 503 Service Unavailable", "no"),
                _ => said("HTTP/1.1 200 OK\r\nCache-Control: no-store", name),
            })
        }
    };
    let (first, second) = (probed("first"), probed("second"));
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"pools\"\n[application.tool.vitrine.pools.shop]\n\
         origins = [{:?}, {{ url = {:?}, secondary = true }}]\ncache = false\n\
         health = {{ path = \"/health\", interval_ms = 100, timeout_ms = 1000 }}\n\
         [[application.tool.vitrine.routes]]\nroute = \"/...\"\npool = \"shop\"\n",
        first.url(),
        second.url()
    );
    let node = Node::start(&manifest, &[]);
    let until = |name: &str| {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while node.get("/a", &[]).text() != name {
            assert!(std::time::Instant::now() < deadline, "never {name}");
        }
    };
    until("first");
    is_well.store(0, SeqCst);
    until("second");
    is_well.store(1, SeqCst);
    until("first");
}

/// A manifest with `tables` behind its name.
fn pools(tables: &str) -> String {
    format!("spin_manifest_version = 2\n[application]\nname = \"pools\"\n{tables}\n")
}

#[test]
fn files_of_a_folder_are_served_beside_components_and_origins() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "origin"));
    let tables = format!(
        "[application.tool.vitrine.pools.shop]\norigins = [{:?}]\n[[application.tool.vitrine.routes]]\nroute = \"/...\"\n\
         pool = \"shop\"\nearly_hints = [\"</app.css>; rel=preload; as=style\"]\n[[application.tool.vitrine.routes]]\n\
         route = \"/models/...\"\nfiles = \"models\"\ncache_control = \"public, max-age=31536000, immutable\"\n\
         [[application.tool.vitrine.routes]]\nroute = \"/signed/...\"\nfiles = \"models\"\n\
         signed_by = {{ k1 = \"a secret of some length\" }}\n",
        origin.url()
    );
    let node = Node::start_prepared(&pools(&tables), &[], |dir| {
        std::fs::create_dir(dir.join("models")).expect("is made");
        std::fs::write(dir.join("models/a.glb"), vec![b'm'; 300_000]).expect("is written");
        std::fs::write(dir.join("secret.txt"), "secret").expect("is written");
    });
    let whole = node.get("/models/a.glb", &[]);
    assert_eq!((whole.status, whole.body.len()), (200, 300_000));
    assert_eq!(whole.header("content-type"), Some("model/gltf-binary"));
    assert_eq!(whole.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let part = node.get("/models/a.glb", &[("range", "bytes=299990-")]);
    assert_eq!((part.status, part.body.len()), (206, 10));
    assert_eq!(part.header("content-range"), Some("bytes 299990-299999/300000"));
    let etag = whole.header("etag").expect("has a tag");
    assert_eq!(node.get("/models/a.glb", &[("if-none-match", etag)]).status, 304);
    node.get("/models/../secret.txt", &[]).assert_problem(404, "not-found");
    node.get("/models/%2e%2e/secret.txt", &[]).assert_problem(404, "not-found");
    node.send("DELETE", "/models/a.glb", &[], b"").assert_problem(405, "method-not-allowed");
    node.get("/signed/a.glb", &[]).assert_problem(403, "not-signed");
    assert_eq!(node.get("/other", &[]).text(), "origin");

    let mut stream = node.connect();
    let navigation =
        b"GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n";
    stream.write_all(navigation).expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </app.css>; rel=preload; as=style\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(answer.starts_with(hint), "{answer}");
}

#[test]
fn middleware_stands_before_pools_and_files_and_a_cache_before_components() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK\r\nCache-Control: max-age=60", "origin"));
    let tables = format!(
        "[application.tool.vitrine.pools.shop]\norigins = [{:?}]\n[[application.tool.vitrine.routes]]\nroute = \"/pool/...\"\n\
         pool = \"shop\"\nmiddleware = [\"outer\"]\n[[application.tool.vitrine.routes]]\nroute = \"/files/...\"\n\
         files = \"files\"\nmiddleware = [\"outer\"]\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"inner\"\n\
         [component.outer]\nsource = {:?}\n[component.inner]\nsource = {:?}\n[component.inner.tool.vitrine]\ncache = true\n",
        origin.url(),
        crate::support::middleware(),
        crate::support::guests(),
    );
    let node = Node::start_prepared(&pools(&tables), &[], |dir| {
        std::fs::create_dir(dir.join("files")).expect("is made");
        std::fs::write(dir.join("files/a.txt"), "file").expect("is written");
    });
    let forward = [("x-guest-forward", "1")];
    for expected in ["MISS", "HIT"] {
        let answer = node.get("/pool/a", &forward);
        assert_eq!((answer.status, answer.text().as_str()), (200, "origin"));
        assert_eq!(answer.header("vitrine-cache"), Some(expected));
    }
    let asked = origin.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].headers.keys().all(|name| !name.starts_with("spin-")), "{:?}", asked[0]);
    assert_eq!(node.get("/files/a.txt", &forward).text(), "file");
    node.get("/pool/b", &[("x-guest-forward", "1"), ("x-guest-panic", "after")])
        .assert_problem(500, "guest-trap");
    // Of what says nothing about how long it is good, nothing is kept; but it was looked at.
    let answer = node.get("/hello", &[]);
    assert_eq!((answer.text().as_str(), answer.header("vitrine-cache")), ("hello", Some("MISS")));
    node.get("/loop", &[]).assert_problem(504, "guest-cpu");
}

#[test]
fn tables_of_pools_that_make_no_sense_are_refused_by_name() {
    let pool = "[application.tool.vitrine.pools.shop]\norigins = [\"http://127.0.0.1:1\"]\n";
    let route = |more: &str| {
        format!("{pool}[[application.tool.vitrine.routes]]\nroute = \"/...\"\n{more}\n")
    };
    for (tables, word) in [
        (route("pool = \"other\""), "it leads to no pool: `other`"),
        (route(""), "it has one of `pool` and `files`"),
        (route("pool = \"shop\"\nfiles = \"x\""), "it has one of `pool` and `files`"),
        (route("pool = \"shop\"\nindex = \"x\""), "are for files"),
        (route("pool = \"shop\"\nmiddleware = [\"none\"]"), "`none` is no component"),
        (route("pool = \"shop\"\ncolour = 1"), "unknown field `colour`"),
        (route("files = \"gone\""), "serve the files of `gone`"),
        (route("files = \".\"\nsigned_by = { k = \"short\" }"), "less than 16 bytes"),
        (route("pool = \"shop\"").replace("http://", "gopher://"), "use the pool `shop`"),
        (route("pool = \"shop\"").replace("[\"http://127.0.0.1:1\"]", "[]"), "has no origins"),
        (route("pool = \"shop\"").replace("pools.shop", "pools.Shop"), "no name of a pool"),
    ] {
        let (code, said) = crate::support::refused(&pools(&tables), &[]);
        assert!(
            code == Some(64) && said.contains(word) && said.lines().count() == 1,
            "{word}: {code:?} {said}"
        );
    }
}
