//! Who is told what: problems to programs, pages to people.

use crate::case::{Case, Want, get, post, request};
use serde_json::json;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const HTML: &str = "text/html; charset=utf-8";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = pages();
    cases.extend(problems());
    cases.extend(bodies());
    cases
}

fn pages() -> Vec<Case> {
    vec![
        get("/nope", "a browser that is lost gets the shop's own page")
            .send("accept", BROWSER)
            .status(404)
            .header("content-type", HTML)
            .header("cache-control", "no-store")
            .lacks("etag")
            .text(Want::Has("<html".into())),
        get("/wp-login.php", "also where others look for holes")
            .send("accept", BROWSER)
            .status(404)
            .header("content-type", HTML),
        get("/.env", "and for secrets").send("accept", BROWSER).status(404),
        request("POST", "/", "a refusal of the gateway is a page to a browser")
            .send("accept", BROWSER)
            .status(405)
            .header("content-type", HTML)
            .want("vary", Want::Has("accept".into()))
            .text(Want::Has("Back to the shop".into())),
        get("/%2e%2e", "an ambiguous path is refused with a page")
            .send("accept", BROWSER)
            .status(400)
            .header("content-type", HTML),
        get("/v1/products/none", "the API never answers with a page")
            .send("accept", BROWSER)
            .problem(404, "not-found"),
        get("/v1/me", "not even to a browser")
            .send("accept", BROWSER)
            .problem(401, "unauthenticated"),
        get("/v1/%2e%2e", "not even from the gateway")
            .send("accept", BROWSER)
            .problem(400, "unreadable"),
    ]
}

fn problems() -> Vec<Case> {
    let unknown = |path: &str| {
        get(path, &format!("{path} is a problem to a program"))
            .send("accept", "application/json")
            .problem(404, "not-found")
    };
    vec![
        unknown("/nope"),
        unknown("/favicon.ico"),
        unknown("/robots.txt"),
        unknown("/index.html"),
        unknown("/.git/config"),
        unknown("/assets"),
        unknown("/assets/"),
        unknown("/assets/none.js"),
        unknown("/m"),
        unknown("/m/none.glb"),
        unknown("/v1"),
        unknown("/v1/"),
        unknown("/v1/nope"),
        unknown("/v1/suggest"),
        unknown("/v2/products"),
        unknown("/internal/feed/changes"),
        unknown("/internal/feed/snapshot"),
        unknown("/.well-known/nope"),
        get("/v1/products/none", "a problem says what it is")
            .json("/type", "https://vitrine.dev/problems/not-found")
            .json("/title", "There is no such thing here")
            .problem(404, "not-found"),
        get("/v1/me", "who is unknown is asked to sign in")
            .problem(401, "unauthenticated")
            .header("www-authenticate", "Bearer"),
        get("/v1/nope", "what the origin does not know either is a 404")
            .header("vitrine-cache", "origin")
            .problem(404, "not-found"),
    ]
}

fn bodies() -> Vec<Case> {
    let raw = |kind: &str, body: &str, name: &str| {
        request("POST", "/v1/carts", name).send("content-type", kind).body(body)
    };
    let large = "x".repeat(9 * 1024);
    let larger = "x".repeat(70 * 1024);
    let largest = "x".repeat(1025 * 1024);
    vec![
        raw("application/json", "{", "half a body is unreadable").problem(400, "unreadable"),
        raw("application/json", "[]", "a list is no cart").problem(422, "invalid-input"),
        raw("text/plain", "{}", "another media type is refused")
            .problem(415, "unsupported-media-type"),
        raw("application/json", "{\"currency\":7}", "a wrong type is named")
            .problem(422, "invalid-input"),
        raw("application/json", "{\"currency\":\"XXX\"}", "an unknown currency is refused")
            .problem(422, "invalid-input"),
        post(
            "/v1/auth/login",
            &json!({"email": large, "password": "x"}),
            "a login over 8 KiB is refused by the gateway",
        )
        .problem(413, "too-large")
        .lacks("vitrine-cache"),
        post("/v1/carts", &json!({"currency": larger}), "a change over 64 KiB too")
            .problem(413, "too-large")
            .lacks("vitrine-cache"),
        post("/v1/carts", &json!({"currency": largest}), "a body over 1 MiB too").status(413),
        request("POST", "/v1/carts", "a body in chunks is read")
            .send("content-type", "application/json")
            .send("transfer-encoding", "chunked")
            .body("2\r\n{}\r\n0\r\n\r\n")
            .status(201)
            .keep("chunked_cart", crate::case::Place::Json("/id")),
        request("POST", "/v1/carts", "a length given in two ways is refused")
            .send("content-type", "application/json")
            .send("content-length", "2")
            .send("transfer-encoding", "chunked")
            .body("2\r\n{}\r\n0\r\n\r\n")
            .status(400),
        request("GET", "/v1/categories", "a body of a read is ignored")
            .body("{\"a\":1}")
            .json("/items/0/handle", "seating"),
    ]
}
