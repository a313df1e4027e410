//! What is answered.

use std::{fs::File, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

/// An answer.
#[derive(Debug)]
pub struct Reply<B> {
    /// Status code.
    pub status: StatusCode,
    /// Fields; those that frame the message are the connection's to set, but for `content-length`.
    pub headers: HeaderMap,
    /// Further fields, written as they go over the wire.
    pub written: Written,
    /// Content.
    pub body: ReplyBody<B>,
}

/// Fields as they go over the wire, each with its CRLF; they are not looked at.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The fields.
    pub fields: Bytes,
    /// Whether `Date` and `Content-Length` are among them.
    pub is_complete: bool,
}

impl Written {
    /// Takes fields among which are `Date` and `Content-Length`.
    #[must_use]
    pub const fn complete(fields: Bytes) -> Self {
        Self { fields, is_complete: true }
    }
}

/// The content of an answer.
#[derive(Debug)]
pub enum ReplyBody<B> {
    /// All of it.
    Whole(Bytes),
    /// It is in a file.
    File(FilePart),
    /// It comes by and by.
    Stream(B),
}

/// Bytes of a file.
#[derive(Debug, Clone)]
pub struct FilePart {
    /// The file; it is read by position, so many answers may share it.
    pub file: Arc<File>,
    /// The first byte, from 0.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl<B> From<Response<B>> for Reply<B> {
    fn from(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            written: Written::default(),
            body: ReplyBody::Stream(body),
        }
    }
}

impl<B> Reply<B> {
    /// Makes an answer of what lies ready.
    #[must_use]
    pub fn whole(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            written: Written::default(),
            body: ReplyBody::Whole(body),
        }
    }
}
