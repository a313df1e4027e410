//! An edge that follows the changes holds what a fresh copy holds.

use std::collections::BTreeMap;

use http_body_util::Full;
use serde_json::{Value, json};

use api_types::feed::bearer;

use crate::shop::{Asker, EDGE_SECRET, Shop, With, key};

type Rows = BTreeMap<(String, String), Value>;

async fn internal(asker: &Asker, path: &str) -> crate::shop::Answer {
    let token = format!("Bearer {}", bearer(EDGE_SECRET.as_bytes()));
    let request = asker.request("GET", path).header("authorization", token);
    asker.send(request.body(Full::default()).unwrap()).await.unwrap()
}

async fn snapshot(asker: &Asker) -> (Value, Rows) {
    let answer = internal(asker, "/internal/feed/snapshot").await.expect(200);
    let lines: Vec<Value> = answer
        .bytes
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let header = lines[0]["header"].clone();
    let mut rows = Rows::new();
    for line in &lines[1..lines.len() - 1] {
        put(&header, &mut rows, &line["row"]);
    }
    assert_eq!(
        lines[lines.len() - 1]["end"],
        json!({"rows": rows.len(), "position": header["position"]})
    );
    (header, rows)
}

fn put(header: &Value, rows: &mut Rows, row: &Value) {
    let table = header["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|table| table["name"] == row["table"])
        .unwrap();
    let columns = table["columns"].as_array().unwrap();
    let key: Vec<&Value> = table["key"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| &row["values"][columns.iter().position(|column| column == name).unwrap()])
        .collect();
    let name = row["table"].as_str().unwrap().to_owned();
    rows.insert((name, serde_json::to_string(&key).unwrap()), row["values"].clone());
}

async fn changes(asker: &Asker, header: &Value, after: u64, wait_ms: u64) -> crate::shop::Answer {
    let (epoch, version) = (header["epoch"].as_str().unwrap(), &header["schema_version"]);
    let path = format!(
        "/internal/feed/changes?epoch={epoch}&after={after}&schema_version={version}&wait_ms={wait_ms}&limit=500"
    );
    internal(asker, &path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_follows_equals_a_fresh_copy() {
    let shop = Shop::start(8);
    let asker = &shop.client;
    let (header, mut rows) = snapshot(asker).await;
    let stock = |rows: &Rows| rows[&("stock".to_owned(), "[\"CUP-RED\"]".to_owned())][2].clone();
    assert_eq!(stock(&rows), "in_stock");
    let start = header["position"].as_u64().unwrap();
    // One piece of eight: no level changes, so no change is told. Then three more: few are left.
    for (count, cart_key) in [(1, "one"), (3, "two")] {
        let cart = asker.cart_with("CUP-RED", count).await;
        asker.checkout(&cart, "success", key(cart_key)).await.expect(201);
    }
    let account = json!({"email": "ada@example.org", "password": "correct horse"});
    let tokens = asker.post("/v1/auth/register", account, key("r")).await.expect(201);
    let logout = json!({"refresh_token": tokens.text("/refresh_token")});
    asker.post("/v1/auth/logout", logout, With::default()).await.expect(204);
    let answer = changes(asker, &header, start, 0).await.expect(200);
    assert_eq!(answer.body["transactions"].as_array().unwrap().len(), 2, "{}", answer.body);
    for transaction in answer.body["transactions"].as_array().unwrap() {
        for change in transaction["changes"].as_array().unwrap() {
            assert_eq!(change["op"], "put");
            put(&header, &mut rows, change);
        }
    }
    let (fresh_header, fresh) = snapshot(asker).await;
    assert_eq!(rows, fresh);
    assert_eq!(stock(&fresh), "low");
    assert_eq!(fresh_header["position"], answer.body["to"]);
    let to = answer.body["to"].as_u64().unwrap();
    changes(asker, &header, to + 1, 0).await.expect_problem(410, "feed-gone");
    changes(asker, &json!({"epoch": "other", "schema_version": 1}), to, 0)
        .await
        .expect_problem(410, "feed-gone");
    let waiting = {
        let (asker, header) = (asker.clone(), header.clone());
        tokio::spawn(async move { changes(&asker, &header, to, 20_000).await })
    };
    let cart = asker.cart_with("CUP-BLUE", 3).await;
    asker.checkout(&cart, "success", key("three")).await.expect(201);
    let woken = waiting.await.unwrap().expect(200);
    let values = &woken.body["transactions"][0]["changes"][0]["values"];
    assert_eq!((&values[0], &values[2]), (&json!("CUP-BLUE"), &json!("out_of_stock")));
    stops_although_an_edge_waits(shop, &header, woken.body["to"].as_u64().unwrap()).await;
}

/// The drain has five seconds; an edge that waits for a change is not what it is for.
async fn stops_although_an_edge_waits(mut shop: Shop, header: &Value, after: u64) {
    let (asker, header) = (shop.client.clone(), header.clone());
    let waiting = tokio::spawn(async move { changes(&asker, &header, after, 20_000).await });
    // The wait itself cannot be seen from outside; two more round trips give it time to begin.
    for _ in 0..2 {
        shop.client.get("/healthz").await.expect(200);
    }
    let took = tokio::task::block_in_place(|| shop.origin.terminate());
    assert!(took < std::time::Duration::from_secs(4), "{took:?}");
    if let Ok(answer) = waiting.await {
        assert_eq!(answer.expect(200).body["transactions"], json!([]));
    }
}
