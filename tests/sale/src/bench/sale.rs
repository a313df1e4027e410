//! Buyers who all want the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use api_types::order::Address;
use domain::payment::{KeptMethod, PaymentEvent, TestMethod};
use domain::{CartId, OrderId, PaymentId, Timestamp};
use store::{Claim, PlaceOrder, Placed, Settle, Settled, Store, Terms};

use super::grow;
use super::place::Shop;

/// When it all happens.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);

/// What is sold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goods {
    /// One SKU.
    One,
    /// So many, in turn.
    Many(u32),
}

/// A sale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sale {
    pub(crate) buyers: usize,
    pub(crate) pieces: u32,
    pub(crate) goods: Goods,
}

/// How it went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Orders placed in a second.
    pub(crate) placed_per_s: f64,
    /// Orders placed and paid in a second.
    pub(crate) paid_per_s: f64,
    /// Time of one placing: half are below, and all but one in a hundred.
    pub(crate) placing_p50: Duration,
    pub(crate) placing_p99: Duration,
    /// The same of placing and paying together.
    pub(crate) paying_p99: Duration,
}

impl Sale {
    /// Sells everything twice over: first orders alone, then orders with their payments.
    pub(crate) async fn run(&self, shop: &Shop) -> Result<Outcome> {
        let half = self.pieces.div_ceil(2);
        let carts = grow::open_for_sale(shop, self.goods, self.pieces).await?;
        let (unpaid, paid) =
            carts.split_at(usize::try_from(half).unwrap_or(usize::MAX).min(carts.len()));
        let placing = self.crowd(shop, unpaid, false).await?;
        let paying = self.crowd(shop, paid, true).await?;
        let sums = shop.store.sums().await.context("add up the stock")?;
        let sold = i64::try_from(paid.len()).unwrap_or(i64::MAX);
        ensure!(
            sums.reserved == sums.reserved_held && sums.reserved == sums.reserved_moved,
            "holds: {sums:?}"
        );
        ensure!(
            sums.on_hand == sums.on_hand_moved && sums.ledger_imbalance == 0,
            "books: {sums:?}"
        );
        ensure!(sums.reserved >= sold.min(1), "nothing was held: {sums:?}");
        Ok(Outcome {
            placed_per_s: placing.per_s,
            paid_per_s: paying.per_s,
            placing_p50: placing.at(0.50),
            placing_p99: placing.at(0.99),
            paying_p99: paying.at(0.99),
        })
    }

    async fn crowd(&self, shop: &Shop, carts: &[CartId], is_paid: bool) -> Result<Crowd> {
        let carts: Arc<[CartId]> = carts.into();
        let next = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        let mut buyers = tokio::task::JoinSet::new();
        for _ in 0..self.buyers {
            let (carts, next, store) =
                (Arc::clone(&carts), Arc::clone(&next), Arc::clone(&shop.store));
            buyers.spawn(async move {
                let mut times = Vec::new();
                while let Some(&cart) = carts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    buy(&store, cart, is_paid).await?;
                    times.push(begun.elapsed());
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::with_capacity(carts.len());
        while let Some(buyer) = buyers.join_next().await {
            times.extend(buyer.context("a buyer panicked")??);
        }
        let took = started.elapsed();
        times.sort_unstable();
        Ok(Crowd { per_s: count(times.len()) / took.as_secs_f64(), times })
    }
}

/// The times of a crowd, sorted.
pub(crate) struct Crowd {
    pub(crate) per_s: f64,
    pub(crate) times: Vec<Duration>,
}

impl Crowd {
    pub(crate) fn at(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let place = (count(self.times.len()) * share) as usize;
        self.times.get(place.min(self.times.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

async fn buy(store: &Store, cart: CartId, is_paid: bool) -> Result<()> {
    let name = *cart.as_bytes();
    let claim = Claim { scope: "sale".to_owned(), key: cart.to_string(), fingerprint: [7; 32] };
    let command = PlaceOrder {
        cart,
        order: OrderId::from_bytes(name),
        payment: PaymentId::from_bytes(name),
        line_seed: [0; 10],
        token_hash: [1; 32],
        user: None,
        email: "ada@example.org".parse().context("read an address")?,
        address: Address::default(),
        provider: "test",
        method: KeptMethod::Test(TestMethod::Success),
        token: None,
        claim: claim.clone(),
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        terms: Terms::default(),
        now: NOW,
    };
    let order = match store.place_order(command).await.context("place an order")? {
        Placed::Order(order) => order,
        other => bail!("an order was not placed: {other:?}"),
    };
    if !is_paid {
        return Ok(());
    }
    let settle = Settle {
        payment: order.payment.id,
        event: Some(PaymentEvent::Captured),
        amounts: None,
        amount: None,
        provider_ref: Some("pi".to_owned()),
        answer: Some(claim),
        webhook: None,
        now: NOW,
    };
    match store.settle_payment(settle).await.context("settle a payment")? {
        Settled::Order { has_moved: true, .. } => Ok(()),
        other => bail!("a payment was not settled: {other:?}"),
    }
}
