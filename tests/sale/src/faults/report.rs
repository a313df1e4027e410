//! How long it took, in words.

use std::time::{Duration, Instant};

use super::arena::Wound;
use super::buyers::Purchase;
use super::{Kind, Outcome};

/// What clients felt of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From the harm to the first order that was asked for after it.
    recovery: Duration,
    /// From the end of the harm to the first order that was asked for after it.
    mending: Duration,
    /// The longest time in which no order was acknowledged, until buyers were asked to end.
    pause: Duration,
    /// The longest that somebody asked with one key before there was an answer.
    slowest: Duration,
    /// Orders acknowledged.
    orders: usize,
}

impl Times {
    pub(crate) fn of(purchases: &[Purchase], wound: &Wound, stopped: Instant) -> Self {
        let first_after = |moment: Instant| {
            let answers = purchases.iter().filter(|one| one.is_placed() && one.asked >= moment);
            answers.map(|one| one.answered - moment).min().unwrap_or_default()
        };
        let mut answered: Vec<Instant> =
            purchases.iter().filter(|one| one.is_placed()).map(|one| one.answered).collect();
        answered.sort();
        let orders = answered.len();
        answered.retain(|moment| *moment <= stopped);
        let pauses = answered.iter().zip(answered.iter().skip(1));
        Self {
            recovery: first_after(wound.at),
            mending: first_after(wound.mended),
            pause: pauses.map(|(one, next)| *next - *one).max().unwrap_or_default(),
            slowest: purchases.iter().map(|one| one.waited).max().unwrap_or_default(),
            orders,
        }
    }

    pub(crate) fn text(&self) -> String {
        format!(
            "first order after {} ms ({} ms after mending), longest pause {} ms, slowest checkout {} ms, {} orders",
            self.recovery.as_millis(),
            self.mending.as_millis(),
            self.pause.as_millis(),
            self.slowest.as_millis(),
            self.orders
        )
    }
}

/// Returns what the command line calls a kind.
pub(crate) const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Origin => "origin",
        Kind::Primary => "primary",
        Kind::Cut => "cut",
        Kind::Disk => "disk",
        Kind::FileDisk => "file-disk",
        Kind::PatroniServer => "patroni-server",
        Kind::PatroniNode => "patroni-node",
        Kind::PatroniSwitchover => "patroni-switchover",
        Kind::PatroniFrozen => "patroni-frozen",
    }
}

/// Sums a kind up.
pub(crate) fn lines(kind: Kind, outcome: &Outcome) -> Vec<String> {
    let spread = |of: fn(&Times) -> Duration| {
        let mut all: Vec<u128> = outcome.times.iter().map(|times| of(times).as_millis()).collect();
        all.sort_unstable();
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        format!("{} / {} / {} ms", at(0), at(all.len() / 2), at(all.len().saturating_sub(1)))
    };
    let orders: usize = outcome.times.iter().map(|times| times.orders).sum();
    let verdict = match outcome.faults.len() {
        0 => "nothing lost, sold or charged twice".to_owned(),
        count => format!("{count} WRONG"),
    };
    vec![format!(
        "{}: {} rounds, {orders} orders, {verdict}; min / median / max: recovery {}, after mending {}, longest pause {}, slowest checkout {}",
        name(kind),
        outcome.times.len(),
        spread(|times| times.recovery),
        spread(|times| times.mending),
        spread(|times| times.pause),
        spread(|times| times.slowest),
    )]
}
