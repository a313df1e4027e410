//! What a cart costs where the shop has rules: methods, zones, prices that change, and carts that become one.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::auth::Credentials;
use api_types::cart::{CartMerge, DestinationChoice, MethodChoice, NewCart, NewLine};
use api_types::pricing::{Preview, ProductPricing};
use app::{Caller, Error};
use domain::cart::merge::MergeRule;
use domain::pricing::{ShippingOutcome, ShippingPolicy, TaxPolicy};
use domain::{CartId, Currency};
use serde_json::json;

use crate::staff::caller_of;
use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

fn shipping() -> ShippingPolicy {
    let tariff = |price: serde_json::Value, places: serde_json::Value| json!({"places": places, "price": price, "days": {"min": 2, "max": 4}});
    let flat = |eur: i64, jpy: i64, kwd: i64| json!({"kind": "flat", "price": {"EUR": eur, "JPY": jpy, "KWD": kwd}});
    let home = json!([{"country": "DE"}, {"country": "JP"}]);
    let methods = json!([
        {"id": "post", "title": "Post", "tariffs": [tariff(flat(490, 800, 1_500), json!([]))]},
        {"id": "express", "title": "Express", "tariffs": [tariff(flat(1_990, 3_000, 6_250), home)]}
    ]);
    serde_json::from_value(json!({"methods": methods})).unwrap()
}

fn taxes(mode: &str) -> TaxPolicy {
    let rate =
        |name: &str, class: &str, rate: u32| json!({"name": name, "class": class, "rate": rate});
    serde_json::from_value(json!({
        "price_mode": mode,
        "zones": [
            {"name": "de", "places": [{"country": "DE"}],
                "rates": [rate("VAT", "standard", 190_000), rate("VAT reduced", "reduced", 70_000)]},
            {"name": "ny", "places": [{"country": "US", "region": "NY"}],
                "rates": [rate("State", "standard", 40_000), rate("City", "standard", 45_000)]}
        ],
        "shipping": {"kind": "proportional"}
    }))
    .unwrap()
}

async fn fill(world: &World, currency: Currency, lines: &[(&str, i64)]) -> CartId {
    let request = NewCart { currency: Some(currency.code().to_owned()) };
    let cart = world.app.open_cart(&GUEST, &request, None).await.unwrap().value.id;
    for (sku, quantity) in lines {
        let line = NewLine { sku: (*sku).to_owned(), quantity: *quantity };
        world.app.add_line(cart, &line, None, None).await.unwrap();
    }
    cart
}

async fn choose(world: &World, cart: CartId, method: &str) {
    let choice = MethodChoice { method: method.to_owned() };
    world.app.set_shipping_method(cart, Some(&choice), None, None).await.unwrap();
}

fn to(country: &str, region: Option<&str>) -> DestinationChoice {
    DestinationChoice {
        country: country.to_owned(),
        region: region.map(str::to_owned),
        postal_code: Some("10001".to_owned()),
    }
}

async fn a_method_is_chosen_before_the_order_and_is_on_offer_where_it_goes(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    assert_eq!(world.app.shipping_rules().await.unwrap().version, 0);
    world.app.set_shipping_rules(shipping(), Some(0)).await.unwrap();
    let stale = world.app.set_shipping_rules(shipping(), Some(0)).await.unwrap_err();
    assert_eq!(stale.to_string(), "precondition-failed");
    let cart = world.cart(1).await;
    let quote = world.app.cart(cart).await.unwrap().quote.unwrap();
    assert_eq!((&quote.shipping, quote.shipping_options.len()), (&ShippingOutcome::NotChosen, 2));
    let refused = world.checkout(cart, "success", "k").await.unwrap_err();
    assert_eq!(refused.to_string(), "shipping-not-chosen");
    choose(&world, cart, "express").await;
    let abroad = json!({"shipping_address": {"name": "Ada", "line1": "1", "postal_code": "8001", "city": "Zürich",
        "country": "CH"}});
    let refused = world.buy(&GUEST, cart, abroad.clone(), "k").await.unwrap_err();
    assert_eq!(refused.to_string(), "shipping-unavailable");
    let bought = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!((bought.totals.shipping.minor, bought.totals.total.minor), (1_990, 3_890));
    // Abroad one method is left, and who has one way to choose from has chosen.
    let cart = world.cart(1).await;
    let bought = world.buy(&GUEST, cart, abroad, "k").await.unwrap().value;
    assert_eq!(bought.totals.shipping.minor, 490);
    world.check_sums().await;
}

async fn taxes_follow_the_destination_and_the_class(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    world.sell(&[("BOOK", 1_070, "EUR"), ("PLATE", 2_000, "EUR")]).await;
    let reduced = ProductPricing {
        tax_class: domain::pricing::TaxClass("reduced".parse().unwrap()),
        shippable: true,
        discountable: true,
        grams: BTreeMap::from([("BOOK".parse().unwrap(), 500)]),
    };
    let written = world.app.set_product_pricing("book".parse().unwrap(), reduced.clone()).await;
    assert_eq!(written.unwrap(), reduced);
    let wrong = world.app.set_product_pricing("plate".parse().unwrap(), reduced.clone()).await;
    assert_eq!(wrong.unwrap_err().to_string(), "invalid-input");
    let cart = fill(&world, Currency::Eur, &[("BOOK", 1), ("PLATE", 1)]).await;
    let preview = Preview { cart_id: cart, shipping: None, taxes: Some(taxes("exclusive")) };
    let preview = world.app.preview_quote(preview).await.unwrap();
    assert_eq!(preview.totals.tax.minor, 75 + 380 + 12 + 61);
    assert!(world.app.cart(cart).await.unwrap().quote.is_none(), "a preview changes nothing");
    world.app.set_tax_rules(taxes("inclusive"), None).await.unwrap();
    let seen = world.app.cart(cart).await.unwrap().quote.unwrap();
    let names: Vec<&str> = seen.taxes.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["VAT reduced", "VAT"]);
    assert_eq!(seen.lines[0].tax.minor, 70);
    world.app.set_destination(cart, Some(&to("us", Some("ny"))), None, None).await.unwrap();
    let seen = world.app.cart(cart).await.unwrap().quote.unwrap();
    let names: Vec<&str> = seen.taxes.iter().map(|part| part.name.as_str()).collect();
    assert_eq!((names, seen.lines[0].tax.minor), (vec!["State", "City"], 0));
    let wrong =
        world.app.set_destination(cart, Some(&to("Atlantis", Some("??"))), None, None).await;
    let Error::Refused(refusal) = wrong.unwrap_err() else { panic!("not refused") };
    let pointers: Vec<&str> = refusal.fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(pointers, ["/country", "/region"]);
    world.app.set_destination(cart, None, None, None).await.unwrap();
    assert_eq!(world.app.cart(cart).await.unwrap().destination, None);
}

async fn orders_add_up_in_currencies_of_no_and_of_three_decimals(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    world
        .sell(&[
            ("PLATE", 1_999, "EUR"),
            ("PLATE", 3_333, "JPY"),
            ("PLATE", 7_777, "KWD"),
            ("SPOON", 333, "EUR"),
            ("SPOON", 77, "JPY"),
            ("SPOON", 1_001, "KWD"),
        ])
        .await;
    world.app.set_shipping_rules(shipping(), None).await.unwrap();
    for (mode, key) in [("inclusive", "i"), ("exclusive", "e")] {
        world.app.set_tax_rules(taxes(mode), None).await.unwrap();
        for currency in [Currency::Eur, Currency::Jpy, Currency::Kwd] {
            for (plates, spoons) in [(1, 1), (3, 7), (2, 11)] {
                let cart = fill(&world, currency, &[("PLATE", plates), ("SPOON", spoons)]).await;
                choose(&world, cart, "express").await;
                let shown = world.app.cart(cart).await.unwrap().totals;
                let wish = json!({"expected_due": shown.due});
                let bought = world.buy(&GUEST, cart, wish, key).await.unwrap().value;
                let order = world.order(&bought).await;
                let quote = order.quote.unwrap();
                assert_eq!((quote.check(), order.totals), (Ok(()), shown), "{mode} {currency}");
                let lines: i64 = order.lines.iter().map(|line| line.line_total.minor).sum();
                assert_eq!(lines, shown.subtotal.minor);
                let on_top = if mode == "exclusive" { shown.tax.minor } else { 0 };
                assert_eq!(shown.total.minor, lines + shown.shipping.minor + on_top);
                assert!(shown.tax.minor > 0);
            }
        }
    }
    world.check_sums().await;
}

async fn a_shopper_is_told_of_a_new_price_before_paying_it(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    world.sell(&[("PLATE", 2_000, "EUR")]).await;
    let carts = [
        fill(&world, Currency::Eur, &[("CUP", 1), ("PLATE", 2)]).await,
        fill(&world, Currency::Eur, &[("PLATE", 1)]).await,
    ];
    world.sell(&[("PLATE", 2_500, "EUR")]).await;
    // For an hour the price holds that was shown.
    let bought = world.checkout(carts[1], "success", "k").await.unwrap().value;
    assert_eq!(bought.totals.subtotal.minor, 2_000);
    world.clock.advance(Duration::from_hours(1));
    let seen = world.app.cart(carts[0]).await.unwrap();
    assert_eq!(seen.totals.subtotal.minor, 1_900 + 5_000);
    let [change] = seen.price_changes.as_slice() else { panic!("{:?}", seen.price_changes) };
    assert_eq!((change.old.minor, change.new.minor), (2_000, 2_500));
    let Error::Refused(refusal) = world.checkout(carts[0], "success", "k").await.unwrap_err()
    else {
        panic!("not refused")
    };
    assert_eq!((refusal.code, refusal.fields[0].pointer.as_str()), ("price-changed", "/lines/1"));
    assert!(
        refusal.fields[0].detail.contains("20.00") && refusal.fields[0].detail.contains("25.00")
    );
    let told = world.app.cart(carts[0]).await.unwrap();
    assert!(told.price_changes.is_empty() && told.version > seen.version);
    // What was told holds again.
    world.sell(&[("PLATE", 9_900, "EUR")]).await;
    let bought = world.checkout(carts[0], "success", "k").await.unwrap().value;
    assert_eq!(bought.totals.subtotal.minor, 1_900 + 5_000);
    world.check_sums().await;
}

pub(crate) async fn sign_in(world: &World) -> Caller {
    let credentials =
        Credentials { email: "ada@example.org".to_owned(), password: "correct horse".to_owned() };
    let tokens = world.app.register(credentials, None).await.unwrap().value;
    caller_of(&tokens.access_token)
}

async fn a_guests_cart_goes_on_with_the_account(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    world.sell(&[("PLATE", 2_000, "EUR")]).await;
    let caller = sign_in(&world).await;
    let rule = |rule| CartMerge { rule };
    let guest = fill(&world, Currency::Eur, &[("CUP", 2)]).await;
    let nobody = world.app.merge_carts(&GUEST, guest, &rule(None), None, None).await.unwrap_err();
    assert_eq!(nobody.to_string(), "unauthenticated");
    let own = world.app.merge_carts(&caller, guest, &rule(None), None, None).await.unwrap().value;
    assert_eq!((own.cart.id, own.notes.len()), (guest, 0));
    // On another device: another cart, and the same account.
    let other = fill(&world, Currency::Eur, &[("CUP", 98), ("PLATE", 1)]).await;
    let stale =
        world.app.merge_carts(&caller, other, &rule(None), Some(1), None).await.unwrap_err();
    assert_eq!(stale.to_string(), "precondition-failed");
    let key = || Some(world.app.claim("merge".to_owned(), "k".to_owned(), &[b"m"]));
    for _ in 0..2 {
        let merged = world.app.merge_carts(&caller, other, &rule(None), None, key()).await.unwrap();
        let pieces: Vec<_> =
            merged.value.cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
        assert_eq!((merged.value.cart.id, pieces), (guest, vec![("CUP", 99), ("PLATE", 1)]));
        assert_eq!(merged.value.notes.len(), 1, "100 cups do not fit into one line");
    }
    assert!(world.app.cart(other).await.unwrap().lines.is_empty());
    for (number, kept, expected) in [
        (1, MergeRule::KeepAccount, vec![("CUP", 99), ("PLATE", 1)]),
        (2, MergeRule::KeepGuestIfAccountEmpty, vec![("CUP", 99), ("PLATE", 1)]),
        (3, MergeRule::KeepGuest, vec![("PLATE", 3)]),
    ] {
        let third = fill(&world, Currency::Eur, &[("PLATE", number)]).await;
        let request = rule(Some(kept));
        let merged =
            world.app.merge_carts(&caller, third, &request, None, None).await.unwrap().value;
        let pieces: Vec<_> =
            merged.cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
        assert_eq!((merged.cart.id, pieces), (guest, expected));
        // Once more: there is nothing left to bring, and nothing is lost.
        let again =
            world.app.merge_carts(&caller, third, &request, None, None).await.unwrap().value;
        assert_eq!(again.cart.lines, merged.cart.lines);
    }
}

on_every_engine!(
    a_method_is_chosen_before_the_order_and_is_on_offer_where_it_goes,
    taxes_follow_the_destination_and_the_class,
    orders_add_up_in_currencies_of_no_and_of_three_decimals,
    a_shopper_is_told_of_a_new_price_before_paying_it,
    a_guests_cart_goes_on_with_the_account,
);
