//! The shop in the simulated world: its processes, the network to them, and what everybody has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result};
use api_types::pricing::{NewCodes, NewGiftCard};
use app::{App, Clock, Parts, Settings};
use domain::inventory::{BackorderPolicy, Location, MAIN_LOCATION, MovementKind, MovementReason};
use domain::{Currency, ErrorKind, LocationId, Money, OrderId, Sku, Timestamp};
use providers::payment::{BoxFuture, PaymentProvider};
use store::{MoveStock, NewLocation, SetStockRules, StaffMove, Store};

use crate::books::{self, EventRow};
use crate::executor::{Interleaving, block_on, block_on_for, for_polls};
use crate::history::log::{Answer, Call, Outcome, Recorder};
use crate::provider::SimProvider;
use crate::sim::{Owner, Sim, Slot, TaskId};
use crate::staff::staff;
use crate::store_kind::{Place, StoreKind};

/// How long a checkout holds its stock here: 2 minutes, so that holds end while their payers still decide.
const HOLD: Duration = Duration::from_mins(2);
/// Pieces of each SKU at the beginning of a short run. Little: contention is the rule. A longer run has as many times
/// more as it is longer, or its second half would have nothing to sell.
pub(crate) const STOCK: [(&str, u32); 4] = [("CUP", 2), ("BOWL", 4), ("LAMP", 7), ("SHELF", 12)];
/// Pieces of each SKU that lie at the other location at the beginning, and how many of them are never sold.
const ELSEWHERE: [(&str, u32, u32); 3] = [("CUP", 1, 0), ("LAMP", 3, 1), ("SHELF", 4, 0)];
/// SKUs that are promised before they are there, and how many pieces at most.
pub(crate) const PROMISED_MAX: [(&str, u32); 1] = [("BOWL", 2)];
/// Pieces of a shelf in one order.
const SHELVES_MAX: u32 = 4;
/// The other location.
pub(crate) const SHOP: LocationId = LocationId::from_bytes([7; 16]);
/// The currencies of the shop: two, no and three decimals.
pub(crate) const CURRENCIES: [Currency; 3] = [Currency::Eur, Currency::Jpy, Currency::Kwd];

/// The one code, which takes a tenth off.
pub(crate) const CODE: &str = "TENTH";
/// How often it may be used. Little, as the stock.
const CODE_USES_MAX: u64 = 3;

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nobody listens: certainly not done.
    Refused,
    /// The connection broke.
    Broken,
    /// It did not come in time.
    TimedOut,
}

/// A process of the shop.
#[derive(Debug)]
struct Origin {
    clock: Clock,
    running: Option<Running>,
    /// To see that a killed process is really gone before the next one starts.
    last_store: Weak<Store>,
}

#[derive(Debug, Clone)]
struct Running {
    app: Arc<App>,
    store: Arc<Store>,
}

/// What a checkout was answered, as far as it must be the same for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    pub(crate) text: String,
    pub(crate) order: Option<OrderId>,
}

/// An order that a client was told of.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) order: OrderId,
    pub(crate) number: String,
    pub(crate) total_minor: i64,
    pub(crate) currency: Currency,
    pub(crate) is_confirmed: bool,
}

/// What was seen on the way, for the checks at the end.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Every kept answer of every key, in the order in which they were computed.
    pub(crate) answers: BTreeMap<(String, String), Vec<KeptAnswer>>,
    pub(crate) told: Vec<Told>,
    /// Orders that their shoppers asked to call off, with or without success.
    pub(crate) called_off: BTreeSet<OrderId>,
    /// Orders of which the staff asked to give something back, with or without success.
    pub(crate) given_back: BTreeSet<OrderId>,
    /// Every event that ever was, in the order of the outbox, also those that were forgotten since.
    pub(crate) events: Vec<EventRow>,
    pub(crate) problems: Vec<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) place: Box<dyn Place>,
    pub(crate) provider: Arc<SimProvider>,
    origins: Mutex<Vec<Origin>>,
    seen: Mutex<Seen>,
    history: Mutex<Recorder<Vec<u8>>>,
    is_open: Mutex<bool>,
    /// Codes of gift cards, one for each currency.
    gift_cards: Mutex<Vec<(Currency, String)>>,
    stock_times: u32,
    interleaving: Interleaving,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Makes the world and opens the shop in it.
    pub(crate) fn begin(
        sim: Sim,
        kind: StoreKind,
        provider: SimProvider,
        stock_times: u32,
    ) -> Result<Arc<Self>> {
        let origins = (0..kind.instances())
            .map(|_| Origin { clock: sim.add_clock(), running: None, last_store: Weak::new() })
            .collect();
        let world = Arc::new(Self {
            place: kind.fresh()?,
            provider: Arc::new(provider),
            origins: Mutex::new(origins),
            seen: Mutex::default(),
            history: Mutex::new(Recorder::new(Vec::new())),
            is_open: Mutex::new(true),
            gift_cards: Mutex::default(),
            stock_times,
            interleaving: kind.interleaving(),
            sim,
        });
        world.provider.connect(&world);
        let store = block_on(world.place.open()).context("open the first store")?;
        let file = catalogue(&world.stock()).to_string();
        let catalogue = app::parse_catalogue(file.as_bytes()).context("read the catalogue")?;
        block_on(store.upsert_catalogue(catalogue, world.sim.now())).context("fill the shop")?;
        block_on(furnish(&store, world.sim.now(), stock_times)).context("furnish the shop")?;
        drop(store);
        for place in 0..kind.instances() {
            block_on(world.start(place, usize::MAX)).context("start the shop")?;
        }
        world.offer().context("write a code and gift cards")?;
        Ok(world)
    }

    /// Makes what many shoppers want: a code of few uses, and a gift card for each currency. Numbers invoices in their own
    /// series.
    fn offer(&self) -> Result<()> {
        let running = lock(&self.origins).first().and_then(|origin| origin.running.clone());
        let app = running.context("the shop is not running")?.app;
        let rule = serde_json::from_value(serde_json::json!({
            "title": "A tenth", "trigger": "code", "class": "order", "target": {"kind": "all"},
            "effect": {"kind": "percent", "off": 1_000}
        }))?;
        let promotion = block_on(app.create_promotion(rule, None))?.value.promotion.id;
        let codes = NewCodes {
            promotion_id: promotion,
            code: Some(CODE.to_owned()),
            prefix: String::new(),
            count: None,
            uses_max: Some(CODE_USES_MAX),
        };
        block_on(app.create_codes(&codes, None))?;
        let numbers =
            serde_json::from_value(serde_json::json!({"invoice_numbers": {"series": "own"}}))?;
        block_on(app.change_shop(&staff(), numbers, None, None))?;
        for currency in CURRENCIES {
            let amount = Money::new(5_000, currency);
            let card = NewGiftCard { amount, expires_at: None, note: String::new() };
            let code = block_on(app.issue_gift_card(card, None))?.value.code;
            lock(&self.gift_cards).push((currency, code));
        }
        Ok(())
    }

    /// Returns the code of the gift card of a currency.
    pub(crate) fn gift_card(&self, currency: Currency) -> Option<String> {
        let cards = lock(&self.gift_cards);
        cards.iter().find(|(of, _)| *of == currency).map(|(_, code)| code.clone())
    }

    /// Returns how many pieces of each SKU there were at the beginning.
    pub(crate) fn stock(&self) -> Vec<(&'static str, u32)> {
        STOCK.iter().map(|&(sku, pieces)| (sku, pieces.saturating_mul(self.stock_times))).collect()
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Notes that something happened once more.
    pub(crate) fn count(&self, what: &'static str) {
        *self.seen().counts.entry(what).or_insert(0) += 1;
    }

    pub(crate) fn problem(&self, text: String) {
        self.sim.say(format!("PROBLEM {text}"));
        self.seen().problems.push(text);
    }

    pub(crate) fn is_open(&self) -> bool {
        *lock(&self.is_open)
    }

    /// No new shoppers; those that are in may finish.
    pub(crate) fn close(&self) {
        *lock(&self.is_open) = false;
    }

    // === the processes ===

    /// Starts a process that is not running. `polls_max`: it is killed again after so many awaits; then `false`.
    pub(crate) async fn start(&self, place: usize, polls_max: usize) -> Result<bool> {
        let clock = match lock(&self.origins).get(place) {
            Some(origin) if origin.running.is_none() => {
                anyhow::ensure!(
                    origin.last_store.upgrade().is_none(),
                    "a killed process still has its store"
                );
                origin.clock.clone()
            }
            _ => return Ok(true),
        };
        let opened = match self.interleaving {
            Interleaving::AtOnce => self.place.open().await,
            // What is opened at once must not be held back.
            Interleaving::EveryAwait | Interleaving::CallsOnly => block_on(self.place.open()),
        };
        let store = Arc::new(opened.context("open the store")?);
        let payments: Arc<dyn PaymentProvider> = Arc::<SimProvider>::clone(&self.provider);
        let parts = Parts {
            store: Arc::clone(&store),
            payments,
            settings: Settings { hold: HOLD, ..Settings::default() },
            clock,
        };
        self.sim.set_clocks();
        let starting = Box::pin(App::start(parts));
        let started = match self.interleaving {
            Interleaving::AtOnce => for_polls(starting, polls_max).await,
            Interleaving::EveryAwait | Interleaving::CallsOnly => {
                block_on_for(&*self.place, starting, polls_max)
            }
        };
        let Some(app) = started else {
            return Ok(false);
        };
        let app = Arc::new(app.context("start the app")?);
        if let Some(origin) = lock(&self.origins).get_mut(place) {
            origin.last_store = Arc::downgrade(&store);
            origin.running = Some(Running { app, store });
        }
        Ok(true)
    }

    /// Kills a process: whatever it was doing ends where it stands.
    pub(crate) fn kill(&self, place: usize) {
        self.sim.cancel_all(Owner::Origin(place));
        if let Some(origin) = lock(&self.origins).get_mut(place) {
            drop(origin.running.take());
        }
    }

    pub(crate) fn origins_count(&self) -> usize {
        lock(&self.origins).len()
    }

    /// Returns one of the running processes.
    fn choose(&self) -> Option<(usize, Running)> {
        let running: Vec<(usize, Running)> = {
            let origins = lock(&self.origins);
            let all = origins.iter().enumerate();
            all.filter_map(|(place, origin)| Some((place, origin.running.clone()?))).collect()
        };
        self.sim.throw(|dice| dice.pick(&running).cloned())
    }

    /// The store of a running process.
    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        let origins = lock(&self.origins);
        origins.iter().find_map(|origin| Some(Arc::clone(&origin.running.as_ref()?.store)))
    }

    // === the network ===

    /// Sends a request over a bad line and waits for its answer.
    pub(crate) async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        patience_ms: i64,
        request: impl Fn(Arc<App>) -> BoxFuture<'static, T> + Send + Sync + 'static,
    ) -> Result<T, Lost> {
        let sim = &self.sim;
        let slot = Slot::new(sim);
        let running: Arc<Mutex<Vec<TaskId>>> = Arc::default();
        let request = Arc::new(request);
        let copies = if sim.mishap(30) { 2 } else { 1 };
        for _ in 0..copies {
            if sim.mishap(35) {
                sim.say("network: a request is lost");
                continue;
            }
            let slow_max = if sim.mishap(40) { 15_000 } else { 150 };
            let (there, back) =
                sim.throw(|dice| (dice.between(1, slow_max), dice.between(1, slow_max)));
            let line = Line { there, back: (!sim.mishap(40)).then_some(back) };
            let message = Arc::clone(self).carry(
                line,
                Arc::clone(&request),
                slot.clone(),
                Arc::clone(&running),
            );
            sim.spawn(Owner::Outside, message);
        }
        if let Some(answer) = slot.wait(patience_ms).await {
            return answer;
        }
        // Who hangs up ends what was done for them, or not: a balancer in between may wait on.
        if sim.throw(|dice| dice.below(2)) == 0 {
            lock(&running).iter().for_each(|&task| sim.cancel(task));
        }
        Err(Lost::TimedOut)
    }

    /// Has something done by a process, with nothing in between: its own jobs.
    pub(crate) async fn inside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(Arc<App>) -> BoxFuture<'static, T> + Send + Sync + 'static,
    ) -> Result<T, Lost> {
        let slot = Slot::new(&self.sim);
        let line = Line { there: 0, back: Some(0) };
        Arc::clone(self).carry(line, Arc::new(work), slot.clone(), Arc::default()).await;
        slot.wait(i64::from(u32::MAX)).await.unwrap_or(Err(Lost::TimedOut))
    }

    async fn carry<T: Send + 'static>(
        self: Arc<Self>,
        line: Line,
        request: Arc<impl Fn(Arc<App>) -> BoxFuture<'static, T> + Send + Sync + 'static>,
        slot: Slot<Result<T, Lost>>,
        running: Arc<Mutex<Vec<TaskId>>>,
    ) {
        let sim = self.sim.clone();
        if line.there > 0 {
            sim.sleep(line.there).await;
        }
        let Some((place, process)) = self.choose() else {
            slot.fill(Err(Lost::Refused));
            return;
        };
        let connection = Connection { slot, is_open: true };
        let task = sim.spawn(Owner::Origin(place), {
            let sim = sim.clone();
            async move {
                let mut connection = connection;
                let value = request(process.app).await;
                connection.is_open = false;
                match line.back {
                    None => sim.say("network: an answer is lost"),
                    Some(0) => connection.slot.fill(Ok(value)),
                    Some(back) => {
                        let (slot, outside) = (connection.slot.clone(), sim.clone());
                        sim.spawn(Owner::Outside, async move {
                            outside.sleep(back).await;
                            slot.fill(Ok(value));
                        });
                    }
                }
            }
        });
        lock(&running).push(task);
    }

    // === what clients tell ===

    /// Writes an operation of a client into the history.
    pub(crate) fn record(
        &self,
        client: u32,
        object: &str,
        since_us: i64,
        call: Call,
        outcome: Outcome,
    ) {
        let now_us = self.sim.now_us();
        let mut history = lock(&self.history);
        // Writing to memory does not fail.
        if let Ok(op) = history.invoke(since_us, client, object, call) {
            let _ = history.end(op, now_us, outcome);
        }
    }

    /// Writes that a client saw an order in a state.
    pub(crate) fn record_order(&self, client: u32, order: OrderId, since_us: i64, status: &str) {
        let object = self.sim.name("order", &order);
        let seen = Answer::Value(Some(status.to_owned()));
        self.record(client, &object, since_us, Call::Read, Outcome::Done(Some(seen)));
    }

    pub(crate) fn history(&self) -> String {
        String::from_utf8_lossy(lock(&self.history).get_ref()).into_owned()
    }

    /// Looks at an error of the shop: an internal one must not happen, whatever the world does.
    pub(crate) fn judge_error(&self, doing: &str, error: &app::Error) {
        if error.kind() == ErrorKind::Internal {
            let mut text = format!("{doing}: internal error: {error}");
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            self.problem(text);
        }
    }

    /// Keeps a copy of all events, before somebody forgets them.
    pub(crate) fn watch_events(&self) {
        match books::events(&*self.place) {
            Ok(events) => {
                let mut seen = self.seen();
                for event in events {
                    // Not by its id alone: an engine may give the id of a forgotten one to another.
                    if !seen.events.iter().any(|other| other.is_same(&event)) {
                        seen.events.push(event);
                    }
                }
            }
            Err(error) => self.problem(format!("read the outbox: {error:#}")),
        }
    }
}

/// How long a message takes there and back; without a way back its answer is lost.
#[derive(Debug, Clone, Copy)]
struct Line {
    there: i64,
    back: Option<i64>,
}

/// The client's end learns when the other end is gone.
struct Connection<T> {
    slot: Slot<Result<T, Lost>>,
    is_open: bool,
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        if self.is_open {
            self.slot.fill(Err(Lost::Broken));
        }
    }
}

/// Makes the other location, brings pieces there, and says what may be promised and how much one order may have.
async fn furnish(store: &Store, now: Timestamp, times: u32) -> Result<()> {
    let actor = || "the beginning".to_owned();
    let location = Location {
        id: SHOP,
        name: "Shop".to_owned(),
        priority: 1,
        country: "DE".parse().context("read a country")?,
        serves: BTreeSet::new(),
        is_active: true,
    };
    let made = store.create_location(NewLocation { location, now }, None).await?;
    anyhow::ensure!(made.is_ok(), "{made:?}");
    for (sku, pieces, safety) in ELSEWHERE {
        let sku: Sku = sku.parse().context("read a SKU")?;
        let pieces = pieces.saturating_mul(times).try_into().context("count pieces")?;
        let lost = Some(MovementReason::Lost);
        for (location, kind, reason) in
            [(MAIN_LOCATION, MovementKind::WrittenOff, lost), (SHOP, MovementKind::Received, None)]
        {
            let change = StaffMove::Moved { kind, pieces, reason };
            let command = MoveStock { sku: sku.clone(), location, change, actor: actor(), now };
            let moved = store.move_stock(command, None).await?;
            anyhow::ensure!(moved.is_ok(), "{moved:?}");
        }
        let safety = [(SHOP, safety)].into();
        let max = (sku.as_str() == "SHELF").then_some(Some(SHELVES_MAX));
        set_rules(
            store,
            SetStockRules { sku, backorder: None, per_order_max: max, safety, actor: actor(), now },
        )
        .await?;
    }
    for (sku, pieces_max) in PROMISED_MAX {
        set_rules(
            store,
            SetStockRules {
                sku: sku.parse().context("read a SKU")?,
                backorder: Some(BackorderPolicy::Allow { pieces_max }),
                per_order_max: None,
                safety: BTreeMap::new(),
                actor: actor(),
                now,
            },
        )
        .await?;
    }
    Ok(())
}

async fn set_rules(store: &Store, rules: SetStockRules) -> Result<()> {
    let set = store.set_stock_rules(rules).await?;
    anyhow::ensure!(set.is_ok(), "{set:?}");
    Ok(())
}

fn catalogue(stock: &[(&str, u32)]) -> serde_json::Value {
    let prices = [
        ("CUP", 1_900, 2_800, 6_500),
        ("BOWL", 3_333, 4_999, 11_005),
        ("LAMP", 11_900, 17_500, 39_990),
        ("SHELF", 45, 7, 155),
    ];
    let products: Vec<serde_json::Value> = stock
        .iter()
        .zip(prices)
        .map(|((sku, stock), (_, eur, jpy, kwd))| {
            let handle = sku.to_lowercase();
            serde_json::json!({
                "handle": handle, "title": sku, "subtitle": "", "description": "", "category": "table",
                "created_at": "2026-11-01T00:00:00Z",
                "variants": [{"sku": sku, "title": "Plain", "stock": stock, "image_url": "/m/x.webp", "prices": [
                    {"currency": "EUR", "minor": eur}, {"currency": "JPY", "minor": jpy}, {"currency": "KWD", "minor": kwd}
                ]}]
            })
        })
        .collect();
    serde_json::json!({
        "currencies": CURRENCIES.map(Currency::code),
        "categories": [{"handle": "table", "title": "Table", "description": "", "position": 1}],
        "products": products
    })
}
