//! `faults`: real processes under load are killed, cut off and run out of disk; nothing that was acknowledged may be
//! lost, and nothing sold or charged twice.
//!
//! A round of one kind: buyers talk HTTP to the origins, something is harmed and mended, buyers end, everything comes
//! to rest, and all books are compared: what clients were told, the shop's database, its counters against its
//! movements, the payment provider's database; and `sim`'s checker reads the clients' log.

mod arena;
mod buyers;
mod checks;
mod client;
mod dice;
mod harm;
mod log;
mod patroni;
mod process;
mod report;
mod shop;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use rustix::process::{Pid, Signal, kill_process};

use crate::say;
use arena::{Arena, Wound};
use buyers::{Crowd, Purchase};
use checks::Books;
use dice::Dice;
use harm::Network;
use report::Times;

/// Longest wait for the first sale after what was harmed is mended: 60 s.
const RECOVER_MAX: Duration = Duration::from_secs(60);
/// Longest wait until buyers have their answers: 150 s, longer than they insist.
const LEAVE_MAX: Duration = Duration::from_secs(150);
/// Longest wait until every payment has ended: 90 s.
const SETTLE_MAX: Duration = Duration::from_secs(90);

/// What is harmed, and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Only these kinds.
    #[arg(long = "kind", value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Decides who is harmed and for how long, and what is bought. The time unless said.
    #[arg(long)]
    seed: Option<u64>,
    /// Buyers at once.
    #[arg(long, default_value_t = 12)]
    buyers: usize,
    /// Where logs are left when something is wrong; a temporary folder unless said.
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

/// A kind of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// SIGKILL of one of two origins, which is started again.
    Origin,
    /// SIGKILL of the PostgreSQL primary, and the promotion of a standby; sometimes it is frozen and comes back.
    Primary,
    /// The primary is cut off in a network namespace, with and without a promotion.
    Cut,
    /// The disk of the PostgreSQL primary is full.
    Disk,
    /// The disk of the embedded store is full.
    FileDisk,
    /// SIGKILL of the primary in a cluster that Patroni looks after.
    PatroniServer,
    /// SIGKILL of the primary together with its Patroni, as when its machine is lost.
    PatroniNode,
    /// `patronictl switchover`, as before maintenance.
    PatroniSwitchover,
    /// The primary is frozen until Patroni has replaced it, and comes back; sometimes its Patroni is frozen with it.
    PatroniFrozen,
}

impl Kind {
    /// Tells whether Patroni chooses the primary.
    const fn is_patroni(self) -> bool {
        matches!(
            self,
            Self::PatroniServer | Self::PatroniNode | Self::PatroniSwitchover | Self::PatroniFrozen
        )
    }
}

/// What one kind came to.
#[derive(Debug, Default)]
struct Outcome {
    times: Vec<Times>,
    faults: Vec<String>,
}

/// The command.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => {
            u64::from(std::time::UNIX_EPOCH.elapsed().context("read the clock")?.subsec_nanos())
        }
    };
    let kinds = match options.kinds.as_slice() {
        [] => Kind::value_variants(),
        kinds => kinds,
    };
    say(&format!(
        "seed {seed}, {} rounds of each kind, {} buyers",
        options.rounds, options.buyers
    ))?;
    let mut wrong = 0;
    let mut lines = Vec::new();
    for kind in kinds {
        if *kind == Kind::Cut && std::env::var_os(harm::INSIDE).is_none() {
            if let Some(why) = Network::hindrance() {
                lines.push(format!("cut: LEFT OUT, no network namespaces here: {why}"));
            } else if !inside(options, seed).await? {
                wrong += 1;
            }
            continue;
        }
        if kind.is_patroni()
            && let Err(error) = pgcluster::PatroniPrograms::find()
        {
            lines.push(format!("{}: LEFT OUT, no Patroni here: {error:#}", report::name(*kind)));
            continue;
        }
        let outcome = run_kind(*kind, options, seed).await?;
        lines.extend(report::lines(*kind, &outcome));
        wrong += outcome.faults.len();
    }
    for line in lines {
        say(&line)?;
    }
    if wrong > 0 {
        bail!("something is wrong: run again with --seed {seed}");
    }
    Ok(())
}

/// Runs the kind that cuts in a network namespace of its own; says whether all was right.
async fn inside(options: &Options, seed: u64) -> Result<bool> {
    let own = std::env::current_exe().context("find this program")?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(own).args(["faults", "--kind", "cut"]);
    command.args(["--rounds", &options.rounds.to_string(), "--seed", &seed.to_string()]);
    command.args(["--buyers", &options.buyers.to_string()]);
    if let Some(logs) = &options.logs {
        command.arg("--logs").arg(logs);
    }
    let child = command.env(harm::INSIDE, "1").spawn().context("run in a network namespace")?;
    let mut inside = Inside(child);
    loop {
        if let Some(status) = inside.0.try_wait().context("wait for a network namespace")? {
            return Ok(status.success());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// This program in a network namespace. Dropping it ends it, and what it started.
struct Inside(Child);

impl Drop for Inside {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

async fn run_kind(kind: Kind, options: &Options, seed: u64) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("vitrine-faults-").tempdir();
    let mut folder = folder.context("make a folder")?;
    // Somebody without rights runs PostgreSQL where root cannot.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
        .context("open the folder")?;
    let name = report::name(kind);
    let arena = tokio::task::block_in_place(|| Arena::start(kind, folder.path()));
    let mut arena = arena.with_context(|| format!("{name}: start a shop"))?;
    let log = log::Log::create(&folder.path().join("history.ndjson"))?;
    let crowd = Arc::new(Crowd::new(arena.shop.urls(), seed, log));
    let mut outcome = Outcome::default();
    for round in 1..=options.rounds {
        let told = run_round(kind, round, options, &mut arena, &crowd).await;
        let faults = match told {
            Ok((wound, times, faults)) => {
                say(&format!("{name} {round}: {}; {}", wound.what, times.text()))?;
                outcome.times.push(times);
                faults
            }
            Err(error) => vec![format!("{error:#}")],
        };
        for fault in &faults {
            say(&format!("{name} {round}: WRONG: {fault}"))?;
        }
        if !faults.is_empty() {
            outcome.faults.extend(faults);
            break;
        }
    }
    crowd.log.flush()?;
    drop(arena);
    if !outcome.faults.is_empty() {
        keep(&mut folder, options.logs.as_deref(), name)?;
    }
    Ok(outcome)
}

async fn run_round(
    kind: Kind,
    round: u64,
    options: &Options,
    arena: &mut Arena,
    crowd: &Arc<Crowd>,
) -> Result<(Wound, Times, Vec<String>)> {
    let mut dice = Dice::new(crowd.seed, 1_000_000 + round);
    let began = crowd.purchases().len();
    let buyers = crowd.enter(round, options.buyers);
    tokio::time::sleep(Duration::from_millis(1_000 + dice.below(1_000))).await;
    let wound = tokio::task::block_in_place(|| arena.wound(round, &mut dice, crowd));
    let recovered = match &wound {
        Ok(wound) => wait_for_sale(crowd, began, wound.mended).await,
        Err(_) => Ok(()),
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    crowd.stop();
    let stopped = Instant::now();
    let mut faults = Vec::new();
    let until = tokio::time::Instant::now() + LEAVE_MAX;
    for buyer in buyers {
        match tokio::time::timeout_at(until, buyer).await {
            Ok(ended) => {
                if let Err(error) = ended.context("a buyer panicked").flatten() {
                    faults.push(format!("{error:#}"));
                }
            }
            Err(_late) => faults.push("a buyer does not end".to_owned()),
        }
    }
    let wound = wound.context("harm and mend")?;
    recovered?;
    let purchases = crowd.purchases();
    settle(arena).await?;
    // One process has the file; a second one beside it would be against the rules.
    let is_file = kind == Kind::FileDisk;
    if is_file {
        arena.shop.origins.iter_mut().for_each(process::Process::kill);
    }
    let sums = arena.shop.sums().await?;
    let books = Books::read(&arena.shop, sums).await?;
    faults.extend(books.faults(&purchases));
    faults.extend(crowd.log.faults()?);
    if is_file {
        for origin in &mut arena.shop.origins {
            tokio::task::block_in_place(|| origin.restart())?;
        }
    }
    let of_round = purchases.get(began..).unwrap_or_default();
    Ok((wound.clone(), Times::of(of_round, &wound, stopped), faults))
}

/// Waits until a checkout that was asked for after a moment is acknowledged.
async fn wait_for_sale(crowd: &Crowd, began: usize, after: Instant) -> Result<()> {
    let until = Instant::now() + RECOVER_MAX;
    let is_sale = |purchase: &Purchase| purchase.asked >= after && purchase.is_placed();
    while !crowd.purchases().iter().skip(began).any(is_sale) {
        if Instant::now() > until {
            bail!("no sale within {} s after all was mended", RECOVER_MAX.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Waits until no payment moves any more.
async fn settle(arena: &Arena) -> Result<()> {
    let until = Instant::now() + SETTLE_MAX;
    loop {
        let left = match arena.shop.rows(checks::UNSETTLED).await {
            Ok(rows) => rows.first().map(|row| checks::number(row, 0)).transpose()?,
            Err(error) if Instant::now() > until => return Err(error),
            Err(_not_now) => None,
        };
        if left == Some(0) {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("{left:?} payments still move after {} s", SETTLE_MAX.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Leaves the folder with the clients' log and the processes' logs where it can be read.
fn keep(folder: &mut tempfile::TempDir, logs: Option<&Path>, name: &str) -> Result<()> {
    let Some(logs) = logs else {
        folder.disable_cleanup(true);
        return say(&format!("{name}: everything is in {}", folder.path().display()));
    };
    let to = logs.join(name);
    std::fs::create_dir_all(&to).with_context(|| format!("make {}", to.display()))?;
    for entry in std::fs::read_dir(folder.path()).context("look for logs")? {
        let path = entry.context("look for logs")?.path();
        let is_log = path.extension().is_some_and(|ending| ending == "log" || ending == "ndjson");
        if let Some(file) = path.file_name()
            && is_log
        {
            std::fs::copy(&path, to.join(file)).context("keep a log")?;
        }
    }
    say(&format!("{name}: logs are in {}", to.display()))
}
