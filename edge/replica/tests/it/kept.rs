//! Readers that keep their transaction open, as the edge does, miss nothing and hold nothing up.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use replica::Replica;
use rusqlite::Connection;

use crate::origin::Origin;
use crate::rng::Rng;
use crate::{LIMIT, reader, settings};

/// A connection, and the version at which its transaction began.
struct Kept {
    connection: Connection,
    version: Option<u64>,
}

impl Kept {
    fn new(path: &Path) -> Self {
        Self { connection: reader::open(path), version: None }
    }

    /// Returns the position, from the transaction before if that is good enough.
    fn position(&mut self, replica: &Replica) -> u64 {
        let version = replica.version();
        if self.version != version {
            self.let_go();
        }
        if let (None, Some(_)) = (self.version, version) {
            self.connection.execute_batch("BEGIN").unwrap();
            self.version = version;
        }
        let read = "SELECT position FROM _vitrine_replica";
        self.connection.query_row(read, [], |row| row.get(0)).unwrap()
    }

    fn let_go(&mut self) {
        if self.version.take().is_some() {
            self.connection.execute_batch("COMMIT").unwrap();
        }
    }
}

fn commit(origin: &Origin, rng: &mut Rng, count: usize) -> u64 {
    (0..count).map(|_| origin.change(|source| source.commit_random(rng))).last().unwrap()
}

fn wal_bytes(path: &Path) -> u64 {
    std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |wal| wal.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_the_same_version_sees_every_position_that_is_shown() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let head = commit(&origin, &mut rng, 10);
    let mut settings = settings(dir.path(), &[origin.url()]);
    settings.limits.wal_bytes_max = 64 * 1024;
    let replica = Replica::start(settings).await.unwrap();
    assert!(replica.reached("e1", head, LIMIT).await);
    let last = head + 600;
    let reading = {
        let replica = Arc::clone(&replica);
        std::thread::spawn(move || {
            let mut kept = Kept::new(&replica.current().unwrap().path);
            let mut known = 0;
            while known < last {
                known = replica.position().unwrap().position;
                let seen = kept.position(&replica);
                assert!(seen >= known, "{seen} of {known}");
            }
        })
    };
    for _ in 0..60 {
        let head = commit(&origin, &mut rng, 10);
        assert!(replica.reached("e1", head, LIMIT).await);
    }
    reading.join().unwrap();
    assert!(replica.status().checkpoints > 0, "{:?}", replica.status());
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_reader_lets_go_before_a_checkpoint() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let head = commit(&origin, &mut rng, 10);
    let mut settings = settings(dir.path(), &[origin.url()]);
    settings.limits.wal_bytes_max = 64 * 1024;
    let replica = Replica::start(settings).await.unwrap();
    assert!(replica.reached("e1", head, LIMIT).await);
    let path = replica.current().unwrap().path;
    let idle = Arc::new(Mutex::new(Kept::new(&path)));
    let asked = Arc::new(AtomicU64::new(0));
    let let_go = {
        let (replica, idle, asked) =
            (Arc::downgrade(&replica), Arc::clone(&idle), Arc::clone(&asked));
        move || {
            let Some(replica) = replica.upgrade() else { return false };
            assert_eq!(replica.version(), None);
            idle.lock().unwrap().let_go();
            asked.fetch_add(1, Ordering::Relaxed);
            true
        }
    };
    replica.before_checkpoint(Box::new(let_go));
    replica.before_checkpoint(Box::new(|| false));
    let mut largest = 0;
    for round in 0..60 {
        let head = commit(&origin, &mut rng, 10);
        assert!(replica.reached("e1", head, LIMIT).await);
        largest = largest.max(wal_bytes(&path));
        // A reader that comes by now and then, and idles with its transaction open.
        if round % 7 == 0 {
            idle.lock().unwrap().position(&replica);
        }
    }
    replica.stop().await;
    let (asked, done) = (asked.load(Ordering::Relaxed), replica.status().checkpoints);
    assert!(asked >= 5 && done == asked, "{done} checkpoints of {asked}");
    // The limit, one batch, and what is written while a checkpoint waits for nobody.
    assert!(largest < 512 * 1024, "{largest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_may_write_has_no_version() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let head = commit(&origin, &mut rng, 10);
    let settings = settings(&dir.path().join("on-its-way"), &[origin.url()]);
    let replica = Replica::start_into(dir.path().join("theirs.db"), settings).await.unwrap();
    assert!(replica.reached("e1", head, LIMIT).await);
    assert_eq!(replica.version(), None);
    replica.stop().await;
}
