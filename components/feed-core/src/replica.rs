//! Where a copy stands, and the row that says so.
//!
//! One row in `_vitrine_replica`, written in the same transaction as the data it speaks of. Beside the position it
//! holds the shape of the tables, for a run that continues has not seen the header, and two marks: when the origin was
//! last heard of, and whether something outside the database still has to follow.

use ports::{Rows, SqlValue};

use crate::fault::Fault;
use crate::statement::Statement;
use crate::table::Shape;

/// Creates the row's table. `one` keeps it a single row.
pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _vitrine_replica (\
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, position INTEGER NOT NULL, \
    schema_version INTEGER NOT NULL, applied_at_ms INTEGER NOT NULL, contact_at_ms INTEGER NOT NULL, \
    shape_json TEXT NOT NULL, upkeep TEXT)";

const READ: &str = "SELECT epoch, CAST(position AS TEXT), CAST(schema_version AS TEXT), \
    CAST(applied_at_ms AS TEXT), CAST(contact_at_ms AS TEXT), shape_json, upkeep FROM _vitrine_replica";

/// A copy that is complete up to its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The history its position belongs to.
    pub epoch: String,
    /// The last transaction it contains.
    pub position: u64,
    /// Version of its tables' shape.
    pub schema_version: u32,
    /// When its last batch was written, in milliseconds since 1970 by the writer's clock.
    pub applied_at_ms: i64,
    /// When an origin last answered and that was written down, likewise.
    pub contact_at_ms: i64,
    /// What outside the database still has to follow the data: `None` is nothing, an empty text everything, another one
    /// is whatever [`upkeep`] was given last.
    pub upkeep: Option<String>,
    pub(crate) shape: Shape,
}

/// Asks whether there has ever been a copy: no rows mean no.
#[must_use]
pub fn exists() -> Statement {
    Statement::new("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_vitrine_replica'")
}

/// Reads what [`Replica::of`] takes. Fails where [`exists`] finds nothing.
#[must_use]
pub fn read() -> Statement {
    Statement::new(READ)
}

/// Forgets the copy, so that the next run builds it anew: for a row that cannot be read.
#[must_use]
pub fn forget() -> Statement {
    Statement::new("DROP TABLE IF EXISTS _vitrine_replica")
}

/// Writes down that an origin answered at `now_ms`. Worth a write a minute, not one a poll.
#[must_use]
pub fn contact(now_ms: i64) -> Statement {
    Statement::with(
        "UPDATE _vitrine_replica SET contact_at_ms = max(contact_at_ms, CAST(?1 AS INTEGER))",
        [now_ms.to_string()],
    )
}

/// Writes down how far the outside has followed. When the copy is no longer at that place, another run may have written
/// to the outside before this one did: then everything there is to be written anew.
#[must_use]
pub fn upkeep(epoch: &str, position: u64, mark: Option<&str>) -> Statement {
    let (value, mut params) = match mark {
        Some(mark) => ("?3", vec![mark.to_owned()]),
        None => ("NULL", Vec::new()),
    };
    params.splice(0..0, [epoch.to_owned(), position.to_string()]);
    let sql = format!(
        "UPDATE _vitrine_replica SET upkeep = CASE WHEN epoch = ?1 AND position = CAST(?2 AS INTEGER) \
         THEN {value} ELSE '' END"
    );
    Statement { sql, params }
}

impl Replica {
    /// Takes the answer to [`read`]. `Ok(None)` when there is no copy.
    ///
    /// # Errors
    /// When the row is not what this version writes: the copy proves nothing and must be built anew.
    pub fn of(rows: &Rows) -> Result<Option<Self>, Fault> {
        let Some(row) = rows.rows.first() else { return Ok(None) };
        let broken = || Fault::Discontinuous("the copy's own row cannot be read".to_owned());
        let [epoch, position, schema_version, applied_at_ms, contact_at_ms, shape, upkeep] =
            row.as_slice()
        else {
            return Err(broken());
        };
        let text = |value: &SqlValue| match value {
            SqlValue::Text(text) => Some(text.clone()),
            _ => None,
        };
        let number = |value: &SqlValue| text(value)?.parse::<i64>().ok();
        let parsed = || {
            Some(Self {
                epoch: text(epoch)?,
                position: u64::try_from(number(position)?).ok()?,
                schema_version: u32::try_from(number(schema_version)?).ok()?,
                applied_at_ms: number(applied_at_ms)?,
                contact_at_ms: number(contact_at_ms)?,
                upkeep: text(upkeep),
                shape: serde_json::from_str(&text(shape)?).ok()?,
            })
        };
        parsed().map(Some).ok_or_else(broken)
    }
}

/// The guard of a batch of changes: moves the row on, and fails the whole batch where it is not at `before`, because
/// its position is then nothing, which the table refuses before it looks for a conflict.
pub(crate) fn move_on(before: &Replica, to: u64, now_ms: i64, needs_upkeep: bool) -> Statement {
    let upkeep = if needs_upkeep { ", upkeep = ''" } else { "" };
    let sql = format!(
        "INSERT INTO _vitrine_replica (one, epoch, position, schema_version, applied_at_ms, contact_at_ms, shape_json) \
         VALUES (1, ?1, (SELECT CAST(?3 AS INTEGER) FROM _vitrine_replica \
         WHERE epoch = ?1 AND position = CAST(?2 AS INTEGER)), CAST(?4 AS INTEGER), CAST(?5 AS INTEGER), \
         CAST(?5 AS INTEGER), '') ON CONFLICT (one) DO UPDATE SET position = excluded.position, \
         applied_at_ms = excluded.applied_at_ms, contact_at_ms = excluded.contact_at_ms{upkeep}"
    );
    Statement::with(
        sql,
        [
            before.epoch.clone(),
            before.position.to_string(),
            to.to_string(),
            before.schema_version.to_string(),
            now_ms.to_string(),
        ],
    )
}

/// The guard of a snapshot's last batch: as [`move_on`], where `before` may also be no copy at all.
/// `condition` is a further one, over `?7` and `?8`.
pub(crate) fn replace(
    before: Option<&Replica>,
    after: &Replica,
    condition: &str,
    further: [String; 2],
) -> Result<Statement, Fault> {
    let shape = serde_json::to_string(&after.shape)
        .map_err(|cause| Fault::Garbage(format!("describe the tables: {cause}")))?;
    // The place before stands in the text, for the parameters have no way to say "none"; an epoch is plain by check.
    let is_there = match before {
        Some(before) => format!(
            "EXISTS (SELECT 1 FROM _vitrine_replica WHERE epoch = ?5 AND position = {})",
            before.position
        ),
        None => "?5 = '' AND NOT EXISTS (SELECT 1 FROM _vitrine_replica)".to_owned(),
    };
    let sql = format!(
        "INSERT INTO _vitrine_replica (one, epoch, position, schema_version, applied_at_ms, contact_at_ms, shape_json, upkeep) \
         VALUES (1, ?1, (SELECT CAST(?2 AS INTEGER) WHERE {is_there} AND {condition}), CAST(?3 AS INTEGER), \
         CAST(?4 AS INTEGER), CAST(?4 AS INTEGER), ?6, '') ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, \
         position = excluded.position, schema_version = excluded.schema_version, \
         applied_at_ms = excluded.applied_at_ms, contact_at_ms = excluded.contact_at_ms, \
         shape_json = excluded.shape_json, upkeep = excluded.upkeep"
    );
    let [further_a, further_b] = further;
    Ok(Statement::with(
        sql,
        [
            after.epoch.clone(),
            after.position.to_string(),
            after.schema_version.to_string(),
            after.applied_at_ms.to_string(),
            before.map(|before| before.epoch.clone()).unwrap_or_default(),
            shape,
            further_a,
            further_b,
        ],
    ))
}
