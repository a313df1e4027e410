//! Statements for a feed's tables. Names come from outside: they are checked, then quoted.

use std::collections::{BTreeMap, BTreeSet};

use api_types::feed::{FeedTable, FeedValue, SnapshotHeader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// Longest table or column name.
const NAME_BYTES_MAX: usize = 64;
/// Most tables of one feed.
const TABLES_MAX: usize = 256;
/// Most columns of one table; the engine allows 2 000.
const COLUMNS_MAX: usize = 256;
/// Most statements of a schema.
const STATEMENTS_MAX: usize = 2048;
/// Longest epoch; it becomes part of a file name.
const EPOCH_BYTES_MAX: usize = 64;
/// Our own tables start with this, so no feed may fill one.
pub(crate) const OWN_PREFIX: &str = "_vitrine";

/// The statements of one table.
#[derive(Debug, Clone)]
pub(crate) struct TablePlan {
    pub(crate) columns: usize,
    pub(crate) key: usize,
    pub(crate) insert: String,
    pub(crate) upsert: String,
    pub(crate) delete: String,
}

/// The statements of every table, by table name.
pub(crate) type Plans = BTreeMap<String, TablePlan>;

/// Checks everything in a header that ends up in SQL or in a file name.
pub(crate) fn check_header(header: &SnapshotHeader) -> Result<Plans, String> {
    if !is_epoch(&header.epoch) {
        return Err("epoch is not 1 to 64 of [A-Za-z0-9_-]".to_owned());
    }
    if i64::try_from(header.position).is_err() {
        return Err("position does not fit 63 bits".to_owned());
    }
    if header.schema.len() > STATEMENTS_MAX {
        return Err(format!("more than {STATEMENTS_MAX} schema statements"));
    }
    for statement in &header.schema {
        let first = statement.split_whitespace().next().unwrap_or("");
        if !first.eq_ignore_ascii_case("create") {
            return Err(format!("schema statement starts with `{first}`, not with CREATE"));
        }
    }
    plans(&header.tables)
}

/// Builds the statements of `tables`.
pub(crate) fn plans(tables: &[FeedTable]) -> Result<Plans, String> {
    if tables.len() > TABLES_MAX {
        return Err(format!("more than {TABLES_MAX} tables"));
    }
    let mut plans = Plans::new();
    for table in tables {
        if plans.insert(table.name.clone(), plan(table)?).is_some() {
            return Err(format!("table `{}` twice", table.name));
        }
    }
    Ok(plans)
}

/// The statement that takes all rows of `table` over from the attached `schema`.
pub(crate) fn take_over(table: &FeedTable, schema: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    let (name, columns) = (quoted(&table.name), columns.join(", "));
    format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM {schema}.{name}")
}

fn plan(table: &FeedTable) -> Result<TablePlan, String> {
    let name = &table.name;
    if !is_identifier(name) || name.starts_with(OWN_PREFIX) || name.starts_with("sqlite_") {
        return Err(format!("`{}` cannot be a table", name.escape_debug()));
    }
    if table.columns.is_empty() || table.columns.len() > COLUMNS_MAX {
        return Err(format!("table `{name}` has {} columns", table.columns.len()));
    }
    if let Some(bad) = table.columns.iter().find(|column| !is_identifier(column)) {
        return Err(format!("`{}` cannot be a column of `{name}`", bad.escape_debug()));
    }
    let columns: BTreeSet<&String> = table.columns.iter().collect();
    let key: BTreeSet<&String> = table.key.iter().collect();
    if columns.len() != table.columns.len() || key.len() != table.key.len() {
        return Err(format!("table `{name}` names a column twice"));
    }
    if key.is_empty() || !key.is_subset(&columns) {
        return Err(format!("table `{name}` has no key among its columns"));
    }
    let list =
        |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let marks = vec!["?"; table.columns.len()].join(", ");
    let insert =
        format!("INSERT INTO {} ({}) VALUES ({marks})", quoted(name), list(&table.columns));
    let updates: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !key.contains(column))
        .map(|column| format!("{0} = excluded.{0}", quoted(column)))
        .collect();
    let action = if updates.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {}", updates.join(", "))
    };
    // Not INSERT OR REPLACE: that deletes without firing delete triggers, and a search index kept by
    // triggers would keep the old words.
    let upsert = format!("{insert} ON CONFLICT ({}) {action}", list(&table.key));
    let wheres: Vec<String> = table.key.iter().map(|key| format!("{} = ?", quoted(key))).collect();
    let delete = format!("DELETE FROM {} WHERE {}", quoted(name), wheres.join(" AND "));
    Ok(TablePlan { columns: table.columns.len(), key: table.key.len(), insert, upsert, delete })
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_epoch(epoch: &str) -> bool {
    (1..=EPOCH_BYTES_MAX).contains(&epoch.len())
        && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// An identifier in quotes. What stands in a file of others may hold quotes itself.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A feed's value on its way into a statement, without a copy where it is text.
pub(crate) struct Bound<'a>(&'a FeedValue);

/// Wraps each of `values` for binding.
pub(crate) fn bound(values: &[FeedValue]) -> impl Iterator<Item = Bound<'_>> {
    values.iter().map(Bound)
}

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            FeedValue::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            FeedValue::Bool(value) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*value))),
            FeedValue::Integer(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            FeedValue::Real(value) => ToSqlOutput::Borrowed(ValueRef::Real(*value)),
            FeedValue::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            FeedValue::Base64(value) => {
                let bytes = STANDARD
                    .decode(value)
                    .map_err(|cause| rusqlite::Error::ToSqlConversionFailure(cause.into()))?;
                ToSqlOutput::Owned(Value::Blob(bytes))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str], key: &[&str]) -> FeedTable {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        FeedTable { name: name.to_owned(), columns: owned(columns), key: owned(key) }
    }

    #[test]
    fn upserts_by_key_and_updates_the_rest() {
        let plans =
            plans(&[table("prices", &["sku", "currency", "minor"], &["sku", "currency"])]).unwrap();
        assert_eq!(
            plans["prices"].upsert,
            "INSERT INTO \"prices\" (\"sku\", \"currency\", \"minor\") VALUES (?, ?, ?) \
             ON CONFLICT (\"sku\", \"currency\") DO UPDATE SET \"minor\" = excluded.\"minor\""
        );
        assert_eq!(
            plans["prices"].delete,
            "DELETE FROM \"prices\" WHERE \"sku\" = ? AND \"currency\" = ?"
        );
    }

    #[test]
    fn does_nothing_on_conflict_when_all_columns_are_key() {
        let plans = plans(&[table("tags", &["a", "b"], &["a", "b"])]).unwrap();
        assert!(plans["tags"].upsert.ends_with("ON CONFLICT (\"a\", \"b\") DO NOTHING"));
    }

    #[test]
    fn refuses_names_that_could_be_more_than_names() {
        for name in ["", "A", "1a", "a b", "a\"b", "a;b", "ä", "_vitrine_replica", "sqlite_master"]
        {
            assert!(plans(&[table(name, &["id"], &["id"])]).is_err(), "{name}");
        }
        for column in ["", "Id", "a\"", "x)--"] {
            assert!(plans(&[table("t", &[column], &[column])]).is_err(), "{column}");
        }
        assert!(plans(&[table("t", &["a", "a"], &["a"])]).is_err());
        assert!(plans(&[table("t", &["a"], &[])]).is_err());
        assert!(plans(&[table("t", &["a"], &["b"])]).is_err());
    }

    #[test]
    fn refuses_headers_that_do_more_than_create() {
        let header = |epoch: &str, statement: &str| SnapshotHeader {
            epoch: epoch.to_owned(),
            position: 0,
            schema_version: 1,
            schema: vec![statement.to_owned()],
            tables: vec![],
        };
        assert!(check_header(&header("e1", "CREATE TABLE t (a)")).is_ok());
        for statement in ["DROP TABLE t", "ATTACH 'x' AS y", "PRAGMA x", ""] {
            assert!(check_header(&header("e1", statement)).is_err(), "{statement}");
        }
        for epoch in ["", "../x", "a.b", &"x".repeat(65)] {
            assert!(check_header(&header(epoch, "CREATE TABLE t (a)")).is_err(), "{epoch}");
        }
    }
}
