//! Each way in which a component can fail has one documented answer: a test for each row of `docs/LIMITS.md`.

use std::io::{Read as _, Write as _};

use crate::{
    routing::chain,
    support::{Node, manifest, refused},
};

/// Asks `path` of a fresh node and then sees that the node is unharmed.
#[track_caller]
fn check(path: &str, headers: &[(&str, &str)], status: u16, code: &str) {
    let node = Node::start(&manifest(""), &[]);
    node.get(path, headers).assert_problem(status, code);
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn a_guest_that_waits_for_what_can_never_come_is_a_trap_at_once() {
    check("/never", &[], 500, "guest-trap");
}

#[test]
fn a_guest_that_answers_twice_is_a_trap() {
    check("/twice", &[], 500, "guest-trap");
}

#[test]
fn a_trap_after_the_head_cuts_the_body() {
    let node = Node::start(&manifest(""), &[]);
    for pieces in ["1", "200"] {
        node.get("/late-trap", &[("x-pieces", pieces)]).assert_cut_short();
    }
    node.until_metric("traps_total{component=\"guest\"} 2");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn a_trap_while_the_request_is_read_is_500() {
    let node = Node::start(&manifest(""), &[]);
    let answer = node.send("POST", "/trap-reading", &[], &[b'x'; 100]);
    answer.assert_problem(500, "guest-trap");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn a_body_that_is_shorter_than_announced_is_cut() {
    let node = Node::start(&manifest(""), &[]);
    node.get("/wrong-length", &[("x-told", "10"), ("x-written", "4")]).assert_cut_short();
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn a_body_that_is_longer_than_announced_never_leaves_its_frame() {
    let node = Node::start(&manifest(""), &[]);
    let long = node.get("/wrong-length", &[("x-told", "4"), ("x-written", "10")]);
    // Whatever went out, no byte after the fourth can be taken for another answer.
    assert!(long.body.len() <= 4, "{long:?}");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn headers_that_a_guest_may_not_set_are_its_error() {
    let node = Node::start(&manifest(""), &[]);
    for (name, value, said) in [
        ("connection", "close", "Forbidden"),
        ("transfer-encoding", "chunked", "Forbidden"),
        ("upgrade", "h2c", "Forbidden"),
        ("keep-alive", "1", "Forbidden"),
        ("a b", "1", "InvalidSyntax"),
        ("x-odd", "fine", "allowed"),
    ] {
        let answer = node.get("/odd-header", &[("x-name", name), ("x-value", value)]);
        assert!(answer.text().contains(said), "{name}: {}", answer.text());
    }
    let answer = node.get("/many-headers", &[]);
    assert!(answer.text().contains("SizeExceeded"), "{}", answer.text());
}

#[test]
fn a_body_without_end_is_cut_at_the_stream_timeout() {
    let patient = ["--stream-timeout-ms", "500", "--cpu-budget-ms", "60000"];
    let node = Node::start(&manifest(""), &patient);
    node.get("/unfinished", &[]).assert_cut_short();
    node.get("/endless", &[]).assert_cut_short();
    node.until_metric("timeouts_total{component=\"guest\"} 2");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn middleware_that_panics_fails_its_request_before_and_after_it_asked() {
    let node = Node::start(&chain(""), &[]);
    for at in ["before", "after"] {
        let ask = [("x-guest-forward", "1"), ("x-guest-panic", at)];
        node.get("/hello", &ask).assert_problem(500, "guest-trap");
    }
    let metrics = node.get("/metrics", &[]).text();
    assert!(metrics.contains("traps_total{component=\"outer>inner\"} 2"), "{metrics}");
    assert!(metrics.contains("traps_total{component=\"inner\"} 0"), "{metrics}");
    assert_eq!(node.get("/hello", &[("x-guest-forward", "1")]).text(), "hello");
}

#[test]
fn a_component_has_less_than_the_node_allows_where_its_manifest_says_so() {
    let own = "[component.guest.tool.vitrine]\nmemory_mib = 8\ncpu_budget_ms = 200\n\
               request_timeout_ms = 400\ninstances_max = 1";
    let node = Node::start(&manifest(own), &["--queue-max", "0"]);
    node.get("/loop", &[]).assert_problem(504, "guest-cpu");
    node.get("/sleep", &[]).assert_problem(504, "guest-timeout");
    node.get("/hog", &[]).assert_problem(500, "guest-limit");
    let mut held = node.connect();
    held.write_all(b"GET /unfinished HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    node.until_metric("busy_instances{component=\"guest\"} 1");
    node.get("/hello", &[]).assert_problem(503, "overloaded");
}

#[test]
fn refuses_settings_of_a_component_that_it_does_not_know() {
    for (key, word) in [
        ("memory_mb = 8", "unknown field `memory_mb`"),
        ("memory_mib = 4096", "`memory_mib` is 4096, and this node allows 1 to 128"),
        ("instances_max = \"many\"", "invalid type"),
    ] {
        let (code, said) =
            refused(&manifest(&format!("[component.guest.tool.vitrine]\n{key}")), &[]);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("[component.guest.tool.vitrine]") && said.contains(word), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
}

#[test]
fn a_large_body_passes_through_a_guest_and_is_never_whole_in_memory() {
    const BLOCK: usize = 1024 * 1024;
    const BLOCKS: usize = 200;
    let node =
        Node::start(&manifest(""), &["--body-bytes-max", "300000000", "--cpu-budget-ms", "60000"]);
    assert_eq!(node.get("/hello", &[]).status, 200);
    let before = node.peak_memory_kib();
    let mut stream = node.connect();
    let head = format!(
        "POST /echo-stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        BLOCK * BLOCKS
    );
    stream.write_all(head.as_bytes()).expect("is sent");
    // A byte that no head and no frame of a chunk has.
    let block = vec![0xAA_u8; BLOCK];
    let (mut received, mut buffer) = (0, vec![0; BLOCK]);
    for sent in 1..=BLOCKS {
        stream.write_all(&block).expect("is sent");
        // Never more than four blocks ahead: a node that waits for the whole body would wait for ever.
        while received + 4 * BLOCK < sent * BLOCK {
            received += count(&mut stream, &mut buffer);
        }
    }
    while received < BLOCK * BLOCKS {
        received += count(&mut stream, &mut buffer);
    }
    let used = node.peak_memory_kib() - before;
    assert!(used < 64 * 1024, "{used} KiB");
}

/// Reads once and counts the body's bytes among what came.
fn count(stream: &mut std::net::TcpStream, buffer: &mut [u8]) -> usize {
    let read = stream.read(buffer).expect("is read");
    assert!(read > 0, "the answer broke off");
    buffer[..read].iter().filter(|byte| **byte == 0xAA).count()
}

#[test]
fn readers_that_do_not_read_stop_the_guest_and_take_no_more_than_they_may() {
    let patient = ["--stream-timeout-ms", "4000", "--cpu-budget-ms", "60000"];
    let node = Node::start(&manifest(""), &patient);
    assert_eq!(node.get("/hello", &[]).status, 200);
    let before = node.peak_memory_kib();
    let mut open: Vec<_> = (0..4).map(|_| node.connect()).collect();
    for stream in &mut open {
        stream.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    }
    node.until_metric("timeouts_total{component=\"guest\"} 4");
    let used = node.peak_memory_kib() - before;
    // 256 MiB for all together, 1 MiB for each, and what allocator and sockets take.
    assert!((64 * 1024..400 * 1024).contains(&used), "{used} KiB");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn a_reader_that_left_ends_an_endless_answer() {
    let node = Node::start(&manifest(""), &["--instances-max", "1", "--queue-max", "0"]);
    let mut gone = node.connect();
    gone.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    node.until_metric("busy_instances{component=\"guest\"} 1");
    drop(gone);
    node.until_metric("busy_instances{component=\"guest\"} 0");
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}
