//! What can go wrong, sorted by what the follower does about it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// The cause below an error of ours.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a replica could not be started, or its file not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// A setting cannot be used as it is.
    #[error("use replica setting `{name}`: {why}")]
    Setting {
        /// The field of [`crate::Settings`].
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The folder of the copies, or a file in it, cannot be used.
    #[error("{action} {}", path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process writes there already.
    #[error("another process follows into {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file that was to be filled in place holds something that would be lost.
    #[error("leave {} as it is: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it holds.
        why: String,
    },
    /// The database engine refused.
    #[error("{action} the replica")]
    Engine {
        /// What was tried.
        action: &'static str,
        /// What the engine said.
        #[source]
        cause: Cause,
    },
    /// The thread that owns the database is gone.
    #[error("the replica's writer has ended")]
    WriterGone,
}

impl ReplicaError {
    pub(crate) fn folder(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Folder { action, path: path.to_owned(), cause }
    }

    pub(crate) fn engine(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |cause| Self::Engine { action, cause: cause.into() }
    }
}

/// Why one attempt at an origin's feed brought nothing. The next origin is tried, then again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// No connection, or one that broke before an answer.
    #[error("reach the feed")]
    Unreachable(#[source] Cause),
    /// Nothing arrived in time.
    #[error("wait for the {0} of the feed's answer")]
    Timeout(&'static str),
    /// An answer that is neither data nor "start again".
    #[error("the feed answered {0}")]
    Status(u16),
    /// The answer broke off.
    #[error("read the feed's answer to its end")]
    Cut(#[source] Cause),
    /// More bytes than the limit of that kind allows.
    #[error("the feed's {what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Which limit.
        what: &'static str,
        /// Its value.
        bytes_max: u64,
    },
    /// Not what a feed says.
    #[error("understand the feed: {0}")]
    Garbage(String),
}

/// How one step of the follower failed, by remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Try another origin, then again after a pause.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Only a new snapshot helps.
    #[error("continuity lost: {0}")]
    Discontinuous(String),
    /// Something on this machine; the same step again after a pause.
    #[error(transparent)]
    Local(#[from] ReplicaError),
}

/// Writes an error and its causes into one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}
