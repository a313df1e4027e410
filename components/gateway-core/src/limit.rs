//! A sliding window over counters.
//!
//! The guarantee: within any 60 s, at most the limit is admitted per key. A window touches the current 15 s bucket
//! and four before it; all five are summed whole. In return the window is up to 75 s long for the one who waits, so
//! a steady caller gets at least four fifths of the limit. It holds as long as the clock does not run backwards and
//! a bucket's increments are done before the next bucket's sums are read: requests that are in flight while a bucket
//! ends may pass in addition. Refused requests are not counted, except those that lost a race for the last place.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::VecDeque;

use domain::Timestamp;
use ports::{CounterError, Counters};

use crate::policy::{Quota, WINDOW};

#[cfg(test)]
mod tests;

/// Buckets before the current one that a window can touch.
const BUCKETS_BEFORE: i64 = 4;

/// Length of a bucket: 15 s.
const BUCKET_MS: i64 = 15_000;

/// Counters that one instance remembers to forget: 8 192, about 0.7 MB. Beyond that the host's own bound must do.
const OPENED_MAX: usize = 8_192;

/// Old counters that one request forgets at most.
const FORGET_PER_REQUEST: usize = 4;

/// Counters that this instance has started, oldest first: whoever opens a bucket drops it. Stays empty where the host
/// does so by itself.
#[derive(Debug, Default)]
pub struct Opened(VecDeque<(i64, String)>);

/// How a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request may pass.
    pub is_admitted: bool,
    /// The limit.
    pub limit: u64,
    /// Requests that would be admitted now.
    pub remaining: u64,
    /// When the next place becomes free, rounded up to a second; at least 1 s.
    pub reset_s: u32,
}

/// Takes a place for `who`, or refuses.
///
/// # Errors
/// When the counters fail; the policy says what that means.
pub async fn take<P: Counters>(
    ports: &P,
    opened: &RefCell<Opened>,
    quota: &Quota,
    scale: u32,
    who: &str,
    now: Timestamp,
) -> Result<Standing, CounterError> {
    let bucket = now.unix_ms().div_euclid(BUCKET_MS);
    forget_old(ports, opened, bucket).await;
    let limit = u64::from(quota.requests_max).saturating_mul(u64::from(scale));
    // Oldest first, the current bucket last.
    let start = key_start(quota, who);
    let keys: Vec<String> = (0..=BUCKETS_BEFORE)
        .rev()
        .map(|age| [start.as_str(), &bucket.saturating_sub(age).to_string()].concat())
        .collect();
    let taken = ports.take(&keys, limit).await?;
    // Who is admitted as the first of its bucket has started the counter.
    let is_new = taken.is_admitted && taken.counts.last() == Some(&1);
    if let Some(key) = keys.into_iter().next_back().filter(|_| is_new && !ports.forgets_by_itself())
    {
        let mut opened = opened.borrow_mut();
        if opened.0.len() < OPENED_MAX {
            opened.0.push_back((bucket, key));
        }
    }
    Ok(judge(&taken.counts, limit, taken.is_admitted, now))
}

async fn forget_old<P: Counters>(ports: &P, opened: &RefCell<Opened>, bucket: i64) {
    for _ in 0..FORGET_PER_REQUEST {
        let oldest_needed = bucket.saturating_sub(BUCKETS_BEFORE);
        let old = opened.borrow_mut().0.pop_front_if(|(opened_in, _)| *opened_in < oldest_needed);
        let Some((_, key)) = old else { return };
        // A counter that could not be dropped costs a few bytes and is never read again.
        let _unforgotten = ports.forget(&key).await;
    }
}

/// A counter's key without the number of its bucket.
fn key_start(quota: &Quota, who: &str) -> String {
    ["rate/", quota.name, "/", who, "/"].concat()
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

fn judge(counts: &[u64], limit: u64, is_admitted: bool, now: Timestamp) -> Standing {
    let mut left = sum(counts);
    let remaining = limit.saturating_sub(left);
    // Buckets leave the sum one by one, oldest first, each at the start of a bucket.
    let into_bucket = now.unix_ms().rem_euclid(BUCKET_MS);
    let mut leaves_in_ms = BUCKET_MS.saturating_sub(into_bucket);
    for count in counts {
        left = left.saturating_sub(*count);
        let is_free = if is_admitted { *count > 0 } else { left < limit };
        if is_free {
            break;
        }
        leaves_in_ms = leaves_in_ms.saturating_add(BUCKET_MS);
    }
    let longest = Duration::from_millis(BUCKET_MS.unsigned_abs()).saturating_add(WINDOW);
    let leaves_in = Duration::from_millis(leaves_in_ms.unsigned_abs()).min(longest);
    let reset_s = u32::try_from(leaves_in.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1);
    Standing { is_admitted, limit, remaining, reset_s }
}

/// Returns the tighter of two standings: a refusal before an admission, then the smaller remainder.
#[must_use]
pub const fn tighter(one: Standing, other: Standing) -> Standing {
    let is_one = match (one.is_admitted, other.is_admitted) {
        (false, true) => true,
        (true, false) => false,
        (false, false) => one.reset_s >= other.reset_s,
        (true, true) => one.remaining <= other.remaining,
    };
    if is_one { one } else { other }
}
