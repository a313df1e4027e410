//! What runs beside the server, round by round. A round that fails or panics is logged and comes again; one that left
//! work behind comes again at once.

mod runner;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use app::{CHECKS_MAX, EVENTS_MAX, EXPIRED_MAX, INVOICES_MAX, OPERATIONS_MAX};
use origin_http::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;

use runner::{Job, run_leased, run_unleased};

/// Longest wait for the rounds under way after a signal: 3 s.
const FINISH_MAX: Duration = Duration::from_secs(3);

/// Starts every job. All but the last are run by one process of the shop at a time.
pub(crate) fn start(context: &Arc<Context>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = Jobs { set: JoinSet::new(), context, stop };
    let seconds = Duration::from_secs;
    jobs.once("release expired holds", seconds(1), |shop| async move {
        shop.app().release_expired().await.map(|count| is_full(count, EXPIRED_MAX))
    });
    jobs.once("reconcile payments", seconds(1), |shop| async move {
        shop.app().reconcile_payments().await.map(|count| is_full(count, CHECKS_MAX))
    });
    jobs.once("reconcile operations", seconds(1), |shop| async move {
        shop.app().reconcile_operations().await.map(|count| is_full(count, OPERATIONS_MAX))
    });
    jobs.once("issue invoices", seconds(1), |shop| async move {
        shop.app().issue_invoices().await.map(|count| is_full(count, INVOICES_MAX))
    });
    jobs.once("release holds", seconds(60), |shop| async move {
        shop.app().release_holds().await.map(|count| is_full(count, CHECKS_MAX))
    });
    jobs.once("deliver events", seconds(1), |shop| async move {
        shop.app().deliver_events().await.map(|count| is_full(count, EVENTS_MAX))
    });
    jobs.once("deliver webhooks", Duration::from_millis(500), |shop| async move {
        shop.app().deliver_webhooks().await.map(|_attempts| false)
    });
    jobs.once(
        "carry out imports",
        seconds(2),
        |shop| async move { shop.app().run_imports().await },
    );
    jobs.once(
        "forget what is old",
        seconds(60),
        |shop| async move { shop.app().forget_old().await },
    );
    jobs.once("rotate signing keys", seconds(600), |shop| async move {
        shop.app().rotate_keys().await.map(|()| false)
    });
    // Each process signs with keys that another may have changed: a retired one is good for its tokens for 5 minutes
    // more than they live.
    let shop = Arc::clone(context);
    let job = Job { name: "read signing keys", pause: seconds(60) };
    jobs.set.spawn(run_unleased(job, stop.clone(), move || {
        let shop = Arc::clone(&shop);
        async move { shop.app().read_keys().await.map(|()| false) }
    }));
    jobs.set
}

struct Jobs<'a> {
    set: JoinSet<()>,
    context: &'a Arc<Context>,
    stop: &'a watch::Receiver<bool>,
}

impl Jobs<'_> {
    /// Starts a job that one process of the shop runs at a time.
    fn once<F, E>(
        &mut self,
        name: &'static str,
        pause: Duration,
        round: impl Fn(Arc<Context>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<bool, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (context, stop) = (Arc::clone(self.context), self.stop.clone());
        self.set.spawn(run_leased(Job { name, pause }, context, stop, round));
    }
}

/// Waits for the rounds under way, then ends them.
pub(crate) async fn finish(mut jobs: JoinSet<()>) {
    let all = async { while jobs.join_next().await.is_some() {} };
    if tokio::time::timeout(FINISH_MAX, all).await.is_err() {
        tracing::warn!("ended a job in the middle of its round");
        jobs.shutdown().await;
    }
}

/// Tells whether a round took as much as it may, so that there may be more.
fn is_full(count: usize, max: u32) -> bool {
    u32::try_from(count).is_ok_and(|count| count >= max)
}
