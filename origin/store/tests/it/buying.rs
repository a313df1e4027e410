//! One shopper's way through the store. A number names cart, order, payment and key.

use std::time::Duration;

use api_types::order::Address;
use domain::payment::{KeptMethod, PaymentEvent, TestMethod};
use domain::{CartId, Currency, LineId, OrderId, PaymentId, Timestamp};
use store::{CartEdit, ChangeCart, Claim, OpenCart, PlaceOrder, Settle, Store, Terms};

use crate::NOW;

fn name(number: u64) -> [u8; 16] {
    let mut name = [7; 16];
    name[8..].copy_from_slice(&number.to_be_bytes());
    name
}

pub(crate) fn cart(number: u64) -> CartId {
    CartId::from_bytes(name(number))
}

pub(crate) fn order(number: u64) -> OrderId {
    OrderId::from_bytes(name(number))
}

pub(crate) fn payment(number: u64) -> PaymentId {
    PaymentId::from_bytes(name(number))
}

/// Opens a cart with so many pieces of each SKU.
pub(crate) async fn fill(store: &Store, number: u64, lines: &[(&str, u32)]) {
    let id = cart(number);
    let open = OpenCart { id, user: None, currency: Currency::Eur, now: NOW };
    store.open_cart(open, None).await.unwrap().unwrap();
    for (place, (sku, quantity)) in (0_u8..).zip(lines) {
        let line = LineId::from_bytes([place; 16]);
        let quantity = (*quantity).try_into().unwrap();
        let edit = CartEdit::Add { line, sku: sku.parse().unwrap(), quantity };
        let change = ChangeCart { id, version: None, edit, freeze: Duration::ZERO, now: NOW };
        store.change_cart(change, None).await.unwrap().unwrap();
    }
}

/// The command that buys the cart.
pub(crate) fn checkout(number: u64) -> PlaceOrder {
    PlaceOrder {
        cart: cart(number),
        order: order(number),
        payment: payment(number),
        line_seed: [4; 10],
        token_hash: [5; 32],
        user: None,
        email: "ada@example.org".parse().unwrap(),
        address: Address::default(),
        provider: "test",
        method: KeptMethod::Test(TestMethod::Success),
        token: None,
        claim: Claim { scope: "test".to_owned(), key: number.to_string(), fingerprint: [6; 32] },
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        terms: Terms::default(),
        now: NOW,
    }
}

/// The report of what became of its payment.
pub(crate) fn report(number: u64, event: PaymentEvent, now: Timestamp) -> Settle {
    Settle {
        payment: payment(number),
        event: Some(event),
        amounts: None,
        amount: None,
        provider_ref: Some("pi".to_owned()),
        answer: None,
        webhook: None,
        now,
    }
}
