//! In a real file: what is kept, what is counted, and what happens when the file fails.

use super::*;

fn open(dir: &tempfile::TempDir) -> Arc<StoreFile> {
    StoreFile::open(&dir.path().join("folder/kv.db")).expect("opens")
}

fn store(label: &str) -> (tempfile::TempDir, FileStore) {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = FileStore::new(open(&dir), label);
    (dir, store)
}

async fn set(store: &FileStore, key: &str, value: &[u8]) {
    store.set_many(vec![(key.to_owned(), value.to_vec())]).await.expect("writes");
}

#[tokio::test]
async fn keeps_entries_over_a_restart_and_apart_by_label() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let file = open(&dir);
    set(&FileStore::new(Arc::clone(&file), "a"), "k", b"1").await;
    set(&FileStore::new(file, "b"), "k", b"2").await;
    let file = open(&dir);
    let a = FileStore::new(Arc::clone(&file), "a");
    assert_eq!(a.get("k").await, Ok(Some(b"1".to_vec())));
    assert_eq!(FileStore::new(file, "b").get("k").await, Ok(Some(b"2".to_vec())));
    a.delete_many(vec!["k".to_owned(), "absent".to_owned()]).await.expect("deletes");
    assert_eq!(a.get("k").await, Ok(None));
    assert_eq!(a.has("k").await, Ok(false));
}

#[tokio::test]
async fn has_the_layout_of_spin() {
    let (dir, store) = store("default");
    set(&store, "k", b"v").await;
    assert_eq!(store.increment("n", 5).await, Ok(5));
    let other = Connection::open(dir.path().join("folder/kv.db")).expect("opens");
    let read = |key: &str| -> Vec<u8> {
        let sql = "SELECT value FROM spin_key_value WHERE store = 'default' AND key = ?1";
        other.query_row(sql, [key], |row| row.get(0)).expect("is there")
    };
    assert_eq!(read("k"), b"v");
    assert_eq!(read("n"), 5_i64.to_le_bytes());
}

#[tokio::test]
async fn counts_exactly_while_many_write() {
    let (_dir, store) = store("default");
    let adding = (0..500).map(|_| store.increment("n", 1));
    let mut sums: Vec<i64> =
        futures::future::join_all(adding).await.into_iter().map(|sum| sum.expect("adds")).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=500).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_refused_write_leaves_its_batch_alone() {
    let (_dir, store) = store("default");
    set(&store, "text", b"no number").await;
    set(&store, "max", &i64::MAX.to_le_bytes()).await;
    let (text, n, max) = tokio::join!(
        store.increment("text", 1),
        store.increment("n", 1),
        store.increment("max", 1)
    );
    assert_eq!((text, n, max), (Err(StoreError::NotANumber), Ok(1), Err(StoreError::Overflow)));
}

#[tokio::test]
async fn swaps_only_what_nobody_changed() {
    let (_dir, store) = store("default");
    assert_eq!(store.swap("k", None, b"1".to_vec()).await, Ok(true));
    assert_eq!(store.swap("k", None, b"2".to_vec()).await, Ok(false));
    assert_eq!(store.swap("k", Some(b"1".to_vec()), b"2".to_vec()).await, Ok(true));
    assert_eq!(store.swap("k", Some(b"1".to_vec()), b"3".to_vec()).await, Ok(false));
    assert_eq!(store.get("k").await, Ok(Some(b"2".to_vec())));
}

#[tokio::test]
async fn lists_and_reads_many() {
    let (_dir, store) = store("default");
    let entries = vec![("b".to_owned(), b"2".to_vec()), ("a".to_owned(), b"1".to_vec())];
    store.set_many(entries).await.expect("writes");
    assert_eq!(store.keys().await, Ok(vec!["a".to_owned(), "b".to_owned()]));
    let found = store.get_many(vec!["b".to_owned(), "x".to_owned()]).await.expect("reads");
    assert_eq!(found, [("b".to_owned(), Some(b"2".to_vec())), ("x".to_owned(), None)]);
}

#[tokio::test]
async fn refuses_an_answer_beyond_its_limit() {
    let (_dir, store) = store("default");
    let value = vec![0; 9 * 1024 * 1024];
    for key in ["a", "b"] {
        set(&store, key, &value).await;
    }
    let both = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(store.get_many(both).await, Err(StoreError::AnswerTooLarge));
}

#[tokio::test]
async fn a_batch_that_the_disk_refuses_is_undone_and_the_next_one_is_served() {
    let (dir, store) = store("default");
    set(&store, "k", b"old").await;
    let locker = Connection::open(dir.path().join("folder/kv.db")).expect("opens");
    locker.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let refused = store.set_many(vec![("k".to_owned(), b"new".to_vec())]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.get("k").await, Ok(Some(b"old".to_vec())));
    locker.execute_batch("ROLLBACK").expect("unlocks");
    set(&store, "k", b"new").await;
    assert_eq!(store.get("k").await, Ok(Some(b"new".to_vec())));
}

#[test]
fn refuses_a_path_that_cannot_be_a_file_and_a_file_that_is_no_database() {
    let dir = tempfile::tempdir().expect("makes a folder");
    assert!(StoreFile::open(dir.path()).is_err());
    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, [7; 5000]).expect("writes");
    assert!(StoreFile::open(&garbage).is_err());
    assert!(StoreFile::open(&garbage.join("below.db")).is_err());
}
