//! Between `http` types and messages.

use bytes::Bytes;
use express_wire::{Edit as Told, Fields, Header, Request};
use header_edits::Edit;
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
    headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

/// Makes the request that goes on; `None` if it is none.
pub(super) fn onward(
    [method, scheme, authority, target]: [&str; 4],
    fields: Fields<'_>,
    body: Body,
    message: &Bytes,
) -> Option<http::Request<Body>> {
    let uri =
        Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build().ok()?;
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(fields, message)?;
    Some(request)
}

/// Makes an answer; `None` if it is none.
pub(super) fn response(
    status: u16,
    fields: Fields<'_>,
    body: Body,
    message: &Bytes,
) -> Option<Response<Body>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).ok().filter(|_| status >= 200)?;
    *response.headers_mut() = headers(fields, message)?;
    Some(response)
}

/// Reads header fields, whose values stay where they are in `message`; `None` if one is none, or one of the connection's,
/// which are the host's alone: as in the standard lane.
fn headers(fields: Fields<'_>, message: &Bytes) -> Option<HeaderMap> {
    let count = usize::try_from(fields.remaining()).ok()?;
    let mut headers = HeaderMap::with_capacity(count + count / 2);
    for (name, value) in fields {
        headers.append(
            own_name(name)?,
            HeaderValue::from_maybe_shared(message.slice_ref(value)).ok()?,
        );
    }
    Some(headers)
}

/// The name of a field that a component may set.
fn own_name(name: &[u8]) -> Option<HeaderName> {
    HeaderName::from_bytes(name).ok().filter(|name| !is_the_hosts(name))
}

fn is_the_hosts(name: &HeaderName) -> bool {
    *name == header::HOST || wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

/// Takes out the connection's fields: the next component sees none in either lane.
pub(super) fn remove_the_hosts(headers: &mut HeaderMap) {
    headers.remove(header::HOST);
    for name in &wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS {
        headers.remove(name);
    }
}

/// Reads a component's edits, whose values stay where they are in `message`; `None` if one of them is none.
pub(super) fn edits(told: Vec<Told<'_>>, message: &Bytes) -> Option<Vec<Edit>> {
    told.into_iter().map(|told| edit(told, message)).collect()
}

fn edit(told: Told<'_>, message: &Bytes) -> Option<Edit> {
    let value = |bytes| HeaderValue::from_maybe_shared(message.slice_ref(bytes)).ok();
    Some(match told {
        Told::Remove(name) => Edit::Remove(HeaderName::from_bytes(name.as_bytes()).ok()?),
        Told::RemoveStarting(start) => Edit::RemoveStarting(start.to_owned().into()),
        Told::RemoveConnection => Edit::RemoveConnection,
        Told::Set(name, bytes) => Edit::Set(own_name(name.as_bytes())?, value(bytes)?),
        Told::Append(name, bytes) => Edit::Append(own_name(name.as_bytes())?, value(bytes)?),
        Told::SetByType { name, kinds, otherwise } => {
            let kind = |(kind, bytes): (&str, _)| Some((kind.to_owned().into(), value(bytes)?));
            Edit::SetByType {
                name: own_name(name.as_bytes())?,
                kinds: kinds.into_iter().map(kind).collect::<Option<Vec<_>>>()?.into(),
                otherwise: match otherwise {
                    Some(bytes) => Some(value(bytes)?),
                    None => None,
                },
            }
        }
    })
}
