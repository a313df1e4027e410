//! What is sent and how answers are read. Statements over a real libSQL are in `tests/remotes`.

use futures::executor::block_on;
use ports::fakes::FakeHttpClient;
use serde_json::json;

use super::*;

fn answering(status: u16, body: serde_json::Value) -> FakeHttpClient {
    FakeHttpClient::new(move |_| {
        Ok(Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap())
    })
}

fn executed(result: &serde_json::Value) -> serde_json::Value {
    json!({"baton": null, "base_url": null, "results": [
        {"type": "ok", "response": {"type": "execute", "result": result}},
        {"type": "ok", "response": {"type": "close"}}]})
}

fn database() -> Database {
    Database::new("libsql://shop.example", "s3cret").unwrap()
}

fn query(http: &FakeHttpClient) -> Result<Rows, HranaError> {
    block_on(database().query(http, "SELECT ?1", &[SqlValue::Integer(i64::MAX)]))
}

fn batch(http: &FakeHttpClient) -> Result<(), HranaError> {
    let statement =
        Statement { sql: "DELETE FROM t WHERE a = ?1".into(), params: vec!["x".into()] };
    block_on(database().batch(http, &[statement]))
}

#[test]
fn an_integer_travels_as_text_under_the_token() {
    let http = answering(
        200,
        executed(&json!({"cols": [{"name": "n", "decltype": null}],
            "rows": [[{"type": "integer", "value": "9223372036854775807"}], [{"type": "null"}]],
            "affected_row_count": 0, "last_insert_rowid": null})),
    );
    let rows = query(&http).unwrap();
    assert_eq!(rows.rows, [[SqlValue::Integer(i64::MAX)], [SqlValue::Null]]);
    let sent = http.sent.borrow();
    assert_eq!(sent[0].uri(), "https://shop.example/v2/pipeline");
    assert_eq!(sent[0].headers()["authorization"], "Bearer s3cret");
    let body: serde_json::Value = serde_json::from_slice(sent[0].body()).unwrap();
    assert_eq!(body["requests"][0]["stmt"]["sql"], "SELECT ?1");
    assert_eq!(
        body["requests"][0]["stmt"]["args"],
        json!([{"type": "integer", "value": "9223372036854775807"}])
    );
    assert_eq!(body["requests"][1], json!({"type": "close"}));
    assert!(!format!("{:?} {sent:?}", database()).contains("s3cret"));
}

#[test]
fn a_batch_commits_only_behind_its_last_statement_and_undoes_otherwise() {
    let done = json!({"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": null});
    let batched = |results: serde_json::Value, errors: serde_json::Value| {
        json!({"baton": null, "base_url": null, "results": [{"type": "ok", "response":
            {"type": "batch", "result": {"step_results": results, "step_errors": errors}}}]})
    };
    let none = json!([null, null, null, null]);
    let http = answering(200, batched(json!([done, done, done, null]), none.clone()));
    assert_eq!(batch(&http), Ok(()));
    let sent: serde_json::Value = serde_json::from_slice(http.sent.borrow()[0].body()).unwrap();
    let steps = sent["requests"][0]["batch"]["steps"].as_array().unwrap();
    let step =
        |index: usize| (steps[index]["stmt"]["sql"].as_str().unwrap(), &steps[index]["condition"]);
    assert_eq!(step(0), ("BEGIN IMMEDIATE", &json!(null)));
    assert_eq!(step(1), ("DELETE FROM t WHERE a = ?1", &json!({"type": "ok", "step": 0})));
    assert_eq!(step(2), ("COMMIT", &json!({"type": "ok", "step": 1})));
    let undone = json!({"type": "not", "cond": {"type": "ok", "step": 2}});
    assert_eq!(step(3), ("ROLLBACK", &undone));
    let error = json!({"message": "NOT NULL constraint failed", "code": "SQLITE_CONSTRAINT"});
    let failed = batched(json!([done, null, null, done]), json!([null, error, null, null]));
    let refused = HranaError::Statement("NOT NULL constraint failed".to_owned());
    assert_eq!(batch(&answering(200, failed)), Err(refused));
    // Neither an error nor a commit: not done, as far as anybody can tell.
    let odd = batched(json!([done, done, null, null]), none);
    assert!(matches!(batch(&answering(200, odd)), Err(HranaError::Unreadable(_))));
}

#[test]
fn what_goes_wrong_says_whether_to_ask_again() {
    let failed = |message: &str| {
        json!({"baton": null, "base_url": null, "results": [
            {"type": "error", "error": {"message": message, "code": "SQLITE_ERROR"}}]})
    };
    for (status, body, expected) in [
        (200, failed("SQLite error: no such table: products"), SqlError::NotReady),
        (200, failed("near \"x\""), SqlError::Failed("near \"x\"".to_owned())),
        (401, json!({}), SqlError::Denied),
        (503, json!({}), SqlError::NotReady),
        (429, json!({}), SqlError::NotReady),
    ] {
        let error: SqlError = query(&answering(status, body)).unwrap_err().into();
        assert_eq!(error, expected);
    }
    for (status, body) in [(404, json!({})), (200, json!({})), (200, json!([])), (302, json!({}))] {
        assert!(matches!(query(&answering(status, body)), Err(HranaError::Unreadable(_))));
    }
    let silent = FakeHttpClient::new(|_| Err(HttpError::Timeout));
    assert_eq!(SqlError::from(query(&silent).unwrap_err()), SqlError::NotReady);
    let row = json!([{"type": "null"}]);
    let many = json!({"cols": [{"name": "n", "decltype": null}], "rows": vec![row; SQL_ROWS_MAX + 1],
        "affected_row_count": 0, "last_insert_rowid": null});
    assert_eq!(query(&answering(200, executed(&many))), Err(HranaError::TooManyRows));
}

#[test]
fn an_address_is_a_host_and_nothing_more() {
    for url in ["", "shop.example", "ws://shop.example", "https://", "https://a/b", "https://u@a"] {
        assert!(Database::new(url, "t").is_err(), "{url}");
    }
    assert!(Database::new("http://127.0.0.1:8080/", "").is_ok());
    assert!(Database::new("https://shop.example", "a\nb").is_err());
}
