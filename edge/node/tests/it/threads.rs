//! Several serving threads on one address.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{
    origin::{Origin, said},
    support::{Node, manifest, refused},
};

#[test]
fn spreads_connections_over_its_threads_and_counts_them_together() {
    let node = Node::start(&manifest(""), &["--threads", "4"]);
    let mut threads = BTreeSet::new();
    for _ in 0..64 {
        let answer = node.get("/hello", &[]);
        assert_eq!(answer.text(), "hello");
        // The first half of an id that the node makes is the thread's.
        let id = answer.header("x-request-id").expect("has an id").to_owned();
        threads.insert(id.get(..16).expect("is long").to_owned());
    }
    // That 64 connections leave out one thread of four is a matter of once in 10^7.
    assert_eq!(threads.len(), 4, "{threads:?}");
    let metrics = node.get("/metrics", &[]).text();
    let line = "vitrine_edge_requests_total{route=\"/...\",component=\"guest\",status=\"200\"} 64";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("request_duration_seconds_count{route=\"/...\"} 64"), "{metrics}");
}

#[test]
fn nothing_ticks_where_there_is_no_component() {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "x"));
    let proxy = Node::proxy(&[&origin.url()], &[]);
    assert_eq!(proxy.get("/a", &[]).status, 200);
    let ticks = |node: &Node| node.threads().iter().any(|name| name == "engine-tick");
    assert!(!ticks(&proxy), "{:?}", proxy.threads());
    let node = Node::start(&manifest(""), &[]);
    assert!(ticks(&node), "{:?}", node.threads());
}

#[test]
fn finishes_the_requests_of_every_thread_after_a_signal() {
    let mut node = Node::start(&manifest(""), &["--threads", "4", "--request-timeout-ms", "2000"]);
    let mut open: Vec<TcpStream> = (0..16).map(|_| node.connect()).collect();
    for stream in &mut open {
        stream.write_all(b"GET /sleep HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
    }
    while !node.get("/metrics", &[]).text().contains("requests_in_flight 17") {}
    assert_eq!(node.terminate(), Some(0));
    for mut stream in open {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("reads to the end");
        assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    }
}

#[test]
fn an_instance_of_another_thread_serves_when_there_may_be_no_second() {
    let node = Node::start(&manifest(""), &["--threads", "4", "--instances-max", "1"]);
    for _ in 0..64 {
        assert_eq!(node.get("/hello", &[]).text(), "hello");
    }
    let metrics = node.get("/metrics", &[]).text();
    assert!(metrics.contains("instances_created_total{component=\"guest\"} 1\n"), "{metrics}");
}

#[test]
fn a_component_in_a_loop_holds_up_its_thread_for_ticks_only() {
    let arguments = ["--threads", "1", "--cpu-budget-ms", "10000", "--request-timeout-ms", "60000"];
    let node = Node::start(&manifest(""), &arguments);
    assert_eq!(node.get("/hello", &[]).text(), "hello");
    std::thread::scope(|scope| {
        let looping = scope.spawn(|| node.get("/loop", &[]));
        while !node.get("/metrics", &[]).text().contains("busy_instances{component=\"guest\"} 1") {}
        for _ in 0..20 {
            assert_eq!(node.get("/hello", &[]).text(), "hello");
        }
        assert!(!looping.is_finished(), "the others have waited for the loop's whole time");
        looping.join().expect("answers").assert_problem(504, "guest-cpu");
    });
}

#[test]
fn refuses_an_address_that_another_node_serves() {
    for threads in ["1", "3"] {
        let node = Node::start(&manifest(""), &["--threads", threads]);
        for others in ["1", "3"] {
            let arguments = ["--listen", node.address(), "--threads", others];
            let (code, said) = refused(&manifest(""), &arguments);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("listen on") && said.contains("in use"), "{said}");
        }
    }
}
