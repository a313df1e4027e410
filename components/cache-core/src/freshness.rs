//! How old a response is and how long it is fresh (RFC 9111, section 4.2).

use core::time::Duration;

use domain::Timestamp;
use http::{HeaderMap, StatusCode, header};
use http_semantics::date;

use crate::directives::Directives;
use crate::field;
use crate::rules::Rules;

/// When a request was sent and its response's head received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) requested_at: Timestamp,
    pub(crate) responded_at: Timestamp,
}

/// How long a response is fresh, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The origin does.
    Explicit(Duration),
    /// The cache guesses (section 4.2.2).
    Heuristic(Duration),
    /// Nobody: it must be validated.
    Unknown,
}

/// `Age` as its sender wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgeField {
    /// So many seconds; 0 where there is none.
    Seconds(u32),
    /// Nobody can tell.
    Unreadable,
}

/// Reads `Age` (section 5.1).
///
/// The section lets a cache ignore what it cannot read, and take the first member of a list. Both make a response look
/// younger than it may be. Here the age of such a response is unknown instead, and it is validated (4.2.1 encourages
/// that): of anything but digits, of several lines, and of a list with `, ` in it, which is how two lines look once a
/// hop has joined them. What remains is `0,7200` from one sender, of which the first member counts.
pub(crate) fn age_field(response: &HeaderMap) -> AgeField {
    let mut lines = response.get_all(header::AGE).iter();
    let Some(line) = lines.next() else { return AgeField::Seconds(0) };
    let first = line.as_bytes().split(|byte| *byte == b',').next();
    let seconds = first.and_then(field::seconds);
    let is_joined = line.as_bytes().windows(2).any(|pair| pair == b", ");
    match seconds {
        Some(seconds) if !is_joined && lines.next().is_none() => AgeField::Seconds(seconds),
        _ => AgeField::Unreadable,
    }
}

/// Computes `corrected_initial_age` (section 4.2.3). A `Date` in whole seconds is compared with the whole second in
/// which the response came, so that it does not look older than it is.
pub(crate) fn initial_age(response: &HeaderMap, times: Times) -> Duration {
    let seconds = match age_field(response) {
        AgeField::Seconds(seconds) => seconds,
        AgeField::Unreadable => 0,
    };
    let delay = times.responded_at.since(times.requested_at);
    let corrected = Duration::from_secs(u64::from(seconds)).saturating_add(delay);
    let responded_s = times.responded_at.unix_s();
    let apparent = responded_s.saturating_sub(date_of(response, times.responded_at).unix_s());
    let apparent = Duration::from_secs(u64::try_from(apparent).unwrap_or(0));
    // No response is older than seconds can be counted.
    corrected.max(apparent).min(Duration::from_secs(u64::from(field::SECONDS_MAX)))
}

/// Returns when the origin made the response: its `Date`, or when it came, where there is none (RFC 9110, 6.6.1).
pub(crate) fn date_of(response: &HeaderMap, responded_at: Timestamp) -> Timestamp {
    moment(response, &header::DATE, responded_at).unwrap_or(responded_at)
}

/// Reads the first line of a field as a date.
pub(crate) fn moment(
    headers: &HeaderMap,
    name: &http::HeaderName,
    now: Timestamp,
) -> Option<Timestamp> {
    date::read_lenient(headers.get(name)?.to_str().ok()?, now)
}

/// Computes the freshness lifetime (sections 4.2.1 and 4.2.2), at most [`Rules::lifetime_max`].
pub(crate) fn lifetime(
    status: StatusCode,
    response: &HeaderMap,
    directives: &Directives,
    responded_at: Timestamp,
    rules: &Rules,
) -> Lifetime {
    let at_most = |lifetime: Duration| lifetime.min(rules.lifetime_max);
    if let Some(seconds) = directives.s_maxage_s.or(directives.max_age_s) {
        return Lifetime::Explicit(at_most(Duration::from_secs(u64::from(seconds))));
    }
    if !directives.is_targeted && response.contains_key(header::EXPIRES) {
        // What is no date is past (section 5.3); of several lines the first counts (4.2.1).
        let expires = moment(response, &header::EXPIRES, responded_at);
        let date = date_of(response, responded_at);
        return Lifetime::Explicit(at_most(expires.map_or(Duration::ZERO, |at| at.since(date))));
    }
    heuristic(status, response, directives, responded_at, rules)
        .map_or(Lifetime::Unknown, |lifetime| Lifetime::Heuristic(at_most(lifetime)))
}

fn heuristic(
    status: StatusCode,
    response: &HeaderMap,
    directives: &Directives,
    responded_at: Timestamp,
    rules: &Rules,
) -> Option<Duration> {
    let is_cacheable = is_heuristically_cacheable(status) || directives.public;
    is_cacheable.then_some(())?;
    let guessed = moment(response, &header::LAST_MODIFIED, responded_at).map(|modified| {
        let unchanged = date_of(response, responded_at).since(modified);
        let percent = rules.heuristic_percent.min(100);
        unchanged
            .saturating_mul(percent)
            .checked_div(100)
            .unwrap_or_default()
            .min(rules.heuristic_max)
    });
    match guessed {
        Some(guessed) if !guessed.is_zero() => Some(guessed),
        _ => rules.negative_ttl.filter(|_| matches!(status.as_u16(), 404 | 405 | 410 | 414 | 501)),
    }
}

/// RFC 9110, section 15.1, without 206, of which this cache keeps nothing.
pub(crate) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, at, date, headers};

    fn check_age(response: &[(&str, &str)], expected_s: u64) {
        let times = Times { requested_at: NOW, responded_at: NOW };
        let age = initial_age(&headers(response), times);
        assert_eq!(age, Duration::from_secs(expected_s), "{response:?}");
    }

    #[test]
    fn rfc9111_4_2_3_takes_the_larger_of_apparent_and_given_age() {
        check_age(&[], 0);
        check_age(&[("date", &date(-7_200))], 7_200);
        check_age(&[("date", &date(7_200))], 0);
        check_age(&[("age", "30")], 30);
        check_age(&[("age", "30"), ("date", &date(-20))], 30);
        check_age(&[("age", "10"), ("date", &date(-20))], 20);
        check_age(&[("age", "10"), ("date", "yesterday")], 10);
        check_age(&[("age", "99999999999999999999")], 2_147_483_648);
    }

    #[test]
    fn rfc9111_4_2_3_adds_the_delay_of_the_response() {
        let times = Times { requested_at: at(-4), responded_at: NOW };
        assert_eq!(initial_age(&headers(&[("age", "10")]), times), Duration::from_secs(14));
    }

    #[test]
    fn rfc9111_4_2_3_does_not_age_a_response_by_the_rest_of_a_second() {
        let responded_at = NOW.after(Duration::from_millis(999));
        let times = Times { requested_at: responded_at, responded_at };
        assert_eq!(initial_age(&headers(&[("date", &date(0))]), times), Duration::ZERO);
    }

    #[test]
    fn rfc9111_5_1_does_not_trust_an_age_that_it_cannot_read() {
        use AgeField::{Seconds, Unreadable};
        for (lines, expected) in [
            (vec![], Seconds(0)),
            (vec!["7200"], Seconds(7_200)),
            (vec!["0,7200"], Seconds(0)),
            (vec!["7200,0"], Seconds(7_200)),
            (vec!["0, 0"], Unreadable),
            (vec!["3600, 3600"], Unreadable),
            (vec!["0", "0"], Unreadable),
            (vec!["0", "7200"], Unreadable),
            (vec!["7200", "0"], Unreadable),
            (vec!["abc"], Unreadable),
            (vec!["-7200"], Unreadable),
            (vec!["7200.0"], Unreadable),
            (vec!["7200;foo=bar"], Unreadable),
            (vec![""], Unreadable),
        ] {
            let lines: Vec<_> = lines.into_iter().map(|line| ("age", line)).collect();
            assert_eq!(age_field(&headers(&lines)), expected, "{lines:?}");
        }
    }

    fn check(status: u16, response: &[(&str, &str)], expected: Lifetime) {
        let response = headers(response);
        let rules = Rules::default();
        let directives = Directives::of(&response, &rules);
        let status = StatusCode::from_u16(status).unwrap();
        let lifetime = lifetime(status, &response, &directives, NOW, &rules);
        assert_eq!(lifetime, expected, "{status} {response:?}");
    }

    fn explicit(seconds: u64) -> Lifetime {
        Lifetime::Explicit(Duration::from_secs(seconds))
    }

    fn heuristic(seconds: u64) -> Lifetime {
        Lifetime::Heuristic(Duration::from_secs(seconds))
    }

    #[test]
    fn rfc9111_4_2_1_s_maxage_wins_over_max_age_and_expires() {
        let (past, future) = (date(-10), date(100));
        for (lines, expected) in [
            (vec![("cache-control", "max-age=0, s-maxage=3600"), ("expires", &*past)], 3_600),
            (vec![("cache-control", "s-maxage=1, max-age=3600")], 1),
            (vec![("cache-control", "max-age=3600"), ("cache-control", "s-maxage=1")], 1),
            (vec![("cache-control", "max-age=3600"), ("expires", "0")], 3_600),
            (vec![("cache-control", "max-age=0"), ("expires", &*future)], 0),
            (vec![("cache-control", "x"), ("expires", &*future)], 100),
        ] {
            check(200, &lines, explicit(expected));
        }
    }

    #[test]
    fn rfc9111_5_3_measures_expires_from_date_and_takes_bad_dates_as_past() {
        let moments = [date(0), date(10), date(20), date(300), date(400)];
        let [now, ten, twenty, early, late] = moments.each_ref().map(String::as_str);
        for (lines, expected) in [
            (vec![("expires", ten)], 10),
            (vec![("expires", now), ("date", now)], 0),
            (vec![("expires", twenty), ("date", ten)], 10),
            (vec![("expires", early), ("date", late)], 0),
            (vec![("expires", ten), ("date", "foo")], 10),
            (vec![("expires", "0")], 0),
            (vec![("expires", "")], 0),
            (vec![("expires", ten), ("expires", twenty)], 10),
            (vec![("expires", "Thu, 18 Aug 2050 02:01:18 AEST")], 0),
        ] {
            check(200, &lines, explicit(expected));
        }
    }

    #[test]
    fn rfc9213_2_1_a_targeted_field_makes_expires_nothing() {
        let future = date(100);
        let lines = [("cdn-cache-control", "must-revalidate"), ("expires", &*future)];
        check(200, &lines, Lifetime::Unknown);
    }

    #[test]
    fn rfc9111_4_2_2_guesses_a_tenth_of_the_time_since_the_last_change() {
        let (day_ago, now) = (date(-86_400), date(0));
        let lines = [("last-modified", &*day_ago), ("date", &*now)];
        for status in [200, 203, 204, 404, 405, 410, 414, 501] {
            check(status, &lines, heuristic(8_640));
        }
        for status in [201, 202, 302, 403, 502, 503, 504, 599] {
            check(status, &lines, Lifetime::Unknown);
        }
        let public = ("cache-control", "public");
        check(599, &[lines[0], lines[1], public], heuristic(8_640));
        check(200, &[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")], heuristic(86_400));
        check(200, &[("last-modified", &date(60))], Lifetime::Unknown);
        check(200, &[], Lifetime::Unknown);
    }

    #[test]
    fn negative_answers_get_the_lifetime_that_the_operator_chose() {
        let rules = Rules { negative_ttl: Some(Duration::from_secs(5)), ..Rules::default() };
        let none = Directives::default();
        let of = |status, headers: &HeaderMap| {
            lifetime(StatusCode::from_u16(status).unwrap(), headers, &none, NOW, &rules)
        };
        assert_eq!(of(404, &HeaderMap::new()), heuristic(5));
        assert_eq!(of(200, &HeaderMap::new()), Lifetime::Unknown);
        assert_eq!(of(404, &headers(&[("last-modified", &date(-100))])), heuristic(10));
    }

    #[test]
    fn no_lifetime_is_longer_than_the_operator_allows() {
        let year = Rules::default().lifetime_max.as_secs();
        check(200, &[("cache-control", "max-age=99999999999")], explicit(year));
    }
}
