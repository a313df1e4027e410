//! Orders after their checkout: what the staff and the shopper do with them, and that money and stock follow once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use api_types::admin_order::{
    AdminOrder, CancelRequest, FulfilRequest, NewNote, ReceiveRequest, RefundRequest,
    ReturnRequest, ShipRequest, StepAnswer,
};
use api_types::order::{CheckoutAnswer, NewReturn};
use app::{Answered, Claim, Error, ParcelStep, ReturnDecision, Staff, StaffId, StepAsked};
use domain::order::{
    CancelReason, FulfilmentStatus, FulfilmentSummary, NoteAudience, PaymentSummary, PiecesOf,
    ReceivedPieces, RefundReason, RefundStatus, ReturnReason, ReturnStatus, ReturnWish, Step,
};
use domain::staff::Role;
use domain::{Currency, Money, OrderId, OrderStatus, PaymentStatus, StaffKeyId};
use http::HeaderMap;
use providers::local::Wish;
use providers::payment::{Event, IntentStatus, RefundStatus as ProvidersRefund, Subject};

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

/// Longer than whoever wrote an operation down has to ask for it.
pub(crate) const A_WHILE: Duration = Duration::from_secs(11);

pub(crate) fn staff() -> Staff {
    Staff { who: StaffId::Key(StaffKeyId::from_bytes([3; 16])), roles: vec![Role::Owner] }
}

pub(crate) fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

pub(crate) fn claim(world: &World, order: OrderId, key: &str) -> Claim {
    world.app.claim(format!("staff {order}"), key.to_owned(), &[key.as_bytes()])
}

/// A paid order, and its shopper's answer.
pub(crate) async fn paid(world: &World, pieces: i64) -> CheckoutAnswer {
    let cart = world.cart(pieces).await;
    let answer = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!(answer.status, OrderStatus::Confirmed);
    answer
}

pub(crate) async fn admin(world: &World, order: OrderId) -> AdminOrder {
    world.app.admin_order(order).await.unwrap()
}

pub(crate) type Stepped = Result<Answered<StepAnswer>, Error>;

/// Asks for a step under a key, whatever version the order is at.
macro_rules! step {
    ($world:expr, $order:expr, $key:expr, $method:ident $(, $value:expr)*) => {{
        let staff = $crate::orders::staff();
        let asked = app::StepAsked {
            staff: &staff,
            order: $order,
            version: None,
            claim: $crate::orders::claim($world, $order, $key),
        };
        let stepped: $crate::orders::Stepped = $world.app.$method(asked $(, $value)*).await;
        stepped
    }};
}
pub(crate) use step;

pub(crate) async fn ledger(world: &World, account: &'static str) -> i64 {
    world.store.ledger_sum(account).await.unwrap()
}

/// Money and stock are in order: of the order itself, of the books, and at the provider.
pub(crate) async fn check(world: &World, order: OrderId) -> AdminOrder {
    world.check_sums().await;
    let told = admin(world, order).await;
    let sums = told.sums.unwrap();
    let parts = [sums.open, sums.captured, sums.refunding, sums.refunded, sums.released];
    assert_eq!(parts.iter().map(|money| money.minor).sum::<i64>(), sums.price.minor);
    let intent = world.provider.intent_of(world.payment_of(order).await);
    let (captured, refunded) = (intent.amounts.captured(), intent.amounts.refunded());
    assert_eq!(ledger(world, "provider_clearing").await, captured.minor - refunded.minor);
    let taken = sums.captured.minor + sums.refunding.minor + sums.refunded.minor;
    assert_eq!(taken, captured.minor, "{sums:?}");
    assert_eq!(
        ledger(world, "authorized_funds").await,
        -ledger(world, "authorized_funds_contra").await
    );
    told
}

async fn a_refund_goes_back_once_however_often_it_is_asked_for(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = paid(&world, 2).await;
    let order = placed.order_id;
    let before = admin(&world, order).await;
    assert_eq!((before.order.version, before.payment), (2, PaymentSummary::Captured));
    let request = || RefundRequest { amount: Some(euro(500)), ..RefundRequest::default() };
    let first = step!(&world, order, "r", refund_order, request()).unwrap();
    let again = step!(&world, order, "r", refund_order, request()).unwrap();
    assert!(!first.is_replay && again.is_replay);
    assert_eq!(first.value.made, again.value.made);
    let told = check(&world, order).await;
    assert_eq!(world.provider.all_refunds().len(), 1);
    let [refund] = told.order.refunds.as_slice() else { panic!("{:?}", told.order.refunds) };
    assert_eq!((refund.status, refund.amount), (RefundStatus::Succeeded, euro(500)));
    assert_eq!(told.order.payment_status, PaymentStatus::PartiallyRefunded);
    assert_eq!(told.payment, PaymentSummary::PartiallyRefunded);
    // The tax of what went back is not owed any more.
    let tax = -ledger(&world, "tax_payable").await;
    assert!(tax < placed.totals.tax.minor, "{tax}");
    let all = step!(&world, order, "all", refund_order, RefundRequest::default()).unwrap().value;
    assert_eq!(all.order.payment, PaymentSummary::Refunded);
    check(&world, order).await;
    for account in ["provider_clearing", "tax_payable"] {
        assert_eq!(ledger(&world, account).await, 0, "{account}");
    }
    assert_eq!(ledger(&world, "revenue").await, -ledger(&world, "refunds").await);
    let more = step!(&world, order, "more", refund_order, RefundRequest::default());
    assert_eq!(more.unwrap_err().to_string(), "step-not-possible");
}

async fn a_refund_whose_answer_is_lost_is_found_out_and_given_once(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let order = paid(&world, 1).await.order_id;
    world.provider.is_silent.store(true, Ordering::Relaxed);
    let asked = step!(&world, order, "r", refund_order, RefundRequest::default()).unwrap().value;
    assert_eq!(asked.order.order.refunds[0].status, RefundStatus::Pending);
    assert_eq!(asked.order.operations[0].status, "pending");
    world.clock.advance(A_WHILE);
    assert_eq!(world.app.reconcile_operations().await.unwrap(), 1);
    assert_eq!(admin(&world, order).await.order.refunds[0].status, RefundStatus::Pending);
    world.provider.is_silent.store(false, Ordering::Relaxed);
    world.clock.advance(A_WHILE);
    assert_eq!(world.app.reconcile_operations().await.unwrap(), 1);
    let told = check(&world, order).await;
    assert_eq!(told.order.refunds[0].status, RefundStatus::Succeeded);
    assert_eq!(told.order.payment_status, PaymentStatus::Refunded);
    assert_eq!(world.provider.all_refunds().len(), 1);
    world.clock.advance(A_WHILE);
    assert_eq!(world.app.reconcile_operations().await.unwrap(), 0);
}

async fn a_refund_that_never_arrived_is_asked_for_again(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let order = paid(&world, 1).await.order_id;
    world.provider.is_gone.store(true, Ordering::Relaxed);
    step!(&world, order, "r", refund_order, RefundRequest::default()).unwrap();
    assert_eq!(world.provider.all_refunds(), []);
    world.provider.is_gone.store(false, Ordering::Relaxed);
    world.clock.advance(A_WHILE);
    assert_eq!(world.app.reconcile_operations().await.unwrap(), 1);
    assert_eq!(world.provider.all_refunds().len(), 1);
    assert_eq!(check(&world, order).await.order.refunds[0].status, RefundStatus::Succeeded);
}

async fn money_that_was_given_back_at_the_providers_is_known_and_never_given_again(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let order = paid(&world, 1).await.order_id;
    let payment = world.payment_of(order).await;
    let id = world.provider.intent_of(payment).id;
    world.provider.wish(&id, Wish::Refund(None)).unwrap();
    // Nobody has told us: we ask, the provider has nothing left, and says what it gave back.
    let asked = step!(&world, order, "r", refund_order, RefundRequest::default()).unwrap().value;
    let told = check(&world, order).await;
    let statuses: Vec<_> = told.order.refunds.iter().map(|own| (own.status, own.reason)).collect();
    assert_eq!(
        statuses,
        [
            (RefundStatus::Failed, RefundReason::Other),
            (RefundStatus::Succeeded, RefundReason::Other)
        ]
    );
    assert_eq!(asked.order.payment, PaymentSummary::Refunded);
    assert_eq!(told.operations[0].error.as_deref(), Some("not-allowed"));
}

async fn a_refund_that_is_on_its_way_ends_when_the_provider_says_so(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let order = paid(&world, 1).await.order_id;
    world.provider.is_slow_to_refund.store(true, Ordering::Relaxed);
    step!(&world, order, "r", refund_order, RefundRequest::default()).unwrap();
    let status = async || admin(&world, order).await.order.refunds[0].status;
    assert_eq!(status().await, RefundStatus::Pending);
    let mut refund = world.provider.all_refunds().remove(0);
    refund.status = ProvidersRefund::Succeeded;
    for _ in 0..2 {
        let subject =
            Subject::Refund { intent: "pi".to_owned(), reference: None, refund: refund.clone() };
        let event = Event { id: "evt".to_owned(), kind: "refund".to_owned(), subject };
        *world.provider.said.lock().unwrap() = Some(event);
        world.app.take_webhook(&HeaderMap::new(), b"").await.unwrap();
        assert_eq!(status().await, RefundStatus::Succeeded);
    }
    check(&world, order).await;
}

async fn an_order_that_is_called_off_gives_back_stock_and_money(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let order = paid(&world, 2).await.order_id;
    assert_eq!(world.available().await, 3);
    let reason = Some(CancelReason::OutOfStock);
    let request = CancelRequest { reason, lines: Vec::new() };
    let answer = step!(&world, order, "c", cancel_order, request.clone()).unwrap().value;
    assert_eq!(answer.order.order.status, OrderStatus::Cancelled);
    assert!(step!(&world, order, "c", cancel_order, request.clone()).unwrap().is_replay);
    let told = check(&world, order).await;
    assert_eq!(told.order.payment_status, PaymentStatus::Refunded);
    assert_eq!(told.order.refunds[0].reason, RefundReason::Cancelled);
    assert_eq!(world.available().await, 5);
    let again = step!(&world, order, "d", cancel_order, request).unwrap_err();
    assert_eq!(again.to_string(), "step-not-possible");
    let kinds = told
        .timeline
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap()["kind"].as_str().unwrap().to_owned());
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["placed", "captured", "confirmed", "cancelled", "refund_requested", "refund_succeeded"]
    );
}

async fn pieces_that_are_called_off_cost_nothing_and_are_for_sale_again(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = paid(&world, 3).await;
    let order = placed.order_id;
    let line = admin(&world, order).await.order.lines[0].id;
    let lines = vec![PiecesOf { line, pieces: 1 }];
    let request = CancelRequest { reason: None, lines };
    let answer = step!(&world, order, "c", cancel_order, request).unwrap().value;
    assert_eq!(answer.order.order.cancelled, [PiecesOf { line, pieces: 1 }]);
    assert_eq!(answer.order.order.status, OrderStatus::Confirmed);
    assert_eq!(world.available().await, 3);
    let told = check(&world, order).await;
    assert_eq!(told.order.refunds[0].amount, euro(1_900));
    let all = vec![PiecesOf { line, pieces: 2 }];
    let too_many = CancelRequest { reason: None, lines: all };
    let refused = step!(&world, order, "d", cancel_order, too_many).unwrap_err();
    let Error::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!(refusal.fields[0].pointer, "/lines/0/pieces");
}

async fn parcels_go_out_and_what_comes_back_is_paid_back(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let placed = paid(&world, 3).await;
    let order = placed.order_id;
    let line = admin(&world, order).await.order.lines[0].id;
    let two = FulfilRequest { location: None, lines: vec![PiecesOf { line, pieces: 2 }] };
    let packed = step!(&world, order, "f", fulfil_order, two).unwrap().value;
    let parcel = packed.made.unwrap().parse().unwrap();
    let ship = ShipRequest {
        carrier: Some("DHL".to_owned()),
        number: Some("JD1".to_owned()),
        url: Some("https://dhl.example/JD1".to_owned()),
    };
    step!(&world, order, "s", ship_parcel, parcel, &ship).unwrap();
    let seen = world.order(&placed).await;
    assert_eq!(seen.fulfilments[0].status, FulfilmentStatus::Shipped);
    assert_eq!(seen.fulfilments[0].tracking.as_ref().unwrap().number(), Some("JD1"));
    assert!(!seen.next_steps.contains(&Step::Cancel));
    step!(&world, order, "d", move_parcel, parcel, ParcelStep::Deliver).unwrap();
    let early = step!(&world, order, "e", complete_order).unwrap_err();
    assert_eq!(early.to_string(), "step-not-possible");
    // The rest, all that can be packed; unpacked, and packed again.
    let rest = FulfilRequest::default;
    let packed = step!(&world, order, "g", fulfil_order, rest()).unwrap().value;
    let id = packed.made.unwrap().parse().unwrap();
    step!(&world, order, "h", move_parcel, id, ParcelStep::Cancel).unwrap();
    let packed = step!(&world, order, "i", fulfil_order, rest()).unwrap().value;
    let id = packed.made.unwrap().parse().unwrap();
    step!(&world, order, "j", ship_parcel, id, &ShipRequest::default()).unwrap();
    let told = step!(&world, order, "l", move_parcel, id, ParcelStep::Deliver).unwrap().value;
    assert_eq!(told.order.fulfilment, FulfilmentSummary::Fulfilled);
    let done = step!(&world, order, "m", complete_order).unwrap().value;
    assert_eq!(done.order.order.status, OrderStatus::Completed);
    come_back(&world, &placed).await;
}

/// Two pieces come back, of which one is broken.
async fn come_back(world: &World, placed: &CheckoutAnswer) {
    let order = placed.order_id;
    let line = admin(world, order).await.order.lines[0].id;
    let stock = world.available().await;
    let wish = |pieces| vec![ReturnWish { line, pieces, reason: ReturnReason::Unwanted }];
    let token = Some(placed.order_token.as_str());
    let ask = |pieces, key| {
        let request = NewReturn { lines: wish(pieces) };
        world.app.request_return(&GUEST, order, token, request, claim(world, order, key))
    };
    let too_many = ask(4, "t").await.unwrap_err();
    assert_eq!(too_many.to_string(), "invalid-input");
    let mine = ask(1, "u").await.unwrap().value.returns[0].id;
    let again = ask(1, "u").await.unwrap();
    assert!(again.is_replay && again.value.returns.len() == 1);
    let dropped = world.app.cancel_own_return(&GUEST, order, token, mine, claim(world, order, "v"));
    assert_eq!(dropped.await.unwrap().value.returns[0].status, ReturnStatus::Cancelled);
    let opened = step!(world, order, "w", open_return, ReturnRequest { lines: wish(2) }).unwrap();
    let id = opened.value.made.unwrap().parse().unwrap();
    step!(world, order, "x", decide_return, id, ReturnDecision::Approve).unwrap();
    let receive = ReceiveRequest {
        location: None,
        lines: vec![ReceivedPieces { line, restocked: 1, written_off: 1 }],
        refund: true,
        shipping: None,
    };
    let received = step!(world, order, "y", receive_return, id, receive).unwrap().value;
    let back = &received.order.order.returns[1];
    assert_eq!((back.status, back.lines[0].restocked), (ReturnStatus::Received, 1));
    assert_eq!(received.order.order.refunds[0].amount, euro(3_800));
    assert_eq!(world.available().await, stock + 1);
    let told = check(world, order).await;
    assert_eq!(told.order.refunds[0].status, RefundStatus::Succeeded);
}

async fn a_step_of_an_order_that_has_gone_on_or_is_not_there_is_refused(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let order = paid(&world, 1).await.order_id;
    let staff = staff();
    let asked = |order, version, key: &str| StepAsked {
        staff: &staff,
        order,
        version,
        claim: claim(&world, order, key),
    };
    let stale = world.app.fulfil_order(asked(order, Some(1), "a"), FulfilRequest::default()).await;
    assert_eq!(stale.unwrap_err().to_string(), "precondition-failed");
    let good = world.app.fulfil_order(asked(order, Some(2), "a"), FulfilRequest::default()).await;
    assert_eq!(good.unwrap().value.order.order.version, 3);
    let other = OrderId::from_bytes([9; 16]);
    let missing = world.app.complete_order(asked(other, None, "a")).await;
    assert_eq!(missing.unwrap_err().to_string(), "not-found");
    let note = |text: &str| NewNote { text: text.to_owned(), audience: None };
    let empty = world.app.add_order_note(asked(order, None, "n"), note(" ")).await;
    assert_eq!(empty.unwrap_err().to_string(), "invalid-input");
}

async fn a_shopper_calls_an_order_off_before_it_is_paid_and_late_money_goes_back(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(2).await;
    let placed = world.checkout(cart, "late", "k").await.unwrap().value;
    let (order, token) = (placed.order_id, Some(placed.order_token.as_str()));
    assert!(world.order(&placed).await.next_steps.contains(&Step::Cancel));
    let cancel = |key| world.app.cancel_own_order(&GUEST, order, token, claim(&world, order, key));
    assert_eq!(cancel("c").await.unwrap().value.status, OrderStatus::Cancelled);
    assert!(cancel("c").await.unwrap().is_replay);
    assert_eq!(cancel("d").await.unwrap_err().to_string(), "step-not-possible");
    assert_eq!(world.available().await, 5);
    world.check_sums().await;
    assert!(world.app.cart(cart).await.unwrap().status == domain::cart::CartStatus::Open);
    // The provider took the money just before it was told to stop.
    let payment = world.payment_of(order).await;
    let id = world.provider.intent_of(payment).id;
    let intent = world.provider.wish(&id, Wish::Settle).unwrap();
    world.deliver_intent("evt_1", intent).await.unwrap();
    let told = admin(&world, order).await;
    assert_eq!(told.order.refunds[0].reason, RefundReason::PaidTooLate);
    world.clock.advance(A_WHILE);
    world.app.reconcile_payments().await.unwrap();
    world.app.reconcile_operations().await.unwrap();
    let told = check(&world, order).await;
    assert_eq!(told.order.status, OrderStatus::Cancelled);
    assert_eq!(told.order.refunds[0].status, RefundStatus::Succeeded);
    assert_eq!(world.provider.intent_of(payment).status, IntentStatus::Refunded);
    assert_eq!(world.provider.all_refunds().len(), 1);
    assert_eq!(world.available().await, 5);
}

async fn nobody_calls_off_what_is_packed_and_strangers_call_off_nothing(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = paid(&world, 1).await;
    let order = placed.order_id;
    let cancel =
        |token, key| world.app.cancel_own_order(&GUEST, order, token, claim(&world, order, key));
    assert_eq!(cancel(None, "a").await.unwrap_err().to_string(), "not-found");
    assert_eq!(cancel(Some("ot_x"), "b").await.unwrap_err().to_string(), "not-found");
    step!(&world, order, "f", fulfil_order, FulfilRequest::default()).unwrap();
    let token = Some(placed.order_token.as_str());
    assert_eq!(cancel(token, "c").await.unwrap_err().to_string(), "step-not-possible");
    // The staff may: the parcel is unpacked.
    step!(&world, order, "g", cancel_order, CancelRequest::default()).unwrap();
    check(&world, order).await;
}

async fn the_staff_lists_orders_by_where_they_stand_by_number_and_by_address(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let mut placed = Vec::new();
    for key in ["a", "b", "c"] {
        world.clock.advance(Duration::from_secs(1));
        let cart = world.cart(1).await;
        placed.push(world.checkout(cart, "success", key).await.unwrap().value);
    }
    step!(&world, placed[1].order_id, "c", cancel_order, CancelRequest::default()).unwrap();
    let list = async |status, query| {
        let page = world.app.list_orders(status, query, None, None).await.unwrap();
        page.items.into_iter().map(|item| item.id).collect::<Vec<_>>()
    };
    let ids: Vec<_> = placed.iter().rev().map(|answer| answer.order_id).collect();
    assert_eq!(list(None, None).await, ids);
    assert_eq!(list(None, Some(" ADA@example.org ")).await, ids);
    assert_eq!(list(None, Some("bob@example.org")).await, []);
    assert_eq!(list(Some("cancelled"), None).await, [ids[1]]);
    assert_eq!(list(None, Some(&placed[0].number)).await, [ids[2]]);
    let first = world.app.list_orders(None, None, None, Some(2)).await.unwrap();
    assert_eq!(first.next_before, Some(ids[1]));
    assert_eq!(first.items[1].payment, PaymentSummary::Refunded);
    let rest = world.app.list_orders(None, None, first.next_before, Some(2)).await.unwrap();
    assert_eq!((rest.items[0].id, rest.next_before), (ids[2], None));
    for (status, query) in [(Some("paid"), None), (None, Some("VT-"))] {
        let refused = world.app.list_orders(status, query, None, None).await.unwrap_err();
        assert_eq!(refused.to_string(), "invalid-input");
    }
}

async fn notes_are_kept_and_the_shopper_reads_only_their_own(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let placed = paid(&world, 1).await;
    let order = placed.order_id;
    let note = |text: &str, audience| NewNote { text: text.to_owned(), audience };
    step!(&world, order, "a", add_order_note, note("call\nat noon", None)).unwrap();
    let shopper = Some(NoteAudience::Shopper);
    let told =
        step!(&world, order, "b", add_order_note, note("It is on its way", shopper)).unwrap();
    assert_eq!(told.value.order.notes.len(), 2);
    assert_eq!(told.value.order.order.version, 2, "a note is no step");
    let seen = world.order(&placed).await;
    assert_eq!(seen.notes.len(), 1);
    assert_eq!(seen.notes[0].text, "It is on its way");
    // What was told by the payment until now comes before the notes, when a step writes it down.
    step!(&world, order, "c", fulfil_order, FulfilRequest::default()).unwrap();
    let kinds: Vec<String> = admin(&world, order)
        .await
        .timeline
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["placed", "captured", "confirmed", "note_added", "note_added", "fulfilment_created"]
    );
}

async fn an_accepted_order_has_an_invoice_for_its_shopper_and_the_staff_alone(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let placed = paid(&world, 1).await;
    let (order, token) = (placed.order_id, Some(placed.order_token.as_str()));
    let theirs = world.app.invoice(&GUEST, order, token).await.unwrap();
    assert_eq!(theirs.name, format!("invoice-{}.pdf", placed.number));
    assert!(theirs.bytes.starts_with(b"%PDF-"));
    assert_eq!(world.app.invoice_for_staff(order).await.unwrap(), theirs);
    step!(&world, order, "r", refund_order, RefundRequest::default()).unwrap();
    assert_ne!(
        world.app.invoice_for_staff(order).await.unwrap(),
        theirs,
        "it says what was paid back"
    );
    let stranger = world.app.invoice(&GUEST, order, Some("ot_x")).await.unwrap_err();
    assert_eq!(stranger.to_string(), "not-found");
    let cart = world.cart(1).await;
    let waiting = world.checkout(cart, "late", "w").await.unwrap().value;
    let early = world.app.invoice_for_staff(waiting.order_id).await.unwrap_err();
    assert_eq!(early.to_string(), "no-invoice");
}

async fn a_step_and_a_payment_that_meet_leave_one_story(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    for round in 0..6 {
        let cart = world.cart(1).await;
        let key = format!("k{round}");
        let placed = world.checkout(cart, "late", &key).await.unwrap().value;
        let (order, token) = (placed.order_id, Some(placed.order_token.as_str()));
        let payment = world.payment_of(order).await;
        let id = world.provider.intent_of(payment).id;
        let intent = world.provider.wish(&id, Wish::Settle).unwrap();
        let (cancelled, told) = tokio::join!(
            world.app.cancel_own_order(&GUEST, order, token, claim(&world, order, "c")),
            world.deliver_intent(&key, intent),
        );
        told.unwrap();
        // Called off before or after it was paid, or too late by a moment: then once more.
        if cancelled.is_err() {
            let again = claim(&world, order, "d");
            world.app.cancel_own_order(&GUEST, order, token, again).await.unwrap();
        }
        world.clock.advance(A_WHILE);
        world.app.reconcile_payments().await.unwrap();
        world.app.reconcile_operations().await.unwrap();
        assert_eq!(world.order(&placed).await.status, OrderStatus::Cancelled);
        assert_eq!(world.provider.intent_of(payment).status, IntentStatus::Refunded);
        world.check_sums().await;
    }
    assert_eq!(world.available().await, 9);
    assert_eq!(world.provider.all_refunds().len(), 6);
    assert_eq!(ledger(&world, "provider_clearing").await, 0);
}

on_every_engine!(
    a_refund_goes_back_once_however_often_it_is_asked_for,
    a_refund_whose_answer_is_lost_is_found_out_and_given_once,
    a_refund_that_never_arrived_is_asked_for_again,
    money_that_was_given_back_at_the_providers_is_known_and_never_given_again,
    a_refund_that_is_on_its_way_ends_when_the_provider_says_so,
    an_order_that_is_called_off_gives_back_stock_and_money,
    pieces_that_are_called_off_cost_nothing_and_are_for_sale_again,
    parcels_go_out_and_what_comes_back_is_paid_back,
    a_step_of_an_order_that_has_gone_on_or_is_not_there_is_refused,
    a_shopper_calls_an_order_off_before_it_is_paid_and_late_money_goes_back,
    nobody_calls_off_what_is_packed_and_strangers_call_off_nothing,
    the_staff_lists_orders_by_where_they_stand_by_number_and_by_address,
    notes_are_kept_and_the_shopper_reads_only_their_own,
    an_accepted_order_has_an_invoice_for_its_shopper_and_the_staff_alone,
    a_step_and_a_payment_that_meet_leave_one_story,
);
