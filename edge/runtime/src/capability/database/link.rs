//! A connection, and the read transaction that it keeps from one statement to the next.
//!
//! A statement by itself locks its file, looks at it and unlocks it: three system calls, which cost more than many a
//! lookup. A file that only this process writes changes only when its source says so. Until then the transaction of
//! the statement before is as good as a new one.

use rusqlite::Connection;

use super::StatementError;

/// A connection. Dropped, it undoes a transaction that is still open.
pub(super) struct Link {
    connection: Connection,
    /// The version that was asked for before the kept transaction began. `None` without one.
    kept: Option<u64>,
}

impl Link {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, kept: None }
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Lets `work` run `statement`, which reads all that was committed before `version` was asked for.
    pub(super) fn run<T, E: From<StatementError>>(
        &mut self,
        statement: &str,
        version: Option<u64>,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        // Whatever is no plain question runs by itself: a component finds no transaction but its own.
        let version = version.filter(|_| is_question(statement));
        self.keep_only(version)?;
        if self.kept.is_none() && version.is_some() {
            // It sees the file as of its first read, which is still to come.
            self.connection.execute_batch("BEGIN").map_err(StatementError::from)?;
            self.kept = version;
        }
        let done = work(&self.connection);
        if done.is_err() {
            // What failed leaves nothing behind. If this fails, too, the connection is not used again.
            let _ = self.keep_only(None);
        }
        done
    }

    /// Ends the kept transaction, unless it began at `version`. After an error the connection is of no use.
    pub(super) fn keep_only(&mut self, version: Option<u64>) -> Result<(), StatementError> {
        // Damage or want of memory may have ended it already.
        if self.kept != version && self.kept.take().is_some() && !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    /// Whether a component has left a transaction open.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.kept.is_none() && !self.connection.is_autocommit()
    }
}

/// Tells whether a statement can neither begin nor end a transaction, by its first word.
fn is_question(statement: &str) -> bool {
    let statement = statement.trim_ascii_start().as_bytes();
    let begins_with = |word: &str| {
        statement.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word.as_bytes()))
    };
    begins_with("SELECT") || begins_with("WITH")
}

#[cfg(test)]
mod tests;
