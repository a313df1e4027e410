//! Where hosts differ, and why. `docs/HOSTS.md` says the same to people; a test compares the two.
//!
//! A difference that no longer differs fails the comparison: the list must not grow old.

use crate::case::{Expected, Want};

/// One documented difference between a host and the reference, `native`.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
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
    Difference { id: "edge-name", host: "*", cases: "*", what: What::Header("vitrine-edge") },
    Difference {
        id: "no-host",
        host: "native",
        cases: "gateway: a request without a host is refused",
        what: What::NotAsked,
    },
    Difference {
        id: "node-two-hosts",
        host: "node",
        cases: "gateway: two hosts are refused",
        what: What::Answer(400),
    },
    Difference {
        id: "node-large-head",
        host: "node",
        cases: "gateway: a head of more than 32 KiB is refused",
        what: What::Answer(431),
    },
    Difference {
        id: "node-framing",
        host: "node",
        cases: "errors: a length given in two ways is refused",
        what: What::Answer(201),
    },
    Difference {
        id: "node-body",
        host: "node",
        cases: "errors: a body over 1 MiB too",
        what: What::Answer(413),
    },
    Difference {
        id: "rooms",
        host: "workerd",
        cases: "rooms: nobody waits where there is no waiting room",
        what: What::Answer(200),
    },
    Difference {
        id: "rooms",
        host: "workerd",
        cases: "rooms: no chat room is made where there are none",
        what: What::Answer(201),
    },
    Difference { id: "position", host: "*", cases: "*", what: What::Header("vitrine-position") },
];

/// Headers that are never compared, for they are about one moment or one connection.
pub const MASKED: &[&str] = &["date", "connection", "keep-alive", "transfer-encoding"];

/// Returns what is special about a case on a host.
#[must_use]
pub fn of(host: &str, case: &str) -> Vec<&'static Difference> {
    DIFFERENCES.iter().filter(|difference| difference.concerns(host, case)).collect()
}

impl Difference {
    /// Returns whether it is about a case on a host.
    #[must_use]
    pub fn concerns(&self, host: &str, case: &str) -> bool {
        let is_host = self.host == host || (self.host == "*" && host != "native");
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
