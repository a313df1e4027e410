//! The harm itself: processes that are frozen, a network that is cut, a disk that is full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A process and all below it, stopped: alive for everybody who looks, and silent.
#[derive(Debug)]
pub(crate) struct Frozen(Vec<Pid>);

impl Frozen {
    /// Stops a process first, so that it starts no more, then those below it.
    pub(crate) fn freeze(first: Pid) -> Self {
        let mut stopped = vec![first];
        let mut looked = 0;
        while let Some(pid) = stopped.get(looked).copied() {
            let _ = kill_process(pid, Signal::STOP);
            stopped.extend(children(pid));
            looked += 1;
        }
        Self(stopped)
    }

    /// Lets them go on.
    pub(crate) fn thaw(self) {}
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in self.0.iter().rev() {
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name before it may hold anything but is closed by the last parenthesis.
            let (_, after) = stat.rsplit_once(')')?;
            let of: i32 = after.split_whitespace().nth(1)?.parse().ok()?;
            (of == parent.as_raw_nonzero().get()).then(|| Pid::from_raw(number)).flatten()
        })
        .collect()
}

/// A network namespace of this process, in which the way to a port can be cut: packets to it and from it vanish.
#[derive(Debug)]
pub(crate) struct Network;

/// A way that is cut; dropping it opens the way again.
#[derive(Debug)]
pub(crate) struct Cut(u16);

/// Says that this process is in a network namespace of its own.
pub(crate) const INSIDE: &str = "VITRINE_FAULTS_INSIDE";

impl Network {
    /// Tells why this machine has no such namespaces, or nothing.
    pub(crate) fn hindrance() -> Option<String> {
        let mut command = Command::new("unshare");
        let script = "ip link set lo up && ip rule add pref 100 lookup local && ip rule del pref 0 && \
             ip rule add pref 1 ipproto tcp dport 9 blackhole";
        command.args(["--net", "--", "sh", "-c", script]);
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(format!("unshare: {error}")),
        }
    }

    /// Prepares the namespace that this process is in.
    pub(crate) fn prepare() -> Result<Self> {
        if std::env::var_os(INSIDE).is_none() {
            bail!("not in a network namespace of its own");
        }
        ip(&["link", "set", "lo", "up"])?;
        // Loopback is looked up before every rule, unless that rule comes later than ours.
        ip(&["rule", "add", "pref", "100", "lookup", "local"])?;
        ip(&["rule", "del", "pref", "0"])?;
        Ok(Self)
    }

    /// Cuts the way to a port and back. Connections that are there stay, and hear nothing.
    pub(crate) fn cut(&self, port: u16) -> Result<Cut> {
        let cut = Cut(port);
        for way in ["dport", "sport"] {
            rule("add", way, port)?;
        }
        Ok(cut)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        for way in ["dport", "sport"] {
            let _ = rule("del", way, self.0);
        }
    }
}

fn rule(what: &str, way: &str, port: u16) -> Result<()> {
    ip(&["rule", what, "pref", "1", "ipproto", "tcp", way, &port.to_string(), "blackhole"])
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.context("run ip")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A small file system in memory; dropping it takes it away.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes.
    pub(crate) fn mount(folder: &Path, megabytes: u32) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let size = format!("size={megabytes}m");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).stdin(Stdio::null());
        let output = command.output().context("run mount")?;
        if !output.status.success() {
            bail!("mount: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes until not one byte more goes onto it; returns how many megabytes that were.
    pub(crate) fn fill(&self) -> Result<usize> {
        let mut file = File::create(self.filler()).context("make a filler")?;
        let block = vec![7_u8; 1 << 20];
        let mut written = 0;
        for size in [1 << 20, 4_096, 1] {
            while let Some(part) = block.get(..size)
                && file.write_all(part).is_ok()
            {
                written += size;
            }
        }
        Ok(written >> 20)
    }

    /// Frees what was filled.
    pub(crate) fn free(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("remove the filler")
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that was killed may be a moment late.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
