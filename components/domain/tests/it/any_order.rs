//! What must hold of any order after any steps. A failing case prints its plan and its dice, and shrinks;
//! `PROPTEST_CASES=` asks for more than 256 of them.

use domain::Currency;
use domain::order::{Command, Effect, OrderState, next_steps};
use proptest::prelude::*;

use crate::commands::{Dice, nudge, stray, within};
use crate::shop::{Line, NotKept, Plan, Shop};

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (1_u32..6, 0_u32..3, 0_i64..3, 0_i64..20_000, 0_i64..4_000, 0_i64..900);
    let line = line.prop_map(|(quantity, promised, scale, net, tax, discount)| {
        // A third of the lines cost nothing or next to nothing: there remainders show.
        let of = |minor: i64| match scale {
            0 => minor % 4,
            1 => minor % 100,
            _ => minor,
        };
        let promised = if promised == 1 { quantity.min(2) } else { 0 };
        Line { quantity, promised, net: of(net), tax: of(tax), discount }
    });
    prop::collection::vec(line, 1..5)
}

fn plan() -> impl Strategy<Value = Plan> {
    let currency = prop::sample::select(vec![Currency::Jpy, Currency::Eur, Currency::Kwd]);
    (currency, lines(), 0_i64..700, 0_i64..130, 0_i64..4).prop_map(
        |(currency, lines, shipping, tax, quarters)| {
            let shipping = (shipping, tax);
            let total: i64 =
                lines.iter().map(|own| own.net + own.tax).sum::<i64>() + shipping.0 + shipping.1;
            let gift_card = match quarters {
                0 | 1 => 0,
                2 => total / 3,
                _ => total,
            };
            Plan { currency, lines, shipping, gift_card }
        },
    )
}

/// Checks that a command is accepted exactly when a step that is shown admits it.
fn check_shown(order: &OrderState, command: &Command) {
    let steps = next_steps(order).unwrap();
    let admitting = steps.iter().find(|step| step.admits(command));
    let applied = order.apply(command);
    assert_eq!(applied.is_ok(), admitting.is_some(), "{command:?} of {steps:?}: {applied:?}");
    if let Some(step) = admitting {
        assert_eq!(step.name(), command.name());
    }
}

/// Brings in the stock that a command needs.
fn bring_stock(shop: &mut Shop, command: &Command) {
    match command {
        Command::FillBackorder { line, location, pieces } => {
            let line = shop.state.lines.iter().position(|own| own.id == *line);
            if let Some(line) = line.filter(|_| *pieces > 0) {
                shop.receive(line, *location, *pieces);
            }
        }
        Command::Retake { allocation } => {
            let count = shop.state.lines.len();
            for hold in allocation.holds.iter().filter(|own| own.line < count) {
                shop.receive(hold.line, hold.location, hold.pieces.max(1));
            }
        }
        _ => {}
    }
    shop.verify();
}

fn run(plan: &Plan, rolls: &[u64]) -> Shop {
    let mut shop = Shop::new(plan);
    for (n, &roll) in rolls.iter().enumerate() {
        let mut dice = Dice(roll);
        let astray = stray(&shop.state, &mut dice, n);
        check_shown(&shop.state, &astray);
        let steps = next_steps(&shop.state).unwrap();
        let command = match usize::try_from(dice.below(12)).unwrap() {
            0 => astray,
            _ if steps.is_empty() => continue,
            _ => {
                let place = dice.below(i64::try_from(steps.len()).unwrap());
                let step = &steps[usize::try_from(place).unwrap()];
                // Endings would end most runs at once: they are rolled again, mostly.
                if ["cancel", "expire", "payment_failed"].contains(&step.name())
                    && dice.below(6) > 0
                {
                    continue;
                }
                let command = within(step, &mut dice, n);
                assert!(step.admits(&command), "{step:?} {command:?}");
                let mut near = command.clone();
                nudge(&mut near, &mut dice);
                check_shown(&shop.state, &near);
                command
            }
        };
        check_shown(&shop.state, &command);
        if dice.below(4) > 0 {
            bring_stock(&mut shop, &command);
        }
        let needs_stock = ["retake", "fill_backorder"].contains(&command.name());
        match shop.take(&command) {
            Ok(()) | Err(NotKept::Refused(_)) => {}
            Err(NotKept::OutOfStock(_)) => assert!(needs_stock, "{command:?}"),
        }
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    shop
}

proptest! {
    #[test]
    fn money_stock_and_books_agree_and_only_what_is_shown_is_accepted(plan in plan(), rolls in prop::collection::vec(any::<u64>(), 0..60)) {
        let shop = run(&plan, &rolls);
        let (state, effects) = (shop.state, shop.effects);
        let text = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<OrderState>(&text).unwrap(), state);
        let text = serde_json::to_string(&effects).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<Effect>>(&text).unwrap(), effects);
    }
}

/// Words of effects, and of what the timeline records.
const EFFECTS: [&str; 35] = [
    "placed",
    "authorized",
    "captured",
    "voided",
    "payment_failed",
    "confirmed",
    "expired",
    "retaken",
    "cancelled",
    "pieces_cancelled",
    "backorder_filled",
    "fulfilment_created",
    "shipped",
    "delivered",
    "fulfilment_cancelled",
    "return_requested",
    "return_approved",
    "return_rejected",
    "return_received",
    "return_cancelled",
    "refund_requested",
    "refund_succeeded",
    "refund_failed",
    "charged_back",
    "chargeback_won",
    "completed",
    "stock",
    "post",
    "cancel_payment",
    "void_authorization",
    "refund_payment",
    "refund_gift_card",
    "redeem_gift_card",
    "release_gift_card",
    "reopen_cart",
];

/// Words of where orders and their payments end up.
const SUMMARIES: [&str; 10] = [
    "confirmed",
    "cancelled",
    "expired",
    "completed",
    "captured",
    "partially_captured",
    "partially_refunded",
    "refunded",
    "voided",
    "authorized",
];

/// The dice reach everything: each kind of step is taken, many times over.
#[test]
fn random_orders_take_every_kind_of_step() {
    use std::collections::BTreeMap;

    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut statuses: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..300_u64 {
        let plan = plan().new_tree(&mut runner).unwrap().current();
        let rolls: Vec<u64> = (0..seed % 60).map(|step| seed * 1_000 + step).collect();
        let shop = run(&plan, &rolls);
        for effect in &shop.effects {
            let word = serde_json::to_value(effect).unwrap();
            let kind = &word["happening"]["kind"];
            let word = kind.as_str().or_else(|| word["effect"].as_str()).unwrap().to_owned();
            *taken.entry(word).or_default() += 1;
        }
        *statuses.entry(shop.state.status.to_string()).or_default() += 1;
        let summary = serde_json::to_value(shop.state.payment_summary().unwrap()).unwrap();
        *statuses.entry(summary.as_str().unwrap().to_owned()).or_default() += 1;
    }
    for word in EFFECTS {
        assert!(taken.get(word).copied().unwrap_or(0) >= 3, "{word}: {taken:?}");
    }
    for word in SUMMARIES {
        assert!(statuses.contains_key(word), "{word}: {statuses:?}");
    }
}
