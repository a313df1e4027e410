//! Who wants to know of single attempts: whoever ties them into traces.

use http::{HeaderMap, Method};
use pool_core::Outcome;

use super::{Asking, OriginAddress};

/// An attempt that begins.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The pool.
    pub pool: &'a str,
    /// The origin.
    pub origin: &'a OriginAddress,
    /// The method.
    pub method: &'a Method,
    /// The fields that the origin gets, unless [`TracedAttempt::hand_on`] changes them.
    pub headers: &'a HeaderMap,
    /// How many attempts of the same request were begun before.
    pub earlier: usize,
    /// Whether it runs beside an earlier one.
    pub is_hedge: bool,
}

/// Is told of attempts, those that fetch for several clients or for none among them.
pub trait Tracer: Send + Sync {
    /// Takes note of an attempt that begins; `None` if it is of no interest.
    fn begin(&self, attempt: &Beginning<'_>) -> Option<Box<dyn TracedAttempt>>;
}

/// An attempt of interest.
pub trait TracedAttempt: Send + Sync {
    /// Changes what the origin gets, so that it can tell by whom it was asked.
    fn hand_on(&self, headers: &mut HeaderMap);

    /// Takes note of its end: the head of the answer, a failure, or [`Outcome::Cancelled`].
    fn end(self: Box<Self>, outcome: Outcome);
}

/// Asks with other fields.
pub(super) fn with_headers<'a>(asking: &'a Asking<'_>, headers: &'a HeaderMap) -> Asking<'a> {
    Asking {
        method: asking.method,
        target: asking.target,
        headers,
        content: asking.content.clone(),
        interim: asking.interim,
        ahead: None,
    }
}
