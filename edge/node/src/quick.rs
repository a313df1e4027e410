//! A stored answer for a plain request, sent without making anything of the request.
//!
//! What this does not do, `serve.rs` does: it is the same answer, its fields in another order.

use std::time::Instant;

use cache_core::cache_status::Word;
use http::{StatusCode, Version};
use http1::{QuickBody, QuickHead};

use crate::{
    access_log::Line,
    health, request_head,
    serve::{Node, Peer, Place},
    traffic::Assigned,
};

/// Fields that ask for something, of the cache, of the node, or of whoever answers.
const USUAL_WAY: [&str; 15] = [
    "authorization",
    "cache-control",
    "cdn-loop",
    "forwarded",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
    "sec-fetch-mode",
    "traceparent",
    "vitrine-position",
    "x-request-id",
];

/// Answers if what is stored is fresh and for everybody; writes the answer's fields behind its status line.
pub(crate) fn quick(
    node: &Node,
    peer: Peer,
    head: &QuickHead<'_>,
    out: &mut Vec<u8>,
) -> Option<QuickBody> {
    let is_usual = |name: &str| {
        USUAL_WAY.iter().any(|usual| usual.len() == name.len() && usual.eq_ignore_ascii_case(name))
    };
    let says_more = !node.rules.trusted_proxies.is_empty() || node.replica.is_some();
    if says_more || node.operation.exporter.is_some() || head.names().any(is_usual) {
        return None;
    }
    let arrived = Instant::now();
    let path = head.target.split('?').next().unwrap_or_default();
    let is_own = matches!(path, "/healthz" | "/metrics") || path.starts_with(health::WELL_KNOWN);
    if is_own && node.rules.has_own_paths {
        return None;
    }
    let Assigned { held, is_split: false } = node.traffic.assign(peer.address.ip()) else {
        return None;
    };
    let index = held.app.route_index(path)?;
    let is_hinting = held.hints.get(index).is_some_and(|hints| !hints.is_empty());
    let fresh = held.direct(index).filter(|_| !is_hinting)?;
    let fresh = fresh.fresh(head.host, head.target, peer.is_tls)?;
    out.extend_from_slice(&fresh.stored.written);
    let request_id = request_head::new_request_id();
    fresh.write_marks(out);
    for (name, value) in
        [(&b"x-request-id: "[..], request_id.as_bytes()), (b"vitrine-edge: ", node.edge.as_bytes())]
    {
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    node.operation.write_marks(out, peer.is_tls);
    held.count(StatusCode::OK);
    let place = held.routes.get(index).map_or(Place::Nowhere, |one| Place::Route(one));
    let duration = arrived.elapsed();
    node.metrics.count(place, StatusCode::OK, Some(Word::Hit), duration);
    if node.access_log.is_on() {
        node.access_log.tell(&Line {
            request_id: request_id.to_str().unwrap_or_default(),
            method: "GET",
            path,
            route: node.metrics.label(place),
            version: held.id,
            status: 200,
            duration,
            client: peer.address.ip(),
            protocol: Version::HTTP_11,
            word: Some(Word::Hit),
            content_length: Some(fresh.stored.body.length()),
            trace_id: None,
        });
    }
    Some(match fresh.stored.body.part(0, fresh.stored.body.length()) {
        cdn::store::BodyPart::Memory(bytes) => QuickBody::Whole(bytes),
        cdn::store::BodyPart::File(part) => QuickBody::File(part),
    })
}
