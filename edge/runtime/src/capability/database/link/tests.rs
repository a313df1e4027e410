//! A kept transaction misses no commit, stands in nobody's way, and no component can tell.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use express_wire::{RowReader, Value as WireValue, Writer};
use rusqlite::{Connection, types::Value};

use crate::{
    Limits,
    capability::database::{
        Database, DatabaseFile, DatabaseSource, LetGo, StatementError, flat::NotNow, lock,
    },
};

/// A source that says when it has changed, as a replica does.
struct Followed {
    dir: tempfile::TempDir,
    generation: AtomicU64,
    writer: Mutex<Connection>,
    /// Odd during a checkpoint.
    version: AtomicU64,
    readers: Mutex<Vec<LetGo>>,
}

impl DatabaseSource for Followed {
    fn current(&self) -> Option<DatabaseFile> {
        let generation = self.generation.load(Ordering::Acquire);
        Some(DatabaseFile { path: self.path(generation).into(), generation })
    }

    fn version(&self) -> Option<u64> {
        let version = self.version.load(Ordering::Acquire);
        version.is_multiple_of(2).then_some(version)
    }

    fn before_checkpoint(&self, let_go: LetGo) {
        self.readers.lock().expect("is whole").push(let_go);
    }
}

/// The same, but it says nothing.
struct Unknown(Arc<Followed>);

impl DatabaseSource for Unknown {
    fn current(&self) -> Option<DatabaseFile> {
        self.0.current()
    }
}

impl Followed {
    fn new() -> Arc<Self> {
        let followed = Arc::new(Self {
            dir: tempfile::tempdir().expect("makes a folder"),
            generation: AtomicU64::new(0),
            writer: Mutex::new(Connection::open_in_memory().expect("opens")),
            version: AtomicU64::new(0),
            readers: Mutex::default(),
        });
        followed.fill(1);
        followed
    }

    fn path(&self, generation: u64) -> PathBuf {
        self.dir.path().join(format!("{generation}.db"))
    }

    /// Puts another file in the place of the one that is.
    fn fill(&self, generation: u64) {
        let connection = Connection::open(self.path(generation)).expect("opens");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
                 CREATE TABLE t (n); CREATE VIRTUAL TABLE f USING fts5(w)",
            )
            .expect("prepares the file");
        connection.busy_timeout(Duration::from_millis(100)).expect("is set");
        *self.writer.lock().expect("is whole") = connection;
        self.generation.store(generation, Ordering::Release);
    }

    fn commit(&self, script: &str) {
        let writer = self.writer.lock().expect("is whole");
        writer.execute_batch(&format!("BEGIN IMMEDIATE; {script}; COMMIT")).expect("commits");
        self.version.fetch_add(2, Ordering::Release);
    }

    /// Tells whether the WAL could be emptied.
    fn truncate(&self) -> bool {
        let writer = self.writer.lock().expect("is whole");
        let busy: i64 = writer
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .expect("is answered");
        busy == 0
    }

    /// The same as a replica does it; `meanwhile`, once readers have let go.
    fn checkpoint(&self, meanwhile: impl FnOnce()) -> bool {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.readers.lock().expect("is whole").retain(|let_go| let_go());
        meanwhile();
        let is_done = self.truncate();
        self.version.fetch_add(1, Ordering::Release);
        is_done
    }

    fn wal_bytes(&self) -> u64 {
        fs::metadata(self.dir.path().join("1.db-wal")).expect("is there").len()
    }
}

fn followed(limits: Limits) -> (Arc<Followed>, Arc<Database>) {
    let source = Followed::new();
    let shared: Arc<dyn DatabaseSource> = Arc::clone(&source) as _;
    (source, Arc::new(Database::replica(shared, Arc::new(limits))))
}

/// Both lanes: on a thread that may block, and at once.
#[derive(Debug, Clone, Copy)]
enum Lane {
    Standard,
    Express,
}

const LANES: [Lane; 2] = [Lane::Standard, Lane::Express];
const COUNT: &str = "SELECT count(*) FROM t";

/// Returns the integers of an answer.
async fn run(
    lane: Lane,
    database: &Arc<Database>,
    statement: &str,
) -> Result<Vec<i64>, StatementError> {
    match lane {
        Lane::Standard => {
            let ran = Arc::clone(database).execute(statement.to_owned(), Vec::new()).await;
            let values = ran?.rows.into_iter().flatten();
            Ok(values
                .filter_map(|v| if let Value::Integer(n) = v { Some(n) } else { None })
                .collect())
        }
        Lane::Express => at_once(database, statement).map_err(|why| match why {
            NotNow::Failed(error) => error,
            NotNow::Later => StatementError("later".to_owned()),
        }),
    }
}

fn at_once(database: &Database, statement: &str) -> Result<Vec<i64>, NotNow> {
    let mut out = Writer::default();
    // Long enough for a busy machine.
    database.query_now(statement, &[], &mut out, Duration::from_secs(1))?;
    let message = out.finish();
    let mut rows = RowReader::new(&message).expect("is whole");
    let count = rows.width() * usize::try_from(rows.rows()).expect("fits");
    let values = (0..count).map(|_| rows.value().expect("is whole"));
    Ok(values.filter_map(|v| if let WireValue::Integer(n) = v { Some(n) } else { None }).collect())
}

/// How many idle connections there are, and how many of them keep a transaction.
fn idle(database: &Database) -> (usize, usize) {
    let idle = lock(&database.idle);
    (idle.links.len(), idle.links.iter().filter(|link| link.kept.is_some()).count())
}

#[tokio::test]
async fn a_statement_sees_all_that_was_committed_before_it() {
    let (source, database) = followed(Limits::default());
    for lane in LANES {
        source.commit("DELETE FROM t; DELETE FROM f");
        for n in 1..50 {
            source.commit("INSERT INTO t VALUES (1); INSERT INTO f VALUES ('oak')");
            for _ in 0..2 {
                assert_eq!(run(lane, &database, COUNT).await, Ok(vec![n]), "{lane:?}");
                let found = run(lane, &database, "SELECT count(*) FROM f('oak')").await;
                assert_eq!(found, Ok(vec![n]), "{lane:?}");
            }
        }
    }
    // Another shape is seen as well, by statements that were prepared before.
    source.commit("DROP TABLE t; CREATE TABLE t (a, n); INSERT INTO t VALUES (1, 2)");
    for lane in LANES {
        assert_eq!(run(lane, &database, COUNT).await, Ok(vec![1]));
        assert_eq!(run(lane, &database, "SELECT * FROM t").await, Ok(vec![1, 2]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_beside_a_writer_never_see_less_than_they_know_of() {
    let (source, database) = followed(Limits::default());
    let committed = Arc::new(AtomicU64::new(0));
    let writing = {
        let (source, committed) = (Arc::clone(&source), Arc::clone(&committed));
        tokio::task::spawn_blocking(move || {
            for n in 1..=500 {
                source.commit("INSERT INTO t VALUES (1)");
                committed.store(n, Ordering::Release);
                if n % 50 == 0 {
                    source.checkpoint(|| {});
                }
            }
        })
    };
    let mut readers = Vec::new();
    for lane in [Lane::Standard, Lane::Express, Lane::Express] {
        let (database, committed) = (Arc::clone(&database), Arc::clone(&committed));
        readers.push(tokio::spawn(async move {
            let mut known = 0;
            while known < 500 {
                known = committed.load(Ordering::Acquire);
                let seen = run(lane, &database, COUNT).await.expect("is answered");
                assert!(seen >= vec![known as i64], "{seen:?} of {known}");
                tokio::task::yield_now().await;
            }
        }));
    }
    writing.await.expect("writes");
    for reader in readers {
        reader.await.expect("reads");
    }
}

#[tokio::test]
async fn a_transaction_is_kept_until_a_commit_and_only_if_the_source_tells_of_it() {
    let (source, database) = followed(Limits::default());
    let shared: Arc<dyn DatabaseSource> = Arc::new(Unknown(Arc::clone(&source)));
    let unknown = Arc::new(Database::replica(shared, Arc::new(Limits::default())));
    for lane in LANES {
        source.commit("INSERT INTO t VALUES (1)");
        run(lane, &unknown, COUNT).await.expect("is answered");
        assert_eq!(idle(&unknown), (1, 0));
        assert!(source.truncate(), "{lane:?}");
        source.commit("INSERT INTO t VALUES (1)");
        run(lane, &database, COUNT).await.expect("is answered");
        assert_eq!(idle(&database), (1, 1));
        assert!(!source.truncate(), "nothing is kept: {lane:?}");
        assert!(source.checkpoint(|| {}), "{lane:?}");
    }
}

#[tokio::test]
async fn an_idle_reader_does_not_hold_the_wal() {
    const WAL_BYTES_MAX: u64 = 256 * 1024;
    let (source, database) = followed(Limits::default());
    let read = || {
        at_once(&database, "SELECT count(*) FROM f('oak')").expect("is answered");
        at_once(&database, COUNT).expect("is answered");
    };
    read();
    let (mut written, mut largest, mut checkpoints) = (0, 0, 0);
    for _ in 0..1000 {
        source.commit("INSERT INTO t VALUES (randomblob(4000))");
        written += 4000;
        largest = largest.max(source.wal_bytes());
        if source.wal_bytes() > WAL_BYTES_MAX {
            checkpoints += 1;
            // Every other one has a statement beside it; after each, the reader idles again.
            assert_eq!(idle(&database), (1, 1));
            let meanwhile = || {
                if checkpoints % 2 == 0 {
                    read()
                }
            };
            assert!(source.checkpoint(meanwhile), "checkpoint {checkpoints}");
            assert_eq!(idle(&database), (1, 0));
            read();
        }
    }
    assert!(written > 8 * WAL_BYTES_MAX && largest < 2 * WAL_BYTES_MAX, "{largest} of {written}");
    // A database that is gone is not called again.
    drop(database);
    source.checkpoint(|| {});
    assert!(source.readers.lock().expect("is whole").is_empty());
}

#[tokio::test]
async fn a_statement_that_a_checkpoint_overtakes_keeps_nothing() {
    let (source, database) = followed(Limits::default());
    let (generation, mut link) = database.link().expect("opens");
    let asked = |link: &mut super::Link| {
        link.run(COUNT, database.version(), |connection| database.run(connection, COUNT, &[]))
    };
    asked(&mut link).expect("is answered");
    assert!(link.kept.is_some());
    assert!(source.checkpoint(|| database.give_back(generation, link)));
    assert_eq!(idle(&database), (1, 0));
}

#[tokio::test]
async fn another_file_closes_the_connections_to_the_one_before() {
    let (source, database) = followed(Limits::default());
    for lane in LANES {
        source.fill(1 + source.generation.load(Ordering::Acquire));
        assert_eq!(run(lane, &database, COUNT).await, Ok(vec![0]));
        source.commit("INSERT INTO t VALUES (1)");
        assert_eq!(run(lane, &database, COUNT).await, Ok(vec![1]));
        assert_eq!(idle(&database), (1, 1));
    }
}

#[tokio::test]
async fn components_cannot_tell_that_a_transaction_is_kept() {
    let statements = [
        "BEGIN",
        "BEGIN IMMEDIATE",
        "BEGIN EXCLUSIVE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE s",
        "ROLLBACK TO s",
        " \n/* SELECT */ begin",
        "; COMMIT",
        "SELECT 1; COMMIT",
        "WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c",
        "INSERT INTO t VALUES (1)",
        "VACUUM",
        "DETACH main",
        "ATTACH ':memory:' AS other",
        "PRAGMA journal_mode",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA wal_checkpoint",
        "PRAGMA locking_mode",
        "PRAGMA optimize",
        "PRAGMA incremental_vacuum",
        "PRAGMA query_only",
        "PRAGMA integrity_check",
        "PRAGMA data_version",
        "ANALYZE",
        "REINDEX",
        "EXPLAIN COMMIT",
        "EXPLAIN SELECT n FROM t",
        "SELECT * FROM pragma_journal_mode",
        "SELECT count(*) FROM pragma_table_info('t')",
        "SELECT n FROM nowhere",
        "SELECT ?",
        "SELECT load_extension('x')",
        "SELECT abs(-9223372036854775808)",
        "with c(n) as (values (7)) select n from c",
        "VALUES (1, 2)",
        "",
        "SELECT",
    ];
    let source = Followed::new();
    let shared: [Arc<dyn DatabaseSource>; 2] =
        [Arc::clone(&source) as _, Arc::new(Unknown(Arc::clone(&source)))];
    let [keeping, plain] =
        shared.map(|source| Arc::new(Database::replica(source, Arc::new(Limits::default()))));
    source.commit("INSERT INTO t VALUES (1)");
    for statement in statements {
        for lane in LANES {
            // With a transaction that is kept, and again after what the statement may have left.
            run(lane, &keeping, COUNT).await.expect("is answered");
            run(lane, &plain, COUNT).await.expect("is answered");
            for _ in 0..2 {
                let (kept, expected) =
                    (run(lane, &keeping, statement).await, run(lane, &plain, statement).await);
                assert_eq!(kept, expected, "{lane:?}: {statement}");
                let whole = |database: &Arc<Database>| {
                    Arc::clone(database).execute(statement.to_owned(), Vec::new())
                };
                assert_eq!(whole(&keeping).await, whole(&plain).await, "{statement}");
                assert_eq!(idle(&keeping).0, idle(&plain).0, "{lane:?}: {statement}");
            }
            source.commit("INSERT INTO t VALUES (1)");
            let seen = run(lane, &keeping, COUNT).await;
            assert_eq!(seen, run(lane, &plain, COUNT).await, "after {statement}");
        }
    }
}

#[tokio::test]
async fn what_failed_leaves_a_connection_that_sees_what_comes() {
    let limits = Limits {
        rows_max: 10,
        row_bytes_max: 1000,
        statement_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let (source, database) = followed(limits);
    let rows = |rows: u64| {
        format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<{rows}) ")
    };
    let failing = [
        "SELECT n FROM nowhere".to_owned(),
        "SELECT ?".to_owned(),
        "SELECT abs(-9223372036854775808), n FROM t".to_owned(),
        "SELECT zeroblob(1001), n FROM t".to_owned(),
        rows(11) + "SELECT n, (SELECT count(*) FROM t) FROM c",
        rows(1 << 40) + "SELECT max(n), (SELECT count(*) FROM t) FROM c",
    ];
    let mut n = 0;
    for statement in &failing {
        for lane in LANES {
            n += 1;
            source.commit("INSERT INTO t VALUES (1)");
            assert_eq!(run(lane, &database, COUNT).await, Ok(vec![n]));
            assert!(run(lane, &database, statement).await.is_err(), "{lane:?}: {statement}");
            assert_eq!(idle(&database), (1, 0), "{lane:?}: {statement}");
            assert_eq!(run(lane, &database, COUNT).await, Ok(vec![n]));
            assert_eq!(idle(&database), (1, 1), "{lane:?}: {statement}");
        }
    }
    // A slice that ends stops the statement at once; the other lane takes it over.
    let mut out = Writer::default();
    let slice = Duration::from_millis(2);
    let late = database.query_now(&failing[5], &[], &mut out, slice);
    assert_eq!(late, Err(NotNow::Later));
    source.commit("INSERT INTO t VALUES (1)");
    assert_eq!(run(Lane::Express, &database, COUNT).await, Ok(vec![n + 1]));
}
