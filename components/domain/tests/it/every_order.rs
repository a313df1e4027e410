//! All orders of a small shop: every way through the first steps, not a sample of them.

use std::collections::BTreeSet;

use domain::order::{Command, RefundOf, RefundReason, Step, next_steps};
use domain::{Currency, Money, RefundId};

use crate::commands::{Dice, name, within};
use crate::shop::{Line, Plan, Shop};

/// How many steps every order is followed for.
const STEPS: usize = 5;

/// Returns each shown step with its least and its greatest bound, and what is in between for pieces of two.
fn ways(shop: &Shop) -> Vec<Command> {
    let state = &shop.state;
    let n = state.fulfilments.len() + state.returns.len() + state.refunds.len();
    let mut ways = Vec::new();
    for step in next_steps(state).unwrap() {
        match &step {
            Step::Capture { amount_min, amount_max } => {
                ways.push(Command::Capture { amount: *amount_min });
                ways.push(Command::Capture { amount: *amount_max });
            }
            Step::Refund { amount_max, .. } => {
                let id = RefundId::from_bytes(name(n));
                for minor in [1, amount_max.minor] {
                    let of = RefundOf::Amount { amount: Money { minor, ..*amount_max } };
                    ways.push(Command::Refund { id, of, reason: RefundReason::Goodwill });
                }
            }
            // Different dice choose different pieces, bounds and refunds.
            _ => ways.extend((0..4).map(|roll| within(&step, &mut Dice(roll), n))),
        }
    }
    let mut seen = BTreeSet::new();
    ways.retain(|command| seen.insert(format!("{command:?}")));
    ways
}

#[test]
fn every_way_through_a_small_order_keeps_money_stock_and_books_right() {
    let line = |quantity, promised, net, tax| Line { quantity, promised, net, tax, discount: 1 };
    let plans = [
        (vec![line(1, 0, 2, 1)], (1, 0), 0),
        (vec![line(2, 1, 1, 0)], (0, 0), 0),
        (vec![line(1, 0, 3, 0)], (0, 0), 2),
    ];
    for (lines, shipping, gift_card) in plans {
        let plan = Plan { currency: Currency::Jpy, lines, shipping, gift_card };
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut edge = vec![Shop::new(&plan)];
        for _ in 0..STEPS {
            let mut next = Vec::new();
            for shop in &edge {
                for command in ways(shop) {
                    let mut after = shop.clone();
                    if let Command::FillBackorder { location, pieces, .. } = &command {
                        after.receive(0, *location, *pieces);
                    }
                    if after.take(&command).is_ok() {
                        let key = serde_json::to_string(&after.state).unwrap();
                        if seen.insert(key) {
                            next.push(after);
                        }
                    }
                }
            }
            edge = next;
        }
        println!("{} different orders of {plan:?}", seen.len());
        assert!(seen.len() > 200, "{}", seen.len());
    }
}
