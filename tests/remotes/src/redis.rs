//! A real Redis for one test, and just enough of its protocol (RESP2) to ask it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Longest time until it accepts connections: 10 s.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often it is asked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest value that is read: 16 MiB.
const VALUE_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A `redis-server` of its own, in memory, on a socket in a temporary folder. Killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    folder: tempfile::TempDir,
}

impl Redis {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When there is no `redis-server` on this machine, or it does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let socket = socket(folder.path());
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start redis-server (`cargo xtask test` installs it; Debian: `apt-get install redis-server`)")?;
        let until = Instant::now() + START_LIMIT;
        while Connection::open(&socket).await.is_err() {
            if Instant::now() > until {
                bail!("redis-server does not listen after {START_LIMIT:?}");
            }
            // Waits for another program, which says nothing when it is ready.
            sleep(LOOK_EVERY).await;
        }
        Ok(Self { child, folder })
    }

    /// Ends it, as a crash would.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill redis-server")
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// What Redis answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A word such as `OK`.
    Status(String),
    /// A refusal.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes, or nothing.
    Bulk(Option<Vec<u8>>),
    /// Several, or nothing.
    List(Option<Vec<Self>>),
}

/// A connection to a Redis.
#[derive(Debug)]
pub struct Connection(BufReader<UnixStream>);

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(socket: &Path) -> Result<Self> {
        Ok(Self(BufReader::new(UnixStream::connect(socket).await.context("connect to Redis")?)))
    }

    /// Sends a command and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not RESP2.
    pub async fn ask(&mut self, command: &[String]) -> Result<Reply> {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command {
            bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            bytes.extend_from_slice(argument.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        self.0.write_all(&bytes).await.context("write to Redis")?;
        self.read().await
    }

    async fn read(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line).await.context("read from Redis")?;
        let line = line.trim_end();
        let Some(kind) = line.chars().next() else { bail!("Redis closed the connection") };
        let rest = line.get(1..).unwrap_or_default();
        Ok(match kind {
            '+' => Reply::Status(rest.to_owned()),
            '-' => Reply::Error(rest.to_owned()),
            ':' => Reply::Integer(rest.parse().context("read a number")?),
            '$' => Reply::Bulk(self.bulk(rest.parse().context("read a length")?).await?),
            '*' => Reply::List(Box::pin(self.list(rest.parse().context("read a length")?)).await?),
            other => bail!("an answer that begins with {other}"),
        })
    }

    async fn bulk(&mut self, length: i64) -> Result<Option<Vec<u8>>> {
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if length > VALUE_BYTES_MAX {
            bail!("a value of {length} bytes");
        }
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes).await.context("read a value")?;
        bytes.truncate(length);
        Ok(Some(bytes))
    }

    async fn list(&mut self, length: i64) -> Result<Option<Vec<Reply>>> {
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let mut replies = Vec::new();
        for _ in 0..length {
            replies.push(self.read().await?);
        }
        Ok(Some(replies))
    }
}
