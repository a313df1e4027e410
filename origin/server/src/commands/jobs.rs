//! What runs beside the server, round by round. A round that fails is logged and comes again.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use origin_http::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::listen::stopped;

/// Longest wait for the rounds under way after a signal: 3 s.
const FINISH_MAX: Duration = Duration::from_secs(3);

/// Starts every job.
pub(crate) fn start(context: &Arc<Context>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let seconds = Duration::from_secs;
    let shop = || Arc::clone(context);
    let context = shop();
    jobs.spawn(repeat("release expired holds", seconds(1), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().release_expired().await.map(drop) }
    }));
    let context = shop();
    jobs.spawn(repeat("reconcile payments", seconds(1), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().reconcile_payments().await.map(drop) }
    }));
    let context = shop();
    jobs.spawn(repeat("deliver events", seconds(1), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().deliver_events().await.map(drop) }
    }));
    let context = shop();
    jobs.spawn(repeat("forget what is old", seconds(60), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().forget_old().await }
    }));
    let context = shop();
    jobs.spawn(repeat("rotate signing keys", seconds(600), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().rotate_keys().await }
    }));
    jobs
}

/// Waits for the rounds under way, then ends them.
pub(crate) async fn finish(mut jobs: JoinSet<()>) {
    let all = async { while jobs.join_next().await.is_some() {} };
    if tokio::time::timeout(FINISH_MAX, all).await.is_err() {
        tracing::warn!("ended a job in the middle of its round");
        jobs.shutdown().await;
    }
}

async fn repeat<F, E>(
    name: &'static str,
    pause: Duration,
    stop: watch::Receiver<bool>,
    round: impl Fn() -> F + Send,
) where
    F: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    loop {
        if let Err(error) = round().await {
            tracing::error!(job = name, error = %error, "a round failed");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopped(stop.clone()) => return,
        }
    }
}
