//! Guests of the express lane: good ones and bad ones, by path.
//!
//! Layer: dev (L5). Three files of one crate: a component that answers, a middleware (feature `gate`), and one whose
//! verdicts are what the request says (feature `raw`).
//! Not here: assertions; they are in `edge/node/tests/it/express.rs`.
//! Start at `answering.rs`; each path is one behaviour.

#[cfg(not(any(feature = "gate", feature = "raw")))]
mod answering;
#[cfg(feature = "gate")]
mod gating;
#[cfg(feature = "raw")]
mod raw;

use bytes::Bytes;
use http::Response;

/// Answers `body` with `status`.
pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

#[cfg(not(feature = "raw"))]
/// Returns the first value of header `name`, or the empty string.
pub(crate) fn header<'a>(headers: &'a http::HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
