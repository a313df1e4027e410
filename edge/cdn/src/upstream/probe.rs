//! Active health: origins are asked now and then whether they are well, so that requests need not find out.

use std::{sync::Weak, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};
use http1::{Interim, RequestHead};
use pool_core::OriginId;
use tokio::time::{sleep, timeout};

use super::{RequestContent, Target, Upstream, random};

/// Longest time between two looks at the schedule: 1 s. Origins may come and go meanwhile.
const LOOK_MAX: Duration = Duration::from_secs(1);

impl Upstream {
    /// Probes origins as the pool's settings say, until the pool is gone. Without probes in the settings it ends at once.
    pub async fn probe(upstream: Weak<Self>, path: String) {
        loop {
            let Some(pool) = upstream.upgrade() else { return };
            if pool.state().pool.settings().probes.is_none() {
                return;
            }
            let (due, pause) = pool.due();
            for id in due {
                let (upstream, path) = (Weak::clone(&upstream), path.clone());
                tokio::spawn(async move {
                    if let Some(pool) = upstream.upgrade() {
                        pool.probe_one(id, &path).await;
                    }
                });
            }
            drop(pool);
            sleep(pause).await;
        }
    }

    /// Returns the origins that are to be probed now, and when to look again.
    fn due(&self) -> (Vec<OriginId>, Duration) {
        let now = self.now();
        let mut state = self.state();
        state.pool.handle_time(now);
        let mut due = Vec::new();
        while let Some(id) = state.pool.poll_probe(now, random()) {
            due.push(id);
        }
        state.admit(now);
        let deadline = state.pool.poll_deadline(now);
        let pause = deadline.map_or(LOOK_MAX, |deadline| deadline.since(now));
        (due, pause.clamp(Duration::from_millis(5), LOOK_MAX))
    }

    async fn probe_one(&self, id: OriginId, path: &str) {
        let limit = self.state().pool.settings().probes.as_ref().map(|probes| probes.timeout);
        let (Some(limit), Some(target)) = (limit, self.target(id)) else { return };
        let is_ok = timeout(limit, self.is_well(&target, path, limit)).await.unwrap_or(false);
        let now = self.now();
        let mut state = self.state();
        state.pool.handle_probe(id, is_ok, now);
        state.admit(now);
    }

    /// Asks on a connection of its own: an idle one says nothing about whether new ones are taken.
    async fn is_well(&self, target: &Target, path: &str, limit: Duration) -> bool {
        let Some(client) = self.connect(target, limit).await else { return false };
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(&target.address.authority()) {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static("vitrine-edge probe"));
        let head = RequestHead { method: &Method::GET, target: path, headers: &headers };
        let content = RequestContent::Whole(bytes::Bytes::new());
        let interim = Interim::nowhere();
        let mut on_interim = |status, headers| interim.send(status, headers);
        let sent = client.send(head, content, &target.reuse, &mut on_interim).await;
        sent.is_ok_and(|answer| answer.status().is_success())
    }
}
