//! A gateway before the cache, asked about a request of which nothing is made but the gateway's own message.

use std::cell::Cell;

use cdn::Fresh;
use http::header;
use http1::{Names, QuickHead};
use runtime::{Decided, Draft, Gate, Passing, RequestWriter};

use super::{Chosen, OF_CACHE, Told, write_own};
use crate::{
    deployment::Deployment,
    serve::{Node, Peer},
};

/// Fields of the request whose change by the gateway may change the answer.
static OF_ANSWERS: Names = Names::new(&["host", "range", "content-length", "vitrine-position"]);

/// A request that a gateway is asked about.
pub(super) struct Asked<'a> {
    pub(super) node: &'a Node,
    pub(super) held: &'a Deployment,
    pub(super) path: &'a str,
    pub(super) head: &'a QuickHead<'a>,
    pub(super) peer: Peer,
    /// Address and port of the client, as a component sees them.
    pub(super) client: &'a str,
    pub(super) told: Told,
}

impl Asked<'_> {
    /// Asks the gateway; where it lets the request pass, the answer's head is written, but for its last line. `None`:
    /// it could not be asked. An error is what it said instead.
    pub(super) fn ask(
        &self,
        gate: Gate<'_>,
        chosen: &Chosen,
        fresh: &Fresh<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Result<(), Decided>> {
        let arrived = self.head.arrived;
        gate.ask(self.message()?, arrived, |passing| self.write(passing, chosen, fresh, out))
    }

    /// Writes the request as a component sees it: as `request_head::rewrite` makes it, and what is added behind that.
    fn message(&self) -> Option<Vec<u8>> {
        let Self { node, head, peer, .. } = self;
        let (_, found) = self.held.app.route(self.path)?;
        let scheme = if peer.is_tls { "https" } else { "http" };
        if head.host.is_empty() {
            return None;
        }
        let mut message = RequestWriter::new(["GET", scheme, head.host, head.target]);
        for (name, value) in head.fields() {
            let is_spins = name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("spin-"));
            if is_spins {
                return None;
            }
            // A connection that goes on says nothing else here; and no trace begins before this node.
            if !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("tracestate")
            {
                message.field(name, value);
            }
        }
        let full_url = [scheme, "://", head.host, head.target].concat();
        found.each_spin_header(&full_url, self.client, |name, value| message.field(name, value));
        message.field("cdn-loop", node.rules.loops.first());
        message.field("x-request-id", self.told.request_id);
        message.field("traceparent", self.told.trace.text());
        Some(message.finish(false))
    }

    /// Writes the answer with the gateway's changes, unless they may concern more than its fields.
    fn write(
        &self,
        passing: Passing<'_>,
        chosen: &Chosen,
        fresh: &Fresh<'_>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let Scratch { mut fields, mut own } = SCRATCH.take();
        fields.clear();
        own.clear();
        chosen.write_fields(fresh, &mut fields);
        write_own(self.node, self.peer, &self.told.request_id, &mut own);
        let media_type = fresh.stored.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.map(http::HeaderValue::as_bytes);
        chosen.write_status(out);
        let written = {
            let replaced: Vec<&str> = names(&own).collect();
            let draft = Draft { fields: &fields, media_type, replaced: &replaced };
            let concerns = |name: &str| OF_CACHE.contains(name) || OF_ANSWERS.contains(name);
            passing.write(&draft, concerns, out)
        };
        out.extend_from_slice(&own);
        SCRATCH.set(Scratch { fields, own });
        written
    }
}

/// Memory of the thread, for an answer's fields before the gateway's changes, and for the node's own.
#[derive(Default)]
struct Scratch {
    fields: Vec<u8>,
    own: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { fields: Vec::new(), own: Vec::new() }) };
}

/// The names of written fields.
fn names(fields: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = fields;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b':', rest)?;
        let name = std::str::from_utf8(rest.get(..end)?).ok()?;
        rest = memchr::memchr(b'\n', rest).and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        Some(name)
    })
}
