//! Imports of files, under `/admin/v1/imports`.

use domain::{ImportId, Timestamp};
use serde::{Deserialize, Serialize};

/// Largest piece of a file in one request: 48 KiB, so that it passes every edge.
pub const PART_BYTES_MAX: usize = 48 * 1_024;

/// Body of `POST /admin/v1/imports`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewImport {
    /// `products`, `prices` or `stock`.
    #[serde(default)]
    pub kind: String,
    /// `csv` or `ndjson`.
    #[serde(default)]
    pub format: String,
    /// Whether rows are only checked, and nothing is changed.
    #[serde(default)]
    pub dry_run: bool,
}

/// An import as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its name.
    pub id: ImportId,
    /// What its rows are.
    pub kind: String,
    /// How they are written.
    pub format: String,
    /// Whether rows are only checked.
    pub dry_run: bool,
    /// `uploading`, `running`, `done`, `failed` or `cancelled`.
    pub status: String,
    /// Bytes that were sent.
    pub bytes_total: u64,
    /// Bytes whose rows are through.
    pub bytes_done: u64,
    /// Rows that were carried out.
    pub rows_done: u64,
    /// Rows that were wrong.
    pub rows_failed: u64,
    /// Why it failed as a whole.
    pub failure: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something happened last.
    pub updated_at: Timestamp,
}

/// Answer of `GET /admin/v1/imports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// Newest first.
    pub items: Vec<Import>,
    /// Give it back as `before` for the next page; absent on the last one.
    pub next_before: Option<ImportId>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Which row, from 1; the line of names is none.
    pub row: u64,
    /// The column.
    pub field: String,
    /// Stable code.
    pub code: String,
    /// What it must be.
    pub detail: String,
}

/// Answer of `GET /admin/v1/imports/{id}/errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportErrors {
    /// By row.
    pub items: Vec<RowError>,
    /// Give it back as `after` for the next page; absent on the last one.
    pub next_after: Option<u64>,
}
