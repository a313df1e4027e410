//! Our counters over Upstash's REST interface and a real Redis.

use std::time::Duration;

use ports::{CounterError, Counters as _, Taken};
use remotes::redis::{Connection, Redis, Reply};
use remotes::{Server, upstash as stand_in};
use upstash::counters::CounterLimits;
use upstash::{Command, Endpoint, Error, UpstashCounters, Value, answer};

use crate::http_client::Http;

const TOKEN: &str = "a-token";
/// Long enough for a crowd on a busy machine; what a request may wait for in the shop is not the matter here.
const LIMITS: CounterLimits =
    CounterLimits { timeout: Duration::from_secs(60), life: Duration::from_secs(120) };

struct World {
    redis: Redis,
    _server: Server,
    endpoint: Endpoint,
    http: Http,
}

impl World {
    async fn start() -> Self {
        let redis = Redis::start().await.unwrap();
        let server = stand_in::serve(redis.socket(), TOKEN).await.unwrap();
        let endpoint = Endpoint::new(server.url(), TOKEN).unwrap();
        Self { redis, _server: server, endpoint, http: Http::new() }
    }

    fn counters(&self) -> UpstashCounters<'_, Http> {
        UpstashCounters::new(&self.http, &self.endpoint, LIMITS)
    }

    async fn ask(&self, command: &str) -> Reply {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        Connection::open(&self.redis.socket()).await.unwrap().ask(&words).await.unwrap()
    }
}

fn keys() -> Vec<String> {
    ["window/1", "window/2", "window/3"].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_place_is_given_until_the_sum_has_reached_the_limit() {
    let world = World::start().await;
    let counters = world.counters();
    assert_eq!(counters.increment("window/1", 2).await, Ok(2));
    for (counts, is_admitted) in
        [([2, 0, 1], true), ([2, 0, 2], true), ([2, 0, 2], false), ([2, 0, 2], false)]
    {
        let expected = Taken { counts: counts.to_vec(), is_admitted };
        assert_eq!(counters.take(&keys(), 4).await, Ok(expected));
    }
    let none = Taken { counts: vec![2, 0, 2], is_admitted: false };
    assert_eq!(counters.take(&keys(), 0).await, Ok(none));
    let most = counters.take(&keys(), u64::MAX).await.unwrap();
    assert_eq!(most, Taken { counts: vec![2, 0, 3], is_admitted: true });
    assert_eq!(counters.count("window/3").await, Ok(3));
    assert_eq!(counters.forget("window/3").await, Ok(()));
    assert_eq!(counters.count("window/3").await, Ok(0));
}

#[tokio::test]
async fn a_thousand_at_once_get_exactly_the_hundred_places_there_are() {
    let world = World::start().await;
    let (counters, keys) = (world.counters(), keys());
    let everybody = (0..1_000).map(|_| counters.take(&keys, 100));
    let taken = futures::future::join_all(everybody).await;
    let admitted = taken.iter().filter(|taken| taken.as_ref().unwrap().is_admitted).count();
    assert_eq!(admitted, 100);
    assert_eq!(counters.count("window/3").await, Ok(100), "who was refused is not counted");
}

#[tokio::test]
async fn counters_end_by_themselves() {
    let world = World::start().await;
    world.counters().take(&keys(), 4).await.unwrap();
    world.counters().increment("other", 1).await.unwrap();
    for key in ["window/3", "other"] {
        let Reply::Integer(life_ms) = world.ask(&format!("PTTL {key}")).await else { panic!() };
        assert!((1..=120_000).contains(&life_ms), "{life_ms}");
    }
    assert_eq!(world.ask("EXISTS window/1").await, Reply::Integer(0), "looking makes nothing");
}

#[tokio::test]
async fn a_key_is_data_whatever_is_in_it() {
    let world = World::start().await;
    let counters = world.counters();
    for key in ["", "a b", "\"]", "*1\r\n$4\r\nPING\r\n", "Grüße", "rate/login/2001:db8::1/7"] {
        assert_eq!(counters.increment(key, 1).await, Ok(1), "{key:?}");
        let taken = counters.take(&[key.to_owned()], 9).await.unwrap();
        assert_eq!(taken.counts, [2], "{key:?}");
    }
}

#[tokio::test]
async fn a_value_that_is_no_counter_is_an_error() {
    let world = World::start().await;
    world.ask("SET window/1 word").await;
    world.ask("LPUSH window/2 item").await;
    for key in ["window/1", "window/2"] {
        assert!(world.counters().increment(key, 1).await.is_err());
        assert!(world.counters().count(key).await.is_err());
        assert!(world.counters().take(&[key.to_owned()], 9).await.is_err());
    }
}

#[tokio::test]
async fn a_wrong_token_and_a_dead_server_are_errors() {
    let world = World::start().await;
    let stranger = Endpoint::new(world._server.url(), "another").unwrap();
    let counters = UpstashCounters::new(&world.http, &stranger, LIMITS);
    let refused = CounterError("upstash: the token is refused".to_owned());
    assert_eq!(counters.take(&keys(), 9).await, Err(refused));
    let endpoint = world.endpoint.clone();
    drop(world);
    let http = Http::new();
    assert!(UpstashCounters::new(&http, &endpoint, LIMITS).take(&keys(), 9).await.is_err());
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_no_more_than_the_timeout() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (http, endpoint) = (Http::new(), Endpoint::new(&url, TOKEN).unwrap());
    let limits = CounterLimits { timeout: Duration::from_millis(50), ..LIMITS };
    let counters = UpstashCounters::new(&http, &endpoint, limits);
    assert!(counters.take(&keys(), 9).await.is_err());
}

#[tokio::test]
async fn pipelines_say_each_outcome_and_transactions_are_whole() {
    use ports::HttpClient as _;

    let world = World::start().await;
    let send = |request| world.http.send(request, LIMITS.timeout, upstash::ANSWER_BYTES_MAX);
    let commands = [
        Command::new("SET").arg("a").arg("word"),
        Command::new("INCR").arg("a"),
        Command::new("GET").arg("a"),
    ];
    let response = send(world.endpoint.pipeline(&commands).unwrap()).await.unwrap();
    let outcomes = answer::read_pipeline(&response, 3).unwrap();
    assert_eq!(outcomes[0], Ok(Value::Text("OK".to_owned())));
    assert!(matches!(&outcomes[1], Err(Error::Command(text)) if text.contains("not an integer")));
    assert_eq!(outcomes[2], Ok(Value::Text("word".to_owned())));
    // A command that Redis cannot even queue undoes the whole transaction.
    let commands = [Command::new("SET").arg("b").arg(1), Command::new("NOSUCHCOMMAND")];
    let response = send(world.endpoint.transaction(&commands).unwrap()).await.unwrap();
    assert!(matches!(answer::read_transaction(&response, 2), Err(Error::Command(_))));
    assert_eq!(world.ask("EXISTS b").await, Reply::Integer(0));
}
