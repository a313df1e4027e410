//! Answers of an origin: their heads, and their bodies as they come.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::{Client, Reuse, SendError, outgoing::Outgoing};
use crate::{
    body::BodyError,
    chunked::{Decoded, Decoder},
    head::Limits,
    transport::Transport,
};

/// Handed on at a time: 64 KiB.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// A head that has been read.
pub(super) struct Parsed {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    left: Left,
    keeps_alive: bool,
}

/// What is left of an answer's body.
#[derive(Debug)]
enum Left {
    Nothing,
    Length(u64),
    Chunks(Decoder),
    UntilClose,
}

/// Reads a head, once it is whole; takes it out of `buffer`.
pub(super) fn parse(
    buffer: &mut BytesMut,
    limits: &Limits,
    is_head: bool,
) -> Result<Option<Parsed>, SendError> {
    if buffer.is_empty() {
        return Ok(None);
    }
    let mut few = [MaybeUninit::<httparse::Header<'_>>::uninit(); 64];
    let mut many = Vec::new();
    let bytes = Bytes::copy_from_slice(buffer.get(..head_end(buffer, limits)?).unwrap_or_default());
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let mut response = httparse::Response::new(&mut []);
    let mut parsed =
        config.parse_response_with_uninit_headers(&mut response, &bytes, few.as_mut_slice());
    if matches!(parsed, Err(httparse::Error::TooManyHeaders)) {
        many.resize_with(limits.fields_max, MaybeUninit::uninit);
        response = httparse::Response::new(&mut []);
        parsed = config.parse_response_with_uninit_headers(&mut response, &bytes, &mut many);
    }
    match parsed {
        Ok(httparse::Status::Complete(length)) => {
            let parsed = read(&bytes, &response, is_head)?;
            drop(buffer.split_to(length));
            Ok(Some(parsed))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(SendError::Malformed("it has too many fields")),
        Err(_) => Err(SendError::Malformed("its head is none of HTTP/1.1")),
    }
}

/// Returns where the head ends, or 0 if it has no end yet.
fn head_end(buffer: &[u8], limits: &Limits) -> Result<usize, SendError> {
    let mut line_start = 0;
    let mut is_first = true;
    for at in memchr::memchr_iter(b'\n', buffer) {
        let line = buffer.get(line_start..at).unwrap_or_default();
        if matches!(line, [] | [b'\r']) && !is_first {
            return Ok(at + 1);
        }
        is_first = false;
        line_start = at + 1;
        if line_start > limits.head_bytes_max {
            break;
        }
    }
    if buffer.len() > limits.head_bytes_max {
        return Err(SendError::Malformed("its head is too large"));
    }
    Ok(0)
}

fn read(
    bytes: &Bytes,
    response: &httparse::Response<'_, '_>,
    is_head: bool,
) -> Result<Parsed, SendError> {
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(SendError::Malformed("its status is none"))?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(unfolded(bytes, field.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(SendError::Malformed("a field of it cannot be read"));
        };
        headers.append(name, value);
    }
    let is_old = response.version == Some(0);
    let left = framing(status, &headers, is_head)?;
    let version = if is_old { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
    let is_doubtful = headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH);
    let keeps_alive = crate::framing::keeps_alive(version, &headers)
        && !matches!(left, Left::UntilClose)
        && !is_doubtful;
    if is_doubtful {
        headers.remove(header::CONTENT_LENGTH);
    }
    headers.remove(header::TRANSFER_ENCODING);
    if let Left::Length(length) = left
        && headers.get_all(header::CONTENT_LENGTH).iter().count() > 1
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(Parsed { status, headers, left, keeps_alive })
}

/// Writes a folded value in one line (RFC 9112, section 5.2).
fn unfolded(bytes: &Bytes, value: &[u8]) -> Bytes {
    if !value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return bytes.slice_ref(value);
    }
    let spaced = value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
    spaced.collect::<Vec<u8>>().into()
}

/// RFC 9112, section 6.3, for answers.
fn framing(status: StatusCode, headers: &HeaderMap, is_head: bool) -> Result<Left, SendError> {
    if is_head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        return Ok(Left::Nothing);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return of_codings(headers);
    }
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for one in value.as_bytes().split(|byte| *byte == b',') {
            let one = one.trim_ascii();
            let is_number = !one.is_empty() && one.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(one).ok().and_then(|one| one.parse::<u64>().ok());
            let (true, Some(number)) = (is_number, number) else {
                return Err(SendError::Malformed("its length is no number"));
            };
            if length.is_some_and(|length| length != number) {
                return Err(SendError::Malformed("it has two lengths"));
            }
            length = Some(number);
        }
    }
    Ok(length.map_or(Left::UntilClose, Left::Length))
}

/// What is not chunked ends with the connection. Codings that would have to be undone are refused; words that name none
/// are passed over, as nothing can have been done by them.
fn of_codings(headers: &HeaderMap) -> Result<Left, SendError> {
    let values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let all = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let codings: Vec<&[u8]> =
        all.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty()).collect();
    let is =
        |coding: &[u8], names: &[&[u8]]| names.iter().any(|name| coding.eq_ignore_ascii_case(name));
    if let [only] = codings.as_slice()
        && is(only, &[b"chunked"])
    {
        return Ok(Left::Chunks(Decoder::new()));
    }
    let packed: [&[u8]; 6] =
        [b"chunked", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
    if codings.iter().any(|coding| is(coding, &packed)) {
        return Err(SendError::Malformed("its transfer coding is not known"));
    }
    Ok(Left::UntilClose)
}

/// An answer's body. When it has been read to its end the connection goes back to where it came from.
pub struct ResponseBody<T, B>(Kind<T, B>);

enum Kind<T, B> {
    /// It came with its head.
    Whole(Bytes),
    Flow(Box<Flow<T, B>>),
}

struct Flow<T, B> {
    connection: Option<Client<T>>,
    left: Left,
    keeps_alive: bool,
    outgoing: Outgoing<B>,
    reuse: Arc<dyn Reuse<T>>,
    error: Option<BodyError>,
}

impl<T: Transport, B: Body<Data = Bytes> + Unpin> ResponseBody<T, B> {
    pub(super) fn answer(
        mut connection: Client<T>,
        parsed: Parsed,
        outgoing: Outgoing<B>,
        reuse: &Arc<dyn Reuse<T>>,
    ) -> Response<Self> {
        let Parsed { status, headers, left, keeps_alive } = parsed;
        let whole = match left {
            Left::Nothing => Some(Bytes::new()),
            Left::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let is_here = connection.buffer.len() >= length;
                is_here.then(|| connection.buffer.split_to(length).freeze())
            }
            _ => None,
        };
        let kind = match whole {
            Some(whole) if outgoing.is_done() => {
                if keeps_alive && connection.buffer.is_empty() {
                    connection.buffer = BytesMut::new();
                    reuse.give_back(connection);
                }
                Kind::Whole(whole)
            }
            // The body is not sent whole, and need not be any more: the answer is all that counts.
            Some(whole) => Kind::Whole(whole),
            None => {
                let reuse = Arc::clone(reuse);
                let connection = Some(connection);
                let flow = Flow { connection, left, keeps_alive, outgoing, reuse, error: None };
                Kind::Flow(Box::new(flow))
            }
        };
        let mut response = Response::new(Self(kind));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// Returns all of the body, if it is here already.
    pub const fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes),
            Kind::Flow(_) => None,
        }
    }
}

impl<T: Transport, B: Body<Data = Bytes> + Unpin> Flow<T, B> {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.error {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            if !self.outgoing.is_done() {
                // What cannot be sent any more does not matter: the origin has begun to answer.
                let _ = self.outgoing.poll(cx, &mut connection.output, &mut connection.transport);
            }
            match take(&mut self.left, &mut connection.buffer) {
                Ok(Taken::Frame(frame)) => {
                    if matches!(self.left, Left::Nothing) {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(Taken::End) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Ok(Taken::More) => {}
                Err(error) => return self.fail(error),
            }
            match ready!(connection.poll_read(cx)) {
                Ok(0) if matches!(self.left, Left::UntilClose) => {
                    self.connection = None;
                    return Poll::Ready(None);
                }
                Ok(0) | Err(_) => return self.fail(BodyError::Cut),
                Ok(_) => {}
            }
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.connection = None;
        self.error = Some(error);
        Poll::Ready(Some(Err(error)))
    }

    fn finish(&mut self) {
        self.left = Left::Nothing;
        let Some(mut connection) = self.connection.take() else { return };
        if self.keeps_alive && self.outgoing.is_done() && connection.buffer.is_empty() {
            connection.buffer = BytesMut::new();
            self.reuse.give_back(connection);
        }
    }
}

enum Taken {
    Frame(Frame<Bytes>),
    More,
    End,
}

/// Takes what there is of a body.
fn take(left: &mut Left, buffer: &mut BytesMut) -> Result<Taken, BodyError> {
    match left {
        Left::Nothing => Ok(Taken::End),
        Left::Length(length) => {
            if buffer.is_empty() {
                return Ok(Taken::More);
            }
            let take = usize::try_from(*length).unwrap_or(usize::MAX);
            let data = buffer.split_to(take.min(buffer.len()).min(PIECE_BYTES_MAX)).freeze();
            *length = length.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
            if *length == 0 {
                *left = Left::Nothing;
            }
            Ok(Taken::Frame(Frame::data(data)))
        }
        Left::UntilClose if buffer.is_empty() => Ok(Taken::More),
        Left::UntilClose => Ok(Taken::Frame(Frame::data(buffer.split().freeze()))),
        Left::Chunks(decoder) => match decoder.decode(buffer, PIECE_BYTES_MAX) {
            Ok(Decoded::More) => Ok(Taken::More),
            Ok(Decoded::Data(data)) => Ok(Taken::Frame(Frame::data(data))),
            Ok(Decoded::End(trailers)) => {
                *left = Left::Nothing;
                let is_empty = trailers.is_empty();
                Ok(if is_empty { Taken::End } else { Taken::Frame(Frame::trailers(trailers)) })
            }
            Err(error) => Err(BodyError::Malformed(error.0)),
        },
    }
}

impl<T: Transport, B: Body<Data = Bytes> + Unpin> Body for ResponseBody<T, B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Flow(flow) => flow.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Flow(flow) => flow.connection.is_none() && flow.error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Kind::Flow(flow) => match flow.left {
                Left::Length(length) => SizeHint::with_exact(length),
                Left::Nothing => SizeHint::with_exact(0),
                _ => SizeHint::default(),
            },
        }
    }
}

impl<T, B> std::fmt::Debug for ResponseBody<T, B> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.0 {
            Kind::Whole(_) => "whole",
            Kind::Flow(_) => "flow",
        };
        formatter.debug_tuple("ResponseBody").field(&kind).finish()
    }
}
