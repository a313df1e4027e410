//! Between `http` types and messages.

use express_wire::{Fields, Header, Request};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header, request::Parts,
};
use http_body::Body as _;

use crate::Body;

/// Writes a request's head.
pub(super) fn request(parts: &Parts, body: Option<&Body>) -> Vec<u8> {
    let uri = &parts.uri;
    let words = [
        parts.method.as_str(),
        uri.scheme_str().unwrap_or("http"),
        uri.authority().map_or("localhost", http::uri::Authority::as_str),
        uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
    ];
    let has_body = body.is_some_and(|body| !body.is_end_stream());
    Request::write(words, fields(&parts.headers), has_body)
}

/// The header fields of a message.
pub(super) fn fields(headers: &HeaderMap) -> impl Iterator<Item = Header<'_>> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// Makes the request that goes on; `None` if it is none.
pub(super) fn onward(
    [method, scheme, authority, target]: [&str; 4],
    fields: Fields<'_>,
    body: Body,
) -> Option<http::Request<Body>> {
    let uri =
        Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build().ok()?;
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(fields)?;
    Some(request)
}

/// Makes an answer; `None` if it is none.
pub(super) fn response(status: u16, fields: Fields<'_>, body: Body) -> Option<Response<Body>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).ok().filter(|_| status >= 200)?;
    *response.headers_mut() = headers(fields)?;
    Some(response)
}

/// Reads header fields; `None` if one is none, or one of the connection's, which are the host's alone: as in the
/// standard lane.
fn headers(fields: Fields<'_>) -> Option<HeaderMap> {
    let count = usize::try_from(fields.remaining()).ok()?;
    let mut headers = HeaderMap::with_capacity(count + count / 2);
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if name == header::HOST || wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(&name) {
            return None;
        }
        headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}
