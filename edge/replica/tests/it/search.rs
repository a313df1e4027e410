//! A search index that triggers keep in step with its table.

use api_types::feed::FeedChange;
use replica::Replica;

use crate::origin::Origin;
use crate::source::item;
use crate::{reader, settings, until};

fn put(id: i64, name: &str) -> FeedChange {
    FeedChange::Put { table: "items".to_owned(), values: item(id, name) }
}

fn delete(id: i64) -> FeedChange {
    FeedChange::Delete { table: "items".to_owned(), key: vec![id.into()] }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_follows_upserts_and_deletes() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    origin.change(|source| source.commit(1, vec![put(1, "oak chair"), put(2, "blue lamp")]));
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    let steps = [
        (vec![put(1, "oak chair")], "oak", vec![1]),
        (vec![put(1, "glass chair")], "oak", vec![]),
        (vec![put(3, "oak lamp"), put(2, "oak lamp")], "oak", vec![2, 3]),
        (vec![delete(2), delete(99)], "oak", vec![3]),
        (vec![delete(3), put(3, "tall oak"), put(3, "tall wool")], "oak", vec![]),
        (vec![delete(1), delete(3)], "chair OR tall OR wool OR lamp", vec![]),
    ];
    for (changes, query, expected) in steps {
        let position = origin.change(|source| source.commit(1, changes));
        until(&replica, "caught up", |status| status.position == position).await;
        let current = replica.current().unwrap();
        reader::check(&current.path, &origin.source());
        let connection = reader::open(&current.path);
        let found: Vec<i64> = connection
            .prepare("SELECT rowid FROM items_fts WHERE items_fts MATCH ? ORDER BY rowid")
            .unwrap()
            .query_map([query], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(found, expected, "{query}");
    }
    replica.stop().await;
}
