//! Why the store did not answer.

use std::sync::Arc;

use domain::ErrorKind;
use tokio_postgres::error::SqlState;

/// A failure of the store itself. What a command refuses is part of its outcome, never an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The write queue is full: more is asked than the disk takes.
    #[error("the write queue is full")]
    QueueFull,
    /// Not known whether it was done: the writer stopped, the command panicked, or the answer to a commit was lost.
    #[error("the writer gave no answer")]
    NoAnswer,
    /// Nobody takes commands at this moment: the database is not reached, or no primary was found in time. Nothing was
    /// done.
    #[error("the database is not reached")]
    Unreachable,
    /// The round that asked has lost its job to another process. Nothing was done.
    #[error("the lease of the job is lost")]
    LeaseLost,
    /// The database refused a statement.
    #[error("database")]
    Database(#[from] DatabaseError),
    /// A stored value is not what was written. Somebody must look.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The file was migrated by a newer program.
    #[error("the database is at migration {found}, this program knows {known}")]
    TooNew {
        /// What the file says.
        found: i64,
        /// The newest that this program has.
        known: i64,
    },
    /// A thread could not be started, or the folder could not be made.
    #[error("prepare the database's place")]
    Place(#[from] std::io::Error),
}

/// The engine's own error, opaque so that no caller depends on the engine.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Engine);

/// Its text is not a client's to see: PostgreSQL quotes values in it.
#[derive(Debug, Clone, thiserror::Error)]
enum Engine {
    #[error("SQLite")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    #[error("PostgreSQL")]
    Postgres(#[source] Arc<tokio_postgres::Error>),
}

impl StoreError {
    /// Returns the family of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::QueueFull | Self::NoAnswer | Self::Unreachable | Self::LeaseLost => {
                ErrorKind::Unavailable
            }
            // Given up after the time for it: who asks later may find it well.
            error if error.is_worth_retrying() => ErrorKind::Unavailable,
            Self::Database(_) | Self::Corrupt(_) | Self::TooNew { .. } | Self::Place(_) => {
                ErrorKind::Internal
            }
        }
    }
}

impl StoreError {
    /// Says the same to another who waited for it too.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::QueueFull => Self::QueueFull,
            Self::NoAnswer => Self::NoAnswer,
            Self::LeaseLost => Self::LeaseLost,
            Self::Unreachable | Self::Database(_) => Self::Unreachable,
            Self::Corrupt(what) => Self::Corrupt(what),
            Self::TooNew { found, known } => Self::TooNew { found: *found, known: *known },
            Self::Place(error) => Self::Place(error.kind().into()),
        }
    }

    /// Tells whether the engine undid a transaction because it met another: run again, it may go well.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_conflict())
    }

    /// Tells whether the same may go well elsewhere or a moment later. Nothing was done.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Database(error) => {
                error.is_conflict() || error.is_lost() || error.has_taken_too_long()
            }
            _ => false,
        }
    }

    /// Tells whether all that is said is that something had failed before in the same transaction.
    pub(crate) fn is_aftermath(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_aftermath())
    }

    /// Tells whether it is for what was asked that it failed, so that something else may go well.
    pub(crate) fn is_of_a_command(&self) -> bool {
        match self {
            Self::Corrupt(_) => true,
            Self::Database(error) => !error.is_lost(),
            _ => false,
        }
    }

    /// Tells whether the engine refused a commit and kept nothing: a broken constraint, or a transaction that it undid.
    /// Whatever else is said instead of a commit's answer leaves its outcome unknown.
    pub(crate) fn is_refused_commit(&self) -> bool {
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| {
            let is_rolled_back = code.code().starts_with("23") || code.code().starts_with("40");
            is_rolled_back && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        }))
    }
}

impl DatabaseError {
    fn code(&self) -> Option<&SqlState> {
        match &self.0 {
            Engine::Sqlite(_) => None,
            Engine::Postgres(error) => error.code(),
        }
    }

    /// PostgreSQL's appendix A: what a serializable transaction must be ready for. Two that insert the same key meet in
    /// a unique index, which is also told as that.
    fn is_conflict(&self) -> bool {
        self.code().is_some_and(|code| {
            [
                &SqlState::T_R_SERIALIZATION_FAILURE,
                &SqlState::T_R_DEADLOCK_DETECTED,
                &SqlState::LOCK_NOT_AVAILABLE,
                &SqlState::UNIQUE_VIOLATION,
            ]
            .contains(&code)
        })
    }

    /// Tells whether another statement of the transaction failed, whose error is the one to judge by.
    pub(crate) fn is_aftermath(&self) -> bool {
        self.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
    }

    /// Tells whether a statement was ended for its time: `statement_timeout`, or somebody who cancelled it.
    fn has_taken_too_long(&self) -> bool {
        self.code() == Some(&SqlState::QUERY_CANCELED)
    }

    /// Tells whether the connection is gone, or leads to a server that takes no writes (any more).
    fn is_lost(&self) -> bool {
        match &self.0 {
            Engine::Sqlite(_) => false,
            Engine::Postgres(error) => error.code().is_none_or(|code| {
                [
                    &SqlState::ADMIN_SHUTDOWN,
                    &SqlState::CRASH_SHUTDOWN,
                    &SqlState::CANNOT_CONNECT_NOW,
                    &SqlState::READ_ONLY_SQL_TRANSACTION,
                    &SqlState::TOO_MANY_CONNECTIONS,
                    // The server ends what stood still for too long with its connection.
                    &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                    &SqlState::IDLE_SESSION_TIMEOUT,
                ]
                .contains(&code)
            }),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(DatabaseError(Engine::Sqlite(Arc::new(error))))
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(Engine::Postgres(Arc::new(error)))
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}
