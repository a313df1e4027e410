//! Whatever the feed does, the copy is the source at some moment, and in the end at the newest.

use std::sync::Arc;
use std::time::Duration;

use replica::{Replica, ReplicaError, State};

use crate::origin::{Fault, Origin};
use crate::rng::Rng;
use crate::{reader, settings, until};

/// Waits for the source's head, then compares the copy with it.
async fn check_caught_up(replica: &Arc<Replica>, origin: &Origin) {
    let (epoch, head) = {
        let source = origin.source();
        (source.epoch.clone(), source.position)
    };
    until(replica, "caught up", |status| {
        status.position == head && status.epoch.as_deref() == Some(&epoch)
    })
    .await;
    let current = replica.current().unwrap();
    assert_eq!(reader::check(&current.path, &origin.source()), (epoch, head));
}

fn commit(origin: &Origin, rng: &mut Rng, count: usize) {
    for _ in 0..count {
        origin.change(|source| source.commit_random(rng));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_empty_takes_a_snapshot_and_follows() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let mut origin = origin;
    origin.cut_off().await;
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    assert_eq!((replica.current(), replica.generation()), (None, 0));
    until(&replica, "disconnected", |status| status.state == State::Disconnected).await;

    commit(&origin, &mut rng, 30);
    origin.serve().await;
    check_caught_up(&replica, &origin).await;
    for _ in 0..20 {
        commit(&origin, &mut rng, 7);
        check_caught_up(&replica, &origin).await;
    }
    let status = until(&replica, "following", |status| status.state == State::Following).await;
    assert_eq!((status.snapshots, status.rebuilds, status.generation), (1, 0, 1));
    assert_eq!((status.lag_transactions, status.lag_ms), (0, 0));
    assert_eq!(status.applied_transactions, 140);
    assert!(status.last_contact_age_ms.unwrap() < 10_000);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_source_is_a_copy_too() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    until(&replica, "following", |status| status.state == State::Following).await;
    check_caught_up(&replica, &origin).await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_snapshot_is_discarded_and_asked_for_again() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    commit(&origin, &mut rng, 50);
    let faults = [
        Fault::CutSnapshot(0),
        Fault::CutSnapshot(1),
        Fault::CutSnapshot(9),
        Fault::EndlessSnapshot,
        Fault::ShortSnapshot,
        Fault::GarbageSnapshot,
    ];
    faults.into_iter().for_each(|fault| origin.fault(fault));
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    assert_eq!(origin.faults_left(), 0);
    let status = replica.status();
    assert_eq!((status.snapshots, status.generation), (1, 1), "{status:?}");
    assert!(status.failures >= 6, "{status:?}");
    replica.stop().await;
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().all(|name| !name.contains(".tmp")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_and_garbled_changes_are_asked_for_again_without_a_rebuild() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    for fault in [Fault::CutChanges, Fault::GarbageChanges, Fault::Status(503), Fault::Status(401)]
    {
        for _ in 0..3 {
            origin.fault(fault);
            commit(&origin, &mut rng, 9);
            check_caught_up(&replica, &origin).await;
            until(&replica, "struck", |_| origin.faults_left() == 0).await;
        }
    }
    let status = replica.status();
    assert_eq!((status.rebuilds, status.generation), (0, 1), "{status:?}");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_stalls_or_never_ends_is_given_up_and_asked_again() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    commit(&origin, &mut rng, 30);
    origin.fault(Fault::StallSnapshot(5));
    origin.fault(Fault::HugeLine);
    let mut settings = settings(dir.path(), &[origin.url()]);
    settings.limits.poll_wait = Duration::from_millis(50);
    settings.limits.connect_timeout = Duration::from_millis(100);
    settings.limits.first_byte_timeout = Duration::from_millis(100);
    settings.limits.frame_timeout = Duration::from_millis(200);
    let replica = Replica::start(settings).await.unwrap();
    check_caught_up(&replica, &origin).await;
    for (fault, reason) in [(Fault::Hang, "wait for the head"), (Fault::HugeChanges, "larger than")]
    {
        origin.fault(fault);
        let given_up = |status: &replica::Status| {
            status.last_error.as_ref().is_some_and(|error| error.contains(reason))
        };
        until(&replica, "given up", given_up).await;
        commit(&origin, &mut rng, 10);
        check_caught_up(&replica, &origin).await;
    }
    let status = replica.status();
    assert_eq!((status.rebuilds, status.generation), (0, 1), "{status:?}");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_without_changes_for_the_copy_are_positions_too() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    for _ in 0..3 {
        let head = origin.change(|source| source.commit(5, Vec::new()));
        origin.fault(Fault::EmptyLeap);
        assert!(replica.reached("e1", head, crate::LIMIT).await);
        check_caught_up(&replica, &origin).await;
    }
    assert_eq!(replica.status().rebuilds, 0);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_leaves_the_old_copy_and_heals() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let folder = dir.path().join("replica");
    commit(&origin, &mut rng, 20);
    let replica = Replica::start(settings(&folder, &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    let reading = reader::open(&replica.current().unwrap().path);
    // The first read opens the side files; from then on no name is needed.
    reader::read(&reading);
    std::fs::rename(&folder, dir.path().join("elsewhere")).unwrap();
    origin.change(|source| source.restore("e2", &mut rng));
    let refused = |status: &replica::Status| {
        status.last_error.as_ref().is_some_and(|error| error.contains("the replica"))
    };
    until(&replica, "refused by the folder", refused).await;
    reader::read(&reading);
    assert_eq!(replica.generation(), 1);
    std::fs::rename(dir.path().join("elsewhere"), &folder).unwrap();
    check_caught_up(&replica, &origin).await;
    assert_eq!(replica.generation(), 2);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_cannot_go_on_from_its_own_snapshots_is_not_stormed() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    (0..8).for_each(|_| origin.fault(Fault::Status(410)));
    let mut settings = settings(dir.path(), &[origin.url()]);
    settings.limits.backoff_max = Duration::from_millis(400);
    let started = std::time::Instant::now();
    let replica = Replica::start(settings).await.unwrap();
    until(&replica, "through with it", |status| status.state == State::Following).await;
    // Pauses of at least 2.5, 5, 10, 20, 40, 80, 160 and 200 ms.
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(replica.status().rebuilds, 8);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_settings_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = settings(dir.path(), &["http://127.0.0.1:1".to_owned()]);
    let mut bad = Vec::new();
    for urls in [vec![], vec!["https://x".to_owned()], vec!["http://none.invalid".to_owned()]] {
        bad.push(replica::Settings { feed_urls: urls, ..good.clone() });
    }
    bad.push(replica::Settings { token: replica::Secret::new("a\nb"), ..good.clone() });
    bad.push(replica::Settings { node_id: "a\nb".to_owned(), ..good.clone() });
    for settings in bad {
        let refused = Replica::start(settings).await;
        assert!(matches!(refused, Err(ReplicaError::Setting { .. })), "{refused:?}");
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = Replica::start(replica::Settings { dir: file, ..good.clone() }).await;
    assert!(matches!(refused, Err(ReplicaError::Folder { .. })), "{refused:?}");
    assert!(!format!("{good:?}").contains(crate::origin::TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_continuity_rebuilds_while_the_old_file_serves() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    commit(&origin, &mut rng, 20);
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    for (round, fault) in
        [Fault::Gap, Fault::UnknownTable, Fault::Status(410)].into_iter().enumerate()
    {
        let before = replica.current().unwrap();
        let reading = reader::open(&before.path);
        let seen = reader::read(&reading).position;
        // The first snapshots of the rebuild fail, so there is time to look at the old file.
        (0..3).for_each(|_| origin.fault(Fault::CutSnapshot(4)));
        origin.fault(fault);
        until(&replica, "rebuilding", |status| status.rebuilds == round as u64 + 1).await;
        assert!(reader::read(&reading).position >= seen);
        let rebuilt = |status: &replica::Status| status.generation == before.generation + 1;
        until(&replica, "rebuilt", rebuilt).await;
        commit(&origin, &mut rng, 5);
        check_caught_up(&replica, &origin).await;
        assert_ne!(replica.current().unwrap().path, before.path);
        // Who has the old file open may go on reading it.
        reader::read(&reading);
        until(&replica, "deleted the old file", |_| !before.path.exists()).await;
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_or_forgetful_origin_is_copied_anew() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    commit(&origin, &mut rng, 40);
    let mut replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;

    origin.change(|source| source.restore("e2", &mut rng));
    check_caught_up(&replica, &origin).await;
    assert_eq!(replica.generation(), 2);

    origin.change(|source| source.schema_version = 2);
    commit(&origin, &mut rng, 3);
    until(&replica, "at the new schema", |status| status.schema_version == Some(2)).await;
    check_caught_up(&replica, &origin).await;
    assert_eq!(replica.generation(), 3);

    replica.stop().await;
    commit(&origin, &mut rng, 40);
    origin.change(crate::source::Source::forget);
    replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    assert_eq!(replica.status().rebuilds, 1);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_copy_outlives_its_origin_and_heals() {
    let (mut rng, mut origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    commit(&origin, &mut rng, 40);
    let mut replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    for _ in 0..3 {
        check_caught_up(&replica, &origin).await;
        origin.cut_off().await;
        until(&replica, "disconnected", |status| status.state == State::Disconnected).await;
        reader::check(&replica.current().unwrap().path, &origin.source());
        // A restart without an origin serves at once what is on disk.
        replica.stop().await;
        replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
        reader::check(&replica.current().unwrap().path, &origin.source());
        assert_eq!(replica.status().state, State::Disconnected);
        commit(&origin, &mut rng, 40);
        origin.serve().await;
    }
    check_caught_up(&replica, &origin).await;
    assert_eq!(replica.status().rebuilds, 0);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_is_found_at_once_even_where_nothing_happens() {
    let (mut origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let mut settings = settings(dir.path(), &[origin.url()]);
    settings.limits.poll_wait = 4 * crate::LIMIT;
    for _ in 0..2 {
        let replica = Replica::start(settings.clone()).await.unwrap();
        for _ in 0..2 {
            until(&replica, "following", |status| status.state == State::Following).await;
            origin.cut_off().await;
            until(&replica, "disconnected", |status| status.state == State::Disconnected).await;
            origin.serve().await;
        }
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_to_the_next_origin_of_the_list() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let mut gone = Origin::start().await;
    gone.cut_off().await;
    commit(&origin, &mut rng, 10);
    let replica = Replica::start(settings(dir.path(), &[gone.url(), origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    until(&replica, "following", |status| status.state == State::Following).await;
    assert_eq!(replica.status().feed_url, origin.url());
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_built_anew() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    commit(&origin, &mut rng, 60);
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    let path = replica.current().unwrap().path;
    replica.stop().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();

    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    assert_eq!(replica.status().snapshots, 1);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wal_is_written_back_when_it_grows() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    for _ in 0..30 {
        commit(&origin, &mut rng, 20);
        check_caught_up(&replica, &origin).await;
    }
    let status = replica.status();
    assert!(status.checkpoints > 0, "{status:?}");
    let path = replica.current().unwrap().path;
    let wal = std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |wal| wal.len());
    assert!(wal < 1024 * 1024, "{wal}");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_follower() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let settings = settings(dir.path(), &[origin.url()]);
    let replica = Replica::start(settings.clone()).await.unwrap();
    let second = Replica::start(settings.clone()).await;
    assert!(matches!(second, Err(ReplicaError::InUse { .. })), "{second:?}");
    replica.stop().await;
    Replica::start(settings).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_a_position_no_longer_than_it_may() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    let put = api_types::feed::FeedChange::Put {
        table: "items".to_owned(),
        values: crate::source::item(1, "oak chair"),
    };
    let position = origin.change(|source| source.commit(1, vec![put]));
    assert!(replica.reached("e1", position, crate::LIMIT).await);
    assert!(!replica.reached("e1", position + 1, Duration::from_millis(20)).await);
    assert!(!replica.reached("other", position, Duration::from_secs(5)).await);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_batches_only_while_changes_stream_in() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(settings(dir.path(), &[origin.url()])).await.unwrap();
    check_caught_up(&replica, &origin).await;
    let path = replica.current().unwrap().path;
    let done = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (connection, mut seen) = (reader::open(&path), Vec::new());
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let now = reader::read(&connection);
                        seen.push((now.position, crate::source::digest(&now.tables)));
                    }
                    seen
                })
            })
            .collect();
        let mut head = 0;
        for _ in 0..600 {
            head = origin.change(|source| source.commit_random(&mut rng));
        }
        let started = std::time::Instant::now();
        while replica.status().position < head && started.elapsed() < crate::LIMIT {
            std::thread::yield_now();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
    });
    check_caught_up(&replica, &origin).await;
    assert!(seen.len() > 4, "{}", seen.len());
    for (position, digest) in seen {
        assert_eq!(origin.source().digest_at("e1", position), Some(digest), "at {position}");
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_and_position_move_in_one_commit() {
    const TRANSACTIONS: u64 = 1200;
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let put = |position: u64| {
        let mut values = crate::source::item(1, "oak lamp");
        values[2] = f64::from(u32::try_from(position).unwrap()).into();
        vec![api_types::feed::FeedChange::Put { table: "items".to_owned(), values }]
    };
    origin.change(|source| source.commit(1, put(1)));
    let mut settings = settings(dir.path(), &[origin.url()]);
    settings.limits.batch_transactions = 2;
    let replica = Replica::start(settings).await.unwrap();
    check_caught_up(&replica, &origin).await;
    let path = replica.current().unwrap().path;
    // Asks so often that it would see the moment between two commits.
    let reader = std::thread::spawn(move || {
        let connection = reader::open(&path);
        let mut statement = connection
            .prepare("SELECT position, weight FROM _vitrine_replica, items WHERE id = 1")
            .unwrap();
        let started = std::time::Instant::now();
        loop {
            let (position, weight): (i64, f64) =
                statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(position, weight as i64);
            if position == i64::try_from(TRANSACTIONS).unwrap() {
                return;
            }
            assert!(started.elapsed() < crate::LIMIT, "still at {position}");
        }
    });
    for position in 2..=TRANSACTIONS {
        origin.change(|source| source.commit(1, put(position)));
    }
    until(&replica, "caught up", |status| status.position == TRANSACTIONS).await;
    tokio::task::spawn_blocking(|| reader.join()).await.unwrap().unwrap();
    replica.stop().await;
}
