//! The application without a host: `spin.toml`'s routes, the gateway and the cores, in this process.
//!
//! Nothing that matters is a fake: the catalogue is a replica of the real origin's, read with the edge's engine; the
//! origin is asked over TCP; files come from the disk. Only the counters are a map.

mod files;
mod ports;

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api_types::feed::bearer;
use api_types::problem::Fault;
use bytes::Bytes;
use gateway_core::admit::{Admission, BodyError, State, admit};
use gateway_core::edits::finish;
use harness::eventually;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use manifest::{App, Manifest, Target, VariableSources};
use origin_client::origins::Health;
use replica::{Replica, Settings};

use crate::host::{Driver, Start};
use crate::repository;
use crate::tap::Tap;
use crate::wire;
use crate::world::{RUNTIME, VARIABLES, World};
use files::Folders;
use ports::{Counts, NativePorts, Outside};

/// Longest wait for the first snapshot.
const FILLED_WITHIN: Duration = Duration::from_secs(30);
/// What every request comes from.
const CLIENT: &str = "127.0.0.1:1";

/// Fills a replica and serves from it.
///
/// # Errors
/// When manifest or replica cannot be used.
pub fn start(world: &World, tap: &Tap) -> Result<Start> {
    let secret = world.stack().edge_secret()?;
    let app = app(&tap.url(), &secret)?;
    let settings = Settings {
        dir: world.stack().new_folder("native")?,
        feed_urls: vec![tap.url()],
        token: replica::Secret::new(bearer(secret.as_bytes())),
        node_id: "native".to_owned(),
        limits: replica::Limits::default(),
    };
    let replica = RUNTIME.block_on(async {
        let replica = Replica::start(settings).await.context("start the replica")?;
        let what = "the replica is filled";
        eventually(FILLED_WITHIN, what, || async { replica.current() }).await?;
        anyhow::Ok(replica)
    })?;
    let native = Native {
        app,
        replica,
        outside: Outside::new(),
        counts: Counts::default(),
        gateway: State::default(),
        health: RefCell::default(),
        log: String::new(),
    };
    Ok(Start::Runs(Box::new(native)))
}

fn app(origin_url: &str, secret: &str) -> Result<App> {
    let text = String::from_utf8(repository::file("spin.toml")?).context("read spin.toml")?;
    let own = [("origin_url", origin_url), ("edge_secret", secret)];
    let values: BTreeMap<&str, &str> = VARIABLES.into_iter().chain(own).collect();
    let sources = VariableSources::new().with_command_line(values);
    Manifest::parse(&text).and_then(|manifest| manifest.resolve(&sources)).context("read spin.toml")
}

struct Native {
    app: App,
    replica: Arc<Replica>,
    outside: Outside,
    counts: Counts,
    gateway: State,
    health: RefCell<Health>,
    log: String,
}

impl Drop for Native {
    fn drop(&mut self) {
        RUNTIME.block_on(self.replica.stop());
    }
}

impl Driver for Native {
    fn send(&mut self, request: &wire::Request) -> Result<wire::Answer> {
        let is_head = request.method == "HEAD";
        let mut response = match read(request) {
            Some((head, body)) => RUNTIME.block_on(self.answer(&head, body))?,
            None => refused(),
        };
        if let Some(Fault(why)) = response.extensions().get() {
            self.log.push_str(why);
            self.log.push('\n');
        }
        frame(&mut response);
        if is_head {
            *response.body_mut() = Bytes::new();
        }
        let headers = response.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Ok(wire::Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.body().to_vec(),
        })
    }

    fn log(&self) -> String {
        self.log.clone()
    }
}

impl Native {
    /// What a host does with a request: gateway, then the route's core, then the gateway's headers.
    async fn answer(&self, head: &Parts, body: Bytes) -> Result<Response<Bytes>> {
        let Some((route, _)) = self.app.route(head.uri.path()) else {
            bail!("no route for {}", head.uri)
        };
        let Target::Component(id) = &route.target else { bail!("{:?} is static", route.path) };
        let component = self.app.component(id).context("find the route's component")?;
        let ports = NativePorts {
            variables: &component.grants.variables,
            replica: &self.replica,
            outside: &self.outside,
            counts: &self.counts,
        };
        let read_body = async |bytes_max: usize| {
            if body.len() > bytes_max { Err(BodyError::TooLarge) } else { Ok(body.clone()) }
        };
        let forward = match admit(&ports, &self.gateway, head, read_body).await {
            Admission::Answer(response) => return Ok(response),
            Admission::Forward(forward) => forward,
        };
        let mut request = Request::new(forward.body.unwrap_or_default());
        request.method_mut().clone_from(&head.method);
        request.uri_mut().clone_from(&head.uri);
        *request.headers_mut() = forward.headers;
        let mut response = match id.as_str() {
            "catalog" => catalog_core::handle(&ports, request).await,
            "ar-router" => ar_core::handle(&ports, request).await,
            "shop-api" => origin_client::forward::handle(&ports, &self.health, request).await,
            "assets" => {
                let folders = Folders(&component.grants.files);
                let response = files_core::handle(&folders, &request).await;
                files_core::load(&folders, response).await
            }
            other => bail!("{other} has no core here"),
        };
        finish(&forward.edits, response.headers_mut());
        Ok(response)
    }
}

/// What a server makes of a request's bytes; `None` for what none would read.
fn read(request: &wire::Request) -> Option<(Parts, Bytes)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value).ok()?);
    }
    let uri: Uri = request.target.parse().ok()?;
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let body = if is_chunked { wire::unchunk(&request.body).ok()? } else { request.body.clone() };
    let mut head = Request::new(()).into_parts().0;
    head.method = Method::from_bytes(request.method.as_bytes()).ok()?;
    head.uri = uri;
    // As Spin does: the host's word comes after the client's.
    headers.append("spin-client-addr", HeaderValue::from_static(CLIENT));
    head.headers = headers;
    Some((head, Bytes::from(body)))
}

fn refused() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

/// Gives an answer the length that it has on the wire.
fn frame(response: &mut Response<Bytes>) {
    let has_no_body = matches!(response.status().as_u16(), 204 | 304);
    if has_no_body {
        *response.body_mut() = Bytes::new();
        response.headers_mut().remove(header::CONTENT_LENGTH);
    } else if !response.body().is_empty()
        || !response.headers().contains_key(header::CONTENT_LENGTH)
    {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
}
