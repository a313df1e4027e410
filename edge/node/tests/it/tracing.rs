//! What ties a request's lines together, from whoever asks to whoever is asked.

use std::fs::File;

use serde_json::Value;

use crate::{
    collector::Collector,
    origin::{self, Said, said},
    proxied::{Origin, Proxied, eventually, refused},
    support::Node,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// All spans that were sent so far, in the order of their beginnings.
fn spans(collector: &Collector) -> Vec<Value> {
    let mut all = Vec::new();
    for (_, body) in collector.taken() {
        let told: Value = serde_json::from_str(&body).expect("is JSON");
        let spans = &told["resourceSpans"][0]["scopeSpans"][0]["spans"];
        all.extend(spans.as_array().expect("is a list").iter().cloned());
    }
    all.sort_by_key(|span| span["startTimeUnixNano"].as_str().map(str::to_owned));
    all
}

/// What a span says under a name.
fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let all = span["attributes"].as_array()?;
    let value = &all.iter().find(|one| one["key"] == key)?["value"];
    value["stringValue"].as_str().or_else(|| value["intValue"].as_str())
}

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
    let lines: Vec<Value> = log
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

#[test]
fn sends_spans_of_the_traces_that_are_recorded() {
    let origin = Origin::start("", "hello");
    let collector = Collector::start(200);
    let endpoint = format!("http://{}", collector.address);
    let node = Proxied::start(&origin, &["--otlp-endpoint", &endpoint, "--otlp-ratio", "0"]);
    let ask = |flags: &str| {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-{flags}");
        assert_eq!(node.get("/a?token=s3cret", &[("traceparent", &parent)]).status, 200);
    };
    assert_eq!(node.get("/a", &[]).status, 200);
    assert!(origin.last()["traceparent"].ends_with("-02"));
    ask("00");
    ask("01");
    node.until_metric("vitrine_edge_spans_total{result=\"exported\"} 2");
    let (head, body) = collector.taken().pop().expect("has taken one");
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json\r\n"), "{head}");
    let spans = spans(&collector);
    let [request, attempt] = &spans[..] else { panic!("{spans:?}") };
    for span in &spans {
        assert_eq!(span["traceId"], TRACE);
    }
    assert_eq!((&request["name"], &request["kind"]), (&"GET /...".into(), &2.into()));
    assert_eq!((&attempt["name"], &attempt["kind"]), (&"GET".into(), &3.into()));
    assert_eq!(attempt["parentSpanId"], request["spanId"]);
    // The origin was asked by this very span.
    let span_id = attempt["spanId"].as_str().expect("is a text");
    assert!(origin.last()["traceparent"].contains(&format!("-{span_id}-01")));
    assert!(!body.contains("s3cret"), "{body}");
}

#[test]
fn every_attempt_at_an_origin_is_a_span_of_its_own_below_the_request() {
    // It breaks off at the first request, so that there is a second attempt.
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let origin = origin::Origin::start(move |_| {
        match is_first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            true => Said::Last(Vec::new()),
            false => said("HTTP/1.1 200 OK", "hello"),
        }
    });
    let collector = Collector::start(200);
    let endpoint = format!("http://{}", collector.address);
    let arguments = ["--otlp-endpoint", &endpoint, "--otlp-ratio", "1"];
    let node = Node::proxy(&[&origin.url()], &arguments);
    assert_eq!(node.get("/a", &[]).text(), "hello");
    eventually("three spans", || spans(&collector).len() == 3);
    let spans = spans(&collector);
    let [request, first, second] = &spans[..] else { panic!("{spans:?}") };
    for (attempt, asked) in [first, second].into_iter().zip(origin.asked()) {
        assert_eq!(attempt["parentSpanId"], request["spanId"]);
        let span_id = attempt["spanId"].as_str().expect("is a text");
        let handed = asked.header("traceparent").expect("has one");
        assert!(handed.contains(&format!("-{span_id}-")), "{handed} {span_id}");
    }
    let of = |span| {
        ["error.type", "http.response.status_code", "http.request.resend_count"]
            .map(|key| attribute(span, key))
    };
    assert_eq!(of(first), [Some("broken"), None, None]);
    assert_eq!(of(second), [None, Some("200"), Some("1")]);
    assert_eq!(
        (attribute(second, "vitrine.pool"), request["status"].as_object()),
        (Some("origin"), None)
    );
}

#[test]
fn records_traces_that_begin_here_by_the_ratio_and_sends_the_last_at_the_end() {
    let origin = Origin::start("", "hello");
    let collector = Collector::start(200);
    let endpoint = format!("http://{}", collector.address);
    let mut node = Proxied::start(&origin, &["--otlp-endpoint", &endpoint, "--otlp-ratio", "1"]);
    assert_eq!(node.get("/a", &[]).status, 200);
    assert!(origin.last()["traceparent"].ends_with("-03"));
    // What an unsampled caller asks is not recorded, whatever the ratio.
    let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
    assert_eq!(node.get("/b", &[("traceparent", &parent)]).status, 200);
    node.stop();
    assert_eq!(node.ended(), Some(0));
    let taken = collector.taken();
    let bodies: String = taken.iter().map(|(_, body)| body.as_str()).collect();
    assert!(bodies.contains("\"/a\"") && !bodies.contains("\"/b\""), "{bodies}");
}

#[test]
fn serves_on_and_counts_spans_that_the_collector_does_not_take() {
    let origin = Origin::start("", "hello");
    let collector = Collector::start(503);
    let endpoint = format!("http://{}", collector.address);
    let arguments = ["--otlp-endpoint", &endpoint, "--otlp-ratio", "1"];
    let node = Proxied::start(&origin, &arguments);
    assert_eq!(node.get("/a", &[]).status, 200);
    node.until_metric("vitrine_edge_spans_total{result=\"dropped_by_collector\"} 2");

    // It accepts and never answers, or is not there at all: requests do not wait for it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let endpoint = format!("http://{}", silent.local_addr().expect("has an address"));
    let arguments = ["--otlp-endpoint", &endpoint, "--otlp-ratio", "1", "--otlp-queue-max", "1"];
    let node = Proxied::start(&origin, &arguments);
    let crowded_out = || {
        let metrics = node.operate("GET", "/metrics", &[], b"").text();
        let name = "vitrine_edge_spans_total{result=\"dropped_queue_full\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|count| count.parse::<u64>().ok()).expect("is there")
    };
    eventually("a full queue", || {
        assert_eq!(node.get("/a", &[]).status, 200);
        crowded_out() > 0
    });
}

#[test]
fn refuses_a_collector_that_it_cannot_reach_by_its_address_with_64() {
    for arguments in [
        ["--otlp-endpoint", "https://collector.example"],
        ["--otlp-endpoint", "collector:4318"],
        ["--otlp-ratio", "2"],
        ["--otlp-queue-max", "0"],
    ] {
        assert_eq!(refused(&arguments).0, Some(64), "{arguments:?}");
    }
}
