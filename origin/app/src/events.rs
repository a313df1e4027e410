//! Analytics events: how often what happened, per day.

use api_types::events::{Accepted, BatchTaken, Day, DayCounts, Event, EventBatch};

use crate::{App, Error};

impl App {
    /// Counts events that a browser has just sent.
    ///
    /// # Errors
    /// As every write.
    pub async fn count_events(&self, events: &[Event]) -> Result<Accepted, Error> {
        let accepted = events.len();
        let batch = EventBatch::of(String::new(), [(self.clock.now(), events)]);
        self.store.count_events(batch.counts).await?;
        Ok(Accepted { accepted })
    }

    /// Counts what an edge has collected, once however often it is sent.
    ///
    /// # Errors
    /// As every write.
    pub async fn take_events(&self, batch: EventBatch) -> Result<BatchTaken, Error> {
        let sum = batch.counts.iter().map(|count| u64::from(count.count)).sum();
        let is_new = self.store.take_events(batch, self.clock.now()).await?;
        Ok(BatchTaken { counted: if is_new { sum } else { 0 }, is_repeated: !is_new })
    }

    /// Tells the counts of a day; of today unless said.
    ///
    /// # Errors
    /// As every read.
    pub async fn events_of(&self, day: Option<Day>) -> Result<DayCounts, Error> {
        let day = day.unwrap_or_else(|| Day::of(self.clock.now()));
        Ok(DayCounts { day, counts: self.store.events_of(day).await? })
    }
}
