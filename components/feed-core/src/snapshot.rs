//! A whole copy, piece by piece: rows are laid down in `_vitrine_chunks` as they come, and one last batch builds the
//! tables anew from there. A copy of any size needs little memory, and readers see the old tables until the new ones
//! are complete.

use std::collections::BTreeMap;

use api_types::feed::{SnapshotHeader, SnapshotLine, SnapshotRow};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::replica::{self, Replica};
use crate::rows::{Chunks, RowError};
use crate::statement::Statement;
use crate::table::{Shape, TablePlan};

const CHUNKS: &str = "_vitrine_chunks";
const CREATE_CHUNKS: &str = "CREATE TABLE IF NOT EXISTS _vitrine_chunks (run TEXT NOT NULL, n INTEGER NOT NULL, \
    name TEXT NOT NULL, rows_json TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (run, n)) WITHOUT ROWID";
/// What a run left that ended before its last batch is deleted after this long: 10 minutes.
const ABANDONED_MS: i64 = 600_000;

/// A snapshot on its way into a database.
#[derive(Debug)]
pub struct SnapshotReader {
    run: String,
    now_ms: i64,
    limits: Limits,
    /// The beginning of a line whose end has not come.
    pending: Vec<u8>,
    bytes: usize,
    building: Option<Building>,
    is_ended: bool,
}

#[derive(Debug)]
struct Building {
    header: SnapshotHeader,
    shape: Shape,
    plans: BTreeMap<String, TablePlan>,
    chunks: BTreeMap<String, Chunks>,
    rows: u64,
    staged: u64,
}

/// How a snapshot ends.
#[derive(Debug)]
pub struct Swap {
    /// The last rows, to be laid down before. Each inner list is one batch.
    pub staged: Vec<Vec<Statement>>,
    /// The one batch that makes the copy; until it is done nothing has changed for a reader.
    pub batch: Vec<Statement>,
    /// What the copy is then.
    pub replica: Replica,
}

impl SnapshotReader {
    /// Begins a snapshot. `run` must differ from that of every other one at the same time.
    #[must_use]
    pub fn new(run: &str, now_ms: i64, limits: Limits) -> Self {
        Self {
            run: run.to_owned(),
            now_ms,
            limits,
            pending: Vec::new(),
            bytes: 0,
            building: None,
            is_ended: false,
        }
    }

    /// Takes the next bytes. Returns batches to run now, mostly none.
    ///
    /// # Errors
    /// [`Fault::Garbage`] and [`Fault::TooLarge`]; then the reader is of no more use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<Statement>>, Fault> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > self.limits.snapshot_bytes_max {
            let bytes_max = self.limits.snapshot_bytes_max;
            return Err(Fault::TooLarge { what: "snapshot", bytes_max });
        }
        let mut batches = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if self.pending.len() > self.limits.row_bytes_max {
                return Err(self.row_too_large());
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.pending);
                batches.extend(self.line(&line)?);
            }
        }
        Ok(batches)
    }

    /// Proves the snapshot whole. `before` is what was read before it began; `now_ms` is written as the time of both the
    /// batch and the contact.
    ///
    /// # Errors
    /// [`Fault::Garbage`] when its end is missing or speaks of something else: it must be discarded.
    pub fn finish(mut self, before: Option<&Replica>, now_ms: i64) -> Result<Swap, Fault> {
        let last = std::mem::take(&mut self.pending);
        let mut staged: Vec<_> = self.line(&last)?.into_iter().collect();
        let is_ended = self.is_ended;
        let whole = self.building.take().filter(|_| is_ended);
        let Some(mut building) = whole else {
            return Err(Fault::Garbage("a snapshot without its end".to_owned()));
        };
        staged.extend(building.stage(&self.run, self.now_ms));
        let replica = Replica {
            epoch: building.header.epoch.clone(),
            position: building.header.position,
            schema_version: building.header.schema_version,
            applied_at_ms: now_ms,
            contact_at_ms: now_ms,
            upkeep: Some(String::new()),
            shape: building.shape.clone(),
        };
        let batch = building.swap(&self.run, before, &replica)?;
        Ok(Swap { staged, batch, replica })
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Vec<Statement>>, Fault> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let garbage = |why: &str| Err(Fault::Garbage(why.to_owned()));
        if self.is_ended {
            return garbage("a line behind the end");
        }
        let line = serde_json::from_slice(line)
            .map_err(|cause| Fault::Garbage(format!("a snapshot's line: {cause}")))?;
        match (line, &mut self.building) {
            (SnapshotLine::Header(header), None) => {
                self.building = Some(Building::begin(header).map_err(Fault::Garbage)?);
                Ok(None)
            }
            (SnapshotLine::Row(row), Some(building)) => {
                building.insert(&row, &self.limits).map_err(|error| match error {
                    RowError::Garbage(why) => Fault::Garbage(why),
                    RowError::TooLarge => self.row_too_large(),
                })?;
                let Some(building) = &mut self.building else { return Ok(None) };
                let waiting = building.chunks.values().map(Chunks::bytes).sum::<usize>();
                let is_enough = waiting >= self.limits.stage_bytes;
                Ok(if is_enough { building.stage(&self.run, self.now_ms) } else { None })
            }
            (SnapshotLine::End(end), Some(building)) => {
                if end.rows != building.rows || end.position != building.header.position {
                    return garbage("the end speaks of another snapshot");
                }
                self.is_ended = true;
                Ok(None)
            }
            (SnapshotLine::Header(_), Some(_)) => garbage("a second header"),
            (SnapshotLine::Row(_) | SnapshotLine::End(_), None) => garbage("no header before"),
        }
    }

    fn row_too_large(&self) -> Fault {
        Fault::TooLarge { what: "row", bytes_max: self.limits.row_bytes_max }
    }
}

impl Building {
    fn begin(header: SnapshotHeader) -> Result<Self, String> {
        let shape = Shape::of(&header)?;
        let plans = shape.plans()?;
        Ok(Self { header, shape, plans, chunks: BTreeMap::new(), rows: 0, staged: 0 })
    }

    fn insert(&mut self, row: &SnapshotRow, limits: &Limits) -> Result<(), RowError> {
        self.rows = self.rows.saturating_add(1);
        let fits =
            self.plans.get(&row.table).is_some_and(|plan| plan.columns() == row.values.len());
        if !fits {
            let why = format!("row {} fits no table of the header", self.rows);
            return Err(RowError::Garbage(why));
        }
        let chunks = self.chunks.entry(row.table.clone()).or_default();
        chunks.push(&row.values, limits.chunk_bytes, limits.row_bytes_max)
    }

    /// Returns the batch that lays down what waits; `None` when nothing does.
    fn stage(&mut self, run: &str, now_ms: i64) -> Option<Vec<Statement>> {
        let mut batch = Vec::new();
        for (name, chunks) in &mut self.chunks {
            for rows_json in chunks.take() {
                let n = self.staged;
                self.staged = self.staged.saturating_add(1);
                batch.push(Statement::with(
                    "INSERT INTO _vitrine_chunks (run, n, name, rows_json, at_ms) \
                     VALUES (?1, CAST(?2 AS INTEGER), ?3, ?4, CAST(?5 AS INTEGER))",
                    [run.to_owned(), n.to_string(), name.clone(), rows_json, now_ms.to_string()],
                ));
            }
        }
        if batch.is_empty() {
            return None;
        }
        let abandoned = now_ms.saturating_sub(ABANDONED_MS).to_string();
        batch.splice(
            0..0,
            [
                Statement::new(CREATE_CHUNKS),
                Statement::with(
                    "DELETE FROM _vitrine_chunks WHERE at_ms < CAST(?1 AS INTEGER)",
                    [abandoned],
                ),
            ],
        );
        Some(batch)
    }

    /// Returns the batch that builds the tables anew: guard, old objects away, new ones, rows, and the pieces away.
    fn swap(
        &self,
        run: &str,
        before: Option<&Replica>,
        after: &Replica,
    ) -> Result<Vec<Statement>, Fault> {
        // Another run's last batch deletes every piece, also ours.
        let is_laid_down =
            "(SELECT count(*) FROM _vitrine_chunks WHERE run = ?7) = CAST(?8 AS INTEGER)";
        let further = [run.to_owned(), self.staged.to_string()];
        let mut batch = vec![
            Statement::new(CREATE_CHUNKS),
            Statement::new(replica::CREATE),
            replica::replace(before, after, is_laid_down, further)?,
        ];
        let old = before.map(|before| before.shape.objects.as_slice()).unwrap_or_default();
        let mut objects: Vec<_> = old.iter().chain(&self.shape.objects).collect();
        objects.sort();
        objects.dedup();
        batch.extend(objects.iter().map(|object| Statement::new(object.drop_sql())));
        batch.extend(self.header.schema.iter().map(Statement::new));
        for (name, plan) in &self.plans {
            let Some(chunks) = self.chunks.get(name) else { continue };
            let sql = plan.insert_staged(CHUNKS, &chunks.special);
            batch.push(Statement::with(sql, [run.to_owned(), name.clone()]));
        }
        batch.push(Statement::new("DELETE FROM _vitrine_chunks"));
        Ok(batch)
    }
}
