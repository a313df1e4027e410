//! What is asked and how answers are read. That the script decides rightly is proved over a real Redis, in
//! `tests/remotes`.

use futures::executor::block_on;
use http::Response;
use ports::fakes::FakeHttpClient;

use super::*;

fn endpoint() -> Endpoint {
    Endpoint::new("http://redis.example", "t").unwrap()
}

fn answering(status: u16, body: &'static str) -> FakeHttpClient {
    FakeHttpClient::new(move |_| {
        Ok(Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
    })
}

fn sent(http: &FakeHttpClient) -> (String, serde_json::Value) {
    let requests = http.sent.borrow();
    assert_eq!(requests.len(), 1, "one request does it all");
    let request = &requests[0];
    (request.uri().path().to_owned(), serde_json::from_slice(request.body()).unwrap())
}

fn keys() -> Vec<String> {
    ["old", "new"].map(str::to_owned).to_vec()
}

#[test]
fn a_place_is_asked_for_in_one_step_with_keys_limit_and_life() {
    let (http, endpoint) = (answering(200, r#"{"result":[1,4,2]}"#), endpoint());
    let counters = UpstashCounters::new(&http, &endpoint, CounterLimits::default());
    let taken = block_on(counters.take(&keys(), u64::MAX)).unwrap();
    assert_eq!(taken, Taken { counts: vec![4, 2], is_admitted: true });
    let (path, command) = sent(&http);
    assert_eq!(path, "/");
    let expected =
        serde_json::json!(["EVAL", TAKE, "2", "old", "new", "18446744073709551615", "120000"]);
    assert_eq!(command, expected);
}

#[test]
fn a_refusal_of_a_place_is_no_failure() {
    let (http, endpoint) = (answering(200, r#"{"result":[0,4,2]}"#), endpoint());
    let counters = UpstashCounters::new(&http, &endpoint, CounterLimits::default());
    let refused = Taken { counts: vec![4, 2], is_admitted: false };
    assert_eq!(block_on(counters.take(&keys(), 6)), Ok(refused));
}

#[test]
fn an_increment_and_its_life_are_one_transaction() {
    let (http, endpoint) = (answering(200, r#"[{"result":5},{"result":1}]"#), endpoint());
    let counters = UpstashCounters::new(&http, &endpoint, CounterLimits::default());
    assert_eq!(block_on(counters.increment("k", 3)), Ok(5));
    let commands = serde_json::json!([["INCRBY", "k", "3"], ["PEXPIRE", "k", "120000"]]);
    assert_eq!(sent(&http), ("/multi-exec".to_owned(), commands));
}

#[test]
fn an_absent_counter_is_zero_and_forgetting_it_is_fine() {
    let (http, endpoint) = (answering(200, r#"{"result":null}"#), endpoint());
    let counters = UpstashCounters::new(&http, &endpoint, CounterLimits::default());
    assert_eq!(block_on(counters.count("k")), Ok(0));
    let (http, endpoint) = (answering(200, r#"{"result":0}"#), self::endpoint());
    let counters = UpstashCounters::new(&http, &endpoint, CounterLimits::default());
    assert_eq!(block_on(counters.forget("k")), Ok(()));
    assert!(counters.forgets_by_itself());
}

#[test]
fn whatever_goes_wrong_is_a_counter_error_for_the_policy_to_judge() {
    for (status, body) in [
        (200, r#"{"result":[1,4]}"#),
        (200, r#"{"result":[2,4,2]}"#),
        (200, r#"{"result":[1,-4,2]}"#),
        (200, r#"{"result":[]}"#),
        (200, r#"{"result":"OK"}"#),
        (200, r#"{"error":"ERR script"}"#),
        (400, r#"{"error":"ERR script"}"#),
        (401, "{}"),
        (429, "{}"),
        (500, ""),
        (200, "<html>"),
    ] {
        let (http, endpoint) = (answering(status, body), endpoint());
        let counters = UpstashCounters::new(&http, &endpoint, CounterLimits::default());
        assert!(block_on(counters.take(&keys(), 6)).is_err(), "{status} {body}");
    }
    let endpoint = endpoint();
    let dead = FakeHttpClient::new(|_| Err(HttpError::Timeout));
    let counters = UpstashCounters::new(&dead, &endpoint, CounterLimits::default());
    assert!(block_on(counters.take(&keys(), 6)).is_err());
    assert!(block_on(counters.take(&[], 6)).is_err());
    assert_eq!(dead.sent.borrow().len(), 1, "without a key nothing is asked");
}
