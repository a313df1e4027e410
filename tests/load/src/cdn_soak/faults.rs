//! What is done to the fleet, one thing after the other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::fleet::Fleet;
use crate::origin::Rule;
use crate::random::Random;
use crate::say;

/// How long an origin is silent.
const SILENT: Duration = Duration::from_secs(3);
/// How long an origin is slow, or talks nonsense.
const HELD: Duration = Duration::from_secs(4);
/// How much slower it is then.
const SLOW_MS: u64 = 2000;
/// Between two faults, at least and at most.
const QUIET_MS: (u64, u64) = (500, 2500);

/// One thing that goes wrong, or that operators do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An origin is killed, and started again.
    Kill,
    /// An origin stands still for a while.
    Stop,
    /// An origin takes two seconds longer.
    Slow,
    /// An origin speaks another language.
    Garbage,
    /// A node gets another certificate.
    Certificate,
    /// A node is ended, and started again.
    Drain,
    /// A tag is purged on both nodes.
    Purge { is_soft: bool },
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::Kill,
        Self::Stop,
        Self::Slow,
        Self::Garbage,
        Self::Certificate,
        Self::Drain,
        Self::Purge { is_soft: true },
        Self::Purge { is_soft: false },
    ];

    /// Whether an origin has it.
    const fn is_of_origin(self) -> bool {
        matches!(self, Self::Kill | Self::Stop | Self::Slow | Self::Garbage)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "an origin killed and started again",
            Self::Stop => "an origin that stood still for 3 s",
            Self::Slow => "an origin that took 2 s longer",
            Self::Garbage => "an origin that talked nonsense",
            Self::Certificate => "another certificate",
            Self::Drain => "a node drained and started again",
            Self::Purge { is_soft: true } => "a soft purge",
            Self::Purge { is_soft: false } => "a hard purge",
        }
    }
}

/// All faults in a new order, again and again.
#[derive(Debug)]
struct Deck {
    cards: Vec<Fault>,
    can_purge: bool,
}

impl Deck {
    const fn new(can_purge: bool) -> Self {
        Self { cards: Vec::new(), can_purge }
    }

    fn draw(&mut self, random: &mut Random) -> Fault {
        if self.cards.is_empty() {
            let all = Fault::ALL.into_iter();
            self.cards =
                all.filter(|one| self.can_purge || !matches!(one, Fault::Purge { .. })).collect();
        }
        let at = usize::try_from(random.below(self.cards.len() as u64)).unwrap_or(0);
        self.cards.swap_remove(at)
    }
}

/// How often a fault came, and how many requests met origins that had it, where that can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) times: u64,
    pub(crate) met: u64,
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) came: BTreeMap<&'static str, Came>,
    /// How long it took every node to use an origin again, each time.
    pub(crate) recoveries: Vec<Duration>,
}

/// Lets one fault follow the other until the time is over.
///
/// Unless it is to be harsh, an origin that was at fault is in use again before another fault of origins: who passes over
/// one origin has nobody else when the other one fails.
pub(crate) async fn run(
    fleet: &mut Fleet,
    random: &mut Random,
    until: Instant,
    is_harsh: bool,
) -> Result<Faults> {
    let started = Instant::now();
    let mut faults = Faults::default();
    let mut unsettled = None;
    let mut deck = Deck::new(fleet.can_purge());
    loop {
        let quiet = QUIET_MS.0 + random.below(QUIET_MS.1 - QUIET_MS.0);
        pause(Duration::from_millis(quiet), until).await;
        if Instant::now() >= until {
            return Ok(faults);
        }
        let (fault, whom) = (deck.draw(random), usize::from(random.below(2) == 1));
        if fault.is_of_origin()
            && let Some(origin) = unsettled.take().filter(|_| !is_harsh)
        {
            faults.recoveries.push(fleet.settle(origin).await?);
        }
        let at = started.elapsed().as_secs_f64();
        say(&format!("{at:>6.1} s: {} ({whom})", fault.name()))?;
        let met = cause(fleet, random, fault, whom).await?;
        unsettled = if fault.is_of_origin() { Some(whom) } else { unsettled };
        let came = faults.came.entry(fault.name()).or_default();
        (came.times, came.met) = (came.times + 1, came.met + met);
    }
}

/// Returns how many requests met it.
async fn cause(fleet: &mut Fleet, random: &mut Random, fault: Fault, whom: usize) -> Result<u64> {
    match fault {
        Fault::Kill => {
            fleet.origin(whom)?.process.kill().await?;
            wait(Duration::from_millis(300 + random.below(1500))).await;
            fleet.origin(whom)?.process.restart().await?;
        }
        Fault::Stop => {
            let before = fleet.origin(whom)?.requests().await?;
            fleet.origin(whom)?.process.signal(Signal::STOP)?;
            wait(SILENT).await;
            fleet.origin(whom)?.process.signal(Signal::CONT)?;
            return Ok(fleet.origin(whom)?.requests().await?.saturating_sub(before));
        }
        Fault::Slow => return hold(fleet, whom, &format!("/slow/{SLOW_MS}")).await,
        Fault::Garbage => return hold(fleet, whom, "/garbage").await,
        Fault::Certificate => fleet.change_certificate(whom)?,
        Fault::Drain => fleet.drain(whom).await?,
        Fault::Purge { is_soft } => {
            let rules = Rule::ALL.map(|(_, rule)| rule);
            let at = usize::try_from(random.below(rules.len() as u64)).unwrap_or(0);
            let rule = rules.get(at).copied().unwrap_or(Rule::Strict);
            fleet.purge(0, rule, is_soft).await?;
            fleet.purge(1, rule, is_soft).await?;
        }
    }
    Ok(0)
}

async fn hold(fleet: &mut Fleet, whom: usize, how: &str) -> Result<u64> {
    let before = fleet.origin(whom)?.tell(how).await?;
    wait(HELD).await;
    Ok(fleet.origin(whom)?.tell("/normal").await?.saturating_sub(before))
}

async fn wait(how_long: Duration) {
    // sleeps because a fault has a length
    tokio::time::sleep(how_long).await;
}

async fn pause(how_long: Duration, until: Instant) {
    wait(how_long.min(until.saturating_duration_since(Instant::now()))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_once_before_any_comes_again() {
        let mut random = Random::seeded(4);
        for (can_purge, count) in [(true, Fault::ALL.len()), (false, Fault::ALL.len() - 2)] {
            let mut deck = Deck::new(can_purge);
            for _ in 0..3 {
                let names: std::collections::BTreeSet<_> =
                    (0..count).map(|_| deck.draw(&mut random).name()).collect();
                assert_eq!(names.len(), count);
            }
        }
    }
}
