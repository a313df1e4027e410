//! What one instance carries: its grants, its resources, its limits.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use manifest::Secret;
use tokio::{sync::Semaphore, time::Instant};
use wasmtime::{
    ResourceLimiter,
    component::{HasData, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    InvokeError,
    capability::{database::Database, store::SharedStore},
    meter::Meter,
    outbound::Outbound,
    outside::Step,
};

/// What a component may use, resolved from its grants: what is absent was not granted.
pub(crate) struct Capabilities {
    pub(crate) stores: BTreeMap<String, SharedStore>,
    pub(crate) databases: BTreeMap<String, Arc<Database>>,
    pub(crate) variables: BTreeMap<String, Secret>,
    /// One for each connection to Redis that all instances together may hold.
    pub(crate) redis_permits: Arc<Semaphore>,
}

/// One request on its way through a chain of components.
#[derive(Clone)]
pub(crate) struct Passage {
    /// When the head of the answer must be there.
    pub(crate) deadline: Instant,
    /// Why an inner component failed: outer ones only see an error code.
    pub(crate) failure: Arc<Mutex<Option<InvokeError>>>,
    /// How many components called each other on the way here.
    depth: u8,
}

/// Components that may call each other in a row: 16, where real applications have three or four.
const DEPTH_MAX: u8 = 16;

impl Passage {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline, failure: Arc::default(), depth: 0 }
    }

    /// The passage of a call to another component, which has as long as the request has left; `None` if there were too
    /// many on the way. What fails in it is the caller's to handle.
    pub(crate) fn deeper(&self) -> Option<Self> {
        let depth = self.depth.checked_add(1).filter(|depth| *depth <= DEPTH_MAX)?;
        Some(Self { deadline: self.deadline, failure: Arc::default(), depth })
    }

    /// Keeps the innermost failure: the first that is noted.
    pub(crate) fn note(&self, error: &InvokeError) {
        let mut noted = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        noted.get_or_insert_with(|| error.clone());
    }

    pub(crate) fn noted(&self) -> Option<InvokeError> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The data of one store.
pub(crate) struct Host {
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) table: ResourceTable,
    pub(crate) outbound: Outbound,
    pub(crate) capabilities: Arc<Capabilities>,
    /// Who answers `wasi:http/handler`, if this is a middleware.
    pub(crate) next: Option<Step>,
    pub(crate) passage: Passage,
    pub(crate) meter: Arc<Meter>,
    pub(crate) memory_bytes_max: usize,
    pub(crate) table_entries_max: usize,
    pub(crate) _alive: Alive,
}

/// Counts an instance until its store is dropped.
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Marks the host side of our own interfaces for the linker.
pub(crate) struct Granted;

impl HasData for Granted {
    type Data<'a> = &'a mut Host;
}

impl Host {
    /// Begins another request.
    pub(crate) fn enter(&mut self, passage: &Passage) {
        self.passage = passage.clone();
        self.outbound.enter(passage);
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let is_allowed = desired <= self.memory_bytes_max;
        if !is_allowed {
            self.meter.refuse_memory();
        }
        Ok(is_allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_entries_max)
    }
}
