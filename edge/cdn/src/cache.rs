//! The cache: looks into the store, and asks the backend where that does not help.

mod lead;
mod serve;

pub(crate) use self::serve::file_answer;

use std::{
    cell::RefCell,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use cache_core::{
    Asked, Key, Meta, Reuse, Rules,
    cache_status::{self, Entry, Forward, Handling, Word},
    invalidation,
    request::{self, Lookup, Missing},
    reuse, stale,
};
use http::{HeaderMap, Method, Response, StatusCode, header};
use http1::Interim;
use tokio::sync::oneshot;

use self::{
    lead::{Lead, Led},
    serve::Serving,
};
use crate::{
    answer::{Answer, Content, now},
    backend::{Backend, BackendBody, BackendError, BackendRequest},
    figures::Figures,
    flight::{Boarding, Flights, Landed, landing},
    store::{Purge, PurgeLost, Store, StoreFigures, Stored},
    upstream::RequestContent,
};

/// A shared cache (RFC 9111).
#[derive(Debug)]
pub struct Cache {
    store: Store,
    rules: Rules,
    flights: Arc<Flights>,
    figures: Figures,
    /// `Cache-Status` at a hit, but for the time that is left.
    hit: String,
}

/// What is needed again of a request that was sent.
struct Sent {
    headers: HeaderMap,
    requested_at: domain::Timestamp,
}

/// A stored answer that is fresh.
#[derive(Debug)]
pub struct Fresh<'a> {
    /// The answer.
    pub stored: Arc<Stored>,
    age: Duration,
    ttl: Duration,
    cache: &'a Cache,
}

impl Fresh<'_> {
    /// Counts a hit: the answer is sent.
    pub fn count(&self) {
        self.cache.figures.count(Word::Hit);
    }

    /// Writes the fields that the cache adds, each with its CRLF.
    pub fn write_marks(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"age: ");
        http1::number(out, self.age.as_secs());
        out.extend_from_slice(b"\r\ncache-status: ");
        out.extend_from_slice(self.cache.hit.as_bytes());
        out.extend_from_slice(b"; ttl=");
        http1::number(out, self.ttl.as_secs());
        out.extend_from_slice(b"\r\nvitrine-cache: HIT\r\n");
    }
}

/// Why a request is answered without the store's help.
#[derive(Debug, Clone, Copy)]
struct Missed {
    why: Forward,
    is_collapsed: bool,
}

impl Cache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new(store: Store, rules: Rules) -> Self {
        let entry = Entry { handling: Handling::Hit, ttl_s: None, key: None, detail: None };
        let mut headers = HeaderMap::new();
        cache_status::write(&mut headers, &rules.name, &entry);
        let hit = headers.get(cache_status::CACHE_STATUS).and_then(|hit| hit.to_str().ok());
        let hit = hit.unwrap_or_default().to_owned();
        Self { store, rules, flights: Arc::default(), figures: Figures::new(), hit }
    }

    /// Purges by tag, by address, or everything. Where answers outlive the process it waits for the disk.
    ///
    /// # Errors
    /// When it holds, but only until the process ends.
    pub fn purge(&self, purges: &[Purge]) -> Result<(), PurgeLost> {
        self.store.purge(purges)
    }

    /// Waits until what is stored is on the disk, if there is one, but no longer than `limit`.
    pub fn settle(&self, limit: Duration) {
        self.store.settle(limit);
    }

    /// Returns what the store holds.
    #[must_use]
    pub fn store_figures(&self) -> StoreFigures {
        self.store.figures()
    }

    /// Returns how many requests were handled how.
    #[must_use]
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Returns the one answer that is stored for an address, if it is a fresh 200 for every plain `GET`: one that asks
    /// nothing of the cache and has no credentials.
    #[must_use]
    pub fn fresh(&self, authority: &str, target: &str, is_tls: bool) -> Option<Fresh<'_>> {
        thread_local! {
            static KEY: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let stored = KEY.with_borrow_mut(|key| {
            key.clear();
            Key::write(key, if is_tls { "https" } else { "http" }, authority, target);
            self.store.only(key)
        })?;
        if !stored.meta.vary.is_empty() || stored.meta.status != StatusCode::OK {
            return None;
        }
        let (age, ttl) = reuse::fresh(&stored.meta, now())?;
        Some(Fresh { stored, age, ttl, cache: self })
    }

    /// Answers from the store if a stored answer may be used as it is; cheap, and without waiting.
    pub fn lookup(&self, key: &Key, method: &Method, headers: &HeaderMap) -> Option<Answer> {
        let asked = &request::classify(method, headers, &self.rules);
        if asked.lookup != Lookup::Allowed {
            return None;
        }
        let slot = self.store.get(key)?;
        let stored = slot.find(headers)?;
        let now = now();
        match self.reuse(key, asked, headers, stored, now) {
            Reuse::Fresh { .. } => Some(self.hit(asked, headers, stored, Word::Hit)),
            Reuse::Stale { .. } => Some(self.hit(asked, headers, stored, Word::Stale)),
            _ => None,
        }
    }

    /// Reads what a request asks of the cache.
    fn classify(&self, request: &BackendRequest) -> Asked {
        request::classify(&request.method, &request.headers, &self.rules)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// When the backend gives no answer, and nothing stored may be sent in its place.
    pub async fn answer<B: Backend>(
        self: &Arc<Self>,
        backend: &B,
        key: &Key,
        request: BackendRequest,
    ) -> Result<Answer, BackendError> {
        let asked = self.classify(&request);
        if let Some(why) = Forward::of_lookup(asked.lookup) {
            return self.pass(backend, key, request, why).await;
        }
        let slot = self.store.find(key).await;
        let stored = slot.as_ref().and_then(|slot| slot.find(&request.headers)).cloned();
        let miss = if slot.is_some() { Forward::VaryMiss } else { Forward::UriMiss };
        let Some(stored) = stored else {
            return match asked.when_missing() {
                Missing::Unsatisfiable => Ok(self.unsatisfiable()),
                Missing::Forward => self.ask(backend, key, request, asked, None, miss).await,
            };
        };
        match self.reuse(key, &asked, &request.headers, &stored, now()) {
            Reuse::Fresh { .. } => Ok(self.hit(&asked, &request.headers, &stored, Word::Hit)),
            Reuse::Stale { .. } => Ok(self.hit(&asked, &request.headers, &stored, Word::Stale)),
            Reuse::StaleWhileRevalidate { .. } => {
                self.validate_meanwhile(backend, key, &request, asked, &stored);
                Ok(self.hit(&asked, &request.headers, &stored, Word::Updating))
            }
            Reuse::Unsatisfiable => Ok(self.unsatisfiable()),
            Reuse::NotMatched => self.ask(backend, key, request, asked, None, miss).await,
            Reuse::Validate { why, .. } => {
                let why = Forward::of_validation(why);
                self.ask(backend, key, request, asked, Some(stored), why).await
            }
        }
    }

    fn reuse(
        &self,
        key: &Key,
        asked: &Asked,
        headers: &HeaderMap,
        stored: &Stored,
        now: domain::Timestamp,
    ) -> Reuse {
        if !self.store.is_stale_by_purge(key, stored) {
            return reuse::decide(asked, headers, &stored.meta, now, &self.rules);
        }
        // Softly purged: as if its time had just run out.
        let lifetime = stored.meta.lifetime.min(stored.meta.age(now));
        let meta = Meta { lifetime, ..stored.meta.clone() };
        reuse::decide(asked, headers, &meta, now, &self.rules)
    }

    fn hit(&self, asked: &Asked, headers: &HeaderMap, stored: &Arc<Stored>, word: Word) -> Answer {
        self.figures.count(word);
        let now = now();
        let ttl_s = Some(cache_status::ttl_s(&stored.meta, now));
        let entry = Entry { handling: Handling::Hit, ttl_s, key: None, detail: None };
        let entry = Some(entry);
        Serving { asked, request: headers, rules: &self.rules, entry, word }.stored(stored, now)
    }

    fn unsatisfiable(&self) -> Answer {
        self.figures.count(Word::Miss);
        let handling = Handling::Forwarded {
            why: Forward::Miss,
            status: None,
            is_stored: false,
            is_collapsed: false,
        };
        let mut headers = HeaderMap::new();
        let detail = Some("only-if-cached");
        let entry = Entry { handling, ttl_s: None, key: None, detail };
        cache_status::write(&mut headers, &self.rules.name, &entry);
        Answer {
            status: StatusCode::GATEWAY_TIMEOUT,
            stored: None,
            headers,
            content: Content::Whole(bytes::Bytes::new()),
            word: Some(Word::Miss),
        }
    }

    /// Sends a request on that the store must not answer, and drops what it makes invalid.
    async fn pass<B: Backend>(
        self: &Arc<Self>,
        backend: &B,
        key: &Key,
        request: BackendRequest,
        why: Forward,
    ) -> Result<Answer, BackendError> {
        let method = request.method.clone();
        // Of a POST it is needed again: its answer may be kept.
        let sent = Sent { headers: request.headers.clone(), requested_at: now() };
        let response = backend.fetch(request).await?;
        let targets = invalidation::targets(&method, response.status(), key, response.headers());
        for target in &targets {
            self.store.remove_at_once(target).await;
        }
        if method == Method::POST {
            return self.pass_post(backend, key, sent, response, why).await;
        }
        self.figures.count(Word::Bypass);
        Ok(self.alone(response, Missed { why, is_collapsed: false }, Word::Bypass))
    }

    /// An answer to `POST` may be kept for `GET` if it says that it is what that would get (RFC 9110, section 9.3.3).
    async fn pass_post<B: Backend>(
        self: &Arc<Self>,
        backend: &B,
        key: &Key,
        sent: Sent,
        response: Response<BackendBody>,
        why: Forward,
    ) -> Result<Answer, BackendError> {
        let missed = Missed { why, is_collapsed: false };
        let request = BackendRequest {
            method: Method::POST,
            target: String::new(),
            headers: sent.headers,
            content: RequestContent::Whole(bytes::Bytes::new()),
            interim: Interim::nowhere(),
        };
        let lead = Lead {
            cache: Arc::clone(self),
            backend: backend.clone(),
            key: key.clone(),
            asked: self.classify(&request),
            request,
            stored: None,
            flight: None,
            is_shared: false,
        };
        let received = lead.received(response, sent.requested_at);
        if !lead.may_keep(&received) {
            self.figures.count(Word::Bypass);
            return Ok(self.alone(received.response, missed, Word::Bypass));
        }
        let (headers, asked) = (lead.request.headers.clone(), lead.asked);
        let (tell, told) = oneshot::channel();
        tokio::spawn(lead.keep(received, tell));
        match told.await {
            Ok(led) => self.led(led, &headers, &asked, missed),
            Err(_) => Err(BackendError::Other("the request's task ended".into())),
        }
    }

    /// Makes an answer of a backend's response that is for one client alone.
    fn alone(&self, response: Response<BackendBody>, missed: Missed, word: Word) -> Answer {
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        headers.remove("cache-tag");
        let handling = Handling::Forwarded {
            why: missed.why,
            status: None,
            is_stored: false,
            is_collapsed: missed.is_collapsed,
        };
        let entry = Entry { handling, ttl_s: None, key: None, detail: None };
        cache_status::write(&mut headers, &self.rules.name, &entry);
        headers.insert(cache_status::VITRINE_CACHE, word.value());
        let content = match body {
            BackendBody::Whole(bytes) => Content::Whole(bytes),
            BackendBody::Stream(stream) => Content::Stream(stream),
        };
        Answer { status: parts.status, stored: None, headers, content, word: Some(word) }
    }

    /// Asks the backend, or waits for somebody who does.
    async fn ask<B: Backend>(
        self: &Arc<Self>,
        backend: &B,
        key: &Key,
        request: BackendRequest,
        asked: Asked,
        stored: Option<Arc<Stored>>,
        why: Forward,
    ) -> Result<Answer, BackendError> {
        let mut missed = Missed { why, is_collapsed: false };
        let flight = if asked.is_head {
            // Its answer has no body that others could use.
            None
        } else {
            match self.flights.board(key) {
                Boarding::Leader(flight) => Some(flight),
                Boarding::Alone => None,
                Boarding::Follower(watch) => {
                    missed.is_collapsed = true;
                    let landed = landing(watch).await;
                    match self.follow(landed, &request.headers, &asked, stored.as_ref(), missed) {
                        Some(answer) => return answer,
                        None => missed.is_collapsed = false,
                    }
                    None
                }
            }
        };
        let is_shared = flight.is_some();
        let lead = Lead {
            cache: Arc::clone(self),
            backend: backend.clone(),
            key: key.clone(),
            request,
            asked,
            stored,
            flight,
            is_shared,
        };
        let headers = lead.request.headers.clone();
        let (tell, told) = oneshot::channel();
        // In a task of its own: others wait for it, whatever becomes of this client.
        tokio::spawn(lead.run(tell));
        match told.await {
            Ok(led) => self.led(led, &headers, &asked, missed),
            Err(_) => Err(BackendError::Other("the request's task ended".into())),
        }
    }

    /// Makes an answer of what another's request gave; `None` if that is of no use here.
    fn follow(
        &self,
        landed: Landed,
        headers: &HeaderMap,
        asked: &Asked,
        stored: Option<&Arc<Stored>>,
        missed: Missed,
    ) -> Option<Result<Answer, BackendError>> {
        match landed {
            Landed::Shared(shared) => {
                let now = now();
                let reused = reuse::decide(asked, headers, &shared.meta, now, &self.rules);
                if !matches!(reused, Reuse::Fresh { .. } | Reuse::StaleWhileRevalidate { .. }) {
                    return None;
                }
                let body = shared.filling.reader()?;
                self.figures.count(Word::Collapsed);
                let serving = self.serving(asked, headers, missed, Word::Collapsed, true);
                Some(Ok(serving.shared(&shared, body, now)))
            }
            Landed::Stored(new) => {
                let now = now();
                let reused = reuse::decide(asked, headers, &new.meta, now, &self.rules);
                if !matches!(reused, Reuse::Fresh { .. } | Reuse::StaleWhileRevalidate { .. }) {
                    return None;
                }
                self.figures.count(Word::Collapsed);
                let serving = self.serving(asked, headers, missed, Word::Collapsed, true);
                Some(Ok(serving.stored(&new, now)))
            }
            Landed::Failed(error) => {
                if let Some(stored) = stored
                    && self.may_be_stale(stored)
                {
                    return Some(Ok(self.hit(asked, headers, stored, Word::Stale)));
                }
                Some(Err(BackendError::Other(Box::new(SharedError(error)))))
            }
            Landed::Alone => None,
        }
    }

    fn may_be_stale(&self, stored: &Stored) -> bool {
        let failure = stale::Failure::Unreachable;
        stale::may_serve_on_error(&stored.meta, now(), failure, &self.rules)
    }

    fn serving<'a>(
        &'a self,
        asked: &'a Asked,
        request: &'a HeaderMap,
        missed: Missed,
        word: Word,
        is_stored: bool,
    ) -> Serving<'a> {
        let handling = Handling::Forwarded {
            why: missed.why,
            status: (word == Word::Revalidated).then_some(StatusCode::NOT_MODIFIED),
            is_stored,
            is_collapsed: missed.is_collapsed,
        };
        let entry = Some(Entry { handling, ttl_s: None, key: None, detail: None });
        Serving { asked, request, rules: &self.rules, entry, word }
    }

    /// Makes an answer of what this client's own request gave.
    fn led(
        &self,
        led: Led,
        headers: &HeaderMap,
        asked: &Asked,
        missed: Missed,
    ) -> Result<Answer, BackendError> {
        let now = now();
        let fetched = if missed.why == Forward::Stale || missed.why == Forward::Request {
            Word::Expired
        } else {
            Word::Miss
        };
        match led {
            Led::Fetched(new, extra) => {
                self.figures.count(fetched);
                let serving = self.serving(asked, headers, missed, fetched, true);
                Ok(with_extra(serving.stored(&new, now), extra))
            }
            Led::Shared(shared, body, extra) => {
                self.figures.count(fetched);
                let serving = self.serving(asked, headers, missed, fetched, true);
                Ok(with_extra(serving.shared(&shared, body, now), extra))
            }
            Led::Validated(new) => {
                self.figures.count(Word::Revalidated);
                Ok(self.serving(asked, headers, missed, Word::Revalidated, true).stored(&new, now))
            }
            Led::Stale(old) => Ok(self.hit(asked, headers, &old, Word::Stale)),
            Led::Alone(response) => {
                self.figures.count(fetched);
                Ok(self.alone(*response, missed, fetched))
            }
            Led::Failed(error) => Err(BackendError::Other(Box::new(SharedError(error)))),
        }
    }

    /// Validates a stored answer that is being used meanwhile, unless somebody does so already.
    fn validate_meanwhile<B: Backend>(
        self: &Arc<Self>,
        backend: &B,
        key: &Key,
        request: &BackendRequest,
        asked: Asked,
        stored: &Arc<Stored>,
    ) {
        if stored.is_being_validated.swap(true, Relaxed) {
            return;
        }
        let Boarding::Leader(flight) = self.flights.board(key) else {
            stored.is_being_validated.store(false, Relaxed);
            return;
        };
        let mut request = request.clone();
        request.method = Method::GET;
        request.content = RequestContent::Whole(bytes::Bytes::new());
        request.interim = Interim::nowhere();
        for name in [header::RANGE, header::IF_RANGE] {
            request.headers.remove(name);
        }
        let lead = Lead {
            cache: Arc::clone(self),
            backend: backend.clone(),
            key: key.clone(),
            request,
            asked: Asked { is_head: false, is_range: false, ..asked },
            stored: Some(Arc::clone(stored)),
            flight: Some(flight),
            is_shared: true,
        };
        let stored = Arc::clone(stored);
        tokio::spawn(async move {
            let (tell, told) = oneshot::channel();
            lead.run(tell).await;
            drop(told);
            stored.is_being_validated.store(false, Relaxed);
        });
    }
}

/// Adds fields that only the client gets for whom the answer was fetched.
fn with_extra(mut answer: Answer, extra: HeaderMap) -> Answer {
    if !extra.is_empty() {
        answer.gather();
        answer.headers.extend(extra);
    }
    answer
}

/// An error that several requests share.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct SharedError(pub Arc<BackendError>);

#[cfg(test)]
mod tests;
