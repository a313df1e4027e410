//! Calls from a component to its own application, without a socket: to another component by its id
//! (`http://<id>.spin.internal`), or to whatever a path leads to (`self`).

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use manifest::{App, ManifestError, RouteMatch, Router, StaticResponse, Target};
use wasmtime_wasi_http::Error;

use crate::{Body, InvokeError, express::Link, host::Passage, outside::Step};

/// Below it every component has a name.
const CHAINING_SUFFIX: &str = ".spin.internal";
/// Who calls, as Spin says it.
const INSIDE_CLIENT: HeaderValue = HeaderValue::from_static("0.0.0.0:0");
/// What a caller inside finds in the URL, for there is no host on this way. As in Spin.
const INSIDE_HOST: &str = "localhost";

/// Whom a URI of a component's request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination<'a> {
    /// The application itself, by the path.
    Oneself,
    /// The component with this id.
    Component(&'a str),
    /// A host on the network.
    Host(&'a str),
}

impl<'a> Destination<'a> {
    pub(crate) fn of(uri: &'a Uri) -> Self {
        let host = uri.host().unwrap_or_default();
        // An SDK that cannot leave the host out sends the second; the third is how the grant is written.
        if matches!(host, "" | "self.alt" | "self") {
            return Self::Oneself;
        }
        match host.strip_suffix(CHAINING_SUFFIX) {
            Some(id) if !id.is_empty() && !id.contains('.') => Self::Component(id),
            _ => Self::Host(host),
        }
    }
}

/// One version of an application, as its own components reach it. Empty before the version is loaded and after it is
/// gone: the components hold this, and must not keep each other alive.
#[derive(Default)]
pub(crate) struct Inside(RwLock<Option<Arc<Places>>>);

struct Places {
    router: Router,
    /// For each route of the manifest, in its order.
    targets: Vec<Place>,
    components: BTreeMap<String, Link>,
}

#[derive(Clone)]
enum Place {
    Component(Link),
    Static(StaticResponse),
}

impl Inside {
    /// Lets calls in, to the components behind `chains`, one for each route of `app`.
    pub(crate) fn open(&self, app: &App, chains: &[Option<Step>]) -> Result<(), ManifestError> {
        let paths = app.routes().iter().enumerate();
        let router =
            Router::new(paths.filter_map(|(at, route)| Some((at, route.path.as_deref()?))))?;
        let (mut targets, mut components) = (Vec::new(), BTreeMap::new());
        for (route, step) in app.routes().iter().zip(chains) {
            let place = match (&route.target, step.as_ref().and_then(Step::link)) {
                (Target::Static(answer), _) => Place::Static(answer.clone()),
                (Target::Component(id), Some(link)) => {
                    // Of several routes to one component the last counts, as in Spin.
                    components.insert(id.clone(), link.clone());
                    Place::Component(link.clone())
                }
                (Target::Pool(_) | Target::Files(_), Some(link)) => Place::Component(link.clone()),
                (Target::Component(_) | Target::Pool(_) | Target::Files(_), None) => {
                    Place::Static(StaticResponse {
                        status: 500,
                        headers: BTreeMap::new(),
                        body: String::new(),
                    })
                }
            };
            targets.push(place);
        }
        self.set(Some(Arc::new(Places { router, targets, components })));
        Ok(())
    }

    /// Ends calls and lets the components go.
    pub(crate) fn close(&self) {
        self.set(None);
    }

    fn set(&self, places: Option<Arc<Places>>) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, places);
        drop(current);
        drop(before);
    }

    /// Answers a call to the application itself.
    pub(crate) async fn call_route(
        &self,
        request: http::Request<Body>,
        passage: &Passage,
    ) -> Result<http::Response<Body>, Error> {
        let places = self.places()?;
        let Some(found) = places.router.find(request.uri().path()) else {
            return Ok(status(http::StatusCode::NOT_FOUND));
        };
        match places.targets.get(found.index) {
            Some(Place::Static(answer)) => Ok(fixed(answer)),
            Some(Place::Component(link)) => call(link, request, &found, passage).await,
            None => Ok(status(http::StatusCode::NOT_FOUND)),
        }
    }

    /// Answers a call to the component `id`.
    pub(crate) async fn call_component(
        &self,
        id: &str,
        request: http::Request<Body>,
        passage: &Passage,
    ) -> Result<http::Response<Body>, Error> {
        let places = self.places()?;
        let link = places.components.get(id).ok_or(Error::DestinationNotFound)?;
        let found = RouteMatch::inside(request.uri().path());
        call(link, request, &found, passage).await
    }

    fn places(&self) -> Result<Arc<Places>, Error> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.clone().ok_or(Error::DestinationUnavailable)
    }
}

async fn call(
    link: &Link,
    mut request: http::Request<Body>,
    found: &RouteMatch,
    passage: &Passage,
) -> Result<http::Response<Body>, Error> {
    // Two components that call each other would otherwise do so until nothing is left.
    let deeper = passage.deeper().ok_or(Error::LoopDetected)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let full_url = format!("http://{INSIDE_HOST}{target}");
    let headers = request.headers_mut();
    headers.remove(header::HOST);
    set_spin_headers(headers, found, full_url)?;
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(INSIDE_HOST)
        .path_and_query(target)
        .build()
        .map_err(|_| Error::HttpRequestUriInvalid)?;
    link.handle(request, deeper).await.map_err(|error| refusal(&error))
}

/// Sets what only a host may say of a request, whatever the caller said.
fn set_spin_headers(
    headers: &mut HeaderMap,
    found: &RouteMatch,
    full_url: String,
) -> Result<(), Error> {
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("spin-")).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    let full_url = full_url.try_into().map_err(|_| Error::HttpRequestUriInvalid)?;
    found
        .set_spin_headers(headers, full_url, INSIDE_CLIENT)
        .map_err(|_| Error::HttpRequestUriInvalid)
}

/// What the caller hears of a call without an answer. In Spin it traps with the one that it called.
fn refusal(error: &InvokeError) -> Error {
    match error {
        InvokeError::Busy { .. } => Error::ConnectionLimitReached,
        InvokeError::Timeout { .. } => Error::HttpResponseTimeout,
        _ => Error::HttpResponseIncomplete,
    }
}

fn status(status: http::StatusCode) -> http::Response<Body> {
    let mut response = http::Response::new(crate::full(""));
    *response.status_mut() = status;
    response
}

fn fixed(answer: &StaticResponse) -> http::Response<Body> {
    let mut response = http::Response::new(crate::full(answer.body.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_oneself_and_components_from_hosts() {
        for (uri, expected) in [
            ("/path", Destination::Oneself),
            ("http://self.alt/path", Destination::Oneself),
            ("https://self/", Destination::Oneself),
            ("http://cart.spin.internal/path", Destination::Component("cart")),
            ("http://cart.spin.internal:80/", Destination::Component("cart")),
            ("http://a.cart.spin.internal/", Destination::Host("a.cart.spin.internal")),
            ("http://.spin.internal/", Destination::Host(".spin.internal")),
            ("http://spin.internal/", Destination::Host("spin.internal")),
            ("http://cart.spin.internal.example/", Destination::Host("cart.spin.internal.example")),
        ] {
            let uri: Uri = uri.parse().expect("is a URI");
            assert_eq!(Destination::of(&uri), expected, "{uri}");
        }
    }

    #[test]
    fn a_caller_cannot_forge_what_only_a_host_says() {
        let mut headers = HeaderMap::new();
        headers.insert("spin-client-addr", HeaderValue::from_static("1.2.3.4:5"));
        headers.insert("spin-anything", HeaderValue::from_static("x"));
        let found = RouteMatch::inside("/a");
        set_spin_headers(&mut headers, &found, "http://localhost/a".to_owned()).expect("is good");
        assert_eq!(headers["spin-client-addr"], "0.0.0.0:0");
        assert_eq!(headers["spin-path-info"], "/a");
        assert!(!headers.contains_key("spin-anything"));
    }
}
