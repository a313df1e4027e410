//! What operators see of a running node and tell it: apart from clients, on a listener of its own.
//!
//! Start at [`Operation`], which requests and operators share; `operation/listener.rs` answers operators.

mod listener;
mod purge;
mod token;
mod views;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use cdn::Cache;
use http::HeaderMap;

pub(crate) use self::{
    listener::{Listener, start},
    token::Guard,
    views::upstreams,
};
use crate::{cli::OperationOptions, connections::Connections, random, trace_context::TraceContext};

/// What serving and operating have in common.
pub(crate) struct Operation {
    /// What the proxies of all versions share.
    pub(crate) cache: Arc<Cache>,
    /// Whether clients may read `/metrics`.
    pub(crate) has_metrics_on_site: bool,
    pub(crate) connections: Connections,
    phase: AtomicU8,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does not listen yet.
    Starting,
    /// It takes requests.
    Serving,
    /// It finishes its requests and takes no more.
    Draining,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Starting, Self::Serving, Self::Draining];

    /// Returns the word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

impl Operation {
    /// Begins with a node that does not listen yet.
    pub(crate) fn new(options: &OperationOptions, cache: &Arc<Cache>) -> Self {
        Self {
            cache: Arc::clone(cache),
            has_metrics_on_site: !options.no_metrics_on_site,
            connections: Connections::new(),
            phase: AtomicU8::new(0),
        }
    }

    /// Returns the place of a request in its trace.
    pub(crate) fn trace(&self, headers: &HeaderMap) -> TraceContext {
        TraceContext::of(headers, [random::next(), random::next(), random::next()])
    }

    /// Returns where the node is in its life.
    pub(crate) fn phase(&self) -> Phase {
        let at = usize::from(self.phase.load(Relaxed));
        Phase::ALL.get(at).copied().unwrap_or(Phase::Starting)
    }

    /// Says where the node is in its life from now on.
    pub(crate) fn enter(&self, phase: Phase) {
        let at = Phase::ALL.iter().position(|one| *one == phase).unwrap_or(0);
        self.phase.store(u8::try_from(at).unwrap_or(0), Relaxed);
    }
}
