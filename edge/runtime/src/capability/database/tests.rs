//! Read-only, bounded, and following the file that is swapped underneath.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::*;

/// A source whose file is `<generation>.db` in a folder.
struct Swapped {
    dir: tempfile::TempDir,
    generation: AtomicU64,
}

impl DatabaseSource for Swapped {
    fn current(&self) -> Option<DatabaseFile> {
        let generation = self.generation.load(Relaxed);
        let path = self.dir.path().join(format!("{generation}.db"));
        path.is_file().then_some(DatabaseFile { path: path.into(), generation })
    }
}

impl Swapped {
    fn fill(&self, generation: u64, script: &str) {
        let path = self.dir.path().join(format!("{generation}.db"));
        let connection = Connection::open(path).expect("opens");
        connection.execute_batch("PRAGMA journal_mode = WAL").expect("switches to WAL");
        connection.execute_batch(script).expect("the script is good");
        self.generation.store(generation, Relaxed);
    }
}

fn replica(limits: Limits) -> (Arc<Swapped>, Arc<Database>) {
    let dir = tempfile::tempdir().expect("makes a folder");
    let source = Arc::new(Swapped { dir, generation: AtomicU64::new(0) });
    let shared: Arc<dyn DatabaseSource> = Arc::clone(&source) as _;
    (source, Arc::new(Database::replica(shared, Arc::new(limits))))
}

async fn run(database: &Arc<Database>, statement: &str) -> Result<Vec<Vec<Value>>, StatementError> {
    let ran = Arc::clone(database).execute(statement.to_owned(), Vec::new()).await;
    ran.map(|answer| answer.rows)
}

#[tokio::test]
async fn reads_the_file_of_now() {
    let (source, database) = replica(Limits::default());
    assert!(run(&database, "SELECT 1").await.is_err());
    source.fill(1, "CREATE TABLE t (n); INSERT INTO t VALUES (1)");
    assert_eq!(run(&database, "SELECT n FROM t").await, Ok(vec![vec![Value::Integer(1)]]));
    source.fill(2, "CREATE TABLE t (n); INSERT INTO t VALUES (2)");
    assert_eq!(run(&database, "SELECT n FROM t").await, Ok(vec![vec![Value::Integer(2)]]));
}

#[tokio::test]
async fn refuses_to_write_or_reach_other_files() {
    let (source, database) = replica(Limits::default());
    source.fill(1, "CREATE TABLE t (n)");
    for statement in [
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TEMP TABLE u (n)",
        "ATTACH '/etc/passwd' AS other",
        "PRAGMA user_version = 7",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA Hard_Heap_Limit(1)",
        "SELECT * FROM pragma_hard_heap_limit",
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA cache_size = -1000000",
        "VACUUM INTO '/tmp/copy'",
    ] {
        assert!(run(&database, statement).await.is_err(), "{statement}");
    }
    assert_eq!(run(&database, "PRAGMA table_info(t)").await.map(|rows| rows.len()), Ok(1));
    source.fill(2, "CREATE VIRTUAL TABLE f USING fts5(w); INSERT INTO f VALUES ('oak')");
    assert_eq!(run(&database, "SELECT w FROM f('oak')").await.map(|rows| rows.len()), Ok(1));
}

#[tokio::test]
async fn makes_no_value_larger_than_an_answer() {
    let (source, database) = replica(Limits { row_bytes_max: 100_000, ..Limits::default() });
    source.fill(1, "CREATE TABLE t (n)");
    // Its size alone is asked for: without the limit it would be made, counted as 8 bytes, and dropped.
    assert!(run(&database, "SELECT length(randomblob(100001))").await.is_err());
    assert!(run(&database, "SELECT length(randomblob(1000))").await.is_ok());
}

#[tokio::test]
async fn bounds_rows_bytes_and_time() {
    let limits = Limits {
        rows_max: 10,
        row_bytes_max: 1000,
        statement_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let (source, database) = replica(limits);
    source.fill(1, "CREATE TABLE t (n)");
    let count = |to: u64| {
        format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<{to}) SELECT")
    };
    assert_eq!(run(&database, &format!("{} n FROM c", count(10))).await.map(|r| r.len()), Ok(10));
    assert!(run(&database, &format!("{} n FROM c", count(11))).await.is_err());
    assert!(run(&database, "SELECT zeroblob(1001)").await.is_err());
    assert!(run(&database, &format!("{} max(n) FROM c", count(1 << 40))).await.is_err());
    assert!(run(&database, "SELECT 1").await.is_ok());
}

#[tokio::test]
async fn writes_to_a_local_file() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let limits = Arc::new(Limits::default());
    let database = Arc::new(Database::local(dir.path().join("a.db"), limits));
    assert!(run(&database, "CREATE TABLE t (n INTEGER PRIMARY KEY)").await.is_ok());
    let parameters = vec![Value::Integer(7)];
    let inserted =
        Arc::clone(&database).execute("INSERT INTO t VALUES (?)".to_owned(), parameters).await;
    let inserted = inserted.expect("inserts");
    assert_eq!((inserted.last_insert_rowid, inserted.changes), (7, 1));
    assert!(run(&database, "INSERT INTO t VALUES (?)").await.is_err());
}
