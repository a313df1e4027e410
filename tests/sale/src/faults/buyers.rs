//! People who buy: a cart, a line, a checkout with a key that is repeated until there is an answer, a look at the order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::client::{Answer, Asker, Question};
use super::dice::Dice;
use super::log::{End, Log};

/// Longest insistence on an answer to one question, with all repetitions.
const INSIST_MAX: Duration = Duration::from_secs(120);

/// What a buyer was told of a checkout in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// There is an order, in this state.
    Placed { order: String, token: String, status: String },
    /// The payment was declined.
    Declined,
    /// Sold out.
    SoldOut,
}

/// A checkout that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Purchase {
    pub(crate) key: String,
    pub(crate) cart: String,
    pub(crate) told: Told,
    /// Every state in which the order was seen, in order.
    pub(crate) seen: Vec<String>,
    /// From the first request with this key to the answer.
    pub(crate) waited: Duration,
    /// When the answered request was sent, and when its answer came.
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
}

impl Purchase {
    /// Tells whether an order was acknowledged.
    pub(crate) const fn is_placed(&self) -> bool {
        matches!(self.told, Told::Placed { .. })
    }
}

/// What all buyers share.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) urls: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) log: Log,
    pub(crate) purchases: Mutex<Vec<Purchase>>,
    /// Questions that were not answered, or with a refusal for now.
    pub(crate) failures: AtomicU64,
    stop: AtomicBool,
}

impl Crowd {
    pub(crate) fn new(urls: Vec<String>, seed: u64, log: Log) -> Self {
        Self {
            urls,
            seed,
            log,
            purchases: Mutex::default(),
            failures: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Sends buyers in; each stops after its purchase once told so.
    pub(crate) fn enter(self: &Arc<Self>, round: u64, buyers: usize) -> Vec<Buying> {
        self.stop.store(false, Ordering::Relaxed);
        (0..buyers)
            .map(|number| {
                let crowd = Arc::clone(self);
                tokio::spawn(async move { crowd.buy(round, number).await })
            })
            .collect()
    }

    /// Asks all buyers to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Returns the purchases so far.
    pub(crate) fn purchases(&self) -> Vec<Purchase> {
        self.purchases.lock().map(|all| all.clone()).unwrap_or_default()
    }

    async fn buy(&self, round: u64, number: usize) -> Result<()> {
        let stream = u64::try_from(number)? + round * 1_000 + 1;
        let mut dice = Dice::new(self.seed, stream);
        let asker = Asker::new(&self.urls, number);
        let mut count = 0_u32;
        while !self.stop.load(Ordering::Relaxed) {
            count += 1;
            let key = format!("r{round}-b{number}-{count}");
            let purchase = self.purchase(&asker, &mut dice, number, &key).await?;
            if let Ok(mut all) = self.purchases.lock() {
                all.push(purchase);
            }
            tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
        }
        Ok(())
    }

    async fn purchase(
        &self,
        asker: &Asker,
        dice: &mut Dice,
        client: usize,
        key: &str,
    ) -> Result<Purchase> {
        let sku = if dice.below(10) == 0 { "CUP-BLUE" } else { "CUP-RED" };
        let method = match dice.below(20) {
            0 => "decline",
            1 | 2 => "late",
            _ => "success",
        };
        let cart = self.cart(asker, sku, 1 + dice.below(2)).await?;
        let path = format!("/v1/carts/{cart}/checkout");
        let body = checkout_body(method);
        let question = Question {
            method: "POST",
            path: &path,
            body: Some(&body),
            key: Some(key),
            ..Question::default()
        };
        let began = Instant::now();
        let (told, asked) = self.check_out(asker, client, key, question).await?;
        let answered = Instant::now();
        let waited = answered - began;
        let mut purchase =
            Purchase { key: key.to_owned(), cart, told, seen: Vec::new(), waited, asked, answered };
        if let Told::Placed { status, .. } = &purchase.told {
            purchase.seen.push(status.clone());
            self.look(asker, client, &mut purchase).await?;
            if dice.below(4) == 0 {
                self.repeat(asker, &purchase, question).await?;
            }
        }
        Ok(purchase)
    }

    /// Opens a cart with pieces of a SKU. A cart is not worth a key: one whose answer is lost is left behind.
    async fn cart(&self, asker: &Asker, sku: &str, quantity: u64) -> Result<String> {
        let body = json!({"currency": "EUR"});
        let question = Question {
            method: "POST",
            path: "/v1/carts",
            body: Some(&body),
            ..Question::default()
        };
        let until = Instant::now() + INSIST_MAX;
        loop {
            if let Some(answer) = self.insist(asker, question, until).await?
                && answer.status == 201
            {
                let cart = answer.text("/id").to_owned();
                let path = format!("/v1/carts/{cart}/lines");
                let body = json!({"sku": sku, "quantity": quantity});
                let line = Question {
                    method: "POST",
                    path: &path,
                    body: Some(&body),
                    ..Question::default()
                };
                let answer = asker.ask(line).await;
                match answer {
                    Ok(answer) if answer.status == 201 => return Ok(cart),
                    Ok(answer) if answer.status < 500 && answer.status != 429 => {
                        bail!("a line was refused: {} {}", answer.status, answer.body)
                    }
                    _ => self.pause().await,
                }
            }
            if Instant::now() > until {
                bail!("no cart in {} s", INSIST_MAX.as_secs());
            }
        }
    }

    async fn check_out(
        &self,
        asker: &Asker,
        client: usize,
        key: &str,
        question: Question<'_>,
    ) -> Result<(Told, Instant)> {
        let until = Instant::now() + INSIST_MAX;
        while Instant::now() < until {
            let op = self.log.ask(client, key)?;
            let asked = Instant::now();
            let answer = asker.ask(question).await;
            let told = match &answer {
                Ok(answer) => told(answer)?,
                Err(_no_answer) => None,
            };
            self.log.end(op, &seen(told.as_ref()))?;
            if let Some(told) = told {
                return Ok((told, asked));
            }
            self.pause().await;
        }
        bail!("{key}: no answer to a checkout in {} s", INSIST_MAX.as_secs())
    }

    /// Reads the order; an acknowledged one must be there.
    pub(crate) async fn look(
        &self,
        asker: &Asker,
        client: usize,
        purchase: &mut Purchase,
    ) -> Result<()> {
        let Told::Placed { order, token, .. } = &purchase.told else { return Ok(()) };
        let path = format!("/v1/orders/{order}");
        let question =
            Question { method: "GET", path: &path, bearer: Some(token), ..Question::default() };
        let until = Instant::now() + INSIST_MAX;
        while Instant::now() < until {
            let op = self.log.ask(client, &purchase.key)?;
            match asker.ask(question).await {
                Ok(answer) if answer.status == 200 => {
                    let status = answer.text("/status").to_owned();
                    self.log.end(op, &End::Seen(Some(status.clone())))?;
                    purchase.seen.push(status);
                    return Ok(());
                }
                Ok(answer) if answer.status == 404 => {
                    self.log.end(op, &End::Seen(None))?;
                    purchase.seen.push("absent".to_owned());
                    return Ok(());
                }
                _ => self.log.end(op, &End::Unknown)?,
            }
            self.pause().await;
        }
        bail!("{}: no look at the order in {} s", purchase.key, INSIST_MAX.as_secs())
    }

    /// Asks for the same checkout again: the answer must name the same order.
    async fn repeat(
        &self,
        asker: &Asker,
        purchase: &Purchase,
        question: Question<'_>,
    ) -> Result<()> {
        let Some(answer) = self.insist(asker, question, Instant::now() + INSIST_MAX).await? else {
            bail!("{}: no second answer", purchase.key)
        };
        match (told(&answer)?, &purchase.told) {
            (Some(Told::Placed { order: again, .. }), Told::Placed { order, .. })
                if again == *order =>
            {
                Ok(())
            }
            _ => bail!(
                "{}: a second answer differs: {} {} after {:?}",
                purchase.key,
                answer.status,
                answer.body,
                purchase.told
            ),
        }
    }

    /// Asks until there is an answer that is final.
    async fn insist(
        &self,
        asker: &Asker,
        question: Question<'_>,
        until: Instant,
    ) -> Result<Option<Answer>> {
        while Instant::now() < until {
            match asker.ask(question).await {
                Ok(answer) if !is_for_now(&answer) => return Ok(Some(answer)),
                _ => self.pause().await,
            }
        }
        Ok(None)
    }

    /// A polite client leaves a pause after a failure.
    async fn pause(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A buyer who is at it.
pub(crate) type Buying = tokio::task::JoinHandle<Result<()>>;

/// Tells whether the same question may be answered otherwise soon.
fn is_for_now(answer: &Answer) -> bool {
    answer.status >= 500
        || answer.status == 429
        || (answer.status == 409 && answer.problem().contains("idempotency"))
}

/// Reads a final answer; `None` says to ask again.
fn told(answer: &Answer) -> Result<Option<Told>> {
    if is_for_now(answer) {
        return Ok(None);
    }
    let text = |pointer: &str| answer.text(pointer).to_owned();
    match (answer.status, answer.problem()) {
        (201, _) => Ok(Some(Told::Placed {
            order: text("/order_id"),
            token: text("/order_token"),
            status: text("/status"),
        })),
        (402, "payment-declined") => Ok(Some(Told::Declined)),
        (409, "out-of-stock") => Ok(Some(Told::SoldOut)),
        _ => bail!("a checkout was answered {} {}", answer.status, answer.body),
    }
}

fn seen(told: Option<&Told>) -> End {
    match told {
        Some(Told::Placed { status, .. }) => End::Seen(Some(status.clone())),
        Some(Told::Declined) => End::Seen(Some("cancelled".to_owned())),
        Some(Told::SoldOut) => End::Refused,
        None => End::Unknown,
    }
}

fn checkout_body(method: &str) -> Value {
    json!({"email": "ada@example.org",
        "shipping_address": {"name": "Ada", "line1": "Street 1", "line2": "", "postal_code": "10115",
            "city": "Berlin", "country": "DE"},
        "payment": {"provider": "test", "method": method}})
}
