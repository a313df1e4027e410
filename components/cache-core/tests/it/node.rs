//! A cache over the decisions of the crate: answers whole and in memory, one request at a time.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use cache_core::cache_status::{self, Entry, Forward, Handling, Word};
use cache_core::request::{self, Lookup, Missing};
use cache_core::reuse::{self, Choice};
use cache_core::stale::{self, Failure};
use cache_core::validate::{self, Conditions, HeadEffect, Match, Update};
use cache_core::{
    Asked, Exchange, Key, Meta, Reuse, Rules, Storage, answer, invalidation, storage,
};
use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_semantics::conditional::Outcome;
use http_semantics::range::Part;

/// A response with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn of(status: u16, lines: &[(&str, &str)], body: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, headers: headers(lines), body: body.to_owned() }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The short word that tells where it came from.
    pub(crate) fn word(&self) -> &str {
        self.field("vitrine-cache")
    }
}

pub(crate) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut map = HeaderMap::new();
    lines.iter().map(pair).for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

/// What the origin is asked; `None`: it cannot be reached.
pub(crate) type Origin = Box<dyn FnMut(&Method, &HeaderMap, Timestamp) -> Option<Response>>;

/// An answer that is kept. The facts are kept as bytes, as on a disk.
#[derive(Debug, Clone)]
struct Kept {
    meta: Vec<u8>,
    headers: HeaderMap,
    body: String,
}

/// A node with one origin.
pub(crate) struct Node {
    pub(crate) now: Timestamp,
    pub(crate) rules: Rules,
    pub(crate) origin: Origin,
    /// The fields of all requests that the origin got.
    pub(crate) forwarded: Vec<HeaderMap>,
    /// Addresses that are to be validated, as `stale-while-revalidate` wants.
    pub(crate) background: VecDeque<(String, HeaderMap)>,
    kept: BTreeMap<Key, Vec<Kept>>,
}

/// One request on its way.
struct Way<'a> {
    method: &'a Method,
    key: &'a Key,
    request: &'a HeaderMap,
    asked: Asked,
}

impl Node {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            now: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
            rules: Rules::default(),
            origin,
            forwarded: Vec::new(),
            background: VecDeque::new(),
            kept: BTreeMap::new(),
        }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    pub(crate) fn get(&mut self, path: &str, lines: &[(&str, &str)]) -> Response {
        self.ask(&Method::GET, path, &headers(lines))
    }

    pub(crate) fn ask(&mut self, method: &Method, path: &str, request: &HeaderMap) -> Response {
        let key = Key::of("http", "shop.example", path);
        let asked = request::classify(method, request, &self.rules);
        let way = Way { method, key: &key, request, asked };
        if let Some(why) = Forward::of_lookup(asked.lookup) {
            return self.forward(&way, None, &[], why);
        }
        let kept = self.kept.get(&key).cloned().unwrap_or_default();
        let metas: Vec<Meta> = kept.iter().map(|kept| Meta::decode(&kept.meta).unwrap()).collect();
        match reuse::choose(&asked, request, &metas, self.now, &self.rules) {
            Choice::Missing(Missing::Unsatisfiable) => Response::of(504, &[], ""),
            Choice::Missing(Missing::Forward) => {
                let why = if kept.is_empty() { Forward::UriMiss } else { Forward::VaryMiss };
                self.forward(&way, None, &kept, why)
            }
            Choice::Stored { index, reuse } => {
                let (kept_one, meta) = (&kept[index], &metas[index]);
                match reuse {
                    Reuse::Fresh { .. } => self.hit(&way, kept_one, meta, Word::Hit),
                    Reuse::Stale { .. } => self.hit(&way, kept_one, meta, Word::Stale),
                    Reuse::StaleWhileRevalidate { .. } => {
                        self.background.push_back((path.to_owned(), request.clone()));
                        self.hit(&way, kept_one, meta, Word::Updating)
                    }
                    Reuse::Validate { why, .. } => {
                        self.forward(&way, Some(index), &kept, Forward::of_validation(why))
                    }
                    Reuse::Unsatisfiable | Reuse::NotMatched => Response::of(504, &[], ""),
                }
            }
        }
    }

    /// Does what was left for later.
    pub(crate) fn work(&mut self) {
        while let Some((path, mut request)) = self.background.pop_front() {
            request.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            self.ask(&Method::GET, &path, &request);
        }
    }

    fn hit(&self, way: &Way<'_>, kept: &Kept, meta: &Meta, word: Word) -> Response {
        let response = self.answer(way, kept, meta);
        let ttl_s = Some(cache_status::ttl_s(meta, self.now));
        self.marked(response, word, Handling::Hit, ttl_s)
    }

    /// What the client gets of what is kept.
    fn answer(&self, way: &Way<'_>, kept: &Kept, meta: &Meta) -> Response {
        let length = kept.body.len() as u64;
        let outcome =
            answer::decide(&way.asked, way.request, meta, &kept.headers, length, self.now);
        let mut response = Response {
            status: meta.status,
            headers: kept.headers.clone(),
            body: kept.body.clone(),
        };
        match outcome {
            Outcome::NotModified => {
                response.status = StatusCode::NOT_MODIFIED;
                response.headers = answer::not_modified_headers(&kept.headers);
                response.body.clear();
            }
            Outcome::Send(Part::Bytes { start, length }) => {
                let start = usize::try_from(start).unwrap();
                let end = start + usize::try_from(length).unwrap();
                response.status = StatusCode::PARTIAL_CONTENT;
                response.body = kept.body[start..end].to_owned();
            }
            Outcome::Send(Part::Unsatisfiable) => {
                response.status = StatusCode::RANGE_NOT_SATISFIABLE;
                response.body.clear();
            }
            _ => {}
        }
        response.headers.insert(header::AGE, answer::age_value(meta.age(self.now)));
        if way.asked.is_head {
            response.body.clear();
        }
        response
    }

    fn forward(
        &mut self,
        way: &Way<'_>,
        matching: Option<usize>,
        kept: &[Kept],
        why: Forward,
    ) -> Response {
        let metas: Vec<Meta> = kept.iter().map(|kept| Meta::decode(&kept.meta).unwrap()).collect();
        let mut to_origin = way.request.clone();
        let is_validation = way.asked.lookup == Lookup::Allowed && !way.asked.is_head;
        let mut candidates: Vec<usize> = matching.into_iter().collect();
        candidates.extend((0..kept.len()).filter(|at| Some(*at) != matching));
        let others = candidates.iter().filter(|at| Some(**at) != matching).map(|at| &metas[*at]);
        let conditions =
            Conditions::of(matching.map(|at| &metas[at]), others).filter(|_| is_validation);
        if let Some(conditions) = &conditions {
            conditions.apply(&mut to_origin);
        }
        self.forwarded.push(to_origin.clone());
        let response = (self.origin)(way.method, &to_origin, self.now);
        let failure = response
            .as_ref()
            .map_or(Failure::Unreachable, |response| Failure::Status(response.status));
        if let Some(at) = matching
            && stale::may_serve_on_error(&metas[at], self.now, failure, &self.rules)
        {
            // What a client wanted validated may still be fresh.
            let is_fresh = metas[at].is_fresh(self.now);
            let word = if is_fresh { Word::Hit } else { Word::Stale };
            return self.hit(way, &kept[at], &metas[at], word);
        }
        let Some(response) = response else { return Response::of(502, &[], "") };
        let targets =
            invalidation::targets(way.method, response.status, way.key, &response.headers);
        for target in targets {
            self.kept.remove(&target);
        }
        if response.status == StatusCode::NOT_MODIFIED && conditions.is_some() {
            let asked_about: Vec<&Meta> = candidates.iter().map(|at| &metas[*at]).collect();
            let Some(selected) = validate::select(&asked_about, &response.headers) else {
                return self.forward(way, None, &[], why);
            };
            let at = candidates[selected.index];
            return self.freshen(way, &kept[at], &response, selected.how, why);
        }
        match matching.filter(|_| way.asked.is_head) {
            Some(at) => self.head(way, &kept[at], response, why),
            None => self.fetched(way, response, matching.is_some(), why),
        }
    }

    fn freshen(
        &mut self,
        way: &Way<'_>,
        kept: &Kept,
        response: &Response,
        how: Match,
        why: Forward,
    ) -> Response {
        let meta = Meta::decode(&kept.meta).unwrap();
        let mut changed = kept.clone();
        let update = Update {
            request: way.request,
            response: &response.headers,
            requested_at: self.now,
            responded_at: self.now,
            how,
        };
        let storage = validate::freshen(&meta, &mut changed.headers, &update, &self.rules);
        let is_stored = matches!(storage, Storage::Store(_));
        let meta = match storage {
            Storage::Store(meta) => {
                changed.meta = meta.encode();
                self.keep(way.key, changed.clone());
                meta
            }
            Storage::Not(reason) => {
                if !reason.is_of_exchange() {
                    self.kept.remove(way.key);
                }
                meta
            }
        };
        let answered = self.answer(way, &changed, &meta);
        let status = Some(response.status);
        let handling = Handling::Forwarded { why, status, is_stored, is_collapsed: false };
        self.marked(answered, Word::Revalidated, handling, None)
    }

    fn head(&mut self, way: &Way<'_>, kept: &Kept, response: Response, why: Forward) -> Response {
        let meta = Meta::decode(&kept.meta).unwrap();
        let length = kept.body.len() as u64;
        match validate::effect_of_head(&meta, length, response.status, &response.headers) {
            HeadEffect::Freshen => return self.freshen(way, kept, &response, Match::Strong, why),
            HeadEffect::Invalidate => drop(self.kept.remove(way.key)),
            HeadEffect::Nothing => {}
        }
        self.fetched(way, response, false, why)
    }

    fn fetched(
        &mut self,
        way: &Way<'_>,
        response: Response,
        was_kept: bool,
        why: Forward,
    ) -> Response {
        let exchange = Exchange {
            method: way.method,
            target: way.key,
            request: way.request,
            status: response.status,
            response: &response.headers,
            requested_at: self.now,
            responded_at: self.now,
        };
        let storage = storage::decide(&exchange, &self.rules);
        let is_stored = matches!(storage, Storage::Store(_));
        if let Storage::Store(meta) = storage {
            let headers = storage::stored_headers(&response.headers, self.now, &self.rules);
            self.keep(way.key, Kept { meta: meta.encode(), headers, body: response.body.clone() });
        }
        let word = match why {
            Forward::Method | Forward::Bypass => Word::Bypass,
            _ if was_kept => Word::Expired,
            _ => Word::Miss,
        };
        let handling = Handling::Forwarded { why, status: None, is_stored, is_collapsed: false };
        self.marked(response, word, handling, None)
    }

    /// Keeps an answer in the place of the one for the same variant.
    fn keep(&mut self, key: &Key, kept: Kept) {
        let vary = |kept: &Kept| Meta::decode(&kept.meta).unwrap().vary;
        let variants = self.kept.entry(key.clone()).or_default();
        let own = vary(&kept);
        variants.retain(|other| vary(other) != own);
        variants.push(kept);
    }

    fn marked(
        &self,
        mut response: Response,
        word: Word,
        handling: Handling,
        ttl_s: Option<i64>,
    ) -> Response {
        response.headers.insert(cache_status::VITRINE_CACHE, word.value());
        let entry = Entry { handling, ttl_s, key: None, detail: None };
        cache_status::write(&mut response.headers, &self.rules.name, &entry);
        response
    }
}
