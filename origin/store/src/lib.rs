//! The origin's memory: everything that must not be lost, behind methods that say what happens in the shop.
//!
//! Layer: adapter (L3). The only SQL of the origin. One [`Store`] with room for two dialects: a file per noun here holds
//! commands, outcomes and the `Store` methods; its twin below `sqlite/` holds the statements (a `postgres/` folder
//! takes the same commands). Decisions are taken by `domain`; this crate only carries them out in one transaction.
//! Not here: HTTP, hashing, calls to anybody, and a clock: callers pass `now`.
//! Start at [`Store::open`], then [`Store::place_order`] and [`Store::settle_payment`].

mod account;
mod cart;
mod catalogue;
mod error;
mod events;
mod feed;
mod idempotency;
mod keys;
mod order;
mod outbox;
mod payment;
pub mod payments_db;
mod sql;
mod sqlite;
mod stock;
mod upkeep;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tokio::sync::watch;

pub use account::{
    Account, CreateAccount, EmailTaken, LoginStart, OpenSession, RefreshRefused, Rotate,
    SessionGrant,
};
pub use cart::{CartRefusal, ChangeCart, LineEdit, OpenCart};
pub use catalogue::{Catalogue, CategoryRow, PriceRow, ProductRow, VariantRow};
pub use error::{DatabaseError, StoreError};
pub use feed::{ChangesPage, FeedState, POSITIONS_KEPT};
pub use idempotency::{Claim, KEPT as IDEMPOTENCY_KEPT, Once};
pub use keys::{KeyMaterial, KeyState, SigningKey};
pub use order::{
    CheckoutOutcome, CheckoutSnapshot, OrderRecord, PaymentRecord, PlaceOrder, Placed, Shortage,
};
pub use outbox::OutboxEvent;
pub use payment::{Settle, Settled};
pub use upkeep::{StockSums, UpkeepLimits};

use sqlite::readers::Readers;
use sqlite::writer::Writer;

/// Where the database is and how much it may be asked at once.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The file. Made when absent, readable by its owner alone: it holds signing keys.
    pub path: PathBuf,
    /// Commands that may wait for the writer. Default 1 024, about a second of work; beyond it writes are refused.
    pub write_queue_max: usize,
    /// Queries that may run at once. Default 4; each costs about 2 MB of page cache.
    pub read_connections_max: usize,
}

impl StoreConfig {
    /// Makes a configuration with defaults.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, write_queue_max: 1_024, read_connections_max: 4 }
    }
}

/// Snapshots that may be read at once: 2. Each holds a read transaction for as long as its reader is slow.
const SNAPSHOTS_MAX: usize = 2;

/// The store. Share it behind an `Arc`; dropping it finishes what is queued.
#[derive(Debug)]
pub struct Store {
    writer: Writer,
    readers: Readers,
    snapshots: Readers,
    head: watch::Sender<u64>,
}

/// What the writer has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterReport {
    /// Commands carried out.
    pub commands: u64,
    /// Transactions that held them.
    pub commits: u64,
    /// Commands refused because the queue was full.
    pub refused: u64,
}

impl Store {
    /// Opens the database, makes or migrates it, frees what a killed process left claimed, and starts the writer.
    ///
    /// `new_epoch` names the feed's history if the database is new.
    ///
    /// # Errors
    /// When the file cannot be opened, or belongs to a newer program.
    pub fn open(config: &StoreConfig, new_epoch: &str) -> Result<Self, StoreError> {
        prepare_file(&config.path)?;
        let connection = sqlite::open_writer(&config.path, sqlite::migrations::ORIGIN)?;
        sql::feed::begin(&connection, new_epoch)?;
        let (head, _) = watch::channel(sql::feed::state(&connection)?.position);
        let publish = head.clone();
        let after_commit = move |connection: &Connection| {
            if let Ok(state) = sql::feed::state(connection) {
                publish.send_if_modified(|head| {
                    std::mem::replace(head, state.position) != state.position
                });
            }
        };
        let writer = Writer::start(connection, config.write_queue_max, after_commit)?;
        let readers = Readers::new(&config.path, config.read_connections_max);
        let snapshots = Readers::new(&config.path, SNAPSHOTS_MAX);
        Ok(Self { writer, readers, snapshots, head })
    }

    /// Returns what the writer has done, for metrics.
    #[must_use]
    pub fn writer_report(&self) -> WriterReport {
        let counts = self.writer.counts();
        WriterReport {
            commands: counts.commands.load(Ordering::Relaxed),
            commits: counts.commits.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run(work).await
    }
}

/// Makes the folder and an empty file that only its owner may read, before anything is written to it.
fn prepare_file(path: &std::path::Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;

    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    Ok(())
}
