//! The next handler of a middleware chain, with bodies handed on unread.

use core::fmt;

use bytes::Bytes;
use express_wire::{PassForm, Verdict};
use header_edits::Edit;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use spin_sdk::wasip3::http::types::{
    ErrorCode, Request as WasiRequest, Response as WasiResponse, Scheme,
};

use crate::inbound::{Source, Unread};
use crate::{lane, wire};

/// A request's body: either still at the host, or whole.
#[derive(Debug)]
pub enum Body {
    /// Nobody has read it: its handle goes on to the next handler.
    Unread(Unread),
    /// Already read, or never there.
    Whole(Bytes),
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

/// What a middleware ends with.
#[derive(Debug)]
pub enum Outbound {
    /// Its own answer.
    Whole(Response<Bytes>),
    /// The next handler's, its head perhaps changed.
    Next(Next),
    /// The request goes on as it came but for some header fields, and so does the answer: the cheapest end, for the
    /// component is neither asked again nor held until the answer is there.
    Pass(Box<Pass>),
}

/// A request that goes on as it came, but for some header fields.
#[derive(Debug)]
pub struct Pass {
    /// The request's head, untouched.
    pub head: Parts,
    /// What changes in it.
    pub request: Vec<Edit>,
    /// Its body.
    pub body: Body,
    /// What changes in the header fields of the answer, whatever it is.
    pub answer: Vec<Edit>,
}

/// No answer: the next handler has none, or the host refused the request. The host knows why.
#[derive(Debug)]
pub struct Failed(ErrorCode);

impl Failed {
    pub(crate) fn into_code(self) -> ErrorCode {
        self.0
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from the next handler: {:?}", self.0)
    }
}

impl std::error::Error for Failed {}

impl From<ErrorCode> for Failed {
    fn from(code: ErrorCode) -> Self {
        Self(code)
    }
}

/// The next handler's answer: head here, body still at the host.
pub struct Next {
    /// The message of the standard lane.
    message: Option<WasiResponse>,
    /// The status.
    pub status: StatusCode,
    /// The headers, free to change.
    pub headers: HeaderMap,
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Asks the next handler; once for each request.
///
/// # Errors
/// When the host refuses the request or the next handler failed without an answer.
pub async fn next(head: Head<'_>, body: Body) -> Result<Next, Failed> {
    if lane::is_express() {
        return next_express(head, body).await;
    }
    let request = to_wasi(head, body)?;
    let mut response = spin_sdk::http::next(request).await?;
    let status = response.status();
    let headers = core::mem::take(response.headers_mut());
    let message = response.body_mut().take_unstarted().ok_or_else(|| failed("no answer"))?;
    Ok(Next { message: Some(message), status, headers })
}

fn failed(why: &str) -> Failed {
    Failed(ErrorCode::InternalError(Some(why.to_owned())))
}

async fn next_express(head: Head<'_>, body: Body) -> Result<Next, Failed> {
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let words = [
        head.method.as_str(),
        head.uri.scheme_str().unwrap_or("http"),
        head.uri.authority().map_or("localhost", http::uri::Authority::as_str),
        target,
    ];
    let body = match &body {
        Body::Whole(bytes) => express_wire::Body::Whole(bytes),
        Body::Unread(_) => express_wire::Body::Unread,
    };
    let verdict = Verdict::write_forward(words, lane::fields(head.headers), body);
    let message = lane::forward(verdict).await;
    match express_wire::Next::read(&message) {
        Ok(express_wire::Next::Answered { status, fields }) => Ok(Next {
            message: None,
            status: StatusCode::from_u16(status).map_err(|_| failed("no status"))?,
            headers: lane::headers(fields, &message),
        }),
        Ok(express_wire::Next::Failed) => Err(failed("no answer")),
        Err(malformed) => Err(failed(&malformed.to_string())),
    }
}

fn to_wasi(head: Head<'_>, body: Body) -> Result<WasiRequest, ErrorCode> {
    let fields = wire::to_fields(head.headers)?;
    let has_body = !matches!(*head.method, Method::GET | Method::HEAD)
        || head.headers.contains_key(header::CONTENT_LENGTH);
    let (stream, end) = match body {
        Body::Whole(bytes) => wire::write(bytes),
        Body::Unread(Unread(Source::Express { .. })) => wire::write(Bytes::new()),
        Body::Unread(Unread(Source::Standard(mut unread))) => {
            match unread.take_unstarted().filter(|_| has_body) {
                Some(message) => {
                    let (stream, end) = WasiRequest::consume_body(message, wire::received());
                    (Some(stream), end)
                }
                None => wire::write(Bytes::new()),
            }
        }
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

impl Pass {
    /// In the standard lane the component does the host's part.
    pub(crate) async fn send(self) -> Result<WasiResponse, Failed> {
        let Self { head, request, body, answer } = self;
        let mut headers = head.headers;
        header_edits::apply(request, &mut headers);
        let head = Head { method: &head.method, uri: &head.uri, headers: &headers };
        let mut next = next(head, body).await?;
        header_edits::apply(answer, &mut next.headers);
        Ok(next.send()?)
    }

    /// The verdict that says all this.
    pub(crate) fn verdict(&self) -> Vec<u8> {
        let body = match &self.body {
            Body::Whole(bytes) => express_wire::Body::Whole(bytes),
            Body::Unread(_) => express_wire::Body::Unread,
        };
        let request = self.request.iter().filter_map(told);
        Verdict::write_pass(request, body, self.answer.iter().filter_map(told))
    }
}

/// Writes the verdict of a [`Pass`] with an unread body, but for the values that edits set for the fields `own`.
#[must_use]
pub fn pass_form(request: &[Edit], answer: &[Edit], own: &[&str]) -> PassForm {
    PassForm::new(request.iter().filter_map(told), answer.iter().filter_map(told), own)
}

/// An edit as it is told the host. It refuses to set what is about connections, which are its own.
fn told(edit: &Edit) -> Option<express_wire::Edit<'_>> {
    use express_wire::Edit as Told;
    Some(match edit {
        Edit::Set(name, _) | Edit::Append(name, _) | Edit::SetByType { name, .. }
            if wire::is_forbidden(name) =>
        {
            return None;
        }
        Edit::Remove(name) => Told::Remove(name.as_str()),
        Edit::RemoveStarting(start) => Told::RemoveStarting(start),
        Edit::RemoveConnection => Told::RemoveConnection,
        Edit::Set(name, value) => Told::Set(name.as_str(), value.as_bytes()),
        Edit::Append(name, value) => Told::Append(name.as_str(), value.as_bytes()),
        Edit::SetByType { name, kinds, otherwise } => Told::SetByType {
            name: name.as_str(),
            kinds: kinds.iter().map(|(kind, value)| (kind.as_ref(), value.as_bytes())).collect(),
            otherwise: otherwise.as_ref().map(http::HeaderValue::as_bytes),
        },
    })
}

impl Next {
    /// Sends the answer on, with [`Self::headers`] as they are now and the body untouched.
    pub(crate) fn send(self) -> Result<WasiResponse, ErrorCode> {
        let refused = |what: &str| ErrorCode::InternalError(Some(what.to_owned()));
        let fields = wire::to_fields(&self.headers)?;
        let message = self.message.ok_or_else(|| refused("body"))?;
        let (stream, end) = WasiResponse::consume_body(message, wire::received());
        let (response, _outcome) = WasiResponse::new(fields, Some(stream), end);
        response.set_status_code(self.status.as_u16()).map_err(|()| refused("status"))?;
        Ok(response)
    }
}
