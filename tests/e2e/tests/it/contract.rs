//! What every answer owes its reader: types, caching, ranges, problems.

use e2e::Shop;

use crate::guest::{fresh_key, skus_in_stock};

#[test]
fn pages_models_and_documents_are_served_as_what_they_are() {
    let shop = Shop::start().unwrap();
    let edge = &shop.edge();
    for (path, kind) in [
        ("/", "text/html"),
        ("/p/some-piece", "text/html"),
        ("/orders/1", "text/html"),
        ("/openapi.json", "application/json"),
        ("/.well-known/jwks.json", "application/"),
        ("/v1/categories", "application/json"),
        ("/healthz", ""),
        ("/metrics", "text/plain"),
    ] {
        let answer = edge.get(path).unwrap().expect_status(200);
        let there = answer.header("content-type").unwrap_or_default();
        assert!(there.starts_with(kind), "{path}: {there}");
    }
    let page = edge.get("/").unwrap();
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src"), "{page:?}");

    let sku = skus_in_stock(edge).remove(0);
    let manifest = edge.get(&format!("/v1/ar/{sku}")).unwrap().json();
    let model = manifest["links"]["web_glb"].as_str().unwrap().to_owned();
    let path = model.split_once("//").map_or(model.as_str(), |(_, rest)| {
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
    });
    let whole = edge.get(path).unwrap().expect_status(200);
    assert!(whole.header("cache-control").is_some_and(|c| c.contains("immutable")), "{whole:?}");
    let part = edge.send("GET", path, &[("range", "bytes=4-7")], None).unwrap().expect_status(206);
    assert_eq!(Some(part.body()), whole.body().get(4..8));
    let etag = whole.header("etag").expect("a model has a validator").to_owned();
    let same = edge.send("GET", path, &[("if-none-match", &etag)], None).unwrap();
    assert_eq!(same.status, 304);
}

#[test]
fn what_is_wrong_is_said_as_a_problem() {
    let shop = Shop::start().unwrap();
    let edge = &shop.edge();
    let json = |text: &str| serde_json::from_str(text).unwrap();
    for (method, path, body, status) in [
        ("GET", "/v1/products/no-such-piece", None, 404),
        ("GET", "/v1/products?limit=many", None, 422),
        ("GET", "/v1/products?cursor=invented", None, 422),
        ("GET", "/v1/ar/NO-SUCH-SKU", None, 404),
        ("GET", "/v1/inventory/NO-SUCH-SKU", None, 404),
        ("GET", "/v1/no/such/place", None, 404),
        ("GET", "/v1/me", None, 401),
        ("GET", "/v1/carts/00000000-0000-4000-8000-000000000000", None, 404),
        ("POST", "/v1/auth/register", Some(json("{\"email\": \"x\", \"password\": \"y\"}")), 422),
        ("DELETE", "/v1/products", None, 405),
    ] {
        let key = fresh_key();
        let headers = [("idempotency-key", key.as_str())];
        let answer = edge.send(method, path, &headers, body.as_ref()).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(answer.is_problem(), "{method} {path}: {answer:?}");
    }
    let without_key = edge.send("POST", "/v1/carts", &[], Some(&json("{}"))).unwrap();
    assert!(without_key.status == 201 || without_key.is_problem(), "{without_key:?}");
}
