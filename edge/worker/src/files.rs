//! The storefront out of the static assets, models and pictures out of R2, for `files-core`.

use core::cell::Cell;

use api_types::problem::{Failure, Fault};
use bytes::{Bytes, BytesMut};
use files_core::{Content, Disk, FILE_BYTES_MAX, Facts};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use origin_client::call::CallError;
use worker::Body;

use crate::cache;
use crate::isolate::isolate;
use crate::media::{self, PullError};
use crate::memory::Memory;
use crate::serve::Call;
use crate::wire::{self, Payload};

/// Bytes of the storefront in one isolate: 4 MiB. All that a shopper loads has 400 KB, packed.
const FILES_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Largest file that an isolate keeps: 512 KiB.
const FILE_KEPT_BYTES_MAX: usize = 512 * 1_024;

/// Largest file of R2 that goes into the place's cache: 2 MiB. Larger ones are asked for in parts.
const MEDIA_CACHED_BYTES_MAX: u64 = 2 * 1_024 * 1_024;

/// Where `files-core` has the storefront.
const STOREFRONT: &str = "/storefront";

/// Where it has models and pictures.
const MEDIA: &str = "/media/";

/// Answers a request for a file or a page.
pub(crate) async fn handle(call: &Call, request: Request<Bytes>) -> Response<Payload> {
    let path = request.uri().path().to_owned();
    let is_cacheable = is_whole_media(&request);
    if is_cacheable && let Some(found) = cache::file(call, &path).await {
        return found;
    }
    let disk = Bindings { call, is_origin_silent: Cell::new(false) };
    let response = files_core::handle(&disk, &request).await;
    let mut response = open(&disk, request.headers(), response).await;
    // The model may well be there, but nobody who has it can be asked.
    if disk.is_origin_silent.get() && response.extensions().get::<Fault>().is_some() {
        let problem = CallError::Unavailable.problem().asked_in(request.headers());
        response = problem.into_response().map(Payload::Bytes);
        mark(&mut response);
    }
    let length = wire::content_length(response.headers());
    let is_short = length.is_some_and(|length| length <= MEDIA_CACHED_BYTES_MAX);
    if is_cacheable && is_short && response.status() == StatusCode::OK {
        return cache::keep_file(call, &path, response);
    }
    response
}

/// Parts and conditions are decided by `files-core` alone.
fn is_whole_media(request: &Request<Bytes>) -> bool {
    const CONDITIONS: [HeaderName; 6] = [
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ];
    request.method() == Method::GET
        && request.uri().path().starts_with("/m/")
        && request.uri().query().is_none()
        && !CONDITIONS.iter().any(|name| request.headers().contains_key(name))
}

/// Puts on what every answer of `files-core` has.
fn mark(response: &mut Response<Payload>) {
    let name = HeaderName::from_static("vitrine-cache");
    response.headers_mut().insert(name, HeaderValue::from_static("static"));
}

/// Opens what was left unread.
async fn open(
    disk: &Bindings<'_>,
    asked: &HeaderMap,
    response: Response<Content>,
) -> Response<Payload> {
    let (head, content) = response.into_parts();
    let opened = match content {
        Content::Bytes(bytes) => Ok(Payload::Bytes(bytes)),
        Content::Part { location, start, length } => disk.open(&location, start, length).await,
    };
    match opened {
        Ok(payload) => Response::from_parts(head, payload),
        Err(why) => {
            let mut response = Failure::fault(why).into_answer(asked).map(Payload::Bytes);
            mark(&mut response);
            response
        }
    }
}

/// A file of the storefront as this isolate knows it.
#[derive(Debug, Clone)]
enum Asset {
    /// There is none.
    Absent,
    /// Its bytes.
    Kept(Bytes),
    /// Its length; too large to keep.
    Large(u64),
}

/// Files of the storefront that this isolate keeps. They change with a deployment only, and so with the isolate.
#[derive(Debug)]
pub(crate) struct Files(Memory<Asset>);

impl Default for Files {
    fn default() -> Self {
        Self(Memory::new(FILES_BYTES_MAX))
    }
}

/// The two mounts of `files-core`.
struct Bindings<'a> {
    call: &'a Call,
    /// Whether a medium was missing and no origin could be asked for it.
    is_origin_silent: Cell<bool>,
}

impl Disk for Bindings<'_> {
    async fn facts(&self, location: &str) -> Result<Option<Facts>, String> {
        let length = match location.strip_prefix(MEDIA) {
            Some(name) => self.media_length(name).await?,
            None => match self.asset(location).await? {
                Asset::Absent => None,
                Asset::Kept(bytes) => Some(wire::length(bytes.len())),
                Asset::Large(length) => Some(length),
            },
        };
        // Neither store knows when a file was changed, only when it came here.
        Ok(length.map(|length| Facts { length, modified: None }))
    }

    async fn read(&self, location: &str, start: u64, length: u64) -> Result<Bytes, String> {
        match self.open(location, start, length).await? {
            Payload::Bytes(bytes) => Ok(bytes),
            Payload::Stream(stream) => collect(Body::new(stream)).await,
            Payload::Socket(_) => Err(format!("{location} is no file")),
        }
    }
}

impl Bindings<'_> {
    async fn media_length(&self, name: &str) -> Result<Option<u64>, String> {
        media::length(&self.call.ports, name).await.map_err(|error| {
            self.is_origin_silent.set(matches!(error, PullError::Unreachable(_)));
            error.to_string()
        })
    }

    /// Returns bytes of a file: from memory where they are, otherwise unread.
    async fn open(&self, location: &str, start: u64, length: u64) -> Result<Payload, String> {
        if let Some(name) = location.strip_prefix(MEDIA) {
            return media::open(&self.call.ports, name, start, length).await.map(Payload::Stream);
        }
        let gone = || format!("{location} is gone");
        match self.asset(location).await? {
            Asset::Absent => Err(gone()),
            Asset::Kept(bytes) => slice(&bytes, start, length).map(Payload::Bytes).ok_or_else(gone),
            Asset::Large(whole) => {
                let body = self.fetch(location).await?.ok_or_else(gone)?;
                if start == 0 && length == whole {
                    return body.into_inner().map(Payload::Stream).ok_or_else(gone);
                }
                let bytes = collect(body).await?;
                slice(&bytes, start, length).map(Payload::Bytes).ok_or_else(gone)
            }
        }
    }

    async fn asset(&self, location: &str) -> Result<Asset, String> {
        let known = isolate().files.borrow().0.find(location).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let asset = match self.fetch(location).await? {
            None => Asset::Absent,
            Some(body) => {
                let bytes = collect(body).await?;
                let is_small = bytes.len() <= FILE_KEPT_BYTES_MAX;
                if is_small { Asset::Kept(bytes) } else { Asset::Large(wire::length(bytes.len())) }
            }
        };
        let bytes = if let Asset::Kept(bytes) = &asset { bytes.len() } else { 0 };
        isolate().files.borrow_mut().0.keep(location, bytes, asset.clone());
        Ok(asset)
    }

    async fn fetch(&self, location: &str) -> Result<Option<Body>, String> {
        let path = location.strip_prefix(STOREFRONT).ok_or("no such mount")?;
        let assets = self.call.ports.env().assets("ASSETS").map_err(|error| error.to_string())?;
        let found = assets.fetch(format!("https://assets{path}"), None).await;
        let found = found.map_err(|error| error.to_string())?;
        match found.status() {
            StatusCode::OK => Ok(Some(found.into_body())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("{location}: the static assets answered {status}")),
        }
    }
}

async fn collect(mut body: Body) -> Result<Bytes, String> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.to_string())?);
        if wire::length(bytes.len()) > FILE_BYTES_MAX {
            return Err(format!("a file has more than {FILE_BYTES_MAX} bytes"));
        }
    }
    Ok(bytes.freeze())
}

fn slice(bytes: &Bytes, start: u64, length: u64) -> Option<Bytes> {
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then(|| bytes.slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_media_are_looked_up_whole() {
        let request = |method: &str, target: &str, condition: Option<HeaderName>| {
            let mut request = Request::new(Bytes::new());
            *request.method_mut() = method.parse().unwrap();
            *request.uri_mut() = target.parse().unwrap();
            if let Some(name) = condition {
                request.headers_mut().insert(name, HeaderValue::from_static("x"));
            }
            request
        };
        for (method, target, condition, expected) in [
            ("GET", "/m/a.glb", None, true),
            ("HEAD", "/m/a.glb", None, false),
            ("GET", "/m/a.glb?x", None, false),
            ("GET", "/assets/a.js", None, false),
            ("GET", "/m/a.glb", Some(header::RANGE), false),
            ("GET", "/m/a.glb", Some(header::IF_NONE_MATCH), false),
        ] {
            let request = request(method, target, condition.clone());
            assert_eq!(is_whole_media(&request), expected, "{method} {target} {condition:?}");
        }
    }

    #[test]
    fn a_slice_is_inside_or_nothing() {
        let bytes = Bytes::from_static(b"abcd");
        assert_eq!(slice(&bytes, 1, 2), Some(Bytes::from_static(b"bc")));
        assert_eq!(slice(&bytes, 0, 4).map(|slice| slice.len()), Some(4));
        assert_eq!(slice(&bytes, 1, 4), None);
        assert_eq!(slice(&bytes, u64::MAX, 1), None);
    }
}
