//! One server: its folder, its process.

use std::fs::{self, OpenOptions};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{DATABASE, Programs, USER};

/// Longest start, with the recovery of what a killed server left: 60 s.
const START_MAX: Duration = Duration::from_secs(60);
/// Longest stop before it is killed: 20 s.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Longest wait for a standby to follow or to be promoted, or for a setting to be taken: 30 s.
pub(crate) const CHANGE_MAX: Duration = Duration::from_secs(30);
/// The file whose presence makes a server a standby.
pub(crate) const STANDBY: &str = "standby.signal";
/// Pause between two looks at whether something has happened.
const POLL: Duration = Duration::from_millis(20);

/// Whether what a server says it has kept survives the end of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As a shop needs it.
    Kept,
    /// For tests whose server lives no longer than they do: commits wait for no disk.
    Thrown,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its folder.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its name, by which a primary counts its standbys.
    pub name: String,
}

impl Place {
    /// Tells whether there is a server, whole: one whose making was interrupted is not.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.folder.join("PG_VERSION").is_file()
    }

    /// Tells whether the server that is there starts as a standby.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.folder.join(STANDBY).is_file()
    }

    /// Returns the newest timeline that the server knows: one more with every promotion on the way to it. 1 for one
    /// that nobody promoted, and where there is no server.
    #[must_use]
    pub fn timeline(&self) -> u32 {
        let histories = fs::read_dir(self.folder.join("pg_wal")).into_iter().flatten();
        histories
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                // Written before a standby stops being one, unlike what `pg_controldata` shows.
                let number = name.to_str()?.strip_suffix(".history")?;
                u32::from_str_radix(number, 16).ok()
            })
            .max()
            .unwrap_or(1)
    }

    /// Makes room for a folder that takes its place once it is whole.
    fn half(&self, programs: &Programs) -> Result<PathBuf> {
        let half = self.folder.with_extension("new");
        if half.exists() {
            fs::remove_dir_all(&half).with_context(|| format!("empty {}", half.display()))?;
        }
        let parent = half.parent().context("find the folder of a server")?;
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        programs.make_folder(&half)?;
        Ok(half)
    }

    fn put(&self, half: &Path) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("empty {}", self.folder.display()))?;
        }
        fs::rename(half, &self.folder)
            .with_context(|| format!("put {} in place", self.folder.display()))
    }
}

/// A server that was made here. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    place: Place,
    child: Option<Child>,
}

impl Server {
    /// Makes a new server's folder, unless there is one.
    ///
    /// # Errors
    /// When `initdb` fails.
    pub fn init(programs: &Programs, place: Place, durability: Durability) -> Result<Self> {
        if !place.is_made() {
            let half = place.half(programs)?;
            programs.run(
                "initdb",
                &[
                    "--pgdata",
                    &half.display().to_string(),
                    "--username",
                    USER,
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-sync",
                    "--data-checksums",
                ],
            )?;
            let mut text = SETTINGS.to_owned();
            if durability == Durability::Thrown {
                text.push_str(THROWN_SETTINGS);
            }
            append(&half.join("postgresql.conf"), &text)?;
            place.put(&half)?;
        }
        Ok(Self::there(programs, place))
    }

    /// Speaks of a server that somebody else runs, or that stands still.
    #[must_use]
    pub fn there(programs: &Programs, place: Place) -> Self {
        Self { programs: programs.clone(), place, child: None }
    }

    /// Makes a standby's folder as a copy of a primary that runs, unless there is one, and names that primary to it. A
    /// server that took writes itself is no standby: it may have what the primary has not, and is copied anew.
    ///
    /// # Errors
    /// When `pg_basebackup` fails.
    pub fn follow(programs: &Programs, place: Place, primary: &Place) -> Result<Self> {
        let server = Self::there(programs, place);
        if server.place.is_made() && server.place.is_standby() {
            server.set_primary(primary)?;
        } else {
            server.copy(primary)?;
        }
        Ok(server)
    }

    /// Throws the folder away and copies a primary's.
    ///
    /// # Errors
    /// When `pg_basebackup` fails.
    pub fn copy(&self, primary: &Place) -> Result<()> {
        let half = self.place.half(&self.programs)?;
        let port = primary.port.to_string();
        let half_text = half.display().to_string();
        self.programs.run(
            "pg_basebackup",
            &[
                "--pgdata",
                half_text.as_str(),
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--username",
                USER,
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ],
        )?;
        fs::write(half.join(STANDBY), "").context("mark a standby")?;
        self.name_primary(&half, primary)?;
        self.place.put(&half)
    }

    /// Writes whom a standby follows; it must read that again or start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_primary(&self, primary: &Place) -> Result<()> {
        self.name_primary(&self.place.folder, primary)
    }

    fn name_primary(&self, folder: &Path, primary: &Place) -> Result<()> {
        let text = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user={USER} application_name={} connect_timeout=2'\n\
             recovery_target_timeline = 'latest'\n",
            primary.port, self.place.name
        );
        // Beats `postgresql.conf`, which was copied from the primary.
        fs::write(folder.join("postgresql.auto.conf"), text).context("name the primary")
    }

    /// Lets every commit of this primary wait until one of the named standbys has it on disk, whichever is first. Not
    /// before they stream: a commit would wait for nobody.
    ///
    /// # Errors
    /// When the server does not answer, or does not take it in 30 s.
    pub fn demand_quorum(&self, standbys: &[&str]) -> Result<()> {
        let wanted = format!("ANY 1 ({})", standbys.join(", "));
        self.ask(&format!("ALTER SYSTEM SET synchronous_standby_names = '{wanted}'"))?;
        self.ask("SELECT pg_reload_conf()")?;
        self.wait_until("SHOW synchronous_standby_names", &wanted, CHANGE_MAX)
    }

    /// Tells whether a standby of that name receives what this primary writes.
    #[must_use]
    pub fn has_standby(&self, name: &str) -> bool {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = '{name}'"
        );
        self.ask(&sql).is_ok_and(|count| count != "0")
    }

    /// Returns the command that runs the server in the foreground.
    #[must_use]
    pub fn argv(&self) -> (PathBuf, Vec<String>) {
        let (program, mut arguments) = self.programs.argv("postgres");
        arguments.extend(
            [
                "-D",
                &self.place.folder.display().to_string(),
                "-p",
                &self.place.port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ]
            .map(str::to_owned),
        );
        (program, arguments)
    }

    /// Starts the process and waits until it answers.
    ///
    /// # Errors
    /// When it ends before, or does not answer in 60 s; the end of its log is in the error.
    pub fn start(&mut self) -> Result<()> {
        let (program, arguments) = self.argv();
        let log = self.log();
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open {}", log.display()))?;
        let err = out.try_clone().context("open the log")?;
        let child = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .context("run postgres")?;
        self.child = Some(child);
        let until = Instant::now() + START_MAX;
        while !self.is_ready() {
            let has_ended = match &mut self.child {
                Some(child) => child.try_wait().context("look after postgres")?.is_some(),
                None => true,
            };
            if has_ended || Instant::now() > until {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().rev().take(5).collect();
                let tail: Vec<&str> = lines.into_iter().rev().collect();
                bail!("postgres at port {} does not start: {}", self.place.port, tail.join(" / "));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Tells whether it answers a query now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.place.port)).is_ok() && self.ask("SELECT 1").is_ok()
    }

    /// Runs a query through `psql`; returns what it prints, without decoration.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub fn ask(&self, sql: &str) -> Result<String> {
        let port = self.place.port.to_string();
        let answer = self.programs.run(
            "psql",
            &[
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--username",
                USER,
                "--dbname",
                DATABASE,
                "--set",
                "ON_ERROR_STOP=1",
                "--command",
                sql,
            ],
        )?;
        Ok(answer.trim().to_owned())
    }

    /// Asks again and again until the answer is as wanted.
    ///
    /// # Errors
    /// When it is not within `limit`; the last answer is in the error.
    pub fn wait_until(&self, sql: &str, wanted: &str, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            let answer = self.ask(sql);
            if answer.as_deref().is_ok_and(|answer| answer == wanted) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{sql}: {answer:?} instead of {wanted} after {} s", limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Ends the process at once, as the kernel does to one that takes too much memory. Returns whether it ran.
    pub fn kill(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return false };
        let was_running = child.kill().is_ok();
        // Its children notice by themselves.
        let _ = child.wait();
        was_running
    }

    /// Sends the process a signal; stopped by SIGSTOP it looks alive to everybody but answers nobody.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks the process to end, ending its connections, and waits.
    pub fn stop(&mut self) {
        self.signal(Signal::INT);
        let until = Instant::now() + STOP_MAX;
        if let Some(child) = &mut self.child {
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(POLL);
            }
        }
        self.kill();
    }

    /// Returns where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the process's number while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id();
        i32::try_from(id).ok().and_then(Pid::from_raw)
    }

    /// Returns the URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/{database}", self.place.port)
    }

    /// Returns the file that it writes its log to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.place.folder.with_extension("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a new server is told, beside its port. Small: several of them share one machine with everything else.
const SETTINGS: &str = "
# Written by Vitrine.
max_connections = 200
shared_buffers = 128MB
wal_level = replica
max_wal_senders = 10
wal_keep_size = 256MB
max_wal_size = 2GB
hot_standby = on
wal_log_hints = on
hot_standby_feedback = on
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
wal_retrieve_retry_interval = 200ms
log_line_prefix = '%m [%p] '
logging_collector = off
";

/// What a server for tests is told besides: many small databases at once, each with a pool, on a disk that may forget.
const THROWN_SETTINGS: &str = "
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 600
";

fn append(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}
