//! Statements about analytics events.

use api_types::events::{Day, EventBatch, EventCount, EventName, SubjectCount, SubjectKind};
use domain::Timestamp;

use crate::StoreError;
use crate::events::COUNTS_TOLD_MAX;
use crate::tx::{Tx, values};

pub(crate) async fn count(tx: &Tx<'_>, counts: &[EventCount]) -> Result<(), StoreError> {
    for EventCount { day, name, subject, count } in counts {
        let is_stranger = name.subject_kind() == SubjectKind::Product
            && !subject.is_empty()
            && !has_product(tx, subject).await?;
        let subject = if is_stranger { "" } else { subject };
        // By primary key.
        tx.execute("INSERT INTO event_counts (day, name, subject, count) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (day, name, subject) DO UPDATE SET count = event_counts.count + excluded.count", values![day.number(), name.as_str(), subject, *count]).await?;
    }
    Ok(())
}

/// Adds a batch unless it came before; says whether it was new.
pub(crate) async fn take(
    tx: &Tx<'_>,
    batch: &EventBatch,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // By primary key.
    let added = tx.execute("INSERT INTO event_batches (id, received_at_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING", values![&batch.id, now.unix_ms()]).await?;
    if added == 0 {
        return Ok(false);
    }
    count(tx, &batch.counts).await?;
    Ok(true)
}

/// Sorts a whole day, which is what is asked for: operators read it, no shopper waits.
pub(crate) async fn of_day(tx: &Tx<'_>, day: Day) -> Result<Vec<SubjectCount>, StoreError> {
    let rows = tx
        .query(
            "SELECT name, subject, count FROM event_counts WHERE day = ?1
             ORDER BY count DESC, name, subject LIMIT ?2",
            values![day.number(), COUNTS_TOLD_MAX],
        )
        .await?;
    let mut counts = Vec::new();
    for row in rows {
        let name: String = row.get(0)?;
        let name = EventName::ALL.into_iter().find(|known| known.as_str() == name);
        let name = name.ok_or(StoreError::Corrupt("event name"))?;
        let count = u64::try_from(row.get::<i64>(2)?).unwrap_or(0);
        counts.push(SubjectCount { name, subject: row.get(1)?, count });
    }
    Ok(counts)
}

async fn has_product(tx: &Tx<'_>, handle: &str) -> Result<bool, StoreError> {
    // By the unique index on the handle.
    let found = tx.query_opt("SELECT 1 FROM products WHERE handle = ?1", values![handle]).await?;
    Ok(found.is_some())
}
