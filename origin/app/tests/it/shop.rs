//! What holds for the whole shop: who may say it when, and what it does to carts and orders from then on.

use api_types::cart::{CartMerge, NewCart, NewLine};
use api_types::shop::{Shop, ShopChange};
use app::{Answered, App, Error, ExportFormat, ExportKind};
use domain::CartId;
use domain::cart::merge::MergeRule;
use domain::numbers::{InvoiceRule, InvoiceSeries};
use serde_json::{Value, json};

use crate::imports::export;
use crate::pricing::sign_in;
use crate::stock::staff;
use crate::world::{GUEST, World, start};
use engines::{Engine, on_every_engine};

async fn ask(app: &App, change: Value, version: Option<i64>) -> Result<Answered<Shop>, Error> {
    let change: ShopChange = serde_json::from_value(change).unwrap();
    app.change_shop(&staff(), change, version, None).await
}

async fn say(world: &World, change: Value) -> Shop {
    ask(&world.app, change, None).await.unwrap().value
}

async fn cart_of(app: &App, pieces: i64) -> CartId {
    let cart = app.open_cart(&GUEST, &NewCart { currency: None }, None).await.unwrap().value;
    let line = NewLine { sku: "CUP".to_owned(), quantity: pieces };
    app.add_line(cart.id, &line, None, None).await.unwrap();
    cart.id
}

/// A code sends a checkout alone, past the lanes.
async fn with_code(world: &World, cart: CartId) {
    let rule = json!({"title": "Spring", "trigger": "code", "class": "order", "target": {"kind": "all"},
        "effect": {"kind": "percent", "off": 1_000}});
    let rule = serde_json::from_value(rule).unwrap();
    let promotion = world.app.create_promotion(rule, None).await.unwrap().value.promotion.id;
    let codes = json!({"promotion_id": promotion, "code": "SPRING10"});
    world.app.create_codes(&serde_json::from_value(codes).unwrap(), None).await.unwrap();
    world.app.set_code(cart, "SPRING10", true, None, None).await.unwrap();
}

async fn settings_are_read_and_changed_with_versions_keys_and_one_event_each(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let before = world.app.shop().await.unwrap();
    assert_eq!((before.version, before.country.as_str()), (0, "DE"));
    assert_eq!((before.cart_merge_rule, before.tax_basis_points), (MergeRule::Merge, 1_900));
    assert_eq!((before.order_numbers.prefix.as_str(), before.order_numbers.digits), ("VT-", 0));
    let change = json!({"country": "at", "cart_merge_rule": "keep_guest", "tax_basis_points": 2_000,
        "shipping": {"EUR": {"flat_minor": 700, "free_from_minor": 5_000}}, "order_numbers": {"digits": 8},
        "invoice_numbers": {"series": "own", "digits": 6}});
    let after = ask(&world.app, change.clone(), Some(0)).await.unwrap().value;
    assert_eq!((after.version, after.country.as_str()), (1, "AT"));
    assert_eq!((after.cart_merge_rule, after.tax_basis_points), (MergeRule::KeepGuest, 2_000));
    assert_eq!(after.order_numbers.text(7), "VT-00000007");
    assert_eq!(before.invoice_numbers, InvoiceRule::default());
    assert_eq!(after.invoice_numbers.style().text(7), "INV-000007");
    assert_eq!(after.invoice_numbers.series, InvoiceSeries::Own);
    assert_eq!(world.app.shop().await.unwrap(), after);
    // The same again changes nothing, and tells nobody.
    assert_eq!(say(&world, change).await, after);
    let stale = ask(&world.app, json!({"country": "DE"}), Some(0)).await.unwrap_err();
    assert_eq!(stale.to_string(), "precondition-failed");
    let key = || Some(world.app.claim("shop".to_owned(), "k".to_owned(), &[b"s"]));
    let change: ShopChange = serde_json::from_value(json!({"country": "CH"})).unwrap();
    let first = world.app.change_shop(&staff(), change.clone(), None, key()).await.unwrap();
    say(&world, json!({"country": "FR"})).await;
    let again = world.app.change_shop(&staff(), change, None, key()).await.unwrap();
    assert!(again.is_replay && !first.is_replay);
    assert_eq!(again.value, first.value);
    assert_eq!(world.app.shop().await.unwrap().country.as_str(), "FR");
    let events = world.store.waiting_events(100).await.unwrap();
    let told: Vec<Value> = events
        .iter()
        .filter(|event| event.kind == "shop.updated")
        .map(|event| serde_json::from_str(&event.payload_json).unwrap())
        .collect();
    let versions: Vec<_> = told.iter().map(|event| event["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3]);
    let all = json!([
        "country",
        "cart_merge_rule",
        "tax_basis_points",
        "shipping",
        "order_numbers",
        "invoice_numbers"
    ]);
    assert_eq!((&told[0]["changed"], &told[1]["changed"]), (&all, &json!(["country"])));
    assert_eq!(told[0]["actor"], json!(staff().actor()));
}

async fn every_wrong_setting_is_named_and_none_is_written(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let change = json!({"country": "Deutschland", "cart_merge_rule": "both", "tax_basis_points": 10_001,
        "shipping": {"EUR": {"flat_minor": -1, "free_from_minor": 0}, "X/Y": {"flat_minor": 0, "free_from_minor": 0}},
        "order_numbers": {"prefix": "VT1", "digits": 13, "first": 0, "drawing": {"kind": "gapless", "size": 5}},
        "invoice_numbers": {"series": "none", "prefix": "inv-", "digits": -1, "first": 1_000_000_000_000_i64}});
    let Error::Refused(refusal) = ask(&world.app, change, None).await.unwrap_err() else {
        panic!()
    };
    let pointers: Vec<&str> = refusal.fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/country",
            "/cart_merge_rule",
            "/tax_basis_points",
            "/shipping/EUR/flat_minor",
            "/shipping/X~1Y",
            "/order_numbers/prefix",
            "/order_numbers/digits",
            "/order_numbers/first",
            "/order_numbers/drawing/size",
            "/invoice_numbers/series",
            "/invoice_numbers/prefix",
            "/invoice_numbers/digits",
            "/invoice_numbers/first",
        ]
    );
    for drawing in [json!({"kind": "random"}), json!({"kind": "blocks", "size": 1_001})] {
        let change = json!({"country": "AT", "order_numbers": {"drawing": drawing}});
        assert_eq!(ask(&world.app, change, None).await.unwrap_err().to_string(), "invalid-input");
    }
    let blocks = json!({"order_numbers": {"drawing": {"kind": "blocks", "size": 5}}});
    assert_eq!(ask(&world.app, blocks, None).await.is_ok(), world.store.is_shared());
    // Their numbers have no gaps, so there is nothing to be said about where they are drawn.
    let blocks = json!({"invoice_numbers": {"drawing": {"kind": "blocks"}}});
    assert!(serde_json::from_value::<ShopChange>(blocks).is_err());
    assert_eq!(world.app.shop().await.unwrap().country.as_str(), "DE");
    assert!(serde_json::from_value::<ShopChange>(json!({"currencies": ["EUR"]})).is_err());
}

/// Another instance, which was up before anything was said, goes by it with its next request.
async fn what_is_said_holds_at_every_instance_from_the_next_request_on(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let store = if world.store.is_shared() {
        std::sync::Arc::new(world.open_again("second").await)
    } else {
        std::sync::Arc::clone(&world.store)
    };
    let other = start(&store, &world.provider, &world.clock, app::Settings::default()).await;
    let cart = cart_of(&other, 1).await;
    let total = async || other.cart(cart).await.unwrap().totals;
    assert_eq!((total().await.shipping.minor, total().await.tax.minor), (490, 382));
    say(&world, json!({"tax_basis_points": 0, "shipping": {"EUR": {"flat_minor": 100, "free_from_minor": 9_999}}}))
        .await;
    assert_eq!((total().await.shipping.minor, total().await.tax.minor), (100, 0));
    // By the shop's own country where the shopper has said none.
    let taxes = serde_json::from_value(
        json!({"price_mode": "exclusive", "shipping": {"kind": "proportional"}, "zones": [
        {"name": "at", "places": [{"country": "AT"}], "rates": [{"name": "VAT", "class": "standard", "rate": 200_000}]},
        {"name": "de", "places": [], "rates": [{"name": "VAT", "class": "standard", "rate": 100_000}]}]}),
    );
    world.app.set_tax_rules(taxes.unwrap(), None).await.unwrap();
    assert_eq!(total().await.tax.minor, 200);
    say(&world, json!({"country": "AT"})).await;
    assert_eq!(total().await.tax.minor, 400);

    let caller = sign_in(&world).await;
    let none = CartMerge { rule: None };
    let own = cart_of(&other, 2).await;
    other.merge_carts(&caller, own, &none, None, None).await.unwrap();
    for (rule, pieces) in
        [("keep_account", 2), ("merge", 7), ("keep_guest", 5), ("keep_guest_if_account_empty", 5)]
    {
        say(&world, json!({"cart_merge_rule": rule})).await;
        let guest = cart_of(&other, 5).await;
        let merged = other.merge_carts(&caller, guest, &none, None, None).await.unwrap().value;
        assert_eq!(merged.cart.lines[0].quantity, pieces, "{rule}");
    }
}

/// Through the lanes and alone; what was given reads the same for ever, also in answers that are given again.
async fn a_new_way_to_number_orders_leaves_the_old_ones_as_they_are(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let cart = world.cart(1).await;
    let first = world.checkout(cart, "success", "first").await.unwrap().value;
    assert!(first.number.starts_with("VT-"), "{}", first.number);
    let number: i64 = first.number.trim_start_matches("VT-").parse().unwrap();
    say(&world, json!({"order_numbers": {"prefix": "2027/", "digits": 10}})).await;
    let second = world.checkout(world.cart(1).await, "success", "second").await.unwrap().value;
    assert_eq!(second.number, format!("2027/{:010}", number + 1));
    say(&world, json!({"order_numbers": {"prefix": "", "digits": 0, "first": 500_000}})).await;
    let third = world.checkout(world.cart(1).await, "success", "third").await.unwrap().value;
    assert_eq!(third.number, "500000");
    // Numbers do not go back.
    let shop =
        say(&world, json!({"order_numbers": {"first": 1, "drawing": {"kind": "gapless"}}})).await;
    assert_eq!(shop.order_numbers.first, 1);
    // A code sends a checkout alone.
    let alone = world.cart(1).await;
    with_code(&world, alone).await;
    let fourth = world.checkout(alone, "success", "fourth").await.unwrap().value;
    assert_eq!(fourth.number, "500001");
    if world.store.is_shared() {
        say(
            &world,
            json!({"order_numbers": {"drawing": {"kind": "blocks", "size": 1}, "first": 600_000}}),
        )
        .await;
        let fifth = world.checkout(world.cart(1).await, "success", "fifth").await.unwrap().value;
        assert_eq!(fifth.number, "600000");
    }
    for told in [&first, &second, &third, &fourth] {
        assert_eq!(world.order(told).await.number, told.number);
        let found =
            world.app.list_orders(None, Some(&told.number), None, None).await.unwrap().items;
        let found: Vec<&str> = found.iter().map(|order| order.number.as_str()).collect();
        assert_eq!(found, [told.number.as_str()]);
    }
    let replayed = world.checkout(cart, "success", "first").await.unwrap();
    assert!(replayed.is_replay);
    assert_eq!(replayed.value.number, first.number);
    let invoice = world.app.invoice_for_staff(second.order_id).await.unwrap();
    assert_eq!(invoice.name, format!("invoice-{}.pdf", second.number.replace('/', "-")));
    let file = export(&world, ExportKind::Orders, ExportFormat::Ndjson).await;
    let numbers: Vec<Value> = file
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].clone())
        .collect();
    let told = [&first, &second, &third, &fourth].map(|told| json!(told.number));
    assert_eq!(numbers[..4], told);
    world.check_sums().await;
}

on_every_engine!(
    settings_are_read_and_changed_with_versions_keys_and_one_event_each,
    every_wrong_setting_is_named_and_none_is_written,
    what_is_said_holds_at_every_instance_from_the_next_request_on,
    a_new_way_to_number_orders_leaves_the_old_ones_as_they_are,
);
