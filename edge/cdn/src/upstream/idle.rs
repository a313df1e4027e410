//! Connections that wait for their next request: each thread keeps its own, newest first.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http1::{Client, Reuse};

use super::OriginStream;

/// Idle connections of one thread to one origin: 64. Further ones are closed.
const IDLE_MAX: usize = 64;
/// How long one may be idle: 30 s. Origins that close earlier are noticed when it is wanted again.
const IDLE_AGE_MAX: Duration = Duration::from_secs(30);
/// How long one may have been idle for a request that must not be sent twice: the origin's end of an idle connection
/// and such a request may pass each other on the way.
const FRESH_AGE_MAX: Duration = Duration::from_millis(500);

/// Which origin a connection leads to, among all of this process.
pub(super) type Address = u64;

type Waiting = Vec<(Client<OriginStream>, Instant)>;

thread_local! {
    static IDLE: RefCell<BTreeMap<Address, Waiting>> = const { RefCell::new(BTreeMap::new()) };
}

/// Keeps connections to one origin.
#[derive(Debug)]
pub(super) struct Idle(pub(super) Address);

impl Reuse<OriginStream> for Idle {
    fn give_back(&self, connection: Client<OriginStream>) {
        let now = Instant::now();
        IDLE.with_borrow_mut(|idle| {
            let waiting = idle.entry(self.0).or_default();
            if waiting.len() >= IDLE_MAX {
                waiting.retain(|(_, since)| now.duration_since(*since) < IDLE_AGE_MAX);
            }
            if waiting.len() < IDLE_MAX {
                waiting.push((connection, now));
            }
        });
    }
}

/// Takes the connection that was used last, if the origin has not closed it.
pub(super) fn take(address: Address, must_be_fresh: bool) -> Option<Client<OriginStream>> {
    let now = Instant::now();
    let age_max = if must_be_fresh { FRESH_AGE_MAX } else { IDLE_AGE_MAX };
    IDLE.with_borrow_mut(|idle| {
        let waiting = idle.get_mut(&address)?;
        while let Some((mut connection, since)) = waiting.pop() {
            if now.duration_since(since) > age_max {
                // Those below have waited even longer.
                if !must_be_fresh {
                    waiting.clear();
                }
                return None;
            }
            if connection.is_open() {
                return Some(connection);
            }
        }
        None
    })
}
