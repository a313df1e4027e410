//! A database of one's own in a server that is there, for one test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Programs;

/// Names the server that tests may make databases in: a URL without a database. `cargo xtask test` starts one.
pub const TEST_URL: &str = "ORIGIN_TEST_PG_URL";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty database. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDatabase {
    programs: Programs,
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes one, or says that a test is left out where nobody named a server.
    ///
    /// # Panics
    /// When a server is named and does not make one: a test that was to run must not pass.
    #[must_use]
    pub fn create() -> Option<Self> {
        Self::create_by(|name| format!("CREATE DATABASE {name}"))
    }

    /// Makes one as this one is: with its tables and rows. Nobody may be connected to this one meanwhile.
    ///
    /// # Panics
    /// As [`TestDatabase::create`].
    #[must_use]
    pub fn copy(&self) -> Option<Self> {
        Self::create_by(|name| format!("CREATE DATABASE {name} TEMPLATE {}", self.name))
    }

    #[expect(clippy::print_stdout, reason = "tests say what they leave out")]
    fn create_by(sql: impl FnOnce(&str) -> String) -> Option<Self> {
        let Ok(server) = std::env::var(TEST_URL) else {
            println!("left out on PostgreSQL: {TEST_URL} names no server");
            return None;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let name = format!("test_{}_{process}_{number}", now.as_millis());
        let made = Programs::find().and_then(|programs| {
            let database = Self { programs, server, name };
            database.run(&sql(&database.name))?;
            Ok(database)
        });
        match made {
            Ok(database) => Some(database),
            Err(error) => panic!("make a database in the server of {TEST_URL}: {error:#}"),
        }
    }

    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.server.trim_end_matches('/'), self.name)
    }

    fn run(&self, sql: &str) -> anyhow::Result<String> {
        let server = format!("{}/postgres", self.server.trim_end_matches('/'));
        self.programs
            .run("psql", &["--no-psqlrc", "--quiet", "--dbname", &server, "--command", sql])
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A server that has gone has taken it along.
        let _ = self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}
