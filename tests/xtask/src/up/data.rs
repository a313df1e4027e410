//! The data folder: lock, secrets, list of processes, logs.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};

const SECRET_BYTES: usize = 32;
/// How long a process of an earlier start may take to end before it gets SIGKILL.
const LEFTOVER_GRACE: Duration = Duration::from_secs(6);

/// A process that runs, as `processes.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) role: String,
    pub(crate) pid: u32,
    pub(crate) url: String,
}

impl Listed {
    /// Whether it is a database server, which ends after those that use it.
    pub(crate) fn is_database(&self) -> bool {
        self.url.starts_with("postgresql://")
    }

    /// What asks it to end. At SIGTERM, PostgreSQL waits for its clients to leave; at SIGINT it shows them out.
    pub(crate) fn stop_signal(&self) -> Signal {
        if self.is_database() { Signal::INT } else { Signal::TERM }
    }
}

/// A data folder that this process alone uses.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// The kernel gives the lock back when this process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Makes the folder where it is absent and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path.join("logs"))
            .with_context(|| format!("make {}", path.display()))?;
        let secrets = path.join("secrets");
        fs::create_dir_all(&secrets).with_context(|| format!("make {}", secrets.display()))?;
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("close {} to others", secrets.display()))?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// Whether `path` is a folder that [`DataDir::open`] made.
    pub(crate) fn is_one(path: &Path) -> bool {
        path.join("up.lock").is_file() && path.join("secrets").is_dir()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self, role: &str) -> PathBuf {
        self.path.join("logs").join(format!("{role}.log"))
    }

    /// The file of a secret, made of fresh random bytes at the first call.
    pub(crate) fn secret(&self, name: &str) -> Result<PathBuf> {
        let file = self.path.join("secrets").join(name);
        if fs::metadata(&file).is_ok_and(|there| there.len() > 0) {
            return Ok(file);
        }
        let mut bytes = [0_u8; SECRET_BYTES];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .context("read random bytes")?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut out| out.write_all(text.as_bytes()))
            .with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    /// Replaces `processes.json` in one step: a reader never sees half of it.
    pub(crate) fn list(&self, processes: &[Listed]) -> Result<()> {
        let half = self.path.join("processes.json.new");
        let text = serde_json::to_string_pretty(processes).context("write the process list")?;
        fs::write(&half, text + "\n").with_context(|| format!("write {}", half.display()))?;
        let file = self.path.join("processes.json");
        fs::rename(&half, &file).with_context(|| format!("write {}", file.display()))
    }

    /// Ends processes of an earlier start whose own `up` was killed; returns what it ended.
    pub(crate) fn end_leftovers(&self) -> Result<Vec<String>> {
        let Ok(text) = fs::read_to_string(self.path.join("processes.json")) else {
            return Ok(Vec::new());
        };
        let listed: Vec<Listed> = serde_json::from_str(&text).unwrap_or_default();
        let left: Vec<&Listed> = listed.iter().filter(|process| self.is_ours(process)).collect();
        for process in &left {
            signal(process.pid, process.stop_signal());
        }
        let limit = Instant::now() + LEFTOVER_GRACE;
        while left.iter().any(|process| is_alive(process.pid)) && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(50));
        }
        for process in &left {
            // What it had started may have outlived it.
            signal_group(process.pid, Signal::KILL);
        }
        self.list(&[])?;
        Ok(left.iter().map(|process| format!("{} (pid {})", process.role, process.pid)).collect())
    }

    /// Whether the process of that number is still the one that was listed: numbers are used
    /// again, but only ours has this data folder in its command line.
    fn is_ours(&self, process: &Listed) -> bool {
        let folder = self.path.as_os_str().as_encoded_bytes();
        fs::read(format!("/proc/{}/cmdline", process.pid))
            .is_ok_and(|line| line.windows(folder.len()).any(|part| part == folder))
    }
}

/// Sends a signal to one process. That it has ended meanwhile is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Sends a signal to a process that we started and to all that it started: it leads their group,
/// which has its number. That nobody is left in the group is no error.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// Whether anybody is left of what a process started, itself included.
pub(crate) fn has_group(leader: u32) -> bool {
    i32::try_from(leader)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|group| test_kill_process_group(group).is_ok())
}

/// Whether a process runs. One that ended and that nobody has asked about yet does not.
fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim().starts_with('Z')))
}

fn lock(path: &Path) -> Result<File> {
    let file = path.join("up.lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file)
        .with_context(|| format!("open {}", file.display()))?;
    if lock.try_lock().is_err() {
        let mut holder = String::new();
        let _ = lock.read_to_string(&mut holder);
        let holder = holder.trim();
        bail!(
            "another `cargo xtask up` (pid {holder}) runs on {}: stop it, or choose another folder with --data",
            path.display()
        );
    }
    lock.set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()))
        .with_context(|| format!("write {}", file.display()))?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;
    use std::time::Instant;

    use super::{DataDir, LEFTOVER_GRACE, Listed, is_alive};

    #[test]
    fn a_folder_in_use_is_refused_in_one_sentence_that_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataDir::open(folder.path()).unwrap();
        let error = DataDir::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert!(!error.contains('\n'), "{error}");
        drop(held);
        DataDir::open(folder.path()).unwrap();
    }

    #[test]
    fn secrets_are_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let first = fs::read_to_string(data.secret("edge").unwrap()).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(fs::read_to_string(data.secret("edge").unwrap()).unwrap(), first);
        assert_ne!(fs::read_to_string(data.secret("payments").unwrap()).unwrap(), first);
        let mode = fs::metadata(data.secret("edge").unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_a_process_started_is_ended_with_it() {
        use std::io::{BufRead as _, BufReader};
        use std::os::unix::process::CommandExt as _;
        let mut leader = Command::new("sh")
            .args(["-c", "tail -f /dev/null & echo started; wait"])
            .stdout(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(leader.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        leader.kill().unwrap();
        leader.wait().unwrap();
        assert!(super::has_group(leader.id()), "its child outlives it");
        super::signal_group(leader.id(), rustix::process::Signal::KILL);
        // The child held the other end: this returns when it is gone.
        line.clear();
        assert_eq!(output.read_line(&mut line).unwrap(), 0);
    }

    #[test]
    fn leftovers_are_ended_but_a_stranger_with_the_same_number_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        // Both wait for ever; only the first has the folder in its command line.
        let mut ours =
            Command::new("tail").arg("-f").arg(folder.path().join("up.lock")).spawn().unwrap();
        let mut stranger = Command::new("tail").args(["-f", "/dev/null"]).spawn().unwrap();
        let listed = |role: &str, pid| Listed { role: role.to_owned(), pid, url: String::new() };
        let processes = [listed("origin", ours.id()), listed("edge", stranger.id())];
        data.list(&processes).unwrap();
        // The kernel lets us go on before the command line of what we started can be read.
        let limit = Instant::now() + LEFTOVER_GRACE;
        while !data.is_ours(&processes[0]) && Instant::now() < limit {
            std::thread::yield_now();
        }
        // The parent must reap its child for it to be gone.
        let reaper = std::thread::spawn(move || ours.wait().unwrap());
        let ended = data.end_leftovers().unwrap();
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert!(!reaper.join().unwrap().success());
        assert!(is_alive(stranger.id()));
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("processes.json")).unwrap().trim(), "[]");
    }
}
