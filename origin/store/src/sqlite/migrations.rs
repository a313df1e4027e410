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
    Migration {
        number: 4,
        name: "webhooks",
        sql: include_str!("../../migrations/sqlite/0004_webhooks.sql"),
    },
    Migration {
        number: 5,
        name: "amounts",
        sql: include_str!("../../migrations/sqlite/0005_amounts.sql"),
    },
    Migration {
        number: 6,
        name: "event_sequences",
        sql: include_str!("../../migrations/sqlite/0006_event_sequences.sql"),
    },
    Migration {
        number: 7,
        name: "order_life",
        sql: include_str!("../../migrations/sqlite/0007_order_life.sql"),
    },
    Migration {
        number: 8,
        name: "trade",
        sql: include_str!("../../migrations/sqlite/0008_trade.sql"),
    },
    Migration {
        number: 9,
        name: "pricing",
        sql: include_str!("../../migrations/sqlite/0009_pricing.sql"),
    },
    Migration {
        number: 10,
        name: "stock_places",
        sql: include_str!("../../migrations/sqlite/0010_stock_places.sql"),
    },
    Migration {
        number: 11,
        name: "settings",
        sql: include_str!("../../migrations/sqlite/0011_settings.sql"),
    },
    Migration {
        number: 12,
        name: "invoices",
        sql: include_str!("../../migrations/sqlite/0012_invoices.sql"),
    },
    Migration {
        number: 13,
        name: "promises",
        sql: include_str!("../../migrations/sqlite/0013_promises.sql"),
    },
];

/// The local payment provider's database.
pub(crate) const PAYMENTS: &[Migration] = &[
    Migration {
        number: 1,
        name: "first",
        sql: include_str!("../../migrations/sqlite-payments/0001_first.sql"),
    },
    Migration {
        number: 2,
        name: "intents",
        sql: include_str!("../../migrations/sqlite-payments/0002_intents.sql"),
    },
];

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
    fn the_providers_first_records_come_along() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        apply(&mut connection, &PAYMENTS[..1]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO intents VALUES ('pi_1', 'r1', 500, 'EUR', 'success', 'refunded', NULL, 1),
                   ('pi_2', 'r2', 700, 'JPY', 'late', 'processing', 9, 2);
                 INSERT INTO requests VALUES ('k', zeroblob(32), 'pi_1', 3);
                 INSERT INTO webhooks VALUES ('evt_1', '{}', 1, 4, 3);",
            )
            .unwrap();
        apply(&mut connection, PAYMENTS).unwrap();
        let text = |sql: &str| {
            let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            connection.query_row(sql, [], read).unwrap()
        };
        assert_eq!(
            text("SELECT group_concat(concat_ws(' ', id, status, authorized_minor, captured_minor, released_minor,
                    refunded_minor, coalesce(due_at_ms, '-')), '; ') FROM payments"),
            "pi_1 refunded 500 500 0 500 -; pi_2 processing 0 0 0 0 9"
        );
        assert_eq!(
            text("SELECT concat_ws(' ', key, payment_id, length(fingerprint)) FROM calls"),
            "k pi_1 32"
        );
        assert_eq!(
            text("SELECT concat_ws(' ', id, attempts, coalesce(event_id, id)) FROM webhooks"),
            "evt_1 1 evt_1"
        );
    }

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

    #[test]
    fn payments_of_before_find_their_amounts_and_the_ledger_finds_them() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        apply(&mut connection, &ORIGIN[..4]).unwrap();
        let one = |number: u8, status: &str| {
            connection
                .execute_batch(&format!(
                    "INSERT INTO carts VALUES (x'{number:02x}', NULL, 'EUR', 1, NULL, 0, 0);
                     INSERT INTO orders VALUES (x'{number:02x}', {number}, x'{number:02x}', 1, NULL, x'00', '', '{{}}',
                       'confirmed', 'EUR', 5, 0, 0, 5, 0, 0, 0);
                     INSERT INTO payments VALUES (x'{number:02x}', x'{number:02x}', 'test', 'success', '{status}', 'EUR', 5,
                       NULL, 0, NULL, 0, 0);
                     INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
                       VALUES ('k{number}', 'a', 'EUR', 0, x'{number:02x}', 0);"
                ))
                .unwrap();
        };
        for (number, status) in (1..).zip(["created", "captured", "refunded"]) {
            one(number, status);
        }
        apply(&mut connection, ORIGIN).unwrap();
        let amounts: Vec<[i64; 3]> = connection
            .prepare(
                "SELECT authorized_minor, captured_minor, refunded_minor FROM payments ORDER BY id",
            )
            .unwrap()
            .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(amounts, [[0, 0, 0], [5, 5, 0], [5, 5, 5]]);
        let lost: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(lost, 0);
    }
}
