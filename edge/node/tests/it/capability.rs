//! A component gets what its manifest grants, and no more.

use std::{io::Write as _, net::TcpListener};

use crate::support::{Node, manifest};

const STORE: &str = "key_value_stores = [\"default\"]\n";

#[test]
fn keeps_values_in_a_granted_store() {
    let node = Node::start(&manifest(STORE), &[]);
    let set = [("x-store", "default"), ("x-key", "a"), ("x-value", "1")];
    assert_eq!(node.get("/kv", &set).text(), "1");
    assert_eq!(node.get("/kv", &set[..2]).text(), "1");
    assert_eq!(node.get("/kv", &[("x-store", "default"), ("x-key", "b")]).status, 404);
}

#[test]
fn denies_a_store_that_was_not_granted() {
    for (extra, store) in [("", "default"), (STORE, "other")] {
        let node = Node::start(&manifest(extra), &[]);
        let answer = node.get("/kv", &[("x-store", store), ("x-key", "a")]);
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
    }
}

#[test]
fn counts_exactly_under_concurrency() {
    let node = Node::start(&manifest(STORE), &[]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(node.get("/count", &[("x-key", "n")]).status, 200);
                }
            });
        }
    });
    assert_eq!(node.get("/count", &[("x-key", "n")]).text(), "201");
}

#[test]
fn queries_a_granted_database_and_denies_others() {
    let node = Node::start(&manifest("sqlite_databases = [\"default\"]\n"), &[]);
    let sql = |words| node.get("/sql", &[("x-database", "default"), ("x-sql", words)]);
    assert_eq!(sql("CREATE TABLE t (a, b)").status, 200);
    assert_eq!(sql("INSERT INTO t VALUES (1, 'x'), (2.5, NULL)").status, 200);
    assert_eq!(sql("SELECT a, b FROM t").text(), "1|x\n2.5|null");
    assert_eq!(sql("SELECT nonsense").status, 422);
    let other = node.get("/sql", &[("x-database", "other"), ("x-sql", "SELECT 1")]);
    assert!(other.status == 403 && other.text().contains("AccessDenied"), "{}", other.text());
}

#[test]
fn fetches_only_from_allowed_hosts() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = upstream.local_addr().expect("has an address").port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = upstream.accept() {
            // Closing with the request unread would reset the connection.
            let mut request = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut request);
            let _ = stream.write_all(
                b"HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
    });
    let url = format!("http://127.0.0.1:{port}/");
    let allowed = format!("allowed_outbound_hosts = [\"http://127.0.0.1:{port}\"]\n");
    let fetch = |extra: &str, url: &str| {
        let node = Node::start(&manifest(extra), &[]);
        node.get("/fetch", &[("x-url", url)])
    };
    assert_eq!(fetch(&allowed, &url).text(), "418");
    for (extra, url) in
        [("", url.as_str()), (&allowed, "http://127.0.0.2/"), (&allowed, "http://a.invalid/")]
    {
        let denied = fetch(extra, url);
        assert_eq!(denied.status, 502);
        assert!(denied.text().contains("HttpRequestDenied"), "{}", denied.text());
    }
}

#[test]
fn shows_a_component_its_own_variables_filled_in() {
    let extra = "variables = { bearer = \"Bearer {{ secret }}\" }\n[variables]\nsecret = { required = true }\n";
    let node = Node::start(&manifest(extra), &["--variable", "secret=s3cret"]);
    assert_eq!(node.get("/variable", &[("x-name", "bearer")]).text(), "Bearer s3cret");
    let other = node.get("/variable", &[("x-name", "secret")]);
    assert!(other.text().contains("Undefined"), "{}", other.text());
}

#[test]
fn shows_mounted_files_read_only() {
    let files = tempfile::tempdir().expect("makes a folder");
    std::fs::write(files.path().join("a.txt"), "words").expect("writes");
    let extra = format!("files = [{{ source = {:?}, destination = \"/data\" }}]\n", files.path());
    let node = Node::start(&manifest(&extra), &[]);
    let read = |path| node.get("/file", &[("x-path", path)]);
    assert_eq!(read("/data/a.txt").text(), "words");
    assert_eq!(read("/data/../../etc/passwd").status, 404);
    assert_eq!(read("/etc/passwd").status, 404);
    let written = node.get("/file", &[("x-path", "/data/a.txt"), ("x-write", "other")]);
    assert_eq!(written.status, 403);
    assert_eq!(read("/data/a.txt").text(), "words");
}
