//! Invoices with numbers of their own: who draws them, when, and that none is lost or given twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use domain::numbers::{InvoiceSeries, Prefix};
use domain::payment::PaymentEvent;
use engines::{Engine, on_every_engine};
use store::{ChangeShop, InvoiceNumbersChange, IssuedInvoice, OwnInvoice, ShopChange, Store};

use crate::buying::order;
use crate::{NOW, buying, catalogue, past};

/// Variants of the shop; the last has most pieces.
const VARIANTS: i64 = 99;

async fn open(engine: &Engine) -> Store {
    let store = engine.open("first").await;
    store.upsert_catalogue(catalogue(VARIANTS), NOW).await.unwrap();
    store
}

fn at(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

async fn say(store: &Store, invoice_numbers: InvoiceNumbersChange) {
    let change = ShopChange { invoice_numbers, ..ShopChange::default() };
    let command = ChangeShop { change, version: None, actor: "test".to_owned(), now: NOW };
    store.change_shop(command, None).await.unwrap().unwrap();
}

async fn number_by(store: &Store, series: InvoiceSeries) {
    say(store, InvoiceNumbersChange { series: Some(series), ..Default::default() }).await;
}

/// Places an order of one piece.
async fn place(store: &Store, number: u64) {
    buying::fill(store, number, &[(&format!("SKU-{}", VARIANTS - 1), 1)]).await;
    store.place_order(buying::checkout(number)).await.unwrap();
}

async fn report(store: &Store, number: u64, event: PaymentEvent, now: Timestamp) {
    store.settle_payment(buying::report(number, event, now)).await.unwrap();
}

/// Buys one piece: an order that is accepted `now`.
async fn buy(store: &Store, number: u64, now: Timestamp) {
    place(store, number).await;
    report(store, number, PaymentEvent::Captured, now).await;
}

async fn invoice(store: &Store, number: u64) -> Option<OwnInvoice> {
    store.stated_order(order(number)).await.unwrap().unwrap().invoice
}

async fn issued(store: &Store, number: u64) -> IssuedInvoice {
    match invoice(store, number).await {
        Some(OwnInvoice::Issued(invoice)) => invoice,
        other => panic!("{number}: {other:?}"),
    }
}

async fn numbers(store: &Store, orders: std::ops::Range<u64>) -> Vec<i64> {
    let mut numbers = Vec::new();
    for number in orders {
        numbers.push(issued(store, number).await.number);
    }
    numbers
}

async fn orders_that_are_accepted_are_given_numbers_in_the_order_of_their_payments(engine: Engine) {
    let store = open(&engine).await;
    number_by(&store, InvoiceSeries::Own).await;
    for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
        buy(&store, number, at(seconds)).await;
        assert_eq!(invoice(&store, number).await, Some(OwnInvoice::Due));
    }
    place(&store, 4).await;
    report(&store, 4, PaymentEvent::Declined, at(40)).await;
    place(&store, 5).await;
    // Held for the shop is as good as paid.
    place(&store, 6).await;
    report(&store, 6, PaymentEvent::Authorized, at(50)).await;
    assert_eq!(store.issue_invoices(2, at(60)).await.unwrap(), 2);
    assert_eq!(invoice(&store, 1).await, Some(OwnInvoice::Due));
    assert_eq!(store.issue_invoices(10, at(70)).await.unwrap(), 2);
    assert_eq!(store.issue_invoices(10, at(80)).await.unwrap(), 0);
    let given = [(2, 1, 60), (3, 2, 60), (1, 3, 70), (6, 4, 70)];
    for (number, expected, seconds) in given {
        let invoice = issued(&store, number).await;
        assert_eq!((invoice.number, invoice.issued_at), (expected, at(seconds)), "{number}");
        assert_eq!(invoice.number_text(), format!("INV-{expected}"));
    }
    for number in [4, 5] {
        assert_eq!(invoice(&store, number).await, None, "{number}");
    }
    // Captured later, in parts or whole, it keeps what it has.
    report(&store, 6, PaymentEvent::Captured, at(90)).await;
    assert_eq!(store.issue_invoices(10, at(100)).await.unwrap(), 0);
    let told = store.waiting_events(1_000).await.unwrap();
    let told: Vec<_> = told.iter().filter(|event| event.kind == "invoice.issued").collect();
    let orders: Vec<&str> = told.iter().map(|event| event.aggregate_id.as_str()).collect();
    assert_eq!(orders, given.map(|(number, ..)| order(number).to_string()));
    let words: serde_json::Value = serde_json::from_str(&told[0].payload_json).unwrap();
    assert_eq!(words["invoice_number"], "INV-1");
    assert_eq!(words["order_id"], serde_json::json!(order(2)));
}

/// Two instances where an engine has them; on the other, two that ask one writer.
async fn many_that_draw_at_once_leave_no_gap_and_give_no_number_twice(engine: Engine) {
    const ORDERS: u64 = 40;
    let first = Arc::new(open(&engine).await);
    let second =
        if first.is_shared() { Arc::new(engine.open("second").await) } else { Arc::clone(&first) };
    number_by(&first, InvoiceSeries::Own).await;
    let buyer = {
        let store = Arc::clone(&second);
        tokio::spawn(async move {
            for number in 1..=ORDERS {
                buy(&store, number, at(number)).await;
            }
        })
    };
    let job = |store: &Arc<Store>| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut count = 0;
            while count < 200 {
                store.issue_invoices(3, at(100)).await.unwrap();
                count += 1;
                tokio::task::yield_now().await;
            }
        })
    };
    let asker = {
        let store = Arc::clone(&first);
        tokio::spawn(async move {
            let mut given = 0_u32;
            for number in 1..=ORDERS {
                given +=
                    u32::from(store.issue_invoice(order(number), at(100)).await.unwrap().is_some());
            }
            given
        })
    };
    for task in [job(&first), job(&second)] {
        task.await.unwrap();
    }
    asker.await.unwrap();
    buyer.await.unwrap();
    while store_is_behind(&first).await {}
    let numbers: BTreeSet<i64> = numbers(&first, 1..ORDERS + 1).await.into_iter().collect();
    assert!(numbers.iter().copied().eq(1..=i64::try_from(ORDERS).unwrap()), "{numbers:?}");
    assert_eq!(first.issue_invoice(order(1), at(200)).await.unwrap().unwrap().issued_at, at(100));
}

/// Issues what is left; tells whether there was something.
async fn store_is_behind(store: &Store) -> bool {
    store.issue_invoices(7, at(100)).await.unwrap() > 0
}

/// A round that ends in the middle: its third invoice has its number, and the event about it cannot be written.
async fn what_is_rolled_back_has_drawn_no_number(engine: Engine) {
    let store = open(&engine).await;
    number_by(&store, InvoiceSeries::Own).await;
    for number in 1..=5 {
        buy(&store, number, at(number)).await;
    }
    assert_eq!(store.issue_invoices(1, at(10)).await.unwrap(), 1);
    past::run(
        &engine,
        "CREATE TRIGGER planted BEFORE INSERT ON outbox WHEN NEW.payload_json LIKE '%INV-3%'
         BEGIN SELECT RAISE(ABORT, 'planted'); END",
        "CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'planted'; END $$;
         CREATE TRIGGER planted BEFORE INSERT ON orders.outbox FOR EACH ROW
         WHEN (NEW.payload_json LIKE '%INV-3%') EXECUTE FUNCTION public.planted()",
    )
    .await;
    store.issue_invoices(10, at(20)).await.unwrap_err();
    store.issue_invoice(order(3), at(20)).await.unwrap();
    store.issue_invoice(order(5), at(20)).await.unwrap_err();
    for number in [2, 4, 5] {
        assert_eq!(invoice(&store, number).await, Some(OwnInvoice::Due), "{number}");
    }
    past::run(&engine, "DROP TRIGGER planted", "DROP TRIGGER planted ON orders.outbox").await;
    assert_eq!(store.issue_invoices(10, at(30)).await.unwrap(), 3);
    assert_eq!(numbers(&store, 1..6).await, [1, 3, 2, 4, 5]);
}

async fn only_orders_that_are_accepted_after_the_switch_are_in_the_series(engine: Engine) {
    let store = open(&engine).await;
    buy(&store, 1, at(1)).await;
    // Placed before the switch and paid after it.
    place(&store, 2).await;
    number_by(&store, InvoiceSeries::Own).await;
    report(&store, 2, PaymentEvent::Captured, at(2)).await;
    buy(&store, 3, at(3)).await;
    number_by(&store, InvoiceSeries::Order).await;
    buy(&store, 4, at(4)).await;
    // What is due stays so, whatever is said after it.
    assert_eq!(store.issue_invoices(10, at(5)).await.unwrap(), 2);
    assert_eq!(numbers(&store, 2..4).await, [1, 2]);
    for number in [1, 4] {
        assert_eq!(invoice(&store, number).await, None, "{number}");
        assert_eq!(store.issue_invoice(order(number), at(5)).await.unwrap(), None);
    }
    assert_eq!(store.issue_invoice(order(99), at(5)).await.unwrap(), None);
    // And on again: where it was.
    number_by(&store, InvoiceSeries::Own).await;
    buy(&store, 5, at(6)).await;
    assert_eq!(store.issue_invoices(10, at(7)).await.unwrap(), 1);
    assert_eq!(numbers(&store, 5..6).await, [3]);
}

async fn numbers_begin_where_the_shop_says_go_up_alone_and_stay_as_they_were_given(engine: Engine) {
    let store = open(&engine).await;
    let prefix = |text: &str| Some(text.parse::<Prefix>().unwrap());
    // Said while invoices carry their orders' numbers, it moves nothing yet.
    say(&store, InvoiceNumbersChange { first: Some(9_000), ..Default::default() }).await;
    let begin = InvoiceNumbersChange {
        series: Some(InvoiceSeries::Own),
        prefix: prefix("RE/"),
        digits: Some(6),
        first: Some(500),
    };
    say(&store, begin).await;
    buy(&store, 1, at(1)).await;
    assert_eq!(store.issue_invoices(10, at(1)).await.unwrap(), 1);
    let lower = InvoiceNumbersChange { first: Some(1), prefix: prefix(""), ..Default::default() };
    say(&store, lower).await;
    buy(&store, 2, at(2)).await;
    assert_eq!(store.issue_invoices(10, at(2)).await.unwrap(), 1);
    say(&store, InvoiceNumbersChange { first: Some(700), ..Default::default() }).await;
    buy(&store, 3, at(3)).await;
    // By a clock that is behind: no day of issue comes before that of a lower number.
    assert_eq!(store.issue_invoices(10, at(0)).await.unwrap(), 1);
    assert_eq!(issued(&store, 3).await.issued_at, at(2));
    let texts = [(1, "RE/000500"), (2, "000501"), (3, "000700")];
    for (number, text) in texts {
        assert_eq!(issued(&store, number).await.number_text(), text);
    }
    let rule = store.shop().await.unwrap().invoice_numbers;
    assert_eq!((rule.series, rule.first, rule.digits), (InvoiceSeries::Own, 700, 6));
}

on_every_engine!(
    orders_that_are_accepted_are_given_numbers_in_the_order_of_their_payments,
    many_that_draw_at_once_leave_no_gap_and_give_no_number_twice,
    what_is_rolled_back_has_drawn_no_number,
    only_orders_that_are_accepted_after_the_switch_are_in_the_series,
    numbers_begin_where_the_shop_says_go_up_alone_and_stay_as_they_were_given,
);
