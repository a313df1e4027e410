//! Every statement that runs while somebody waits, or again and again, goes by a key or an index.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_types::events::{Day, EventBatch, EventCount, EventName};
use api_types::order::Address;
use domain::cart::LINES_MAX;
use domain::numbers::InvoiceSeries;
use domain::order::{Actor, CancelReason, Command, Note, NoteAudience, RefundOf, RefundReason};
use domain::payment::{KeptMethod, PaymentEvent, TestMethod};
use domain::staff::Role;
use domain::webhook::DeliveryStatus;
use domain::{
    CartId, Currency, LineId, Money, NoteId, OrderId, OrderStatus, PaymentId, PaymentOperationId,
    RefundId, SessionId, StaffKeyId, Timestamp, UserId, WebhookId,
};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::migrations;
use crate::invoice::IssueInvoices;
use crate::sql::{
    account, cart, delivery, events, feed, idempotency, invoice, lease, operation, order,
    order_life, order_list, order_state, outbox, payment, product, shop, staff, upkeep, webhook,
};
use crate::tx::{Tx, at_once, lock};
use crate::{
    AddNote, ArchiveProduct, AskProvider, Attempt, Attempted, CartEdit, ChangeCart, ChangeProduct,
    ChangeShop, ChangeSubscription, Claim, ClaimDeliveries, CreateAccount, CreateProduct,
    EndOperation, InvoiceNumbersChange, ListDeliveries, ListOrders, ListProducts, NewSubscription,
    OpenCart, OpenSession, OperationStatus, Outcome, PlaceOrder, ProductEdit, Recorded, Replay,
    Rotate, SetPrices, Settle, ShopChange, TakeStep, Terms, UpkeepLimits, WebhookSecrets, Wish,
};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);
const CART: CartId = CartId::from_bytes([1; 16]);
const LATER: Duration = Duration::from_hours(24 * 40);

/// Runs a step of the day, which on this engine never waits.
macro_rules! now {
    ($step:expr) => {
        at_once(pin!($step)).unwrap()
    };
}

fn shop() -> Mutex<Connection> {
    let mut connection = Connection::open_in_memory().unwrap();
    super::prepare(&connection).unwrap();
    migrations::apply(&mut connection, migrations::ORIGIN).unwrap();
    let connection = Mutex::new(connection);
    now!(feed::begin(&Tx::Sqlite(&connection), "first"));
    lock(&connection)
        .execute_batch(
            "INSERT INTO categories (handle, title, description, position, image_url) VALUES ('all', 'All', '', 1, '');
             INSERT INTO products (id, handle, title, subtitle, description, category, search_words, featured,
               created_at_ms, tags_json, images_json, options_json)
               VALUES (1, 'cup', 'Cup', '', '', 'all', '', 0, 0, '[]', '[]', '[]');
             INSERT INTO variants VALUES ('CUP', 1, 0, 'Plain', '{}', '', '', '', '', '', '', '', 1, 1, 1, 400);
             INSERT INTO prices VALUES ('CUP', 'EUR', 1900);
             INSERT INTO stock (sku, on_hand, reserved, backorder, backorder_max) VALUES ('CUP', 50, 0, 'allow', 20);",
        )
        .unwrap();
    connection
}

fn claim(key: &str) -> Claim {
    Claim { scope: "test".to_owned(), key: key.to_owned(), fingerprint: [0; 32] }
}

fn fill_cart(tx: &Tx<'_>) {
    let open = OpenCart { id: CART, user: None, currency: Currency::Eur, now: NOW };
    now!(cart::open(tx, &open)).unwrap();
    let change = |edit| {
        let freeze = Duration::from_hours(1);
        let command = ChangeCart { id: CART, version: None, edit, freeze, now: NOW };
        now!(cart::change(tx, &command)).unwrap();
    };
    let (line, quantity) = (LineId::from_bytes([2; 16]), 2.try_into().unwrap());
    let sku = || "CUP".parse().unwrap();
    change(CartEdit::Add { line, sku: sku(), quantity });
    change(CartEdit::Add { line, sku: sku(), quantity });
    change(CartEdit::Set { line, quantity: 60.try_into().unwrap() });
    // Some of them would be promised: everything about the cart's stock is read.
    let promised = now!(cart::look_at(tx, CART, NOW)).unwrap().lines[0].promise;
    assert_eq!(promised.map(|own| own.pieces), Some(10));
    change(CartEdit::Set { line, quantity });
    change(CartEdit::Remove { line });
    change(CartEdit::Add { line, sku: sku(), quantity });
}

fn place(tx: &Tx<'_>, number: u8, user: UserId) {
    let command = PlaceOrder {
        cart: CART,
        order: OrderId::from_bytes([number; 16]),
        payment: PaymentId::from_bytes([number; 16]),
        line_seed: [0; 10],
        token_hash: [0; 32],
        user: Some(user),
        email: "ada@example.org".parse().unwrap(),
        address: Address::default(),
        provider: "test",
        method: KeptMethod::Test(TestMethod::Success),
        token: None,
        claim: claim(&number.to_string()),
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        terms: Terms::default(),
        now: NOW,
    };
    now!(order::place(tx, &command));
}

fn settle(tx: &Tx<'_>, number: u8, event: PaymentEvent, now: Timestamp) {
    let command = Settle {
        payment: PaymentId::from_bytes([number; 16]),
        event: Some(event),
        amounts: None,
        amount: None,
        provider_ref: Some("pi".to_owned()),
        answer: Some(claim(&number.to_string())),
        webhook: Some(format!("evt_{number}_{event:?}")),
        now,
    };
    now!(payment::settle(tx, &command));
}

/// Signs somebody up, in, on and out.
fn visit(tx: &Tx<'_>, user: UserId) {
    let session = |number: u8| OpenSession {
        id: SessionId::from_bytes([number; 16]),
        refresh_hash: [number; 32],
        refresh_expires_at: NOW.after(Duration::from_hours(1)),
        now: NOW,
    };
    let email = || "ada@example.org".parse().unwrap();
    let create =
        CreateAccount { user, email: email(), password_hash: String::new(), session: session(1) };
    let key = claim("r");
    let once = now!(idempotency::once(tx, Some(&key), NOW, account::create(tx, &create)));
    assert!(once.is_ok());
    now!(account::start_login(tx, &email(), NOW));
    now!(account::open_session(tx, user, &session(2)));
    let rotate = |hash| Rotate {
        session: SessionId::from_bytes([1; 16]),
        generation: 1,
        hash,
        next_hash: [9; 32],
        next_expires_at: NOW.after(Duration::from_hours(1)),
        revocation_kept: Duration::from_mins(16),
        now: NOW,
    };
    assert!(now!(account::rotate(tx, &rotate([1; 32]))).is_ok());
    assert!(now!(account::rotate(tx, &rotate([1; 32]))).is_err());
    assert!(now!(account::find(tx, user, SessionId::from_bytes([2; 16]))).is_some());
}

/// Tells merchants what happened.
fn tell(tx: &Tx<'_>, now: Timestamp) {
    let id = WebhookId::from_bytes([5; 16]);
    let secrets = WebhookSecrets { newest: [0; 32], previous: None };
    let patterns = vec!["*".parse().unwrap()];
    let (url, description) = ("https://a.example/".to_owned(), String::new());
    let new = NewSubscription { id, url, patterns, description, secrets, now };
    now!(webhook::create(tx, &new)).unwrap();
    now!(webhook::rotate(tx, id, &[1; 32], now, now)).unwrap();
    assert!(now!(delivery::fan_out(tx, 1, [0; 10], now)).deliveries > 0);
    let mut claim = ClaimDeliveries {
        busy: Vec::new(),
        per_subscription_max: 4,
        count_max: 64,
        kept: Duration::from_mins(1),
        now,
    };
    let mut claimed = now!(delivery::claim(tx, &claim));
    let delivery = claimed.remove(0).id;
    let attempt = Attempt { at: now, latency_ms: 1, status: Some(500), error: None };
    let mut attempted =
        Attempted { delivery, subscription: id, attempt, outcome: Outcome::Failed(Some(now)), now };
    now!(delivery::record(tx, &attempted));
    claim.now = now.after(claim.kept);
    assert_eq!(now!(delivery::claim(tx, &claim)).len(), 1);
    attempted.outcome = Outcome::Delivered;
    now!(delivery::record(tx, &attempted));
    for status in [None, Some(DeliveryStatus::Delivered)] {
        let list = ListDeliveries { subscription: id, status, before: None, limit: 10 };
        assert!(!now!(delivery::list(tx, &list)).is_empty());
    }
    assert!(now!(delivery::find(tx, id, delivery)).is_some());
    let (from, to) = (delivery, delivery);
    let replay = Replay { subscription: id, from, to, status: None, limit: 10, now };
    assert_eq!(now!(delivery::replay(tx, &replay)).count, 1);
    attempted.outcome = Outcome::Gone;
    assert_eq!(now!(delivery::record(tx, &attempted)), Recorded::Disabled);
    now!(webhook::change(tx, id, &ChangeSubscription::default(), now));
    now!(webhook::delete(tx, id, now));
}

/// Asks who may do what.
fn ask(tx: &Tx<'_>, user: UserId) {
    now!(staff::grant(tx, &"ada@example.org".parse().unwrap(), Role::Owner, NOW));
    now!(staff::roles(tx, user, SessionId::from_bytes([2; 16])));
    now!(staff::find_key(tx, StaffKeyId::from_bytes([1; 16])));
    now!(staff::note_use(tx, StaffKeyId::from_bytes([1; 16]), NOW));
    for holder in ["a", "b"] {
        now!(lease::take(tx, "job", holder, NOW.after(Duration::from_secs(15)), NOW));
    }
}

/// Looks after an order that is paid: gives some back, writes a note, calls it off.
fn look_after(tx: &Tx<'_>, now: Timestamp) {
    let order = OrderId::from_bytes([4; 16]);
    let take = |command| {
        let actor = Actor::System;
        now!(order_state::take_step(tx, &TakeStep { order, version: None, command, actor, now }))
    };
    let refund = RefundId::from_bytes([6; 16]);
    let of = RefundOf::Amount { amount: Money::new(1, Currency::Eur) };
    take(Command::Refund { id: refund, of, reason: RefundReason::Other }).unwrap();
    let due = now!(operation::claim_due(tx, now.after(LATER), 10));
    let (asked, _provider_ref) = due.first().unwrap();
    assert!(now!(operation::by_key(tx, &asked.provider_key)).is_some());
    assert_eq!(now!(operation::pending_of(tx, order)).len(), 1);
    let status = OperationStatus::Succeeded;
    let end = EndOperation { id: asked.id, status, error: None, report: None, now };
    assert_eq!(now!(operation::end(tx, &end)), Some(status));
    let id = PaymentOperationId::from_bytes([8; 16]);
    let ask = AskProvider { order, version: None, id, wish: Wish::Void, actor: Actor::System, now };
    assert!(now!(operation::ask(tx, &ask)).is_err());
    let text = "call".to_owned().try_into().unwrap();
    let (author, audience) = (Actor::System, NoteAudience::Staff);
    let note = Note { id: NoteId::from_bytes([9; 16]), at: now, author, audience, text };
    now!(order_life::add_note(tx, &AddNote { order, note })).unwrap();
    take(Command::Cancel { reason: CancelReason::Other, refund: RefundId::from_bytes([7; 16]) })
        .unwrap();
    assert_eq!(now!(order_life::life(tx, order)).unwrap().operations.len(), 2);
    let some = ListOrders { limit: 10, ..ListOrders::default() };
    let email = Some("ada@example.org".to_owned());
    for list in [
        some.clone(),
        ListOrders { email, ..some.clone() },
        ListOrders { number: Some(100_002), ..some.clone() },
        ListOrders {
            status: Some(OrderStatus::Cancelled),
            before: Some(OrderId::from_bytes([5; 16])),
            ..some
        },
    ] {
        assert!(!now!(order_list::list(tx, &list)).is_empty(), "{list:?}");
    }
}

/// Numbers invoices in their own series from now on.
fn number_invoices(tx: &Tx<'_>) {
    let series = Some(InvoiceSeries::Own);
    let invoice_numbers = InvoiceNumbersChange { series, ..InvoiceNumbersChange::default() };
    let change = ShopChange { invoice_numbers, ..ShopChange::default() };
    let command = ChangeShop { change, version: None, actor: "test".to_owned(), now: NOW };
    now!(shop::change(tx, &command)).unwrap();
}

/// Gives invoices their numbers, of one order and of all.
fn issue(tx: &Tx<'_>, now: Timestamp) {
    let order = OrderId::from_bytes([4; 16]);
    let all = IssueInvoices { order: None, limit: 10, now };
    let one = IssueInvoices { order: Some(order), ..all };
    assert_eq!(now!(invoice::issue(tx, &one)), 1);
    assert_eq!(now!(invoice::issue(tx, &all)), 0);
    assert_eq!(now!(invoice::find(tx, order)).unwrap().issued().unwrap().number, 1);
    let number = Some(1);
    let list = ListOrders { number, limit: 10, ..ListOrders::default() };
    assert_eq!(now!(order_list::list(tx, &list)).len(), 1);
}

/// Keeps the catalogue, but for new variants: of an INSERT the plan names the scan of children that SQLite makes only
/// where a reference is broken already.
fn keep(tx: &Tx<'_>, now: Timestamp) {
    let handle = || "cup".parse().unwrap();
    let mut stored = now!(product::load(tx, &handle())).unwrap();
    let variant = stored.variants.remove(0).variant;
    let edit = ProductEdit { category: Some("all".parse().unwrap()), ..ProductEdit::default() };
    let change = ChangeProduct { handle: handle(), version: None, edit, now };
    now!(product::change(tx, &change)).unwrap();
    let prices = SetPrices { sku: variant.sku, prices: variant.prices, now };
    now!(product::set_prices(tx, &prices)).unwrap();
    for is_archived in [true, false] {
        let archive = ArchiveProduct { handle: handle(), version: None, is_archived, now };
        now!(product::archive(tx, &archive)).unwrap();
    }
    let create = CreateProduct { product: stored.product, now };
    assert!(now!(product::create(tx, &create)).is_err());
    let list = ListProducts { limit: 10, ..ListProducts::default() };
    assert_eq!(now!(product::list(tx, &list)).len(), 1);
}

/// Runs a shop's day on a connection.
fn live(tx: &Tx<'_>) {
    let user = UserId::from_bytes([7; 16]);
    visit(tx, user);
    fill_cart(tx);
    number_invoices(tx);
    place(tx, 3, user);
    settle(tx, 3, PaymentEvent::Declined, NOW);
    place(tx, 4, user);
    settle(tx, 4, PaymentEvent::TimedOut, NOW);
    let after = NOW.after(Duration::from_mins(11));
    assert_eq!(now!(order::release_expired(tx, after, 10)), 1);
    assert_eq!(now!(payment::claim_to_check(tx, after, 10)).len(), 1);
    settle(tx, 4, PaymentEvent::Captured, after);
    issue(tx, after);
    look_after(tx, after);
    settle(tx, 4, PaymentEvent::Refunded, after);
    assert_eq!(now!(order_life::of_user(tx, user, 10)).len(), 2);
    assert_eq!(now!(payment::check_abandoned_holds(tx, after, 10, after)), 0);
    keep(tx, after);
    ask(tx, user);
    tell(tx, after);
    let events = now!(outbox::waiting(tx, 100));
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    now!(outbox::mark_delivered(tx, &ids, after));
    now!(feed::changes(tx, 0, 10));
    now!(feed::prune(tx, 1));
    let count = EventCount {
        day: Day::of(NOW),
        name: EventName::ProductView,
        subject: "cup".to_owned(),
        count: 1,
    };
    let batch = EventBatch { id: "b".to_owned(), counts: vec![count] };
    assert!(now!(events::take(tx, &batch, NOW)));
    now!(upkeep::forget_old(tx, &UpkeepLimits::default(), NOW.after(LATER)));
}

/// Returns the statements that some work runs, each as often as it runs.
fn statements_of(connection: &Mutex<Connection>, work: impl FnOnce(&Tx<'_>)) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let collect = Arc::clone(&seen);
    let trace = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            collect.lock().unwrap().push(statement.sql().into_owned());
        }
    };
    lock(connection).trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(trace)).unwrap();
    work(&Tx::Sqlite(connection));
    lock(connection).trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn a_cart_is_read_in_as_many_statements_however_long_it_is() {
    let connection = shop();
    let tx = Tx::Sqlite(&connection);
    let open = OpenCart { id: CART, user: None, currency: Currency::Eur, now: NOW };
    now!(cart::open(&tx, &open)).unwrap();
    let read = || {
        statements_of(&connection, |tx| {
            now!(cart::look_at(tx, CART, NOW)).unwrap();
        })
        .len()
    };
    let mut counts = BTreeSet::new();
    for number in 1..=LINES_MAX {
        lock(&connection)
            .execute_batch(&format!(
                "INSERT INTO variants VALUES ('CUP-{number}', 1, {number}, '', '{{}}', '', '', '', '', '', '', '', 1, 1, 1, 400);
                 INSERT INTO prices VALUES ('CUP-{number}', 'EUR', 1900);
                 INSERT INTO stock (sku, on_hand, reserved, backorder, backorder_max) VALUES ('CUP-{number}', 1, 0, 'allow', 20);
                 INSERT INTO cart_lines (cart_id, id, sku, quantity)
                   SELECT id, x'{number:032x}', 'CUP-{number}', 2 FROM carts;"
            ))
            .unwrap();
        counts.insert(read());
    }
    assert_eq!(counts.len(), 1, "{counts:?}");
}

#[test]
fn no_statement_of_a_shops_day_reads_a_whole_table() {
    let connection = shop();
    let statements: BTreeSet<String> = statements_of(&connection, live).into_iter().collect();
    assert!(statements.len() > 60, "{}", statements.len());
    let mut scans = Vec::new();
    let connection = lock(&connection);
    for sql in &statements {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = explain.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get("detail").unwrap();
            // Of the one group that the view makes of a product's prices, which are found by index.
            let is_of_prices = sql.contains("read_product_prices");
            let is_sorted = step.starts_with("USE TEMP B-TREE") && !is_of_prices;
            // That index holds waiting events alone, oldest first: reading it from its start is what is wanted.
            let is_meant = [
                "SCAN CONSTANT ROW",
                "SCAN outbox USING INDEX outbox_waiting",
                // The same with invoices that are due, those of the orders first that were accepted first.
                "SCAN invoices USING INDEX invoices_due",
                "SCAN invoices USING COVERING INDEX invoices_due",
                // Automatic promotions that are enabled: few, and all of them are asked for.
                "SCAN promotions USING INDEX promotions_automatic",
                // The same with subscriptions that were not deleted: all of them are asked for.
                "SCAN webhook_subscriptions USING INDEX webhook_subscriptions_live",
                "SCAN webhook_subscriptions USING COVERING INDEX webhook_subscriptions_live",
                "SCAN read_product_prices",
            ]
            .contains(&&*step);
            let is_scan = step.starts_with("SCAN") && !is_meant;
            if is_scan || is_sorted {
                scans.push(format!("{step}: {sql}"));
            }
        }
    }
    assert!(scans.is_empty(), "{scans:#?}");
}
