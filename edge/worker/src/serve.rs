//! One request: the Worker's own address first, then the gateway, the route, and what is said of every answer.

use core::panic::AssertUnwindSafe;

use api_types::problem::{Fault, Problem};
use bytes::Bytes;
use domain::{ErrorKind, RequestId};
use futures::FutureExt as _;
use gateway_core::admit::{Admission, BodyError, Forward, admit};
use gateway_core::edits::finish;
use http::{HeaderName, HeaderValue, Request, Response, header};
use origin_client::forward;
use ports::{Clock, Entropy};
use worker::{Context, Env, web_sys};

use crate::cache::{self, Varies};
use crate::health::{self, Seen};
use crate::isolate::isolate;
use crate::ports::WorkerPorts;
use crate::routes::{self, Target};
use crate::wire::{self, Incoming, Payload};
use crate::{events, files, log, replicate, rooms};

/// Longest body read before an answer that needs none: 1 KiB, as the components do.
const BODY_BYTES_MAX: usize = 1_024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const EDGE: HeaderName = HeaderName::from_static("vitrine-edge");
const POSITION: HeaderName = HeaderName::from_static("vitrine-position");
const STALE: HeaderName = HeaderName::from_static("vitrine-stale");

/// A request, and everything to answer it with.
#[derive(Debug)]
pub(crate) struct Call {
    /// The request.
    pub(crate) incoming: Incoming,
    /// The bindings.
    pub(crate) ports: WorkerPorts,
    /// What may go on after the answer.
    pub(crate) context: Context,
}

/// Answers a request, whatever happens.
pub(crate) async fn serve(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> Result<web_sys::Response, worker::Error> {
    let is_head = request.method() == "HEAD";
    let Ok(incoming) = Incoming::new(request) else {
        return Ok(wire::into_js(wire::unreadable(), is_head)?);
    };
    let call = Call { incoming, ports: WorkerPorts::new(env), context };
    let node = format!("worker-{}", call.incoming.colo.to_ascii_lowercase());
    // A panic unwinds to here and no further: other requests of this isolate go on.
    let answered = AssertUnwindSafe(answer(&call, &node)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| panicked(&call));
    if let Some(Fault(why)) = response.extensions().get() {
        log::error("fault", why);
    }
    mark(&call, &mut response, &node).await;
    Ok(wire::into_js(response, is_head)?)
}

/// The panic's text is in the log already, by the SDK's hook.
fn panicked(call: &Call) -> Response<Payload> {
    let id = fresh_id(&call.ports);
    let mut response = Problem::of(ErrorKind::Internal).request_id(&id).into_response();
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.map(Payload::Bytes)
}

/// Names a request that the gateway has not named.
fn fresh_id(ports: &WorkerPorts) -> String {
    let mut random = [0; 10];
    ports.fill(&mut random);
    RequestId::v7(ports.now(), random).to_string()
}

async fn answer(call: &Call, node: &str) -> Response<Payload> {
    let head = &call.incoming.parts;
    if head.uri.path() == "/healthz" {
        let seen = health::standing(&call.ports).await;
        return health::healthz(seen.as_ref(), node, call.ports.now()).map(Payload::Bytes);
    }
    #[cfg(feature = "test-faults")]
    crate::test_faults::provoke(&call.ports, head.uri.path()).await;
    let read_body = async |bytes_max: usize| call.incoming.body(bytes_max).await;
    match admit(&call.ports, &isolate().gateway, head, read_body).await {
        Admission::Answer(response) => response.map(Payload::Bytes),
        Admission::Forward(forward) => {
            let edits = forward.edits.clone();
            let mut response = route(call, forward).await;
            finish(&edits, response.headers_mut());
            response
        }
    }
}

async fn route(call: &Call, forward: Forward) -> Response<Payload> {
    let headers = forward.headers(&call.incoming.parts.headers);
    let body = match forward.body {
        Some(body) => body,
        None => match call.incoming.body(BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return refuse_body(error),
        },
    };
    let head = &call.incoming.parts;
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = headers;
    let ports = &call.ports;
    let given = match rooms::gate(ports, head, &request).await {
        Ok(given) => given,
        Err(waits) => return *waits,
    };
    let mut response = match rooms::handle(ports, head, &request).await {
        Some(response) => response,
        None => dispatch(call, request).await,
    };
    response.headers_mut().extend(given);
    response
}

async fn dispatch(call: &Call, request: Request<Bytes>) -> Response<Payload> {
    let ports = &call.ports;
    match routes::find(request.uri().path()) {
        Target::Catalog => {
            let seen = health::standing(ports).await;
            let make = async |request| catalog_core::handle(ports, request).await;
            cache::answer(call, seen.as_ref(), Varies::No, request, make).await
        }
        Target::ArRouter => {
            let seen = health::standing(ports).await;
            let make = async |request| ar_core::handle(ports, request).await;
            cache::answer(call, seen.as_ref(), Varies::ByDevice, request, make).await
        }
        Target::ShopApi => {
            if let Some(response) = events::collect(ports, &request).await {
                return response.map(Payload::Bytes);
            }
            forward::handle(ports, &isolate().origins, request).await.map(Payload::Bytes)
        }
        Target::Assets => files::handle(call, request).await,
    }
}

/// As the components' shells say it.
fn refuse_body(error: BodyError) -> Response<Payload> {
    let problem = match error {
        BodyError::TooLarge => {
            Problem::of(ErrorKind::TooLarge).detail(format!("the limit is {BODY_BYTES_MAX} bytes"))
        }
        BodyError::Broken => Problem::of(ErrorKind::Unreadable).detail("the body broke off"),
    };
    problem.into_response().map(Payload::from as fn(Bytes) -> Payload)
}

/// Says where the answer comes from and how fresh its data are.
async fn mark(call: &Call, response: &mut Response<Payload>, node: &str) {
    let seen = glance(call).await;
    // While an isolate's first look is under way nobody knows whether there is a copy to care for.
    if isolate().standing.borrow().is_answered() {
        let contact_age = seen.as_ref().map(|seen| seen.contact_age(call.ports.now()));
        replicate::ensure(call.ports.env(), &call.context, contact_age);
    }
    let headers = response.headers_mut();
    if let Ok(node) = HeaderValue::from_str(node) {
        headers.insert(EDGE, node);
    }
    headers.remove(header::CONNECTION);
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&fresh_id(&call.ports))
    {
        headers.insert(REQUEST_ID, id);
    }
    let Some(seen) = seen else { return };
    if let Ok(position) = HeaderValue::from_str(&format!("{}.{}", seen.epoch, seen.position)) {
        headers.insert(POSITION, position);
    }
    if let Some(age) = seen.stale_for(call.ports.now()) {
        headers.insert(STALE, HeaderValue::from(age.as_secs()));
    }
}

/// Where the copy stands as far as is known; who needs it newer has asked before. Nobody waits for a look but the
/// first request of an isolate.
async fn glance(call: &Call) -> Option<Seen> {
    let now = call.ports.now();
    let (seen, is_old) = {
        let standing = isolate().standing.borrow();
        (standing.seen().cloned(), standing.is_old(now))
    };
    if !is_old {
        return seen;
    }
    if seen.is_none() {
        return health::standing(&call.ports).await;
    }
    let ports = WorkerPorts::new(call.ports.env().clone());
    call.context.wait_until(async move { health::look(&ports, now).await });
    seen
}
