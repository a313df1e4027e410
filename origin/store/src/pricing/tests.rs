//! Plain and quoted carts beside each other.

use std::collections::BTreeMap;

use super::*;

fn line(number: u8, minor: i64, quantity: u32) -> PricedLine {
    let price = Money::new(minor, Currency::Eur);
    PricedLine {
        line: Line {
            id: LineId::from_bytes([number; 16]),
            sku: format!("S{number}").parse().unwrap(),
            handle: "cup".parse().unwrap(),
            title: String::new(),
            variant_title: String::new(),
            image_url: String::new(),
            quantity,
            unit_price: price,
            line_total: price.checked_mul(quantity).unwrap(),
            promise: None,
        },
        quantity: quantity.try_into().unwrap(),
        current: price,
        frozen: None,
        attributes: Attributes {
            category: "cups".parse().unwrap(),
            tags_json: r#"["blue","Hand made"]"#.to_owned(),
            tax_class: TaxClass("standard".parse().unwrap()),
            grams: 300,
            is_shippable: true,
            is_discountable: true,
        },
    }
}

fn asked<'a>(lines: &'a [PricedLine], choices: &'a Choices) -> Asked<'a> {
    Asked {
        now: Timestamp::from_unix_ms(1),
        currency: Currency::Eur,
        lines,
        choices,
        destination: None,
        buyer: Buyer::default(),
        codes: &[],
        by_code: &[],
        gift_cards: &[],
        plain: (ShippingRule { flat_minor: 490, free_from_minor: 10_000 }, 1_900),
    }
}

fn rules(automatic: Vec<Known>) -> Rules {
    let parents = BTreeMap::from([
        ("cups".parse().unwrap(), "table".parse().unwrap()),
        ("table".parse().unwrap(), "cups".parse().unwrap()),
    ]);
    Rules::new(|_| None, automatic, parents).unwrap()
}

#[test]
fn a_shop_without_rules_sells_as_it_always_did() {
    let (lines, choices) = ([line(1, 1_999, 1), line(2, 333, 3)], Choices::default());
    let price = rules(Vec::new()).price(&asked(&lines, &choices)).unwrap().unwrap();
    assert!(price.quote.is_none());
    let totals = price.totals;
    assert_eq!(
        (totals.subtotal.minor, totals.shipping.minor, totals.total.minor, totals.tax.minor),
        (2_998, 490, 3_488, 557)
    );
    assert_eq!((totals.discount.minor, totals.due), (0, totals.total));
}

#[test]
fn rules_that_follow_from_settings_come_to_the_same_total() {
    let choices = Choices { codes: vec!["NONE".parse().unwrap()], ..Choices::default() };
    for lines in [vec![line(1, 1_999, 1), line(2, 333, 3)], vec![line(1, 5_000, 2)]] {
        let plain = Choices::default();
        let expected = rules(Vec::new()).price(&asked(&lines, &plain)).unwrap().unwrap().totals;
        let price = rules(Vec::new()).price(&asked(&lines, &choices)).unwrap().unwrap();
        assert_eq!(price.quote.unwrap().check(), Ok(()));
        let totals = price.totals;
        assert_eq!(
            (totals.subtotal, totals.shipping, totals.total),
            (expected.subtotal, expected.shipping, expected.total)
        );
    }
}

#[test]
fn a_category_that_lies_above_itself_is_named_once() {
    let names = rules(Vec::new()).categories(&"cups".parse().unwrap());
    let names: Vec<&str> = names.iter().map(Handle::as_str).collect();
    assert_eq!(names, ["cups", "table"]);
}
