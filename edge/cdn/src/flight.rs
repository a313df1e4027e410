//! Requests for the same thing that go to the origin once: the first one asks, the others wait for what becomes of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cache_core::Key;
use tokio::sync::watch;

use crate::{answer::Shared, store::Stored};

/// How long an address is remembered whose answer could not be shared: 5 s. Requests for it do not wait for each other
/// meanwhile.
const PASS_AGE_MAX: Duration = Duration::from_secs(5);
/// Addresses that are remembered so: 16 384. When they are full, all are forgotten.
const PASSES_MAX: usize = 16_384;

/// What became of a request that others wait for.
#[derive(Debug, Clone)]
pub(crate) enum Landed {
    /// An answer that is being stored; its body may still be coming.
    Shared(Arc<Shared>),
    /// What is stored was validated, or a stale answer has to do.
    Stored(Arc<Stored>),
    /// The origin gave no answer, and nobody need try at once again.
    Failed(Arc<crate::BackendError>),
    /// An answer that is for one client alone: each has to ask for itself.
    Alone,
}

pub(crate) type Watch = watch::Receiver<Option<Landed>>;

/// Requests under way, by key.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flying: Mutex<BTreeMap<Key, Watch>>,
    passes: Mutex<BTreeMap<Key, Instant>>,
}

/// Whether a request goes to the origin itself.
pub(crate) enum Boarding {
    /// It is the first: it tells the others.
    Leader(Flight),
    /// Another one is under way.
    Follower(Watch),
    /// Answers of this address are not shared.
    Alone,
}

/// The first request of several. Dropped, it tells the others to go alone.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    tell: watch::Sender<Option<Landed>>,
}

impl Flights {
    /// Finds out whether somebody asks for `key` already.
    pub(crate) fn board(self: &Arc<Self>, key: &Key) -> Boarding {
        if self.passes_by(key) {
            return Boarding::Alone;
        }
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = flying.get(key) {
            return Boarding::Follower(watch.clone());
        }
        let (tell, watch) = watch::channel(None);
        flying.insert(key.clone(), watch);
        Boarding::Leader(Flight { flights: Arc::clone(self), key: key.clone(), tell })
    }

    fn passes_by(&self, key: &Key) -> bool {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = passes.get(key) else { return false };
        if since.elapsed() < PASS_AGE_MAX {
            return true;
        }
        passes.remove(key);
        false
    }

    /// Remembers that answers of this address are for one client each.
    pub(crate) fn pass_by(&self, key: &Key) {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if passes.len() >= PASSES_MAX {
            passes.clear();
        }
        passes.insert(key.clone(), Instant::now());
    }
}

impl Flight {
    /// Tells all who wait, and those who still come, until it is dropped.
    pub(crate) fn land(&self, landed: Landed) {
        self.tell.send_replace(Some(landed));
    }

    /// Tells all who wait, and lets the next request be the first again.
    pub(crate) fn close(self, landed: Landed) {
        self.land(landed);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.flying.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.tell.send_if_modified(|landed| {
            let is_open = landed.is_none();
            if is_open {
                *landed = Some(Landed::Alone);
            }
            is_open
        });
    }
}

/// Waits for what becomes of another's request.
pub(crate) async fn landing(mut watch: Watch) -> Landed {
    match watch.wait_for(Option::is_some).await {
        Ok(landed) => landed.clone().unwrap_or(Landed::Alone),
        Err(_) => Landed::Alone,
    }
}
