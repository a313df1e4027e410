//! What the cache remembers of a stored answer, so that later decisions read no fields.

mod code;

use core::time::Duration;

use domain::Timestamp;
use http::StatusCode;
use http_semantics::entity_tag::EntityTag;

use crate::vary::VaryKey;

pub use code::BYTES_MAX;

/// Facts of one stored answer. [`crate::storage::decide`] and [`crate::validate::freshen`] make them.
///
/// All lengths of time have milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The answer's status.
    pub status: StatusCode,
    /// When its head came from the origin, or a validation did.
    pub responded_at: Timestamp,
    /// How old it was then (RFC 9111, section 4.2.3: `corrected_initial_age`).
    pub initial_age: Duration,
    /// How old it may be and still be fresh (section 4.2.1). Zero: it is always stale.
    pub lifetime: Duration,
    /// Whether the cache guessed the lifetime (section 4.2.2).
    pub is_heuristic: bool,
    /// How long past its lifetime it may be used while it is validated (RFC 5861, section 3).
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime it may be used when the origin fails (RFC 5861, section 4). `None`: the origin says
    /// nothing, [`crate::Rules::stale_if_error_default`] counts.
    pub stale_if_error: Option<Duration>,
    /// Whether it must not be used stale, come what may (`must-revalidate`, `proxy-revalidate`, `s-maxage`).
    pub must_revalidate: bool,
    /// Whether it must be validated before each use (`no-cache`).
    pub no_cache: bool,
    /// Whether it does not change while it is fresh (RFC 8246).
    pub is_immutable: bool,
    /// Its entity tag.
    pub etag: Option<EntityTag>,
    /// When it was changed, in whole seconds.
    pub last_modified: Option<Timestamp>,
    /// Whether equal moments of change mean equal bytes (RFC 9110, section 8.8.2.2): it was made at least a second
    /// after the change.
    pub is_last_modified_strong: bool,
    /// Which requests it fits.
    pub vary: VaryKey,
    /// By what it can be purged (`Cache-Tag`): at most 128 tags of at most 256 bytes.
    pub tags: Vec<Box<str>>,
}

impl Meta {
    /// Returns how old the answer is: the value of `Age`, once cut to seconds. It never falls while `now` does not.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        self.initial_age.saturating_add(now.since(self.responded_at))
    }

    /// Returns how long the answer is still fresh; zero when it is stale.
    #[must_use]
    pub fn ttl(&self, now: Timestamp) -> Duration {
        self.lifetime.saturating_sub(self.age(now))
    }

    /// Returns for how long the answer has been stale; zero when it is fresh, and in the moment when it no longer is.
    #[must_use]
    pub fn staleness(&self, now: Timestamp) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// Returns whether the answer is fresh (RFC 9111, section 4.2), whatever else forbids its use.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.age(now) < self.lifetime
    }

    /// Returns whether the origin can be asked if the answer is still valid.
    #[must_use]
    pub const fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Returns the latest moment at which the answer can be of use, validation apart. A store may drop it then where
    /// it has no validator, and should before others where it has one.
    #[must_use]
    pub fn useful_until(&self, stale_if_error_default: Duration) -> Timestamp {
        let fresh_until = self.responded_at.after(self.lifetime.saturating_sub(self.initial_age));
        if self.must_revalidate || self.no_cache {
            return fresh_until;
        }
        let window = self.stale_if_error.unwrap_or(stale_if_error_default);
        fresh_until.after(window.max(self.stale_while_revalidate))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NOW, at};

    /// Facts of a plain answer that came at [`NOW`] and is fresh for a minute.
    pub(crate) fn plain() -> Meta {
        Meta {
            status: StatusCode::OK,
            responded_at: NOW,
            initial_age: Duration::ZERO,
            lifetime: Duration::from_secs(60),
            is_heuristic: false,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: None,
            must_revalidate: false,
            no_cache: false,
            is_immutable: false,
            etag: None,
            last_modified: None,
            is_last_modified_strong: false,
            vary: VaryKey::default(),
            tags: Vec::new(),
        }
    }

    #[test]
    fn rfc9111_4_2_is_fresh_until_its_age_reaches_its_lifetime() {
        let meta = Meta { initial_age: Duration::from_secs(10), ..plain() };
        for (now, age, ttl, staleness, is_fresh) in [
            (0, 10, 50, 0, true),
            (49, 59, 1, 0, true),
            (50, 60, 0, 0, false),
            (51, 61, 0, 1, false),
            (-5, 10, 50, 0, true),
        ] {
            let now = at(now);
            assert_eq!(meta.age(now), Duration::from_secs(age));
            assert_eq!(meta.ttl(now), Duration::from_secs(ttl));
            assert_eq!(meta.staleness(now), Duration::from_secs(staleness));
            assert_eq!(meta.is_fresh(now), is_fresh);
        }
    }

    #[test]
    fn is_of_use_as_long_as_it_may_be_served_in_any_case() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(plain().useful_until(hour), at(3_660));
        let strict = Meta { must_revalidate: true, ..plain() };
        assert_eq!(strict.useful_until(hour), at(60));
        let told =
            Meta { stale_if_error: Some(Duration::ZERO), stale_while_revalidate: hour, ..plain() };
        assert_eq!(told.useful_until(Duration::ZERO), at(3_660));
    }

    proptest! {
        #[test]
        fn rfc9111_4_2_3_age_never_falls(
            initial in 0_u64..1_000_000_000_000,
            now in any::<i64>(),
            later in 0_i64..1_000_000_000,
        ) {
            let meta = Meta { initial_age: Duration::from_millis(initial), ..plain() };
            let (now, later) = (Timestamp::from_unix_ms(now), Timestamp::from_unix_ms(now.saturating_add(later)));
            prop_assert!(meta.age(now) <= meta.age(later));
            prop_assert!(meta.ttl(now) >= meta.ttl(later));
            prop_assert!(meta.is_fresh(now) || !meta.is_fresh(later));
        }
    }
}
