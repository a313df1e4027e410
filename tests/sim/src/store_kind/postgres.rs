//! PostgreSQL: a database of its own for each run, in the server that tests may make databases in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anyhow::{Context as _, Result, bail};
use pgcluster::TestDatabase;
use providers::payment::BoxFuture;
use store::{ConnectionUrl, PostgresConfig, Store, StoreConfig, StoreError};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{Jam, Place, StoreKind};
use crate::books::Cell;
use crate::executor::block_on;

/// Connections of one process of the shop to each pool: 2, so that two commands of a process still meet. Each one prepares its
/// statements anew, which is what takes most of a run's time.
const CONNECTIONS_MAX: usize = 2;
/// Where the tables are, as the shop says it.
const SEARCH_PATH: &str =
    "SET search_path = accounts, catalogue, inventory, orders, payments, feed, analytics, public";

#[derive(Debug)]
pub(super) struct PostgresDatabase {
    database: TestDatabase,
    /// Looks at the tables beside the shop.
    eye: Mutex<Option<Eye>>,
}

struct Eye(Client);

impl std::fmt::Debug for Eye {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Eye")
    }
}

/// A database with the shop's tables and nothing else, that those of the runs are copied from while this lives: to make
/// the tables for each takes a third of a short run.
#[derive(Debug)]
pub(super) struct Pattern {
    _database: Arc<TestDatabase>,
}

static PATTERN: Mutex<Weak<TestDatabase>> = Mutex::new(Weak::new());

impl Pattern {
    pub(super) fn make() -> Result<Self> {
        let database = PostgresDatabase::fresh()?;
        let runtime = StoreKind::Postgres.runtime()?;
        let _inside = runtime.enter();
        drop(block_on(database.open()).context("make the tables")?);
        let pattern = Arc::new(database.database);
        *pattern_of_runs() = Arc::downgrade(&pattern);
        Ok(Self { _database: pattern })
    }
}

fn pattern_of_runs() -> MutexGuard<'static, Weak<TestDatabase>> {
    PATTERN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PostgresDatabase {
    pub(super) fn fresh() -> Result<Self> {
        let pattern = pattern_of_runs().upgrade();
        let database = pattern.map_or_else(TestDatabase::create, |pattern| pattern.copy());
        let database = database
            .with_context(|| format!("find a server: {} names none", pgcluster::TEST_URL))?;
        Ok(Self { database, eye: Mutex::new(None) })
    }

    fn eye(&self) -> MutexGuard<'_, Option<Eye>> {
        self.eye.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done over the connection beside the shop, which is made when it is needed first.
    fn with_eye<T>(&self, work: impl AsyncFnOnce(&Client) -> Result<T>) -> Result<T> {
        let mut eye = self.eye();
        let Eye(client) = match eye.take().filter(|Eye(client)| !client.is_closed()) {
            Some(kept) => eye.insert(kept),
            None => eye.insert(Eye(block_on(connect(&self.database.url()))?)),
        };
        block_on(work(client))
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("connect beside the shop")?;
    tokio::spawn(connection);
    client.batch_execute(SEARCH_PATH).await?;
    Ok(client)
}

impl Place for PostgresDatabase {
    fn open(&self) -> BoxFuture<'_, Result<Store, StoreError>> {
        let config = StoreConfig::Postgres(PostgresConfig {
            url: ConnectionUrl::new(self.database.url()),
            standby_url: None,
            connections_max: CONNECTIONS_MAX,
            waiting_max: 1_024,
        });
        Box::pin(async move { Store::open(&config, "first").await })
    }

    fn rows(&self, sql: &str) -> Result<Vec<Vec<Cell>>> {
        let rows = self.with_eye(async |client| Ok(client.query(sql, &[]).await?))?;
        let read =
            |row: &tokio_postgres::Row| (0..row.len()).map(|place| cell(row, place)).collect();
        rows.iter().map(read).collect()
    }

    fn begin_look(&self) -> Result<()> {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.with_eye(async |client| Ok(client.batch_execute(sql).await?))
    }

    fn end_look(&self) -> Result<()> {
        self.with_eye(async |client| Ok(client.batch_execute("COMMIT").await?))
    }

    fn damage(&self, sql: &str) -> Result<()> {
        self.with_eye(async |client| {
            client.batch_execute(sql).await.with_context(|| format!("damage the store: {sql}"))
        })
    }

    fn is_held_back(&self) -> bool {
        false
    }

    fn hold_writes(&self) {}

    fn release_writes(&self) {}

    fn jam(&self, _store: &Store) -> Result<Option<Box<dyn Jam>>> {
        Ok(None)
    }

    fn cut(&self) -> Result<u64> {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let answer = self.with_eye(async |client| Ok(client.simple_query(sql).await?))?;
        let count = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        count.context("count what was cut")
    }
}

fn cell(row: &tokio_postgres::Row, place: usize) -> Result<Cell> {
    let kind = row.columns().get(place).context("a column is absent")?.type_();
    let number = |number: Option<i64>| number.map_or(Cell::Null, Cell::Number);
    Ok(match *kind {
        Type::INT8 => number(row.try_get(place)?),
        Type::INT4 => number(row.try_get::<_, Option<i32>>(place)?.map(i64::from)),
        Type::BOOL => number(row.try_get::<_, Option<bool>>(place)?.map(i64::from)),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(place)?.map_or(Cell::Null, Cell::Bytes),
        Type::TEXT | Type::VARCHAR => {
            row.try_get::<_, Option<String>>(place)?.map_or(Cell::Null, Cell::Text)
        }
        ref other => bail!("a column is of type {other}"),
    })
}
