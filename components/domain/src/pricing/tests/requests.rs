//! Requests that contradict themselves, limits, and frozen prices.

use super::*;

#[test]
fn refuses_requests_that_contradict_themselves() {
    let good = || Case::of(lines(&[(100, 1), (200, 1)]));
    let check = |change: fn(&mut Case), expected: PricingError, kind: ErrorKind| {
        let mut case = good();
        change(&mut case);
        assert_eq!(case.try_quote(), Err(expected));
        assert_eq!(expected.kind(), kind);
    };
    let second = line_id(1);
    check(
        |case| case.lines[1].id = line_id(0),
        PricingError::LineTwice(line_id(0)),
        ErrorKind::Internal,
    );
    check(
        |case| case.lines[1].price = Money::new(1, Currency::Jpy),
        PricingError::LineCurrency(second),
        ErrorKind::Internal,
    );
    check(
        |case| {
            let price = Money::new(1, Currency::Jpy);
            case.lines[1].frozen = Some(FrozenPrice { price, until: NOW });
        },
        PricingError::LineCurrency(second),
        ErrorKind::Internal,
    );
    check(
        |case| case.lines[1].price = money(-1),
        PricingError::NegativePrice(second),
        ErrorKind::Internal,
    );
    check(
        |case| {
            let one = promotion(1, Class::Line, percent(1));
            case.promotions = vec![(one.clone(), 0, 0), (one, 0, 0)];
        },
        PricingError::PromotionTwice(promotion_id(1)),
        ErrorKind::Internal,
    );
    check(
        |case| *case = case.clone().shipped(-1),
        PricingError::NegativeShipping,
        ErrorKind::Internal,
    );
    check(
        |case| case.lines[1].price = money(i64::MAX),
        PricingError::Money(MoneyError::OutOfRange),
        ErrorKind::InvalidInput,
    );
}

#[test]
fn limits_are_reached_and_not_passed() {
    let code =
        |number: usize| EnteredCode { code: format!("C{number}").parse().unwrap(), found: None };
    let card = |number: u8| GiftCard {
        id: GiftCardId::v4([number; 16]),
        balance: money(1),
        expires_at: None,
        is_enabled: true,
    };
    let case = |lines_count: usize, promotions: u8, codes: usize, cards: u8| {
        let mut case = Case::of(lines(&vec![(100, 1); lines_count]));
        case.promotions = (0..promotions)
            .map(|number| (promotion(number, Class::Line, percent(1)), 0, 0))
            .collect();
        case.codes = (0..codes).map(code).collect();
        case.gift_cards = (0..cards).map(card).collect();
        case.try_quote()
    };
    assert!(case(50, 100, 10, 10).is_ok());
    for (outcome, limit, kind) in [
        (case(51, 0, 0, 0), Limit::Lines, ErrorKind::InvalidInput),
        (case(1, 101, 0, 0), Limit::Promotions, ErrorKind::Internal),
        (case(1, 0, 11, 0), Limit::Codes, ErrorKind::InvalidInput),
        (case(1, 0, 0, 11), Limit::GiftCards, ErrorKind::InvalidInput),
    ] {
        assert_eq!(outcome, Err(PricingError::TooMany(limit)));
        assert_eq!(PricingError::TooMany(limit).kind(), kind);
    }
    assert_eq!(PricingError::TooMany(Limit::Codes).to_string(), "more than 10 codes");
    let pieces = LINES_MAX * usize::try_from(crate::sku::QUANTITY_MAX).unwrap();
    assert_eq!(usize::try_from(PIECES_MAX), Ok(pieces));
}

#[test]
fn frozen_prices_count_while_they_hold_and_changes_are_told_after() {
    let mut case = Case::of(lines(&[(1_200, 2), (500, 1), (700, 1)]));
    let until = Timestamp::from_unix_ms(NOW.unix_ms() + 1);
    case.lines[0].frozen = Some(FrozenPrice { price: money(1_000), until });
    case.lines[1].frozen = Some(FrozenPrice { price: money(500), until });
    let quote = case.quote();
    assert_eq!(quote.totals.total, money(3_200));
    assert!(quote.price_changes.is_empty());
    case.now = until;
    let quote = case.quote();
    assert_eq!(quote.totals.total, money(3_600));
    assert_eq!(quote.lines[0].unit_price, money(1_200));
    assert_eq!(
        quote.price_changes,
        [PriceChange { line: line_id(0), old: money(1_000), new: money(1_200) }]
    );
}

#[test]
fn a_quote_that_was_tampered_with_does_not_balance() {
    let case = Case::of(lines(&[(1_000, 1), (2_000, 1)]))
        .shipped(490)
        .taxed(PriceMode::Exclusive, vec![tax_rule("VAT", "standard", 190_000)])
        .with(promotion(1, Class::Line, percent(1_000)));
    let mut case = case;
    case.gift_cards = vec![GiftCard {
        id: GiftCardId::v4([1; 16]),
        balance: money(100),
        expires_at: None,
        is_enabled: true,
    }];
    let check = |change: fn(&mut Quote), expected: Imbalance| {
        let mut quote = case.quote();
        change(&mut quote);
        assert_eq!(quote.check(), Err(expected));
    };
    check(|quote| quote.lines[0].total.minor += 1, Imbalance::Line);
    check(|quote| quote.lines[0].adjustments[0].amount.minor += 1, Imbalance::Discounts);
    check(|quote| quote.lines[0].taxes[0].amount.minor += 1, Imbalance::Tax);
    check(|quote| quote.totals.total.minor += 1, Imbalance::Total);
    check(|quote| quote.totals.discounts.minor += 1, Imbalance::Discounts);
    check(|quote| quote.totals.tax.minor += 1, Imbalance::Tax);
    check(|quote| quote.totals.subtotal.minor += 1, Imbalance::Parts);
    check(|quote| quote.totals.tax_relief.minor += 1, Imbalance::Parts);
    check(|quote| quote.promotions[0].amount.minor += 1, Imbalance::Discounts);
    check(|quote| quote.taxes[0].amount.minor += 1, Imbalance::Tax);
    check(|quote| quote.totals.due.minor += 1, Imbalance::Payment);
    check(|quote| quote.gift_cards.clear(), Imbalance::Payment);
    let other = Money::zero(Currency::Jpy);
    check(
        |quote| quote.totals.due = Money::zero(Currency::Jpy),
        Imbalance::Money(MoneyError::CurrencyMismatch(Currency::Eur, other.currency)),
    );
    check(
        |quote| {
            let excess = quote.totals.due.minor + 1;
            quote.gift_cards[0].amount.minor += excess;
            quote.totals.gift_cards.minor += excess;
            quote.totals.due.minor = -1;
        },
        Imbalance::Negative,
    );
}
