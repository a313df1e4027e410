//! Whatever comes in whatever order: nobody is charged twice, and no piece is lost or sold twice.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api_types::order::{CheckoutAnswer, PaymentAction};
use domain::{CartId, OrderStatus, PaymentStatus};
use providers::local::Wish;
use providers::payment::{Decision, Intent, IntentStatus};
use store::{OrderRecord, Settle, Settled};

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

/// Seed 11 paid for one cart twice while nothing forbade it, seed 12 while only carts in use did.
const SEEDS: std::ops::Range<u64> = 8..16;
const STEPS: u32 = 80;
const STOCK: u32 = 4;
const METHODS: [&str; 4] = ["success", "requires_action", "late", "decline"];

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }
}

struct Storm {
    world: World,
    dice: Dice,
    carts: Vec<CartId>,
    answers: Vec<CheckoutAnswer>,
}

impl Storm {
    async fn start(engine: Engine, seed: u64) -> Self {
        let world = World::with_stock(engine, STOCK).await;
        let mut carts = Vec::new();
        for quantity in [1, 2] {
            carts.push(world.cart(quantity).await);
        }
        Self { world, dice: Dice(seed), carts, answers: Vec::new() }
    }

    /// Buys, or asks again: the key decides the method.
    async fn check_out(&mut self, patience: Duration) {
        let (cart, key) = (*self.dice.pick(&self.carts).unwrap(), self.dice.below(METHODS.len()));
        let key_text = key.to_string();
        let checkout = self.world.checkout(cart, METHODS[key], &key_text);
        if let Ok(Ok(answer)) = tokio::time::timeout(patience, checkout).await {
            self.answers.push(answer.value);
        }
    }

    async fn act(&mut self) {
        let action = ["approve", "reject"][self.dice.below(2)].to_owned();
        if let Some(answer) = self.dice.pick(&self.answers) {
            let (order, token) = (answer.order_id, Some(&*answer.order_token));
            let _ = self
                .world
                .app
                .act_on_payment(&GUEST, order, token, &PaymentAction { action })
                .await;
        }
    }

    /// Something happens at the provider, of which it may or may not tell.
    fn provider_moves(&mut self) {
        let wishes = [Wish::Act(Decision::Approve), Wish::Act(Decision::Reject), Wish::Settle];
        let wish = wishes[self.dice.below(wishes.len())];
        if let Some(intent) = self.dice.pick(&self.world.provider.all()) {
            let _ = self.world.provider.wish(&intent.id, wish);
        }
    }

    /// A webhook comes: of what is so now, or of long ago; for the first time, or again.
    async fn webhook(&mut self) {
        let event = format!("evt_{}", self.dice.below(40));
        let is_stale = self.dice.below(4) == 0;
        if let Some(intent) = self.dice.pick(&self.world.provider.all()).cloned() {
            let status = if is_stale { IntentStatus::Processing } else { intent.status };
            let event = format!("{event}-{}-{}", intent.id, status.as_str());
            self.world.deliver_intent(&event, intent.moved_to(status)).await.unwrap();
        }
    }

    async fn step(&mut self) {
        let provider = &self.world.provider;
        match self.dice.below(14) {
            0..=2 => self.check_out(Duration::from_secs(30)).await,
            3 => {
                provider.is_hanging.store(true, Ordering::Relaxed);
                self.check_out(Duration::from_millis(10)).await;
                self.world.provider.is_hanging.store(false, Ordering::Relaxed);
            }
            4 => {
                provider.is_silent.fetch_not(Ordering::Relaxed);
            }
            5 => {
                provider.is_gone.fetch_not(Ordering::Relaxed);
            }
            6 | 7 => {
                let seconds = [1, 11, 61, 601, 601][self.dice.below(5)];
                self.world.clock.advance(Duration::from_secs(seconds));
            }
            8 => {
                self.world.app.release_expired().await.unwrap();
            }
            9 => {
                self.world.app.reconcile_payments().await.unwrap();
            }
            10 => self.act().await,
            11 => self.provider_moves(),
            12 => self.webhook().await,
            _ => self.world.restart().await,
        }
    }

    /// The provider answers again, and time goes on until nothing is left to do.
    async fn calm(&self) {
        self.world.provider.is_silent.store(false, Ordering::Relaxed);
        self.world.provider.is_gone.store(false, Ordering::Relaxed);
        for _ in 0..30 {
            self.world.clock.advance(Duration::from_secs(61));
            self.world.app.release_expired().await.unwrap();
            self.world.app.reconcile_payments().await.unwrap();
        }
    }

    async fn order_of(&self, intent: &Intent) -> OrderRecord {
        let (payment, now) = (intent.reference, self.world.clock.now());
        let look = Settle {
            payment,
            event: None,
            amounts: None,
            amount: None,
            provider_ref: None,
            answer: None,
            webhook: None,
            now,
        };
        match self.world.store.settle_payment(look).await.unwrap() {
            Settled::Order { order, .. } => *order,
            Settled::UnknownPayment => panic!("the provider was asked about no payment of ours"),
        }
    }

    async fn check(&self, seed: u64) {
        let (mut bought, mut sold) = (BTreeMap::new(), 0);
        for intent in self.world.provider.all() {
            let order = self.order_of(&intent).await;
            let is_charged = intent.status == IntentStatus::Captured;
            let is_confirmed = order.status == OrderStatus::Confirmed;
            let word = order.payment.status.as_str();
            assert_eq!(is_charged, is_confirmed, "seed {seed}: {intent:?} {order:?}");
            assert_eq!(intent.status.as_str(), word, "seed {seed}: {order:?}");
            assert_ne!(order.status, OrderStatus::PendingPayment, "seed {seed}: {order:?}");
            if is_confirmed {
                assert_eq!(order.payment.status, PaymentStatus::Captured);
                *bought.entry(order.cart.to_string()).or_insert(0) += 1;
                sold += i64::from(order.lines[0].quantity);
            }
        }
        assert!(bought.values().all(|&times| times == 1), "seed {seed}: {bought:?}");
        assert_eq!(self.world.available().await, i64::from(STOCK) - sold, "seed {seed}");
        assert_eq!(self.world.store.sums().await.unwrap().reserved, 0, "seed {seed}");
    }
}

async fn no_order_of_events_charges_twice_or_loses_a_piece(engine: Engine) {
    for seed in SEEDS {
        let mut storm = Storm::start(engine.another(), seed).await;
        for _ in 0..STEPS {
            storm.step().await;
            storm.world.check_sums().await;
        }
        storm.calm().await;
        storm.check(seed).await;
        storm.world.check_sums().await;
    }
}

on_every_engine!(no_order_of_events_charges_twice_or_loses_a_piece);
