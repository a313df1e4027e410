//! The local payment provider's rules: what each method does, and which moves an intent allows. Pure.
//!
//! The provider runs as its own process with its own records, so that everything that can go wrong between a shop and
//! a provider can go wrong here too: slow answers, lost answers, webhooks late and twice.

use std::time::Duration;

use domain::payment::TestMethod;

use crate::payment::{Decision, IntentStatus};

/// How long after its creation a `late` intent is captured: 2 s unless configured otherwise.
pub const LATE_DEFAULT: Duration = Duration::from_secs(2);
/// How long the answer about a `timeout` intent is held back: 30 s, longer than any caller waits.
pub const TIMEOUT_HELD: Duration = Duration::from_secs(30);
/// First pause after a webhook that was not taken: 500 ms; it doubles.
const WEBHOOK_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest pause between two attempts: 60 s.
const WEBHOOK_PAUSE_MAX: Duration = Duration::from_mins(1);

/// Returns where an intent of a method starts.
#[must_use]
pub const fn first_status(method: TestMethod) -> IntentStatus {
    match method {
        TestMethod::Success | TestMethod::Timeout => IntentStatus::Captured,
        TestMethod::Decline => IntentStatus::Declined,
        TestMethod::RequiresAction => IntentStatus::RequiresAction,
        TestMethod::Late => IntentStatus::Processing,
    }
}

/// What somebody wants of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The payer decided.
    Act(Decision),
    /// The shop gives up.
    Cancel,
    /// The shop gives the money back.
    Refund,
    /// A late payment's time has come.
    Settle,
}

/// Returns where a wish leads. `Some` of the same status: nothing changes, which is no error. `None`: not allowed.
#[must_use]
pub const fn next_status(status: IntentStatus, wish: Wish) -> Option<IntentStatus> {
    match (status, wish) {
        (IntentStatus::RequiresAction, Wish::Act(Decision::Approve)) => {
            Some(IntentStatus::Captured)
        }
        (IntentStatus::RequiresAction, Wish::Act(Decision::Reject)) => Some(IntentStatus::Declined),
        (IntentStatus::RequiresAction | IntentStatus::Processing, Wish::Cancel) => {
            Some(IntentStatus::Cancelled)
        }
        (IntentStatus::Processing, Wish::Settle) => Some(IntentStatus::Captured),
        (IntentStatus::Captured, Wish::Refund) => Some(IntentStatus::Refunded),
        (
            IntentStatus::Captured
            | IntentStatus::Declined
            | IntentStatus::Cancelled
            | IntentStatus::Refunded,
            Wish::Cancel,
        ) => Some(status),
        (IntentStatus::Refunded, Wish::Refund) => Some(status),
        _ => None,
    }
}

/// Returns the pause after the `attempts`-th attempt (from 0) to deliver a webhook.
#[must_use]
pub fn webhook_pause(attempts: u32) -> Duration {
    WEBHOOK_PAUSE_FIRST.saturating_mul(1 << attempts.min(10)).min(WEBHOOK_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_ends_when_its_wishes_come() {
        let walk = |method, wishes: &[Wish]| {
            wishes.iter().try_fold(first_status(method), |status, &wish| next_status(status, wish))
        };
        assert_eq!(walk(TestMethod::Success, &[]), Some(IntentStatus::Captured));
        assert_eq!(walk(TestMethod::Late, &[Wish::Settle]), Some(IntentStatus::Captured));
        assert_eq!(walk(TestMethod::Late, &[Wish::Cancel, Wish::Settle]), None);
        assert_eq!(
            walk(TestMethod::RequiresAction, &[Wish::Act(Decision::Reject)]),
            Some(IntentStatus::Declined)
        );
        let approved_late = [Wish::Act(Decision::Approve), Wish::Cancel];
        assert_eq!(walk(TestMethod::RequiresAction, &approved_late), Some(IntentStatus::Captured));
        assert_eq!(
            walk(TestMethod::Success, &[Wish::Refund, Wish::Refund]),
            Some(IntentStatus::Refunded)
        );
        assert_eq!(walk(TestMethod::Decline, &[Wish::Refund]), None);
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<u128> =
            [0, 1, 2, 7, 40].map(|attempts| webhook_pause(attempts).as_millis()).into();
        assert_eq!(pauses, [500, 1_000, 2_000, 60_000, 60_000]);
    }
}
