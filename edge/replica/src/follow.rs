//! What happens next: build from a snapshot or follow changes, and what to do when a step fails.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::error::{FeedError, StepError, chain};
use crate::feed::{ChangesAnswer, FeedClient};
use crate::settings::Limits;
use crate::status::{Shared, State};
use crate::writer::Writer;

/// The follower's task.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: FeedClient,
    writer: Writer,
    shared: Arc<Shared>,
    limits: Limits,
    /// The file that serves cannot be continued.
    must_rebuild: bool,
    /// Rounds without success; decides the pause.
    failed_rounds: u32,
}

impl Follower {
    pub(crate) fn new(
        feed: FeedClient,
        writer: Writer,
        shared: Arc<Shared>,
        limits: Limits,
    ) -> Self {
        shared.cells().feed_url = feed.url().to_owned();
        Self { feed, writer, shared, limits, must_rebuild: false, failed_rounds: 0 }
    }

    /// Follows until `stop` says so. A step that is cut off leaves the file as it was: the writer
    /// finishes or forgets by itself.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.step_and_recover() => {}
            }
        }
    }

    async fn step_and_recover(&mut self) {
        match self.step().await {
            Ok(()) => {}
            Err(error) => {
                let pause = self.note(&error);
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn step(&mut self) -> Result<(), StepError> {
        if self.must_rebuild || self.shared.generation() == 0 {
            return self.rebuild().await;
        }
        self.follow().await
    }

    async fn rebuild(&mut self) -> Result<(), StepError> {
        if self.shared.cells().state == State::Following {
            self.shared.cells().state = State::Bootstrapping;
        }
        self.writer.snapshot_begin().await?;
        let mut stream = self.feed.snapshot().await?;
        self.contact(State::Bootstrapping);
        while let Some(lines) = stream.lines().await? {
            self.shared.cells().last_contact = Some(clock::now());
            if self.writer.snapshot_lines(lines).await? {
                // Not a success yet for the pauses: an origin whose snapshots cannot be continued
                // must not be asked for one after the other.
                self.must_rebuild = false;
                return Ok(());
            }
        }
        Err(FeedError::Garbage("a snapshot without its end".to_owned()).into())
    }

    async fn follow(&mut self) -> Result<(), StepError> {
        let (Some(position), Some(schema_version)) =
            (self.shared.position(), self.shared.cells().schema_version)
        else {
            self.must_rebuild = true;
            return Ok(());
        };
        // Out of contact, the first poll does not wait: its answer is what proves the contact.
        let is_in_contact = self.shared.cells().state == State::Following;
        let wait = if is_in_contact { self.limits.poll_wait } else { Duration::ZERO };
        let (epoch, after) = (&position.epoch, position.position);
        let answer = self.feed.changes(epoch, after, schema_version, wait).await?;
        let body = match answer {
            ChangesAnswer::Body(body) => body,
            ChangesAnswer::Gone => {
                let why =
                    format!("the origin does not know {} {}", position.epoch, position.position);
                return Err(StepError::Discontinuous(why));
            }
        };
        self.writer.apply(body).await?;
        self.contact(State::Following);
        self.failed_rounds = 0;
        Ok(())
    }

    fn contact(&self, state: State) {
        let mut cells = self.shared.cells();
        cells.last_contact = Some(clock::now());
        let before = std::mem::replace(&mut cells.state, state);
        drop(cells);
        if before != state && state == State::Following {
            tracing::info!(feed.url = self.feed.url(), "following the feed");
        }
    }

    /// Takes note of a failed step. Returns the pause before the next one.
    fn note(&mut self, error: &StepError) -> Duration {
        let reason = chain(error);
        let mut cells = self.shared.cells();
        cells.failures += 1;
        cells.last_error = Some(reason.clone());
        let before = cells.state;
        let round_is_over = match error {
            StepError::Discontinuous(_) => {
                cells.state = State::Bootstrapping;
                cells.rebuilds += 1;
                self.must_rebuild = true;
                tracing::warn!(error = reason, "building the replica anew");
                true
            }
            StepError::Feed(_) => {
                let round_is_over = self.feed.turn();
                self.feed.url().clone_into(&mut cells.feed_url);
                if round_is_over {
                    cells.state = State::Disconnected;
                }
                round_is_over
            }
            StepError::Local(_) => {
                tracing::error!(error = reason, "cannot write the replica");
                true
            }
        };
        if cells.state == State::Disconnected && before != State::Disconnected {
            tracing::warn!(error = reason, "no feed answers; serving the replica as it is");
        }
        drop(cells);
        if !round_is_over {
            return Duration::ZERO;
        }
        let pause = pause(self.failed_rounds, &self.limits, random());
        self.failed_rounds = self.failed_rounds.saturating_add(1);
        pause
    }
}

/// The pause after `failed_rounds` failures in a row: doubling, capped, and spread over its upper
/// half so that nodes which lost the same origin do not come back together.
fn pause(failed_rounds: u32, limits: &Limits, random: u64) -> Duration {
    let doubled =
        limits.backoff_min.saturating_mul(1_u32.checked_shl(failed_rounds).unwrap_or(u32::MAX));
    let half = doubled.min(limits.backoff_max) / 2;
    let spread_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(random.checked_rem(spread_ms.saturating_add(1)).unwrap_or(0))
}

/// Sixty-four bits that differ per call; good enough to spread pauses.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_never_vanish() {
        let limits = Limits::default();
        for random in [0, 1, 25, u64::MAX] {
            let mut before = Duration::ZERO;
            for failed_rounds in 0..80 {
                let pause = pause(failed_rounds, &limits, random);
                assert!(pause >= limits.backoff_min / 2, "{failed_rounds}");
                assert!(pause <= limits.backoff_max, "{failed_rounds}");
                if random == 0 {
                    assert!(pause >= before, "{failed_rounds}");
                }
                before = pause;
            }
        }
    }
}
