//! The line that each request leaves.

use std::{fs::File, process::Stdio};

use crate::support::{Node, manifest};

#[test]
fn writes_a_line_for_each_request_and_no_query() {
    for (format, path) in [("text", "path=\"/hello\""), ("json", "\"path\":\"/hello\"")] {
        let dir = tempfile::tempdir().expect("makes a folder");
        let log = dir.path().join("log");
        let stderr = File::create(&log).expect("makes a file");
        let arguments = ["--log-format", format, "--trusted-proxy", "127.0.0.1"];
        let mut node = Node::start_telling(&manifest(""), &arguments, stderr.into());
        let headers = [("x-request-id", "order-12345678"), ("x-forwarded-for", "192.0.2.9")];
        assert_eq!(node.get("/hello?token=secret", &headers).status, 200);
        assert_eq!(node.get("/trap", &[]).status, 500);
        assert_eq!(node.terminate(), Some(0));
        let log = std::fs::read_to_string(log).expect("is there");
        let line = log.lines().find(|line| line.contains("order-12345678")).expect("is logged");
        assert!(line.contains(path) && line.contains("192.0.2.9"), "{line}");
        assert!(!log.contains("secret"), "{log}");
        assert!(log.lines().any(|line| line.contains("/trap") && line.contains("500")), "{log}");
        if format == "json" {
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(line).expect("is JSON")["status"],
                200
            );
        }
    }
}

#[test]
fn serves_on_and_counts_lines_when_nobody_reads_them() {
    // The pipe is held and never read.
    let node = Node::start_telling(&manifest(""), &["--access-log", "text"], Stdio::piped());
    let path = format!("/{}", "x".repeat(20_000));
    let dropped = || {
        let metrics = node.get("/metrics", &[]).text();
        let line = metrics.lines().find(|line| line.starts_with("vitrine_edge_access_log_dropped"));
        line.and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok()).expect("is there")
    };
    assert_eq!(dropped(), 0);
    let mut asked = 0;
    while dropped() == 0 {
        assert_eq!(node.get(&path, &[]).status, 404);
        asked += 1;
        // What waits is bounded: some 1 MiB for each thread, what the writer holds, and the pipe.
        assert!(asked < 1000, "nothing is ever dropped");
    }
}
