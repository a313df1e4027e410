//! A component that answers, in both lanes.

use bytes::Bytes;
use express::{Inbound, ask, is_express, take_standard_lane};
use express_wire::Value;
use http::Response;

use crate::{header, text};

express::answer!(handle);

async fn handle(request: Inbound) -> Response<Bytes> {
    match request.head.uri.path() {
        "/hello" => text(200, "hello"),
        "/lane" => text(200, if is_express() { "express" } else { "standard" }),
        "/standard" => {
            take_standard_lane().await;
            spin_sdk::time::sleep(core::time::Duration::from_millis(1)).await;
            text(200, if is_express() { "express" } else { "standard" })
        }
        "/echo" => match request.whole(64 * 1024).await {
            Ok(request) => text(200, request.into_body()),
            Err(error) => text(413, format!("{error:?}")),
        },
        "/headers" => headers(&request),
        "/sql" => sql(&request).await,
        "/kv" => key(&request).await,
        "/variable" => match ask::variable(header(&request.head.headers, "x-name")).await {
            Ok(value) => text(200, value),
            Err(why) => text(404, format!("{why:?}")),
        },
        "/trap" => trap(),
        "/loop" => spin_forever(),
        "/print-for-ever" => print_forever(),
        "/hog" => hog(),
        "/ask-for-ever" => loop {
            let _ = ask::key_get("default", "k").await;
        },
        "/wait-for-nothing" => core::future::pending().await,
        "/standard-too-late" => {
            let _ = ask::key_get("default", "k").await;
            take_standard_lane().await;
            text(200, "went on")
        }
        "/content-length" => {
            let mut answer = text(200, "12345");
            answer.headers_mut().insert("content-length", http::HeaderValue::from_static("3"));
            answer
        }
        _ => text(404, "no such behaviour"),
    }
}

fn headers(request: &Inbound) -> Response<Bytes> {
    let mut lines: Vec<String> = request
        .head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    text(200, format!("{} {}\n{}", request.head.method, request.head.uri, lines.join("\n")))
}

async fn sql(request: &Inbound) -> Response<Bytes> {
    let headers = &request.head.headers;
    let parameter = header(headers, "x-parameter");
    let bound = if parameter.is_empty() { Vec::new() } else { vec![Value::Text(parameter)] };
    let rows =
        ask::sql(header(headers, "x-database"), header(headers, "x-sql"), bound, |mut rows| {
            let mut lines = Vec::new();
            for _ in 0..rows.rows() {
                let values: Result<Vec<String>, _> = (0..rows.width())
                    .map(|_| rows.value().map(|value| format!("{value:?}")))
                    .collect();
                lines.push(values?.join("|"));
            }
            Ok(lines.join("\n"))
        });
    match rows.await {
        Ok(rows) => text(200, rows),
        Err(why) => text(422, format!("{why:?}")),
    }
}

async fn key(request: &Inbound) -> Response<Bytes> {
    let word = |name| header(&request.head.headers, name);
    let (store, key, value) = (word("x-store"), word("x-key"), word("x-value"));
    if !value.is_empty()
        && let Err(why) = ask::key_set(store, key, value.as_bytes()).await
    {
        return text(403, format!("{why:?}"));
    }
    match ask::key_get(store, key).await {
        Ok(Some(value)) => text(200, value),
        Ok(None) => text(404, "absent"),
        Err(why) => text(403, format!("{why:?}")),
    }
}

#[expect(clippy::panic, reason = "that is the fault")]
fn trap() -> Response<Bytes> {
    panic!("a panic on purpose")
}

#[expect(clippy::infinite_loop, reason = "that is the fault")]
fn spin_forever() -> Response<Bytes> {
    let mut turns = 0_u64;
    loop {
        turns = core::hint::black_box(turns.wrapping_add(1));
    }
}

/// Waits in each turn: the host writes the line while the component holds its call.
#[expect(clippy::infinite_loop, clippy::print_stderr, reason = "that is the fault")]
fn print_forever() -> Response<Bytes> {
    loop {
        eprintln!("again");
    }
}

fn hog() -> Response<Bytes> {
    let mut held = Vec::new();
    for _ in 0..16 * 1024 {
        held.push(core::hint::black_box(vec![1_u8; 1024 * 1024]));
    }
    text(200, format!("{} MiB were granted", held.len()))
}
