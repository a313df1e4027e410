//! A request in, a file out.

use api_types::problem::{Failure, Problem};
use api_types::validator;
use bytes::{Bytes, BytesMut};
use domain::{ErrorKind, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_semantics::conditional::{self, Outcome, Version};
use http_semantics::multipart::{self, Boundary};
use http_semantics::negotiation::{Accepted, Coding};
use http_semantics::range::{Part, Span};
use http_semantics::{date, media_type};

use crate::route::{File, Freshness, Mount, Route};

/// Largest file that is served: 10 MiB, held in memory while it is sent. Models are below 3 MB.
pub const FILE_BYTES_MAX: u64 = 10 * 1_024 * 1_024;

const CACHE: HeaderName = HeaderName::from_static("vitrine-cache");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its length in bytes.
    pub length: u64,
    /// When it was changed, where the host says so.
    pub modified: Option<Timestamp>,
}

/// Files to read from: a file system, or a store of objects. The paths it is given are made by [`Route`].
pub trait Disk {
    /// Looks at a regular file; `Ok(None)` when there is none.
    ///
    /// # Errors
    /// A text for the log, when nobody can tell.
    async fn facts(&self, location: &str) -> Result<Option<Facts>, String>;

    /// Reads `length` bytes from `start`.
    ///
    /// # Errors
    /// A text for the log, for instance when the file is gone or shorter by now.
    async fn read(&self, location: &str, start: u64, length: u64) -> Result<Bytes, String>;
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// Bytes of a file that nobody has read yet: the shell sends them as its host does best, or asks [`load`].
    Part {
        /// Where the [`Disk`] has the file.
        location: String,
        /// The first byte, from 0.
        start: u64,
        /// How many, from 1 to [`FILE_BYTES_MAX`].
        length: u64,
    },
}

/// Answers a request for a file or a page. `HEAD` gets the head of what `GET` gets.
pub async fn handle<D: Disk, B>(disk: &D, request: &Request<B>) -> Response<Content> {
    let is_head = request.method() == Method::HEAD;
    let mut response = if is_head || request.method() == Method::GET {
        answer(disk, request.uri().path(), request.headers(), is_head).await
    } else {
        let problem = Problem::of(ErrorKind::MethodNotAllowed).asked_in(request.headers());
        let mut response = problem.into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        response.map(Content::Bytes)
    };
    mark(&mut response);
    if is_head {
        *response.body_mut() = Content::Bytes(Bytes::new());
    }
    response
}

/// Reads what an answer of [`handle`] left unread. A file that cannot be read is a fault of ours.
pub async fn load<D: Disk>(disk: &D, response: Response<Content>) -> Response<Bytes> {
    let (head, content) = response.into_parts();
    let read = match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Part { location, start, length } => disk.read(&location, start, length).await,
    };
    match read {
        Ok(bytes) => Response::from_parts(head, bytes),
        Err(why) => {
            let mut response = Failure::fault(why).into_response();
            mark(&mut response);
            response
        }
    }
}

/// Puts on what every answer has.
fn mark<B>(response: &mut Response<B>) {
    let headers = response.headers_mut();
    headers.insert(CACHE, HeaderValue::from_static("static"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

async fn answer<D: Disk>(
    disk: &D,
    path: &str,
    headers: &HeaderMap,
    is_head: bool,
) -> Response<Content> {
    let found = match Route::of(path) {
        Route::File(file) => send(disk, &file, headers, is_head).await,
        Route::Page => match send(disk, &Route::shell(), headers, is_head).await {
            Ok(None) => return not_built(headers).map(Content::Bytes),
            sent => sent,
        },
        Route::Unknown => Ok(None),
    };
    match found {
        Ok(Some(response)) => response,
        Ok(None) => not_found(disk, headers).await,
        Err(why) => Failure::fault(why).into_answer(headers).map(Content::Bytes),
    }
}

fn not_built(asked: &HeaderMap) -> Response<Bytes> {
    let title = "The storefront is not built: run `cargo xtask build`";
    Problem::new(ErrorKind::Unavailable, "storefront-not-built", title)
        .retry_after(5)
        .asked_in(asked)
        .into_response()
}

/// A browser that navigates gets the storefront, which shows its own "not found"; everyone else a problem.
async fn not_found<D: Disk>(disk: &D, headers: &HeaderMap) -> Response<Content> {
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let shell = if wants_page {
        send(disk, &Route::shell(), &HeaderMap::new(), false).await.ok().flatten()
    } else {
        None
    };
    let Some(mut response) = shell else {
        let problem = Problem::of(ErrorKind::NotFound).asked_in(headers);
        return problem.into_response().map(Content::Bytes);
    };
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.remove(header::ETAG);
    headers.remove(header::LAST_MODIFIED);
    headers.remove(header::ACCEPT_RANGES);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A file as it lies on the disk: itself, or a precompressed sibling.
struct Variant {
    location: String,
    coding: Coding,
    facts: Facts,
}

/// What a file's answer has besides what describes the file.
struct Sent {
    status: StatusCode,
    body: Content,
    length: Option<u64>,
    range: Option<String>,
    kind: Option<HeaderValue>,
}

impl Sent {
    fn of(status: StatusCode, body: Content, length: Option<u64>) -> Self {
        Self { status, body, length, range: None, kind: None }
    }
}

async fn send<D: Disk>(
    disk: &D,
    file: &File,
    headers: &HeaderMap,
    is_head: bool,
) -> Result<Option<Response<Content>>, String> {
    let Some(variant) = choose(disk, file, headers).await? else { return Ok(None) };
    let facts = variant.facts;
    if facts.length > FILE_BYTES_MAX {
        return Err(format!("{} has {} bytes", variant.location, facts.length));
    }
    // A file that may change is tagged by its bytes, so they are read before anything is decided.
    let (etag, bytes) = match file.freshness {
        Freshness::Immutable => (tag_of_name(file, &variant), None),
        Freshness::Revalidate => {
            let bytes = disk.read(&variant.location, 0, facts.length).await?;
            (validator::entity_tag(&bytes), Some(bytes))
        }
    };
    let version = Version {
        etag: Some(etag),
        modified: facts.modified,
        // A file that is replaced may be so twice within a second (RFC 9110, section 8.8.2.2).
        is_modified_strong: file.freshness == Freshness::Immutable,
        length: facts.length,
    };
    let content = |span: Span| content(&variant.location, bytes.as_ref(), span);
    let sent = match conditional::decide(headers, &version, is_head) {
        Outcome::Failed => {
            let problem = Problem::of(ErrorKind::PreconditionFailed).asked_in(headers);
            return Ok(Some(problem.into_response().map(Content::Bytes)));
        }
        Outcome::NotModified => {
            Sent::of(StatusCode::NOT_MODIFIED, Content::Bytes(Bytes::new()), None)
        }
        Outcome::Send(Part::Whole) => {
            let whole = Span { start: 0, length: facts.length };
            Sent::of(StatusCode::OK, content(whole), Some(facts.length))
        }
        Outcome::Send(Part::Bytes { start, length }) => {
            let span = Span { start, length };
            let range = Some(multipart::content_range(span, facts.length));
            Sent { range, ..Sent::of(StatusCode::PARTIAL_CONTENT, content(span), Some(length)) }
        }
        Outcome::Send(Part::Several(spans)) => {
            several(disk, file, &version, &spans, content).await?
        }
        Outcome::Send(Part::Unsatisfiable) => {
            return Ok(Some(unsatisfiable(headers, facts.length).map(Content::Bytes)));
        }
    };
    Ok(Some(respond(sent, file, &variant, &version)))
}

fn respond(sent: Sent, file: &File, variant: &Variant, version: &Version) -> Response<Content> {
    let mut response = Response::new(sent.body);
    *response.status_mut() = sent.status;
    let headers = response.headers_mut();
    describe(headers, file, variant, version);
    if let Some(range) = sent.range {
        insert(headers, header::CONTENT_RANGE, &range);
    }
    if let Some(kind) = sent.kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(length) = sent.length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Puts several ranges together. They are read here: all of them are smaller than the file, which fits in memory.
async fn several<D: Disk>(
    disk: &D,
    file: &File,
    version: &Version,
    spans: &[Span],
    content: impl Fn(Span) -> Content,
) -> Result<Sent, String> {
    let boundary = Boundary::of(version.etag.as_deref(), spans, version.length);
    let kind = Some(kind_of(file));
    let length = multipart::length(&boundary, kind, spans, version.length);
    let mut body = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0));
    for span in spans {
        let head = multipart::head_of_part(&boundary, kind, *span, version.length);
        body.extend_from_slice(head.as_bytes());
        let bytes = match content(*span) {
            Content::Bytes(bytes) => bytes,
            Content::Part { location, start, length } => {
                disk.read(&location, start, length).await?
            }
        };
        body.extend_from_slice(&bytes);
    }
    body.extend_from_slice(multipart::end(&boundary).as_bytes());
    let body = Content::Bytes(body.freeze());
    let kind = Some(boundary.content_type());
    Ok(Sent { kind, ..Sent::of(StatusCode::PARTIAL_CONTENT, body, Some(length)) })
}

/// What is sent of a file: of its bytes where they were read, otherwise a note where to find them.
fn content(location: &str, bytes: Option<&Bytes>, span: Span) -> Content {
    let Span { start, length } = span;
    match bytes {
        Some(bytes) => Content::Bytes(slice(bytes, start, length)),
        None if length == 0 => Content::Bytes(Bytes::new()),
        None => Content::Part { location: location.to_owned(), start, length },
    }
}

/// Looks for the best variant that the asker understands and that is there. One that the asker refuses is sent when there
/// is no other: RFC 9110, section 12.1, lets a server do so, and no answer helps nobody.
async fn choose<D: Disk>(
    disk: &D,
    file: &File,
    headers: &HeaderMap,
) -> Result<Option<Variant>, String> {
    let location = file.location();
    if media_type::is_compressible(file.extension()) {
        for coding in Accepted::of(headers).ranked(&Coding::STATIC) {
            let Some(suffix) = suffix(coding) else { break };
            let sibling = format!("{location}{suffix}");
            if let Some(facts) = disk.facts(&sibling).await? {
                return Ok(Some(Variant { location: sibling, coding, facts }));
            }
        }
    }
    let facts = disk.facts(&location).await?;
    Ok(facts.map(|facts| Variant { location, coding: Coding::Identity, facts }))
}

/// What the name of a packed sibling ends in.
fn suffix(coding: Coding) -> Option<&'static str> {
    match coding {
        Coding::Brotli => Some(".br"),
        Coding::Zstd => Some(".zst"),
        Coding::Gzip => Some(".gz"),
        Coding::Identity => None,
    }
}

/// Returns how the answer names the coding; the file itself has none.
fn named(coding: Coding) -> Option<&'static str> {
    (coding != Coding::Identity).then_some(coding.name())
}

/// The tag of a file whose name changes with its content: of its name, length and encoding.
fn tag_of_name(file: &File, variant: &Variant) -> String {
    let encoding = named(variant.coding).unwrap_or("");
    let named = format!("{}\n{}\n{encoding}", file.path, variant.facts.length);
    validator::entity_tag(named.as_bytes())
}

fn slice(content: &Bytes, start: u64, length: u64) -> Bytes {
    let bound = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(content.len());
    content.slice(bound(start)..bound(start.saturating_add(length)))
}

fn unsatisfiable(asked: &HeaderMap, length: u64) -> Response<Bytes> {
    let mut problem = Problem::new(
        ErrorKind::InvalidInput,
        "range-not-satisfiable",
        "There are no such bytes in the file",
    );
    problem.status = StatusCode::RANGE_NOT_SATISFIABLE.as_u16();
    let mut response = problem.asked_in(asked).into_response();
    insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{length}"));
    response
}

fn kind_of(file: &File) -> &'static str {
    media_type::of(file.extension()).unwrap_or("application/octet-stream")
}

fn describe(headers: &mut HeaderMap, file: &File, variant: &Variant, version: &Version) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind_of(file)));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(etag) = &version.etag {
        insert(headers, header::ETAG, etag);
    }
    if let Some(modified) = version.modified {
        insert(headers, header::LAST_MODIFIED, &date::write(modified));
    }
    let control = match file.freshness {
        Freshness::Immutable => "public, max-age=31536000, immutable",
        Freshness::Revalidate => "no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    if media_type::is_compressible(file.extension()) {
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(encoding) = named(variant.coding) {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if file.mount == Mount::Media {
        // Native viewers and other shops' pages load models; no cookie and no secret is in them.
        headers.insert(CORP, HeaderValue::from_static("cross-origin"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
