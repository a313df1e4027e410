//! Models and pictures for edges that keep none of their own.

use api_types::feed::bearer;
use http_body_util::Full;

use crate::shop::{Answer, Asker, EDGE_SECRET, Shop};

const NAME: &str = "0123456789abcdef0123456789abcdef.glb";

async fn ask(asker: &Asker, name: &str, token: &str) -> Answer {
    let request = asker.request("GET", &format!("/internal/media/{name}"));
    let request = request.header("authorization", format!("Bearer {token}"));
    asker.send(request.body(Full::default()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn edges_get_a_medium_whole_and_nobody_else_gets_any() {
    let mut shop = Shop::start(5);
    let folder = tempfile::tempdir().unwrap();
    // More than one piece, and not a multiple of it.
    let content: Vec<u8> = (0..200_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    std::fs::write(folder.path().join(NAME), &content).unwrap();
    std::fs::write(folder.path().join("secret.txt"), b"no").unwrap();
    shop.restart_origin_with(&["--media-dir", folder.path().to_str().unwrap()]);
    let token = bearer(EDGE_SECRET.as_bytes());
    let answer = ask(&shop.client, NAME, &token).await.expect(200);
    assert!(answer.bytes == content);
    assert_eq!(answer.headers["content-length"], "200000");
    assert_eq!(answer.headers["content-type"], "model/gltf-binary");
    assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
    ask(&shop.client, NAME, "wrong").await.expect_problem(401, "unauthenticated");
    ask(&shop.client, NAME, EDGE_SECRET).await.expect_problem(401, "unauthenticated");
    for name in [
        "fedcba9876543210fedcba9876543210.glb",
        "secret.txt",
        "..%2forigin.db",
        "%2e%2e",
        "0123456789abcdef0123456789abcdef.txt",
    ] {
        ask(&shop.client, name, &token).await.expect_problem(404, "not-found");
    }
}

#[tokio::test]
async fn an_origin_without_a_folder_has_no_media() {
    let shop = Shop::start(5);
    let token = bearer(EDGE_SECRET.as_bytes());
    ask(&shop.client, NAME, &token).await.expect_problem(404, "not-found");
}
