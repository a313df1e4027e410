//! One request through every gate: hygiene → path and method → CORS → rate limit → authentication → identity.

use core::cell::RefCell;
use core::net::IpAddr;
use core::time::Duration;
use std::rc::Rc;

use api_types::problem::Problem;
use bytes::Bytes;
use domain::{ErrorKind, RequestId, Timestamp};
use header_edits::Edit;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use origin_client::identity::{self, Identity, SignedRequest};
use ports::{Clock, Counters, Entropy, Sessions, Variables};

use crate::config::{self, Config};
use crate::edits::{ResponseEdits, finish};
use crate::limit::{self, Opened};
use crate::policy::{self, Class, Match, OnFailure, Policy};
use crate::session::{self, AuthError, Caller, Memory};
use crate::{client, cors, hygiene, refusal};

#[cfg(test)]
pub(crate) mod tests;

/// How long variables are remembered: 10 s. Hosts may change them while we run.
const CONFIG_KEPT: Duration = Duration::from_secs(10);

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const CLIENT: HeaderName = HeaderName::from_static("x-vitrine-client");
const IDENTITY: HeaderName = HeaderName::from_static(identity::HEADER);

/// Everything that the gateway needs of its host.
pub trait Ports: Sessions + Counters + Clock + Entropy + Variables {}

impl<P: Sessions + Counters + Clock + Entropy + Variables> Ports for P {}

/// What one instance remembers between requests. Losing it costs time, nothing else.
#[derive(Debug, Default)]
pub struct State {
    config: RefCell<Option<Rc<Config>>>,
    opened: RefCell<Opened>,
    memory: RefCell<Memory>,
}

impl State {
    /// Looks at the variables; `None` if there are none that are still believed.
    pub(crate) fn with_config<R>(
        &self,
        now: Timestamp,
        look: impl FnOnce(&Rc<Config>) -> Option<R>,
    ) -> Option<R> {
        let kept = self.config.borrow();
        kept.as_ref().filter(|config| now.since(config.read_at) < CONFIG_KEPT).and_then(look)
    }
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Over the limit that was given.
    TooLarge,
    /// The client broke off.
    Broken,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    /// It is answered here.
    Answer(Response<Bytes>),
    /// It goes on.
    Forward(Forward),
}

/// A request that goes on.
#[derive(Debug)]
pub struct Forward {
    /// What changes in the request's headers before the next handler sees them.
    pub request: Vec<Edit>,
    /// The body, where it was read; otherwise it goes on unread.
    pub body: Option<Bytes>,
    /// What to do with the answer: see [`finish`].
    pub edits: ResponseEdits,
}

impl Forward {
    /// Returns all headers that the next handler sees, of a request that came with `asked`.
    #[must_use]
    pub fn headers(&self, asked: &HeaderMap) -> HeaderMap {
        let mut headers = asked.clone();
        header_edits::apply(self.request.iter().cloned(), &mut headers);
        headers
    }
}

/// Why a request ends here.
struct Refusal(Box<Problem>, Option<(HeaderName, HeaderValue)>);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem), None)
    }
}

/// Decides about a request. `read_body` is called at most once, with a limit in bytes.
pub async fn admit<P: Ports>(
    ports: &P,
    state: &State,
    head: &Parts,
    read_body: impl AsyncFnOnce(usize) -> Result<Bytes, BodyError>,
) -> Admission {
    let now = ports.now();
    let id = request_id(ports, &head.headers, now);
    let mut edits = ResponseEdits { request_id: Some(id.clone()), ..ResponseEdits::default() };
    let result = pass(ports, state, head, now, &mut edits, read_body).await;
    match result {
        Ok(Passed::Preflight(mut response)) => {
            // A preflight has its own CORS headers.
            edits.cors = cors::Verdict::default();
            let allowed = core::mem::take(response.headers_mut());
            finish(&edits, response.headers_mut());
            response.headers_mut().extend(allowed);
            Admission::Answer(response)
        }
        Ok(Passed::On { mut request, body }) => {
            request.push(Edit::Set(REQUEST_ID, id));
            Admission::Forward(Forward { request, body, edits })
        }
        Err(Refusal(problem, extra)) => {
            let problem = problem.request_id(id.to_str().unwrap_or_default());
            let mut response = refusal::answer(problem, head.uri.path(), &head.headers);
            if let Some((name, value)) = extra {
                response.headers_mut().insert(name, value);
            }
            finish(&edits, response.headers_mut());
            Admission::Answer(response)
        }
    }
}

enum Passed {
    Preflight(Response<Bytes>),
    On { request: Vec<Edit>, body: Option<Bytes> },
}

async fn pass<P: Ports>(
    ports: &P,
    state: &State,
    head: &Parts,
    now: Timestamp,
    edits: &mut ResponseEdits,
    read_body: impl AsyncFnOnce(usize) -> Result<Bytes, BodyError>,
) -> Result<Passed, Refusal> {
    hygiene::check(&head.uri, &head.headers)
        .map_err(|(kind, detail)| Problem::of(kind).detail(detail))?;
    let found = policy::find(head.uri.path())
        .map_err(|error| Problem::of(ErrorKind::Unreadable).detail(error.to_string()))?;
    let config = config(ports, state, now).await?;
    edits.stripe_js = config.stripe_js;
    edits.cors = cors::decide(found.cors(), &config.cors_origins, &head.headers);
    if head.method == Method::OPTIONS {
        return Ok(Passed::Preflight(options(head, &found, edits)));
    }
    let policy = row(head, &found)?;
    edits.class = Some(policy.class);
    let client = client::address(&head.headers, &config.trusted_proxies);
    let network = client::network(client).to_string();
    count(ports, state, policy, config.rate_limit_scale, &network, now, edits).await?;
    let caller = session::authenticate(ports, &state.memory, &head.headers, policy.auth, now)
        .await
        .map_err(|error| refuse_caller(&error))?;
    if let Caller::Account { user, .. } = caller {
        let who = user.to_string();
        count(ports, state, policy, config.rate_limit_scale, &who, now, edits).await?;
    }
    let mut request = hygiene::inner(&head.headers, policy.class);
    set_text(&mut request, CLIENT, &client.to_string());
    if policy.class != Class::Origin {
        return Ok(Passed::On { request, body: None });
    }
    let body = read(policy, read_body).await?;
    let value = sign(ports, &config, head, &body, caller, client, now)?;
    set_text(&mut request, IDENTITY, &value);
    Ok(Passed::On { request, body: Some(body) })
}

async fn config<P: Ports>(ports: &P, state: &State, now: Timestamp) -> Result<Rc<Config>, Refusal> {
    if let Some(config) = state.with_config(now, |config| Some(Rc::clone(config))) {
        return Ok(config);
    }
    // A wrong variable is a fault of ours: nothing passes on half-read rules.
    let config = config::read(ports, now)
        .await
        .map_err(|_misconfigured| Problem::of(ErrorKind::Internal))?;
    let config = Rc::new(config);
    *state.config.borrow_mut() = Some(Rc::clone(&config));
    Ok(config)
}

fn options(head: &Parts, found: &Match, edits: &ResponseEdits) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = found.allowed();
    if cors::is_preflight(&head.method, &head.headers) {
        edits.cors.write_preflight(&head.headers, &allowed, response.headers_mut());
    } else {
        insert_text(response.headers_mut(), header::ALLOW, &allowed);
    }
    response
}

fn row(head: &Parts, found: &Match) -> Result<&'static Policy, Refusal> {
    let policy = found.policy(&head.method).filter(|_| hygiene::is_known(&head.method));
    policy.ok_or_else(|| {
        let allow = HeaderValue::from_str(&found.allowed()).ok();
        let extra = allow.map(|allow| (header::ALLOW, allow));
        Refusal(Box::new(Problem::of(ErrorKind::MethodNotAllowed)), extra)
    })
}

async fn count<P: Ports>(
    ports: &P,
    state: &State,
    policy: &Policy,
    scale: u32,
    who: &str,
    now: Timestamp,
    edits: &mut ResponseEdits,
) -> Result<(), Refusal> {
    let Some(quota) = policy.quota else { return Ok(()) };
    let standing = match limit::take(ports, &state.opened, &quota, scale, who, now).await {
        Ok(standing) => standing,
        Err(_) if quota.on_failure == OnFailure::Open => return Ok(()),
        Err(_) => return Err(Problem::of(ErrorKind::Unavailable).retry_after(2).into()),
    };
    let before = edits.rate.map(|(_, before)| before);
    let tighter = before.map_or(standing, |before| limit::tighter(before, standing));
    edits.rate = Some((quota, tighter));
    if standing.is_admitted {
        return Ok(());
    }
    let detail = format!("the limit is {} requests in a minute", standing.limit);
    Err(Problem::of(ErrorKind::RateLimited).detail(detail).retry_after(standing.reset_s).into())
}

fn refuse_caller(error: &AuthError) -> Refusal {
    let invalid = || {
        let problem = Problem::new(
            ErrorKind::Unauthenticated,
            "invalid-token",
            "The access token is not valid",
        );
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        Refusal(Box::new(problem), Some((header::WWW_AUTHENTICATE, challenge)))
    };
    match error {
        AuthError::Missing => Problem::of(ErrorKind::Unauthenticated).into(),
        // Which of its checks a token failed is nobody's business but ours.
        AuthError::Unusable | AuthError::BadToken(_) | AuthError::Revoked => invalid(),
        AuthError::Unavailable(_) => Problem::of(ErrorKind::Unavailable).retry_after(2).into(),
    }
}

async fn read(
    policy: &Policy,
    read_body: impl AsyncFnOnce(usize) -> Result<Bytes, BodyError>,
) -> Result<Bytes, Refusal> {
    let limit = policy.body_bytes_max;
    read_body(limit).await.map_err(|error| match error {
        BodyError::TooLarge => {
            Problem::of(ErrorKind::TooLarge).detail(format!("the limit is {limit} bytes")).into()
        }
        BodyError::Broken => Problem::of(ErrorKind::Unreadable).detail("the body broke off").into(),
    })
}

fn sign<P: Ports>(
    ports: &P,
    config: &Config,
    head: &Parts,
    body: &Bytes,
    caller: Caller,
    client: IpAddr,
    now: Timestamp,
) -> Result<String, Refusal> {
    if config.edge_secret.is_empty() {
        return Err(Problem::of(ErrorKind::Internal).into());
    }
    let (user, session) = match caller {
        Caller::Account { user, session } => (Some(user), Some(session)),
        Caller::Guest | Caller::Capability => (None, None),
    };
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = SignedRequest { method: &head.method, path_and_query: target, body };
    let mut nonce = [0; 16];
    ports.fill(&mut nonce);
    let identity = Identity { user, session, client };
    Ok(identity::sign(&config.edge_secret, &request, &identity, now, nonce))
}

/// Keeps a plausible id from outside, so that logs of several hops can be joined; makes one otherwise.
fn request_id<P: Ports>(ports: &P, headers: &HeaderMap, now: Timestamp) -> HeaderValue {
    let given = headers.get_all(REQUEST_ID).iter().next_back();
    if let Some(given) = given.filter(|given| is_plausible(given.as_bytes())) {
        return given.clone();
    }
    let mut random = [0; 10];
    ports.fill(&mut random);
    let id = RequestId::v7(now, random).to_string();
    HeaderValue::from_str(&id).unwrap_or_else(|_impossible| HeaderValue::from_static("-"))
}

/// Whether an id from outside may be kept.
pub(crate) fn is_plausible(id: &[u8]) -> bool {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (8..=64).contains(&id.len()) && id.iter().all(is_fit)
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn set_text(edits: &mut Vec<Edit>, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        edits.push(Edit::Set(name, value));
    }
}
