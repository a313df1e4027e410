//! What merchants are told of, and how often it is tried.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use crate::time::Timestamp;

/// Subscriptions of one shop: 32. Each event is looked at for every one of them.
pub const SUBSCRIPTIONS_MAX: usize = 32;
/// Patterns of one subscription: 32.
pub const PATTERNS_MAX: usize = 32;
/// Longest pattern: 64 bytes.
pub const PATTERN_BYTES_MAX: usize = 64;
/// Longest address of a subscriber: 2 048 bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// How long the secret before the newest one signs too after a rotation, unless said: 24 hours.
pub const ROTATION_KEPT: Duration = Duration::from_hours(24);
/// How long a subscription may do nothing but fail before it is disabled: 5 days.
pub const FAILING_MAX: Duration = Duration::from_hours(5 * 24);

/// Pauses after each attempt that failed, in seconds: threefold up to 12 hours, 69 hours in all, so 14 attempts over
/// about three days. Then the delivery is dead until somebody replays it.
pub const RETRY_PAUSES_S: [u64; 13] =
    [10, 30, 90, 270, 810, 2_430, 7_290, 21_870, 43_200, 43_200, 43_200, 43_200, 43_200];

/// How far a pause is moved, so that deliveries which failed together do not come back together: a tenth to each side.
const JITTER_DIVISOR: u64 = 10;

/// Returns how long to wait after the `attempts`-th attempt (from 1) has failed; `None` when it was the last.
///
/// `jitter` is a random byte: 0 shortens the pause by a tenth, 255 lengthens it by as much.
#[must_use]
pub fn retry_pause(attempts: u32, jitter: u8) -> Option<Duration> {
    let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let pause_ms = RETRY_PAUSES_S.get(index)?.saturating_mul(1_000);
    let reach = pause_ms.checked_div(JITTER_DIVISOR).unwrap_or(0);
    let moved = reach.saturating_mul(2).saturating_mul(u64::from(jitter)).checked_div(255);
    Some(Duration::from_millis(
        pause_ms.saturating_sub(reach).saturating_add(moved.unwrap_or(reach)),
    ))
}

/// Tells whether a subscription that has done nothing but fail since a moment is to be disabled.
#[must_use]
pub fn is_to_be_disabled(failing_since: Timestamp, now: Timestamp) -> bool {
    now.since(failing_since) >= FAILING_MAX
}

/// Which events a subscription is about: `*`, `order.*`, or the name of one kind such as `payment.captured`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// Refused text for a [`Pattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a pattern of event kinds")]
pub struct InvalidPattern;

impl Pattern {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether an event of a kind is meant.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => self.0 == kind,
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    /// Takes words of `a-z`, `0-9` and `_` separated by dots, of which the last may be `*`.
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let names = if text == "*" {
            return Ok(Self(text.to_owned()));
        } else {
            text.strip_suffix(".*").unwrap_or(text)
        };
        let is_good = text.len() <= PATTERN_BYTES_MAX && names.split('.').all(is_word);
        if is_good { Ok(Self(text.to_owned())) } else { Err(InvalidPattern) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Has an attempt before it.
    Waiting,
    /// Was taken by its subscriber.
    Delivered,
    /// Failed as often as the schedule has attempts; only a replay sends it again.
    Dead,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// Returns the word on the wire and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_one_kind_a_family_or_everything() {
        for (pattern, kind, expected) in [
            ("*", "order.placed", true),
            ("order.*", "order.placed", true),
            ("order.*", "order.item.returned", true),
            ("order.*", "order", false),
            ("order.*", "orders.placed", false),
            ("payment.captured", "payment.captured", true),
            ("payment.captured", "payment.captured_late", false),
            ("payment.captured", "order.placed", false),
            ("webhook_subscription.disabled", "webhook_subscription.disabled", true),
        ] {
            let read: Pattern = pattern.parse().unwrap();
            assert_eq!(read.matches(kind), expected, "{pattern} {kind}");
            assert_eq!(read.to_string(), pattern);
        }
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        for bad in [
            "",
            ".",
            "order.",
            ".placed",
            "Order.*",
            "*.placed",
            "order*",
            "order.*.x",
            "a b",
            "**",
            &long,
        ] {
            assert_eq!(bad.parse::<Pattern>(), Err(InvalidPattern), "{bad}");
        }
    }

    #[test]
    fn fourteen_attempts_are_made_over_about_three_days() {
        let pauses: Vec<Duration> =
            (1..=20).map_while(|attempts| retry_pause(attempts, 128)).collect();
        assert_eq!(pauses.len(), 13);
        let all: Duration = pauses.iter().sum();
        assert!((68..=70).contains(&(all.as_secs() / 3_600)), "{all:?}");
        assert!(pauses.is_sorted());
        assert_eq!(retry_pause(0, 0), None);
        assert_eq!(retry_pause(14, 0), None);
        assert_eq!(retry_pause(u32::MAX, 0), None);
    }

    #[test]
    fn a_pause_is_moved_by_a_tenth_at_most() {
        assert_eq!(retry_pause(1, 0), Some(Duration::from_millis(9_000)));
        assert_eq!(retry_pause(1, 255), Some(Duration::from_millis(11_000)));
        for jitter in 0..=255 {
            let pause = retry_pause(9, jitter).unwrap();
            assert!((38_880..=47_520).contains(&pause.as_secs()), "{pause:?}");
        }
    }

    #[test]
    fn five_days_of_failures_disable() {
        let since = Timestamp::from_unix_ms(1_000);
        assert!(!is_to_be_disabled(since, since.after(FAILING_MAX - Duration::from_millis(1))));
        assert!(is_to_be_disabled(since, since.after(FAILING_MAX)));
        assert!(!is_to_be_disabled(since, Timestamp::from_unix_ms(0)));
    }

    #[test]
    fn words_of_statuses_lead_back() {
        for status in DeliveryStatus::ALL {
            assert_eq!(DeliveryStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(DeliveryStatus::parse("lost"), None);
    }
}
