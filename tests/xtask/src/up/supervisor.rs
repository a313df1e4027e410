//! Keeps processes running: starts, watches, starts again, stops.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::json;

use super::data::{DataDir, Listed, has_group, signal, signal_group};
use crate::Context;
use crate::report::Reporter;
use crate::step;
use crate::stop::Stop;

/// First wait before a process that ended is started again; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A process that lived this long starts again with the shortest wait.
const LIVED_WELL: Duration = Duration::from_secs(30);
/// From the first SIGTERM to SIGKILL for whatever still runs, databases apart.
const STOP_GRACE: Duration = Duration::from_secs(6);
/// Head start of the process that was started last, so that it can finish what needs the others.
const DRAIN_HEAD_START: Duration = Duration::from_millis(2500);
/// From then on, the same for databases: they write what memory holds before they end.
const DATABASE_STOP_GRACE: Duration = Duration::from_secs(10);
/// Variables that would lead what we start to another shop's database.
const NOT_HANDED_ON: [&str; 2] = ["DATABASE_URL", "DATABASE_STANDBY_URL"];
/// How long the kernel may take to end what got SIGKILL.
const KILL_GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);
/// Most of a log that an error shows.
const LOG_TAIL_BYTES: u64 = 4096;

/// How to start a process.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) role: &'static str,
    pub(crate) url: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
    /// What must be done before it is started again after it ended by itself.
    pub(crate) mend: Option<Mend>,
}

/// Mends what a process finds when it starts; returns what it did if that is worth a line.
pub(crate) struct Mend(pub(crate) Box<dyn Fn() -> Result<Option<String>>>);

impl fmt::Debug for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mend")
    }
}

#[derive(Debug)]
enum State {
    Running { pid: u32, since: Instant },
    Waiting { until: Instant },
    Ended,
}

#[derive(Debug)]
struct Process {
    spec: Spec,
    state: State,
    backoff: Duration,
    /// Where the log of the current run begins.
    log_from: u64,
}

#[derive(Debug)]
struct Exit {
    pid: u32,
    status: ExitStatus,
}

/// The processes of one shop, in the order of their start.
#[derive(Debug)]
pub(crate) struct Supervisor<'a> {
    data: &'a DataDir,
    reporter: Reporter,
    stop: Stop,
    processes: Vec<Process>,
    sender: Sender<Exit>,
    exits: Receiver<Exit>,
}

impl<'a> Supervisor<'a> {
    pub(crate) fn new(context: &Context, data: &'a DataDir) -> Result<Self> {
        // One message a process that ends: as many as processes, however long this runs.
        let (sender, exits) = channel();
        data.list(&[])?;
        let (reporter, stop) = (context.reporter.clone(), context.stop.clone());
        Ok(Self { data, reporter, stop, processes: Vec::new(), sender, exits })
    }

    /// Starts a process and waits until `is_ready`; one that ends before is an error with the
    /// end of its log.
    pub(crate) fn start(
        &mut self,
        spec: Spec,
        limit: Duration,
        is_ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let role = spec.role;
        let log_from = fs::metadata(self.data.log(role)).map_or(0, |log| log.len());
        let pid = self.spawn(&spec)?;
        let state = State::Running { pid, since: Instant::now() };
        self.processes.push(Process { spec, state, backoff: BACKOFF_MIN, log_from });
        self.list()?;
        self.wait_until(&format!("start {role}"), limit, is_ready)
    }

    /// Waits for a condition while every process must stay alive.
    pub(crate) fn wait_until(
        &mut self,
        title: &str,
        limit: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let mut report = self.reporter.step(title);
        let until = Instant::now() + limit;
        let outcome = loop {
            if self.stop.is_requested() {
                break Err(anyhow::anyhow!("stopped on request"));
            }
            match self.exits.recv_timeout(POLL) {
                Ok(exit) => {
                    if let Some(index) = self.ended(&exit) {
                        break Err(self.explain_early_end(index, exit.status));
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if is_ready() {
                break Ok(());
            }
            if Instant::now() > until {
                let log = self.processes.last().map(|p| self.log_tail(p)).unwrap_or_default();
                break Err(anyhow::anyhow!("not ready after {} s{log}", limit.as_secs()));
            }
            report.progress("waiting");
        };
        match outcome {
            Ok(()) => {
                report.done();
                Ok(())
            }
            Err(error) => {
                report.failed();
                Err(error.context(title.to_owned()))
            }
        }
    }

    /// Starts whatever ends again, until asked to stop.
    pub(crate) fn watch(&mut self) {
        while !self.stop.is_requested() {
            if let Ok(exit) = self.exits.recv_timeout(POLL)
                && let Some(index) = self.ended(&exit)
            {
                self.schedule(index, exit.status);
            }
            for index in 0..self.processes.len() {
                self.start_again_when_due(index);
            }
        }
    }

    /// Returns what runs now, in the order of their first start.
    pub(crate) fn listed(&self) -> Vec<Listed> {
        self.processes.iter().filter_map(Process::listed).collect()
    }

    /// Ends one process, and forgets it.
    pub(crate) fn end(&mut self, role: &str) -> Result<()> {
        let Some(index) = self.processes.iter().position(|process| process.spec.role == role)
        else {
            return Ok(());
        };
        for (which, grace) in [(None, DATABASE_STOP_GRACE), (Some(Signal::KILL), KILL_GRACE)] {
            if let Some(one) = self.processes.get(index).and_then(Process::listed) {
                signal(one.pid, which.unwrap_or_else(|| one.stop_signal()));
                self.wait_for_ends(Instant::now() + grace, |supervisor| {
                    supervisor.processes.get(index).and_then(Process::pid).is_none()
                });
            }
        }
        self.processes.remove(index);
        self.list()
    }

    /// Ends all processes, the last started first and databases after those that use them; nothing is left when this
    /// returns well.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let started = Instant::now();
        let groups: Vec<u32> = self.processes.iter().filter_map(Process::pid).collect();
        let last = self.processes.last().and_then(Process::listed);
        if let Some(last) = last.filter(|last| !last.is_database()) {
            signal(last.pid, last.stop_signal());
            self.wait_for_ends(started + DRAIN_HEAD_START, |supervisor| {
                supervisor.processes.last().and_then(Process::pid).is_none()
            });
        }
        self.end_all(|one| !one.is_database(), started + STOP_GRACE);
        self.end_all(|_| true, Instant::now() + DATABASE_STOP_GRACE);
        // What they had started got SIGKILL with the end of each; that takes the kernel a moment.
        let until = Instant::now() + KILL_GRACE;
        while groups.iter().any(|leader| has_group(*leader)) && Instant::now() < until {
            std::thread::sleep(POLL);
        }
        self.list()?;
        if !self.is_empty() {
            bail!(
                "not all processes ended: {} lists them",
                self.data.path().join("processes.json").display()
            );
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.processes.iter().all(|process| process.pid().is_none())
    }

    /// Asks those that are chosen to end, and kills what still runs then.
    fn end_all(&mut self, is_chosen: impl Fn(&Listed) -> bool, until: Instant) {
        let chosen = |supervisor: &Self| -> Vec<Listed> {
            supervisor.listed().into_iter().filter(&is_chosen).collect()
        };
        for one in chosen(self) {
            signal(one.pid, one.stop_signal());
        }
        self.wait_for_ends(until, |supervisor| chosen(supervisor).is_empty());
        for one in chosen(self) {
            self.reporter.note(&format!("{} does not stop by itself: killed", one.role));
            signal(one.pid, Signal::KILL);
        }
        self.wait_for_ends(Instant::now() + KILL_GRACE, |supervisor| chosen(supervisor).is_empty());
    }

    fn wait_for_ends(&mut self, until: Instant, is_done: impl Fn(&Self) -> bool) {
        while !is_done(self) && Instant::now() < until {
            if let Ok(exit) = self.exits.recv_timeout(POLL) {
                self.ended(&exit);
            }
        }
    }

    fn spawn(&self, spec: &Spec) -> Result<u32> {
        let log = self.data.log(spec.role);
        // Straight into the file: a process must not depend on this one to read its output.
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open {}", log.display()))?;
        let err = out.try_clone().with_context(|| format!("open {}", log.display()))?;
        let mut command = Command::new(&spec.program);
        for name in NOT_HANDED_ON {
            command.env_remove(name);
        }
        let mut child = command
            .args(&spec.args)
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // Ctrl-C at the terminal reaches this program alone, which then stops them in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}: run {}", spec.role, spec.program.display()))?;
        let pid = child.id();
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                // Nobody listens any more once this program is on its way out.
                let _ = sender.send(Exit { pid, status });
            }
        });
        self.reporter.event(&json!({
            "event": "process", "role": spec.role, "pid": pid, "url": spec.url,
        }));
        Ok(pid)
    }

    /// Takes note of an end, and ends what the process itself had started; returns whose it was.
    fn ended(&mut self, exit: &Exit) -> Option<usize> {
        let index = self.processes.iter().position(|process| process.pid() == Some(exit.pid))?;
        signal_group(exit.pid, Signal::KILL);
        let process = self.processes.get_mut(index)?;
        if let State::Running { since, .. } = process.state
            && since.elapsed() >= LIVED_WELL
        {
            process.backoff = BACKOFF_MIN;
        }
        process.state = State::Ended;
        if let Err(error) = self.list() {
            self.reporter.note(&format!("{error:#}"));
        }
        Some(index)
    }

    fn schedule(&mut self, index: usize, status: ExitStatus) {
        let Some(process) = self.processes.get_mut(index) else { return };
        let wait = process.backoff;
        process.state = State::Waiting { until: Instant::now() + wait };
        process.backoff = (wait * 2).min(BACKOFF_MAX);
        let role = process.spec.role;
        let log = self.data.log(role);
        self.reporter.event(&json!({
            "event": "ended", "role": role, "status": status.to_string(),
            "again_in_seconds": wait.as_secs_f64(),
        }));
        self.reporter.note(&format!(
            "{role} ended ({status}); starting it again in {:.1} s (log: {})",
            wait.as_secs_f64(),
            log.display()
        ));
    }

    fn start_again_when_due(&mut self, index: usize) {
        let Some(process) = self.processes.get(index) else { return };
        match process.state {
            State::Waiting { until } if until <= Instant::now() => {}
            _ => return,
        }
        let role = process.spec.role;
        let started = self.mend(&process.spec).and_then(|()| self.spawn(&process.spec));
        let now = Instant::now();
        let Some(process) = self.processes.get_mut(index) else { return };
        match started {
            Ok(pid) => {
                process.state = State::Running { pid, since: now };
                self.reporter.event(&json!({"event": "restarted", "role": role, "pid": pid}));
                self.reporter.note(&format!("{role} started again (pid {pid})"));
                self.reporter.result(&format!("{role} {pid} {}", process.spec.url));
            }
            Err(error) => {
                process.state = State::Waiting { until: now + process.backoff };
                process.backoff = (process.backoff * 2).min(BACKOFF_MAX);
                self.reporter.note(&format!("{role} cannot be started again: {error:#}"));
            }
        }
        if let Err(error) = self.list() {
            self.reporter.note(&format!("{error:#}"));
        }
    }

    fn mend(&self, spec: &Spec) -> Result<()> {
        if let Some(mend) = &spec.mend
            && let Some(done) = (mend.0)()?
        {
            self.reporter.note(&format!("{}: {done}", spec.role));
        }
        Ok(())
    }

    fn list(&self) -> Result<()> {
        self.data.list(&self.listed())
    }

    fn explain_early_end(&self, index: usize, status: ExitStatus) -> anyhow::Error {
        let Some(process) = self.processes.get(index) else {
            return anyhow::anyhow!("a process ended ({status})");
        };
        anyhow::anyhow!("{} ended ({status}){}", process.spec.role, self.log_tail(process))
    }

    fn log_tail(&self, process: &Process) -> String {
        let path = self.data.log(process.spec.role);
        let mut text = Vec::new();
        if let Ok(mut log) = fs::File::open(&path) {
            let end = log.seek(SeekFrom::End(0)).unwrap_or(0);
            let from = process.log_from.max(end.saturating_sub(LOG_TAIL_BYTES));
            let _ = log.seek(SeekFrom::Start(from)).and_then(|_| log.read_to_end(&mut text));
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        step::tail(&lines)
    }
}

impl Process {
    fn pid(&self) -> Option<u32> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            State::Waiting { .. } | State::Ended => None,
        }
    }

    fn listed(&self) -> Option<Listed> {
        let pid = self.pid()?;
        Some(Listed { role: self.spec.role.to_owned(), pid, url: self.spec.url.clone() })
    }
}
