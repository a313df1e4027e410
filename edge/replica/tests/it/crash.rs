//! The follower is ended at arbitrary moments; what it leaves is always the source at some moment.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use replica::Replica;

use crate::origin::Origin;
use crate::rng::Rng;
use crate::{LIMIT, reader, settings, until};

const CHILD_DIR: &str = "REPLICA_TEST_CHILD_DIR";
const CHILD_URL: &str = "REPLICA_TEST_CHILD_URL";
const CHILD_TEST: &str = "crash::is_the_follower_process_when_told_to_be";
const KILLS: u32 = 24;
const DROPS: u32 = 30;

/// Not a test by itself: the process that [`survives_kill_9_at_any_moment`] starts and kills.
#[tokio::test(flavor = "multi_thread")]
async fn is_the_follower_process_when_told_to_be() {
    let (Ok(dir), Ok(url)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_URL)) else { return };
    let replica = Replica::start(settings(Path::new(&dir), &[url])).await.unwrap();
    // sleeps because it is there to be killed; an orphan ends by itself
    tokio::time::sleep(2 * LIMIT).await;
    drop(replica);
}

struct Follower(Child);

impl Follower {
    fn start(dir: &Path, url: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD_TEST, "--exact", "--nocapture"])
            .env(CHILD_DIR, dir)
            .env(CHILD_URL, url)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Commits all the time until it is dropped.
fn writer(origin: &Arc<Origin>, mut rng: Rng) -> tokio::task::JoinHandle<()> {
    let origin = Arc::clone(origin);
    tokio::spawn(async move {
        loop {
            origin.change(|source| source.commit_random(&mut rng));
            // sleeps because it is load, at some rate
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_kill_9_at_any_moment() {
    let mut rng = Rng::seeded();
    let (origin, dir) = (Arc::new(Origin::start().await), tempfile::tempdir().unwrap());
    let writing = writer(&origin, rng.clone());
    let (mut moved, mut before) = (0, 0);
    for round in 0..KILLS {
        let mut follower = Follower::start(dir.path(), &origin.url());
        if round % 6 == 5 {
            // The next snapshot is asked for soon, and the kill meets it.
            origin.change(|source| source.restore(&format!("r{round}"), &mut rng));
        }
        let answers = origin.answered() + 1 + rng.below(25);
        let started = Instant::now();
        while origin.answered() < answers {
            assert!(started.elapsed() < LIMIT, "the follower asks for nothing");
            // sleeps because this is the wait on a condition, and it has a limit
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // sleeps because the kill must come at any moment
        tokio::time::sleep(Duration::from_micros(rng.below(4000))).await;
        follower.kill();
        let files = reader::files(dir.path());
        assert!(!files.is_empty() || round == 0, "the copy is gone");
        for file in files {
            let (_, position) = reader::check(&file, &origin.source());
            moved += u32::from(position != before);
            before = position;
        }
    }
    writing.abort();
    assert!(moved > KILLS / 2, "killed too early to see anything: {moved}");

    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    let head = origin.source().position;
    until(&replica, "caught up", |status| status.position == head).await;
    reader::check(&replica.current().unwrap().path, &origin.source());
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_after_being_dropped_at_any_moment() {
    let mut rng = Rng::seeded();
    let (origin, dir) = (Arc::new(Origin::start().await), tempfile::tempdir().unwrap());
    let writing = writer(&origin, rng.clone());
    for _ in 0..DROPS {
        let started = Instant::now();
        let replica = loop {
            match Replica::start(settings(dir.path(), &[origin.url()])).await {
                Ok(replica) => break replica,
                // The one before is still finishing its batch.
                Err(replica::ReplicaError::InUse { .. }) if started.elapsed() < LIMIT => {
                    // sleeps because this is the wait on a condition, and it has a limit
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        };
        // sleeps because the end must come at any moment
        tokio::time::sleep(Duration::from_micros(rng.below(30_000))).await;
        drop(replica);
        for file in reader::files(dir.path()) {
            reader::check(&file, &origin.source());
        }
    }
    writing.abort();
    assert!(origin.snapshots() < u64::from(DROPS), "every start asked for a snapshot");
}
