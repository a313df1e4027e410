//! Stores that are closed and opened again on the same directory, and what becomes of their files.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use cache_core::{Exchange, Rules, Storage, storage};
use domain::Timestamp;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::*;
use crate::{
    answer::now,
    store::{BodyPart, Purge, PurgeKind, Store, StoreLimits, Stored, StoredBody},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn limits(directory: &Path) -> StoreLimits {
    let disk = DiskLimits { directory: directory.to_owned(), bytes_max: 64 << 20 };
    StoreLimits { bytes_max: 4 << 20, disk: Some(disk), ..StoreLimits::default() }
}

fn open(directory: &Path) -> Store {
    Store::new(&limits(directory)).expect("opens")
}

fn key(path: &str) -> Key {
    Key::of("http", "a", path)
}

fn figures(store: &Store) -> DiskFigures {
    store.figures().disk.expect("has a disk")
}

/// Stores an answer that came at `at`, with what it says of itself and of the request.
fn put_at(store: &Store, path: &str, fields: &[(&'static str, &str)], body: &[u8], at: Timestamp) {
    let mut response = HeaderMap::new();
    response.insert("cache-control", HeaderValue::from_static("max-age=600"));
    let mut request = HeaderMap::new();
    for (name, value) in fields {
        let (name, map) = match name.strip_prefix("request-") {
            Some(name) => (name, &mut request),
            None => (*name, &mut response),
        };
        map.append(name, HeaderValue::from_str(value).expect("is a value"));
    }
    let key = key(path);
    let exchange = Exchange {
        method: &Method::GET,
        target: &key,
        request: &request,
        status: StatusCode::OK,
        response: &response,
        requested_at: at,
        responded_at: at,
    };
    let Storage::Store(meta) = storage::decide(&exchange, &Rules::default()) else {
        panic!("is not stored")
    };
    let body = store.body(&[Bytes::copy_from_slice(body)]).expect("is made");
    store.put(&key, meta, response, body, store.sequence());
}

fn put(store: &Store, path: &str, body: &[u8]) {
    put_at(store, path, &[], body, now());
}

fn bytes(stored: &Stored) -> Vec<u8> {
    match stored.body.part(0, stored.body.length()) {
        BodyPart::Memory(bytes) => bytes.to_vec(),
        BodyPart::File(part) => {
            let mut bytes = vec![0; usize::try_from(part.length).expect("fits")];
            std::os::unix::fs::FileExt::read_exact_at(&*part.file, &mut bytes, part.offset)
                .expect("reads");
            bytes
        }
    }
}

/// Returns the body of the answer for a request without fields.
async fn found(store: &Store, path: &str) -> Option<Vec<u8>> {
    let slot = store.find(&key(path)).await?;
    slot.find(&HeaderMap::new()).map(|stored| bytes(stored))
}

/// Closes a store and opens another one on the same directory.
fn again(store: Store, directory: &Path) -> Store {
    store.settle(PATIENCE);
    drop(store);
    open(directory)
}

fn scanned(store: &Store) {
    let deadline = Instant::now() + PATIENCE;
    while !figures(store).is_scanned {
        assert!(Instant::now() < deadline, "is never looked through");
        std::thread::yield_now();
    }
    store.settle(PATIENCE);
}

/// Returns the files of answers, with their lengths.
fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir(directory).expect("reads").flatten() {
        let Ok(inside) = std::fs::read_dir(folder.path()) else { continue };
        all.extend(
            inside
                .flatten()
                .map(|file| (file.path(), file.metadata().map_or(0, |facts| facts.len()))),
        );
    }
    all.sort();
    all
}

fn named(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let all = files(directory).into_iter().map(|(path, _)| path);
    all.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

const SIZES: [(&str, usize); 4] =
    [("/empty", 0), ("/inline", 4096), ("/small", 4097), ("/large", 300_000)];

#[tokio::test]
async fn what_is_stored_outlives_the_process_whatever_its_size() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    for (path, length) in SIZES {
        put(&store, path, &vec![7; length]);
    }
    let store = again(store, dir.path());
    for (path, length) in SIZES {
        assert!(store.get(&key(path)).is_none(), "{path} is not in memory");
        assert_eq!(found(&store, path).await, Some(vec![7; length]), "{path}");
        assert!(store.get(&key(path)).is_some(), "{path} is in memory from now on");
    }
    assert_eq!(found(&store, "/other").await, None);
    scanned(&store);
    let figures = figures(&store);
    assert_eq!((figures.addresses, figures.hits, figures.damaged), (4, 4, 0));
    // 4 heads, the inline body's beside it, and the two bodies.
    assert_eq!(figures.bytes, (1 + 2 + (1 + 2) + (1 + 74)) * 4096);
    assert_eq!(files(dir.path()).len(), 6);
}

#[tokio::test]
async fn large_bodies_are_sent_from_their_files() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", &vec![7; 300_000]);
    let store = again(store, dir.path());
    let slot = store.find(&key("/a")).await.expect("is found");
    let stored = slot.find(&HeaderMap::new()).expect("fits");
    assert!(matches!(stored.body, StoredBody::File(_)));
    // Removed, it can still be sent by whoever has it.
    store.remove_at_once(&key("/a")).await;
    assert_eq!((files(dir.path()), bytes(stored)), (vec![], vec![7; 300_000]));
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_found_on_the_disk() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    for number in 0..200 {
        put(&store, &format!("/{number}"), format!("{number:05}").repeat(8_000).as_bytes());
        store.settle(PATIENCE);
    }
    let in_memory = store.figures().addresses;
    assert!(in_memory < 120, "{in_memory}");
    for number in 0..200 {
        let expected = format!("{number:05}").repeat(8_000).into_bytes();
        assert_eq!(found(&store, &format!("/{number}")).await, Some(expected), "{number}");
    }
    assert!(figures(&store).hits >= 80);
}

#[tokio::test]
async fn keeps_its_bound_and_lets_the_oldest_go() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let disk = DiskLimits { directory: dir.path().to_owned(), bytes_max: 1 << 20 };
    let limits = StoreLimits { bytes_max: 1 << 20, disk: Some(disk), ..StoreLimits::default() };
    let store = Store::new(&limits).expect("opens");
    for number in 0..100 {
        put(&store, &format!("/{number}"), &[7; 30_000]);
        store.settle(PATIENCE);
        let figures = figures(&store);
        assert!(figures.bytes <= figures.bytes_max, "{figures:?}");
        let lengths = files(dir.path()).into_iter().map(|(_, length)| index::blocks(length));
        assert_eq!(lengths.sum::<u64>(), figures.bytes);
    }
    assert!((20..30).contains(&figures(&store).addresses), "{:?}", figures(&store));
    // More than an eighth of it all.
    put(&store, "/large", &[7; 140_000]);
    store.settle(PATIENCE);
    assert_eq!(figures(&store).dropped, 1);
    // With less room than there was, a start makes room.
    drop(store);
    let disk = DiskLimits { directory: dir.path().to_owned(), bytes_max: 400_000 };
    let limits = StoreLimits { disk: Some(disk), ..limits };
    let store = Store::new(&limits).expect("opens");
    scanned(&store);
    assert!(figures(&store).bytes <= 400_000);
    assert_eq!(files(dir.path()).len(), 2 * usize::try_from(figures(&store).addresses).unwrap());
}

#[tokio::test]
async fn variants_of_an_address_come_back_together() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    for language in ["de", "en"] {
        let fields = [("vary", "accept-language"), ("request-accept-language", language)];
        put_at(&store, "/a", &fields, language.repeat(5_000).as_bytes(), now());
    }
    let store = again(store, dir.path());
    let slot = store.find(&key("/a")).await.expect("is found");
    for language in ["de", "en"] {
        let request = HeaderMap::from_iter([(
            http::header::ACCEPT_LANGUAGE,
            HeaderValue::from_static(language),
        )]);
        let stored = slot.find(&request).expect("fits");
        assert_eq!(bytes(stored), language.repeat(5_000).into_bytes());
    }
    assert!(slot.find(&HeaderMap::new()).is_none());
}

#[tokio::test]
async fn a_validation_writes_the_head_anew_and_not_the_body() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", &vec![7; 300_000]);
    let validate = |store: &Store| {
        store.settle(PATIENCE);
        let stored = Arc::clone(&store.get(&key("/a")).expect("is in memory").variants()[0]);
        let mut headers = stored.headers.clone();
        headers.insert("x-new", HeaderValue::from_static("1"));
        store.put(&key("/a"), stored.meta.clone(), headers, stored.body.clone(), store.sequence());
        store.settle(PATIENCE);
    };
    store.settle(PATIENCE);
    let body = named(dir.path(), "body");
    validate(&store);
    assert_eq!((named(dir.path(), "body"), figures(&store).written), (body.clone(), 2));
    // Read back, it is the same.
    let store = again(store, dir.path());
    assert_eq!(found(&store, "/a").await.map(|body| body.len()), Some(300_000));
    validate(&store);
    assert_eq!(named(dir.path(), "body"), body);
    // Another one takes its place.
    put(&store, "/a", &[8; 100_000]);
    store.settle(PATIENCE);
    assert!(named(dir.path(), "body").len() == 1 && named(dir.path(), "body") != body);
    let store = again(store, dir.path());
    assert_eq!(found(&store, "/a").await, Some(vec![8; 100_000]));
}

#[tokio::test]
async fn throws_away_what_was_cut_flipped_or_taken_away() {
    type Damage = fn(&Path);
    let cases: [(&str, &str, Damage); 6] = [
        ("a flipped head", "head", |path| flip(path, 40)),
        ("a cut head", "head", |path| cut(path, 1)),
        ("an empty head", "head", |path| cut(path, 10_000)),
        ("a flipped body", "body", |path| flip(path, 70_000)),
        ("a cut body", "body", |path| cut(path, 1)),
        ("no body", "body", |path| std::fs::remove_file(path).expect("is removed")),
    ];
    for (what, ending, damage) in cases {
        let dir = tempfile::tempdir().expect("makes a folder");
        let store = open(dir.path());
        put(&store, "/a", &vec![7; 100_000]);
        let is_before_the_scan = ending == "head";
        store.settle(PATIENCE);
        drop(store);
        if is_before_the_scan {
            damage(&named(dir.path(), ending)[0]);
        }
        let store = open(dir.path());
        scanned(&store);
        if !is_before_the_scan {
            damage(&named(dir.path(), ending)[0]);
        }
        assert_eq!(found(&store, "/a").await, None, "{what}");
        store.settle(PATIENCE);
        assert_eq!((files(dir.path()), figures(&store).addresses), (vec![], 0), "{what}");
        assert_eq!(figures(&store).damaged, u64::from(what != "no body"), "{what}");
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("reads");
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("writes");
}

fn cut(path: &Path, off: u64) {
    let file = File::options().write(true).open(path).expect("opens");
    let length = file.metadata().expect("is there").len();
    file.set_len(length.saturating_sub(off)).expect("is cut");
}

#[tokio::test]
async fn removes_what_a_killed_process_left_and_nothing_of_others() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", &vec![7; 100_000]);
    store.settle(PATIENCE);
    drop(store);
    let head = named(dir.path(), "head").remove(0);
    let kept = files(dir.path());
    let stem = head.file_stem().expect("has one").to_str().expect("is text");
    for name in [format!("{stem}-0000000000000001.body"), format!("{stem}-0000000000000002.new")] {
        std::fs::write(head.with_file_name(name), "x").expect("writes");
    }
    // A copy under another name is not that address's.
    let other = Name::of("other").text();
    let folder = dir.path().join(&other[..2]);
    std::fs::create_dir_all(&folder).expect("makes a folder");
    std::fs::copy(&head, folder.join(format!("{other}.head"))).expect("copies");
    std::fs::write(dir.path().join("photo.body"), "x").expect("writes");
    std::fs::write(head.with_file_name("notes.txt"), "x").expect("writes");
    let store = open(dir.path());
    scanned(&store);
    let mut expected = kept;
    expected.push((head.with_file_name("notes.txt"), 1));
    expected.sort();
    assert_eq!(files(dir.path()), expected);
    assert!(dir.path().join("photo.body").exists());
    assert_eq!(found(&store, "/a").await.map(|body| body.len()), Some(100_000));
}

#[tokio::test]
async fn purges_hold_after_a_restart_soft_and_hard() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    for path in ["/tag", "/soft", "/address", "/late", "/kept"] {
        put_at(&store, path, &[("cache-tag", path.trim_start_matches('/'))], b"x", now());
    }
    let before = store.sequence();
    store.settle(PATIENCE);
    let purges = [
        Purge::Tag("tag".into(), PurgeKind::Hard),
        Purge::Tag("soft".into(), PurgeKind::Soft),
        Purge::Address(key("/address"), PurgeKind::Hard),
        Purge::Tag("late".into(), PurgeKind::Hard),
    ];
    store.purge(&purges).expect("is purged");
    // Asked for before the purge, stored after it.
    let kept = Arc::clone(&store.get(&key("/kept")).expect("is there").variants()[0]);
    let late = cache_core::Meta { tags: vec!["late".into()], ..kept.meta.clone() };
    store.put(&key("/late"), late, kept.headers.clone(), kept.body.clone(), before);
    let mut store = again(store, dir.path());
    for _ in 0..2 {
        assert_eq!(store.sequence(), 4);
        for path in ["/tag", "/address", "/late"] {
            assert_eq!(found(&store, path).await, None, "{path}");
        }
        assert!(found(&store, "/kept").await.is_some());
        let soft = store.find(&key("/soft")).await.expect("is found");
        assert!(store.is_stale_by_purge(&key("/soft"), &soft.variants()[0]));
        store = again(store, dir.path());
    }
    store.purge(&[Purge::All(PurgeKind::Hard)]).expect("is purged");
    let store = again(store, dir.path());
    assert_eq!(found(&store, "/kept").await, None);
    // What was found purged is gone.
    store.settle(PATIENCE);
    put(&store, "/kept", b"new");
    let store = again(store, dir.path());
    assert_eq!(found(&store, "/kept").await, Some(b"new".to_vec()));
}

#[tokio::test]
async fn a_purge_that_cannot_be_written_down_voids_the_disk() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", b"x");
    store.settle(PATIENCE);
    // Too long for the log, as if the disk were full.
    let long = Purge::Tag("t".repeat(200_000), PurgeKind::Hard);
    store.purge(&[long]).expect("is purged");
    assert!(!dir.path().join("purges").exists());
    assert!(found(&store, "/a").await.is_some(), "memory has it");
    store.settle(PATIENCE);
    assert_eq!(files(dir.path()), []);
    let store = again(store, dir.path());
    assert_eq!(found(&store, "/a").await, None);
    assert!(dir.path().join("purges").exists());
}

#[tokio::test]
async fn a_purge_that_the_disk_would_undo_is_told() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", b"x");
    store.settle(PATIENCE);
    // What cannot be removed.
    std::fs::remove_file(dir.path().join("purges")).expect("is removed");
    std::fs::create_dir(dir.path().join("purges")).expect("makes a folder");
    for tag in ["t".repeat(200_000), "t".to_owned()] {
        let refused = store.purge(&[Purge::Tag(tag, PurgeKind::Hard)]).expect_err("is refused");
        assert!(refused.to_string().contains("after a restart"), "{refused}");
    }
    assert_eq!(store.sequence(), 2);
    std::fs::remove_dir(dir.path().join("purges")).expect("is removed");
    store.purge(&[Purge::All(PurgeKind::Soft)]).expect("is purged");
}

#[tokio::test]
async fn without_its_purge_log_nothing_comes_back() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", b"x");
    store.settle(PATIENCE);
    drop(store);
    cut(&dir.path().join("purges"), 1);
    let store = open(dir.path());
    assert_eq!(found(&store, "/a").await, None);
    scanned(&store);
    assert_eq!(files(dir.path()), []);
}

#[tokio::test]
async fn what_is_removed_does_not_come_back_before_it_was_found_either() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    for path in ["/a", "/b"] {
        put(&store, path, &vec![7; 100_000]);
    }
    let store = again(store, dir.path());
    store.remove(&key("/a"));
    assert_eq!(found(&store, "/a").await, None);
    store.remove_at_once(&key("/b")).await;
    scanned(&store);
    let store = again(store, dir.path());
    for path in ["/a", "/b"] {
        assert_eq!(found(&store, path).await, None);
    }
    scanned(&store);
    assert_eq!(files(dir.path()), []);
}

#[tokio::test]
async fn times_go_on_and_a_clock_that_went_back_makes_nothing_younger() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    let at = |seconds: i64| Timestamp::from_unix_ms(now().unix_ms() + seconds * 1000);
    put_at(&store, "/old", &[], b"x", at(-100));
    put_at(&store, "/future", &[], b"x", at(3600));
    let store = again(store, dir.path());
    let old = store.find(&key("/old")).await.expect("is found");
    let age = old.variants()[0].meta.age(now()).as_secs();
    assert!((100..110).contains(&age) && !old.variants()[0].meta.no_cache, "{age}");
    let future = store.find(&key("/future")).await.expect("is found");
    assert!(future.variants()[0].meta.no_cache, "is validated before it is used");
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    let refused = Store::new(&limits(dir.path())).expect_err("is refused");
    assert_eq!(refused.to_string(), "another process uses it");
    drop(store);
    drop(open(dir.path()));
}

#[tokio::test]
async fn many_who_want_the_same_read_it_once() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", &vec![7; 300_000]);
    let store = Arc::new(again(store, dir.path()));
    let asking = (0..50).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { found(&store, "/a").await.map(|body| body.len()) })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.expect("does not panic"), Some(300_000));
    }
    assert_eq!(figures(&store).hits, 1);
}

#[tokio::test]
async fn goes_on_in_memory_while_the_directory_is_away() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let (here, away) = (dir.path().join("here"), dir.path().join("away"));
    let store = open(&here);
    scanned(&store);
    std::fs::rename(&here, &away).expect("is moved");
    put(&store, "/a", b"x");
    store.settle(PATIENCE);
    put(&store, "/b", b"y");
    store.settle(PATIENCE);
    let told = figures(&store);
    // The second one is not even tried: it is too soon.
    assert_eq!((told.write_failures, told.dropped, told.addresses), (1, 1, 0));
    assert_eq!(found(&store, "/a").await, Some(b"x".to_vec()));
    std::fs::rename(&away, &here).expect("is moved back");
    let deadline = Instant::now() + PATIENCE;
    while figures(&store).written == 0 {
        assert!(Instant::now() < deadline, "is never written");
        put(&store, "/a", b"z");
        store.settle(PATIENCE);
    }
    let store = again(store, &here);
    assert_eq!(found(&store, "/a").await, Some(b"z".to_vec()));
}

#[tokio::test]
async fn a_queue_that_is_full_drops_and_what_was_there_before_goes() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = open(dir.path());
    put(&store, "/a", b"old");
    store.settle(PATIENCE);
    let slot = store.get(&key("/a")).expect("is there");
    let disk = Disk::open(
        &DiskLimits { directory: dir.path().join("other"), bytes_max: 1 << 20 },
        &Arc::default(),
    )
    .expect("opens");
    disk.store(&key("/a"), &slot);
    disk.settle(PATIENCE);
    assert_eq!(disk.figures().written, 1);
    disk.shared.state().queued_bytes = u64::MAX;
    // As if others waited.
    let others =
        Job { name: Name::of("b"), ticket: 0, key: key("/b"), slot: Arc::clone(&slot), bytes: 0 };
    disk.shared.state().queue.push_back(others);
    disk.store(&key("/a"), &slot);
    disk.settle(PATIENCE);
    let figures = disk.figures();
    assert_eq!((figures.dropped, figures.addresses, figures.bytes), (1, 0, 0));
}

/// Steps that a seed leads to; the same ones each time.
struct Steps(u64);

impl Steps {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[tokio::test]
async fn nothing_older_than_a_purge_or_removal_comes_back_whatever_happens_between() {
    for seed in 0..8 {
        let dir = tempfile::tempdir().expect("makes a folder");
        let disk = DiskLimits { directory: dir.path().to_owned(), bytes_max: 1 << 20 };
        let limits = StoreLimits { bytes_max: 1 << 20, disk: Some(disk), ..StoreLimits::default() };
        let mut store = Store::new(&limits).expect("opens");
        let (mut steps, mut floors, mut found_ones) = (Steps(seed), [0; 12], 0);
        for version in 1..600_usize {
            let at = usize::try_from(steps.below(12)).expect("fits");
            let path = format!("/{at}");
            match steps.below(20) {
                0..=7 => {
                    let length = usize::try_from(steps.below(90_000)).expect("fits");
                    let body = format!("{version} ").into_bytes();
                    let tag = [("cache-tag", path.trim_start_matches('/'))];
                    put_at(&store, &path, &tag, &[body, vec![b'x'; length]].concat(), now());
                }
                8..=15 => {
                    let Some(body) = found(&store, &path).await else { continue };
                    let text = String::from_utf8(body).expect("is text");
                    let of: usize =
                        text.split(' ').next().and_then(|of| of.parse().ok()).expect("is told");
                    assert!(of > floors[at], "seed {seed}: {path} of {of} at {version}");
                    found_ones += 1;
                }
                16 => {
                    store.remove_at_once(&key(&path)).await;
                    floors[at] = version;
                }
                17 => {
                    store.remove(&key(&path));
                    floors[at] = version;
                }
                18 => {
                    let tag = path.trim_start_matches('/').to_owned();
                    store.purge(&[Purge::Tag(tag, PurgeKind::Hard)]).expect("is purged");
                    floors[at] = version;
                }
                _ => {
                    // Without waiting for what is still to be written.
                    drop(store);
                    store = Store::new(&limits).expect("opens");
                }
            }
        }
        assert!(found_ones > 50, "seed {seed}: {found_ones}");
        scanned(&store);
        let lengths = files(dir.path()).into_iter().map(|(_, length)| index::blocks(length));
        assert_eq!(lengths.sum::<u64>(), figures(&store).bytes, "seed {seed}");
        assert_eq!(figures(&store).damaged, 0, "seed {seed}");
    }
}
