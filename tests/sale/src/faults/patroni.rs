//! What is done to a primary that Patroni looks after; Patroni mends it.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use pgcluster::{Patroni, PatroniPrograms};

use super::arena::{Wound, wait};
use super::dice::Dice;
use super::harm::Frozen;
use super::shop::{Database, free_port};

/// What happens to the primary.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    ServerKilled,
    NodeKilled,
    Switchover,
    Frozen,
}

/// Starts a cluster.
pub(crate) fn start(folder: &Path) -> Result<Database> {
    let programs = PatroniPrograms::find()?;
    let folder = folder.join("postgres");
    let servers = [free_port()?, free_port()?, free_port()?];
    let control = [free_port()?, free_port()?, free_port()?];
    let etcd = [free_port()?, free_port()?];
    let cluster = Patroni::start(&programs, &folder, servers, control, etcd)?;
    Ok(Database::Patroni(Box::new(cluster)))
}

/// Harms the primary, and waits until Patroni has mended everything. What is mended first is that a server takes writes.
pub(crate) fn wound(
    fate: Fate,
    cluster: &mut Patroni,
    round: u64,
    dice: &mut Dice,
) -> Result<Wound> {
    let lost = cluster.primary(&[])?;
    let wound = match fate {
        Fate::ServerKilled => kill_server(cluster, lost),
        Fate::NodeKilled => kill_node(cluster, lost, dice),
        Fate::Switchover => switch_over(cluster, lost, dice),
        Fate::Frozen => freeze(cluster, lost, round, dice),
    }?;
    cluster.heal()?;
    Ok(wound)
}

/// Patroni starts it again or promotes another, whichever it thinks right.
fn kill_server(cluster: &Patroni, lost: usize) -> Result<Wound> {
    cluster.kill_server(lost)?;
    let at = Instant::now();
    let found = cluster.primary(&[])?;
    let mended = Instant::now();
    let what = if found == lost { "started again".to_owned() } else { format!("{found} promoted") };
    let took = (mended - at).as_millis();
    Ok(Wound { what: format!("primary {lost} killed, {what} in {took} ms"), at, mended })
}

fn kill_node(cluster: &mut Patroni, lost: usize, dice: &mut Dice) -> Result<Wound> {
    cluster.kill_node(lost)?;
    let at = Instant::now();
    let found = cluster.primary(&[lost])?;
    let mended = Instant::now();
    wait(dice.below(1_000));
    cluster.start_node(lost)?;
    let took = (mended - at).as_millis();
    let what = format!("primary {lost} and its Patroni killed, {found} promoted in {took} ms");
    Ok(Wound { what, at, mended })
}

fn switch_over(cluster: &Patroni, lost: usize, dice: &mut Dice) -> Result<Wound> {
    let step = 1 + usize::try_from(dice.below(2))?;
    let next = (lost + step) % 3;
    let at = Instant::now();
    cluster.switch_over(lost, next)?;
    let found = cluster.primary(&[lost])?;
    let mended = Instant::now();
    let took = (mended - at).as_millis();
    Ok(Wound { what: format!("switched over from {lost} to {found} in {took} ms"), at, mended })
}

/// The old primary wakes up after another was promoted, with everything that it had been asked.
fn freeze(cluster: &Patroni, lost: usize, round: u64, dice: &mut Dice) -> Result<Wound> {
    let with_patroni = round.is_multiple_of(2);
    // Who would notice first, first.
    let patroni = if with_patroni { Some(cluster.patroni_pid(lost)?) } else { None };
    let patroni = patroni.map(Frozen::freeze);
    let server = Frozen::freeze(cluster.server_pid(lost)?);
    let at = Instant::now();
    let found = cluster.primary(&[lost]);
    let mended = Instant::now();
    wait(dice.below(1_000));
    server.thaw();
    // For so long it believes that it is the primary, and takes what it is asked.
    wait(dice.below(1_000));
    if let Some(patroni) = patroni {
        patroni.thaw();
    }
    let who = if with_patroni { " and its Patroni frozen" } else { " frozen" };
    let took = (mended - at).as_millis();
    let what = format!("primary {lost}{who}, {} promoted in {took} ms", found?);
    Ok(Wound { what: format!("{what}, the old one thawed beside it"), at, mended })
}
