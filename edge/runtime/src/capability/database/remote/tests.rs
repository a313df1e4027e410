//! Against servers that speak the protocol, and such that do not; each request that they get is looked at.

use std::sync::{Arc, Mutex};

use manifest::BlockedNetworks;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::outbound;

/// A server that answers everything with `answer`, and keeps what it was asked.
async fn server(answer: String) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("has an address"));
    let asked = Arc::new(Mutex::new(String::new()));
    let keeping = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = String::new();
            let mut bytes = [0; 4096];
            // The protocol's requests end with two braces and a bracket.
            while !request.ends_with("]}") {
                let read = stream.read(&mut bytes).await.expect("reads");
                assert!(read > 0, "{request}");
                request.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            *keeping.lock().expect("is whole") = request;
            stream.write_all(answer.as_bytes()).await.expect("answers");
        }
    });
    (url, asked)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn database(url: &str, limits: &Limits) -> RemoteDatabase {
    let client = outbound::client(limits, &BlockedNetworks::default());
    RemoteDatabase::new(url, &Secret::new("t0ken"), client, limits).expect("is good")
}

async fn asked(answer: String, limits: &Limits) -> Result<Answer, StatementError> {
    let (url, _) = server(answer).await;
    database(&url, limits).execute("SELECT 1", &[]).await
}

fn rows(rows: &str) -> String {
    ok(&format!(
        "{{\"baton\":null,\"base_url\":null,\"results\":[{{\"type\":\"ok\",\"response\":{{\"type\":\"execute\",\
         \"result\":{{\"cols\":[{{\"name\":\"a\",\"decltype\":null}},{{\"name\":\"b\",\"decltype\":null}}],\
         \"rows\":{rows},\"affected_row_count\":3,\"last_insert_rowid\":\"9007199254740993\"}}}}}},\
         {{\"type\":\"ok\",\"response\":{{\"type\":\"close\"}}}}]}}"
    ))
}

const TWO_ROWS: &str = r#"[[{"type":"integer","value":"9007199254740993"},{"type":"text","value":"x"}],
    [{"type":"float","value":2.5},{"type":"blob","base64":"AP8"}]]"#;

#[tokio::test]
async fn sends_the_statement_with_the_token_and_reads_exact_rows() {
    let (url, asked) = server(rows(TWO_ROWS)).await;
    let parameters = [Value::Integer(9_007_199_254_740_993), Value::Text("é".into()), Value::Null];
    let answer = database(&url, &Limits::default()).execute("SELECT ?, ?, ?", &parameters).await;
    let answer = answer.expect("answers");
    assert_eq!(answer.columns, ["a", "b"]);
    let expected = [
        vec![Value::Integer(9_007_199_254_740_993), Value::Text("x".to_owned())],
        vec![Value::Real(2.5), Value::Blob(vec![0, 255])],
    ];
    assert_eq!(answer.rows, expected);
    assert_eq!((answer.changes, answer.last_insert_rowid), (3, 9_007_199_254_740_993));
    let asked = asked.lock().expect("is whole");
    assert!(asked.starts_with("POST /v2/pipeline HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer t0ken\r\n"), "{asked}");
    assert!(asked.contains(r#"{"type":"integer","value":"9007199254740993"}"#), "{asked}");
    assert!(asked.contains("SELECT ?, ?, ?") && asked.contains(r#""type":"close""#), "{asked}");
}

#[tokio::test]
async fn says_what_sqlite_said() {
    let error = r#"{"results":[{"type":"error","error":{"message":"no such table: t","code":"SQLITE_ERROR"}}]}"#;
    let refused = asked(ok(error), &Limits::default()).await;
    assert_eq!(refused, Err(failed("no such table: t")));
}

#[tokio::test]
async fn refuses_answers_that_are_too_large_or_none() {
    let small = Limits { rows_max: 1, ..Limits::default() };
    assert_eq!(asked(rows(TWO_ROWS), &small).await, Err(failed("the answer has too many rows")));
    let small = Limits { row_bytes_max: 8, ..Limits::default() };
    let cut = asked(rows(TWO_ROWS), &small).await.expect_err("is too large");
    assert!(cut.0.contains("too many bytes"), "{cut}");
    let narrow = r#"[[{"type":"null"}]]"#;
    for (answer, expected) in [
        (ok("<html>"), "something else than its protocol"),
        (ok("{\"results\":[]}"), "something else than its protocol"),
        (rows(narrow), "another width"),
        ("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n".to_owned(), "refuses the token"),
        ("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_owned(), "answered 503"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n{".to_owned(), "cut"),
        ("nonsense\r\n\r\n".to_owned(), "not reachable"),
    ] {
        let refused = asked(answer, &Limits::default()).await.expect_err(expected);
        assert!(refused.0.contains(expected), "{expected}: {refused}");
    }
}

#[tokio::test]
async fn refuses_what_would_be_undone_at_its_end() {
    let database = database("http://127.0.0.1:1", &Limits::default());
    for statement in ["BEGIN", " begin immediate", "-- x\n/* y */ SAVEPOINT a"] {
        let refused = database.execute(statement, &[]).await.expect_err(statement);
        assert!(refused.0.contains("transactions"), "{refused}");
    }
    for statement in ["SELECT 1 -- BEGIN", "/* BEGIN", "beginning", ""] {
        assert!(!opens_transaction(statement), "{statement}");
    }
    // Nobody listens there, so that far it got.
    let refused = database.execute("SELECT 1", &[]).await;
    assert_eq!(refused, Err(failed("the database is not reachable")));
}

#[test]
fn refuses_addresses_and_tokens_that_are_none() {
    let limits = Limits::default();
    let new = |url: &str, token: &str| {
        let client = outbound::client(&limits, &BlockedNetworks::default());
        RemoteDatabase::new(url, &Secret::new(token), client, &limits)
    };
    assert!(new("http://a b", "").is_err());
    assert!(new("http://a", "line\nbreak").is_err());
    assert!(new("http://a/", "").is_ok());
}
