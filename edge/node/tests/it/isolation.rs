//! A component that misbehaves costs its own request, nothing else.

use std::time::{Duration, Instant};

use crate::support::{Node, manifest};

const QUICK: [&str; 4] = ["--cpu-budget-ms", "300", "--request-timeout-ms", "1500"];

#[test]
fn ends_a_loop_with_504_while_others_are_served() {
    // On a busy machine it takes a while until four loops have had their time.
    let patient = ["--cpu-budget-ms", "300", "--request-timeout-ms", "60000"];
    let node = Node::start(&manifest(""), &patient);
    std::thread::scope(|scope| {
        let loops: Vec<_> = (0..4).map(|_| scope.spawn(|| node.get("/loop", &[]))).collect();
        for _ in 0..20 {
            assert_eq!(node.get("/hello", &[]).text(), "hello");
        }
        for answer in loops {
            answer.join().expect("answers").assert_problem(504, "guest-cpu");
        }
    });
    assert!(node.get("/metrics", &[]).text().contains("cpu_exceeded_total{component=\"guest\"} 4"));
}

#[test]
fn ends_a_long_wait_with_504_at_the_deadline() {
    let node = Node::start(&manifest(""), &QUICK);
    let started = Instant::now();
    node.get("/sleep", &[]).assert_problem(504, "guest-timeout");
    assert!(started.elapsed() >= Duration::from_millis(1500));
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn ends_a_memory_hog_with_500() {
    let arguments =
        ["--memory-mib", "16", "--cpu-budget-ms", "20000", "--request-timeout-ms", "30000"];
    let node = Node::start(&manifest(""), &arguments);
    node.get("/hog", &[]).assert_problem(500, "guest-limit");
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn loses_only_the_request_that_traps() {
    let node = Node::start(&manifest(""), &[]);
    std::thread::scope(|scope| {
        let traps: Vec<_> = (0..10).map(|_| scope.spawn(|| node.get("/trap", &[]))).collect();
        let others: Vec<_> = (0..30).map(|_| scope.spawn(|| node.get("/stream", &[]))).collect();
        for answer in others {
            let answer = answer.join().expect("answers");
            assert_eq!((answer.status, answer.body.len()), (200, 64 * 16 * 1024));
        }
        for answer in traps {
            answer.join().expect("answers").assert_problem(500, "guest-trap");
        }
    });
    assert!(node.get("/metrics", &[]).text().contains("traps_total{component=\"guest\"} 10"));
}

#[test]
fn refuses_with_503_when_all_instances_are_taken() {
    let arguments = ["--instances-max", "1", "--queue-max", "0", "--request-timeout-ms", "3000"];
    let node = Node::start(&manifest(""), &arguments);
    assert_eq!(node.get("/hello", &[]).status, 200);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| node.get("/sleep", &[]));
        until_busy(&node);
        let answer = node.get("/hello", &[]);
        answer.assert_problem(503, "overloaded");
        assert_eq!(answer.header("retry-after"), Some("1"));
        held.join().expect("answers").assert_problem(504, "guest-timeout");
    });
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn frees_the_instance_of_a_client_that_left() {
    let arguments = ["--instances-max", "1", "--queue-max", "0", "--request-timeout-ms", "60000"];
    let node = Node::start(&manifest(""), &arguments);
    let mut gone = node.connect();
    std::io::Write::write_all(&mut gone, b"GET /sleep HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("is sent");
    until_busy(&node);
    assert_eq!(node.get("/hello", &[]).status, 503);
    let deadline = Instant::now() + Duration::from_secs(10);
    drop(gone);
    while node.get("/hello", &[]).status != 200 {
        assert!(Instant::now() < deadline, "the instance was never freed");
    }
}

/// Waits until a request holds an instance.
fn until_busy(node: &Node) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !node.get("/metrics", &[]).text().contains("busy_instances{component=\"guest\"} 1") {
        assert!(Instant::now() < deadline, "no instance was ever taken");
    }
}
