//! The origin's memory: everything that must not be lost, behind methods that say what happens in the shop.
//!
//! Layer: adapter (L3). The only SQL of the origin. One [`Store`] with two engines, SQLite and PostgreSQL: a file per
//! noun here holds commands, outcomes and the `Store` methods; its twin below `sql/` holds the statements, which both
//! engines run; what only one of them has is below `sqlite/` and `postgres/`. Decisions are taken by `domain`; this
//! crate only carries them out in one transaction.
//! Not here: HTTP, hashing, calls to anybody, and a clock: callers pass `now`.
//! Start at [`Store::open`], then [`Store::place_order`] and [`Store::settle_payment`].

mod account;
mod cart;
mod catalogue;
mod copy;
mod error;
mod events;
mod export;
mod feed;
mod gift_card;
mod hold;
mod idempotency;
mod import;
mod invoice;
mod keys;
mod lease;
mod location;
mod operation;
mod order;
mod order_state;
mod outbox;
mod payment;
pub mod payments_db;
mod postgres;
mod pricing;
mod product;
mod product_pricing;
mod promotion;
mod shop;
mod sql;
mod sqlite;
mod staff;
mod stock;
mod supply;
mod transfer;
mod tx;
mod upkeep;
mod webhook;

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;

pub use account::{
    Account, CreateAccount, EmailTaken, LoginStart, OpenSession, RefreshRefused, Rotate,
    SessionGrant,
};
pub use cart::{CartEdit, CartRefusal, ChangeCart, MergeCarts, OpenCart};
pub use catalogue::{Catalogue, CategoryRow, PriceRow, ProductRow, ProductTraits, VariantRow};
pub use copy::{Copied, CopyError};
pub use error::{DatabaseError, StoreError};
pub use export::ExportKind;
pub use feed::{ChangesPage, FeedState, POSITIONS_KEPT};
pub use gift_card::{
    ChangeGiftCard, GiftCardChangeRefused, GiftCardMovement, GiftCardRow, GiftCardSums,
    IssueGiftCard,
};
pub use hold::{TouchHold, Touched};
pub use idempotency::{Claim, KEPT as IDEMPOTENCY_KEPT, Once};
pub use import::{
    AddPart, CategoryEdit, IMPORT_ERRORS_MAX, Import, ImportChunk, ImportFormat, ImportKind,
    ImportRefusal, ImportRow, ImportStatus, ImportStep, NewImport, RowError, VariantEdit,
};
pub use invoice::{IssuedInvoice, OwnInvoice};
pub use keys::{KeyMaterial, KeyState, SigningKey};
pub use lease::{Lease, Leasing};
pub use location::{ChangeLocation, LocationChange, LocationRefused, LocationRow, NewLocation};
pub use operation::{EndOperation, Operation, OperationKind, OperationReport, OperationStatus};
pub use order::{
    CheckoutOutcome, CheckoutSnapshot, OrderRecord, PaymentRecord, PlaceOrder, Placed, SealedToken,
    Shortage,
};
pub use order_state::{
    AddNote, AskProvider, ListOrders, ListedOrder, NOTES_MAX, OrderLife, StatedOrder, StepRefused,
    StepTaken, TakeStep, Wish,
};
pub use outbox::OutboxEvent;
pub use payment::{Settle, Settled};
pub use pricing::{Attributes, ChangedPrice, ChangedPromise, Terms, Versioned};
pub use product::{
    ArchiveProduct, ChangeProduct, CreateProduct, ListProducts, ProductEdit, ProductRefusal,
    ProductSummary, PutVariant, SetPrices, StoredProduct, StoredVariant,
};
pub use product_pricing::{ProductPricingRefused, WriteProductPricing};
pub use promotion::{
    CodeRow, MakeCodes, Policy, PromotionRefused, PromotionRow, StalePolicy, WritePolicy,
    WritePromotion,
};
pub use shop::{ChangeShop, InvoiceNumbersChange, NumbersChange, ShopChange, ShopRefused};
pub use staff::{Granting, LAST_USE_NOTED_EVERY, STAFF_KEYS_MAX, StaffKey, StaffMember};
pub use stock::{
    FAULTS_MAX, ListMovements, ListStock, MoveStock, MovementRow, Part, SetStockRules, StaffMove,
    StockFault, StockProof, StockRefused,
};
pub use supply::{ListSupplies, NewSupply, StepSupply, Supply, SupplyStep};
pub use transfer::{ListTransfers, NewTransfer, StepTransfer, TransferRow};
pub use upkeep::{StockSums, UpkeepLimits};
pub use webhook::{
    Attempt, Attempted, ChangeSubscription, ClaimDeliveries, ClaimedDelivery, Delivery, FannedOut,
    ListDeliveries, NewSubscription, NoSubscription, Outcome, Recorded, Replay, Replayed,
    Subscription, TestDelivery, TooManySubscriptions, WebhookSecrets,
};

use lease::Fenced;
use postgres::cluster::Cluster;
use sqlite::readers::Readers;
use sqlite::writer::Writer;
use tx::{Tx, Work, at_once};

/// Which database holds the shop, and how much it may be asked at once.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// One file on this machine, for one origin instance.
    Sqlite(SqliteConfig),
    /// A cluster, for any number of them.
    Postgres(PostgresConfig),
}

/// Where the file is.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The file. Made when absent, readable by its owner alone: it holds signing keys.
    pub path: PathBuf,
    /// Commands that may wait for the writer. Default 1 024, about a second of work; beyond it writes are refused.
    pub write_queue_max: usize,
    /// Queries that may run at once. Default 4; each costs about 2 MB of page cache.
    pub read_connections_max: usize,
}

/// Where the cluster is.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// Connection URL of libpq's form; it may name several hosts, of which the one that takes writes is used.
    pub url: ConnectionUrl,
    /// The same for queries whose answer may be old; by default they go to the primary too.
    pub standby_url: Option<ConnectionUrl>,
    /// Connections of this instance to each of the two. Default 16.
    pub connections_max: usize,
    /// Commands that may wait for a connection. Default 1 024; beyond it they are refused.
    pub waiting_max: usize,
}

/// A connection URL; it may hold a password, so it is never printed.
#[derive(Clone)]
pub struct ConnectionUrl(String);

impl ConnectionUrl {
    /// Takes a URL, or libpq's `key=value` form.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self(url)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl StoreConfig {
    /// Names a file, with defaults.
    #[must_use]
    pub const fn file(path: PathBuf) -> Self {
        Self::Sqlite(SqliteConfig { path, write_queue_max: 1_024, read_connections_max: 4 })
    }

    /// Names a cluster, with defaults.
    #[must_use]
    pub const fn cluster(url: ConnectionUrl) -> Self {
        Self::Postgres(PostgresConfig {
            url,
            standby_url: None,
            connections_max: 16,
            waiting_max: 1_024,
        })
    }
}

/// Snapshots that may be read at once: 2. Each holds a read transaction for as long as its reader is slow.
const SNAPSHOTS_MAX: usize = 2;

/// The store. Share it behind an `Arc`; dropping it finishes what is queued.
#[derive(Debug)]
pub struct Store {
    engine: Engine,
    head: watch::Sender<u64>,
}

#[derive(Debug)]
enum Engine {
    Sqlite(File),
    Postgres(Box<Cluster>),
}

/// The one file, with its one writer.
#[derive(Debug)]
struct File {
    writer: Writer,
    readers: Readers,
    snapshots: Readers,
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
    /// Opens the database, makes or migrates it, and starts what writes to it.
    ///
    /// `new_epoch` names the feed's history if the database is new.
    ///
    /// # Errors
    /// When the database cannot be opened or reached, or belongs to a newer program.
    pub async fn open(config: &StoreConfig, new_epoch: &str) -> Result<Self, StoreError> {
        match config {
            StoreConfig::Sqlite(config) => Self::open_file(config, new_epoch),
            StoreConfig::Postgres(config) => Self::open_cluster(config, new_epoch).await,
        }
    }

    fn open_file(config: &SqliteConfig, new_epoch: &str) -> Result<Self, StoreError> {
        prepare_file(&config.path)?;
        let connection = sqlite::open_writer(&config.path, sqlite::migrations::ORIGIN)?;
        let connection = Mutex::new(connection);
        let position = {
            let tx = Tx::Sqlite(&connection);
            at_once(pin!(sql::feed::begin(&tx, new_epoch)))?;
            at_once(pin!(sql::feed::state(&tx)))?.position
        };
        let connection = connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (head, _) = watch::channel(position);
        let publish = head.clone();
        let after_commit = move |connection: &Mutex<Connection>| {
            if let Ok(state) = at_once(pin!(sql::feed::state(&Tx::Sqlite(connection)))) {
                publish.send_if_modified(|head| {
                    std::mem::replace(head, state.position) != state.position
                });
            }
        };
        let writer = Writer::start(connection, config.write_queue_max, after_commit)?;
        let readers = Readers::new(&config.path, config.read_connections_max);
        let snapshots = Readers::new(&config.path, SNAPSHOTS_MAX);
        Ok(Self { engine: Engine::Sqlite(File { writer, readers, snapshots }), head })
    }

    async fn open_cluster(config: &PostgresConfig, new_epoch: &str) -> Result<Self, StoreError> {
        let cluster = Cluster::new(config)?;
        postgres::migrations::apply(&cluster).await?;
        let epoch = new_epoch.to_owned();
        cluster.write(&epoch, |tx, epoch| Box::pin(sql::feed::begin(tx, epoch))).await?;
        let state = cluster.read(&(), |tx, ()| Box::pin(sql::feed::state(tx))).await?;
        let (head, _) = watch::channel(state.position);
        tokio::spawn(postgres::listener::run(Arc::clone(&cluster.primary), head.clone()));
        Ok(Self { engine: Engine::Postgres(Box::new(cluster)), head })
    }

    /// Returns what was done since the start, for metrics.
    #[must_use]
    pub fn writer_report(&self) -> WriterReport {
        let (commands, commits, refused) = match &self.engine {
            Engine::Sqlite(file) => {
                let counts = file.writer.counts();
                (&counts.commands, &counts.commits, &counts.refused)
            }
            Engine::Postgres(cluster) => {
                let counts = &cluster.counts;
                (&counts.commands, &counts.commits, &counts.refused)
            }
        };
        WriterReport {
            commands: commands.load(Ordering::Relaxed),
            commits: commits.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
        }
    }

    /// Tells whether other processes may serve the same shop.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Carries out a command; one that a round of a job asks for, only while the round has its lease.
    async fn write<C: Send + Sync + 'static, T: Send + 'static>(
        &self,
        command: C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        match lease::fence() {
            None => self.write_unfenced(command, work).await,
            Some(fence) => {
                self.write_unfenced(Fenced { fence, command, work }, lease::guarded).await
            }
        }
    }

    async fn write_unfenced<C: Send + Sync + 'static, T: Send + 'static>(
        &self,
        command: C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(file) => file.writer.run_shared(on_the_file(command, work)).await,
            Engine::Postgres(cluster) => cluster.write(&command, work).await,
        }
    }

    async fn read<C: Send + Sync + 'static, T: Send + 'static>(
        &self,
        query: C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(file) => file.readers.run(on_the_file(query, work)).await,
            Engine::Postgres(cluster) => cluster.read(&query, work).await,
        }
    }

    /// Runs a query whose answer may be some seconds old: a cluster may leave it to a standby.
    async fn read_old<C: Send + Sync + 'static, T: Send + 'static>(
        &self,
        query: C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => self.read(query, work).await,
            Engine::Postgres(cluster) => cluster.read_old(&query, work).await,
        }
    }

    /// Runs a query that may take as long as its reader likes.
    async fn copy<C: Send + Sync + 'static, T: Send + 'static>(
        &self,
        query: C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(file) => file.snapshots.run(on_the_file(query, work)).await,
            Engine::Postgres(cluster) => cluster.copy(&query, work).await,
        }
    }
}

/// Makes work into what a thread of the file's runs: on this engine it never waits.
fn on_the_file<C: Send + Sync + 'static, T: Send + 'static>(
    command: C,
    work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
) -> impl FnOnce(&Mutex<Connection>) -> Result<T, StoreError> + Send + 'static {
    move |connection| at_once(work(&Tx::Sqlite(connection), &command).as_mut())
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
