//! A reverse proxy: what a client asks goes to a pool of origins, through the cache if there is one.

mod forward;

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use cache_core::Key;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use http1::{BodyError, Interim, QuickHead};

use crate::{
    answer::{Answer, Content},
    backend::{self, Backend, BackendBody, BackendError, BackendRequest},
    cache::{Cache, Fresh},
    upstream::{Ahead, Relay, RequestContent, Upstream},
};

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The client's address.
    pub address: IpAddr,
    /// Whether the connection is TLS.
    pub is_tls: bool,
    /// Whether whoever is at the other end of the connection may say for whom it asks.
    pub is_trusted: bool,
}

/// A reverse proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    forwarder: Forwarder,
    cache: Option<Arc<Cache>>,
}

/// Sends requests on, and takes out of answers what was for this connection alone.
#[derive(Debug, Clone)]
struct Forwarder {
    upstream: Arc<Upstream>,
    /// What this proxy calls itself in `Via`, with the version in front.
    via: HeaderValue,
}

/// What is answered to `OPTIONS` that must not go further, and to what is not passed on.
const ALLOWED: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
/// A body up to here that is there already is held, so that it can be sent again: 64 KiB.
const HELD_BYTES_MAX: u64 = 64 * 1024;

impl Proxy {
    /// Makes a proxy that calls itself `name` in `Via`.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, cache: Option<Arc<Cache>>, name: &str) -> Self {
        let via = HeaderValue::try_from(format!("1.1 {name}"));
        let via = via.unwrap_or(HeaderValue::from_static("1.1 vitrine-edge"));
        Self { forwarder: Forwarder { upstream, via }, cache }
    }

    /// Returns the pool behind it.
    #[must_use]
    pub const fn upstream(&self) -> &Arc<Upstream> {
        &self.forwarder.upstream
    }

    /// Returns what is stored for everybody and fresh: see [`Cache::fresh`].
    #[must_use]
    pub fn fresh(&self, authority: &str, target: &str, is_tls: bool) -> Option<Fresh<'_>> {
        self.cache.as_ref()?.fresh(authority, target, is_tls)
    }

    /// Whether a cache stands before its origins.
    #[must_use]
    pub const fn is_caching(&self) -> bool {
        self.cache.is_some()
    }

    /// Begins a plain `GET` of a stranger past the cache, as it came; `own` writes what the node adds to its head. `None`:
    /// it goes its usual way.
    pub fn relay(
        &self,
        head: &QuickHead<'_>,
        client: &Client,
        own: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Relay> {
        if client.is_trusted {
            return None;
        }
        self.forwarder.upstream.relay(|out| {
            forward::write(out, head, client);
            self.write_via(out);
            own(out);
            out.extend_from_slice(b"\r\n");
        })
    }

    /// Writes what this proxy says of itself in `Via`, beside what others have said.
    pub fn write_via(&self, out: &mut Vec<u8>) {
        http1::field(out, "via", self.forwarder.via.as_bytes());
    }

    /// Answers from what is stored and may be used as it is; cheap, and without waiting. `None`: ask [`Proxy::answer`].
    pub fn stored<B>(&self, request: &Request<B>, is_tls: bool) -> Option<Answer> {
        let cache = self.cache.as_ref()?;
        let (uri, headers) = (request.uri(), request.headers());
        let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = uri.authority().map(http::uri::Authority::as_str).or_else(host)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let key = Key::of(if is_tls { "https" } else { "http" }, authority, target);
        cache.lookup(&key, request.method(), headers)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// When no origin answers, and nothing stored may be sent in its place.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
        client: &Client,
        interim: &Interim,
    ) -> Result<Answer, BackendError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let (mut parts, body) = request.into_parts();
        if let Some(answer) = last_stop(&parts.method, &mut parts.headers) {
            return Ok(answer);
        }
        let authority = forward::authority(&parts.uri, &parts.headers);
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if parts.uri.path() == "*" { "*" } else { target }.to_owned();
        let scheme = if client.is_tls { "https" } else { "http" };
        let key = self.cache.is_some().then(|| Key::of(scheme, &authority, &target));
        forward::rewrite(&mut parts.headers, client, &authority);
        forward::append(&mut parts.headers, header::VIA, &self.forwarder.via);
        let request = BackendRequest {
            method: parts.method,
            target,
            headers: parts.headers,
            content: content(body),
            interim: interim.clone(),
        };
        match (&self.cache, key) {
            (Some(cache), Some(key)) => cache.answer(&self.forwarder, &key, request).await,
            _ => {
                let ahead = parts.extensions.remove::<Ahead>().and_then(|ahead| ahead.take());
                self.forwarder.pass(request, ahead).await.map(plain)
            }
        }
    }
}

impl Backend for Forwarder {
    async fn fetch(&self, request: BackendRequest) -> Result<Response<BackendBody>, BackendError> {
        self.pass(request, None).await
    }
}

impl Forwarder {
    /// Asks an origin, or goes on with what was done for the request `ahead`.
    async fn pass(
        &self,
        request: BackendRequest,
        ahead: Option<Relay>,
    ) -> Result<Response<BackendBody>, BackendError> {
        let mut response = backend::fetch(&self.upstream, request, ahead).await?;
        forward::strip(response.headers_mut());
        forward::append(response.headers_mut(), header::VIA, &self.via);
        Ok(response)
    }
}

/// Makes an answer of a response that no cache has seen.
fn plain(response: Response<BackendBody>) -> Answer {
    let (parts, body) = response.into_parts();
    let content = match body {
        BackendBody::Whole(bytes) => Content::Whole(bytes),
        BackendBody::Stream(stream) => Content::Stream(stream),
    };
    Answer { status: parts.status, stored: None, headers: parts.headers, content, word: None }
}

/// Answers what must not go further (RFC 9110, sections 7.6.2 and 9.3.8): `TRACE` would show an origin's view of a
/// request, credentials included, to a script.
fn last_stop(method: &Method, headers: &mut HeaderMap) -> Option<Answer> {
    let status = match *method {
        Method::TRACE => StatusCode::METHOD_NOT_ALLOWED,
        Method::OPTIONS => {
            let left = headers.get(header::MAX_FORWARDS)?.to_str().ok()?.parse::<u32>().ok()?;
            if left > 0 {
                headers.insert(header::MAX_FORWARDS, HeaderValue::from(left - 1));
                return None;
            }
            StatusCode::NO_CONTENT
        }
        _ => return None,
    };
    let headers = HeaderMap::from_iter([(header::ALLOW, ALLOWED)]);
    Some(Answer {
        status,
        stored: None,
        headers,
        content: Content::Whole(Bytes::new()),
        word: None,
    })
}

/// Takes a body as it is: held if it is small and here already, otherwise as it comes.
fn content<B>(mut body: B) -> RequestContent
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    if body.is_end_stream() {
        return RequestContent::Whole(Bytes::new());
    }
    let mut first = None;
    if body.size_hint().exact().is_some_and(|length| length <= HELD_BYTES_MAX) {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(&mut cx) {
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if body.is_end_stream() => return RequestContent::Whole(data),
                    Ok(data) => first = Some(data),
                    Err(_) => return RequestContent::Whole(Bytes::new()),
                },
                Some(Err(error)) => {
                    tracing::debug!("request body broke off: {error}");
                    return RequestContent::flow(UnsyncBoxBody::new(Broken));
                }
                None => return RequestContent::Whole(Bytes::new()),
            }
        }
    }
    RequestContent::flow(UnsyncBoxBody::new(Begun { first, body }.map_err(|error| {
        tracing::debug!("request body broke off: {error}");
        BodyError::Cut
    })))
}

/// A body of which the first piece has been taken.
#[derive(Debug)]
pub struct Begun<B> {
    first: Option<Bytes>,
    body: B,
}

impl<B> Begun<B> {
    /// Puts the first piece back before the rest.
    pub const fn new(first: Bytes, body: B) -> Self {
        Self { first: Some(first), body }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Begun<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, B::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(http_body::Frame::data(first)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let rest = self.body.size_hint();
        let first =
            self.first.as_ref().map_or(0, |first| u64::try_from(first.len()).unwrap_or(u64::MAX));
        rest.exact().map_or_else(http_body::SizeHint::default, |rest| {
            http_body::SizeHint::with_exact(rest.saturating_add(first))
        })
    }
}

/// A body that has broken off.
struct Broken;

impl Body for Broken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Err(BodyError::Cut)))
    }
}
