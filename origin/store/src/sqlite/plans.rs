//! Every statement that runs while somebody waits, or again and again, goes by a key or an index.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_types::events::{Day, EventBatch, EventCount, EventName};
use api_types::order::Address;
use domain::payment::{PaymentEvent, TestMethod};
use domain::{CartId, Currency, LineId, OrderId, PaymentId, SessionId, Timestamp, UserId};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::migrations;
use crate::sql::{account, cart, events, feed, idempotency, order, outbox, payment, upkeep};
use crate::{
    ChangeCart, Claim, CreateAccount, LineEdit, OpenCart, OpenSession, PlaceOrder, Rotate, Settle,
    UpkeepLimits,
};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);
const CART: CartId = CartId::from_bytes([1; 16]);
const LATER: Duration = Duration::from_hours(24 * 40);

fn shop() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection, migrations::ORIGIN).unwrap();
    feed::begin(&connection, "first").unwrap();
    connection
        .execute_batch(
            "INSERT INTO categories VALUES ('all', 'All', '', 1, '');
             INSERT INTO products VALUES (1, 'cup', 'Cup', '', '', 'all', '', 0, 0, '[]', '[]', '[]', NULL);
             INSERT INTO variants VALUES ('CUP', 1, 0, 'Plain', '{}', '', '', '', '', '', '', '', 1, 1, 1);
             INSERT INTO prices VALUES ('CUP', 'EUR', 1900);
             INSERT INTO stock VALUES ('CUP', 50, 0);",
        )
        .unwrap();
    connection
}

fn claim(key: &str) -> Claim {
    Claim { scope: "test".to_owned(), key: key.to_owned(), fingerprint: [0; 32] }
}

fn fill_cart(connection: &Connection) {
    let open = OpenCart { id: CART, user: None, currency: Currency::Eur, now: NOW };
    cart::open(connection, &open).unwrap().unwrap();
    let change = |edit| {
        let command = ChangeCart { id: CART, version: None, edit, now: NOW };
        cart::change(connection, &command).unwrap().unwrap();
    };
    let (line, quantity) = (LineId::from_bytes([2; 16]), 2.try_into().unwrap());
    let sku = || "CUP".parse().unwrap();
    change(LineEdit::Add { line, sku: sku(), quantity });
    change(LineEdit::Add { line, sku: sku(), quantity });
    change(LineEdit::Set { line, quantity });
    change(LineEdit::Remove { line });
    change(LineEdit::Add { line, sku: sku(), quantity });
}

fn place(connection: &Connection, number: u8, user: UserId) {
    let command = PlaceOrder {
        cart: CART,
        order: OrderId::from_bytes([number; 16]),
        payment: PaymentId::from_bytes([number; 16]),
        line_seed: [0; 10],
        token_hash: [0; 32],
        user: Some(user),
        email: "ada@example.org".parse().unwrap(),
        address: Address::default(),
        method: TestMethod::Success,
        claim: claim(&number.to_string()),
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        now: NOW,
    };
    order::place(connection, &command).unwrap();
}

fn settle(connection: &Connection, number: u8, event: PaymentEvent, now: Timestamp) {
    let command = Settle {
        payment: PaymentId::from_bytes([number; 16]),
        event: Some(event),
        amount: None,
        provider_ref: Some("pi".to_owned()),
        answer: Some(claim(&number.to_string())),
        webhook: Some(format!("evt_{number}_{event:?}")),
        now,
    };
    payment::settle(connection, &command).unwrap();
}

/// Signs somebody up, in, on and out.
fn visit(connection: &Connection, user: UserId) {
    let session = |number: u8| OpenSession {
        id: SessionId::from_bytes([number; 16]),
        refresh_hash: [number; 32],
        refresh_expires_at: NOW.after(Duration::from_hours(1)),
        now: NOW,
    };
    let email = || "ada@example.org".parse().unwrap();
    let create =
        CreateAccount { user, email: email(), password_hash: String::new(), session: session(1) };
    let once = idempotency::once(connection, Some(&claim("r")), NOW, || {
        account::create(connection, &create)
    });
    assert!(once.unwrap().is_ok());
    account::start_login(connection, &email(), NOW).unwrap();
    account::open_session(connection, user, &session(2)).unwrap();
    let rotate = |hash| Rotate {
        session: SessionId::from_bytes([1; 16]),
        generation: 1,
        hash,
        next_hash: [9; 32],
        next_expires_at: NOW.after(Duration::from_hours(1)),
        revocation_kept: Duration::from_mins(16),
        now: NOW,
    };
    assert!(account::rotate(connection, &rotate([1; 32])).unwrap().is_ok());
    assert!(account::rotate(connection, &rotate([1; 32])).unwrap().is_err());
    assert!(account::find(connection, user, SessionId::from_bytes([2; 16])).unwrap().is_some());
}

/// Runs a shop's day on a connection.
fn live(connection: &Connection) {
    let user = UserId::from_bytes([7; 16]);
    visit(connection, user);
    fill_cart(connection);
    place(connection, 3, user);
    settle(connection, 3, PaymentEvent::Declined, NOW);
    place(connection, 4, user);
    settle(connection, 4, PaymentEvent::TimedOut, NOW);
    let after = NOW.after(Duration::from_mins(11));
    assert_eq!(order::release_expired(connection, after, 10).unwrap(), 1);
    assert_eq!(payment::claim_to_check(connection, after, 10).unwrap().len(), 1);
    settle(connection, 4, PaymentEvent::Captured, after);
    settle(connection, 4, PaymentEvent::Refunded, after);
    assert_eq!(order::of_user(connection, user, 10).unwrap().len(), 2);
    let events = outbox::waiting(connection, 100).unwrap();
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    outbox::mark_delivered(connection, &ids, after).unwrap();
    feed::changes(connection, 0, 10).unwrap();
    feed::prune(connection, 1).unwrap();
    let count = EventCount {
        day: Day::of(NOW),
        name: EventName::ProductView,
        subject: "cup".to_owned(),
        count: 1,
    };
    let batch = EventBatch { id: "b".to_owned(), counts: vec![count] };
    assert!(events::take(connection, &batch, NOW).unwrap());
    upkeep::forget_old(connection, &UpkeepLimits::default(), NOW.after(LATER)).unwrap();
}

#[test]
fn no_statement_of_a_shops_day_reads_a_whole_table() {
    let mut connection = shop();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let collect = Arc::clone(&seen);
    let trace = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            collect.lock().unwrap().insert(statement.sql().into_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(trace)).unwrap();
    live(&connection);
    connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
    let statements = std::mem::take(&mut *seen.lock().unwrap());
    assert!(statements.len() > 60, "{}", statements.len());
    let mut scans = Vec::new();
    for sql in &statements {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = explain.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get("detail").unwrap();
            let is_sorted = step.starts_with("USE TEMP B-TREE");
            // That index holds waiting events alone, oldest first: reading it from its start is what is wanted.
            let is_meant =
                ["SCAN CONSTANT ROW", "SCAN outbox USING INDEX outbox_waiting"].contains(&&*step);
            let is_scan = step.starts_with("SCAN") && !is_meant;
            if is_scan || is_sorted {
                scans.push(format!("{step}: {sql}"));
            }
        }
    }
    assert!(scans.is_empty(), "{scans:#?}");
}
