//! Every number of a pool, with its default and what it costs.

use core::time::Duration;

use http::StatusCode;

/// How a pool behaves: one part per concern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Who gets a request.
    pub balance: Balance,
    /// When a tier is given up, and when everybody is used again.
    pub tiers: Tiers,
    /// What requests say about an origin.
    pub passive: Passive,
    /// How an origin that was ejected comes back.
    pub breaker: Breaker,
    /// Probes. Default `None`: a probe needs an address that only the pool's owner knows.
    pub probes: Option<Probes>,
    /// Further attempts.
    pub retries: Retries,
    /// Second attempts beside a slow first one. Default `None`: they cost origins requests.
    pub hedge: Option<Hedge>,
    /// How long things may take.
    pub deadlines: Deadlines,
}

/// Who gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Half-life of an estimate of latency. Default 5 s. A peak counts at once and is half forgotten after this time;
    /// longer spares slow origins for longer, shorter tries them again sooner.
    pub latency_half_life: Duration,
    /// Latency supposed of an origin that has not answered yet. Default 30 ms, a round trip within a continent and the
    /// time to answer (linkerd supposes the same).
    pub latency_initial: Duration,
    /// Estimates below this are equal. Default 1 ms: finer differences are noise of the host.
    pub latency_floor: Duration,
    /// What a failed request counts as at least; also at least twice the estimate, and what it took. Default 50 ms: an
    /// origin that refuses at once must not look quick, or it draws all load. One failure costs an origin a half-life.
    pub failure_latency: Duration,
    /// Requests of the pool between two looks at an origin that its latency keeps from getting any, for an origin of mean
    /// weight. Default 50: no more than one in so many meets the slow origin, and not before a half-life of
    /// [`Self::latency_half_life`] has passed. Without looks one of 3 s among ones of 10 ms would be missing for eight
    /// half-lives after it is well again.
    pub revisit_requests: u32,
    /// How long an origin that comes back or joins gets less than its share. Default 10 s; zero gives it all at once.
    pub slow_start: Duration,
    /// The share it begins with, in percent (1 to 100). Default 10.
    pub slow_start_percent: u8,
    /// Most requests in flight per origin, if the origin does not say. Default 256: connections of a node to one origin.
    pub in_flight_max: u32,
    /// Most requests that wait for a place. Default 128; beyond it they are refused ([`crate::Refused::Overloaded`]).
    /// One costs 32 bytes here and what its caller holds.
    pub pending_max: usize,
    /// Longest wait for a place. Default 2 s; who has waited longer is better told to come again.
    pub pending_wait_max: Duration,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            latency_half_life: Duration::from_secs(5),
            latency_initial: Duration::from_millis(30),
            latency_floor: Duration::from_millis(1),
            failure_latency: Duration::from_millis(50),
            revisit_requests: 50,
            slow_start: Duration::from_secs(10),
            slow_start_percent: 10,
            in_flight_max: 256,
            pending_max: 128,
            pending_wait_max: Duration::from_secs(2),
        }
    }
}

/// When a tier is given up, and when everybody is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiers {
    /// When more than this share of a tier is down, in percent, and no later tier could take over, all of the tier are
    /// used again ("panic"). Default 50 (Envoy's default too): so much at once is rather an error of judgement or an
    /// overload that fewer origins would not bear. 100 never uses them while one is usable.
    ///
    /// With nobody usable in any tier, all of the first one are used: a doubtful origin is better than none.
    pub panic_down_percent: u8,
    /// Most of a tier that failures may eject, in percent, rounded up. Default 50; it always allows one. Where a later
    /// tier could take over, there is no such limit.
    pub ejected_percent_max: u8,
}

impl Default for Tiers {
    fn default() -> Self {
        Self { panic_down_percent: 50, ejected_percent_max: 50 }
    }
}

/// What requests say about an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passive {
    /// Failures in a row that eject. Default 2: one may be a connection that was about to close.
    pub failures_in_row: u32,
    /// Failures among [`Self::window`]'s requests that eject, in percent. Default 50; above 100 never.
    pub failures_percent: u8,
    /// Fewest requests in the window before their share counts. Default 20: fewer say little.
    pub requests_min: u32,
    /// Length of the sliding window, in ten steps. Default 10 s.
    pub window: Duration,
    /// Answers that are failures of the origin. Default 502, 503 and 504. 500 may be put here where it means that the
    /// origin is broken rather than that a request is. Other answers, 4xx above all, are no failures.
    pub failure_statuses: Vec<StatusCode>,
    /// Length of the first ejection. Default 5 s. Each further one is twice as long.
    pub ejection: Duration,
    /// Longest ejection. Default 60 s.
    pub ejection_max: Duration,
    /// How long an origin must have been well for its ejections to be forgotten. Default 60 s.
    pub forgotten_after: Duration,
    /// Longest `Retry-After` of a 503 that is honoured as an ejection. Default 30 s; zero honours none.
    pub retry_after_max: Duration,
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            failures_in_row: 2,
            failures_percent: 50,
            requests_min: 20,
            window: Duration::from_secs(10),
            failure_statuses: vec![
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            ejection: Duration::from_secs(5),
            ejection_max: Duration::from_secs(60),
            forgotten_after: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(30),
        }
    }
}

/// How an origin that was ejected comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Most trial requests in flight per origin. Default 1, at least 1. While there is another origin, only requests are
    /// risked that may be repeated there, until [`Self::patience`] is over.
    pub trials_max: u32,
    /// Trial requests that must succeed, without a failure between, before the origin is used again. Default 2.
    pub successes: u32,
    /// How long an origin waits for trial requests that may be repeated elsewhere, before any request will do. Default
    /// 10 s. Without an end to it, a pool that gets nothing but `POST` would lose the origin for ever.
    pub patience: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { trials_max: 1, successes: 2, patience: Duration::from_secs(10) }
    }
}

/// Probes of every origin, the ejected ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    /// Time between two probes of one origin. Default 5 s: a fifth of a request per second and node.
    pub interval: Duration,
    /// How far an interval may be longer or shorter, in percent. Default 20, so that nodes do not probe in step.
    pub jitter_percent: u8,
    /// How long a probe may take. Default 2 s; one that was not answered by then has failed.
    pub timeout: Duration,
    /// Failed probes in a row that take an origin down. Default 2.
    pub failures_down: u32,
    /// Probes in a row that bring it up again. Default 3. As many after an ejection open the way for trial requests
    /// before its time is over.
    pub successes_up: u32,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            jitter_percent: 20,
            timeout: Duration::from_secs(2),
            failures_down: 2,
            successes_up: 3,
        }
    }
}

/// Further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Most attempts per request, hedges included. Default 3, at most [`crate::Tried::MAX`]; 1 never repeats.
    pub attempts_max: u8,
    /// Further attempts per 100 requests, over the whole pool. Default 20: more would multiply the load on origins that
    /// already fail.
    pub budget_percent: u8,
    /// Further attempts per second that are granted besides. Default 10, for pools with few requests.
    pub budget_per_second: u32,
    /// Most attempts that may be saved up. Default 100.
    pub budget_max: u32,
    /// Wait before the same origin is asked again for the first time. Default 25 ms; each further one is twice as long.
    /// The wait is between half of it and all of it. Another origin is asked at once.
    pub backoff: Duration,
    /// Longest such wait. Default 250 ms.
    pub backoff_max: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            budget_percent: 20,
            budget_per_second: 10,
            budget_max: 100,
            backoff: Duration::from_millis(25),
            backoff_max: Duration::from_millis(250),
        }
    }
}

/// Second attempts beside a slow first one. For reads only, within the budget of [`Retries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// A fixed delay. Default `None`: the 95th percentile of the pool's answers.
    pub delay: Option<Duration>,
    /// Shortest delay. Default 5 ms: below it a second attempt cannot win by much.
    pub delay_min: Duration,
    /// Fewest answers before the percentile counts; until then nothing is hedged. Default 100.
    pub answers_min: u32,
}

impl Default for Hedge {
    fn default() -> Self {
        Self { delay: None, delay_min: Duration::from_millis(5), answers_min: 100 }
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first attempt to the head of the answer that is passed on. Default 15 s.
    pub overall: Duration,
    /// To connect, per attempt. Default 1 s.
    pub connect: Duration,
    /// From an attempt's start to the head of its answer. Default 10 s, so that a second attempt has a third of
    /// [`Self::overall`].
    pub head: Duration,
    /// The shortest attempt worth starting. Default 100 ms.
    pub attempt_min: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            overall: Duration::from_secs(15),
            connect: Duration::from_secs(1),
            head: Duration::from_secs(10),
            attempt_min: Duration::from_millis(100),
        }
    }
}
