//! What runs beside the server, round by round. A round that fails or panics is logged and comes again; one that left
//! work behind comes again at once.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use app::{CHECKS_MAX, EVENTS_MAX, EXPIRED_MAX};
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
        async move { context.app().release_expired().await.map(|count| is_full(count, EXPIRED_MAX)) }
    }));
    let context = shop();
    jobs.spawn(repeat("reconcile payments", seconds(1), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().reconcile_payments().await.map(|count| is_full(count, CHECKS_MAX)) }
    }));
    let context = shop();
    jobs.spawn(repeat("deliver events", seconds(1), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().deliver_events().await.map(|count| is_full(count, EVENTS_MAX)) }
    }));
    let context = shop();
    jobs.spawn(repeat("forget what is old", seconds(60), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().forget_old().await }
    }));
    let context = shop();
    jobs.spawn(repeat("rotate signing keys", seconds(600), stop.clone(), move || {
        let context = Arc::clone(&context);
        async move { context.app().rotate_keys().await.map(|()| false) }
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

/// Tells whether a round took as much as it may, so that there may be more.
fn is_full(count: usize, max: u32) -> bool {
    u32::try_from(count).is_ok_and(|count| count >= max)
}

/// Runs rounds until the process is asked to stop. A round says whether it left work behind.
async fn repeat<F, E>(
    name: &'static str,
    pause: Duration,
    stop: watch::Receiver<bool>,
    round: impl Fn() -> F + Send,
) where
    F: Future<Output = Result<bool, E>> + Send,
    E: Display,
{
    loop {
        let is_more = match caught(round()).await {
            Some(Ok(is_more)) => is_more,
            Some(Err(error)) => {
                tracing::error!(job = name, error = %error, "a round failed");
                false
            }
            // The panic hook has said where.
            None => {
                tracing::error!(job = name, "a round panicked");
                false
            }
        };
        let pause = if is_more { Duration::ZERO } else { pause };
        tokio::select! {
            biased;
            () = stopped(stop.clone()) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Runs a future to its end; `None` when it panicked.
async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_panic) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_round_that_panics_or_fails_is_not_the_last() {
        let (sender, stop) = watch::channel(false);
        let rounds = AtomicU32::new(0);
        repeat("test", Duration::ZERO, stop, || async {
            match rounds.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("a bug"),
                1 => Err("no answer"),
                _ => {
                    sender.send_replace(true);
                    Ok(false)
                }
            }
        })
        .await;
        assert_eq!(rounds.into_inner(), 3);
    }

    #[tokio::test]
    async fn a_round_that_left_work_behind_does_not_wait_for_the_next() {
        let (sender, stop) = watch::channel(false);
        let rounds = AtomicU32::new(0);
        let never = Duration::from_secs(3_600);
        let all = repeat("test", never, stop, || async {
            if rounds.fetch_add(1, Ordering::Relaxed) == 2 {
                sender.send_replace(true);
            }
            Ok::<_, &str>(true)
        });
        tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
        assert_eq!(rounds.into_inner(), 3);
    }
}
