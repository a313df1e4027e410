//! Places in a sum of counters, decided in one step.

use core::time::Duration;

use api_types::rooms::{TakeAnswer, TakeRequest};

/// Most counters that one request may name: 16. The gateway's window names 5.
pub const KEYS_MAX: usize = 16;

/// Longest name of a counter: 256 bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// Largest request read: 8 KiB, 16 names and the JSON around them.
pub const BODY_BYTES_MAX: usize = 8 * 1_024;

/// How long a counter is kept after it was last moved: 2 minutes. The gateway's window looks 75 s back.
pub const KEPT: Duration = Duration::from_secs(120);

/// Returns whether a request keeps to the limits and names each counter once.
#[must_use]
pub fn is_fit(request: &TakeRequest) -> bool {
    let keys = &request.keys;
    let is_once = |(at, key): (usize, &String)| !keys.iter().take(at).any(|other| other == key);
    let is_named = |key: &String| !key.is_empty() && key.len() <= KEY_BYTES_MAX;
    (1..=KEYS_MAX).contains(&keys.len())
        && keys.iter().all(is_named)
        && keys.iter().enumerate().all(is_once)
}

/// Decides about a place. If it is given, the last counter stands at the last of `counts` from now on.
#[must_use]
pub fn decide(mut counts: Vec<u64>, limit: u64) -> TakeAnswer {
    let sum = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let is_admitted = sum < limit && !counts.is_empty();
    if let Some(last) = counts.last_mut().filter(|_| is_admitted) {
        *last = last.saturating_add(1);
    }
    TakeAnswer { counts, is_admitted }
}

/// Names the object that holds a counter: `rate/<quota>/<who>/<bucket>` without its bucket, so that all counters of
/// one window are in one object, and another client's are in another.
#[must_use]
pub fn object_name(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(name, _bucket)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(keys: &[&str]) -> TakeRequest {
        TakeRequest { keys: keys.iter().map(|key| (*key).to_owned()).collect(), limit: 1 }
    }

    #[test]
    fn refuses_requests_that_are_empty_long_or_name_a_counter_twice() {
        let long = "k".repeat(KEY_BYTES_MAX.saturating_add(1));
        let many: Vec<String> = (0..=KEYS_MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (keys, expected) in [
            (&["a"][..], true),
            (&["a", "b"], true),
            (&many[1..], true),
            (&[], false),
            (&[""], false),
            (&["a", "a"], false),
            (&[long.as_str()], false),
            (&many, false),
        ] {
            assert_eq!(is_fit(&request(keys)), expected, "{keys:?}");
        }
    }

    #[test]
    fn counters_of_one_window_are_in_one_object() {
        for (key, expected) in [
            ("rate/login/192.0.2.1/119", "rate/login/192.0.2.1"),
            ("rate/read/2001:db8::/64/119", "rate/read/2001:db8::/64"),
            ("plain", "plain"),
        ] {
            assert_eq!(object_name(key), expected);
        }
    }

    proptest! {
        #[test]
        fn gives_exactly_the_places_that_are_free(
            counts in prop::collection::vec(0_u64..50, 1..6), limit in 0_u64..200,
        ) {
            let free = limit.saturating_sub(counts.iter().sum());
            let mut now = counts;
            let mut given = 0;
            for _ in 0..300 {
                let answer = decide(now, limit);
                given += u64::from(answer.is_admitted);
                now = answer.counts;
            }
            prop_assert_eq!(given, free);
            prop_assert!(given == 0 || now.iter().sum::<u64>() == limit);
        }
    }
}
