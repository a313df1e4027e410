//! Statements about analytics events.

use api_types::events::{Day, EventBatch, EventCount, EventName, SubjectCount, SubjectKind};
use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;
use crate::events::COUNTS_TOLD_MAX;

pub(crate) fn count(connection: &Connection, counts: &[EventCount]) -> Result<(), StoreError> {
    for EventCount { day, name, subject, count } in counts {
        let is_stranger = name.subject_kind() == SubjectKind::Product
            && !subject.is_empty()
            && !has_product(connection, subject)?;
        let subject = if is_stranger { "" } else { subject };
        // By primary key.
        connection
            .prepare_cached(
                "INSERT INTO event_counts (day, name, subject, count) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (day, name, subject) DO UPDATE SET count = count + excluded.count",
            )?
            .execute(params![day.number(), name.as_str(), subject, count])?;
    }
    Ok(())
}

/// Adds a batch unless it came before; says whether it was new.
pub(crate) fn take(
    connection: &Connection,
    batch: &EventBatch,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // By primary key.
    let added = connection
        .prepare_cached(
            "INSERT INTO event_batches (id, received_at_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![batch.id, now.unix_ms()])?;
    if added == 0 {
        return Ok(false);
    }
    count(connection, &batch.counts)?;
    Ok(true)
}

/// Sorts a whole day, which is what is asked for: operators read it, no shopper waits.
pub(crate) fn of_day(connection: &Connection, day: Day) -> Result<Vec<SubjectCount>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, subject, count FROM event_counts WHERE day = ?1
         ORDER BY count DESC, name, subject LIMIT ?2",
    )?;
    let mut rows = statement.query(params![day.number(), COUNTS_TOLD_MAX])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let name = EventName::ALL.into_iter().find(|known| known.as_str() == name);
        let name = name.ok_or(StoreError::Corrupt("event name"))?;
        let count = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        counts.push(SubjectCount { name, subject: row.get(1)?, count });
    }
    Ok(counts)
}

fn has_product(connection: &Connection, handle: &str) -> Result<bool, StoreError> {
    // By the unique index on the handle.
    let found = connection
        .prepare_cached("SELECT 1 FROM products WHERE handle = ?1")?
        .query_row([handle], |_row| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
