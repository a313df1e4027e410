//! Every bound of what is read and written, with the platform's limit that it comes from.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bounds on sizes. `Default` fits Cloudflare D1 and a Worker's 128 MB of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest snapshot. Default 64 MiB. It passes through memory in pieces; the bound is the 30 s that D1 gives one
    /// batch, the last of which takes all rows over (about 150 ms per MiB with a search index).
    pub snapshot_bytes_max: usize,
    /// Largest answer with changes. Default 8 MiB, held in memory about four times on its way through JavaScript.
    pub changes_bytes_max: usize,
    /// Longest line of a snapshot, and so the largest row. Default 1 900 KiB: D1 refuses values above 2 MB.
    pub row_bytes_max: usize,
    /// Size of one parameter full of rows, but for a row that is longer alone. Default 1 MiB.
    pub chunk_bytes: usize,
    /// Rows of a snapshot that wait in memory before a batch of them is handed out. Default 4 MiB.
    pub stage_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            snapshot_bytes_max: 64 * MIB,
            changes_bytes_max: 8 * MIB,
            row_bytes_max: 1_900 * KIB,
            chunk_bytes: MIB,
            stage_bytes: 4 * MIB,
        }
    }
}
