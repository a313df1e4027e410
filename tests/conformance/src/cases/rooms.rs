//! Addresses that only the Worker answers, with its Durable Objects; elsewhere the origin knows nothing of them.
//!
//! What the Worker does there has tests of its own (`tests/it/worker_*.rs`).

use crate::case::{Case, get, post, request};
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    vec![
        get("/v1/waiting-room", "nobody waits where there is no waiting room")
            .problem(404, "not-found"),
        post("/v1/chat/rooms", &json!({}), "no chat room is made where there are none")
            .problem(404, "not-found"),
        get("/v1/chat/rooms/none", "nor is one joined").problem(404, "not-found"),
        request("PATCH", "/v1/me", "an account is not changed by nobody")
            .body("{}")
            .problem(401, "unauthenticated"),
    ]
}
