//! How long stock is held: pushed forward while the shopper is active, never beyond a limit, and ended once.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::ReservationStatus;
use crate::Timestamp;
use crate::cart::HOLD_DEFAULT;

/// Longest hold however active the shopper is: 30 minutes. Longer, and a few idle tabs empty a flash sale.
pub const HOLD_MAX: Duration = Duration::from_mins(30);

/// Least gain for which a hold is written again: 1 minute. Below it every click would cost a commit.
pub const HOLD_GAIN_MIN: Duration = Duration::from_mins(1);

/// How holds grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldRule {
    /// How long a hold lasts without activity. Default [`HOLD_DEFAULT`].
    pub step: Duration,
    /// How long it lasts at most, from its start. Default [`HOLD_MAX`]; less than `step` shortens that.
    pub max: Duration,
    /// Least gain for which it is written again. Default [`HOLD_GAIN_MIN`].
    pub gain_min: Duration,
}

impl Default for HoldRule {
    fn default() -> Self {
        Self { step: HOLD_DEFAULT, max: HOLD_MAX, gain_min: HOLD_GAIN_MIN }
    }
}

/// What wants to end a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldClaim {
    /// The payment arrived: the pieces are sold.
    Pay,
    /// Time ran out: the pieces go back.
    Expire,
    /// The order came to nothing: the pieces go back.
    GiveUp,
}

impl HoldClaim {
    /// Every claim.
    pub const ALL: [Self; 3] = [Self::Pay, Self::Expire, Self::GiveUp];
}

/// Why a claim got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimLost {
    /// Another claim was first; a payment that reads this takes its stock again or goes back.
    #[error("the hold ended as {0:?}")]
    Ended(ReservationStatus),
    /// It is too early to expire.
    #[error("held until {0}")]
    NotYet(Timestamp),
}

/// The pieces of one checkout, held for a while. Its moments are those of the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// When it began.
    pub started_at: Timestamp,
    /// Until when it is safe: from then on it may be given back, and is until it was.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub status: ReservationStatus,
}

impl Hold {
    /// Starts a hold.
    #[must_use]
    pub fn start(now: Timestamp, rule: HoldRule) -> Self {
        let expires_at = now.after(rule.step.min(rule.max));
        Self { started_at: now, expires_at, status: ReservationStatus::Held }
    }

    /// Returns the hold as activity leaves it: `step` from now, `max` from its start at most, never shorter than it was.
    ///
    /// `None` means that nothing is to be written: it has ended, its time is over, or too little would be gained.
    #[must_use]
    pub fn touched(self, now: Timestamp, rule: HoldRule) -> Option<Self> {
        // A hold whose time is over belongs to the sweep: to revive it here would make a second winner.
        if self.status != ReservationStatus::Held || now >= self.expires_at {
            return None;
        }
        let expires_at = now.after(rule.step).min(self.started_at.after(rule.max));
        let is_worth_it =
            expires_at > self.expires_at && expires_at.since(self.expires_at) >= rule.gain_min;
        is_worth_it.then_some(Self { expires_at, ..self })
    }

    /// Ends the hold for the first who claims it.
    ///
    /// A payment wins also after `expires_at` as long as nobody gave the pieces back: they are still there.
    ///
    /// # Errors
    /// [`ClaimLost`].
    pub fn claim(self, claim: HoldClaim, now: Timestamp) -> Result<Self, ClaimLost> {
        match (self.status, claim) {
            (ReservationStatus::Held, HoldClaim::Expire) if now < self.expires_at => {
                Err(ClaimLost::NotYet(self.expires_at))
            }
            (ReservationStatus::Held, HoldClaim::Pay) => {
                Ok(Self { status: ReservationStatus::Consumed, ..self })
            }
            (ReservationStatus::Held, HoldClaim::Expire | HoldClaim::GiveUp) => {
                Ok(Self { status: ReservationStatus::Released, ..self })
            }
            (ended @ (ReservationStatus::Consumed | ReservationStatus::Released), _) => {
                Err(ClaimLost::Ended(ended))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test's numbers are small")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_unix_ms(minutes.saturating_mul(60_000))
    }

    #[test]
    fn activity_pushes_a_hold_forward_up_to_its_limit() {
        let rule = HoldRule::default();
        let mut hold = Hold::start(minute(0), rule);
        assert_eq!(hold.expires_at, minute(10));
        for (now, expires_at) in
            [(0, 10), (5, 15), (6, 16), (14, 24), (19, 29), (20, 30), (28, 30), (29, 30)]
        {
            hold = hold.touched(minute(now), rule).unwrap_or(hold);
            assert_eq!(hold.expires_at, minute(expires_at), "at {now}");
        }
        assert_eq!(hold.touched(minute(29), rule), None);
    }

    #[test]
    fn small_gains_are_not_written() {
        let hold = Hold::start(minute(0), HoldRule::default());
        let almost = Timestamp::from_unix_ms(59_999);
        assert_eq!(hold.touched(almost, HoldRule::default()), None);
        assert!(hold.touched(minute(1), HoldRule::default()).is_some());
    }

    #[test]
    fn a_limit_below_the_step_wins() {
        let rule = HoldRule { max: Duration::from_mins(3), ..HoldRule::default() };
        let hold = Hold::start(minute(0), rule);
        assert_eq!(hold.expires_at, minute(3));
        assert_eq!(hold.touched(minute(2), rule), None);
    }

    #[test]
    fn a_hold_answers_every_claim_as_the_table_says() {
        use ReservationStatus as S;
        let base = Hold::start(minute(0), HoldRule::default());
        for status in [S::Held, S::Consumed, S::Released] {
            for claim in HoldClaim::ALL {
                for now in [minute(9), minute(10)] {
                    let expected = match (status, claim) {
                        (S::Held, HoldClaim::Pay) => Ok(S::Consumed),
                        (S::Held, HoldClaim::GiveUp) => Ok(S::Released),
                        (S::Held, HoldClaim::Expire) if now == minute(9) => {
                            Err(ClaimLost::NotYet(minute(10)))
                        }
                        (S::Held, HoldClaim::Expire) => Ok(S::Released),
                        (ended, _) => Err(ClaimLost::Ended(ended)),
                    };
                    let got = Hold { status, ..base }.claim(claim, now).map(|hold| hold.status);
                    assert_eq!(got, expected, "{status:?} {claim:?} {now}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_order_there_is_one_winner_and_no_hold_outlives_its_limit(
            acts in prop::collection::vec((0_usize..8, 0_i64..20), 1..40),
        ) {
            let rule = HoldRule::default();
            let mut hold = Hold::start(minute(0), rule);
            let (mut now, mut winners) = (0, 0);
            for (act, minutes) in acts {
                now += minutes;
                let before = hold;
                if let Some(&claim) = HoldClaim::ALL.get(act) {
                    if let Ok(next) = hold.claim(claim, minute(now)) { winners += 1; hold = next; }
                } else if let Some(next) = hold.touched(minute(now), rule) {
                    prop_assert!(now < before.expires_at.unix_ms() / 60_000);
                    hold = next;
                }
                prop_assert!(hold.expires_at >= before.expires_at && hold.expires_at <= minute(30));
                prop_assert_eq!(winners, usize::from(hold.status != ReservationStatus::Held));
            }
        }
    }
}
