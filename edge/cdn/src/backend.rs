//! Whom the cache stands in front of.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http1::{BodyError, Interim};

use crate::upstream::{Asking, FetchError, Relay, RequestContent, Upstream};

/// A request as the backend gets it.
#[derive(Debug, Clone)]
pub struct BackendRequest {
    /// The method.
    pub method: Method,
    /// Path and query, or `*`.
    pub target: String,
    /// Fields; none of the connection's.
    pub headers: HeaderMap,
    /// The body.
    pub content: RequestContent,
    /// Where interim answers go.
    pub interim: Interim,
}

/// The body of a backend's answer.
#[derive(Debug)]
pub enum BackendBody {
    /// All of it.
    Whole(Bytes),
    /// It comes by and by.
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// From a pool of origins.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// From whatever else answers there.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// Answers what the cache cannot.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Answers a request.
    fn fetch(
        &self,
        request: BackendRequest,
    ) -> impl Future<Output = Result<Response<BackendBody>, BackendError>> + Send;
}

impl Backend for Arc<Upstream> {
    async fn fetch(&self, request: BackendRequest) -> Result<Response<BackendBody>, BackendError> {
        fetch(self, request, None).await
    }
}

/// Asks a pool of origins, or goes on with what was done for the request `ahead`.
pub(crate) async fn fetch(
    upstream: &Arc<Upstream>,
    request: BackendRequest,
    ahead: Option<Relay>,
) -> Result<Response<BackendBody>, BackendError> {
    let asking = Asking {
        method: &request.method,
        target: &request.target,
        headers: &request.headers,
        content: request.content,
        interim: &request.interim,
        ahead,
    };
    let fetched = Upstream::fetch(upstream, asking).await?;
    Ok(fetched.response.map(|body| match body.whole() {
        Some(whole) => BackendBody::Whole(whole.clone()),
        None => BackendBody::Stream(UnsyncBoxBody::new(body)),
    }))
}
