//! Numbered, forward-only changes of the schema, each in a transaction of its own, by one instance at a time.
//!
//! A change is safe while the program before it still runs (expand, fill, and only a release later contract), so
//! instances are replaced one by one: a program that is one change behind goes on.

use super::cluster::Cluster;
use super::session::Session;
use crate::StoreError;
use crate::tx::values;

/// Names the lock that instances which start together wait for; any number that nobody else uses.
const LOCK: i64 = 0x5669_7472_696e_6501;

/// What was applied. Everybody may read it.
const LIST: &str = "CREATE TABLE public.schema_migrations (
  number BIGINT PRIMARY KEY, name TEXT NOT NULL, readable_from BIGINT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
GRANT SELECT ON public.schema_migrations TO PUBLIC";

/// One change. Numbers are dense from 1 and those of SQLite's twin; a published one is never edited.
#[derive(Debug)]
pub(crate) struct Migration {
    number: i64,
    name: &'static str,
    /// The oldest change that a program must know to go on beside this one.
    readable_from: i64,
    sql: &'static str,
}

/// The shop's database.
pub(crate) const ORIGIN: &[Migration] = &[
    Migration {
        number: 1,
        name: "first",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0001_first.sql"),
    },
    Migration {
        number: 2,
        name: "forgetting",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0002_forgetting.sql"),
    },
    Migration {
        number: 3,
        name: "events",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0003_events.sql"),
    },
    Migration {
        number: 4,
        name: "webhooks",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0004_webhooks.sql"),
    },
    Migration {
        number: 5,
        name: "amounts",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0005_amounts.sql"),
    },
    Migration {
        number: 6,
        name: "event_sequences",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0006_event_sequences.sql"),
    },
    Migration {
        number: 7,
        name: "order_life",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0007_order_life.sql"),
    },
    Migration {
        number: 8,
        name: "trade",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0008_trade.sql"),
    },
    Migration {
        number: 9,
        name: "pricing",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0009_pricing.sql"),
    },
    Migration {
        number: 10,
        name: "stock_places",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0010_stock_places.sql"),
    },
    Migration {
        number: 11,
        name: "settings",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0011_settings.sql"),
    },
    Migration {
        number: 12,
        name: "invoices",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0012_invoices.sql"),
    },
    Migration {
        number: 13,
        name: "promises",
        readable_from: 1,
        sql: include_str!("../../migrations/postgres/0013_promises.sql"),
    },
];

/// Applies what is missing.
pub(crate) async fn apply(cluster: &Cluster) -> Result<(), StoreError> {
    let session = cluster.primary.connect().await?;
    session.batch("SET statement_timeout = 0; SET lock_timeout = '30s'").await?;
    while apply_next(&session).await? {}
    Ok(())
}

/// Applies one change; `false` when nothing is missing.
async fn apply_next(session: &Session) -> Result<bool, StoreError> {
    session.batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    // Looked for first: who may only use the tables may not say CREATE here, even where there is nothing to be made.
    let table = session.query("SELECT to_regclass('public.schema_migrations')::text", &[]).await?;
    if table.first().map(|row| row.get::<Option<String>>(0)).transpose()?.flatten().is_none() {
        session.batch(LIST).await?;
    }
    let row = session
        .query(
            "SELECT coalesce(max(number), 0), coalesce(max(readable_from), 0) FROM public.schema_migrations",
            &[],
        )
        .await?;
    let row = row.first().ok_or(StoreError::Corrupt("migrations"))?;
    let (found, readable_from): (i64, i64) = (row.get(0)?, row.get(1)?);
    let known = ORIGIN.last().map_or(0, |last| last.number);
    if readable_from > known {
        return Err(StoreError::TooNew { found, known });
    }
    let missing = ORIGIN.iter().find(|migration| migration.number > found);
    if let Some(migration) = missing {
        tracing::info!(migration.number, migration.name, "migrate the database");
        session.batch(migration.sql).await?;
        session
            .execute(
                "INSERT INTO public.schema_migrations (number, name, readable_from) VALUES (?1, ?2, ?3)",
                values![migration.number, migration.name, migration.readable_from],
            )
            .await?;
    }
    session.batch("COMMIT").await?;
    Ok(missing.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_those_of_the_other_engine() {
        let numbers: Vec<i64> = ORIGIN.iter().map(|migration| migration.number).collect();
        assert_eq!(numbers, (1..=i64::try_from(ORIGIN.len()).unwrap()).collect::<Vec<_>>());
        let twins = crate::sqlite::migrations::ORIGIN;
        assert!(
            ORIGIN
                .iter()
                .map(|migration| (migration.number, migration.name))
                .eq(twins.iter().map(|twin| twin.name()))
        );
        assert!(ORIGIN.iter().all(|migration| migration.readable_from <= migration.number));
    }
}
