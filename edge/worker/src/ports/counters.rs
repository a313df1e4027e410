//! Rate limits: in a Durable Object (exact across the network), at Upstash (exact across hosts), or in this isolate.

use core::time::Duration;
use std::collections::BTreeMap;

use api_types::rooms::{TakeAnswer, TakeRequest};
use ports::{CounterError, Counters, Taken, Timer};
use worker::{Method, Request, RequestInit};

use super::{WorkerPorts, before};
use crate::isolate::isolate;
use crate::log;

/// The Durable Objects' binding.
const LIMITER: &str = "LIMITER";

/// The address inside an object; only its path is looked at.
const TAKE_URL: &str = "https://limiter/take";

/// Longest wait for an object: 20 s. Long, because one that is late has counted all the same, and a crowd asks one after
/// the other; what then happens to the request is the quota's to say.
const LIMITER_TIMEOUT: Duration = Duration::from_secs(20);

/// A limit that is none: the largest integer that JSON carries exactly everywhere.
const UNLIMITED: u64 = (1 << 53) - 1;

/// Most counters in one isolate: 16 384, about 2 MB.
const COUNTERS_MAX: usize = 16_384;

/// How many times back a full isolate still counts: 5. A window of the gateway's touches the current time and four
/// before it.
const TIMES_KEPT: i64 = 5;

/// Where counters are, by the variable `counters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    DurableObject,
    Upstash,
    Memory,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "durable-object" => Some(Self::DurableObject),
            "upstash" => Some(Self::Upstash),
            "memory" => Some(Self::Memory),
            _ => None,
        }
    }
}

impl WorkerPorts {
    fn place(&self) -> Result<Place, CounterError> {
        let text = self.text("counters");
        Place::parse(&text).ok_or_else(|| CounterError("unknown variable `counters`".to_owned()))
    }

    async fn ask_limiter(&self, keys: &[String], limit: u64) -> Result<Taken, CounterError> {
        let answer = before(self.sleep(LIMITER_TIMEOUT), self.call_limiter(keys, limit)).await;
        answer.unwrap_or_else(|| Err(CounterError("the limiter gave no answer".to_owned())))
    }

    async fn call_limiter(&self, keys: &[String], limit: u64) -> Result<Taken, CounterError> {
        let Some(name) = keys.last().map(|key| client_of(key)) else {
            return Err(CounterError("no key".to_owned()));
        };
        let question = TakeRequest { keys: keys.to_vec(), limit: limit.min(UNLIMITED) };
        let body = serde_json::to_string(&question).map_err(failed)?;
        let limiters = self.env().durable_object(LIMITER).map_err(failed)?;
        let limiter = limiters.get_by_name(name).map_err(failed)?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(body.into()));
        let request = Request::new_with_init(TAKE_URL, &init).map_err(failed)?;
        let mut response = limiter.fetch_with_request(request).await.map_err(failed)?;
        if response.status_code() != 200 {
            return Err(CounterError(format!("the limiter answered {}", response.status_code())));
        }
        let text = response.text().await.map_err(failed)?;
        let answer: TakeAnswer = serde_json::from_str(&text).map_err(failed)?;
        Ok(Taken { counts: answer.counts, is_admitted: answer.is_admitted })
    }
}

fn failed(error: impl core::fmt::Display) -> CounterError {
    CounterError(error.to_string())
}

/// A client's counters are one object: the key without its last part, the time.
fn client_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(client, _)| client)
}

impl Counters for WorkerPorts {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        match self.place()? {
            Place::Memory => isolate().counters.borrow_mut().add(key, delta),
            Place::Upstash => self.upstash_increment(key, delta).await,
            Place::DurableObject => {
                let keys = [key.to_owned()];
                let mut count = self.count(key).await?;
                for _ in 0..delta {
                    let taken = self.ask_limiter(&keys, UNLIMITED).await?;
                    count = taken.counts.last().copied().unwrap_or(count);
                }
                Ok(count)
            }
        }
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        match self.place()? {
            Place::Memory => Ok(isolate().counters.borrow().count(key)),
            Place::Upstash => self.upstash_count(key).await,
            Place::DurableObject => {
                // A place in a sum that may reach nothing is never given: the counters are only read.
                let taken = self.ask_limiter(&[key.to_owned()], 0).await?;
                Ok(taken.counts.last().copied().unwrap_or(0))
            }
        }
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        if self.place()? == Place::Memory {
            isolate().counters.borrow_mut().forget(key);
        }
        Ok(())
    }

    fn forgets_by_itself(&self) -> bool {
        self.place() != Ok(Place::Memory)
    }

    async fn take(&self, keys: &[String], limit: u64) -> Result<Taken, CounterError> {
        let taken = match self.place() {
            Ok(Place::Memory) => isolate().counters.borrow_mut().take(keys, limit),
            Ok(Place::Upstash) => self.upstash_take(keys, limit).await,
            Ok(Place::DurableObject) => self.ask_limiter(keys, limit).await,
            Err(error) => Err(error),
        };
        // What it means for the request is the gateway's to say; that somebody should look, only we can.
        taken.inspect_err(|error| log::error("counters", &error.0))
    }
}

/// The time that a counter is for, as its key ends.
fn time_of(key: &str) -> Option<i64> {
    key.rsplit_once('/')?.1.parse().ok()
}

/// Counters of one isolate. Another isolate of the same place counts for itself.
#[derive(Debug, Default)]
pub(crate) struct MemoryCounters(BTreeMap<String, u64>);

impl MemoryCounters {
    fn count(&self, key: &str) -> u64 {
        self.0.get(key).copied().unwrap_or(0)
    }

    fn add(&mut self, key: &str, delta: u32) -> Result<u64, CounterError> {
        if self.0.len() >= COUNTERS_MAX && !self.0.contains_key(key) {
            self.forget_before(key);
        }
        if self.0.len() >= COUNTERS_MAX && !self.0.contains_key(key) {
            return Err(CounterError("no room for another counter".to_owned()));
        }
        let count = self.0.entry(key.to_owned()).or_default();
        *count = count.saturating_add(u64::from(delta));
        Ok(*count)
    }

    fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Drops what no window touches any more. The gateway forgets what it has started one by one, but remembers fewer
    /// than fit here: without this, a flood from many addresses would leave no room for ever.
    fn forget_before(&mut self, key: &str) {
        if let Some(now) = time_of(key) {
            let oldest = now.saturating_sub(TIMES_KEPT);
            self.0.retain(|key, _| time_of(key).is_none_or(|time| time >= oldest));
        }
    }

    fn take(&mut self, keys: &[String], limit: u64) -> Result<Taken, CounterError> {
        let Some(last) = keys.last() else { return Err(CounterError("no key".to_owned())) };
        let sum = keys.iter().fold(0_u64, |sum, key| sum.saturating_add(self.count(key)));
        let is_admitted = sum < limit;
        if is_admitted {
            self.add(last, 1)?;
        }
        Ok(Taken { counts: keys.iter().map(|key| self.count(key)).collect(), is_admitted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isolate_admits_exactly_the_limit() {
        let mut counters = MemoryCounters::default();
        let keys = ["rate/read/192.0.2.1/6".to_owned(), "rate/read/192.0.2.1/7".to_owned()];
        counters.add(&keys[0], 2).unwrap();
        let admitted = (0..10).filter(|_| counters.take(&keys, 5).unwrap().is_admitted).count();
        assert_eq!(admitted, 3);
        assert_eq!(counters.take(&keys, 5).unwrap().counts, [2, 3]);
        counters.forget(&keys[0]);
        assert!(counters.take(&keys, 5).unwrap().is_admitted);
        assert!(counters.take(&[], 5).is_err());
    }

    #[test]
    fn a_full_isolate_counts_on_for_those_it_knows() {
        let mut counters = MemoryCounters::default();
        for index in 0..COUNTERS_MAX {
            counters.add(&index.to_string(), 1).unwrap();
        }
        assert!(counters.add("new", 1).is_err());
        assert_eq!(counters.add("7", 1), Ok(2));
    }

    #[test]
    fn a_flood_leaves_room_when_its_time_is_over() {
        let mut counters = MemoryCounters::default();
        for index in 0..COUNTERS_MAX {
            counters.add(&format!("rate/login/{index}/100"), 1).unwrap();
        }
        assert!(counters.add("rate/login/new/104", 1).is_err());
        assert_eq!(counters.add("rate/login/new/106", 1), Ok(1));
        assert_eq!(counters.0.len(), 1);
    }

    #[test]
    fn a_client_has_one_object_for_all_its_times() {
        assert_eq!(client_of("rate/read/2001:db8::/117"), "rate/read/2001:db8::");
        assert_eq!(client_of("plain"), "plain");
    }

    #[test]
    fn a_wrong_variable_is_no_place() {
        assert_eq!(Place::parse(""), Some(Place::DurableObject));
        assert_eq!(Place::parse("upstash"), Some(Place::Upstash));
        assert_eq!(Place::parse("memory"), Some(Place::Memory));
        assert_eq!(Place::parse("Memory"), None);
    }
}
