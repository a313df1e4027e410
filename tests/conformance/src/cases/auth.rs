//! Who calls: real tokens of the real origin, and everything that only looks like one.

use std::time::Duration;

use crate::case::{Case, Place, Want, get, post};
use crate::tokens;
use serde_json::json;

/// Longest way of a revocation to an edge.
const REVOKED_WITHIN: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse battery staple";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = nobody();
    cases.extend(account());
    cases.extend(forgeries());
    cases.extend(sessions());
    cases
}

fn me(authorization: &str, name: &str) -> Case {
    get("/v1/me", name).send("authorization", authorization)
}

fn refused(case: Case) -> Case {
    case.problem(401, "invalid-token")
        .header("www-authenticate", "Bearer error=\"invalid_token\"")
        .json("/title", "The access token is not valid")
        .lacks("vitrine-cache")
}

fn nobody() -> Vec<Case> {
    let stranger =
        |case: Case| case.problem(401, "unauthenticated").header("www-authenticate", "Bearer");
    vec![
        stranger(get("/v1/me", "an account is asked for")),
        stranger(get("/v1/me/addresses", "also below it")),
        stranger(get("/v1/orders", "also for orders")),
        refused(me("Bearer x", "a token that is none is refused")),
        refused(me("Bearer", "a scheme alone is refused")),
        refused(me("Bearer  ", "an empty token is refused")),
        refused(me("Basic dXNlcjpwYXNz", "another scheme is refused")),
        refused(me("Bearer a.b.c", "three parts of nothing are refused")),
        refused(me("Bearer ..", "three empty parts are refused")),
        refused(me("Bearer eyJhbGciOiJub25lIn0.e30.", "a token without a signature is refused")),
        refused(me(&format!("Bearer {}", "x".repeat(3_000)), "a token over 2 KiB is refused")),
        refused(me("Bearer a.b.c", "two tokens are refused").send("authorization", "Bearer d.e.f")),
        refused(
            get("/v1/inventory/CHR-LYRA-WAL", "a bad token is refused where none is needed")
                .send("authorization", "Bearer x"),
        ),
        get("/v1/products", "the catalogue does not look at tokens")
            .send("authorization", "Bearer x"),
        get("/", "nor do pages").send("authorization", "Bearer x"),
        stranger(me(
            "Bearer ot_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "an order's token opens no account",
        )),
    ]
}

fn account() -> Vec<Case> {
    let credentials = json!({"email": "ada-{host}@conformance.test", "password": PASSWORD});
    vec![
        post("/v1/auth/register", &credentials, "a new account gets tokens")
            .route("POST /v1/auth/register")
            .status(201)
            .header("cache-control", "no-store")
            .json("/token_type", "Bearer")
            .json("/expires_in", 900)
            .keep("first_token", Place::Json("/access_token"))
            .keep("first_refresh", Place::Json("/refresh_token")),
        post("/v1/auth/register", &credentials, "an address is taken once")
            .problem(409, "email-taken"),
        post(
            "/v1/auth/register",
            &json!({"email": "x", "password": "y"}),
            "bad credentials are named",
        )
        .problem(422, "invalid-input")
        .fault("/email", "invalid")
        .json("/errors/1/code", "too-short"),
        post("/v1/auth/login", &credentials, "who knows the password gets in")
            .route("POST /v1/auth/login")
            .keep("token", Place::Json("/access_token"))
            .keep("refresh", Place::Json("/refresh_token")),
        post(
            "/v1/auth/login",
            &json!({"email": "ada-{host}@conformance.test", "password": "wrong horse battery"}),
            "who does not, does not",
        )
        .problem(401, "invalid-credentials"),
        post(
            "/v1/auth/login",
            &json!({"email": "nobody-{host}@conformance.test", "password": PASSWORD}),
            "an unknown address is answered like a wrong password",
        )
        .problem(401, "invalid-credentials"),
        me("Bearer {token}", "a real token is somebody")
            .route("GET /v1/me")
            .header("cache-control", "no-store")
            .header("vitrine-cache", "origin")
            .json("/email", "ada-{host}@conformance.test")
            .keep("user", Place::Json("/id"))
            .keep("since", Place::Json("/created_at")),
        me("bearer {token}", "the scheme's case does not matter").json("/id", "{user}"),
        get("/v1/orders", "an account has its orders, none so far")
            .route("GET /v1/orders")
            .send("authorization", "Bearer {token}")
            .json_want("/items", Want::Long(0)),
        get("/v1/inventory/CHR-LYRA-WAL", "a real token does no harm where none is needed")
            .send("authorization", "Bearer {token}")
            .make("alg_none", tokens::alg_none)
            .make("alg_none_kept", tokens::alg_none_with_signature)
            .make("alg_hmac", tokens::alg_hmac)
            .make("alg_es256", tokens::alg_es256)
            .make("other_key", tokens::other_key)
            .make("unknown_key", tokens::unknown_key)
            .make("own_key", tokens::own_key_in_header)
            .make("other_claims", tokens::other_claims)
            .make("wrong_type", tokens::wrong_type)
            .make("cut", tokens::cut)
            .make("padded", tokens::padded)
            .make("expired", tokens::expired)
            .make("early", tokens::issued_in_future)
            .make("stranger", tokens::for_somebody_else)
            .make("minted", tokens::minted),
    ]
}

fn forgeries() -> Vec<Case> {
    [
        ("alg_none", "`alg: none` is refused"),
        ("alg_none_kept", "`alg: none` with a real signature is refused"),
        ("alg_hmac", "HMAC with the public key as its secret is refused"),
        ("alg_es256", "another algorithm is refused"),
        ("other_key", "another key under the real one's name is refused"),
        ("unknown_key", "a key that nobody published is refused"),
        ("own_key", "a token that brings its own key is refused"),
        ("other_claims", "changed claims under the old signature are refused"),
        ("wrong_type", "another type of token is refused"),
        ("cut", "a signature that is cut is refused"),
        ("padded", "a signature with padding is refused"),
        ("expired", "a real token that is over is refused"),
        ("early", "a real token of the future is refused"),
        ("stranger", "a real token for somebody else is refused"),
    ]
    .into_iter()
    .map(|(token, name)| refused(me(&format!("Bearer {{{token}}}"), name)))
    .chain([me("Bearer {minted}", "a token signed here with the real key is believed by the edge")
        .json("/id", "{user}")])
    .collect()
}

/// Refreshing, its replay, leaving: and how the edges hear of it.
fn sessions() -> Vec<Case> {
    let refresh = |token: &str, name: &str| {
        post("/v1/auth/refresh", &json!({ "refresh_token": token }), name)
            .route("POST /v1/auth/refresh")
    };
    vec![
        refresh("nothing", "a refresh token that is none is refused")
            .problem(401, "invalid-refresh-token"),
        refresh("{first_refresh}", "a refresh token gives the next pair")
            .keep("next_token", Place::Json("/access_token"))
            .keep("next_refresh", Place::Json("/refresh_token")),
        me("Bearer {next_token}", "the new token is the same somebody").json("/id", "{user}"),
        post("/v1/auth/logout", &json!({"refresh_token": "{refresh}"}), "who leaves, leaves")
            .route("POST /v1/auth/logout")
            .status(204)
            .header("cache-control", "no-store")
            .empty(),
        refused(me("Bearer {token}", "a session that ended is refused at the edge"))
            .within(REVOKED_WITHIN),
        me("Bearer {next_token}", "the other session goes on").json("/id", "{user}"),
        refresh("{refresh}", "an ended session cannot be refreshed").status(401),
        post(
            "/v1/auth/logout",
            &json!({"refresh_token": "{next_refresh}"}),
            "leaving twice is no fault",
        )
        .times(2)
        .status(204),
        refused(me("Bearer {next_token}", "the second session is over too")).within(REVOKED_WITHIN),
    ]
}
