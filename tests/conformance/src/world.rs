//! What all hosts stand on: one payment provider and one origin as processes, seeded with the demo shop.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Environment, Role, Stack, StackOptions};
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;

use crate::tap::Tap;

/// Drives everything that waits. One for the whole process: it alone may reap the processes.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("the machine has threads to give"));

/// The shop's other half, shared by the hosts of one process; it ends with its last user.
#[derive(Debug)]
pub struct World {
    stack: Stack,
    environment: Environment,
}

/// What the application's variables are on every host, beside `origin_url` and `edge_secret`.
pub const VARIABLES: [(&str, &str); 4] = [
    // Not where a host listens, so that absolute links are the same everywhere.
    ("public_url", "https://shop.example"),
    ("cors_origins", "https://friend.example, http://localhost:5173"),
    ("rate_limit_scale", "1"),
    // Every case has an address of its own, said as a proxy says it: limits are counted afresh.
    ("trusted_proxies", "127.0.0.0/8"),
];

impl World {
    /// Returns the running one, or starts it.
    ///
    /// # Errors
    /// When something is not built or does not start.
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = shared.upgrade() {
            return Ok(world);
        }
        let environment = Environment::from_env()?;
        let options = StackOptions { without_edge: true, ..StackOptions::default() };
        let stack = RUNTIME.block_on(Stack::start_with(environment.clone(), options))?;
        let world = Arc::new(Self { stack, environment });
        *shared = Arc::downgrade(&world);
        Ok(world)
    }

    /// Returns the stack.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Returns where built things are.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Reads the name and the seed (in base64url) of the key that the origin signs tokens with, from its database.
    ///
    /// # Errors
    /// When there is none.
    pub fn signing_key(&self) -> Result<(String, String)> {
        let path = self.stack.data(Role::Origin).join("origin.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let row = Connection::open_with_flags(path, flags).and_then(|connection| {
            let query = "SELECT kid, seed FROM signing_keys WHERE state = 'active'";
            connection.query_row(query, [], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))
        });
        let (name, seed): (String, Vec<u8>) = row.context("read the origin's signing key")?;
        Ok((name, URL_SAFE_NO_PAD.encode(seed)))
    }

    /// Makes a key of the staff that may do everything, as an operator does.
    ///
    /// # Errors
    /// When the origin's program does not make one.
    pub fn staff_key(&self) -> Result<String> {
        self.stack.staff_key("conformance")
    }

    /// Opens a tap to the origin.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn tap(&self) -> Result<Tap> {
        Tap::open_to(address(&self.stack.url(Role::Origin))?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _inside = RUNTIME.enter();
        for role in [Role::Origin, Role::Payments] {
            if std::thread::panicking()
                && let Ok(process) = self.stack.process(role)
            {
                let log = format!("── log of {role:?}\n{}\n", process.log());
                let _ = std::io::Write::write_all(&mut std::io::stderr(), log.as_bytes());
            }
            let _ = RUNTIME.block_on(self.stack.kill(role));
        }
    }
}

/// Reads `http://127.0.0.1:8081`.
///
/// # Errors
/// When it is no such URL.
pub fn address(url: &str) -> Result<SocketAddr> {
    let authority = url.strip_prefix("http://").with_context(|| format!("use {url}"))?;
    authority.trim_end_matches('/').parse().with_context(|| format!("use {url}"))
}
