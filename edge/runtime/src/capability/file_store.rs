//! A key-value store in a SQLite file, in the layout of Spin's own, so that both can take turns on one file.
//!
//! Of each file one connection writes, on a thread of its own, and takes all writes that wait into one transaction:
//! a hundred waiting components pay for one flush to the disk. A write is answered when it is on the disk. Reads have
//! connections of their own and wait for no writer.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::capability::store::{Entry, StoreError, count, number};

/// Writes that wait for the writer; more wait in front of it. A batch takes all of them.
const WRITES_WAITING_MAX: usize = 256;
/// Longest wait for a write to be on the disk: 5 s. Beyond it the outcome is unknown to the component.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read one file at once.
const READERS_MAX: usize = 4;
/// Longest wait for another process that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// A file with the entries of one label or of several.
pub(crate) struct StoreFile {
    path: Box<Path>,
    writes: mpsc::Sender<Job>,
    permits: Arc<Semaphore>,
    readers: Mutex<Vec<Connection>>,
}

/// The entries of one label in a file.
#[derive(Clone)]
pub(crate) struct FileStore {
    file: Arc<StoreFile>,
    label: Arc<str>,
}

struct Job {
    label: Arc<str>,
    write: Write,
    reply: oneshot::Sender<Result<Written, StoreError>>,
}

enum Write {
    Set(Vec<(String, Vec<u8>)>),
    Delete(Vec<String>),
    Increment(String, i64),
    Swap { key: String, old: Option<Vec<u8>>, value: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    Done,
    Sum(i64),
    Swapped(bool),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl StoreFile {
    /// Opens the file, making it and its folder where absent, and starts its writer.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, StoreError> {
        let refused = |cause: std::io::Error| StoreError::Unavailable(cause.to_string());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(refused)?;
        }
        let connection = open_writer(path)?;
        let (writes, jobs) = mpsc::channel(WRITES_WAITING_MAX);
        std::thread::Builder::new()
            .name("key-value-writer".to_owned())
            .spawn(move || write_all(connection, jobs))
            .map_err(refused)?;
        Ok(Arc::new(Self {
            path: path.into(),
            writes,
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            readers: Mutex::default(),
        }))
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        if let Some(reader) = self.readers().pop() {
            return Ok(reader);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags)?;
        reader.busy_timeout(BUSY_TIMEOUT)?;
        Ok(reader)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileStore {
    /// The entries of `label` in `file`.
    pub(crate) fn new(file: Arc<StoreFile>, label: &str) -> Self {
        Self { file, label: Arc::from(label) }
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.read(move |reader, label| read_one(reader, label, &key)).await
    }

    pub(crate) async fn has(&self, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.read(move |reader, label| {
            let sql = "SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2";
            Ok(reader.prepare_cached(sql)?.exists([label, &key])?)
        })
        .await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.read(|reader, label| {
            // In the order of the primary key.
            let sql = "SELECT key FROM spin_key_value WHERE store = ?1 ORDER BY key";
            let mut statement = reader.prepare_cached(sql)?;
            let mut rows = statement.query([label])?;
            let (mut keys, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let key: String = row.get(0)?;
                count(&mut bytes, key.len())?;
                keys.push(key);
            }
            Ok(keys)
        })
        .await
    }

    pub(crate) async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        self.read(move |reader, label| {
            let mut bytes = 0;
            let entry = |key: String| {
                let value = read_one(reader, label, &key)?;
                count(&mut bytes, key.len() + value.as_ref().map_or(0, Vec::len))?;
                Ok((key, value))
            };
            keys.into_iter().map(entry).collect()
        })
        .await
    }

    pub(crate) async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        self.write(Write::Set(entries)).await.map(|_| ())
    }

    pub(crate) async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.write(Write::Delete(keys)).await.map(|_| ())
    }

    pub(crate) async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        match self.write(Write::Increment(key.to_owned(), delta)).await? {
            Written::Sum(sum) => Ok(sum),
            Written::Done | Written::Swapped(_) => Err(StoreError::NotANumber),
        }
    }

    pub(crate) async fn swap(
        &self,
        key: &str,
        old: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let written = self.write(Write::Swap { key: key.to_owned(), old, value }).await?;
        Ok(written == Written::Swapped(true))
    }

    /// Runs `work` with a reading connection on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = |_| StoreError::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.file.permits).acquire_owned().await.map_err(gone)?;
        let Self { file, label } = self.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let reader = file.reader()?;
            let answer = work(&reader, &label);
            file.readers().push(reader);
            drop(permit);
            answer
        });
        let gone = |_| StoreError::Unavailable("the reading thread ended".to_owned());
        ran.await.map_err(gone)?
    }

    /// Hands `write` to the writer and waits until it is on the disk.
    async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let (reply, written) = oneshot::channel();
        let job = Job { label: Arc::clone(&self.label), write, reply };
        let waiting = async {
            self.file.writes.send(job).await.map_err(|_| closed())?;
            written.await.map_err(|_| closed())?
        };
        timeout(WRITE_TIMEOUT, waiting)
            .await
            .map_err(|_| StoreError::Unavailable("the disk takes too long".to_owned()))?
    }
}

fn read_one(reader: &Connection, label: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    // By the primary key.
    let sql = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
    let mut statement = reader.prepare_cached(sql)?;
    Ok(statement.query_row([label, key], |row| row.get(0)).optional()?)
}

/// Spin's table, with the settings that make one flush to the disk per transaction.
fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS spin_key_value (
            store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key)
         )",
    )?;
    Ok(connection)
}

/// The writer's life: until nobody holds the file any more.
fn write_all(mut connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(WRITES_WAITING_MAX);
    while jobs.blocking_recv_many(&mut batch, WRITES_WAITING_MAX) > 0 {
        let (work, replies): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|job| ((job.label, job.write), job.reply)).unzip();
        let written = write_batch(&mut connection, &work);
        for (at, reply) in replies.into_iter().enumerate() {
            let answer = match &written {
                Ok(answers) => answers.get(at).cloned().unwrap_or(Ok(Written::Done)),
                Err(error) => Err(error.clone()),
            };
            // Whoever waited may have given up.
            let _ = reply.send(answer);
        }
    }
}

/// Writes a batch in one transaction. A write that is refused changes nothing and leaves the others alone; an error
/// of the file itself undoes the whole batch.
fn write_batch(
    connection: &mut Connection,
    batch: &[(Arc<str>, Write)],
) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut answers = Vec::with_capacity(batch.len());
    for (label, write) in batch {
        match write_one(&transaction, label, write) {
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            answer => answers.push(answer),
        }
    }
    transaction.commit()?;
    Ok(answers)
}

fn write_one(connection: &Connection, label: &str, write: &Write) -> Result<Written, StoreError> {
    match write {
        Write::Set(entries) => {
            for (key, value) in entries {
                put(connection, label, key, value)?;
            }
            Ok(Written::Done)
        }
        Write::Delete(keys) => {
            let sql = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
            for key in keys {
                connection.prepare_cached(sql)?.execute([label, key])?;
            }
            Ok(Written::Done)
        }
        Write::Increment(key, delta) => {
            let now = read_one(connection, label, key)?.map_or(Ok(0), |value| number(&value))?;
            let sum = now.checked_add(*delta).ok_or(StoreError::Overflow)?;
            put(connection, label, key, &sum.to_le_bytes())?;
            Ok(Written::Sum(sum))
        }
        Write::Swap { key, old, value } => {
            if read_one(connection, label, key)? != *old {
                return Ok(Written::Swapped(false));
            }
            put(connection, label, key, value)?;
            Ok(Written::Swapped(true))
        }
    }
}

fn put(connection: &Connection, label: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
               ON CONFLICT (store, key) DO UPDATE SET value = ?3";
    connection.prepare_cached(sql)?.execute(params![label, key, value])?;
    Ok(())
}

#[cfg(test)]
mod tests;
