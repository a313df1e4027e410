//! The shop's counters in Redis: one request each, exact across all hosts that share the database.

use core::time::Duration;

use bytes::Bytes;
use http::Request;
use ports::{CounterError, Counters, HttpClient, HttpError, Taken};

use crate::answer::{self, Value};
use crate::{ANSWER_BYTES_MAX, Command, Endpoint, Error};

#[cfg(test)]
mod tests;

/// Decides about a place in a sum, in one step that nothing else comes between.
///
/// KEYS: the counters, oldest first. ARGV: the limit, and the life of a counter in milliseconds. Gives 1 or 0 for the
/// place, then the counters. Redis counts in doubles here: exact below 2^53, and no window has so many requests.
const TAKE: &str = "\
local counts, sum = {}, 0
for i, key in ipairs(KEYS) do
  counts[i] = tonumber(redis.call('GET', key) or 0)
  sum = sum + counts[i]
end
if sum >= tonumber(ARGV[1]) then return {0, unpack(counts)} end
local last = #KEYS
counts[last] = redis.call('INCR', KEYS[last])
if counts[last] == 1 then redis.call('PEXPIRE', KEYS[last], ARGV[2]) end
return {1, unpack(counts)}";

/// How counters are asked.
#[derive(Debug, Clone, Copy)]
pub struct CounterLimits {
    /// Longest wait for an answer. Every limited request waits for one; on expiry its policy says whether it passes.
    pub timeout: Duration,
    /// Life of a counter from its start. Longer than a window and a bucket, or places are given twice.
    pub life: Duration,
}

impl Default for CounterLimits {
    /// One second; and two minutes, as a window of the gateway reaches back 75 s.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(1), life: Duration::from_secs(120) }
    }
}

/// Counters in a database of Upstash, over any host's way to call out.
#[derive(Debug)]
pub struct UpstashCounters<'a, H> {
    http: &'a H,
    endpoint: &'a Endpoint,
    limits: CounterLimits,
}

impl<'a, H: HttpClient> UpstashCounters<'a, H> {
    /// Puts counters on an endpoint.
    #[must_use]
    pub const fn new(http: &'a H, endpoint: &'a Endpoint, limits: CounterLimits) -> Self {
        Self { http, endpoint, limits }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<http::Response<Bytes>, CounterError> {
        self.http
            .send(request, self.limits.timeout, ANSWER_BYTES_MAX)
            .await
            .map_err(|error: HttpError| CounterError(format!("upstash: {error}")))
    }

    async fn ask(&self, command: &Command) -> Result<Value, CounterError> {
        let response = self.send(self.endpoint.single(command).map_err(failed)?).await?;
        answer::read(&response).map_err(failed)
    }
}

impl<H: HttpClient> Counters for UpstashCounters<'_, H> {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        let life_ms = self.limits.life.as_millis();
        let commands = [
            Command::new("INCRBY").arg(key).arg(delta),
            Command::new("PEXPIRE").arg(key).arg(life_ms),
        ];
        let response = self.send(self.endpoint.transaction(&commands).map_err(failed)?).await?;
        let values = answer::read_transaction(&response, commands.len()).map_err(failed)?;
        count_of(values.first())
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        count_of(Some(&self.ask(&Command::new("GET").arg(key)).await?))
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        self.ask(&Command::new("DEL").arg(key)).await.map(|_deleted| ())
    }

    fn forgets_by_itself(&self) -> bool {
        true
    }

    async fn take(&self, keys: &[String], limit: u64) -> Result<Taken, CounterError> {
        if keys.is_empty() {
            return Err(CounterError("no key".to_owned()));
        }
        let command = Command::new("EVAL").arg(TAKE).arg(keys.len());
        let command = keys.iter().fold(command, Command::arg);
        let command = command.arg(limit).arg(self.limits.life.as_millis());
        taken(&self.ask(&command).await?, keys.len())
    }
}

/// Reads what [`TAKE`] gives.
fn taken(value: &Value, keys: usize) -> Result<Taken, CounterError> {
    let Value::List(values) = value else { return Err(unreadable()) };
    let Some((place, counts)) = values.split_first() else { return Err(unreadable()) };
    let is_admitted = match place {
        Value::Integer(1) => true,
        Value::Integer(0) => false,
        _ => return Err(unreadable()),
    };
    let counts: Vec<u64> =
        counts.iter().map(|count| count_of(Some(count))).collect::<Result<_, _>>()?;
    if counts.len() == keys { Ok(Taken { counts, is_admitted }) } else { Err(unreadable()) }
}

fn count_of(value: Option<&Value>) -> Result<u64, CounterError> {
    value.and_then(Value::as_count).ok_or_else(unreadable)
}

fn unreadable() -> CounterError {
    failed(Error::Unreadable("not a counter"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: Error) -> CounterError {
    CounterError(format!("upstash: {error}"))
}
