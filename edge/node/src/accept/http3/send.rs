//! An answer as it goes over a stream.

use std::{future::poll_fn, pin::Pin};

use bytes::Bytes;
use h3::{error::Code, server::RequestStream};
use http::Response;
use http_body::Body as _;
use runtime::Body;
use tokio::time::timeout;

use crate::{
    accept::{Broken, fields},
    stall::STALL_MAX,
};

/// Sends an answer. Who takes nothing for as long as a stalled connection of another kind may is cut off.
pub(super) async fn send(
    sending: &mut RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    response: Response<Body>,
    is_head: bool,
) -> Result<(), Broken> {
    let (mut parts, mut body) = response.into_parts();
    let (status, length) = (parts.status, body.size_hint().exact());
    fields::complete(&mut parts.headers, status, length, is_head);
    let has_content = fields::has_content(status, is_head);
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
