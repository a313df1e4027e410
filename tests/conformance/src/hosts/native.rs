//! The application without a host, in this process: what the others are compared with.

use anyhow::Result;
use api_types::problem::Fault;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use native::{Native, Settings};

use crate::host::{Driver, Start};
use crate::repository;
use crate::tap::Tap;
use crate::wire;
use crate::world::{RUNTIME, VARIABLES, World};

/// What every request comes from.
const CLIENT: &str = "127.0.0.1:1";

/// Fills a replica and serves from it.
///
/// # Errors
/// When manifest or replica cannot be used.
pub fn start(world: &World, tap: &Tap) -> Result<Start> {
    let variables = VARIABLES.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings {
        root: repository::root(),
        origin_url: tap.url(),
        secret: world.stack().edge_secret()?,
        variables: variables.collect(),
        folder: world.stack().new_folder("native")?,
        node_id: "native".to_owned(),
    };
    let native = RUNTIME.block_on(Native::start(settings))?;
    Ok(Start::Runs(Box::new(InProcess { native, log: String::new() })))
}

struct InProcess {
    native: Native,
    log: String,
}

impl Drop for InProcess {
    fn drop(&mut self) {
        RUNTIME.block_on(self.native.stop());
    }
}

impl Driver for InProcess {
    fn send(&mut self, request: &wire::Request) -> Result<wire::Answer> {
        let is_head = request.method == "HEAD";
        let mut response = match read(request) {
            Some((head, body)) => RUNTIME.block_on(self.native.answer(&head, body))?,
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
