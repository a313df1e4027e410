//! A request as a span, and spans as OTLP has them in JSON.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cache_core::cache_status::Word;
use http::Version;
use serde_json::{Value, json};

use crate::{access_log::Line, trace_context::TraceContext};

/// Longest path that is told: 256 bytes; of a longer one the beginning.
const PATH_BYTES_MAX: usize = 256;

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Span {
    context: TraceContext,
    ended: SystemTime,
    duration: Duration,
    method: String,
    path: String,
    route: String,
    status: u16,
    protocol: Version,
    is_tls: bool,
    client: IpAddr,
    word: Option<Word>,
    request_id: String,
}

impl Span {
    /// Takes what the access log is told too, at the moment when the head of the answer is known.
    pub(crate) fn new(line: &Line<'_>, context: TraceContext, is_tls: bool) -> Self {
        let cut = line.path.floor_char_boundary(PATH_BYTES_MAX);
        Self {
            context,
            ended: SystemTime::now(),
            duration: line.duration,
            method: line.method.to_owned(),
            path: line.path.get(..cut).unwrap_or_default().to_owned(),
            route: line.route.to_owned(),
            status: line.status,
            protocol: line.protocol,
            is_tls,
            client: line.client,
            word: line.word,
            request_id: line.request_id.to_owned(),
        }
    }
}

/// The kind of a span that answers a request from outside.
const SERVER: u8 = 2;
/// The status of a span that failed; a client's mistakes are no failures of a server.
const ERROR: u8 = 2;

/// Writes an `ExportTraceServiceRequest`.
pub(super) fn write(spans: &[Span], node_id: &str) -> Vec<u8> {
    let spans: Vec<Value> = spans.iter().map(one).collect();
    let resource = [text("service.name", "vitrine-edge"), text("service.instance.id", node_id)];
    let scope = json!({ "name": "vitrine-edge", "version": env!("CARGO_PKG_VERSION") });
    let request = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] });
    request.to_string().into_bytes()
}

fn one(span: &Span) -> Value {
    let context = &span.context;
    let ended = span.ended.duration_since(UNIX_EPOCH).unwrap_or_default();
    let began = ended.saturating_sub(span.duration);
    let mut attributes = vec![
        text("http.request.method", &span.method),
        text("http.route", &span.route),
        text("url.path", &span.path),
        text("url.scheme", if span.is_tls { "https" } else { "http" }),
        json!({ "key": "http.response.status_code", "value": { "intValue": span.status.to_string() } }),
        text("network.protocol.name", "http"),
        text("network.protocol.version", version(span.protocol)),
        text("client.address", &span.client.to_string()),
        text("vitrine.request_id", &span.request_id),
    ];
    if let Some(word) = span.word {
        attributes.push(text("vitrine.cache", word.as_str()));
    }
    let mut told = json!({
        "traceId": context.trace_id.to_hex().as_str(),
        "spanId": context.span_id.to_hex().as_str(),
        "name": format!("{} {}", span.method, span.route),
        "kind": SERVER,
        // 64 bits are texts in the JSON of protocol buffers.
        "startTimeUnixNano": began.as_nanos().to_string(),
        "endTimeUnixNano": ended.as_nanos().to_string(),
        "attributes": attributes,
    });
    if let Some(parent_id) = context.parent_id {
        told["parentSpanId"] = parent_id.to_hex().as_str().into();
    }
    if span.status >= 500 {
        told["status"] = json!({ "code": ERROR });
    }
    told
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

const fn version(protocol: Version) -> &'static str {
    match protocol {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::trace_context::TRACEPARENT;

    #[test]
    fn writes_what_collectors_read() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(parent))]);
        let context = TraceContext::of(&headers, [1, 2, 3]);
        let line = Line {
            request_id: "r-1",
            method: "GET",
            path: &format!("/{}", "é".repeat(200)),
            route: "/...",
            version: 1,
            status: 502,
            duration: Duration::from_millis(5),
            client: IpAddr::from([192, 0, 2, 1]),
            protocol: Version::HTTP_2,
            word: Some(Word::Miss),
            content_length: None,
            trace_id: Some(context.trace_id),
        };
        let span = Span::new(&line, context, true);
        let written: Value = serde_json::from_slice(&write(&[span], "edge-1")).expect("is JSON");
        let resource = &written["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][1], text("service.instance.id", "edge-1"));
        let span = &resource["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            (&span["spanId"], &span["parentSpanId"]),
            (&json!("0000000000000003"), &json!("b7ad6b7169203331"))
        );
        assert_eq!((&span["kind"], &span["status"]["code"]), (&json!(2), &json!(2)));
        let time = |name: &str| span[name].as_str().and_then(|text| text.parse::<u128>().ok());
        let taken =
            time("endTimeUnixNano").zip(time("startTimeUnixNano")).map(|(end, start)| end - start);
        assert_eq!(taken, Some(5_000_000));
        let attributes = span["attributes"].as_array().expect("is a list");
        let of =
            |key: &str| attributes.iter().find(|one| one["key"] == key).map(|one| &one["value"]);
        assert_eq!(of("http.response.status_code"), Some(&json!({ "intValue": "502" })));
        assert_eq!(of("vitrine.cache"), Some(&json!({ "stringValue": "MISS" })));
        let path = of("url.path").and_then(|value| value["stringValue"].as_str());
        assert!(path.is_some_and(|path| path.len() <= PATH_BYTES_MAX && path.ends_with('é')));
    }
}
