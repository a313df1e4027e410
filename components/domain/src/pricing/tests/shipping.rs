//! Tariffs, thresholds, zones, and why a method is not on offer.

use super::super::shipping::{SubtotalStep, WeightStep};
use super::*;

/// Prices a cart of prices and pieces, of 500 g each, with one tariff.
fn offer(cart: &[(i64, u32)], tariff: Tariff) -> ShippingOffer {
    let mut case = Case::of(lines(cart));
    case.shipping.methods = vec![method("post", vec![tariff])];
    case.quote().shipping_options[0].offer
}

const fn price(minor: i64) -> ShippingOffer {
    let price = Money::new(minor, Currency::Eur);
    ShippingOffer::Available { price, days: Days { min: 2, max: 4 } }
}

const fn no(why: Unavailable) -> ShippingOffer {
    ShippingOffer::Unavailable { why }
}

#[test]
fn flat_tariffs_are_free_from_their_threshold_on() {
    let rule =
        || Tariff { free_from: Some(AmountByCurrency::of(money(10_000))), ..tariff(flat(490)) };
    assert_eq!(offer(&[(9_999, 1)], rule()), price(490));
    assert_eq!(offer(&[(5_000, 2)], rule()), price(0));
}

#[test]
fn tables_by_subtotal_take_the_last_step_that_begins_below() {
    let rule = || {
        let step = |from_minor, price_minor| SubtotalStep { from_minor, price_minor };
        let steps = vec![step(1_000, 900), step(5_000, 500), step(10_000, 0)];
        tariff(ShippingPrice::BySubtotal { steps: BTreeMap::from([(Currency::Eur, steps)]) })
    };
    let too_low = no(Unavailable::SubtotalTooLow { subtotal_min: money(1_000) });
    for (minor, expected) in [
        (999, too_low),
        (1_000, price(900)),
        (4_999, price(900)),
        (5_000, price(500)),
        (10_000, price(0)),
        (1_000_000, price(0)),
    ] {
        assert_eq!(offer(&[(minor, 1)], rule()), expected, "{minor}");
    }
}

#[test]
fn tables_by_weight_take_the_first_step_that_reaches() {
    let rule = || {
        let step =
            |grams_max, minor| WeightStep { grams_max, price: AmountByCurrency::of(money(minor)) };
        tariff(ShippingPrice::ByWeight { steps: vec![step(500, 300), step(2_000, 700)] })
    };
    for (pieces, expected) in [
        (1, price(300)),
        (2, price(700)),
        (4, price(700)),
        (5, no(Unavailable::TooHeavy { grams_max: 2_000 })),
    ] {
        assert_eq!(offer(&[(100, pieces)], rule()), expected, "{pieces}");
    }
    let limited = || Tariff { grams_max: Some(1_000), ..tariff(flat(490)) };
    assert_eq!(offer(&[(100, 2)], limited()), price(490));
    assert_eq!(offer(&[(100, 3)], limited()), no(Unavailable::TooHeavy { grams_max: 1_000 }));
}

#[test]
fn tariffs_by_piece_charge_the_first_and_each_further_one() {
    let rule = || {
        tariff(ShippingPrice::ByPiece {
            first: AmountByCurrency::of(money(490)),
            further: AmountByCurrency::of(money(100)),
        })
    };
    assert_eq!(offer(&[(100, 1)], rule()), price(490));
    assert_eq!(offer(&[(100, 2), (200, 3)], rule()), price(890));
}

#[test]
fn the_closest_tariff_counts_and_places_without_one_are_told() {
    let of = |places: &[&str], minor| Tariff {
        places: places.iter().map(|text| place(text)).collect(),
        ..tariff(flat(minor))
    };
    let abroad = vec![of(&["DE", "AT"], 100), of(&["DE--27498"], 900), of(&["AT"], 200)];
    for (text, expected) in [
        ("DE-BE-10115", price(100)),
        ("DE-SH-27498", price(900)),
        ("AT", price(100)),
        ("CH", no(Unavailable::Destination)),
    ] {
        let mut case = Case::of(lines(&[(100, 1)]));
        case.destination = destination(text);
        case.shipping.methods = vec![method("post", abroad.clone())];
        assert_eq!(case.quote().shipping_options[0].offer, expected, "{text}");
    }
}

#[test]
fn a_currency_without_a_price_is_told() {
    let yen = || AmountByCurrency::of(Money::new(500, Currency::Jpy));
    let euro = || AmountByCurrency::of(money(500));
    for rule in [
        ShippingPrice::Flat { price: yen() },
        ShippingPrice::BySubtotal { steps: BTreeMap::from([(Currency::Jpy, Vec::new())]) },
        ShippingPrice::ByWeight { steps: vec![WeightStep { grams_max: 9_999, price: yen() }] },
        ShippingPrice::ByPiece { first: euro(), further: yen() },
    ] {
        assert_eq!(offer(&[(100, 1)], tariff(rule)), no(Unavailable::WrongCurrency));
    }
}

#[test]
fn a_choice_is_needed_unless_nothing_is_shipped() {
    let mut case = Case::of(lines(&[(100, 1)])).shipped(490);
    assert!(case.quote().shipping.is_settled());
    assert_eq!(case.quote().totals.total, money(590));
    case.shipping_method = None;
    assert_eq!(case.quote().shipping, ShippingOutcome::NotChosen);
    assert!(!case.quote().shipping.is_settled());
    case.shipping_method = Some(handle("drone"));
    let why = Unavailable::Unknown;
    assert_eq!(case.quote().shipping, ShippingOutcome::Refused { method: handle("drone"), why });
    case.lines[0].is_shippable = false;
    assert_eq!(case.quote().shipping, ShippingOutcome::NotNeeded);
    assert!(case.quote().shipping_options.is_empty());
    assert!(case.quote().shipping.is_settled());
    case.lines.clear();
    assert_eq!(case.quote().totals.total, money(0));
}

#[test]
fn only_what_is_shipped_has_weight_and_pieces() {
    let mut case = Case::of(lines(&[(100, 3), (100, 9)]));
    case.lines[1].is_shippable = false;
    let rule = Tariff { grams_max: Some(1_500), ..tariff(flat(490)) };
    case.shipping.methods = vec![method("post", vec![rule])];
    assert_eq!(case.quote().shipping_options[0].offer, price(490));
}

#[test]
fn thresholds_look_at_the_subtotal_that_the_shop_has_chosen() {
    let mut case = Case::of(lines(&[(10_000, 1)])).shipped(490);
    case.shipping.methods[0].tariffs[0].free_from = Some(AmountByCurrency::of(money(10_000)));
    let mut case = case.with(promotion(1, Class::Order, amount(1)));
    assert_eq!(case.quote().totals.shipping, money(0));
    case.shipping.measure = Measure::AfterDiscounts;
    let quote = case.quote();
    assert_eq!(quote.totals.shipping, money(490));
    assert_eq!(quote.shipping_options[0].offer, price(490));
}

#[test]
fn refuses_policies_that_are_not_clear() {
    let policy = |tariff| ShippingPolicy {
        methods: vec![method("post", vec![tariff])],
        measure: Measure::default(),
    };
    let table = |steps: &[(i64, i64)]| {
        let steps = steps
            .iter()
            .map(|&(from_minor, price_minor)| SubtotalStep { from_minor, price_minor })
            .collect();
        tariff(ShippingPrice::BySubtotal { steps: BTreeMap::from([(Currency::Eur, steps)]) })
    };
    let weights = |steps: &[u64]| {
        let price = AmountByCurrency::of(money(1));
        let steps = steps.iter().map(|&grams_max| WeightStep { grams_max, price: price.clone() });
        tariff(ShippingPrice::ByWeight { steps: steps.collect() })
    };
    let long: Vec<_> = (0..51).collect();
    let free_from = Some(AmountByCurrency::of(money(-1)));
    for (tariff, expected) in [
        (tariff(flat(0)), Ok(())),
        (tariff(flat(-1)), Err(InvalidRule::Amount)),
        (Tariff { free_from, ..tariff(flat(0)) }, Err(InvalidRule::Amount)),
        (Tariff { days: Days { min: 3, max: 2 }, ..tariff(flat(0)) }, Err(InvalidRule::Days)),
        (Tariff { places: vec![place("DE"); 201], ..tariff(flat(0)) }, Err(InvalidRule::Places)),
        (table(&[(0, 5), (100, 0)]), Ok(())),
        (table(&[]), Err(InvalidRule::Table)),
        (table(&[(100, 0), (100, 0)]), Err(InvalidRule::Table)),
        (table(&[(0, -1)]), Err(InvalidRule::Amount)),
        (weights(&[1, 2]), Ok(())),
        (weights(&[2, 1]), Err(InvalidRule::Table)),
        (weights(&[]), Err(InvalidRule::Table)),
        (weights(&long), Err(InvalidRule::Table)),
    ] {
        assert_eq!(policy(tariff).check(), expected);
    }
    let methods = |names: &[String]| ShippingPolicy {
        methods: names.iter().map(|name| method(name, Vec::new())).collect(),
        measure: Measure::default(),
    };
    let names: Vec<_> = (0..21).map(|number| format!("m{number}")).collect();
    assert_eq!(methods(&names[..20]).check(), Ok(()));
    assert_eq!(methods(&names).check(), Err(InvalidRule::Names));
    assert_eq!(methods(&["a".to_owned(), "a".to_owned()]).check(), Err(InvalidRule::Names));
    let many = ShippingPolicy {
        methods: vec![method("post", vec![tariff(flat(0)); 51])],
        measure: Measure::default(),
    };
    assert_eq!(many.check(), Err(InvalidRule::Names));
}
