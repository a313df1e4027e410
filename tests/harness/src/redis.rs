//! A real Redis for one test, on a port of this machine.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Starts that are tried: 5. Another process may take the port that was free.
const STARTS_MAX: usize = 5;

/// A `redis-server` that keeps everything in memory; killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts it with further arguments on a free port, and waits until it accepts.
    ///
    /// # Errors
    /// When there is no `redis-server` on this machine, or it does not start.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        for _ in 0..STARTS_MAX {
            let free = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
            let port = free.local_addr().context("find a free port")?.port();
            drop(free);
            let mut child = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
                .arg(port.to_string())
                .args(arguments)
                .stdout(Stdio::piped())
                .spawn()
                .context("start redis-server (`cargo xtask test` installs it; Debian: `apt-get install redis-server`)")?;
            let said = child.stdout.take().context("read what redis-server says")?;
            let mut lines = BufReader::new(said).lines().map_while(|line| line.ok());
            let redis = Self { child, port };
            if lines.any(|line| line.contains("Ready to accept connections")) {
                return Ok(redis);
            }
            // It could not listen, and has ended.
        }
        bail!("redis-server did not start")
    }

    /// Where it listens, at 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
