//! The four rules, and what the limits cut.

use proptest::prelude::*;

use super::*;
use crate::{Currency, Money, Timestamp};

/// Lines of SKU and pieces; ids begin with `owner`.
fn cart(owner: u8, of: &[(&str, u32)]) -> Vec<MergeLine> {
    (0..)
        .zip(of)
        .map(|(number, (sku, pieces))| {
            let mut id = [0; 16];
            (id[0], id[1]) = (owner, number);
            MergeLine {
                id: LineId::from_bytes(id),
                sku: sku.parse().unwrap(),
                quantity: (*pieces).try_into().unwrap(),
                frozen: None,
            }
        })
        .collect()
}

/// Owner, SKU and pieces of each line.
fn told(lines: &[MergeLine]) -> Vec<(u8, &str, u32)> {
    lines.iter().map(|l| (l.id.as_bytes()[0], l.sku.as_str(), l.quantity.get())).collect()
}

const ACCOUNT: u8 = 1;
const GUEST: u8 = 2;

#[test]
fn each_rule_keeps_what_it_says() {
    let both = [("A", 2), ("B", 1)];
    for (rule, account, expected) in [
        (MergeRule::Merge, &both[..], vec![(1, "A", 2), (1, "B", 4), (2, "C", 5)]),
        (MergeRule::Merge, &[], vec![(2, "B", 3), (2, "C", 5)]),
        (MergeRule::KeepAccount, &both, vec![(1, "A", 2), (1, "B", 1)]),
        (MergeRule::KeepAccount, &[], vec![]),
        (MergeRule::KeepGuest, &both, vec![(2, "B", 3), (2, "C", 5)]),
        (MergeRule::KeepGuestIfAccountEmpty, &both, vec![(1, "A", 2), (1, "B", 1)]),
        (MergeRule::KeepGuestIfAccountEmpty, &[], vec![(2, "B", 3), (2, "C", 5)]),
    ] {
        let guest = cart(GUEST, &[("B", 3), ("C", 5)]);
        let merged = merge(rule, &cart(ACCOUNT, account), &guest, &OrderLimits::default());
        assert_eq!(told(&merged.lines), expected, "{rule:?}");
        assert!(merged.notes.is_empty());
    }
}

#[test]
fn limits_shorten_a_cart_and_say_what_was_cut() {
    let sku = |text: &str| text.parse::<Sku>().unwrap();
    let pieces = |number: u32| Quantity::try_from(number).unwrap();
    let limits = OrderLimits {
        pieces_max_of: BTreeMap::from([(sku("A"), pieces(3))]),
        pieces_max: Some(110),
        lines_max: 3,
    };
    let account = cart(ACCOUNT, &[("A", 2), ("B", 60)]);
    let guest = cart(GUEST, &[("B", 60), ("A", 2), ("C", 10), ("D", 1)]);
    let merged = merge(MergeRule::Merge, &account, &guest, &limits);
    assert_eq!(told(&merged.lines), [(1, "A", 3), (1, "B", 99), (2, "C", 8)]);
    assert_eq!(
        merged.notes,
        [
            MergeNote::Reduced { sku: sku("A"), wanted: 4, kept: pieces(3) },
            MergeNote::Reduced { sku: sku("B"), wanted: 120, kept: pieces(99) },
            MergeNote::Reduced { sku: sku("C"), wanted: 10, kept: pieces(8) },
            MergeNote::LeftOut { sku: sku("D"), wanted: 1 },
        ]
    );
}

#[test]
fn the_frozen_price_that_holds_longer_is_kept() {
    let frozen = |minor, until| {
        let price = Money::new(minor, Currency::Eur);
        Some(FrozenPrice { price, until: Timestamp::from_unix_ms(until) })
    };
    for (of_account, of_guest, expected) in [
        (frozen(1, 5), frozen(2, 6), frozen(2, 6)),
        (frozen(1, 6), frozen(2, 6), frozen(1, 6)),
        (None, frozen(2, 6), frozen(2, 6)),
        (frozen(1, 6), None, frozen(1, 6)),
        (None, None, None),
    ] {
        let (mut account, mut guest) = (cart(ACCOUNT, &[("A", 1)]), cart(GUEST, &[("A", 1)]));
        (account[0].frozen, guest[0].frozen) = (of_account, of_guest);
        let merged = merge(MergeRule::Merge, &account, &guest, &OrderLimits::default());
        assert_eq!(merged.lines[0].frozen, expected);
    }
}

/// Of a long cart (Vendure #4481: a cart of 65 lines was empty after signing in) the first lines stay.
#[test]
fn a_cart_longer_than_the_limit_is_not_lost() {
    let names: Vec<_> = (0..65).map(|number| format!("S{number}")).collect();
    let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let guest = cart(GUEST, &lines);
    let merged = merge(MergeRule::KeepGuest, &[], &guest, &OrderLimits::default());
    assert_eq!((merged.lines.len(), merged.notes.len()), (50, 15));
    assert_eq!(merged.lines[..], guest[..50]);
}

fn any_cart(owner: u8) -> impl Strategy<Value = Vec<MergeLine>> {
    prop::collection::vec((0_usize..6, 1_u32..=99), 0..8).prop_map(move |of| {
        let names = ["A", "B", "C", "D", "E", "F"];
        cart(owner, &of.iter().map(|&(name, pieces)| (names[name], pieces)).collect::<Vec<_>>())
    })
}

proptest! {
    #[test]
    fn pieces_are_kept_or_noted_and_limits_hold(
        account in any_cart(ACCOUNT),
        guest in any_cart(GUEST),
        pieces_max in prop::option::of(0_u32..300),
        lines_max in 0_usize..8,
        of_a in 1_u32..=99,
    ) {
        let pieces_max_of = BTreeMap::from([("A".parse().unwrap(), of_a.try_into().unwrap())]);
        let limits = OrderLimits { pieces_max_of, pieces_max, lines_max };
        let merged = merge(MergeRule::Merge, &account, &guest, &limits);
        let kept: u32 = merged.lines.iter().map(|line| line.quantity.get()).sum();
        let cut: u32 = merged.notes.iter().map(|note| match note {
            MergeNote::Reduced { wanted, kept, .. } => wanted.saturating_sub(kept.get()),
            MergeNote::LeftOut { wanted, .. } => *wanted,
        }).sum();
        let given: u32 = account.iter().chain(&guest).map(|line| line.quantity.get()).sum();
        prop_assert_eq!(kept.saturating_add(cut), given);
        let lines: Vec<_> = merged.lines.iter().map(|line| (&line.sku, line.quantity)).collect();
        prop_assert_eq!(limits.exceeded(&lines), []);
        let again = merge(MergeRule::Merge, &merged.lines, &[], &limits);
        prop_assert_eq!(again.lines, merged.lines);
        prop_assert!(again.notes.is_empty());
    }
}
