//! Whether a stored answer may be used when the origin fails (RFC 9111, section 4.2.4; RFC 5861, section 4).

use domain::Timestamp;
use http::StatusCode;

use crate::meta::Meta;
use crate::rules::Rules;

/// How the origin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No answer: no connection, one cut short, or a deadline passed.
    Unreachable,
    /// It answered with this status.
    Status(StatusCode),
}

impl Failure {
    /// Returns whether it counts as an error: always without an answer, otherwise 500, 502, 503 and 504 (RFC 5861).
    #[must_use]
    pub fn is_error(self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Status(status) => matches!(status.as_u16(), 500 | 502 | 503 | 504),
        }
    }
}

/// Decides whether a stored answer may be sent in place of an error.
///
/// A fresh one may (a client wanted it validated), unless it must be validated before each use. A stale one may for as
/// long as it allows, or else as the operator chose; never where it forbids staleness. Errors are not kept beyond
/// their lifetime by the operator's choice.
#[must_use]
pub fn may_serve_on_error(meta: &Meta, now: Timestamp, failure: Failure, rules: &Rules) -> bool {
    if !failure.is_error() || meta.no_cache {
        return false;
    }
    if meta.is_fresh(now) {
        return true;
    }
    if meta.must_revalidate {
        return false;
    }
    let window = match meta.stale_if_error {
        Some(window) => window,
        None if meta.status.is_server_error() => return false,
        None => rules.stale_if_error_default,
    };
    meta.staleness(now) < window
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::meta::tests::plain;
    use crate::testing::at;

    fn check(meta: &Meta, seconds: i64, status: Option<u16>, expected: bool) {
        let rules = Rules { stale_if_error_default: Duration::from_secs(100), ..Rules::default() };
        let failure = status.map_or(Failure::Unreachable, |status| {
            Failure::Status(StatusCode::from_u16(status).unwrap())
        });
        let may_serve = may_serve_on_error(meta, at(seconds), failure, &rules);
        assert_eq!(may_serve, expected, "{meta:?} after {seconds} s on {status:?}");
    }

    #[test]
    fn rfc5861_4_serves_stale_for_as_long_as_it_is_allowed() {
        let told = Meta { stale_if_error: Some(Duration::from_secs(10)), ..plain() };
        check(&told, 69, None, true);
        check(&told, 69, Some(503), true);
        check(&told, 70, None, false);
        check(&plain(), 159, None, true);
        check(&plain(), 160, None, false);
        check(&Meta { stale_if_error: Some(Duration::ZERO), ..plain() }, 60, None, false);
    }

    #[test]
    fn rfc5861_4_counts_four_statuses_as_errors() {
        for status in [500, 502, 503, 504] {
            check(&plain(), 70, Some(status), true);
        }
        for status in [200, 304, 400, 404, 429, 501, 505, 599] {
            check(&plain(), 70, Some(status), false);
        }
    }

    #[test]
    fn rfc9111_4_2_4_serves_nothing_stale_that_forbids_it() {
        let window = Some(Duration::from_secs(1_000));
        let strict = Meta { must_revalidate: true, stale_if_error: window, ..plain() };
        check(&strict, 61, None, false);
        check(&strict, 59, None, true);
        check(&Meta { no_cache: true, stale_if_error: window, ..plain() }, 1, None, false);
    }

    #[test]
    fn a_stored_error_does_not_stand_in_for_another_unless_it_says_so() {
        let error = Meta { status: StatusCode::BAD_GATEWAY, ..plain() };
        check(&error, 61, None, false);
        check(&Meta { stale_if_error: Some(Duration::from_secs(5)), ..error }, 61, None, true);
    }
}
