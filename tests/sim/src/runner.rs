//! One run: a rough time, a calm one, and the reckoning.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use domain::{SessionId, Timestamp, UserId};
use store::{CreateAccount, OpenSession, Store};

use crate::books::{self, Books};
use crate::chaos::{self, Job};
use crate::checks::{self, Check, Evidence, Finding};
use crate::client;
use crate::dice::Dice;
use crate::executor::{Executor, block_on};
use crate::keeper;
use crate::provider::{ProviderBug, SimProvider};
use crate::sim::{Owner, Sim};
use crate::staff;
use crate::store_kind::StoreKind;
use crate::world::World;

/// Steps of a run unless asked otherwise: 600. A step lets one task go on to its next wait.
pub const STEPS_DEFAULT: u64 = 600;
/// Steps that the calm time may take before it counts as a fault: 20 000; some hundreds are usual.
const CALM_STEPS_MAX: u64 = 20_000;
/// Shoppers in a run: 5. Fewer seldom meet, more have no turn in so few steps.
const CLIENTS: u32 = 5;
/// Steps between two looks at what is always true: 50.
const LOOK_EVERY: u64 = 50;

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where all decisions come from.
    pub seed: u64,
    /// How long the rough time is.
    pub steps: u64,
    /// Which store it is over.
    pub store: StoreKind,
    /// Whether the report has every line of the trace, not only the last ones.
    pub keeps_trace: bool,
    /// A fault to be found.
    pub plant: Plant,
}

impl Options {
    /// Makes a run of a seed, as `cargo xtask sim` does.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            steps: STEPS_DEFAULT,
            store: StoreKind::default(),
            keeps_trace: false,
            plant: Plant::default(),
        }
    }
}

/// A bug that is put in on purpose, to see whether the checks find it.
#[derive(Debug, Clone, Default)]
pub struct Plant {
    /// What the provider does wrong.
    pub provider: Option<ProviderBug>,
    /// Statements that are run on the database before the shop opens: a trigger is a bug of the store.
    pub at_start: Option<&'static str>,
    /// Statements that are run after all is settled.
    pub at_end: Option<&'static str>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Steps of its rough time.
    pub steps: u64,
    /// The store it was over.
    pub store: StoreKind,
    /// The step at which the first finding was made.
    pub at_step: u64,
    /// Digest of its trace: SHA-256 in hexadecimal.
    pub digest: String,
    /// What is wrong. Empty is good.
    pub findings: Vec<Finding>,
    /// The last lines of the trace.
    pub tail: Vec<String>,
    /// Every line, if asked for.
    pub trace: Vec<String>,
    /// The clients' history, in the format of [`crate::history::log`].
    pub history: String,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// How long it really took.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, steps, store, at_step, .. } = self;
        if self.findings.is_empty() {
            return write!(f, "seed {seed}: good, {} ({:?})", self.digest, self.counts);
        }
        for line in &self.tail {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {seed} failed at step {at_step}:")?;
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        write!(f, "repeat it: cargo xtask sim --seed {seed} --steps {steps} --store {store}")
    }
}

/// Runs one seed. Needs no runtime of the caller's, and must not be called on a thread of one.
///
/// # Errors
/// When the world cannot be made: no place for the database, no threads. What the shop does wrong is in the report.
pub fn run(options: &Options) -> Result<Report> {
    let started = Instant::now();
    let runtime = options.store.runtime().context("make a runtime for the store")?;
    let _inside = runtime.enter();
    let mut dice = Dice::new(options.seed);
    let sim = Sim::new(dice.fork(1), options.keeps_trace);
    let provider = SimProvider::new(sim.clone(), options.plant.provider);
    let stock_times =
        u32::try_from(options.steps.div_ceil(STEPS_DEFAULT)).unwrap_or(u32::MAX).max(1);
    let world = World::begin(sim.clone(), options.store, provider, stock_times)?;
    open_accounts(&world)?;
    if let Some(sql) = options.plant.at_start {
        world.place.damage(sql)?;
    }
    let mut run = Run {
        executor: Executor::new(Arc::clone(&world), options.store.interleaving()),
        findings: Vec::new(),
        at_step: 0,
        sim,
        world,
    };
    run.populate(&mut dice);
    run.rough_time(options.steps)?;
    run.calm_time()?;
    if let Some(sql) = options.plant.at_end {
        run.world.place.damage(sql)?;
    }
    run.reckon()?;
    let sim = run.sim.clone();
    let mut report = Report {
        seed: options.seed,
        steps: options.steps,
        store: options.store,
        at_step: run.at_step,
        digest: sim.with_trace(|trace| trace.digest()),
        findings: std::mem::take(&mut run.findings),
        tail: sim.with_trace(|trace| trace.tail()),
        trace: sim.with_trace(crate::trace::Trace::take_all),
        history: run.world.history(),
        counts: std::mem::take(&mut run.world.seen().counts),
        took: Duration::ZERO,
    };
    drop(run);
    report.took = started.elapsed();
    Ok(report)
}

struct Run {
    sim: Sim,
    world: Arc<World>,
    executor: Executor,
    findings: Vec<Finding>,
    at_step: u64,
}

impl Run {
    fn populate(&self, dice: &mut Dice) {
        let world = || Arc::clone(&self.world);
        for number in 1..=CLIENTS {
            let shopper = client::shop(world(), number, dice.fork(u64::from(number)));
            self.sim.spawn(Owner::Client, shopper);
        }
        for job in Job::ALL {
            self.sim.spawn(Owner::Job, chaos::work(world(), job, dice.fork(20)));
        }
        // In the place of whoever asks for an invoice that the job has not come to: two may draw at once.
        let asker = chaos::work(world(), Job::IssueInvoices, dice.fork(21));
        self.sim.spawn(Owner::Job, asker);
        self.sim.spawn(Owner::Client, keeper::keep_stock(world(), dice.fork(50)));
        self.sim.spawn(Owner::Outside, chaos::pay_elsewhere(world(), dice.fork(30)));
        self.sim.spawn(Owner::Client, staff::tend(world(), dice.fork(50)));
        self.sim.spawn(Owner::Chaos, chaos::break_things(world(), dice.fork(40)));
    }

    fn rough_time(&mut self, steps: u64) -> Result<()> {
        for step in 0..steps {
            self.executor.step();
            if step % LOOK_EVERY == 0 {
                let now = checks::run_on_the_way(&self.sim, &Books::read(&*self.world.place)?);
                self.find(now);
            }
            if !self.findings.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Nothing breaks any more: shoppers finish, messages arrive, jobs run until nothing is left to do.
    fn calm_time(&mut self) -> Result<()> {
        self.world.close();
        self.sim.calm_down();
        self.world.provider.set_gone(false);
        self.sim.say("the world calms down");
        for step in 0..CALM_STEPS_MAX {
            self.executor.step();
            let is_over = step % LOOK_EVERY == 0
                && !self.executor.has_any(Owner::Client)
                && !self.executor.has_any(Owner::Outside)
                && !self.executor.has_any(Owner::Chaos)
                && books::is_settled(&*self.world.place)?;
            if is_over {
                return Ok(());
            }
        }
        let text = format!(
            "something is still under way {CALM_STEPS_MAX} steps after all faults have ended"
        );
        self.find(vec![Finding { check: Check::Settles, text }]);
        Ok(())
    }

    fn reckon(&mut self) -> Result<()> {
        let books = Books::read(&*self.world.place)?;
        self.world.watch_events();
        let intents = self.world.provider.intents();
        for order in &books.orders {
            // The books are part of what must be the same in two runs of a seed.
            let name = self.sim.name("order", &domain::OrderId::from_bytes(order.id));
            self.sim.say(format!(
                "books: {name} number {} {} {} {}",
                order.number, order.status, order.total, order.currency
            ));
        }
        for invoice in &books.invoices {
            let name = self.sim.name("order", &domain::OrderId::from_bytes(invoice.order));
            self.sim.say(format!("books: {name} invoice {:?}", invoice.number));
        }
        for stock in &books.stock {
            self.sim.say(format!("books: {} {:?}", stock.sku, stock.counters));
        }
        let history = self.world.history();
        let findings = {
            let seen = self.world.seen();
            let evidence = Evidence {
                stock: &self.world.stock(),
                sim: &self.sim,
                books: &books,
                intents: &intents,
                seen: &seen,
                history: &history,
            };
            checks::run(&evidence)
        };
        self.find(findings);
        let confirmed = books.orders.iter().filter(|order| order.status == "confirmed").count();
        let mut seen = self.world.seen();
        seen.counts.insert("orders", u64::try_from(books.orders.len()).unwrap_or(0));
        seen.counts.insert("confirmed", u64::try_from(confirmed).unwrap_or(0));
        seen.counts.insert("steps", self.sim.step());
        Ok(())
    }

    fn find(&mut self, findings: Vec<Finding>) {
        if self.findings.is_empty() && !findings.is_empty() {
            self.at_step = self.sim.step();
        }
        for finding in findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Tasks hold the world and the world holds what they wait for: end them first.
        for place in 0..self.world.origins_count() {
            self.world.kill(place);
        }
    }
}

/// Makes every shopper's account, with a hash that costs nothing: the real cost has its own test.
fn open_accounts(world: &World) -> Result<()> {
    let store: Arc<Store> = world.store().context("find the store")?;
    let params = Params::new(Params::MIN_M_COST, 1, 1, None)
        .map_err(|error| anyhow::anyhow!("set up a cheap hash: {error}"))?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(client::PASSWORD.as_bytes())
        .map_err(|error| anyhow::anyhow!("hash a password: {error}"))?
        .to_string();
    for number in 1..=CLIENTS {
        let now = world.sim.now();
        let id = u8::try_from(number).unwrap_or(0);
        let account = CreateAccount {
            user: UserId::v4([id; 16]),
            email: client::email(number).parse().context("read an address")?,
            password_hash: hash.clone(),
            session: first_session(id, now),
        };
        let made = block_on(store.create_account(account, None)).context("make an account")?;
        anyhow::ensure!(made.is_ok(), "the address of an account is taken");
    }
    Ok(())
}

fn first_session(id: u8, now: Timestamp) -> OpenSession {
    let refresh_expires_at = now.after(Duration::from_hours(1));
    OpenSession { id: SessionId::v4([id; 16]), refresh_hash: [id; 32], refresh_expires_at, now }
}
