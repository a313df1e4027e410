use serde_json::{Value, json};

use super::*;
use crate::payment::{DeclineCode, PayerAction, RefundStatus, Subject};

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);
const PAYMENT: &str = "018bcfe5-6800-7fff-8000-000000000000";

fn settings() -> Settings {
    Settings {
        base: BASE_DEFAULT.to_owned(),
        key: Secret::new("sk_test_1".into()),
        webhook_secrets: vec![Secret::new("whsec_1".into())],
        deadline: Duration::from_secs(5),
    }
}

fn intent_object(status: &str, more: Value) -> Value {
    let mut object = json!({"id": "pi_1", "object": "payment_intent", "status": status, "amount": 1000,
        "currency": "eur", "amount_capturable": 0, "amount_received": 0, "created": 1_700_000_000,
        "client_secret": "pi_1_secret_x", "metadata": {"vitrine_reference": PAYMENT}, "next_action": null,
        "last_payment_error": null, "latest_charge": null});
    let more = more.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(more);
    object
}

fn read(object: Value) -> Result<Option<Intent>, PaymentError> {
    serde_json::from_value::<PaymentIntentObject>(object).unwrap().intent(REFERENCE)
}

fn charge(amount: i64, captured: i64, refunded: i64) -> Value {
    json!({"id": "ch_1", "object": "charge", "amount": amount, "amount_captured": captured,
        "amount_refunded": refunded, "currency": "eur", "payment_intent": "pi_1",
        "metadata": {"vitrine_reference": PAYMENT}})
}

#[test]
fn settings_that_would_show_the_key_or_believe_everybody_are_refused() {
    for (base, expected) in [
        ("https://api.stripe.com", Ok(())),
        ("https://api.stripe.com/", Ok(())),
        ("http://127.0.0.1:12111", Ok(())),
        ("http://localhost:12111", Ok(())),
        ("http://api.stripe.com", Err(SettingsError::Base)),
        ("http://127.0.0.1.example.com", Err(SettingsError::Base)),
        ("https://api.stripe.com/v1", Err(SettingsError::Base)),
        ("api.stripe.com", Err(SettingsError::Base)),
        ("", Err(SettingsError::Base)),
    ] {
        let made = Stripe::new(Settings { base: base.to_owned(), ..settings() });
        assert_eq!(made.map(|_| ()), expected, "{base}");
    }
    for key in ["pk_test_1", "", "sk_test_1\r\n"] {
        let made = Stripe::new(Settings { key: Secret::new(key.into()), ..settings() });
        assert_eq!(made.map(|_| ()), Err(SettingsError::Key), "{key}");
    }
    for secrets in [vec![], vec![Secret::new(String::new())]] {
        let made = Stripe::new(Settings { webhook_secrets: secrets, ..settings() });
        assert_eq!(made.map(|_| ()), Err(SettingsError::WebhookSecret));
    }
}

#[test]
fn neither_settings_nor_client_print_a_secret() {
    let printed = format!("{:?} {:?}", settings(), Stripe::new(settings()).unwrap());
    assert!(!printed.contains("sk_test_1") && !printed.contains("whsec_1"), "{printed}");
}

#[test]
fn every_state_of_an_intent_has_its_meaning() {
    use IntentStatus as S;
    let refused = json!({"last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"}});
    for (status, more, expected, amounts) in [
        ("requires_payment_method", json!({}), S::RequiresAction, [0, 0, 0, 0]),
        ("requires_payment_method", refused.clone(), S::Declined, [0, 0, 0, 0]),
        ("requires_confirmation", json!({}), S::RequiresAction, [0, 0, 0, 0]),
        ("requires_action", json!({}), S::RequiresAction, [0, 0, 0, 0]),
        ("processing", json!({}), S::Processing, [0, 0, 0, 0]),
        ("requires_capture", json!({"amount_capturable": 1000}), S::Authorized, [1000, 0, 0, 0]),
        (
            "requires_capture",
            json!({"amount_capturable": 600, "amount_received": 400}),
            S::PartiallyCaptured,
            [1000, 400, 0, 0],
        ),
        ("canceled", json!({}), S::Cancelled, [0, 0, 0, 0]),
        ("canceled", refused, S::Declined, [0, 0, 0, 0]),
        ("succeeded", json!({"amount_received": 1000}), S::Captured, [1000, 1000, 0, 0]),
        ("succeeded", json!({"amount_received": 400}), S::Captured, [1000, 400, 600, 0]),
        (
            "succeeded",
            json!({"amount_received": 1000, "latest_charge": charge(1000, 1000, 250)}),
            S::PartiallyRefunded,
            [1000, 1000, 0, 250],
        ),
        (
            "succeeded",
            json!({"amount_received": 1000, "latest_charge": "ch_1"}),
            S::Captured,
            [1000, 1000, 0, 0],
        ),
        // What a partial capture let go is no refund.
        (
            "succeeded",
            json!({"amount_received": 400, "latest_charge": charge(1000, 400, 600)}),
            S::Captured,
            [1000, 400, 600, 0],
        ),
        (
            "succeeded",
            json!({"amount_received": 400, "latest_charge": charge(1000, 400, 1000)}),
            S::Refunded,
            [1000, 400, 600, 400],
        ),
    ] {
        let text = format!("{status} {more}");
        let intent = read(intent_object(status, more)).unwrap().unwrap();
        let known = intent.amounts;
        let got = [known.authorized(), known.captured(), known.released(), known.refunded()];
        assert_eq!((intent.status, got.map(|money| money.minor)), (expected, amounts), "{text}");
    }
}

#[test]
fn the_payer_is_led_to_the_banks_page_or_to_stripes_field() {
    let page = json!({"next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.example/1"}}});
    let intent = read(intent_object("requires_action", page)).unwrap().unwrap();
    let url = "https://bank.example/1".to_owned();
    assert_eq!(intent.action, Some(PayerAction::Redirect { url }));
    let field = json!({"next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}});
    let intent = read(intent_object("requires_action", field)).unwrap().unwrap();
    let secret = Secret::new("pi_1_secret_x".into());
    assert_eq!(intent.action, Some(PayerAction::ClientSecret { secret }));
    let done = json!({"amount_received": 1000});
    assert_eq!(read(intent_object("succeeded", done)).unwrap().unwrap().action, None);
}

#[test]
fn an_intent_that_we_do_not_understand_is_unknown_and_one_of_others_is_none_of_ours() {
    for (status, more) in [
        ("frozen", json!({})),
        ("succeeded", json!({})),
        ("succeeded", json!({"amount_received": 1001})),
        ("requires_capture", json!({"amount_capturable": i64::MAX, "amount_received": i64::MAX})),
        ("processing", json!({"currency": "xxx"})),
        ("succeeded", json!({"amount_received": 1000, "latest_charge": charge(1000, 1000, 1001)})),
    ] {
        let text = format!("{status} {more}");
        let got = read(intent_object(status, more));
        assert!(matches!(got, Err(PaymentError::Unknown(_))), "{text} {got:?}");
    }
    for metadata in [json!({}), json!({"vitrine_reference": "soon"})] {
        let object = intent_object("processing", json!({"metadata": metadata}));
        assert_eq!(read(object).unwrap(), None);
    }
}

fn event(kind: &str, object: Value) -> Result<Event, WebhookError> {
    let body = json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}});
    let body = body.to_string();
    let secret = Secret::new("whsec_1".into());
    let signed = signature::sign(&secret, body.as_bytes(), NOW).parse().unwrap();
    let name = http::HeaderName::from_static(signature::HEADER);
    let headers = HeaderMap::from_iter([(name, signed)]);
    Stripe::new(settings()).unwrap().verify_webhook(&headers, body.as_bytes(), NOW)
}

#[test]
fn webhooks_about_payments_charges_and_refunds_are_read() {
    let paid = intent_object("succeeded", json!({"amount_received": 1000}));
    for (kind, object, expected) in [
        ("payment_intent.succeeded", paid, IntentStatus::Captured),
        ("charge.captured", charge(1000, 1000, 0), IntentStatus::Captured),
        ("charge.captured", charge(1000, 400, 600), IntentStatus::Captured),
        ("charge.captured", charge(1000, 400, 0), IntentStatus::PartiallyCaptured),
        ("charge.refunded", charge(1000, 1000, 1000), IntentStatus::Refunded),
        ("charge.refunded", charge(1000, 400, 700), IntentStatus::PartiallyRefunded),
    ] {
        let event = event(kind, object).unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", kind));
        let Subject::Intent(intent) = event.subject else { panic!("{event:?}") };
        assert_eq!((intent.id.as_str(), intent.status), ("pi_1", expected));
        assert_eq!(intent.reference, PAYMENT.parse().unwrap());
    }
    let refund = json!({"id": "re_1", "object": "refund", "amount": 250, "currency": "eur", "status": "failed",
        "payment_intent": "pi_1", "metadata": {"vitrine_key": "k:refund"}});
    let event_of_refund = event("refund.failed", refund).unwrap();
    let Subject::Refund { intent, refund, .. } = event_of_refund.subject else { panic!() };
    assert_eq!((intent.as_str(), refund.status), ("pi_1", RefundStatus::Failed));
    assert_eq!(refund.key.as_deref(), Some("k:refund"));
}

#[test]
fn webhooks_that_are_not_for_us_do_nothing_and_broken_ones_are_unreadable() {
    for (kind, object) in [
        ("customer.created", json!({"id": "cus_1"})),
        ("payment_intent.succeeded", intent_object("succeeded", json!({"metadata": {}}))),
        ("charge.refunded", json!({"amount": 1, "currency": "eur", "metadata": {}})),
        // A hold that was let go: the intent's own webhook tells.
        ("charge.refunded", charge(1000, 0, 1000)),
    ] {
        assert_eq!(event(kind, object).unwrap().subject, Subject::Other, "{kind}");
    }
    for (kind, object) in [
        ("payment_intent.succeeded", json!({})),
        ("payment_intent.succeeded", intent_object("frozen", json!({}))),
        ("refund.updated", json!({"id": "re_1"})),
    ] {
        assert_eq!(event(kind, object), Err(WebhookError::Unreadable), "{kind}");
    }
}

#[test]
fn a_decline_tells_no_more_than_the_payer_may_know() {
    let of = |decline: &str| {
        let error =
            json!({"last_payment_error": {"code": "card_declined", "decline_code": decline}});
        read(intent_object("requires_payment_method", error)).unwrap().unwrap().decline
    };
    assert_eq!(of("insufficient_funds"), Some(DeclineCode::InsufficientFunds));
    assert_eq!(of("stolen_card"), Some(DeclineCode::Declined));
}

#[test]
fn test_methods_go_to_test_accounts_only() {
    let live = Settings { key: Secret::new("sk_live_1".into()), ..settings() };
    let (test, live) = (Stripe::new(settings()).unwrap(), Stripe::new(live).unwrap());
    let method = |word: &str| word.parse::<Method>().unwrap();
    assert_eq!(
        test.method(&method("success")).unwrap(),
        Some(("payment_method", "pm_card_visa".to_owned()))
    );
    assert!(matches!(test.method(&method("late")), Err(PaymentError::Invalid(_))));
    assert!(matches!(live.method(&method("success")), Err(PaymentError::Invalid(_))));
    for (token, name) in [("pm_1", "payment_method"), ("ctoken_1", "confirmation_token")] {
        assert_eq!(live.method(&method(token)).unwrap(), Some((name, token.to_owned())));
    }
    assert_eq!(live.method(&Method::Hosted).unwrap(), None);
}

#[test]
fn a_payments_name_tells_when_it_was_written_down() {
    assert_eq!(made_at_s(PaymentId::v7(NOW, [7; 10])), 1_700_000_000);
}
