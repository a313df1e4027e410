//! One request: its own endpoints first, then the manifest's routes.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use manifest::{App, StaticResponse, Target};
use replica::Replica;
use runtime::{Application, Body};

use crate::{
    error_response::{Failure, respond},
    health,
    metrics::Metrics,
    request_head::{self, REQUEST_ID},
};

/// Everything a request needs.
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) app: App,
    pub(crate) application: Application,
    pub(crate) replica: Option<Arc<Replica>>,
    pub(crate) metrics: Metrics,
    pub(crate) body_bytes_max: u64,
    pub(crate) head_bytes_max: usize,
}

const EDGE: HeaderName = HeaderName::from_static("vitrine-edge");
const POSITION: HeaderName = HeaderName::from_static("vitrine-position");
const STALE: HeaderName = HeaderName::from_static("vitrine-stale");
/// Without contact for longer than this, answers say how old the copy may be.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// Answers one request, whatever happens, and writes its line in the log.
pub(crate) async fn serve(
    node: &Node,
    client: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let arrived = Instant::now();
    let _in_flight = node.metrics.enter();
    let request_id = request_head::request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let (place, result) = answer(node, client, request, &request_id).await;
    let mut response = match result {
        Ok(response) => response,
        Err(failure) => {
            if let Failure::Invoke(error) = &failure {
                tracing::warn!(request.id = ?request_id, "no answer from a component: {error}");
            }
            respond(&failure, &request_id)
        }
    };
    mark(node, &mut response, request_id.clone());
    let duration = arrived.elapsed();
    node.metrics.count(place, response.status(), duration);
    tracing::info!(
        request.id = %request_id.to_str().unwrap_or_default(),
        %method,
        path,
        route = node.metrics.label(place),
        status = response.status().as_u16(),
        duration_ms = duration.as_secs_f64() * 1000.0,
        client = %client.ip(),
        "request"
    );
    response
}

/// Where a request belongs in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A route of the manifest, by its position.
    Route(usize),
    /// An endpoint of the node itself.
    Own,
    /// No route.
    Nowhere,
}

async fn answer(
    node: &Node,
    client: SocketAddr,
    request: Request<Incoming>,
    request_id: &HeaderValue,
) -> (Place, Result<Response<Body>, Failure>) {
    let (uri, headers) = (request.uri(), request.headers());
    if let Err(error) = request_head::check_size(uri, headers, node.head_bytes_max) {
        return (Place::Nowhere, Err(Failure::Head(error)));
    }
    match uri.path() {
        "/healthz" => return (Place::Own, Ok(health::healthz(node))),
        "/metrics" => return (Place::Own, Ok(health::metrics(node))),
        path if path.starts_with(health::WELL_KNOWN) => {
            return (Place::Own, health::well_known(node, path).ok_or(Failure::NoRoute));
        }
        _ => {}
    }
    let Some((route, found)) = node.app.route(uri.path()) else {
        return (Place::Nowhere, Err(Failure::NoRoute));
    };
    let place = Place::Route(found.index);
    if let Target::Static(answer) = &route.target {
        return (place, Ok(static_response(answer)));
    }
    let (mut parts, body) = request.into_parts();
    match request_head::rewrite(&parts.uri, &mut parts.headers, &found, client) {
        Ok(uri) => parts.uri = uri,
        Err(error) => return (place, Err(Failure::Head(error))),
    }
    parts.headers.insert(REQUEST_ID, request_id.clone());
    (place, invoke(node, found.index, Request::from_parts(parts, body)).await)
}

async fn invoke(
    node: &Node,
    route: usize,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let announced = hyper::body::Body::size_hint(request.body()).lower();
    if announced > node.body_bytes_max {
        return Err(Failure::BodyTooLarge);
    }
    let (parts, body) = request.into_parts();
    let (body, overflow) = runtime::bounded(body, node.body_bytes_max);
    let answered = node.application.invoke(route, Request::from_parts(parts, body)).await;
    // The component saw a broken body and made of it what it could: the truth is this.
    if overflow.happened() {
        return Err(Failure::BodyTooLarge);
    }
    answered.map_err(Failure::Invoke)
}

fn static_response(answer: &StaticResponse) -> Response<Body> {
    let mut response = Response::new(runtime::full(answer.body.clone()));
    if let Ok(status) = http::StatusCode::from_u16(answer.status) {
        *response.status_mut() = status;
    }
    for (name, value) in &answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Says where the answer comes from and how fresh its data are.
fn mark(node: &Node, response: &mut Response<Body>, request_id: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id);
    if let Ok(id) = HeaderValue::from_str(&node.id) {
        headers.insert(EDGE, id);
    }
    // A component that closes the connection would end others' requests on it.
    headers.remove(header::CONNECTION);
    let Some(replica) = &node.replica else { return };
    if let Some(now) = replica.position()
        && let Ok(position) = HeaderValue::from_str(&format!("{}.{}", now.epoch, now.position))
    {
        headers.insert(POSITION, position);
    }
    if let Some(age) = node.metrics.contact_age(replica)
        && age > STALE_AFTER
    {
        headers.insert(STALE, HeaderValue::from(age.as_secs()));
    }
}
