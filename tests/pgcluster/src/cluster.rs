//! A primary and its standbys, and what happens when the primary is gone.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::server::{CHANGE_MAX, STANDBY};
use crate::{Durability, Place, Programs, Server};

/// Servers of which one takes writes. A commit waits for one of the standbys besides (quorum synchronous).
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Server>,
    primary: usize,
}

impl Cluster {
    /// Makes and starts a primary and two standbys below `folder`, on these ports; those that are there go on.
    ///
    /// # Errors
    /// When one of them cannot be made or started.
    pub fn start(programs: &Programs, folder: &Path, ports: [u16; 3]) -> Result<Self> {
        let places = Self::places(folder, ports);
        let chosen = Self::primary_of(&places)?;
        let mut primary = Server::init(programs, places[chosen].clone(), Durability::Kept)?;
        primary.start()?;
        let mut servers = Vec::new();
        for place in &places {
            if place != primary.place() {
                let mut standby = Server::follow(programs, place.clone(), primary.place())?;
                standby.start()?;
                servers.push(standby);
            }
        }
        servers.insert(chosen, primary);
        let cluster = Self { servers, primary: chosen };
        cluster.wait_for_standbys(2)?;
        cluster.demand_quorum()?;
        Ok(cluster)
    }

    /// Returns where the three servers below a folder are.
    #[must_use]
    pub fn places(folder: &Path, ports: [u16; 3]) -> [Place; 3] {
        let [first, second, third] = ports;
        [("one", first), ("two", second), ("three", third)].map(|(name, port)| Place {
            folder: folder.join(name),
            port,
            name: name.to_owned(),
        })
    }

    /// Returns which of the servers that stand still has what was acknowledged last: the one that would start as a
    /// primary, and of several the one that was promoted last. The first where none is there yet.
    ///
    /// # Errors
    /// When only standbys are there, or one of them followed a newer primary than those that are there: whichever
    /// server went on, something that was acknowledged might be lost.
    pub fn primary_of(places: &[Place; 3]) -> Result<usize> {
        let mut made: Vec<(usize, &Place)> =
            places.iter().enumerate().filter(|(_, place)| place.is_made()).collect();
        let newest = made.iter().map(|(_, place)| place.timeline()).max();
        // The first of several that say the same.
        made.sort_by_key(|(_, place)| std::cmp::Reverse(place.timeline()));
        let found = made.iter().find(|(_, place)| !place.is_standby());
        match (newest, found) {
            (None, _) => Ok(0),
            (Some(newest), Some((index, place))) if place.timeline() == newest => Ok(*index),
            (Some(_), _) => {
                let folders: Vec<String> =
                    made.iter().map(|(_, place)| place.folder.display().to_string()).collect();
                bail!(
                    "the last primary is gone, and its standbys are there: choose the one that has most, and remove \
                     {STANDBY} from its folder ({})",
                    folders.join(", ")
                )
            }
        }
    }

    /// Returns a URL that names all servers; the one that takes writes is used.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let hosts: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.place().port))
            .collect();
        format!("postgresql://{}@{}/{database}", crate::USER, hosts.join(","))
    }

    /// Returns the server that takes writes.
    #[must_use]
    pub fn primary(&self) -> &Server {
        &self.servers[self.primary]
    }

    /// Returns the server that takes writes, to be killed or stopped.
    pub fn primary_mut(&mut self) -> &mut Server {
        &mut self.servers[self.primary]
    }

    /// Returns all servers.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Lets every commit wait until one standby has it on disk, whichever is first.
    ///
    /// # Errors
    /// When the primary does not answer.
    pub fn demand_quorum(&self) -> Result<()> {
        let names: Vec<&str> = self
            .servers
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.primary)
            .map(|(_, server)| server.place().name.as_str())
            .collect();
        self.primary().demand_quorum(&names)
    }

    /// Replaces a primary that is gone: fences every standby from it, promotes the one that has received most, and
    /// lets the other follow it. Returns how long that took. Nothing that was acknowledged is lost, for one of the
    /// fenced standbys has it.
    ///
    /// # Errors
    /// When a standby does not answer, or is not promoted in time.
    pub fn fail_over(&mut self) -> Result<Duration> {
        let started = Instant::now();
        let standbys: Vec<usize> =
            (0..self.servers.len()).filter(|index| *index != self.primary).collect();
        // All first: an old primary that is only slow must not have a commit acknowledged after this.
        for &index in &standbys {
            let standby = &self.servers[index];
            standby.ask("ALTER SYSTEM SET primary_conninfo = ''")?;
            standby.ask("SELECT pg_reload_conf()")?;
        }
        for &index in &standbys {
            self.servers[index].wait_until(
                "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'",
                "0",
                CHANGE_MAX,
            )?;
        }
        let mut received = Vec::new();
        for &index in &standbys {
            let bytes = self.servers[index]
                .ask("SELECT coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn")?;
            let bytes: u64 = bytes.parse().with_context(|| format!("read an LSN: {bytes}"))?;
            received.push((bytes, index));
        }
        let (_, chosen) = received.into_iter().max().context("find a standby")?;
        self.servers[chosen].ask("SELECT pg_promote(true, 30)")?;
        self.servers[chosen].wait_until("SELECT pg_is_in_recovery()", "f", CHANGE_MAX)?;
        let old = std::mem::replace(&mut self.primary, chosen);
        let primary = self.servers[chosen].place().clone();
        for index in standbys.into_iter().filter(|index| *index != chosen) {
            self.servers[index].set_primary(&primary)?;
            self.servers[index].ask("SELECT pg_reload_conf()")?;
        }
        self.wait_for_standbys(1)?;
        self.demand_quorum()?;
        let took = started.elapsed();
        if old == chosen {
            bail!("the primary was promoted again");
        }
        Ok(took)
    }

    /// Takes a server that was primary, or was lost otherwise, back as a standby, copied anew.
    ///
    /// # Errors
    /// When the copy or its start fails.
    pub fn take_back(&mut self, index: usize) -> Result<()> {
        let primary = self.primary().place().clone();
        let server = self.servers.get_mut(index).context("find the server")?;
        server.kill();
        server.copy(&primary)?;
        server.start()?;
        self.wait_for_standbys(self.servers.len() - 1)
    }

    /// Returns the place of the primary among the servers.
    #[must_use]
    pub const fn primary_index(&self) -> usize {
        self.primary
    }

    fn wait_for_standbys(&self, count: usize) -> Result<()> {
        self.primary().wait_until(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
            &count.to_string(),
            CHANGE_MAX,
        )
    }
}
