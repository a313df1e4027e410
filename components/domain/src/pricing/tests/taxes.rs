//! Zones, rates, rounding, shipping's tax, and exempt buyers.

use super::*;

const VAT: u32 = 190_000;

fn standard(millionths: u32) -> Vec<TaxRule> {
    vec![tax_rule("VAT", "standard", millionths)]
}

/// Checks tax and total of one line.
#[track_caller]
fn check(mode: PriceMode, minor: i64, millionths: u32, tax: i64, total: i64) {
    let quote = Case::of(lines(&[(minor, 1)])).taxed(mode, standard(millionths)).quote();
    assert_eq!((quote.totals.tax.minor, quote.totals.total.minor), (tax, total));
}

#[test]
fn tax_is_contained_or_comes_on_top_and_rounds_halves_away_from_zero() {
    check(PriceMode::Inclusive, 11_900, VAT, 1_900, 11_900);
    check(PriceMode::Inclusive, 100, 200_000, 17, 100);
    // 3 × 100 % ÷ 200 % = 1.5.
    check(PriceMode::Inclusive, 3, 1_000_000, 2, 3);
    check(PriceMode::Exclusive, 10_000, VAT, 1_900, 11_900);
    // 50 × 5 % = 2.5; 49 × 5 % = 2.45.
    check(PriceMode::Exclusive, 50, 50_000, 3, 53);
    check(PriceMode::Exclusive, 49, 50_000, 2, 51);
    // 6.875 % of 100.00 is 6.875: basis points alone would have said 6.88 only by luck, and 68.8 of 1 000.00.
    check(PriceMode::Exclusive, 100_000, 68_750, 6_875, 106_875);
    check(PriceMode::Exclusive, 999, 0, 0, 999);
}

#[test]
fn amounts_are_rounded_to_the_currency_s_own_minor_unit() {
    // 10 % of 1 235 yen, 1.235 dinars and 12.35 euros is 123.5 minor units: these decide, not the second decimal.
    for (currency, minor, mode, tax, total) in [
        (Currency::Jpy, 1_235, PriceMode::Exclusive, 124, "1359 JPY"),
        (Currency::Jpy, 1_100, PriceMode::Inclusive, 100, "1100 JPY"),
        (Currency::Jpy, 108, PriceMode::Inclusive, 10, "108 JPY"),
        (Currency::Kwd, 1_235, PriceMode::Exclusive, 124, "1.359 KWD"),
        (Currency::Kwd, 10_005, PriceMode::Exclusive, 1_001, "11.006 KWD"),
        (Currency::Eur, 1_235, PriceMode::Exclusive, 124, "13.59 EUR"),
    ] {
        let quote =
            Case::of(lines_in(currency, &[(minor, 1)])).taxed(mode, standard(100_000)).quote();
        assert_eq!(quote.totals.tax.minor, tax, "{currency} {minor}");
        assert_eq!(quote.totals.total.to_string(), total);
    }
}

#[test]
fn several_rates_are_rounded_once_and_share_the_tax() {
    // New York City: 4 % + 4.5 % + 0.375 % = 8.875 % of 9.99 is 0.8866, so 0.89; each alone: 0.40 + 0.45 + 0.04 = 0.89.
    let rates = || {
        vec![
            tax_rule("NY state", "standard", 40_000),
            tax_rule("NY city", "standard", 45_000),
            tax_rule("MCTD", "standard", 3_750),
        ]
    };
    let amounts = |mode, minor| {
        let quote = Case::of(lines(&[(minor, 1)])).taxed(mode, rates()).quote();
        quote.lines[0].taxes.iter().map(|part| part.amount.minor).collect::<Vec<_>>()
    };
    assert_eq!(amounts(PriceMode::Exclusive, 999), [40, 45, 4]);
    // 8.875 % of 0.12 is 0.01 in all, where three roundings would have said 0.00 + 0.01 + 0.00 of other shares.
    assert_eq!(amounts(PriceMode::Exclusive, 12), [0, 1, 0]);
    assert_eq!(amounts(PriceMode::Inclusive, 10_888), [400, 450, 38]);
}

#[test]
fn each_line_is_rounded_alone_and_the_sums_follow() {
    // 5 % of 0.10 is 0.005, so 0.01 for each line; of 0.30 together it would be 0.02.
    let case =
        Case::of(lines(&[(10, 1), (10, 1), (10, 1)])).taxed(PriceMode::Exclusive, standard(50_000));
    let quote = case.quote();
    assert_eq!((quote.totals.tax, quote.totals.total), (money(3), money(33)));
    assert_eq!(quote.taxes.len(), 1);
    assert_eq!((quote.taxes[0].net, quote.taxes[0].amount), (money(30), money(3)));
}

#[test]
fn discounts_lower_the_tax() {
    let off = promotion(1, Class::Order, percent(5_000));
    let case = Case::of(lines(&[(10_000, 1)])).with(off);
    let exclusive = case.clone().taxed(PriceMode::Exclusive, standard(VAT)).quote();
    assert_eq!((exclusive.totals.tax, exclusive.totals.total), (money(950), money(5_950)));
    let inclusive = case.taxed(PriceMode::Inclusive, standard(VAT)).quote();
    assert_eq!((inclusive.totals.tax, inclusive.totals.total), (money(798), money(5_000)));
}

#[test]
fn classes_have_their_own_rates_and_a_class_without_is_not_taxed() {
    let rates = vec![tax_rule("VAT", "standard", VAT), tax_rule("VAT", "reduced", 70_000)];
    let mut case = Case::of(lines(&[(10_000, 1), (10_000, 1), (10_000, 1)]))
        .taxed(PriceMode::Exclusive, rates);
    case.lines[1].tax_class = TaxClass(handle("reduced"));
    case.lines[2].tax_class = TaxClass(handle("stamps"));
    let quote = case.quote();
    let taxes: Vec<_> = quote.lines.iter().map(|line| line.tax.minor).collect();
    assert_eq!(taxes, [1_900, 700, 0]);
    let summary: Vec<_> =
        quote.taxes.iter().map(|t| (t.rate.to_string(), t.amount.minor)).collect();
    assert_eq!(summary, [("19".to_owned(), 1_900), ("7".to_owned(), 700)]);
}

#[test]
fn the_closest_zone_counts_alone_whatever_the_order() {
    let rate = |millionths| standard(millionths);
    let mut zones = vec![
        tax_zone("rest", &[], rate(10_000)),
        tax_zone("us", &["US"], rate(20_000)),
        tax_zone("ny", &["US-NY"], rate(30_000)),
        tax_zone("nyc", &["US-NY-100", "US-NY-101"], rate(40_000)),
        tax_zone("eu", &["DE", "FR"], rate(50_000)),
        tax_zone("eu-too", &["DE"], rate(60_000)),
        tax_zone("canaries", &["ES--35", "ES--38"], rate(0)),
    ];
    for _ in 0..zones.len() {
        zones.rotate_left(1);
        for (text, tax) in [
            ("JP", 100),
            ("US", 200),
            ("US-CA", 200),
            ("US-NY", 300),
            ("US-NY-12207", 300),
            ("US-NY-10001", 400),
            ("DE", 500),
            ("FR", 500),
            ("ES-CN-35001", 0),
            ("ES-MD-28001", 100),
        ] {
            let mut case = Case::of(lines(&[(10_000, 1)])).taxed(PriceMode::Exclusive, Vec::new());
            case.taxes.zones = zones.clone();
            case.destination = destination(text);
            assert_eq!(case.quote().totals.tax.minor, tax, "{text}");
        }
    }
}

#[test]
fn outside_all_zones_there_is_no_tax() {
    let mut case = Case::of(lines(&[(10_000, 1)])).taxed(PriceMode::Exclusive, Vec::new());
    case.taxes.zones = vec![tax_zone("de", &["DE"], standard(VAT))];
    case.destination = to("CH");
    let quote = case.quote();
    assert_eq!((quote.totals.tax, quote.totals.total), (money(0), money(10_000)));
    assert!(quote.taxes.is_empty());
}

#[test]
fn shipping_is_taxed_as_a_class_or_in_proportion_to_what_is_shipped() {
    let rates = vec![tax_rule("VAT", "standard", 200_000), tax_rule("VAT", "reduced", 100_000)];
    let mut case = Case::of(lines(&[(3_000, 1), (1_000, 1), (9_000, 1)]))
        .shipped(1_000)
        .taxed(PriceMode::Exclusive, rates);
    case.lines[1].tax_class = TaxClass(handle("reduced"));
    case.lines[2].is_shippable = false;
    let tax = |case: &Case| case.quote().shipping.quoted().unwrap().tax.minor;
    // Three quarters at 20 %, one at 10 %: 150 + 25. The download does not count.
    assert_eq!(tax(&case), 175);
    case.taxes.shipping = ShippingTax::Class(TaxClass(handle("reduced")));
    assert_eq!(tax(&case), 100);
    case.taxes.shipping = ShippingTax::Proportional;
    case.taxes.price_mode = PriceMode::Inclusive;
    // 750 ÷ 1.2 × 0.2 = 125, 250 ÷ 1.1 × 0.1 = 22.7.
    assert_eq!(tax(&case), 148);
    // Free lines share by pieces: one quarter at 20 %, three at 10 %.
    case.lines[0].price = money(0);
    case.lines[1].price = money(0);
    case.lines[1].quantity = 3.try_into().unwrap();
    case.taxes.price_mode = PriceMode::Exclusive;
    assert_eq!(tax(&case), 125);
}

#[test]
fn exempt_buyers_pay_no_tax() {
    let exempt = |mode, exempt_price| {
        let mut case = Case::of(lines(&[(11_900, 1)])).shipped(595).taxed(mode, standard(VAT));
        case.buyer.is_tax_exempt = true;
        case.taxes.exempt_price = exempt_price;
        let totals = case.quote().totals;
        (totals.tax.minor, totals.tax_relief.minor, totals.total.minor)
    };
    assert_eq!(exempt(PriceMode::Exclusive, ExemptPrice::WithoutTax), (0, 0, 12_495));
    assert_eq!(exempt(PriceMode::Inclusive, ExemptPrice::WithoutTax), (0, 1_995, 10_500));
    assert_eq!(exempt(PriceMode::Inclusive, ExemptPrice::Unchanged), (0, 0, 12_495));
}

#[test]
fn rates_are_written_in_per_cent() {
    for (millionths, text) in
        [(190_000, "19"), (68_750, "6.875"), (3_750, "0.375"), (0, "0"), (1, "0.0001")]
    {
        assert_eq!(TaxRate::try_from(millionths).unwrap().to_string(), text);
    }
    assert_eq!(TaxRate::from_basis_points(1_900), TaxRate::try_from(190_000));
    assert!(TaxRate::from_basis_points(10_001).is_err());
    assert!(TaxRate::from_basis_points(u32::MAX).is_err());
}

#[test]
fn refuses_policies_that_are_not_clear() {
    let policy = |zones| TaxPolicy { zones, ..Case::of(Vec::new()).taxes };
    let twice = vec![tax_rule("VAT", "standard", 1), tax_rule("VAT", "standard", 2)];
    let many = |count| (0..count).map(|n| tax_rule(&format!("r{n}"), "standard", 1)).collect();
    let unnamed = vec![tax_rule("", "standard", 1)];
    let far = vec!["DE"; 201];
    let zones =
        |count: usize| (0..count).map(|n| tax_zone(&format!("z{n}"), &[], vec![])).collect();
    for (zones, expected) in [
        (vec![tax_zone("a", &["DE"], many(32))], Ok(())),
        (vec![tax_zone("a", &["DE"], many(33))], Err(InvalidRule::Rates)),
        (vec![tax_zone("a", &["DE"], twice)], Err(InvalidRule::Rates)),
        (vec![tax_zone("a", &["DE"], unnamed)], Err(InvalidRule::Title)),
        (vec![tax_zone("a", &far, vec![])], Err(InvalidRule::Places)),
        (vec![tax_zone("a", &[], vec![]), tax_zone("a", &[], vec![])], Err(InvalidRule::Names)),
        (zones(1_000), Ok(())),
        (zones(1_001), Err(InvalidRule::Names)),
    ] {
        assert_eq!(policy(zones).check(), expected);
    }
}
