//! A simulator that never fails proves nothing: each test plants a bug, and the check that is meant for it must find it.
//!
//! A bug of the provider is one of its switches; a bug of the store is a trigger in its database.

use std::collections::BTreeSet;

use sim::{Check, Options, Plant, ProviderBug, StoreKind, run};

/// Seeds that a bug gets to show itself: 160. Most need one; money that comes too late, and so goes back, is rare.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=160;

/// Runs seeds with a bug until the check finds it; says what else was found.
fn finds(plant: &Plant, check: Check) {
    finds_over(StoreKind::Sqlite, plant, check);
}

fn finds_over(store: StoreKind, plant: &Plant, check: Check) {
    let mut others = BTreeSet::new();
    for seed in SEEDS {
        let plant = plant.clone();
        let report = run(&Options { plant, store, ..Options::of_seed(seed) }).unwrap();
        let found = report.findings.iter().any(|finding| finding.check == check);
        if found {
            let text = report.to_string();
            assert!(text.contains(&format!("cargo xtask sim --seed {seed} --steps 600")), "{text}");
            assert!(!report.tail.is_empty() && report.at_step > 0);
            return;
        }
        others.extend(report.findings);
    }
    panic!("{check:?} found nothing in {SEEDS:?}; others found {others:?}");
}

fn provider(bug: ProviderBug) -> Plant {
    Plant { provider: Some(bug), ..Plant::default() }
}

fn at_start(sql: &'static str) -> Plant {
    Plant { at_start: Some(sql), ..Plant::default() }
}

fn at_end(sql: &'static str) -> Plant {
    Plant { at_end: Some(sql), ..Plant::default() }
}

#[test]
fn finds_a_provider_that_forgets_keys_and_charges_twice() {
    finds(&provider(ProviderBug::ForgetsKeys), Check::ProviderBooks);
}

#[test]
fn finds_a_provider_that_keeps_what_it_should_give_back() {
    finds(&provider(ProviderBug::KeepsRefunds), Check::ProviderBooks);
}

#[test]
fn finds_a_state_that_tells_another_story_than_its_order() {
    let sql = "UPDATE order_states SET state_json = replace(state_json, '\"status\":\"cancelled\"', '\"status\":\"confirmed\"')";
    finds(&at_end(sql), Check::OrderState);
}

#[test]
fn finds_a_refund_that_was_forgotten() {
    let sql = "UPDATE order_states SET state_json = replace(state_json, '\"status\":\"succeeded\"', '\"status\":\"failed\"')";
    finds(&at_end(sql), Check::OrderState);
}

#[test]
fn finds_a_store_that_loses_a_release() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON stock
               WHEN NEW.reserved < OLD.reserved AND NEW.on_hand = OLD.on_hand
               BEGIN UPDATE stock SET reserved = OLD.reserved WHERE sku = NEW.sku; END";
    finds(&at_start(sql), Check::StockReplay);
    finds(&at_start(sql), Check::Holds);
}

#[test]
fn finds_a_store_that_forgets_to_end_reservations() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON reservations WHEN NEW.status = 'released'
               BEGIN UPDATE reservations SET status = 'held' WHERE order_id = NEW.order_id AND sku = NEW.sku; END";
    finds(&at_start(sql), Check::Holds);
}

#[test]
fn finds_pieces_that_are_left_behind_at_the_other_location() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON stock_at WHEN NEW.on_hand < OLD.on_hand
               BEGIN UPDATE stock_at SET on_hand = OLD.on_hand
                     WHERE sku = NEW.sku AND location_id = NEW.location_id; END";
    finds(&at_start(sql), Check::StockReplay);
}

#[test]
fn finds_an_order_that_is_promised_more_than_the_counters_know() {
    let sql = "CREATE TRIGGER planted AFTER INSERT ON reservation_parts WHEN NEW.backordered > 0
               BEGIN UPDATE reservation_parts SET backordered = backordered + 1
                     WHERE order_id = NEW.order_id AND sku = NEW.sku AND location_id = NEW.location_id; END";
    finds(&at_start(sql), Check::Holds);
}

#[test]
fn finds_a_store_that_sells_without_taking_from_the_shelf() {
    let sql = "CREATE TRIGGER planted AFTER INSERT ON stock_movements WHEN NEW.kind = 'sold'
               BEGIN UPDATE stock SET on_hand = on_hand + 1 WHERE sku = NEW.sku;
                     UPDATE stock_movements SET on_hand_delta = on_hand_delta + 1 WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::NoOversell);
}

#[test]
fn finds_an_entry_of_the_ledger_that_is_off_by_one() {
    let sql =
        "CREATE TRIGGER planted AFTER INSERT ON ledger_entries WHEN NEW.account = 'tax_payable'
               BEGIN UPDATE ledger_entries SET minor = minor + 1 WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::LedgerBalance);
}

#[test]
fn finds_a_ledger_that_balances_and_has_the_wrong_amount() {
    let sql = "CREATE TRIGGER planted AFTER INSERT ON ledger_entries
               BEGIN UPDATE ledger_entries SET minor = minor * 2 WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::OrderMoney);
}

#[test]
fn finds_a_token_that_is_kept() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON payments
               WHEN OLD.token_sealed IS NOT NULL AND NEW.token_sealed IS NULL
               BEGIN UPDATE payments SET token_sealed = OLD.token_sealed WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::NoTokenKept);
}

#[test]
fn finds_an_acknowledged_order_that_is_gone() {
    let sql = "DELETE FROM orders WHERE number = (SELECT min(number) FROM orders WHERE status = 'confirmed')";
    finds(&at_end(sql), Check::NoOrderLost);
}

#[test]
fn finds_a_confirmed_order_that_falls_back() {
    let sql = "UPDATE orders SET status = 'cancelled' WHERE status = 'confirmed'";
    finds(&at_end(sql), Check::NoOrderLost);
}

#[test]
fn finds_an_order_that_is_seen_going_backwards() {
    // Read while it lasts: the trigger lets the first look at a confirmed order find it pending again.
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON outbox WHEN NEW.kind = 'order.confirmed'
               BEGIN UPDATE orders SET status = 'pending_payment', expires_at_ms = expires_at_ms + 3600000
                     WHERE number = 100001; END";
    finds(&at_start(sql), Check::History);
}

#[test]
fn finds_a_key_that_is_answered_otherwise_the_second_time() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON idempotency WHEN OLD.answer IS NULL AND NEW.answer IS NOT NULL
               BEGIN UPDATE idempotency SET answer = replace(answer, '\"number\":1', '\"number\":2')
                     WHERE scope = NEW.scope AND key = NEW.key; END";
    finds(&at_start(sql), Check::OneAnswer);
}

#[test]
fn finds_a_cart_that_is_bought_twice() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON carts WHEN NEW.order_id IS NOT NULL
               BEGIN UPDATE carts SET order_id = NULL WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::OneOrderPerCart);
}

#[test]
fn finds_two_orders_of_one_number() {
    let sql = "CREATE TABLE copied AS SELECT * FROM orders;
               UPDATE copied SET number = 100001;
               DROP TABLE orders; ALTER TABLE copied RENAME TO orders";
    finds(&at_end(sql), Check::OrderNumbers);
}

#[test]
fn finds_a_counter_that_moves_without_its_invoices() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON counters WHEN NEW.name = 'invoice_number'
               BEGIN UPDATE counters SET value = value + 1 WHERE name = NEW.name; END";
    finds(&at_start(sql), Check::Invoices);
}

#[test]
fn finds_an_order_that_is_accepted_and_gets_no_invoice() {
    let sql = "CREATE TRIGGER planted AFTER INSERT ON invoices
               BEGIN DELETE FROM invoices WHERE order_id = NEW.order_id; END";
    finds(&at_start(sql), Check::Invoices);
}

#[test]
fn finds_an_event_that_is_not_told() {
    let sql = "CREATE TRIGGER planted AFTER INSERT ON outbox WHEN NEW.kind = 'payment.captured'
               BEGIN DELETE FROM outbox WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::Events);
}

#[test]
fn finds_a_gap_in_the_numbers_of_events() {
    let sql = "CREATE TRIGGER planted AFTER INSERT ON outbox WHEN NEW.kind = 'order.confirmed'
               BEGIN UPDATE outbox SET sequence = sequence + 1 WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::Events);
}

#[test]
fn finds_an_internal_error() {
    let sql = "CREATE TRIGGER planted BEFORE UPDATE ON orders WHEN NEW.status = 'cancelled'
               BEGIN SELECT RAISE(ABORT, 'planted'); END";
    finds(&at_start(sql), Check::NoFault);
}

#[test]
fn finds_what_never_ends() {
    let sql = "CREATE TRIGGER planted AFTER UPDATE ON payments WHEN NEW.next_check_at_ms IS NULL
               BEGIN UPDATE payments SET next_check_at_ms = 9000000000000 WHERE id = NEW.id; END";
    finds(&at_start(sql), Check::Settles);
}

/// One of each kind also where the tables are read from PostgreSQL; without a server they are left out, as `runs` says.
#[test]
fn finds_a_bug_of_the_provider_and_one_of_the_store_on_postgresql() {
    if !StoreKind::Postgres.is_there() {
        return;
    }
    finds_over(StoreKind::Postgres, &provider(ProviderBug::ForgetsKeys), Check::ProviderBooks);
    let sql = "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN
                 IF NEW.reserved < OLD.reserved AND NEW.on_hand = OLD.on_hand THEN NEW.reserved = OLD.reserved; END IF;
                 RETURN NEW;
               END $$;
               CREATE TRIGGER planted BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION planted()";
    finds_over(StoreKind::Postgres, &at_start(sql), Check::Holds);
}
