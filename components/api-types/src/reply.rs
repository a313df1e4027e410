//! Answers that may be shared and answers that may not, apart by type.
//!
//! Only [`Public`] can carry `s-maxage`; whatever depends on who asks is [`Private`] and leaves with `no-store`.
//! A caller cannot turn one into the other.

use core::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

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

fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response<Bytes>, serde_json::Error> {
    let body = serde_json::to_vec(value)?;
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
