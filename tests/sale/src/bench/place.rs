//! Databases to measure on.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use pgcluster::{Cluster, DATABASE, Durability, Programs, Server};
use store::{ConnectionUrl, Store, StoreConfig};

/// A database engine of our own.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite { folder: PathBuf, made: AtomicU32 },
    Postgres { programs: Programs, servers: Servers, made: AtomicU32 },
}

/// One server, or a primary with two standbys.
#[derive(Debug)]
pub(crate) enum Servers {
    One(Server),
    Quorum(Cluster),
}

/// A shop in a fresh database, and a way beside the store into it.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) store: Arc<Store>,
    pub(crate) backdoor: Backdoor,
}

/// What fills the database faster than the shop can.
#[derive(Debug)]
pub(crate) enum Backdoor {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    pub(crate) fn sqlite(folder: &Path) -> Self {
        Self::Sqlite { folder: folder.to_owned(), made: AtomicU32::new(0) }
    }

    pub(crate) fn postgres(folder: &Path, is_quorum: bool) -> Result<Self> {
        let programs = Programs::find()?;
        let folder = folder.join("postgres");
        let ports = [free_port()?, free_port()?, free_port()?];
        let servers = if is_quorum {
            Servers::Quorum(Cluster::start(&programs, &folder, ports)?)
        } else {
            let [place, ..] = Cluster::places(&folder, ports);
            let mut server = Server::init(&programs, place, Durability::Kept)?;
            server.start()?;
            Servers::One(server)
        };
        Ok(Self::Postgres { programs, servers, made: AtomicU32::new(0) })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { servers: Servers::One(_), .. } => "PostgreSQL",
            Self::Postgres { servers: Servers::Quorum(_), .. } => "PostgreSQL, quorum",
        }
    }

    /// Makes a fresh database with an empty shop in it.
    pub(crate) async fn shop(&self) -> Result<Shop> {
        let (config, backdoor) = match self {
            Self::Sqlite { folder, made } => {
                let number = made.fetch_add(1, Ordering::Relaxed);
                let path = folder.join(format!("shop-{number}.db"));
                (StoreConfig::file(path.clone()), Backdoor::Sqlite(path))
            }
            Self::Postgres { servers, made, .. } => {
                let name = format!("shop_{}", made.fetch_add(1, Ordering::Relaxed));
                let server = servers.primary();
                server.ask(&format!("CREATE DATABASE {name}"))?;
                let url = server.url(&name);
                (StoreConfig::cluster(ConnectionUrl::new(url.clone())), Backdoor::Postgres(url))
            }
        };
        let store = Store::open(&config, "bench").await.context("open a shop")?;
        Ok(Shop { store: Arc::new(store), backdoor })
    }

    /// Runs PostgreSQL's own benchmark, the TPC-B-like one, for five seconds; transactions a second.
    pub(crate) fn pgbench(&self) -> Result<Option<f64>> {
        let Self::Postgres { programs, servers, .. } = self else { return Ok(None) };
        let port = servers.primary().place().port.to_string();
        let common = ["--host", "127.0.0.1", "--port", &port, "--username", pgcluster::USER];
        let with = |more: &[&str]| -> Vec<String> {
            common.iter().chain(more).map(|word| (*word).to_owned()).collect()
        };
        programs.run("pgbench", &with(&["--initialize", "--quiet", "--scale", "10", DATABASE]))?;
        let said = programs
            .run("pgbench", &with(&["--client", "16", "--jobs", "2", "--time", "5", DATABASE]))?;
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .context("read the rate of pgbench")?;
        Ok(Some(rate))
    }
}

impl Servers {
    fn primary(&self) -> &Server {
        match self {
            Self::One(server) => server,
            Self::Quorum(cluster) => cluster.primary(),
        }
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
