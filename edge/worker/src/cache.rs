//! Answers that are kept: those of the catalogue by the copy's position, in this isolate and in the place's cache.
//!
//! What is kept is the core's whole answer of status 200 that everybody may share; what the gateway adds is added to
//! every copy anew. A change of the catalogue changes the position and so the key: nothing is ever purged. What changes
//! without one (a pre-order ends on its day) is found out within [`KEPT_MS`], which is in the key too. Answers of Workers below `workers.dev` are not kept by Cloudflare, only here.

use api_types::validator;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Cache, web_sys};

use crate::health::Seen;
use crate::isolate::isolate;
use crate::log;
use crate::memory::Memory;
use crate::ports::now;
use crate::serve::Call;
use crate::wire::{self, Payload};

/// Bytes of answers in one isolate: 4 MiB of its 128 MB.
const ANSWERS_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Largest answer that is kept: 64 KiB, a page of 100 products and more.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// How long an answer may serve at one position: to the end of its minute. Most positions live shorter.
const KEPT_MS: i64 = 60_000;

/// How long the place's cache keeps an answer: 60 s, by when its key is asked for no more.
const KEPT_S: &str = "public, max-age=60";

/// How long the place's cache keeps a file that never changes: a day.
const FILE_KEPT_S: &str = "public, max-age=86400";

/// Holds a kept answer's own headers as JSON: the cache has views of its own about some.
const OWN_HEADERS: &str = "x-kept-headers";

/// Request headers that any kept answer depends on: what `ar-core` may put into `Vary`.
const VARY: [HeaderName; 6] = [
    header::USER_AGENT,
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("save-data"),
    HeaderName::from_static("ect"),
    HeaderName::from_static("downlink"),
    HeaderName::from_static("device-memory"),
];

/// Which headers tell answers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Varies {
    /// None.
    No,
    /// Those of a device.
    ByDevice,
}

/// An answer without its status, which is 200.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    headers: HeaderMap,
    body: Bytes,
}

/// Answers of this isolate.
#[derive(Debug)]
pub(crate) struct Answers(Memory<Kept>);

impl Default for Answers {
    fn default() -> Self {
        Self(Memory::new(ANSWERS_BYTES_MAX))
    }
}

/// Answers from what was kept under the copy's position, or lets `make` answer and keeps that.
pub(crate) async fn answer(
    call: &Call,
    seen: Option<&Seen>,
    varies: Varies,
    request: Request<Bytes>,
    make: impl AsyncFnOnce(Request<Bytes>) -> Response<Bytes>,
) -> Response<Payload> {
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let Some(key) = seen.filter(|_| is_read).and_then(|seen| key(call, seen, varies, &request))
    else {
        return make(request).await.map(Payload::Bytes);
    };
    let (parts, body) = request.into_parts();
    let known = isolate().answers.borrow().0.find(&key).cloned();
    let known = match known {
        Some(kept) => Some(kept),
        None => look_up(&key).await.inspect(|kept| remember(&key, kept)),
    };
    if let Some(kept) = known {
        return respond(kept, &parts.headers);
    }
    let response = make(whole_request(&parts, body)).await;
    let Some(kept) = keepable(&response, varies) else {
        return unkept(response, &parts.headers);
    };
    remember(&key, &kept);
    store(call, key, &kept);
    respond(kept, &parts.headers)
}

/// The request for the whole answer; what the asker has already is looked at afterwards.
fn whole_request(parts: &Parts, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.uri_mut() = parts.uri.clone();
    request.headers_mut().clone_from(&parts.headers);
    request.headers_mut().remove(header::IF_NONE_MATCH);
    request
}

/// What is not kept was asked for whole all the same: who has it already still need not get it again.
fn unkept(response: Response<Bytes>, asked: &HeaderMap) -> Response<Payload> {
    if response.status() != StatusCode::OK {
        return response.map(Payload::Bytes);
    }
    let (head, body) = response.into_parts();
    let mut answer = respond(Kept { headers: head.headers, body }, asked);
    *answer.extensions_mut() = head.extensions;
    answer
}

/// As `api_types::reply::Public` answers who has it already.
fn respond(kept: Kept, asked: &HeaderMap) -> Response<Payload> {
    let etag = kept.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
    let is_known = etag.is_some_and(|etag| validator::none_match_names(asked, etag));
    let mut response = Response::new(Payload::Bytes(kept.body));
    *response.headers_mut() = kept.headers;
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Payload::Bytes(Bytes::new());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}

fn key(call: &Call, seen: &Seen, varies: Varies, request: &Request<Bytes>) -> Option<String> {
    let mut told_apart = call.ports.text("public_url");
    if varies == Varies::ByDevice {
        for name in &VARY {
            // A value cannot contain a line break, so no two lists read the same.
            let value = request.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
            told_apart.push('\n');
            told_apart.push_str(&String::from_utf8_lossy(value));
        }
    }
    let told_apart = validator::digest(told_apart.as_bytes());
    let place = own_place(call)?;
    let target = request.uri().path_and_query()?;
    let minute = now().unix_ms().div_euclid(KEPT_MS);
    Some(format!("{place}/{}.{}.{minute}/{told_apart:016x}{target}", seen.epoch, seen.position))
}

/// Addresses of ours in the place's cache, one set per host name: two Workers of a zone may share the cache.
fn own_place(call: &Call) -> Option<String> {
    let uri = &call.incoming.parts.uri;
    Some(format!("{}://{}/.kept", uri.scheme_str()?, uri.authority()?))
}

/// Only what everybody may share, and what differs by no other header than the key knows.
fn keepable(response: &Response<Bytes>, varies: Varies) -> Option<Kept> {
    let headers = response.headers();
    let control = headers.get(header::CACHE_CONTROL)?.to_str().ok()?;
    let is_public = response.status() == StatusCode::OK && control.starts_with("public");
    let is_short = response.body().len() <= ANSWER_BYTES_MAX;
    (is_public && is_short && is_told_apart(headers, varies))
        .then(|| Kept { headers: headers.clone(), body: response.body().clone() })
}

fn is_told_apart(headers: &HeaderMap, varies: Varies) -> bool {
    let known = |name: &str| {
        varies == Varies::ByDevice && VARY.iter().any(|one| one.as_str().eq_ignore_ascii_case(name))
    };
    let lists = headers.get_all(header::VARY).iter().map(|value| value.to_str().unwrap_or("*"));
    lists.flat_map(|list| list.split(',')).map(str::trim).all(known)
}

fn remember(key: &str, kept: &Kept) {
    let fields =
        kept.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    let bytes = fields.fold(kept.body.len(), usize::saturating_add);
    isolate().answers.borrow_mut().0.keep(key, bytes, kept.clone());
}

async fn look_up(key: &str) -> Option<Kept> {
    let (headers, response) = find(key).await?;
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(Kept { headers, body: Bytes::from(Uint8Array::new(&buffer).to_vec()) })
}

/// Finds a kept answer: its own headers, and the cache's response with the body unread.
async fn find(key: &str) -> Option<(HeaderMap, web_sys::Response)> {
    let found = Cache::default().get(key, false).await.unwrap_or_else(|error| {
        log::warn("cache", &error.to_string());
        None
    });
    let response: web_sys::Response = found?.into();
    let own = response.headers().get(OWN_HEADERS).ok().flatten()?;
    Some((read_headers(&own)?, response))
}

fn store(call: &Call, key: String, kept: &Kept) {
    let body = Payload::Bytes(kept.body.clone());
    put(call, key, &kept.headers, body, KEPT_S);
}

/// Puts an answer into the place's cache after the request.
fn put(call: &Call, key: String, headers: &HeaderMap, body: Payload, control: &'static str) {
    let mut response = Response::new(body);
    let kept = response.headers_mut();
    kept.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    if let Some(length) = headers.get(header::CONTENT_LENGTH) {
        kept.insert(header::CONTENT_LENGTH, length.clone());
    }
    let Ok(own) = HeaderValue::from_str(&write_headers(headers)) else { return };
    kept.insert(HeaderName::from_static(OWN_HEADERS), own);
    let Ok(response) = wire::into_js(response, false) else { return };
    call.context.wait_until(async move {
        if let Err(error) = Cache::default().put(key, worker::Response::from(response)).await {
            log::warn("cache", &error.to_string());
        }
    });
}

fn write_headers(headers: &HeaderMap) -> String {
    let pairs: Vec<(&str, &str)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

fn read_headers(text: &str) -> Option<HeaderMap> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).ok()?;
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value.parse().ok()?);
    }
    Some(headers)
}

/// Finds a whole file that never changes.
pub(crate) async fn file(call: &Call, path: &str) -> Option<Response<Payload>> {
    let (headers, response) = find(&format!("{}{path}", own_place(call)?)).await?;
    let mut found = Response::new(Payload::Stream(response.body()?));
    *found.headers_mut() = headers;
    Some(found)
}

/// Keeps a whole file that never changes, and returns it for the asker.
pub(crate) fn keep_file(call: &Call, path: &str, response: Response<Payload>) -> Response<Payload> {
    let (parts, body) = response.into_parts();
    let (Payload::Stream(stream), Some(place)) = (&body, own_place(call)) else {
        return Response::from_parts(parts, body);
    };
    let Ok(twice) = web_sys::Response::new_with_opt_readable_stream(Some(stream)) else {
        return Response::from_parts(parts, body);
    };
    let copy = twice.clone().ok().and_then(|copy| copy.body());
    if let Some(copy) = copy {
        put(call, format!("{place}{path}"), &parts.headers, Payload::Stream(copy), FILE_KEPT_S);
    }
    let body = twice.body().map_or(body, Payload::Stream);
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(control: &'static str, vary: Option<&'static str>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(b"{}"));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
        headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(2));
        if let Some(vary) = vary {
            headers.insert(header::VARY, HeaderValue::from_static(vary));
        }
        response
    }

    #[test]
    fn keeps_only_what_everybody_may_share_and_the_key_tells_apart() {
        for (control, vary, varies, expected) in [
            ("public, max-age=5", None, Varies::No, true),
            ("public, max-age=5", Some("User-Agent, ECT"), Varies::ByDevice, true),
            ("public, max-age=5", Some("User-Agent"), Varies::No, false),
            ("public, max-age=5", Some("User-Agent, Cookie"), Varies::ByDevice, false),
            ("public, max-age=5", Some("*"), Varies::ByDevice, false),
            ("no-store", None, Varies::No, false),
            ("private", None, Varies::No, false),
        ] {
            let kept = keepable(&response(control, vary), varies);
            assert_eq!(kept.is_some(), expected, "{control} {vary:?} {varies:?}");
        }
        let mut large = response("public", None);
        *large.body_mut() = Bytes::from(vec![0; ANSWER_BYTES_MAX + 1]);
        assert!(keepable(&large, Varies::No).is_none());
        let mut refused = response("public", None);
        *refused.status_mut() = StatusCode::NOT_FOUND;
        assert!(keepable(&refused, Varies::No).is_none());
    }

    #[test]
    fn tells_who_has_it_already() {
        let kept = || keepable(&response("public", None), Varies::No).unwrap();
        let whole = respond(kept(), &HeaderMap::new());
        assert_eq!(whole.status(), 200);
        assert_eq!(whole.headers()[header::CONTENT_LENGTH], "2");
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static("W/\"1\""));
        let known = respond(kept(), &asked);
        assert_eq!(known.status(), 304);
        assert!(!known.headers().contains_key(header::CONTENT_LENGTH));
        assert_eq!(known.headers()[header::ETAG], "\"1\"");
    }

    #[test]
    fn who_has_what_is_too_large_to_keep_does_not_get_it_again() {
        let large = || {
            let mut large = response("public", None);
            *large.body_mut() = Bytes::from(vec![0; ANSWER_BYTES_MAX + 1]);
            large
        };
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("*"))]);
        assert_eq!(unkept(large(), &asked).status(), 304);
        assert_eq!(unkept(large(), &HeaderMap::new()).status(), 200);
        let mut refused = large();
        *refused.status_mut() = StatusCode::NOT_FOUND;
        assert_eq!(unkept(refused, &asked).status(), 404);
    }

    #[test]
    fn headers_come_back_as_they_went() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("vary", "ect"), ("vary", "downlink"), ("etag", "\"1\"")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(read_headers(&write_headers(&headers)), Some(headers));
        assert_eq!(read_headers("{"), None);
    }
}
