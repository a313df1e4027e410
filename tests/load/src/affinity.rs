//! Who runs on which core: the servers on one, whoever asks on another.

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a measurement; `None` where the machine has only one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cores {
    pub(crate) server: Option<usize>,
    pub(crate) client: Option<usize>,
}

impl Cores {
    /// Takes the first two that this process may use.
    pub(crate) fn choose() -> Self {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        match (allowed.next(), allowed.next()) {
            (server, Some(client)) => Self { server, client: Some(client) },
            _ => Self::default(),
        }
    }
}

/// Keeps this thread on a core.
pub(crate) fn keep_on(core: Option<usize>) -> Result<()> {
    let Some(core) = core else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("run on core {core}"))
}
