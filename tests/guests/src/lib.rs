//! Plays the bad component: by path it answers, loops, hogs, traps, stalls, or asks for what it may not have.
//!
//! Layer: dev (L5). Two files of one crate: a component that answers, and a middleware (feature `middleware`) that
//! answers the same and hands a request with `x-guest-forward` on.
//! Not here: assertions; they are in `edge/node/tests/it`.
//! Start at [`serve`]; each path is one behaviour.

mod answers;
mod capabilities;
mod faults;
mod relay;
mod stores;
mod surroundings;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use spin_sdk::{
    http::{FullBody, IntoResponse as _, Request},
    http_service,
    wasip3::http::types::{ErrorCode, Response as WasiResponse},
};

/// What every behaviour answers with.
pub(crate) type Answer = Result<WasiResponse, ErrorCode>;

/// Answers by path; see the table in the body.
#[http_service]
async fn serve(request: Request) -> Answer {
    let path = request.uri().path().to_owned();
    #[cfg(feature = "middleware")]
    if request.headers().contains_key("x-guest-forward") {
        return forward(request).await;
    }
    match path.as_str() {
        "/hello" => text(200, "hello"),
        "/echo" => echo(request).await,
        "/headers" => headers(&request),
        "/empty" => text(204, ""),
        "/version" => text(200, version()),
        "/hand-back" => hand_back(request),
        "/stream" => faults::stream().await,
        "/loop" => faults::spin_forever(),
        "/hog" => faults::hog(),
        "/trap" => faults::trap(),
        "/sleep" => faults::sleep().await,
        "/echo-stream" => answers::echo(request),
        "/late-trap" => answers::late_trap(&request),
        "/trap-reading" => answers::trap_reading(request).await,
        "/endless" => answers::endless(),
        "/unfinished" => answers::unfinished(),
        "/never" => answers::never().await,
        "/wrong-length" => answers::wrong_length(&request),
        "/odd-header" => answers::odd_header(&request),
        "/many-headers" => answers::many_headers(),
        "/twice" => answers::twice(),
        "/kv" => capabilities::key_value(&request).await,
        "/batch" => stores::batch(&request).await,
        "/redis" => stores::redis(&request).await,
        "/relay" => relay::relay(request).await,
        "/ring" => relay::ring(&request).await,
        "/count" => capabilities::count(&request),
        "/sql" => capabilities::sql(&request).await,
        "/fetch" => capabilities::fetch(&request).await,
        "/variable" => capabilities::variable(&request).await,
        "/file" => capabilities::file(&request),
        "/environment" => surroundings::environment(&request),
        "/print" => surroundings::print(&request),
        _ => text(404, "no such behaviour"),
    }
}

/// Answers `body` as plain text with `status`.
pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = http::Response::new(FullBody::new(body.into()));
    *answer.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    answer.into_response()
}

/// Returns the first value of header `name`, or the empty string.
pub(crate) fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What the manifest says in the environment, so that two versions of one file can be told apart.
fn version() -> String {
    std::env::var("VERSION").unwrap_or_default()
}

/// Answers at once, with the version in a header, and passes the body on as it arrives.
fn hand_back(request: Request) -> Answer {
    let mut answer = http::Response::new(request.into_body());
    if let Ok(version) = http::HeaderValue::from_str(&version()) {
        answer.headers_mut().insert("x-guest-version", version);
    }
    answer.into_response()
}

async fn echo(request: Request) -> Answer {
    match request.into_body().collect().await {
        Ok(body) => text(200, body.to_bytes()),
        Err(error) => text(400, format!("unreadable body: {error}")),
    }
}

/// Answers every header that arrived, one `name: value` per line.
fn headers(request: &Request) -> Answer {
    let mut lines = String::new();
    for (name, value) in request.headers() {
        lines.push_str(name.as_str());
        lines.push_str(": ");
        lines.push_str(&String::from_utf8_lossy(value.as_bytes()));
        lines.push('\n');
    }
    text(200, lines)
}

/// Plays the middleware: marks the request, calls the next component, marks the answer.
/// With `x-guest-panic: before` or `after` it panics there instead.
#[cfg(feature = "middleware")]
async fn forward(request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    let panics = parts.headers.remove("x-guest-panic");
    let panics = |at: &str| panics.as_ref().is_some_and(|panics| panics == at);
    if panics("before") {
        answers::panic_on_purpose();
    }
    parts.headers.remove("x-guest-forward");
    parts.headers.remove(http::header::HOST);
    let seen = http::HeaderValue::from_static("seen");
    parts.headers.insert("x-guest-middleware", seen.clone());
    let next = spin_sdk::http::next(http::Request::from_parts(parts, body)).await?;
    if panics("after") {
        answers::panic_on_purpose();
    }
    let (mut parts, body) = next.into_parts();
    parts.headers.insert("x-guest-middleware", seen);
    http::Response::from_parts(parts, body).into_response()
}
