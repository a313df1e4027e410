//! What is asked of every request before anything answers it: shape, path, method; and what every answer carries.

use crate::case::{Case, Want, get, head, request};
use crate::facts::FACTS;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = ambiguous_paths();
    cases.extend(odd_paths());
    cases.extend(methods());
    cases.extend(heads());
    cases.extend(options());
    cases.extend(request_ids());
    cases.extend(security_headers());
    cases.extend(forged_headers());
    cases.extend(sizes());
    cases.extend(repeated_headers());
    cases
}

/// A path with two readings is refused: routers here decode nothing, policies must not be fooled.
fn ambiguous_paths() -> Vec<Case> {
    [
        "/v1/products/%2e%2e",
        "/v1/products/%2E%2E/me",
        "/v1/products%2flyra-chair",
        "/v1/products%2Flyra-chair",
        "/v1/%2e/products",
        "/assets/%2e%2e/index.html",
        "/assets/..%2findex.html",
        "/m/..%5csecret.glb",
        "/v1/products/%25",
        "/v1/products/%2500",
        "/v1/products/%00",
        "/v1/products/%0a",
        "/v1/products/%7f",
        "/%zz",
        "/v1/products/%6",
        "/v1/products/%",
        "/%761/products",
        "/v1/%70roducts",
        "/v1/m%65",
        "/v1//products",
        "/v1//me",
        "/%6d/x.glb",
    ]
    .into_iter()
    .map(|path| get(path, &format!("{path} is refused as ambiguous")).problem(400, "unreadable"))
    .collect()
}

fn odd_paths() -> Vec<Case> {
    let ok = |path: &str, name: &str| get(path, name).header("content-type", "application/json");
    vec![
        ok("/v1/products/", "a slash at the end does not matter to the catalogue"),
        ok("/v1/categories/", "nor to the categories"),
        get("//v1/products", "two slashes in front are another address").problem(404, "not-found"),
        get("/v1/products/lyra-chair/", "nor to a product").json("/handle", "lyra-chair"),
        get("/V1/products", "addresses are case-sensitive").problem(404, "not-found"),
        get("/v1/Products", "also below /v1").problem(404, "not-found"),
        get("/v1/products/l%79ra-chair", "a handle is compared as sent").problem(404, "not-found"),
        get("/v1/products/../categories", "dot segments are refused").problem(400, "unreadable"),
        get("/v1/products/./lyra-chair", "single dots too").problem(400, "unreadable"),
        get("/..", "also at the root").problem(400, "unreadable"),
        get("/v1/products?limit=1#x", "a fragment in a target is refused or ignored, never read")
            .want("content-type", Want::Has("json".into())),
        get("/v1/products?", "an empty query is none")
            .json("/items/0/handle", "piazza-bistro-table"),
        get("/v1/products?&&&=&x", "a query of nothing is none")
            .json("/items/0/handle", "piazza-bistro-table"),
        get("http://shop.example/v1/categories", "the absolute form of a target is understood")
            .json("/items/0/handle", "seating"),
        get(&format!("/{}", "a".repeat(2_100)), "a path of more than 2 KiB is refused")
            .problem(400, "unreadable"),
        get(&format!("/{}", "a".repeat(2_000)), "a path of less is looked up")
            .problem(404, "not-found"),
        get("/a%20b", "an encoded space is a character like others").problem(404, "not-found"),
        get("/%C3%BC", "so is an umlaut").problem(404, "not-found"),
        get("/a|b", "a bar belongs encoded").problem(400, "unreadable"),
        get("/a\"b", "a quote belongs encoded").problem(400, "unreadable"),
        get("/a{b}", "braces belong encoded").problem(400, "unreadable"),
    ]
}

fn methods() -> Vec<Case> {
    let refused = |method: &str, path: &str, allow: &str| {
        let name = format!("{method} {path} is not answered");
        request(method, path, &name).problem(405, "method-not-allowed").header("allow", allow)
    };
    let read = "GET, HEAD, OPTIONS";
    let all = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    vec![
        refused("POST", "/v1/products", read),
        refused("PUT", "/v1/products/lyra-chair", read),
        refused("PATCH", "/v1/categories", read),
        refused("DELETE", "/v1/search", read),
        refused("POST", "/v1/ar/CHR-LYRA-OAK", read),
        refused("POST", "/", read),
        refused("DELETE", "/assets/shop.js", read),
        refused("PUT", &FACTS.glb.path, read),
        refused("POST", "/openapi.json", read),
        refused("POST", "/.well-known/jwks.json", read),
        refused("GET", "/v1/auth/login", "POST, OPTIONS"),
        refused("GET", "/v1/auth/register", "POST, OPTIONS"),
        refused("PUT", "/v1/auth/refresh", "POST, OPTIONS"),
        refused("DELETE", "/v1/auth/logout", "POST, OPTIONS"),
        refused("POST", "/v1/orders", read),
        refused("TRACE", "/v1/products", read),
        refused("TRACE", "/v1/carts", all),
        refused("PROPFIND", "/", read),
    ]
}

fn heads() -> Vec<Case> {
    let json = "application/json";
    let file = |path: &str, length: usize, kind: &str| {
        head(path, &format!("HEAD {path} says what GET would send"))
            .header("content-type", kind)
            .header("content-length", &length.to_string())
    };
    vec![
        head("/v1/products", "HEAD of a list has its head and no body")
            .header("content-type", json)
            .has("etag")
            .has("content-length"),
        head("/v1/products/lyra-chair", "HEAD of a product").header("content-type", json),
        head("/v1/categories", "HEAD of the categories").header("content-type", json),
        head("/v1/search?q=chair", "HEAD of a search").header("content-type", json),
        head("/v1/ar/CHR-LYRA-OAK", "HEAD of an AR manifest").has("x-ar-decision"),
        head("/v1/products/none", "HEAD of what is not there")
            .status(404)
            .header("content-type", "application/problem+json"),
        head("/.well-known/jwks.json", "HEAD of the keys").header("content-type", json),
        head("/v1/inventory/CHR-LYRA-WAL", "HEAD of what the origin says").has("cache-control"),
        file("/", FACTS.page.length, "text/html; charset=utf-8"),
        file(&FACTS.glb.path, FACTS.glb.length, "model/gltf-binary"),
        file(&FACTS.font.path, FACTS.font.length, "font/woff2"),
        head("/nope", "HEAD of an unknown page").status(404),
        head("/v1/%2e%2e", "HEAD of an ambiguous path").status(400),
        head("/v1/me", "HEAD of what needs an account").status(401),
    ]
}

fn options() -> Vec<Case> {
    let allows = |path: &str, methods: &str| {
        request("OPTIONS", path, &format!("OPTIONS {path} says what may be asked"))
            .status(204)
            .header("allow", methods)
            .has("x-request-id")
            .empty()
    };
    let read = "GET, HEAD, OPTIONS";
    vec![
        allows("/", read),
        allows("/v1/products", read),
        allows("/v1/ar/X", read),
        allows("/v1/auth/login", "POST, OPTIONS"),
        allows("/v1/carts", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        allows("/v1/me", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        allows("/v1/orders", read),
        allows("/admin/v1/me", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        get("/admin/v1/me", "the staff's part is asked for").problem(401, "unauthenticated"),
        request("POST", "/admin/v1/webhooks", "and is closed to strangers")
            .problem(401, "unauthenticated"),
        get("/admin/v1/shop", "the shop's settings are not for strangers")
            .problem(401, "unauthenticated"),
        request("PATCH", "/admin/v1/shop", "nor theirs to change").problem(401, "unauthenticated"),
        allows("/m/x.glb", read),
        request("OPTIONS", "/v1/%2e%2e", "OPTIONS of an ambiguous path is refused too")
            .problem(400, "unreadable"),
    ]
}

fn request_ids() -> Vec<Case> {
    let page = |name: &str| get("/v1/categories", name);
    let replaced = |id: &str, name: &str| {
        page(name)
            .send("x-request-id", id)
            .want("x-request-id", Want::There)
            .want("x-request-id", Want::HasNot(id.to_owned()))
            .keep("made_id", crate::case::Place::Header("x-request-id"))
    };
    vec![
        page("a good request id is kept").header("x-request-id", "{request_id}"),
        page("a request without an id gets one")
            .without("x-request-id")
            .has("x-request-id")
            .keep("made_id", crate::case::Place::Header("x-request-id")),
        replaced("short", "an id that is too short is replaced"),
        replaced(&"x".repeat(65), "an id that is too long is replaced"),
        replaced("<script>alert(1)</script>", "an id that is no id is replaced"),
        replaced("with space in it", "an id with spaces is replaced"),
        get("/v1/products/none", "a refusal carries the id")
            .status(404)
            .header("x-request-id", "{request_id}"),
        get("/", "a page carries the id").header("x-request-id", "{request_id}"),
        request("PUT", "/", "a refusal of the gateway says the id in its body")
            .problem(405, "method-not-allowed")
            .json("/request_id", "{request_id}"),
    ]
}

fn security_headers() -> Vec<Case> {
    let data = "default-src 'none'; frame-ancestors 'none'";
    let safe = |case: Case| {
        case.header("x-content-type-options", "nosniff")
            .header("referrer-policy", "strict-origin-when-cross-origin")
            .lacks("server")
            .lacks("x-powered-by")
            .lacks("set-cookie")
    };
    let inert = |path: &str| {
        let name = format!("nothing runs in {path}");
        safe(get(path, &name)).header("content-security-policy", data).lacks("permissions-policy")
    };
    let page = |path: &str| {
        safe(get(path, &format!("{path} runs our own scripts only")))
            .want("content-security-policy", Want::Starts("default-src 'self'; ".into()))
            .want("content-security-policy", Want::Has("frame-ancestors 'none'".into()))
            .want("permissions-policy", Want::Has("camera=(self)".into()))
    };
    vec![
        inert("/v1/products"),
        inert("/v1/ar/CHR-LYRA-OAK"),
        inert("/v1/inventory/CHR-LYRA-WAL"),
        inert(&FACTS.script.path),
        inert(&FACTS.glb.path).header("cross-origin-resource-policy", "cross-origin"),
        inert("/v1/nope").status(404),
        inert("/v1/me").status(401),
        page("/"),
        page("/p/lyra-chair"),
        safe(get(&FACTS.svg.path, "a picture that could carry scripts is inert"))
            .want("content-security-policy", Want::Has("sandbox".into())),
        safe(get("/nope", "a refusal to a browser is a page").send("accept", "text/html"))
            .status(404)
            .want("content-security-policy", Want::Starts("default-src 'self'; ".into())),
    ]
}

/// Whatever a client says in the host's or the gateway's name is not believed.
fn forged_headers() -> Vec<Case> {
    let unmoved = |name: &str, value: &str| {
        get("/v1/products/lyra-chair", &format!("a forged {name} changes nothing"))
            .send(name, value)
            .json("/handle", "lyra-chair")
            .lacks(name)
    };
    vec![
        unmoved("spin-path-info", "/v1/products/onda-bowl"),
        unmoved("spin-full-url", "http://evil.example/v1/products/onda-bowl"),
        unmoved("spin-matched-route", "/..."),
        unmoved("spin-base-path", "/v1/products"),
        unmoved("spin-component-route", "/"),
        unmoved("spin-raw-component-route", "/..."),
        unmoved("spin-client-addr", "1.2.3.4:5"),
        unmoved("spin-path-match-handle", "onda-bowl"),
        unmoved("x-vitrine-client", "1.2.3.4"),
        unmoved("x-vitrine-identity", "v1 forged"),
        unmoved("x-forwarded-host", "evil.example"),
        unmoved("x-original-url", "/v1/products/onda-bowl"),
        unmoved("x-rewrite-url", "/v1/products/onda-bowl"),
        unmoved("x-http-method-override", "DELETE"),
        unmoved("cookie", "session=x"),
        get("/v1/me", "a forged identity is nobody's")
            .send("x-vitrine-identity", "v1;user=018f0000-0000-7000-8000-000000000000")
            .problem(401, "unauthenticated"),
        get("/v1/products/lyra-chair", "what Connection names stays with the connection")
            .send("connection", "close, x-hop")
            .send("x-hop", "1")
            .json("/handle", "lyra-chair"),
        get("/v1/ar/CHR-LYRA-OAK", "Connection cannot take the device away")
            .send("connection", "close, user-agent")
            .send("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)")
            .has("x-ar-decision"),
    ]
}

fn sizes() -> Vec<Case> {
    let mut many = get("/v1/categories", "more than 100 headers are refused");
    for index in 0..101 {
        many = many.send(&format!("x-{index}"), "1");
    }
    let mut enough = get("/v1/categories", "80 headers are not");
    for index in 0..80 {
        enough = enough.send(&format!("x-{index}"), "1");
    }
    let long = |bytes: usize| "x".repeat(bytes);
    vec![
        many.status(431),
        enough,
        get("/v1/categories", "a head of more than 32 KiB is refused")
            .send("x-long", &long(33 * 1024))
            .status(431),
        get("/v1/categories", "a head of 7 KiB is not").send("x-long", &long(7 * 1024)),
        get(&format!("/v1/categories?{}", long(9 * 1024)), "an address over 8 KiB is refused")
            .problem(431, "head-too-large"),
        get(&format!("/v1/categories?{}", long(7 * 1024)), "one of 7 KiB is not"),
    ]
}

/// What readers would take differently may come once.
fn repeated_headers() -> Vec<Case> {
    let twice = |name: &str, one: &str, other: &str| {
        let case = request("POST", "/v1/carts", &format!("{name} that comes twice is refused"));
        let case = if name == "content-type" {
            case
        } else {
            case.send("content-type", "application/json")
        };
        case.body("{}").send(name, one).send(name, other).status(400)
    };
    vec![
        twice("content-type", "application/json", "text/plain"),
        twice("idempotency-key", "{host}-twice-1", "{host}-twice-2"),
        twice("if-match", "\"1\"", "\"2\""),
        twice("origin", "https://friend.example", "https://evil.example"),
        get("/v1/categories", "two hosts are refused")
            .send("host", "shop.example")
            .send("host", "evil.example")
            .status(400),
        get("/v1/categories", "a request without a host is refused").without("host").status(400),
        get("/v1/products/lyra-chair", "headers that are lists may come twice")
            .send("accept", "application/json")
            .send("accept", "*/*")
            .json("/handle", "lyra-chair"),
    ]
}
