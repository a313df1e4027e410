//! What caches are told: how long, under which tag, and by what an answer varies.

use crate::case::{Case, Place, Want, get, head, request};
use crate::facts::FACTS;

const CATALOGUE: &str = "public, max-age=5, s-maxage=5, stale-if-error=86400";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = classes();
    for path in [
        "/v1/products?limit=3",
        "/v1/products/lyra-chair",
        "/v1/categories",
        "/v1/search?q=lamp",
        "/v1/ar/CHR-LYRA-OAK",
        "/",
        "/p/lyra-chair",
        FACTS.script.path.as_str(),
        FACTS.svg.path.as_str(),
        FACTS.font.path.as_str(),
        FACTS.glb.path.as_str(),
        FACTS.jpg.path.as_str(),
    ] {
        cases.extend(tags(path));
    }
    cases.extend(preconditions());
    cases
}

/// Each class of answers has its own rule.
fn classes() -> Vec<Case> {
    let kept = |path: &str, control: &str| {
        get(path, &format!("{path} may be kept as its class allows"))
            .header("cache-control", control)
    };
    vec![
        kept("/v1/products", CATALOGUE).has("etag"),
        kept("/v1/products/lyra-chair", CATALOGUE).has("etag"),
        kept("/v1/categories", CATALOGUE).has("etag"),
        kept("/v1/search?q=lamp", CATALOGUE).has("etag"),
        kept("/v1/ar/CHR-LYRA-OAK", CATALOGUE)
            .has("etag")
            .want("vary", Want::Has("User-Agent".into())),
        kept("/.well-known/jwks.json", "public, max-age=300, s-maxage=300, stale-if-error=86400")
            .route("GET /.well-known/jwks.json")
            .header("vitrine-cache", "origin")
            .json("/keys/0/kty", "OKP"),
        kept("/openapi.json", "public, max-age=60, s-maxage=60, stale-if-error=86400")
            .route("GET /openapi.json")
            .json_want("/openapi", Want::Starts("3.".into())),
        kept("/v1/inventory/CHR-LYRA-WAL", "no-store")
            .route("GET /v1/inventory/{sku}")
            .lacks("etag"),
        kept("/v1/me", "no-store").status(401),
        kept("/v1/products/none", "no-store").status(404).lacks("etag"),
        kept("/v1/%2e%2e", "no-store").status(400),
        kept("/", "no-cache").header("vitrine-cache", "static"),
        kept("/search", "no-cache"),
        kept(&FACTS.script.path, IMMUTABLE).want("vary", Want::Is("Accept-Encoding".into())),
        kept(&FACTS.style.path, IMMUTABLE).want("vary", Want::Is("Accept-Encoding".into())),
        kept(&FACTS.font.path, IMMUTABLE).lacks("vary"),
        kept(&FACTS.glb.path, IMMUTABLE).lacks("vary").header("vitrine-cache", "static"),
        kept(&FACTS.usdz.path, IMMUTABLE),
        kept(&FACTS.jpg.path, IMMUTABLE),
        kept("/nope", "no-store").status(404),
    ]
}

/// Who has an answer is told so, however the tag is written.
fn tags(path: &str) -> Vec<Case> {
    let asked =
        |tag: &str, name: &str| get(path, &format!("{path}: {name}")).send("if-none-match", tag);
    let same = |case: Case| {
        case.status(304)
            .header("etag", "{etag}")
            .has("cache-control")
            .lacks("content-type")
            .lacks("content-length")
            .empty()
    };
    let is_file = !path.starts_with("/v1");
    let same = move |case: Case| {
        let case = same(case);
        // A file's 304 repeats its type, as it may (RFC 9110, section 15.4.5).
        if is_file {
            let mut case = case;
            case.expected.headers.retain(|(name, _)| name != "content-type");
            case
        } else {
            case
        }
    };
    vec![
        get(path, &format!("{path}: there is a strong tag"))
            .want("etag", Want::Starts("\"".into()))
            .want("etag", Want::Long(18))
            .keep("etag", Place::Header("etag")),
        same(asked("{etag}", "its tag")),
        same(asked("W/{etag}", "its tag, weakly")),
        same(asked("\"x\", {etag}", "a list with its tag")),
        same(asked("\"x\",W/\"y\",W/{etag} ,\"z\"", "a list with spaces and weak tags")),
        same(asked("*", "anything")),
        same(head(path, &format!("{path}: HEAD with its tag")).send("if-none-match", "{etag}")),
        asked("\"0000000000000000\"", "another tag").header("etag", "{etag}"),
        asked("etag", "text that is no tag").header("etag", "{etag}"),
        asked("\"x\", \"y\"", "a list without it").header("etag", "{etag}"),
    ]
}

fn preconditions() -> Vec<Case> {
    let page = |name: &str| get("/", name);
    vec![
        page("a tag for what follows").keep("etag", Place::Header("etag")),
        page("If-Match with the tag sends it").send("if-match", "{etag}"),
        page("If-Match with any sends it").send("if-match", "*"),
        page("If-Match with another fails")
            .send("if-match", "\"0000000000000000\"")
            .problem(412, "precondition-failed"),
        page("If-Match is strong").send("if-match", "W/{etag}").problem(412, "precondition-failed"),
        page("a tag beats a date")
            .send("if-none-match", "\"0000000000000000\"")
            .send("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        page("a date that is none is ignored").send("if-modified-since", "yesterday"),
        page("an old date sends it").send("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        get("/v1/products?limit=3", "a list has its tag").keep("list", Place::Header("etag")),
        get("/v1/products?limit=4", "another list has another")
            .send("if-none-match", "{list}")
            .json_want("/items", Want::Long(4)),
        get(
            "/v1/products?limit=3&utm_source=x",
            "the same list under another address has the same",
        )
        .send("if-none-match", "{list}")
        .status(304),
        request("GET", "/v1/products?limit=3", "a range of a list is the list")
            .send("range", "bytes=0-1")
            .json_want("/items", Want::Long(3))
            .lacks("content-range"),
    ]
}
