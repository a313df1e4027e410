//! What `pool-core` is to do for the shop: its numbers, and which requests may be sent twice.
//!
//! The first origin of a list is the only one that serves; the others stand by ([`pool_core::Tier`]). So they are asked
//! when it cannot be, never to be quicker: nothing is hedged, for what stands by may not know what the first one does.

use core::time::Duration;

use http::{HeaderMap, Method};
use pool_core::settings::{Balance, Breaker, Deadlines, Passive, Retries};
use pool_core::{RequestFacts, Settings};

/// Most attempts per request: 3. More would multiply load on origins that already fail.
pub const ATTEMPTS_MAX: u8 = 3;

/// How long a request may meet nothing but silence: 1.8 s, so that a client is answered within 2 s.
pub const SILENCE_MAX: Duration = Duration::from_millis(1_800);

/// How long one origin may be silent: 1 s, so that a second one still has 0.8 s of the time for silence.
const ATTEMPT_SILENCE_MAX: Duration = Duration::from_secs(1);

/// How long an origin that is proven alive may take for one answer: 8 s, below the 10 s that a node gives a whole request.
/// It holds one edge instance meanwhile.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a failing origin is passed over at first: 3 s. Longer than the 2 s that clients are told to wait, so that a
/// returning client does not meet the same dead origin first. Each further time is twice as long, up to [`REST_MAX`].
const REST: Duration = Duration::from_secs(3);

/// Longest time for which a failing origin is passed over: 24 s. There are no probes here that would notice its return.
const REST_MAX: Duration = Duration::from_secs(24);

/// Returns how the shop's origins are used; what is not named here is as `pool-core` has it.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        balance: Balance {
            // Hosts bound what is in flight, and nobody here would wake those who wait.
            in_flight_max: u32::MAX,
            pending_max: 0,
            ..Balance::default()
        },
        passive: Passive {
            ejection: REST,
            ejection_max: REST_MAX,
            // An origin that names a longer time is asked after this one all the same: its standby may be switched off.
            retry_after_max: REST,
            ..Passive::default()
        },
        // An instance sees few requests: one good answer has to do.
        breaker: Breaker { successes: 1, ..Breaker::default() },
        probes: None,
        retries: Retries { attempts_max: ATTEMPTS_MAX, ..Retries::default() },
        hedge: None,
        deadlines: Deadlines {
            overall: SILENCE_MAX,
            head: ATTEMPT_SILENCE_MAX,
            ..Deadlines::default()
        },
        ..Settings::default()
    }
}

/// Reads what decides whether a request may be sent again although an origin may have acted on it.
///
/// Reads may, and what has an idempotency key. `PUT` and `DELETE` alone do not suffice: the second answer would be 404 or
/// 412, where the first one that was lost was good.
#[must_use]
pub fn facts(method: &Method, headers: &HeaderMap) -> RequestFacts {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_idempotent = is_read || headers.contains_key("idempotency-key");
    RequestFacts { is_read, is_idempotent, is_replayable: true }
}

#[cfg(test)]
mod tests;
