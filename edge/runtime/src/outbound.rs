//! Requests that components send: only to allowed hosts, with a limit on every wait.

use std::{future::Future, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use manifest::{AllowedHosts, BlockedNetworks};
use wasmtime_wasi_http::{Error, RequestOptions, WasiHttpHooks};

use crate::{
    Body, Limits,
    capability::{redis::Terms, store::ANSWER_BYTES_MAX},
    connector::{ConnectError, Connector},
    dial::DialError,
    host::Passage,
    inside::{Destination, Inside},
};

/// The connections of all components, kept open and shared.
pub(crate) type OutboundClient = Client<Connector, Body>;

/// How long an unused connection is kept. Shorter than what servers commonly allow (60 s).
const CONNECTION_IDLE: Duration = Duration::from_secs(30);
/// Unused connections kept for one host.
const IDLE_PER_HOST_MAX: usize = 32;

/// Makes a client that reaches no blocked network.
pub(crate) fn client(limits: &Limits, blocked: &BlockedNetworks) -> OutboundClient {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(CONNECTION_IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(Connector::new(blocked, limits.connect_timeout))
}

/// What a component hears of a request that failed before its answer.
fn refusal(error: &legacy::Error) -> Error {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(reason) = inner.downcast_ref::<ConnectError>() {
            tracing::debug!("outbound connection failed: {reason}");
            return connect_refusal(reason);
        }
        cause = inner.source();
    }
    tracing::debug!("outbound request failed: {error}");
    Error::ConnectionTerminated
}

fn connect_refusal(error: &ConnectError) -> Error {
    match error {
        ConnectError::Dial(DialError::Unknown { .. }) => {
            Error::DnsError { rcode: Some("address not available".to_owned()), info_code: None }
        }
        ConnectError::Dial(DialError::Blocked { .. }) => Error::DestinationIpProhibited,
        ConnectError::Dial(DialError::Refused { .. }) => Error::ConnectionRefused,
        ConnectError::Dial(DialError::Timeout { .. }) | ConnectError::HandshakeTimeout => {
            Error::ConnectionTimeout
        }
        ConnectError::Address => Error::HttpRequestUriInvalid,
        ConnectError::NoAuthorities | ConnectError::Certificate(_) => Error::TlsCertificateError,
        ConnectError::Handshake(_) => Error::TlsProtocolError,
    }
}

/// What all instances of a component send their requests through.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) client: OutboundClient,
    pub(crate) blocked: BlockedNetworks,
    /// The component's own application.
    pub(crate) inside: Arc<Inside>,
}

/// What decides on one instance's requests.
pub(crate) struct Outbound {
    allowed: AllowedHosts,
    ways: Ways,
    limits: Arc<Limits>,
    /// The request that the instance serves now.
    passage: Passage,
}

impl Outbound {
    pub(crate) fn new(
        allowed: AllowedHosts,
        ways: Ways,
        limits: Arc<Limits>,
        passage: &Passage,
    ) -> Self {
        Self { allowed, ways, limits, passage: passage.clone() }
    }

    /// Begins another request.
    pub(crate) fn enter(&mut self, passage: &Passage) {
        self.passage = passage.clone();
    }

    /// Whether the grants allow a connection of `scheme` to `host`.
    pub(crate) fn allows(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.allowed.allows(scheme, host, Some(port))
    }

    /// How a component's own connections to Redis are made.
    pub(crate) fn redis_terms(&self) -> Terms {
        Terms {
            blocked: self.ways.blocked.clone(),
            connect_timeout: self.limits.connect_timeout,
            answer_timeout: self.limits.first_byte_timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// Refuses what was not granted.
    fn check(&self, uri: &http::Uri) -> Result<(), Error> {
        let scheme = uri.scheme_str().unwrap_or("http");
        let is_allowed = match Destination::of(uri) {
            Destination::Oneself => {
                self.allowed.allows_self("http") || self.allowed.allows_self("https")
            }
            Destination::Component(_) | Destination::Host(_) => {
                self.allowed.allows(scheme, uri.host().unwrap_or_default(), uri.port_u16())
            }
        };
        if !is_allowed {
            tracing::warn!(scheme, host = uri.host(), "request refused: the host is not allowed");
            return Err(Error::HttpRequestDenied);
        }
        Ok(())
    }

    /// The guest may ask for less than the limit, never for more.
    fn first_byte_timeout(&self, options: Option<RequestOptions>) -> Duration {
        let limit = self.limits.first_byte_timeout;
        options.and_then(|options| options.first_byte_timeout).map_or(limit, |own| own.min(limit))
    }
}

type Sent = (http::Response<Body>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Outbound {
    /// The client adds `Host` itself, and chained components see none.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        Some(http::uri::Scheme::HTTP)
    }

    /// The same bound for guests of WASI 0.2; two such pieces may wait.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        64 * 1024
    }

    /// Bounds what one streaming answer may hold in memory; see [`crate::body`].
    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        64 * 1024
    }

    fn send_request(
        &mut self,
        request: http::Request<Body>,
        options: Option<RequestOptions>,
        _consumed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        if let Err(refused) = self.check(request.uri()) {
            return Box::new(async move { Err(refused) });
        }
        let limit = self.first_byte_timeout(options);
        let (ways, passage) = (self.ways.clone(), self.passage.clone());
        Box::new(async move {
            let sending = send(request, &ways, &passage);
            let response = tokio::time::timeout(limit, sending)
                .await
                .map_err(|_| Error::ConnectionReadTimeout)??;
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

/// Sends a request that was granted to where it belongs.
async fn send(
    request: http::Request<Body>,
    ways: &Ways,
    passage: &Passage,
) -> Result<http::Response<Body>, Error> {
    let uri = request.uri().clone();
    // Boxed: what answers inside is as large as this, and may send requests itself.
    match Destination::of(&uri) {
        Destination::Oneself => Box::pin(ways.inside.call_route(request, passage)).await,
        Destination::Component(id) => {
            Box::pin(ways.inside.call_component(id, request, passage)).await
        }
        Destination::Host(_) => {
            let response = ways.client.request(request).await.map_err(|error| refusal(&error))?;
            Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
        }
    }
}

/// Lets a client's request in: all headers but those of its connection. A guest that forwards `Host` is refused by the
/// stricter rule for headers that guests make.
pub(crate) struct Inbound;

impl WasiHttpHooks for Inbound {
    fn forbidden_header_filter(&mut self) -> wasmtime_wasi_http::ForbiddenHeaderFilter {
        Arc::new(|name| {
            *name != http::header::HOST
                && wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name)
        })
    }

    fn send_request(
        &mut self,
        _request: http::Request<Body>,
        _options: Option<RequestOptions>,
        _consumed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
