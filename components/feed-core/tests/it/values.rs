//! Every value arrives as the one that was sent.

use api_types::feed::FeedTable;
use api_types::feed::{FeedValue, SnapshotEnd, SnapshotHeader, SnapshotLine, SnapshotRow};
use feed_core::Limits;

use crate::database::Database;
use crate::source::text;

/// Sends `value` through a snapshot and returns what a column without affinity holds then.
#[track_caller]
fn check(value: &FeedValue, expected: &str) {
    let table = FeedTable {
        name: "t".to_owned(),
        columns: vec!["id".to_owned(), "v".to_owned()],
        key: vec!["id".to_owned()],
    };
    let header = SnapshotHeader {
        epoch: "e".to_owned(),
        position: 0,
        schema_version: 1,
        schema: vec!["CREATE TABLE t (id INTEGER PRIMARY KEY, v)".to_owned()],
        tables: vec![table.clone()],
    };
    let values = vec![1.into(), value.clone()];
    let lines = [
        SnapshotLine::Header(header),
        SnapshotLine::Row(SnapshotRow { table: "t".to_owned(), values }),
        SnapshotLine::End(SnapshotEnd { rows: 1, position: 0 }),
    ];
    let mut database = Database::empty();
    database.build(&text(&lines), 64, Limits::default()).unwrap();
    assert_eq!(database.contents(&[table])["t"][0][1], expected, "{value:?}");
}

#[test]
fn values_keep_their_type_and_integers_every_bit() {
    check(&FeedValue::Null, "Null");
    check(&FeedValue::Bool(true), "Integer(1)");
    check(&FeedValue::Bool(false), "Integer(0)");
    for number in [0, -1, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN] {
        check(&FeedValue::Integer(number), &format!("Integer({number})"));
    }
    for number in [0.0, -0.5, 5.0, 0.1, 1e15, 1_234.562_5] {
        check(&FeedValue::Real(number), &format!("Real({number:?})"));
    }
    for words in [
        "",
        "a",
        "\"",
        "'",
        "\\",
        "\0",
        "a\0b",
        "ünïcode \u{1f4a1}",
        "\u{2028}\r\n\t\u{1}",
        "null",
        "[1]",
    ] {
        check(&FeedValue::from(words), &format!("Text({words:?})"));
    }
    check(&FeedValue::Base64(String::new()), "Blob([])");
    check(&FeedValue::Base64("AP8=".to_owned()), "Blob([0, 255])");
}
