//! Which store a run is over, and what the simulation does to it behind the shop's back.
//!
//! An engine is a variant here and a [`Place`]: how a process opens it, how its tables are read at the end, how a test
//! damages them, how its write queue is filled up if it has one, and how its connections are cut.

mod postgres;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use domain::Timestamp;
use providers::payment::BoxFuture;
use store::{SqliteConfig, Store, StoreConfig, StoreError};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::books::Cell;
use crate::executor::{Interleaving, block_on};

/// Prepared statements that are kept to look at the tables: 256, more than there are.
const STATEMENTS_MAX: usize = 256;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum StoreKind {
    /// SQLite in a file, in memory where the machine has `/dev/shm`: one process.
    #[default]
    Sqlite,
    /// PostgreSQL, a database in the server of `ORIGIN_TEST_PG_URL`: two processes, their commands at the same time.
    Postgres,
    /// The same, one command after the other: a run of a seed can be repeated.
    PostgresInTurn,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::PostgresInTurn => "postgres-in-turn",
        })
    }
}

impl StoreKind {
    /// Whether its database can be made here: PostgreSQL needs a server, which `ORIGIN_TEST_PG_URL` names.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres | Self::PostgresInTurn => {
                std::env::var_os(pgcluster::TEST_URL).is_some()
            }
        }
    }

    /// Makes once what runs of many seeds have in common; it serves them until the answer is dropped.
    ///
    /// # Errors
    /// When there is no place for a database.
    pub fn prepare(self) -> Result<Prepared> {
        let pattern = match self {
            Self::Sqlite => None,
            Self::Postgres | Self::PostgresInTurn => Some(postgres::Pattern::make()?),
        };
        Ok(Prepared { _pattern: pattern })
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(crate) fn fresh(self) -> Result<Box<dyn Place>> {
        match self {
            Self::Sqlite => Ok(Box::new(SqliteFile::fresh()?)),
            Self::Postgres | Self::PostgresInTurn => {
                Ok(Box::new(postgres::PostgresDatabase::fresh()?))
            }
        }
    }

    /// Makes the runtime that the store's own work runs on; use cases never do. A store that speaks over sockets needs
    /// one with threads, which goes on by itself.
    pub(crate) fn runtime(self) -> std::io::Result<Runtime> {
        match self {
            // It reads on the blocking pool. One thread, so that a gate holds back all reads: see `executor`.
            Self::Sqlite => Builder::new_current_thread().max_blocking_threads(1).build(),
            Self::Postgres | Self::PostgresInTurn => {
                Builder::new_multi_thread().worker_threads(1).enable_all().build()
            }
        }
    }

    /// How many processes of the shop share one database.
    #[must_use]
    pub const fn instances(self) -> usize {
        match self {
            Self::Sqlite => 1,
            Self::Postgres | Self::PostgresInTurn => 2,
        }
    }

    /// Where use cases may overtake each other.
    #[must_use]
    pub const fn interleaving(self) -> Interleaving {
        match self {
            Self::Sqlite => Interleaving::EveryAwait,
            Self::Postgres => Interleaving::AtOnce,
            Self::PostgresInTurn => Interleaving::CallsOnly,
        }
    }
}

/// What runs have in common: see [`StoreKind::prepare`].
#[derive(Debug)]
pub struct Prepared {
    _pattern: Option<postgres::Pattern>,
}

/// One database, for one run.
pub(crate) trait Place: fmt::Debug + Send + Sync {
    /// Opens it as a starting process does. Dropping the store closes it.
    fn open(&self) -> BoxFuture<'_, Result<Store, StoreError>>;

    /// Runs a query past the shop; see [`crate::books`].
    fn rows(&self, sql: &str) -> Result<Vec<Vec<Cell>>>;

    /// Damages it: the statements of a planted bug.
    fn damage(&self, sql: &str) -> Result<()>;

    /// Lets [`Place::rows`] see one moment of the tables, until [`Place::end_look`].
    fn begin_look(&self) -> Result<()> {
        Ok(())
    }

    /// Ends [`Place::begin_look`].
    fn end_look(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the store is held back while a task of the shop runs, for an engine with [`Interleaving::EveryAwait`].
    fn is_held_back(&self) -> bool {
        true
    }

    /// Breaks every connection of the shop to the database; says how many.
    fn cut(&self) -> Result<u64> {
        Ok(0)
    }

    /// Keeps the store from carrying out writes until [`Place::release_writes`]; they wait in its queue. An engine that
    /// is not held back needs none of this.
    fn hold_writes(&self);

    /// Ends [`Place::hold_writes`].
    fn release_writes(&self);

    /// Fills the store's write queue until the answer is dropped. `None`: this engine has none.
    fn jam(&self, store: &Store) -> Result<Option<Box<dyn Jam>>>;
}

/// A write queue that is full for as long as this lives.
pub(crate) trait Jam: Send {}

#[derive(Debug)]
struct SqliteFile {
    _folder: TempDir,
    path: PathBuf,
    /// Has the writer's lock while writes are held back.
    gate: Mutex<Option<rusqlite::Connection>>,
    /// Looks at the tables beside the shop. Kept: to open one for each look, and have it learn the tables, took half of a run's
    /// time.
    eye: Mutex<Option<rusqlite::Connection>>,
}

impl SqliteFile {
    fn fresh() -> Result<Self> {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::Builder::new().prefix("vitrine-sim-").tempdir_in(memory)
        } else {
            tempfile::Builder::new().prefix("vitrine-sim-").tempdir()
        };
        let folder = folder.context("make a folder for the database")?;
        let path = folder.path().join("origin.db");
        Ok(Self { _folder: folder, path, gate: Mutex::new(None), eye: Mutex::new(None) })
    }

    fn connect(&self) -> Result<rusqlite::Connection> {
        rusqlite::Connection::open(&self.path).context("open the database beside the shop")
    }
}

impl Place for SqliteFile {
    fn open(&self) -> BoxFuture<'_, Result<Store, StoreError>> {
        // A queue of one: the simulation has one command with the store at any moment, and a jam fills it with two.
        let config = StoreConfig::Sqlite(SqliteConfig {
            path: self.path.clone(),
            write_queue_max: 1,
            read_connections_max: 4,
        });
        Box::pin(async move { Store::open(&config, "first").await })
    }

    fn rows(&self, sql: &str) -> Result<Vec<Vec<Cell>>> {
        let mut eye = self.eye.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match eye.take() {
            Some(kept) => eye.insert(kept),
            None => {
                let fresh = eye.insert(self.connect()?);
                fresh.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
                fresh
            }
        };
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| (0..columns).map(|place| cell(row, place)).collect();
        let rows = statement.query_map([], read)?.collect::<Result<_, _>>();
        rows.context("read the database beside the shop")
    }

    fn damage(&self, sql: &str) -> Result<()> {
        let connection = self.connect()?;
        // As a bug would: references are not looked at.
        connection.execute_batch("PRAGMA foreign_keys = OFF")?;
        connection.execute_batch(sql).with_context(|| format!("damage the store: {sql}"))
    }

    fn hold_writes(&self) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.is_none() {
            *gate = self.connect().ok();
        }
        if let Some(gate) = &*gate {
            // Busy means that somebody else holds the writer back already: a jam.
            let _ = gate.busy_timeout(Duration::ZERO);
            let _ = gate.execute_batch("BEGIN IMMEDIATE");
        }
    }

    fn release_writes(&self) {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gate.as_ref().filter(|gate| !gate.is_autocommit()) {
            let _ = gate.execute_batch("ROLLBACK");
        }
    }

    fn jam(&self, store: &Store) -> Result<Option<Box<dyn Jam>>> {
        let lock = self.connect()?;
        lock.execute_batch("BEGIN IMMEDIATE").context("take the writer's lock")?;
        // The first one makes the writer wait for the lock, the second one waits in the queue.
        let mut waiting = 0;
        let since = Instant::now();
        while waiting < 2 {
            let nothing = store.mark_delivered(Vec::new(), Timestamp::from_unix_ms(0));
            // The command owns what it needs; only the answer's end is borrowed, so it is polled once and its answer
            // is not waited for.
            let mut nothing = Box::pin(nothing);
            match nothing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => waiting += 1,
                Poll::Ready(Err(StoreError::QueueFull))
                    if since.elapsed() < Duration::from_secs(5) =>
                {
                    std::thread::yield_now();
                }
                Poll::Ready(other) => bail!("the write queue does not fill up: {other:?}"),
            }
        }
        Ok(Some(Box::new(SqliteJam { lock: Some(lock) })))
    }
}

fn cell(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<Cell> {
    use rusqlite::types::ValueRef;

    let value = row.get_ref(place)?;
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number),
        ValueRef::Real(_) => {
            return Err(rusqlite::Error::InvalidColumnType(
                place,
                "real".to_owned(),
                value.data_type(),
            ));
        }
        ValueRef::Text(_) => Cell::Text(value.as_str()?.to_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_owned()),
    })
}

struct SqliteJam {
    lock: Option<rusqlite::Connection>,
}

impl Jam for SqliteJam {}

impl Drop for SqliteJam {
    fn drop(&mut self) {
        drop(self.lock.take());
    }
}

/// Waits until the store has carried out what was queued before.
pub(crate) fn drain(store: &Store) {
    while let Err(StoreError::QueueFull) =
        block_on(store.mark_delivered(Vec::new(), Timestamp::from_unix_ms(0)))
    {
        std::thread::yield_now();
    }
}
