//! Why a code takes nothing off: each reason, at its edge.

use super::*;

fn code_of(number: u8) -> Promotion {
    promotion(number, Class::Line, percent(1_000))
}

fn with_conditions(conditions: Conditions) -> Promotion {
    Promotion { conditions, ..code_of(1) }
}

/// Two lines: 1 000 twice, 500 once.
fn case(promotion: Promotion) -> Case {
    Case::of(lines(&[(1_000, 2), (500, 1)])).with_code("X", promotion)
}

#[track_caller]
fn check(case: &Case, expected: Option<CodeRefusal>) {
    let quote = case.quote();
    assert_eq!(refusals(&quote), expected.into_iter().collect::<Vec<_>>());
    assert_eq!(quote.totals.discounts.minor > 0, expected.is_none());
}

#[test]
fn a_code_is_unknown_without_a_promotion_that_takes_codes() {
    check(&case(code_of(1)), None);
    let mut unknown = case(code_of(1));
    unknown.codes[0].found = None;
    check(&unknown, Some(CodeRefusal::Unknown));
    let mut paused = case(code_of(1));
    paused.promotions.clear();
    check(&paused, Some(CodeRefusal::Unknown));
    let mut automatic = case(code_of(1));
    automatic.promotions[0].0.trigger = Trigger::Automatic;
    let quote = automatic.quote();
    assert_eq!(refusals(&quote), [CodeRefusal::Unknown]);
    assert_eq!((quote.promotions.len(), quote.totals.discounts), (1, money(250)));
}

#[test]
fn codes_of_one_promotion_count_once() {
    let mut twice = case(code_of(1));
    twice.codes.push(EnteredCode { code: "Y".parse().unwrap(), ..twice.codes[0].clone() });
    twice.codes.push(twice.codes[0].clone());
    let quote = twice.quote();
    assert_eq!(refusals(&quote), [CodeRefusal::AlreadyApplied; 2]);
    assert_eq!(quote.totals.discounts, money(250));
    // A used-up code of a bulk does not stand in the way of a fresh one.
    twice.codes.truncate(2);
    let found = twice.codes[0].found.unwrap();
    twice.codes[0].found = Some(FoundCode { uses: 1, uses_max: Some(1), ..found });
    let quote = twice.quote();
    assert_eq!(refusals(&quote), [CodeRefusal::UsedUp]);
    assert_eq!(quote.promotions[0].code, Some("Y".parse().unwrap()));
}

#[test]
fn time_windows_include_their_start_and_exclude_their_end() {
    let next = Timestamp::from_unix_ms(NOW.unix_ms() + 1);
    for (starts_at, ends_at, expected) in [
        (Some(NOW), Some(next), None),
        (Some(next), None, Some(CodeRefusal::NotYet { starts_at: next })),
        (None, Some(NOW), Some(CodeRefusal::Expired)),
    ] {
        check(&case(Promotion { starts_at, ends_at, ..code_of(1) }), expected);
    }
}

#[test]
fn uses_are_limited_in_all_by_code_and_by_buyer() {
    let limits =
        Conditions { uses_max: Some(3), uses_per_buyer_max: Some(2), ..Conditions::default() };
    for (uses, by_buyer, code_uses, expected) in [
        (2, 1, 4, None),
        (3, 0, 0, Some(CodeRefusal::UsedUp)),
        (2, 2, 0, Some(CodeRefusal::UsedUpForBuyer)),
        (2, 1, 5, Some(CodeRefusal::UsedUp)),
    ] {
        let mut case = case(with_conditions(limits.clone()));
        (case.promotions[0].1, case.promotions[0].2) = (uses, by_buyer);
        let promotion = promotion_id(1);
        case.codes[0].found = Some(FoundCode { promotion, uses: code_uses, uses_max: Some(5) });
        check(&case, expected);
    }
}

#[test]
fn buyers_may_need_an_account_or_be_new() {
    let account = with_conditions(Conditions { account_only: true, ..Conditions::default() });
    let first = with_conditions(Conditions { first_order_only: true, ..Conditions::default() });
    for (promotion, has_account, orders, expected) in [
        (&account, true, 5, None),
        (&account, false, 0, Some(CodeRefusal::NeedsAccount)),
        (&first, false, 0, None),
        (&first, true, 1, Some(CodeRefusal::NotFirstOrder)),
    ] {
        let mut case = case(promotion.clone());
        case.buyer = Buyer { has_account, orders, is_tax_exempt: false };
        check(&case, expected);
    }
}

#[test]
fn minimums_look_at_matching_lines_before_discounts() {
    let subtotal = |minor| Conditions {
        subtotal_min: Some(AmountByCurrency::of(money(minor))),
        ..Conditions::default()
    };
    let pieces = |number| Conditions { pieces_min: Some(number), ..Conditions::default() };
    let too_low = |minor| Some(CodeRefusal::SubtotalNotReached { missing: money(minor) });
    let too_few = |missing| Some(CodeRefusal::PiecesNotReached { missing });
    for (conditions, target, expected) in [
        (subtotal(2_500), Target::All, None),
        (subtotal(2_501), Target::All, too_low(1)),
        (subtotal(2_001), categories(&["c0"]), too_low(1)),
        (pieces(3), Target::All, None),
        (pieces(5), Target::All, too_few(2)),
        (pieces(2), categories(&["c1"]), too_few(1)),
    ] {
        let promotion = Promotion { target, ..with_conditions(conditions) };
        let half = Promotion { priority: 9, ..promotion_of_half() };
        let quote = case(promotion).with(half).quote();
        assert_eq!(refusals(&quote), expected.into_iter().collect::<Vec<_>>());
    }
    for (effect, expected) in [
        (buy_get(2, 1, 10_000, 1), None),
        (buy_get(3, 1, 10_000, 1), too_few(1)),
        (buy_get(5, 2, 10_000, 1), too_few(4)),
    ] {
        check(&case(promotion(1, Class::Line, effect)), expected);
    }
}

fn promotion_of_half() -> Promotion {
    promotion(9, Class::Line, percent(5_000))
}

#[test]
fn nothing_is_converted_between_currencies() {
    let yen = AmountByCurrency::of(Money::new(100, Currency::Jpy));
    let cap = Effect::Percent { off: share(1_000), cap: Some(yen.clone()) };
    let minimum = Conditions { subtotal_min: Some(yen.clone()), ..Conditions::default() };
    for promotion in [
        promotion(1, Class::Line, Effect::Amount { off: yen }),
        promotion(1, Class::Line, cap),
        with_conditions(minimum),
    ] {
        check(&case(promotion), Some(CodeRefusal::WrongCurrency));
    }
}

#[test]
fn something_in_the_cart_has_to_match_and_to_cost_something() {
    let target = categories(&["c7"]);
    check(&case(Promotion { target, ..code_of(1) }), Some(CodeRefusal::NothingMatches));
    let mut protected = case(code_of(1));
    protected.lines.iter_mut().for_each(|line| line.is_discountable = false);
    check(&protected, Some(CodeRefusal::NothingMatches));
    let mut free = case(code_of(1));
    free.lines.iter_mut().for_each(|line| line.price = money(0));
    check(&free, Some(CodeRefusal::NothingLeft));
}

#[test]
fn codes_about_shipping_need_shipping_and_its_method() {
    let free = promotion(1, Class::Shipping, Effect::FreeShipping);
    let by = |name| Conditions {
        shipping_methods: BTreeSet::from([handle(name)]),
        ..Conditions::default()
    };
    check(&case(free.clone()), Some(CodeRefusal::NoShipping));
    check(&case(with_conditions(by("post"))), Some(CodeRefusal::NoShipping));
    check(&case(with_conditions(by("post"))).shipped(490), None);
    check(&case(free.clone()).shipped(490), None);
    check(&case(free.clone()).shipped(0), Some(CodeRefusal::NothingLeft));
    let express = Promotion { conditions: by("express"), ..free.clone() };
    check(&case(express).shipped(490), Some(CodeRefusal::OtherShippingMethod));
    let mut download = case(free).shipped(490);
    download.lines.iter_mut().for_each(|line| line.is_shippable = false);
    check(&download, Some(CodeRefusal::NoShipping));
}
