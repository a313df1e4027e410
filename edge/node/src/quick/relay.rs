//! A plain request passed on to an origin as it came, past no cache and no component, and its answer as it came back.

use std::time::Instant;

use cdn::{Client, upstream};
use http1::{Quick, QuickHead, field};

use super::{Done, Sent, Told, write_own};
use crate::{operation::Operation, request_head, serve::Visitor, traffic::Held};

/// A request on its way.
pub(crate) struct Relay {
    asked: upstream::Relay,
    held: Held,
    route: usize,
    told: Told,
    arrived: Instant,
    /// Where it is wanted for the log.
    path: Option<String>,
}

/// Begins, where the route leads to origins past no cache.
pub(super) fn begin(
    visitor: &Visitor<'_>,
    held: Held,
    route: usize,
    head: &QuickHead<'_>,
) -> Option<Quick<Relay>> {
    let (node, peer) = (visitor.node, visitor.peer);
    let proxy = held.direct(route).filter(|_| node.replica.is_none())?;
    let client = Client { address: peer.address.ip(), is_tls: peer.is_tls, is_trusted: false };
    let (request_id, trace) = (request_head::new_request_digits(), Operation::new_trace());
    let told = Told { request_id, trace };
    let asked = proxy.relay(head, &client, |out| {
        field(out, "cdn-loop", node.rules.loops.first().as_bytes());
        field(out, "x-request-id", &request_id);
        field(out, "traceparent", &trace.text());
    })?;
    let is_told = node.access_log.is_on();
    let path = is_told.then(|| super::path(head.target).to_owned());
    let arrived = head.arrived;
    Some(Quick::Relay(Relay { asked, held, route, told, arrived, path }))
}

impl Relay {
    /// Waits for the answer and writes it. `false`: the request goes on its usual way.
    pub(crate) async fn finish(self, visitor: &Visitor<'_>, out: &mut Vec<u8>) -> bool {
        let Self { asked, held, route, told, arrived, path } = self;
        let Told { request_id, trace } = told;
        let (node, peer) = (visitor.node, visitor.peer);
        let _in_flight = node.metrics.enter();
        let answered = asked.answer(|answer| {
            let proxy = held.direct(route)?;
            let is_dated = answer.fields().any(|(name, _)| name.eq_ignore_ascii_case("date"));
            is_dated.then_some(())?;
            http1::status_line(out, answer.status);
            for (name, value) in answer.fields() {
                let is = |own: &str| name.eq_ignore_ascii_case(own);
                let is_own = is("x-request-id") || is("vitrine-edge");
                if !is_own && !node.operation.marks(peer.is_tls).any(|(own, _)| is(own)) {
                    field(out, name, value);
                }
            }
            proxy.write_via(out);
            write_own(node, peer, &request_id, out);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(answer.content);
            Some((answer.status, answer.content.len()))
        });
        let (status, length) = match answered.await {
            Ok(answered) => answered,
            Err(left) => {
                visitor.left.put(Done::Asked(left.left()), told);
                return false;
            }
        };
        let (word, trace_id) = (None, Some(trace.trace_id));
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let path = path.as_deref();
        Sent { route, status, length, word, request_id, trace_id, arrived, path }
            .note(visitor, &held);
        true
    }
}
