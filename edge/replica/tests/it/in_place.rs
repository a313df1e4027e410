//! A file that somebody else has open, filled and followed where it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use replica::{Replica, ReplicaError, Settings, Status};
use rusqlite::Connection;

use crate::origin::{Fault, Origin};
use crate::rng::Rng;
use crate::{reader, settings, until};

/// A folder as Spin has it: its database, and ours for what is on its way there.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("sqlite_db.db")
    }

    fn settings(&self, origin: &Origin) -> Settings {
        settings(&self.0.path().join("on-its-way"), &[origin.url()])
    }

    async fn start(&self, origin: &Origin) -> Result<Arc<Replica>, ReplicaError> {
        Replica::start_into(self.database(), self.settings(origin)).await
    }
}

async fn caught_up(replica: &Arc<Replica>, origin: &Origin) -> Status {
    let (epoch, head) = {
        let source = origin.source();
        (source.epoch.clone(), source.position)
    };
    until(replica, "caught up", |status| {
        status.position == head && status.epoch.as_deref() == Some(&*epoch)
    })
    .await
}

fn commit(origin: &Origin, rng: &mut Rng, count: usize) {
    for _ in 0..count {
        origin.change(|source| source.commit_random(rng));
    }
}

fn check(path: &Path, origin: &Origin) {
    let source = origin.source();
    assert_eq!(reader::check(path, &source), (source.epoch.clone(), source.position));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_keeps_the_file_open_sees_every_change() {
    let (mut rng, origin, folder) = (Rng::seeded(), Origin::start().await, Folder::new());
    commit(&origin, &mut rng, 30);
    // As Spin opens it: before anything is there, and for as long as it runs.
    let spins = Connection::open(folder.database()).unwrap();
    spins.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    spins.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (7)").unwrap();
    let replica = folder.start(&origin).await.unwrap();
    for _ in 0..10 {
        caught_up(&replica, &origin).await;
        let seen = reader::read(&spins);
        assert_eq!(seen.position, origin.source().position);
        check(&folder.database(), &origin);
        commit(&origin, &mut rng, 7);
    }
    // Another history: everything is built anew, in the same file.
    origin.change(|source| source.restore("another", &mut rng));
    commit(&origin, &mut rng, 3);
    let status = caught_up(&replica, &origin).await;
    assert_eq!((status.snapshots, status.rebuilds), (2, 1));
    assert_eq!(reader::read(&spins).epoch, origin.source().epoch);
    check(&folder.database(), &origin);
    replica.stop().await;
    let theirs: i64 = spins.query_row("SELECT a FROM theirs", [], |row| row.get(0)).unwrap();
    let mode: String = spins.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!((theirs, mode.as_str()), (7, "delete"));
    assert_eq!(reader::files(&folder.0.path().join("on-its-way")), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_goes_on_where_the_first_ended() {
    let (mut rng, origin, folder) = (Rng::seeded(), Origin::start().await, Folder::new());
    commit(&origin, &mut rng, 5);
    let first = folder.start(&origin).await.unwrap();
    caught_up(&first, &origin).await;
    let in_use = folder.start(&origin).await;
    assert!(matches!(in_use, Err(ReplicaError::InUse { .. })), "{in_use:?}");
    first.stop().await;
    let bytes = std::fs::read(folder.database()).unwrap();
    let again = folder.start(&origin).await.unwrap();
    until(&again, "in contact", |status| status.state == replica::State::Following).await;
    again.stop().await;
    assert_eq!(std::fs::read(folder.database()).unwrap(), bytes, "nothing was written");
    commit(&origin, &mut rng, 5);
    let third = folder.start(&origin).await.unwrap();
    let status = caught_up(&third, &origin).await;
    assert_eq!((status.snapshots, status.applied_transactions), (0, 5));
    third.stop().await;
    check(&folder.database(), &origin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_wal_mode_stays_in_it() {
    let (mut rng, origin, folder) = (Rng::seeded(), Origin::start().await, Folder::new());
    commit(&origin, &mut rng, 5);
    let theirs = Connection::open(folder.database()).unwrap();
    let mode: String = theirs.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let replica = folder.start(&origin).await.unwrap();
    caught_up(&replica, &origin).await;
    commit(&origin, &mut rng, 5);
    caught_up(&replica, &origin).await;
    replica.stop().await;
    check(&folder.database(), &origin);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_lost_is_refused_and_left_as_it_is() {
    let (origin, folder) = (Origin::start().await, Folder::new());
    for bytes in [b"not a database at all, only some text".to_vec(), vec![0xA5; 8192]] {
        std::fs::write(folder.database(), &bytes).unwrap();
        let refused = folder.start(&origin).await;
        assert!(matches!(refused, Err(ReplicaError::Foreign { .. })), "{refused:?}");
        assert_eq!(std::fs::read(folder.database()).unwrap(), bytes);
    }
    std::fs::remove_file(folder.database()).unwrap();
    let theirs = Connection::open(folder.database()).unwrap();
    theirs.execute_batch("CREATE TABLE items (a); INSERT INTO items VALUES (7)").unwrap();
    let replica = folder.start(&origin).await.unwrap();
    let status = until(&replica, "refused", |status| status.last_error.is_some()).await;
    replica.stop().await;
    let said = status.last_error.unwrap();
    assert!(said.contains("it has its own `items`"), "{said}");
    let (count, value): (i64, i64) = theirs
        .query_row("SELECT (SELECT count(*) FROM sqlite_master), a FROM items", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((count, value), (1, 7), "no table of ours is left beside theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_deleted_meanwhile_is_filled_again() {
    let (mut rng, origin, folder) = (Rng::seeded(), Origin::start().await, Folder::new());
    commit(&origin, &mut rng, 5);
    let replica = folder.start(&origin).await.unwrap();
    caught_up(&replica, &origin).await;
    std::fs::remove_file(folder.database()).unwrap();
    commit(&origin, &mut rng, 5);
    caught_up(&replica, &origin).await;
    replica.stop().await;
    check(&folder.database(), &origin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_breaks_off_changes_nothing() {
    let (mut rng, origin, folder) = (Rng::seeded(), Origin::start().await, Folder::new());
    commit(&origin, &mut rng, 20);
    for fault in [Fault::CutSnapshot(9), Fault::ShortSnapshot, Fault::GarbageSnapshot] {
        origin.fault(fault);
    }
    let replica = folder.start(&origin).await.unwrap();
    let status = caught_up(&replica, &origin).await;
    assert_eq!((status.snapshots, status.failures), (1, 3));
    replica.stop().await;
    check(&folder.database(), &origin);
}
