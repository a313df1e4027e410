//! Invoices with numbers of their own: where people see them, and who asks for one before the job has come.

use std::sync::atomic::Ordering;

use api_types::admin_order::CancelRequest;
use api_types::order::CheckoutAnswer;
use api_types::shop::ShopChange;
use app::ExportFormat;
use app::ExportKind;
use domain::OrderStatus;
use serde_json::{Value, json};

use crate::imports::export;
use crate::orders::{admin, paid, step};
use crate::stock::staff;
use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

async fn say(world: &World, change: Value) {
    let change: ShopChange = serde_json::from_value(json!({"invoice_numbers": change})).unwrap();
    world.app.change_shop(&staff(), change, None, None).await.unwrap();
}

async fn invoice_of(world: &World, placed: &CheckoutAnswer) -> Option<String> {
    world.order(placed).await.invoice.map(|invoice| invoice.number)
}

/// Numbers of the orders that are found.
async fn found(world: &World, query: &str) -> Vec<String> {
    let found = world.app.list_orders(None, Some(query), None, None).await.unwrap();
    found.items.into_iter().map(|order| order.number).collect()
}

async fn an_invoice_has_its_own_number_wherever_it_is_shown(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let before = paid(&world, 1).await;
    say(&world, json!({"series": "own", "prefix": "RE/", "digits": 4})).await;
    let placed = world.checkout(world.cart(1).await, "success", "own").await.unwrap().value;
    assert_eq!(invoice_of(&world, &placed).await, None);
    assert_eq!(world.app.issue_invoices().await.unwrap(), 1);
    assert_eq!(world.app.issue_invoices().await.unwrap(), 0);
    let order = world.order(&placed).await;
    let invoice = order.invoice.clone().unwrap();
    assert_eq!(invoice.number, "RE/0001");
    assert!((order.created_at..=world.clock.now()).contains(&invoice.issued_at), "{invoice:?}");
    assert_eq!(admin(&world, placed.order_id).await.order.invoice, order.invoice);
    let file = world.app.invoice_for_staff(placed.order_id).await.unwrap();
    assert_eq!(file.name, "invoice-RE-0001.pdf");
    // That of before goes by its order.
    assert_eq!(invoice_of(&world, &before).await, None);
    let file = world.app.invoice_for_staff(before.order_id).await.unwrap();
    assert_eq!(file.name, format!("invoice-{}.pdf", before.number));
    let file = export(&world, ExportKind::Orders, ExportFormat::Ndjson).await;
    let rows: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |row: &Value| (row["invoice_number"].clone(), row["invoice_issued_at"].clone());
    assert_eq!(told(&rows[0]), (Value::Null, Value::Null));
    assert_eq!(told(&rows[1]), (json!("RE/0001"), json!(invoice.issued_at)));
}

async fn who_asks_for_an_invoice_does_not_wait_for_its_number(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    say(&world, json!({"series": "own"})).await;
    let (one, other) = (paid(&world, 1).await, world.cart(1).await);
    let other = world.checkout(other, "success", "other").await.unwrap().value;
    let token = Some(other.order_token.as_str());
    let first = world.app.invoice(&GUEST, other.order_id, token).await.unwrap();
    assert_eq!(first.name, "invoice-INV-1.pdf");
    assert_eq!(world.app.invoice_for_staff(other.order_id).await.unwrap(), first);
    // Whoever may not read it has drawn nothing, and neither has an order that was not accepted.
    let stranger = world.app.invoice(&GUEST, one.order_id, Some("ot_x")).await.unwrap_err();
    assert_eq!(stranger.to_string(), "not-found");
    let waiting = world.checkout(world.cart(1).await, "late", "w").await.unwrap().value;
    let early = world.app.invoice_for_staff(waiting.order_id).await.unwrap_err();
    assert_eq!(early.to_string(), "no-invoice");
    assert_eq!(world.app.issue_invoices().await.unwrap(), 1);
    assert_eq!(invoice_of(&world, &one).await.as_deref(), Some("INV-2"));
    // Called off, it keeps its invoice.
    step!(&world, one.order_id, "c", cancel_order, CancelRequest::default()).unwrap();
    let file = world.app.invoice_for_staff(one.order_id).await.unwrap();
    assert_eq!(file.name, "invoice-INV-2.pdf");
}

/// By a payment that came by webhook, by one that came too late, and by money that is only held.
async fn however_an_order_is_accepted_its_invoice_is_due(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    say(&world, json!({"series": "own"})).await;
    let told = world.checkout(world.cart(1).await, "late", "t").await.unwrap().value;
    let late = world.checkout(world.cart(1).await, "late", "l").await.unwrap().value;
    for placed in [&told, &late] {
        if placed.order_id == late.order_id {
            world.clock.advance(app::Settings::default().hold);
            world.app.release_expired().await.unwrap();
            assert_eq!(world.order(placed).await.status, OrderStatus::Expired);
            assert_eq!(world.app.issue_invoices().await.unwrap(), 1);
        }
        let payment = world.payment_of(placed.order_id).await;
        let intent = world.provider.intent_of(payment);
        let intent = world.provider.wish(&intent.id, providers::local::Wish::Settle).unwrap();
        world.deliver_intent(&placed.order_id.to_string(), intent).await.unwrap();
        assert_eq!(world.order(placed).await.status, OrderStatus::Confirmed);
    }
    world.provider.is_manual.store(true, Ordering::Relaxed);
    let held = world.checkout(world.cart(1).await, "success", "h").await.unwrap().value;
    assert_eq!(world.app.issue_invoices().await.unwrap(), 2);
    for (placed, number) in [(&told, "INV-1"), (&late, "INV-2"), (&held, "INV-3")] {
        assert_eq!(invoice_of(&world, placed).await.as_deref(), Some(number));
    }
}

async fn the_staff_finds_an_order_by_its_invoice(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let first = paid(&world, 1).await;
    let digits = first.number.trim_start_matches("VT-").to_owned();
    let begin = json!({"series": "own", "first": digits.parse::<i64>().unwrap()});
    say(&world, begin).await;
    let second = world.checkout(world.cart(1).await, "success", "b").await.unwrap().value;
    world.app.issue_invoices().await.unwrap();
    let (order, invoice) = (first.number.clone(), format!("INV-{digits}"));
    assert_eq!(found(&world, &order).await, [first.number.as_str()]);
    assert_eq!(found(&world, &invoice.to_lowercase()).await, [second.number.as_str()]);
    // Of digits alone nobody can tell whose they are.
    assert_eq!(found(&world, &digits).await, [second.number.as_str(), first.number.as_str()]);
    let listed = world.app.list_orders(None, Some(&invoice), None, None).await.unwrap();
    assert_eq!(listed.items[0].invoice.as_ref().unwrap().number, invoice);
}

on_every_engine!(
    an_invoice_has_its_own_number_wherever_it_is_shown,
    who_asks_for_an_invoice_does_not_wait_for_its_number,
    however_an_order_is_accepted_its_invoice_is_due,
    the_staff_finds_an_order_by_its_invoice,
);
