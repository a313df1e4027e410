//! The local payment provider's records.

use std::time::Duration;

use domain::payment::Amounts;
use domain::{Currency, Money, PaymentStatus};
use store::payments_db::{
    Change, Decide, IntentRow, NewDelivery, PaymentsDb, RefundRow, RequestKey, Written,
};

use super::NOW;

fn open() -> (tempfile::TempDir, PaymentsDb) {
    let folder = tempfile::tempdir().unwrap();
    let db = PaymentsDb::open(&folder.path().join("payments.db")).unwrap();
    (folder, db)
}

fn key(key: &str) -> RequestKey {
    RequestKey { key: key.to_owned(), fingerprint: [0; 32] }
}

fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

fn intent(id: &str) -> IntentRow {
    IntentRow {
        id: id.to_owned(),
        reference: "r".to_owned(),
        amount: euro(100),
        method: "success".to_owned(),
        capture: "automatic".to_owned(),
        status: "captured".to_owned(),
        amounts: Amounts::whole(PaymentStatus::Captured, euro(100)),
        decline_code: None,
        return_url: Some("https://shop.example/".to_owned()),
        due_at: None,
    }
}

fn told(event: &str, delay: Duration) -> NewDelivery {
    NewDelivery { event: event.to_owned(), body: "{}".to_owned(), delay }
}

fn back(key: &'static str, minor: i64) -> Decide {
    Box::new(move |row| {
        let refunded = row.amounts.refunded().checked_add(euro(minor)).unwrap();
        if refunded.minor > 100 {
            return Err("invalid-amount");
        }
        let amounts = Amounts::new(euro(100), euro(100), euro(0), refunded).unwrap();
        let intent = IntentRow { amounts, status: "partially_refunded".to_owned(), ..row.clone() };
        let refund =
            RefundRow { id: format!("re_{key}"), key: key.to_owned(), amount: euro(minor) };
        Ok(Change { intent, refund: Some(refund), deliveries: Vec::new() })
    })
}

#[tokio::test]
async fn a_webhook_is_tried_for_three_days() {
    let (_folder, db) = open();
    let deliveries = vec![told("evt_1", Duration::ZERO)];
    db.create(key("k"), intent("pi_1"), deliveries, NOW).await.unwrap();
    let mut tried = Vec::new();
    for days in [0, 2, 3, 4, 5] {
        let now = NOW.after(Duration::from_hours(24 * days));
        tried.push(db.claim_webhooks(10, |_| Duration::from_mins(1), now).await.unwrap().len());
    }
    assert_eq!(tried, [1, 1, 1, 0, 0]);
}

#[tokio::test]
async fn each_copy_of_a_webhook_is_delivered_in_its_own_time() {
    let (_folder, db) = open();
    let second = Duration::from_secs(1);
    let deliveries = vec![told("evt_1", second * 2), told("evt_1", Duration::ZERO)];
    db.create(key("k"), intent("pi_1"), deliveries, NOW).await.unwrap();
    let claim = |after| db.claim_webhooks(10, |_| Duration::from_hours(1), NOW.after(after));
    let first = claim(Duration::ZERO).await.unwrap();
    assert_eq!(
        (first.len(), first[0].event.as_str(), first[0].id.as_str()),
        (1, "evt_1", "evt_1.1")
    );
    db.mark_taken(first[0].id.clone()).await.unwrap();
    assert_eq!(claim(second).await.unwrap().len(), 0);
    let late = claim(second * 2).await.unwrap();
    assert_eq!((late.len(), late[0].event.as_str(), late[0].id.as_str()), (1, "evt_1", "evt_1.0"));
}

#[tokio::test]
async fn refunds_are_made_once_each_and_listed() {
    let (_folder, db) = open();
    db.create(key("k"), intent("pi_1"), Vec::new(), NOW).await.unwrap();
    let ask = |name, minor, after_s| {
        let now = NOW.after(Duration::from_secs(after_s));
        db.advance(Some(key(name)), "pi_1".to_owned(), back(name, minor), now)
    };
    let first = ask("a", 30, 0).await.unwrap();
    assert!(matches!(&first, Written::Intent(row, Some(refund))
        if row.amounts.refunded() == euro(30) && refund.amount == euro(30)));
    ask("b", 20, 1).await.unwrap();
    let again = ask("a", 30, 2).await.unwrap();
    assert!(
        matches!(&again, Written::Intent(row, Some(refund))
        if row.amounts.refunded() == euro(50) && refund.id == "re_a"),
        "{again:?}"
    );
    assert_eq!(ask("c", 51, 3).await.unwrap(), Written::Refused("invalid-amount"));
    let other = RequestKey { fingerprint: [1; 32], ..key("a") };
    let reused = db.advance(Some(other), "pi_1".to_owned(), back("a", 1), NOW).await.unwrap();
    assert_eq!(reused, Written::KeyReused);
    let refunds = db.refunds_of("pi_1".to_owned()).await.unwrap().unwrap();
    let ids: Vec<_> = refunds.iter().map(|refund| refund.id.as_str()).collect();
    assert_eq!(ids, ["re_b", "re_a"]);
    assert_eq!(db.refunds_of("pi_2".to_owned()).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_due_happens_once_and_what_has_nothing_to_do_is_not_looked_at_again() {
    let (_folder, db) = open();
    for (id, method) in [("pi_1", "late"), ("pi_2", "success")] {
        let row = IntentRow { due_at: Some(NOW), method: method.to_owned(), ..intent(id) };
        db.create(key(id), row, Vec::new(), NOW).await.unwrap();
    }
    let settle = || {
        let decide = |row: &IntentRow| {
            let intent = IntentRow { due_at: None, status: "done".to_owned(), ..row.clone() };
            (row.method == "late").then_some(Change {
                intent,
                refund: None,
                deliveries: Vec::new(),
            })
        };
        db.settle_due(10, decide, NOW)
    };
    assert_eq!([settle().await.unwrap(), settle().await.unwrap()], [2, 0]);
    assert_eq!(db.by_id("pi_1".to_owned()).await.unwrap().unwrap().status, "done");
    let left = db.by_key("pi_2".to_owned()).await.unwrap().unwrap();
    assert_eq!(left, IntentRow { due_at: None, ..intent("pi_2") });
}
