//! Answers that may be shared and answers that may not, apart by type.
//!
//! Only [`Public`] can carry `s-maxage`; whatever depends on who asks is [`Private`] and leaves with `no-store`.
//! A caller cannot turn one into the other.

use core::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::validator;

/// An answer that is the same for everybody and may be kept by shared caches.
#[derive(Debug)]
pub struct Public<T> {
    /// What is said.
    pub value: T,
    /// How long a browser may use it without asking again.
    pub max_age: Duration,
    /// How long a shared cache may.
    pub shared_max_age: Duration,
    /// Strong validator, quoted (RFC 9110, section 8.8.3).
    pub etag: Option<String>,
}

/// An answer for one asker. Never kept by any cache.
#[derive(Debug)]
pub struct Private<T> {
    /// What is said.
    pub value: T,
    /// The status, 200 unless set.
    pub status: StatusCode,
}

/// A file for one asker. Never kept by any cache.
#[derive(Debug)]
pub struct PrivateFile {
    /// What it is called; plain ASCII without quotes.
    pub name: String,
    /// What it is, for instance `application/pdf`.
    pub media_type: &'static str,
    /// What is in it.
    pub bytes: Bytes,
}

impl PrivateFile {
    /// Writes the answer with `Cache-Control: no-store`.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let length = u64::try_from(self.bytes.len()).unwrap_or(0);
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        let mut response = Response::new(self.bytes);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        insert_text(&mut response, header::CONTENT_DISPOSITION, &disposition);
        response
    }
}

impl<T: Serialize> Public<T> {
    /// Writes the answer as JSON.
    ///
    /// # Errors
    /// When the value cannot be written as JSON (a map with keys that are not text).
    pub fn into_response(self) -> Result<Response<Bytes>, serde_json::Error> {
        let mut response = json(StatusCode::OK, &self.value)?;
        let control = format!(
            "public, max-age={}, s-maxage={}, stale-if-error=86400",
            self.max_age.as_secs(),
            self.shared_max_age.as_secs()
        );
        insert_text(&mut response, header::CACHE_CONTROL, &control);
        if let Some(etag) = &self.etag {
            insert_text(&mut response, header::ETAG, etag);
        }
        Ok(response)
    }

    /// Writes the answer as JSON with a tag of its body, or 304 with no body when `asked` (the request's headers)
    /// says that the asker has it already. `etag` is ignored.
    ///
    /// # Errors
    /// As [`Public::into_response`].
    pub fn into_validated_response(
        mut self,
        asked: &HeaderMap,
    ) -> Result<Response<Bytes>, serde_json::Error> {
        self.etag = None;
        let mut response = self.into_response()?;
        let etag = validator::entity_tag(response.body());
        insert_text(&mut response, header::ETAG, &etag);
        if validator::none_match_names(asked, &etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Bytes::new();
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        Ok(response)
    }
}

impl<T> Private<T> {
    /// Makes an answer with status 200.
    #[must_use]
    pub const fn ok(value: T) -> Self {
        Self { value, status: StatusCode::OK }
    }
}

impl<T: Serialize> Private<T> {
    /// Writes the answer as JSON with `Cache-Control: no-store`.
    ///
    /// # Errors
    /// When the value cannot be written as JSON (a map with keys that are not text).
    pub fn into_response(self) -> Result<Response<Bytes>, serde_json::Error> {
        let mut response = json(self.status, &self.value)?;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// What most answers fit in, so that they are written in one piece of memory: 2 KiB.
const BODY_BYTES_COMMON: usize = 2 * 1_024;

fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response<Bytes>, serde_json::Error> {
    let mut body = Vec::with_capacity(BODY_BYTES_COMMON);
    serde_json::to_writer(&mut body, value)?;
    let length = u64::try_from(body.len()).unwrap_or(0);
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

fn insert_text(response: &mut Response<Bytes>, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_answers_are_never_stored() {
        let response = Private::ok("mine").into_response().unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn says_not_modified_to_who_has_it() {
        let public = || Public {
            value: "oak",
            max_age: Duration::ZERO,
            shared_max_age: Duration::ZERO,
            etag: None,
        };
        let first = public().into_validated_response(&HeaderMap::new()).unwrap();
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let second = public().into_validated_response(&asked).unwrap();
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(second.body().is_empty() && !second.headers().contains_key(header::CONTENT_LENGTH));
        assert_eq!(second.headers()[header::ETAG], first.headers()[header::ETAG]);
    }

    #[test]
    fn public_answers_say_for_how_long() {
        let (max_age, shared_max_age) = (Duration::from_secs(5), Duration::from_secs(60));
        let response = Public { value: 1, max_age, shared_max_age, etag: Some("\"a\"".into()) }
            .into_response()
            .unwrap();
        assert_eq!(
            response.headers()[header::CACHE_CONTROL],
            "public, max-age=5, s-maxage=60, stale-if-error=86400"
        );
        assert_eq!(response.headers()[header::ETAG], "\"a\"");
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "1");
    }
}
