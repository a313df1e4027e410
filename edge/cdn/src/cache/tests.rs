//! The cache before a backend that is scripted; what may be stored and used is `cache-core`'s to test.

use std::{
    sync::{Mutex, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use tokio::sync::Semaphore;

use super::*;
use crate::{
    pieces::Pieces,
    store::{DiskLimits, PurgeKind, StoreLimits},
};

type Script = dyn Fn(usize, &BackendRequest) -> Response<BackendBody> + Send + Sync;

/// Answers as the script says, when it is let.
#[derive(Clone)]
struct Origin {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<BackendRequest>>>,
    gate: Arc<Semaphore>,
}

impl Origin {
    fn new(
        script: impl Fn(usize, &BackendRequest) -> Response<BackendBody> + Send + Sync + 'static,
    ) -> Self {
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { script: Arc::new(script), asked: Arc::default(), gate }
    }

    fn count(&self) -> usize {
        self.asked.lock().expect("is not poisoned").len()
    }
}

impl Backend for Origin {
    async fn fetch(&self, request: BackendRequest) -> Result<Response<BackendBody>, BackendError> {
        let number = {
            let mut asked = self.asked.lock().expect("is not poisoned");
            asked.push(request.clone());
            asked.len() - 1
        };
        drop(self.gate.acquire().await.expect("is open"));
        Ok((self.script)(number, &request))
    }
}

fn cache(limits: &StoreLimits) -> Arc<Cache> {
    Arc::new(Cache::new(Store::new(limits).expect("is made"), Rules::default()))
}

fn response(
    headers: &[(&'static str, &'static str)],
    body: impl Into<Bytes>,
) -> Response<BackendBody> {
    let mut response = Response::new(BackendBody::Whole(body.into()));
    for (name, value) in headers {
        response.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    response
}

/// A body of `count` pieces of `size` bytes.
fn stream(count: usize, size: usize) -> BackendBody {
    let pieces = (0..count).map(move |_| Ok(Frame::data(Bytes::from(vec![b'x'; size]))));
    BackendBody::Stream(UnsyncBoxBody::new(StreamBody::new(Pieced(pieces))))
}

struct Pieced<I>(I);

impl<I: Iterator + Unpin> futures::Stream for Pieced<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

fn request(path: &str, headers: &[(&'static str, &'static str)]) -> BackendRequest {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().expect("is a name"), HeaderValue::from_static(value)));
    BackendRequest {
        method: Method::GET,
        target: path.to_owned(),
        headers: headers.collect(),
        content: RequestContent::Whole(Bytes::new()),
        interim: Interim::nowhere(),
    }
}

async fn ask(
    cache: &Arc<Cache>,
    origin: &Origin,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> Answer {
    let key = Key::of("http", "a", path);
    let mut answer = cache.answer(origin, &key, request(path, headers)).await.expect("is answered");
    answer.gather();
    answer
}

async fn body(content: Content) -> Bytes {
    match content {
        Content::Whole(bytes) => bytes,
        Content::File(part) => {
            Pieces::from(crate::Piece::File(part)).collect().await.expect("is whole").to_bytes()
        }
        Content::Pieces(pieces) => pieces.collect().await.expect("is whole").to_bytes(),
        Content::Filling(filling) => filling.collect().await.expect("is whole").to_bytes(),
        Content::Stream(stream) => stream.collect().await.expect("is whole").to_bytes(),
    }
}

fn word(answer: &Answer) -> &str {
    answer.word.map_or("", Word::as_str)
}

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn rfc9211_2_says_what_was_done() {
    let cache = cache(&StoreLimits::default());
    let origin = Origin::new(|_, _| response(&[FRESH, ("vary", "x")], "a"));
    for (headers, status) in [
        (&[("x", "1")][..], "vitrine; fwd=uri-miss; stored"),
        (&[("x", "1")], "vitrine; hit; ttl="),
        (&[("x", "2")], "vitrine; fwd=vary-miss; stored"),
        (&[("cache-control", "no-store")], "vitrine; fwd=request"),
    ] {
        let answer = ask(&cache, &origin, "/a", headers).await;
        let said = answer.headers.get("cache-status").expect("is said").to_str().expect("is text");
        assert!(said.starts_with(status), "{said} instead of {status}");
    }
    let only = ask(&cache, &origin, "/b", &[("cache-control", "only-if-cached")]).await;
    assert_eq!(only.status, 504);
}

#[tokio::test]
async fn many_that_ask_at_once_are_one_request_whatever_becomes_of_the_first() {
    let cache = cache(&StoreLimits::default());
    let origin = Origin::new(|_, _| {
        let mut response = response(&[FRESH], "");
        *response.body_mut() = stream(10, 10_000);
        response
    });
    let closed = Origin { gate: Arc::new(Semaphore::new(0)), ..origin.clone() };
    let asking = |cache: &Arc<Cache>| {
        let (cache, origin) = (Arc::clone(cache), closed.clone());
        tokio::spawn(async move { body(ask(&cache, &origin, "/a", &[]).await.content).await.len() })
    };
    let first = asking(&cache);
    while closed.count() == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..100).map(|_| asking(&cache)).collect();
    tokio::task::yield_now().await;
    // Its client goes; the others still wait for it.
    first.abort();
    closed.gate.add_permits(1);
    for other in others {
        assert_eq!(other.await.expect("does not panic"), 100_000);
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_body_beyond_the_bound_flows_and_is_not_stored() {
    let cache = cache(&StoreLimits { body_bytes_max: 50_000, ..StoreLimits::default() });
    for (path, is_known) in [("/unknown", false), ("/known", true)] {
        let origin = Origin::new(move |_, _| {
            let mut response = response(&[FRESH], "");
            *response.body_mut() = if is_known {
                BackendBody::Whole(vec![0; 100_000].into())
            } else {
                stream(10, 10_000)
            };
            response
        });
        for _ in 0..2 {
            assert_eq!(body(ask(&cache, &origin, path, &[]).await.content).await.len(), 100_000);
        }
        assert_eq!((origin.count(), cache.store_figures().addresses), (2, 0), "{path}");
    }
}

#[tokio::test]
async fn a_full_store_lets_go_and_stays_within_its_bound() {
    let limits = StoreLimits { bytes_max: 4 << 20, ..StoreLimits::default() };
    let cache = cache(&limits);
    let origin = Origin::new(|_, _| response(&[FRESH], vec![0; 40_000]));
    for number in 0..400 {
        ask(&cache, &origin, &format!("/{number}"), &[]).await;
        let figures = cache.store_figures();
        assert!(figures.bytes <= figures.bytes_max, "{figures:?}");
    }
    let figures = cache.store_figures();
    assert!(
        figures.addresses > 50 && figures.addresses < 110 && figures.stored == 400,
        "{figures:?}"
    );
}

#[tokio::test]
async fn purges_by_tag_and_address_drop_or_make_stale() {
    let cache = cache(&StoreLimits::default());
    let origin = Origin::new(|number, request| {
        if request.headers.get("if-none-match").is_some_and(|tag| tag == "\"e\"") {
            let mut response = response(&[FRESH, ("etag", "\"e\"")], "");
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        response(&[FRESH, ("etag", "\"e\""), ("cache-tag", "sku-1, shop")], number.to_string())
    });
    let words = async |expected: &str| {
        let answer = ask(&cache, &origin, "/a", &[]).await;
        assert_eq!(word(&answer), expected);
        assert!(!answer.headers.contains_key("cache-tag"));
        body(answer.content).await
    };
    assert_eq!(words("MISS").await, "0");
    assert_eq!(words("HIT").await, "0");
    cache.purge(&[Purge::Tag("sku-2".into(), PurgeKind::Hard)]).expect("is purged");
    assert_eq!(words("HIT").await, "0");
    cache.purge(&[Purge::Tag("sku-1".into(), PurgeKind::Soft)]).expect("is purged");
    assert_eq!(words("REVALIDATED").await, "0");
    assert_eq!(words("HIT").await, "0");
    cache.purge(&[Purge::Tag("shop".into(), PurgeKind::Hard)]).expect("is purged");
    assert_eq!(words("MISS").await, "2");
    cache
        .purge(&[Purge::Address(Key::of("HTTP", "A:80", "/a"), PurgeKind::Hard)])
        .expect("is purged");
    assert_eq!(words("MISS").await, "3");
    cache.purge(&[Purge::All(PurgeKind::Hard)]).expect("is purged");
    assert_eq!(words("MISS").await, "4");
}

#[tokio::test]
async fn an_answer_that_was_asked_for_before_a_purge_does_not_outlive_it() {
    let cache = cache(&StoreLimits::default());
    let origin = Origin {
        gate: Arc::new(Semaphore::new(0)),
        ..Origin::new(|number, _| response(&[FRESH, ("cache-tag", "t")], number.to_string()))
    };
    let asking = {
        let (cache, origin) = (Arc::clone(&cache), origin.clone());
        tokio::spawn(async move { body(ask(&cache, &origin, "/a", &[]).await.content).await })
    };
    while origin.count() == 0 {
        tokio::task::yield_now().await;
    }
    cache.purge(&[Purge::Tag("t".into(), PurgeKind::Hard)]).expect("is purged");
    origin.gate.add_permits(100);
    assert_eq!(asking.await.expect("does not panic"), "0");
    assert_eq!(body(ask(&cache, &origin, "/a", &[]).await.content).await, "1");
}

#[tokio::test]
async fn large_bodies_lie_in_files_and_go_with_them() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let limits =
        StoreLimits { directory: Some(folder.path().to_owned()), ..StoreLimits::default() };
    let cache = cache(&limits);
    let origin = Origin::new(|_, _| {
        let mut response = response(&[FRESH, ("cache-tag", "t")], "");
        *response.body_mut() = stream(30, 10_000);
        response
    });
    let files = || std::fs::read_dir(folder.path()).expect("is there").count();
    assert_eq!(body(ask(&cache, &origin, "/a", &[]).await.content).await.len(), 300_000);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while cache.store_figures().addresses == 0 {
        assert!(std::time::Instant::now() < deadline, "is never stored");
        tokio::task::yield_now().await;
    }
    let held = ask(&cache, &origin, "/a", &[]).await;
    assert!(matches!(held.content, Content::File(_)));
    assert_eq!(files(), 1);
    cache.purge(&[Purge::All(PurgeKind::Hard)]).expect("is purged");
    assert_eq!(
        word(&ask(&cache, &origin, "/a", &[("cache-control", "only-if-cached")]).await),
        "MISS"
    );
    assert_eq!(body(held.content).await.len(), 300_000, "whoever has it open reads on");
    drop(held.stored);
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn what_lies_on_the_disk_is_validated_and_stands_in_as_what_lies_in_memory() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let disk = DiskLimits { directory: folder.path().to_owned(), bytes_max: 16 << 20 };
    let limits = StoreLimits { disk: Some(disk), ..StoreLimits::default() };
    // Each time as by a new process; tasks of the last one may still be about to end.
    let cache = async || {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            match Store::new(&limits) {
                Ok(store) => return Arc::new(Cache::new(store, Rules::default())),
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let is_down = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_down);
    let origin = Origin::new(move |number, request| {
        let is_known = request.headers.get("if-none-match").is_some_and(|tag| tag == "\"e\"");
        let control = match request.target.as_str() {
            "/error" => "max-age=1, stale-if-error=600",
            "/updating" => "max-age=1, stale-while-revalidate=600",
            _ => "max-age=1",
        };
        let age = if is_known { "0" } else { "100" };
        let mut response =
            response(&[("cache-control", control), ("age", age), ("etag", "\"e\"")], "body");
        let number = HeaderValue::from(number);
        response.headers_mut().insert("x-number", number);
        if told.load(Relaxed) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        } else if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    });
    let words = async |cache: &Arc<Cache>, path: &str| {
        let answer = ask(cache, &origin, path, &[]).await;
        cache.settle(Duration::from_secs(10));
        (word(&answer).to_owned(), body(answer.content).await)
    };
    let first = cache().await;
    for path in ["/error", "/updating", "/plain"] {
        assert_eq!(words(&first, path).await.0, "MISS");
    }
    drop(first);
    is_down.store(true, Relaxed);
    let second = cache().await;
    assert_eq!(words(&second, "/error").await, ("STALE".into(), "body".into()));
    assert_eq!(words(&second, "/updating").await, ("UPDATING".into(), "body".into()));
    drop(second);
    is_down.store(false, Relaxed);
    let third = cache().await;
    let asked = origin.count();
    assert_eq!(words(&third, "/plain").await, ("REVALIDATED".into(), "body".into()));
    drop(third);
    // What the validation has said is on the disk, too.
    let fourth = cache().await;
    let answer = ask(&fourth, &origin, "/plain", &[("cache-control", "max-stale")]).await;
    assert_eq!(answer.headers.get("x-number"), Some(&HeaderValue::from(asked)));
    assert_eq!(origin.count(), asked + 1);
    let figures = fourth.store_figures().disk.expect("has a disk");
    assert_eq!((figures.hits, figures.damaged), (1, 0));
}

#[tokio::test]
async fn rfc9111_4_4_changes_at_the_origin_drop_what_they_change() {
    let cache = cache(&StoreLimits::default());
    let origin = Origin::new(|_, _| response(&[FRESH, ("content-location", "/b")], "x"));
    for path in ["/a", "/b", "/c"] {
        ask(&cache, &origin, path, &[]).await;
    }
    let mut change = request("/a", &[]);
    change.method = Method::DELETE;
    cache.answer(&origin, &Key::of("http", "a", "/a"), change).await.expect("is answered");
    for (path, expected) in [("/a", "MISS"), ("/b", "MISS"), ("/c", "HIT")] {
        assert_eq!(word(&ask(&cache, &origin, path, &[]).await), expected, "{path}");
    }
}

#[test]
fn counts_every_word() {
    let figures = Figures::new();
    for _ in 0..3 {
        figures.count(Word::Hit);
    }
    let counted: Vec<_> = figures.all().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(Word::Hit, 3)]);
}
