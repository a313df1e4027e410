//! Between `http` types with whole bodies and the host's streams.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Trailers};
use spin_sdk::wasip3::wit_bindgen::{self, FutureReader, StreamReader, StreamResult};
use spin_sdk::wasip3::{wit_future, wit_stream};

use crate::ReadError;

/// Bytes asked for in one read: 64 KiB, what a host sends at most in one frame.
const READ_BYTES: usize = 64 * 1_024;

/// The end of a body: trailers, or why it broke off.
pub type BodyEnd = FutureReader<Result<Option<Trailers>, ErrorCode>>;

/// Reads a stream to its end, at most `bytes_max`.
///
/// # Errors
/// See [`ReadError`].
pub async fn read(
    mut stream: StreamReader<u8>,
    end: BodyEnd,
    bytes_max: usize,
) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    loop {
        let (result, chunk) = stream.read(Vec::with_capacity(READ_BYTES)).await;
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(ReadError::TooLarge);
        }
        // Most bodies come in one piece: then nothing is copied.
        let is_last = !matches!(result, StreamResult::Complete(_));
        if body.is_empty() && is_last {
            end.await.map_err(ReadError::Broken)?;
            return Ok(Bytes::from(chunk));
        }
        body.extend_from_slice(&chunk);
        if is_last {
            end.await.map_err(ReadError::Broken)?;
            return Ok(body.freeze());
        }
    }
}

/// Turns a whole body into a stream, or into nothing when it is empty.
pub fn write(body: Bytes) -> (Option<StreamReader<u8>>, BodyEnd) {
    let (end, end_reader) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        drop(end);
        return (None, end_reader);
    }
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn(async move {
        // What is left over is what a receiver that went away did not want.
        let _unwanted = writer.write_all(body.into()).await;
        drop(writer);
        drop(end);
    });
    (Some(reader), end_reader)
}

/// Says "received" to the sender of a body whose outcome nobody waits for.
pub fn received() -> FutureReader<Result<(), ErrorCode>> {
    let (writer, reader) = wit_future::new(|| Ok(()));
    drop(writer);
    reader
}

/// Copies headers to the host, leaving out those that it would refuse.
///
/// # Errors
/// When the host refuses a header all the same.
pub fn to_fields(headers: &HeaderMap) -> Result<Fields, ErrorCode> {
    let entries: Vec<(String, Vec<u8>)> = headers
        .iter()
        .filter(|(name, _)| !is_forbidden(name))
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&entries)
        .map_err(|error| ErrorCode::InternalError(Some(format!("headers: {error:?}"))))
}

/// Copies headers from the host. What is not a header by RFC 9110 is left out.
pub fn from_fields(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.copy_all() {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_maybe_shared(Bytes::from(value)),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

/// Takes the body out of an answer and says its length.
pub(crate) fn frame(response: &mut Response<Bytes>) -> Bytes {
    let status = response.status();
    let has_no_body = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let body = core::mem::take(response.body_mut());
    if has_no_body {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        return Bytes::new();
    }
    if !body.is_empty() || !response.headers().contains_key(header::CONTENT_LENGTH) {
        // An answer to HEAD says how long the body would have been: then the handler has set it and sends none.
        let length = HeaderValue::from(u64::try_from(body.len()).unwrap_or(u64::MAX));
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    body
}

/// Returns whether hosts refuse the header on messages of a component: connections are theirs. `Trailer` they allow.
pub(crate) fn is_forbidden(name: &HeaderName) -> bool {
    header_edits::is_of_connection(name.as_str()) && *name != header::TRAILER
}
