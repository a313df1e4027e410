//! What holds in every quote, in currencies of 0, 2 and 3 decimals.
//!
//! A failure prints its case. `PROPTEST_RNG_SEED` (a number) chooses the stream, `PROPTEST_CASES` how many are tried.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "amounts are small here, and a test that overflows fails"
)]

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const CURRENCIES: [Currency; 3] = [Currency::Jpy, Currency::Eur, Currency::Kwd];
const CLASSES: [Class; 3] = [Class::Line, Class::Order, Class::Shipping];
const TAX_CLASSES: [&str; 3] = ["standard", "reduced", "untaxed"];

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(CURRENCIES.to_vec())
}

/// Prices from nothing to 10 000 euros; small ones, where rounding bites, as often as large ones.
fn minor() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..20, 0_i64..1_000, 0_i64..1_000_000]
}

fn cart_lines(currency: Currency) -> impl Strategy<Value = Vec<CartLine>> {
    let line = (minor(), 1_u32..12, 0_usize..3, 0_u32..5_000, any::<[u8; 2]>());
    prop::collection::vec(line, 0..8).prop_map(move |of| {
        let prices: Vec<_> = of.iter().map(|one| (one.0, one.1)).collect();
        let mut lines = lines_in(currency, &prices);
        for (line, (_, _, class, grams, [shippable, discountable])) in lines.iter_mut().zip(of) {
            line.tax_class = TaxClass(handle(TAX_CLASSES[class]));
            line.grams = grams;
            line.is_shippable = shippable > 40;
            line.is_discountable = discountable > 40;
        }
        lines
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        2 => Just(Target::All),
        1 => prop::collection::btree_set(0_u8..8, 1..4).prop_map(|numbers| {
            Target::Categories(numbers.iter().map(|n| handle(&format!("c{n}"))).collect())
        }),
    ]
}

fn effect(currency: Currency) -> impl Strategy<Value = (Class, Effect)> {
    let by = move |minor| AmountByCurrency::of(Money::new(minor, currency));
    let class = || prop::sample::select(CLASSES.to_vec());
    prop_oneof![
        (class(), 1_u32..=10_000, prop::option::of(1_i64..5_000)).prop_map(
            move |(class, off, cap)| {
                (class, Effect::Percent { off: share(off), cap: cap.map(by) })
            }
        ),
        (class(), 1_i64..20_000)
            .prop_map(move |(class, off)| (class, Effect::Amount { off: by(off) })),
        Just((Class::Shipping, Effect::FreeShipping)),
        (1_u32..4, 1_u32..4, 1_u32..=10_000, 1_u32..5, prop::option::of(target())).prop_map(
            |(buy, get, off, repeats_max, of)| {
                (Class::Line, Effect::BuyGet { buy, get, off: share(off), repeats_max, of })
            }
        ),
    ]
}

/// Promotions numbered from 1; every third needs a code.
fn promotions(currency: Currency) -> impl Strategy<Value = Vec<Promotion>> {
    let one = (effect(currency), target(), 0_u8..8, -2_i32..3, prop::option::of(minor()));
    prop::collection::vec(one, 0..7).prop_map(move |of| {
        (1..)
            .zip(of)
            .map(|(number, ((class, effect), target, mask, priority, minimum))| {
                let minimum = minimum.map(|m| AmountByCurrency::of(Money::new(m, currency)));
                let tolerated = (0..3).filter(|at| mask & (1 << at) != 0).map(|at| CLASSES[at]);
                Promotion {
                    target,
                    priority,
                    combines_with: tolerated.collect(),
                    trigger: if number % 3 == 0 { Trigger::Code } else { Trigger::Automatic },
                    conditions: Conditions { subtotal_min: minimum, ..Conditions::default() },
                    ..promotion(number, class, effect)
                }
            })
            .collect()
    })
}

fn gift_cards(currency: Currency) -> impl Strategy<Value = Vec<GiftCard>> {
    let one = (minor(), prop::option::of(0_i64..2_000_000), any::<u8>(), 0_u8..5);
    prop::collection::vec(one, 0..4).prop_map(move |of| {
        of.into_iter()
            .map(|(minor, expires_at, enabled, number)| GiftCard {
                id: GiftCardId::v4([number; 16]),
                balance: Money::new(minor, currency),
                expires_at: expires_at.map(Timestamp::from_unix_ms),
                is_enabled: enabled > 40,
            })
            .collect()
    })
}

fn taxes() -> impl Strategy<Value = TaxPolicy> {
    let rates = prop::collection::vec((0_u32..400_000, 0_usize..2), 0..5);
    (rates, any::<[bool; 3]>()).prop_map(|(rates, [is_inclusive, by_class, takes_off])| {
        let rules = rates.iter().zip(0..).map(|(&(rate, class), number)| {
            tax_rule(&format!("rate {number}"), TAX_CLASSES[class], rate)
        });
        TaxPolicy {
            price_mode: if is_inclusive { PriceMode::Inclusive } else { PriceMode::Exclusive },
            zones: vec![tax_zone("everywhere", &[], rules.collect())],
            shipping: if by_class {
                ShippingTax::Class(TaxClass(handle("standard")))
            } else {
                ShippingTax::Proportional
            },
            exempt_price: if takes_off { ExemptPrice::WithoutTax } else { ExemptPrice::Unchanged },
        }
    })
}

fn case() -> impl Strategy<Value = Case> {
    currency().prop_flat_map(|currency| {
        let parts = (
            cart_lines(currency),
            promotions(currency),
            gift_cards(currency),
            taxes(),
            minor(),
            prop::option::weighted(0.2, Just(())),
            any::<bool>(),
        );
        parts.prop_map(move |(lines, promotions, gift_cards, taxes, shipping, exempt, after)| {
            let mut case = Case::of(lines);
            case.currency = currency;
            case.taxes = taxes;
            case.gift_cards = gift_cards;
            case.buyer.is_tax_exempt = exempt.is_some();
            let by = |minor| AmountByCurrency::of(Money::new(minor, currency));
            let rule = Tariff {
                free_from: Some(by(20_000)),
                ..tariff(ShippingPrice::ByPiece { first: by(shipping), further: by(7) })
            };
            case.shipping.methods = vec![method("post", vec![rule])];
            case.shipping_method = Some(handle("post"));
            if after {
                case.shipping.measure = Measure::AfterDiscounts;
            }
            promotions.into_iter().fold(case, |case, promotion| match promotion.trigger {
                Trigger::Automatic => case.with(promotion),
                Trigger::Code => {
                    let number = promotion.id.as_bytes()[0];
                    case.with_code(&format!("CODE{number}"), promotion)
                }
            })
        })
    })
}

/// Sums minor units in another way than the engine does.
fn sum<'a>(amounts: impl Iterator<Item = &'a Money>) -> i64 {
    amounts.map(|amount| amount.minor).sum()
}

proptest! {
    #[test]
    fn every_sum_holds(case in case()) {
        let quote = case.try_quote().unwrap();
        prop_assert_eq!(quote.check(), Ok(()));
        // The same sums again, by hand, so that a fault in `check` does not hide one in the engine.
        let shipping = quote.shipping.quoted();
        let lines = &quote.lines;
        let totals = &quote.totals;
        let shipping_total = shipping.map_or(0, |s| s.total.minor);
        prop_assert_eq!(sum(lines.iter().map(|l| &l.total)) + shipping_total, totals.total.minor);
        let of_lines = lines.iter().flat_map(|l| &l.adjustments);
        let of_shipping = shipping.iter().flat_map(|s| &s.adjustments);
        let adjustments = sum(of_lines.chain(of_shipping).map(|a| &a.amount));
        prop_assert_eq!(adjustments, totals.discounts.minor);
        let taxes = lines.iter().flat_map(|l| &l.taxes).chain(shipping.iter().flat_map(|s| &s.taxes));
        prop_assert_eq!(sum(taxes.map(|t| &t.amount)), totals.tax.minor);
        prop_assert_eq!(sum(quote.gift_cards.iter().map(|g| &g.amount)) + totals.due.minor, totals.total.minor);
        for line in lines {
            let amounts = [line.subtotal, line.discount, line.tax_relief, line.tax, line.total];
            prop_assert!(amounts.iter().all(|amount| amount.minor >= 0));
            prop_assert!(line.discount.minor <= line.subtotal.minor);
        }
        prop_assert!(totals.due.minor >= 0 && shipping_total >= 0);
    }

    #[test]
    fn the_order_of_promotions_does_not_matter(case in case(), swaps in prop::collection::vec(any::<(Index, Index)>(), 8)) {
        let mut shuffled = case.clone();
        if !shuffled.promotions.is_empty() {
            let count = shuffled.promotions.len();
            for (a, b) in swaps {
                shuffled.promotions.swap(a.index(count), b.index(count));
            }
        }
        prop_assert_eq!(case.try_quote(), shuffled.try_quote());
    }

    #[test]
    fn the_same_request_has_the_same_answer(case in case()) {
        let copy = case.clone();
        prop_assert_eq!(case.try_quote(), copy.try_quote());
    }

    #[test]
    fn a_total_with_contained_tax_is_the_same_at_every_rate(case in case(), factor in 0_u32..3) {
        let mut case = case;
        case.taxes.price_mode = PriceMode::Inclusive;
        case.buyer.is_tax_exempt = false;
        let total = case.try_quote().unwrap().totals.total;
        for rule in case.taxes.zones.iter_mut().flat_map(|zone| &mut zone.rates) {
            rule.rate = TaxRate::try_from(rule.rate.millionths() * factor).unwrap();
        }
        prop_assert_eq!(case.try_quote().unwrap().totals.total, total);
    }

    #[test]
    fn tax_on_top_is_the_total_less_the_net(case in case()) {
        let mut case = case;
        case.taxes.price_mode = PriceMode::Exclusive;
        let totals = case.try_quote().unwrap().totals;
        let net = totals.subtotal.minor + totals.shipping.minor - totals.discounts.minor;
        prop_assert_eq!(totals.total.minor, net + totals.tax.minor);
        prop_assert_eq!(totals.tax_relief.minor, 0);
        prop_assert!(!case.buyer.is_tax_exempt || totals.tax.minor == 0);
    }

    #[test]
    fn a_line_s_tax_is_within_half_a_unit_of_the_exact_one(case in case()) {
        let quote = case.try_quote().unwrap();
        for (line, of) in quote.lines.iter().zip(&case.lines) {
            let rules = case.taxes.zones[0].rates.iter().filter(|rule| rule.class == of.tax_class);
            let rate: i128 = rules.map(|rule| i128::from(rule.rate.millionths())).sum();
            let amount = i128::from(line.subtotal.minor - line.discount.minor);
            let base = if quote.price_mode == PriceMode::Inclusive { 1_000_000 + rate } else { 1_000_000 };
            let tax = i128::from(line.tax.minor + line.tax_relief.minor);
            // An exempt buyer's tax is nothing, and its relief may be: then there is nothing to compare.
            if !case.buyer.is_tax_exempt {
                prop_assert!((2 * tax * base - 2 * amount * rate).abs() <= base);
            }
        }
    }

    #[test]
    fn gift_cards_change_neither_total_nor_tax(case in case()) {
        let with = case.try_quote().unwrap();
        let without = Case { gift_cards: Vec::new(), ..case }.try_quote().unwrap();
        prop_assert_eq!(&with.lines, &without.lines);
        prop_assert_eq!((with.totals.total, with.totals.tax), (without.totals.total, without.totals.tax));
    }

    #[test]
    fn each_code_applies_or_has_its_reason(case in case()) {
        let quote = case.try_quote().unwrap();
        let applied = quote.promotions.iter().filter_map(|one| one.code.as_ref());
        let refused = quote.refused_codes.iter().map(|one| &one.code);
        let mut told: Vec<_> = applied.chain(refused).cloned().collect();
        told.sort_unstable();
        let mut entered: Vec<_> = case.codes.iter().map(|one| one.code.clone()).collect();
        entered.sort_unstable();
        prop_assert_eq!(told, entered);
    }

    #[test]
    fn each_line_s_share_is_within_one_unit_of_the_exact_one(currency in currency(), prices in prop::collection::vec((minor(), 1_u32..5), 1..8), off in 1_i64..100_000) {
        let effect = Effect::Amount { off: AmountByCurrency::of(Money::new(off, currency)) };
        let case = Case::of(lines_in(currency, &prices)).with(promotion(1, Class::Order, effect));
        let quote = case.try_quote().unwrap();
        let subtotal = i128::from(quote.totals.subtotal.minor);
        let taken = i128::from(off).min(subtotal);
        prop_assert_eq!(i128::from(quote.totals.discounts.minor), taken);
        for line in &quote.lines {
            let (discount, cost) = (i128::from(line.discount.minor), i128::from(line.subtotal.minor));
            prop_assert!((discount * subtotal - taken * cost).abs() < subtotal.max(1));
        }
    }

    /// Compared with all ways to choose pieces: as many repeats as possible, then the cheapest pieces that can be got.
    #[test]
    fn buy_and_get_gives_the_cheapest_pieces_of_as_many_repeats_as_fit(
        pieces in prop::collection::vec((0_i64..6, 0_u8..4), 0..9),
        buy in 1_u32..4,
        get in 1_u32..4,
        repeats_max in 1_u32..4,
    ) {
        let mut case = Case::of(lines(&pieces.iter().map(|one| (one.0, 1)).collect::<Vec<_>>()));
        for (line, (_, roles)) in case.lines.iter_mut().zip(&pieces) {
            line.categories.clear();
            line.tags = ["buy", "get"].iter().zip([1, 2]).filter(|(_, bit)| roles & bit != 0).map(|(name, _)| handle(name)).collect();
        }
        let tag = |name| Target::Tags(BTreeSet::from([handle(name)]));
        let effect = Effect::BuyGet { buy, get, off: share(10_000), repeats_max, of: Some(tag("get")) };
        let case = case.with(Promotion { target: tag("buy"), ..promotion(1, Class::Line, effect) });
        let best = (0_u32..1 << pieces.len()).filter_map(|chosen| {
            let is_got = |at: usize| chosen & (1 << at) != 0;
            let got: Vec<_> = (0..pieces.len()).filter(|&at| is_got(at)).collect();
            let bought = (0..pieces.len()).filter(|&at| !is_got(at) && pieces[at].1 & 1 != 0).count();
            let count = u32::try_from(got.len()).unwrap();
            let repeats = count / get;
            let fits = got.iter().all(|&at| pieces[at].1 & 2 != 0)
                && count % get == 0
                && repeats <= repeats_max
                && u32::try_from(bought).unwrap() >= repeats * buy;
            let cost: i64 = got.iter().map(|&at| pieces[at].0).sum();
            fits.then_some((Reverse(repeats), cost))
        }).min().unwrap();
        prop_assert_eq!(case.try_quote().unwrap().totals.discounts.minor, best.1);
    }

    #[test]
    fn promotions_that_apply_combine(case in case()) {
        let quote = case.try_quote().unwrap();
        let of = |id| case.promotions.iter().map(|one| &one.0).find(|one| one.id == id).unwrap();
        let applied: Vec<_> = quote.promotions.iter().map(|one| of(one.promotion)).collect();
        for (at, one) in applied.iter().enumerate() {
            prop_assert!(applied[at + 1..].iter().all(|other| one.combines(other)));
        }
    }

    /// But for buy-and-get promotions, which compete for pieces, and for tariffs that look at discounted subtotals.
    #[test]
    fn no_single_promotion_would_be_cheaper_than_the_set(case in case()) {
        let mut case = case;
        case.shipping.measure = Measure::BeforeDiscounts;
        case.taxes.price_mode = PriceMode::Inclusive;
        case.taxes.exempt_price = ExemptPrice::Unchanged;
        case.promotions.retain(|one| !matches!(one.0.effect, Effect::BuyGet { .. }));
        let total = case.try_quote().unwrap().totals.total.minor;
        for single in &case.promotions {
            let alone = Case { promotions: vec![single.clone()], ..case.clone() };
            let alone = alone.try_quote().unwrap().totals.total.minor;
            // Each of the others may round once against the shopper.
            let rounding = i64::try_from(case.promotions.len()).unwrap();
            prop_assert!(total <= alone + rounding, "{total} > {alone} by {:?}", single.0);
        }
    }
}
