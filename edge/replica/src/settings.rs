//! What the follower is told: where to write, whom to ask, and every limit.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Everything [`crate::Replica::start`] needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the copies; created when missing. Everything in it belongs to the follower.
    pub dir: PathBuf,
    /// Origins that serve the feed, `http://host:port`, tried in this order. Hosts under `.invalid`
    /// stand for none and are left out.
    pub feed_urls: Vec<String>,
    /// The bearer token of the feed.
    pub token: Secret,
    /// Name of this node, sent as `User-Agent: vitrine-edge/<node id>`.
    pub node_id: String,
    /// Bounds on time and size.
    pub limits: Limits,
}

/// Bounds of the follower. `Default` suits a catalogue of up to some million rows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long the origin may hold a poll when nothing is newer. Default 4 s: an answer is the only
    /// proof of contact, and copies without contact for 10 s count as stale.
    pub poll_wait: Duration,
    /// Transactions asked for at once. Default 500, about 250 KB.
    pub batch_transactions: u32,
    /// Longest wait for a connection. Default 2 s.
    pub connect_timeout: Duration,
    /// Longest wait for the head of an answer, beyond `poll_wait`. Default 5 s.
    pub first_byte_timeout: Duration,
    /// Longest pause within a body. Default 10 s.
    pub frame_timeout: Duration,
    /// Longest whole body of changes. Default 30 s.
    pub changes_timeout: Duration,
    /// Longest whole snapshot. Default 30 min.
    pub snapshot_timeout: Duration,
    /// Largest answer with changes. Default 32 MiB, held in memory once.
    pub changes_bytes_max: u64,
    /// Longest line of a snapshot. Default 4 MiB.
    pub line_bytes_max: u64,
    /// Largest snapshot. Default 4 GiB, on disk, beside the file it replaces.
    pub snapshot_bytes_max: u64,
    /// First pause after every origin failed once. Default 50 ms; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest pause between attempts. Default 2 s, so an origin that is back is found within that.
    pub backoff_max: Duration,
    /// WAL size above which the writer checkpoints and truncates. Default 8 MiB.
    pub wal_bytes_max: u64,
    /// How long a replaced file stays, for readers between asking for a path and opening it.
    /// Default 5 s.
    pub retired_kept: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            poll_wait: Duration::from_secs(4),
            batch_transactions: 500,
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(5),
            frame_timeout: Duration::from_secs(10),
            changes_timeout: Duration::from_secs(30),
            snapshot_timeout: Duration::from_secs(30 * 60),
            changes_bytes_max: 32 * MIB,
            line_bytes_max: 4 * MIB,
            snapshot_bytes_max: 4 * GIB,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            wal_bytes_max: 8 * MIB,
            retired_kept: Duration::from_secs(5),
        }
    }
}

/// A text that never appears in logs: prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}
