//! Ends a trial by itself when the version on trial fails too often.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{Deployer, Refusal};
use crate::{deployment::VersionId, traffic::Versions};

/// Between two looks at the counts.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Answers that are judged together: at least 100. With fewer, one failure would be several percent.
const ANSWERS_MIN: u64 = 100;

/// Judges answers in portions, so that a late fault counts as much as an early one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Judge {
    failures_max_percent: u8,
    answers: u64,
    failures: u64,
}

impl Judge {
    /// Takes the counts since the beginning; whether too many of the newest portion failed.
    fn condemns(&mut self, answers: u64, failures: u64) -> bool {
        let (newer, failed) =
            (answers.saturating_sub(self.answers), failures.saturating_sub(self.failures));
        if newer < ANSWERS_MIN {
            return false;
        }
        (self.answers, self.failures) = (answers, failures);
        failed.saturating_mul(100) > newer.saturating_mul(u64::from(self.failures_max_percent))
    }
}

/// Begins to watch version `id`, until it is no longer on trial.
pub(super) fn start(deployer: &Arc<Deployer>, id: VersionId, failures_max_percent: u8) {
    let deployer = Arc::downgrade(deployer);
    tokio::spawn(watch(deployer, id, Judge { failures_max_percent, answers: 0, failures: 0 }));
}

async fn watch(deployer: Weak<Deployer>, id: VersionId, mut judge: Judge) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(deployer) = deployer.upgrade() else { return };
        let versions = deployer.traffic.versions();
        let canary = versions.canary.as_ref().map(|canary| &canary.deployment);
        let Some(canary) = canary.filter(|canary| canary.id == id) else { return };
        let answers = canary.answers().map(|(_, count)| count).sum();
        if !judge.condemns(answers, canary.failures()) {
            continue;
        }
        match deployer.end_trial(id).await {
            Ok(()) => return,
            // Whoever is changing something has it in hand; if not, the next portion will say the same.
            Err(refusal) => tracing::warn!(version = id, "trial not ended: {refusal}"),
        }
    }
}

impl Deployer {
    /// Takes all requests from version `id`, if it is still on trial.
    async fn end_trial(&self, id: VersionId) -> Result<(), Refusal> {
        let _state = self.state.try_lock().map_err(|_| Refusal::Busy)?;
        let versions = self.traffic.versions();
        if versions.canary.as_ref().is_some_and(|canary| canary.deployment.id == id) {
            let current = Arc::clone(&versions.current);
            tracing::error!(version = id, "trial ended: too many answers were 5xx");
            self.traffic.replace(Versions { current, canary: None });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn condemns_a_portion_with_too_many_failures_early_or_late() {
        let mut judge = Judge { failures_max_percent: 5, answers: 0, failures: 0 };
        for (answers, failures, is_condemned) in [
            // Too few to judge, however bad.
            (99, 99, false),
            (10_000, 500, false),
            // Not judged yet, and then together: 5 of 105, then 6 of 100.
            (10_050, 505, false),
            (10_105, 505, false),
            (10_205, 511, true),
        ] {
            assert_eq!(judge.condemns(answers, failures), is_condemned, "{answers} {failures}");
        }
    }
}
