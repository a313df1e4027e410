//! The Worker's Hrana client over a real libSQL.

use edge_worker::remote::hrana::{Database, HranaError};
use feed_core::Statement;
use ports::{Rows, SqlError, SqlValue};
use remotes::{Server, hrana};

use crate::http_client::Http;

const TOKEN: &str = "a-token";

struct World {
    _folder: tempfile::TempDir,
    server: Server,
    database: Database,
    http: Http,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = hrana::serve(folder.path().join("a.db"), TOKEN).await.unwrap();
        let database = Database::new(server.url(), TOKEN).unwrap();
        Self { _folder: folder, server, database, http: Http::new() }
    }

    async fn query(&self, sql: &str, parameters: &[SqlValue]) -> Result<Rows, HranaError> {
        self.database.query(&self.http, sql, parameters).await
    }

    async fn batch(&self, statements: &[(&str, &[&str])]) -> Result<(), HranaError> {
        let statements: Vec<Statement> = statements
            .iter()
            .map(|(sql, params)| Statement {
                sql: (*sql).to_owned(),
                params: params.iter().map(|text| (*text).to_owned()).collect(),
            })
            .collect();
        self.database.batch(&self.http, &statements).await
    }

    async fn count(&self, table: &str) -> SqlValue {
        let rows = self.query(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        rows.rows[0][0].clone()
    }
}

#[tokio::test]
async fn every_value_comes_back_as_it_went() {
    let world = World::start().await;
    let values = [
        SqlValue::Null,
        SqlValue::Integer(i64::MIN),
        SqlValue::Integer(9_007_199_254_740_993),
        SqlValue::Real(0.1),
        SqlValue::Text("Grüße 'n' \"Quotes\" \u{0}".to_owned()),
        SqlValue::Blob(vec![0, 1, 254, 255]),
    ];
    let rows = world.query("SELECT ?1 AS a, ?2, ?3, ?4, ?5, ?6", &values).await.unwrap();
    assert_eq!(rows.rows, [values]);
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let world = World::start().await;
    let make = "CREATE TABLE t (n INTEGER NOT NULL UNIQUE) STRICT";
    let add = "INSERT INTO t SELECT value FROM json_each(?1)";
    world.batch(&[(make, &[]), (add, &["[1,2,9007199254740993]"])]).await.unwrap();
    assert_eq!(world.count("t").await, SqlValue::Integer(3));
    let clash = world.batch(&[("DELETE FROM t", &[]), (add, &["[7,7]"])]).await;
    assert!(
        matches!(&clash, Err(HranaError::Statement(why)) if why.contains("UNIQUE")),
        "{clash:?}"
    );
    assert_eq!(world.count("t").await, SqlValue::Integer(3), "nothing was deleted");
    let guard = world.batch(&[("INSERT INTO t VALUES (NULL)", &[]), (add, &["[8]"])]).await;
    assert!(matches!(&guard, Err(HranaError::Statement(why)) if why.contains("NOT NULL")));
    assert_eq!(world.count("t").await, SqlValue::Integer(3));
    // The lock was given back each time.
    world.batch(&[(add, &["[8]"])]).await.unwrap();
    let largest = world.query("SELECT max(n) FROM t", &[]).await.unwrap();
    assert_eq!(largest.rows[0][0], SqlValue::Integer(9_007_199_254_740_993));
}

#[tokio::test]
async fn batches_at_once_are_done_one_after_the_other() {
    let world = World::start().await;
    world
        .batch(&[
            ("CREATE TABLE place (position INTEGER NOT NULL) STRICT", &[]),
            ("INSERT INTO place VALUES (0)", &[]),
        ])
        .await
        .unwrap();
    let step: [(&str, &[&str]); 1] = [("UPDATE place SET position = position + 1", &[])];
    let steps: Vec<_> = (0..8).map(|_| world.batch(&step)).collect();
    let done = futures::future::join_all(steps).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let rows = world.query("SELECT position FROM place", &[]).await.unwrap();
    assert_eq!(rows.rows[0][0], SqlValue::Integer(8));
}

#[tokio::test]
async fn a_copy_that_is_not_laid_down_is_not_ready() {
    let world = World::start().await;
    let error = world.query("SELECT * FROM products", &[]).await.unwrap_err();
    assert_eq!(SqlError::from(error), SqlError::NotReady);
    let error = world.query("SELEKT", &[]).await.unwrap_err();
    assert!(matches!(SqlError::from(error), SqlError::Failed(_)));
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) SELECT i FROM n";
    assert_eq!(world.query(sql, &[]).await, Err(HranaError::TooManyRows));
}

#[tokio::test]
async fn a_wrong_token_is_denied_and_a_dead_server_is_not_ready() {
    let world = World::start().await;
    let stranger = Database::new(world.server.url(), "another").unwrap();
    assert_eq!(stranger.query(&world.http, "SELECT 1", &[]).await, Err(HranaError::Denied));
    let database = world.database.clone();
    drop(world);
    let error = database.query(&Http::new(), "SELECT 1", &[]).await.unwrap_err();
    assert_eq!(SqlError::from(error), SqlError::NotReady);
}
