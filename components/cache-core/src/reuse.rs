//! Whether a stored answer may be used for a request (RFC 9111, section 4).

use core::time::Duration;

use domain::Timestamp;
use http::HeaderMap;

use crate::meta::Meta;
use crate::request::{Asked, MaxStale, Missing};
use crate::rules::Rules;
use crate::stale::{self, Failure};

/// What to do with a stored answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Send it.
    Fresh {
        /// How old it is.
        age: Duration,
        /// How long it will be fresh.
        ttl: Duration,
    },
    /// Send it although it is stale: the client accepts that (`max-stale`).
    Stale {
        /// How old it is.
        age: Duration,
        /// For how long it has been stale.
        staleness: Duration,
    },
    /// Send it although it is stale, and validate it meanwhile (RFC 5861, section 3).
    StaleWhileRevalidate {
        /// How old it is.
        age: Duration,
        /// For how long it has been stale.
        staleness: Duration,
    },
    /// Ask the origin first.
    Validate {
        /// Why.
        why: Why,
        /// Whether it may be sent when the origin cannot be reached; for an answer that says that the origin fails,
        /// ask [`stale::may_serve_on_error`].
        may_be_stale_on_error: bool,
    },
    /// It is for other requests (`Vary`).
    NotMatched,
    /// It cannot be sent, and the client does not want the origin to be asked: 504 (section 5.2.1.7).
    Unsatisfiable,
}

/// Why a stored answer must be validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is stale.
    Stale,
    /// The origin wants it before each use (`no-cache`).
    NoCache,
    /// The client wants it, or a younger answer (`no-cache`, `max-age`, `min-fresh`).
    Request,
}

/// What to do with what is stored for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Of all that match, this came last; it alone may be used (section 4.1).
    Stored {
        /// Its place, from 0.
        index: usize,
        /// What to do with it; never [`Reuse::NotMatched`].
        reuse: Reuse,
    },
    /// Nothing matches.
    Missing(Missing),
}

/// Chooses among all that is stored for a request's address, in any order, and decides about it.
///
/// Without anything stored it says what to do then, so it can be called in any case where [`Asked::lookup`] is allowed.
#[must_use]
pub fn choose<'a>(
    asked: &Asked,
    request: &HeaderMap,
    stored: impl IntoIterator<Item = &'a Meta>,
    now: Timestamp,
    rules: &Rules,
) -> Choice {
    let matching = stored.into_iter().enumerate().filter(|(_, meta)| meta.vary.matches(request));
    match matching.max_by_key(|(_, meta)| meta.responded_at) {
        Some((index, meta)) => {
            Choice::Stored { index, reuse: decide_matching(asked, meta, now, rules) }
        }
        None => Choice::Missing(asked.when_missing()),
    }
}

/// Decides about one stored answer for a request whose [`Asked::lookup`] is allowed.
///
/// It also tells whether a request that waited for another's answer (collapsed forwarding) may have it, once that is
/// stored: where it says [`Reuse::Validate`] or [`Reuse::NotMatched`], the request must go to the origin itself.
///
/// Costs a comparison of the fields of `Vary`, and otherwise a few of numbers.
#[must_use]
pub fn decide(
    asked: &Asked,
    request: &HeaderMap,
    meta: &Meta,
    now: Timestamp,
    rules: &Rules,
) -> Reuse {
    if !meta.vary.matches(request) {
        return Reuse::NotMatched;
    }
    decide_matching(asked, meta, now, rules)
}

/// Returns age and remaining lifetime, if the stored answer may be used for any request that fits it and asks nothing of
/// the cache: what [`decide`] says of such requests.
#[must_use]
pub fn fresh(meta: &Meta, now: Timestamp) -> Option<(Duration, Duration)> {
    (!meta.no_cache && meta.is_fresh(now)).then(|| (meta.age(now), meta.ttl(now)))
}

fn decide_matching(asked: &Asked, meta: &Meta, now: Timestamp, rules: &Rules) -> Reuse {
    let why = match without_origin(asked, meta, now) {
        Ok(reuse) => return reuse,
        Err(why) => why,
    };
    if asked.only_if_cached {
        return Reuse::Unsatisfiable;
    }
    let may_be_stale_on_error = stale::may_serve_on_error(meta, now, Failure::Unreachable, rules);
    Reuse::Validate { why, may_be_stale_on_error }
}

fn without_origin(asked: &Asked, meta: &Meta, now: Timestamp) -> Result<Reuse, Why> {
    if meta.no_cache {
        return Err(Why::NoCache);
    }
    if asked.no_cache {
        return Err(Why::Request);
    }
    let (age, ttl) = (meta.age(now), meta.ttl(now));
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let is_too_old = asked.max_age_s.is_some_and(|most| most == 0 || age > seconds(most));
    let is_too_near_its_end = asked.min_fresh_s.is_some_and(|least| ttl < seconds(least));
    if meta.is_fresh(now) {
        // RFC 8246, section 2: a reload (`max-age=0`) is no reason to validate what does not change.
        if (is_too_old && !meta.is_immutable) || is_too_near_its_end {
            return Err(Why::Request);
        }
        return Ok(Reuse::Fresh { age, ttl });
    }
    if meta.must_revalidate || is_too_old || is_too_near_its_end {
        return Err(Why::Stale);
    }
    let staleness = meta.staleness(now);
    let is_accepted = asked.max_stale.is_some_and(|accepted| match accepted {
        MaxStale::Any => true,
        MaxStale::Seconds(most) => staleness <= seconds(most),
    });
    if staleness < meta.stale_while_revalidate {
        Ok(Reuse::StaleWhileRevalidate { age, staleness })
    } else if is_accepted {
        Ok(Reuse::Stale { age, staleness })
    } else {
        Err(Why::Stale)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::meta::tests::plain;
    use crate::request::classify;
    use crate::testing::{NOW, at, headers};
    use crate::vary::VaryKey;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A minute fresh, came at [`NOW`]; asked for so many seconds later with this `Cache-Control`.
    fn check(meta: &Meta, seconds: i64, request_cc: &str, expected: Reuse) {
        let request = headers(&[("cache-control", request_cc)]);
        let rules = Rules::default();
        let asked = classify(&Method::GET, &request, &rules);
        let reuse = decide(&asked, &request, meta, at(seconds), &rules);
        assert_eq!(reuse, expected, "after {seconds} s, {request_cc:?}");
    }

    fn fresh(age: u64) -> Reuse {
        let ttl = MINUTE.saturating_sub(Duration::from_secs(age));
        Reuse::Fresh { age: Duration::from_secs(age), ttl }
    }

    fn validate(why: Why, may_be_stale_on_error: bool) -> Reuse {
        Reuse::Validate { why, may_be_stale_on_error }
    }

    fn ages(age: u64) -> (Duration, Duration) {
        let age = Duration::from_secs(age);
        (age, age.saturating_sub(MINUTE))
    }

    #[test]
    fn rfc9111_4_2_uses_what_is_fresh_and_validates_what_is_stale() {
        check(&plain(), 0, "", fresh(0));
        check(&plain(), 59, "", fresh(59));
        check(&plain(), 60, "", validate(Why::Stale, true));
    }

    #[test]
    fn rfc9111_5_2_2_4_validates_no_cache_always_and_never_serves_it_on_errors() {
        let meta = Meta { no_cache: true, ..plain() };
        check(&meta, 0, "", validate(Why::NoCache, false));
        check(&meta, 0, "max-stale", validate(Why::NoCache, false));
    }

    #[test]
    fn rfc9111_5_2_2_2_validates_what_must_be_once_it_is_stale() {
        let meta = Meta { must_revalidate: true, stale_while_revalidate: MINUTE, ..plain() };
        check(&meta, 59, "", fresh(59));
        check(&meta, 60, "", validate(Why::Stale, false));
        check(&meta, 60, "max-stale", validate(Why::Stale, false));
    }

    #[test]
    fn rfc9111_5_2_1_1_obeys_max_age_of_the_request() {
        check(&plain(), 10, "max-age=10", fresh(10));
        check(&plain(), 11, "max-age=10", validate(Why::Request, true));
        check(&plain(), 0, "max-age=0", validate(Why::Request, true));
        let meta = Meta { stale_while_revalidate: MINUTE, ..plain() };
        check(&meta, 61, "max-age=10, max-stale", validate(Why::Stale, true));
    }

    #[test]
    fn rfc9111_5_2_1_2_obeys_max_stale() {
        let (age, staleness) = ages(90);
        check(&plain(), 90, "max-stale", Reuse::Stale { age, staleness });
        check(&plain(), 90, "max-stale=30", Reuse::Stale { age, staleness });
        check(&plain(), 90, "max-stale=29", validate(Why::Stale, true));
        check(&plain(), 90, "max-stale=1000, max-age=100", Reuse::Stale { age, staleness });
    }

    #[test]
    fn rfc9111_5_2_1_3_obeys_min_fresh() {
        check(&plain(), 30, "min-fresh=30", fresh(30));
        check(&plain(), 30, "min-fresh=31", validate(Why::Request, true));
        check(&plain(), 0, "min-fresh=2000", validate(Why::Request, true));
    }

    #[test]
    fn rfc9111_5_2_1_4_obeys_no_cache_of_the_request() {
        check(&plain(), 0, "no-cache", validate(Why::Request, true));
        check(&Meta { is_immutable: true, ..plain() }, 0, "no-cache", validate(Why::Request, true));
    }

    #[test]
    fn rfc9111_5_2_1_7_has_no_answer_where_only_stored_ones_are_wanted() {
        check(&plain(), 0, "only-if-cached", fresh(0));
        check(&plain(), 60, "only-if-cached", Reuse::Unsatisfiable);
        let (age, staleness) = ages(61);
        check(&plain(), 61, "only-if-cached, max-stale", Reuse::Stale { age, staleness });
    }

    #[test]
    fn rfc8246_2_does_not_validate_an_immutable_answer_for_a_reload() {
        let meta = Meta { is_immutable: true, ..plain() };
        check(&meta, 10, "max-age=0", fresh(10));
        check(&meta, 60, "max-age=0", validate(Why::Stale, true));
    }

    #[test]
    fn rfc5861_3_serves_stale_while_it_is_validated() {
        let meta = Meta { stale_while_revalidate: Duration::from_secs(30), ..plain() };
        let (age, staleness) = ages(89);
        check(&meta, 89, "", Reuse::StaleWhileRevalidate { age, staleness });
        check(&meta, 90, "", validate(Why::Stale, true));
    }

    #[test]
    fn rfc9111_4_1_does_not_match_other_variants() {
        let vary = VaryKey::of(&headers(&[("vary", "foo")]), &headers(&[("foo", "1")])).unwrap();
        check(&Meta { vary, ..plain() }, 0, "", Reuse::NotMatched);
    }

    #[test]
    fn rfc9111_4_1_chooses_the_matching_answer_that_came_last() {
        let rules = Rules::default();
        let request = headers(&[("foo", "1"), ("bar", "1")]);
        let chosen = |cc: &str, stored: &[&Meta]| {
            let mut request = request.clone();
            request.extend(headers(&[("cache-control", cc)]));
            let asked = classify(&Method::GET, &request, &rules);
            choose(&asked, &request, stored.iter().copied(), at(10), &rules)
        };
        let vary = |name| VaryKey::of(&headers(&[("vary", name)]), &request).unwrap();
        let by_foo = Meta { vary: vary("foo"), ..plain() };
        let by_bar = Meta { vary: vary("bar"), responded_at: at(5), ..plain() };
        let other = VaryKey::of(&headers(&[("vary", "foo")]), &HeaderMap::new()).unwrap();
        let other = Meta { vary: other, responded_at: at(9), ..plain() };
        let ttl = Duration::from_secs(55);
        let reuse = Reuse::Fresh { age: Duration::from_secs(5), ttl };
        assert_eq!(chosen("", &[&by_foo, &by_bar, &other]), Choice::Stored { index: 1, reuse });
        assert_eq!(chosen("", &[&other]), Choice::Missing(Missing::Forward));
        assert_eq!(chosen("only-if-cached", &[]), Choice::Missing(Missing::Unsatisfiable));
    }

    proptest! {
        #[test]
        fn rfc9111_4_2_never_fresh_after_its_lifetime(
            initial in 0_u64..200_000,
            lifetime in 0_u64..200_000,
            later in 0_i64..400_000,
        ) {
            let meta = Meta {
                initial_age: Duration::from_millis(initial),
                lifetime: Duration::from_millis(lifetime),
                ..plain()
            };
            let rules = Rules::default();
            let none = HeaderMap::new();
            let asked = classify(&Method::GET, &none, &rules);
            let now = Timestamp::from_unix_ms(NOW.unix_ms().saturating_add(later));
            let is_young = initial.saturating_add_signed(later) < lifetime;
            let is_fresh = matches!(decide(&asked, &none, &meta, now, &rules), Reuse::Fresh { .. });
            prop_assert_eq!(is_fresh, is_young);
        }
    }
}
