//! Runs one job round by round, under a lease: of the processes that share a shop, one runs it at a time.
//!
//! A killed holder's job is taken up when its lease ends: at most 15 s after its last renewal ([`app::JOB_LEASE`]), and
//! the others look again at that very moment. A holder that is asked to stop gives its jobs back at once.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use app::{Lease, Leasing};
use origin_http::Context;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::listen::stopped;

/// How often a lease is renewed: every 5 s, a third of its life, so that two renewals may fail.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Longest pause before a job that another has, or that could not be asked for, is asked for again: 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Shortest pause before the same: 20 ms.
const LOOK_AFTER: Duration = Duration::from_millis(20);

/// A job: its name, and how long after a round that left nothing behind comes the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) pause: Duration,
}

/// A lease, and when it was last renewed.
struct Held {
    lease: Lease,
    since: Instant,
}

/// Runs a job while it is ours, until the process is asked to stop. A round says whether it left work behind.
pub(super) async fn run_leased<F, E>(
    job: Job,
    context: Arc<Context>,
    stop: watch::Receiver<bool>,
    round: impl Fn(Arc<Context>) -> F + Send + Sync,
) where
    F: Future<Output = Result<bool, E>> + Send,
    E: Display,
{
    let mut held: Option<Held> = None;
    let mut next_round = Instant::now();
    loop {
        let wait = match renew(job, &context, held.take()).await {
            Ok(ours) => {
                if Instant::now() >= next_round {
                    let work = one_round(job, round(Arc::clone(&context)));
                    let (is_more, ours) = hold(job, &context, ours, work).await;
                    held = ours;
                    next_round = Instant::now() + if is_more { Duration::ZERO } else { job.pause };
                } else {
                    held = Some(ours);
                }
                let until_renewal =
                    held.as_ref().map_or(Duration::ZERO, |ours| left(ours.since + RENEW_EVERY));
                left(next_round).min(until_renewal)
            }
            Err(wait) => {
                // Whoever had it may have died in the middle of a round.
                next_round = Instant::now();
                wait
            }
        };
        tokio::select! {
            biased;
            () = stopped(stop.clone()) => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    if let Some(ours) = held
        && let Err(error) = context.app().give_back_job(&ours.lease).await
    {
        tracing::warn!(job = job.name, error = %error, "could not give a job back; it is free when its lease ends");
    }
}

/// Runs rounds that every process does for itself.
pub(super) async fn run_unleased<F, E>(
    job: Job,
    stop: watch::Receiver<bool>,
    round: impl Fn() -> F + Send,
) where
    F: Future<Output = Result<bool, E>> + Send,
    E: Display,
{
    loop {
        let is_more = one_round(job, round()).await;
        let pause = if is_more { Duration::ZERO } else { job.pause };
        tokio::select! {
            biased;
            () = stopped(stop.clone()) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Goes on with a lease, or asks for one; `Err` says when to ask again.
async fn renew(job: Job, context: &Context, held: Option<Held>) -> Result<Held, Duration> {
    if let Some(held) = held
        && left(held.since + RENEW_EVERY) > Duration::ZERO
    {
        return Ok(held);
    }
    let since = Instant::now();
    match context.app().lease_job(job.name).await {
        Ok(Leasing::Granted(lease)) => Ok(Held { lease, since }),
        Ok(Leasing::Held(until)) => {
            let now = context.app().clock().now();
            Err(until.since(now).clamp(LOOK_AFTER, LOOK_EVERY))
        }
        Err(error) => {
            tracing::error!(job = job.name, error = %error, "could not ask for a job");
            Err(LOOK_EVERY)
        }
    }
}

/// Runs a round and renews the lease meanwhile. A round whose job was lost is dropped where it stands: nothing that it
/// would write after that is taken anyway.
async fn hold(
    job: Job,
    context: &Context,
    ours: Held,
    work: impl Future<Output = bool>,
) -> (bool, Option<Held>) {
    let lease = ours.lease.clone();
    tokio::select! {
        is_more = lease.cover(work) => {
            // Renewed meanwhile or not: the next look at the database tells.
            (is_more, Some(ours))
        }
        () = keep(job, context, &lease) => {
            tracing::warn!(job = job.name, "lost a job in the middle of a round");
            (true, None)
        }
    }
}

/// Renews a lease again and again; returns when it is lost.
async fn keep(job: Job, context: &Context, lease: &Lease) {
    let mut until = lease.until();
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match context.app().lease_job(job.name).await {
            Ok(Leasing::Granted(next)) if next.token() == lease.token() => until = next.until(),
            Ok(Leasing::Granted(_) | Leasing::Held(_)) => return,
            // The database does not answer; the lease is good until its end.
            Err(error) if context.app().clock().now() < until => {
                tracing::warn!(job = job.name, error = %error, "could not renew a lease");
            }
            Err(_) => return,
        }
    }
}

/// Runs one round; says whether it left work behind.
async fn one_round<E: Display>(job: Job, round: impl Future<Output = Result<bool, E>>) -> bool {
    match caught(round).await {
        Some(Ok(is_more)) => is_more,
        Some(Err(error)) => {
            tracing::error!(job = job.name, error = %error, "a round failed");
            false
        }
        // The panic hook has said where.
        None => {
            tracing::error!(job = job.name, "a round panicked");
            false
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

    use app::{App, Clock, JOB_LEASE, Parts, Settings};
    use origin_http::{EdgeSecrets, Limits};
    use providers::http_payment::HttpPaymentProvider;
    use store::{Store, StoreConfig};

    use super::*;

    /// One process's part of a shop whose store others use too.
    async fn process(store: &Arc<Store>, clock: &Clock) -> Arc<Context> {
        let nobody = "http://127.0.0.1:1";
        let parts = Parts {
            store: Arc::clone(store),
            payments: Arc::new(HttpPaymentProvider::new(nobody, String::new(), RENEW_EVERY)),
            settings: Settings::default(),
            clock: clock.clone(),
        };
        let app = App::start(parts).await.unwrap();
        Context::new(app, EdgeSecrets::new(vec![0; 16]), Limits::default(), None)
    }

    fn count(context: &Arc<Context>, stop: &watch::Receiver<bool>) -> Counted {
        let rounds = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&rounds);
        let round = move |_shop| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, &str>(false) }
        };
        let job = job(Duration::from_millis(1));
        let task = tokio::spawn(run_leased(job, Arc::clone(context), stop.clone(), round));
        Counted { rounds, task }
    }

    struct Counted {
        rounds: Arc<AtomicU32>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Counted {
        fn rounds(&self) -> u32 {
            self.rounds.load(Ordering::Relaxed)
        }

        async fn until(&self, rounds: u32) {
            let enough = async {
                while self.rounds() < rounds {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), enough).await.unwrap();
        }
    }

    #[tokio::test]
    async fn one_process_runs_a_job_until_it_is_killed_or_stops_and_then_another() {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::file(folder.path().join("origin.db"));
        let (store, clock) = (Arc::new(Store::open(&config, "e").await.unwrap()), Clock::default());
        let contexts = [process(&store, &clock).await, process(&store, &clock).await];
        let third = process(&store, &clock).await;
        let (_go_on, stop) = watch::channel(false);
        let first = count(&contexts[0], &stop);
        first.until(1).await;
        let (ask_second, stop_second) = watch::channel(false);
        let second = count(&contexts[1], &stop_second);
        first.until(first.rounds() + 20).await;
        assert_eq!(second.rounds(), 0);

        first.task.abort();
        // Whoever looked before the clock moved looks again within seconds.
        clock.advance(JOB_LEASE);
        second.until(5).await;

        let third = count(&third, &stop);
        second.until(second.rounds() + 20).await;
        assert_eq!(third.rounds(), 0);
        ask_second.send_replace(true);
        second.task.await.unwrap();
        // Without waiting for the end of a lease: the clock stands still but for the test's own time.
        third.until(1).await;
        third.task.abort();
    }

    #[tokio::test]
    async fn a_round_that_outlives_its_lease_is_ended_when_another_has_the_job() {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::file(folder.path().join("origin.db"));
        let (store, clock) = (Arc::new(Store::open(&config, "e").await.unwrap()), Clock::default());
        let context = process(&store, &clock).await;
        let Ok(Leasing::Granted(lease)) = context.app().lease_job("test").await else { panic!() };
        clock.advance(JOB_LEASE);
        let other = store.lease_job("test", "other", JOB_LEASE, clock.now()).await.unwrap();
        assert!(matches!(other, Leasing::Granted(_)));
        let ours = Held { lease, since: Instant::now() };
        let stuck = std::future::pending::<bool>();
        let ended = hold(job(Duration::ZERO), &context, ours, stuck);
        let (_, held) = tokio::time::timeout(4 * RENEW_EVERY, ended).await.unwrap();
        assert!(held.is_none());
    }

    const fn job(pause: Duration) -> Job {
        Job { name: "test", pause }
    }

    #[tokio::test]
    async fn a_round_that_panics_or_fails_is_not_the_last() {
        let (sender, stop) = watch::channel(false);
        let rounds = AtomicU32::new(0);
        run_unleased(job(Duration::ZERO), stop, || async {
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
        let all = run_unleased(job(Duration::from_secs(3_600)), stop, || async {
            if rounds.fetch_add(1, Ordering::Relaxed) == 2 {
                sender.send_replace(true);
            }
            Ok::<_, &str>(true)
        });
        tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
        assert_eq!(rounds.into_inner(), 3);
    }
}
