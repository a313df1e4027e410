//! What happens to the shop without anybody asking: its own jobs, its payers, and everything that breaks.

use std::sync::Arc;

use domain::ErrorKind;
use providers::local::Wish;
use providers::payment::{Decision, IntentStatus};
use store::StoreError;

use crate::dice::Dice;
use crate::sim::Owner;
use crate::store_kind::drain;
use crate::world::World;

/// Starts that may fail one after the other before it counts as a fault: 10.
const STARTS_IN_VAIN_MAX: u32 = 10;

/// A job of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    ReleaseExpired,
    ReconcilePayments,
    ReconcileOperations,
    DeliverEvents,
    ForgetOld,
    IssueInvoices,
}

impl Job {
    pub(crate) const ALL: [Self; 6] = [
        Self::ReleaseExpired,
        Self::ReconcilePayments,
        Self::ReconcileOperations,
        Self::DeliverEvents,
        Self::ForgetOld,
        Self::IssueInvoices,
    ];

    /// Longest pause between two rounds, while the shop is open and afterwards, when only their end is waited for.
    const fn pause_max_ms(self, is_open: bool) -> i64 {
        match self {
            Self::ReleaseExpired => 15_000,
            Self::ReconcilePayments | Self::ReconcileOperations if is_open => 6_000,
            Self::ReconcilePayments | Self::ReconcileOperations => 15_000,
            Self::DeliverEvents | Self::IssueInvoices => 20_000,
            Self::ForgetOld => 120_000,
        }
    }
}

/// Does a job again and again.
pub(crate) async fn work(world: Arc<World>, job: Job, mut dice: Dice) {
    loop {
        let pause_max = job.pause_max_ms(world.is_open());
        world.sim.sleep(dice.between(pause_max / 4, pause_max)).await;
        let watcher = Arc::clone(&world);
        let done = world.inside(move |app| {
            let watcher = Arc::clone(&watcher);
            Box::pin(async move {
                match job {
                    Job::ReleaseExpired => app.release_expired().await,
                    Job::ReconcilePayments => app.reconcile_payments().await,
                    Job::ReconcileOperations => app.reconcile_operations().await,
                    Job::DeliverEvents => app.deliver_events().await,
                    Job::IssueInvoices => app.issue_invoices().await,
                    Job::ForgetOld => {
                        watcher.watch_events();
                        app.forget_old().await.map(usize::from)
                    }
                }
            })
        });
        match done.await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(count)) => world.sim.say(format!("{job:?}: {count}")),
            Ok(Err(error)) => {
                world.sim.say(format!("{job:?}: {error}"));
                world.judge_error(&format!("{job:?}"), &error);
            }
        }
    }
}

/// Payers who decide at the provider itself, of which the shop hears by webhook or by asking.
pub(crate) async fn pay_elsewhere(world: Arc<World>, mut dice: Dice) {
    while world.is_open() {
        world.sim.sleep(dice.between(1_000, 40_000)).await;
        let waiting: Vec<usize> = world
            .provider
            .intents()
            .iter()
            .enumerate()
            .filter(|(_, kept)| kept.intent.status == IntentStatus::RequiresAction)
            .map(|(place, _)| place)
            .collect();
        let decision = if dice.in_thousand(750) { Decision::Approve } else { Decision::Reject };
        if let Some(&place) = dice.pick(&waiting) {
            world.provider.happen(place, Wish::Act(decision));
        }
    }
}

/// Breaks things, one at a time, until the world calms down.
pub(crate) async fn break_things(world: Arc<World>, mut dice: Dice) {
    loop {
        world.sim.sleep_while_rough(dice.between(200, 10_000)).await;
        if !world.sim.is_rough() {
            return;
        }
        let place = usize::try_from(dice.below(u64::try_from(world.origins_count()).unwrap_or(1)))
            .unwrap_or(0);
        match dice.below(100) {
            0..=34 => kill(&world, place, &mut dice).await,
            35..=49 => {
                let pause = dice.between(500, 90_000);
                world.sim.say(format!("chaos: origin {place} stands still for {pause} ms"));
                world.count("stops");
                world.sim.freeze(Owner::Origin(place), pause);
            }
            50..=64 => {
                let ahead = if dice.in_thousand(300) {
                    dice.between(30_000, 240_000)
                } else {
                    dice.between(-30_000, 5_000)
                };
                world.sim.say(format!("chaos: the clock of origin {place} is {ahead} ms ahead"));
                world.count("clock steps");
                world.sim.skew(place, ahead);
                world.sim.sleep_while_rough(dice.between(1_000, 60_000)).await;
                world.sim.skew(place, 0);
                world.sim.say(format!("chaos: the clock of origin {place} is right again"));
            }
            65..=79 => {
                world.sim.say("chaos: the provider is gone");
                world.count("provider outages");
                world.provider.set_gone(true);
                world.sim.sleep_while_rough(dice.between(1_000, 60_000)).await;
                world.provider.set_gone(false);
                world.sim.say("chaos: the provider is back");
            }
            80..=91 => jam(&world, &mut dice).await,
            _ => night(&world, &mut dice).await,
        }
    }
}

async fn kill(world: &Arc<World>, place: usize, dice: &mut Dice) {
    world.sim.say(format!("chaos: origin {place} is killed"));
    world.count("kills");
    world.kill(place);
    let mut in_vain = 0;
    loop {
        world.sim.sleep_while_rough(dice.between(5, 4_000)).await;
        // A start may be killed too.
        let polls_max = if world.sim.mishap(200) { 1 } else { usize::MAX };
        match world.start(place, polls_max).await {
            Ok(true) => break,
            Ok(false) => world.sim.say(format!("chaos: origin {place} is killed while it starts")),
            // Whoever starts processes starts this one again, as after any that ends.
            Err(error) if may_start_later(&error) && in_vain < STARTS_IN_VAIN_MAX => {
                in_vain += 1;
                world.sim.say(format!("chaos: origin {place} does not start: {error:#}"));
                world.count("starts in vain");
            }
            Err(error) => {
                world.problem(format!("restart: {error:#}"));
                return;
            }
        }
    }
    world.sim.say(format!("chaos: origin {place} is up"));
}

/// Whether a start may go well a moment later: on a busy machine a database may not answer in time, or others may be in the
/// way for longer than is tried.
fn may_start_later(error: &anyhow::Error) -> bool {
    let of_app = error.downcast_ref::<app::Error>().map(app::Error::kind);
    let of_store = error.downcast_ref::<StoreError>().map(StoreError::kind);
    of_app.or(of_store) == Some(ErrorKind::Unavailable)
}

/// The store refuses writes for a moment.
async fn jam(world: &Arc<World>, dice: &mut Dice) {
    let jam = match world.store().map(|store| world.place.jam(&store)) {
        Some(Ok(Some(jam))) => jam,
        Some(Err(error)) => return world.problem(format!("fill the write queue: {error:#}")),
        Some(Ok(None)) => return cut(world),
        None => return,
    };
    world.sim.say("chaos: the write queue is full");
    world.count("full queues");
    world.sim.sleep_while_rough(dice.between(10, 400)).await;
    drop(jam);
    if let Some(store) = world.store() {
        drain(&store);
    }
    world.sim.say("chaos: the write queue has room");
}

/// Every connection to the database breaks, whatever was under way on it.
fn cut(world: &World) {
    match world.place.cut() {
        Ok(_count) => {
            world.sim.say("chaos: the connections to the database break");
            world.count("cut connections");
        }
        Err(error) => world.problem(format!("cut the connections: {error:#}")),
    }
}

/// Nobody comes for hours, now and then for days; what is under way arrives.
async fn night(world: &Arc<World>, dice: &mut Dice) {
    let hour = 3_600_000;
    let pause =
        if dice.in_thousand(250) { 8 * 24 * hour } else { dice.between(hour / 6, 10 * hour) };
    world.sim.say(format!("chaos: a night of {pause} ms"));
    world.count("nights");
    world.sim.freeze(Owner::Client, pause);
    world.sim.freeze(Owner::Job, pause);
    world.sim.sleep_while_rough(pause).await;
    world.sim.say("chaos: morning");
}
