//! An answer of the feed, checked against the copy it is to continue, as one batch.

use std::collections::{BTreeMap, BTreeSet};

use api_types::feed::{Changes, FeedChange, FeedValue};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::replica::{self, Replica};
use crate::rows::{Chunks, RowError, Special, write};
use crate::statement::Statement;
use crate::table::TablePlan;

/// Reads the body of an answer.
///
/// # Errors
/// [`Fault::Garbage`] and [`Fault::TooLarge`].
pub fn parse(body: &[u8], limits: &Limits) -> Result<Changes, Fault> {
    if body.len() > limits.changes_bytes_max {
        return Err(Fault::TooLarge { what: "answer", bytes_max: limits.changes_bytes_max });
    }
    serde_json::from_slice(body).map_err(|cause| Fault::Garbage(format!("changes: {cause}")))
}

/// Returns the batch that takes `replica` to `changes.to`; empty when it is there already.
///
/// All of its statements must be one transaction. With `needs_upkeep`, the copy is marked so that a run which ends before the outside has followed is
/// found out by the next ([`Replica::upkeep`]).
///
/// A table gets at most one statement for deletions and one for puts (more when a megabyte does not hold them), in
/// this order: see [`split`].
///
/// # Errors
/// [`Fault::Discontinuous`] when they do not continue the copy, [`Fault::TooLarge`] for a row above the limit.
pub fn statements(
    replica: &Replica,
    changes: &Changes,
    needs_upkeep: bool,
    now_ms: i64,
    limits: &Limits,
) -> Result<Vec<Statement>, Fault> {
    check_continuity(replica, changes)?;
    if changes.to == replica.position {
        return Ok(Vec::new());
    }
    let plans = replica.shape.plans().map_err(Fault::Discontinuous)?;
    let mut batch = vec![replica::move_on(replica, changes.to, now_ms, needs_upkeep)];
    for (table, ops) in by_table(&plans, changes)? {
        let lost = |why: &str| Fault::Discontinuous(format!("table `{table}`: {why}"));
        let plan = plans.get(table).ok_or_else(|| lost("is not there"))?;
        let (deletes, puts) = split(plan, &ops).map_err(|why| lost(&why))?;
        let row = |error| match error {
            RowError::Garbage(why) => lost(&why),
            RowError::TooLarge => Fault::TooLarge { what: "row", bytes_max: limits.row_bytes_max },
        };
        let mut chunks = Chunks::default();
        for key in deletes {
            chunks.push(key, limits.chunk_bytes, limits.row_bytes_max).map_err(row)?;
        }
        let chunk_list = chunks.take();
        let sql = plan.delete(&chunks.special);
        batch.extend(chunk_list.into_iter().map(|keys| Statement::with(sql.as_str(), [keys])));
        let mut chunks = Chunks::default();
        for values in puts {
            chunks.push(values, limits.chunk_bytes, limits.row_bytes_max).map_err(row)?;
        }
        let chunk_list = chunks.take();
        let sql = plan.upsert(&chunks.special);
        batch.extend(chunk_list.into_iter().map(|rows| Statement::with(sql.as_str(), [rows])));
    }
    Ok(batch)
}

fn check_continuity(replica: &Replica, changes: &Changes) -> Result<(), Fault> {
    let lost = |why: String| Err(Fault::Discontinuous(why));
    if changes.epoch != replica.epoch {
        return lost(format!("epoch {} became another", replica.epoch));
    }
    if changes.schema_version != replica.schema_version {
        return lost(format!(
            "schema {} became {}",
            replica.schema_version, changes.schema_version
        ));
    }
    if changes.from != replica.position {
        return lost(format!("changes after {} instead of {}", changes.from, replica.position));
    }
    let mut last = changes.from;
    for transaction in &changes.transactions {
        if transaction.position <= last {
            return lost(format!("position {} after {last}", transaction.position));
        }
        last = transaction.position;
    }
    if changes.to < last {
        return lost(format!("changes to {last}, beyond {}", changes.to));
    }
    if changes.head < changes.to {
        return lost(format!("the origin is at {}, behind {}", changes.head, changes.to));
    }
    if i64::try_from(changes.to).is_err() {
        return lost("position does not fit 63 bits".to_owned());
    }
    Ok(())
}

/// Sorts the changes by table, each table's in their order, and checks how many values they have.
fn by_table<'a>(
    plans: &BTreeMap<String, TablePlan>,
    changes: &'a Changes,
) -> Result<BTreeMap<&'a str, Vec<&'a FeedChange>>, Fault> {
    let mut tables: BTreeMap<&str, Vec<&FeedChange>> = BTreeMap::new();
    for transaction in &changes.transactions {
        for change in &transaction.changes {
            let (table, values, is_put) = match change {
                FeedChange::Put { table, values } => (table, values, true),
                FeedChange::Delete { table, key } => (table, key, false),
            };
            let expected = plans
                .get(table)
                .map(|plan| if is_put { plan.columns() } else { plan.key_at().len() });
            if expected != Some(values.len()) {
                return Err(Fault::Discontinuous(format!(
                    "transaction {}, `{}`: no such table, or wrong number of values",
                    transaction.position,
                    table.escape_debug()
                )));
            }
            tables.entry(table).or_default().push(change);
        }
    }
    Ok(tables)
}

type Keys<'a> = Vec<&'a [FeedValue]>;

/// Splits one table's changes into all keys that were ever deleted and, in their order, the puts that no later change
/// deleted. First the deletions, then the puts: the same rows are left as by the changes one after the other, and no put
/// meets a row that it would not have met then, so no constraint fails that did not fail at the origin.
fn split<'a>(plan: &TablePlan, ops: &[&'a FeedChange]) -> Result<(Keys<'a>, Keys<'a>), String> {
    let mut seen = BTreeSet::new();
    let (mut deletes, mut puts) = (Vec::new(), Vec::new());
    // Backwards: what is seen deleted here happens later.
    for op in ops.iter().rev() {
        match op {
            FeedChange::Delete { key, .. } => {
                if seen.insert(key_text(key)?) {
                    deletes.push(key.as_slice());
                }
            }
            FeedChange::Put { values, .. } => {
                let key = plan.key_at().iter().filter_map(|at| values.get(*at));
                if !seen.contains(&key_text(key)?) {
                    puts.push(values.as_slice());
                }
            }
        }
    }
    puts.reverse();
    Ok((deletes, puts))
}

/// A key as a text to compare by. An origin sends one type per column, but a boolean may also be 0 or 1.
fn key_text<'a>(key: impl IntoIterator<Item = &'a FeedValue>) -> Result<String, String> {
    let plain: Vec<FeedValue> = key
        .into_iter()
        .map(|value| match value {
            FeedValue::Bool(value) => FeedValue::Integer(i64::from(*value)),
            other => other.clone(),
        })
        .collect();
    let mut text = String::new();
    write(&mut text, &plain, &mut Special::default())?;
    Ok(text)
}
