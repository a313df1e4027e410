//! Reads a copy as the edge does (read-only) and compares it with the truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use api_types::feed::FeedValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::source::{self, Rows, Source, TABLES, WORDS};

/// What one read transaction saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) epoch: String,
    pub(crate) position: u64,
    pub(crate) tables: BTreeMap<String, Rows>,
}

/// Opens `path` as any reader must.
pub(crate) fn open(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    connection
}

/// Reads everything in one transaction, and checks the search index against the table it is of.
pub(crate) fn read(connection: &Connection) -> Seen {
    let transaction = connection.unchecked_transaction().unwrap();
    let (epoch, position) = transaction
        .query_row("SELECT epoch, position FROM _vitrine_replica", [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?))
        })
        .unwrap();
    let mut tables = BTreeMap::new();
    for (table, columns, _) in TABLES {
        let mut statement =
            transaction.prepare(&format!("SELECT {} FROM {table}", columns.join(", "))).unwrap();
        let mut found = statement.query([]).unwrap();
        let mut rows = Rows::new();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<FeedValue> =
                (0..columns.len()).map(|at| value(row.get_ref(at).unwrap())).collect();
            rows.insert(source::key_text(table, &values), values);
        }
        tables.insert((*table).to_owned(), rows);
    }
    check_search(&transaction, &tables["items"]);
    Seen { epoch, position: u64::try_from(position).unwrap(), tables }
}

/// Asserts that the copy at `path` is the source at some moment, and returns that position.
#[track_caller]
pub(crate) fn check(path: &Path, source: &Source) -> (String, u64) {
    let seen = read(&open(path));
    let expected = source.digest_at(&seen.epoch, seen.position);
    assert_eq!(
        Some(source::digest(&seen.tables)),
        expected,
        "{} at {} {} is not what the source was then",
        path.display(),
        seen.epoch,
        seen.position
    );
    (seen.epoch, seen.position)
}

/// Returns the finished files of a folder.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect()
}

fn check_search(connection: &Connection, items: &Rows) {
    let mut statement = connection
        .prepare("SELECT rowid FROM items_fts WHERE items_fts MATCH ? ORDER BY rowid")
        .unwrap();
    for word in WORDS {
        let found: Vec<i64> = statement
            .query_map([word], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut expected: Vec<i64> = items
            .values()
            .filter_map(|values| match (&values[0], &values[1]) {
                (FeedValue::Integer(id), FeedValue::Text(name)) => {
                    name.split(' ').any(|part| part == *word).then_some(*id)
                }
                _ => None,
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "search for {word}");
    }
}

fn value(value: ValueRef<'_>) -> FeedValue {
    match value {
        ValueRef::Null => FeedValue::Null,
        ValueRef::Integer(value) => FeedValue::Integer(value),
        ValueRef::Real(value) => FeedValue::Real(value),
        ValueRef::Text(value) => FeedValue::Text(String::from_utf8(value.to_vec()).unwrap()),
        ValueRef::Blob(value) => FeedValue::Base64(STANDARD.encode(value)),
    }
}
