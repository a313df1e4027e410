//! What is harmed in each kind, and how it is mended.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use pgcluster::{Cluster, Programs, Server};

use super::Kind;
use super::buyers::Crowd;
use super::dice::Dice;
use super::harm::{Frozen, Network, SmallDisk};
use super::patroni::{self, Fate};
use super::shop::{Database, Shop, free_port};

/// Room of the primary's disk: its files, 256 MB of log that standbys may want, and 16 MB segments beyond.
const PRIMARY_MB: u32 = 1_024;
/// Room of the disk of an embedded store, for 100 rounds: each leaves 3 to 4 MB of orders.
const FILE_MB: u32 = 512;
/// What must be free before a disk is filled, in MB: the shop goes on with that when the filler is away.
const FREE_MB_MIN: usize = 8;
/// Longest until a full disk is noticed: 40 s.
const NOTICE_MAX: Duration = Duration::from_secs(40);

/// A shop, and what harms it.
#[derive(Debug)]
pub(crate) struct Arena {
    pub(crate) shop: Shop,
    harm: Harm,
}

#[derive(Debug)]
enum Harm {
    Origin,
    Primary,
    Cut(Network),
    Disk(SmallDisk),
    Patroni(Fate),
}

/// When something was harmed and when it was mended.
#[derive(Debug, Clone)]
pub(crate) struct Wound {
    pub(crate) what: String,
    pub(crate) at: Instant,
    pub(crate) mended: Instant,
}

impl Arena {
    /// Starts the shop of a kind.
    pub(crate) fn start(kind: Kind, folder: &Path) -> Result<Self> {
        let (database, harm) = match kind {
            Kind::Origin => (cluster(folder)?, Harm::Origin),
            Kind::Primary => (cluster(folder)?, Harm::Primary),
            Kind::Cut => {
                let network = Network::prepare()?;
                (cluster(folder)?, Harm::Cut(network))
            }
            Kind::Disk => {
                let disk = SmallDisk::mount(&folder.join("disk"), PRIMARY_MB)?;
                (cluster_on(folder, &disk)?, Harm::Disk(disk))
            }
            Kind::FileDisk => {
                let disk = SmallDisk::mount(&folder.join("disk"), FILE_MB)?;
                (Database::File(disk.folder().join("origin.db")), Harm::Disk(disk))
            }
            Kind::PatroniServer => (patroni::start(folder)?, Harm::Patroni(Fate::ServerKilled)),
            Kind::PatroniNode => (patroni::start(folder)?, Harm::Patroni(Fate::NodeKilled)),
            Kind::PatroniSwitchover => (patroni::start(folder)?, Harm::Patroni(Fate::Switchover)),
            Kind::PatroniFrozen => (patroni::start(folder)?, Harm::Patroni(Fate::Frozen)),
        };
        Ok(Self { shop: Shop::start(folder, database)?, harm })
    }

    /// Harms and mends. Blocks for as long as that takes.
    pub(crate) fn wound(&mut self, round: u64, dice: &mut Dice, crowd: &Crowd) -> Result<Wound> {
        match &self.harm {
            Harm::Origin => kill_origin(&mut self.shop, dice),
            Harm::Primary if round % 3 == 2 => freeze_primary(self.shop.cluster()?, dice),
            Harm::Primary => kill_primary(self.shop.cluster()?, dice),
            Harm::Cut(network) => cut(network, self.shop.cluster()?, round, dice),
            Harm::Disk(disk) => fill(disk, &mut self.shop.database, crowd),
            Harm::Patroni(fate) => patroni::wound(*fate, self.shop.patroni()?, round, dice),
        }
    }
}

pub(super) fn wait(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn kill_origin(shop: &mut Shop, dice: &mut Dice) -> Result<Wound> {
    let count = u64::try_from(shop.origins.len())?;
    let victim = usize::try_from(dice.below(count))?;
    let origin = shop.origins.get_mut(victim).context("find an origin")?;
    origin.kill();
    let at = Instant::now();
    wait(200 + dice.below(800));
    origin.restart()?;
    let what = format!("origin {victim} killed and started again");
    Ok(Wound { what, at, mended: Instant::now() })
}

fn kill_primary(cluster: &mut Cluster, dice: &mut Dice) -> Result<Wound> {
    let lost = cluster.primary_index();
    cluster.primary_mut().kill();
    let at = Instant::now();
    wait(dice.below(1_000));
    let took = cluster.fail_over()?;
    let mended = Instant::now();
    cluster.take_back(lost)?;
    let what = format!("primary {lost} killed, another promoted in {} ms", took.as_millis());
    Ok(Wound { what, at, mended })
}

/// The old primary wakes up after another was promoted, with everything that it had been asked.
fn freeze_primary(cluster: &mut Cluster, dice: &mut Dice) -> Result<Wound> {
    let lost = cluster.primary_index();
    let pid = cluster.primary().pid().context("find the primary")?;
    let frozen = Frozen::freeze(pid);
    let at = Instant::now();
    wait(dice.below(1_000));
    let took = cluster.fail_over()?;
    let mended = Instant::now();
    wait(dice.below(1_000));
    frozen.thaw();
    // It believes that it is the primary, and takes what it is asked.
    wait(1_000 + dice.below(1_000));
    cluster.take_back(lost)?;
    let what = format!("primary {lost} frozen, another promoted in {} ms", took.as_millis());
    Ok(Wound { what: format!("{what}, the old one thawed beside it"), at, mended })
}

/// Cuts the primary off from origins and standbys; in every other round another is promoted meanwhile.
fn cut(network: &Network, cluster: &mut Cluster, round: u64, dice: &mut Dice) -> Result<Wound> {
    let lost = cluster.primary_index();
    let port = cluster.primary().place().port;
    let cut = network.cut(port)?;
    let at = Instant::now();
    wait(1_000 + dice.below(3_000));
    if round % 2 == 1 {
        drop(cut);
        let what = format!("primary {lost} cut off for {} ms", at.elapsed().as_millis());
        return Ok(Wound { what, at, mended: Instant::now() });
    }
    let took = cluster.fail_over()?;
    let mended = Instant::now();
    wait(dice.below(2_000));
    drop(cut);
    wait(1_000);
    cluster.take_back(lost)?;
    let what = format!("primary {lost} cut off, another promoted in {} ms", took.as_millis());
    Ok(Wound { what: format!("{what}, the old one reachable again beside it"), at, mended })
}

fn fill(disk: &SmallDisk, database: &mut Database, crowd: &Crowd) -> Result<Wound> {
    let failures = || crowd.failures.load(Ordering::Relaxed);
    let filled = disk.fill()?;
    if filled < FREE_MB_MIN {
        disk.free()?;
        bail!("the shop itself has left {filled} MB of its disk: run fewer rounds");
    }
    let (before, started) = (failures(), Instant::now());
    while failures() == before {
        if started.elapsed() > NOTICE_MAX {
            disk.free()?;
            bail!("the disk was full for {} s, and nobody noticed", NOTICE_MAX.as_secs());
        }
        if let Database::Cluster(cluster) = &*database {
            // Segments that were made before are used up first.
            let _ = cluster.primary().ask("SELECT pg_switch_wal()");
        }
        wait(100);
    }
    let at = Instant::now();
    wait(1_000);
    let refused = failures() - before;
    disk.free()?;
    let mut what = format!("disk full with {filled} MB, {refused} refused");
    if let Database::Cluster(cluster) = database {
        let server = cluster.primary_mut();
        if !is_ready_within(server, Duration::from_secs(5)) {
            // It gives up when it cannot write its log, and whoever supervises it starts it again.
            server.kill();
            server.start()?;
            what.push_str(", the server had given up and was started again");
        }
        cluster.primary().ask("CHECKPOINT")?;
    }
    Ok(Wound { what, at, mended: Instant::now() })
}

fn is_ready_within(server: &Server, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if server.is_ready() {
            return true;
        }
        wait(100);
    }
    false
}

fn cluster(folder: &Path) -> Result<Database> {
    let programs = Programs::find()?;
    let ports = [free_port()?, free_port()?, free_port()?];
    let cluster = Cluster::start(&programs, &folder.join("postgres"), ports)?;
    Ok(Database::Cluster(Box::new(cluster)))
}

/// Starts a cluster whose primary is on a disk of its own.
fn cluster_on(folder: &Path, disk: &SmallDisk) -> Result<Database> {
    let programs = Programs::find()?;
    let ports = [free_port()?, free_port()?, free_port()?];
    let root = folder.join("postgres");
    let mut cluster = Cluster::start(&programs, &root, ports)?;
    cluster.primary_mut().stop();
    let own = cluster.primary().place().folder.clone();
    drop(cluster);
    let moved = disk.folder().join("primary");
    let status = Command::new("cp").arg("--archive").arg(&own).arg(&moved).status();
    if !status.context("run cp")?.success() {
        bail!("the primary does not fit onto its disk");
    }
    std::fs::remove_dir_all(&own).context("remove what was moved")?;
    std::os::unix::fs::symlink(&moved, &own).context("lead to what was moved")?;
    let cluster = Cluster::start(&programs, &root, ports)?;
    Ok(Database::Cluster(Box::new(cluster)))
}
