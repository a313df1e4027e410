//! The PostgreSQL server that tests make their databases in: one that is there, or one that lives as long as the run.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pgcluster::{Durability, Place, Programs, Server, TEST_URL};

use crate::Context;
use crate::disk;
use crate::tools;

/// Where files are memory, if it has room.
const MEMORY: &str = "/dev/shm";
/// Room that the databases of a run may take, with the log of what was written to them.
const ROOM_BYTES_MIN: u64 = 4 << 30;

/// A server, and how the summary calls it.
#[derive(Debug)]
pub(super) struct Database {
    /// Nothing where somebody else's server was named in the environment.
    own: Option<Throwaway>,
    said: String,
}

#[derive(Debug)]
struct Throwaway(Server);

impl Database {
    /// Takes the server that the environment names, or starts one; PostgreSQL is installed if it is missing.
    pub(super) fn start(context: &Context) -> Result<Self> {
        if std::env::var_os(TEST_URL).is_some() {
            return Ok(Self { own: None, said: format!("PostgreSQL: the server of {TEST_URL}") });
        }
        let programs = tools::postgres(context, "the tests of the origin need PostgreSQL")?;
        let report = context.reporter.step("start a PostgreSQL server for the tests");
        let started = Throwaway::start(&programs);
        report.ended(started.is_ok());
        let own = started.context("start a PostgreSQL server for the tests")?;
        let version = programs.version()?;
        let place = own.0.place().folder.display();
        let said = format!("PostgreSQL: {version}, a server of this run alone in {place}");
        Ok(Self { own: Some(own), said })
    }

    /// What a test program is told besides what it inherits.
    pub(super) fn variable(&self) -> Option<(&'static str, String)> {
        let own = self.own.as_ref()?;
        // A URL without a database: each test makes one.
        let url = own.0.url("");
        Some((TEST_URL, url.trim_end_matches('/').to_owned()))
    }

    pub(super) fn said(&self) -> String {
        self.said.clone()
    }
}

impl Throwaway {
    fn start(programs: &Programs) -> Result<Self> {
        let folder = base().join(format!("vitrine-test-postgres-{}", std::process::id()));
        if folder.exists() {
            bail!("{} is in the way: remove it", folder.display());
        }
        let place = Place { folder, port: free_port()?, name: "tests".into() };
        // First, so that what an interrupted start made is removed too.
        let mut own = Self(Server::there(programs, place.clone()));
        own.0 = Server::init(programs, place, Durability::Thrown)?;
        own.0.start()?;
        Ok(own)
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        self.0.stop();
        let folder = &self.0.place().folder;
        // What cannot be removed is left to whoever empties temporary folders.
        let _ = fs::remove_dir_all(folder);
        let _ = fs::remove_dir_all(folder.with_extension("new"));
        let _ = fs::remove_file(self.0.log());
    }
}

fn base() -> PathBuf {
    let memory = Path::new(MEMORY);
    let has_room = memory.is_dir() && disk::room(memory).is_some_and(|room| room >= ROOM_BYTES_MIN);
    if has_room { memory.to_owned() } else { std::env::temp_dir() }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("read a listener's address")?.port())
}

#[cfg(test)]
mod tests {
    use pgcluster::Programs;

    use super::Throwaway;

    #[test]
    fn the_server_of_a_run_leaves_nothing_behind() {
        let Ok(programs) = Programs::find() else {
            println!("left out: PostgreSQL's programs are not on this machine");
            return;
        };
        let own = Throwaway::start(&programs).unwrap();
        assert_eq!(own.0.ask("SHOW fsync").unwrap(), "off");
        let (place, log) = (own.0.place().clone(), own.0.log());
        assert!(place.folder.is_dir() && log.is_file());
        drop(own);
        assert!(std::net::TcpStream::connect(("127.0.0.1", place.port)).is_err());
        assert!(!place.folder.exists() && !log.exists());
    }
}
