//! Which origin is asked next, and when to stop: one request's attempts as a pure state machine.
//!
//! The order of calls is [`Plan::next`] → request → [`Plan::report`] → [`Plan::next`] … until it gives `None`.

use core::time::Duration;

use domain::Timestamp;
use http::{HeaderMap, Method, StatusCode};

use crate::origins::Health;

/// Most attempts per request: 3. More would multiply load on origins that already fail.
pub const ATTEMPTS_MAX: usize = 3;

/// How long a request may meet nothing but silence: 1.8 s, so that a client is answered within 2 s.
pub const SILENCE_MAX: Duration = Duration::from_millis(1_800);

/// How long one origin may be silent: 1 s, so that a second one still has 0.8 s of the time for silence.
const ATTEMPT_SILENCE_MAX: Duration = Duration::from_secs(1);

/// How long an origin that is proven alive may take for one answer: 8 s, below the 10 s that a node gives a whole request.
/// It holds one edge instance meanwhile.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// The shortest attempt worth starting: 100 ms.
const ATTEMPT_MIN: Duration = Duration::from_millis(100);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer came.
    Answered(StatusCode),
    /// No connection: nothing was sent.
    NotSent,
    /// The connection broke after something was sent.
    Broken,
    /// Neither the request nor a probe was answered: the origin is stopped or cut off.
    Silent,
    /// The origin lives but did not answer in time.
    Slow,
    /// Refused on our side: asking again cannot help.
    Refused,
}

/// One attempt to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Place in the list of origins.
    pub origin: usize,
    /// How long the origin may stay silent.
    pub silence_max: Duration,
}

/// Returns whether a request may be sent again although an origin may have acted on it.
#[must_use]
pub fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) || headers.contains_key("idempotency-key")
}

/// The attempts of one request.
#[derive(Debug, Clone)]
pub struct Plan {
    is_repeatable: bool,
    origins: usize,
    started_at: Timestamp,
    tried: Vec<(usize, Outcome)>,
}

impl Plan {
    /// Starts the clock.
    #[must_use]
    pub const fn new(is_repeatable: bool, origins: usize, now: Timestamp) -> Self {
        Self { is_repeatable, origins, started_at: now, tried: Vec::new() }
    }

    /// Returns the next attempt, or `None` when the last outcome stands.
    #[must_use]
    pub fn next(&self, health: &Health, now: Timestamp) -> Option<Attempt> {
        let silence_max = SILENCE_MAX.checked_sub(now.since(self.started_at))?;
        if self.tried.len() >= ATTEMPTS_MAX || silence_max < ATTEMPT_MIN {
            return None;
        }
        let order = health.order(self.origins, now);
        let times = |origin: usize| self.tried.iter().filter(|(tried, _)| *tried == origin).count();
        let untried = order.iter().copied().find(|origin| times(*origin) == 0);
        let origin = match self.tried.last() {
            None => untried,
            Some((_, outcome)) if !self.may_follow(*outcome) => None,
            // A refused or broken connection may be a restart or a stale pooled connection: once more is cheap.
            // An origin that answered 5xx or stays silent is not asked again by the same request.
            Some((last, Outcome::NotSent | Outcome::Broken)) => {
                untried.or_else(|| (times(*last) < 2).then_some(*last))
            }
            Some(_) => untried,
        }?;
        Some(Attempt { origin, silence_max: silence_max.min(ATTEMPT_SILENCE_MAX) })
    }

    /// Notes how an attempt ended.
    pub fn report(
        &mut self,
        attempt: Attempt,
        outcome: Outcome,
        health: &mut Health,
        now: Timestamp,
    ) {
        match outcome {
            Outcome::Answered(status) if is_gateway_failure(status) => {
                health.failed(attempt.origin, now);
            }
            Outcome::Answered(_) => health.answered(attempt.origin),
            Outcome::NotSent | Outcome::Broken | Outcome::Silent => {
                health.failed(attempt.origin, now);
            }
            // One slow or refused request says nothing about the origin.
            Outcome::Slow | Outcome::Refused => {}
        }
        self.tried.push((attempt.origin, outcome));
    }

    fn may_follow(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::NotSent => true,
            Outcome::Broken | Outcome::Silent => self.is_repeatable,
            Outcome::Answered(status) => self.is_repeatable && is_gateway_failure(status),
            Outcome::Slow | Outcome::Refused => false,
        }
    }
}

/// 502, 503 and 504: an origin that cannot serve now. 409, 422, 402 and 429 are answers, not failures.
fn is_gateway_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAVAILABLE: Outcome = Outcome::Answered(StatusCode::SERVICE_UNAVAILABLE);

    /// Plays outcomes, each taking `step_ms`, and returns the origins that were asked.
    fn play(is_repeatable: bool, origins: usize, outcomes: &[Outcome], step_ms: u64) -> Vec<usize> {
        let mut health = Health::default();
        let mut now = Timestamp::from_unix_ms(0);
        let mut plan = Plan::new(is_repeatable, origins, now);
        let mut asked = Vec::new();
        for outcome in outcomes {
            let Some(attempt) = plan.next(&health, now) else { break };
            asked.push(attempt.origin);
            now = now.after(Duration::from_millis(step_ms));
            plan.report(attempt, *outcome, &mut health, now);
        }
        asked
    }

    #[test]
    fn asks_again_only_where_that_is_safe() {
        use Outcome::{Answered, Broken, NotSent, Refused, Silent, Slow};
        let ok = Answered(StatusCode::OK);
        let cases: [(bool, usize, &[Outcome], &[usize]); 18] = [
            (false, 1, &[ok, ok], &[0]),
            (true, 2, &[ok, ok], &[0]),
            (false, 1, &[NotSent; 9], &[0, 0]),
            (false, 2, &[NotSent; 9], &[0, 1, 1]),
            (false, 3, &[NotSent; 9], &[0, 1, 2]),
            (false, 8, &[NotSent; 9], &[0, 1, 2]),
            (true, 1, &[Broken; 9], &[0, 0]),
            (false, 2, &[Broken; 9], &[0]),
            (true, 2, &[Broken, ok, ok], &[0, 1]),
            (false, 2, &[NotSent, Broken, ok], &[0, 1]),
            (true, 2, &[Silent; 9], &[0, 1]),
            (false, 2, &[Silent; 9], &[0]),
            (true, 1, &[UNAVAILABLE; 9], &[0]),
            (true, 2, &[UNAVAILABLE; 9], &[0, 1]),
            (false, 2, &[UNAVAILABLE; 9], &[0]),
            (true, 2, &[Slow; 9], &[0]),
            (true, 2, &[Refused; 9], &[0]),
            (true, 2, &[Answered(StatusCode::CONFLICT); 9], &[0]),
        ];
        for (is_repeatable, origins, outcomes, expected) in cases {
            let asked = play(is_repeatable, origins, outcomes, 1);
            assert_eq!(asked, expected, "{is_repeatable} {origins} {outcomes:?}");
        }
    }

    #[test]
    fn stops_when_the_time_for_silence_is_over() {
        assert_eq!(play(true, 3, &[Outcome::Silent; 9], 900), [0, 1]);
        assert_eq!(play(true, 3, &[Outcome::Silent; 9], 1_750), [0]);
        assert_eq!(play(true, 3, &[Outcome::Silent; 9], 600), [0, 1, 2]);
    }

    #[test]
    fn never_asks_more_than_three_times_nor_repeats_what_may_have_acted() {
        let outcomes = [
            Outcome::NotSent,
            Outcome::Broken,
            Outcome::Silent,
            Outcome::Slow,
            Outcome::Refused,
            UNAVAILABLE,
            Outcome::Answered(StatusCode::OK),
        ];
        for seed in 0..2_401_usize {
            let pick = |divisor: usize| {
                let index = seed.checked_div(divisor).unwrap().checked_rem(outcomes.len()).unwrap();
                outcomes[index]
            };
            let script = [pick(1), pick(7), pick(49), pick(343)];
            for origins in 1..4 {
                let asked = play(false, origins, &script, 1);
                assert!(asked.len() <= ATTEMPTS_MAX);
                let acted =
                    script[..asked.len().saturating_sub(1)].iter().any(|o| *o != Outcome::NotSent);
                assert!(!acted, "{script:?} asked {asked:?}");
            }
        }
    }

    #[test]
    fn knows_what_may_be_repeated() {
        let mut headers = HeaderMap::new();
        assert!(is_repeatable(&Method::GET, &headers));
        assert!(is_repeatable(&Method::HEAD, &headers));
        assert!(!is_repeatable(&Method::POST, &headers));
        assert!(!is_repeatable(&Method::DELETE, &headers));
        headers.insert("idempotency-key", http::HeaderValue::from_static("k"));
        assert!(is_repeatable(&Method::POST, &headers));
    }
}
