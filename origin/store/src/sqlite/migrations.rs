//! Numbered, forward-only changes of the schema, applied at start in one transaction.

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// One change. Numbers are dense from 1; a published one is never edited.
#[derive(Debug)]
pub(crate) struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

#[cfg(test)]
impl Migration {
    /// Returns what its twin of the other engine must be called too.
    pub(crate) const fn name(&self) -> (i64, &'static str) {
        (self.number, self.name)
    }
}

/// The shop's own database.
pub(crate) const ORIGIN: &[Migration] = &[
    Migration {
        number: 1,
        name: "first",
        sql: include_str!("../../migrations/sqlite/0001_first.sql"),
    },
    Migration {
        number: 2,
        name: "forgetting",
        sql: include_str!("../../migrations/sqlite/0002_forgetting.sql"),
    },
    Migration {
        number: 3,
        name: "events",
        sql: include_str!("../../migrations/sqlite/0003_events.sql"),
    },
];

/// The local payment provider's database.
pub(crate) const PAYMENTS: &[Migration] = &[Migration {
    number: 1,
    name: "first",
    sql: include_str!("../../migrations/sqlite-payments/0001_first.sql"),
}];

/// Applies what is missing.
pub(crate) fn apply(
    connection: &mut Connection,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
           number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
         ) STRICT",
    )?;
    let found: i64 = transaction.query_row(
        "SELECT coalesce(max(number), 0) FROM schema_migrations",
        [],
        |row| row.get(0),
    )?;
    let known = migrations.last().map_or(0, |last| last.number);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for migration in migrations.iter().filter(|migration| migration.number > found) {
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "INSERT INTO schema_migrations (number, name) VALUES (?1, ?2)",
            (migration.number, migration.name),
        )?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_a_newer_file_is_refused() {
        for migrations in [ORIGIN, PAYMENTS] {
            let numbers: Vec<i64> = migrations.iter().map(|migration| migration.number).collect();
            assert_eq!(numbers, (1..=i64::try_from(migrations.len()).unwrap()).collect::<Vec<_>>());
            let mut connection = Connection::open_in_memory().unwrap();
            apply(&mut connection, migrations).unwrap();
            apply(&mut connection, migrations).unwrap();
            connection
                .execute("INSERT INTO schema_migrations (number, name) VALUES (99, 'later')", [])
                .unwrap();
            assert!(matches!(
                apply(&mut connection, migrations),
                Err(StoreError::TooNew { found: 99, .. })
            ));
        }
    }
}
