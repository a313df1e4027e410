//! Answers and errors as Stripe writes them.

use serde_json::{Value, json};

/// A status and a body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// Whether it is kept under the request's key: not when the request was refused before it was begun.
    pub(crate) is_saved: bool,
}

/// An answer, or the error that takes its place.
pub(crate) type Answered = Result<Value, Answer>;

pub(crate) const fn good(body: Value) -> Answer {
    Answer { status: 200, body, is_saved: true }
}

fn error(status: u16, kind: &str, code: &str, message: &str) -> Answer {
    let mut error = json!({"type": kind, "message": message});
    if !code.is_empty() {
        error["code"] = code.into();
    }
    Answer { status, body: json!({ "error": error }), is_saved: true }
}

/// A parameter that is missing, wrong or unknown. Found before the request is begun.
pub(crate) fn invalid(param: &str, code: &str) -> Answer {
    let message = format!("Invalid request: {param}");
    let mut answer = error(400, "invalid_request_error", code, &message);
    answer.body["error"]["param"] = param.into();
    Answer { is_saved: false, ..answer }
}

/// Something that the thing's state does not allow.
pub(crate) fn unexpected(code: &str, intent: Option<Value>) -> Answer {
    let mut answer = error(400, "invalid_request_error", code, "The state does not allow it.");
    if let Some(intent) = intent {
        answer.body["error"]["payment_intent"] = intent;
    }
    answer
}

pub(crate) fn missing(what: &str) -> Answer {
    let message = format!("No such {what}");
    Answer { is_saved: false, ..error(404, "invalid_request_error", "resource_missing", &message) }
}

pub(crate) fn declined(code: &str, decline_code: &str, intent: Value) -> Answer {
    let mut answer = error(402, "card_error", code, "Your card was declined.");
    answer.body["error"]["decline_code"] = decline_code.into();
    answer.body["error"]["payment_intent"] = intent;
    answer
}

pub(crate) fn unauthorized() -> Answer {
    let answer = error(401, "invalid_request_error", "", "Invalid API Key provided");
    Answer { is_saved: false, ..answer }
}

pub(crate) fn key_reused() -> Answer {
    let message = "Keys for idempotent requests can only be used with the same parameters.";
    Answer { is_saved: false, ..error(400, "idempotency_error", "", message) }
}

pub(crate) fn key_in_use() -> Answer {
    let message = "There is currently another in-progress request using this Idempotent Key.";
    let answer = error(409, "idempotency_error", "idempotency_key_in_use", message);
    Answer { is_saved: false, ..answer }
}

pub(crate) fn rate_limited() -> Answer {
    let answer = error(429, "invalid_request_error", "rate_limit", "Too many requests.");
    Answer { is_saved: false, ..answer }
}

pub(crate) fn failed() -> Answer {
    error(500, "api_error", "", "An unknown error occurred.")
}
