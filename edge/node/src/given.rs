//! An answer on its way to the client: from a component, or from an origin through the cache.

use cache_core::cache_status::Word;
use cdn::{Answer, Content, Piece, Pieces};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use http1::{Reply, ReplyBody, Written};
use runtime::Body;

use crate::in_flight::GuardedBody;

/// An answer.
pub(crate) enum Given {
    /// From a component, or the node itself.
    Response(Response<Body>),
    /// From an origin, or the cache.
    Answer(Box<Answer>),
}

impl Given {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Response(response) => response.status(),
            Self::Answer(answer) => answer.status,
        }
    }

    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Response(response) => response.headers_mut(),
            Self::Answer(answer) => &mut answer.headers,
        }
    }

    /// Returns what the cache had to do with it; `None` where there is none.
    pub(crate) fn word(&self) -> Option<Word> {
        match self {
            // Behind middleware it is a response again.
            Self::Response(response) => response.extensions().get::<Word>().copied(),
            Self::Answer(answer) => answer.word,
        }
    }

    /// Returns how many bytes its content has, where that is known without reading it.
    pub(crate) fn content_length(&self) -> Option<u64> {
        let of = |bytes: &bytes::Bytes| u64::try_from(bytes.len()).ok();
        match self {
            Self::Response(response) => response.body().size_hint().exact(),
            Self::Answer(answer) => match &answer.content {
                Content::Whole(bytes) => of(bytes),
                Content::File(part) => Some(part.length),
                Content::Pieces(pieces) => Some(pieces.length()),
                Content::Filling(body) => body.size_hint().exact(),
                Content::Stream(body) => body.size_hint().exact(),
            },
        }
    }

    /// As HTTP/2 wants it.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut answer = match self {
            Self::Response(response) => return response,
            Self::Answer(answer) => answer,
        };
        answer.gather();
        let mut response = Response::new(body(answer.content));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        if let Some(word) = answer.word {
            response.extensions_mut().insert::<Word>(word);
        }
        response
    }

    /// As HTTP/1.1 sends it: what lies ready is not copied.
    pub(crate) fn into_reply<G: Unpin>(self, guard: G) -> Reply<GuardedBody<G>> {
        let answer = match self {
            Self::Response(response) => {
                return response.map(|body| GuardedBody { body, _guard: guard }).into();
            }
            Self::Answer(answer) => *answer,
        };
        let content = match answer.content {
            Content::Whole(bytes) => ReplyBody::Whole(bytes),
            Content::File(part) => ReplyBody::File(part),
            stream => ReplyBody::Stream(GuardedBody { body: body(stream), _guard: guard }),
        };
        // What is stored has a date and a length.
        let written = answer.stored.map(|stored| Written::complete(stored.written.clone()));
        Reply {
            status: answer.status,
            headers: answer.headers,
            written: written.unwrap_or_default(),
            body: content,
        }
    }
}

fn body(content: Content) -> Body {
    match content {
        Content::Whole(bytes) => runtime::full(bytes),
        Content::File(part) => Pieces::from(Piece::File(part)).map_err(|_| broken()).boxed_unsync(),
        Content::Pieces(pieces) => pieces.map_err(|_| broken()).boxed_unsync(),
        Content::Filling(body) => body.map_err(|_| broken()).boxed_unsync(),
        Content::Stream(body) => body.map_err(|_| broken()).boxed_unsync(),
    }
}

const fn broken() -> runtime::BodyError {
    runtime::BodyError::ConnectionTerminated
}
