//! Finds the programs, and a way to run them as somebody who is not root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Oldest version whose standbys and settings are those that we count on.
const MAJOR_MIN: u32 = 15;
/// Where Debian keeps each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one version.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
    launcher: Launcher,
}

/// The server refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Launcher {
    /// We are somebody else already.
    Direct,
    /// In a user namespace, where root has another number: its files stay ours, wherever they lie.
    Namespace,
    /// As somebody without rights, where namespaces are forbidden. Folders are given to them; those above must let
    /// them through.
    Other { user: u32, group: u32 },
}

/// Who runs servers for root: the user of Debian's package, or the one that owns nothing.
const OTHERS: [&str; 2] = ["postgres", "nobody"];

impl Programs {
    /// Finds the newest version that has `initdb`, `postgres`, `pg_basebackup` and `psql`; 15 is the oldest that serves.
    ///
    /// # Errors
    /// When there is none, or root cannot run it as somebody else.
    pub fn find() -> Result<Self> {
        let folder = Self::find_folder()
            .with_context(|| format!("find the programs of PostgreSQL {MAJOR_MIN} or newer"))?;
        let launcher = launcher()?;
        Ok(Self { folder, launcher })
    }

    /// Returns where they are, whether or not they can be run by who asks.
    #[must_use]
    pub fn find_folder() -> Option<PathBuf> {
        folders().into_iter().find(|folder| is_complete(folder) && is_new_enough(folder))
    }

    /// Returns what the server says of its version, such as `postgres (PostgreSQL) 15.4`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn version(&self) -> Result<String> {
        Ok(self.run("postgres", &["--version"])?.trim().to_owned())
    }

    /// Returns the program and arguments that run one of the programs.
    #[must_use]
    pub fn argv(&self, name: &str) -> (PathBuf, Vec<String>) {
        self.argv_of(self.folder.join(name))
    }

    /// Returns the program and arguments that run another program as the one who runs servers.
    pub(crate) fn argv_of(&self, program: PathBuf) -> (PathBuf, Vec<String>) {
        let (launcher, mut arguments) = match self.launcher {
            Launcher::Direct => return (program, Vec::new()),
            Launcher::Namespace => ("unshare", namespace().map(ToOwned::to_owned).to_vec()),
            Launcher::Other { user, group } => ("setpriv", privileges(user, group).to_vec()),
        };
        arguments.push(program.display().to_string());
        (launcher.into(), arguments)
    }

    /// Makes a folder that the programs may write to, and nobody else may read.
    pub(crate) fn make_folder(&self, folder: &Path) -> Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("make {}", folder.display()))?;
        if let Launcher::Other { user, group } = self.launcher {
            std::os::unix::fs::chown(folder, Some(user), Some(group))
                .with_context(|| format!("give {} away", folder.display()))?;
        }
        Ok(())
    }

    /// Returns a command that runs one of the programs.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        self.command_of(self.folder.join(name))
    }

    /// Returns a command that runs another program as the one who runs servers.
    pub(crate) fn command_of(&self, program: PathBuf) -> Command {
        let (program, arguments) = self.argv_of(program);
        let mut command = Command::new(program);
        // Nobody's settings but ours: a password file, a service or a host in the environment would lead elsewhere.
        for (name, _value) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            if [&b"PG"[..], b"PATRONI", b"ETCD"].iter().any(|start| bytes.starts_with(start)) {
                command.env_remove(name);
            }
        }
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Runs a program to its end; its output is in the error when it fails, and is returned when it does not.
    ///
    /// # Errors
    /// When it cannot be run or fails.
    pub fn run<S: AsRef<OsStr>>(&self, name: &str, arguments: &[S]) -> Result<String> {
        let output =
            self.command(name).args(arguments).output().with_context(|| format!("run {name}"))?;
        if !output.status.success() {
            bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the folder of the programs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn folders() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok())
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| {
        // Links lead to where the other programs are.
        let server = folder.join("postgres");
        fs::canonicalize(server).ok().and_then(|file| file.parent().map(Path::to_owned))
    });
    versions.into_iter().map(|(_, folder)| folder).chain(on_path.flatten()).collect()
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_basebackup", "psql"].iter().all(|name| folder.join(name).is_file())
}

fn is_new_enough(folder: &Path) -> bool {
    let said = Command::new(folder.join("postgres")).arg("--version").output();
    let text = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok().as_deref().and_then(major_of).is_some_and(|major| major >= MAJOR_MIN)
}

/// Reads `postgres (PostgreSQL) 15.4 (Debian 15.4-1)`, and `19devel` of one that is not out yet.
fn major_of(said: &str) -> Option<u32> {
    let version = said.split_whitespace().nth(2)?;
    let end = version.find(|one: char| !one.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

fn launcher() -> Result<Launcher> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Launcher::Direct);
    }
    if is_possible("unshare", &namespace()) {
        return Ok(Launcher::Namespace);
    }
    let others = OTHERS.into_iter().filter_map(|name| Some((id("-u", name)?, id("-g", name)?)));
    for (user, group) in others {
        if is_possible("setpriv", &privileges(user, group)) {
            return Ok(Launcher::Other { user, group });
        }
    }
    bail!(
        "PostgreSQL does not run as root, nor can root run it as somebody else here: run this as another user"
    )
}

fn is_possible<S: AsRef<OsStr>>(launcher: &str, arguments: &[S]) -> bool {
    let mut command = Command::new(launcher);
    command.args(arguments).arg("true").stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn id(which: &str, name: &str) -> Option<u32> {
    let said = Command::new("id").args([which, name]).stderr(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&said.stdout).trim().parse().ok()
}

fn privileges(user: u32, group: u32) -> [String; 4] {
    [
        format!("--reuid={user}"),
        format!("--regid={group}"),
        "--clear-groups".to_owned(),
        "--".to_owned(),
    ]
}

const fn namespace() -> [&'static str; 4] {
    ["--user", "--map-user=1000", "--map-group=1000", "--"]
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn the_version_is_read_as_builds_and_distributions_write_it() {
        for (said, expected) in [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 17.0", Some(17)),
            ("postgres (PostgreSQL) 19devel", Some(19)),
            ("postgres (PostgreSQL) beta", None),
            ("", None),
        ] {
            assert_eq!(major_of(said), expected, "{said}");
        }
    }
}
