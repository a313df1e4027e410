//! What Stripe's errors mean.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Answer, retry_after};
use crate::payment::{DeclineCode, PaymentError};

/// States and amounts that an intent or a charge is in already.
const STATE_CODES: [&str; 9] = [
    "intent_invalid_state",
    "payment_intent_unexpected_state",
    "charge_already_captured",
    "charge_already_refunded",
    "charge_disputed",
    "charge_expired_for_capture",
    "charge_not_refundable",
    "capture_charge_authorization_expired",
    "refund_disputed_payment",
];

#[derive(Deserialize)]
struct Body {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    param: Option<String>,
    #[serde(default)]
    payment_intent: Option<Value>,
}

/// Returns the intent that a card error carries: what became of the payment.
pub(super) fn declined_intent(answer: &Answer) -> Option<Bytes> {
    if answer.status != StatusCode::PAYMENT_REQUIRED {
        return None;
    }
    let Body { error } = serde_json::from_slice(&answer.body).ok()?;
    if error.kind != "card_error" {
        return None;
    }
    error.payment_intent.map(|intent| Bytes::from(intent.to_string()))
}

/// Says what an answer that is no success means. What is not understood is not known.
pub(super) fn meaning(answer: &Answer) -> PaymentError {
    let status = answer.status;
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        return PaymentError::Unauthorized;
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return PaymentError::RateLimited { retry_after: retry_after(&answer.headers) };
    }
    let Ok(Body { error }) = serde_json::from_slice::<Body>(&answer.body) else {
        return PaymentError::unknown(format!("status {status}"));
    };
    let code = error.code.as_deref().unwrap_or_default();
    match (error.kind.as_str(), status) {
        ("idempotency_error", StatusCode::CONFLICT) => PaymentError::KeyInUse,
        (_, StatusCode::CONFLICT) if code == "idempotency_key_in_use" => PaymentError::KeyInUse,
        ("idempotency_error", _) => PaymentError::KeyReused,
        ("card_error", _) => {
            PaymentError::Declined(decline(error.decline_code.as_deref().unwrap_or(code)))
        }
        ("invalid_request_error", StatusCode::NOT_FOUND) => PaymentError::NotFound,
        ("invalid_request_error", _) if STATE_CODES.contains(&code) => PaymentError::NotAllowed,
        ("invalid_request_error", status) if status.is_client_error() => {
            let what = error.code.or(error.param);
            PaymentError::Invalid(what.unwrap_or_else(|| "invalid_request_error".to_owned()))
        }
        (kind, status) => PaymentError::unknown(format!("status {status} {kind}")),
    }
}

/// Says a reason as the payer may read it: those that would teach a thief become the general one.
pub(super) fn decline(code: &str) -> DeclineCode {
    match code {
        "insufficient_funds" => DeclineCode::InsufficientFunds,
        "expired_card" => DeclineCode::ExpiredCard,
        "incorrect_cvc" | "invalid_cvc" => DeclineCode::IncorrectCvc,
        "authentication_required"
        | "authentication_not_handled"
        | "offline_pin_required"
        | "online_or_offline_pin_required"
        | "payment_intent_authentication_failure" => DeclineCode::AuthenticationFailed,
        "card_velocity_exceeded" | "withdrawal_count_limit_exceeded" => DeclineCode::LimitExceeded,
        "currency_not_supported" => DeclineCode::CurrencyNotSupported,
        "processing_error" | "issuer_not_available" | "try_again_later" | "reenter_transaction" => {
            DeclineCode::ProcessingError
        }
        _ => DeclineCode::Declined,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, error: Value) -> Answer {
        let body = json!({ "error": error }).to_string().into();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body }
    }

    #[test]
    fn every_error_of_stripe_has_its_meaning() {
        for (status, kind, code, expected) in [
            (401, "invalid_request_error", "", "Unauthorized"),
            (403, "invalid_request_error", "", "Unauthorized"),
            (404, "invalid_request_error", "resource_missing", "NotFound"),
            (400, "invalid_request_error", "resource_missing", "Invalid(\"resource_missing\")"),
            (
                400,
                "invalid_request_error",
                "parameter_invalid_integer",
                "Invalid(\"parameter_invalid_integer\")",
            ),
            (400, "invalid_request_error", "payment_intent_unexpected_state", "NotAllowed"),
            (400, "invalid_request_error", "charge_already_refunded", "NotAllowed"),
            (400, "idempotency_error", "", "KeyReused"),
            (409, "idempotency_error", "", "KeyInUse"),
            (409, "invalid_request_error", "idempotency_key_in_use", "KeyInUse"),
            (429, "invalid_request_error", "rate_limit", "RateLimited { retry_after: None }"),
            (402, "card_error", "expired_card", "Declined(ExpiredCard)"),
            (500, "api_error", "", "Unknown(\"status 500 Internal Server Error api_error\")"),
            (
                503,
                "invalid_request_error",
                "",
                "Unknown(\"status 503 Service Unavailable invalid_request_error\")",
            ),
            (400, "something_new", "", "Unknown(\"status 400 Bad Request something_new\")"),
        ] {
            let got = meaning(&answer(status, json!({"type": kind, "code": code})));
            assert_eq!(format!("{got:?}"), expected);
        }
        let garbage = Answer { body: "<html>".into(), ..answer(400, json!({})) };
        assert!(matches!(meaning(&garbage), PaymentError::Unknown(_)));
    }

    #[test]
    fn a_reason_that_helps_thieves_is_not_told() {
        for code in
            ["lost_card", "stolen_card", "pickup_card", "fraudulent", "merchant_blacklist", ""]
        {
            assert_eq!(decline(code), DeclineCode::Declined, "{code}");
        }
        assert_eq!(decline("card_velocity_exceeded"), DeclineCode::LimitExceeded);
    }

    #[test]
    fn only_a_card_error_with_an_intent_is_an_answer_about_a_payment() {
        let intent = json!({"id": "pi_1"});
        let with = |status, kind: &str| {
            declined_intent(&answer(status, json!({"type": kind, "payment_intent": intent})))
        };
        assert_eq!(with(402, "card_error").as_deref(), Some(&b"{\"id\":\"pi_1\"}"[..]));
        assert_eq!(with(400, "card_error"), None);
        assert_eq!(with(402, "api_error"), None);
        assert_eq!(declined_intent(&answer(402, json!({"type": "card_error"}))), None);
    }
}
