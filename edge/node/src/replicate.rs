//! `replicate`: fills a database file that another host keeps open with the copy that this node would keep for itself.
//!
//! Real Spin opens its database by name and follows no feed; this command does that for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use api_types::feed::{DEVELOPMENT_SECRET, bearer};
use replica::{Replica, ReplicaError, Settings, State, Status};

use crate::accept;
use crate::cli::Replicate;
use crate::up::Failure;

/// Between two looks at the follower, which does its work in milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Failed steps in a row, beyond one per origin, after which an origin that answers counts as of no use: 3. A reader
/// that holds the file up costs one step of 5 s.
const FAILURES_MAX: u64 = 3;

/// Fills the file, and follows until a signal when asked to.
pub(crate) fn run(options: Replicate) -> Result<(), Failure> {
    let settings = settings(&options).map_err(Failure::Configuration)?;
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::Other)?;
    tasks.block_on(replicate(options, settings))
}

async fn replicate(options: Replicate, settings: Settings) -> Result<(), Failure> {
    let mut stop = accept::stop_signal().context("listen for signals").map_err(Failure::Other)?;
    let origins = u64::try_from(settings.feed_urls.len()).unwrap_or(u64::MAX);
    let work = settings.dir.clone();
    let replica = Replica::start_into(options.into.clone(), settings).await.map_err(|error| {
        let is_configuration =
            matches!(error, ReplicaError::Setting { .. } | ReplicaError::Foreign { .. });
        let error = anyhow::Error::from(error).context("replicate");
        if is_configuration { Failure::Configuration(error) } else { Failure::Other(error) }
    })?;
    let filled = tokio::select! {
        filled = fill(&replica, origins, options.follow) => filled.map(Some),
        () = stop.wait() => Ok(None),
    };
    let ended = match filled {
        Ok(None) => Ok(()),
        Ok(Some(status)) => {
            say(&summary(&options.into, &status));
            if options.follow {
                say(&format!("following {}", status.feed_url));
                stop.wait().await;
            }
            Ok(())
        }
        Err(error) => Err(Failure::Other(error)),
    };
    replica.stop().await;
    // It holds a lock file and nothing more. Left behind it would do no harm.
    let _ = std::fs::remove_dir_all(work);
    ended
}

/// Waits until the file holds what the origin holds. An origin that is away is an error, unless the file is to be
/// followed: then it is waited for.
async fn fill(replica: &Arc<Replica>, origins: u64, is_patient: bool) -> anyhow::Result<Status> {
    let mut forgiven = 0;
    loop {
        let status = replica.status();
        if status.state == State::Following && status.lag_transactions == 0 {
            return Ok(status);
        }
        let reason =
            || status.last_error.clone().unwrap_or_else(|| "no reason is known".to_owned());
        if status.state == State::Disconnected && status.failures > 0 {
            if !is_patient {
                bail!("no origin answers: {}", reason());
            }
            forgiven = status.failures;
        }
        if status.failures.saturating_sub(forgiven) > origins.saturating_add(FAILURES_MAX) {
            bail!("give up: {}", reason());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn summary(file: &Path, status: &Status) -> String {
    let news = match (status.snapshots, status.applied_transactions) {
        (0, 0) => "unchanged".to_owned(),
        (0, count) => format!("{count} transactions newer"),
        _ => "a new copy".to_owned(),
    };
    let epoch = status.epoch.as_deref().unwrap_or("");
    format!("{} holds {epoch}.{} ({news})", file.display(), status.position)
}

fn settings(options: &Replicate) -> anyhow::Result<Settings> {
    let secret = match &options.secret_file {
        None => DEVELOPMENT_SECRET.to_owned(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read secret {}", path.display()))?;
            text.trim().to_owned()
        }
    };
    ensure!(!secret.is_empty(), "the secret is empty");
    if let Some(folder) = options.into.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    Ok(Settings {
        dir: work_folder(&options.into)?,
        feed_urls: options.feed.clone(),
        token: replica::Secret::new(bearer(secret.as_bytes())),
        node_id: options.node_id.clone(),
        limits: replica::Limits::default(),
    })
}

/// `x.db` is prepared in `x.db.incoming`: the same file system, and a name that says whose it is.
fn work_folder(file: &Path) -> anyhow::Result<PathBuf> {
    let mut name = file.file_name().context("--into names no file")?.to_owned();
    name.push(".incoming");
    Ok(file.with_file_name(name))
}

/// Lines for who started the program.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn say(line: &str) {
    use std::io::Write as _;
    println!("{line}");
    // Nobody reads it if this fails.
    let _ = std::io::stdout().flush();
}
