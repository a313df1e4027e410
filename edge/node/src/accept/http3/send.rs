//! An answer as it goes over a stream.

use std::{future::poll_fn, pin::Pin, time::SystemTime};

use bytes::Bytes;
use domain::Timestamp;
use h3::{error::Code, server::RequestStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use runtime::Body;
use tokio::time::timeout;

use crate::{accept::Broken, stall::STALL_MAX};

/// What is about a connection of HTTP/1.1 and must not be sent here (RFC 9114, section 4.2).
const CONNECTION_ONLY: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Sends an answer. Who takes nothing for as long as a stalled connection of another kind may is cut off.
pub(super) async fn send(
    sending: &mut RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    response: Response<Body>,
    is_head: bool,
) -> Result<(), Broken> {
    let (mut parts, mut body) = response.into_parts();
    complete(&mut parts.headers, body.size_hint().exact().filter(|_| !is_head));
    let has_content = !is_head
        && !parts.status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
    timeout(STALL_MAX, sending.send_response(Response::from_parts(parts, ()))).await??;
    while has_content && !body.is_end_stream() {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => timeout(STALL_MAX, sending.send_data(data)).await??,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        timeout(STALL_MAX, sending.send_trailers(trailers)).await??;
                    }
                }
            },
            Some(Err(error)) => {
                // No client may take what came for the whole.
                sending.stop_stream(Code::H3_INTERNAL_ERROR);
                return Err(error.into());
            }
        }
    }
    timeout(STALL_MAX, sending.finish()).await??;
    Ok(())
}

/// Takes away what must not be sent, and adds what hyper and `http1` add by themselves.
fn complete(headers: &mut HeaderMap, length: Option<u64>) {
    for name in CONNECTION_ONLY {
        headers.remove(name);
    }
    if let (Some(length), false) = (length, headers.contains_key(header::CONTENT_LENGTH)) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if !headers.contains_key(header::DATE) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let date = http_semantics::date::write(Timestamp::from_unix_ms(now));
        if let Ok(date) = HeaderValue::try_from(date) {
            headers.insert(header::DATE, date);
        }
    }
}
