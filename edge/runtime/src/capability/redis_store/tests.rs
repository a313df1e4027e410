//! Against a real Redis.

use harness::Redis;

use super::*;
use crate::capability::redis::tests::{at, server, terms};

fn store(server: &Redis) -> RedisStore {
    RedisStore::new(at(server.port()), terms())
}

#[tokio::test]
async fn keeps_counts_lists_and_forgets() {
    let server = server(&[]);
    let store = store(&server);
    let binary = vec![0, 255, b'\r', b'\n'];
    let entries = vec![("b".to_owned(), binary.clone()), ("a".to_owned(), Vec::new())];
    store.set_many(entries).await.expect("writes");
    assert_eq!(store.get("b").await, Ok(Some(binary.clone())));
    assert_eq!(store.get("x").await, Ok(None));
    assert_eq!((store.has("a").await, store.has("x").await), (Ok(true), Ok(false)));
    assert_eq!(store.increment("n", 5).await, Ok(5));
    assert_eq!(store.increment("n", -7).await, Ok(-2));
    assert_eq!(store.get("n").await, Ok(Some(b"-2".to_vec())));
    assert_eq!(store.keys().await, Ok(vec!["a".to_owned(), "b".to_owned(), "n".to_owned()]));
    let many = store.get_many(vec!["b".to_owned(), "x".to_owned()]).await;
    assert_eq!(many, Ok(vec![("b".to_owned(), Some(binary)), ("x".to_owned(), None)]));
    store.delete_many(vec!["a".to_owned(), "b".to_owned()]).await.expect("deletes");
    assert_eq!(store.keys().await, Ok(vec!["n".to_owned()]));
    assert_eq!(store.get_many(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(store.set_many(Vec::new()).await, Ok(()));
    assert_eq!(store.delete_many(Vec::new()).await, Ok(()));
}

#[tokio::test]
async fn says_what_is_no_number() {
    let server = server(&[]);
    let store = store(&server);
    store.set_many(vec![("t".to_owned(), b"text".to_vec())]).await.expect("writes");
    assert_eq!(store.increment("t", 1).await, Err(StoreError::NotANumber));
    assert_eq!(store.increment("n", i64::MAX).await, Ok(i64::MAX));
    assert_eq!(store.increment("n", 1).await, Err(StoreError::Overflow));
}

#[tokio::test]
async fn swaps_only_what_nobody_changed() {
    let server = server(&[]);
    let store = store(&server);
    assert_eq!(store.swap("k", None, b"1".to_vec()).await, Ok(true));
    assert_eq!(store.swap("k", None, b"2".to_vec()).await, Ok(false));
    assert_eq!(store.swap("k", Some(b"1".to_vec()), b"2".to_vec()).await, Ok(true));
    assert_eq!(store.swap("k", Some(b"1".to_vec()), b"3".to_vec()).await, Ok(false));
    assert_eq!(store.swap("e", Some(Vec::new()), b"3".to_vec()).await, Ok(false));
    assert_eq!(store.get("k").await, Ok(Some(b"2".to_vec())));
}

#[tokio::test]
async fn lists_more_keys_than_one_step_of_a_scan_finds() {
    let server = server(&[]);
    let store = store(&server);
    let keys: Vec<String> = (0..2500).map(|number| format!("k{number:04}")).collect();
    let entries = keys.iter().map(|key| (key.clone(), Vec::new())).collect();
    store.set_many(entries).await.expect("writes");
    assert_eq!(store.keys().await, Ok(keys));
}

#[tokio::test]
async fn connects_again_when_the_server_has_closed_the_connection() {
    let server = server(&[]);
    let store = store(&server);
    store.set_many(vec![("k".to_owned(), b"v".to_vec())]).await.expect("writes");
    let connection = store.connection().await.expect("is connected");
    let other = Connection::open(&at(server.port()), &terms()).await.expect("connects");
    let id = connection.ask(&[b"CLIENT", b"ID"]).await.expect("answers");
    let Reply::Integer(id) = id else { panic!("{id:?}") };
    let kill: [&[u8]; 4] = [b"CLIENT", b"KILL", b"ID", &id.to_string().into_bytes()];
    other.ask(&kill).await.expect("kills");
    connection.closed().await;
    assert_eq!(store.get("k").await, Ok(Some(b"v".to_vec())));
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_nothing_hangs() {
    let server = server(&[]);
    let store = store(&server);
    assert_eq!(store.get("k").await, Ok(None));
    drop(server);
    for _ in 0..3 {
        let refused = store.get("k").await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
}
