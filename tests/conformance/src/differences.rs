//! Where hosts differ, and why. `docs/HOSTS.md` says the same to people; a test compares the two.
//!
//! A difference that no longer differs fails the comparison: the list must not grow old.

use crate::case::{Expected, Want};

/// One documented difference between a host and the reference, `native`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Its mark in `docs/HOSTS.md`.
    pub id: &'static str,
    /// The host, or `*` for every one but the reference.
    pub host: &'static str,
    /// Cases: group and name, `group: *`, or `*`.
    pub cases: &'static str,
    /// What differs.
    pub what: What,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The host is not asked this.
    NotAsked,
    /// The whole answer: only this status is expected.
    Answer(u16),
    /// One header.
    Header(&'static str),
    /// The body, and with it its length and tag.
    Body,
}

/// Every difference.
pub const DIFFERENCES: &[Difference] = &[
    differs("edge-name", "*", "*", What::Header("vitrine-edge")),
    differs("position", "*", "*", What::Header("vitrine-position")),
    differs("staff", "*", "selling: the staff *", What::Body),
    differs("invoice", "*", "selling: its invoice is a document", What::Body),
    differs("card", "*", "selling: a card pays a part", What::Body),
    differs("no-host", "native", "gateway: a request without a host is refused", What::NotAsked),
    differs("node-two-hosts", "node", "gateway: two hosts are refused", What::Answer(400)),
    differs(
        "node-large-head",
        "node",
        "gateway: a head of more than 32 KiB is refused",
        What::Answer(431),
    ),
    differs("node-body", "node", "errors: a body over 1 MiB too", What::Answer(413)),
    differs(
        "node-wire",
        "node",
        "errors: a length given in two ways is refused",
        What::Answer(400),
    ),
    differs(
        "node-wire",
        "node",
        "gateway: a fragment in a target is refused or ignored, never read",
        What::Answer(400),
    ),
    differs("last-modified", "workerd", "*", What::Header("last-modified")),
    differs("dot-segments", "workerd", "gateway: dot segments are refused", What::Answer(200)),
    differs("dot-segments", "workerd", "gateway: single dots too", What::Answer(200)),
    differs("dot-segments", "workerd", "gateway: also at the root", What::Answer(200)),
    differs(
        "absolute-form",
        "workerd",
        "gateway: the absolute form of a target is understood",
        What::Answer(500),
    ),
    differs("workerd-two-hosts", "workerd", "gateway: two hosts are refused", What::Answer(500)),
    differs(
        "repeated",
        "workerd",
        "gateway: content-type that comes twice is refused",
        What::Answer(415),
    ),
    differs(
        "repeated",
        "workerd",
        "gateway: idempotency-key that comes twice is refused",
        What::Answer(201),
    ),
    differs(
        "repeated",
        "workerd",
        "gateway: if-match that comes twice is refused",
        What::Answer(201),
    ),
    differs(
        "repeated",
        "workerd",
        "gateway: origin that comes twice is refused",
        What::Answer(201),
    ),
    differs("events", "workerd", "origin: *", What::Header("vitrine-cache")),
    differs(
        "rooms",
        "workerd",
        "rooms: nobody waits where there is no waiting room",
        What::Answer(200),
    ),
    differs(
        "rooms",
        "workerd",
        "rooms: no chat room is made where there are none",
        What::Answer(201),
    ),
    differs("chat", "workerd", "rooms: nor is one joined", What::Header("vitrine-cache")),
];

const fn differs(
    id: &'static str,
    host: &'static str,
    cases: &'static str,
    what: What,
) -> Difference {
    Difference { id, host, cases, what }
}

/// Headers that are never compared, for they are about one moment or one connection.
pub const MASKED: &[&str] = &["date", "connection", "keep-alive", "transfer-encoding"];

/// Returns what is special about a case on a host.
#[must_use]
pub fn of(host: &str, case: &str) -> Vec<&'static Difference> {
    DIFFERENCES.iter().filter(|difference| difference.concerns(host, case)).collect()
}

/// What a host's name ends with when it is another one with its lanes restricted: it differs where that one does.
const STANDARD: &str = "-standard";

impl Difference {
    /// Returns whether it is about a host, or about all but the reference.
    #[must_use]
    pub fn is_of(&self, host: &str) -> bool {
        let host = host.strip_suffix(STANDARD).unwrap_or(host);
        self.host == host || (self.host == "*" && host != "native")
    }

    /// Returns whether it is about a case on a host.
    #[must_use]
    pub fn concerns(&self, host: &str, case: &str) -> bool {
        let is_host = self.is_of(host);
        let is_case = match self.cases.strip_suffix('*') {
            Some(start) => case.starts_with(start),
            None => case == self.cases,
        };
        is_host && is_case
    }

    /// Changes what is expected of the host.
    pub fn apply(&self, expected: &mut Expected) {
        match self.what {
            What::NotAsked => {}
            What::Answer(status) => *expected = Expected { status, ..Expected::default() },
            What::Header(name) => expected.headers.retain(|(one, _)| one != name),
            What::Body => {
                expected.body.clear();
                expected.json.clear();
                expected.headers.retain(|(one, want)| {
                    !matches!(one.as_str(), "content-length" | "etag") || *want == Want::There
                });
            }
        }
    }
}
