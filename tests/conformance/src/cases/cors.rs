//! Which pages of others may read what.

use crate::case::{Case, Want, get, post, request};
use crate::facts::FACTS;
use serde_json::json;

const FRIEND: &str = "https://friend.example";
const LOCAL: &str = "http://localhost:5173";
const STRANGER: &str = "https://evil.example";

const ALLOW: &str = "access-control-allow-origin";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = simple();
    cases.extend(preflights());
    cases.extend(files());
    cases
}

fn from(case: Case, origin: &str) -> Case {
    case.send("origin", origin).lacks("access-control-allow-credentials")
}

fn simple() -> Vec<Case> {
    let allowed = |case: Case, origin: &str| {
        from(case, origin)
            .header(ALLOW, origin)
            .want("access-control-expose-headers", Want::Has("x-request-id".into()))
            .want("vary", Want::Has("origin".into()))
    };
    let refused = |name: &str, origin: &str| {
        from(get("/v1/products", name), origin)
            .lacks(ALLOW)
            .lacks("access-control-expose-headers")
            .want("vary", Want::Has("origin".into()))
            .json_want("/items", Want::Long(24))
    };
    vec![
        allowed(get("/v1/products", "a listed page may read"), FRIEND),
        allowed(get("/v1/products", "so may the other listed one"), LOCAL),
        allowed(get("/v1/inventory/CHR-LYRA-WAL", "also what the origin says"), FRIEND),
        allowed(get("/v1/products/none", "also refusals").status(404), FRIEND),
        allowed(get("/v1/me", "also those of the gateway").status(401), FRIEND),
        allowed(request("POST", "/v1/products", "also of methods").status(405), FRIEND),
        allowed(post("/v1/carts", &json!([]), "also of changes").status(422), FRIEND),
        refused("a page that is not listed gets the answer and may not read it", STRANGER),
        refused("a sandboxed page is nobody in particular", "null"),
        refused("another scheme is another page", "http://friend.example"),
        refused("another port is another page", "https://friend.example:444"),
        refused("a name that only begins like a listed one", "https://friend.example.evil.example"),
        refused("a subdomain is another page", "https://x.friend.example"),
        refused("capitals are not what browsers send", "https://FRIEND.example"),
        refused("text that is no origin", "friend"),
        get("/v1/products", "without an origin the answer still varies by it")
            .lacks(ALLOW)
            .want("vary", Want::Has("origin".into())),
    ]
}

fn preflights() -> Vec<Case> {
    let ask = |path: &str, origin: &str, method: &str, name: &str| {
        from(request("OPTIONS", path, name), origin)
            .send("access-control-request-method", method)
            .send("access-control-request-headers", "content-type, idempotency-key")
            .status(204)
            .empty()
            .want("vary", Want::Has("access-control-request-method".into()))
    };
    let yes = |case: Case, origin: &str, methods: &str| {
        case.header(ALLOW, origin)
            .header("access-control-allow-methods", methods)
            .want("access-control-allow-headers", Want::Has("idempotency-key".into()))
            .header("access-control-max-age", "7200")
    };
    let no = |case: Case| case.lacks(ALLOW).lacks("access-control-allow-methods");
    let all = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    vec![
        yes(ask("/v1/carts", FRIEND, "POST", "a listed page may ask to post"), FRIEND, all),
        yes(
            ask("/v1/products", FRIEND, "GET", "and to read with headers"),
            FRIEND,
            "GET, HEAD, OPTIONS",
        ),
        yes(ask("/v1/carts/x/lines/y", LOCAL, "PATCH", "and to change"), LOCAL, all),
        yes(ask("/v1/auth/login", FRIEND, "POST", "and to log in"), FRIEND, "POST, OPTIONS"),
        yes(
            ask("/v1/carts", FRIEND, "POST", "a private network is allowed when asked for"),
            FRIEND,
            all,
        )
        .send("access-control-request-private-network", "true")
        .header("access-control-allow-private-network", "true"),
        no(ask("/v1/carts", STRANGER, "POST", "a stranger gets no yes")),
        no(ask("/v1/carts", "null", "POST", "nor does a sandboxed page")),
        no(ask("/", FRIEND, "GET", "pages are for nobody else's scripts")),
        no(ask(&FACTS.script.path, FRIEND, "GET", "nor are scripts")),
        yes(
            ask(&FACTS.glb.path, STRANGER, "GET", "models are for everybody"),
            "*",
            "GET, HEAD, OPTIONS",
        ),
        from(
            request("OPTIONS", "/v1/carts", "OPTIONS without a method asked for is no preflight"),
            FRIEND,
        )
        .status(204)
        .header("allow", all),
    ]
}

fn files() -> Vec<Case> {
    let open = |path: &str, name: &str| get(path, name).header(ALLOW, "*");
    vec![
        from(open(&FACTS.glb.path, "a model may be shown anywhere"), STRANGER),
        from(open(&FACTS.usdz.path, "also for Quick Look"), "null"),
        open(&FACTS.jpg.path, "a picture too, asked or not"),
        from(get("/m/00000000000000000000000000000000.glb", "a missing model too"), STRANGER)
            .status(404)
            .header(ALLOW, "*"),
        from(get("/", "a page may not be read"), FRIEND).lacks(ALLOW),
        from(get(&FACTS.script.path, "a script may not be read"), FRIEND).lacks(ALLOW),
    ]
}
