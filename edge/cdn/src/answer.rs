//! What the cache answers, and with what.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use cache_core::{Meta, cache_status::Word};
use domain::Timestamp;
use http::{HeaderMap, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http1::{BodyError, FilePart};

use crate::{
    filling::{Filling, FillingBody},
    pieces::Pieces,
    store::{BodyPart, Stored},
};

/// The content of an answer.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// It is in a file.
    File(FilePart),
    /// It is put together from several pieces.
    Pieces(Pieces),
    /// It is on its way from an origin, to several clients at once.
    Filling(FillingBody),
    /// It comes for this client alone.
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

impl From<BodyPart> for Content {
    fn from(part: BodyPart) -> Self {
        match part {
            BodyPart::Memory(bytes) => Self::Whole(bytes),
            BodyPart::File(part) => Self::File(part),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// The stored answer whose fields are sent too, in front of the others: as they lie there, they need not be copied.
    pub stored: Option<Arc<Stored>>,
    /// Fields.
    pub headers: HeaderMap,
    /// Content.
    pub content: Content,
    /// What the cache had to do with it; `None` where there is no cache.
    pub word: Option<Word>,
}

impl Answer {
    /// Puts all fields into [`Answer::headers`].
    pub fn gather(&mut self) {
        let Some(stored) = self.stored.take() else { return };
        let own = std::mem::replace(&mut self.headers, stored.headers.clone());
        let mut last = None;
        for (name, value) in own {
            if name.is_some() {
                last = name;
            }
            if let Some(name) = &last {
                self.headers.append(name.clone(), value);
            }
        }
    }
}

/// An answer that is being stored.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) meta: Meta,
    pub(crate) headers: HeaderMap,
    pub(crate) length: Option<u64>,
    pub(crate) filling: Arc<Filling>,
}

/// The present moment.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
