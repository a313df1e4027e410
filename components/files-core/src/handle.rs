//! A request in, a file out.

use api_types::problem::{Failure, Problem};
use api_types::validator;
use bytes::Bytes;
use domain::{ErrorKind, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_semantics::conditional::{self, Outcome, Version};
use http_semantics::date;
use http_semantics::range::Part;

use crate::media_type;
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
    encoding: Option<&'static str>,
    facts: Facts,
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
    let version = Version { etag, modified: facts.modified, length: facts.length };
    let outcome = conditional::decide(headers, &version, is_head);
    let content = |start, length| content(&variant.location, bytes.as_ref(), start, length);
    let (status, body, length) = match outcome {
        Outcome::Failed => {
            let problem = Problem::of(ErrorKind::PreconditionFailed).asked_in(headers);
            return Ok(Some(problem.into_response().map(Content::Bytes)));
        }
        Outcome::NotModified => (StatusCode::NOT_MODIFIED, Content::Bytes(Bytes::new()), None),
        Outcome::Send(Part::Whole) => {
            (StatusCode::OK, content(0, facts.length), Some(facts.length))
        }
        Outcome::Send(Part::Bytes { start, length }) => {
            (StatusCode::PARTIAL_CONTENT, content(start, length), Some(length))
        }
        Outcome::Send(Part::Unsatisfiable) => {
            return Ok(Some(unsatisfiable(headers, facts.length).map(Content::Bytes)));
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    describe(response.headers_mut(), file, &variant, &version);
    if let Outcome::Send(Part::Bytes { start, length }) = outcome {
        let last = start.saturating_add(length).saturating_sub(1);
        let range = format!("bytes {start}-{last}/{}", facts.length);
        insert(response.headers_mut(), header::CONTENT_RANGE, &range);
    }
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(Some(response))
}

/// What is sent of a file: of its bytes where they were read, otherwise a note where to find them.
fn content(location: &str, bytes: Option<&Bytes>, start: u64, length: u64) -> Content {
    match bytes {
        Some(bytes) => Content::Bytes(slice(bytes, start, length)),
        None if length == 0 => Content::Bytes(Bytes::new()),
        None => Content::Part { location: location.to_owned(), start, length },
    }
}

/// Looks for the best variant that the asker understands and that is there.
async fn choose<D: Disk>(
    disk: &D,
    file: &File,
    headers: &HeaderMap,
) -> Result<Option<Variant>, String> {
    let location = file.location();
    if media_type::is_text(file.extension()) {
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        for (encoding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
            if accepted.is_some_and(|list| accepts(list, encoding)) {
                let sibling = format!("{location}{suffix}");
                if let Some(facts) = disk.facts(&sibling).await? {
                    let encoding = Some(encoding);
                    return Ok(Some(Variant { location: sibling, encoding, facts }));
                }
            }
        }
    }
    let facts = disk.facts(&location).await?;
    Ok(facts.map(|facts| Variant { location, encoding: None, facts }))
}

fn accepts(list: &str, encoding: &str) -> bool {
    list.split(',').any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1").trim();
        name.trim().eq_ignore_ascii_case(encoding) && weight.parse::<f32>().is_ok_and(|q| q > 0.0)
    })
}

/// The tag of a file whose name changes with its content: of its name, length and encoding.
fn tag_of_name(file: &File, variant: &Variant) -> String {
    let encoding = variant.encoding.unwrap_or("");
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

fn describe(headers: &mut HeaderMap, file: &File, variant: &Variant, version: &Version) {
    let kind = media_type::of(file.extension()).unwrap_or("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, header::ETAG, &version.etag);
    if let Some(modified) = version.modified {
        insert(headers, header::LAST_MODIFIED, &date::write(modified));
    }
    let control = match file.freshness {
        Freshness::Immutable => "public, max-age=31536000, immutable",
        Freshness::Revalidate => "no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    if media_type::is_text(file.extension()) {
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(encoding) = variant.encoding {
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
