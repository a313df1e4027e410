//! Calls to upstreams, over `fetch`.
//!
//! workerd does not say how far a failed call had come, so what cannot be proven unsent counts as broken, and
//! `origin-client` repeats only what may be repeated.

use core::pin::pin;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::future::{Either, select};
use http::{Method, Request, Response, StatusCode, header};
use ports::{HttpClient, HttpError, Timer};
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;

use super::WorkerPorts;
use crate::{log, wire};

impl HttpClient for WorkerPorts {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let abort = Abort::new()?;
        let answer = async {
            let response = fetch(&request, &abort).await?;
            if let Some(error) = network_failure(response.status(), by_cloudflare(&response)) {
                return Err(error);
            }
            whole(response, body_bytes_max).await
        };
        // Whoever loses is dropped, and dropping `abort` ends the call.
        let answer = match select(pin!(answer), pin!(self.sleep(timeout))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(HttpError::Timeout),
        };
        // Without the address, which may hold what is nobody's business.
        answer.inspect_err(|error| log::warn("upstream", &error.to_string()))
    }
}

/// Ends its call when it is dropped; a call that has ended does not mind.
#[derive(Debug)]
pub(crate) struct Abort(web_sys::AbortController);

impl Abort {
    pub(crate) fn new() -> Result<Self, HttpError> {
        web_sys::AbortController::new().map(Self).map_err(|error| broken(&error))
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and returns its answer's head, the body unread. Redirects are answers.
pub(crate) async fn fetch(
    request: &Request<Bytes>,
    abort: &Abort,
) -> Result<web_sys::Response, HttpError> {
    let init = web_sys::RequestInit::new();
    init.set_method(request.method().as_str());
    let headers = wire::headers(request.headers()).map_err(|error| broken(&error))?;
    init.set_headers(&headers);
    init.set_redirect(web_sys::RequestRedirect::Manual);
    init.set_signal(Some(&abort.0.signal()));
    // Web requests with these methods have no body; ours never do either.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        init.set_body(&Uint8Array::from(request.body().as_ref()));
    }
    let scope: web_sys::WorkerGlobalScope = worker::js_sys::global().unchecked_into();
    let promise = scope.fetch_with_str_and_init(&request.uri().to_string(), &init);
    let response = JsFuture::from(promise).await.map_err(|error| broken(&error))?;
    response.dyn_into().map_err(|error| broken(&error))
}

/// Tells what Cloudflare says in an origin's place (its own statuses from 520 to 530) from an origin's answer.
fn network_failure(status: u16, is_by_cloudflare: bool) -> Option<HttpError> {
    if !is_by_cloudflare {
        return None;
    }
    let text = || format!("the network answered {status}");
    match status {
        // The web server is down, unreachable, has no TLS, a bad certificate, no DNS name: nothing was sent.
        521 | 523 | 525 | 526 | 530 => Some(HttpError::Connect(text())),
        520 | 522 | 527 => Some(HttpError::Broken(text())),
        524 => Some(HttpError::Timeout),
        _ => None,
    }
}

fn by_cloudflare(response: &web_sys::Response) -> bool {
    let server = response.headers().get("server").ok().flatten();
    server.is_some_and(|server| server.eq_ignore_ascii_case("cloudflare"))
}

async fn whole(
    response: web_sys::Response,
    body_bytes_max: usize,
) -> Result<Response<Bytes>, HttpError> {
    let headers = wire::header_map(&response.headers())
        .map_err(|_| HttpError::Broken("a header that is none".to_owned()))?;
    let status = StatusCode::from_u16(response.status())
        .map_err(|_invalid| HttpError::Broken("invalid status".to_owned()))?;
    let declared = wire::content_length(&headers);
    if declared.is_some_and(|length| length > wire::length(body_bytes_max)) {
        return Err(HttpError::TooLarge);
    }
    // workerd unpacks what is packed, so a packed length says nothing about what will be read.
    let is_bounded = declared.is_some() && !headers.contains_key(header::CONTENT_ENCODING);
    let body = match response.body() {
        None => Bytes::new(),
        Some(_) if is_bounded => {
            let buffer = response.array_buffer().map_err(|error| broken(&error))?;
            let buffer = JsFuture::from(buffer).await.map_err(|error| broken(&error))?;
            Bytes::from(Uint8Array::new(&buffer).to_vec())
        }
        Some(stream) => read(stream, body_bytes_max).await?,
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

async fn read(stream: web_sys::ReadableStream, bytes_max: usize) -> Result<Bytes, HttpError> {
    let mut chunks = worker::Body::new(stream);
    let mut body = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| HttpError::Broken(error.to_string()))?;
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn broken(error: &JsValue) -> HttpError {
    let error = worker::Error::from(error.clone());
    HttpError::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_surely_not_sent_is_a_failed_connection() {
        let kind = |status| match network_failure(status, true) {
            None => "answer",
            Some(HttpError::Connect(_)) => "connect",
            Some(HttpError::Timeout) => "timeout",
            Some(_) => "broken",
        };
        for (status, expected) in [
            (200, "answer"),
            (500, "answer"),
            (503, "answer"),
            (520, "broken"),
            (521, "connect"),
            (522, "broken"),
            (523, "connect"),
            (524, "timeout"),
            (525, "connect"),
            (530, "connect"),
            (531, "answer"),
        ] {
            assert_eq!(kind(status), expected, "{status}");
            assert_eq!(network_failure(status, false), None, "{status}");
        }
    }
}
