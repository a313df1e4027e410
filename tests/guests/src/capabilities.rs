//! Asks the host for things; what it answers is passed on as text.

use spin_sdk::{
    experimental::wasi::keyvalue::{atomics, store},
    http::Request,
    key_value::Store,
    sqlite::{Connection, Value},
};

use crate::{Answer, header, text};

/// Sets `x-key` to `x-value` in the store `x-store` (if a value is given), then reads it.
pub(crate) async fn key_value(request: &Request) -> Answer {
    let store = match Store::open(header(request, "x-store")).await {
        Ok(store) => store,
        Err(error) => return text(403, format!("{error:?}")),
    };
    let (key, value) = (header(request, "x-key"), header(request, "x-value"));
    if !value.is_empty()
        && let Err(error) = store.set(key, value).await
    {
        return text(507, format!("{error:?}"));
    }
    match store.get(key).await {
        Ok(Some(value)) => text(200, value),
        Ok(None) => text(404, "absent"),
        Err(error) => text(500, format!("{error:?}")),
    }
}

/// Adds one to the counter `x-key` and answers the sum.
pub(crate) fn count(request: &Request) -> Answer {
    let bucket = match store::open("default") {
        Ok(bucket) => bucket,
        Err(error) => return text(403, format!("{error:?}")),
    };
    match atomics::increment(&bucket, header(request, "x-key"), 1) {
        Ok(sum) => text(200, sum.to_string()),
        Err(error) => text(500, format!("{error:?}")),
    }
}

/// Runs the statement `x-sql` and answers the rows, one per line.
pub(crate) async fn sql(request: &Request) -> Answer {
    let connection = match Connection::open(header(request, "x-database")).await {
        Ok(connection) => connection,
        Err(error) => return text(403, format!("{error:?}")),
    };
    let result = match connection.execute(header(request, "x-sql"), []).await {
        Ok(result) => result,
        Err(error) => return text(422, format!("{error:?}")),
    };
    match result.collect().await {
        Ok(rows) => {
            let lines: Vec<String> = rows.iter().map(|row| line(&row.values)).collect();
            text(200, lines.join("\n"))
        }
        Err(error) => text(422, format!("{error:?}")),
    }
}

fn line(values: &[Value]) -> String {
    let words: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(words) => words.clone(),
            Value::Blob(bytes) => format!("{} bytes", bytes.len()),
            Value::Null => "null".to_owned(),
        })
        .collect();
    words.join("|")
}

/// Fetches `x-url` and answers its status.
pub(crate) async fn fetch(request: &Request) -> Answer {
    match spin_sdk::http::get(header(request, "x-url")).await {
        Ok(answer) => text(200, answer.status().as_u16().to_string()),
        Err(error) => text(502, format!("{error:?}")),
    }
}

/// Answers the component variable `x-name`.
pub(crate) async fn variable(request: &Request) -> Answer {
    match spin_sdk::variables::get(header(request, "x-name")).await {
        Ok(value) => text(200, value),
        Err(error) => text(404, format!("{error:?}")),
    }
}

/// Reads the file `x-path`; with `x-write`, tries to write it first.
pub(crate) fn file(request: &Request) -> Answer {
    let path = header(request, "x-path");
    let words = header(request, "x-write");
    if !words.is_empty()
        && let Err(error) = std::fs::write(path, words)
    {
        return text(403, error.to_string());
    }
    match std::fs::read(path) {
        Ok(bytes) => text(200, bytes),
        Err(error) => text(404, error.to_string()),
    }
}
