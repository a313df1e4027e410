//! The wasmtime engine: pooled memory, ticks, asynchronous components.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig};

use crate::{Limits, LoadError};

/// The engine and the thread that ticks it, once there is a component; dropping it stops the thread.
pub(crate) struct Ticking {
    pub(crate) engine: Engine,
    stop: Arc<AtomicBool>,
    every: Duration,
    every_busy: Duration,
    /// Whether the thread has been started.
    has_begun: Mutex<bool>,
}

impl Ticking {
    /// Makes the engine, which does not tick yet: see [`Self::begin`].
    ///
    /// With two `lanes` each place in a chain keeps instances in both, but no more of them run at once.
    ///
    /// Falls back from the pool to allocation on demand where the machine lacks address space for it.
    pub(crate) fn new(limits: &Limits, lanes: u8) -> Result<Self, LoadError> {
        let refused = |error: wasmtime::Error| LoadError::Engine { reason: format!("{error:#}") };
        let mut config = config();
        config.allocation_strategy(pool(limits, lanes));
        let engine = match Engine::new(&config) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!("memory pool refused, instances will be slower: {error:#}");
                Engine::new(&self::config()).map_err(refused)?
            }
        };
        Ok(Self {
            engine,
            stop: Arc::default(),
            every: limits.tick,
            every_busy: limits.tick_busy,
            has_begun: Mutex::new(false),
        })
    }

    /// Starts the thread, unless it runs already. To be called before the first instance is made: without ticks nothing
    /// ends a loop. Whoever has no component, a proxy above all, need not wake up 200 times a second.
    pub(crate) fn begin(&self) -> Result<(), LoadError> {
        let mut has_begun = self.has_begun.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_begun {
            return Ok(());
        }
        let (engine, stop) = (self.engine.clone(), Arc::clone(&self.stop));
        let (every, every_busy) = (self.every, self.every_busy);
        std::thread::Builder::new()
            .name("engine-tick".to_owned())
            .spawn(move || tick(&engine, &stop, every, every_busy))
            .map_err(|error| LoadError::Engine { reason: format!("start the ticking: {error}") })?;
        *has_begun = true;
        Ok(())
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// Whether a component was found that has been running for longer than a tick. One for the process, as its cores are.
static IS_BUSY: AtomicBool = AtomicBool::new(false);

/// Says that a component has been running for longer than a tick: the next tick comes sooner.
pub(crate) fn hurry() {
    IS_BUSY.store(true, Relaxed);
}

fn tick(engine: &Engine, stop: &AtomicBool, every: Duration, every_busy: Duration) {
    while !stop.load(Relaxed) {
        std::thread::sleep(if IS_BUSY.swap(false, Relaxed) { every_busy } else { every });
        engine.increment_epoch();
    }
}

/// What compiled code depends on; where instances get their memory is not part of it.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config
}

fn pool(limits: &Limits, lanes: u8) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    let instances = u32::try_from(limits.instances_total_max).unwrap_or(u32::MAX);
    pool.total_component_instances(instances);
    // A component made by wit-component has three to four core instances: the guest and its shims.
    pool.total_core_instances(instances.saturating_mul(CORE_INSTANCES_COMMON));
    pool.max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT);
    pool.total_memories(instances.saturating_add(instances / 4));
    pool.max_memories_per_component(MEMORIES_PER_COMPONENT);
    pool.total_tables(instances.saturating_mul(TABLES_COMMON));
    // Each has a guard page, whose system call is the dearest part of an engine's start.
    pool.total_stacks(instances.saturating_mul(STACKS_RUNNING) / u32::from(lanes.max(1)));
    pool.max_memory_size(limits.memory_bytes_max);
    pool.table_elements(limits.table_entries_max);
    // Zeroing what a request touched, found by PAGEMAP_SCAN, is cheaper than giving pages back. Without the scan the
    // whole range would be zeroed each time, so it is kept small there.
    pool.pagemap_scan(Enabled::Auto);
    let has_scan = PoolingAllocationConfig::is_pagemap_scan_available();
    pool.linear_memory_keep_resident(if has_scan { 1024 * 1024 } else { 0 });
    pool.table_keep_resident(if has_scan { 64 * 1024 } else { 0 });
    pool
}

/// Composed components have about four per part; sixteen leaves room for four parts: a bound, which costs nothing.
const CORE_INSTANCES_PER_COMPONENT: u32 = 16;
/// What components have on average: places cost time at start and addresses, so rare ones share what common ones leave.
const CORE_INSTANCES_COMMON: u32 = 4;
/// The guest's functions, and those of its shim.
const TABLES_COMMON: u32 = 3;
/// One for each part of a composed component, and for an adapter that has its own; both are rare: a quarter more than one
/// for each instance are set aside.
const MEMORIES_PER_COMPONENT: u32 = 4;
/// A request and its post-return work may each hold one; instances without a request hold none.
const STACKS_RUNNING: u32 = 2;
