//! Models and pictures in R2, fetched from the origin at their first use.
//!
//! Their names are digests of what is in them, so what is stored once is right for ever.

use core::pin::pin;
use core::time::Duration;
use std::collections::BTreeMap;

use api_types::feed;
use bytes::Bytes;
use domain::Timestamp;
use files_core::FILE_BYTES_MAX;
use futures::future::{Either, select};
use http::{HeaderValue, Request, header};
use origin_client::origins::Origins;
use ports::{Clock, Timer};
use worker::{Bucket, HttpMetadata, Range, web_sys};

use crate::isolate::isolate;
use crate::log;
use crate::memory::Memory;
use crate::ports::WorkerPorts;
use crate::ports::http_client::{Abort, fetch};
use crate::wire;

/// The bucket's binding.
const BUCKET: &str = "MEDIA";

/// Longest time to fetch one: 20 s, 10 MiB at 4 Mbit/s.
const PULL_TIMEOUT: Duration = Duration::from_secs(20);

/// Most that one isolate fetches at once: 8. Names are guessable in form, so this is what an origin has to bear.
const PULLS_MAX: usize = 8;

/// How long a place is held at most: 60 s, a fetch from either origin and what R2 takes. Who waits for longer is gone:
/// when a client hangs up, the runtime drops its request without another word, and nothing gives the place back.
const PLACE_HELD: Duration = Duration::from_secs(60);

/// Longest wait for a place among them: 3 s.
const PLACE_TIMEOUT: Duration = Duration::from_secs(3);

/// Time between two looks for a place: 100 ms.
const PLACE_POLL: Duration = Duration::from_millis(100);

/// How long "the origin has no such file" is remembered: 60 s.
const ABSENCE_KEPT: Duration = Duration::from_secs(60);

/// Names and lengths that an isolate remembers: 256 KiB of them.
const KNOWN_BYTES_MAX: usize = 256 * 1_024;

/// Why a medium cannot be had.
#[derive(Debug)]
pub(crate) enum PullError {
    /// No origin gave an answer.
    Unreachable(String),
    /// R2 failed, or the origin's answer was none of ours.
    Failed(String),
}

impl core::fmt::Display for PullError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "no origin has given a medium: {why}"),
            Self::Failed(why) => write!(f, "store a medium: {why}"),
        }
    }
}

impl From<worker::Error> for PullError {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What an isolate knows of media.
#[derive(Debug)]
pub(crate) struct Pulls {
    places: Places,
    absent: Memory<Timestamp>,
    lengths: Memory<u64>,
}

impl Default for Pulls {
    fn default() -> Self {
        Self {
            places: Places::default(),
            absent: Memory::new(KNOWN_BYTES_MAX),
            lengths: Memory::new(KNOWN_BYTES_MAX),
        }
    }
}

/// Who fetches: a number each, and until when at most.
#[derive(Debug, Default)]
struct Places {
    held: BTreeMap<u64, Timestamp>,
    given: u64,
}

impl Places {
    /// Gives one of [`PULLS_MAX`] places.
    fn take(&mut self, now: Timestamp) -> Option<u64> {
        self.held.retain(|_, until| now < *until);
        if self.held.len() >= PULLS_MAX {
            return None;
        }
        self.given = self.given.wrapping_add(1);
        self.held.insert(self.given, now.after(PLACE_HELD));
        Some(self.given)
    }
}

/// A place, given back when the request ends; one whose request never ends is taken back after [`PLACE_HELD`].
struct Place(u64);

impl Place {
    async fn take(ports: &WorkerPorts) -> Option<Self> {
        let until = ports.now().after(PLACE_TIMEOUT);
        loop {
            let taken = isolate().pulls.borrow_mut().places.take(ports.now());
            if let Some(number) = taken {
                return Some(Self(number));
            }
            if ports.now() >= until {
                return None;
            }
            ports.sleep(PLACE_POLL).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        isolate().pulls.borrow_mut().places.held.remove(&self.0);
    }
}

/// Returns the key of a medium in the bucket.
fn key(name: &str) -> String {
    format!("m/{name}")
}

fn bucket(ports: &WorkerPorts) -> Result<Bucket, worker::Error> {
    ports.env().bucket(BUCKET)
}

/// Returns how long a medium is, fetching it from the origin if it is not here yet; `None` where there is none.
pub(crate) async fn length(ports: &WorkerPorts, name: &str) -> Result<Option<u64>, PullError> {
    let known = isolate().pulls.borrow().lengths.find(name).copied();
    if known.is_some() {
        return Ok(known);
    }
    let length = match bucket(ports)?.head(key(name)).await? {
        Some(object) => Some(object.size()),
        None if is_known_absent(name, ports.now()) => None,
        None => pull(ports, name).await?,
    };
    let mut pulls = isolate().pulls.borrow_mut();
    match length {
        Some(length) => pulls.lengths.keep(name, 0, length),
        None => pulls.absent.keep(name, 0, ports.now()),
    }
    Ok(length)
}

fn is_known_absent(name: &str, now: Timestamp) -> bool {
    let pulls = isolate().pulls.borrow();
    pulls.absent.find(name).is_some_and(|seen_at| now.since(*seen_at) < ABSENCE_KEPT)
}

/// Returns bytes of a medium, unread. `length` is never 0.
pub(crate) async fn open(
    ports: &WorkerPorts,
    name: &str,
    start: u64,
    length: u64,
) -> Result<web_sys::ReadableStream, String> {
    let bucket = bucket(ports).map_err(|error| error.to_string())?;
    let range = Range::OffsetWithLength { offset: start, length };
    let found = bucket.get(key(name)).range(range).execute().await;
    let found = found.map_err(|error| error.to_string())?;
    let gone = || {
        // Somebody took it out of the bucket; the next request fetches it again.
        isolate().pulls.borrow_mut().lengths.forget(name);
        format!("{name} is gone")
    };
    let object = found.ok_or_else(gone)?;
    let body = object.body().ok_or_else(|| format!("{name} has no body"))?;
    match body.response_body().map_err(|error| error.to_string())? {
        worker::ResponseBody::Stream(stream) => Ok(stream),
        _ => Err(format!("{name} has no stream")),
    }
}

/// Fetches a medium from an origin into the bucket and returns its length; `None` where no origin has it. A medium
/// that is there already is written again.
pub(crate) async fn pull(ports: &WorkerPorts, name: &str) -> Result<Option<u64>, PullError> {
    let list = format!("{},{}", ports.text("origin_url"), ports.text("origin_url_secondary"));
    let origins =
        Origins::parse(&list).map_err(|error| PullError::Unreachable(error.to_string()))?;
    let Some(_place) = Place::take(ports).await else {
        return Err(PullError::Unreachable("too many are asked for at once".to_owned()));
    };
    let mut last = PullError::Unreachable("no origin".to_owned());
    for index in 0..origins.count() {
        let Some(uri) =
            origins.at(index).and_then(|one| one.uri(&format!("/internal/media/{name}")).ok())
        else {
            continue;
        };
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        let token = feed::bearer(ports.text("edge_secret").as_bytes());
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let pulled =
            match select(pin!(pull_from(ports, &request, name)), pin!(ports.sleep(PULL_TIMEOUT)))
                .await
            {
                Either::Left((pulled, _)) => pulled,
                Either::Right(_) => Err(PullError::Unreachable("took too long".to_owned())),
            };
        match pulled {
            Err(error) => last = error,
            found => return found,
        }
    }
    Err(last)
}

async fn pull_from(
    ports: &WorkerPorts,
    request: &Request<Bytes>,
    name: &str,
) -> Result<Option<u64>, PullError> {
    let unreachable = |why: String| PullError::Unreachable(why);
    let abort = Abort::new().map_err(|error| unreachable(error.to_string()))?;
    let response = fetch(request, &abort).await.map_err(|error| unreachable(error.to_string()))?;
    match response.status() {
        200 => {}
        404 => return Ok(None),
        status => return Err(unreachable(format!("it answered {status}"))),
    }
    let headers = wire::header_map(&response.headers())
        .map_err(|_| PullError::Failed("unreadable headers".to_owned()))?;
    // R2 takes streams of a known length; one that breaks off before is not stored.
    let length = wire::content_length(&headers)
        .filter(|length| *length <= FILE_BYTES_MAX)
        .ok_or_else(|| PullError::Failed("no length, or too large".to_owned()))?;
    let Some(stream) = response.body() else {
        return Err(PullError::Failed("no body".to_owned()));
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let metadata =
        HttpMetadata { content_type: content_type.map(str::to_owned), ..HttpMetadata::default() };
    let bucket = bucket(ports)?;
    let put = bucket.put(key(name), stream).http_metadata(metadata).execute().await;
    if let Err(error) = put {
        // Another request may have stored it at the same moment: R2 takes one write per key and second.
        log::warn("media", &error.to_string());
        return match bucket.head(key(name)).await? {
            Some(object) => Ok(Some(object.size())),
            None => Err(error.into()),
        };
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_from_requests_that_never_ended() {
        let at = Timestamp::from_unix_ms;
        let mut places = Places::default();
        let taken: Vec<u64> = (0..PULLS_MAX).filter_map(|_| places.take(at(0))).collect();
        assert_eq!(taken.len(), PULLS_MAX);
        assert_eq!(places.take(at(59_999)), None);
        places.held.remove(&taken[3]);
        assert!(places.take(at(59_999)).is_some() && places.take(at(59_999)).is_none());
        // Nobody gave back the other seven.
        let freed = (0..PULLS_MAX).filter_map(|_| places.take(at(60_000))).count();
        assert_eq!(freed, PULLS_MAX - 1);
    }
}
