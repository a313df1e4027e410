//! The statements of one table, and the shape of all of them as it is kept beside the data.

use std::collections::{BTreeMap, BTreeSet};

use api_types::feed::{FeedTable, SnapshotHeader};
use serde::{Deserialize, Serialize};

use crate::ddl::{self, Kind, Object};
use crate::names::{self, quoted};
use crate::rows::{self, Special};

/// Most tables of one feed.
const TABLES_MAX: usize = 64;
/// Most columns of one table: D1 has at most 100.
const COLUMNS_MAX: usize = 100;
/// Most statements of a schema: a batch also drops what they created before.
const STATEMENTS_MAX: usize = 256;

/// What a feed's tables look like and what must be dropped with them. Kept as JSON beside the position, for a run that
/// continues has not seen the header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Shape {
    tables: Vec<FeedTable>,
    pub(crate) objects: Vec<Object>,
}

impl Shape {
    /// Checks everything in a header that ends up in SQL.
    pub(crate) fn of(header: &SnapshotHeader) -> Result<Self, String> {
        if !names::is_epoch(&header.epoch) {
            return Err("epoch is not 1 to 64 of [A-Za-z0-9_-]".to_owned());
        }
        if i64::try_from(header.position).is_err() {
            return Err("position does not fit 63 bits".to_owned());
        }
        if header.schema.len() > STATEMENTS_MAX || header.tables.len() > TABLES_MAX {
            return Err("more tables or statements than allowed".to_owned());
        }
        let mut objects = Vec::new();
        for statement in &header.schema {
            objects.extend(ddl::object(statement)?);
        }
        let shape = Self { tables: header.tables.clone(), objects };
        shape.plans()?;
        for table in &shape.tables {
            let object = Object { kind: Kind::Table, name: table.name.clone() };
            if !shape.objects.contains(&object) {
                return Err(format!("no statement creates table `{}`", table.name));
            }
        }
        Ok(shape)
    }

    /// Returns the plans of all tables by name.
    pub(crate) fn plans(&self) -> Result<BTreeMap<String, TablePlan>, String> {
        let mut plans = BTreeMap::new();
        for table in &self.tables {
            if plans.insert(table.name.clone(), TablePlan::new(table)?).is_some() {
                return Err(format!("table `{}` twice", table.name));
            }
        }
        Ok(plans)
    }
}

/// How rows get into one table and out of it.
#[derive(Debug, Clone)]
pub(crate) struct TablePlan {
    table: FeedTable,
    /// Where the key's columns are in a row.
    key_at: Vec<usize>,
}

impl TablePlan {
    fn new(table: &FeedTable) -> Result<Self, String> {
        let name = &table.name;
        if !names::is_object(name) {
            return Err(format!("`{}` cannot be a table", name.escape_debug()));
        }
        if table.columns.is_empty() || table.columns.len() > COLUMNS_MAX {
            return Err(format!("table `{name}` has {} columns", table.columns.len()));
        }
        if let Some(bad) = table.columns.iter().find(|column| !names::is_identifier(column)) {
            return Err(format!("`{}` cannot be a column of `{name}`", bad.escape_debug()));
        }
        let unique = |names: &[String]| names.iter().collect::<BTreeSet<_>>().len() == names.len();
        if !unique(&table.columns) || !unique(&table.key) {
            return Err(format!("table `{name}` names a column twice"));
        }
        let at = |key: &String| table.columns.iter().position(|column| column == key);
        let key_at: Option<Vec<usize>> = table.key.iter().map(at).collect();
        match key_at {
            Some(key_at) if !key_at.is_empty() => Ok(Self { table: table.clone(), key_at }),
            _ => Err(format!("table `{name}` has no key among its columns")),
        }
    }

    pub(crate) fn columns(&self) -> usize {
        self.table.columns.len()
    }

    pub(crate) fn key_at(&self) -> &[usize] {
        &self.key_at
    }

    /// Takes over the rows that a snapshot laid down under the table's name: `?1` run, `?2` table.
    pub(crate) fn insert_staged(&self, staged: &str, special: &Special) -> String {
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {staged} AS chunk, json_each(chunk.rows_json) AS one \
             WHERE chunk.run = ?1 AND chunk.name = ?2",
            quoted(&self.table.name),
            list(&self.table.columns),
            rows::extracts(self.columns(), special),
        )
    }

    /// Puts the rows of the JSON array `?1`, in its order.
    pub(crate) fn upsert(&self, special: &Special) -> String {
        let key: BTreeSet<&String> = self.table.key.iter().collect();
        let updates: Vec<String> = self
            .table
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
        // Not INSERT OR REPLACE: that deletes without firing delete triggers, and a search index kept by triggers
        // would keep the old words. `WHERE true` tells the parser that ON belongs to no join.
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM json_each(?1) AS one WHERE true ON CONFLICT ({}) {action}",
            quoted(&self.table.name),
            list(&self.table.columns),
            rows::extracts(self.columns(), special),
            list(&self.table.key),
        )
    }

    /// Deletes the rows whose keys are in the JSON array `?1`.
    pub(crate) fn delete(&self, special: &Special) -> String {
        format!(
            "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM json_each(?1) AS one)",
            quoted(&self.table.name),
            list(&self.table.key),
            rows::extracts(self.table.key.len(), special),
        )
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str], key: &[&str]) -> FeedTable {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        FeedTable { name: name.to_owned(), columns: owned(columns), key: owned(key) }
    }

    #[test]
    fn statements_take_rows_apart_and_put_them_by_key() {
        let plan = TablePlan::new(&table("prices", &["sku", "minor"], &["sku"])).unwrap();
        let none = Special::default();
        assert_eq!(
            plan.upsert(&none),
            "INSERT INTO \"prices\" (\"sku\", \"minor\") \
             SELECT json_extract(one.value, '$[0]'), json_extract(one.value, '$[1]') \
             FROM json_each(?1) AS one WHERE true \
             ON CONFLICT (\"sku\") DO UPDATE SET \"minor\" = excluded.\"minor\""
        );
        assert_eq!(
            plan.delete(&none),
            "DELETE FROM \"prices\" WHERE (\"sku\") IN \
             (SELECT json_extract(one.value, '$[0]') FROM json_each(?1) AS one)"
        );
        let plan = TablePlan::new(&table("tags", &["a", "b"], &["b", "a"])).unwrap();
        assert!(plan.upsert(&none).ends_with("ON CONFLICT (\"b\", \"a\") DO NOTHING"));
        assert_eq!(plan.key_at(), [1, 0]);
    }

    #[test]
    fn refuses_tables_that_cannot_be_ours() {
        for (name, columns, key) in [
            ("a b", &["id"][..], &["id"][..]),
            ("_vitrine_replica", &["id"], &["id"]),
            ("t", &["Id"], &["Id"]),
            ("t", &["a", "a"], &["a"]),
            ("t", &["a"], &[]),
            ("t", &["a"], &["b"]),
            ("t", &[], &[]),
        ] {
            assert!(TablePlan::new(&table(name, columns, key)).is_err(), "{name} {columns:?}");
        }
    }

    #[test]
    fn refuses_headers_whose_tables_nothing_creates() {
        let header = |schema: &str, epoch: &str| SnapshotHeader {
            epoch: epoch.to_owned(),
            position: 0,
            schema_version: 1,
            schema: vec![schema.to_owned()],
            tables: vec![table("t", &["a"], &["a"])],
        };
        assert!(Shape::of(&header("CREATE TABLE t (a)", "e")).is_ok());
        assert!(Shape::of(&header("CREATE TABLE other (a)", "e")).is_err());
        assert!(Shape::of(&header("CREATE TABLE t (a)", "e/")).is_err());
        assert!(Shape::of(&header("DROP TABLE t", "e")).is_err());
    }
}
