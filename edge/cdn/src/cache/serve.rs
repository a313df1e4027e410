//! What a client gets of a stored answer, or of one that is being stored.

use std::sync::Arc;

use bytes::Bytes;
use cache_core::{
    Asked, Meta, Rules, answer,
    cache_status::{self, Entry, VITRINE_CACHE, Word},
    request,
};
use domain::Timestamp;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_semantics::{
    conditional::Outcome,
    multipart::{self, Boundary},
    range::{Part, Span},
};

use crate::{
    answer::{Answer, Content, Shared, now},
    filling::FillingBody,
    pieces::{Piece, Pieces},
    store::Stored,
};

/// How an answer is sent.
pub(super) struct Serving<'a> {
    pub(super) asked: &'a Asked,
    pub(super) request: &'a HeaderMap,
    pub(super) rules: &'a Rules,
    /// What the cache says of itself; `None` where it has no part in it.
    pub(super) entry: Option<Entry<'a>>,
    pub(super) word: Word,
}

/// Sends a file: by the same rules as what is stored, and without a word of a cache.
pub(crate) fn file_answer(
    method: &Method,
    request: &HeaderMap,
    stored: &Arc<Stored>,
    rules: &Rules,
) -> Answer {
    let asked = request::classify(method, request, rules);
    let serving = Serving { asked: &asked, request, rules, entry: None, word: Word::Hit };
    let mut answer = serving.stored(stored, now());
    answer.word = None;
    answer
}

impl Serving<'_> {
    /// Sends what is stored.
    pub(super) fn stored(&self, stored: &Arc<Stored>, now: Timestamp) -> Answer {
        let length = stored.body.length();
        let meta = &stored.meta;
        let outcome = self.decide(meta, &stored.headers, length, now);
        // With what the node adds.
        let mut headers = HeaderMap::with_capacity(6);
        self.mark(&mut headers, meta, now);
        let whole = match outcome {
            Outcome::Send(Part::Whole) | Outcome::Failed => None,
            other => Some(other),
        };
        let Some(partial) = whole else {
            let content = if self.asked.is_head {
                Content::Whole(Bytes::new())
            } else {
                Content::from(stored.body.part(0, length))
            };
            let stored = Some(Arc::clone(stored));
            return Answer { status: meta.status, stored, headers, content, word: Some(self.word) };
        };
        if let Outcome::Send(Part::Several(spans)) = &partial {
            return self.several(stored, spans, headers);
        }
        let body = |start, length| Content::from(stored.body.part(start, length));
        self.partial(&partial, &stored.headers, headers, length, body)
    }

    /// Sends what is being stored.
    pub(super) fn shared(&self, shared: &Shared, body: FillingBody, now: Timestamp) -> Answer {
        let mut marks = HeaderMap::with_capacity(4);
        self.mark(&mut marks, &shared.meta, now);
        let outcome = match shared.length {
            Some(length) => self.decide(&shared.meta, &shared.headers, length, now),
            // A part of what has no known length cannot be named.
            None => match self.decide(&shared.meta, &shared.headers, u64::MAX, now) {
                Outcome::NotModified => Outcome::NotModified,
                _ => Outcome::Send(Part::Whole),
            },
        };
        match outcome {
            // Several parts of what is still coming: all of it, which a server may send instead.
            Outcome::Send(Part::Whole | Part::Several(_)) | Outcome::Failed => {
                let mut headers = shared.headers.clone();
                if let Some(length) = shared.length {
                    headers.insert(header::CONTENT_LENGTH, length.into());
                }
                headers.extend(marks);
                Answer {
                    status: shared.meta.status,
                    stored: None,
                    headers,
                    content: Content::Filling(body),
                    word: Some(self.word),
                }
            }
            partial => {
                let length = shared.length.unwrap_or(0);
                let part = |start, length| Content::Filling(body.part(start, length));
                self.partial(&partial, &shared.headers, marks, length, part)
            }
        }
    }

    /// Sends several parts (RFC 9110, section 14.6).
    fn several(&self, stored: &Stored, spans: &[Span], marks: HeaderMap) -> Answer {
        let length = stored.body.length();
        let text = |name| stored.headers.get(name).and_then(|value| value.to_str().ok());
        let (etag, content_type) = (text(header::ETAG), text(header::CONTENT_TYPE));
        let boundary = Boundary::of(etag, spans, length);
        let mut pieces = Pieces::default();
        for span in spans {
            let head = multipart::head_of_part(&boundary, content_type, *span, length);
            pieces.push(Piece::Bytes(head.into()));
            pieces.push(stored.body.piece(span.start, span.length));
        }
        pieces.push(Piece::Bytes(multipart::end(&boundary).into()));
        let mut headers = stored.headers.clone();
        headers.insert(header::CONTENT_TYPE, boundary.content_type());
        headers.insert(header::CONTENT_LENGTH, pieces.length().into());
        headers.extend(marks);
        Answer {
            status: StatusCode::PARTIAL_CONTENT,
            stored: None,
            headers,
            content: Content::Pieces(pieces),
            word: Some(self.word),
        }
    }

    fn decide(&self, meta: &Meta, stored: &HeaderMap, length: u64, now: Timestamp) -> Outcome {
        answer::decide(self.asked, self.request, meta, stored, length, now)
    }

    fn mark(&self, headers: &mut HeaderMap, meta: &Meta, now: Timestamp) {
        let Some(entry) = &self.entry else { return };
        headers.insert(header::AGE, answer::age_value(meta.age(now)));
        cache_status::write(headers, &self.rules.name, entry);
        headers.insert(VITRINE_CACHE, self.word.value());
    }

    fn partial(
        &self,
        outcome: &Outcome,
        stored: &HeaderMap,
        marks: HeaderMap,
        length: u64,
        body: impl FnOnce(u64, u64) -> Content,
    ) -> Answer {
        let none = Content::Whole(Bytes::new());
        let (status, mut headers, content) = match outcome {
            Outcome::NotModified => {
                (StatusCode::NOT_MODIFIED, answer::not_modified_headers(stored), none)
            }
            Outcome::Send(Part::Bytes { start, length: part }) => {
                let mut headers = stored.clone();
                let last = start.saturating_add(*part).saturating_sub(1);
                insert(&mut headers, &format!("bytes {start}-{last}/{length}"));
                headers.insert(header::CONTENT_LENGTH, (*part).into());
                (StatusCode::PARTIAL_CONTENT, headers, body(*start, *part))
            }
            _ => {
                let mut headers = stored.clone();
                for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING]
                {
                    headers.remove(name);
                }
                insert(&mut headers, &format!("bytes */{length}"));
                (StatusCode::RANGE_NOT_SATISFIABLE, headers, none)
            }
        };
        headers.extend(marks);
        Answer { status, stored: None, headers, content, word: Some(self.word) }
    }
}

fn insert(headers: &mut HeaderMap, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        headers.insert(header::CONTENT_RANGE, range);
    }
}
