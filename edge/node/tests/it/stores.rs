//! Every function of the store interfaces, from a guest to where the entries are.

use harness::Redis;

use crate::support::{Node, manifest};

/// A real Redis.
fn redis() -> Redis {
    Redis::start(&[]).expect("starts")
}

/// What a guest hears from a store, whatever it keeps its entries in.
const BATCH: &str = r#"set-many: Ok(())
get-many: Ok([("a", Some([49])), ("b", Some([50])), ("x", None)])
increment: Ok(41)
increment: Ok(42)
exists: Ok(true)
list-keys: Ok((["a", "b", "n"], None))
current: Ok(Some([49]))
set: Ok(())
swap failed, current: Ok(Some([99, 104, 97, 110, 103, 101, 100]))
swap: true
get: Ok(Some([119, 111, 110]))
delete-many: Ok(())
delete: Ok(())
keys: Ok([])
"#;

#[test]
fn serves_batches_atomics_and_lists_from_memory() {
    let node = Node::start(&manifest("key_value_stores = [\"default\"]\n"), &[]);
    assert_eq!(node.get("/batch", &[("x-store", "default")]).text(), BATCH);
    assert_eq!(node.get("/batch", &[("x-store", "other")]).status, 403);
}

#[test]
fn serves_every_function_of_redis() {
    let redis = redis();
    let allowed = format!("allowed_outbound_hosts = [\"redis://127.0.0.1:{}\"]\n", redis.port());
    let node = Node::start(&manifest(&allowed), &[]);
    let url = format!("redis://127.0.0.1:{}", redis.port());
    let expected = "set: Ok(())\nget: Ok(Some([118]))\nget: Ok(None)\nincr: Ok(1)\nincr: Err(Error::TypeError)\n\
                    sadd: Ok(2)\nsrem: Ok(1)\nsmembers: Ok([\"b\"])\npublish: Ok(())\n\
                    rpush: Ok([RedisResult::Int64(1)])\ndel: Ok(2)\n";
    assert_eq!(node.get("/redis", &[("x-url", &url)]).text(), expected);
    let time = node.get("/redis", &[("x-url", &url), ("x-command", "NONSENSE")]).text();
    assert!(time.starts_with("NONSENSE: Err(Error::Other("), "{time}");
}

#[test]
fn connects_to_no_redis_that_was_not_granted() {
    let redis = redis();
    let url = format!("redis://127.0.0.1:{}", redis.port());
    for extra in ["", "allowed_outbound_hosts = [\"redis://127.0.0.1\", \"http://127.0.0.1:*\"]\n"]
    {
        let denied = Node::start(&manifest(extra), &[]).get("/redis", &[("x-url", &url)]);
        assert!(
            denied.status == 403 && denied.text().contains("InvalidAddress"),
            "{}",
            denied.text()
        );
    }
    let node = Node::start(&manifest("allowed_outbound_hosts = [\"*://*:*\"]\n"), &[]);
    let unfit = node.get("/redis", &[("x-url", "redis://")]);
    assert!(unfit.text().contains("InvalidAddress"), "{}", unfit.text());
    drop(redis);
    let gone = node.get("/redis", &[("x-url", &url)]);
    assert!(gone.status == 403 && gone.text().contains("Other("), "{}", gone.text());
}

#[test]
fn a_transaction_is_undone_with_the_request_that_left_it_open() {
    let node = Node::start(&manifest("sqlite_databases = [\"default\"]\n"), &[]);
    let sql = |words| node.get("/sql", &[("x-database", "default"), ("x-sql", words)]);
    assert_eq!(sql("CREATE TABLE t (n)").status, 200);
    assert_eq!(sql("BEGIN IMMEDIATE").status, 200);
    assert_eq!(sql("INSERT INTO t VALUES (1)").status, 200);
    assert_eq!(sql("ROLLBACK").status, 422);
    assert_eq!(sql("SELECT count(*) FROM t").text(), "1");
}

/// A node whose stores and databases are where `config` says.
fn configured(config: &str, extra: &str) -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().expect("makes a folder");
    let file = dir.path().join("runtime-config.toml");
    std::fs::write(&file, config).expect("writes");
    let file = file.to_str().expect("is text");
    let node = Node::start(&manifest(extra), &["--runtime-config-file", file]);
    (dir, node)
}

#[test]
fn serves_the_same_from_a_file_and_from_redis() {
    let redis = redis();
    let config = format!(
        "[key_value_store.kept]\ntype = \"spin\"\npath = \"kv.db\"\n\
         [key_value_store.shared]\ntype = \"redis\"\nurl = \"redis://127.0.0.1:{}/2\"\n",
        redis.port()
    );
    let (dir, node) = configured(&config, "key_value_stores = [\"kept\", \"shared\"]\n");
    for store in ["kept", "shared"] {
        assert_eq!(node.get("/batch", &[("x-store", store)]).text(), BATCH, "{store}");
    }
    assert!(dir.path().join("kv.db").is_file());
    drop(redis);
    let gone = node.get("/kv", &[("x-store", "shared"), ("x-key", "a")]);
    assert!(gone.status == 500 && gone.text().contains("not reachable"), "{}", gone.text());
}

#[test]
fn serves_databases_by_their_labels() {
    let path = tempfile::tempdir().expect("makes a folder");
    let config = format!(
        "[sqlite_database.own]\ntype = \"spin\"\npath = {:?}\n[sqlite_database.scratch]\ntype = \"spin\"\n\
         [sqlite_database.far]\ntype = \"libsql\"\nurl = \"http://127.0.0.1:1\"\ntoken = \"\"\n",
        path.path().join("own.db")
    );
    let extra = "sqlite_databases = [\"own\", \"scratch\", \"far\"]\n";
    let (_dir, node) = configured(&config, extra);
    let sql = |label, words| node.get("/sql", &[("x-database", label), ("x-sql", words)]);
    for label in ["own", "scratch"] {
        assert_eq!(sql(label, "CREATE TABLE t (n)").status, 200, "{label}");
        assert_eq!(sql(label, "INSERT INTO t VALUES (7)").status, 200, "{label}");
        assert_eq!(sql(label, "SELECT n FROM t").text(), "7", "{label}");
    }
    let far = sql("far", "SELECT 1");
    assert!(far.status == 422 && far.text().contains("not reachable"), "{}", far.text());
}

#[test]
fn reaches_no_blocked_network_whatever_was_granted() {
    let redis = redis();
    let config = "[outbound_networking]\nblock_networks = [\"127.0.0.0/8\", \"::1/128\"]\n";
    let (_dir, node) = configured(config, "allowed_outbound_hosts = [\"*://*:*\"]\n");
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/", redis.port());
        let refused = node.get("/fetch", &[("x-url", &url)]).text();
        assert!(refused.contains("DestinationIpProhibited"), "{refused}");
        let url = format!("redis://{host}:{}", redis.port());
        let refused = node.get("/redis", &[("x-url", &url)]).text();
        assert!(refused.contains("blocked network"), "{refused}");
    }
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}
