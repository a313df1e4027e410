//! Asking the origin whether what is stored is still valid, and what its answer changes (RFC 9111, section 4.3).

use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_semantics::date;
use http_semantics::entity_tag::EntityTag;

use crate::directives::Directives;
use crate::freshness::{self, Times};
use crate::headers;
use crate::meta::Meta;
use crate::rules::Rules;
use crate::storage::{Answer, Storage};

/// Most entity tags that one request names: 32, the most variants that are worth a validation at once.
pub const TAGS_MAX: usize = 32;
/// Most bytes of them: 4 KiB, half of what common servers read as one field.
pub const TAGS_BYTES_MAX: usize = 4_096;

/// The conditions of a request to the origin (section 4.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// `If-None-Match`.
    pub if_none_match: Option<HeaderValue>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<HeaderValue>,
}

impl Conditions {
    /// Makes conditions for the stored answer that matches the request, if one does, and for the other variants of the
    /// same address. `None`: nothing can be validated, and the request goes as the client made it.
    ///
    /// All entity tags are sent, as received. A moment of change is only sent of the matching answer, beside its tag
    /// for origins that know none. Where the matching answer has nothing but such a moment, tags of others would make
    /// the origin ignore it and are left out.
    #[must_use]
    pub fn of<'a>(
        matching: Option<&'a Meta>,
        others: impl IntoIterator<Item = &'a Meta>,
    ) -> Option<Self> {
        let has_only_moment =
            matching.is_some_and(|meta| meta.etag.is_none() && meta.last_modified.is_some());
        let mut list: Vec<u8> = Vec::new();
        if !has_only_moment {
            let tags = matching.into_iter().chain(others).filter_map(|meta| meta.etag.as_ref());
            for tag in tags.take(TAGS_MAX) {
                push_tag(&mut list, tag.value().as_bytes());
            }
        }
        let conditions = Self {
            if_none_match: HeaderValue::from_bytes(&list).ok().filter(|list| !list.is_empty()),
            if_modified_since: matching
                .and_then(|meta| meta.last_modified)
                .and_then(|moment| HeaderValue::from_str(&date::write(moment)).ok()),
        };
        let has_any = conditions.if_none_match.is_some() || conditions.if_modified_since.is_some();
        has_any.then_some(conditions)
    }

    /// Puts the conditions in the place of the client's own, and takes its `Range` away.
    ///
    /// So a changed answer comes whole and can be stored; what the client wanted is then decided by
    /// [`crate::answer::decide`] over what is stored.
    pub fn apply(&self, request: &mut HeaderMap) {
        for name in [
            header::IF_MATCH,
            header::IF_UNMODIFIED_SINCE,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_RANGE,
            header::RANGE,
        ] {
            request.remove(name);
        }
        if let Some(value) = &self.if_none_match {
            request.insert(header::IF_NONE_MATCH, value.clone());
        }
        if let Some(value) = &self.if_modified_since {
            request.insert(header::IF_MODIFIED_SINCE, value.clone());
        }
    }
}

fn push_tag(list: &mut Vec<u8>, tag: &[u8]) {
    let is_known = list.split(|byte| *byte == b',').any(|known| known.trim_ascii() == tag);
    let fits = list.len().saturating_add(tag.len()).saturating_add(2) <= TAGS_BYTES_MAX;
    if is_known || !fits {
        return;
    }
    if !list.is_empty() {
        list.extend(b", ");
    }
    list.extend(tag);
}

/// How a 304 names a stored answer (section 4.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// By a strong entity tag.
    Strong,
    /// By a weak entity tag, or by the moment of change alone.
    Weak,
    /// Not at all, but no other was asked about.
    Unnamed,
    /// It names another, but no other was asked about: some servers change the tag with the content coding and forget
    /// that in a 304. The answer is as valid as the status says, but none of its fields may be changed.
    Conflict,
}

/// Which of the answers that a request asked about a 304 is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// Its place among them, from 0.
    pub index: usize,
    /// How it is named.
    pub how: Match,
}

/// Finds out which stored answer a 304 selects, of those whose validators were sent. `None`: none, and the origin must
/// be asked again without conditions.
///
/// Among several that are named alike the one that came last is taken.
#[must_use]
pub fn select(candidates: &[&Meta], not_modified: &HeaderMap) -> Option<Selected> {
    let best = |how: Match| {
        let named =
            candidates.iter().enumerate().filter(|(_, meta)| name_of(meta, not_modified) == how);
        let latest = named.max_by_key(|(_, meta)| meta.responded_at);
        latest.map(|(index, _)| Selected { index, how })
    };
    let only = || match candidates {
        [meta] => Some(Selected { index: 0, how: name_of(meta, not_modified) }),
        _ => None,
    };
    best(Match::Strong).or_else(|| best(Match::Weak)).or_else(only)
}

/// Returns how a 304 names one stored answer.
#[must_use]
pub fn name_of(meta: &Meta, not_modified: &HeaderMap) -> Match {
    if let Some(tag) = not_modified.get(header::ETAG).and_then(EntityTag::of) {
        let Some(own) = &meta.etag else { return Match::Conflict };
        let bytes = tag.value().as_bytes();
        return if own.is_strongly(bytes) {
            Match::Strong
        } else if !tag.is_strong() && own.is_weakly(bytes) {
            Match::Weak
        } else {
            Match::Conflict
        };
    }
    match freshness::moment(not_modified, &header::LAST_MODIFIED, meta.responded_at) {
        None => Match::Unnamed,
        Some(moment) if meta.last_modified == Some(moment) => Match::Weak,
        Some(_) => Match::Conflict,
    }
}

/// A response that says something new about a stored answer: a 304, or a 200 to `HEAD`.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// The request's fields, as the client sent them.
    pub request: &'a HeaderMap,
    /// The response's fields, as they came.
    pub response: &'a HeaderMap,
    /// When the request was sent.
    pub requested_at: Timestamp,
    /// When the response's head came.
    pub responded_at: Timestamp,
    /// How the response names the stored answer; [`Match::Strong`] for `HEAD`.
    pub how: Match,
}

/// Changes the fields of a stored answer and computes its facts anew (sections 3.2 and 4.3.4).
///
/// The client gets the answer with the changed fields in any case. On [`Storage::Not`] nothing is written back: what
/// is stored stays as it was where [`crate::storage::Reason::is_of_exchange`] holds, and must go where it does not.
/// Facts are for the request's own variant: where it is another than the stored one's, both are valid.
pub fn freshen(meta: &Meta, stored: &mut HeaderMap, update: &Update<'_>, rules: &Rules) -> Storage {
    if update.how != Match::Conflict {
        change_fields(stored, update.response);
    }
    // RFC 9110, section 6.6.1: who receives a response without a date gives it one.
    let made_at = freshness::date_of(update.response, update.responded_at);
    if let Ok(value) = HeaderValue::from_str(&date::write(made_at)) {
        stored.insert(header::DATE, value);
    }
    let directives = Directives::of(stored, rules);
    for name in &directives.hidden {
        stored.remove(name);
    }
    let answer = Answer {
        status: meta.status,
        request: update.request,
        response: stored,
        age_of: update.response,
        times: Times { requested_at: update.requested_at, responded_at: update.responded_at },
    };
    match answer.decide(&directives, rules) {
        Storage::Store(mut fresh) => {
            let renews_tags = update.how != Match::Conflict && headers::has_tags(update.response);
            fresh.tags =
                if renews_tags { headers::tags(update.response) } else { meta.tags.clone() };
            Storage::Store(fresh)
        }
        Storage::Not(reason) => Storage::Not(reason),
    }
}

/// Fields that belong to the bytes that are stored, which a 304 does not bring, and so cannot describe.
const OF_THE_BYTES: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
];

fn change_fields(stored: &mut HeaderMap, update: &HeaderMap) {
    for name in update.keys() {
        let is_of_the_bytes = OF_THE_BYTES.contains(name)
            || name.as_str() == "content-digest"
            || (*name == header::ETAG && stored.contains_key(name));
        if is_of_the_bytes || !headers::is_stored(name, update) {
            continue;
        }
        stored.remove(name);
        for value in update.get_all(name) {
            stored.append(name, value.clone());
        }
    }
}

/// What a response to `HEAD` means for a stored answer to `GET` (section 4.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadEffect {
    /// [`freshen`] it.
    Freshen,
    /// The resource has changed: drop it.
    Invalidate,
    /// Nothing.
    Nothing,
}

/// Decides what a response to `HEAD` means for a stored answer that matches its request and has a body of
/// `length` bytes.
#[must_use]
pub fn effect_of_head(
    meta: &Meta,
    length: u64,
    status: StatusCode,
    response: &HeaderMap,
) -> HeadEffect {
    if status != StatusCode::OK {
        return HeadEffect::Nothing;
    }
    let has_same_tag = response
        .get(header::ETAG)
        .is_none_or(|tag| meta.etag.as_ref().is_some_and(|own| own.value() == tag));
    let has_same_moment = !response.contains_key(header::LAST_MODIFIED)
        || freshness::moment(response, &header::LAST_MODIFIED, meta.responded_at)
            .is_some_and(|moment| meta.last_modified == Some(moment));
    let has_same_length = response
        .get(header::CONTENT_LENGTH)
        .is_none_or(|value| value.to_str().ok().and_then(|text| text.parse().ok()) == Some(length));
    if meta.status == status && has_same_tag && has_same_moment && has_same_length {
        HeadEffect::Freshen
    } else {
        HeadEffect::Invalidate
    }
}

#[cfg(test)]
mod tests;
