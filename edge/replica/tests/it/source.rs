//! The truth that is replicated: two tables, their history, and what a right copy looks like.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use api_types::feed::{
    Changes, FeedChange, FeedTable, FeedTransaction, FeedValue, SnapshotEnd, SnapshotHeader,
    SnapshotLine, SnapshotRow,
};

use crate::rng::Rng;

/// Words that names are made of, so that searches have something to find.
pub(crate) const WORDS: &[&str] =
    &["chair", "lamp", "oak", "blue", "round", "tall", "wool", "glass"];

/// Both tables with their columns; the key comes first.
pub(crate) const TABLES: &[(&str, &[&str], usize)] =
    &[("items", &["id", "name", "weight", "note", "picture"], 1), ("links", &["a", "b"], 2)];

const SCHEMA: &[&str] = &[
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, weight REAL NOT NULL, note TEXT, picture BLOB)",
    "CREATE TABLE links (a TEXT NOT NULL, b TEXT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID",
    "CREATE VIRTUAL TABLE items_fts USING fts5 (name, content = 'items', content_rowid = 'id')",
    "CREATE TRIGGER items_added AFTER INSERT ON items BEGIN \
     INSERT INTO items_fts (rowid, name) VALUES (new.id, new.name); END",
    "CREATE TRIGGER items_removed AFTER DELETE ON items BEGIN \
     INSERT INTO items_fts (items_fts, rowid, name) VALUES ('delete', old.id, old.name); END",
    "CREATE TRIGGER items_changed AFTER UPDATE ON items BEGIN \
     INSERT INTO items_fts (items_fts, rowid, name) VALUES ('delete', old.id, old.name); \
     INSERT INTO items_fts (rowid, name) VALUES (new.id, new.name); END",
];

/// Rows of one table by the text of their key.
pub(crate) type Rows = BTreeMap<String, Vec<FeedValue>>;

/// An origin's data and its whole history.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) epoch: String,
    pub(crate) schema_version: u32,
    pub(crate) position: u64,
    /// Positions before this one are forgotten.
    pub(crate) oldest: u64,
    tables: BTreeMap<String, Rows>,
    log: Vec<FeedTransaction>,
    digests: BTreeMap<(String, u64), u64>,
}

impl Source {
    pub(crate) fn new() -> Self {
        let tables = TABLES.iter().map(|(name, _, _)| ((*name).to_owned(), Rows::new())).collect();
        let mut source = Self {
            epoch: "e1".to_owned(),
            schema_version: 1,
            position: 0,
            oldest: 0,
            tables,
            log: Vec::new(),
            digests: BTreeMap::new(),
        };
        source.remember();
        source
    }

    /// Returns what a copy at `position` of `epoch` must digest to, if there ever was such a moment.
    pub(crate) fn digest_at(&self, epoch: &str, position: u64) -> Option<u64> {
        self.digests.get(&(epoch.to_owned(), position)).copied()
    }

    /// Commits `changes` as one transaction; positions may leave numbers out.
    pub(crate) fn commit(&mut self, step: u64, changes: Vec<FeedChange>) -> u64 {
        for change in &changes {
            match change {
                FeedChange::Put { table, values } => {
                    let rows = self.tables.get_mut(table).unwrap();
                    rows.insert(key_text(table, values), values.clone());
                }
                FeedChange::Delete { table, key } => {
                    self.tables.get_mut(table).unwrap().remove(&key_text(table, key));
                }
            }
        }
        self.position += step;
        let at_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let at_ms = i64::try_from(at_ms.as_millis()).unwrap();
        self.log.push(FeedTransaction { position: self.position, at_ms, changes });
        self.remember();
        self.position
    }

    /// Commits a transaction of 1 to 6 random changes over few keys, so that they meet.
    pub(crate) fn commit_random(&mut self, rng: &mut Rng) -> u64 {
        let changes = (0..=rng.below(6)).map(|_| random_change(rng)).collect();
        let step = 1 + rng.below(3);
        self.commit(step, changes)
    }

    /// Becomes what a restored backup is: other data, another epoch, an older position.
    pub(crate) fn restore(&mut self, epoch: &str, rng: &mut Rng) {
        self.epoch = epoch.to_owned();
        self.position /= 2;
        self.oldest = self.position;
        self.log.clear();
        for rows in self.tables.values_mut() {
            rows.retain(|_, _| rng.below(3) > 0);
        }
        self.remember();
    }

    /// Forgets the history up to now, as retention does.
    pub(crate) fn forget(&mut self) {
        self.oldest = self.position;
        self.log.clear();
    }

    pub(crate) fn changes(&self, after: u64, limit: usize) -> Changes {
        let newer = self.log.iter().filter(|one| one.position > after);
        let transactions: Vec<_> = newer.take(limit).cloned().collect();
        Changes {
            epoch: self.epoch.clone(),
            schema_version: self.schema_version,
            from: after,
            to: transactions.last().map_or(after, |last| last.position),
            head: self.position,
            transactions,
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<SnapshotLine> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let header = SnapshotHeader {
            epoch: self.epoch.clone(),
            position: self.position,
            schema_version: self.schema_version,
            schema: SCHEMA.iter().map(|statement| (*statement).to_owned()).collect(),
            tables: TABLES
                .iter()
                .map(|(name, columns, key)| FeedTable {
                    name: (*name).to_owned(),
                    columns: owned(columns),
                    key: owned(&columns[..*key]),
                })
                .collect(),
        };
        let mut lines = vec![SnapshotLine::Header(header)];
        for (table, rows) in &self.tables {
            lines.extend(rows.values().map(|values| {
                SnapshotLine::Row(SnapshotRow { table: table.clone(), values: values.clone() })
            }));
        }
        let rows = lines.len() as u64 - 1;
        lines.push(SnapshotLine::End(SnapshotEnd { rows, position: self.position }));
        lines
    }

    fn remember(&mut self) {
        self.digests.insert((self.epoch.clone(), self.position), digest(&self.tables));
    }
}

/// One number for the contents of all tables.
pub(crate) fn digest(tables: &BTreeMap<String, Rows>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (table, rows) in tables {
        table.hash(&mut hasher);
        for values in rows.values() {
            format!("{values:?}").hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// The key of a row or of a deletion, as a text to sort by.
pub(crate) fn key_text(table: &str, values: &[FeedValue]) -> String {
    let (_, _, key) = TABLES.iter().find(|(name, _, _)| *name == table).unwrap();
    format!("{:?}", &values[..*key])
}

pub(crate) fn item(id: i64, name: &str) -> Vec<FeedValue> {
    vec![id.into(), name.into(), 1.5.into(), FeedValue::Null, FeedValue::Null]
}

fn random_change(rng: &mut Rng) -> FeedChange {
    let id = i64::try_from(rng.below(60)).unwrap();
    let (a, b) = (*rng.pick(WORDS), *rng.pick(WORDS));
    match rng.below(8) {
        0 => FeedChange::Delete { table: "items".to_owned(), key: vec![id.into()] },
        1 => FeedChange::Delete { table: "links".to_owned(), key: vec![a.into(), b.into()] },
        2 | 3 => FeedChange::Put { table: "links".to_owned(), values: vec![a.into(), b.into()] },
        _ => {
            let note = match rng.below(3) {
                0 => FeedValue::Null,
                1 => FeedValue::from("it's \"quoted\" ; -- ünïcode\n"),
                _ => FeedValue::Text("n".repeat(usize::try_from(rng.below(3000)).unwrap())),
            };
            let picture = *rng.pick(&["", "AAECAw==", "/////w=="]);
            let weight = f64::from(u32::try_from(rng.below(1000)).unwrap()) / 8.0;
            let values = vec![
                id.into(),
                FeedValue::Text(format!("{a} {b}")),
                weight.into(),
                note,
                FeedValue::Base64(picture.to_owned()),
            ];
            FeedChange::Put { table: "items".to_owned(), values }
        }
    }
}
