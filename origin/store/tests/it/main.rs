//! The store over a real file.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

use api_types::feed::{FeedValue, SnapshotLine};
use domain::reservation::{Level, Stock};
use domain::{Currency, Money, Timestamp};
use store::{Catalogue, CategoryRow, ProductRow, Store, StoreConfig, VariantRow};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&StoreConfig::new(folder.path().join("origin.db")), "first").unwrap()
}

/// One product whose variants have 0, 1, 2, … pieces.
fn catalogue(variants: i64) -> Catalogue {
    let variant = |pieces: i64| VariantRow {
        sku: format!("SKU-{pieces}").parse().unwrap(),
        title: format!("{pieces}"),
        options_json: "{}".to_owned(),
        image_url: String::new(),
        image_alt: String::new(),
        material_variant: String::new(),
        web_glb_url: String::new(),
        plain_glb_url: String::new(),
        usdz_url: String::new(),
        poster_url: String::new(),
        dimensions_mm: [1, 2, 3],
        prices: vec![Money::new(100 + pieces, Currency::Eur)],
        initial_stock: pieces,
    };
    Catalogue {
        settings: [("currencies".to_owned(), "[\"EUR\"]".to_owned())].into(),
        categories: vec![CategoryRow {
            handle: "all".parse().unwrap(),
            title: "All".to_owned(),
            description: String::new(),
            position: 1,
            image_url: String::new(),
        }],
        products: vec![ProductRow {
            handle: "thing".parse().unwrap(),
            title: "Thing".to_owned(),
            subtitle: String::new(),
            description: String::new(),
            category: "all".parse().unwrap(),
            search_words: String::new(),
            is_featured: false,
            created_at: NOW,
            tags_json: "[]".to_owned(),
            images_json: "[]".to_owned(),
            options_json: "[]".to_owned(),
            model_json: None,
            variants: (0..variants).map(variant).collect(),
        }],
    }
}

async fn rows(store: &Store) -> Vec<(String, Vec<FeedValue>)> {
    let (sender, receiver) = std::sync::mpsc::channel();
    store.feed_snapshot(move |line| sender.send(line.clone()).is_ok()).await.unwrap();
    receiver
        .into_iter()
        .filter_map(|line| match line {
            SnapshotLine::Row(row) => Some((row.table, row.values)),
            SnapshotLine::Header(_) | SnapshotLine::End(_) => None,
        })
        .collect()
}

#[tokio::test]
async fn the_levels_that_edges_read_are_those_of_the_domain() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.upsert_catalogue(catalogue(9), NOW).await.unwrap();
    for (table, values) in rows(&store).await {
        if table == "stock" {
            let (FeedValue::Text(sku), FeedValue::Text(level)) = (&values[0], &values[2]) else {
                panic!("{values:?}")
            };
            let on_hand: i64 = sku.trim_start_matches("SKU-").parse().unwrap();
            let expected = match (Stock { on_hand, reserved: 0 }).level() {
                Level::InStock => "in_stock",
                Level::Low => "low",
                Level::OutOfStock => "out_of_stock",
            };
            assert_eq!(level, expected, "{sku}");
        }
    }
}

#[tokio::test]
async fn seeding_twice_tells_the_edges_nothing_new_and_leaves_stock_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.upsert_catalogue(catalogue(3), NOW).await.unwrap();
    let (before, position) = (rows(&store).await, store.feed_state().await.unwrap().position);
    assert_eq!(position, 1);
    let mut again = catalogue(3);
    again.products[0].variants[2].initial_stock = 500;
    store.upsert_catalogue(again, NOW).await.unwrap();
    assert_eq!(store.feed_state().await.unwrap().position, position);
    assert_eq!(rows(&store).await, before);
    assert_eq!(
        store.stock("SKU-2".parse().unwrap()).await.unwrap(),
        Some(Stock { on_hand: 2, reserved: 0 })
    );
}

#[tokio::test]
async fn an_epoch_outlives_a_restart_and_a_new_one_forgets_the_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.upsert_catalogue(catalogue(1), NOW).await.unwrap();
    drop(store);
    let store = Store::open(&StoreConfig::new(folder.path().join("origin.db")), "second").unwrap();
    assert_eq!(store.feed_state().await.unwrap().epoch, "first");
    store.new_epoch("third".to_owned()).await.unwrap();
    let page = store.feed_changes(0, 10).await.unwrap();
    assert_eq!((page.state.epoch.as_str(), page.state.pruned_to), ("third", 1));
    assert!(page.transactions.is_empty());
}

#[tokio::test]
async fn only_the_newest_changes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for variants in 1..=4 {
        store.upsert_catalogue(catalogue(variants), NOW).await.unwrap();
    }
    store.prune_feed(2).await.unwrap();
    let page = store.feed_changes(2, 10).await.unwrap();
    assert_eq!(page.state.pruned_to, 2);
    let positions: Vec<u64> =
        page.transactions.iter().map(|transaction| transaction.position).collect();
    assert_eq!(positions, [3, 4]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_with_the_keys_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let _store = open(&folder);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
