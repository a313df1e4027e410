//! The next handler of a middleware chain, with bodies handed on unread.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use spin_sdk::wasip3::http::types::{
    ErrorCode, Request as WasiRequest, Response as WasiResponse, Scheme,
};
use spin_sdk::wasip3::http_compat::IncomingRequestBody;

use crate::wire::{self, ReadError};

/// A request's body: either still at the host, or whole.
#[derive(Debug)]
pub enum Body {
    /// Nobody has read it: its handle goes on to the next handler.
    Unread(Unread),
    /// Already read, or never there.
    Whole(Bytes),
}

/// A body that nobody has read.
pub struct Unread(IncomingRequestBody);

impl core::fmt::Debug for Unread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Unread").finish_non_exhaustive()
    }
}

impl Unread {
    /// Takes the body of an incoming request.
    #[must_use]
    pub const fn new(body: IncomingRequestBody) -> Self {
        Self(body)
    }

    /// Reads it to its end, at most `body_bytes_max`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(
        self,
        headers: &HeaderMap,
        body_bytes_max: usize,
    ) -> Result<Bytes, ReadError> {
        crate::serve::read_body(headers, self.0, body_bytes_max).await
    }
}

/// The head of a request that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The address; a chain needs scheme and authority.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// The next handler's answer: head here, body still at the host.
pub struct Next {
    message: WasiResponse,
    /// The status.
    pub status: StatusCode,
    /// The headers, free to change.
    pub headers: HeaderMap,
}

impl core::fmt::Debug for Next {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Next").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Asks the next handler.
///
/// # Errors
/// When the host refuses the request or the next handler failed without an answer.
pub async fn next(head: Head<'_>, body: Body) -> Result<Next, ErrorCode> {
    let request = to_wasi(head, body)?;
    let mut response = spin_sdk::http::next(request).await?;
    let status = response.status();
    let headers = core::mem::take(response.headers_mut());
    let message = response
        .body_mut()
        .take_unstarted()
        .ok_or_else(|| ErrorCode::InternalError(Some("no answer".to_owned())))?;
    Ok(Next { message, status, headers })
}

fn to_wasi(head: Head<'_>, body: Body) -> Result<WasiRequest, ErrorCode> {
    let fields = wire::to_fields(head.headers)?;
    let has_body = !matches!(*head.method, Method::GET | Method::HEAD)
        || head.headers.contains_key(header::CONTENT_LENGTH);
    let (stream, end) = match body {
        Body::Whole(bytes) => wire::write(bytes),
        Body::Unread(Unread(mut unread)) => match unread.take_unstarted().filter(|_| has_body) {
            Some(message) => {
                let (stream, end) = WasiRequest::consume_body(message, wire::received());
                (Some(stream), end)
            }
            None => wire::write(Bytes::new()),
        },
    };
    let (request, _outcome) = WasiRequest::new(fields, stream, end, None);
    let scheme = match head.uri.scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let refused = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_method(&head.method.into()).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    // A request's address must be whole before it enters a chain.
    let authority = head.uri.authority().map_or("localhost", http::uri::Authority::as_str);
    request.set_authority(Some(authority)).map_err(refused)?;
    let target = head.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    request.set_path_with_query(target).map_err(refused)?;
    Ok(request)
}

impl Next {
    /// Sends the answer on, with [`Self::headers`] as they are now and the body untouched.
    ///
    /// # Errors
    /// When the host refuses a header.
    pub fn send(self) -> Result<WasiResponse, ErrorCode> {
        let fields = wire::to_fields(&self.headers)?;
        let (stream, end) = WasiResponse::consume_body(self.message, wire::received());
        let (response, _outcome) = WasiResponse::new(fields, Some(stream), end);
        response
            .set_status_code(self.status.as_u16())
            .map_err(|()| ErrorCode::InternalError(Some("status".to_owned())))?;
        Ok(response)
    }
}
