//! A database as one component has opened it: its transaction lives over several statements, as in Spin.

use std::{sync::Arc, time::Duration};

use rusqlite::types::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{Answer, Database, File, StatementError, Taken};

/// Longest transaction: 5 s from its first statement. Beyond it it is undone, for others wait behind it.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database. Dropped, it undoes a transaction that is still open.
pub(crate) struct Session {
    database: Arc<Database>,
    /// The transaction that is open, if one is; locked while a statement runs, so that they run one after the other.
    transaction: Arc<Mutex<Transaction>>,
}

#[derive(Default)]
struct Transaction {
    open: Option<Taken>,
    until: Option<Instant>,
    /// Tells one transaction from the next.
    number: u64,
}

impl Session {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database, transaction: Arc::default() }
    }

    /// Runs `statement` after those before it, in the transaction that they have left open.
    pub(crate) async fn execute(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Answer, StatementError> {
        // Reading needs no transaction over several statements, and there is one connection for each reader.
        if matches!(self.database.file, File::Replica(_) | File::Remote(_)) {
            return Arc::clone(&self.database).execute(statement, parameters).await;
        }
        let mut transaction = self.transaction.lock().await;
        let was_open = transaction.open.take();
        if was_open.is_none() && transaction.until.take().is_some() {
            return Err(StatementError("the transaction took too long and was undone".to_owned()));
        }
        let is_new = was_open.is_none();
        let ran = self.database.execute_in(was_open, statement, parameters).await;
        let (answer, open) = ran;
        match &open {
            Some(_) if is_new => {
                transaction.number += 1;
                let until = Instant::now() + TRANSACTION_TIMEOUT;
                transaction.until = Some(until);
                self.end_at(until, transaction.number);
            }
            Some(_) => {}
            None => transaction.until = None,
        }
        transaction.open = open;
        answer
    }

    /// Undoes transaction `number` if it is still open then.
    fn end_at(&self, until: Instant, number: u64) {
        let transaction = Arc::downgrade(&self.transaction);
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            let Some(transaction) = transaction.upgrade() else { return };
            let mut transaction = transaction.lock().await;
            if transaction.number == number && transaction.open.take().is_some() {
                tracing::warn!("a transaction took too long and was undone");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn database() -> (tempfile::TempDir, Arc<Database>) {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("local.db");
        (dir, Arc::new(Database::local(path, Arc::new(Limits::default()))))
    }

    async fn run(session: &Session, statement: &str) -> Result<Vec<Vec<Value>>, StatementError> {
        let ran = session.execute(statement.to_owned(), Vec::new()).await;
        ran.map(|answer| answer.rows)
    }

    fn one(number: i64) -> Result<Vec<Vec<Value>>, StatementError> {
        Ok(vec![vec![Value::Integer(number)]])
    }

    const COUNT: &str = "SELECT count(*) FROM t";

    #[tokio::test]
    async fn a_transaction_lives_over_several_statements() {
        let (_dir, database) = database();
        let session = Session::new(Arc::clone(&database));
        for statement in ["CREATE TABLE t (n)", "BEGIN", "INSERT INTO t VALUES (1)", "ROLLBACK"] {
            assert_eq!(run(&session, statement).await, Ok(Vec::new()), "{statement}");
        }
        assert_eq!(run(&session, COUNT).await, one(0));
        for statement in ["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"] {
            assert_eq!(run(&session, statement).await, Ok(Vec::new()), "{statement}");
        }
        assert_eq!(run(&Session::new(database), COUNT).await, one(1));
    }

    #[tokio::test]
    async fn a_transaction_that_is_left_behind_is_undone() {
        let (_dir, database) = database();
        let session = Session::new(Arc::clone(&database));
        run(&session, "CREATE TABLE t (n)").await.expect("creates");
        run(&session, "BEGIN").await.expect("begins");
        run(&session, "INSERT INTO t VALUES (1)").await.expect("inserts");
        drop(session);
        assert_eq!(run(&Session::new(database), COUNT).await, one(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_that_takes_too_long_is_undone_and_its_owner_hears_of_it() {
        let (_dir, database) = database();
        let (slow, other) =
            (Session::new(Arc::clone(&database)), Session::new(Arc::clone(&database)));
        run(&slow, "CREATE TABLE t (n)").await.expect("creates");
        run(&slow, "BEGIN").await.expect("begins");
        run(&slow, "INSERT INTO t VALUES (1)").await.expect("inserts");
        let locked = run(&other, COUNT).await.expect_err("is locked");
        assert!(locked.0.contains("locked"), "{locked}");
        tokio::time::advance(TRANSACTION_TIMEOUT).await;
        assert_eq!(run(&other, COUNT).await, one(0));
        let undone = run(&slow, "COMMIT").await.expect_err("is undone");
        assert!(undone.0.contains("undone"), "{undone}");
        assert_eq!(run(&slow, COUNT).await, one(0));
    }

    #[tokio::test]
    async fn a_database_in_memory_is_shared_and_apart_from_others() {
        let memory = || Arc::new(Database::memory(Arc::new(Limits::default())).expect("opens"));
        let (first, second) = (memory(), memory());
        run(&Session::new(Arc::clone(&first)), "CREATE TABLE t (n)").await.expect("creates");
        // A transaction that is undone with its connection takes nothing else along.
        let session = Session::new(Arc::clone(&first));
        run(&session, "BEGIN").await.expect("begins");
        drop(session);
        assert_eq!(run(&Session::new(first), COUNT).await, one(0));
        assert!(run(&Session::new(second), COUNT).await.is_err());
    }
}
