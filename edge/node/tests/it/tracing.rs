//! What ties a request's lines together, from whoever asks to whoever is asked.

use std::fs::File;

use crate::proxied::{Origin, Proxied};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[test]
fn hands_a_trace_on_under_its_own_span_and_logs_it() {
    let origin = Origin::start("cache-control: max-age=600\r\n", "hello");
    let dir = tempfile::tempdir().expect("makes a folder");
    let log = dir.path().join("log");
    let stderr = File::create(&log).expect("makes a file");
    // With one thread, lines are in the order of requests.
    let arguments = ["--access-log", "json", "--threads", "1"];
    let mut node = Proxied::start_telling(&origin, &arguments, stderr.into());
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let given = [("traceparent", parent.as_str()), ("tracestate", "vendor=1")];
    assert_eq!(node.get("/a", &given).text(), "hello");
    let seen = origin.last();
    let handed = &seen["traceparent"];
    assert!(handed.starts_with(&format!("00-{TRACE}-")) && handed.ends_with("-01"), "{handed}");
    assert!(!handed.contains("b7ad6b7169203331"), "{handed}");
    assert_eq!(seen["tracestate"], "vendor=1");
    assert_eq!(node.get("/a", &[]).header("vitrine-cache"), Some("HIT"));

    // What cannot be read is as if it were not there.
    let given =
        [("traceparent", "00-nonsense"), ("tracestate", "vendor=1"), ("cache-control", "no-cache")];
    assert_eq!(node.get("/b", &given).status, 200);
    let seen = origin.last();
    assert_eq!((seen["traceparent"].len(), seen.get("tracestate")), (55, None));

    node.stop();
    assert_eq!(node.ended(), Some(0));
    let log = std::fs::read_to_string(log).expect("is there");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.contains("\"request\""))
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    assert_eq!(
        (&lines[0]["trace_id"], &lines[0]["cache"]),
        (&TRACE.into(), &"MISS".into()),
        "{log}"
    );
    assert_eq!(
        (&lines[0]["protocol"], &lines[0]["bytes"]),
        (&"HTTP/1.1".into(), &5.into()),
        "{log}"
    );
    assert_eq!(lines[1]["cache"], "HIT", "{log}");
    assert!(
        seen["traceparent"].contains(lines[2]["trace_id"].as_str().expect("is a text")),
        "{log}"
    );
}
