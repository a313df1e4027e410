//! Many guests, few pieces: nobody gets what is not there, nobody loses what was promised.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Answer, Client, Role, Shop, eventually};
use serde_json::{Value, json};

use crate::guest::{
    SETTLE_LIMIT, cart_with, check_out, fresh_key, order_form, order_with_payment, skus_in_stock,
    stock,
};

const GUESTS: usize = 200;
const PIECES: i64 = 50;
/// Orders after which the power fails.
const ORDERS_BEFORE_POWER_CUT: usize = 10;
/// Longest that a guest goes on trying.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE_BETWEEN_TRIES: Duration = Duration::from_millis(100);

#[test]
fn two_hundred_guests_buy_the_last_fifty_pieces() {
    let shop = Shop::start().unwrap();
    let sku = leave_pieces(&shop.edge());
    let (orders, refusals) = rush(&shop.edge(), &sku, &Arc::default()).join().unwrap();
    check(&shop.edge(), &sku, &orders, &refusals);
}

#[test]
fn the_same_when_the_origin_loses_power_in_the_middle() {
    let mut shop = Shop::start().unwrap();
    let sku = leave_pieces(&shop.edge());
    let bought = Arc::new(AtomicUsize::new(0));
    let rush = rush(&shop.edge(), &sku, &bought);
    eventually(PATIENCE, "some have bought", || {
        (bought.load(Ordering::Relaxed) >= ORDERS_BEFORE_POWER_CUT).then_some(())
    });
    shop.kill(Role::Origin).unwrap();
    assert!(!rush.is_finished(), "the power was to fail in the middle");
    shop.restart(Role::Origin).unwrap();
    let (orders, refusals) = rush.join().unwrap();
    check(&shop.edge(), &sku, &orders, &refusals);
}

/// Buys until exactly [`PIECES`] of one SKU are left, and returns it.
fn leave_pieces(edge: &Client) -> String {
    let (sku, there) = skus_in_stock(edge)
        .into_iter()
        .map(|sku| {
            let there = stock(edge, &sku);
            (sku, there)
        })
        .filter(|(_, there)| *there >= PIECES)
        .min_by_key(|(_, there)| *there)
        .expect("the demo shop has a variant with 50 pieces or more");
    let mut surplus = there - PIECES;
    while surplus > 0 {
        let quantity = surplus.min(99);
        let placed = check_out(edge, &cart_with(edge, &sku, quantity), &fresh_key(), "success");
        assert!(matches!(placed.status, 200 | 201), "{placed:?}");
        surplus -= quantity;
    }
    assert_eq!(stock(edge, &sku), PIECES);
    sku
}

type Outcome = (Vec<Value>, Vec<Answer>);

/// Lets all guests in at once; returns the orders and the refusals.
fn rush(edge: &Client, sku: &str, bought: &Arc<AtomicUsize>) -> thread::JoinHandle<Outcome> {
    let start = Arc::new(Barrier::new(GUESTS));
    let guests: Vec<_> = (0..GUESTS)
        .map(|_| {
            let (sku, start, bought) = (sku.to_owned(), Arc::clone(&start), Arc::clone(bought));
            let edge = edge.clone();
            thread::spawn(move || {
                start.wait();
                let answer = buy(&edge, &sku);
                if answer.status < 300 {
                    bought.fetch_add(1, Ordering::Relaxed);
                }
                answer
            })
        })
        .collect();
    thread::spawn(move || {
        let answers: Vec<Answer> = guests.into_iter().map(|guest| guest.join().unwrap()).collect();
        let (orders, refusals): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status < 300);
        (orders.iter().map(Answer::json).collect(), refusals)
    })
}

/// One guest, who tries each step with the same key until there is a final answer to it.
pub(crate) fn buy(edge: &Client, sku: &str) -> Answer {
    let cart = insist(edge, "/v1/carts", &json!({}));
    let Some(id) = cart.json()["id"].as_str().map(str::to_owned) else { return cart };
    let line = insist(edge, &format!("/v1/carts/{id}/lines"), &json!({"sku": sku, "quantity": 1}));
    if line.status >= 300 {
        return line;
    }
    insist(edge, &format!("/v1/carts/{id}/checkout"), &order_form("success"))
}

fn insist(edge: &Client, path: &str, body: &Value) -> Answer {
    let key = fresh_key();
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = edge.post(path, &key, body);
        match answer {
            Ok(answer) if !is_passing(&answer) => return answer,
            Ok(answer) if Instant::now() > until => panic!("{path}: no final answer: {answer:?}"),
            Err(error) if Instant::now() > until => panic!("{path}: no answer: {error:#}"),
            // sleeps because a polite client leaves a pause between tries
            Ok(_) | Err(_) => thread::sleep(PAUSE_BETWEEN_TRIES),
        }
    }
}

/// Whether the same request may succeed a little later.
fn is_passing(answer: &Answer) -> bool {
    let in_flight = answer.status == 409 && answer.header("retry-after").is_some();
    in_flight || matches!(answer.status, 429 | 502 | 503 | 504)
}

fn check(edge: &Client, sku: &str, orders: &[Value], refusals: &[Answer]) {
    let why: Vec<u16> = refusals.iter().map(|answer| answer.status).collect();
    assert_eq!(orders.len(), usize::try_from(PIECES).unwrap(), "refusals: {why:?}");
    let ids: BTreeSet<&str> =
        orders.iter().filter_map(|order| order["order_id"].as_str()).collect();
    assert_eq!(ids.len(), orders.len(), "each order is another one");
    assert_eq!(refusals.len(), GUESTS - orders.len());
    for refusal in refusals {
        assert!(refusal.status == 409 && refusal.is_problem(), "{refusal:?}");
    }
    for placed in orders {
        assert_eq!(order_with_payment(edge, placed, "captured")["status"], "confirmed");
    }
    assert_eq!(stock(edge, sku), 0);
    eventually(SETTLE_LIMIT, "the edge's own copy says sold out", || {
        let found = edge.get("/v1/products?limit=50").ok()?.json();
        let items = found["items"].as_array()?.clone();
        items
            .iter()
            .filter_map(|item| edge.get(&format!("/v1/products/{}", item["handle"].as_str()?)).ok())
            .flat_map(|product| product.json()["variants"].as_array().cloned().unwrap_or_default())
            .find(|variant| variant["sku"] == sku)
            .filter(|variant| variant["availability"] == "out_of_stock")
            .map(|_| ())
    });
}
