//! The one writer: a thread that owns the write connection and *combines* what waits into one transaction.
//!
//! It takes what is queued, up to [`BATCH_MAX`], and never waits for more, so a lone command is as quick as without
//! combining while a crowd shares one fsync. Each command runs in its own savepoint: one that fails undoes itself
//! alone. Answers go out only after the commit, so whoever has an answer has it on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::tx::lock;

/// Most commands in one transaction: 256. Beyond it the gain is small and the last one waits longer.
const BATCH_MAX: usize = 256;

/// Says to a command's caller what became of it. Called once, after commit or rollback.
type Answer = Box<dyn FnOnce(Commit) + Send>;
/// A command: runs inside its savepoint, says whether to keep its effects.
type Command = Box<dyn FnOnce(&Mutex<Connection>) -> (Effects, Answer) + Send>;

enum Effects {
    Keep,
    Undo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Commit {
    Done,
    Failed,
}

/// What the writer has done since the start.
#[derive(Debug, Default)]
pub(crate) struct WriterCounts {
    pub(crate) commands: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// The queue to the writer thread. Dropping it lets the thread finish what is queued and end.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<WriterCounts>,
}

impl Writer {
    /// Starts the thread. `after_commit` runs on it after each commit.
    pub(crate) fn start(
        connection: Connection,
        queue_max: usize,
        after_commit: impl Fn(&Mutex<Connection>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (queue, commands) = sync_channel(queue_max);
        let counts = Arc::new(WriterCounts::default());
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn({
            let counts = Arc::clone(&counts);
            let connection = Mutex::new(connection);
            move || run(&connection, &commands, &counts, after_commit)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counts })
    }

    /// Runs a command of this engine alone and returns its value once it is on disk.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_shared(move |connection| work(&lock(connection))).await
    }

    /// Runs a command and returns its value once it is on disk.
    pub(crate) async fn run_shared<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mutex<Connection>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let command: Command = Box::new(move |connection| {
            let result = work(connection);
            let effects = if result.is_ok() { Effects::Keep } else { Effects::Undo };
            let answer = move |commit| {
                let value = match commit {
                    Commit::Done => result,
                    Commit::Failed => result.and(Err(StoreError::NoAnswer)),
                };
                // The caller may have gone; what it asked for is done all the same.
                let _ = sender.send(value);
            };
            (effects, Box::new(answer))
        });
        let queue = self.queue.as_ref().ok_or(StoreError::NoAnswer)?;
        queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                StoreError::QueueFull
            }
            TrySendError::Disconnected(_) => StoreError::NoAnswer,
        })?;
        receiver.await.map_err(|_dropped| StoreError::NoAnswer)?
    }

    pub(crate) fn counts(&self) -> &WriterCounts {
        &self.counts
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread itself has been logged by the panic hook; nothing is left to save.
            let _ = thread.join();
        }
    }
}

fn run(
    connection: &Mutex<Connection>,
    commands: &Receiver<Command>,
    counts: &WriterCounts,
    after_commit: impl Fn(&Mutex<Connection>),
) {
    while let Ok(first) = commands.recv() {
        let batch = std::iter::once(first).chain(commands.try_iter().take(BATCH_MAX - 1));
        let (answers, commit) = run_batch(connection, batch);
        counts.commands.fetch_add(u64::try_from(answers.len()).unwrap_or(0), Ordering::Relaxed);
        if commit == Commit::Done {
            counts.commits.fetch_add(1, Ordering::Relaxed);
            after_commit(connection);
        }
        for answer in answers {
            answer(commit);
        }
    }
}

fn run_batch(
    connection: &Mutex<Connection>,
    batch: impl Iterator<Item = Command>,
) -> (Vec<Answer>, Commit) {
    // IMMEDIATE: a `seed` in another process may hold the lock; waiting for it here cannot deadlock.
    if let Err(error) = lock(connection).execute_batch("BEGIN IMMEDIATE") {
        tracing::error!(error = %error, "could not begin a transaction");
        // Dropping the commands drops their answers' senders: every caller reads `NoAnswer`.
        drop(batch.collect::<Vec<_>>());
        return (Vec::new(), Commit::Failed);
    }
    let mut answers = Vec::new();
    for command in batch {
        let (answer, is_intact) = run_one(connection, command);
        answers.extend(answer);
        // A full disk or an I/O error may make SQLite end the whole transaction. What came before is undone then, and
        // whatever ran next would be committed alone, unanswered: it stays in the queue for the next transaction.
        if !is_intact || lock(connection).is_autocommit() {
            tracing::error!("lost the transaction of a batch");
            if !lock(connection).is_autocommit() {
                let _ = log_failure(lock(connection).execute_batch("ROLLBACK"));
            }
            return (answers, Commit::Failed);
        }
    }
    // In a statement of its own: a `match` would hold the lock through its arms, which take it again.
    let committed = lock(connection).execute_batch("COMMIT");
    match committed {
        Ok(()) => (answers, Commit::Done),
        Err(error) => {
            tracing::error!(error = %error, "could not commit a batch");
            if !lock(connection).is_autocommit() {
                let _ = log_failure(lock(connection).execute_batch("ROLLBACK"));
            }
            (answers, Commit::Failed)
        }
    }
}

/// Runs a command; `false` when its savepoint could not be ended as it should, so the transaction must not be kept.
fn run_one(connection: &Mutex<Connection>, command: Command) -> (Option<Answer>, bool) {
    if !log_failure(lock(connection).execute_batch("SAVEPOINT command")) {
        return (None, false);
    }
    // A panic is a bug in one command; the others of the batch and the thread go on.
    let (effects, answer) = match catch_unwind(AssertUnwindSafe(|| command(connection))) {
        Ok((effects, answer)) => (effects, Some(answer)),
        Err(_panic) => (Effects::Undo, None),
    };
    let is_intact = log_failure(match effects {
        Effects::Keep => lock(connection).execute_batch("RELEASE command"),
        Effects::Undo => lock(connection).execute_batch("ROLLBACK TO command; RELEASE command"),
    });
    (answer, is_intact)
}

/// Logs a failure of a statement that the writer itself runs; says whether there was none.
fn log_failure(result: rusqlite::Result<()>) -> bool {
    if let Err(error) = &result {
        tracing::error!(error = %error, "could not begin or end a command");
    }
    result.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(queue_max: usize) -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER NOT NULL CHECK (n < 100))").unwrap();
        Writer::start(connection, queue_max, |_| {}).unwrap()
    }

    async fn add(writer: &Writer, n: i64) -> Result<(), StoreError> {
        writer
            .run(move |connection| {
                connection.execute("INSERT INTO t (n) VALUES (?1)", [n])?;
                Ok(())
            })
            .await
    }

    async fn sum(writer: &Writer) -> i64 {
        writer
            .run(|connection| {
                Ok(connection
                    .query_row("SELECT coalesce(sum(n), 0) FROM t", [], |row| row.get(0))?)
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_command_that_fails_or_panics_undoes_itself_alone() {
        let writer = writer(16);
        let half_done = writer.run::<()>(|connection| {
            connection.execute("INSERT INTO t (n) VALUES (50)", [])?;
            connection.execute("INSERT INTO t (n) VALUES (500)", [])?;
            Ok(())
        });
        let panics = writer.run::<()>(|connection| {
            connection.execute("INSERT INTO t (n) VALUES (60)", [])?;
            panic!("a bug");
        });
        let (good, half_done, panics) = tokio::join!(add(&writer, 7), half_done, panics);
        assert!(good.is_ok());
        assert!(matches!(half_done, Err(StoreError::Database(_))));
        assert!(matches!(panics, Err(StoreError::NoAnswer)));
        assert_eq!(sum(&writer).await, 7);
    }

    #[tokio::test]
    async fn a_lost_transaction_is_answered_so_and_what_waits_goes_into_the_next() {
        let writer = writer(16);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let blocker = writer.run(move |_| {
            gate.recv().unwrap();
            Ok(())
        });
        // As SQLite does by itself on a full disk.
        let loses = writer.run::<()>(|connection| {
            connection.execute_batch("ROLLBACK")?;
            Err(StoreError::Corrupt("disk"))
        });
        let opened = async { open.send(()).unwrap() };
        let (blocker, before, lost, after, ()) =
            tokio::join!(blocker, add(&writer, 7), loses, add(&writer, 8), opened);
        assert!(matches!(blocker, Err(StoreError::NoAnswer)));
        assert!(matches!(before, Err(StoreError::NoAnswer)));
        assert!(matches!(lost, Err(StoreError::Corrupt(_))));
        assert!(after.is_ok(), "{after:?}");
        assert_eq!(sum(&writer).await, 8);
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_answered_so_and_the_writer_goes_on() {
        // Checked at the commit alone, which then fails and leaves the transaction open, as a full disk does.
        let tables = "PRAGMA foreign_keys = ON; CREATE TABLE parents (n INTEGER PRIMARY KEY);
            CREATE TABLE children (n INTEGER REFERENCES parents (n) DEFERRABLE INITIALLY DEFERRED)";
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER NOT NULL)").unwrap();
        connection.execute_batch(tables).unwrap();
        let writer = Writer::start(connection, 16, |_| {}).unwrap();
        let orphan = writer.run(|connection| {
            connection.execute("INSERT INTO children (n) VALUES (1)", [])?;
            Ok(())
        });
        let all = async { (orphan.await, add(&writer, 8).await) };
        let limit = std::time::Duration::from_secs(10);
        let Ok((orphan, after)) = tokio::time::timeout(limit, all).await else {
            // Dropping it would wait for the thread.
            std::mem::forget(writer);
            panic!("the writer does not go on");
        };
        assert!(matches!(orphan, Err(StoreError::NoAnswer)), "{orphan:?}");
        assert!(after.is_ok(), "{after:?}");
        assert_eq!(sum(&writer).await, 8);
    }

    #[tokio::test]
    async fn waiting_commands_share_commits_and_a_full_queue_refuses() {
        let writer = writer(4);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let blocker = writer.run(move |_| {
            gate.recv().unwrap();
            Ok(())
        });
        let crowd = async {
            // The blocker is in the writer's hands as soon as the queue takes four more and refuses the fifth.
            let adds: Vec<_> = (0..20).map(|_| add(&writer, 1)).collect();
            let opened = async { open.send(()).unwrap() };
            let (results, ()) = tokio::join!(join_all(adds), opened);
            results
        };
        let (first, results) = tokio::join!(blocker, crowd);
        first.unwrap();
        let done = results.iter().filter(|result| result.is_ok()).count();
        let refused =
            results.iter().filter(|result| matches!(result, Err(StoreError::QueueFull))).count();
        assert_eq!(done + refused, 20);
        assert!(refused >= 15, "{refused}");
        assert_eq!(sum(&writer).await, i64::try_from(done).unwrap());
        assert!(writer.counts().commits.load(Ordering::Relaxed) <= 4);
    }

    async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
        let mut pinned: Vec<_> =
            futures.into_iter().map(|future| (Box::pin(future), None)).collect();
        std::future::poll_fn(|context| {
            for (future, value) in &mut pinned {
                if value.is_none()
                    && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
                {
                    *value = Some(ready);
                }
            }
            if pinned.iter().all(|(_, value)| value.is_some()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        pinned.into_iter().filter_map(|(_, value)| value).collect()
    }
}
