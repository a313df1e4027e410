//! What was measured on: figures without it say nothing.

use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

/// Linux counts CPU time in hundredths of a second towards user space.
const TICK_US: u64 = 10_000;
/// What `cargo xtask` says about the clone.
const COMMIT: &str = "VITRINE_COMMIT";

/// Describes processor, cores, memory, system, and the commit.
pub(crate) fn describe() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": read("/proc/loadavg").split(' ').next(),
        "commit": std::env::var(COMMIT).unwrap_or_else(|_| "unknown".to_owned()),
        "build": if cfg!(debug_assertions) { "debug: the figures say nothing" } else { "release" },
    })
}

/// CPU time of a process so far, in microseconds; 0 when the system does not say.
pub(crate) fn cpu_us(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    // The name, in parentheses, may contain spaces; user and system time are fields 14 and 15.
    let ticks = stat.as_deref().and_then(|stat| stat.rsplit_once(')')).map(|(_, rest)| {
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    });
    ticks.unwrap_or(0_u64).saturating_mul(TICK_US)
}

/// Memory that only this process has, in KiB; 0 when the system does not say.
pub(crate) fn private_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    rollup.lines().filter(|line| line.starts_with("Private_")).filter_map(kib).sum()
}

/// Memory that is in use by a process, in KiB, shared pages included; 0 when the system does not say.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Memory of the files without a name (`memfd_create`) that a process has open, in KiB. It counts for no process.
pub(crate) fn memory_files_kib(pid: u32) -> u64 {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let mut files = std::collections::BTreeMap::new();
    for entry in open.filter_map(Result::ok) {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        if target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:")
            && let Ok(file) = std::fs::metadata(entry.path())
        {
            // One that is open twice counts once; a block has 512 bytes, whatever the file system's are.
            files.insert((file.dev(), file.ino()), file.blocks() / 2);
        }
    }
    files.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_memory_count_once() {
        use rustix::fs::{MemfdFlags, memfd_create};
        use std::io::Write as _;
        let pid = std::process::id();
        let mut file = std::fs::File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(&vec![1; 4 << 20]).unwrap();
        let _also = file.try_clone().unwrap();
        assert_eq!(memory_files_kib(pid), 4 << 10);
        assert_eq!((memory_files_kib(0), resident_kib(0)), (0, 0));
    }

    #[test]
    fn the_system_tells_time_and_memory_of_a_process() {
        let pid = std::process::id();
        let held = std::hint::black_box(vec![1_u8; 8 * 1024 * 1024]);
        assert!(private_kib(pid) >= 8 * 1024 && resident_kib(pid) >= 8 * 1024);
        drop(held);
        let before = cpu_us(pid);
        let mut turns = 0_u64;
        while cpu_us(pid) == before {
            turns = std::hint::black_box(turns + 1);
        }
        assert_eq!((cpu_us(0), private_kib(0)), (0, 0));
        assert!(describe()["cores"].as_u64().is_some_and(|cores| cores > 0));
    }
}
