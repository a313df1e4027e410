//! Analytics events: from browsers through an edge, from edges in batches, and told to operators.

use api_types::feed::bearer;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::shop::{Answer, Asker, EDGE_SECRET, Shop, With};

async fn internal(asker: &Asker, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let request = asker
        .request(method, path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::from(if method == "GET" { String::new() } else { body.to_string() }));
    asker.send(request.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_and_a_batch_that_comes_again_is_not() {
    let shop = Shop::start(5);
    let (asker, token) = (&shop.client, bearer(EDGE_SECRET.as_bytes()));
    let view = |subject: &str| json!({"name": "product_view", "subject": subject});
    let events = json!({"events": [view("cup"), view("stranger"), {"name": "search"}]});
    let accepted = asker.post("/v1/events", events, With::default()).await.expect(202);
    assert_eq!(accepted.body, json!({"accepted": 3}));
    let today = internal(asker, "GET", "/internal/events", &token, &Value::Null).await.expect(200);
    let day = today.text("/day");
    let batch = json!({"id": "b1", "counts": [{"day": day, "name": "product_view", "subject": "cup", "count": 41}]});
    for (counted, is_repeated) in [(41, false), (0, true)] {
        let taken = internal(asker, "POST", "/internal/events", &token, &batch).await.expect(200);
        assert_eq!(taken.body, json!({"counted": counted, "is_repeated": is_repeated}));
    }
    let path = format!("/internal/events?day={day}");
    let told = internal(asker, "GET", &path, &token, &Value::Null).await.expect(200);
    assert_eq!(
        told.body["counts"],
        json!([{"name": "product_view", "subject": "cup", "count": 42},
            {"name": "product_view", "subject": "", "count": 1},
            {"name": "search", "subject": "", "count": 1}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_edges_bring_batches_and_only_operators_read() {
    let shop = Shop::start(5);
    let (asker, token) = (&shop.client, bearer(EDGE_SECRET.as_bytes()));
    let batch = json!({"id": "b1", "counts": []});
    for wrong in ["", EDGE_SECRET] {
        for method in ["GET", "POST"] {
            let answer = internal(asker, method, "/internal/events", wrong, &batch).await;
            answer.expect_problem(401, "unauthenticated");
        }
    }
    let refused = internal(asker, "POST", "/internal/events", &token, &batch).await;
    refused.expect_problem(422, "invalid-input");
    let long = json!("x".repeat(api_types::events::BATCH_BYTES_MAX));
    let refused = internal(asker, "POST", "/internal/events", &token, &long).await;
    refused.expect_problem(413, "too-large");
    let path = "/internal/events?day=yesterday";
    let refused = internal(asker, "GET", path, &token, &Value::Null).await;
    refused.expect_problem(422, "invalid-input");
    let wrong = json!({"events": [{"name": "purchase"}]});
    let refused = asker.post("/v1/events", wrong, With::default()).await;
    assert_eq!(
        refused.expect_problem(422, "invalid-input").text("/errors/0/pointer"),
        "/events/0/name"
    );
}
