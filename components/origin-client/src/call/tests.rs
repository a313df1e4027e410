//! Whole calls against origins that answer, break, refuse, and stay silent.

use core::cell::Cell;
use core::task::Poll;
use std::collections::BTreeMap;

use futures::executor::block_on;
use futures::{FutureExt as _, future};
use http::StatusCode;

use super::*;

/// What an origin does.
#[derive(Debug, Clone)]
enum Behaviour {
    Answers(u16),
    Refuses,
    Breaks,
    /// Takes no connection: the host gives up after 400 ms.
    Unreachable,
    /// Answers nothing at all: time passes until the caller gives up.
    Stopped,
    /// Answers its probe at once, and requests never.
    Hangs,
    /// Answers its probe at once, and requests after 5 s.
    Busy,
}

struct World {
    origins: BTreeMap<&'static str, Behaviour>,
    now: Cell<Timestamp>,
    sent: RefCell<Vec<String>>,
}

impl World {
    fn of(origins: impl IntoIterator<Item = (&'static str, Behaviour)>) -> Self {
        Self {
            origins: origins.into_iter().collect(),
            now: Cell::new(Timestamp::from_unix_ms(0)),
            sent: RefCell::default(),
        }
    }

    fn pass(&self, duration: Duration) {
        self.now.set(self.now.get().after(duration));
    }

    fn call(&self, list: &str, method: Method, key: bool) -> Result<StatusCode, CallError> {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        *request.method_mut() = method;
        *request.uri_mut() = "/v1/carts?x=1".parse().unwrap();
        if key {
            request.headers_mut().insert("idempotency-key", http::HeaderValue::from_static("k"));
        }
        let origins = Origins::parse(list).unwrap();
        let health = RefCell::default();
        block_on(call(self, &origins, &health, &request, 1_000)).map(|answer| answer.status())
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.now.get()
    }
}

impl Timer for World {
    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
    }
}

impl HttpClient for World {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        _body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri();
        let is_probe = uri.path() == PROBE_PATH;
        assert!(is_probe || uri.path_and_query().unwrap() == "/v1/carts?x=1");
        self.sent.borrow_mut().push(uri.to_string());
        let answer = |status: u16| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        };
        match self.origins[uri.host().unwrap()] {
            Behaviour::Answers(status) => answer(status),
            Behaviour::Refuses => Err(HttpError::Connect("refused".into())),
            Behaviour::Unreachable => {
                self.pass(Duration::from_millis(400));
                Err(HttpError::Connect("timed out".into()))
            }
            Behaviour::Breaks => Err(HttpError::Broken("reset".into())),
            Behaviour::Stopped if is_probe => {
                self.pass(timeout);
                Err(HttpError::Timeout)
            }
            Behaviour::Stopped => future::pending().await,
            Behaviour::Busy | Behaviour::Hangs if is_probe => answer(200),
            Behaviour::Hangs => future::pending().await,
            Behaviour::Busy => {
                let mut pending_left = 2_u8;
                future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    match pending_left.checked_sub(1) {
                        Some(left) => {
                            pending_left = left;
                            Poll::Pending
                        }
                        None => Poll::Ready(()),
                    }
                })
                .await;
                self.pass(Duration::from_secs(5));
                answer(201)
            }
        }
    }
}

#[test]
fn answers_come_from_the_first_origin_that_can_give_one() {
    use Behaviour::{Answers, Breaks, Busy, Refuses, Stopped, Unreachable};
    let unavailable = Err(CallError::Unavailable);
    for (a, b, method, key, expected, requests) in [
        (Answers(200), Answers(200), Method::GET, false, Ok(200), 1),
        (Answers(409), Answers(200), Method::POST, true, Ok(409), 1),
        (Refuses, Answers(201), Method::POST, false, Ok(201), 2),
        (Breaks, Answers(201), Method::POST, false, unavailable, 1),
        (Breaks, Answers(201), Method::POST, true, Ok(201), 2),
        (Breaks, Answers(200), Method::GET, false, Ok(200), 2),
        (Answers(503), Answers(200), Method::GET, false, Ok(200), 2),
        (Answers(503), Answers(200), Method::POST, false, Ok(503), 1),
        (Answers(503), Refuses, Method::GET, false, Ok(503), 3),
        (Answers(500), Answers(200), Method::GET, false, Ok(500), 1),
        (Refuses, Refuses, Method::POST, false, unavailable, 3),
        (Stopped, Answers(200), Method::GET, false, Ok(200), 3),
        (Stopped, Answers(200), Method::POST, false, unavailable, 2),
        (Busy, Answers(200), Method::POST, false, Ok(201), 2),
        (Unreachable, Answers(201), Method::POST, false, Ok(201), 2),
    ] {
        let case = format!("{a:?} {b:?} {method} {key}");
        let world = World::of([("a", a), ("b", b)]);
        let expected = expected.map(|status| StatusCode::from_u16(status).unwrap());
        assert_eq!(world.call("http://a,http://b", method, key), expected, "{case}");
        assert_eq!(world.sent.borrow().len(), requests, "{case}: {:?}", world.sent.borrow());
    }
}

#[test]
fn a_client_waits_at_most_two_seconds_when_nothing_lives() {
    use Behaviour::{Refuses, Stopped, Unreachable};
    for (a, b) in [
        (Stopped, Stopped),
        (Refuses, Stopped),
        (Stopped, Refuses),
        (Unreachable, Unreachable),
        (Unreachable, Stopped),
    ] {
        for (method, key) in [(Method::GET, false), (Method::POST, false), (Method::POST, true)] {
            let world = World::of([("a", a.clone()), ("b", b.clone())]);
            let result = world.call("http://a,http://b", method, key);
            assert_eq!(result, Err(CallError::Unavailable));
            assert!(world.now.get().unix_ms() < 2_000, "{a:?} {b:?} {}", world.now.get().unix_ms());
        }
    }
}

#[test]
fn a_client_that_goes_away_leaves_no_place_taken_and_nothing_said() {
    let world = World::of([("a", Behaviour::Hangs)]);
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = "/v1/carts?x=1".parse().unwrap();
    let (origins, health) = (Origins::parse("http://a").unwrap(), RefCell::default());
    let gone = call(&world, &origins, &health, &request, 1_000).now_or_never();
    assert!(gone.is_none(), "it was still under way");
    let mut health = health.borrow_mut();
    let (pool, now) = health.as_of_last().unwrap();
    let state = pool.states(now).next().unwrap();
    assert_eq!((state.requests, state.in_flight, state.failures), (1, 0, 0));
}

#[test]
fn failures_say_when_to_come_again_and_nothing_of_our_insides() {
    let response = CallError::Unavailable.problem().into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    assert!(String::from_utf8_lossy(response.body()).contains("origin-unavailable"));
    assert_eq!(CallError::Slow.problem().status, 504);
    assert_eq!(CallError::TooLarge.problem().status, 502);
    assert_eq!(CallError::Denied.problem().status, 500);
}
