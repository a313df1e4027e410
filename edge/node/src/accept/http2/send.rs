//! An answer as it goes over a stream.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Response, header};
use http_body::{Body as _, Frame};
use runtime::Body;
use tokio::time::timeout;

use crate::accept::fields;

/// Handed over at a time: 256 KiB. It is what waits of an answer for a client that leaves no room. With 64 KiB large
/// answers cost a fifth to a third more where clients leave little room at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// How long an answer waits for room: 5 min, in which a phone at 1 Mbit/s gets a piece of each of 140 answers. Whoever
/// holds up one stream keeps the connection's others going, so it cannot be judged by what the connection takes.
const STREAM_STALL_MAX: Duration = Duration::from_secs(300);

/// Why an answer was not sent whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    /// The client takes no more of it, or is gone.
    #[error(transparent)]
    Refused(#[from] h2::Error),
    /// The same, without a word.
    #[error("the stream is closed")]
    Closed,
    /// The client left no room for it.
    #[error("the client takes nothing for too long")]
    Stalled,
    /// It broke off where it comes from.
    #[error("it broke off: {0}")]
    Broken(#[from] runtime::BodyError),
    /// It is longer or shorter than its head says.
    #[error("it is not as long as it says")]
    Length,
}

impl Cut {
    /// What the client is told, so that it does not take what came for the whole.
    const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(_) | Self::Closed => None,
            Self::Stalled => Some(Reason::CANCEL),
            Self::Broken(_) | Self::Length => Some(Reason::INTERNAL_ERROR),
        }
    }
}

/// Sends an answer.
pub(super) async fn send(
    mut respond: SendResponse<Bytes>,
    response: Response<Body>,
    is_head: bool,
) -> Result<(), Cut> {
    let (mut parts, body) = response.into_parts();
    fields::complete(&mut parts.headers, parts.status, body.size_hint().exact(), is_head);
    let has_content = fields::has_content(parts.status, is_head);
    let left = promised(&parts.headers);
    let is_empty = !has_content || body.is_end_stream() && left.is_none_or(|left| left == 0);
    let sent = respond.send_response(Response::from_parts(parts, ()), is_empty);
    let mut stream = sent.inspect_err(|_| respond.send_reset(Reason::INTERNAL_ERROR))?;
    if is_empty {
        return Ok(());
    }
    let piped = pipe(&mut stream, body, left).await;
    if let Some(reason) = piped.as_ref().err().and_then(Cut::reason) {
        stream.send_reset(reason);
    }
    piped
}

fn promised(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Sends a body as it comes; `left` is how long it has to be.
async fn pipe(
    stream: &mut SendStream<Bytes>,
    mut body: Body,
    mut left: Option<u64>,
) -> Result<(), Cut> {
    let ended = |left: Option<u64>| match left {
        None | Some(0) => Ok(()),
        Some(_) => Err(Cut::Length),
    };
    loop {
        let Some(frame) = poll_fn(|cx| poll_frame(cx, stream, &mut body)).await? else {
            ended(left)?;
            return Ok(stream.send_data(Bytes::new(), true)?);
        };
        match frame.into_data() {
            Ok(data) => {
                if let Some(left) = &mut left {
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    *left = left.checked_sub(length).ok_or(Cut::Length)?;
                }
                let is_last = body.is_end_stream();
                if is_last {
                    ended(left)?;
                }
                put(stream, data, is_last).await?;
                if is_last {
                    return Ok(());
                }
            }
            Err(frame) => {
                ended(left)?;
                let mut trailers = frame.into_trailers().unwrap_or_default();
                fields::clean(&mut trailers);
                return Ok(stream.send_trailers(trailers)?);
            }
        }
    }
}

/// Waits for what comes next of a body, or for the client to want no more.
fn poll_frame(
    cx: &mut Context<'_>,
    stream: &mut SendStream<Bytes>,
    body: &mut Body,
) -> Poll<Result<Option<Frame<Bytes>>, Cut>> {
    match Pin::new(body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame.transpose()?)),
        Poll::Pending => stream.poll_reset(cx).map(|reset| Err(Cut::Refused(reset?.into()))),
    }
}

/// Hands data over as far as there is room for it.
async fn put(stream: &mut SendStream<Bytes>, mut data: Bytes, is_last: bool) -> Result<(), Cut> {
    while data.len() > PIECE_BYTES {
        room(stream).await?;
        stream.send_data(data.split_to(PIECE_BYTES), false)?;
    }
    // What is empty needs no room.
    if !data.is_empty() {
        room(stream).await?;
    }
    Ok(stream.send_data(data, is_last)?)
}

/// Waits until some of what comes next can be sent.
async fn room(stream: &mut SendStream<Bytes>) -> Result<(), Cut> {
    // Asked for in full it would be kept for this stream, while others have something to send as well.
    stream.reserve_capacity(1);
    if stream.capacity() > 0 {
        return Ok(());
    }
    let granted = timeout(STREAM_STALL_MAX, poll_fn(|cx| stream.poll_capacity(cx))).await;
    match granted.map_err(|_| Cut::Stalled)? {
        Some(granted) => Ok(granted.map(drop)?),
        None => Err(Cut::Closed),
    }
}

#[cfg(test)]
mod tests;
