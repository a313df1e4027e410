//! Requests and attempts at origins as spans, and spans as OTLP has them in JSON.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cache_core::cache_status::Word;
use http::Version;
use pool_core::Outcome;
use serde_json::{Value, json};

use crate::{access_log::Line, trace_context::TraceContext};

/// Longest path that is told: 256 bytes; of a longer one the beginning.
const PATH_BYTES_MAX: usize = 256;

/// What is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// A request that was answered.
    Request(Span),
    /// An attempt to have it answered by an origin.
    Attempt(AttemptSpan),
}

impl From<Span> for Told {
    fn from(span: Span) -> Self {
        Self::Request(span)
    }
}

impl From<AttemptSpan> for Told {
    fn from(span: AttemptSpan) -> Self {
        Self::Attempt(span)
    }
}

/// An attempt at an origin, up to the head of its answer.
#[derive(Debug)]
pub(crate) struct AttemptSpan {
    pub(super) context: TraceContext,
    pub(super) ended: SystemTime,
    pub(super) duration: Duration,
    pub(super) method: String,
    pub(super) pool: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// Attempts of the same request before this one.
    pub(super) earlier: usize,
    /// Whether it ran beside an earlier one.
    pub(super) is_hedge: bool,
    pub(super) outcome: Outcome,
}

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
/// The kind of a span that asks somebody outside.
const CLIENT: u8 = 3;
/// The status of a span that failed; a client's mistakes are no failures of a server.
const ERROR: u8 = 2;

/// Writes an `ExportTraceServiceRequest`.
pub(super) fn write(spans: &[Told], node_id: &str) -> Vec<u8> {
    let one = |span: &Told| match span {
        Told::Request(span) => request(span),
        Told::Attempt(span) => attempt(span),
    };
    let spans: Vec<Value> = spans.iter().map(one).collect();
    let resource = [text("service.name", "vitrine-edge"), text("service.instance.id", node_id)];
    let scope = json!({ "name": "vitrine-edge", "version": env!("CARGO_PKG_VERSION") });
    let all = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] });
    all.to_string().into_bytes()
}

fn request(span: &Span) -> Value {
    let mut attributes = vec![
        text("http.request.method", &span.method),
        text("http.route", &span.route),
        text("url.path", &span.path),
        text("url.scheme", if span.is_tls { "https" } else { "http" }),
        number("http.response.status_code", span.status.into()),
        text("network.protocol.name", "http"),
        text("network.protocol.version", version(span.protocol)),
        text("client.address", &span.client.to_string()),
        text("vitrine.request_id", &span.request_id),
    ];
    if let Some(word) = span.word {
        attributes.push(text("vitrine.cache", word.as_str()));
    }
    let mut told = placed(&span.context, span.ended, span.duration);
    told["name"] = format!("{} {}", span.method, span.route).into();
    told["kind"] = SERVER.into();
    told["attributes"] = attributes.into();
    if span.status >= 500 {
        told["status"] = json!({ "code": ERROR });
    }
    told
}

fn attempt(span: &AttemptSpan) -> Value {
    let mut attributes = vec![
        text("http.request.method", &span.method),
        text("server.address", &span.host),
        number("server.port", span.port.into()),
        text("network.protocol.name", "http"),
        text("network.protocol.version", "1.1"),
        text("vitrine.pool", &span.pool),
    ];
    if span.earlier > 0 {
        let earlier = i64::try_from(span.earlier).unwrap_or(i64::MAX);
        attributes.push(number("http.request.resend_count", earlier));
    }
    if span.is_hedge {
        attributes.push(json!({ "key": "vitrine.hedge", "value": { "boolValue": true } }));
    }
    // For whoever asks, 4xx is an error too, as the conventions have it.
    let error = match span.outcome {
        Outcome::Answered { status, .. } => {
            attributes.push(number("http.response.status_code", status.as_u16().into()));
            let is_error = status.is_client_error() || status.is_server_error();
            is_error.then(|| status.as_str().to_owned())
        }
        Outcome::NotSent => Some("not_connected".to_owned()),
        Outcome::Broken => Some("broken".to_owned()),
        Outcome::TimedOut => Some("timeout".to_owned()),
        Outcome::Refused => Some("request_body".to_owned()),
        Outcome::Cancelled => {
            attributes.push(text("vitrine.outcome", "cancelled"));
            None
        }
    };
    let mut told = placed(&span.context, span.ended, span.duration);
    told["name"] = span.method.as_str().into();
    told["kind"] = CLIENT.into();
    if let Some(error) = error {
        attributes.push(text("error.type", &error));
        told["status"] = json!({ "code": ERROR });
    }
    told["attributes"] = attributes.into();
    told
}

/// A span with its place in its trace and in time, and nothing else.
fn placed(context: &TraceContext, ended: SystemTime, duration: Duration) -> Value {
    let ended = ended.duration_since(UNIX_EPOCH).unwrap_or_default();
    let began = ended.saturating_sub(duration);
    let mut told = json!({
        "traceId": context.trace_id.to_hex().as_str(),
        "spanId": context.span_id.to_hex().as_str(),
        // 64 bits are texts in the JSON of protocol buffers.
        "startTimeUnixNano": began.as_nanos().to_string(),
        "endTimeUnixNano": ended.as_nanos().to_string(),
    });
    if let Some(parent_id) = context.parent_id {
        told["parentSpanId"] = parent_id.to_hex().as_str().into();
    }
    told
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
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
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;
    use crate::trace_context::TRACEPARENT;

    #[test]
    fn an_attempts_failure_is_one_of_the_origins_and_a_cancelled_one_is_none() {
        let answered = |status: StatusCode| Outcome::answered(status, Duration::ZERO);
        for (outcome, status, error) in [
            (answered(StatusCode::OK), Some(200), None),
            (answered(StatusCode::NOT_FOUND), Some(404), Some("404")),
            (answered(StatusCode::BAD_GATEWAY), Some(502), Some("502")),
            (Outcome::TimedOut, None, Some("timeout")),
            (Outcome::NotSent, None, Some("not_connected")),
            (Outcome::Cancelled, None, None),
        ] {
            let span = AttemptSpan {
                context: TraceContext::of(&HeaderMap::new(), [1, 2, 3]),
                ended: SystemTime::now(),
                duration: Duration::from_millis(5),
                method: "GET".to_owned(),
                pool: "shop".to_owned(),
                host: "10.0.0.5".to_owned(),
                port: 3000,
                earlier: 1,
                is_hedge: true,
                outcome,
            };
            let written: Value =
                serde_json::from_slice(&write(&[span.into()], "edge-1")).expect("is JSON");
            let span = &written["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
            assert_eq!((&span["name"], &span["kind"]), (&json!("GET"), &json!(3)));
            let attributes = span["attributes"].as_array().expect("is a list");
            let has = |one: Value| attributes.contains(&one);
            assert!(
                has(number("http.request.resend_count", 1)) && has(number("server.port", 3000))
            );
            let told = attributes.iter().find(|one| one["key"] == "http.response.status_code");
            let expected = status.map(|status| number("http.response.status_code", status));
            assert_eq!(told, expected.as_ref(), "{outcome:?}");
            assert_eq!(error.is_some(), span["status"]["code"] == 2, "{outcome:?}");
            assert!(error.is_none_or(|error| has(text("error.type", error))), "{outcome:?}");
        }
    }

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
        let written: Value =
            serde_json::from_slice(&write(&[span.into()], "edge-1")).expect("is JSON");
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
