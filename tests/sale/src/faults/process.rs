//! A program of ours as a process: it says where it listens, and is ended by its number.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Longest start of one process: 20 s, then it is killed and started again.
const START_MAX: Duration = Duration::from_secs(20);
/// Longest that a program is started again and again, as a supervisor does: 60 s.
const STARTS_MAX: Duration = Duration::from_secs(60);

/// How one is started.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its database, where it is a cluster.
    pub(crate) database: Option<String>,
    /// Where its log goes.
    pub(crate) log: PathBuf,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    recipe: Recipe,
    child: Option<Child>,
    /// Where it listens.
    pub(crate) url: String,
}

impl Process {
    /// Starts it, again and again while it ends by itself, until it says where it listens.
    pub(crate) fn start(recipe: Recipe) -> Result<Self> {
        let mut process = Self { recipe, child: None, url: String::new() };
        process.restart()?;
        Ok(process)
    }

    /// Kills it if it runs, and starts it.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let until = Instant::now() + STARTS_MAX;
        loop {
            self.kill();
            match self.start_once() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > until => return Err(error),
                // A supervisor leaves a pause.
                Err(_ended) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn start_once(&mut self) -> Result<()> {
        let mut command = self.recipe.command()?;
        let mut child = command.spawn().context("run a program")?;
        let out = child.stdout.take().context("listen to a program")?;
        self.child = Some(child);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let line = BufReader::new(out).lines().next();
            let _ = sender.send(line.and_then(Result::ok));
        });
        let said = receiver.recv_timeout(START_MAX).ok().flatten();
        match said.as_deref().and_then(|line| line.strip_prefix("listening ")) {
            Some(url) => {
                url.clone_into(&mut self.url);
                Ok(())
            }
            None => {
                bail!("{} does not start: see {}", self.recipe.name(), self.recipe.log.display())
            }
        }
    }

    /// Ends it at once, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Recipe {
    /// Runs it to its end.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command()?.status().context("run a program")?;
        if !status.success() {
            bail!("{} failed: see {}", self.name(), self.log.display());
        }
        Ok(())
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("VITRINE_LOG", "warn")
            .env_remove("DATABASE_URL")
            .env_remove("DATABASE_STANDBY_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(append(&self.log)?);
        if let Some(url) = &self.database {
            command.env("DATABASE_URL", url);
        }
        Ok(command)
    }

    fn name(&self) -> &str {
        self.arguments.first().map_or("a program", String::as_str)
    }
}

fn append(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("open {}", path.display()))
}
