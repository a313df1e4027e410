//! The request that goes to the backend, for itself and for all who wait for it.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use bytes::Bytes;
use cache_core::{
    Asked, Key, Meta, Storage,
    stale::{self, Failure},
    storage::{self, Exchange, Reason},
    validate::{self, Conditions, HeadEffect, Match, Update},
};
use domain::Timestamp;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http1::BodyError;
use tokio::sync::oneshot;

use super::Cache;
use crate::{
    answer::{Shared, now},
    backend::{Backend, BackendBody, BackendError, BackendRequest},
    filling::{Filling, FillingBody, Room},
    flight::{Flight, Landed},
    store::{Stored, StoredBody},
};

/// A request on its way to the backend.
pub(super) struct Lead<B> {
    pub(super) cache: Arc<Cache>,
    pub(super) backend: B,
    pub(super) key: Key,
    /// As the client made it.
    pub(super) request: BackendRequest,
    pub(super) asked: Asked,
    /// The stored answer that fits, if it only has to be validated.
    pub(super) stored: Option<Arc<Stored>>,
    /// Who waits.
    pub(super) flight: Option<Flight>,
    pub(super) is_shared: bool,
}

/// What it gave.
pub(super) enum Led {
    /// A new answer, stored; and its fields that are for this client alone.
    Fetched(Arc<Stored>, HeaderMap),
    /// A new answer that is being stored; and its fields that are for this client alone.
    Shared(Arc<Shared>, FillingBody, HeaderMap),
    /// The stored answer is still valid.
    Validated(Arc<Stored>),
    /// The backend fails; the stored answer has to do.
    Stale(Arc<Stored>),
    /// An answer that is not stored.
    Alone(Box<Response<BackendBody>>),
    /// None.
    Failed(Arc<BackendError>),
}

/// A response, and when it was asked for.
pub(super) struct Received {
    pub(super) response: Response<BackendBody>,
    requested_at: Timestamp,
    responded_at: Timestamp,
    /// Where purges stood.
    sequence: u64,
}

impl<B: Backend> Lead<B> {
    /// Asks, stores, and tells everybody. The body is read to its end here, if it is stored.
    pub(super) async fn run(mut self, tell: oneshot::Sender<Led>) {
        let candidates = self.candidates();
        let received = match self.fetch(&candidates).await {
            Ok(received) => received,
            Err(error) => {
                let led = self.failed(error);
                // Whoever asked may have gone.
                let _ = tell.send(led);
                return;
            }
        };
        let status = received.response.status();
        if let Some(stored) = &self.stored
            && status.is_server_error()
            && self.may_stand_in(stored, Failure::Status(status))
        {
            let stored = Arc::clone(stored);
            self.land(Landed::Stored(Arc::clone(&stored)));
            let _ = tell.send(Led::Stale(stored));
            return;
        }
        if status == StatusCode::NOT_MODIFIED && !candidates.is_empty() {
            let led = self.validated(&candidates, &received);
            drop(received);
            let led = match led {
                Some(led) => led,
                None => self.again().await,
            };
            let _ = tell.send(led);
            return;
        }
        if self.asked.is_head {
            self.note_head(&received);
        }
        self.keep(received, tell).await;
    }

    /// The stored answers of this address; the one that fits first.
    fn candidates(&self) -> Vec<Arc<Stored>> {
        let slot = self.cache.store.get(&self.key);
        let all = slot.iter().flat_map(|slot| slot.variants().iter().rev());
        let fitting = self.stored.iter();
        let is_other = |one: &&Arc<Stored>| {
            self.stored.as_ref().is_none_or(|fitting| !Arc::ptr_eq(fitting, one))
        };
        fitting.chain(all.filter(is_other)).cloned().collect()
    }

    async fn fetch(&self, candidates: &[Arc<Stored>]) -> Result<Received, BackendError> {
        let mut request = self.request.clone();
        let matching = self.stored.as_ref().map(|stored| &stored.meta);
        let others = candidates.iter().skip(usize::from(matching.is_some()));
        match Conditions::of(matching, others.map(|one| &one.meta)) {
            Some(conditions) => conditions.apply(&mut request.headers),
            // What can be shared is asked for whole; whoever wants a part, or has it already, is served of that.
            None if self.is_shared => unconditional(&mut request.headers),
            None => {}
        }
        self.ask(request).await
    }

    /// Takes a response that somebody else has fetched.
    pub(super) fn received(
        &self,
        response: Response<BackendBody>,
        requested_at: Timestamp,
    ) -> Received {
        let sequence = self.cache.store.sequence();
        Received { response, requested_at, responded_at: now(), sequence }
    }

    /// Whether a response can be stored.
    pub(super) fn may_keep(&self, received: &Received) -> bool {
        let is_small = content_length(&received.response)
            .is_none_or(|length| length <= self.cache.store.body_bytes_max());
        is_small && matches!(self.decide(received), Storage::Store(_))
    }

    fn decide(&self, received: &Received) -> Storage {
        let exchange = Exchange {
            method: &self.request.method,
            target: &self.key,
            request: &self.request.headers,
            status: received.response.status(),
            response: received.response.headers(),
            requested_at: received.requested_at,
            responded_at: received.responded_at,
        };
        storage::decide(&exchange, &self.cache.rules)
    }

    async fn ask(&self, request: BackendRequest) -> Result<Received, BackendError> {
        let (requested_at, sequence) = (now(), self.cache.store.sequence());
        let response = self.backend.fetch(request).await?;
        Ok(Received { response, requested_at, responded_at: now(), sequence })
    }

    fn may_stand_in(&self, stored: &Stored, failure: Failure) -> bool {
        stale::may_serve_on_error(&stored.meta, now(), failure, &self.cache.rules)
    }

    fn land(&mut self, landed: Landed) {
        if let Some(flight) = self.flight.take() {
            flight.close(landed);
        }
    }

    fn failed(&mut self, error: BackendError) -> Led {
        if let Some(stored) = self.stored.clone()
            && self.may_stand_in(&stored, Failure::Unreachable)
        {
            self.land(Landed::Stored(Arc::clone(&stored)));
            return Led::Stale(stored);
        }
        let error = Arc::new(error);
        self.land(Landed::Failed(Arc::clone(&error)));
        Led::Failed(error)
    }

    /// The origin says that what is stored is still valid; `None` if it does not say of what.
    fn validated(&mut self, candidates: &[Arc<Stored>], received: &Received) -> Option<Led> {
        let metas: Vec<&Meta> = candidates.iter().map(|one| &one.meta).collect();
        let response = received.response.headers();
        let selected = validate::select(&metas, response)
            .and_then(|selected| Some((candidates.get(selected.index)?, selected.how)));
        let (stored, how) = selected?;
        match self.freshen(stored, received, how) {
            Ok(new) => {
                self.land(Landed::Stored(Arc::clone(&new)));
                Some(Led::Validated(new))
            }
            Err(new) => {
                self.land(Landed::Alone);
                Some(Led::Validated(new))
            }
        }
    }

    /// A 304 about something that was never asked about: the client's own conditions are left out, and it gets all.
    async fn again(&mut self) -> Led {
        let mut request = self.request.clone();
        unconditional(&mut request.headers);
        self.land(Landed::Alone);
        match self.ask(request).await {
            Ok(received) => Led::Alone(Box::new(received.response)),
            Err(error) => self.failed(error),
        }
    }

    /// Stores the validated answer with what is new about it; `Err` is the same answer, not stored.
    fn freshen(
        &self,
        stored: &Arc<Stored>,
        received: &Received,
        how: Match,
    ) -> Result<Arc<Stored>, Arc<Stored>> {
        let mut headers = stored.headers.clone();
        let update = Update {
            request: &self.request.headers,
            response: received.response.headers(),
            requested_at: received.requested_at,
            responded_at: received.responded_at,
            how,
        };
        let store = &self.cache.store;
        match validate::freshen(&stored.meta, &mut headers, &update, &self.cache.rules) {
            Storage::Store(meta) => {
                let body = stored.body.clone();
                Ok(store.put(&self.key, meta, headers, body, received.sequence))
            }
            Storage::Not(reason) => {
                if !reason.is_of_exchange() {
                    store.remove(&self.key);
                }
                Err(Stored::detached(stored, headers))
            }
        }
    }

    fn note_head(&self, received: &Received) {
        let Some(stored) = &self.stored else { return };
        let (status, headers) = (received.response.status(), received.response.headers());
        let effect = validate::effect_of_head(&stored.meta, stored.body.length(), status, headers);
        match effect {
            HeadEffect::Freshen => drop(self.freshen(stored, received, Match::Strong)),
            HeadEffect::Invalidate => self.cache.store.remove(&self.key),
            HeadEffect::Nothing => {}
        }
    }

    /// Stores the answer if it may be.
    pub(super) async fn keep(mut self, received: Received, tell: oneshot::Sender<Led>) {
        let decision = self.decide(&received);
        let Received { response, responded_at, sequence, .. } = received;
        let length = content_length(&response);
        let is_small = length.is_none_or(|length| length <= self.cache.store.body_bytes_max());
        let meta = match decision {
            Storage::Store(meta) if is_small && !self.asked.is_head => meta,
            Storage::Store(_) => return self.alone(response, None, tell),
            Storage::Not(reason) => return self.alone(response, Some(reason), tell),
        };
        let kept = storage::stored_headers(response.headers(), responded_at, &self.cache.rules);
        let (parts, body) = response.into_parts();
        let extra = unkept(parts.headers, &kept);
        match body {
            BackendBody::Whole(bytes) => {
                match self.cache.store.body(std::slice::from_ref(&bytes)) {
                    Ok(body) => {
                        let new = self.cache.store.put(&self.key, meta, kept, body, sequence);
                        self.land(Landed::Stored(Arc::clone(&new)));
                        let _ = tell.send(Led::Fetched(new, extra));
                    }
                    Err(error) => {
                        tracing::warn!("answer not stored: {error}");
                        let body = StoredBody::Memory(bytes);
                        let new = Stored::unkept(meta, kept, body);
                        self.land(Landed::Alone);
                        let _ = tell.send(Led::Fetched(new, extra));
                    }
                }
            }
            BackendBody::Stream(stream) => {
                let filling = Filling::new(length);
                let shared = Arc::new(Shared { meta, headers: kept, length, filling });
                if let Some(reader) = shared.filling.reader() {
                    let _ = tell.send(Led::Shared(Arc::clone(&shared), reader, extra));
                }
                if let Some(flight) = &self.flight {
                    flight.land(Landed::Shared(Arc::clone(&shared)));
                }
                self.fill(&shared, stream, sequence).await;
            }
        }
    }

    /// Hands an answer on that is for this client alone.
    fn alone(
        mut self,
        response: Response<BackendBody>,
        reason: Option<Reason>,
        tell: oneshot::Sender<Led>,
    ) {
        let is_of_exchange = reason.is_some_and(Reason::is_of_exchange);
        if !is_of_exchange && self.request.method == Method::GET {
            // What was stored before is not what there is now.
            if self.stored.is_some() && !response.status().is_server_error() {
                self.cache.store.remove(&self.key);
            }
            self.cache.flights.pass_by(&self.key);
        }
        self.land(Landed::Alone);
        let _ = tell.send(Led::Alone(Box::new(response)));
    }

    /// Reads the body for everybody, and stores it when it is whole.
    async fn fill(
        mut self,
        shared: &Arc<Shared>,
        mut stream: UnsyncBoxBody<Bytes, BodyError>,
        sequence: u64,
    ) {
        let filling = &shared.filling;
        let bytes_max = self.cache.store.body_bytes_max();
        let mut bytes = 0_u64;
        let mut is_kept = true;
        let end = loop {
            if poll_fn(|cx| filling.poll_room(cx)).await == Room::Unwanted {
                break Err(BodyError::Cut);
            }
            let frame = poll_fn(|cx| Pin::new(&mut stream).poll_frame(cx)).await;
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => break Ok(HeaderMap::new()),
                Some(Err(error)) => break Err(error),
                Some(Ok(Ok(data))) => {
                    bytes = bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    filling.push(data);
                    if bytes > bytes_max && std::mem::replace(&mut is_kept, false) {
                        self.cache.flights.pass_by(&self.key);
                        self.land(Landed::Alone);
                        filling.flow();
                    }
                }
                Some(Ok(Err(frame))) => break Ok(frame.into_trailers().unwrap_or_default()),
            }
        };
        let is_whole = end.is_ok() && shared.length.is_none_or(|length| length == bytes);
        if is_whole && is_kept {
            self.put(shared, sequence).await;
        }
        filling.end(if is_whole { end } else { Err(BodyError::Cut) });
    }

    async fn put(&self, shared: &Shared, sequence: u64) {
        let pieces = shared.filling.pieces();
        let cache = Arc::clone(&self.cache);
        // Megabytes are copied, perhaps to a disk.
        let written = tokio::task::spawn_blocking(move || cache.store.body(&pieces)).await;
        match written {
            Ok(Ok(body)) => {
                let (meta, headers) = (shared.meta.clone(), shared.headers.clone());
                self.cache.store.put(&self.key, meta, headers, body, sequence);
            }
            Ok(Err(error)) => tracing::warn!("answer not stored: {error}"),
            Err(error) => tracing::error!("answer not stored: {error}"),
        }
    }
}

/// Returns the fields that are not kept, for the client that caused the answer: those that `no-cache="…"` or
/// `private="…"` names.
fn unkept(mut received: HeaderMap, kept: &HeaderMap) -> HeaderMap {
    for name in kept.keys() {
        received.remove(name);
    }
    for name in [header::AGE, header::CONTENT_LENGTH, HeaderName::from_static("cache-tag")] {
        received.remove(name);
    }
    received
}

/// Takes the conditions and ranges of a client out of a request.
fn unconditional(headers: &mut HeaderMap) {
    for name in [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]
    {
        headers.remove(name);
    }
}

fn content_length(response: &Response<BackendBody>) -> Option<u64> {
    match response.body() {
        BackendBody::Whole(bytes) => u64::try_from(bytes.len()).ok(),
        BackendBody::Stream(stream) => stream.size_hint().exact(),
    }
}
