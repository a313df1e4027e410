//! A stored answer for a plain request, sent without making anything of the request.
//!
//! What this does not do, `serve.rs` does: it is the same answer, its fields in another order.

use cache_core::cache_status::Word;
use cdn::{Fresh, store::BodyPart};
use http::{StatusCode, Version};
use http_semantics::range::{self, Part};
use http1::{Names, QuickBody, QuickHead};

use crate::{
    access_log::Line,
    health, request_head,
    serve::{Node, Peer, Place},
    traffic::Assigned,
};

/// Fields that ask for something, of the cache, of the node, or of whoever answers.
static USUAL_WAY: Names = Names::new(&[
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
    "sec-fetch-mode",
    "traceparent",
    "vitrine-position",
    "x-request-id",
]);

/// Answers if what is stored is fresh and for everybody; writes the answer's head.
pub(crate) fn quick(
    node: &Node,
    peer: Peer,
    head: &QuickHead<'_>,
    out: &mut Vec<u8>,
) -> Option<QuickBody> {
    let says_more = !node.rules.trusted_proxies.is_empty() || node.replica.is_some();
    let is_usual = |name| USUAL_WAY.contains(name);
    if says_more || node.operation.exporter.is_some() || head.names().any(is_usual) {
        return None;
    }
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
    let (status, body) = begin(&fresh, head.range, out)?;
    fresh.write_marks(out);
    let request_id = request_head::new_request_digits();
    out.extend_from_slice(b"x-request-id: ");
    out.extend_from_slice(&request_id);
    out.extend_from_slice(b"\r\nvitrine-edge: ");
    out.extend_from_slice(node.edge.as_bytes());
    out.extend_from_slice(b"\r\n");
    node.operation.write_marks(out, peer.is_tls);
    out.extend_from_slice(b"\r\n");
    held.count(status);
    let place = held.routes.get(index).map_or(Place::Nowhere, |one| Place::Route(one));
    let duration = head.arrived.elapsed();
    node.metrics.count(place, status, Some(Word::Hit), duration);
    if node.access_log.is_on() {
        node.access_log.tell(&Line {
            request_id: std::str::from_utf8(&request_id).unwrap_or_default(),
            method: "GET",
            path,
            route: node.metrics.label(place),
            version: held.id,
            status: status.as_u16(),
            duration,
            client: peer.address.ip(),
            protocol: Version::HTTP_11,
            word: Some(Word::Hit),
            content_length: Some(length(&body)),
            trace_id: None,
        });
    }
    Some(body)
}

/// Writes what an answer begins with: all of what is stored, or the one part of it that is asked for.
fn begin(
    fresh: &Fresh<'_>,
    range: Option<&str>,
    out: &mut Vec<u8>,
) -> Option<(StatusCode, QuickBody)> {
    let stored = &fresh.stored;
    let whole = stored.body.length();
    let part = range.map_or(Part::Whole, |range| range::read(range, whole));
    let (status, start, length) = match part {
        Part::Whole => {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            out.extend_from_slice(&stored.written);
            (StatusCode::OK, 0, whole)
        }
        Part::Bytes { start, length } => {
            out.extend_from_slice(b"HTTP/1.1 206 Partial Content\r\n");
            out.extend_from_slice(stored.written_without_length());
            for (text, value) in [
                (&b"content-range: bytes "[..], start),
                (b"-", start.saturating_add(length).saturating_sub(1)),
                (b"/", whole),
                (b"\r\ncontent-length: ", length),
            ] {
                out.extend_from_slice(text);
                http1::number(out, value);
            }
            out.extend_from_slice(b"\r\n");
            (StatusCode::PARTIAL_CONTENT, start, length)
        }
        Part::Several(_) | Part::Unsatisfiable => return None,
    };
    let body = match stored.body.part(start, length) {
        BodyPart::Memory(bytes) => QuickBody::Whole(bytes),
        BodyPart::File(part) => QuickBody::File(part),
    };
    Some((status, body))
}

fn length(body: &QuickBody) -> u64 {
    match body {
        QuickBody::Whole(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        QuickBody::File(part) => part.length,
    }
}
