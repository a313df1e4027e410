//! The store over a real file, and over a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod batches;
mod buying;
mod copies;
mod invoices;
mod leases;
mod lost;
mod past;
mod payments_db;
mod promises;
mod stock;

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::events::{Day, EventBatch, EventCount, EventName};
use api_types::feed::{FeedChange, FeedValue, SnapshotLine};
use domain::reservation::{Level, Stock};
use domain::{CartId, Currency, LineId, Money, Timestamp};
use store::{
    CartEdit, Catalogue, CategoryRow, ChangeCart, OpenCart, ProductRow, ProductTraits, Store,
    StoreConfig, UpkeepLimits, VariantRow,
};

use engines::{Engine, on_every_engine};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);

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
        grams: None,
    };
    Catalogue {
        settings: [("currencies".to_owned(), "[\"EUR\"]".to_owned())].into(),
        categories: vec![CategoryRow {
            handle: "all".parse().unwrap(),
            title: "All".to_owned(),
            description: String::new(),
            position: 1,
            image_url: String::new(),
            parent: None,
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
            traits: ProductTraits::default(),
            variants: (0..variants).map(variant).collect(),
        }],
    }
}

async fn rows(store: &Store) -> Vec<(String, Vec<FeedValue>)> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
    let collect = async {
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line);
        }
        lines
    };
    let (copied, lines) = tokio::join!(store.feed_snapshot(sender), collect);
    copied.unwrap();
    lines
        .into_iter()
        .filter_map(|line| match line {
            SnapshotLine::Row(row) => Some((row.table, row.values)),
            SnapshotLine::Header(_) | SnapshotLine::End(_) => None,
        })
        .collect()
}

async fn the_levels_that_edges_read_are_those_of_the_domain(engine: Engine) {
    let store = engine.open("first").await;
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

async fn seeding_twice_tells_the_edges_nothing_new_and_leaves_stock_alone(engine: Engine) {
    let store = engine.open("first").await;
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

async fn an_epoch_outlives_a_restart_and_a_new_one_forgets_the_changes(engine: Engine) {
    let store = engine.open("first").await;
    store.upsert_catalogue(catalogue(1), NOW).await.unwrap();
    drop(store);
    let store = engine.open("second").await;
    assert_eq!(store.feed_state().await.unwrap().epoch, "first");
    store.new_epoch("third".to_owned()).await.unwrap();
    let page = store.feed_changes(0, 10).await.unwrap();
    assert_eq!((page.state.epoch.as_str(), page.state.pruned_to), ("third", 1));
    assert!(page.transactions.is_empty());
}

async fn only_the_newest_changes_are_kept(engine: Engine) {
    let store = engine.open("first").await;
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
    let path = folder.path().join("origin.db");
    let _store = Store::open(&StoreConfig::file(path), "first").await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

/// Least prices by currency and product, as an edge holds them that has followed every change.
async fn followed_prices(store: &Store) -> BTreeMap<String, Vec<FeedValue>> {
    let mut rows = BTreeMap::new();
    let key = |values: &[FeedValue]| serde_json::to_string(&values[..2]).unwrap();
    let page = store.feed_changes(0, 1_000).await.unwrap();
    for change in page.transactions.into_iter().flat_map(|transaction| transaction.changes) {
        match change {
            FeedChange::Put { table, values } if table == "product_prices" => {
                rows.insert(key(&values), values);
            }
            FeedChange::Delete { table, key: gone } if table == "product_prices" => {
                rows.remove(&key(&gone));
            }
            FeedChange::Put { .. } | FeedChange::Delete { .. } => {}
        }
    }
    rows
}

async fn a_variant_that_moves_to_another_product_is_told_about_both(engine: Engine) {
    let store = engine.open("first").await;
    let mut first = catalogue(3);
    first.products[0].variants[0].prices.push(Money::new(5, Currency::Usd));
    store.upsert_catalogue(first, NOW).await.unwrap();
    // Only the new home of the cheapest one is named; the old product is not in this catalogue at all.
    let mut second = catalogue(1);
    second.products[0].handle = "other".parse().unwrap();
    store.upsert_catalogue(second, NOW).await.unwrap();
    let fresh: Vec<Vec<FeedValue>> = rows(&store)
        .await
        .into_iter()
        .filter_map(|(table, values)| (table == "product_prices").then_some(values))
        .collect();
    let followed: Vec<Vec<FeedValue>> = followed_prices(&store).await.into_values().collect();
    assert_eq!(fresh.len(), 3);
    assert_eq!(followed, fresh);
}

async fn forgetting_says_when_there_may_be_more(engine: Engine) {
    let store = engine.open("first").await;
    for number in 0..3 {
        let id = CartId::from_bytes([number; 16]);
        let command = OpenCart { id, user: None, currency: Currency::Eur, now: NOW };
        store.open_cart(command, None).await.unwrap().unwrap();
    }
    let limits = UpkeepLimits { rows_max: 2, ..UpkeepLimits::default() };
    let later = NOW.after(Duration::from_hours(24 * 31));
    assert!(store.forget_old(limits, later).await.unwrap());
    assert!(!store.forget_old(limits, later).await.unwrap());
}

fn event(subject: &str, count: u32) -> EventCount {
    let (day, subject) = (Day::of(NOW), subject.to_owned());
    EventCount { day, name: EventName::ProductView, subject, count }
}

async fn a_batch_that_comes_again_is_counted_once(engine: Engine) {
    let store = engine.open("first").await;
    store.upsert_catalogue(catalogue(1), NOW).await.unwrap();
    let batch = EventBatch { id: "b".to_owned(), counts: vec![event("thing", 2)] };
    assert!(store.take_events(batch.clone(), NOW).await.unwrap());
    assert!(!store.take_events(batch.clone(), NOW).await.unwrap());
    store.count_events(vec![event("thing", 3)]).await.unwrap();
    let counts = store.events_of(Day::of(NOW)).await.unwrap();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].subject.as_str(), counts[0].count), ("thing", 5));
    // Later than any queue keeps a message, the id is forgotten.
    let later = NOW.after(Duration::from_hours(24 * 16));
    store.forget_old(UpkeepLimits::default(), later).await.unwrap();
    assert!(store.take_events(batch, later).await.unwrap());
}

async fn a_product_that_the_shop_does_not_have_makes_no_row_of_its_own(engine: Engine) {
    let store = engine.open("first").await;
    store.upsert_catalogue(catalogue(1), NOW).await.unwrap();
    let strangers = (0..50).map(|number| event(&format!("stranger-{number}"), 1));
    store.count_events(strangers.chain([event("thing", 7)]).collect()).await.unwrap();
    let counts = store.events_of(Day::of(NOW)).await.unwrap();
    let counts: Vec<_> = counts.iter().map(|count| (count.subject.as_str(), count.count)).collect();
    assert_eq!(counts, [("", 50), ("thing", 7)]);
}

async fn events_are_told_for_four_hundred_days(engine: Engine) {
    let store = engine.open("first").await;
    store.count_events(vec![event("", 1)]).await.unwrap();
    for (days, rows) in [(400, 1), (401, 0)] {
        let later = NOW.after(Duration::from_hours(24 * days));
        store.forget_old(UpkeepLimits::default(), later).await.unwrap();
        assert_eq!(store.events_of(Day::of(NOW)).await.unwrap().len(), rows, "{days}");
    }
}

/// Ids of one millisecond sort by chance, and clocks of several origins differ.
async fn lines_stay_in_the_order_in_which_they_were_put_in(engine: Engine) {
    let store = engine.open("first").await;
    store.upsert_catalogue(catalogue(5), NOW).await.unwrap();
    let id = buying::cart(1);
    let open = OpenCart { id, user: None, currency: Currency::Eur, now: NOW };
    store.open_cart(open, None).await.unwrap().unwrap();
    let wanted = ["SKU-3", "SKU-1", "SKU-4", "SKU-2"];
    for (sku, name) in wanted.into_iter().zip([5, 9, 1, 2]) {
        let line = LineId::from_bytes([name; 16]);
        let quantity = 1.try_into().unwrap();
        let edit = CartEdit::Add { line, sku: sku.parse().unwrap(), quantity };
        let change = ChangeCart { id, version: None, edit, freeze: Duration::ZERO, now: NOW };
        store.change_cart(change, None).await.unwrap().unwrap();
    }
    let cart = store.cart(id, NOW).await.unwrap().unwrap();
    let found: Vec<&str> = cart.lines.iter().map(|line| line.sku.as_str()).collect();
    assert_eq!(found, wanted);
}

on_every_engine!(
    lines_stay_in_the_order_in_which_they_were_put_in,
    the_levels_that_edges_read_are_those_of_the_domain,
    seeding_twice_tells_the_edges_nothing_new_and_leaves_stock_alone,
    an_epoch_outlives_a_restart_and_a_new_one_forgets_the_changes,
    only_the_newest_changes_are_kept,
    a_variant_that_moves_to_another_product_is_told_about_both,
    forgetting_says_when_there_may_be_more,
    a_batch_that_comes_again_is_counted_once,
    a_product_that_the_shop_does_not_have_makes_no_row_of_its_own,
    events_are_told_for_four_hundred_days,
);
