//! Where the processor time of one request goes: samples of `perf`, sorted into the layers that a request passes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::affinity::Cores;
use crate::cli::Effort;
use crate::generator::{Pace, Question, Turn};
use crate::matrix::{Target, measure};

/// Samples per second of processor time.
const SAMPLES_PER_SECOND: u32 = 1999;
/// Connections while it samples.
const CONNECTIONS: usize = 16;
/// Turns that one profile lasts.
const TURNS: u32 = 5;
/// Symbols that a profile names.
const SYMBOLS_MAX: usize = 12;

/// One server's profile at one path.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    pub(crate) samples: u64,
    pub(crate) cpu_us: f64,
    /// The layers and their parts of the processor time, the largest first.
    pub(crate) layers: Vec<(&'static str, f64)>,
    /// The costliest symbols and their parts.
    pub(crate) symbols: Vec<(String, f64)>,
}

/// Whether this machine has what it takes.
pub(crate) async fn is_possible() -> bool {
    let version = Command::new("perf").arg("--version").stdout(Stdio::null()).status().await;
    version.is_ok_and(|status| status.success())
}

/// Profiles each server at each path.
pub(crate) async fn run(
    effort: &Effort,
    cores: Cores,
    folder: &Path,
    targets: &[(Target, String)],
) -> Result<Vec<Profile>> {
    let mut all = Vec::new();
    for (target, path) in targets {
        let turn = Turn {
            address: target.address,
            connections: CONNECTIONS,
            questions: vec![Question::get(target.name, path, &[])],
            deck: vec![0],
            pace: Pace::Closed,
            warm_up: effort.warm_up(),
            duration: effort.turn() * TURNS,
            core: cores.client,
            origin: None,
        };
        let file = folder.join(format!("perf-{}.data", all.len()));
        let sampling = sample(target, &file, turn.warm_up + turn.duration)?;
        let (measured, cpu_us) = measure(target, turn).await?;
        let output = sampling.wait_with_output().await.context("wait for perf")?;
        if !output.status.success() {
            bail!("perf record: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let lines = script(&file).await?;
        let cpu_us = cpu_us as f64 / measured.answers as f64;
        all.push(sorted(target.name, path, cpu_us, &lines));
    }
    Ok(all)
}

fn sample(target: &Target, file: &Path, long: Duration) -> Result<tokio::process::Child> {
    let pids: Vec<String> = target.pids.iter().map(u32::to_string).collect();
    Command::new("perf")
        .args(["record", "--quiet", "--event", "cpu-clock", "--freq"])
        .arg(SAMPLES_PER_SECOND.to_string())
        .args(["--pid", &pids.join(","), "--output"])
        .arg(file)
        .args(["--", "sleep", &long.as_secs_f64().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start perf")
}

async fn script(file: &Path) -> Result<String> {
    let output = Command::new("perf")
        .args(["script", "--fields", "ip,sym,dso", "--input"])
        .arg(file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("read samples with perf")?;
    if !output.status.success() {
        bail!("perf script: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sorts lines of `perf script` into layers.
fn sorted(name: &'static str, path: &str, cpu_us: f64, lines: &str) -> Profile {
    let mut layers: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut symbols: BTreeMap<String, u64> = BTreeMap::new();
    let mut samples = 0_u64;
    for line in lines.lines() {
        // `    55d0c0ffee symbol::of<T> (/path/of/the/object)`
        let Some((left, object)) = line.trim().rsplit_once(" (") else { continue };
        let symbol = left.split_once(' ').map_or("", |(_, symbol)| symbol);
        let object = object.trim_end_matches(')');
        let layer = layer(symbol, object);
        samples += 1;
        *layers.entry(layer).or_default() += 1;
        let shown = if layer == GUEST { "(code of the guest)" } else { symbol };
        *symbols.entry(shown.to_owned()).or_default() += 1;
    }
    let part = |count: u64| count as f64 / samples.max(1) as f64;
    let mut layers: Vec<_> = layers.into_iter().map(|(layer, n)| (layer, part(n))).collect();
    layers.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut symbols: Vec<_> = symbols.into_iter().map(|(symbol, n)| (symbol, part(n))).collect();
    symbols.sort_by(|one, other| other.1.total_cmp(&one.1));
    symbols.truncate(SYMBOLS_MAX);
    Profile { name, path: path.to_owned(), samples, cpu_us, layers, symbols }
}

const GUEST: &str = "guest: compiled WebAssembly";
/// Layers by what a symbol's name contains.
const LAYERS: [(&str, &[&str]); 7] = [
    ("allocator", &["mi_", "malloc", "__rust_alloc", "__rust_dealloc", "__rust_realloc"]),
    ("SQLite", &["sqlite3", "rusqlite", "libsql", "vdbe", "btree", "fts5"]),
    ("wasmtime", &["wasmtime", "wasmparser", "cranelift", "wiggle", "trampoline"]),
    ("our host: runtime, express wire", &["runtime::", "express_wire"]),
    ("our host: node", &["vitrine_edge", "node::", "manifest::", "replica::", "routefinder"]),
    (
        "HTTP: hyper, http, httparse",
        &["hyper", "http::", "httparse", "http_body", "h2::", "httpdate"],
    ),
    ("tokio, mio", &["tokio", "mio::"]),
];

fn layer(symbol: &str, object: &str) -> &'static str {
    if object.contains("[kernel") || object.contains("vmlinux") || object.contains("[guest.kernel")
    {
        return "kernel: sockets, epoll, wake-ups";
    }
    // Code that this process compiled itself is in memory without a name.
    if object.contains(".cwasm") || (symbol.contains("[unknown]") && !object.contains(".so")) {
        return GUEST;
    }
    // What stands first in a name is whose function it is; the rest are its types.
    let places = LAYERS.iter().filter_map(|(layer, parts)| {
        let place = parts.iter().filter_map(|part| symbol.find(part)).min()?;
        Some((place, *layer))
    });
    let found = places.min_by_key(|(place, _)| *place);
    found.map_or("rest: core, std, libc, cores of the shop", |(_, layer)| layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sorted_by_where_they_were_taken() {
        let lines = "\
            ffffffff81 tcp_sendmsg ([kernel.kallsyms])\n\
            55d0c0ffee wasmtime::runtime::store::Store<T>::call (/bin/vitrine-edge)\n\
            55d0c0ffef runtime::express::Express::serve::{{closure}} (/bin/vitrine-edge)\n\
            7f00000000 [unknown] (/state/components/0123.cwasm)\n\
            55d0c0fff0 sqlite3VdbeExec (/bin/vitrine-edge)\n\
            \n\
            55d0c0fff1 <hyper::proto::h1::Conn as X>::poll (/bin/vitrine-edge)\n\
            7f00000001 __memmove_avx_unaligned (/lib/libc.so.6)\n\
            55d0c0fff2 mi_malloc (/bin/vitrine-edge)\n\
            7f00000002 [unknown] (//anon)\n\
            55d0c0fff3 <tokio::runtime::task::Core<node::serve>>::poll (/bin/vitrine-edge)\n";
        let profile = sorted("node", "/", 8.0, lines);
        assert_eq!(profile.samples, 10);
        assert_eq!(profile.layers.len(), 9, "{:?}", profile.layers);
        let part =
            |name| profile.layers.iter().find(|(layer, _)| *layer == name).map(|(_, part)| *part);
        assert_eq!((part(GUEST), part("SQLite")), (Some(0.2), Some(0.1)));
        assert!(profile.symbols.iter().any(|(symbol, _)| symbol == "(code of the guest)"));
    }
}
