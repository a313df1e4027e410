//! Keeps the Worker's copy of the catalogue current, by following the origin's feed.
//!
//! A Worker has no process that could follow for ever. A cron starts a run each minute, which follows by long polls
//! until the next one takes over: waiting costs no CPU time, and a change arrives as fast as the origin says it. A
//! request that finds no copy, or one that nobody has cared for, starts a short run behind its answer.
//!
//! Here is what a run does; what it should do next is `feed_core::Follower`'s to say. Any number of runs may overlap or
//! die anywhere: each batch is guarded by the place that its run has read.
//! Start at [`follow`].

use core::cell::Cell;
use core::time::Duration;

use domain::Timestamp;
use feed_core::{
    Failure, Fault, Follower, Limits, Mode, Replica, Schedule, SnapshotReader, Statement, Step,
    changes,
};
use ports::Entropy;
use worker::{Context, Delay, Env, ScheduleContext, ScheduledEvent, event};

use self::feed::{Changes, Feed, FeedError};
use self::media::Names;
use self::store::Store;
use self::upkeep::{Plan, Upkeep};
use crate::log;
use crate::ports::{WorkerPorts, now};

mod feed;
mod media;
mod store;
mod upkeep;

/// What log lines begin with.
const AREA: &str = "replicate";
/// How long the cron's run follows: 56 s. The next one starts after 60.
const RUN: Duration = Duration::from_secs(56);
/// How long a request's run may take: 25 s. The runtime gives 30 behind an answer.
const CATCH_UP: Duration = Duration::from_secs(25);
/// Pause between two such runs of one isolate, when the first is known to have ended: 5 s.
const CATCH_UP_AGAIN: Duration = Duration::from_secs(5);
/// Silence after which a request does what the cron should have done: 120 s. Contact is written down once a minute.
const CONTACT_MISSED: Duration = Duration::from_secs(120);
/// Contact is not written down again before this: 50 s. With the wait of a poll that is about once a minute.
const CONTACT_EVERY: Duration = Duration::from_secs(50);
/// Media fetched ahead in one run: 40, with up to three subrequests each.
const MEDIA_MAX: usize = 40;

thread_local! {
    /// Until when no request of this isolate starts a run.
    static RESTING_UNTIL: Cell<Timestamp> = const { Cell::new(Timestamp::from_unix_ms(0)) };
}

/// Runs each minute.
#[event(scheduled)]
pub(crate) async fn scheduled(_event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let fetch_ahead = |names| context.wait_until(fetch_media(env.clone(), names));
    follow(&env, Mode::Follow, RUN, &fetch_ahead).await;
}

/// Starts a run behind the answer to a request, if the copy needs one: there is none (`contact_age` is `None`), or the
/// cron has not been heard of. At most one per isolate.
pub(crate) fn ensure(env: &Env, context: &Context, contact_age: Option<Duration>) {
    let is_needed = contact_age.is_none_or(|age| age > CONTACT_MISSED);
    let now = now();
    if !is_needed || RESTING_UNTIL.get() > now {
        return;
    }
    // A run that the runtime cuts off says nothing, so its end is taken for granted.
    RESTING_UNTIL.set(now.after(CATCH_UP));
    let env = env.clone();
    context.wait_until(async move {
        // Media wait for whoever asks for them: this run has little time.
        follow(&env, Mode::CatchUp, CATCH_UP, &|_| {}).await;
        RESTING_UNTIL.set(crate::ports::now().after(CATCH_UP_AGAIN));
    });
}

/// Follows the feed for `time`.
async fn follow(env: &Env, mode: Mode, time: Duration, fetch_ahead: &dyn Fn(Vec<String>)) {
    let ports = WorkerPorts::new(env.clone());
    let ends_at_ms = now().after(time).unix_ms();
    let run = match Run::open(&ports, Schedule { mode, ends_at_ms }, fetch_ahead) {
        Ok(run) => run,
        Err(why) => return log::error(AREA, &why),
    };
    run.run().await;
}

/// Fetches media into the bucket, one after the other. One that is there already costs a look.
async fn fetch_media(env: Env, names: Vec<String>) {
    let ports = WorkerPorts::new(env);
    for name in names {
        if let Err(error) = crate::media::length(&ports, &name).await {
            // Whoever asks for it will fetch it; a dead origin is not asked for the rest.
            return log::warn(AREA, &format!("fetch ahead: {error}"));
        }
    }
}

/// One run, and everything it needs.
struct Run<'a> {
    ports: &'a WorkerPorts,
    store: Store<'a>,
    feed: Feed,
    upkeep: Upkeep,
    follower: Follower,
    limits: Limits,
    media_left: usize,
    fetch_ahead: &'a dyn Fn(Vec<String>),
}

/// Why a step failed: what to do about it, and what to say.
struct Trouble(Failure, String);

impl<'a> Run<'a> {
    fn open(
        ports: &'a WorkerPorts,
        schedule: Schedule,
        fetch_ahead: &'a dyn Fn(Vec<String>),
    ) -> Result<Self, String> {
        let feed = Feed::new(ports)?;
        let follower = Follower::new(feed.origins(), schedule);
        Ok(Self {
            ports,
            store: Store::open(ports)?,
            feed,
            upkeep: Upkeep::open(ports)?,
            follower,
            limits: Limits::default(),
            media_left: MEDIA_MAX,
            fetch_ahead,
        })
    }

    async fn run(mut self) {
        loop {
            let done = match self.follower.step(now().unix_ms()) {
                Step::Read => self.read().await,
                Step::Snapshot { origin, before } => self.snapshot(origin, before.as_deref()).await,
                Step::Changes { origin, replica, wait_ms, limit } => {
                    self.changes(origin, &replica, wait_ms, limit).await
                }
                Step::Pause(ms) => {
                    Delay::from(Duration::from_millis(ms)).await;
                    Ok(())
                }
                Step::Done => return,
            };
            if let Err(Trouble(failure, why)) = done {
                log::warn(AREA, &why);
                let mut random = [0; 8];
                self.ports.fill(&mut random);
                self.follower.failed(failure, u64::from_le_bytes(random));
            }
        }
    }

    async fn read(&mut self) -> Result<(), Trouble> {
        let failed = |error: ports::SqlError| Trouble(Failure::Store, error.to_string());
        let exists = self.store.read(&feed_core::exists()).await.map_err(failed)?;
        let replica = if exists.rows.is_empty() {
            None
        } else {
            let rows = self.store.read(&feed_core::read()).await.map_err(failed)?;
            match Replica::of(&rows) {
                Ok(replica) => replica,
                Err(fault) => {
                    self.write(&[feed_core::forget()]).await?;
                    return Err(Trouble(Failure::Store, fault.to_string()));
                }
            }
        };
        self.follower.found(replica.clone());
        match replica {
            Some(replica) => self.keep_up(&replica).await,
            None => Ok(()),
        }
    }

    async fn snapshot(&mut self, origin: usize, before: Option<&Replica>) -> Result<(), Trouble> {
        let mut body = self.feed.snapshot(origin).await.map_err(feed_trouble)?;
        let mut random = [0; 8];
        self.ports.fill(&mut random);
        let run = format!("{:016x}", u64::from_le_bytes(random));
        let mut reader = SnapshotReader::new(&run, now().unix_ms(), self.limits);
        let mut names = Names::default();
        while let Some(bytes) = body.next().await.map_err(feed_trouble)? {
            names.scan(&bytes);
            for batch in reader.push(&bytes).map_err(fault_trouble)? {
                self.write(&batch).await?;
            }
        }
        let swap = reader.finish(before, now().unix_ms()).map_err(fault_trouble)?;
        for batch in &swap.staged {
            self.write(batch).await?;
        }
        self.write(&swap.batch).await?;
        self.follower.built(swap.replica.clone());
        self.fetch_ahead(&mut names);
        self.keep_up(&swap.replica).await
    }

    async fn changes(
        &mut self,
        origin: usize,
        replica: &Replica,
        wait_ms: u64,
        limit: u32,
    ) -> Result<(), Trouble> {
        let bytes_max = self.limits.changes_bytes_max;
        let asked = self.feed.changes(origin, replica, wait_ms, limit, bytes_max).await;
        let body = match asked.map_err(feed_trouble)? {
            Changes::Body(body) => body,
            Changes::Gone => {
                let why = format!(
                    "the origin does not know {}.{} any more: building the copy anew",
                    replica.epoch, replica.position
                );
                return Err(Trouble(Failure::Discontinuous, why));
            }
        };
        let answer = changes::parse(&body, &self.limits).map_err(fault_trouble)?;
        let plan = Plan::of(&answer);
        let needs_upkeep = !plan.is_empty();
        let at = now();
        let batch = changes::statements(replica, &answer, needs_upkeep, at.unix_ms(), &self.limits)
            .map_err(fault_trouble)?;
        if batch.is_empty() {
            self.note_contact(replica, at).await?;
        } else {
            self.write(&batch).await?;
            let mut names = Names::default();
            names.scan(&body);
            self.fetch_ahead(&mut names);
        }
        self.follower.applied(answer.to, answer.head, at.unix_ms());
        if !needs_upkeep {
            return Ok(());
        }
        // Reading again finds the mark, and what failed here is tried once more with everything else.
        let done = self.upkeep.follow(&plan, &self.store, at).await;
        done.map_err(|why| Trouble(Failure::Store, why))?;
        self.mark(&answer.epoch, answer.to, replica.upkeep.clone()).await
    }

    /// Writes down that the origin is there, once a minute when nothing changes.
    async fn note_contact(&mut self, replica: &Replica, at: Timestamp) -> Result<(), Trouble> {
        if at.since(Timestamp::from_unix_ms(replica.contact_at_ms)) < CONTACT_EVERY {
            return Ok(());
        }
        self.write(&[feed_core::contact(at.unix_ms())]).await?;
        self.follower.contacted(at.unix_ms());
        Ok(())
    }

    /// Lets KV follow a copy whose mark says that it has not.
    async fn keep_up(&mut self, replica: &Replica) -> Result<(), Trouble> {
        let Some(mark) = &replica.upkeep else { return Ok(()) };
        match self.upkeep.follow_all(mark, &self.store, now()).await {
            Ok(next) if next.as_ref() == Some(mark) => Ok(()),
            Ok(next) => self.mark(&replica.epoch, replica.position, next).await,
            Err(why) => {
                // The mark stays for the next run; the copy itself goes on.
                log::error(AREA, &format!("write KV: {why}"));
                Ok(())
            }
        }
    }

    async fn mark(
        &mut self,
        epoch: &str,
        position: u64,
        mark: Option<String>,
    ) -> Result<(), Trouble> {
        self.write(&[feed_core::upkeep(epoch, position, mark.as_deref())]).await?;
        self.follower.marked(mark);
        Ok(())
    }

    async fn write(&mut self, batch: &[Statement]) -> Result<(), Trouble> {
        self.follower.spend(batch.len());
        self.store.batch(batch).await.map_err(|why| Trouble(Failure::Store, why))
    }

    fn fetch_ahead(&mut self, names: &mut Names) {
        let names = names.take(self.media_left);
        self.media_left = self.media_left.saturating_sub(names.len());
        if !names.is_empty() {
            (self.fetch_ahead)(names);
        }
    }
}

fn feed_trouble(error: FeedError) -> Trouble {
    let failure = match error {
        FeedError::TooLarge => Failure::TooLarge,
        FeedError::Failed(_) => Failure::Feed,
    };
    Trouble(failure, error.to_string())
}

fn fault_trouble(fault: Fault) -> Trouble {
    let failure = match fault {
        Fault::TooLarge { .. } => Failure::TooLarge,
        Fault::Discontinuous(_) => Failure::Discontinuous,
        _ => Failure::Feed,
    };
    Trouble(failure, fault.to_string())
}
