//! A component's handler: a whole request in, a whole answer out.

use core::future::Future;

use api_types::problem::{Fault, Problem};
use bytes::Bytes;
use domain::ErrorKind;
use http::{HeaderValue, Request, Response, StatusCode, header};
use spin_sdk::wasip3::http::types::{ErrorCode, Response as WasiResponse};

use crate::IncomingRequest;
use crate::wire::{self, ReadError};

/// Reads the request (at most `body_bytes_max` of body), asks `handler`, and sends its answer with its length. A fault
/// goes to the component's log with the component's name.
///
/// A larger body is answered with 413 before the handler sees anything; a body that broke off with 400.
///
/// # Errors
/// When the host refuses the answer's headers. The host turns that into a 500.
pub async fn serve<H, F>(
    component: &str,
    request: IncomingRequest,
    body_bytes_max: usize,
    handler: H,
) -> Result<WasiResponse, ErrorCode>
where
    H: FnOnce(Request<Bytes>) -> F,
    F: Future<Output = Response<Bytes>>,
{
    let response = match whole(request, body_bytes_max).await {
        Ok(request) => handler(request).await,
        Err(ReadError::TooLarge) => Problem::of(ErrorKind::TooLarge)
            .detail(format!("the limit is {body_bytes_max} bytes"))
            .into_response(),
        Err(ReadError::Broken(_)) => {
            Problem::of(ErrorKind::Unreadable).detail("the body broke off").into_response()
        }
    };
    if let Some(Fault(why)) = response.extensions().get() {
        report(component, why);
    }
    send(response)
}

#[expect(clippy::print_stderr, reason = "a component's log is its standard error")]
fn report(component: &str, why: &str) {
    eprintln!("{component}: {why}");
}

/// Reads a request to its end.
///
/// # Errors
/// See [`ReadError`].
pub async fn whole(
    request: IncomingRequest,
    body_bytes_max: usize,
) -> Result<Request<Bytes>, ReadError> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, body_bytes_max).await?;
    Ok(Request::from_parts(parts, body))
}

/// Reads a body; one whose declared length is over the limit is not read at all.
pub(crate) async fn read_body(
    headers: &http::HeaderMap,
    mut body: spin_sdk::wasip3::http_compat::IncomingRequestBody,
    body_bytes_max: usize,
) -> Result<Bytes, ReadError> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > u64::try_from(body_bytes_max).unwrap_or(u64::MAX)) {
        return Err(ReadError::TooLarge);
    }
    // A body that was handed on already has no bytes for us.
    let Some(message) = body.take_unstarted() else { return Ok(Bytes::new()) };
    let (stream, end) =
        spin_sdk::wasip3::http::types::Request::consume_body(message, wire::received());
    wire::read(stream, end, body_bytes_max).await
}

/// Sends a whole answer.
///
/// # Errors
/// When the host refuses the answer's headers.
pub fn send(mut response: Response<Bytes>) -> Result<WasiResponse, ErrorCode> {
    let status = response.status();
    let has_no_body = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let body = if has_no_body { Bytes::new() } else { core::mem::take(response.body_mut()) };
    if has_no_body {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    } else if !body.is_empty() || !response.headers().contains_key(header::CONTENT_LENGTH) {
        // An answer to HEAD says how long the body would have been: then the handler has set it and sends none.
        let length = HeaderValue::from(u64::try_from(body.len()).unwrap_or(u64::MAX));
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    let fields = wire::to_fields(response.headers())?;
    let (stream, end) = wire::write(body);
    let (sent, _outcome) = WasiResponse::new(fields, stream, end);
    sent.set_status_code(status.as_u16())
        .map_err(|()| ErrorCode::InternalError(Some("status".to_owned())))?;
    Ok(sent)
}
