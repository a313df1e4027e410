//! One process of the stack: started, waited for, killed, started again with the same command line.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::eventually;
use crate::stack::Program;

/// What our programs print in front of their address when they accept connections.
pub(crate) const LISTENING: &str = "listening ";
/// Longest part of a log that an error quotes.
const QUOTE_BYTES_MAX: usize = 4096;

/// How to start one process.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) start_limit: Duration,
    /// What it prints in front of its address when it accepts connections.
    pub(crate) announces: &'static str,
}

/// A program is up within this, or its start has failed.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Option<Child>,
    url: String,
}

impl Process {
    /// Starts the program and waits until it says where it listens.
    pub(crate) async fn start(spec: Spec) -> Result<Self> {
        let mut process = Self { spec, child: None, url: String::new() };
        process.restart().await?;
        Ok(process)
    }

    /// Starts a program that belongs to no stack, in `folder`, which gets its log too.
    pub async fn start_alone(program: Program, folder: &Path) -> Result<Self> {
        let Program { name, path: program, args, env, announces } = program;
        let (log, start_limit) = (folder.join(format!("{name}.log")), START_LIMIT);
        let folder = folder.to_owned();
        Self::start(Spec { name, program, args, env, folder, log, start_limit, announces }).await
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its number, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Everything it wrote so far, over all starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.spec.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Ends it with SIGKILL, as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().await.with_context(|| format!("kill {}", self.spec.name))
    }

    /// Sends it a signal, and does not wait for what it does.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("find the process {}", self.spec.name))?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.spec.name))
    }

    /// Asks it to end with SIGTERM, and waits. SIGKILL and an error after `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        let Some(mut child) = self.child.take() else { bail!("{} does not run", self.spec.name) };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)
                .with_context(|| format!("send SIGTERM to {}", self.spec.name))?;
        }
        match tokio::time::timeout(limit, child.wait()).await {
            Ok(status) => status.with_context(|| format!("wait for {}", self.spec.name)),
            Err(_) => {
                child.kill().await.with_context(|| format!("kill {}", self.spec.name))?;
                bail!("{} did not end within {limit:?} of SIGTERM", self.spec.name)
            }
        }
    }

    /// Starts it with the same command line: the same data and port. Kills it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        let said_before = self.log().len();
        let mut child = self.spawn()?;
        let (name, limit) = (&self.spec.name, self.spec.start_limit);
        let what = format!("{name} listens");
        let ended = eventually(limit, &what, || {
            let ended = child.try_wait().ok().flatten();
            let url = self.listening_since(said_before);
            async move { url.map(Ok).or_else(|| ended.map(Err)) }
        });
        match ended.await {
            Ok(Ok(url)) => {
                self.url = url;
                self.child = Some(child);
                Ok(())
            }
            Ok(Err(status)) => {
                bail!("{name} ended ({status}) before it listened:\n{}", self.quote())
            }
            Err(error) => {
                child.kill().await.with_context(|| format!("kill {name}"))?;
                bail!("{error:#}:\n{}", self.quote())
            }
        }
    }

    /// Starts the program. It writes into its log by itself: under load, copying would cost the
    /// machine more than what is measured.
    fn spawn(&self) -> Result<Child> {
        let log = open_log(&self.spec.log)?;
        let also = log.try_clone().context("share a log file")?;
        Command::new(&self.spec.program)
            .args(&self.spec.args)
            .envs(self.spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.spec.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(also))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", self.spec.program.display()))
    }

    fn listening_since(&self, said_before: usize) -> Option<String> {
        let log = self.log();
        // A line counts when it is whole.
        let whole = log.get(said_before..)?.rsplit_once('\n')?.0;
        let url = whole.lines().find_map(|line| line.strip_prefix(self.spec.announces))?;
        Some(url.trim().to_owned())
    }

    fn quote(&self) -> String {
        let log = self.log();
        let from = log.len().saturating_sub(QUOTE_BYTES_MAX);
        let from = (from..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
        log.get(from..).unwrap_or("").to_owned()
    }
}

fn open_log(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(folder: &Path, script: &str) -> Spec {
        Spec {
            name: "script".to_owned(),
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![("WHERE".to_owned(), "http://127.0.0.1:1".to_owned())],
            folder: folder.to_owned(),
            log: folder.join("script.log"),
            start_limit: Duration::from_secs(10),
            announces: LISTENING,
        }
    }

    #[tokio::test]
    async fn a_process_is_killed_restarted_and_terminated() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo starting; echo listening $WHERE; exec tail -f /dev/null";
        let mut process = Process::start(spec(folder.path(), script)).await.unwrap();
        assert_eq!(process.url(), "http://127.0.0.1:1");
        let first = process.pid().unwrap();
        process.signal(Signal::CONT).unwrap();
        process.kill().await.unwrap();
        assert_eq!(process.pid(), None);
        assert!(process.signal(Signal::CONT).is_err());
        process.restart().await.unwrap();
        assert_ne!(process.pid().unwrap(), first);
        let status = process.terminate(Duration::from_secs(10)).await.unwrap();
        assert!(!status.success(), "{status}");
        assert!(process.log().starts_with("starting\n"), "{}", process.log());
    }

    #[tokio::test]
    async fn a_process_that_fails_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo the disk is full >&2; exit 3";
        let error = Process::start(spec(folder.path(), script)).await.unwrap_err().to_string();
        assert!(error.contains("the disk is full") && error.contains('3'), "{error}");
    }
}
