//! The payment provider of the simulated world: a company of its own, with its own books, behind a bad line.
//!
//! What it promises: a key does a thing once; what it says of an intent was true at some moment; it tells of every
//! change by webhook, late, twice or out of order, but for intents of the method `timeout`, about which it says nothing
//! by itself, and few others that it forgets to tell of. What it does not promise: that an answer arrives.
//!
//! Everything about [`PaymentProvider`] is in this file; what moves which intent where is [`providers::local`]'s.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use domain::payment::TestMethod;
use domain::{Money, PaymentId};
use providers::local::{Wish, first_status, next_status, webhook_pause};
use providers::payment::{
    BoxFuture, Decision, Intent, IntentStatus, NewIntent, PaymentError, PaymentProvider,
};
use providers::webhook::{PaymentWebhook, sign};

use crate::sim::{Owner, Sim, Slot};
use crate::world::{Lost, World};

/// The secret that webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &[u8] = b"a secret of sixteen bytes or more";
/// How long a call waits for its answer: 8 s, less than the lease of a checkout, as the real client does.
const ANSWER_WAIT_MS: i64 = 8_000;
/// Longest that a request is under way: 25 s, longer than its caller waits for the answer.
const SLOW_MAX_MS: i64 = 25_000;
/// Attempts to deliver one webhook: 60, an hour at a pause of one minute.
const ATTEMPTS_MAX: u32 = 60;

/// A fault that a test builds into the provider, to see whether the checks find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderBug {
    /// It takes every request for a new one, whatever its key.
    ForgetsKeys,
    /// It says that it gave money back and keeps it.
    KeepsRefunds,
}

/// Money that moved at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    In(Money),
    Out(Money),
}

/// An intent with its books.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) intent: Intent,
    pub(crate) key: String,
    pub(crate) method: TestMethod,
    pub(crate) moved: Vec<Moved>,
}

#[derive(Debug, Default)]
struct Books {
    intents: Vec<Kept>,
    /// What each key was used for; used for something else, it is refused.
    keys: BTreeMap<String, String>,
    is_gone: bool,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct SimProvider {
    sim: Sim,
    books: Arc<Mutex<Books>>,
    world: Mutex<Weak<World>>,
    bug: Option<ProviderBug>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimProvider {
    pub(crate) fn new(sim: Sim, bug: Option<ProviderBug>) -> Self {
        Self { sim, books: Arc::default(), world: Mutex::default(), bug }
    }

    /// Tells it where webhooks go.
    pub(crate) fn connect(&self, world: &Arc<World>) {
        *lock(&self.world) = Arc::downgrade(world);
    }

    /// Everything it knows.
    pub(crate) fn intents(&self) -> Vec<Kept> {
        lock(&self.books).intents.clone()
    }

    /// Whether requests reach it.
    pub(crate) fn set_gone(&self, is_gone: bool) {
        lock(&self.books).is_gone = is_gone;
    }

    /// Lets something happen to an intent at the provider itself: its payer decides there, or its time has come.
    pub(crate) fn happen(&self, place: usize, wish: Wish) {
        let id = lock(&self.books).intents.get(place).map(|kept| kept.intent.id.clone());
        if let Some(id) = id {
            let _ = self.desk().wish(&id, wish);
        }
    }

    fn desk(&self) -> Desk {
        let world = lock(&self.world).clone();
        Desk { sim: self.sim.clone(), books: Arc::clone(&self.books), world, bug: self.bug }
    }

    /// Sends a request over the bad line and waits for its answer.
    fn ask<T: Clone + Send + 'static>(
        &self,
        what: String,
        work: impl Fn(&Desk) -> (Result<T, u16>, bool) + Send + Sync + 'static,
    ) -> BoxFuture<'_, Result<T, PaymentError>> {
        Box::pin(async move {
            let sim = &self.sim;
            let slot: Slot<Result<T, u16>> = Slot::new(sim);
            if sim.mishap(25) {
                sim.say(format!("provider: {what}: no connection"));
                return Err(lost("no connection"));
            }
            let copies = if sim.mishap(25) { 2 } else { 1 };
            let work = Arc::new(work);
            for _ in 0..copies {
                self.send(&what, Arc::clone(&work), slot.clone());
            }
            match slot.wait(ANSWER_WAIT_MS).await {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(status)) => Err(PaymentError::Refused(status)),
                None => Err(lost("no answer in time")),
            }
        })
    }

    /// A request under way. It arrives, or not, whatever becomes of who sent it.
    fn send<T: Clone + Send + 'static>(
        &self,
        what: &str,
        work: Arc<impl Fn(&Desk) -> (Result<T, u16>, bool) + Send + Sync + 'static>,
        slot: Slot<Result<T, u16>>,
    ) {
        let (sim, desk, what) = (self.sim.clone(), self.desk(), what.to_owned());
        if sim.mishap(40) {
            sim.say(format!("provider: {what}: the request is lost"));
            return;
        }
        let slow_max = if sim.mishap(50) { SLOW_MAX_MS } else { 400 };
        let (there, back) =
            sim.throw(|dice| (dice.between(5, slow_max), dice.between(5, slow_max)));
        let is_answer_lost = sim.mishap(50);
        self.sim.spawn(Owner::Outside, async move {
            desk.sim.sleep(there).await;
            if lock(&desk.books).is_gone {
                desk.sim.say(format!("provider: {what}: is gone"));
                return;
            }
            let (answer, is_silent) = work(&desk);
            if is_silent || is_answer_lost {
                desk.sim.say(format!("provider: {what}: done, and the answer is lost"));
                return;
            }
            desk.sim.sleep(back).await;
            slot.fill(answer);
        });
    }
}

fn lost(why: &'static str) -> PaymentError {
    PaymentError::Unknown(why.into())
}

/// The provider's own side of a request.
struct Desk {
    sim: Sim,
    books: Arc<Mutex<Books>>,
    world: Weak<World>,
    bug: Option<ProviderBug>,
}

impl Desk {
    /// Says whether a key may be used for this: always for the same.
    fn admits(&self, key: &str, what: &str) -> bool {
        let mut books = lock(&self.books);
        books.keys.entry(key.to_owned()).or_insert_with(|| what.to_owned()) == what
    }

    fn create(&self, key: &str, new: &NewIntent) -> Result<Intent, u16> {
        let is_known = self.bug != Some(ProviderBug::ForgetsKeys);
        if !self
            .admits(key, &format!("create {} {} {:?}", new.reference, new.amount.minor, new.method))
        {
            return Err(409);
        }
        let mut books = lock(&self.books);
        if let Some(kept) = books.intents.iter().find(|kept| is_known && kept.key == key) {
            return Ok(kept.intent.clone());
        }
        let number = books.intents.len();
        let NewIntent { reference, amount, method } = *new;
        let id = format!("pi_{}", number + 1);
        let intent = Intent { id, reference, amount, status: first_status(method) };
        let mut moved = Vec::new();
        if intent.status == IntentStatus::Captured {
            moved.push(Moved::In(amount));
        }
        books.intents.push(Kept { intent: intent.clone(), key: key.to_owned(), method, moved });
        drop(books);
        self.say_of(&intent);
        self.tell(method, &intent);
        if method == TestMethod::Late {
            self.settle_later(intent.id.clone());
        }
        Ok(intent)
    }

    /// A late payment ends some time after its answer: in seconds, or long after the stock is held.
    fn settle_later(&self, id: String) {
        let desk = Self {
            sim: self.sim.clone(),
            books: Arc::clone(&self.books),
            world: self.world.clone(),
            bug: self.bug,
        };
        let wait_max = if self.sim.mishap(300) { 300_000 } else { 20_000 };
        let wait = self.sim.throw(|dice| dice.between(2_000, wait_max));
        self.sim.spawn(Owner::Outside, async move {
            desk.sim.sleep(wait).await;
            // Cancelled meanwhile: nothing to settle.
            let _ = desk.wish(&id, Wish::Settle);
        });
    }

    fn wish(&self, id: &str, wish: Wish) -> Result<Intent, u16> {
        let mut books = lock(&self.books);
        let kept = books.intents.iter_mut().find(|kept| kept.intent.id == id).ok_or(404_u16)?;
        let before = kept.intent.status;
        kept.intent.status = next_status(before, wish).ok_or(409_u16)?;
        let (intent, method) = (kept.intent.clone(), kept.method);
        if intent.status == before {
            return Ok(intent);
        }
        match intent.status {
            IntentStatus::Captured => kept.moved.push(Moved::In(intent.amount)),
            IntentStatus::Refunded if self.bug != Some(ProviderBug::KeepsRefunds) => {
                kept.moved.push(Moved::Out(intent.amount));
            }
            _ => {}
        }
        drop(books);
        self.say_of(&intent);
        self.tell(method, &intent);
        Ok(intent)
    }

    fn say_of(&self, intent: &Intent) {
        let Intent { id, amount, status, .. } = intent;
        let payment = self.sim.name("payment", &intent.reference);
        let (minor, currency) = (amount.minor, amount.currency.code());
        self.sim
            .say(format!("provider: {id} of {payment}: {} {minor} {currency}", status.as_str()));
    }

    /// Tells of a change by webhook, unless the method is the one that never tells.
    fn tell(&self, method: TestMethod, intent: &Intent) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        if method != TestMethod::Timeout && !self.sim.mishap(20) {
            let (sim, intent) = (self.sim.clone(), intent.clone());
            self.sim.spawn(Owner::Outside, deliver(sim, world, intent));
        }
    }
}

/// Delivers one webhook until it is taken, and now and then once more.
async fn deliver(sim: Sim, world: Arc<World>, intent: Intent) {
    let event = format!("evt_{}_{}", intent.id, intent.status.as_str());
    let first_max = if sim.mishap(200) { 90_000 } else { 2_000 };
    sim.sleep(sim.throw(|dice| dice.between(5, first_max))).await;
    for attempt in 0..ATTEMPTS_MAX {
        let outcome = attempt_webhook(&sim, &world, &event, &intent).await;
        let is_taken = matches!(outcome, Ok(Ok(())));
        if is_taken && !sim.mishap(100) {
            return;
        }
        if !is_taken {
            sim.say(format!("provider: {event} was not taken"));
        }
        let pause = i64::try_from(webhook_pause(attempt).as_millis()).unwrap_or(60_000);
        sim.sleep(sim.throw(|dice| dice.between(pause / 2 + 1, pause + 1))).await;
    }
}

async fn attempt_webhook(
    sim: &Sim,
    world: &Arc<World>,
    event: &str,
    intent: &Intent,
) -> Result<Result<(), app::Error>, Lost> {
    let now = sim.now();
    let body = serde_json::to_vec(&PaymentWebhook::about(intent.clone(), now)).unwrap_or_default();
    let timestamp = now.unix_s().to_string();
    let signature = sign(WEBHOOK_SECRET, event, now, &body);
    let event = event.to_owned();
    world
        .call(10_000, move |app| {
            let (event, timestamp) = (event.clone(), timestamp.clone());
            let (signature, body) = (signature.clone(), body.clone());
            Box::pin(async move {
                let headers = app::WebhookHeaders {
                    id: &event,
                    timestamp: &timestamp,
                    signature: &signature,
                };
                app.take_webhook(headers, &body).await
            })
        })
        .await
}

impl PaymentProvider for SimProvider {
    fn create(&self, key: String, new: NewIntent) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let what = format!("create for {}", self.sim.name("payment", &new.reference));
        let is_silent = new.method == TestMethod::Timeout;
        self.ask(what, move |desk| (desk.create(&key, &new), is_silent))
    }

    fn lookup(&self, key: String) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        let reference = key.split(':').next().and_then(|id| id.parse::<PaymentId>().ok());
        let what = reference.map(|id| self.sim.name("payment", &id)).unwrap_or_default();
        self.ask(format!("look up {what}"), move |desk| {
            let books = lock(&desk.books);
            let found = books.intents.iter().find(|kept| kept.key == key);
            (Ok(found.map(|kept| kept.intent.clone())), false)
        })
    }

    fn act(
        &self,
        key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        self.wish(key, id, Wish::Act(decision))
    }

    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        self.wish(key, id, Wish::Cancel)
    }

    fn refund(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        self.wish(key, id, Wish::Refund)
    }
}

impl SimProvider {
    fn wish(
        &self,
        key: String,
        id: String,
        wish: Wish,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        self.ask(format!("{wish:?} {id}"), move |desk| {
            if !desk.admits(&key, &format!("{wish:?} {id}")) {
                return (Err(409), false);
            }
            (desk.wish(&id, wish), false)
        })
    }
}
