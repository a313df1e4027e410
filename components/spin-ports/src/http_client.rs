//! Calls to upstreams, over `wasi:http/client`.

use core::pin::pin;
use core::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::{HeaderValue, Method, Request, Response, header};
use ports::{HttpClient, HttpError, Timer};
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{
    ErrorCode, Request as WasiRequest, RequestOptions, Response as WasiResponse, Scheme,
};

use express::ReadError;
use express::wire;

use crate::SpinPorts;

/// Longest wait for a connection: 400 ms, one round trip to the other side of the world. On expiry nothing was sent,
/// and `origin-client` must hear so before it takes the origin for silent (after 500 ms): silence is not asked again.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_millis(400);

impl HttpClient for SpinPorts {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let request = to_wasi(request, timeout)?;
        let answer = async {
            let response = client::send(request).await.map_err(|code| from_wit(&code))?;
            whole(response, body_bytes_max).await
        };
        // Dropping the loser cancels it: the host closes the connection.
        match select(pin!(answer), pin!(self.sleep(timeout))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(HttpError::Timeout),
        }
    }
}

fn to_wasi(mut request: Request<Bytes>, timeout: Duration) -> Result<WasiRequest, HttpError> {
    let body = core::mem::take(request.body_mut());
    let may_have_body = !matches!(*request.method(), Method::GET | Method::HEAD);
    if may_have_body || !body.is_empty() {
        let length = HeaderValue::from(u64::try_from(body.len()).unwrap_or(u64::MAX));
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
    } else {
        request.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let fields = wire::to_fields(request.headers()).map_err(|code| from_wit(&code))?;
    let options = RequestOptions::new();
    let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    // Hosts may not know these; our own timer holds in any case.
    let _unsupported = options.set_connect_timeout(Some(ns(timeout.min(CONNECT_TIMEOUT_MAX))));
    let _unsupported = options.set_first_byte_timeout(Some(ns(timeout)));
    let (stream, end) = wire::write(body);
    let (sent, _outcome) = WasiRequest::new(fields, stream, end, Some(options));
    let uri = request.uri();
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let refused = |()| HttpError::Broken("the host refused the request's address".to_owned());
    sent.set_method(&request.method().into()).map_err(refused)?;
    sent.set_scheme(Some(&scheme)).map_err(refused)?;
    sent.set_authority(uri.authority().map(http::uri::Authority::as_str)).map_err(refused)?;
    let target = uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    sent.set_path_with_query(target).map_err(refused)?;
    Ok(sent)
}

async fn whole(message: WasiResponse, body_bytes_max: usize) -> Result<Response<Bytes>, HttpError> {
    let status = message.get_status_code();
    let headers = wire::from_fields(&message.get_headers());
    let (stream, end) = WasiResponse::consume_body(message, wire::received());
    let body = wire::read(stream, end, body_bytes_max).await.map_err(|error| match error {
        ReadError::TooLarge => HttpError::TooLarge,
        // Something was answered, so something was sent: never "safe to send again".
        ReadError::Broken(code) => match from_wit(&code) {
            HttpError::Connect(text) => HttpError::Broken(text),
            other => other,
        },
    })?;
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status)
        .map_err(|_invalid| HttpError::Broken("invalid status".to_owned()))?;
    *response.headers_mut() = headers;
    Ok(response)
}

fn from_wit(code: &ErrorCode) -> HttpError {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsCertificateError => HttpError::Connect(code.to_string()),
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => HttpError::Denied,
        ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpError::Timeout,
        ErrorCode::HttpResponseBodySize(_) => HttpError::TooLarge,
        other => HttpError::Broken(other.to_string()),
    }
}
