//! The secret that everybody knows: believed when it was allowed, on this machine alone, and beside the own one.

use api_types::feed::{DEVELOPMENT_SECRET, SNAPSHOT_PATH, bearer};
use http_body_util::Full;

use crate::shop::{EDGE_SECRET, Shop, With};

const FLAG: &str = "--allow-development-secret";

async fn shop_status(shop: &Shop, secret: &str) -> u16 {
    let with = With { secret: Some(secret), ..With::default() };
    let answer = shop.client.ask("GET", "/v1/inventory/CUP-RED", None, with).await;
    let status = answer.status.as_u16();
    if status == 401 {
        answer.expect_problem(401, "edge-signature");
    }
    status
}

async fn feed_status(shop: &Shop, secret: &str) -> u16 {
    let token = format!("Bearer {}", bearer(secret.as_bytes()));
    let request = shop.client.request("GET", SNAPSHOT_PATH).header("authorization", token);
    shop.client.send(request.body(Full::default()).unwrap()).await.unwrap().status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_development_secret_opens_nothing_unless_it_was_allowed() {
    let mut shop = Shop::start(5);
    for (secret, status) in [(EDGE_SECRET, 200), (DEVELOPMENT_SECRET, 401), ("", 401)] {
        assert_eq!(shop_status(&shop, secret).await, status, "`{secret}`");
        assert_eq!(feed_status(&shop, secret).await, status, "`{secret}`");
    }
    shop.restart_origin_with(&[FLAG]);
    for (secret, status) in
        [(EDGE_SECRET, 200), (DEVELOPMENT_SECRET, 200), ("", 401), ("developmenT", 401)]
    {
        assert_eq!(shop_status(&shop, secret).await, status, "`{secret}`");
        assert_eq!(feed_status(&shop, secret).await, status, "`{secret}`");
    }
}

#[test]
fn the_development_secret_is_refused_where_others_could_reach_the_origin() {
    let shop = Shop::start(5);
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8081"] {
        let said = shop.refusal(listen, &[FLAG]);
        assert!(said.contains("--allow-development-secret is for one machine alone"), "{said}");
        assert!(said.contains("127.0.0.1"), "{said}");
    }
}
