//! A cache that is much smaller than what is asked for: how often it has the answer, and how much memory that takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::{Client, Environment, Process};
use serde_json::json;

use super::servers::start_node;
use crate::cli::CdnArgs;
use crate::content;
use crate::goals::Goal;
use crate::machine;
use crate::origin::Child;
use crate::report::{Report, Section};
use crate::trace::{Shape, Trace};

/// Room of the cache.
const CACHE_MIB: u64 = 64;
/// What the node may hold beside the cache and what it holds when empty, in MiB: bodies on their way, heads and tables of
/// the store, and what the allocator keeps of what was freed.
const OVERHEAD_MIB: u64 = 32;
/// What is asked for: some 920 MB, of which the cache has room for a fourteenth.
const SHAPE: Shape = Shape {
    objects: 20_000,
    requests: 200_000,
    exponent: 0.9,
    bytes_min: 1024,
    bytes_max: 256 * 1024,
};
/// Requests of a quick run.
const REQUESTS_QUICK: usize = 3000;
/// Connections that ask; so far the order may differ from the trace's.
const CONNECTIONS: usize = 8;
/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks for everything, and reports.
pub(crate) async fn run(
    args: &CdnArgs,
    environment: &Environment,
    report: &mut Report,
) -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let origin = Child::start("origin", None, folder.path()).await?;
    let cache = format!("--cache-mib={CACHE_MIB}");
    let words = ["proxy", "--origin", origin.url(), &cache];
    let node = start_node(environment, None, folder.path(), "bounded", &words).await?;
    let requests = if args.quick { REQUESTS_QUICK } else { SHAPE.requests };
    let trace = Arc::new(Trace::seeded(args.seed, Shape { requests, ..SHAPE }));
    Client::new(node.url()).get("/1/private/first").await?;
    let before = Held::now(&node)?;
    let over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(node.pid().unwrap_or(0), Arc::clone(&over)));
    let asked_before = origin.requests().await?;
    let started = Instant::now();
    ask_all(&trace, node.url()).await?;
    let took = started.elapsed();
    let misses = origin.requests().await?.saturating_sub(asked_before);
    over.store(true, Ordering::Relaxed);
    let most = watching.await.context("watch the memory")?;
    let capacity = CACHE_MIB << 20;
    let outcome = Outcome {
        seed: args.seed,
        requests,
        bytes: trace.bytes(),
        hits: requests.saturating_sub(usize::try_from(misses).unwrap_or(usize::MAX)),
        lru_hits: trace.lru_hits(capacity),
        hits_max: trace.hits_max(capacity),
        before,
        most,
        after: Held::now(&node)?,
        took,
    };
    report.goals.extend(outcome.goals());
    report.sections.push(outcome.section());
    Ok(())
}

/// Asks for the trace on several connections, and checks every byte.
async fn ask_all(trace: &Arc<Trace>, url: &str) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (trace, next, client) = (Arc::clone(trace), Arc::clone(&next), Client::new(url));
        asking.spawn(async move {
            while let Some(object) = trace.requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let bytes = trace.sizes.get(*object).copied().unwrap_or(0);
                let path = format!("/{bytes}/fixed/{object}");
                let answer = client.get(&path).await?;
                let length = usize::try_from(bytes).context("use a size")?;
                if answer.status != 200 || answer.body != content::whole(&path, 0, length) {
                    bail!("{path}: {} and {} bytes, not its", answer.status, answer.body.len());
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = asking.join_next().await {
        ended.context("ask")??;
    }
    Ok(())
}

/// Memory of a node, in KiB.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    /// Resident: its own pages, and the program's.
    resident_kib: u64,
    /// Files without a name, where bodies above 64 KiB lie; they belong to no process's pages.
    files_kib: u64,
}

impl Held {
    fn of(pid: u32) -> Self {
        Self { resident_kib: machine::resident_kib(pid), files_kib: machine::memory_files_kib(pid) }
    }

    fn now(node: &Process) -> Result<Self> {
        Ok(Self::of(node.pid().context("find the node")?))
    }

    const fn all_kib(self) -> u64 {
        self.resident_kib + self.files_kib
    }
}

async fn watch(pid: u32, over: Arc<AtomicBool>) -> Held {
    let mut most = Held::of(pid);
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK_EVERY).await;
        let held = Held::of(pid);
        if held.all_kib() > most.all_kib() {
            most = held;
        }
    }
    most
}

#[derive(Debug)]
struct Outcome {
    seed: u64,
    requests: usize,
    bytes: u64,
    hits: usize,
    lru_hits: usize,
    hits_max: usize,
    before: Held,
    most: Held,
    after: Held,
    took: Duration,
}

impl Outcome {
    fn ratio(&self, hits: usize) -> f64 {
        hits as f64 / self.requests.max(1) as f64
    }

    /// Beyond the cache and the empty node, in MiB.
    fn overhead_mib(&self) -> f64 {
        let grown = self.most.all_kib().saturating_sub(self.before.all_kib());
        grown as f64 / 1024.0 - CACHE_MIB as f64
    }

    fn goals(&self) -> Vec<Goal> {
        let to_lru = self.ratio(self.hits) / self.ratio(self.lru_hits).max(1e-9);
        vec![
            Goal::least("bounded cache: hit ratio : an ideal LRU's".to_owned(), to_lru, 1.0),
            Goal::most(
                format!("bounded cache: MiB beyond {CACHE_MIB} and the empty node, at most"),
                self.overhead_mib(),
                OVERHEAD_MIB as f64,
            ),
        ]
    }

    fn section(&self) -> Section {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let mut text = format!(
            "\nbounded cache of {CACHE_MIB} MiB, seed {}: {} requests (Zipf {}) for {} objects of {} to {} bytes, {:.0} MB that are asked for, in {:.1} s\n\
             hit ratio    {:.4}   an ideal LRU {:.4}   no cache has more than {:.4}\n",
            self.seed,
            self.requests,
            SHAPE.exponent,
            SHAPE.objects,
            SHAPE.bytes_min,
            SHAPE.bytes_max,
            self.bytes as f64 / 1e6,
            self.took.as_secs_f64(),
            self.ratio(self.hits),
            self.ratio(self.lru_hits),
            self.ratio(self.hits_max),
        );
        text.push_str("memory, MiB    resident   files in memory     all\n");
        let moments = [("empty", self.before), ("at most", self.most), ("at the end", self.after)];
        for (when, held) in moments {
            text.push_str(&format!(
                "{when:<12}   {:>8.1}   {:>15.1}   {:>5.1}\n",
                mib(held.resident_kib),
                mib(held.files_kib),
                mib(held.all_kib())
            ));
        }
        let held = |held: Held| json!({ "resident_kib": held.resident_kib, "memory_files_kib": held.files_kib });
        let json = json!({
            "seed": self.seed,
            "cache_mib": CACHE_MIB,
            "requests": self.requests,
            "bytes_asked_for": self.bytes,
            "hit_ratio": self.ratio(self.hits),
            "hit_ratio_lru": self.ratio(self.lru_hits),
            "hit_ratio_bound": self.ratio(self.hits_max),
            "empty": held(self.before),
            "most": held(self.most),
            "end": held(self.after),
            "overhead_mib": self.overhead_mib(),
            "seconds": self.took.as_secs_f64(),
        });
        Section { name: "bounded_cache", text, json }
    }
}
