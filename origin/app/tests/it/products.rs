//! Products and prices as the staff keeps them: what edges, merchants and shoppers see of a change.

use api_types::cart::NewLine;
use api_types::feed::{FeedChange, FeedValue};
use app::{Error, ProductsQuery};
use domain::{Handle, OrderStatus, Sku};
use serde_json::{Value, json};

use crate::world::World;
use engines::{Engine, on_every_engine};

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn handle(text: &str) -> Handle {
    text.parse().unwrap()
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn lamp() -> Value {
    json!({"handle": "lamp", "title": "Lamp", "category": "table", "tags": ["light"],
        "images": [{"url": "/m/lamp.webp", "alt": "A lamp"}],
        "variants": [{"sku": "LAMP", "title": "Plain", "prices": [{"minor": 4900, "currency": "EUR"}],
            "initial_stock": 7}]})
}

/// Tables and keys that edges were told about after a position, with whether the row is gone.
async fn told(world: &World, after: u64) -> Vec<(String, String, bool)> {
    let page = world.store.feed_changes(after, 1_000).await.unwrap();
    let changes = page.transactions.into_iter().flat_map(|transaction| transaction.changes);
    let mut told: Vec<_> = changes
        .map(|change| match change {
            FeedChange::Put { table, values } => (table, values, false),
            FeedChange::Delete { table, key } => (table, key, true),
        })
        .map(|(table, values, is_gone)| {
            let text = values.iter().find_map(|value| match value {
                FeedValue::Text(text) => Some(text.clone()),
                _ => None,
            });
            (table, text.unwrap_or_default(), is_gone)
        })
        .collect();
    told.sort();
    told
}

async fn position(world: &World) -> u64 {
    world.store.feed_state().await.unwrap().position
}

/// Kinds of the events about something, in their order.
async fn events(world: &World, aggregate: &str, id: &str) -> Vec<String> {
    let events = world.store.waiting_events(1_000).await.unwrap();
    let about =
        events.into_iter().filter(|event| event.aggregate == aggregate && event.aggregate_id == id);
    about.map(|event| event.kind).collect()
}

fn code(error: &Error) -> String {
    error.to_string()
}

async fn a_product_is_made_told_and_sold(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let before = position(&world).await;
    let key = || Some(world.app.claim("staff".to_owned(), "k".to_owned(), &[]));
    let made = world.app.create_product(from(lamp()), key()).await.unwrap();
    assert_eq!((made.value.version, made.is_replay), (1, false));
    assert_eq!(made.value.variants[0].on_hand, 7);
    assert!(world.app.create_product(from(lamp()), key()).await.unwrap().is_replay);
    let tables: Vec<String> =
        told(&world, before).await.into_iter().map(|(table, ..)| table).collect();
    assert_eq!(
        tables,
        ["categories", "product_prices", "products", "stock", "variant_prices", "variants"]
    );
    assert_eq!(position(&world).await, before + 1);
    assert_eq!(events(&world, "product", "lamp").await, ["product.created"]);
    let again = world.app.create_product(from(lamp()), None).await.unwrap_err();
    assert_eq!(code(&again), "handle-taken");
    let mut other = lamp();
    other["handle"] = json!("other");
    let taken = world.app.create_product(from(other), None).await.unwrap_err();
    assert_eq!(code(&taken), "sku-taken");

    let cart = world.cart(1).await;
    let line = NewLine { sku: "LAMP".to_owned(), quantity: 2 };
    world.app.add_line(cart, &line, None, None).await.unwrap();
    let placed = world.checkout(cart, "success", "buy").await.unwrap().value;
    assert_eq!((placed.status, placed.totals.subtotal.minor), (OrderStatus::Confirmed, 11_700));
    let product = world.app.product(handle("lamp")).await.unwrap();
    assert_eq!(product.variants[0].on_hand, 5);
    world.check_sums().await;
}

async fn a_change_is_told_once_and_a_stale_one_is_refused(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let change = || from(json!({"title": "Mug", "featured": true}));
    let before = position(&world).await;
    let version = world.app.product(handle("cup")).await.unwrap().version;
    let changed = world.app.change_product(handle("cup"), change(), Some(version)).await.unwrap();
    assert_eq!((changed.title.as_str(), changed.version), ("Mug", version + 1));
    assert_eq!(changed.variants.len(), 1);
    assert_eq!(told(&world, before).await, [("products".to_owned(), "cup".to_owned(), false)]);
    let stale = world.app.change_product(handle("cup"), change(), Some(version)).await.unwrap_err();
    assert_eq!(code(&stale), "precondition-failed");
    let nowhere = from(json!({"category": "nowhere"}));
    let unknown = world.app.change_product(handle("cup"), nowhere, None).await.unwrap_err();
    assert_eq!(code(&unknown), "invalid-input");
    let none = world.app.change_product(handle("none"), change(), None).await.unwrap_err();
    assert_eq!(code(&none), "not-found");
    assert_eq!(events(&world, "product", "cup").await, ["product.updated"]);
}

async fn prices_are_set_as_a_whole_and_tell_what_changed(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    let before = position(&world).await;
    let prices = |minor: i64| from(json!({"prices": [{"minor": minor, "currency": "EUR"}]}));
    world.app.set_prices(sku("CUP"), prices(2_500)).await.unwrap();
    // What was put in before costs for an hour what was shown.
    let fresh = world.cart(1).await;
    for (cart, minor) in [(cart, 1_900), (fresh, 2_500)] {
        assert_eq!(world.app.cart(cart).await.unwrap().totals.subtotal.minor, minor);
    }
    let tables: Vec<String> =
        told(&world, before).await.into_iter().map(|(table, ..)| table).collect();
    assert_eq!(tables, ["product_prices", "variant_prices"]);
    // The same again changes nothing and tells nobody.
    world.app.set_prices(sku("CUP"), prices(2_500)).await.unwrap();
    assert_eq!(events(&world, "variant", "CUP").await, ["price.changed"]);
    for (wrong, pointer) in [
        (json!({}), "/prices"),
        (json!({"prices": [{"minor": -1, "currency": "EUR"}]}), "/prices/0/minor"),
        (json!({"prices": [{"minor": 1, "currency": "USD"}]}), "/prices/0/currency"),
    ] {
        let Err(Error::Refused(refusal)) = world.app.set_prices(sku("CUP"), from(wrong)).await
        else {
            panic!("{pointer}")
        };
        assert_eq!(refusal.fields[0].pointer, pointer);
    }
    let none = world.app.set_prices(sku("NONE"), prices(1)).await.unwrap_err();
    assert_eq!(code(&none), "not-found");
}

async fn what_is_archived_is_gone_from_edges_and_carts_until_it_is_restored(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    let before = position(&world).await;
    let archived = world.app.archive_product(handle("cup"), true, None).await.unwrap();
    assert!(archived.archived_at.is_some());
    let gone: Vec<String> = told(&world, before)
        .await
        .into_iter()
        .filter_map(|(table, _, is_gone)| is_gone.then_some(table))
        .collect();
    assert_eq!(gone, ["product_prices", "products", "variant_prices", "variants"]);
    let refused = world.checkout(cart, "success", "k").await.unwrap_err();
    assert_eq!(code(&refused), "invalid-input");
    assert_eq!(world.available().await, 5);
    // Once more is no change.
    world.app.archive_product(handle("cup"), true, None).await.unwrap();
    let listed = |archived| ProductsQuery { archived: Some(archived), ..ProductsQuery::default() };
    assert_eq!(world.app.products(listed(true)).await.unwrap().items.len(), 1);
    assert!(world.app.products(listed(false)).await.unwrap().items.is_empty());
    world.app.archive_product(handle("cup"), false, None).await.unwrap();
    let placed = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!(placed.status, OrderStatus::Confirmed);
    assert_eq!(events(&world, "product", "cup").await, ["product.archived", "product.restored"]);
    world.check_sums().await;
}

async fn a_variant_is_added_and_written_over_and_its_stock_is_left_alone(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let variant = |minor: i64, stock: u32| {
        from(
            json!({"title": "Red", "prices": [{"minor": minor, "currency": "EUR"}], "initial_stock": stock}),
        )
    };
    let put = async |minor, stock| {
        world.app.put_variant(handle("cup"), &sku("CUP-RED"), variant(minor, stock), None).await
    };
    let product = put(2_000, 3).await.unwrap();
    assert_eq!((product.variants.len(), product.variants[1].on_hand), (2, 3));
    let product = put(2_100, 50).await.unwrap();
    assert_eq!((product.variants[1].on_hand, product.variants[1].prices[0].minor), (3, 2_100));
    assert_eq!(events(&world, "variant", "CUP-RED").await, ["price.changed"]);
    world.app.create_product(from(lamp()), None).await.unwrap();
    let taken =
        world.app.put_variant(handle("cup"), &sku("LAMP"), variant(1, 1), None).await.unwrap_err();
    assert_eq!(code(&taken), "sku-taken");
    world.check_sums().await;
}

async fn a_list_goes_on_page_by_page_and_every_wrong_field_is_named(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    for number in 0..5 {
        let mut product = lamp();
        product["handle"] = json!(format!("lamp-{number}"));
        product["variants"][0]["sku"] = json!(format!("LAMP-{number}"));
        world.app.create_product(from(product), None).await.unwrap();
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let query = ProductsQuery { after, limit: Some(4), ..ProductsQuery::default() };
        let page = world.app.products(query).await.unwrap();
        seen.extend(page.items.into_iter().map(|item| item.handle.to_string()));
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["cup", "lamp-0", "lamp-1", "lamp-2", "lamp-3", "lamp-4"]);
    let wrong = json!({"handle": "Lamp!", "category": "", "images": [{"url": "javascript:x", "alt": ""},
        {"url": "/\\evil.example", "alt": ""}], "variants": [{"sku": "a b", "title": ""}]});
    let Err(Error::Refused(refusal)) = world.app.create_product(from(wrong), None).await else {
        panic!()
    };
    let pointers: Vec<&str> = refusal.fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/handle",
            "/category",
            "/title",
            "/images/0/url",
            "/images/1/url",
            "/variants/0/sku",
            "/variants/0/title",
            "/variants/0/prices"
        ]
    );
}

on_every_engine!(
    a_product_is_made_told_and_sold,
    a_change_is_told_once_and_a_stale_one_is_refused,
    prices_are_set_as_a_whole_and_tell_what_changed,
    what_is_archived_is_gone_from_edges_and_carts_until_it_is_restored,
    a_variant_is_added_and_written_over_and_its_stock_is_left_alone,
    a_list_goes_on_page_by_page_and_every_wrong_field_is_named,
);
