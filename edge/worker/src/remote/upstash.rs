//! Rate limits in a Redis at Upstash: exact across all hosts that share it.

use ports::{CounterError, Counters as _, Taken};
use upstash::counters::CounterLimits;
use upstash::{Endpoint, UpstashCounters};

use crate::ports::WorkerPorts;

impl WorkerPorts {
    fn upstash_endpoint(&self) -> Result<Endpoint, CounterError> {
        // Its error names what is wrong and never the token.
        Endpoint::new(&self.text("upstash_url"), &self.text("upstash_token"))
            .map_err(|error| CounterError(format!("upstash: {error}")))
    }

    pub(crate) async fn upstash_take(
        &self,
        keys: &[String],
        limit: u64,
    ) -> Result<Taken, CounterError> {
        let endpoint = self.upstash_endpoint()?;
        UpstashCounters::new(self, &endpoint, CounterLimits::default()).take(keys, limit).await
    }

    pub(crate) async fn upstash_increment(
        &self,
        key: &str,
        delta: u32,
    ) -> Result<u64, CounterError> {
        let endpoint = self.upstash_endpoint()?;
        UpstashCounters::new(self, &endpoint, CounterLimits::default()).increment(key, delta).await
    }

    pub(crate) async fn upstash_count(&self, key: &str) -> Result<u64, CounterError> {
        let endpoint = self.upstash_endpoint()?;
        UpstashCounters::new(self, &endpoint, CounterLimits::default()).count(key).await
    }
}
