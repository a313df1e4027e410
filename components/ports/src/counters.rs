//! Counting near the shopper.

#[cfg(test)]
mod tests;

/// Why a counter could not be moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("counter: {0}")]
pub struct CounterError(pub String);

/// How several counters stand after a place in their sum was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The counters, in the order of the keys (oldest first), with the place if it was given.
    pub counts: Vec<u64>,
    /// Whether the place was given.
    pub is_admitted: bool,
}

/// Exact counters near the shopper, for rate limits. Scope: one node, or as wide as the host's store.
pub trait Counters {
    /// Adds `delta` and returns the new value; an absent counter starts at zero.
    ///
    /// # Errors
    /// When the store fails.
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError>;

    /// Reads a counter; absent is zero.
    ///
    /// # Errors
    /// When the store fails.
    async fn count(&self, key: &str) -> Result<u64, CounterError>;

    /// Reads several counters, in the order of the keys. Hosts that read them in one step should.
    ///
    /// # Errors
    /// When the store fails.
    async fn counts(&self, keys: &[String]) -> Result<Vec<u64>, CounterError> {
        let mut counts = Vec::with_capacity(keys.len());
        for key in keys {
            counts.push(self.count(key).await?);
        }
        Ok(counts)
    }

    /// Drops a counter that no window needs any more.
    ///
    /// # Errors
    /// When the store fails.
    async fn forget(&self, key: &str) -> Result<(), CounterError>;

    /// Returns whether the host drops counters by itself once no window can need them. Nobody calls
    /// [`Counters::forget`] then.
    fn forgets_by_itself(&self) -> bool {
        false
    }

    /// Adds one to the last of `keys` unless their sum has reached `limit`. Keys are oldest first; the sum of
    /// admitted places never passes the limit.
    ///
    /// This one reads, then counts: a caller that loses a race for the last place is refused, but stays counted. Hosts
    /// that can decide in one exact step should.
    ///
    /// # Errors
    /// When the store fails, or when there is no key.
    async fn take(&self, keys: &[String], limit: u64) -> Result<Taken, CounterError> {
        let Some(last) = keys.last() else { return Err(CounterError("no key".to_owned())) };
        let mut counts = self.counts(keys).await?;
        if sum(&counts) >= limit {
            return Ok(Taken { counts, is_admitted: false });
        }
        let current = self.increment(last, 1).await?;
        if let Some(count) = counts.last_mut() {
            *count = current;
        }
        // Increments are atomic: of those who raced here, exactly as many pass as there were places.
        let is_admitted = sum(&counts) <= limit;
        Ok(Taken { counts, is_admitted })
    }
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}
