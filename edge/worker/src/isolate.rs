//! What an isolate remembers between requests: plain values, cheap to lose.
//!
//! Nothing here may hold a promise, a stream or a waker: workerd ties those to the request that made them.

use core::cell::RefCell;

use gateway_core::admit::State;
use origin_client::health::Health;

use crate::cache::Answers;
use crate::files::Files;
use crate::health::Standing;
use crate::media::Pulls;
use crate::ports::counters::MemoryCounters;

/// The memory of one isolate.
#[derive(Debug, Default)]
pub(crate) struct Isolate {
    /// Keys, verified tokens, variables.
    pub(crate) gateway: State,
    /// Which origins failed lately.
    pub(crate) origins: RefCell<Health>,
    /// Where the copy of the catalogue stands.
    pub(crate) standing: RefCell<Standing>,
    /// Rate limits, where `counters` is `memory`.
    pub(crate) counters: RefCell<MemoryCounters>,
    /// Files of the storefront.
    pub(crate) files: RefCell<Files>,
    /// Answers from the catalogue.
    pub(crate) answers: RefCell<Answers>,
    /// Media that are being fetched from the origin, and those that are not there.
    pub(crate) pulls: RefCell<Pulls>,
}

thread_local! {
    static ISOLATE: &'static Isolate = Box::leak(Box::default());
}

/// Returns this isolate's memory.
pub(crate) fn isolate() -> &'static Isolate {
    ISOLATE.with(|isolate| *isolate)
}
