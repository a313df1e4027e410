//! The payment provider of the simulated world: a company of its own, with its own books, behind a bad line.
//!
//! What it promises: a key does a thing once; what it says of an intent was true at some moment; it tells of every
//! change by webhook, late, twice or out of order, but for intents of the method `timeout`, about which it says nothing
//! by itself, and few others that it forgets to tell of. What it does not promise: that an answer arrives.
//!
//! Everything about [`PaymentProvider`] is in this file; what moves which intent where is [`providers::local`]'s.

mod ledger;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use domain::payment::TestMethod;
use domain::{Money, Timestamp};
use http::{HeaderMap, HeaderValue};
use providers::http_payment::receive;
use providers::local::{self, Refusal, Wish, webhook_pause};
use providers::payment::{
    BoxFuture, Capture, Decision, Event, Intent, IntentStatus, Lookup, Method, NewIntent,
    PaymentError, PaymentProvider, Refund, RefundStatus, Refunded,
};
use providers::webhook::{
    ID_HEADER, PaymentWebhook, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookError, sign,
};

use ledger::{Books, No, Use};
pub(crate) use ledger::{Kept, Moved};

use crate::sim::{Owner, Sim, Slot};
use crate::world::{Lost, World};

/// The secret that webhooks are signed with.
const WEBHOOK_SECRET: &[u8] = b"a secret of sixteen bytes or more";
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
        work: impl Fn(&Desk) -> (Result<T, No>, bool) + Send + Sync + 'static,
    ) -> BoxFuture<'_, Result<T, PaymentError>> {
        Box::pin(async move {
            let sim = &self.sim;
            let slot: Slot<Result<T, No>> = Slot::new(sim);
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
                Some(Err(no)) => Err(no.into()),
                None => Err(lost("no answer in time")),
            }
        })
    }

    /// A request under way. It arrives, or not, whatever becomes of who sent it.
    fn send<T: Clone + Send + 'static>(
        &self,
        what: &str,
        work: Arc<impl Fn(&Desk) -> (Result<T, No>, bool) + Send + Sync + 'static>,
        slot: Slot<Result<T, No>>,
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
    PaymentError::unknown(why)
}

/// The provider's own side of a request.
#[derive(Clone)]
struct Desk {
    sim: Sim,
    books: Arc<Mutex<Books>>,
    world: Weak<World>,
    bug: Option<ProviderBug>,
}

impl Desk {
    /// Says whether a key was used before; it may be used again for the same alone.
    fn is_again(&self, key: &str, what: &str) -> Result<bool, No> {
        let mut books = lock(&self.books);
        let fresh = || Use { what: what.to_owned(), is_done: false };
        let used = books.keys.entry(key.to_owned()).or_insert_with(fresh);
        if used.what == what { Ok(used.is_done) } else { Err(No::KeyReused) }
    }

    fn done(&self, key: &str) {
        if let Some(used) = lock(&self.books).keys.get_mut(key) {
            used.is_done = true;
        }
    }

    fn create(&self, key: &str, new: &NewIntent) -> Result<Intent, No> {
        let is_known = self.bug != Some(ProviderBug::ForgetsKeys);
        let what = format!("create {} {} {:?}", new.reference, new.amount.minor, new.method);
        self.is_again(key, &what)?;
        let mut books = lock(&self.books);
        if let Some(kept) = books.intents.iter().find(|kept| is_known && kept.key == key) {
            return Ok(kept.intent.clone());
        }
        let id = format!("pi_{}", books.intents.len() + 1);
        let intent = local::create(new, id.clone()).map_err(No::Refused)?;
        let before = Intent::whole(id, new.reference, new.amount, IntentStatus::RequiresAction);
        let mut kept = Kept {
            intent: before,
            key: key.to_owned(),
            method: local::played(&new.method).map_err(No::Refused)?,
            moved: Vec::new(),
            mode: new.capture,
            refunds: Vec::new(),
            changes: 0,
        };
        kept.change(intent.clone(), self.bug);
        books.intents.push(kept.clone());
        drop(books);
        self.follow(kept);
        Ok(intent)
    }

    /// Does what somebody wants, once for each key.
    fn obey(&self, key: &str, id: &str, wish: Wish) -> Result<Intent, No> {
        if self.is_again(key, &format!("{wish:?} {id}"))? {
            return Ok(self.find(id)?.intent);
        }
        let intent = self.wish(id, wish)?;
        self.done(key);
        Ok(intent)
    }

    fn refund(&self, key: &str, id: &str, amount: Option<Money>) -> Result<Refunded, No> {
        let before = self.find(id)?.intent.amounts.refunded();
        let intent = self.obey(key, id, Wish::Refund(amount))?;
        let mut books = lock(&self.books);
        let number = books.intents.iter().map(|kept| kept.refunds.len()).sum::<usize>() + 1;
        let kept = books.intents.iter_mut().find(|kept| kept.intent.id == id);
        let refunds = &mut kept.ok_or(No::NotFound)?.refunds;
        let known = refunds.iter().find(|refund| refund.key.as_deref() == Some(key)).cloned();
        let refund = match known {
            Some(refund) => refund,
            None => {
                let amount = intent.amounts.refunded().checked_sub(before);
                let amount = amount.map_err(|_| No::Refused(Refusal::InvalidAmount))?;
                let (id, status) = (format!("re_{number}"), RefundStatus::Succeeded);
                let refund = Refund { id, key: Some(key.to_owned()), amount, status };
                refunds.insert(0, refund.clone());
                refund
            }
        };
        Ok(Refunded { refund, intent })
    }

    fn find(&self, id: &str) -> Result<Kept, No> {
        let books = lock(&self.books);
        books.intents.iter().find(|kept| kept.intent.id == id).cloned().ok_or(No::NotFound)
    }

    /// A late payment ends some time after its answer: in seconds, or long after the stock is held.
    fn settle_later(&self, id: String) {
        let desk = self.clone();
        let wait_max = if self.sim.mishap(300) { 300_000 } else { 20_000 };
        let wait = self.sim.throw(|dice| dice.between(2_000, wait_max));
        self.sim.spawn(Owner::Outside, async move {
            desk.sim.sleep(wait).await;
            // Cancelled meanwhile: nothing to settle.
            let _ = desk.wish(&id, Wish::Settle);
        });
    }

    fn wish(&self, id: &str, wish: Wish) -> Result<Intent, No> {
        let mut books = lock(&self.books);
        let kept = books.intents.iter_mut().find(|kept| kept.intent.id == id);
        let kept = kept.ok_or(No::NotFound)?;
        let intent = local::advance(&kept.intent, kept.mode, wish).map_err(No::Refused)?;
        if intent == kept.intent {
            return Ok(intent);
        }
        if let Wish::Confirm(method) = wish {
            kept.method = Some(method);
        }
        kept.change(intent.clone(), self.bug);
        let kept = kept.clone();
        drop(books);
        self.follow(kept);
        Ok(intent)
    }

    /// What a change leads to: its webhook, and the end of a late payment.
    fn follow(&self, kept: Kept) {
        self.say_of(&kept.intent);
        let (status, id) = (kept.intent.status, kept.intent.id.clone());
        self.tell(kept);
        if status == IntentStatus::Processing {
            self.settle_later(id);
        }
    }

    fn say_of(&self, intent: &Intent) {
        let Intent { id, amount, status, .. } = intent;
        let payment = self.sim.name("payment", &intent.reference);
        let (minor, currency) = (amount.minor, amount.currency.code());
        self.sim
            .say(format!("provider: {id} of {payment}: {} {minor} {currency}", status.as_str()));
    }

    /// Tells of a change by webhook, unless the method is the one that never tells.
    fn tell(&self, kept: Kept) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        if kept.method != Some(TestMethod::Timeout) && !self.sim.mishap(20) {
            self.sim.spawn(Owner::Outside, deliver(self.sim.clone(), world, kept));
        }
    }
}

/// Delivers one webhook until it is taken, and now and then once more.
async fn deliver(sim: Sim, world: Arc<World>, kept: Kept) {
    let Kept { intent, changes, .. } = kept;
    let event = format!("evt_{}_{changes}_{}", intent.id, intent.status.as_str());
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
    let (timestamp, signature) =
        (now.unix_s().to_string(), sign(WEBHOOK_SECRET, event, now, &body));
    let fields =
        [(ID_HEADER, event), (TIMESTAMP_HEADER, &timestamp), (SIGNATURE_HEADER, &signature)];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        // What these hold, a field may hold.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    world
        .call(10_000, move |app| {
            let (headers, body) = (headers.clone(), body.clone());
            Box::pin(async move { app.take_webhook(&headers, &body).await })
        })
        .await
}

impl PaymentProvider for SimProvider {
    fn name(&self) -> &'static str {
        "test"
    }

    fn create(&self, key: String, new: NewIntent) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let what = format!("create for {}", self.sim.name("payment", &new.reference));
        let is_silent = new.method == Method::Test(TestMethod::Timeout);
        self.ask(what, move |desk| (desk.create(&key, &new), is_silent))
    }

    fn confirm(
        &self,
        key: String,
        id: String,
        method: Method,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        match local::played(&method) {
            Ok(Some(method)) => self.wish(key, id, Wish::Confirm(method)),
            Ok(None) => Box::pin(async { Err(PaymentError::NotAllowed) }),
            Err(refusal) => Box::pin(async move { Err(No::Refused(refusal).into()) }),
        }
    }

    fn lookup(&self, by: Lookup) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        let what = match &by {
            Lookup::Ours { reference, .. } => self.sim.name("payment", reference),
            Lookup::Id(id) => id.clone(),
        };
        self.ask(format!("look up {what}"), move |desk| {
            let books = lock(&desk.books);
            let found = books.intents.iter().find(|kept| match &by {
                Lookup::Ours { key, .. } => kept.key == *key,
                Lookup::Id(id) => kept.intent.id == *id,
            });
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

    fn capture(
        &self,
        key: String,
        id: String,
        capture: Capture,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        self.wish(key, id, Wish::Capture(capture))
    }

    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        self.wish(key, id, Wish::Cancel)
    }

    fn refund(
        &self,
        key: String,
        id: String,
        amount: Option<Money>,
    ) -> BoxFuture<'_, Result<Refunded, PaymentError>> {
        self.ask(format!("refund {id}"), move |desk| (desk.refund(&key, &id, amount), false))
    }

    fn refunds(&self, id: String) -> BoxFuture<'_, Result<Vec<Refund>, PaymentError>> {
        self.ask(format!("refunds of {id}"), move |desk| {
            (desk.find(&id).map(|kept| kept.refunds), false)
        })
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, WebhookError> {
        receive(WEBHOOK_SECRET, headers, body, now)
    }
}

impl SimProvider {
    fn wish(
        &self,
        key: String,
        id: String,
        wish: Wish,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let what = format!("{wish:?} {id}");
        self.ask(what, move |desk| (desk.obey(&key, &id, wish), false))
    }
}
