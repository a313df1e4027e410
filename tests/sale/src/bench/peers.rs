//! What others do: a transaction for each order, the stock row locked from its reading to the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::CartId;
use tokio_postgres::{Client, Statement};

use super::grow;
use super::place::{Backdoor, Shop};
use super::sale::{Crowd, Goods, NOW, Outcome, Sale, count};

/// Connections of the peer: as many as one instance would have. More wait for the same row.
const CONNECTIONS: usize = 32;
/// Longest measurement; what is not sold by then is left.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The same rows as ours, one order to a commit.
const STATEMENTS: [&str; 10] = [
    "INSERT INTO idempotency (scope, key, fingerprint, order_id, lease_until_ms, created_at_ms) VALUES ('sale', $1, $2, $2, $3, $3)",
    "SELECT version FROM carts WHERE id = $1 FOR UPDATE",
    "SELECT s.sku, s.on_hand, s.reserved, r.minor FROM cart_lines l JOIN stock s ON s.sku = l.sku
     JOIN prices r ON r.sku = l.sku AND r.currency = 'EUR' WHERE l.cart_id = $1 FOR UPDATE OF s",
    "UPDATE stock SET reserved = reserved + 1 WHERE sku = $1",
    "INSERT INTO orders (id, number, cart_id, cart_version, token_hash, email, address_json, status, currency, subtotal_minor,
       shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms)
     VALUES ($1, nextval('orders.order_numbers'), $1, 2, $1, 'ada@example.org', '{}', 'pending_payment', 'EUR', 1900, 490,
       382, 2390, $2, $2, $2)",
    "INSERT INTO order_lines (order_id, position, id, sku, handle, title, variant_title, image_url, quantity, unit_minor,
       total_minor) VALUES ($1, 0, $1, $2, 'cup', 'Cup', 'Plain', '/m/cup.webp', 1, 1900, 1900)",
    "INSERT INTO reservations (order_id, sku, quantity, status, expires_at_ms) VALUES ($1, $2, 1, 'held', $3)",
    "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms) VALUES ($2, 'reserved', 0, 1, $1, $3)",
    "INSERT INTO payments (id, order_id, provider, method, status, currency, amount_minor, next_check_at_ms, created_at_ms,
       updated_at_ms) VALUES ($1, $1, 'test', 'success', 'created', 'EUR', 2390, $2, $2, $2)",
    "INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
     VALUES ('order', $1, 1, 'order.placed', '{}', $2)",
];
const LAST: &str = "UPDATE carts SET order_id = $1, updated_at_ms = $2 WHERE id = $1";

/// Places orders one by one. On SQLite: one buyer, so that every order is a commit of its own.
pub(crate) async fn row_locks(shop: &Shop, sale: &Sale) -> Result<Outcome> {
    let Backdoor::Postgres(url) = &shop.backdoor else {
        let alone = Sale { buyers: 1, pieces: sale.pieces.min(2_000), goods: Goods::One };
        return alone.run(shop).await;
    };
    let carts: Arc<[CartId]> = grow::open_for_sale(shop, Goods::One, sale.pieces).await?.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut buyers = tokio::task::JoinSet::new();
    let started = Instant::now();
    for _ in 0..CONNECTIONS.min(sale.buyers) {
        let (carts, next, url) = (Arc::clone(&carts), Arc::clone(&next), url.clone());
        buyers.spawn(async move {
            let buyer = Buyer::new(&url).await?;
            let mut times = Vec::new();
            while started.elapsed() < TIME_MAX
                && let Some(&cart) = carts.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let begun = Instant::now();
                buyer.buy(cart).await?;
                times.push(begun.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(buyer) = buyers.join_next().await {
        times.extend(buyer.context("a buyer panicked")??);
    }
    let per_s = count(times.len()) / started.elapsed().as_secs_f64();
    times.sort_unstable();
    let crowd = Crowd { per_s, times };
    Ok(Outcome {
        placed_per_s: per_s,
        paid_per_s: 0.0,
        placing_p50: crowd.at(0.50),
        placing_p99: crowd.at(0.99),
        paying_p99: Duration::ZERO,
    })
}

struct Buyer {
    client: Client,
    statements: Vec<Statement>,
    last: Statement,
}

impl Buyer {
    async fn new(url: &str) -> Result<Self> {
        let client = grow::connect(url).await?;
        let mut statements = Vec::new();
        for sql in STATEMENTS {
            statements.push(client.prepare(sql).await.with_context(|| format!("prepare {sql}"))?);
        }
        let last = client.prepare(LAST).await.context("prepare the last")?;
        Ok(Self { client, statements, last })
    }

    async fn buy(&self, cart: CartId) -> Result<()> {
        let [claim, lock_cart, lock_stock, stock, order, line, hold, movement, payment, event] =
            self.statements.as_slice()
        else {
            anyhow::bail!("statements are missing")
        };
        let (id, now, name) = (cart.as_bytes().as_slice(), NOW.unix_ms(), cart.to_string());
        let client = &self.client;
        client.batch_execute("BEGIN").await?;
        client.execute(claim, &[&name, &id, &now]).await?;
        client.query_one(lock_cart, &[&id]).await?;
        let row = client.query_one(lock_stock, &[&id]).await?;
        let (sku, on_hand, reserved): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        ensure!(on_hand > reserved, "sold out");
        client.execute(stock, &[&sku]).await?;
        client.execute(order, &[&id, &now]).await?;
        client.execute(line, &[&id, &sku]).await?;
        client.execute(hold, &[&id, &sku, &now]).await?;
        client.execute(movement, &[&id, &sku, &now]).await?;
        client.execute(payment, &[&id, &now]).await?;
        client.execute(event, &[&name, &now]).await?;
        client.execute(&self.last, &[&id, &now]).await?;
        client.batch_execute("COMMIT").await.context("commit an order")
    }
}
