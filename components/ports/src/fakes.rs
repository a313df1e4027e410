//! Ports in memory, for tests: each can be told to fail, and records what was asked.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    Clock, CounterError, Counters, Duration, Entropy, HttpClient, HttpError, KeyValue,
    KeyValueError, Request, Response, Sessions, SigningKey, SqlError, Timer, Timestamp,
    VariableError, Variables,
};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FakeClock(Cell<Timestamp>);

impl FakeClock {
    /// Starts at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(Cell::new(now))
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        self.0.set(self.0.get().after(by));
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}

/// Ends every wait at once, or none.
#[derive(Debug, Default)]
pub struct FakeTimer {
    /// What was waited for, in order.
    pub slept: RefCell<Vec<Duration>>,
    /// When set, no wait ends: whatever races against one wins.
    pub is_stopped: Cell<bool>,
}

impl Timer for FakeTimer {
    async fn sleep(&self, duration: Duration) {
        self.slept.borrow_mut().push(duration);
        if self.is_stopped.get() {
            core::future::pending::<()>().await;
        }
    }
}

/// Bytes that count up: unique, and the same on every run.
#[derive(Debug, Default)]
pub struct FakeEntropy(Cell<u64>);

impl Entropy for FakeEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let next = self.0.get().wrapping_add(1);
            self.0.set(next);
            for (to, from) in chunk.iter_mut().zip(next.to_be_bytes()) {
                *to = from;
            }
        }
    }
}

/// Counters in a map.
#[derive(Debug, Default)]
pub struct FakeCounters {
    counts: RefCell<BTreeMap<String, u64>>,
    /// When set, every call fails.
    pub is_broken: Cell<bool>,
}

impl FakeCounters {
    /// Returns how many counters are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.borrow().len()
    }

    /// Returns whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self) -> Result<(), CounterError> {
        if self.is_broken.get() { Err(CounterError("broken".to_owned())) } else { Ok(()) }
    }
}

impl Counters for FakeCounters {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        self.check()?;
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(key.to_owned()).or_default();
        *count = count.saturating_add(u64::from(delta));
        Ok(*count)
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        self.check()?;
        Ok(self.counts.borrow().get(key).copied().unwrap_or(0))
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        self.check()?;
        self.counts.borrow_mut().remove(key);
        Ok(())
    }
}

/// Keys and ended sessions in memory; how often each was asked for is counted.
#[derive(Debug, Default)]
pub struct FakeSessions {
    /// The published keys.
    pub keys: RefCell<Vec<SigningKey>>,
    /// The ended sessions.
    pub revoked: RefCell<BTreeSet<String>>,
    /// When set, every call fails.
    pub is_down: Cell<bool>,
    /// How often the keys were read.
    pub key_reads: Cell<u32>,
    /// How often a session was looked up.
    pub revocation_reads: Cell<u32>,
}

impl FakeSessions {
    fn check(&self, reads: &Cell<u32>) -> Result<(), SqlError> {
        if self.is_down.get() {
            return Err(SqlError::NotReady);
        }
        reads.set(reads.get().saturating_add(1));
        Ok(())
    }
}

impl Sessions for FakeSessions {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError> {
        self.check(&self.key_reads)?;
        Ok(self.keys.borrow().clone())
    }

    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError> {
        self.check(&self.revocation_reads)?;
        Ok(self.revoked.borrow().contains(session))
    }
}

/// A key-value store in a map.
#[derive(Debug, Default)]
pub struct FakeKeyValue {
    values: RefCell<BTreeMap<String, Bytes>>,
    /// When set, every call fails.
    pub is_broken: Cell<bool>,
}

impl FakeKeyValue {
    fn check(&self) -> Result<(), KeyValueError> {
        if self.is_broken.get() { Err(KeyValueError::Failed("broken".to_owned())) } else { Ok(()) }
    }
}

impl KeyValue for FakeKeyValue {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, KeyValueError> {
        self.check()?;
        Ok(self.values.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), KeyValueError> {
        self.check()?;
        self.values.borrow_mut().insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.check()?;
        self.values.borrow_mut().remove(key);
        Ok(())
    }
}

/// Variables in a map.
#[derive(Debug, Default)]
pub struct FakeVariables(pub BTreeMap<String, String>);

impl Variables for FakeVariables {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        self.0.get(name).cloned().ok_or_else(|| VariableError::Undefined(name.to_owned()))
    }
}

/// What a [`FakeHttpClient`] does with a request.
pub type Answer = Box<dyn Fn(&Request<Bytes>) -> Result<Response<Bytes>, HttpError>>;

/// Upstreams as one function; every request is kept for the test to look at.
pub struct FakeHttpClient {
    answer: Answer,
    /// What was sent, in order.
    pub sent: RefCell<Vec<Request<Bytes>>>,
}

impl core::fmt::Debug for FakeHttpClient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FakeHttpClient").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl FakeHttpClient {
    /// Answers every request by `answer`.
    pub fn new(
        answer: impl Fn(&Request<Bytes>) -> Result<Response<Bytes>, HttpError> + 'static,
    ) -> Self {
        Self { answer: Box::new(answer), sent: RefCell::default() }
    }
}

impl HttpClient for FakeHttpClient {
    async fn send(
        &self,
        request: Request<Bytes>,
        _timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let answer = (self.answer)(&request);
        self.sent.borrow_mut().push(request);
        match answer {
            Ok(response) if response.body().len() > body_bytes_max => Err(HttpError::TooLarge),
            other => other,
        }
    }
}
