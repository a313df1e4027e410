//! Tables and properties of [`super::allocate`].

use proptest::prelude::*;

use super::*;
use crate::inventory::{
    BackorderPolicy, Counters, Expected, LocationStock, SkuPolicy, StockKey, Strategy,
};

fn place(seed: u8) -> LocationId {
    LocationId::v4([seed; 16])
}

/// Location `seed` with its priority, home and countries served (space between, none means all).
fn location(seed: u8, priority: u32, country: &str, serves: &str) -> Location {
    Location {
        id: place(seed),
        name: format!("location {seed}"),
        priority,
        country: country.parse().unwrap(),
        serves: serves.split_whitespace().map(|code| code.parse().unwrap()).collect(),
        is_active: true,
    }
}

fn stock(policy: SkuPolicy, counts: &[(u8, i64)]) -> SkuStock {
    let at = counts.iter().map(|&(seed, on_hand)| {
        let counters = Counters { on_hand, ..Counters::default() };
        (place(seed), LocationStock { counters, ..LocationStock::default() })
    });
    SkuStock { policy, at: at.collect() }
}

fn stocks(of: &[(&str, &[(u8, i64)])]) -> BTreeMap<Sku, SkuStock> {
    of.iter()
        .map(|&(sku, counts)| (sku.parse().unwrap(), stock(SkuPolicy::default(), counts)))
        .collect()
}

fn wanted(lines: &[(&str, u32)]) -> Vec<Wanted> {
    lines
        .iter()
        .map(|&(sku, count)| Wanted {
            sku: sku.parse().unwrap(),
            quantity: count.try_into().unwrap(),
        })
        .collect()
}

fn request<'a>(lines: &'a [Wanted], destination: &str, strategy: Strategy) -> Request<'a> {
    let destination = destination.parse().ok();
    Request { lines, destination, strategy, now: Timestamp::from_unix_ms(0) }
}

/// Holds as `line:location:pieces`.
fn holds(allocation: &Allocation) -> Vec<String> {
    let text = |hold: &Hold| {
        let seed = hold.location.as_bytes()[0];
        format!("{}:{}:{}", hold.line, seed, hold.pieces)
    };
    allocation.holds.iter().map(text).collect()
}

#[test]
fn each_strategy_asks_locations_in_its_own_order() {
    let locations =
        [location(1, 0, "US", ""), location(2, 1, "DE", "DE AT"), location(3, 2, "CH", "CH DE AT")];
    let stocks = stocks(&[("A", &[(1, 2), (2, 3), (3, 6)]), ("B", &[(2, 1), (3, 9)])]);
    let lines = wanted(&[("A", 5), ("B", 1)]);
    for (strategy, destination, expected) in [
        (Strategy::Priority, "DE", "0:1:2 0:2:3 1:2:1"),
        (Strategy::Nearest, "DE", "0:2:3 1:2:1 0:3:2"),
        (Strategy::Nearest, "AT", "0:2:3 1:2:1 0:3:2"),
        (Strategy::Nearest, "CH", "0:3:5 1:3:1"),
        (Strategy::MostStock, "DE", "0:3:5 1:3:1"),
        (Strategy::FewestParcels, "DE", "0:3:5 1:3:1"),
    ] {
        let got = allocate(request(&lines, destination, strategy), &locations, &stocks).unwrap();
        assert_eq!(holds(&got).join(" "), expected, "{strategy:?} to {destination}");
    }
}

#[test]
fn few_parcels_start_with_whoever_adds_most_pieces() {
    let locations: Vec<_> = (1..=3).map(|seed| location(seed, u32::from(seed), "DE", "")).collect();
    let stocks = stocks(&[("A", &[(1, 1), (2, 4), (3, 1)]), ("B", &[(1, 2), (3, 2)])]);
    let lines = wanted(&[("A", 4), ("B", 2)]);
    let got =
        allocate(request(&lines, "DE", Strategy::FewestParcels), &locations, &stocks).unwrap();
    assert_eq!(holds(&got).join(" "), "0:2:4 1:1:2");
    assert_eq!(got.locations(), 2);
}

#[test]
fn two_lines_of_one_sku_do_not_get_the_same_piece_twice() {
    let locations = [location(1, 0, "DE", "")];
    let stocks = stocks(&[("A", &[(1, 5)])]);
    let lines = wanted(&[("A", 3), ("A", 3)]);
    let short = allocate(request(&lines, "DE", Strategy::Priority), &locations, &stocks);
    let expected = Shortage {
        line: 1,
        sku: "A".parse().unwrap(),
        wanted: 3,
        available: 2,
        reason: ShortageReason::OutOfStock,
    };
    assert_eq!(short, Err(vec![expected]));
}

#[test]
fn every_short_line_is_named_with_its_reason() {
    let locations = [location(1, 0, "DE", "DE")];
    let mut stocks = stocks(&[("A", &[(1, 2)]), ("B", &[(1, 9)]), ("C", &[(1, 1)])]);
    let policy = |sku: &str, policy: SkuPolicy, stocks: &mut BTreeMap<Sku, SkuStock>| {
        stocks.get_mut(&sku.parse::<Sku>().unwrap()).unwrap().policy = policy;
    };
    policy("B", SkuPolicy { per_order_max: Some(2), ..SkuPolicy::default() }, &mut stocks);
    let backorder = BackorderPolicy::Allow { pieces_max: 2 };
    policy("C", SkuPolicy { backorder, per_order_max: None }, &mut stocks);
    let lines = wanted(&[("A", 3), ("B", 3), ("C", 4), ("D", 1), ("A", 1)]);
    let reasons = |destination| {
        let got = allocate(request(&lines, destination, Strategy::Priority), &locations, &stocks);
        let of = |short: Shortage| (short.line, short.available, short.reason);
        got.unwrap_err().into_iter().map(of).collect::<Vec<_>>()
    };
    use ShortageReason as R;
    let order_limit = R::OrderLimit { max: 2 };
    assert_eq!(
        reasons("DE"),
        [
            (0, 2, R::OutOfStock),
            (1, 2, order_limit),
            (2, 3, R::BackorderLimit),
            (3, 0, R::Unknown),
            (4, 0, R::OutOfStock)
        ]
    );
    assert_eq!(
        reasons("JP"),
        [
            (0, 0, R::NotServed),
            (1, 0, order_limit),
            (2, 0, R::NotServed),
            (3, 0, R::Unknown),
            (4, 0, R::NotServed)
        ]
    );
}

#[test]
fn what_is_not_there_is_promised_by_who_has_it_first() {
    let day = |day: i64| Timestamp::from_unix_ms(day * 86_400_000);
    let locations = [location(1, 0, "DE", ""), location(2, 1, "DE", "")];
    let expected = |at, pieces: u32| vec![Expected { at, pieces: pieces.try_into().unwrap() }];
    let lines = wanted(&[("A", 3), ("A", 2)]);
    let promise = |backorder, first: Vec<Expected>, second: Vec<Expected>| {
        let mut stock = stock(SkuPolicy { backorder, per_order_max: None }, &[(1, 1), (2, 0)]);
        stock.at.get_mut(&place(1)).unwrap().expected = first;
        stock.at.get_mut(&place(2)).unwrap().expected = second;
        let stocks = BTreeMap::from([("A".parse().unwrap(), stock)]);
        let got = allocate(request(&lines, "DE", Strategy::Priority), &locations, &stocks).unwrap();
        assert_eq!((got.pieces_of(0), got.pieces_of(1)), (3, 2));
        let of =
            |own: &Backorder| (own.line, own.location.as_bytes()[0], own.pieces, own.expected_at);
        got.backorders.iter().map(of).collect::<Vec<_>>()
    };
    let allow = BackorderPolicy::Allow { pieces_max: 4 };
    let early = BackorderPolicy::PreOrder { until: day(9), pieces_max: 4 };
    assert_eq!(promise(allow, vec![], vec![]), [(0, 1, 2, None), (1, 1, 2, None)]);
    assert_eq!(
        promise(allow, expected(day(4), 3), expected(day(5), 2)),
        [(0, 1, 2, Some(day(4))), (1, 2, 2, Some(day(5)))]
    );
    assert_eq!(
        promise(early, expected(day(4), 4), vec![]),
        [(0, 1, 2, Some(day(9))), (1, 1, 2, Some(day(9)))]
    );
    assert_eq!(promise(early, vec![], vec![]), [(0, 1, 2, Some(day(9))), (1, 1, 2, Some(day(9)))]);
}

#[test]
fn the_main_location_sends_what_it_has_whole_and_joins_the_others_where_it_has_not() {
    let locations =
        [Location { id: MAIN_LOCATION, ..location(1, 9, "JP", "") }, location(2, 0, "DE", "")];
    let lines = wanted(&[("A", 3)]);
    for (main, other, expected) in [
        (3, 9, vec![(MAIN_LOCATION, 3)]),
        (2, 9, vec![(place(2), 3)]),
        (2, 1, vec![(MAIN_LOCATION, 2), (place(2), 1)]),
    ] {
        let mut stocks = stocks(&[("A", &[(2, other)])]);
        let counters = Counters { on_hand: main, ..Counters::default() };
        let at = &mut stocks.get_mut(&lines[0].sku).unwrap().at;
        at.insert(MAIN_LOCATION, LocationStock { counters, ..LocationStock::default() });
        let got =
            allocate(request(&lines, "DE", Strategy::MainFirst), &locations, &stocks).unwrap();
        let holds: Vec<_> = got.holds.iter().map(|hold| (hold.location, hold.pieces)).collect();
        assert_eq!(holds, expected, "{main} {other}");
    }
    for strategy in Strategy::ALL {
        assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.as_str());
    }
}

#[test]
fn a_line_is_promised_what_is_not_there_from_the_day_on_that_covers_all_of_it() {
    let day = |day: i64| Timestamp::from_unix_ms(day * 86_400_000);
    let delivery = |at, pieces: u32| Expected { at, pieces: pieces.try_into().unwrap() };
    let allow = BackorderPolicy::Allow { pieces_max: 9 };
    let early = BackorderPolicy::PreOrder { until: day(5), pieces_max: 9 };
    let both = vec![delivery(day(3), 2), delivery(day(7), 5)];
    let (late, none) = (vec![delivery(day(1), 9)], Vec::new());
    let promised = |kind, pieces, ships_at| Some(Promise { kind, pieces, ships_at });
    use PromiseKind::{Backorder, Preorder};
    for (policy, on_hand, expected, wanted_pieces, told) in [
        (allow, 4, &both, 4, None),
        (allow, 4, &both, 5, promised(Backorder, 1, Some(day(3)))),
        (allow, 4, &both, 6, promised(Backorder, 2, Some(day(3)))),
        (allow, 4, &both, 7, promised(Backorder, 3, Some(day(7)))),
        (allow, 0, &both, 8, promised(Backorder, 8, None)),
        (allow, 0, &both, 10, None),
        (allow, 1, &none, 2, promised(Backorder, 1, None)),
        (allow, 0, &late, 1, promised(Backorder, 1, None)),
        (early, 0, &both, 1, promised(Preorder, 1, Some(day(5)))),
        (early, 0, &both, 3, promised(Preorder, 3, Some(day(7)))),
        (early, 1, &late, 2, promised(Preorder, 1, Some(day(5)))),
        (BackorderPolicy::Deny, 1, &both, 2, None),
    ] {
        let counters = Counters { on_hand, ..Counters::default() };
        let here = LocationStock { counters, safety: 0, expected: expected.clone() };
        let policy = SkuPolicy { backorder: policy, per_order_max: None };
        let stock = SkuStock { policy, at: [(place(1), here)].into() };
        let stocks = [("A".parse().unwrap(), stock)].into();
        let (lines, locations) = (wanted(&[("A", wanted_pieces)]), [location(1, 0, "DE", "")]);
        let request = Request { now: day(2), ..request(&lines, "", Strategy::MainFirst) };
        let got = promises(request, &locations, &stocks);
        assert_eq!(got, [told], "{wanted_pieces} of {on_hand}, {policy:?}");
        // Whoever buys is promised the same.
        if let Ok(allocation) = allocate(request, &locations, &stocks) {
            assert_eq!(allocation.promise_of(0, policy.backorder, day(2)), told);
        }
    }
}

#[test]
fn a_line_that_falls_short_takes_no_other_lines_promise_away() {
    let backorder = BackorderPolicy::Allow { pieces_max: 2 };
    let mut stocks = stocks(&[("A", &[(1, 0)]), ("B", &[(1, 0)]), ("C", &[(1, 0)])]);
    let rule = |sku: &str, per_order_max, stocks: &mut BTreeMap<Sku, SkuStock>| {
        stocks.get_mut(&sku.parse::<Sku>().unwrap()).unwrap().policy =
            SkuPolicy { backorder, per_order_max };
    };
    rule("A", None, &mut stocks);
    rule("B", Some(1), &mut stocks);
    let told = |destination: &str| {
        let lines = wanted(&[("A", 2), ("B", 2), ("C", 1), ("D", 1)]);
        let request = request(&lines, destination, Strategy::MainFirst);
        promises(request, &[location(1, 0, "DE", "DE")], &stocks)
    };
    let two = Promise { kind: PromiseKind::Backorder, pieces: 2, ships_at: None };
    assert_eq!(told("DE"), [Some(two), None, None, None]);
    // Before it is known where it goes, everybody is asked.
    assert_eq!(told(""), [Some(two), None, None, None]);
    assert_eq!(told("JP"), [None; 4]);
}

fn strategy() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop::sample::select(vec![
        Strategy::MainFirst,
        Strategy::Priority,
        Strategy::Nearest,
        Strategy::MostStock,
        Strategy::FewestParcels,
    ])
}

proptest! {
    #[test]
    fn what_is_given_out_is_there_and_what_is_refused_is_not(
        counts in prop::collection::vec((1_u8..5, 0_usize..3, 0_i64..9, 0_i64..3), 0..12),
        asked in prop::collection::vec((0_usize..4, 1_u32..9), 1..6),
        backorder_max in 0_u32..8,
        per_order_max in prop::option::of(1_u32..12),
        strategy in strategy(),
        destination in prop::sample::select(vec!["DE", "JP", "US", ""]),
    ) {
        let locations: Vec<_> = [(1, "DE", "DE"), (2, "JP", ""), (3, "DE", "DE JP"), (4, "US", "US DE")]
            .into_iter().map(|(seed, country, serves)| location(seed, 5 - u32::from(seed), country, serves)).collect();
        let names = ["A", "B", "C", "D"];
        let policy = SkuPolicy { backorder: BackorderPolicy::Allow { pieces_max: backorder_max }, per_order_max };
        let mut stocks: BTreeMap<Sku, SkuStock> = BTreeMap::new();
        for (seed, sku, on_hand, safety) in counts {
            let entry = stocks.entry(names[sku].parse().unwrap()).or_insert_with(|| stock(policy, &[]));
            let counters = Counters { on_hand, ..Counters::default() };
            entry.at.insert(place(seed), LocationStock { counters, safety, expected: vec![] });
        }
        let lines = wanted(&asked.iter().map(|&(sku, count)| (names[sku], count)).collect::<Vec<_>>());
        let request = request(&lines, destination, strategy);
        let able = |id: &LocationId| locations.iter().any(|own| own.id == *id && own.can_serve(request.destination));
        let any_able = locations.iter().any(|own| own.can_serve(request.destination));
        // What there is of each SKU, counted without regard to who takes it from where.
        let mut total: BTreeMap<&Sku, u32> = BTreeMap::new();
        for line in &lines { *total.entry(&line.sku).or_default() += line.quantity.get(); }
        let can_all = total.iter().all(|(sku, &count)| stocks.get(*sku).is_some_and(|stock| {
            let here: i64 = stock.at.iter().filter(|(id, _)| able(id)).map(|(_, own)| own.available()).sum();
            let promised = if any_able { i64::from(backorder_max) } else { 0 };
            per_order_max.is_none_or(|max| count <= max) && i64::from(count) <= here + promised
        }));
        match allocate(request, &locations, &stocks) {
            Ok(got) => {
                prop_assert!(can_all);
                for (place, line) in lines.iter().enumerate() {
                    prop_assert_eq!(got.pieces_of(place), line.quantity.get());
                }
                let mut counters: BTreeMap<StockKey, Counters> = BTreeMap::new();
                for movement in got.movements(&lines, Cause::Staff).unwrap() {
                    prop_assert!(able(&movement.location()));
                    let key = (movement.location(), movement.sku().clone());
                    let start = stocks[&key.1].at.get(&key.0).map(|own| own.counters).unwrap_or_default();
                    let entry = counters.entry(key).or_insert(start);
                    *entry = entry.apply(&movement).unwrap();
                }
                for ((location, sku), after) in counters {
                    let own = stocks[&sku].at.get(&location).cloned().unwrap_or_default();
                    prop_assert!(after.reserved <= own.available());
                }
            }
            Err(shortages) => {
                prop_assert!(!can_all || shortages.is_empty());
                for short in shortages {
                    let is_limit = matches!(short.reason, ShortageReason::OrderLimit { .. });
                    prop_assert!(is_limit || short.available < short.wanted);
                }
            }
        }
    }
}
