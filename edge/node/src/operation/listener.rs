//! Operators over TCP: a listener apart from those for clients, so that it can be on another network.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use api_types::problem::Problem;
use bytes::Bytes;
use domain::ErrorKind;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};

use super::{
    Phase,
    purge::PurgeBody,
    token::{Denied, Guard},
    views,
};
use crate::{admin, health, serve::Node};

/// Connections at once: 32. A scraper takes one, an operator's command another; further ones wait.
const CONNECTIONS_MAX: usize = 32;
/// Longest request body: 64 KiB, a thousand addresses of some 60 characters.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest request head: 16 KiB; hyper takes no smaller buffer than 8 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest time for a request's head, and between two requests: 60 s, four times the usual pause of a scraper.
const HEAD_MAX: Duration = Duration::from_secs(60);
/// Longest life of a connection: 10 min. Who takes no answer is gone by then.
const CONNECTION_MAX: Duration = Duration::from_secs(600);
/// After this pause the next accept is tried, for instance when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Every endpoint, with its method and whether it needs the token: what says no more than whether the node lives may
/// be asked by a balancer that has no secrets.
static ENDPOINTS: [Endpoint; 6] = [
    ("/healthz", Method::GET, false),
    ("/readyz", Method::GET, false),
    ("/metrics", Method::GET, true),
    ("/pools", Method::GET, true),
    ("/cache", Method::GET, true),
    ("/purge", Method::POST, true),
];

/// Answers operators until it is dropped.
pub(crate) struct Listener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What answering takes.
struct Operated {
    node: Arc<Node>,
    guard: Guard,
}

/// Starts to answer.
pub(crate) async fn start(
    address: SocketAddr,
    guard: Guard,
    node: Arc<Node>,
) -> io::Result<Listener> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let accepting = tokio::spawn(accept(listener, Arc::new(Operated { node, guard })));
    Ok(Listener { address, accepting })
}

async fn accept(listener: TcpListener, operated: Arc<Operated>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("operator not heard: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let operated = Arc::clone(&operated);
        tokio::spawn(async move {
            if let Ok(Err(error)) = timeout(CONNECTION_MAX, serve(stream, operated)).await {
                tracing::debug!(%client, "operator's connection ended: {error}");
            }
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, operated: Arc<Operated>) -> hyper::Result<()> {
    let service = hyper::service::service_fn(move |request| {
        let operated = Arc::clone(&operated);
        async move {
            let known = known(request.uri().path());
            let answered = answer(&operated, request).await;
            let answered = answered.unwrap_or_else(|problem| refuse(*problem, known));
            Ok::<_, Infallible>(answered.map(Full::new))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(
    operated: &Operated,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Box<Problem>> {
    let (parts, body) = request.into_parts();
    let (path, is_guarded) = endpoint(&parts)?;
    if is_guarded {
        operated.guard.check(&parts.headers).map_err(denied)?;
    }
    let node = &*operated.node;
    match path {
        "/healthz" => Ok(health::healthz(node)),
        "/readyz" => ready(node),
        "/metrics" => Ok(health::metrics(node)),
        "/pools" => admin::json(&views::pools(&node.loaded.list())),
        "/cache" => admin::json(&views::cache(&node.operation.cache)),
        "/purge" => {
            is_json(&parts.headers)?;
            let body: PurgeBody = admin::read(body, BODY_BYTES_MAX).await?;
            let purged = body.carry_out(&node.operation.cache).await?;
            tracing::info!(?purged, "cache purged");
            admin::json(&purged)
        }
        _ => Err(Problem::of(ErrorKind::NotFound).into()),
    }
}

/// An endpoint as the table has it.
type Endpoint = (&'static str, Method, bool);

fn known(path: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|(known, ..)| *known == path)
}

/// Finds what is asked for; `HEAD` is answered as `GET`, of which hyper sends the head alone.
fn endpoint(parts: &Parts) -> Result<(&'static str, bool), Box<Problem>> {
    let Some((path, method, is_guarded)) = known(parts.uri.path()) else {
        return Err(Problem::of(ErrorKind::NotFound).into());
    };
    let is_head = parts.method == Method::HEAD && *method == Method::GET;
    if parts.method != *method && !is_head {
        let said = format!("{path} answers {method}");
        return Err(Problem::of(ErrorKind::MethodNotAllowed).detail(said).into());
    }
    Ok((path, *is_guarded))
}

/// Adds the field that RFC 9110, section 15.5.6, asks for.
fn refuse(problem: Problem, known: Option<&Endpoint>) -> Response<Bytes> {
    let mut response = problem.into_response();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some((_, method, _)) = known
    {
        let allowed = if *method == Method::GET { "GET, HEAD" } else { "POST" };
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

fn denied(denied: Denied) -> Box<Problem> {
    match denied {
        Denied::Token => Problem::of(ErrorKind::Unauthenticated)
            .detail("send the node's token as `Authorization: Bearer`"),
        Denied::Host => Problem::of(ErrorKind::Unreadable)
            .detail("without a token the node is asked by its address or as `localhost`"),
    }
    .into()
}

/// A page that a browser shows can send a form anywhere, but JSON only where it is allowed to.
fn is_json(headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Problem::of(ErrorKind::UnsupportedMediaType).detail("send `application/json`").into())
}

/// Whether a balancer should send clients here.
fn ready(node: &Node) -> Result<Response<Bytes>, Box<Problem>> {
    let phase = node.operation.phase();
    let has_data = health::has_data(node);
    let is_ready = phase == Phase::Serving && has_data;
    let mut response =
        admin::json(&json!({ "ready": is_ready, "phase": phase.as_str(), "has_data": has_data }))?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}
