//! A stored answer for a plain request, sent without making anything of the request.
//!
//! A gateway before the cache is asked in one call; it too sees what is written, never a map. What this does not do,
//! `serve.rs` does: it is the same answer, its fields in another order.

mod gate;
mod relay;

pub(crate) use relay::Relay;
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use cache_core::cache_status::Word;
use cdn::{Fresh, store::BodyPart};
use http::{HeaderValue, Request, StatusCode, Version};
use http_semantics::range::{self, Part};
use http1::{Names, Quick, QuickBody, QuickHead, field};
use runtime::{Ahead, Decided};

use crate::{
    access_log::Line,
    deployment::Deployment,
    health,
    operation::Operation,
    request_head::{self, REQUEST_ID},
    serve::{Node, Peer, Place, Visitor, contact_marks},
    trace_context::{TraceContext, TraceId},
    traffic::Assigned,
};

/// Fields that ask for something of the node.
static OF_NODE: Names =
    Names::new(&["cdn-loop", "traceparent", "vitrine-position", "x-request-id"]);

/// Fields that ask for something of the cache, or of whoever answers.
static OF_CACHE: Names = Names::new(&[
    "authorization",
    "cache-control",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
]);

/// A request that waits to go its usual way, and what was done for it already.
#[derive(Debug, Default)]
pub(crate) struct Left(Mutex<Option<(Done, Told)>>);

/// What others were told already of a request: it must be the same one in every log.
#[derive(Debug, Clone, Copy)]
struct Told {
    request_id: [u8; 32],
    trace: TraceContext,
}

/// What was done for a request.
#[derive(Debug)]
enum Done {
    /// A gate was asked about it.
    Decided(Decided),
    /// An origin was asked.
    Asked(cdn::upstream::Ahead),
}

impl Left {
    fn put(&self, done: Done, told: Told) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((done, told));
    }

    /// Writes it into the request that is called next.
    pub(crate) fn hand_on<B>(&self, request: &mut Request<B>) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((done, told)) = left else { return };
        match done {
            Done::Decided(decided) => request.extensions_mut().insert(decided).is_none(),
            Done::Asked(ahead) => request.extensions_mut().insert(ahead).is_none(),
        };
        let headers = request.headers_mut();
        if let Ok(request_id) = HeaderValue::from_bytes(&told.request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        // The trace began here, so nobody has added anything to it.
        told.trace.hand_on(headers);
    }
}

/// Answers if what is stored is fresh and for everybody, and writes the answer's head; or has the request passed on.
pub(crate) fn quick(
    visitor: &Visitor<'_>,
    head: &QuickHead<'_>,
    out: &mut Vec<u8>,
) -> Option<Quick<Relay>> {
    let (node, peer) = (visitor.node, visitor.peer);
    let says_more = !node.rules.trusted_proxies.is_empty() || node.operation.exporter.is_some();
    if says_more || head.names().any(|name| OF_NODE.contains(name)) {
        return None;
    }
    let path = path(head.target);
    let is_own = matches!(path, "/healthz" | "/metrics") || path.starts_with(health::WELL_KNOWN);
    if is_own && node.rules.has_own_paths {
        return None;
    }
    let Assigned { held, is_split: false } = node.traffic.assign(peer.address.ip()) else {
        return None;
    };
    let index = held.app.route_index(path)?;
    if held.hints.get(index).is_some_and(|hints| !hints.is_empty()) {
        return None;
    }
    if held.direct(index).is_some_and(|proxy| !proxy.is_caching()) {
        return relay::begin(visitor, held, index, head);
    }
    stored(visitor, &held, index, head, out).map(Quick::Ready)
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// Answers if what is stored is fresh and for everybody.
fn stored(
    visitor: &Visitor<'_>,
    held: &Deployment,
    index: usize,
    head: &QuickHead<'_>,
    out: &mut Vec<u8>,
) -> Option<QuickBody> {
    let (node, peer) = (visitor.node, visitor.peer);
    if head.names().any(|name| OF_CACHE.contains(name)) {
        return None;
    }
    let path = path(head.target);
    let Ready { fresh, gate } = ready(node, held, index, head, peer)?;
    let chosen = Chosen::of(&fresh, head.range)?;
    let request_id = request_head::new_request_digits();
    match gate {
        None => {
            chosen.write_status(out);
            chosen.write_fields(&fresh, out);
            write_own(node, peer, &request_id, out);
        }
        Some(gate) => {
            let told = Told { request_id, trace: Operation::new_trace() };
            let client = visitor.client.get_or_init(|| peer.address.to_string());
            let asked = gate::Asked { node, held, path, head, peer, client, told };
            if let Err(decided) = asked.ask(gate, &chosen, &fresh, out)? {
                visitor.left.put(Done::Decided(decided), told);
                return None;
            }
        }
    }
    out.extend_from_slice(b"\r\n");
    fresh.count();
    let Chosen { status, length, .. } = chosen;
    let body = match fresh.stored.body.part(chosen.start, length) {
        BodyPart::Memory(bytes) => QuickBody::Whole(bytes),
        BodyPart::File(part) => QuickBody::File(part),
    };
    let (word, trace_id) = (Some(Word::Hit), None);
    let arrived = head.arrived;
    let path = Some(path);
    let sent = Sent { route: index, status, length, word, request_id, trace_id, arrived, path };
    sent.note(visitor, held);
    Some(body)
}

/// An answer that is sent, as counts and the log want it.
struct Sent<'a> {
    route: usize,
    status: StatusCode,
    length: u64,
    word: Option<Word>,
    request_id: [u8; 32],
    trace_id: Option<TraceId>,
    arrived: Instant,
    /// Absent where nobody kept it for the log.
    path: Option<&'a str>,
}

impl Sent<'_> {
    /// Counts it, and writes its line in the log.
    fn note(&self, visitor: &Visitor<'_>, held: &Deployment) {
        let node = visitor.node;
        held.count(self.status);
        let place = held.routes.get(self.route).map_or(Place::Nowhere, |one| Place::Route(one));
        let duration = self.arrived.elapsed();
        node.metrics.count(place, self.status, self.word, duration);
        let Some(path) = self.path.filter(|_| node.access_log.is_on()) else { return };
        node.access_log.tell(&Line {
            request_id: std::str::from_utf8(&self.request_id).unwrap_or_default(),
            method: "GET",
            path,
            route: node.metrics.label(place),
            version: held.id,
            status: self.status.as_u16(),
            duration,
            client: visitor.peer.address.ip(),
            protocol: Version::HTTP_11,
            word: self.word,
            content_length: Some(self.length),
            trace_id: self.trace_id,
        });
    }
}

/// An answer that lies ready, and who has to be asked before it is sent.
struct Ready<'a> {
    fresh: Fresh<'a>,
    gate: Option<runtime::Gate<'a>>,
}

/// Looks whether an answer lies ready, wherever the cache stands on this route.
fn ready<'a>(
    node: &'a Node,
    held: &'a Deployment,
    index: usize,
    head: &QuickHead<'_>,
    peer: Peer,
) -> Option<Ready<'a>> {
    let in_proxy = |proxy: &'a cdn::Proxy| proxy.fresh(head.host, head.target, peer.is_tls);
    if let Some(proxy) = held.direct(index) {
        return in_proxy(proxy).map(|fresh| Ready { fresh, gate: None });
    }
    let in_front = || node.operation.cache.fresh(head.host, head.target, peer.is_tls);
    let (fresh, gate) = match held.application.ahead(index)? {
        Ahead::Nothing => (in_front()?, None),
        Ahead::Gate(gate) => (in_front()?, Some(gate)),
        Ahead::GateOfEnd(gate) => (in_proxy(held.proxies.get(index)?.as_ref()?)?, Some(gate)),
    };
    Some(Ready { fresh, gate })
}

/// What is sent of a stored answer: all of it, or the one part that is asked for.
struct Chosen {
    status: StatusCode,
    start: u64,
    length: u64,
    whole: u64,
}

impl Chosen {
    fn of(fresh: &Fresh<'_>, range: Option<&str>) -> Option<Self> {
        let whole = fresh.stored.body.length();
        match range.map_or(Part::Whole, |range| range::read(range, whole)) {
            Part::Whole => Some(Self { status: StatusCode::OK, start: 0, length: whole, whole }),
            Part::Bytes { start, length } => {
                Some(Self { status: StatusCode::PARTIAL_CONTENT, start, length, whole })
            }
            Part::Several(_) | Part::Unsatisfiable => None,
        }
    }

    fn write_status(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.status == StatusCode::OK {
            b"HTTP/1.1 200 OK\r\n"
        } else {
            b"HTTP/1.1 206 Partial Content\r\n"
        });
    }

    /// Writes the fields as they are stored, and what the cache says.
    fn write_fields(&self, fresh: &Fresh<'_>, out: &mut Vec<u8>) {
        let stored = &fresh.stored;
        if self.status == StatusCode::OK {
            out.extend_from_slice(&stored.written);
        } else {
            out.extend_from_slice(stored.written_without_length());
            for (text, value) in [
                (&b"content-range: bytes "[..], self.start),
                (b"-", self.start.saturating_add(self.length).saturating_sub(1)),
                (b"/", self.whole),
                (b"\r\ncontent-length: ", self.length),
            ] {
                out.extend_from_slice(text);
                http1::number(out, value);
            }
            out.extend_from_slice(b"\r\n");
        }
        fresh.write_marks(out);
    }
}

/// Writes what the node says itself.
fn write_own(node: &Node, peer: Peer, request_id: &[u8; 32], out: &mut Vec<u8>) {
    field(out, "x-request-id", request_id);
    field(out, "vitrine-edge", node.edge.as_bytes());
    for (name, value) in node.operation.marks(peer.is_tls) {
        field(out, name, value.as_bytes());
    }
    contact_marks(node, |name, value| field(out, name.as_str(), value.as_bytes()));
}
