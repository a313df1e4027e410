//! The cache and the pools as components see them: in front of one, or at the end of a chain of middleware.

use std::{net::SocketAddr, pin::Pin, sync::Arc, task::Context, task::Poll, task::Waker};

use cache_core::Key;
use cdn::{
    Backend, BackendBody, BackendError, BackendRequest, Cache, Client, Proxy, SharedError,
    files::Files, upstream::RequestContent,
};
use http::{HeaderMap, HeaderName, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use http1::{BodyError, Interim};
use runtime::{Answering, Behind, Body, Front, Outside, OutsideError};

use crate::given::Given;

/// A pool of origins behind middleware.
pub(crate) struct PoolEnd(pub(crate) Proxy);

const CLIENT_ADDR: &str = "spin-client-addr";

impl Outside for PoolEnd {
    fn answer(&self, mut request: Request<Body>) -> Answering<'_> {
        Box::pin(async move {
            let is_tls = request.uri().scheme_str() == Some("https");
            // The host's own value is the last one, and the only one that it leaves.
            let address = request.headers().get_all(CLIENT_ADDR).iter().next_back();
            let address = address.and_then(|address| address.to_str().ok()?.parse().ok());
            let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
            remove_the_hosts(request.headers_mut());
            // Whom to believe was decided before the middleware ran.
            let client = Client { address: address.ip(), is_tls, is_trusted: true };
            let answered = self.0.answer(request, &client, &Interim::nowhere()).await;
            answered.map(|answer| Given::Answer(Box::new(answer)).into_response()).map_err(outside)
        })
    }
}

/// Files behind middleware.
pub(crate) struct FilesEnd(pub(crate) Arc<Files>);

impl Outside for FilesEnd {
    fn answer(&self, request: Request<Body>) -> Answering<'_> {
        Box::pin(async move {
            let info = request.headers().get_all("spin-path-info").iter().next_back();
            let info = info.and_then(|info| info.to_str().ok()).unwrap_or("/");
            let answer = self.0.answer(request.method(), info, request.headers());
            Ok(Given::Answer(Box::new(answer)).into_response())
        })
    }
}

/// What only a host may say to a component; no origin has to know it.
fn remove_the_hosts(headers: &mut HeaderMap) {
    let of_host: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("spin-")).cloned().collect();
    for name in of_host {
        headers.remove(name);
    }
}

/// The cache in front of components.
pub(crate) struct CacheFront(pub(crate) Arc<Cache>);

/// Asks for data that are at least so new: whatever is stored may be older.
const POSITION: HeaderName = HeaderName::from_static("vitrine-position");

impl Front for CacheFront {
    fn answer<'a>(&'a self, request: Request<Body>, behind: Behind) -> Answering<'a> {
        Box::pin(async move {
            if request.headers().contains_key(POSITION) {
                return behind.answer(request).await.map_err(inner);
            }
            let (parts, body) = request.into_parts();
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let authority = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
            let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
            let scheme = parts.uri.scheme_str().unwrap_or("http");
            let key = Key::of(scheme, authority.unwrap_or_default(), target);
            let asked = BackendRequest {
                method: parts.method,
                target: target.to_owned(),
                headers: parts.headers,
                content: content(body),
                interim: Interim::nowhere(),
            };
            let component = Component { uri: parts.uri, behind };
            let answered = self.0.answer(&component, &key, asked).await;
            answered.map(|answer| Given::Answer(Box::new(answer)).into_response()).map_err(outside)
        })
    }
}

/// A component behind the cache.
#[derive(Clone)]
struct Component {
    uri: Uri,
    behind: Behind,
}

impl Backend for Component {
    async fn fetch(&self, request: BackendRequest) -> Result<Response<BackendBody>, BackendError> {
        let body = request.content.map_err(|_| runtime::BodyError::ConnectionTerminated);
        let mut asked = Request::new(body.boxed_unsync());
        *asked.method_mut() = request.method;
        *asked.uri_mut() = self.uri.clone();
        *asked.headers_mut() = request.headers;
        let response = self.behind.answer(asked).await;
        let response = response.map_err(|error| BackendError::Other(Box::new(error)))?;
        Ok(response.map(backend_body))
    }
}

/// Takes a component's body: in one piece if it is there already.
fn backend_body(mut body: Body) -> BackendBody {
    if body.size_hint().exact().is_some() {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(None) => return BackendBody::Whole(bytes::Bytes::new()),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if body.is_end_stream() => return BackendBody::Whole(data),
                Ok(data) => {
                    let rest = cdn::Begun::new(data, body).map_err(|_| BodyError::Cut);
                    return BackendBody::Stream(UnsyncBoxBody::new(rest));
                }
                Err(_) => return BackendBody::Whole(bytes::Bytes::new()),
            },
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
    }
    BackendBody::Stream(UnsyncBoxBody::new(body.map_err(|_| BodyError::Cut)))
}

fn content(body: Body) -> RequestContent {
    if body.is_end_stream() {
        return RequestContent::Whole(bytes::Bytes::new());
    }
    RequestContent::flow(UnsyncBoxBody::new(body.map_err(|_| BodyError::Cut)))
}

fn inner(error: runtime::InvokeError) -> OutsideError {
    OutsideError(Arc::new(error))
}

fn outside(error: BackendError) -> OutsideError {
    // A component's own failure is told as such.
    match of_component(&error) {
        Some(failed) => inner(failed.clone()),
        None => OutsideError(Arc::new(error)),
    }
}

fn of_component(error: &BackendError) -> Option<&runtime::InvokeError> {
    let BackendError::Other(other) = error else { return None };
    match other.downcast_ref::<SharedError>() {
        Some(SharedError(shared)) => of_component(shared),
        None => other.downcast_ref(),
    }
}
