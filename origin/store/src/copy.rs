//! Moves a shop from a file into a cluster: every table, in one transaction, compared at its end.
//!
//! Whatever is found to differ, the cluster stays as it was. The file is locked for writers meanwhile and never changed, but
//! for what an older program's file needs to be read by this one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use crate::postgres::cluster::Cluster;
use crate::postgres::session::Session;
use crate::tx::{Cell, Row, Tx, Value, values};
use crate::{PostgresConfig, Store, StoreError, postgres, sqlite};

/// Rows that are read and written at once: 500.
const ROWS_MAX: usize = 500;
/// Most parameters of one statement of PostgreSQL: 65 535.
const PARAMETERS_MAX: usize = 65_535;

/// What opening a cluster writes before anything else is done with it.
const BEGUN: &str = "feed_state";

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The cluster holds a shop already, or part of one.
    #[error("the cluster is not empty: there are rows in {0}")]
    NotEmpty(String),
    /// The two do not have the same tables and columns.
    #[error("file and cluster do not have the same tables: {0}")]
    OtherTables(String),
    /// What arrived is not what was sent.
    #[error("what arrived differs: {0}")]
    Differs(String),
    /// One of the two did not answer.
    #[error("database")]
    Store(#[from] StoreError),
}

/// A table of the cluster.
#[derive(Debug)]
struct Table {
    /// With its schema.
    place: String,
    columns: Vec<String>,
    /// Columns that the engine numbers.
    numbered: Vec<String>,
    /// Tables whose rows must be there before.
    needs: BTreeSet<String>,
}

impl Store {
    /// Copies the shop of a file into a cluster that has none.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub async fn copy_shop(from: &Path, to: &PostgresConfig) -> Result<Copied, CopyError> {
        let file = sqlite::open_writer(from, sqlite::migrations::ORIGIN)?;
        // Held to the end: nothing is written to the file that would not be copied.
        file.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from)?;
        let file = Mutex::new(file);
        let cluster = Cluster::new(to)?;
        postgres::migrations::apply(&cluster).await?;
        let session = cluster.primary.connect().await?;
        session
            .batch("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; BEGIN")
            .await?;
        // Dropping the session rolls back.
        let copied = copy(&Tx::Sqlite(&file), &session).await?;
        session.batch("COMMIT").await?;
        Ok(copied)
    }
}

async fn copy(file: &Tx<'_>, session: &Session) -> Result<Copied, CopyError> {
    let tables = tables(session).await?;
    compare_tables(file, &tables).await?;
    let order = in_order(&tables)?;
    let seeded = seeded(&tables).await?;
    for (name, table) in &order {
        let is_new = seeded.contains(*name) || *name == BEGUN;
        if !is_new && count(&Tx::Postgres(session), &table.place).await? > 0 {
            return Err(CopyError::NotEmpty((*name).to_owned()));
        }
    }
    for (_, table) in order.iter().rev() {
        session.batch(&format!("DELETE FROM {}", table.place)).await?;
    }
    let mut copied = BTreeMap::new();
    for (name, table) in &order {
        copied.insert((*name).to_owned(), copy_table(file, session, name, table).await?);
    }
    go_on_numbering(session, &tables).await?;
    for (name, table) in &order {
        let arrived = count(&Tx::Postgres(session), &table.place).await?;
        if arrived != copied.get(*name).copied().unwrap_or(0) {
            return Err(CopyError::Differs(format!("{arrived} rows in {name}")));
        }
    }
    compare_sums(file, session).await?;
    Ok(Copied { tables: copied })
}

/// Reads the tables of the cluster, with what they refer to.
async fn tables(session: &Session) -> Result<BTreeMap<String, Table>, StoreError> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let columns = session
        .query(
            "SELECT c.table_schema::text, c.table_name::text, c.column_name::text, c.is_identity = 'YES'
             FROM information_schema.columns c JOIN information_schema.tables t
               ON t.table_schema = c.table_schema AND t.table_name = c.table_name
             WHERE t.table_type = 'BASE TABLE' AND c.table_schema IN
               ('accounts', 'catalogue', 'inventory', 'orders', 'payments', 'feed', 'analytics')
             ORDER BY c.table_name, c.ordinal_position",
            &[],
        )
        .await?;
    for row in columns {
        let (schema, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (column, is_numbered): (String, bool) = (row.get(2)?, row.get(3)?);
        let table = tables.entry(name.clone()).or_insert_with(|| Table {
            place: format!("{schema}.{name}"),
            columns: Vec::new(),
            numbered: Vec::new(),
            needs: BTreeSet::new(),
        });
        if is_numbered {
            table.numbered.push(column.clone());
        }
        table.columns.push(column);
    }
    let references = session
        .query(
            "SELECT one.relname::text, other.relname::text FROM pg_constraint c
             JOIN pg_class one ON one.oid = c.conrelid JOIN pg_class other ON other.oid = c.confrelid
             WHERE c.contype = 'f' AND c.conrelid <> c.confrelid",
            &[],
        )
        .await?;
    for row in references {
        let (from, to): (String, String) = (row.get(0)?, row.get(1)?);
        if let Some(table) = tables.get_mut(&from) {
            table.needs.insert(to);
        }
    }
    Ok(tables)
}

/// Brings tables into an order in which no row comes before one that it refers to.
fn in_order(tables: &BTreeMap<String, Table>) -> Result<Vec<(&str, &Table)>, CopyError> {
    let mut order: Vec<(&str, &Table)> = Vec::new();
    while order.len() < tables.len() {
        let is_done = |name: &str| order.iter().any(|(done, _)| *done == name);
        let next = tables.iter().find(|(name, table)| {
            let is_ready = |need: &String| is_done(need) || !tables.contains_key(need);
            !is_done(name) && table.needs.iter().all(is_ready)
        });
        let Some((name, table)) = next else {
            return Err(CopyError::OtherTables("they refer to each other in a ring".to_owned()));
        };
        order.push((name, table));
    }
    Ok(order)
}

/// Finds the tables that a new shop has rows in: those of a file that was just made are those of a cluster.
async fn seeded(tables: &BTreeMap<String, Table>) -> Result<BTreeSet<String>, StoreError> {
    let mut fresh = rusqlite::Connection::open_in_memory()?;
    sqlite::migrations::apply(&mut fresh, sqlite::migrations::ORIGIN)?;
    let fresh = Mutex::new(fresh);
    let mut seeded = BTreeSet::new();
    for name in tables.keys() {
        if count(&Tx::Sqlite(&fresh), name).await? > 0 {
            seeded.insert(name.clone());
        }
    }
    Ok(seeded)
}

/// Demands that file and cluster have the same tables with the same columns.
async fn compare_tables(file: &Tx<'_>, tables: &BTreeMap<String, Table>) -> Result<(), CopyError> {
    let rows = file
        .query(
            "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
             WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%'
               AND t.name <> 'schema_migrations'",
            &[],
        )
        .await?;
    let of_the_file = rows
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect::<Result<BTreeSet<(String, String)>, StoreError>>()?;
    let of_the_cluster: BTreeSet<(String, String)> = tables
        .iter()
        .flat_map(|(name, table)| table.columns.iter().map(|column| (name.clone(), column.clone())))
        .collect();
    match of_the_file.symmetric_difference(&of_the_cluster).next() {
        None => Ok(()),
        Some((table, column)) => Err(CopyError::OtherTables(format!("{table}.{column}"))),
    }
}

async fn count(tx: &Tx<'_>, table: &str) -> Result<u64, StoreError> {
    let sql = format!("SELECT CAST(count(*) AS BIGINT) FROM {table}");
    let count: i64 = tx.query_one(&sql, &[]).await?.get(0)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Copies the rows of a table; returns how many.
async fn copy_table(
    file: &Tx<'_>,
    session: &Session,
    name: &str,
    table: &Table,
) -> Result<u64, StoreError> {
    let width = table.columns.len().max(1);
    let rows_max = ROWS_MAX.min(PARAMETERS_MAX.checked_div(width).unwrap_or(1));
    let columns = table.columns.join(", ");
    let select = format!("SELECT {columns} FROM {name} LIMIT ?1 OFFSET ?2");
    let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let mut copied = 0_i64;
    loop {
        // Nobody writes meanwhile, so a table is read in the same order each time.
        let rows = file.query(&select, values![limit, copied]).await?;
        if rows.is_empty() {
            return Ok(u64::try_from(copied).unwrap_or(0));
        }
        let insert =
            format!("INSERT INTO {} ({columns}) VALUES {}", table.place, places(rows.len(), width));
        let parameters: Vec<Value<'_>> =
            rows.iter().flat_map(|row| row.0.iter().map(value)).collect();
        session.execute(&insert, &parameters).await?;
        copied = copied.saturating_add(i64::try_from(rows.len()).unwrap_or(i64::MAX));
    }
}

/// Writes the places of parameters: `(?1, ?2), (?3, ?4)`.
fn places(rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let first = row.saturating_mul(width);
        let places: Vec<String> =
            (1..=width).map(|column| format!("?{}", first.saturating_add(column))).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

fn value(cell: &Cell) -> Value<'_> {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::Integer(*number),
        Cell::Real(number) => Value::Real(*number),
        Cell::Text(text) => Value::Text(text),
        Cell::Blob(bytes) => Value::Blob(bytes),
    }
}

/// Lets the engine number on above what was copied.
async fn go_on_numbering(
    session: &Session,
    tables: &BTreeMap<String, Table>,
) -> Result<(), StoreError> {
    for table in tables.values() {
        for column in &table.numbered {
            let place = &table.place;
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{place}', '{column}'), greatest(max({column}), 1), max({column}) IS NOT NULL)
                 FROM {place}"
            );
            session.query(&sql, &[]).await?;
        }
    }
    session
        .query(
            "SELECT setval('orders.order_numbers', (SELECT value FROM orders.counters WHERE name = 'order_number'))",
            &[],
        )
        .await?;
    Ok(())
}

/// Compares the books: what each account has in each currency, and what the shop's stock is.
async fn compare_sums(file: &Tx<'_>, session: &Session) -> Result<(), CopyError> {
    let cluster = Tx::Postgres(session);
    for sql in [
        "SELECT account, currency, CAST(sum(minor) AS BIGINT) FROM ledger_entries GROUP BY account, currency",
        "SELECT sku, on_hand, reserved FROM stock",
        "SELECT status, currency, CAST(sum(total_minor) AS BIGINT) FROM orders GROUP BY status, currency",
    ] {
        let sorted = |rows: Vec<Row>| {
            let mut texts: Vec<String> = rows.iter().map(|row| format!("{:?}", row.0)).collect();
            texts.sort();
            texts
        };
        let (sent, arrived) =
            (sorted(file.query(sql, &[]).await?), sorted(cluster.query(sql, &[]).await?));
        if sent != arrived {
            return Err(CopyError::Differs(sql.to_owned()));
        }
    }
    Ok(())
}
