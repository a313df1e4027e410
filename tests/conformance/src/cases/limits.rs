//! How often, per client: the headers that say so, the refusal, and what does not help against it.

use crate::case::{Case, Want, get, post, request};
use crate::facts::FACTS;
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = headers();
    cases.extend(refusals());
    cases.extend(who_counts());
    cases
}

fn headers() -> Vec<Case> {
    let counted = |case: Case, name: &str, limit: u32| {
        case.header("ratelimit-policy", &format!("\"{name}\";q={limit};w=60"))
            .want("ratelimit", Want::Starts(format!("\"{name}\";r={};t=", limit - 1)))
    };
    let uncounted = |path: &str| {
        get(path, &format!("{path} is not counted")).lacks("ratelimit").lacks("ratelimit-policy")
    };
    vec![
        counted(get("/v1/products", "reads have a limit"), "read", 1_200),
        counted(get("/v1/ar/CHR-LYRA-OAK", "so has AR"), "read", 1_200),
        counted(get("/v1/search?q=a", "searches have another"), "search", 600),
        counted(
            get("/v1/inventory/CHR-LYRA-WAL", "reads of the origin count as reads"),
            "read",
            1_200,
        ),
        counted(get("/v1/products/none", "what is not there counts").status(404), "read", 1_200),
        counted(get("/v1/products?limit=0", "what is refused counts").status(422), "read", 1_200),
        counted(get("/v1/me", "what needs an account counts").status(401), "read", 1_200),
        counted(post("/v1/carts", &json!([]), "changes have a limit").status(422), "write", 600),
        counted(
            post("/v1/auth/login", &json!({}), "logins have a small one").status(422),
            "login",
            10,
        ),
        counted(
            post("/v1/auth/refresh", &json!({}), "refreshes have their own").status(401),
            "refresh",
            30,
        ),
        uncounted("/"),
        uncounted(&FACTS.script.path),
        uncounted(&FACTS.jpg.path),
        request("OPTIONS", "/v1/products", "a preflight is not counted")
            .status(204)
            .lacks("ratelimit"),
        request("POST", "/v1/products", "a wrong method is not counted")
            .status(405)
            .lacks("ratelimit"),
        get("/v1/%2e%2e", "an ambiguous path is not counted").status(400).lacks("ratelimit"),
        get("/v1/products", "the third of three leaves three less")
            .times(3)
            .want("ratelimit", Want::Starts("\"read\";r=1197;t=".into())),
    ]
}

/// The limit of logins is the smallest; empty ones cost the origin nothing.
fn refusals() -> Vec<Case> {
    let login = |client: &str, name: &str| {
        post("/v1/auth/login", &json!({}), name).send("x-forwarded-for", client)
    };
    let refused = |case: Case| {
        case.problem(429, "rate-limited")
            .want("retry-after", Want::There)
            .want("ratelimit", Want::Starts("\"login\";r=0;t=".into()))
            .header("ratelimit-policy", "\"login\";q=10;w=60")
            .json("/detail", "the limit is 10 requests in a minute")
            .lacks("vitrine-cache")
    };
    vec![
        login("192.0.2.1", "ten logins in a minute pass")
            .times(10)
            .status(422)
            .want("ratelimit", Want::Starts("\"login\";r=0;t=".into())),
        refused(login("192.0.2.1", "the eleventh does not")),
        refused(
            post("/v1/auth/register", &json!({}), "registering counts with logging in")
                .send("x-forwarded-for", "192.0.2.1"),
        ),
        refused(login("192.0.2.1", "a refusal tells other shops too"))
            .send("origin", "https://friend.example")
            .header("access-control-allow-origin", "https://friend.example"),
        post("/v1/auth/refresh", &json!({}), "other limits are untouched")
            .send("x-forwarded-for", "192.0.2.1")
            .status(401),
        get("/v1/products", "reading goes on").send("x-forwarded-for", "192.0.2.1"),
        login("192.0.2.2", "the neighbour is not concerned")
            .status(422)
            .want("ratelimit", Want::Starts("\"login\";r=9;t=".into())),
        post("/v1/auth/refresh", &json!({}), "thirty-one refreshes are one too many")
            .send("x-forwarded-for", "192.0.2.3")
            .times(31)
            .problem(429, "rate-limited"),
    ]
}

/// Only what the nearest proxies say counts, and one subscriber is one client.
fn who_counts() -> Vec<Case> {
    let from = |client: &str, name: &str| {
        post("/v1/auth/login", &json!({}), name).send("x-forwarded-for", client)
    };
    let spent = |case: Case| case.problem(429, "rate-limited");
    let free =
        |case: Case| case.status(422).want("ratelimit", Want::Starts("\"login\";r=9;t=".into()));
    vec![
        from("198.51.100.1", "a client spends its ten").times(10).status(422),
        spent(from(
            "203.0.113.9, 198.51.100.1",
            "what a client says before its proxy is not believed",
        )),
        spent(
            from("198.51.100.1", "a forged host header is not believed")
                .send("spin-client-addr", "203.0.113.9:1"),
        ),
        spent(
            from("198.51.100.1", "nor a forged word of the gateway")
                .send("x-vitrine-client", "203.0.113.9"),
        ),
        spent(
            from("198.51.100.1", "nor another forwarding header")
                .send("forwarded", "for=203.0.113.9"),
        ),
        spent(
            from("198.51.100.1", "nor a CDN's word where it is the client's")
                .send("cf-connecting-ip", "203.0.113.9"),
        ),
        spent(from("198.51.100.1", "nor a real-ip header").send("x-real-ip", "203.0.113.9")),
        spent(from("198.51.100.1:4711", "a port does not make another client")),
        free(from("203.0.113.9", "the forged address has spent nothing")),
        from("2001:db8:1:1::1", "an IPv6 subscriber spends its ten").times(10).status(422),
        spent(from(
            "2001:db8:1:1:ffff::2",
            "another address of the same network is the same client",
        )),
        spent(from("[2001:db8:1:1::3]:443", "brackets and ports do not matter")),
        free(from("2001:db8:1:2::1", "another network is another client")),
    ]
}
