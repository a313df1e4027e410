//! What goes wrong at the local provider on demand. Pure: the dice are passed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest delay that may be asked for: 60 s.
const DELAY_MS_MAX: u64 = 60_000;
/// Most copies of one webhook: 10.
const COPIES_MAX: u32 = 10;
/// How much later a webhook may be sent in place of its turn, in a random order: up to 2 s.
const REORDERED_WITHIN_MS: u64 = 2_000;

/// Everything that can be switched. The default is a provider that works.
///
/// Rates are in percent of the calls that they are about; `…_next` counts down with each call that it hits and comes
/// before the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// How many of the next payments are declined.
    pub decline_next: u32,
    /// How many payments in a hundred are declined, from 0 to 100.
    pub decline_percent: u8,
    /// Whether every payment that would succeed asks the payer to approve first.
    pub force_3ds: bool,
    /// How long every answer is held back, in milliseconds, at most 60 000.
    pub delay_ms: u64,
    /// How many of the next changes are done and then not answered: the connection is cut.
    pub lose_answer_next: u32,
    /// How many changes in a hundred are done and not answered, from 0 to 100.
    pub lose_answer_percent: u8,
    /// How many of the next requests are answered with 500, with nothing done.
    pub fail_next: u32,
    /// How many requests in a hundred are answered with 500, from 0 to 100.
    pub fail_percent: u8,
    /// How many more times each webhook is sent than once, at most 10.
    pub webhook_duplicates: u32,
    /// How long each webhook is held back, in milliseconds, at most 60 000.
    pub webhook_delay_ms: u64,
    /// Whether webhooks are sent in a random order, each up to 2 s later.
    pub webhook_reorder: bool,
}

/// Why switches are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a switch is out of its range")]
pub struct OutOfRange;

/// What is done with one request before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is answered with 500 and not done.
    Fail,
    /// It is done, and its connection is cut.
    LoseAnswer,
}

impl Switches {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub const fn checked(self) -> Result<Self, OutOfRange> {
        let is_fine = self.decline_percent <= 100
            && self.lose_answer_percent <= 100
            && self.fail_percent <= 100
            && self.delay_ms <= DELAY_MS_MAX
            && self.webhook_delay_ms <= DELAY_MS_MAX
            && self.webhook_duplicates <= COPIES_MAX;
        if is_fine { Ok(self) } else { Err(OutOfRange) }
    }

    /// Returns how long an answer is held back.
    #[must_use]
    pub const fn delay(self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Decides about one request; `dice` are two random bytes.
    pub fn fault(&mut self, is_change: bool, dice: [u8; 2]) -> Fault {
        if hits(&mut self.fail_next, self.fail_percent, dice[0]) {
            return Fault::Fail;
        }
        if is_change && hits(&mut self.lose_answer_next, self.lose_answer_percent, dice[1]) {
            return Fault::LoseAnswer;
        }
        Fault::None
    }

    /// Decides whether a payment is declined whatever its method; `dice` is a random byte.
    pub fn declines(&mut self, dice: u8) -> bool {
        hits(&mut self.decline_next, self.decline_percent, dice)
    }

    /// Returns how long after its turn each copy of a webhook is sent; `dice` are random bytes, two for each copy.
    #[must_use]
    pub fn webhook_delays(self, dice: &[u8]) -> Vec<Duration> {
        let copies = usize::try_from(self.webhook_duplicates.min(COPIES_MAX)).unwrap_or(0) + 1;
        (0..copies)
            .map(|copy| {
                let byte = |place: usize| u64::from(dice.get(place).copied().unwrap_or(0));
                let more_ms = if self.webhook_reorder {
                    (byte(copy * 2) << 8 | byte(copy * 2 + 1)) % REORDERED_WITHIN_MS
                } else {
                    0
                };
                Duration::from_millis(self.webhook_delay_ms + more_ms)
            })
            .collect()
    }
}

/// Tells whether a fault hits: the next ones first, then by rate.
fn hits(next: &mut u32, percent: u8, dice: u8) -> bool {
    if *next > 0 {
        *next -= 1;
        return true;
    }
    // 256 is no multiple of 100; nobody measures a fault to half a percent.
    u32::from(dice) * 100 < u32::from(percent) * 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_ones_are_hit_and_then_none() {
        let mut switches = Switches { fail_next: 2, decline_next: 1, ..Switches::default() };
        let faults: Vec<Fault> = (0..3).map(|_| switches.fault(true, [0; 2])).collect();
        assert_eq!(faults, [Fault::Fail, Fault::Fail, Fault::None]);
        assert_eq!([switches.declines(0), switches.declines(0)], [true, false]);
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn rates_hit_as_often_as_they_say() {
        for percent in [0, 1, 50, 99, 100] {
            let mut switches = Switches { decline_percent: percent, ..Switches::default() };
            let hit = (0..=255).filter(|&dice| switches.declines(dice)).count();
            assert!(hit.abs_diff(usize::from(percent) * 256 / 100) <= 1, "{percent} {hit}");
        }
    }

    #[test]
    fn answers_are_lost_of_changes_only() {
        let switches = Switches { lose_answer_percent: 100, ..Switches::default() };
        assert_eq!(switches.clone().fault(true, [255; 2]), Fault::LoseAnswer);
        assert_eq!(switches.clone().fault(false, [255; 2]), Fault::None);
    }

    #[test]
    fn webhooks_are_doubled_held_back_and_mixed_up() {
        let plain = Switches::default();
        assert_eq!(plain.webhook_delays(&[9; 2]), [Duration::ZERO]);
        let late = Switches { webhook_delay_ms: 700, webhook_duplicates: 1, ..plain };
        assert_eq!(late.webhook_delays(&[9; 4]), [Duration::from_millis(700); 2]);
        let mixed = Switches { webhook_reorder: true, webhook_duplicates: 1, ..plain };
        let delays = mixed.webhook_delays(&[1, 0, 0, 5]);
        assert_eq!(delays, [Duration::from_millis(256), Duration::from_millis(5)]);
    }

    #[test]
    fn ranges_are_checked_and_unknown_switches_refused() {
        for json in
            ["{\"decline_percent\":101}", "{\"delay_ms\":60001}", "{\"webhook_duplicates\":11}"]
        {
            let switches: Switches = serde_json::from_str(json).unwrap();
            assert_eq!(switches.checked(), Err(OutOfRange), "{json}");
        }
        assert!(serde_json::from_str::<Switches>("{\"declines\":1}").is_err());
        assert_eq!(serde_json::from_str::<Switches>("{}").unwrap(), Switches::default());
    }
}
