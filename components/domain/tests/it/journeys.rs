//! Stories of one order each, with the amounts that people would check by hand.

use domain::inventory::{Location, availability};
use domain::inventory::{
    LocationStock, MovementKind, Request, SkuStock, Strategy, Wanted, allocate,
};
use domain::ledger::Account;
use domain::order::{Command, Effect, FulfilmentSummary, PaymentSummary, PiecesOf, RefundStatus};
use domain::reservation::Level;
use domain::{OrderStatus, Timestamp};

use crate::commands::cover;
use crate::shop::{Line, Plan, Shop, line_id, place, sku};
use crate::table::{
    TOTAL, back, cancel, chairs, eur, pack, paid_back, receive, refund, send, shop, wish,
};

/// Movements of some kinds, as `kind pieces@location`.
fn movements(shop: &Shop, kinds: &[MovementKind]) -> Vec<String> {
    let own = shop.ledger.iter().filter(|own| kinds.contains(&own.kind()));
    own.map(|own| format!("{} {}@{}", own.kind(), own.pieces().get(), own.location().as_bytes()[0]))
        .collect()
}

fn sent_and_paid() -> Vec<Command> {
    let paid = vec![Command::Capture { amount: TOTAL }];
    [paid, send(1).to_vec(), send(2).to_vec()].concat()
}

#[test]
fn a_return_gives_back_the_price_of_its_pieces_with_their_discount_and_tax() {
    let approve = Command::ApproveReturn { id: back(1) };
    let came = [sent_and_paid(), vec![wish(1, 1), approve, receive(1, 1, 0, 0)]].concat();
    let mut shop = shop(&chairs(0, 0), &came);
    let own = shop.state.refunds[0].clone();
    // Half of 100.00 + 19.00, the discount taken off already.
    assert_eq!((own.lines[0].amount.net, own.lines[0].amount.tax), (eur(5_000), eur(950)));
    assert_eq!(
        (own.provider, own.shipping.net, own.status),
        (eur(5_950), eur(0), RefundStatus::Pending)
    );
    assert_eq!(shop.balance(Account::Refunds), 0, "the books wait for the provider");
    shop.take(&Command::RefundSucceeded { id: paid_back(1) }).unwrap();
    assert_eq!(shop.balance(Account::Refunds), 5_000);
    assert_eq!(shop.balance(Account::TaxPayable), -(1_900 + 95 - 950));
    assert_eq!(shop.balance(Account::Revenue), -11_000);
    assert_eq!(shop.balance(Account::Discounts), 1_000);
    assert_eq!(shop.balance(Account::ProviderClearing), 12_495 - 5_950);
}

#[test]
fn a_worthless_return_comes_in_and_goes_out_and_shipping_is_given_back_on_wish() {
    let approve = Command::ApproveReturn { id: back(1) };
    let came = [sent_and_paid(), vec![wish(1, 2), approve, receive(1, 0, 2, 595)]].concat();
    let shop = shop(&chairs(0, 0), &came);
    let kinds = [MovementKind::Returned, MovementKind::WrittenOff];
    assert_eq!(movements(&shop, &kinds), ["returned 2@1", "written_off 2@1"]);
    assert_eq!(shop.state.refunds[0].provider, TOTAL);
    assert_eq!(shop.state.refundable(), Ok(eur(0)));
}

#[test]
fn pieces_that_come_back_one_by_one_cost_together_what_their_line_did() {
    for (net, tax) in [(100, 0), (101, 19), (7, 1), (2, 2), (1, 0)] {
        let line = Line { quantity: 3, promised: 0, net, tax, discount: 0 };
        let plan = Plan { lines: vec![line], shipping: (0, 0), ..chairs(0, 0) };
        let mut shop = shop(&plan, &[Command::Capture { amount: eur(net + tax) }]);
        for (seed, pieces) in [(1, 2), (2, 1)] {
            let [Command::Fulfil { id, location, mut lines }, ship, _] = send(seed) else {
                panic!("a parcel is packed first");
            };
            lines[0].pieces = pieces;
            shop.take(&Command::Fulfil { id, location, lines }).unwrap();
            shop.take(&ship).unwrap();
        }
        let mut given = Vec::new();
        for seed in 1..=3 {
            shop.take(&wish(seed, 1)).unwrap();
            shop.take(&Command::ApproveReturn { id: back(seed) }).unwrap();
            shop.take(&receive(seed, 1, 0, 0)).unwrap();
            given.push(shop.state.refunds.iter().map(|own| own.provider.minor).sum::<i64>());
        }
        assert_eq!(given[2], net + tax, "{given:?}");
        let flow = shop.state.lines[0].flow;
        assert_eq!((flow.refunding.net, flow.refunding.tax), (eur(net), eur(tax)));
    }
}

#[test]
fn a_refund_that_fails_is_ours_again_and_can_be_asked_for_anew() {
    let mut shop = shop(&chairs(0, 0), &[Command::Capture { amount: TOTAL }, cancel(1)]);
    assert!(shop.state.apply(&refund(2, 1)).is_err(), "all of it is on its way");
    shop.take(&Command::RefundFailed { id: paid_back(1) }).unwrap();
    shop.take(&refund(2, TOTAL.minor)).unwrap();
    shop.take(&Command::RefundSucceeded { id: paid_back(2) }).unwrap();
    assert_eq!(shop.state.payment_summary(), Ok(PaymentSummary::Refunded));
    assert_eq!(shop.balance(Account::ProviderClearing), 0);
    assert_eq!(shop.balance(Account::TaxPayable), 0);
}

#[test]
fn an_authorization_is_taken_in_parts_and_its_rest_let_go_when_the_order_is_called_off() {
    let hold = Command::Authorize { amount: TOTAL };
    let mut shop = shop(&chairs(0, 0), &[hold, Command::Capture { amount: eur(5_000) }]);
    assert_eq!(shop.balance(Account::AuthorizedFunds), 7_495);
    shop.take(&cancel(1)).unwrap();
    let void = Effect::VoidAuthorization { amount: eur(7_495) };
    let back = Effect::RefundPayment { refund: paid_back(1), amount: eur(5_000) };
    assert!(shop.effects.contains(&void) && shop.effects.contains(&back));
    assert_eq!(movements(&shop, &[MovementKind::Restocked]), ["restocked 1@1", "restocked 1@2"]);
    assert_eq!(shop.balance(Account::AuthorizedFunds), 0);
}

#[test]
fn a_gift_card_pays_first_and_gets_back_only_what_the_provider_did_not_take() {
    let mut shop = shop(&chairs(0, 2_495), &[Command::Capture { amount: eur(10_000) }]);
    assert!(shop.effects.contains(&Effect::RedeemGiftCard { amount: eur(2_495) }));
    shop.take(&refund(1, 9_000)).unwrap();
    shop.take(&refund(2, 2_000)).unwrap();
    let split = |place: usize| {
        let own = &shop.state.refunds[place];
        (own.provider.minor, own.gift_card.minor)
    };
    assert_eq!((split(0), split(1)), ((9_000, 0), (1_000, 1_000)));
}

#[test]
fn a_gift_card_that_pays_all_needs_no_provider() {
    let shop = shop(&chairs(0, TOTAL.minor), &[Command::Confirm, cancel(1)]);
    assert!(!shop.effects.iter().any(|own| matches!(own, Effect::RefundPayment { .. })));
    let back = Effect::RefundGiftCard { refund: paid_back(1), amount: TOTAL };
    assert!(shop.effects.contains(&back));
}

#[test]
fn money_after_the_end_takes_the_stock_again_or_goes_back() {
    let late = [Command::Expire, Command::Capture { amount: TOTAL }];
    let mut shop = shop(&chairs(0, 0), &late);
    assert_eq!(shop.state.status, OrderStatus::Expired);
    // Both chairs lie at one location each; nobody has two.
    let lines = [PiecesOf { line: line_id(0), pieces: 2 }];
    let gone = Command::Retake { allocation: cover(&lines, place(1)) };
    assert!(shop.take(&gone).is_err());
    let chairs =
        crate::shop::allocation(&[Line { quantity: 2, promised: 0, net: 0, tax: 0, discount: 0 }]);
    let mut again = shop.clone();
    again.take(&Command::Retake { allocation: chairs }).unwrap();
    assert_eq!(again.state.status, OrderStatus::Confirmed);
    assert_eq!(movements(&again, &[MovementKind::Retaken]), ["retaken 1@1", "retaken 1@2"]);
    shop.take(&refund(1, TOTAL.minor)).unwrap();
    assert!(shop.state.apply(&gone).is_err(), "no chairs and no money");
    shop.take(&Command::RefundSucceeded { id: paid_back(1) }).unwrap();
    assert_eq!(shop.balance(Account::ProviderClearing), 0);
}

#[test]
fn an_order_paid_late_whose_bank_took_the_money_back_is_not_taken_up_again() {
    let late = [Command::Expire, Command::Capture { amount: TOTAL }];
    let mut shop = shop(&chairs(0, 0), &late);
    let allocation = chairs(0, 0).order().allocation;
    assert!(shop.state.apply(&Command::Retake { allocation: allocation.clone() }).is_ok());
    shop.take(&Command::ChargeBack { amount: eur(1) }).unwrap();
    assert!(shop.state.apply(&Command::Retake { allocation: allocation.clone() }).is_err());
    shop.take(&Command::WinChargeback { amount: eur(1) }).unwrap();
    shop.take(&Command::Retake { allocation }).unwrap();
}

#[test]
fn money_that_a_bank_took_back_is_not_given_back_as_well() {
    let mut shop = shop(&chairs(0, 0), &[Command::Capture { amount: TOTAL }]);
    shop.take(&Command::ChargeBack { amount: eur(12_000) }).unwrap();
    assert!(shop.state.apply(&refund(1, 496)).is_err());
    shop.take(&cancel(1)).unwrap();
    assert_eq!(shop.state.refunds[0].provider, eur(495));
    shop.take(&Command::WinChargeback { amount: eur(12_000) }).unwrap();
    assert_eq!(shop.state.refundable(), Ok(eur(12_000)));
}

#[test]
fn promised_pieces_ship_once_they_are_there() {
    let mut shop = shop(&chairs(1, 0), &[Command::Capture { amount: TOTAL }]);
    let (line, location) = (line_id(0), place(1));
    let fill = Command::FillBackorder { line, location, pieces: 1 };
    assert_eq!(shop.state.shippable(line, location), 1);
    assert!(shop.take(&fill).is_err(), "nothing has come in");
    shop.receive(0, location, 1);
    shop.take(&fill).unwrap();
    assert_eq!(shop.state.shippable(line, location), 2);
    shop.take(&pack(1)).unwrap();
    assert_eq!(shop.state.shippable(line, location), 1);
    assert!(shop.state.apply(&cancel(1)).is_ok());
}

#[test]
fn pieces_that_never_come_are_called_off_and_the_rest_of_the_order_ends_well() {
    let mut shop = shop(&chairs(1, 0), &[Command::Capture { amount: TOTAL }]);
    let pieces = |pieces| Command::CancelPieces {
        lines: vec![PiecesOf { line: line_id(0), pieces }],
        refund: paid_back(1),
    };
    assert!(shop.state.apply(&pieces(2)).is_err(), "to call off everything is another step");
    send(1).iter().for_each(|command| shop.take(command).unwrap());
    assert!(shop.state.apply(&Command::Complete).is_err());
    shop.take(&pieces(1)).unwrap();
    assert_eq!(movements(&shop, &[MovementKind::BackorderCancelled]), ["backorder_cancelled 1@1"]);
    assert_eq!(shop.state.refunds[0].provider, eur(5_950));
    assert_eq!(shop.state.fulfilment_summary(), FulfilmentSummary::Fulfilled);
    shop.take(&Command::RefundSucceeded { id: paid_back(1) }).unwrap();
    shop.take(&Command::Complete).unwrap();
    assert_eq!(shop.state.payment_summary(), Ok(PaymentSummary::PartiallyRefunded));
}

#[test]
fn pieces_called_off_before_they_are_paid_are_not_asked_for() {
    let hold = Command::Authorize { amount: TOTAL };
    let lines = vec![PiecesOf { line: line_id(0), pieces: 1 }];
    let less = Command::CancelPieces { lines, refund: paid_back(1) };
    let mut shop = shop(&chairs(0, 0), &[hold, less]);
    assert!(shop.state.refunds.is_empty());
    assert!(shop.state.apply(&Command::Capture { amount: eur(6_546) }).is_err());
    shop.take(&Command::Capture { amount: eur(6_545) }).unwrap();
    assert!(shop.effects.contains(&Effect::VoidAuthorization { amount: eur(5_950) }));
    assert_eq!(shop.state.payment_summary(), Ok(PaymentSummary::Captured));
    assert_eq!(shop.balance(Account::AuthorizedFunds), 0);
}

#[test]
fn a_piece_called_off_and_a_piece_that_comes_back_have_different_shares_of_their_line() {
    let line = Line { quantity: 3, promised: 0, net: 100, tax: 0, discount: 0 };
    let plan = Plan { lines: vec![line], shipping: (0, 0), ..chairs(0, 0) };
    let lines = vec![PiecesOf { line: line_id(0), pieces: 1 }];
    let less = Command::CancelPieces { lines, refund: paid_back(9) };
    let approve = Command::ApproveReturn { id: back(1) };
    let paid = vec![Command::Capture { amount: eur(100) }, less];
    let steps = [paid, send(1).to_vec(), vec![wish(1, 1), approve, receive(1, 1, 0, 0)]].concat();
    let shop = shop(&plan, &steps);
    let given: Vec<i64> = shop.state.refunds.iter().map(|own| own.provider.minor).collect();
    assert_eq!(given, [34, 33]);
}

#[test]
fn an_order_of_nothing_is_confirmed_and_its_discount_is_in_the_books() {
    let line = Line { quantity: 1, promised: 0, net: 0, tax: 0, discount: 900 };
    let plan = Plan { lines: vec![line], shipping: (0, 0), ..chairs(0, 0) };
    let shop = shop(&plan, &[Command::Confirm]);
    assert_eq!(shop.state.payment_summary(), Ok(PaymentSummary::Captured));
    assert_eq!((shop.balance(Account::Revenue), shop.balance(Account::Discounts)), (-900, 900));
}

#[test]
fn an_order_takes_what_allocation_gives_out_and_the_shelf_shows_it() {
    let (chair, now) = (sku(0), Timestamp::from_unix_ms(0));
    let location = |seed: u8| Location {
        id: place(seed),
        name: String::new(),
        priority: u32::from(seed),
        country: "DE".parse().unwrap(),
        serves: [].into(),
        is_active: true,
    };
    let locations = [location(1), location(2)];
    let mut shop = Shop::new(&chairs(0, 0));
    shop.receive(0, place(2), 4);
    let stock = |shop: &Shop| {
        let at = shop.counters.iter().map(|(key, &counters)| {
            (key.0, LocationStock { counters, ..LocationStock::default() })
        });
        SkuStock { at: at.collect(), ..SkuStock::default() }
    };
    let level = |shop: &Shop| availability(&stock(shop), &locations, now).level;
    assert_eq!(level(&shop), Level::Low);
    shop.take(&Command::Expire).unwrap();
    assert_eq!(level(&shop), Level::InStock);
    shop.take(&Command::Capture { amount: TOTAL }).unwrap();
    let lines = [Wanted { sku: chair.clone(), quantity: 2.try_into().unwrap() }];
    let strategy = Strategy::FewestParcels;
    let request = Request { lines: &lines, destination: None, strategy, now };
    let stocks = [(chair, stock(&shop))].into();
    let allocation = allocate(request, &locations, &stocks).unwrap();
    assert_eq!(allocation.locations(), 1);
    shop.take(&Command::Retake { allocation }).unwrap();
    assert_eq!(movements(&shop, &[MovementKind::Retaken]), ["retaken 2@2"]);
}
