//! One call to Stripe: its headers, its deadline, and its retries, which Stripe itself asks for.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::form::Form;
use super::{API_VERSION, error, verb};
use crate::client::{Answer, HttpClient, retry_after};
use crate::payment::PaymentError;
use crate::secret::Secret;

/// Longest answer read: 2 MiB. A page of 100 intents with their charges has about 700 KiB.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most attempts at one call: 3.
const ATTEMPTS_MAX: u32 = 3;
/// First pause before an attempt that Stripe asked for: 100 ms; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause before a further attempt: 1 s. Whoever is told to wait longer hears so while that is certain: at the
/// deadline it would only be unknown.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What one call gives the budget, in hundredths of an attempt: 20, so that retries add a fifth to the load at most.
const BUDGET_DEPOSIT: u32 = 20;
/// What one further attempt costs.
const BUDGET_COST: u32 = 100;
/// Most that the budget saves up: 10 attempts, which is also what it starts with.
const BUDGET_MAX: u32 = 1_000;

/// Whoever calls Stripe.
pub(super) struct Caller {
    base: String,
    key: Secret,
    deadline: Duration,
    client: HttpClient,
    budget: Budget,
}

/// An answer that can be read.
pub(super) struct Good(Bytes);

impl Good {
    pub(super) fn object<T: DeserializeOwned>(&self) -> Result<T, PaymentError> {
        serde_json::from_slice(&self.0).map_err(PaymentError::unknown)
    }
}

impl Caller {
    pub(super) fn new(base: String, key: Secret, deadline: Duration) -> Self {
        let client = HttpClient::new(ANSWER_BYTES_MAX);
        Self { base, key, deadline, client, budget: Budget::new() }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Gives a whole operation, with all its calls and pauses, the one deadline.
    pub(super) async fn within<T>(
        &self,
        operation: impl Future<Output = Result<T, PaymentError>>,
    ) -> Result<T, PaymentError> {
        tokio::time::timeout(self.deadline, operation).await.map_err(PaymentError::unknown)?
    }

    pub(super) async fn get(&self, path: &str, query: Form) -> Result<Good, PaymentError> {
        self.call(&format!("{path}?{}", query.into_text()), None, String::new()).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        key: &str,
        form: Form,
    ) -> Result<Good, PaymentError> {
        self.call(path, Some(key), form.into_text()).await
    }

    /// Asks until Stripe says something final. Stripe alone knows whether the same request may be sent again, and says
    /// so with each answer; where there is none, the outcome is unknown and whoever asked looks it up.
    async fn call(
        &self,
        path: &str,
        key: Option<&str>,
        body: String,
    ) -> Result<Good, PaymentError> {
        self.budget.deposit();
        let body = Bytes::from(body);
        let mut attempt = 1;
        loop {
            let answer = self.client.exchange(self.request(path, key, body.clone())?).await?;
            if answer.status.is_success() {
                return Ok(Good(answer.body));
            }
            let pause = pause(attempt, key.unwrap_or(path), &answer.headers);
            let may_retry = attempt < ATTEMPTS_MAX
                && pause <= PAUSE_MAX
                && says_retry(&answer.headers)
                && self.budget.withdraw();
            if !may_retry {
                return finish(answer);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    fn request(
        &self,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, PaymentError> {
        let mut request = Request::builder()
            .method(verb(key))
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key.expose()))
            .header("stripe-version", API_VERSION);
        if let Some(key) = key {
            request = request
                .header("idempotency-key", key)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        // Nothing was sent: the request cannot even be written down.
        request.body(Full::new(body)).map_err(|_| PaymentError::Invalid("request".to_owned()))
    }
}

/// Turns the last answer into its meaning: a refused payment is an answer, everything else an error.
fn finish(answer: Answer) -> Result<Good, PaymentError> {
    match error::declined_intent(&answer) {
        Some(intent) => Ok(Good(intent)),
        None => Err(error::meaning(&answer)),
    }
}

fn says_retry(headers: &HeaderMap) -> bool {
    headers.get("stripe-should-retry").is_some_and(|value| value == "true")
}

/// Returns how long to wait before the next attempt: what Stripe says, or a time that doubles. A part of it comes from
/// the key, so that callers who failed together do not come back together.
fn pause(attempt: u32, key: &str, headers: &HeaderMap) -> Duration {
    let spread = u32::from(Sha256::digest(key.as_bytes()).first().copied().unwrap_or(0));
    let pause = PAUSE_FIRST.saturating_mul(1 << (attempt - 1).min(10));
    retry_after(headers).unwrap_or(pause).saturating_add(pause.saturating_mul(spread) / 256)
}

/// Further attempts that may be made, for all calls together: a provider in trouble must not get more to do.
struct Budget(AtomicU32);

impl Budget {
    const fn new() -> Self {
        Self(AtomicU32::new(BUDGET_MAX))
    }

    fn deposit(&self) {
        let add = |held: u32| Some(held.saturating_add(BUDGET_DEPOSIT).min(BUDGET_MAX));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    fn withdraw(&self) -> bool {
        let take = |held: u32| held.checked_sub(BUDGET_COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_lets_a_fifth_of_the_calls_be_made_again() {
        let budget = Budget::new();
        let started = (0..100).filter(|_| budget.withdraw()).count();
        assert_eq!(started, 10);
        let retried = (0..1_000)
            .filter(|_| {
                budget.deposit();
                budget.withdraw()
            })
            .count();
        assert_eq!(retried, 200);
    }

    #[test]
    fn pauses_grow_are_spread_and_heed_what_stripe_says() {
        let none = HeaderMap::new();
        for attempt in 1..3 {
            let (first, other) = (pause(attempt, "a", &none), pause(attempt, "b", &none));
            assert_ne!(first, other);
            for pause in [first, other] {
                let least = PAUSE_FIRST * (1 << (attempt - 1));
                assert!(pause >= least && pause < least * 2, "{pause:?}");
            }
        }
        let told = HeaderMap::from_iter([(header::RETRY_AFTER, "2".parse().unwrap())]);
        assert!(pause(1, "a", &told) >= Duration::from_secs(2));
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let says = |text: &str| {
            let name = header::HeaderName::from_static("stripe-should-retry");
            says_retry(&HeaderMap::from_iter([(name, text.parse().unwrap())]))
        };
        assert!(says("true"));
        assert!(!says("false") && !says("maybe") && !says_retry(&HeaderMap::new()));
    }
}
