//! What each kind of promotion takes off.

use super::*;

/// Checks what the promotions take off each line of a cart of prices and pieces.
#[track_caller]
fn check(cart: &[(i64, u32)], promotions: Vec<Promotion>, discounts: &[i64]) {
    let case = promotions.into_iter().fold(Case::of(lines(cart)), Case::with);
    assert_eq!(line_discounts(&case.quote()), discounts);
}

fn one(effect: Effect) -> Vec<Promotion> {
    vec![promotion(1, Class::Line, effect)]
}

#[test]
fn percent_is_rounded_once_and_shared_by_largest_remainder() {
    check(&[(1_000, 1), (2_000, 1)], one(percent(1_000)), &[100, 200]);
    // 10 % of 15 cents is 1.5, so 2; alone, each line of 5 cents would have rounded 0.5 to 1: 3 in all.
    check(&[(5, 1), (5, 1), (5, 1)], one(percent(1_000)), &[1, 1, 0]);
    // 33.33 % of 1 000 is 333.3; shares of 99.9, 99.9 and 133.2: the rest goes to the largest fractions, first come.
    check(&[(300, 1), (300, 1), (400, 1)], one(percent(3_333)), &[100, 100, 133]);
    check(&[(999, 3)], one(percent(10_000)), &[2_997]);
    check(&[(0, 1)], one(percent(10_000)), &[0]);
    check(&[], one(percent(10_000)), &[]);
}

#[test]
fn percent_stops_at_its_cap() {
    let capped = |minor| Effect::Percent {
        off: share(5_000),
        cap: Some(AmountByCurrency::of(money(minor))),
    };
    check(&[(1_000, 1), (3_000, 1)], one(capped(1_000)), &[250, 750]);
    check(&[(1_000, 1), (3_000, 1)], one(capped(2_000)), &[500, 1_500]);
    check(&[(1_000, 1), (3_000, 1)], one(capped(9_000)), &[500, 1_500]);
}

#[test]
fn an_amount_is_spread_over_the_matching_lines_and_stops_at_nothing() {
    check(&[(1_000, 1), (2_000, 1)], one(amount(100)), &[33, 67]);
    check(&[(1_000, 1), (1_000, 1), (1_000, 1)], one(amount(100)), &[34, 33, 33]);
    check(&[(10, 1), (20, 1)], one(amount(100)), &[10, 20]);
    check(&[(0, 1), (20, 1)], one(amount(7)), &[0, 7]);
}

#[test]
fn targets_leave_other_lines_alone() {
    let cart = [(1_000, 1), (1_000, 1), (1_000, 1)];
    let on = |target| vec![Promotion { target, ..promotion(1, Class::Line, percent(1_000)) }];
    check(&cart, on(categories(&["c1", "c9"])), &[0, 100, 0]);
    check(&cart, on(Target::Skus(BTreeSet::from(["S2".parse().unwrap()]))), &[0, 0, 100]);
    let mut case = Case::of(lines(&cart));
    case.lines[0].tags = vec![handle("sale"), handle("new")];
    case.lines[1].tags = vec![handle("sale")];
    case.lines[1].is_discountable = false;
    let tagged = Target::Tags(BTreeSet::from([handle("sale")]));
    let case = on(tagged).into_iter().fold(case, Case::with);
    assert_eq!(line_discounts(&case.quote()), [100, 0, 0]);
}

#[test]
fn of_pieces_bought_the_cheapest_are_free() {
    let two_and_one = || one(buy_get(2, 1, 10_000, 99));
    check(&[(500, 2)], two_and_one(), &[0]);
    check(&[(500, 3)], two_and_one(), &[500]);
    check(&[(500, 7)], two_and_one(), &[1_000]);
    check(&[(900, 1), (500, 1), (700, 1)], two_and_one(), &[0, 500, 0]);
    // Six pieces are two repeats: the two cheapest of all, one of each of the cheaper lines.
    check(&[(900, 4), (500, 1), (700, 1)], two_and_one(), &[0, 500, 700]);
    check(&[(500, 99)], one(buy_get(2, 1, 10_000, 2)), &[1_000]);
    check(&[(500, 4)], one(buy_get(1, 1, 5_000, 99)), &[500]);
    // A third of 500 and 301 cents: 267.03 by one rounding.
    check(&[(900, 3), (500, 1), (301, 1)], one(buy_get(1, 1, 3_333, 99)), &[0, 167, 100]);
}

#[test]
fn pieces_got_may_be_others_than_pieces_bought() {
    let rule = |buy, get, bought: &[&str], got: &[&str]| {
        let effect = Effect::BuyGet {
            buy,
            get,
            off: share(10_000),
            repeats_max: 99,
            of: Some(categories(got)),
        };
        vec![Promotion { target: categories(bought), ..promotion(1, Class::Line, effect) }]
    };
    let cart = [(9_000, 2), (500, 3), (100, 5)];
    check(&cart, rule(1, 1, &["c0"], &["c1"]), &[0, 1_000, 0]);
    check(&cart, rule(2, 3, &["c0"], &["c1", "c2"]), &[0, 0, 300]);
    check(&cart, rule(3, 1, &["c0"], &["c1"]), &[0, 0, 0]);
    // Pieces of c1 are both: one repeat takes both chairs and the cheapest of the rest …
    check(&[(9_000, 2), (500, 1)], rule(2, 1, &["c0", "c1"], &["c1"]), &[0, 500]);
    // … and when only they can be bought, they cannot all be given away.
    check(&[(500, 2), (400, 1)], rule(1, 1, &["c0"], &["c0", "c1"]), &[0, 400]);
    check(&[(500, 4)], rule(1, 1, &["c0"], &["c0", "c1"]), &[1_000]);
    // The cheapest pieces are needed as bought ones: the dearer ones are free.
    check(&[(100, 1), (900, 1)], rule(1, 1, &["c0"], &["c0", "c1"]), &[0, 900]);
}

#[test]
fn a_piece_is_counted_by_one_buy_and_get_promotion_only() {
    let first = Promotion { priority: 1, ..promotion(1, Class::Line, buy_get(2, 1, 10_000, 1)) };
    let second = promotion(2, Class::Line, buy_get(1, 1, 10_000, 99));
    // Five pieces: three are counted by the first, two are left for the second.
    check(&[(500, 5)], vec![second.clone(), first.clone()], &[1_000]);
    check(&[(500, 4)], vec![second, first], &[500]);
    // Who counts first is the shop's choice by priority, even where the other would have given more.
    let half = Promotion { priority: 1, ..promotion(1, Class::Line, buy_get(1, 1, 5_000, 1)) };
    let free = promotion(2, Class::Line, buy_get(1, 1, 10_000, 1));
    check(&[(500, 2)], vec![free, half], &[250]);
}

#[test]
fn pieces_that_can_only_be_bought_are_counted_before_those_that_can_be_got() {
    // The first counts the chair as bought and one lamp as got; two lamps are left for the second.
    let effect = Effect::BuyGet {
        buy: 1,
        get: 1,
        off: share(10_000),
        repeats_max: 1,
        of: Some(categories(&["c1"])),
    };
    let first = Promotion { priority: 1, ..promotion(1, Class::Line, effect) };
    let second = promotion(2, Class::Line, buy_get(1, 1, 10_000, 1));
    let second = Promotion { target: categories(&["c1"]), ..second };
    check(&[(9_000, 1), (500, 3)], vec![second.clone(), first.clone()], &[0, 1_000]);
    check(&[(9_000, 1), (500, 2)], vec![second, first], &[0, 500]);
}

#[test]
fn pieces_of_one_line_differ_by_the_unit_that_a_discount_left_over() {
    // 1 500 − 1 leaves 500, 500 and 499; two of them are got: the cheapest, 499, and one of 500.
    let one_off = Promotion { priority: 1, ..promotion(1, Class::Line, amount(1)) };
    check(
        &[(500, 3)],
        vec![promotion(2, Class::Line, buy_get(1, 2, 10_000, 1)), one_off],
        &[1_000],
    );
}

#[test]
fn each_promotion_works_on_what_those_before_it_left() {
    let ten = |number, class| promotion(number, class, percent(1_000));
    // 10 %, then 10 % of 900, whatever the class.
    check(&[(1_000, 1)], vec![ten(1, Class::Line), ten(2, Class::Line)], &[190]);
    check(&[(1_000, 1)], vec![ten(1, Class::Line), ten(2, Class::Order)], &[190]);
    // Line before order, also when the order's has the higher priority: (1 000 − 100) × 90 % against 1 000 × 90 % − 100.
    let first = Promotion { priority: 9, ..ten(1, Class::Order) };
    check(&[(1_000, 1)], vec![first, promotion(2, Class::Line, amount(100))], &[190]);
    // Within a class, priority decides: 1 000 × 90 % − 100.
    let first = Promotion { priority: 9, ..ten(1, Class::Line) };
    check(&[(1_000, 1)], vec![promotion(2, Class::Line, amount(100)), first], &[200]);
    // A free piece is worth what it still costs: 1 500 − 10 % = 1 350, of which a third.
    let first = Promotion { priority: 9, ..ten(1, Class::Line) };
    let free = promotion(2, Class::Line, buy_get(2, 1, 10_000, 99));
    check(&[(500, 3)], vec![free.clone(), first], &[600]);
    // And 10 % is of the two pieces that still cost something.
    let free = Promotion { priority: 9, ..free };
    check(&[(500, 3)], vec![ten(1, Class::Line), free], &[600]);
}

#[test]
fn adjustments_name_their_promotion_in_order_of_application() {
    let quote = Case::of(lines(&[(1_000, 1), (3_000, 1)]))
        .shipped(490)
        .with(promotion(3, Class::Shipping, Effect::FreeShipping))
        .with(promotion(2, Class::Order, amount(100)))
        .with_code("C1", promotion(1, Class::Line, percent(1_000)))
        .quote();
    let of_first: Vec<_> =
        quote.lines[0].adjustments.iter().map(|a| (a.promotion, a.amount.minor)).collect();
    assert_eq!(of_first, [(promotion_id(1), 100), (promotion_id(2), 25)]);
    let applied =
        quote.promotions.iter().map(|p| (p.title.as_str(), p.code.is_some(), p.amount.minor));
    let applied: Vec<_> = applied.collect();
    assert_eq!(
        applied,
        [("promotion 1", true, 400), ("promotion 2", false, 100), ("promotion 3", false, 490)]
    );
    let totals = quote.totals;
    assert_eq!((totals.subtotal, totals.shipping), (money(4_000), money(490)));
    assert_eq!((totals.discounts, totals.total), (money(990), money(3_500)));
}

#[test]
fn shipping_may_be_free_cheaper_by_a_share_or_by_an_amount() {
    for (effect, off) in [
        (Effect::FreeShipping, 490),
        (percent(5_000), 245),
        (amount(100), 100),
        (amount(900), 490),
        (Effect::Percent { off: share(10_000), cap: Some(AmountByCurrency::of(money(300))) }, 300),
    ] {
        let quote = Case::of(lines(&[(1_000, 1)]))
            .shipped(490)
            .with(promotion(1, Class::Shipping, effect))
            .quote();
        let shipping = quote.shipping.quoted().unwrap();
        assert_eq!((shipping.discount, shipping.total), (money(off), money(490 - off)));
        assert_eq!(line_discounts(&quote), [0]);
    }
}

#[test]
fn refuses_promotions_that_could_not_do_what_they_say() {
    let good = || promotion(1, Class::Line, percent(1_000));
    assert_eq!(good().check(), Ok(()));
    let with = |class, effect| promotion(1, class, effect);
    let zero_cap = Effect::Percent { off: share(1), cap: Some(AmountByCurrency::of(money(0))) };
    let many: BTreeSet<_> = (0..501).map(|number| handle(&format!("c{number}"))).collect();
    let minimum =
        Conditions { subtotal_min: Some(AmountByCurrency::of(money(-1))), ..Conditions::default() };
    for (promotion, error) in [
        (Promotion { title: String::new(), ..good() }, InvalidRule::Title),
        (Promotion { title: "x".repeat(121), ..good() }, InvalidRule::Title),
        (with(Class::Line, percent(0)), InvalidRule::NothingOff),
        (with(Class::Line, buy_get(1, 1, 0, 1)), InvalidRule::NothingOff),
        (with(Class::Line, zero_cap), InvalidRule::Amount),
        (with(Class::Line, amount(0)), InvalidRule::Amount),
        (with(Class::Line, amount(-1)), InvalidRule::Amount),
        (
            with(Class::Line, Effect::Amount { off: AmountByCurrency::default() }),
            InvalidRule::Amount,
        ),
        (Promotion { conditions: minimum, ..good() }, InvalidRule::Amount),
        (with(Class::Line, Effect::FreeShipping), InvalidRule::Class),
        (with(Class::Order, buy_get(1, 1, 1, 1)), InvalidRule::Class),
        (with(Class::Line, buy_get(0, 1, 1, 1)), InvalidRule::Count),
        (with(Class::Line, buy_get(1, 0, 1, 1)), InvalidRule::Count),
        (with(Class::Line, buy_get(1, 1, 1, 0)), InvalidRule::Count),
        (with(Class::Line, buy_get(4_951, 1, 1, 1)), InvalidRule::Count),
        (Promotion { target: categories(&[]), ..good() }, InvalidRule::Target),
        (Promotion { target: Target::Categories(many), ..good() }, InvalidRule::Target),
        (Promotion { starts_at: Some(NOW), ends_at: Some(NOW), ..good() }, InvalidRule::Window),
    ] {
        assert_eq!(promotion.check(), Err(error), "{promotion:?}");
        let quote = Case::of(lines(&[(1_000, 1)])).with(promotion).try_quote();
        assert_eq!(quote, Err(PricingError::Promotion(promotion_id(1), error)));
    }
}
