//! How a body is sent.

use std::{
    future::poll_fn,
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use super::{Connection, Incoming};
use crate::{
    encode::{self, Delimited},
    reply::FilePart,
    transport::Transport,
};

/// Sent of a file at a time where its bytes pass through here.
const FILE_PIECE_BYTES: usize = 128 * 1024;
/// Sent of a file at a time by the kernel.
const FILE_BYTES_MAX: usize = 1024 * 1024;

impl<T: Transport> Connection<T> {
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.output.poll_send(cx, &mut self.transport)).await?;
        poll_fn(|cx| Pin::new(&mut self.transport).poll_flush(cx)).await
    }

    /// Sends a body as it comes. Returns whether it was whole.
    pub(super) async fn stream<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        mut body: B,
        delimited: Delimited,
        incoming: &mut Incoming,
    ) -> io::Result<bool> {
        let mut left = match delimited {
            Delimited::Length(length) => Some(length),
            _ => None,
        };
        let is_whole = loop {
            let frame = poll_fn(|cx| self.poll_frame(cx, &mut body, incoming)).await?;
            let Some(Ok(frame)) = frame else {
                let is_whole = frame.is_none() && left.is_none_or(|left| left == 0);
                if is_whole && delimited == Delimited::Chunks {
                    encode::last_chunk(self.output.buffer(), &HeaderMap::new());
                }
                break is_whole;
            };
            match frame.into_data() {
                Ok(data) => {
                    let (data, is_too_long) = fit(data, &mut left);
                    match delimited {
                        Delimited::Chunks => self.output.chunk(data),
                        _ => self.output.data(data),
                    }
                    if is_too_long {
                        break false;
                    }
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if delimited == Delimited::Chunks {
                        encode::last_chunk(self.output.buffer(), &trailers);
                        break true;
                    }
                }
            }
        };
        self.flush().await?;
        Ok(is_whole)
    }

    /// Waits for the next frame, and sends meanwhile what there is.
    #[expect(
        clippy::type_complexity,
        reason = "what polling a body gives, and the connection's own error"
    )]
    fn poll_frame<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut B,
        incoming: &mut Incoming,
    ) -> Poll<io::Result<Option<Result<http_body::Frame<Bytes>, B::Error>>>> {
        loop {
            if self.output.takes_more()
                && let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx)
            {
                return Poll::Ready(Ok(frame));
            }
            self.pump(cx, incoming)?;
            let had_room = self.output.takes_more();
            match self.output.poll_send(cx, &mut self.transport) {
                Poll::Ready(Ok(())) => {
                    if let Poll::Ready(Err(error)) = Pin::new(&mut self.transport).poll_flush(cx) {
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            if had_room || !self.output.takes_more() {
                return Poll::Pending;
            }
        }
    }

    /// Sends bytes of a file, where the kernel can without reading them here.
    pub(super) async fn send_file(&mut self, part: FilePart) -> io::Result<bool> {
        // The head goes by itself: held back for the file's first bytes (MSG_MORE, `TCP_CORK`), the end of 64 KiB waits
        // for the client's delayed acknowledgement.
        poll_fn(|cx| self.output.poll_send(cx, &mut self.transport)).await?;
        let FilePart { file, mut offset, mut length } = part;
        while length > 0 {
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            let sent = poll_fn(|cx| {
                let stream = Pin::new(&mut self.transport);
                match stream.poll_send_file(cx, &file, offset, wanted.min(FILE_BYTES_MAX)) {
                    Poll::Pending => self.output.poll_stalled(cx).map_ok(|()| None),
                    ready @ Poll::Ready(_) => ready,
                }
            });
            let sent = match sent.await? {
                // The file has become shorter: what was promised is not there.
                Some(0) => return Ok(false),
                Some(sent) => {
                    self.output.got_on();
                    sent
                }
                None => {
                    let mut piece = vec![0; wanted.min(FILE_PIECE_BYTES)];
                    let read = file.read_at(&mut piece, offset)?;
                    if read == 0 {
                        return Ok(false);
                    }
                    piece.truncate(read);
                    self.output.whole(piece.into());
                    self.flush().await?;
                    read
                }
            };
            let sent = u64::try_from(sent).unwrap_or(u64::MAX);
            offset = offset.saturating_add(sent);
            length = length.saturating_sub(sent);
        }
        Ok(true)
    }
}

/// Cuts what goes beyond the length that was promised.
fn fit(mut data: Bytes, left: &mut Option<u64>) -> (Bytes, bool) {
    let Some(left) = left else { return (data, false) };
    let allowed = usize::try_from(*left).unwrap_or(usize::MAX);
    let is_too_long = data.len() > allowed;
    data.truncate(allowed);
    *left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
    (data, is_too_long)
}
