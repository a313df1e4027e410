//! What a pool needs to know of a request, and how attempts end.

use core::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::origin::OriginId;

/// What decides whether a request may be sent more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestFacts {
    /// `GET` or `HEAD`: two at a time do no harm, so it may be hedged.
    pub is_read: bool,
    /// Sending it twice means the same as once: an idempotent method (RFC 9110, section 9.2.2) or an idempotency key.
    pub is_idempotent: bool,
    /// Its body can be sent again: it has none, or the caller holds all of it.
    pub is_replayable: bool,
}

impl RequestFacts {
    /// Reads a request's head. `is_replayable` says whether the caller can send its body again.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap, is_replayable: bool) -> Self {
        // RFC 9110, section 9.2.2: the safe methods, PUT and DELETE.
        let is_idempotent = matches!(
            *method,
            Method::GET
                | Method::HEAD
                | Method::OPTIONS
                | Method::TRACE
                | Method::PUT
                | Method::DELETE
        );
        Self {
            is_read: matches!(*method, Method::GET | Method::HEAD),
            is_idempotent: is_idempotent || headers.contains_key("idempotency-key"),
            is_replayable,
        }
    }

    /// Returns whether it may be sent again although an origin may have acted on it.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        self.is_idempotent && self.is_replayable
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The head of an answer came.
    Answered {
        /// Its status.
        status: StatusCode,
        /// From the attempt's start to the head.
        latency: Duration,
        /// Its `Retry-After`, where it had one.
        retry_after: Option<Duration>,
    },
    /// No connection, or one that was closed before the request: nothing was sent.
    NotSent,
    /// The connection broke after something was sent, or the answer was none.
    Broken,
    /// The attempt's time was over.
    TimedOut,
    /// We stopped it: another attempt won, or the client went away. Says nothing about the origin.
    Cancelled,
    /// Refused on our side: asking again cannot help, and it says nothing about the origin.
    Refused,
}

impl Outcome {
    /// Returns an answer without `Retry-After`.
    #[must_use]
    pub const fn answered(status: StatusCode, latency: Duration) -> Self {
        Self::Answered { status, latency, retry_after: None }
    }
}

/// The origins that one request has asked already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried {
    origins: [Option<OriginId>; Self::MAX],
}

impl Tried {
    /// Most attempts of one request: 8. Settings allow fewer.
    pub const MAX: usize = 8;

    /// Adds an origin; beyond [`Self::MAX`] nothing is added.
    pub fn insert(&mut self, origin: OriginId) {
        if let Some(free) = self.origins.iter_mut().find(|place| place.is_none()) {
            *free = Some(origin);
        }
    }

    /// Returns whether the origin was asked.
    #[must_use]
    pub fn contains(&self, origin: OriginId) -> bool {
        self.iter().any(|tried| tried == origin)
    }

    /// Returns how many attempts were made.
    #[must_use]
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Returns the origins in the order in which they were asked.
    pub fn iter(&self) -> impl Iterator<Item = OriginId> + '_ {
        self.origins.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn rfc9110_9_2_2_idempotent_methods_and_keys_may_be_repeated_if_the_body_can() {
        let none = HeaderMap::new();
        let mut keyed = HeaderMap::new();
        keyed.insert("idempotency-key", HeaderValue::from_static("k"));
        for (method, headers, is_replayable, is_read, is_repeatable) in [
            ("GET", &none, true, true, true),
            ("HEAD", &none, true, true, true),
            ("OPTIONS", &none, true, false, true),
            ("TRACE", &none, true, false, true),
            ("PUT", &none, true, false, true),
            ("DELETE", &none, true, false, true),
            ("PUT", &none, false, false, false),
            ("GET", &none, false, true, false),
            ("POST", &none, true, false, false),
            ("PATCH", &none, true, false, false),
            ("CONNECT", &none, true, false, false),
            ("PURGE", &none, true, false, false),
            ("POST", &keyed, true, false, true),
            ("POST", &keyed, false, false, false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let facts = RequestFacts::of(&method, headers, is_replayable);
            assert_eq!(
                (facts.is_read, facts.is_repeatable()),
                (is_read, is_repeatable),
                "{method} {is_replayable}"
            );
        }
    }

    #[test]
    fn remembers_who_was_tried_up_to_a_limit() {
        let mut tried = Tried::default();
        for serial in 0..20 {
            tried.insert(OriginId { slot: 0, serial });
        }
        assert_eq!(tried.count(), Tried::MAX);
        assert!(tried.contains(OriginId { slot: 0, serial: 7 }));
        assert!(!tried.contains(OriginId { slot: 0, serial: 8 }));
    }
}
