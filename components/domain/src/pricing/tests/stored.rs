//! The words in which rules and quotes are stored and sent.

use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check<T>(value: &T, expected: &Value)
where
    T: Serialize + for<'de> Deserialize<'de> + PartialEq + fmt::Debug,
{
    assert_eq!(&serde_json::to_value(value).unwrap(), expected);
    assert_eq!(&serde_json::from_value::<T>(expected.clone()).unwrap(), value);
}

#[test]
fn promotions_are_stored_in_snake_case_words() {
    let promotion = Promotion {
        target: Target::Skus(BTreeSet::from(["S1".parse().unwrap()])),
        conditions: Conditions {
            subtotal_min: Some(AmountByCurrency::of(money(5_000))),
            ..Conditions::default()
        },
        ends_at: Some(NOW),
        ..promotion(7, Class::Line, buy_get(2, 1, 5_000, 3))
    };
    let expected = json!({
        "id": promotion.id.to_string(),
        "title": "promotion 7",
        "trigger": "automatic",
        "effect": {
            "kind": "buy_get", "buy": 2, "get": 1, "off": 5_000, "repeats_max": 3, "of": null
        },
        "target": { "kind": "skus", "names": ["S1"] },
        "conditions": {
            "subtotal_min": { "EUR": 5_000 }, "pieces_min": null, "first_order_only": false,
            "account_only": false, "shipping_methods": [], "uses_max": null,
            "uses_per_buyer_max": null
        },
        "class": "line",
        "combines_with": ["line", "order", "shipping"],
        "priority": 0,
        "starts_at": null,
        "ends_at": "1970-01-01T00:16:40.000Z"
    });
    check(&promotion, &expected);
    for (effect, expected) in [
        (percent(1_500), json!({ "kind": "percent", "off": 1_500, "cap": null })),
        (amount(500), json!({ "kind": "amount", "off": { "EUR": 500 } })),
        (Effect::FreeShipping, json!({ "kind": "free_shipping" })),
    ] {
        check(&effect, &expected);
    }
    check(&Target::All, &json!({ "kind": "all" }));
}

#[test]
fn what_is_absent_in_a_stored_promotion_has_its_default() {
    let stored = json!({
        "id": promotion_id(1).to_string(), "title": "Spring", "trigger": "code",
        "effect": { "kind": "percent", "off": 1_000 }, "target": { "kind": "all" }, "class": "order"
    });
    let read: Promotion = serde_json::from_value(stored).unwrap();
    assert_eq!(read.conditions, Conditions::default());
    assert!(read.combines_with.is_empty(), "exclusive unless told otherwise");
    let over = json!({ "kind": "percent", "off": 10_001 });
    assert!(serde_json::from_value::<Effect>(over).is_err());
}

#[test]
fn policies_are_stored_in_snake_case_words() {
    let case = Case::of(lines(&[(100, 1)]))
        .shipped(490)
        .taxed(PriceMode::Exclusive, vec![tax_rule("VAT", "standard", 190_000)]);
    check(
        &case.taxes,
        &json!({
            "price_mode": "exclusive",
            "zones": [{
                "name": "everywhere", "places": [],
                "rates": [{ "name": "VAT", "class": "standard", "rate": 190_000 }]
            }],
            "shipping": { "kind": "proportional" },
            "exempt_price": "without_tax"
        }),
    );
    check(
        &case.shipping,
        &json!({
            "methods": [{
                "id": "post", "title": "post",
                "tariffs": [{
                    "places": [], "price": { "kind": "flat", "price": { "EUR": 490 } },
                    "free_from": null, "grams_max": null, "days": { "min": 2, "max": 4 }
                }]
            }],
            "measure": "before_discounts"
        }),
    );
    check(
        &place("US-NY-100"),
        &json!({ "country": "US", "region": "NY", "postcode_prefix": "100" }),
    );
}

#[test]
fn quotes_are_sent_with_reasons_beside_what_they_are_about() {
    let mut case = Case::of(lines(&[(1_000, 1)]))
        .shipped(490)
        .taxed(PriceMode::Inclusive, vec![tax_rule("VAT", "standard", 190_000)])
        .with(promotion(1, Class::Line, percent(1_000)));
    case.codes = vec![EnteredCode { code: "gone".parse().unwrap(), found: None }];
    case.gift_cards = vec![GiftCard {
        id: GiftCardId::v4([1; 16]),
        balance: money(100),
        expires_at: None,
        is_enabled: false,
    }];
    let quote = case.quote();
    let sent = serde_json::to_value(&quote).unwrap();
    assert_eq!(sent["refused_codes"], json!([{ "code": "GONE", "reason": "unknown" }]));
    let id = case.gift_cards[0].id.to_string();
    assert_eq!(sent["refused_gift_cards"], json!([{ "gift_card": id, "reason": "disabled" }]));
    assert_eq!(sent["shipping"]["kind"], "chosen");
    assert_eq!(sent["lines"][0]["taxes"][0]["rate"], 190_000);
    assert_eq!(serde_json::from_value::<Quote>(sent).unwrap(), quote);
    let refused = RefusedCode {
        code: "X".parse().unwrap(),
        reason: CodeRefusal::SubtotalNotReached { missing: money(5) },
    };
    check(
        &refused,
        &json!({
            "code": "X", "reason": "subtotal_not_reached",
            "missing": { "minor": 5, "currency": "EUR" }
        }),
    );
}
