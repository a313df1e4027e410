//! Which promotions go together, and which win when they do not.

use super::super::stacking::largest_sets;
use super::*;

fn with(promotion: Promotion, combines_with: &[Class]) -> Promotion {
    Promotion { combines_with: combines_with.iter().copied().collect(), ..promotion }
}

fn off(number: u8, class: Class, minor: i64) -> Promotion {
    promotion(number, class, amount(minor))
}

/// Checks which of the promotions apply to one line of 10 000 with shipping of 490, in every order of giving them.
#[track_caller]
fn check(promotions: &[Promotion], expected: &[u8]) {
    let mut promotions = promotions.to_vec();
    for _ in 0..promotions.len() {
        promotions.rotate_left(1);
        let case = Case::of(lines(&[(10_000, 1)])).shipped(490);
        let case = promotions.iter().cloned().fold(case, Case::with);
        assert_eq!(applied_numbers(&case.quote()), expected);
    }
}

#[test]
fn an_exclusive_promotion_applies_alone_and_only_if_it_is_better() {
    let exclusive = with(off(1, Class::Line, 300), &[]);
    check(&[exclusive.clone(), off(2, Class::Line, 100), off(3, Class::Order, 100)], &[1]);
    check(&[exclusive.clone(), off(2, Class::Line, 200), off(3, Class::Order, 200)], &[2, 3]);
    check(&[exclusive, with(off(2, Class::Line, 301), &[])], &[2]);
}

#[test]
fn both_sides_have_to_tolerate_the_others_class() {
    let line = with(off(1, Class::Line, 300), &[Class::Order]);
    check(&[line.clone(), with(off(2, Class::Order, 200), &[Class::Line])], &[1, 2]);
    check(&[line.clone(), with(off(2, Class::Order, 200), &[Class::Shipping])], &[1]);
    // One line promotion tolerates no second one; the better one goes with the order's.
    let better = with(off(3, Class::Line, 400), &[Class::Order]);
    check(&[line, better, with(off(2, Class::Order, 200), &[Class::Line])], &[3, 2]);
}

#[test]
fn the_set_that_costs_least_wins_not_the_single_best_promotion() {
    let best_alone = with(off(1, Class::Order, 500), &[]);
    let shipping = promotion(2, Class::Shipping, Effect::FreeShipping);
    check(&[best_alone.clone(), shipping.clone(), off(3, Class::Order, 11)], &[3, 2]);
    check(&[best_alone, shipping, off(3, Class::Order, 10)], &[1]);
}

#[test]
fn the_cost_that_counts_has_the_tax_on_it() {
    // 1 000 off the untaxed book saves less than 900 off the chair with 20 % on top.
    let mut case = Case::of(lines(&[(5_000, 1), (5_000, 1)]))
        .taxed(PriceMode::Exclusive, vec![tax_rule("VAT", "standard", 200_000)]);
    case.lines[1].tax_class = TaxClass(handle("books"));
    let book = Promotion { target: categories(&["c1"]), ..off(1, Class::Line, 1_000) };
    let chair = Promotion { target: categories(&["c0"]), ..off(2, Class::Line, 900) };
    let case = case.with(with(book, &[])).with(with(chair, &[]));
    assert_eq!(applied_numbers(&case.quote()), [2]);
}

#[test]
fn between_equal_sets_priority_wins_then_the_lower_id() {
    let exclusive =
        |number, priority| with(Promotion { priority, ..off(number, Class::Line, 100) }, &[]);
    check(&[exclusive(3, 0), exclusive(1, 0), exclusive(2, 0)], &[1]);
    check(&[exclusive(3, 1), exclusive(1, 0), exclusive(2, 0)], &[3]);
}

#[test]
fn a_code_that_loses_is_told_so() {
    let case = Case::of(lines(&[(10_000, 1)]))
        .with_code("SMALL", with(off(1, Class::Line, 100), &[]))
        .with_code("LARGE", with(off(2, Class::Line, 200), &[]));
    let quote = case.quote();
    assert_eq!(refusals(&quote), [CodeRefusal::NotCombinable]);
    assert_eq!(quote.refused_codes[0].code.as_str(), "SMALL");
    assert_eq!(quote.promotions[0].code.as_ref().unwrap().as_str(), "LARGE");
}

#[test]
fn of_many_promotions_codes_are_tried_first_then_priority() {
    let case = (1..=16).fold(Case::of(lines(&[(10_000, 1)])), |case, number| {
        case.with(Promotion { priority: i32::from(number), ..off(number, Class::Line, 10) })
    });
    let case = case.with_code("X", off(20, Class::Order, 10));
    let quote = case.quote();
    let mut expected: Vec<u8> = (2..=16).rev().collect();
    expected.push(20);
    assert_eq!(applied_numbers(&quote), expected);
    assert_eq!(quote.totals.discounts, money(160));
}

/// The sets by trying all 2^n, for comparison.
fn largest_sets_slowly(promotions: &[&Promotion]) -> BTreeSet<Vec<usize>> {
    let combine = |set: &[usize]| {
        set.iter().all(|&a| set.iter().all(|&b| a == b || promotions[a].combines(promotions[b])))
    };
    let all = 0..promotions.len();
    let sets: Vec<Vec<usize>> = (0..1_usize << promotions.len())
        .map(|bits| all.clone().filter(|at| bits & (1 << at) != 0).collect())
        .filter(|set: &Vec<usize>| combine(set))
        .collect();
    let grows = |set: &[usize]| {
        all.clone().any(|at| {
            let wider: Vec<_> = set.iter().copied().chain([at]).collect();
            !set.contains(&at) && combine(&wider)
        })
    };
    sets.into_iter().filter(|set| !grows(set)).collect()
}

proptest::proptest! {
    #[test]
    fn the_sets_tried_are_all_that_cannot_grow(kinds in proptest::collection::vec((0_usize..3, 0_u8..8), 0..9)) {
        const CLASSES: [Class; 3] = [Class::Line, Class::Order, Class::Shipping];
        let promotions: Vec<_> = kinds.iter().zip(1..).map(|(&(class, mask), number)| {
            let combines_with = (0..3).filter(|at| mask & (1 << at) != 0).map(|at| CLASSES[at]);
            Promotion { combines_with: combines_with.collect(), ..off(number, CLASSES[class], 1) }
        }).collect();
        let promotions: Vec<_> = promotions.iter().collect();
        let found = largest_sets(&promotions);
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        proptest::prop_assert_eq!(found.len(), distinct.len());
        proptest::prop_assert_eq!(distinct, largest_sets_slowly(&promotions));
    }
}

#[test]
fn the_most_sets_that_sixteen_promotions_have_stay_few() {
    // Three classes, each tolerating the two others but not its own: one of each class goes together.
    let others = |class| {
        [Class::Line, Class::Order, Class::Shipping].into_iter().filter(move |&c| c != class)
    };
    let promotions: Vec<_> = (0..16_u8)
        .map(|number| {
            let class = [Class::Line, Class::Order, Class::Shipping][usize::from(number % 3)];
            with(off(number, class, 1), &others(class).collect::<Vec<_>>())
        })
        .collect();
    let promotions: Vec<_> = promotions.iter().collect();
    assert_eq!(largest_sets(&promotions).len(), 6 * 5 * 5);
}
