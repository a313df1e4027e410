//! Two proxies before two origins, under load and faults: no client may lose a request, see a wrong byte, or get an answer
//! that is older than its headers allow.
//!
//! Clients behave as sensible ones do (`shopper`): what a node did not begin to answer they ask another one. Faults come
//! one at a time, in an order that follows from a printed seed (`faults`).

mod catalogue;
mod faults;
mod fleet;
mod judge;
mod shopper;
mod tally;
mod tls;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::Environment;

use crate::cli::CdnSoakArgs;
use crate::random::{self, Random};
use crate::say;
use faults::Faults;
use fleet::Fleet;
use shopper::{Shopper, Site};
use tally::Tally;

/// Beyond the load's end, everything under way has this long.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Starts everything, keeps it under load, prints, and judges.
pub(crate) async fn run(args: &CdnSoakArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    let seed = args.seed.unwrap_or_else(random::seed);
    say(&format!("seed {seed}: start two origins and two nodes"))?;
    let mut random = Random::seeded(seed);
    let mut fleet = Fleet::start(&environment, &mut random).await?;
    let tally = Arc::new(Tally::default());
    let site = Arc::new(Site {
        nodes: fleet.addresses(),
        tls: tls::clients(&environment)?,
        purges: fleet.purges(),
        tally: Arc::clone(&tally),
        pause: Duration::from_millis(args.pause_ms.into()),
    });
    let over = Arc::new(AtomicBool::new(false));
    let mut shopping = tokio::task::JoinSet::new();
    for number in 0..args.clients {
        let shopper = Shopper::new(Arc::clone(&site), number, random.next());
        shopping.spawn(shopper.run(Arc::clone(&over)));
    }
    say(&format!("load and faults for {} minutes", args.minutes))?;
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(args.minutes * 60.0);
    let faults = faults::run(&mut fleet, &mut random, until, args.harsh).await;
    over.store(true, Ordering::Relaxed);
    let ending = async { while shopping.join_next().await.is_some() {} };
    let ended = tokio::time::timeout(END_LIMIT, ending).await;
    let elapsed = started.elapsed();
    let logs = fleet.log_ends();
    fleet.stop().await?;
    // What came of requests is told whatever became of the faults.
    let (faults, failed) = match faults {
        Ok(faults) => (faults, None),
        Err(error) => (Faults::default(), Some(error)),
    };
    tally.print(seed, elapsed, &faults, args.json)?;
    if let Some(error) = failed {
        return Err(error.context(format!("seed {seed}\n{logs}")));
    }
    ended.context("wait for the clients")?;
    if let Some(why) = tally.complaint() {
        bail!("seed {seed}: {why}\n{logs}");
    }
    Ok(())
}
