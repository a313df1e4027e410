//! One request: its own endpoints first, then the manifest's routes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use api_types::client_address::{self, Cidr};
use cdn::Proxy;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
};
use http1::{Interim, Quick, QuickHead, Refusal, RefusalKind, Reply, RequestBody};
use manifest::{App, RouteMatch, StaticResponse, Target};
use replica::{Position, Replica};
use runtime::{Application, Body, Runtime};

use crate::{
    access_log::{AccessLog, Line},
    cdn_loop::LoopGuard,
    deployment::{Deployment, Loaded},
    error_response::{Failure, respond},
    given::Given,
    health,
    in_flight::GuardedBody,
    metrics::{Metrics, RouteMetrics},
    operation::Operation,
    otlp::Span,
    paced_body::{Pace, PacedBody},
    quick,
    request_head::{self, REQUEST_ID, Seen},
    shard::PerThread,
    trace_context::TraceContext,
    traffic::{Assigned, Held, Traffic},
};

/// Everything a request needs.
pub(crate) struct Node {
    pub(crate) id: String,
    /// The id as `Vitrine-Edge` says it.
    pub(crate) edge: HeaderValue,
    pub(crate) runtime: Arc<Runtime>,
    /// What answers.
    pub(crate) traffic: Arc<Traffic>,
    /// Every version that is in memory.
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) replica: Option<Arc<Replica>>,
    pub(crate) positions: Positions,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access_log: AccessLog,
    pub(crate) operation: Arc<Operation>,
    pub(crate) rules: Rules,
}

/// What is asked of every request.
pub(crate) struct Rules {
    pub(crate) body_bytes_max: u64,
    pub(crate) head_bytes_max: usize,
    pub(crate) headers_max: usize,
    pub(crate) pace: Pace,
    pub(crate) trusted_proxies: Vec<Cidr>,
    pub(crate) loops: LoopGuard,
    /// Whether `/healthz` and its like are the node's. An origin behind a proxy may have its own.
    pub(crate) has_own_paths: bool,
}

/// Who is at the other end of a connection, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) is_tls: bool,
}

/// A client on an HTTP/1.1 connection, as that connection asks for answers.
pub(crate) struct Visitor<'a> {
    pub(crate) node: &'a Node,
    pub(crate) peer: Peer,
    /// The peer's address and port as text, once a gate was told.
    pub(crate) client: OnceLock<String>,
    /// What a gate said about the request that is called next.
    pub(crate) left: quick::Left,
}

impl http1::Service for Visitor<'_> {
    type Body = GuardedBody<Option<Held>>;
    type Relay = quick::Relay;

    async fn relay(&self, relay: quick::Relay, out: &mut Vec<u8>) -> bool {
        relay.finish(self, out).await
    }

    async fn call(
        &self,
        mut request: Request<RequestBody>,
        interim: &Interim,
    ) -> Reply<GuardedBody<Option<Held>>> {
        self.left.hand_on(&mut request);
        let (given, held) = serve(self.node, self.peer, request, interim).await;
        given.into_reply(Some(held))
    }

    fn quick(&self, head: &QuickHead<'_>, out: &mut Vec<u8>) -> Option<Quick<quick::Relay>> {
        quick::quick(self, head, out)
    }

    fn refuse(&self, refusal: Refusal) -> Reply<GuardedBody<Option<Held>>> {
        refuse(self.node, self.peer, refusal).map(|body| GuardedBody { body, _guard: None }).into()
    }
}

/// A request's body, whatever brings it.
pub(crate) trait Content:
    http_body::Body<Data = bytes::Bytes, Error: std::fmt::Display> + Send + Unpin + 'static
{
}

impl<B> Content for B where
    B: http_body::Body<Data = bytes::Bytes, Error: std::fmt::Display> + Send + Unpin + 'static
{
}

const EDGE: HeaderName = HeaderName::from_static("vitrine-edge");
const POSITION: HeaderName = HeaderName::from_static("vitrine-position");
const STALE: HeaderName = HeaderName::from_static("vitrine-stale");
/// Without contact for longer than this, answers say how old the copy may be.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// Which version answered; sent only while two are being compared.
const VERSION: HeaderName = HeaderName::from_static("vitrine-version");

/// What is known of a request beside its head.
#[derive(Clone, Copy)]
struct Asked<'a> {
    seen: Seen,
    request_id: &'a HeaderValue,
    trace: &'a TraceContext,
    interim: &'a Interim,
}

/// Answers one request, whatever happens, and writes its line in the log. The version that it was given is returned
/// with it, to be held until the answer's body has ended.
pub(crate) async fn serve<B: Content>(
    node: &Node,
    peer: Peer,
    request: Request<B>,
    interim: &Interim,
) -> (Given, Held) {
    let arrived = Instant::now();
    let _in_flight = node.metrics.enter();
    let request_id = request_head::request_id(request.headers());
    let client =
        client_address::client(peer.address, request.headers(), &node.rules.trusted_proxies);
    let is_trusted = client_address::is_trusted(peer.address.ip(), &node.rules.trusted_proxies);
    let seen = Seen { client, is_tls: peer.is_tls, is_trusted };
    let Assigned { held, is_split } = node.traffic.assign(client.ip());
    let deployment = &**held;
    let (protocol, trace) = (request.version(), node.operation.trace(request.headers()));
    let exporter = node.operation.records(&trace);
    let is_told = node.access_log.is_on() || exporter.is_some();
    let told = is_told.then(|| (request.method().clone(), request.uri().clone()));
    let asked = Asked { seen, request_id: &request_id, trace: &trace, interim };
    let (place, result) = answer(node, deployment, asked, request).await;
    let mut response = match result {
        Ok(response) => response,
        Err(failure) => {
            if let Failure::Invoke(error) = &failure {
                tracing::warn!(request.id = ?request_id, "no answer from a component: {error}");
            }
            if let Failure::Origin(error) = &failure {
                tracing::warn!(request.id = ?request_id, "no answer from an origin: {error}");
            }
            Given::Response(respond(&failure, &request_id))
        }
    };
    mark(node, response.headers_mut(), &request_id);
    node.operation.mark(response.headers_mut(), protocol, peer.is_tls);
    if !matches!(place, Place::Own) {
        deployment.count(response.status());
        if is_split {
            response.headers_mut().insert(VERSION, HeaderValue::from(deployment.id));
        }
    }
    let duration = arrived.elapsed();
    node.metrics.count(place, response.status(), response.word(), duration);
    if let Some((method, uri)) = told {
        let line = Line {
            request_id: request_id.to_str().unwrap_or_default(),
            method: method.as_str(),
            path: uri.path(),
            route: node.metrics.label(place),
            version: deployment.id,
            status: response.status().as_u16(),
            duration,
            client: client.ip(),
            protocol,
            word: response.word(),
            content_length: response.content_length(),
            trace_id: Some(trace.trace_id),
        };
        node.access_log.tell(&line);
        if let Some(exporter) = exporter {
            exporter.tell(Span::new(&line, trace, peer.is_tls));
        }
    }
    (response, held)
}

/// Answers what is no request; its line in the log has nothing but the client and the status.
fn refuse(node: &Node, peer: Peer, refusal: Refusal) -> Response<Body> {
    tracing::debug!(client = %peer.address, "{refusal}");
    let request_id = request_head::request_id(&HeaderMap::new());
    let mut response = respond(&Failure::Wire(refusal.kind), &request_id);
    mark(node, response.headers_mut(), &request_id);
    node.metrics.count(Place::Nowhere, response.status(), None, Duration::ZERO);
    node.access_log.tell(&Line {
        request_id: request_id.to_str().unwrap_or_default(),
        method: "-",
        path: "-",
        route: node.metrics.label(Place::Nowhere),
        version: 0,
        status: response.status().as_u16(),
        duration: Duration::ZERO,
        client: peer.address.ip(),
        protocol: Version::HTTP_11,
        word: None,
        content_length: None,
        trace_id: None,
    });
    response
}

/// Where a request belongs in the metrics.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// A route of the manifest.
    Route(&'a RouteMetrics),
    /// An endpoint of the node itself.
    Own,
    /// No route.
    Nowhere,
}

async fn answer<'a, B: Content>(
    node: &Node,
    deployment: &'a Deployment,
    asked: Asked<'_>,
    request: Request<B>,
) -> (Place<'a>, Result<Given, Failure>) {
    let (uri, headers, rules) = (request.uri(), request.headers(), &node.rules);
    // HTTP/1.1's heads are judged as they are read.
    if request.version() >= Version::HTTP_2 {
        let size = request_head::check_size(uri, headers, rules.head_bytes_max, rules.headers_max);
        if let Err(error) = size {
            return (Place::Nowhere, Err(Failure::Head(error)));
        }
        if request.method() == Method::CONNECT {
            return (Place::Nowhere, Err(Failure::Wire(RefusalKind::NotImplemented)));
        }
    }
    if let Some(own) = own(node, uri.path()) {
        return (Place::Own, own.map(|own| Given::Response(own.map(runtime::full))));
    }
    ask(&node.rules, deployment, asked, request).await
}

/// Answers what belongs to the node itself.
fn own(node: &Node, path: &str) -> Option<Result<Response<bytes::Bytes>, Failure>> {
    if !node.rules.has_own_paths {
        return None;
    }
    match path {
        "/healthz" => Some(Ok(health::healthz(node))),
        "/metrics" if node.operation.has_metrics_on_site => Some(Ok(health::metrics(node))),
        path if path.starts_with(health::WELL_KNOWN) => {
            Some(health::well_known(node, path).ok_or(Failure::NoRoute))
        }
        _ => None,
    }
}

/// Asks the application: the only place where a request meets the routes and the components behind them.
async fn ask<'a, B: Content>(
    rules: &Rules,
    deployment: &'a Deployment,
    asked: Asked<'_>,
    request: Request<B>,
) -> (Place<'a>, Result<Given, Failure>) {
    let Asked { seen, request_id, trace, interim } = asked;
    let Some((_, found)) = deployment.app.route(request.uri().path()) else {
        return (Place::Nowhere, Err(Failure::NoRoute));
    };
    let place = deployment.routes.get(found.index).map_or(Place::Nowhere, |one| Place::Route(one));
    if let Some(answer) = deployment.static_answers.answer(found.index) {
        return (place, Ok(Given::Response(answer)));
    }
    hint(deployment, found.index, &request, interim);
    // What lies ready here goes nowhere else, so nothing has to be written into the request.
    if let Some(ready) = ready(deployment, &found, seen, &request) {
        return (place, ready);
    }
    let (mut parts, body) = request.into_parts();
    if let Err(error) = rules.loops.pass(&mut parts.headers) {
        return (place, Err(Failure::Loop(error)));
    }
    if let Some(proxy) = deployment.direct(found.index) {
        parts.headers.insert(REQUEST_ID, request_id.clone());
        trace.hand_on(&mut parts.headers);
        let request = Request::from_parts(parts, body);
        return (place, forward(proxy, rules, seen, request, interim).await);
    }
    match request_head::rewrite(&parts.uri, &mut parts.headers, &found, seen) {
        Ok(uri) => parts.uri = uri,
        Err(error) => return (place, Err(Failure::Head(error))),
    }
    parts.headers.insert(REQUEST_ID, request_id.clone());
    trace.hand_on(&mut parts.headers);
    let request = Request::from_parts(parts, body);
    let answered = invoke(&deployment.application, rules, found.index, request).await;
    (place, answered.map(Given::Response))
}

/// Tells whoever opens a page what it will need (RFC 8297). Only browsers say that they navigate, and they understand it.
fn hint<B>(deployment: &Deployment, route: usize, request: &Request<B>, interim: &Interim) {
    const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
    let Some(hints) = deployment.hints.get(route).filter(|hints| !hints.is_empty()) else { return };
    let is_navigation = request.headers().get(MODE).is_some_and(|mode| mode == "navigate");
    if is_navigation && request.method() == Method::GET {
        interim.send(StatusCode::EARLY_HINTS, hints.clone());
    }
}

/// Returns a file, or what is stored and fresh; `None` where somebody has to be asked.
fn ready<B>(
    deployment: &Deployment,
    found: &RouteMatch,
    seen: Seen,
    request: &Request<B>,
) -> Option<Result<Given, Failure>> {
    if let Some(files) = deployment.files(found.index) {
        let path = format!("/{}", found.path_info.trim_start_matches('/'));
        return Some(files_answer(files.answer(request.method(), &path, request.headers())));
    }
    let stored = deployment.direct(found.index)?.stored(request, seen.is_tls)?;
    Some(Ok(Given::Answer(Box::new(stored))))
}

/// A file, or why there is none.
fn files_answer(answer: cdn::Answer) -> Result<Given, Failure> {
    if answer.status.is_client_error() && answer.status != StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(Failure::File(answer.status, answer.headers));
    }
    Ok(Given::Answer(Box::new(answer)))
}

/// Sends a request to an origin, or has it answered by the cache.
async fn forward<B: Content>(
    proxy: &Proxy,
    rules: &Rules,
    seen: Seen,
    request: Request<B>,
    interim: &Interim,
) -> Result<Given, Failure> {
    let Seen { client, is_tls, is_trusted } = seen;
    let client = cdn::Client { address: client.ip(), is_tls, is_trusted };
    if request.body().is_end_stream() {
        let answered = proxy.answer(request, &client, interim).await;
        return answered.map(|answer| Given::Answer(Box::new(answer))).map_err(Failure::Origin);
    }
    let (parts, body) = request.into_parts();
    let (body, slowness) = PacedBody::new(body, rules.pace);
    let answered = proxy.answer(Request::from_parts(parts, body), &client, interim).await;
    if slowness.happened() {
        return Err(Failure::BodyTooSlow);
    }
    answered.map(|answer| Given::Answer(Box::new(answer))).map_err(Failure::Origin)
}

async fn invoke<B: Content>(
    application: &Application,
    rules: &Rules,
    route: usize,
    request: Request<B>,
) -> Result<Response<Body>, Failure> {
    if request.body().is_end_stream() {
        let request = request.map(|_| runtime::full(bytes::Bytes::new()));
        return application.invoke(route, request).await.map_err(Failure::Invoke);
    }
    if request.body().size_hint().lower() > rules.body_bytes_max {
        return Err(Failure::BodyTooLarge);
    }
    let (parts, body) = request.into_parts();
    let (body, slowness) = PacedBody::new(body, rules.pace);
    let (body, overflow) = runtime::bounded(body, rules.body_bytes_max);
    let answered = application.invoke(route, Request::from_parts(parts, body)).await;
    // The component saw a broken body and made of it what it could: the truth is this.
    if overflow.happened() {
        return Err(Failure::BodyTooLarge);
    }
    if slowness.happened() {
        return Err(Failure::BodyTooSlow);
    }
    answered.map_err(Failure::Invoke)
}

/// The answers that the manifest itself gives, ready to be sent.
pub(crate) struct StaticAnswers(Vec<Option<StaticAnswer>>);

struct StaticAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl StaticAnswers {
    pub(crate) fn new(app: &App) -> Self {
        let answers = app.routes().iter().map(|route| match &route.target {
            Target::Static(answer) => Some(static_answer(answer)),
            Target::Component(_) | Target::Pool(_) | Target::Files(_) => None,
        });
        Self(answers.collect())
    }

    /// Returns the answer of route number `route`, or `None` if a component answers there.
    pub(crate) fn answer(&self, route: usize) -> Option<Response<Body>> {
        let answer = self.0.get(route)?.as_ref()?;
        let mut response = Response::new(runtime::full(answer.body.clone()));
        *response.status_mut() = answer.status;
        response.headers_mut().clone_from(&answer.headers);
        Some(response)
    }
}

fn static_answer(answer: &StaticResponse) -> StaticAnswer {
    let headers = answer.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    StaticAnswer {
        status: StatusCode::from_u16(answer.status).unwrap_or_default(),
        headers: headers.collect(),
        body: answer.body.clone().into(),
    }
}

/// The last position that each thread has written as a header: thousands of answers have the same.
pub(crate) struct Positions(PerThread<Mutex<Option<(Position, HeaderValue)>>>);

impl Positions {
    pub(crate) fn new() -> Self {
        Self(PerThread::new())
    }

    fn header(&self, now: Position) -> Option<HeaderValue> {
        let mut kept = self.0.mine().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((position, header)) = &*kept
            && *position == now
        {
            return Some(header.clone());
        }
        let header = HeaderValue::try_from(format!("{}.{}", now.epoch, now.position)).ok()?;
        *kept = Some((now, header.clone()));
        Some(header)
    }
}

/// Says where the answer comes from and how fresh its data are.
fn mark(node: &Node, headers: &mut HeaderMap, request_id: &HeaderValue) {
    headers.insert(REQUEST_ID, request_id.clone());
    headers.insert(EDGE, node.edge.clone());
    // A component that closes the connection would end others' requests on it.
    headers.remove(header::CONNECTION);
    contact_marks(node, |name, value| {
        headers.insert(name, value);
    });
}

/// Says how fresh this node's data are, where they are a copy.
pub(crate) fn contact_marks(node: &Node, mut say: impl FnMut(HeaderName, HeaderValue)) {
    let Some(replica) = &node.replica else { return };
    if let Some(position) = replica.position().and_then(|now| node.positions.header(now)) {
        say(POSITION, position);
    }
    if let Some(age) = node.metrics.contact_age(replica)
        && age > STALE_AFTER
    {
        say(STALE, HeaderValue::from(age.as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_position_of_now() {
        let positions = Positions::new();
        for (epoch, position, said) in
            [("a", 1, "a.1"), ("a", 1, "a.1"), ("a", 2, "a.2"), ("b", 2, "b.2"), ("a", 1, "a.1")]
        {
            let header = positions.header(Position { epoch: epoch.into(), position });
            assert_eq!(header.expect("is text"), said);
        }
    }
}
