//! Requests: who asks, which key, what goes wrong, and whose turn it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State as Extracted;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body::Frame;

use crate::answer::{
    Answer, Answered, failed, good, invalid, key_in_use, key_reused, missing, rate_limited,
    unauthorized,
};
use crate::form::Form;
use crate::state::{State, Used};
use crate::{Fault, SECRET_KEY, Shared, browser};

pub(crate) fn router(shared: Shared) -> Router {
    Router::new().fallback(handle).with_state(shared)
}

/// What becomes of an answer on its way.
struct Reply {
    answer: Answer,
    is_replay: bool,
    /// Whether this request took its key, and has to end it.
    has_key: bool,
    fault: Option<Fault>,
}

async fn handle(
    Extracted(shared): Extracted<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sent = String::from_utf8_lossy(&body);
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    if let Some(response) = browser::answer(&shared, &method, &uri, authorization, &sent) {
        return response;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = text("idempotency-key").map(str::to_owned);
    let is_believed = text("authorization") == Some(&format!("Bearer {SECRET_KEY}"));
    let has_version = text("stripe-version").is_some_and(|version| version.len() >= 10);
    let reply = if !is_believed {
        Reply { answer: unauthorized(), is_replay: false, has_key: false, fault: None }
    } else if !has_version {
        Reply {
            answer: invalid("Stripe-Version", ""),
            is_replay: false,
            has_key: false,
            fault: None,
        }
    } else {
        decide(&mut shared.lock(), &method, &uri, key.as_deref(), &sent)
    };
    if let Some(Fault::Slow(time)) = reply.fault {
        tokio::time::sleep(time).await;
    }
    if let Some(key) = key.filter(|_| reply.has_key) {
        let mut state = shared.lock();
        if reply.answer.is_saved {
            if let Some(used) = state.keys.get_mut(&key) {
                used.answer = Some(reply.answer.clone());
            }
        } else {
            state.keys.remove(&key);
        }
    }
    write(reply)
}

/// Does a request under the lock. While an answer is slow, its key is in use.
fn decide(state: &mut State, method: &Method, uri: &Uri, key: Option<&str>, body: &str) -> Reply {
    state.requests.push(uri.path().to_owned());
    let plain = |answer| Reply { answer, is_replay: false, has_key: false, fault: None };
    let place = state.faults.iter().position(|(path, _)| uri.path().contains(path.as_str()));
    let fault = place.map(|place| state.faults.remove(place).1);
    if let Some(Fault::RateLimit { .. }) = fault {
        return Reply { answer: rate_limited(), is_replay: false, has_key: false, fault };
    }
    let request = format!("{method} {} {body}", uri.path());
    let key = key.filter(|_| method == Method::POST);
    if let Some(key) = key {
        if key.is_empty() || key.len() > 255 {
            return plain(invalid("Idempotency-Key", ""));
        }
        match state.keys.get(key) {
            Some(used) if used.request != request => return plain(key_reused()),
            Some(Used { answer: None, .. }) => return plain(key_in_use()),
            Some(Used { answer: Some(answer), .. }) => {
                let answer = answer.clone();
                return Reply { answer, is_replay: true, has_key: false, fault };
            }
            None => {}
        }
        state.keys.insert(key.to_owned(), Used { request, answer: None });
    }
    let answer = match fault {
        Some(Fault::Fail { .. }) => failed(),
        _ => route(state, method, uri, body).map_or_else(|error| error, good),
    };
    Reply { answer, is_replay: false, has_key: key.is_some(), fault }
}

fn route(state: &mut State, method: &Method, uri: &Uri, body: &str) -> Answered {
    let query = Form::parse(uri.query().unwrap_or_default());
    let form = Form::parse(body);
    let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    match (method.as_str(), path.as_slice()) {
        ("POST", ["v1", "payment_intents"]) => state.create(&form),
        ("GET", ["v1", "payment_intents"]) => state.list(&query),
        ("GET", ["v1", "payment_intents", "search"]) => state.search(&query),
        ("GET", ["v1", "payment_intents", id]) => state.retrieve(id, &query),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => state.confirm(id, &form),
        ("POST", ["v1", "payment_intents", id, "capture"]) => state.capture(id, &form),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => state.cancel(id, &form),
        ("POST", ["v1", "refunds"]) => state.refund(&form),
        ("GET", ["v1", "refunds"]) => state.refunds(&query),
        _ => Err(missing("route")),
    }
}

fn write(reply: Reply) -> Response {
    let Reply { answer, is_replay, fault, .. } = reply;
    if fault == Some(Fault::LoseAnswer) {
        return cut();
    }
    let body = match fault {
        Some(Fault::Garbage) => "<html>not today</html>".to_owned(),
        _ => answer.body.to_string(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    let mut add = |name: &'static str, value: String| {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    add("content-type", "application/json".to_owned());
    add("request-id", "req_fake".to_owned());
    if is_replay {
        add("idempotent-replayed", "true".to_owned());
    }
    let should_retry = match fault {
        Some(Fault::Fail { should_retry }) => should_retry,
        Some(Fault::RateLimit { retry_after_s, should_retry }) => {
            add("retry-after", retry_after_s.to_string());
            should_retry
        }
        _ => (answer.status == 409).then_some(true),
    };
    if let Some(should_retry) = should_retry {
        add("stripe-should-retry", should_retry.to_string());
    }
    response
}

/// An answer whose body breaks off before its first byte, and the connection with it.
fn cut() -> Response {
    Response::new(Body::new(Broken))
}

/// A body that fails before its first byte.
struct Broken;

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::Error::other("cut on demand"))))
    }
}
