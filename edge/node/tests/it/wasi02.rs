//! Guests of WASI 0.2: the same rules, a fresh instance for each request.

use std::time::{Duration, Instant};

use crate::support::{Node, guests, guests_02, manifest, manifest_of, middleware, refused};

const QUICK: [&str; 4] = ["--cpu-budget-ms", "200", "--request-timeout-ms", "5000"];

fn start(arguments: &[&str]) -> Node {
    Node::start(&manifest_of(&guests_02(), ""), arguments)
}

#[test]
fn answers_with_the_same_headers_as_other_guests() {
    let node = start(&[]);
    assert_eq!(node.get("/hello", &[]).text(), "hello");
    let seen = node.get("/headers", &[("x-mine", "2")]).text();
    let other = Node::start(&manifest(""), &[]).get("/headers", &[("x-mine", "2")]).text();
    assert_eq!(names(&seen), names(&other));
    assert!(seen.contains("spin-full-url: http://edge.test/headers\n"), "{seen}");
}

fn names(lines: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        lines.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    names.sort_unstable();
    names
}

#[test]
fn serves_each_request_in_a_fresh_instance() {
    let node = start(&[]);
    for _ in 0..3 {
        assert_eq!(node.get("/seen", &[]).text(), "0");
    }
    let metrics = node.get("/metrics", &[]).text();
    assert!(metrics.contains("instances_created_total{component=\"guest\"} 3"), "{metrics}");
}

#[test]
fn streams_bodies_both_ways() {
    let node = start(&["--body-bytes-max", "4000000"]);
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let answer = node.send("POST", "/echo", &[], &body);
    assert!(answer.is_whole() && answer.body == body, "{} bytes", answer.body.len());
    assert_eq!(node.get("/stream", &[]).body.len(), 64 * 16 * 1024);
}

#[test]
fn keeps_the_limits_that_others_have() {
    let node = start(&[&QUICK[..], &["--memory-mib", "16"]].concat());
    node.get("/loop", &[]).assert_problem(504, "guest-cpu");
    node.get("/sleep", &[]).assert_problem(504, "guest-timeout");
    node.get("/hog", &[]).assert_problem(500, "guest-limit");
    node.get("/trap", &[]).assert_problem(500, "guest-trap");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn refuses_beyond_its_instances_and_its_queue() {
    let node = start(&["--instances-max", "1", "--queue-max", "0", "--request-timeout-ms", "3000"]);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| node.get("/sleep", &[]));
        node.until_metric("busy_instances{component=\"guest\"} 1");
        node.get("/hello", &[]).assert_problem(503, "overloaded");
        held.join().expect("answers").assert_problem(504, "guest-timeout");
    });
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn tells_apart_what_is_no_answer() {
    let node = start(&[]);
    node.get("/silent", &[]).assert_problem(500, "guest-error");
    node.get("/leak", &[]).assert_problem(500, "guest-error");
    node.get("/error", &[]).assert_problem(500, "guest-error");
    // The first answer's head is out before the second is given, or neither is.
    let twice = node.get("/twice", &[]);
    assert!(twice.status == 500 || !twice.is_whole(), "{twice:?}");
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn cuts_answers_that_break_off() {
    let node = start(&[]);
    for path in ["/late-trap", "/short"] {
        node.get(path, &[]).assert_cut_short();
    }
    // What is too long is never sent.
    let long = node.get("/long", &[]);
    assert!(long.body.len() <= 4, "{long:?}");
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn ends_a_guest_whose_reader_left() {
    let node = start(&["--instances-max", "1", "--queue-max", "0"]);
    let mut gone = node.connect();
    std::io::Write::write_all(&mut gone, b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("is sent");
    node.until_metric("busy_instances{component=\"guest\"} 1");
    drop(gone);
    let deadline = Instant::now() + Duration::from_secs(20);
    while node.get("/hello", &[]).status != 200 {
        assert!(Instant::now() < deadline, "the instance was never freed");
    }
}

#[test]
fn sends_requests_only_where_the_manifest_allows() {
    let target = Node::start(&manifest(""), &[]);
    let ask = [("x-authority", target.address())];
    let allowed = format!("allowed_outbound_hosts = [\"http://{}\"]", target.address());
    let node = Node::start(&manifest_of(&guests_02(), &allowed), &[]);
    assert_eq!(node.get("/fetch", &ask).text(), "200");
    let denied = start(&[]).get("/fetch", &ask);
    assert!(denied.text().contains("HttpRequestDenied"), "{}", denied.text());
}

#[test]
fn refuses_one_as_middleware_by_name() {
    let text = format!(
        "spin_manifest_version = 2\n[application]\nname = \"chain\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"inner\"\ndependencies.middleware = [{{ component = \"outer\" }}]\n\
         [component.inner]\nsource = {:?}\n[component.outer]\nsource = {:?}\n",
        guests(),
        guests_02()
    );
    let (code, said) = refused(&text, &[]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("component `outer` cannot be a middleware"), "{said}");
}

#[test]
fn stands_behind_middleware_as_any_primary() {
    let text = format!(
        "spin_manifest_version = 2\n[application]\nname = \"chain\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"inner\"\ndependencies.middleware = [{{ component = \"outer\" }}]\n\
         [component.inner]\nsource = {:?}\n[component.outer]\nsource = {:?}\n",
        guests_02(),
        middleware()
    );
    let node = Node::start(&text, &[]);
    let answer = node.get("/stream", &[("x-guest-forward", "1")]);
    assert_eq!(answer.header("x-guest-middleware"), Some("seen"));
    assert_eq!(answer.body.len(), 64 * 16 * 1024);
    node.get("/trap", &[("x-guest-forward", "1")]).assert_problem(500, "guest-trap");
}
