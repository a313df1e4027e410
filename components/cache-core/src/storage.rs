//! Whether a response may be stored, and what is remembered of it (RFC 9111, section 3).

use core::time::Duration;

use domain::Timestamp;
use http::{HeaderMap, Method, StatusCode, header};
use http_semantics::entity_tag::EntityTag;

use crate::directives::Directives;
use crate::freshness::{self, AgeField, Lifetime, Times};
use crate::headers;
use crate::key::Key;
use crate::meta::Meta;
use crate::request;
use crate::rules::{Rules, SetCookie};
use crate::vary::{NoKey, VaryKey};

/// A request that the origin has answered.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// What it was for.
    pub target: &'a Key,
    /// The request's fields, as the client sent them: `Vary` is about these.
    pub request: &'a HeaderMap,
    /// The response's status.
    pub status: StatusCode,
    /// The response's fields, as they came.
    pub response: &'a HeaderMap,
    /// When the request was sent.
    pub requested_at: Timestamp,
    /// When the response's head came.
    pub responded_at: Timestamp,
}

/// Whether a response is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// It may be, and this is to be remembered.
    Store(Meta),
    /// It may not be.
    Not(Reason),
}

/// Why a response is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Only answers to `GET` are kept, and to `POST` where they say that they are the resource's own.
    Method,
    /// It answers the content of a `GET`, of which the key tells nothing.
    RequestContent,
    /// The request says `no-store`.
    RequestNoStore,
    /// It is of a status that is not kept: a part, an answer to a condition, or one that forbids it (RFC 6585).
    Status,
    /// It says `must-understand`, and its status is not known.
    NotUnderstood,
    /// It says `no-store`.
    NoStore,
    /// It says `private`.
    Private,
    /// It is for somebody with `Authorization`, and does not say that it is for others too (section 3.5).
    Authorization,
    /// It sets a cookie; see [`Rules::set_cookie`].
    SetCookie,
    /// It depends on what no request tells: `Vary: *`.
    VaryAny,
    /// It depends on too much; see [`crate::vary`].
    VaryTooLarge,
    /// It could not be used again: no lifetime, no validator, no staleness allowed.
    NotReusable,
}

impl Reason {
    /// Returns the reason as a token, for `Cache-Status` and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::RequestContent => "request-content",
            Self::RequestNoStore => "request-no-store",
            Self::Status => "status",
            Self::NotUnderstood => "not-understood",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::SetCookie => "set-cookie",
            Self::VaryAny => "vary-any",
            Self::VaryTooLarge => "vary-too-large",
            Self::NotReusable => "not-reusable",
        }
    }

    /// Returns whether the reason lies in one exchange. After a validation, what was stored before can then stay as it
    /// was; for other reasons it must go.
    #[must_use]
    pub const fn is_of_exchange(self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::RequestContent
                | Self::RequestNoStore
                | Self::Authorization
                | Self::SetCookie
        )
    }
}

/// Decides whether a response is kept. Nothing is kept that is not complete: a body cut short must be dropped by the
/// caller.
#[must_use]
pub fn decide(exchange: &Exchange<'_>, rules: &Rules) -> Storage {
    let directives = Directives::of(exchange.response, rules);
    if !is_of_resource(exchange, &directives) {
        return Storage::Not(Reason::Method);
    }
    let asked = request::classify(exchange.method, exchange.request, rules);
    if asked.has_content && *exchange.method == Method::GET {
        return Storage::Not(Reason::RequestContent);
    }
    let answer = Answer {
        status: exchange.status,
        request: exchange.request,
        response: exchange.response,
        age_of: exchange.response,
        times: Times { requested_at: exchange.requested_at, responded_at: exchange.responded_at },
    };
    answer.decide(&directives, rules)
}

/// Copies the fields of a response that are kept (section 3.1), as clients get them from the store.
///
/// Left out are those of the connection, those that `no-cache="…"` or `private="…"` names, `Age` and `Cache-Tag`. A
/// missing `Date` is added.
#[must_use]
pub fn stored_headers(response: &HeaderMap, responded_at: Timestamp, rules: &Rules) -> HeaderMap {
    headers::stored(response, &Directives::of(response, rules), responded_at)
}

/// Whether what is in the response is what a `GET` would get: RFC 9110, sections 9.3.1 and 9.3.3.
fn is_of_resource(exchange: &Exchange<'_>, directives: &Directives) -> bool {
    if *exchange.method == Method::GET {
        return true;
    }
    let response = exchange.response;
    let is_explicit = directives.s_maxage_s.is_some()
        || directives.max_age_s.is_some()
        || (!directives.is_targeted && response.contains_key(header::EXPIRES));
    let location = response.get(header::CONTENT_LOCATION).and_then(|value| value.to_str().ok());
    *exchange.method == Method::POST
        && exchange.status == StatusCode::OK
        && is_explicit
        && location.and_then(|location| exchange.target.resolve(location)).as_ref()
            == Some(exchange.target)
}

/// A response for a resource: one that came, or a stored one that a validation has changed.
pub(crate) struct Answer<'a> {
    pub(crate) status: StatusCode,
    pub(crate) request: &'a HeaderMap,
    pub(crate) response: &'a HeaderMap,
    /// Where `Age` and `Date` are.
    pub(crate) age_of: &'a HeaderMap,
    pub(crate) times: Times,
}

impl Answer<'_> {
    pub(crate) fn decide(&self, directives: &Directives, rules: &Rules) -> Storage {
        match self.refusal(directives, rules) {
            Some(reason) => Storage::Not(reason),
            None => self.remember(directives, rules),
        }
    }

    fn refusal(&self, directives: &Directives, rules: &Rules) -> Option<Reason> {
        let asked = request::classify(&Method::GET, self.request, rules);
        if asked.no_store {
            return Some(Reason::RequestNoStore);
        }
        if !is_kept(self.status) {
            return Some(Reason::Status);
        }
        if directives.must_understand && !is_understood(self.status) {
            return Some(Reason::NotUnderstood);
        }
        // Who understands the status ignores a `no-store` beside `must-understand` (section 5.2.2.3).
        if directives.no_store && !directives.must_understand {
            return Some(Reason::NoStore);
        }
        if directives.private {
            return Some(Reason::Private);
        }
        let is_for_others =
            directives.public || directives.must_revalidate || directives.s_maxage_s.is_some();
        if asked.has_authorization && !is_for_others {
            return Some(Reason::Authorization);
        }
        let sets_cookie = self.response.contains_key(header::SET_COOKIE)
            && !directives.hidden.contains(&header::SET_COOKIE);
        (sets_cookie && !self.may_set_cookie(directives, rules)).then_some(Reason::SetCookie)
    }

    fn may_set_cookie(&self, directives: &Directives, rules: &Rules) -> bool {
        match rules.set_cookie {
            SetCookie::Never => false,
            SetCookie::WhenShared => directives.is_shared(),
            SetCookie::WhenExplicit => {
                directives.is_shared()
                    || matches!(self.lifetime(directives, rules), Lifetime::Explicit(_))
            }
        }
    }

    fn lifetime(&self, directives: &Directives, rules: &Rules) -> Lifetime {
        let responded_at = self.times.responded_at;
        freshness::lifetime(self.status, self.response, directives, responded_at, rules)
    }

    fn remember(&self, directives: &Directives, rules: &Rules) -> Storage {
        let vary = match VaryKey::of(self.response, self.request) {
            Ok(vary) => vary,
            Err(NoKey::Any) => return Storage::Not(Reason::VaryAny),
            Err(NoKey::TooLarge) => return Storage::Not(Reason::VaryTooLarge),
        };
        let responded_at = self.times.responded_at;
        let (lifetime, is_heuristic) = match self.lifetime(directives, rules) {
            // Section 3: somebody must say that it can be kept, the origin or the status.
            Lifetime::Unknown
                if !directives.public && !freshness::is_heuristically_cacheable(self.status) =>
            {
                return Storage::Not(Reason::NotReusable);
            }
            Lifetime::Unknown => (Duration::ZERO, false),
            Lifetime::Explicit(lifetime) => (lifetime, false),
            Lifetime::Heuristic(lifetime) => (lifetime, true),
        };
        let is_age_known = freshness::age_field(self.age_of) != AgeField::Unreadable;
        let last_modified = freshness::moment(self.response, &header::LAST_MODIFIED, responded_at);
        let made_s = freshness::date_of(self.age_of, responded_at).unix_s();
        let window = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let meta = Meta {
            status: self.status,
            responded_at,
            initial_age: freshness::initial_age(self.age_of, self.times),
            lifetime: if is_age_known { lifetime } else { Duration::ZERO },
            is_heuristic,
            stale_while_revalidate: window(directives.stale_while_revalidate_s.unwrap_or(0)),
            stale_if_error: directives.stale_if_error_s.map(window),
            must_revalidate: directives.forbids_stale(),
            no_cache: directives.no_cache,
            is_immutable: directives.immutable,
            etag: self.response.get(header::ETAG).and_then(EntityTag::of),
            last_modified,
            is_last_modified_strong: last_modified
                .is_some_and(|modified| modified.unix_s() < made_s),
            vary,
            tags: headers::tags(self.response),
        };
        if is_reusable(&meta) { Storage::Store(meta) } else { Storage::Not(Reason::NotReusable) }
    }
}

/// Whether there can be a request that gets the answer from the store.
fn is_reusable(meta: &Meta) -> bool {
    if meta.has_validator() {
        return true;
    }
    let may_be_stale = !meta.must_revalidate
        && (!meta.stale_while_revalidate.is_zero()
            || meta.stale_if_error.is_some_and(|window| !window.is_zero()));
    !meta.no_cache && (!meta.lifetime.is_zero() || may_be_stale)
}

/// Whether the complete answer of this status to a plain request may be kept.
///
/// Not kept: interim ones, parts (206) and what they turn into (416), answers to conditions (304, 412), a proxy's own
/// (407), and those that RFC 6585 forbids to store (428, 429, 431, 511).
fn is_kept(status: StatusCode) -> bool {
    let status = status.as_u16();
    status >= 200 && !matches!(status, 206 | 304 | 407 | 412 | 416 | 428 | 429 | 431 | 511)
}

/// Statuses of RFC 9110, section 15, of which this cache does what is demanded.
fn is_understood(status: StatusCode) -> bool {
    is_kept(status)
        && matches!(
            status.as_u16(),
            200..=205 | 300..=303 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 451 | 500..=505
        )
}

#[cfg(test)]
mod tests;
