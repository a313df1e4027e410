//! Between the Web's requests and responses and the types of `http`.

use core::net::{IpAddr, SocketAddr};

use api_types::problem::Problem;
use bytes::{Bytes, BytesMut};
use domain::ErrorKind;
use futures::StreamExt as _;
use gateway_core::admit::BodyError;
use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Object, Reflect, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;
use worker::worker_sys::ext::RequestExt as _;

/// Where gateway-core looks for the client's address, as Spin's hosts set it.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");

/// Where Cloudflare says who the client is; what a client sends under that name never arrives.
const CONNECTING_IP: &str = "cf-connecting-ip";

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Payload {
    /// These bytes.
    Bytes(Bytes),
    /// A stream that passes by WebAssembly untouched.
    Stream(web_sys::ReadableStream),
    /// The client's end of a socket whose other end a Durable Object holds; with status 101.
    Socket(web_sys::WebSocket),
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// A header or an address that `http` does not know.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// A request: its head for the cores, and its body where it was.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The head, with the client's address where Spin's hosts put it.
    pub(crate) parts: Parts,
    /// Cloudflare's name of the place where it came in; `local` where there is none.
    pub(crate) colo: String,
    request: web_sys::Request,
}

impl Incoming {
    /// Reads a request's head.
    pub(crate) fn new(request: web_sys::Request) -> Result<Self, Unreadable> {
        let uri: Uri = request.url().parse().map_err(|_| Unreadable)?;
        let method = Method::from_bytes(request.method().as_bytes()).map_err(|_| Unreadable)?;
        let mut headers = header_map(&request.headers())?;
        // The client's own words about what only a host may say.
        let forged: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("spin-")).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
        if let Some(client) = headers.get(CONNECTING_IP).and_then(|value| value.to_str().ok())
            && let Some(value) = client_address(client)
        {
            headers.insert(CLIENT_ADDRESS, value);
        }
        let cf = request.cf();
        let text = |name: &str| Reflect::get(cf.as_ref()?.as_ref(), &name.into()).ok()?.as_string();
        // Cloudflare replaces the header by what it can unpack itself, and keeps the client's word here.
        match text("clientAcceptEncoding").map(|accepted| HeaderValue::from_str(&accepted)) {
            None => {}
            Some(Ok(accepted)) if !accepted.is_empty() => {
                headers.insert(header::ACCEPT_ENCODING, accepted);
            }
            Some(_) => {
                headers.remove(header::ACCEPT_ENCODING);
            }
        }
        let colo = text("colo").filter(|colo| !colo.is_empty());
        let colo = colo.unwrap_or_else(|| "local".to_owned());
        let (mut parts, ()) = Request::new(()).into_parts();
        (parts.uri, parts.method, parts.headers) = (uri, method, headers);
        Ok(Self { parts, colo, request })
    }

    /// Reads the body to its end, at most `bytes_max`; one that says to be longer is not read at all.
    pub(crate) async fn body(&self, bytes_max: usize) -> Result<Bytes, BodyError> {
        let Some(stream) = self.request.body() else { return Ok(Bytes::new()) };
        match content_length(&self.parts.headers) {
            Some(declared) if declared > length(bytes_max) => Err(BodyError::TooLarge),
            Some(_) => {
                let buffer = self.request.array_buffer().map_err(|_| BodyError::Broken)?;
                let buffer = JsFuture::from(buffer).await.map_err(|_| BodyError::Broken)?;
                Ok(Bytes::from(Uint8Array::new(&buffer).to_vec()))
            }
            None => {
                let mut chunks = worker::Body::new(stream);
                let mut body = BytesMut::new();
                while let Some(chunk) = chunks.next().await {
                    let chunk = chunk.map_err(|_| BodyError::Broken)?;
                    if body.len().saturating_add(chunk.len()) > bytes_max {
                        return Err(BodyError::TooLarge);
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(body.freeze())
            }
        }
    }
}

/// Writes an address as Spin does, with a port; Cloudflare does not tell the client's.
fn client_address(text: &str) -> Option<HeaderValue> {
    let address: IpAddr = text.trim().parse().ok()?;
    HeaderValue::from_str(&SocketAddr::new(address, 0).to_string()).ok()
}

/// Returns the declared length of a body.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns a length in memory as one on the wire.
pub(crate) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Copies headers from the Web's. Repeated ones have become one there, joined by commas.
pub(crate) fn header_map(headers: &web_sys::Headers) -> Result<HeaderMap, Unreadable> {
    let mut map = HeaderMap::new();
    for entry in &headers.entries() {
        let entry = Array::from(&entry.map_err(|_| Unreadable)?);
        let (name, value) = (entry.get(0).as_string(), entry.get(1).as_string());
        let (name, value) = (name.ok_or(Unreadable)?, value.ok_or(Unreadable)?);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unreadable)?;
        map.append(name, header_value(&value)?);
    }
    Ok(map)
}

/// The Web reads a header's bytes as Latin-1: one character each.
fn header_value(text: &str) -> Result<HeaderValue, Unreadable> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|one| u8::try_from(u32::from(one)).ok()).collect();
    HeaderValue::from_maybe_shared(Bytes::from(bytes.ok_or(Unreadable)?)).map_err(|_| Unreadable)
}

/// Copies headers to the Web's.
pub(crate) fn headers(map: &HeaderMap) -> Result<web_sys::Headers, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in map {
        let text: String = value.as_bytes().iter().copied().map(char::from).collect();
        headers.append(name.as_str(), &text)?;
    }
    Ok(headers)
}

/// Hands an answer to workerd.
pub(crate) fn into_js(
    response: Response<Payload>,
    is_head: bool,
) -> Result<web_sys::Response, JsValue> {
    let (mut parts, body) = response.into_parts();
    let has_no_body =
        parts.status == StatusCode::NO_CONTENT || parts.status == StatusCode::NOT_MODIFIED;
    if has_no_body {
        parts.headers.remove(header::CONTENT_LENGTH);
    } else if let Payload::Bytes(bytes) = &body
        && !(is_head && parts.headers.contains_key(header::CONTENT_LENGTH))
    {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length(bytes.len())));
    }
    let init = web_sys::ResponseInit::new();
    init.set_status(parts.status.as_u16());
    let fields = headers(&parts.headers)?;
    init.set_headers(&fields);
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        // The body is packed already.
        let init: &Object = init.unchecked_ref();
        Reflect::set(init, &"encodeBody".into(), &"manual".into())?;
    }
    match body {
        _ if has_no_body || is_head => {
            web_sys::Response::new_with_opt_buffer_source_and_init(None, &init)
        }
        Payload::Bytes(bytes) => {
            let array = Uint8Array::from(bytes.as_ref());
            web_sys::Response::new_with_opt_buffer_source_and_init(Some(&array), &init)
        }
        Payload::Stream(stream) => {
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)
        }
        Payload::Socket(socket) => {
            Reflect::set(init.as_ref(), &"webSocket".into(), socket.as_ref())?;
            web_sys::Response::new_with_opt_buffer_source_and_init(None, &init)
        }
    }
}

/// Answers a request whose head cannot be read, as the node does.
pub(crate) fn unreadable() -> Response<Payload> {
    Problem::of(ErrorKind::Unreadable).into_response().map(Payload::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_clients_address_as_spin_does() {
        for (said, expected) in [
            ("192.0.2.1", Some("192.0.2.1:0")),
            ("2001:db8::1", Some("[2001:db8::1]:0")),
            (" 192.0.2.1 ", Some("192.0.2.1:0")),
            ("192.0.2.1, 10.0.0.1", None),
            ("", None),
        ] {
            let value = client_address(said);
            assert_eq!(value.as_ref().and_then(|v| v.to_str().ok()), expected, "{said}");
        }
    }

    #[test]
    fn headers_are_bytes_again() {
        let value = header_value("caf\u{e9}").unwrap();
        assert_eq!(value.as_bytes(), b"caf\xe9");
        assert!(header_value("\u{20ac}").is_err());
        assert!(header_value("a\nb").is_err());
    }
}
