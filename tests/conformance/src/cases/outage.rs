//! The origin is gone: what the edge has goes on, what only the origin can answer is refused quickly and plainly.

use std::time::Duration;

use crate::case::{Case, Want, get, head, post};
use crate::facts::FACTS;
use serde_json::json;

/// Longest time until an edge believes that the origin is back.
const BACK_WITHIN: Duration = Duration::from_secs(20);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        get("/v1/inventory/CHR-LYRA-WAL", "before, the origin answers").json("/available", 18),
    ];
    cases.extend(refused().into_iter().map(Case::origin_down));
    cases.extend(goes_on().into_iter().map(Case::origin_down));
    cases.push(
        get("/v1/inventory/CHR-LYRA-WAL", "afterwards it answers again")
            .within(BACK_WITHIN)
            .json("/available", 18),
    );
    cases
}

fn refused() -> Vec<Case> {
    let gone = |case: Case| {
        case.problem(503, "origin-unavailable")
            .has("retry-after")
            .json("/request_id", "{request_id}")
            .json_want("/detail", Want::Absent)
    };
    vec![
        gone(get("/v1/inventory/CHR-LYRA-WAL", "stock cannot be asked")),
        gone(get("/openapi.json", "nor the contract")),
        gone(get("/.well-known/jwks.json", "nor the keys")),
        gone(get("/v1/nope", "nor what may not exist")),
        gone(post("/v1/carts", &json!({}), "no cart is made"))
            .send("idempotency-key", "{host}-down-1"),
        gone(post("/v1/carts", &json!({}), "without a key either")),
        gone(post("/v1/auth/login", &json!({}), "nobody logs in")),
        gone(get("/v1/carts/x", "a browser is told in the API's way").send("accept", "text/html")),
        gone(get("/v1/inventory/CHR-LYRA-WAL", "a listed page may read the refusal"))
            .send("origin", "https://friend.example")
            .header("access-control-allow-origin", "https://friend.example"),
        head("/v1/inventory/CHR-LYRA-WAL", "HEAD is refused without a body")
            .status(503)
            .has("retry-after"),
    ]
}

fn goes_on() -> Vec<Case> {
    vec![
        get("/v1/products", "lists go on").json_want("/items", Want::Long(24)),
        get("/v1/products/lyra-chair", "products go on").json("/handle", "lyra-chair"),
        get("/v1/categories", "categories go on").json_want("/items", Want::Long(5)),
        get("/v1/search?q=lyra", "search goes on").json("/items/0/handle", "lyra-chair"),
        get("/v1/ar/CHR-LYRA-OAK", "AR goes on").json("/sku", "CHR-LYRA-OAK"),
        get("/", "pages go on"),
        get(&FACTS.glb.path, "models go on").send("range", "bytes=0-3").status(206),
        get("/v1/me", "who is nobody is still told so").problem(401, "unauthenticated"),
        get("/v1/me", "a forged token is still refused")
            .send("authorization", "Bearer x")
            .problem(401, "invalid-token"),
        get("/v1/%2e%2e", "ambiguous paths are still refused").problem(400, "unreadable"),
    ]
}
