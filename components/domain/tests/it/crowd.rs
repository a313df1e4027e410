//! Many orders that want the same few pieces: none is sold twice, and none is lost.

use std::collections::BTreeMap;

use domain::inventory::{
    Allocation, BackorderPolicy, Cause, Counters, Location, LocationStock, Movement, MovementKind,
    Request, SkuPolicy, SkuStock, StockKey, Strategy as Choice, Wanted, allocate, prove,
};
use domain::order::{Command, Effect, NewOrder, OrderState, Step, next_steps};
use domain::{OrderId, OrderStatus, Sku, Timestamp};
use proptest::prelude::*;

use crate::commands::{Dice, name, within};
use crate::shop::{Line, Plan, is_live, place, sku};
use crate::table::chairs;

/// Pieces of the one SKU at each location.
const PIECES: u32 = 4;
/// Pieces that may be promised.
const PROMISES: u32 = 2;

struct Crowd {
    counters: BTreeMap<StockKey, Counters>,
    ledger: Vec<Movement>,
    orders: Vec<OrderState>,
}

impl Crowd {
    fn new() -> Self {
        let mut crowd = Self { counters: BTreeMap::new(), ledger: vec![], orders: vec![] };
        for seed in [1, 2] {
            let key = (&sku(0), place(seed));
            let pieces = PIECES.try_into().unwrap();
            let kind = MovementKind::Received;
            crowd.write(Movement::new(kind, None, key, pieces, Cause::Staff).unwrap());
        }
        crowd
    }

    fn write(&mut self, movement: Movement) {
        let key = (movement.location(), movement.sku().clone());
        let counters = self.counters.entry(key).or_default();
        *counters = counters.apply(&movement).unwrap();
        self.ledger.push(movement);
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Stock { movement } = effect {
                self.write(movement);
            }
        }
    }

    /// Gives out what there is, as a store does in the transaction that holds it.
    fn allocate(&self, pieces: u32, strategy: Choice) -> Option<Allocation> {
        let location = |seed: u8| Location {
            id: place(seed),
            name: String::new(),
            priority: u32::from(seed),
            country: "DE".parse().unwrap(),
            serves: [].into(),
            is_active: true,
        };
        let at = self.counters.iter().map(|(key, &counters)| {
            (key.0, LocationStock { counters, ..LocationStock::default() })
        });
        let backorder = BackorderPolicy::Allow { pieces_max: PROMISES };
        let policy = SkuPolicy { backorder, per_order_max: None };
        let stocks: BTreeMap<Sku, SkuStock> =
            [(sku(0), SkuStock { policy, at: at.collect() })].into();
        let lines = [Wanted { sku: sku(0), quantity: pieces.try_into().unwrap() }];
        let now = Timestamp::from_unix_ms(0);
        let request = Request { lines: &lines, destination: None, strategy, now };
        allocate(request, &[location(1), location(2)], &stocks).ok()
    }

    fn place(&mut self, dice: &mut Dice, n: usize) {
        let pieces = u32::try_from(1 + dice.below(4)).unwrap();
        let all = [Choice::Priority, Choice::Nearest, Choice::MostStock, Choice::FewestParcels];
        let strategy = all[usize::try_from(dice.below(4)).unwrap()];
        let Some(allocation) = self.allocate(pieces, strategy) else { return };
        let line = Line { quantity: pieces, promised: 0, net: 100, tax: 19, discount: 0 };
        let plan = Plan { lines: vec![line], ..chairs(0, 0) };
        let order = NewOrder { id: OrderId::from_bytes(name(n)), allocation, ..plan.order() };
        let placed = OrderState::place(&order).unwrap();
        self.keep(placed.effects);
        self.orders.push(placed.state);
    }

    fn step(&mut self, dice: &mut Dice, n: usize) {
        let count = i64::try_from(self.orders.len()).unwrap();
        let chosen = usize::try_from(dice.below(count)).unwrap();
        let Some(order) = self.orders.get(chosen) else { return };
        let steps = next_steps(order).unwrap();
        let Some(step) =
            steps.get(usize::try_from(dice.below(i64::try_from(steps.len()).unwrap())).unwrap())
        else {
            return;
        };
        let command = match step {
            // What comes back is sold again, so here nothing does: the sums below stay simple.
            Step::RequestReturn { .. } => return,
            Step::FillBackorder { .. } => return,
            Step::Retake { lines } => match self.allocate(lines[0].pieces, Choice::Priority) {
                Some(allocation) => Command::Retake { allocation },
                None => return,
            },
            other => within(other, dice, n),
        };
        let applied = order.apply(&command).unwrap();
        self.orders[chosen] = applied.state;
        self.keep(applied.effects);
    }

    fn verify(&self) {
        assert_eq!(prove(&self.ledger, &self.counters), Ok(vec![]));
        let sum = |part: fn(&Counters) -> i64| self.counters.values().map(part).sum::<i64>();
        let of = |is_wanted: fn(&OrderState) -> bool| -> (i64, i64) {
            let own = self.orders.iter().filter(|own| is_wanted(own));
            let sources = own.flat_map(|own| &own.lines).flat_map(|line| &line.sources);
            sources.fold((0, 0), |(secured, promised), own| {
                (secured + i64::from(own.secured), promised + i64::from(own.promised))
            })
        };
        let (sold, owed) = of(is_live);
        let (held, awaited) = of(|own| own.status == OrderStatus::PendingPayment);
        assert_eq!(sum(|own| own.reserved), held);
        assert_eq!(sum(|own| own.on_hand), i64::from(2 * PIECES) - sold);
        assert_eq!(sum(|own| own.backordered), owed + awaited);
        assert!(owed + awaited <= i64::from(PROMISES), "no more is promised than may be");
        assert!(held + sold <= i64::from(2 * PIECES), "no piece is sold twice");
    }
}

proptest! {
    #[test]
    fn a_crowd_gets_the_pieces_that_there_are_and_not_one_more(rolls in prop::collection::vec(any::<u64>(), 0..120)) {
        let mut crowd = Crowd::new();
        for (n, roll) in rolls.into_iter().enumerate() {
            let mut dice = Dice(roll);
            if dice.below(3) == 0 {
                crowd.place(&mut dice, n);
            } else {
                crowd.step(&mut dice, n);
            }
            crowd.verify();
        }
    }
}
