//! Why the store did not answer.

use domain::ErrorKind;

/// A failure of the store itself. What a command refuses is part of its outcome, never an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The write queue is full: more is asked than the disk takes.
    #[error("the write queue is full")]
    QueueFull,
    /// The writer stopped, or the command panicked.
    #[error("the writer gave no answer")]
    NoAnswer,
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
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(rusqlite::Error);

impl StoreError {
    /// Returns the family of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::QueueFull | Self::NoAnswer => ErrorKind::Unavailable,
            Self::Database(_) | Self::Corrupt(_) | Self::TooNew { .. } | Self::Place(_) => {
                ErrorKind::Internal
            }
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(DatabaseError(error))
    }
}
