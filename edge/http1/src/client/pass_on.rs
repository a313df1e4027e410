//! An answer passed on as it came: its head is looked at where it was read, and nothing is made of it.
//!
//! Only for answers that are as plain as can be and came whole; any other is received the usual way.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use tokio::{io::ReadBuf, time::Instant};

use super::{Client, ResponseBody, Reuse, SCRATCH, SendError, outgoing::Outgoing};
use crate::{
    quick::{OF_CONNECTION, is},
    transport::Transport,
};

/// An answer that came whole: its head, and its content.
#[derive(Debug)]
pub struct PlainAnswer<'a> {
    /// Its status: neither interim nor one without content.
    pub status: StatusCode,
    /// Its content, as long as its one `Content-Length` says.
    pub content: &'a [u8],
    fields: &'a [httparse::Header<'a>],
}

impl PlainAnswer<'_> {
    /// Returns its fields but for those of the connection; names as they came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let fields = self.fields.iter().filter(|field| !is(field.name, "connection"));
        fields.map(|field| (field.name, field.value))
    }
}

/// What came of waiting for an answer.
#[derive(Debug)]
pub enum PassedOn<T, R> {
    /// It has been looked at; the connection went back to where it came from.
    Whole(R),
    /// It is not plain, or nobody wanted to look at it: [`Client::receive`] has it.
    Usual(Client<T>),
    /// Nothing came in time.
    Late,
}

/// Answers with more fields are received the usual way.
const FIELDS_MAX: usize = 32;

impl<T: Transport> Client<T> {
    /// Writes a request that has no content, head and all.
    pub fn begin(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.output.buffer());
    }

    /// Sends what has been begun, as far as it goes at once.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.output.poll_send(cx, &mut self.transport))?;
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    /// Sends what has been begun, and waits until `late` for an answer, which `look` is shown if it is plain.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn pass_on<R>(
        mut self,
        late: Instant,
        reuse: &dyn Reuse<T>,
        look: impl FnOnce(&PlainAnswer<'_>) -> Option<R>,
    ) -> Result<PassedOn<T, R>, SendError> {
        let mut look = Some(look);
        let outcome = poll_fn(|cx| {
            // An origin may answer before it has read everything: what it said counts.
            let sent = self.poll_begun(cx);
            match self.poll_plain(cx, &mut look) {
                Poll::Pending => self.patience.poll(cx, late).map(|()| Ok(Seen::Late)),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                    Poll::Ready(Err(SendError::Closed))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(SendError::Broken(error))),
                Poll::Ready(Ok(None)) => Poll::Ready(Err(match sent {
                    Poll::Ready(Err(error)) => SendError::Broken(error),
                    _ => SendError::Closed,
                })),
                Poll::Ready(Ok(Some(seen))) => Poll::Ready(Ok(seen)),
            }
        })
        .await?;
        self.is_used = true;
        Ok(match outcome {
            Seen::Plain { result, is_reusable } => {
                if is_reusable {
                    reuse.give_back(self);
                }
                PassedOn::Whole(result)
            }
            Seen::Other => PassedOn::Usual(self),
            Seen::Late => PassedOn::Late,
        })
    }

    /// Reads once; `None` at the stream's end.
    fn poll_plain<R>(
        &mut self,
        cx: &mut Context<'_>,
        look: &mut Option<impl FnOnce(&PlainAnswer<'_>) -> Option<R>>,
    ) -> Poll<io::Result<Option<Seen<R>>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let plain = with_plain(bytes, |answer, is_reusable| {
                let result = look.take()?(answer)?;
                Some(Seen::Plain { result, is_reusable: is_reusable && self.output.is_empty() })
            });
            Poll::Ready(Ok(Some(plain.unwrap_or_else(|| {
                self.buffer.extend_from_slice(bytes);
                Seen::Other
            }))))
        })
    }

    /// Receives the answer to a request without content that has been sent already.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn receive<B: Body<Data = Bytes> + Unpin>(
        self,
        reuse: &Arc<dyn Reuse<T>>,
        on_interim: &mut (dyn FnMut(StatusCode, HeaderMap) + Send),
    ) -> Result<Response<ResponseBody<T, B>>, SendError> {
        let outgoing = Outgoing::nothing();
        self.answer(outgoing, false, reuse, on_interim).await.map_err(|failed| failed.error)
    }
}

enum Seen<R> {
    Plain { result: R, is_reusable: bool },
    Other,
    Late,
}

/// Lets `look` see an answer, if it is plain and whole, and whether its connection may be used again.
fn with_plain<R>(
    bytes: &[u8],
    look: impl FnOnce(&PlainAnswer<'_>, bool) -> Option<R>,
) -> Option<R> {
    let mut fields = [MaybeUninit::<httparse::Header<'_>>::uninit(); FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
        .ok()?;
    let httparse::Status::Complete(end) = parsed else { return None };
    let status = response.code.filter(|code| !matches!(code, ..200 | 204 | 205 | 304))?;
    let status = StatusCode::from_u16(status).ok().filter(|_| response.version == Some(1))?;
    let (mut length, mut keeps_alive) = (None, true);
    for field in &*response.headers {
        if is(field.name, "content-length") {
            if length.is_some() || !field.value.iter().all(u8::is_ascii_digit) {
                return None;
            }
            length = Some(std::str::from_utf8(field.value).ok()?.parse::<usize>().ok()?);
        } else if is(field.name, "connection") {
            match field.value {
                value if value.eq_ignore_ascii_case(b"keep-alive") => {}
                value if value.eq_ignore_ascii_case(b"close") => keeps_alive = false,
                _ => return None,
            }
        } else if OF_CONNECTION.contains(field.name) {
            return None;
        }
    }
    let (content, rest) = bytes.get(end..)?.split_at_checked(length?)?;
    let fields = &*response.headers;
    look(&PlainAnswer { status, content, fields }, keeps_alive && rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &str) -> Option<(u16, usize, bool)> {
        with_plain(bytes.as_bytes(), |answer, is_reusable| {
            Some((answer.status.as_u16(), answer.content.len(), is_reusable))
        })
    }

    #[test]
    fn only_whole_and_plain_answers_are_passed_on_as_they_came() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", Some((200, 2, true))),
            ("HTTP/1.1 404 No\r\nContent-Length: 0\r\nA: b\r\n\r\n", Some((404, 0, true))),
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\na",
                Some((200, 1, false)),
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 1\r\n\r\na",
                Some((200, 1, true)),
            ),
            // More than the answer: the connection says what nobody asked.
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc", Some((200, 1, false))),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\nab", None),
            ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\nconnection: x-hop\r\ncontent-length: 2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nab", None),
            ("HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 2\r\n\r\nab", None),
            ("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", None),
            ("HTTP/1.1 204 No\r\n\r\n", None),
            ("HTTP/1.1 304 No\r\ncontent-length: 2\r\n\r\n", None),
            ("HTTP/1.1 200 OK\ncontent-length: 2\n\nab", Some((200, 2, true))),
            ("\x16\x03\x01 garbage", None),
        ] {
            assert_eq!(seen(answer), expected, "{answer:?}");
        }
    }
}
