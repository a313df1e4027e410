//! An origin's tables and what happens to them.

use std::collections::BTreeMap;

use api_types::feed::{
    Changes, FeedChange, FeedTable, FeedTransaction, FeedValue, SnapshotEnd, SnapshotHeader,
    SnapshotLine, SnapshotRow,
};

use crate::rng::Rng;

const WORDS: &[&str] = &["chair", "lamp", "oak", "blue", "round", "tall", "wool", "glass"];

pub(crate) const SCHEMA: &[&str] = &[
    "CREATE TABLE items (id INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE, name TEXT NOT NULL, weight REAL, \
     note TEXT, picture BLOB)",
    "CREATE INDEX items_name ON items (name)",
    "CREATE TABLE links (a TEXT NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID",
    "CREATE VIRTUAL TABLE items_fts USING fts5 (name, content = 'items', content_rowid = 'id')",
    "CREATE TRIGGER items_added AFTER INSERT ON items BEGIN \
     INSERT INTO items_fts (rowid, name) VALUES (new.id, new.name); END",
    "CREATE TRIGGER items_removed AFTER DELETE ON items BEGIN \
     INSERT INTO items_fts (items_fts, rowid, name) VALUES ('delete', old.id, old.name); END",
    "CREATE TRIGGER items_changed AFTER UPDATE ON items BEGIN \
     INSERT INTO items_fts (items_fts, rowid, name) VALUES ('delete', old.id, old.name); \
     INSERT INTO items_fts (rowid, name) VALUES (new.id, new.name); END",
];

pub(crate) fn tables() -> Vec<FeedTable> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    [
        ("items", &["id", "handle", "name", "weight", "note", "picture"][..], &["id"][..]),
        ("links", &["a", "b"], &["a", "b"]),
    ]
    .into_iter()
    .map(|(name, columns, key)| FeedTable {
        name: name.to_owned(),
        columns: owned(columns),
        key: owned(key),
    })
    .collect()
}

/// The tables as they are now, and every transaction so far.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) epoch: String,
    pub(crate) position: u64,
    items: BTreeMap<i64, Vec<FeedValue>>,
    links: BTreeMap<(String, i64), Vec<FeedValue>>,
    log: Vec<FeedTransaction>,
}

impl Source {
    pub(crate) fn new(epoch: &str) -> Self {
        Self {
            epoch: epoch.to_owned(),
            position: 0,
            items: BTreeMap::new(),
            links: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// Commits a transaction of up to eight random changes over few keys, so that they meet.
    pub(crate) fn commit_random(&mut self, rng: &mut Rng) {
        let mut changes = Vec::new();
        for _ in 0..=rng.below(8) {
            changes.extend(self.change(rng));
        }
        self.commit(changes);
    }

    pub(crate) fn commit(&mut self, changes: Vec<FeedChange>) {
        self.position += 1;
        let position = self.position;
        self.log.push(FeedTransaction { position, at_ms: 0, changes });
    }

    /// Puts one item, whatever was there.
    pub(crate) fn put(&mut self, id: i64, handle: &str, name: &str) -> FeedChange {
        let values = vec![
            id.into(),
            handle.into(),
            name.into(),
            FeedValue::Null,
            FeedValue::Null,
            FeedValue::Null,
        ];
        self.items.insert(id, values.clone());
        FeedChange::Put { table: "items".to_owned(), values }
    }

    fn change(&mut self, rng: &mut Rng) -> Option<FeedChange> {
        let id = i64::try_from(rng.below(20)).unwrap();
        let (word, b) = (*rng.pick(WORDS), i64::try_from(rng.below(3)).unwrap());
        match rng.below(6) {
            0 => {
                self.items.remove(&id);
                Some(FeedChange::Delete { table: "items".to_owned(), key: vec![id.into()] })
            }
            1 => {
                self.links.remove(&(word.to_owned(), b));
                Some(FeedChange::Delete {
                    table: "links".to_owned(),
                    key: vec![word.into(), b.into()],
                })
            }
            2 => {
                let values = vec![word.into(), b.into()];
                self.links.insert((word.to_owned(), b), values.clone());
                Some(FeedChange::Put { table: "links".to_owned(), values })
            }
            _ => {
                // Handles are few, so they are handed from one item to another.
                let handle = FeedValue::Text(format!("h{}", rng.below(12)));
                let is_taken =
                    self.items.iter().any(|(other, row)| *other != id && row.contains(&handle));
                if is_taken {
                    return None;
                }
                let values = item(id, handle, rng);
                self.items.insert(id, values.clone());
                Some(FeedChange::Put { table: "items".to_owned(), values })
            }
        }
    }

    pub(crate) fn changes(&self, after: u64, limit: usize) -> Changes {
        let newer = self.log.iter().filter(|one| one.position > after);
        let transactions: Vec<_> = newer.take(limit).cloned().collect();
        Changes {
            epoch: self.epoch.clone(),
            schema_version: 1,
            from: after,
            to: transactions.last().map_or(after, |last| last.position),
            head: self.position,
            transactions,
        }
    }

    pub(crate) fn lines(&self) -> Vec<SnapshotLine> {
        let header = SnapshotHeader {
            epoch: self.epoch.clone(),
            position: self.position,
            schema_version: 1,
            schema: SCHEMA.iter().map(|statement| (*statement).to_owned()).collect(),
            tables: tables(),
        };
        let row = |table: &str, values: &Vec<FeedValue>| {
            SnapshotLine::Row(SnapshotRow { table: table.to_owned(), values: values.clone() })
        };
        let mut lines = vec![SnapshotLine::Header(header)];
        lines.extend(self.items.values().map(|values| row("items", values)));
        lines.extend(self.links.values().map(|values| row("links", values)));
        let rows = u64::try_from(lines.len() - 1).unwrap();
        lines.push(SnapshotLine::End(SnapshotEnd { rows, position: self.position }));
        lines
    }

    pub(crate) fn snapshot(&self) -> Vec<u8> {
        text(&self.lines())
    }
}

pub(crate) fn text(lines: &[SnapshotLine]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line).unwrap();
        text.push(b'\n');
    }
    text
}

fn item(id: i64, handle: FeedValue, rng: &mut Rng) -> Vec<FeedValue> {
    let note = match rng.below(5) {
        0 => FeedValue::Null,
        1 => FeedValue::from("it's \"quoted\" ; -- ünïcode \u{1f4a1}\n\\u0041"),
        2 => FeedValue::from("before\0behind"),
        3 => FeedValue::from("{\"b\":\"00\"}"),
        _ => FeedValue::Text("n".repeat(usize::try_from(rng.below(3000)).unwrap())),
    };
    let picture = match rng.below(3) {
        0 => FeedValue::Null,
        _ => FeedValue::Base64((*rng.pick(&["", "AAECAw==", "/////w=="])).to_owned()),
    };
    let weight = match rng.below(3) {
        0 => FeedValue::Null,
        _ => FeedValue::Real(f64::from(u32::try_from(rng.below(1000)).unwrap()) / 8.0),
    };
    let name = format!("{} {}", rng.pick(WORDS), rng.pick(WORDS));
    vec![id.into(), handle, name.into(), weight, note, picture]
}
