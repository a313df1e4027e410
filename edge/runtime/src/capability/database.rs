//! SQLite databases that components may query: a replica that others fill (read-only), a local file or one in memory
//! (read-write), or a remote one.

pub(crate) mod flat;
mod link;
pub(crate) mod remote;
pub(crate) mod session;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, OpenFlags, ToSql,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::{ToSqlOutput, Value, ValueRef},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use self::{link::Link, remote::RemoteDatabase};

use crate::Limits;

/// The file to read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFile {
    /// Where it is; shared, for every statement asks.
    pub path: Arc<Path>,
    /// Changes when another file takes its place.
    pub generation: u64,
}

/// Says which file a read-only database is in at the moment; it may change at any time.
pub trait DatabaseSource: Send + Sync + 'static {
    /// Returns the file, or `None` while there is none.
    fn current(&self) -> Option<DatabaseFile>;

    /// Returns a number that has changed after each commit to the file. While it is the same, readers may keep their
    /// transactions open from one statement to the next.
    ///
    /// `None`: they must not, for others may write to the file, or it is about to be free of readers for a checkpoint.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Has `let_go` called before each checkpoint, while [`Self::version`] is `None`, until it returns `false`.
    ///
    /// A source that tells versions must do this: a WAL only grows while somebody reads from it.
    fn before_checkpoint(&self, let_go: LetGo) {
        drop(let_go);
    }
}

/// Ends the transactions that idle readers keep open. Returns whether there may be some another time.
pub type LetGo = Box<dyn Fn() -> bool + Send + Sync>;

/// Why a statement failed; the text is for the component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StatementError(pub(crate) String);

impl From<rusqlite::Error> for StatementError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// One statement's answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) last_insert_rowid: i64,
    pub(crate) changes: u64,
}

/// A database under a label.
pub(crate) struct Database {
    file: File,
    limits: Arc<Limits>,
    /// As many statements as connections may run at once; others wait.
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
}

enum File {
    Replica(Arc<dyn DatabaseSource>),
    Local(Arc<Path>),
    Memory {
        uri: String,
        /// Keeps what is in it while no other connection is open.
        _anchor: Mutex<Connection>,
    },
    Remote(Box<RemoteDatabase>),
}

/// A connection that is in use, and the right to use it.
struct Taken {
    generation: u64,
    link: Link,
    permit: OwnedSemaphorePermit,
}

/// Connections without a statement, all to the file of one generation.
#[derive(Default)]
struct Idle {
    generation: u64,
    links: Vec<Link>,
}

/// Prepared statements kept by each connection.
const STATEMENTS_PER_CONNECTION: usize = 64;
/// How many steps of SQLite's machine pass between looks at the clock: about 0.1 ms.
const STEPS_PER_LOOK: i32 = 10_000;
/// How long a statement may hold the serving thread: 2 ms. What takes longer starts anew on a thread that may block.
pub(crate) const STATEMENT_SLICE: Duration = Duration::from_millis(2);
/// Longest wait for a connection: 2 s. Beyond it the statement fails as one that meets a lock.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);

impl Database {
    /// A database that others fill and components only read.
    pub(crate) fn replica(source: Arc<dyn DatabaseSource>, limits: Arc<Limits>) -> Self {
        let connections = limits.database_connections_max;
        let database = Self::new(File::Replica(Arc::clone(&source)), limits, connections);
        let idle = Arc::downgrade(&database.idle);
        source.before_checkpoint(Box::new(move || {
            let Some(idle) = idle.upgrade() else { return false };
            lock(&idle).links.retain_mut(|link| link.keep_only(None).is_ok());
            true
        }));
        database
    }

    /// A database of this node alone. One connection, so statements run one after the other.
    pub(crate) fn local(path: PathBuf, limits: Arc<Limits>) -> Self {
        Self::new(File::Local(path.into()), limits, 1)
    }

    /// A database of this node alone, gone with it.
    pub(crate) fn memory(limits: Arc<Limits>) -> Result<Self, StatementError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let uri = format!("file:memory-{}?mode=memory&cache=shared", NUMBER.fetch_add(1, Relaxed));
        let anchor = Mutex::new(Connection::open(&uri)?);
        Ok(Self::new(File::Memory { uri, _anchor: anchor }, limits, 1))
    }

    /// A database on another machine.
    pub(crate) fn remote(remote: RemoteDatabase, limits: Arc<Limits>) -> Self {
        let connections = limits.database_connections_max;
        Self::new(File::Remote(Box::new(remote)), limits, connections)
    }

    fn new(file: File, limits: Arc<Limits>, connections: usize) -> Self {
        let permits = Arc::new(Semaphore::new(connections));
        Self { file, limits, permits, idle: Arc::default() }
    }

    /// Tells whether there is a file to read: a replica has none before its first snapshot.
    pub(crate) fn is_filled(&self) -> bool {
        match &self.file {
            File::Local(_) | File::Memory { .. } | File::Remote(_) => true,
            File::Replica(source) => source.current().is_some(),
        }
    }

    /// Opens a connection, so that what cannot be opened is known before it is asked for.
    pub(crate) fn try_open(&self) -> Result<(), StatementError> {
        let (generation, link) = self.link()?;
        self.give_back(generation, link);
        Ok(())
    }

    /// Runs `statement` by itself: a transaction that it leaves open is undone.
    pub(crate) async fn execute(
        self: Arc<Self>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Answer, StatementError> {
        if let File::Remote(remote) = &self.file {
            let _permit = self.permit().await?;
            return remote.execute(&statement, &parameters).await;
        }
        // To hand a short statement to another thread and back costs more than most of them.
        let now = self.now(&statement, STATEMENT_SLICE, |connection| {
            self.run(connection, &statement, &parameters)
        });
        if let Some(answer) = now {
            return answer;
        }
        let (answer, taken) = self.execute_in(None, statement, parameters).await;
        drop(taken);
        answer
    }

    /// Runs `statement` on `open`, a connection in a transaction, or on another; returns the connection if a
    /// transaction is open behind it.
    async fn execute_in(
        self: &Arc<Self>,
        open: Option<Taken>,
        statement: String,
        parameters: Vec<Value>,
    ) -> (Result<Answer, StatementError>, Option<Taken>) {
        let permit = match &open {
            Some(_) => None,
            None => match self.permit().await {
                Ok(permit) => Some(permit),
                Err(error) => return (Err(error), None),
            },
        };
        let database = Arc::clone(self);
        let ran = tokio::task::spawn_blocking(move || {
            let taken = match (open, permit) {
                (Some(open), _) => Ok(open),
                (None, Some(permit)) => database.take(permit),
                (None, None) => Err(StatementError("there is no room".to_owned())),
            };
            match taken {
                Ok(taken) => database.execute_blocking(taken, &statement, &parameters),
                Err(error) => (Err(error), None),
            }
        });
        ran.await.unwrap_or_else(|_| {
            (Err(StatementError("the statement's thread ended".to_owned())), None)
        })
    }

    /// Waits for the right to run a statement.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StatementError> {
        let waited = timeout(PERMIT_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = waited.map_err(|_| StatementError("the database is locked".to_owned()))?;
        permit.map_err(|_| StatementError("the database is closed".to_owned()))
    }

    fn take(&self, permit: OwnedSemaphorePermit) -> Result<Taken, StatementError> {
        let (generation, link) = self.link()?;
        Ok(Taken { generation, link, permit })
    }

    fn execute_blocking(
        &self,
        mut taken: Taken,
        statement: &str,
        parameters: &[Value],
    ) -> (Result<Answer, StatementError>, Option<Taken>) {
        let deadline = Instant::now() + self.limits.statement_timeout;
        let is_late = move || Instant::now() > deadline;
        taken.link.connection().progress_handler(STEPS_PER_LOOK, Some(is_late));
        let answer = taken.link.run(statement, self.version(), |connection| {
            self.run(connection, statement, parameters)
        });
        if taken.link.is_in_transaction() {
            return (answer, Some(taken));
        }
        self.give_back(taken.generation, taken.link);
        drop(taken.permit);
        (answer, None)
    }

    fn run(
        &self,
        connection: &Connection,
        statement: &str,
        parameters: &[Value],
    ) -> Result<Answer, StatementError> {
        let mut prepared = connection.prepare_cached(statement)?;
        if matches!(self.file, File::Replica(_)) && !prepared.readonly() {
            return Err(StatementError("attempt to write a readonly database".to_owned()));
        }
        let expected = prepared.parameter_count();
        if expected != parameters.len() {
            let given = parameters.len();
            return Err(StatementError(format!("{given} parameters given, {expected} expected")));
        }
        let columns: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
        let width = columns.len();
        let mut answer = Answer { columns, ..Answer::default() };
        let mut bytes = 0_usize;
        let parameters = rusqlite::params_from_iter(parameters.iter().map(Parameter));
        let mut rows = prepared.query(parameters)?;
        while let Some(row) = rows.next()? {
            if answer.rows.len() >= self.limits.rows_max {
                return Err(StatementError("the answer has too many rows".to_owned()));
            }
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                let value = row.get_ref(column)?;
                bytes += size(value);
                values.push(owned(value));
            }
            if bytes > self.limits.row_bytes_max {
                return Err(StatementError("the answer has too many bytes".to_owned()));
            }
            answer.rows.push(values);
        }
        drop(rows);
        answer.last_insert_rowid = connection.last_insert_rowid();
        answer.changes = connection.changes();
        Ok(answer)
    }

    /// Asks for the version of the file; see [`DatabaseSource::version`].
    fn version(&self) -> Option<u64> {
        match &self.file {
            File::Replica(source) => source.version(),
            File::Local(_) | File::Memory { .. } | File::Remote(_) => None,
        }
    }

    /// Takes an idle connection to the file of now, or opens one.
    fn link(&self) -> Result<(u64, Link), StatementError> {
        let (path, generation) = match &self.file {
            File::Local(path) => (Arc::clone(path), 0),
            File::Memory { uri, .. } => (Arc::from(Path::new(uri)), 0),
            File::Remote(_) => return Err(StatementError("the database is remote".to_owned())),
            File::Replica(source) => {
                let missing = || StatementError("the database is not filled yet".to_owned());
                let file = source.current().ok_or_else(missing)?;
                (file.path, file.generation)
            }
        };
        let stale = {
            let mut idle = lock(&self.idle);
            if idle.generation == generation {
                if let Some(link) = idle.links.pop() {
                    return Ok((generation, link));
                }
                Vec::new()
            } else {
                idle.generation = generation;
                std::mem::take(&mut idle.links)
            }
        };
        // Closed outside the lock: it may read the file.
        drop(stale);
        let connection = match &self.file {
            File::Local(_) => open_local(&path)?,
            // Its name is a URI.
            File::Memory { .. } => prepare(Connection::open(&path)?)?,
            File::Replica(_) | File::Remote(_) => open_read_only(&path)?,
        };
        // SQLite makes a value in this node's memory before its size can be counted against the answer.
        let bytes_max = i32::try_from(self.limits.row_bytes_max).unwrap_or(i32::MAX);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes_max);
        let is_replica = matches!(self.file, File::Replica(_));
        connection
            .authorizer(Some(move |context: AuthContext<'_>| authorize(&context, is_replica)));
        Ok((generation, Link::new(connection)))
    }

    fn give_back(&self, generation: u64, mut link: Link) {
        let mut idle = lock(&self.idle);
        // Under the lock: a checkpoint changes the version first and then ends what it finds here.
        let is_sound = link.keep_only(self.version()).is_ok();
        if is_sound && idle.generation == generation {
            idle.links.push(link);
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_read_only(path: &Path) -> Result<Connection, StatementError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(Connection::open_with_flags(path, flags)?)
}

fn open_local(path: &Path) -> Result<Connection, StatementError> {
    let connection = prepare(Connection::open(path)?)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")?;
    Ok(connection)
}

fn prepare(connection: Connection) -> Result<Connection, StatementError> {
    // ATTACH counts as reading, and would open any file of this machine.
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0);
    connection.set_prepared_statement_cache_capacity(STATEMENTS_PER_CONNECTION);
    // Without it a statement is planned anew whenever a value is bound that a plan might depend on: each time, here.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(Duration::from_millis(250))?;
    Ok(connection)
}

/// A component may not set what outlives its statement: connections are shared, some pragmas set the whole process.
/// Replicas allow questions only; FTS5 asks one itself.
fn authorize(context: &AuthContext<'_>, is_replica: bool) -> Authorization {
    let AuthAction::Pragma { pragma_name, pragma_value } = context.action else {
        return Authorization::Allow;
    };
    let is_in = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(pragma_name));
    let sets = pragma_value.is_some() && !is_in(&ABOUT_A_NAME);
    if is_in(&PROCESS_WIDE) || (is_replica && sets) {
        return Authorization::Deny;
    }
    Authorization::Allow
}

/// Pragmas that would bound or redirect every connection of this process.
const PROCESS_WIDE: [&str; 4] =
    ["hard_heap_limit", "soft_heap_limit", "temp_store_directory", "data_store_directory"];
/// Pragmas whose value is the name that they are asked about.
const ABOUT_A_NAME: [&str; 6] =
    ["table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list"];

/// Binds a value without copying it.
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

/// Copies a value; text that is not UTF-8, which SQLite allows, is repaired.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

const fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null => 1,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
    }
}

#[cfg(test)]
mod tests;
