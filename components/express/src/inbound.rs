//! A request as a handler gets it: its head, and its body unread.

use bytes::Bytes;
use express_wire::Failure;
use http::request::Parts;
use http::{HeaderMap, Request, header};
use spin_sdk::wasip3::http_compat::IncomingRequestBody;

use crate::{ErrorCode, IncomingRequest, ask, wire};

/// A request whose body nobody has read.
#[derive(Debug)]
pub struct Inbound {
    /// Method, address, headers.
    pub head: Parts,
    /// The body.
    pub body: Unread,
}

impl Inbound {
    /// Takes a request of the standard lane.
    #[must_use]
    pub fn standard(request: IncomingRequest) -> Self {
        let (head, body) = request.into_parts();
        Self { head, body: Unread(Source::Standard(body)) }
    }

    /// Reads the request to its end, at most `body_bytes_max` of body.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn whole(self, body_bytes_max: usize) -> Result<Request<Bytes>, ReadError> {
        let body = self.body.read(&self.head.headers, body_bytes_max).await?;
        Ok(Request::from_parts(self.head, body))
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// More bytes than the caller's limit. The rest is not read.
    TooLarge,
    /// The sender broke off.
    Broken(ErrorCode),
}

/// A body that nobody has read.
pub struct Unread(pub(crate) Source);

/// Where it is.
pub(crate) enum Source {
    Standard(IncomingRequestBody),
    Express { has_body: bool },
}

impl core::fmt::Debug for Unread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Unread").finish_non_exhaustive()
    }
}

impl Unread {
    pub(crate) const fn express(has_body: bool) -> Self {
        Self(Source::Express { has_body })
    }

    /// Reads it to its end, at most `bytes_max`; one whose declared length is over the limit is not read at all.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(self, headers: &HeaderMap, bytes_max: usize) -> Result<Bytes, ReadError> {
        let declared = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<u64>().ok());
        if declared.is_some_and(|length| length > u64::try_from(bytes_max).unwrap_or(u64::MAX)) {
            return Err(ReadError::TooLarge);
        }
        match self.0 {
            Source::Standard(mut body) => {
                // A body that was handed on already has no bytes for us.
                let Some(message) = body.take_unstarted() else { return Ok(Bytes::new()) };
                let (stream, end) =
                    spin_sdk::wasip3::http::types::Request::consume_body(message, wire::received());
                wire::read(stream, end, bytes_max).await
            }
            Source::Express { has_body: false } => Ok(Bytes::new()),
            Source::Express { has_body: true } => {
                ask::body(bytes_max).await.map_err(|failure| match failure {
                    Failure::TooLarge => ReadError::TooLarge,
                    Failure::Denied | Failure::Missing | Failure::Other(_) => {
                        ReadError::Broken(ErrorCode::ConnectionTerminated)
                    }
                })
            }
        }
    }
}
